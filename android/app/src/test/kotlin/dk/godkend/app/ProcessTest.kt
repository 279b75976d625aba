package dk.godkend.app

import dk.godkend.app.support.PhoneProcess
import dk.godkend.app.support.RealServer
import org.json.JSONObject
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.random.Random

/** The app's models and the library in a process of their own, ended as the system ends one: without a word. */
class ProcessTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val server = RealServer(RealServer.Keys.PLAYED)
    private val phone by lazy { App(folder.newFolder(), folder.newFile("root.json").apply { writeText(server.roots) }) }

    /** How often the person had to approve a second time. */
    private var again = 0

    @After
    fun leave() {
        phone.kill()
        server.close()
    }

    @Test
    fun `killed at each screen of its activation, it goes on where it was, and approves`() {
        val userId = server.citizen()
        val activation = server.desk("activation", userId)
        phone.start()
        phone.sees { it.type == "Welcome" }
        phone.type("link ${activation.getString("text")}")
        val digits = phone.sees { it.type == "Digits" }.getString("digits")
        phone.restart()
        assertEquals("the same digits, which the desk may have heard", digits, phone.sees { it.type == "Digits" }.getString("digits"))
        server.desk("confirm-digits", activation.getString("id"), input = digits)
        phone.sees { it.isPad("CHOOSE") }
        phone.restart()
        phone.sees { it.isPad("CHOOSE") }
        phone.type("pin $PIN")
        phone.sees { it.isPad("REPEAT") }
        phone.restart()
        choosePin()
        phone.restart()
        phone.sees { it.type == "BlockCode" }
        phone.type("noted")
        phone.sees { it.type == "Ready" }
        phone.restart()
        phone.sees { it.isHome }
        approveFirst(userId)
    }

    @Test
    fun `killed at any moment of an approval, the bank hears one yes for each login, and no try is lost`() {
        val userId = server.citizen()
        val activation = server.desk("activation", userId)
        phone.start()
        phone.sees { it.type == "Welcome" }
        phone.type("link ${activation.getString("text")}")
        server.desk("confirm-digits", activation.getString("id"), input = phone.sees { it.type == "Digits" }.getString("digits"))
        choosePin()
        phone.type("noted")
        phone.sees { it.type == "Ready" }
        phone.type("done")
        approveFirst(userId)
        val seed = System.getenv("GODKEND_SEED")?.toLong() ?: System.nanoTime()
        val random = Random(seed)
        val rounds = System.getenv("GODKEND_ROUNDS")?.toInt() ?: ROUNDS
        println("GODKEND_SEED=$seed GODKEND_ROUNDS=$rounds")
        repeat(rounds) { approvePushed(random) }
        println("killed $rounds times, approved again $again times")
        phone.type("history")
        val events = phone.sees { it.type == "History" }.getString("events").split(' ')
        assertEquals("$events", rounds + 1, events.count { it == "APPROVED" })
        assertEquals("$events", 0, events.count { it != "APPROVED" && it != "ACTIVATED" })
    }

    private fun choosePin() {
        phone.sees { it.isPad("CHOOSE") }
        phone.type("pin $PIN")
        phone.sees { it.isPad("REPEAT") }
        phone.type("pin $PIN")
        phone.sees { it.type == "BlockCode" }
    }

    /** A login by its number, approved with the PIN; the browser is remembered. */
    private fun approveFirst(userId: String) {
        server.ask("request-login", "--number", "--user-id", userId, "--browser", "annas").use { asked ->
            phone.type("number ${asked.number}")
            phone.sees { it.type == "Asked" }
            phone.type("remember")
            approve()
            phone.sees { it.type == "Result" }
            phone.type("done")
            assertSignedIn(asked)
            phone.sees { it.isHome }
        }
    }

    /** A login that is pushed; killed once, anywhere from before the PIN has left to after the answer. */
    private fun approvePushed(random: Random) {
        server.ask("request-login", "--browser", "annas").use { asked ->
            phone.sees { it.isHome && it.getBoolean("waits") }
            phone.type("open")
            phone.sees { it.type == "Asked" }
            approve()
            Thread.sleep(random.nextLong(MOST_MILLIS))
            phone.restart()
            // What had left is settled; what had not waits, and the person does it again.
            if (phone.sees(unless = { asked.hasEnded }) { it.isHome && it.getBoolean("waits") } != null) {
                phone.type("open")
                phone.sees { it.type == "Asked" }
                approve()
                phone.sees { it.type == "Result" }
                phone.type("done")
                again++
            }
            assertSignedIn(asked)
            phone.sees { it.isHome }
        }
    }

    /** Types the PIN below the request on the screen. */
    private fun approve() {
        phone.type("approve")
        phone.sees { it.isPad("APPROVE") }
        phone.type("pin $PIN")
    }

    private fun assertSignedIn(asked: RealServer.Asked) {
        val outcome = asked.outcome()
        assertEquals("$outcome", "signed_in", outcome.getString("type"))
    }

    private val JSONObject.type get() = getString("type")
    private val JSONObject.isHome get() = type == "Home" && getString("name").isNotEmpty() && !getBoolean("unsettled")
    private fun JSONObject.isPad(purpose: String) = type == "PinPad" && getString("purpose") == purpose && !getBoolean("working")

    /** A process of [PhoneProcess], and whoever looks at it. */
    private class App(private val folder: File, private val roots: File) {
        private var process: Process? = null
        private var lines = LinkedBlockingQueue<String>()
        private var shown: JSONObject? = null

        fun start() {
            val java = File(System.getProperty("java.home"), "bin/java").path
            val library = "uniffi.component.godkend.libraryOverride"
            val started = ProcessBuilder(
                java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"),
                "-D$library=${System.getProperty(library)}", PhoneProcess::class.java.name, folder.path, roots.path,
            ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
            process = started
            val heard = LinkedBlockingQueue<String>()
            lines = heard
            shown = null
            thread(isDaemon = true) {
                try {
                    started.inputStream.bufferedReader().forEachLine(heard::put)
                } catch (_: IOException) {
                    // It was killed.
                }
            }
        }

        /** As the system does it. */
        fun kill() {
            process?.destroyForcibly()?.waitFor()
        }

        fun restart() {
            kill()
            start()
        }

        /** Does something; what was shown before counts no more. */
        fun type(line: String) {
            shown = null
            val input = checkNotNull(process).outputStream
            input.write("$line\n".toByteArray())
            input.flush()
        }

        /** Waits for a screen like this. */
        fun sees(condition: (JSONObject) -> Boolean): JSONObject = checkNotNull(sees({ false }, condition))

        /** Waits for a screen like this, or for something else. */
        fun sees(unless: () -> Boolean, condition: (JSONObject) -> Boolean): JSONObject? {
            val passed = mutableListOf<String>()
            val end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)
            while (System.nanoTime() < end) {
                shown?.takeIf(condition)?.let { return it }
                if (unless()) return null
                val line = lines.poll(POLL_MILLIS, TimeUnit.MILLISECONDS) ?: continue
                shown = JSONObject(line)
                passed += line
            }
            error("no such screen came: $passed")
        }
    }

    private companion object {
        const val PIN = "271828"
        const val ROUNDS = 6
        const val MOST_MILLIS = 200L
        const val PATIENCE_SECONDS = 60L
        const val POLL_MILLIS = 20L
    }
}
