package dk.godkend.platform

import dk.godkend.AppVersion
import dk.godkend.EnrolmentStage
import dk.godkend.Observer
import dk.godkend.PushAddress
import dk.godkend.Scanned
import dk.godkend.WeakPin
import dk.godkend.screens.Action
import dk.godkend.screens.Approved
import dk.godkend.screens.Binding
import dk.godkend.screens.Browser
import dk.godkend.screens.Connection
import dk.godkend.screens.Device
import dk.godkend.screens.Event
import dk.godkend.screens.HandedActivation
import dk.godkend.screens.HistoryLine
import dk.godkend.screens.Level
import dk.godkend.screens.Moved
import dk.godkend.screens.Opened
import dk.godkend.screens.Overview
import dk.godkend.screens.Payment
import dk.godkend.screens.Person
import dk.godkend.screens.Phone
import dk.godkend.screens.PhoneException
import dk.godkend.screens.PhoneFailure
import dk.godkend.screens.PinStatus
import dk.godkend.screens.PinWeakness
import dk.godkend.screens.Proof
import dk.godkend.screens.Request
import dk.godkend.screens.Secret
import dk.godkend.screens.Stage
import dk.godkend.screens.Standing
import dk.godkend.screens.Update
import dk.godkend.screens.Waiting
import dk.godkend.screens.WaitingRequest
import dk.godkend.screens.WakeAddress
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.map

/** The real phone, through the binding. [language] is the person's, for the server's sentences. */
class BoundPhone(private val phone: dk.godkend.Phone, private val language: () -> dk.godkend.Language) : Phone {
    /** Requests that are shown, by the binding's own record, which answers ask for. */
    private val shown = LinkedHashMap<Long, dk.godkend.Request>()

    override suspend fun resume() {
        typed { phone.settle() }
    }

    override suspend fun people(): List<Person> = typed { phone.state().people.map(::person) }

    private fun person(person: dk.godkend.Person) = Person(
        id = person.id.toLong(),
        name = person.name,
        standing = standing(person.standing),
        biometrics = person.biometrics,
        offline = person.offlineCodes,
        unsettled = person.unsettled,
        blockCode = phone.blockCode(person.id)?.let(::Secret),
    )

    override suspend fun activate(text: String): Opened.Digits = typed { digitsOf(phone.activate(text)) }

    private fun digitsOf(person: UInt): Opened.Digits {
        val digits = phone.digits(person) ?: throw PhoneException(PhoneFailure.NotNow)
        return Opened.Digits(person.toLong(), Secret(digits))
    }

    override suspend fun awaitDigits(person: Long): Stage = typed { stage(phone.awaitDigits(person.toUInt())) }

    override suspend fun digits(person: Long): Secret? = typed { phone.digits(person.toUInt())?.let(::Secret) }

    override suspend fun choosePin(person: Long, pin: String): Stage =
        typed { secretly(pin) { stage(phone.choosePin(it, person.toUInt())) } }

    override suspend fun resetPin(person: Long): Opened.Digits = typed { digitsOf(phone.resetPin(person.toUInt())) }

    override fun watch(person: Long): Flow<Waiting> = callbackFlow {
        val observer = object : Observer {
            override fun changed() {
                trySend(Unit)
            }
        }
        typed { phone.watch(observer) }
        trySend(Unit)
        awaitClose { phone.unwatch() }
    }.buffer(Channel.CONFLATED).map { waiting(person) }

    private fun waiting(person: Long): Waiting {
        val state = phone.state()
        val requests = state.waiting.filter { it.person.toLong() == person }
        return Waiting(
            requests.map { WaitingRequest(it.id, it.locked, it.secondsLeft.toInt()) },
            connection(state.connection),
            update(state.appVersion),
            state.waiting.map { it.person.toLong() }.filterTo(LinkedHashSet()) { it != person },
        )
    }

    override suspend fun open(person: Long, id: String): Request = typed { show(phone.openRequest(id, person.toUInt())) }

    override suspend fun scan(person: Long?, text: String): Opened = typed { opened(phone.scan(text, person?.toUInt())) }

    override suspend fun openLink(person: Long?, text: String): Opened =
        typed { opened(phone.openLink(text, person?.toUInt())) }

    private fun opened(scanned: Scanned): Opened = when (scanned) {
        is Scanned.Activation -> digitsOf(scanned.person)
        is Scanned.Request -> Opened.Asked(show(scanned.request))
    }

    override suspend fun typeNumber(person: Long, number: String): Request =
        typed { show(phone.typeNumber(number, person.toUInt())) }

    private fun show(request: dk.godkend.Request): Request {
        val id = request.id.toLong()
        shown[id] = request
        if (shown.size > MOST_SHOWN) shown.remove(shown.keys.first())
        return request(request)
    }

    private fun native(request: Request) = shown[request.id] ?: throw PhoneException(PhoneFailure.NoRequest)

    override suspend fun approve(request: Request, with: Proof, rememberBrowser: Boolean): Approved = typed {
        val approved = when (with) {
            is Proof.Pin -> secretly(with.digits) { phone.approveWithPin(native(request), it, rememberBrowser) }
            Proof.Biometric -> phone.approveWithBiometrics(native(request), rememberBrowser)
        }
        shown.remove(request.id)
        approved.code?.let { Approved.Code(Secret(it)) } ?: Approved.Taken(approved.returnUrl)
    }

    override suspend fun refuse(request: Request, fraud: Boolean) = typed {
        if (fraud) phone.reportFraud(native(request)) else phone.deny(native(request))
        shown.remove(request.id)
        Unit
    }

    override suspend fun answerNotice(request: Request, wasMe: Boolean) = typed {
        phone.answerNotice(native(request), wasMe)
        shown.remove(request.id)
        Unit
    }

    override suspend fun refuseLocked(person: Long, id: String, fraud: Boolean) =
        typed { phone.refuseLocked(id, fraud, person.toUInt()) }

    override suspend fun changePin(person: Long, old: String, new: String) =
        typed { secretly(old) { before -> secretly(new) { after -> phone.changePin(before, after, person.toUInt()) } } }

    override suspend fun enableBiometrics(person: Long, pin: String) =
        typed { secretly(pin) { phone.enableBiometrics(it, person.toUInt()) } }

    override suspend fun disableBiometrics(person: Long, with: Proof) =
        typed { proven(with) { phone.disableBiometrics(it, person.toUInt()) } }

    override suspend fun move(person: Long, with: Proof, keep: Boolean): HandedActivation = typed {
        val handed = proven(with) { phone.moveToNewPhone(keep, it, person.toUInt()) }
        HandedActivation(Secret(handed.link), handed.expiresAt)
    }

    override suspend fun moveDigits(person: Long, digits: String): Moved = typed {
        val moved = phone.typeNewPhoneDigits(digits, person.toUInt())
        Moved(moved.model, moved.activeFrom)
    }

    override suspend fun overview(person: Long): Overview = typed {
        val overview = phone.overview(person.toUInt())
        Overview(
            overview.phones.map { Device(it.id, it.model, it.platform, it.lastUsedAt, it.thisPhone) },
            overview.browsers.map { Browser(it.id, it.name, it.rememberedAt) },
            overview.lockedPush,
        )
    }

    override suspend fun removeDevice(person: Long, device: String?, with: Proof) =
        typed { proven(with) { phone.removePhone(device, it, person.toUInt()) } }

    override suspend fun forgetBrowser(person: Long, browser: String, with: Proof) =
        typed { proven(with) { phone.forgetBrowser(browser, it, person.toUInt()) } }

    override suspend fun setCalls(person: Long, on: Boolean, with: Proof) =
        typed { proven(with) { phone.setLockedPush(on, it, person.toUInt()) } }

    override suspend fun block(person: Long) = typed { phone.block(person.toUInt()) }

    override suspend fun blockCodeNoted(person: Long) = typed { phone.blockCodeNoted(person.toUInt()) }

    override suspend fun forget(person: Long) = typed { phone.forget(person.toUInt()) }

    override suspend fun history(person: Long): List<HistoryLine> =
        typed { phone.history(person.toUInt()).map(::line).asReversed() }

    override suspend fun exportHistory(person: Long): String = typed { phone.exportHistory(person.toUInt()) }

    override fun pinWeakness(pin: String): PinWeakness? = secretly(pin) { dk.godkend.pinWeakness(it)?.let(::weakness) }

    override suspend fun wakeAt(person: Long, address: WakeAddress) = typed {
        val bound = when (address) {
            is WakeAddress.Fcm -> PushAddress.fcm(address.token)
            is WakeAddress.WebPush -> PushAddress.webPush(address.endpoint, address.p256dh, address.auth)
        }
        bound.use { phone.registerPush(it, person.toUInt()) }
        Unit
    }

    override suspend fun webPushKey(person: Long): String? = typed { phone.pushServices(person.toUInt()).webPush }

    override suspend fun somethingWaits(): Boolean = typed { phone.waiting().isNotEmpty() }

    override fun supportCode(): String = phone.supportCode()

    override suspend fun close() = phone.shutDown()

    /** The digits as bytes, wiped afterwards. */
    private inline fun <T> secretly(digits: String, use: (ByteArray) -> T): T {
        val bytes = digits.toByteArray(Charsets.US_ASCII)
        try {
            return use(bytes)
        } finally {
            bytes.fill(0)
        }
    }

    private inline fun <T> proven(with: Proof, use: (ByteArray?) -> T): T = when (with) {
        is Proof.Pin -> secretly(with.digits) { use(it) }
        Proof.Biometric -> use(null)
    }

    private inline fun <T> typed(call: () -> T): T = try {
        call()
    } catch (failed: dk.godkend.PhoneException) {
        throw translated(failed, language())
    }

    companion object {
        /** As many as the core shows at once. */
        private const val MOST_SHOWN = 8

        /** The binding's error as the screens know it. */
        fun translated(failed: dk.godkend.PhoneException, language: dk.godkend.Language) =
            PhoneException(failureOf(failed, language), failed)
    }
}

private fun standing(standing: dk.godkend.Standing): Standing = when (standing) {
    is dk.godkend.Standing.Enrolling -> Standing.Enrolling(stage(standing.stage))
    dk.godkend.Standing.Active -> Standing.Active
    is dk.godkend.Standing.ResettingPin -> Standing.ResettingPin(stage(standing.stage))
    dk.godkend.Standing.Blocked -> Standing.Blocked
    dk.godkend.Standing.Frozen -> Standing.Frozen
    dk.godkend.Standing.Removed -> Standing.Removed
}

private fun stage(stage: EnrolmentStage): Stage = when (stage) {
    EnrolmentStage.Digits -> Stage.Digits
    EnrolmentStage.ChoosePin -> Stage.ChoosePin
    EnrolmentStage.Finish -> Stage.Finish
    is EnrolmentStage.Waiting -> Stage.Waiting(stage.until)
    EnrolmentStage.Active -> Stage.Active
    EnrolmentStage.Void -> Stage.Void
}

private fun connection(connection: dk.godkend.Connection): Connection = when (connection) {
    dk.godkend.Connection.UNKNOWN -> Connection.UNKNOWN
    dk.godkend.Connection.ONLINE -> Connection.ONLINE
    dk.godkend.Connection.OFFLINE -> Connection.OFFLINE
    dk.godkend.Connection.UNTRUSTED -> Connection.UNTRUSTED
    dk.godkend.Connection.CLOCK_WRONG -> Connection.CLOCK_WRONG
}

private fun update(version: AppVersion): Update = when (version) {
    AppVersion.Current -> Update.None
    AppVersion.UpdateRecommended -> Update.Recommended
    is AppVersion.UpdateRequiredFrom -> Update.RequiredFrom(version.at)
    AppVersion.Refused -> Update.Refused
}

private fun request(request: dk.godkend.Request) = Request(
    id = request.id.toLong(),
    person = request.person.toLong(),
    relyingParty = request.relyingParty,
    action = action(request.action),
    text = request.text,
    payment = request.payment?.let { Payment(it.minorUnits.toLong(), it.currency, it.payee, it.account) },
    level = Level.valueOf(request.level.name),
    pinAllowed = request.pinAllowed,
    biometricAllowed = request.biometricsAllowed,
    binding = Binding.valueOf(request.binding.name),
    place = request.place,
    browser = request.browser,
    newBrowser = request.newBrowser,
    mayRemember = request.mayRemember,
    expiresIn = request.secondsLeft?.toInt(),
    pin = request.pin?.let(::pinStatus),
    update = update(request.appVersion),
)

private fun action(action: dk.godkend.Action): Action = when (action) {
    dk.godkend.Action.LOG_ON -> Action.LOG_ON
    dk.godkend.Action.APPROVE -> Action.APPROVE
    dk.godkend.Action.CONFIRM -> Action.CONFIRM
    dk.godkend.Action.ACCEPT -> Action.ACCEPT
    dk.godkend.Action.SIGN -> Action.SIGN
    dk.godkend.Action.NEW_PHONE_NOTICE -> Action.NEW_DEVICE_NOTICE
    dk.godkend.Action.NOTICE_OF_USE -> Action.NOTICE_OF_USE
    else -> Action.OWN
}

private fun line(line: dk.godkend.HistoryLine) = HistoryLine(
    at = line.at,
    // An enrolment ends with an approval of the phone itself: to the person, that is when it was activated.
    event = if (line.event == dk.godkend.HistoryEvent.APPROVED && line.action == dk.godkend.Action.FINISH_ENROLMENT) {
        Event.ACTIVATED
    } else {
        Event.valueOf(line.event.name)
    },
    relyingParty = line.relyingParty,
    action = line.action?.let(::action),
    text = line.text,
    place = line.place,
    code = line.code,
)

private fun pinStatus(pin: dk.godkend.PinTries) =
    PinStatus(pin.triesLeft.toInt(), pin.waitSeconds.toInt(), pin.roundsLeft.toInt(), pin.blocked)

private fun weakness(weak: WeakPin): PinWeakness = PinWeakness.valueOf(weak.name)

/** The binding's errors as the screens know them. */
internal fun failureOf(failed: dk.godkend.PhoneException, language: dk.godkend.Language): PhoneFailure = when (failed) {
    is dk.godkend.PhoneException.Cancelled -> PhoneFailure.Cancelled
    is dk.godkend.PhoneException.NotAuthenticated -> PhoneFailure.NotAuthenticated
    is dk.godkend.PhoneException.LockedOut -> PhoneFailure.LockedOut
    is dk.godkend.PhoneException.KeyInvalidated -> PhoneFailure.KeyInvalidated
    is dk.godkend.PhoneException.KeyMissing -> PhoneFailure.KeyMissing
    is dk.godkend.PhoneException.NotSupported -> PhoneFailure.NotSupported
    is dk.godkend.PhoneException.NoNetwork -> PhoneFailure.NoNetwork
    is dk.godkend.PhoneException.Refused ->
        PhoneFailure.Refused(failed.code, failed.text(language), failed.retryAfter?.toInt(), failed.triesLeft?.toInt())
    is dk.godkend.PhoneException.Blocked -> PhoneFailure.Blocked
    is dk.godkend.PhoneException.Frozen -> PhoneFailure.Frozen
    is dk.godkend.PhoneException.Removed -> PhoneFailure.Removed
    is dk.godkend.PhoneException.Expired -> PhoneFailure.Expired
    is dk.godkend.PhoneException.WrongPin -> PhoneFailure.WrongPin(pinStatus(failed.tries))
    is dk.godkend.PhoneException.PinWaiting -> PhoneFailure.PinWaiting(failed.seconds.toInt())
    is dk.godkend.PhoneException.PinBlocked -> PhoneFailure.PinBlocked
    is dk.godkend.PhoneException.PinTooWeak -> PhoneFailure.WeakPin(weakness(failed.reason))
    is dk.godkend.PhoneException.NotACode -> PhoneFailure.NotACode
    is dk.godkend.PhoneException.UnknownRoot -> PhoneFailure.UnknownRoot
    is dk.godkend.PhoneException.UpdateNeeded, is dk.godkend.PhoneException.StateNewer -> PhoneFailure.UpdateNeeded
    is dk.godkend.PhoneException.Untrusted -> PhoneFailure.Untrusted
    is dk.godkend.PhoneException.ClockWrong -> PhoneFailure.ClockWrong
    is dk.godkend.PhoneException.Storage, is dk.godkend.PhoneException.InUse -> PhoneFailure.Storage
    is dk.godkend.PhoneException.StateDamaged -> PhoneFailure.StateDamaged
    is dk.godkend.PhoneException.NoRequest -> PhoneFailure.NoRequest
    is dk.godkend.PhoneException.SharedPhone -> PhoneFailure.SharedPhone
    is dk.godkend.PhoneException.Busy, is dk.godkend.PhoneException.NoPerson, is dk.godkend.PhoneException.NotNow,
    is dk.godkend.PhoneException.ShutDown, is dk.godkend.PhoneException.BadConfiguration,
    is dk.godkend.PhoneException.Unexpected,
    -> PhoneFailure.NotNow
}
