package dk.godkend.screens

/** From an activation to a phone that can approve, and a new PIN after proofing again. */
class ActivationModel(private val session: Session, private val pins: PinModel, private val goHome: () -> Unit) {
    private var person: Long? = null

    /** The typed code, or what the camera or a link gave. */
    fun activate(text: String) {
        (session.top as? Screen.TypeCode)?.let { session.replace(Screen.TypeCode(working = true)) }
        session.work(retry = { activate(text) }) {
            try {
                digits(session.phone.activate(text))
            } catch (failed: PhoneException) {
                val screen = session.top as? Screen.TypeCode ?: throw failed
                val problem = Problem.of(failed.failure)
                session.replace(Screen.TypeCode())
                // A slip of the finger is said beside the field; what needs another step is a screen.
                if (problem.kind != Problem.Kind.NOT_A_CODE && problem.kind != Problem.Kind.REFUSED) throw failed
                session.replace(screen.copy(working = false, problem = problem))
            }
        }
    }

    /** Asks for the new PIN that a desk has opened. */
    fun resetPin(person: Long) {
        session.work(retry = { resetPin(person) }) { digits(session.phone.resetPin(person)) }
    }

    /** Shows the digits, and goes on by itself once they were typed. */
    suspend fun digits(opened: Opened.Digits) {
        person = opened.person
        session.go(Screen.Digits(opened.digits))
        follow(opened.person)
    }

    /** Goes on where a restart found the enrolment. */
    fun resume(person: Long) {
        this.person = person
        session.work(retry = { resume(person) }) {
            session.phone.digits(person)?.let { session.restart(Screen.Digits(it)) }
            follow(person)
        }
    }

    private suspend fun follow(person: Long) {
        when (val stage = session.phone.awaitDigits(person)) {
            Stage.Digits, Stage.ChoosePin, Stage.Finish -> choosePin(person)
            Stage.Active -> finished(person, null)
            is Stage.Waiting -> finished(person, stage.until)
            Stage.Void -> {
                session.phone.forget(person)
                session.person = null
                session.restart(Screen.Welcome)
                session.trouble(Problem(Problem.Kind.VOID, Problem.Next.ACTIVATE))
            }
        }
    }

    private fun choosePin(person: Long) {
        session.restart(Screen.Welcome)
        pins.choose(Screen.PinPurpose.CHOOSE, Screen.PinPurpose.REPEAT) { pin ->
            val stage = session.phone.choosePin(person, pin)
            session.around.feel(Feeling.APPROVED)
            finished(person, (stage as? Stage.Waiting)?.until)
        }
    }

    private var activeFrom: Long? = null

    private suspend fun finished(person: Long, activeFrom: Long?) {
        this.activeFrom = activeFrom
        session.person = person
        session.around.preferences.person = person
        val code = session.phone.people().find { it.id == person }?.blockCode
        if (code != null) session.restart(Screen.BlockCode(code)) else afterBlockCode()
    }

    fun blockCodeNoted() {
        val person = session.person ?: return
        session.work(retry = ::blockCodeNoted) {
            session.phone.blockCodeNoted(person)
            // From the settings it goes back there; after an activation, also one that a kill interrupted, it goes on.
            if (this.person != null || !session.back()) afterBlockCode()
        }
    }

    private suspend fun afterBlockCode() {
        val me = session.chosen()
        val shared = session.phone.people().size > 1
        val offer = activeFrom == null && me?.standing == Standing.Active && !me.biometrics && !shared
        if (offer && session.around.hasBiometrics()) session.restart(Screen.OfferBiometrics) else afterBiometrics()
    }

    fun biometricsOn() {
        val person = session.person ?: return
        pins.ask(Screen.PinPurpose.PROVE) { pin ->
            try {
                session.phone.enableBiometrics(person, pin)
            } catch (failed: PhoneException) {
                if (failed.failure != PhoneFailure.NotSupported) throw failed
                afterBiometrics()
                return@ask session.trouble(Problem(Problem.Kind.NO_BIOMETRICS, Problem.Next.RETRY))
            }
            afterBiometrics()
        }
    }

    /** Turned on, or not now. */
    fun afterBiometrics() {
        if (session.around.mayAskForNotifications()) session.restart(Screen.OfferNotifications) else ready()
    }

    /** Allowed, or not now. */
    fun ready() {
        person = null
        session.restart(activeFrom?.let { Screen.ActiveLater(it) } ?: Screen.Ready)
    }

    fun done() = goHome()
}
