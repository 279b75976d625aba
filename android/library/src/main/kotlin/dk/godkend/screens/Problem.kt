package dk.godkend.screens

/** A failure as a screen shows it: what happened, and what to do next. */
data class Problem(
    val kind: Kind,
    val next: Next,
    /** The server's stable code and sentence, where it refused. */
    val code: String? = null,
    val sentence: String? = null,
    /** Seconds until it is worth trying again. */
    val waitSeconds: Int? = null,
) {
    enum class Kind {
        NO_NETWORK, PIN_WAITING, PIN_DEAD, BLOCKED, FROZEN, KEY_INVALIDATED, LOCKED_OUT, CANCELLED, NO_BIOMETRICS,
        NO_AGREEMENT, NOT_SUPPORTED, KEY_MISSING, EXPIRED, CLOCK_WRONG, UPDATE_REQUIRED, REFUSED, THROTTLED, UNTRUSTED,
        STORAGE, STATE_DAMAGED, NOT_A_CODE, UNKNOWN_ROOT, NOT_NOW, SHARED_PHONE, VOID, REMOVED, NOT_RECOGNISED,
        NOT_BUILT,
    }

    /** What the first button does. */
    enum class Next { RETRY, USE_PIN, HOME, ACTIVATE, UPDATE, CLOCK_SETTINGS, FORGOTTEN_PIN, CLOSE_APP }

    companion object {
        /** The one table from failures to what a person can do. */
        fun of(failure: PhoneFailure, doing: Doing = Doing.ANYTHING): Problem {
            val problem = known(failure, doing)
            // A phone that did not open has no home page.
            return if (doing == Doing.OPENING && problem.next == Next.HOME) problem.copy(next = Next.CLOSE_APP) else problem
        }

        private fun known(failure: PhoneFailure, doing: Doing): Problem = when (failure) {
            PhoneFailure.Cancelled -> Problem(Kind.CANCELLED, Next.RETRY)
            PhoneFailure.NotAuthenticated -> Problem(Kind.NOT_RECOGNISED, Next.USE_PIN)
            PhoneFailure.LockedOut -> Problem(Kind.LOCKED_OUT, Next.USE_PIN)
            PhoneFailure.KeyInvalidated -> Problem(Kind.KEY_INVALIDATED, Next.USE_PIN)
            PhoneFailure.KeyMissing -> Problem(Kind.KEY_MISSING, Next.ACTIVATE)
            PhoneFailure.NotSupported -> when (doing) {
                Doing.BIOMETRICS -> Problem(Kind.NO_BIOMETRICS, Next.HOME)
                Doing.OFFLINE -> Problem(Kind.NO_AGREEMENT, Next.HOME)
                Doing.ANYTHING, Doing.OPENING -> Problem(Kind.NOT_SUPPORTED, Next.HOME)
            }
            PhoneFailure.NoNetwork -> Problem(Kind.NO_NETWORK, Next.RETRY)
            PhoneFailure.Expired -> Problem(Kind.EXPIRED, Next.HOME)
            PhoneFailure.NoRequest -> Problem(Kind.EXPIRED, Next.HOME)
            is PhoneFailure.WrongPin -> ofPin(failure.status)
            is PhoneFailure.PinWaiting -> Problem(Kind.PIN_WAITING, Next.HOME, waitSeconds = failure.seconds)
            PhoneFailure.PinBlocked -> Problem(Kind.PIN_DEAD, Next.FORGOTTEN_PIN)
            PhoneFailure.Blocked -> Problem(Kind.BLOCKED, Next.ACTIVATE)
            PhoneFailure.Frozen -> Problem(Kind.FROZEN, Next.ACTIVATE)
            PhoneFailure.Removed -> Problem(Kind.REMOVED, Next.ACTIVATE)
            PhoneFailure.StateDamaged -> Problem(Kind.STATE_DAMAGED, Next.ACTIVATE)
            is PhoneFailure.WeakPin -> Problem(Kind.NOT_NOW, Next.HOME)
            PhoneFailure.NotACode -> Problem(Kind.NOT_A_CODE, Next.RETRY)
            PhoneFailure.UnknownRoot -> Problem(Kind.UNKNOWN_ROOT, Next.HOME)
            PhoneFailure.UpdateNeeded -> Problem(Kind.UPDATE_REQUIRED, Next.UPDATE)
            PhoneFailure.Untrusted -> Problem(Kind.UNTRUSTED, Next.RETRY)
            PhoneFailure.ClockWrong -> Problem(Kind.CLOCK_WRONG, Next.CLOCK_SETTINGS)
            PhoneFailure.Storage -> Problem(Kind.STORAGE, Next.CLOSE_APP)
            PhoneFailure.SharedPhone -> Problem(Kind.SHARED_PHONE, Next.USE_PIN)
            PhoneFailure.NotNow -> Problem(Kind.NOT_NOW, Next.HOME)
            PhoneFailure.NotBuilt -> Problem(Kind.NOT_BUILT, Next.CLOSE_APP)
            is PhoneFailure.Refused -> ofRefusal(failure)
        }

        /** What a PIN's status says once there is no try left. */
        fun ofPin(status: PinStatus): Problem = when {
            status.dead -> Problem(Kind.PIN_DEAD, Next.FORGOTTEN_PIN)
            else -> Problem(Kind.PIN_WAITING, Next.HOME, waitSeconds = status.waitSeconds)
        }

        private fun ofRefusal(refusal: PhoneFailure.Refused): Problem = when (refusal.code) {
            "throttled" -> Problem(Kind.THROTTLED, Next.HOME, refusal.code, waitSeconds = refusal.retryAfter ?: 0)
            // Another PIN entry of this phone came between: it is typed again, and cost no try.
            PhoneFailure.Refused.ATTEMPT_CLOSED -> Problem(Kind.REFUSED, Next.RETRY, refusal.code, refusal.sentence)
            else -> Problem(Kind.REFUSED, Next.HOME, refusal.code, refusal.sentence, refusal.retryAfter)
        }
    }

    /** What was being done, where the same failure means different things. */
    enum class Doing { ANYTHING, OPENING, BIOMETRICS, OFFLINE }
}
