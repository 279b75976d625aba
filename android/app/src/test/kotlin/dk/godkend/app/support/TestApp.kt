package dk.godkend.app.support

import android.app.Activity
import android.content.Intent
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.Switch
import android.widget.TextView
import dk.godkend.Desktop
import dk.godkend.HardwareKeys
import dk.godkend.KeySecurity
import dk.godkend.Touch
import dk.godkend.app.GodkendApplication
import dk.godkend.app.MainActivity
import dk.godkend.screens.Screen
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.File
import java.time.Duration

/** The app as it ships, with a test environment's roots and a factory-new phone. */
open class TestApplication : GodkendApplication() {
    open val server: RealServer get() = RealServer.shared

    override fun onCreate() {
        TestKeystore.reset()
        super.onCreate()
    }

    override fun roots() = server.roots

    /** The process was killed, and a new one begins with what was saved. */
    fun restart() = begin()

    open fun leave() = Unit
}

/** The same with a server of its own, which a test may kill, or which a refusal makes wary of this machine. */
abstract class WithServer(start: () -> RealServer) : TestApplication() {
    override val server by lazy(start)

    override fun leave() = server.close()
}

class OwnServerApplication : WithServer({ RealServer() })

/** A server whose PINs have two rounds of three tries, a second apart. */
class TwoRoundsApplication : WithServer({ RealServer { it.replace("waits_seconds = [60, 3600]", "waits_seconds = [1]") } })

/** A phone whose clock is two years ahead of everybody else's. */
class AheadApplication : WithServer({ RealServer(environment = mapOf("LD_PRELOAD" to faketime(), "FAKETIME" to "-2y")) }) {
    private companion object {
        /** Where the library is that sets a program's clock. */
        fun faketime(): String =
            ProcessBuilder("faketime", "-f", "-2y", "printenv", "LD_PRELOAD").start().inputStream.bufferedReader().readLine()
    }
}

/** A server of its own that knows phones with keys in software too. */
class OwnAnyKeysApplication : WithServer({ RealServer(RealServer.Keys.ANY) })

/** A server that knows phones with keys in software too: those that `godkend` plays. */
class AnyKeysApplication : TestApplication() {
    override val server get() = RealServer.any
}

/** An app that insists on a chip of its own, on a phone without one. */
class NoChipApplication : TestApplication() {
    override val security get() = KeySecurity.DEDICATED

    override fun keys(): HardwareKeys {
        TestKeystore.hasStrongBox = false
        return super.keys()
    }
}

/** The played keys of a desktop, which can agree behind a finger as only the newest Android can. */
class AgreeingApplication : TestApplication() {
    override val server get() = RealServer.any
    override val security get() = KeySecurity.SOFTWARE

    val desktop by lazy { Desktop(File(filesDir, "keys").path).apply { play(Touch.MATCH, true) } }

    override fun keys() = desktop.keys()
}

/** No phone at all, for what needs only resources. */
class NoPhoneApplication : android.app.Application()

/** A person in front of the app: reads, presses and types what is on the screen. */
class Hand(val app: GodkendApplication, opens: Intent = Intent()) : AutoCloseable {
    private val controller: ActivityController<MainActivity> = Robolectric.buildActivity(MainActivity::class.java, opens).setup()
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

    /** Opens or closes a switch by its name. */
    fun switch(name: String) {
        until("the switch \"$name\"") { switches(name).any() }
        switches(name).first().toggle()
        shadowOf(Looper.getMainLooper()).idle()
    }

    private fun switches(name: String) = views().filterIsInstance<Switch>().filter { it.text.toString() == name }

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

    /** Looks at something else, and comes back. */
    fun leave() {
        controller.pause().stop()
    }

    fun comeBack() {
        controller.restart().resume()
    }

    override fun close() {
        if (!activity.isDestroyed) controller.pause().stop().destroy()
    }
}

/** The text of a resource in the activity's language. */
fun Activity.text(id: Int, vararg values: Any): String = getString(id, *values)
