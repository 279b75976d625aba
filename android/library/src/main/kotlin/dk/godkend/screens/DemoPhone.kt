package dk.godkend.screens

import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import java.time.Instant

/** What a demonstration plays. */
enum class DemoStory { LOGIN, PAYMENT, STRANGER, EXPIRES, SERVER_REFUSES, OFFLINE }

/** A phone for a course and for a store's reviewer: no keys, no server, nothing kept. */
class DemoPhone(private val around: Surroundings) : Phone {
    private val lines = ArrayDeque<HistoryLine>()
    private var pin = PIN
    private var tries = TRIES
    private var hasBiometrics = false
    private var calls = true
    private var answered = false
    private var keptBrowser = true

    var story: DemoStory = DemoStory.LOGIN
        set(value) {
            field = value
            answered = false
            tries = TRIES
        }

    override suspend fun resume() = Unit

    override suspend fun people() = listOf(
        Person(PERSON, "Anna", Standing.Active, hasBiometrics, offline = false, unsettled = false, blockCode = null),
    )

    override suspend fun activate(text: String) = throw PhoneException(PhoneFailure.NotNow)

    override suspend fun awaitDigits(person: Long) = Stage.Active

    override suspend fun digits(person: Long): Secret? = null

    override suspend fun choosePin(person: Long, pin: String) = Stage.Active

    override suspend fun resetPin(person: Long) = throw PhoneException(PhoneFailure.NotNow)

    override fun watch(person: Long): Flow<Waiting> = flow {
        val waiting = WaitingRequest("demo", locked = story == DemoStory.STRANGER, expiresIn = lifetime())
        val connection = if (story == DemoStory.OFFLINE) Connection.OFFLINE else Connection.ONLINE
        val nothing = answered || story == DemoStory.OFFLINE
        emit(Waiting(if (nothing) emptyList() else listOf(waiting), connection, Update.None))
        awaitCancellation()
    }

    private fun lifetime() = if (story == DemoStory.EXPIRES) SHORT_SECONDS else LONG_SECONDS

    private fun request() = Request(
        id = 1,
        person = PERSON,
        relyingParty = "Netbank",
        action = if (story == DemoStory.PAYMENT) Action.APPROVE else Action.LOG_ON,
        text = if (story == DemoStory.PAYMENT) "Faktura 1042" else null,
        payment = if (story == DemoStory.PAYMENT) Payment(125_000, "DKK", "Elselskabet", "5000 0440116243") else null,
        level = Level.SUBSTANTIAL,
        pinAllowed = true,
        biometricAllowed = false,
        binding = if (story == DemoStory.STRANGER) Binding.TYPED_NUMBER else Binding.REMEMBERED_BROWSER,
        place = "København",
        browser = "Firefox, Linux",
        newBrowser = story == DemoStory.STRANGER,
        mayRemember = false,
        expiresIn = lifetime(),
        pin = PinStatus(tries, 0, 2, false),
        update = Update.None,
    )

    override suspend fun open(person: Long, id: String) = request()

    override suspend fun scan(person: Long?, text: String) = Opened.Asked(request())

    override suspend fun openLink(person: Long?, text: String) = Opened.Asked(request())

    override suspend fun typeNumber(person: Long, number: String) =
        if (number.count(Char::isDigit) == NUMBER) request() else throw PhoneException(PhoneFailure.NotACode)

    override suspend fun approve(request: Request, with: Proof, rememberBrowser: Boolean): Approved {
        delay(PRETENDED_MILLIS)
        check(with)
        if (story == DemoStory.SERVER_REFUSES) {
            note(Event.NOT_TAKEN, request)
            answered = true
            throw PhoneException(PhoneFailure.Refused("transaction_taken", "", null, null))
        }
        note(Event.APPROVED, request)
        answered = true
        return Approved.Taken(null)
    }

    private fun check(proof: Proof) {
        if (proof !is Proof.Pin || proof.digits == pin) {
            tries = TRIES
            return
        }
        tries--
        val wait = if (tries == 0) WAIT_SECONDS else 0
        val left = if (tries == 0) TRIES else tries
        if (tries == 0) tries = TRIES
        throw PhoneException(PhoneFailure.WrongPin(PinStatus(left, wait, 1, dead = false)))
    }

    override suspend fun refuse(request: Request, fraud: Boolean) {
        delay(PRETENDED_MILLIS)
        answered = true
        note(if (fraud) Event.REPORTED else Event.DENIED, request)
    }

    override suspend fun answerNotice(request: Request, wasMe: Boolean) = refuse(request, fraud = !wasMe)

    override suspend fun refuseLocked(person: Long, id: String, fraud: Boolean) = refuse(request(), fraud)

    override suspend fun changePin(person: Long, old: String, new: String) {
        check(Proof.Pin(old))
        pinWeakness(new)?.let { throw PhoneException(PhoneFailure.WeakPin(it)) }
        pin = new
    }

    override suspend fun enableBiometrics(person: Long, pin: String) {
        check(Proof.Pin(pin))
        hasBiometrics = true
    }

    override suspend fun disableBiometrics(person: Long, with: Proof) {
        check(with)
        hasBiometrics = false
    }

    override suspend fun move(person: Long, with: Proof, keep: Boolean): HandedActivation {
        check(with)
        return HandedActivation(Secret("https://example.dk/demonstration"), 0)
    }

    override suspend fun moveDigits(person: Long, digits: String) = Moved("Telefon", null)

    override suspend fun overview(person: Long): Overview {
        val facts = around.facts()
        return Overview(
            listOf(Device("1", facts.model, "Android ${facts.systemVersion}", null, isThis = true)),
            if (keptBrowser) listOf(Browser("1", "Firefox, Linux", 0)) else emptyList(),
            calls,
        )
    }

    override suspend fun removeDevice(person: Long, device: String?, with: Proof) = check(with)

    override suspend fun forgetBrowser(person: Long, browser: String, with: Proof) {
        check(with)
        keptBrowser = false
    }

    override suspend fun setCalls(person: Long, on: Boolean, with: Proof) {
        check(with)
        calls = on
    }

    override suspend fun block(person: Long) = Unit

    override suspend fun blockCodeNoted(person: Long) = Unit

    override suspend fun forget(person: Long) = Unit

    override suspend fun history(person: Long) = lines.toList()

    override suspend fun exportHistory(person: Long) =
        lines.reversed().joinToString("", prefix = "time,event,relying_party,text\r\n") {
            "\"${Instant.ofEpochSecond(it.at)}\",\"${it.event}\",\"${it.relyingParty}\",\"${it.text.orEmpty()}\"\r\n"
        }

    /** One rule of the real ones is enough to see what a weak PIN looks like. */
    override fun pinWeakness(pin: String) = if (pin.toSet().size == 1) PinWeakness.REPEATED else null

    // A demonstration has no server that could wake it.
    override suspend fun wakeAt(person: Long, address: WakeAddress) = Unit

    override suspend fun webPushKey(person: Long): String? = null

    override suspend fun somethingWaits() = false

    override fun supportCode() = "DEMO"

    override suspend fun close() = Unit

    private fun note(event: Event, request: Request) {
        lines.addFirst(
            HistoryLine(
                System.currentTimeMillis() / 1000, event, request.relyingParty, request.action, request.text,
                request.place, null,
            ),
        )
    }

    companion object {
        /** The demonstration's only person. */
        const val PERSON = 1L

        /** The PIN that the demonstration tells. */
        const val PIN = "135790"
        private const val TRIES = 3
        private const val WAIT_SECONDS = 60
        private const val NUMBER = 8
        private const val SHORT_SECONDS = 15
        private const val LONG_SECONDS = 170
        private const val PRETENDED_MILLIS = 600L
    }
}
