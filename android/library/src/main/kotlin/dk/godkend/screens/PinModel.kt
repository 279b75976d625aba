package dk.godkend.screens

/**
 * The PIN pad. Holds the typed digits, wiped as soon as they are handed on, and shows what was wrong with them.
 */
class PinModel(private val session: Session) {
    private val typed = CharArray(LENGTH)
    private var count = 0
    private var whenTyped: (suspend (String) -> Unit)? = null

    /** Asks for a PIN. [then] may throw [PhoneException]: a wrong or weak PIN is said on the pad, the rest is trouble. */
    fun ask(
        purpose: Screen.PinPurpose,
        request: Request? = null,
        secondsLeft: Int? = null,
        complaint: Screen.PinComplaint? = null,
        replacing: Boolean = false,
        then: suspend (String) -> Unit,
    ) {
        wipe()
        whenTyped = then
        val pad = Screen.PinPad(purpose, request = request, secondsLeft = secondsLeft, complaint = complaint)
        if (replacing && session.top is Screen.PinPad) session.replace(pad) else session.go(pad)
    }

    fun digit(digit: Int) {
        val pad = pad() ?: return
        if (pad.working || count == LENGTH) return
        typed[count++] = '0' + digit
        session.around.feel(Feeling.TYPED)
        session.replace(pad.copy(typed = count, complaint = null))
        if (count == LENGTH) submit()
    }

    fun delete() {
        val pad = pad() ?: return
        if (pad.working || count == 0) return
        typed[--count] = '\u0000'
        session.replace(pad.copy(typed = count))
    }

    /** Forgets what was typed, as when the pad is left or the app goes to the background. */
    fun wipe() {
        typed.fill('\u0000')
        count = 0
        pad()?.let { if (!it.working) session.replace(it.copy(typed = 0)) }
    }

    private fun submit() {
        val pad = pad() ?: return
        val pin = String(typed)
        typed.fill('\u0000')
        count = 0
        session.replace(pad.copy(typed = LENGTH, working = true, complaint = null))
        session.work(retry = { pad()?.let { session.replace(it.copy(typed = 0, working = false)) } }) {
            try {
                whenTyped?.invoke(pin)
            } catch (failed: PhoneException) {
                val complaint = complaintOf(failed.failure)
                if (complaint == null) {
                    session.replaceWorkingPad()
                    throw failed
                }
                session.around.feel(Feeling.WRONG)
                pad()?.let { session.replace(it.copy(typed = 0, working = false, complaint = complaint)) }
            }
        }
    }

    private fun Session.replaceWorkingPad() {
        (top as? Screen.PinPad)?.let { replace(it.copy(typed = 0, working = false)) }
    }

    private fun complaintOf(failure: PhoneFailure): Screen.PinComplaint? = when (failure) {
        is PhoneFailure.WeakPin -> Screen.PinComplaint.Weak(failure.weakness)
        is PhoneFailure.WrongPin ->
            failure.status.takeIf { !it.dead && it.waitSeconds == 0 }?.let { Screen.PinComplaint.Wrong(it.triesLeft) }
        else -> null
    }

    /** A new PIN, typed twice. [then] gets it once both are the same; a weak one is chosen anew, with the reason. */
    fun choose(first: Screen.PinPurpose, second: Screen.PinPurpose, then: suspend (String) -> Unit) =
        choose(first, second, complaint = null, replacing = session.top is Screen.PinPad, then)

    private fun choose(
        first: Screen.PinPurpose,
        second: Screen.PinPurpose,
        complaint: Screen.PinComplaint?,
        replacing: Boolean,
        then: suspend (String) -> Unit,
    ) {
        ask(first, complaint = complaint, replacing = replacing) { pin ->
            // Said at once: nobody types a PIN twice to learn that it is not taken.
            session.phone.pinWeakness(pin)?.let { throw PhoneException(PhoneFailure.WeakPin(it)) }
            ask(second, replacing = true) { again ->
                val complaint = if (again == pin) tried(pin, then) else Screen.PinComplaint.Differs
                if (complaint != null) {
                    session.around.feel(Feeling.WRONG)
                    choose(first, second, complaint, replacing = true, then)
                }
            }
        }
    }

    /** Why a new PIN is not taken; none if it was. */
    private suspend fun tried(pin: String, then: suspend (String) -> Unit): Screen.PinComplaint? = try {
        then(pin)
        null
    } catch (failed: PhoneException) {
        val weak = failed.failure as? PhoneFailure.WeakPin ?: throw failed
        Screen.PinComplaint.Weak(weak.weakness)
    }

    private fun pad() = session.top as? Screen.PinPad

    companion object {
        /** Digits of a PIN. */
        const val LENGTH = 6
    }
}
