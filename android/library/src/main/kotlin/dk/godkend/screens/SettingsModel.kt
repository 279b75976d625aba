package dk.godkend.screens

/** History and settings: what a person changes about this phone, the other phones and the browsers. */
class SettingsModel(
    private val session: Session,
    private val pins: PinModel,
    private val restart: () -> Unit,
) {
    /** What a [Screen.Confirm] does once it is confirmed. */
    private var confirmed: (() -> Unit)? = null

    fun history() = withPerson { session.go(Screen.History(session.phone.history(it.id))) }

    /** Hands the history as CSV to [keep], which puts it where the person chose. */
    fun exportHistory(keep: (String) -> Unit) = withPerson { keep(session.phone.exportHistory(it.id)) }

    fun open() = withPerson { session.go(Screen.Settings(it, session.around.preferences.language)) }

    private fun withPerson(action: suspend (Person) -> Unit) {
        session.work(retry = { withPerson(action) }) { session.chosen()?.let { action(it) } }
    }

    /** The settings as they are now, if they are on the screen. */
    private suspend fun refresh() {
        val settings = session.top as? Screen.Settings ?: return
        session.chosen()?.let { session.replace(settings.copy(person = it, language = session.around.preferences.language)) }
    }

    /** Does what needs a proof: a finger where there is one, else the PIN. */
    private fun prove(person: Person, biometrics: Boolean = person.biometrics, action: suspend (Proof) -> Unit) {
        val byPin = { pins.ask(Screen.PinPurpose.PROVE) { pin -> action(Proof.Pin(pin)) } }
        if (!biometrics) return byPin()
        session.work(Problem.Doing.BIOMETRICS, retry = { prove(person, biometrics, action) }, pin = byPin) {
            try {
                action(Proof.Biometric)
            } catch (failed: PhoneException) {
                // Cancelled: the person is where they were.
                if (failed.failure != PhoneFailure.Cancelled) throw failed
            }
        }
    }

    private suspend fun result(outcome: Screen.Outcome, name: String = "") {
        session.around.feel(Feeling.APPROVED)
        session.backTo(Screen.Settings::class.java)
        refresh()
        session.go(Screen.Result(outcome, name))
    }

    fun changePin() = withPerson { me -> changePin(me, null) }

    private fun changePin(me: Person, complaint: Screen.PinComplaint?) {
        pins.ask(Screen.PinPurpose.OLD, complaint = complaint) { old ->
            pins.choose(Screen.PinPurpose.NEW, Screen.PinPurpose.NEW_REPEAT) { new ->
                try {
                    session.phone.changePin(me.id, old, new)
                } catch (failed: PhoneException) {
                    val wrong = failed.failure as? PhoneFailure.WrongPin
                    val left = wrong?.status?.takeIf { !it.dead && it.waitSeconds == 0 }?.triesLeft
                    session.backTo(Screen.Settings::class.java)
                    if (left == null) throw failed
                    // It was the old one that was wrong: there is where to go on, and what is left is said there.
                    session.around.feel(Feeling.WRONG)
                    return@choose changePin(me, Screen.PinComplaint.Wrong(left))
                }
                result(Screen.Outcome.PIN_CHANGED)
            }
        }
    }

    fun setBiometrics(on: Boolean) = withPerson { me ->
        when {
            on && !session.around.hasBiometrics() ->
                session.trouble(Problem(Problem.Kind.NO_BIOMETRICS, Problem.Next.RETRY))
            on && session.phone.people().size > 1 ->
                session.trouble(Problem(Problem.Kind.SHARED_PHONE, Problem.Next.RETRY))
            on -> pins.ask(Screen.PinPurpose.PROVE) { pin ->
                session.phone.enableBiometrics(me.id, pin)
                result(Screen.Outcome.BIOMETRICS_ON)
            }
            else -> prove(me, biometrics = false) { proof ->
                session.phone.disableBiometrics(me.id, proof)
                result(Screen.Outcome.BIOMETRICS_OFF)
            }
        }
    }

    fun language() = session.go(Screen.ChooseLanguage(session.around.preferences.language))

    fun chooseLanguage(language: Language) {
        session.around.preferences.language = language
        session.back()
        session.launch { refresh() }
    }

    fun devices() = withPerson { me -> session.go(Screen.Devices(session.phone.overview(me.id))) }

    private suspend fun refreshDevices(me: Person) {
        session.backTo(Screen.Devices::class.java)
        session.replace(Screen.Devices(session.phone.overview(me.id)))
    }

    fun removeDevice(device: Device) = ask(Screen.Question.REMOVE_DEVICE, device.model) { me ->
        prove(me) { proof ->
            session.phone.removeDevice(me.id, device.id.takeUnless { device.isThis }, proof)
            session.around.feel(Feeling.APPROVED)
            if (device.isThis) restart() else refreshDevices(me)
        }
    }

    fun forgetBrowser(browser: Browser) = ask(Screen.Question.FORGET_BROWSER, browser.name) { me ->
        prove(me) { proof ->
            session.phone.forgetBrowser(me.id, browser.id, proof)
            session.around.feel(Feeling.APPROVED)
            refreshDevices(me)
        }
    }

    fun setCalls(on: Boolean) = withPerson { me ->
        prove(me) { proof ->
            session.phone.setCalls(me.id, on, proof)
            session.around.feel(Feeling.APPROVED)
            refreshDevices(me)
        }
    }

    fun block() = ask(Screen.Question.BLOCK) { me ->
        session.work(retry = ::block) {
            session.phone.block(me.id)
            session.around.feel(Feeling.REFUSED)
            restart()
        }
    }

    private fun ask(question: Screen.Question, name: String = "", action: (Person) -> Unit) {
        confirmed = { withPerson { action(it) } }
        session.go(Screen.Confirm(question, name))
    }

    /** *Yes* to what was asked. */
    fun confirm() {
        val screen = session.top as? Screen.Confirm ?: return
        if (screen.working) return
        val action = confirmed
        confirmed = null
        session.back()
        action?.invoke()
    }

    fun blockCode() = withPerson { session.go(Screen.BlockCode(it.blockCode)) }

    fun move() = session.go(Screen.Move(keep = false))

    fun setKeep(keep: Boolean) = session.replace(Screen.Move(keep))

    /** Shows the code for the new phone. */
    fun startMove() = withPerson { me ->
        val keep = (session.top as? Screen.Move)?.keep ?: false
        prove(me) { proof ->
            val handed = session.phone.move(me.id, proof, keep)
            session.backTo(Screen.Move::class.java)
            session.go(Screen.MoveCode(handed.link))
        }
    }

    fun typeMoveDigits() = session.go(Screen.TypeNumber(Screen.NumberPurpose.NEW_PHONE))

    fun moveDigits(digits: String) = withPerson { me ->
        val moved = session.phone.moveDigits(me.id, digits)
        session.backTo(Screen.Move::class.java)
        result(Screen.Outcome.MOVED, moved.model)
    }

    fun people() {
        session.work(retry = ::people) { session.go(Screen.People(session.phone.people(), session.chosen()?.id)) }
    }

    fun choose(person: Long) {
        session.person = person
        session.around.preferences.person = person
        restart()
    }

    fun addPerson() = session.go(Screen.Activate)

    fun forgetPerson(person: Person) {
        confirmed = {
            session.work(retry = { forgetPerson(person) }) {
                try {
                    session.phone.forget(person.id)
                    restart()
                } catch (failed: PhoneException) {
                    // Who is in use is removed at the server first, which takes a proof.
                    if (failed.failure != PhoneFailure.NotNow) throw failed
                    prove(person) { proof ->
                        session.phone.removeDevice(person.id, null, proof)
                        session.phone.forget(person.id)
                        restart()
                    }
                }
            }
        }
        session.go(Screen.Confirm(Screen.Question.FORGET_PERSON, person.name))
    }

    fun support() = session.go(Screen.Support(session.around.facts(), session.phone.supportCode()))

    fun licences() = session.go(Screen.Licences)

    fun about() = session.go(Screen.About(session.around.facts().appVersion))
}
