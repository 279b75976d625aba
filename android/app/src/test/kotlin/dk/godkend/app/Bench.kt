package dk.godkend.app

import dk.godkend.PhoneException
import dk.godkend.Scanned
import dk.godkend.app.support.PlainPhone
import dk.godkend.app.support.RealServer
import kotlinx.coroutines.runBlocking
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.lang.management.ManagementFactory

/**
 * Times what a person waits for, through the binding as Kotlin calls it: `android/bench`. A measurement and no test: its
 * name keeps it out of the suite, and it fails on nothing but errors.
 */
class Bench {
    @get:Rule
    val folder = TemporaryFolder()

    private val runs = System.getenv("GODKEND_RUNS")?.toInt() ?: 30

    @Test
    fun run() = runBlocking {
        val system = ManagementFactory.getOperatingSystemMXBean()
        println("${system.arch}, ${system.availableProcessors} processors, load %.1f, $runs runs".format(system.systemLoadAverage))
        println("%-48s %12s %12s".format("", "median", "95 %"))
        val server = RealServer(RealServer.Keys.PLAYED)
        val one = PlainPhone(folder.newFolder(), server)
        val before = memory()
        first("the library loaded, a first phone opened", millis { one.open() })
        one.activate()
        one.phone.shutDown()
        val opens = mutableListOf<Double>()
        val shown = mutableListOf<Double>()
        val approved = mutableListOf<Double>()
        repeat(runs) {
            opens += millis { check(one.open().state().people.size == 1) }
            server.ask("request-login", "--same-device").use { asked ->
                lateinit var opened: Scanned
                shown += millis { opened = one.phone.openLink(asked.link) }
                approved += millis { one.phone.approveWithPin((opened as Scanned.Request).request, PlainPhone.pin()) }
            }
            one.phone.shutDown()
        }
        show("from opening the library to ready", opens)
        show("from a link to the request shown (new TLS)", shown)
        show("from the PIN to approved", approved)
        val phone = one.open()
        val request = one.request()
        show("a call across the binding, a record in", List(CALLS) { millis { repeat(TIMES) { phone.secondsLeft(request) } } / TIMES })
        show("a call across the binding, the state out", List(CALLS) { millis { repeat(TIMES) { phone.state() } } / TIMES })
        show("an async call across the binding, with error", List(CALLS) { millis { notACode { phone.scan("") } } })
        phone.shutDown()
        println("memory: %.1f MB before the first phone, %.1f MB after %d".format(before, memory(), runs + 2))
        server.close()
    }

    private suspend fun notACode(call: suspend () -> Unit) = try {
        call()
    } catch (_: PhoneException.NotACode) {
        Unit
    }

    private inline fun millis(work: () -> Unit): Double {
        val start = System.nanoTime()
        work()
        return (System.nanoTime() - start) / 1e6
    }

    private fun first(what: String, millis: Double) = println("%-48s %9.3f ms".format(what, millis))

    private fun show(what: String, times: List<Double>) {
        val sorted = times.sorted()
        val late = sorted[minOf(sorted.size - 1, (sorted.size * 0.95).toInt())]
        println("%-48s %9.3f ms %9.3f ms".format(what, sorted[sorted.size / 2], late))
    }

    /** Resident memory of this process in MB, most of it the JVM's. */
    private fun memory() =
        File("/proc/self/status").readLines().first { it.startsWith("VmRSS:") }.filter(Char::isDigit).toInt() / 1024.0

    private companion object {
        const val CALLS = 200
        const val TIMES = 50
    }
}
