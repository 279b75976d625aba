package dk.godkend.platform

/**
 * What a push message does. A message carries a random handle and nothing else, so that neither Google nor anybody else
 * learns who logs in where: it only makes the app look for itself. Any transport will do (FCM, UnifiedPush, a socket of
 * one's own); without one, the app looks while it is open.
 *
 * [isForeground] says whether the person looks at the app; then [look] is enough. Else [tell] shows a notification that
 * says only that there is something to answer.
 */
class WakeUp(
    private val isForeground: () -> Boolean,
    private val look: () -> Unit,
    private val tell: () -> Unit,
) {
    private val seen = ArrayDeque<String>()

    /** A message came. False if it is none of ours, or one that came before. */
    fun onMessage(data: Map<String, String>): Boolean {
        val handle = data[HANDLE]?.takeIf { data.size == 1 && HANDLE_FORM.matches(it) } ?: return false
        synchronized(seen) {
            if (handle in seen) return false
            seen.addLast(handle)
            if (seen.size > REMEMBERED) seen.removeFirst()
        }
        if (isForeground()) look() else tell()
        return true
    }

    companion object {
        /** The message's only field. */
        const val HANDLE = "wake"
        private val HANDLE_FORM = Regex("[A-Za-z0-9_-]{16,64}")
        private const val REMEMBERED = 32
    }
}
