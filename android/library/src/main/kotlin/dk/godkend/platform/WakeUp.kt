package dk.godkend.platform

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/**
 * What a push message does. A message carries the random handle that was registered with the address, and nothing else, so
 * that neither Google nor anybody else learns who logs in where: it only makes the app look for itself. Any transport will
 * do (FCM, UnifiedPush, a socket of one's own); without one, the app looks while it is open.
 *
 * [isForeground] says whether the person looks at the app; then [look] is enough. Else the server is asked whether anything
 * [waits], and only then [tell] shows a notification, which says no more than that.
 */
class WakeUp(
    private val scope: CoroutineScope,
    private val isForeground: () -> Boolean,
    private val look: () -> Unit,
    private val waits: suspend () -> Boolean,
    private val tell: () -> Unit,
) {
    /** A message came, on any thread. False if it is none of ours. The same handle comes each time. */
    fun onMessage(data: Map<String, String>): Boolean {
        if (data.size != 1 || data[HANDLE]?.let(HANDLE_FORM::matches) != true) return false
        scope.launch {
            when {
                isForeground() -> look()
                // It may be opened while the server is asked.
                waits() && !isForeground() -> tell()
            }
        }
        return true
    }

    companion object {
        /** The message's only field. */
        const val HANDLE = "wake"
        private val HANDLE_FORM = Regex("[A-Za-z0-9_-]{16,64}")
    }
}
