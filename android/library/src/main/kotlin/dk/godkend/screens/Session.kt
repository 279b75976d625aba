package dk.godkend.screens

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/** Where the person is, and the one way in which the models do something that can fail. Main thread only. */
class Session(val around: Surroundings, private val scope: CoroutineScope) {
    private val stack = ArrayDeque<Screen>(listOf(Screen.Opening))
    private val shown = MutableStateFlow<Screen>(Screen.Opening)
    private var working: Job? = null

    /** What is on the screen. */
    val screen: StateFlow<Screen> = shown.asStateFlow()

    /** Set by [AppModel] before any model runs. */
    lateinit var phone: Phone

    /** Who is chosen; none before the first activation. */
    var person: Long? = null

    /** The trouble that was met last. */
    var lastTrouble: Problem.Kind? = null
        private set

    /** What the trouble on the screen offers to do again. */
    private var again: (() -> Unit)? = null

    /** What takes the PIN where biometrics did not do. */
    private var byPin: (() -> Unit)? = null

    val top: Screen get() = stack.last()

    /** Goes one screen further. */
    fun go(screen: Screen) {
        stack.addLast(screen)
        publish()
    }

    /** The same place, drawn anew. */
    fun replace(screen: Screen) {
        stack[stack.lastIndex] = screen
        publish()
    }

    /** Starts over from this screen: nothing behind it can be reached. */
    fun restart(screen: Screen) {
        stack.clear()
        go(screen)
    }

    /** Goes back; false at the bottom, where the app is left. */
    fun back(): Boolean {
        if (stack.size < 2) return false
        working?.cancel()
        stack.removeLast()
        if (top is Screen.Trouble) return back()
        publish()
        return true
    }

    /** Goes back to the nearest screen of a kind, if there is one. */
    fun <T : Screen> backTo(kind: Class<T>): Boolean {
        val place = stack.indexOfLast { kind.isInstance(it) }
        if (place < 0) return false
        while (stack.lastIndex > place) stack.removeLast()
        publish()
        return true
    }

    private fun publish() {
        shown.value = top
    }

    /** Does something in the background; a failure becomes a screen of its own, with [retry] behind *try again*. */
    fun work(
        doing: Problem.Doing = Problem.Doing.ANYTHING,
        retry: (() -> Unit)? = null,
        pin: (() -> Unit)? = null,
        action: suspend () -> Unit,
    ): Job {
        val job = scope.launch {
            try {
                action()
            } catch (cancelled: CancellationException) {
                throw cancelled
            } catch (failed: PhoneException) {
                trouble(Problem.of(failed.failure, doing), retry, pin)
            }
        }
        working = job
        return job
    }

    /** Does something that nobody waits for. */
    fun launch(action: suspend CoroutineScope.() -> Unit): Job = scope.launch(block = action)

    fun trouble(problem: Problem, retry: (() -> Unit)? = null, pin: (() -> Unit)? = null) {
        lastTrouble = problem.kind
        again = retry
        byPin = pin
        val screen = Screen.Trouble(problem)
        if (top is Screen.Trouble) replace(screen) else go(screen)
    }

    /** *Try again*: the trouble goes, and what failed is done once more. */
    fun tryAgain() {
        val action = again
        leaveTrouble()
        action?.invoke()
    }

    /** *Use the PIN*. */
    fun usePin() {
        val action = byPin
        leaveTrouble()
        action?.invoke()
    }

    private fun leaveTrouble() {
        if (top is Screen.Trouble && stack.size > 1) {
            stack.removeLast()
            publish()
        }
    }

    /** The chosen person as the phone knows them now. */
    suspend fun chosen(): Person? {
        val people = phone.people()
        return people.find { it.id == person } ?: people.firstOrNull()
    }
}
