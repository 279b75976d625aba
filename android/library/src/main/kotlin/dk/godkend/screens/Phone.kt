package dk.godkend.screens

import kotlinx.coroutines.flow.Flow

/**
 * What the screens need of a phone. [dk.godkend.phone.BoundPhone] is the real one, [DemoPhone] the demonstration's.
 *
 * Every call may be made from the main thread and throws [PhoneException], nothing else. A call ends early when its
 * coroutine is cancelled.
 */
interface Phone {
    /** Settles what a kill or a lost connection left open. First thing after a start. */
    suspend fun resume()

    /** The people on this phone. */
    suspend fun people(): List<Person>

    /** Activates by a link's text or a typed code. */
    suspend fun activate(text: String): Opened.Digits

    /** Waits until the digits have been typed, for as long as it takes. */
    suspend fun awaitDigits(person: Long): Stage

    /** The digits of an enrolment, while they are wanted. */
    suspend fun digits(person: Long): Secret?

    /** Chooses the PIN of an enrolment or a PIN reset, and ends it with a first approval. A weak one is not taken. */
    suspend fun choosePin(person: Long, pin: String): Stage

    /** Asks for the PIN reset that a desk has opened. */
    suspend fun resetPin(person: Long): Opened.Digits

    /** What waits for a person, from now on, for as long as it is collected. Looks for requests and keeps trying. */
    fun watch(person: Long): Flow<Waiting>

    /** Opens a request that was pushed whole. */
    suspend fun open(person: Long, id: String): Request

    /** What the camera saw inside the app. */
    suspend fun scan(person: Long?, text: String): Opened

    /** A link that opened the app. */
    suspend fun openLink(person: Long?, text: String): Opened

    /** The number on the other screen. */
    suspend fun typeNumber(person: Long, number: String): Request

    /** Approves a shown request. */
    suspend fun approve(request: Request, with: Proof, rememberBrowser: Boolean): Approved

    /** Refuses a shown request: changed my mind, or [fraud]: this was not me. */
    suspend fun refuse(request: Request, fraud: Boolean)

    /** Answers a notice of use: it was the person, or it was not. */
    suspend fun answerNotice(request: Request, wasMe: Boolean)

    /** Refuses a request that is still locked. */
    suspend fun refuseLocked(person: Long, id: String, fraud: Boolean)

    /** A new PIN for the old. */
    suspend fun changePin(person: Long, old: String, new: String)

    /** Biometrics on; offline codes too where the phone can. */
    suspend fun enableBiometrics(person: Long, pin: String)

    /** Biometrics off. */
    suspend fun disableBiometrics(person: Long, with: Proof)

    /** Hands out an activation for another phone. */
    suspend fun move(person: Long, with: Proof, keep: Boolean): HandedActivation

    /** The digits that the other phone shows. */
    suspend fun moveDigits(person: Long, digits: String): Moved

    /** Devices and browsers. */
    suspend fun overview(person: Long): Overview

    /** Removes a device; this one if none is named. */
    suspend fun removeDevice(person: Long, device: String?, with: Proof)

    /** Forgets a remembered browser. */
    suspend fun forgetBrowser(person: Long, browser: String, with: Proof)

    /** Locked requests from typed user ids, on or off. */
    suspend fun setCalls(person: Long, on: Boolean, with: Proof)

    /** Blocks this phone at once. */
    suspend fun block(person: Long)

    /** The block code has been written down. */
    suspend fun blockCodeNoted(person: Long)

    /** Takes a person off this phone who can no longer use it. */
    suspend fun forget(person: Long)

    /** What happened, newest first. */
    suspend fun history(person: Long): List<HistoryLine>

    /** The same as CSV (RFC 4180), oldest first, for the person to keep. */
    suspend fun exportHistory(person: Long): String

    /** Why a PIN would not be taken; none for a good one. Sends nothing: asked before it is typed a second time. */
    fun pinWeakness(pin: String): PinWeakness?

    /** Has the server wake this phone at [address], for this person, in place of any other address. */
    suspend fun wakeAt(person: Long, address: WakeAddress)

    /** The key (RFC 8292, Base64url) that a Web Push subscription is restricted to; none where the server sends none. */
    suspend fun webPushKey(person: Long): String?

    /** Asks the server once whether anything waits, for everybody on this phone: a push has woken the app. */
    suspend fun somethingWaits(): Boolean

    /** A code to read out to support: facts about the phone and its last failure, nothing about the person. */
    fun supportCode(): String

    /** Ends every call that waits. The phone cannot be used again. */
    suspend fun close()
}

/** Where the server can wake this phone. It prints nothing: whoever knows one may disturb its owner. */
sealed class WakeAddress {
    /** Firebase Cloud Messaging's registration token. */
    class Fcm(val token: String) : WakeAddress()

    /** A Web Push subscription, as a UnifiedPush distributor gives it: endpoint, and keys in Base64url. */
    class WebPush(val endpoint: String, val p256dh: String, val auth: String) : WakeAddress()

    final override fun toString() = "[address]"
}

/** Thrown by every call of [Phone]. Its message holds no secret. */
class PhoneException(val failure: PhoneFailure, cause: Throwable? = null) : Exception(failure.toString(), cause)

/** Why a call did not do what it should, by what the person can do next. */
sealed interface PhoneFailure {
    /** The person cancelled. */
    data object Cancelled : PhoneFailure

    /** The finger or face was not recognised. */
    data object NotAuthenticated : PhoneFailure

    /** The sensor is locked out. */
    data object LockedOut : PhoneFailure

    /** A new finger or face invalidated the key. */
    data object KeyInvalidated : PhoneFailure

    /** The keys are gone. */
    data object KeyMissing : PhoneFailure

    /** This phone cannot do it. */
    data object NotSupported : PhoneFailure

    /** No answer from the server. */
    data object NoNetwork : PhoneFailure

    /** The server refused, with its stable [code] and [sentence] for the person. */
    data class Refused(val code: String, val sentence: String, val retryAfter: Int?, val triesLeft: Int?) : PhoneFailure {
        companion object {
            /** The code of a PIN entry that another one has closed. */
            const val ATTEMPT_CLOSED = "pin_exchange_closed"
        }
    }

    /** The request's time is over. */
    data object Expired : PhoneFailure

    /** The PIN was wrong. */
    data class WrongPin(val status: PinStatus) : PhoneFailure

    /** Too many wrong PINs: wait. */
    data class PinWaiting(val seconds: Int) : PhoneFailure

    /** The PIN has no tries left. */
    data object PinBlocked : PhoneFailure

    /** This phone is blocked. */
    data object Blocked : PhoneFailure

    /** A copy of this app has answered. */
    data object Frozen : PhoneFailure

    /** This phone was removed. */
    data object Removed : PhoneFailure

    /** The stored state is damaged or was replaced. */
    data object StateDamaged : PhoneFailure

    /** The PIN is not taken. */
    data class WeakPin(val weakness: PinWeakness) : PhoneFailure

    /** Not a code of ours. */
    data object NotACode : PhoneFailure

    /** Another environment's code. */
    data object UnknownRoot : PhoneFailure

    /** A newer app is needed. */
    data object UpdateNeeded : PhoneFailure

    /** What answered is not the server. */
    data object Untrusted : PhoneFailure

    /** The clock is wrong. */
    data object ClockWrong : PhoneFailure

    /** The store failed. */
    data object Storage : PhoneFailure

    /** Several people share this phone. */
    data object SharedPhone : PhoneFailure

    /** There is nothing to answer. */
    data object NoRequest : PhoneFailure

    /** The step does not fit, or another is under way. */
    data object NotNow : PhoneFailure

    /** The app was built without the roots that it is to trust. */
    data object NotBuilt : PhoneFailure
}

/** How the person proves themselves. */
sealed interface Proof {
    /** With the PIN. Never printed. */
    class Pin(val digits: String) : Proof {
        override fun toString() = "Pin"
    }

    /** With a finger or a face. */
    data object Biometric : Proof
}

/** A person on this phone. */
data class Person(
    val id: Long,
    val name: String,
    val standing: Standing,
    val biometrics: Boolean,
    val offline: Boolean,
    val unsettled: Boolean,
    val blockCode: Secret?,
)

/** A text that is shown and never printed. */
class Secret(val text: String) {
    override fun toString() = "[secret]"

    override fun equals(other: Any?) = other is Secret && other.text == text

    override fun hashCode() = text.hashCode()
}

/** Where a person stands on this phone. */
sealed interface Standing {
    data class Enrolling(val stage: Stage) : Standing

    data object Active : Standing

    data class ResettingPin(val stage: Stage) : Standing

    data object Blocked : Standing

    data object Frozen : Standing

    data object Removed : Standing
}

/** Where an enrolment stands. */
sealed interface Stage {
    /** The digits wait to be typed. */
    data object Digits : Stage

    /** Choose a PIN. */
    data object ChoosePin : Stage

    /** The PIN is registered; a first approval ends it. */
    data object Finish : Stage

    /** Active from this instant, Unix seconds. */
    data class Waiting(val until: Long) : Stage

    data object Active : Stage

    /** Expired, refused, or three wrong tries. */
    data object Void : Stage
}

/** What a scan or a link opened. */
sealed interface Opened {
    /** Digits to type where the activation was given. */
    data class Digits(val person: Long, val digits: Secret) : Opened

    /** A request to show. */
    data class Asked(val request: Request) : Opened
}

/** Why a PIN is refused on the phone. */
enum class PinWeakness { SHAPE, REPEATED, SEQUENCE, PATTERN }

/** The PIN's tries. */
data class PinStatus(val triesLeft: Int, val waitSeconds: Int, val roundsLeft: Int, val dead: Boolean)

/** What waits, how the last look went, and what the server says about the app's version. */
data class Waiting(
    val requests: List<WaitingRequest>,
    val connection: Connection,
    val update: Update,
    /** Others on this phone for whom something waits. */
    val others: Set<Long> = emptySet(),
)

/** How the last look for requests went. */
enum class Connection { UNKNOWN, ONLINE, OFFLINE, UNTRUSTED, CLOCK_WRONG }

/** One waiting request; [locked] until the number is typed. */
data class WaitingRequest(val id: String, val locked: Boolean, val expiresIn: Int)

/** What the server says about the app's version. */
sealed interface Update {
    data object None : Update

    data object Recommended : Update

    /** Required from this instant, Unix seconds. */
    data class RequiredFrom(val at: Long) : Update

    /** This version may not be used any more. */
    data object Refused : Update
}

/** What is asked. */
enum class Action { LOG_ON, APPROVE, CONFIRM, ACCEPT, SIGN, NEW_DEVICE_NOTICE, NOTICE_OF_USE, OWN }

/** The level of assurance. */
enum class Level { LOW, SUBSTANTIAL, HIGH }

/** How the browser is bound to this phone. */
enum class Binding {
    SCANNED_QR, SAME_DEVICE, TYPED_NUMBER, REMEMBERED_BROWSER, REMEMBERED_BROWSER_AND_NUMBER, DEVICE, OFFLINE
}

/** A payment; [amountMinor] in the currency's minor unit. */
data class Payment(val amountMinor: Long, val currency: String, val payee: String, val account: String?)

/** Everything that a person must see before deciding. */
data class Request(
    /** The phone's own name for the shown request. */
    val id: Long,
    val person: Long,
    val relyingParty: String,
    val action: Action,
    val text: String?,
    val payment: Payment?,
    val level: Level,
    val pinAllowed: Boolean,
    val biometricAllowed: Boolean,
    val binding: Binding,
    val place: String?,
    val browser: String?,
    val newBrowser: Boolean,
    val mayRemember: Boolean,
    /** Seconds left when it was shown; none offline, where the server alone judges. */
    val expiresIn: Int?,
    val pin: PinStatus?,
    val update: Update,
) {
    /** Nothing is asked for: [text] says what was used, and the person says whether it was them. */
    val isNotice get() = action == Action.NOTICE_OF_USE
}

/** What came of an approval. */
sealed interface Approved {
    /** The server has taken it; on the same device [returnUrl] leads back to the browser. */
    data class Taken(val returnUrl: String?) : Approved

    /** Offline: type this code in the browser. */
    data class Code(val code: Secret) : Approved
}

/** An activation for another phone. */
data class HandedActivation(val link: Secret, val expires: Long)

/** The phone whose digits were right. */
data class Moved(val model: String, val activeFrom: Long?)

/** A person's devices and browsers. */
data class Overview(val devices: List<Device>, val browsers: List<Browser>, val calls: Boolean)

data class Device(val id: String, val model: String, val platform: String, val lastUsed: Long?, val isThis: Boolean)

data class Browser(val id: String, val name: String, val since: Long)

/** One line of the history; [at] in Unix seconds. */
data class HistoryLine(
    val at: Long,
    val event: Event,
    val relyingParty: String?,
    val action: Action?,
    val text: String?,
    val place: String?,
    val code: String?,
)

/** What happened. */
enum class Event {
    ACTIVATED, APPROVED, DENIED, REPORTED, WRONG_PIN, NOT_TAKEN, EXPIRED, OFFLINE_CODE, BLOCKED, PIN_RESET, RECOGNISED;

    /** Whether a person should look twice at it. */
    val isTrouble get() = when (this) {
        ACTIVATED, APPROVED, OFFLINE_CODE, PIN_RESET, RECOGNISED -> false
        DENIED, REPORTED, WRONG_PIN, NOT_TAKEN, EXPIRED, BLOCKED -> true
    }
}
