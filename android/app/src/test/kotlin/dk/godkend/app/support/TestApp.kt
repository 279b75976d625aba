package dk.godkend.app.support

import android.app.Activity
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.TextView
import dk.godkend.app.GodkendApplication
import dk.godkend.app.MainActivity
import dk.godkend.screens.Screen
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.time.Duration

/** The app as it ships, with a test environment's roots and a factory-new phone. */
open class TestApplication : GodkendApplication() {
    open val server: RealServer get() = RealServer.shared

    override fun onCreate() {
        TestKeystore.reset()
        super.onCreate()
    }

    override fun roots() = server.roots
}

/** The same with a server of its own, which a test may kill, or which a refusal makes wary of this machine. */
class OwnServerApplication : TestApplication() {
    override val server: RealServer by lazy { RealServer() }
}

/** A server whose PINs have two rounds of three tries, a second apart. */
class TwoRoundsApplication : TestApplication() {
    override val server: RealServer by lazy { RealServer { it.replace("waits_seconds = [60, 3600]", "waits_seconds = [1]") } }
}

/** No phone at all, for what needs only resources. */
class NoPhoneApplication : android.app.Application()

/** A person in front of the app: reads, presses and types what is on the screen. */
class Hand(val app: GodkendApplication) : AutoCloseable {
    private val controller: ActivityController<MainActivity> = Robolectric.buildActivity(MainActivity::class.java).setup()
    val activity: MainActivity get() = controller.get()
    val screen: Screen get() = app.model.screen.value

    /** Lets everything happen until something is so. */
    fun until(what: String, seconds: Int = 60, condition: () -> Boolean) {
        val end = System.nanoTime() + seconds * 1_000_000_000L
        while (!condition()) {
            shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(20))
            check(System.nanoTime() < end) { "not so after $seconds s: $what; the screen is $screen with\n${texts().joinToString("\n")}" }
            Thread.sleep(10)
        }
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(20))
    }

    /** Waits until a kind of screen is there. */
    inline fun <reified T : Screen> await(seconds: Int = 60): T {
        until("a ${T::class.simpleName}", seconds) { screen is T }
        return screen as T
    }

    private fun views(view: View = activity.window.decorView): Sequence<View> = sequence {
        if (view.visibility != View.VISIBLE) return@sequence
        yield(view)
        if (view is ViewGroup) for (i in 0 until view.childCount) yieldAll(views(view.getChildAt(i)))
    }

    /** What can be read. */
    fun texts(): List<String> = views().flatMap { view ->
        listOfNotNull((view as? TextView)?.text?.toString(), view.contentDescription?.toString())
    }.filter(String::isNotBlank).toList()

    fun reads(text: String) = texts().any { text in it }

    /** Presses what has this text or this name. */
    fun press(name: String) {
        until("\"$name\" to press") { pressable(name) != null }
        check(checkNotNull(pressable(name)).performClick()) { "$name does nothing" }
        shadowOf(Looper.getMainLooper()).idle()
    }

    fun press(text: Int) = press(activity.getString(text))

    private fun pressable(name: String): View? = views().firstOrNull { view ->
        view.isClickable && view.isEnabled &&
            ((view as? TextView)?.text?.toString() == name || view.contentDescription?.toString()?.substringBefore(". ") == name)
    }

    /** Types into the only field. */
    fun type(text: String) {
        until("a field") { views().any { it is EditText } }
        (views().first { it is EditText } as EditText).setText(text)
    }

    /** Types a PIN on the pad, key by key. */
    fun pin(digits: String) {
        until("the PIN pad") { (screen as? Screen.PinPad)?.working == false }
        digits.forEach { digit ->
            press(digit.toString())
        }
    }

    fun back() = activity.onBack()

    override fun close() {
        controller.pause().stop().destroy()
    }
}

/** The text of a resource in the activity's language. */
fun Activity.text(id: Int, vararg values: Any): String = getString(id, *values)
