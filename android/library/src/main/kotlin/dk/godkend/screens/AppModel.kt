package dk.godkend.screens

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow

/**
 * The app without its pictures: every decision is made here and in the models that this one holds. Main thread only.
 *
 * [openPhone] opens the real phone, and [erasePhone] removes what cannot be opened any more; the demonstration plays its own
 * and touches neither keys nor network.
 */
class AppModel(
    private val openPhone: suspend () -> Phone,
    private val around: Surroundings,
    scope: CoroutineScope,
    private val erasePhone: suspend () -> Unit,
) {
    private val session = Session(around, scope)
    private val demo = MutableStateFlow(false)
    private var watching: Job? = null
    private var isForeground = false
    private var real: Phone? = null
    private var biometricsLost = false

    /** The phone is open and its person is where they belong. */
    private var isStarted = false

    /** What opened the app before it had started. */
    private var linkAtStart: String? = null

    private var wakeAddress: WakeAddress? = null

    /** Who is woken at [wakeAddress], or would be if the server sent that way. */
    private val registered = mutableSetOf<Long>()

    val screen: StateFlow<Screen> = session.screen

    /** Whether a demonstration is played, which every screen says. */
    val isDemo: StateFlow<Boolean> = demo.asStateFlow()

    val pins = PinModel(session)
    val requests = RequestModel(session, pins, ::goHome)
    val activation = ActivationModel(session, pins, ::goHome)
    val settings = SettingsModel(session, pins, ::route)

    /** First thing after a start. */
    fun start() {
        if (real == null) session.restart(Screen.Opening)
        session.work(Problem.Doing.OPENING, retry = ::start) {
            session.phone = real ?: openPhone().also { real = it }
            session.person = around.preferences.person
            resume()
        }
    }

    /** Goes on where the phone was left. */
    private fun resume() {
        session.work(retry = ::resume) {
            try {
                session.phone.resume()
            } catch (failed: PhoneException) {
                // What was begun is kept; the home page says that there is no connection.
                if (failed.failure != PhoneFailure.NoNetwork) throw failed
            }
            routeNow()
            isStarted = true
            linkAtStart?.let(::openLink)
        }
    }

    /** A link that opened the app, or came while it runs. */
    fun openLink(link: String) {
        linkAtStart = if (isStarted) null else link
        if (!isStarted) return
        // A request on the screen is answered first.
        if (demo.value || session.top is Screen.Asked || session.top is Screen.PinPad || session.top is Screen.Refuse) return
        session.work(retry = { openLink(link) }) { opened(session.phone.openLink(session.person, link)) }
    }

    private suspend fun opened(opened: Opened) = when (opened) {
        is Opened.Digits -> activation.digits(opened)
        is Opened.Asked -> {
            goHome()
            requests.show(opened.request)
        }
    }

    /** Goes to where the chosen person stands. */
    private fun route() {
        session.work(retry = ::route) { routeNow() }
    }

    private suspend fun routeNow() {
        val me = session.chosen()
        session.person = me?.id
        when (val standing = me?.standing) {
            null -> session.restart(Screen.Welcome)
            Standing.Active -> if (me.blockCode == null) goHome() else session.restart(Screen.BlockCode(me.blockCode))
            is Standing.Enrolling -> resume(me, standing.stage)
            is Standing.ResettingPin -> resume(me, standing.stage)
            Standing.Blocked -> stopped(Problem.Kind.BLOCKED)
            Standing.Frozen -> stopped(Problem.Kind.FROZEN)
            Standing.Removed -> stopped(Problem.Kind.REMOVED)
        }
    }

    private fun resume(me: Person, stage: Stage) {
        session.restart(if (stage is Stage.Waiting) Screen.ActiveLater(stage.until) else Screen.Opening)
        activation.resume(me.id)
    }

    private fun stopped(kind: Problem.Kind) {
        session.restart(Screen.Welcome)
        session.trouble(Problem(kind, Problem.Next.ACTIVATE))
    }

    // First start

    fun getStarted() = session.go(Screen.Activate)

    fun scan() = session.go(Screen.Scan())

    fun typeCode() = session.go(Screen.TypeCode())

    /** The camera saw a text. */
    fun scanned(text: String) {
        if (session.top !is Screen.Scan) return
        session.work(retry = { scan() }) {
            val person = session.person
            session.back()
            opened(session.phone.scan(person, text))
        }
    }

    // Home

    private fun goHome() {
        session.restart(Screen.Home(name = ""))
        session.launch { refreshHome() }
        watch()
        registerWakeAddress()
    }

    private suspend fun refreshHome(change: (Screen.Home, List<Person>) -> Screen.Home = { home, _ -> home }) {
        val me = session.chosen() ?: return
        val people = session.phone.people()
        val home = session.top as? Screen.Home ?: return
        session.replace(
            change(home, people)
                .copy(name = me.name, unsettled = me.unsettled, biometricsLost = biometricsLost, severalPeople = people.size > 1),
        )
    }

    private fun watch() {
        watching?.cancel()
        val person = session.person
        if (!isForeground || person == null) return
        watching = session.launch { session.phone.watch(person).collect(::found) }
    }

    private suspend fun found(waiting: Waiting) {
        // Only the home page is interrupted: whoever is in the middle of something finishes it first.
        if (session.top is Screen.Home) {
            when {
                waiting.connection == Connection.UNTRUSTED -> return session.trouble(Problem.of(PhoneFailure.Untrusted), ::goHome)
                waiting.connection == Connection.CLOCK_WRONG -> return session.trouble(Problem.of(PhoneFailure.ClockWrong), ::goHome)
                waiting.update == Update.Refused -> return session.trouble(Problem.of(PhoneFailure.UpdateNeeded))
                session.chosen()?.standing != Standing.Active -> return route()
            }
        }
        refreshHome { home, people ->
            home.copy(
                waiting = waiting.requests.firstOrNull(),
                isOffline = waiting.connection == Connection.OFFLINE,
                update = waiting.update,
                others = people.filter { it.id in waiting.others },
            )
        }
    }

    /** Opens what waits; a locked one is opened with its number. */
    fun openWaiting() {
        val home = session.top as? Screen.Home ?: return
        val waiting = home.waiting ?: return
        val person = session.person ?: return
        if (waiting.locked) typeNumber() else requests.open(person, waiting.id)
    }

    /** *It is not me*, of a request that is still locked. */
    fun refuseWaiting() {
        val waiting = (session.top as? Screen.Home)?.waiting ?: return
        requests.refuseLocked(session.person ?: return, waiting.id, fraud = true)
    }

    /** Leaves the camera for the number, or for the code of an activation. */
    fun typeInstead() {
        val activating = session.person == null
        session.back()
        if (activating) typeCode() else typeNumber()
    }

    fun typeNumber() = session.go(Screen.TypeNumber(Screen.NumberPurpose.LOGIN))

    /** The number was typed. */
    fun number(text: String) {
        val screen = session.top as? Screen.TypeNumber ?: return
        if (screen.purpose == Screen.NumberPurpose.NEW_PHONE) return settings.moveDigits(text)
        val person = session.person ?: return
        session.replace(screen.copy(working = true, problem = null))
        session.work(retry = { number(text) }) {
            try {
                val request = session.phone.typeNumber(person, text)
                session.back()
                requests.show(request)
            } catch (failed: PhoneException) {
                session.replace(screen.copy(working = false))
                val problem = Problem.of(failed.failure)
                if (problem.kind != Problem.Kind.NOT_A_CODE && problem.kind != Problem.Kind.REFUSED) throw failed
                session.replace(screen.copy(working = false, problem = problem))
            }
        }
    }

    fun home() = goHome()

    // What a trouble offers

    fun tryAgain() = session.tryAgain()

    fun usePin() {
        if ((session.top as? Screen.Trouble)?.problem?.kind == Problem.Kind.KEY_INVALIDATED) biometricsLost = true
        session.usePin()
    }

    /** *Activate again*: who cannot use this phone any more is taken off it. */
    fun activateAgain() {
        session.work(retry = ::activateAgain) {
            if (real == null) {
                // It could not even be opened: what is left of it goes, and an empty one is opened.
                erasePhone()
                session.phone = openPhone().also { real = it }
                isStarted = true
            }
            val me = session.chosen()
            if (me != null && me.standing !is Standing.Active) forgetQuietly(me.id)
            if (me != null && session.lastTrouble == Problem.Kind.KEY_MISSING) forgetQuietly(me.id)
            session.person = null
            session.restart(Screen.Welcome)
            session.go(Screen.Activate)
        }
    }

    private suspend fun forgetQuietly(person: Long) {
        try {
            session.phone.forget(person)
        } catch (failed: PhoneException) {
            // Still in use at the server: the new activation replaces it there.
            if (failed.failure != PhoneFailure.NotNow) throw failed
        }
    }

    fun forgottenPin() = session.go(Screen.ForgottenPin)

    /** The desk has opened for a new PIN. */
    fun resetPin() {
        session.person?.let { activation.resetPin(it) }
    }

    /** Turns biometrics on again after they were invalidated. */
    fun biometricsAgain() {
        biometricsLost = false
        settings.setBiometrics(true)
    }

    /** False where there is nothing to go back to. */
    fun back(): Boolean {
        val stayed = leave()
        // What came meanwhile was not shown.
        if (stayed && session.top is Screen.Home) watch()
        return stayed
    }

    private fun leave(): Boolean = when (val top = session.top) {
        is Screen.Asked -> {
            requests.askWhy()
            true
        }
        is Screen.PinPad -> {
            pins.wipe()
            top.working || session.back()
        }
        // Behind the trouble of a phone that did not open there is nothing.
        is Screen.Trouble -> (real != null || demo.value) && session.back()
        is Screen.Result, is Screen.OfflineCode -> {
            if (!session.back()) goHome()
            true
        }
        else -> session.back()
    }

    // Lifecycle

    fun onForeground() {
        isForeground = true
        val trouble = (session.top as? Screen.Trouble)?.problem
        when {
            session.top is Screen.Home -> watch()
            trouble == null || demo.value -> Unit
            // Closed and opened again: it may go better now.
            real == null -> start()
            trouble.next == Problem.Next.CLOSE_APP -> openAgain()
        }
    }

    /** A phone that could not save does nothing more: it is opened anew, from what was saved last. */
    private fun openAgain() {
        session.launch {
            real?.close()
            real = null
            isStarted = false
            start()
        }
    }

    fun onBackground() {
        isForeground = false
        watching?.cancel()
        pins.wipe()
    }

    /** The phone can be woken here: so is everybody on it who is in use, now and later. At each start, and when it changes. */
    fun wakeAt(address: WakeAddress) {
        wakeAddress = address
        registered.clear()
        registerWakeAddress()
    }

    /** A server that does not send that way, or none, costs wake-ups and nothing else. */
    private fun registerWakeAddress() {
        val address = wakeAddress ?: return
        val phone = real ?: return
        session.launch {
            for (person in phone.people()) {
                if (person.standing != Standing.Active || !registered.add(person.id)) continue
                try {
                    phone.wakeAt(person.id, address)
                } catch (failed: PhoneException) {
                    // What the server will not have, it is not asked for again until the next start.
                    if (failed.failure !is PhoneFailure.Refused) registered -= person.id
                }
            }
        }
    }

    /** A push has come while nobody looks: whether to say so. Who cannot be asked may have something to say. */
    suspend fun somethingWaits(): Boolean = try {
        real?.somethingWaits() ?: true
    } catch (_: PhoneException) {
        true
    }

    // Demonstration

    /** Starts a demonstration; the real phone is left as it is. */
    fun startDemo() {
        watching?.cancel()
        demo.value = true
        session.phone = DemoPhone(around)
        session.person = DemoPhone.PERSON
        session.restart(Screen.Demo)
    }

    /** Plays one of the demonstration's stories. */
    fun play(story: DemoStory) {
        val phone = session.phone as? DemoPhone ?: return
        phone.story = story
        session.person = DemoPhone.PERSON
        goHome()
    }

    fun endDemo() {
        watching?.cancel()
        demo.value = false
        start()
    }
}
