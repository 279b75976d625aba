package dk.godkend.app

import android.content.Intent
import android.net.Uri
import dk.godkend.app.support.OwnServerApplication
import dk.godkend.app.support.Stories
import dk.godkend.app.support.TestApplication
import dk.godkend.app.support.TestKeystore
import dk.godkend.screens.PhoneFailure
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import java.io.File
import java.nio.file.Files
import java.nio.file.Path

/** The process ends where nobody expects it, and what a new one finds: all of it, an old copy, damage, or no room. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = TestApplication::class, qualifiers = "da-rDK-w360dp-h740dp-mdpi")
class KillTest : Stories() {
    @Test
    fun `killed at each step of the first start, it goes on where it was`() {
        val userId = server.citizen()
        biometrics(false)
        hand.await<Screen.Welcome>()
        hand.press("Kom i gang")
        val activation = typeActivation(userId)
        val digits = hand.await<Screen.Digits>().digits
        kill()
        assertEquals(digits, hand.await<Screen.Digits>().digits)
        server.desk("confirm-digits", activation, input = digits.text)
        hand.await<Screen.PinPad>()
        hand.pin(PIN)
        assertEquals(Screen.PinPurpose.REPEAT, hand.await<Screen.PinPad>().purpose)
        kill()
        hand.until("the choice, from its beginning") { (hand.screen as? Screen.PinPad)?.purpose == Screen.PinPurpose.CHOOSE }
        hand.pin(PIN)
        hand.pin(PIN)
        val code = hand.await<Screen.BlockCode>().code
        kill()
        assertEquals("not written down yet", code, hand.await<Screen.BlockCode>().code)
        hand.press("Jeg har skrevet den ned")
        hand.await<Screen.Ready>()
        kill()
        hand.until("the home page") { hand.reads("Klar til at godkende") }
    }

    @Test
    fun `killed while a request is shown, and while its answer is on the way, the bank hears one yes`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            kill()
            open(asked)
            hand.press("Godkend")
            hand.pin(PIN)
            // The answer has just been begun: nobody knows whether the server has it.
            kill()
            hand.await<Screen.Home>()
            hand.press("Skriv tallet")
            hand.type(asked.number)
            hand.press("Næste")
            hand.until("the request, or that it is over") { hand.screen is Screen.Asked || (hand.screen as? Screen.TypeNumber)?.problem != null }
            if (hand.screen is Screen.Asked) {
                hand.press("Godkend")
                hand.pin(PIN)
                hand.await<Screen.Result>()
            }
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    fun `a link opens the app, and its request is there once the app is`() {
        activate()
        server.ask("request-login", "--same-device").use { asked ->
            kill(Intent(Intent.ACTION_VIEW, Uri.parse(asked.link)))
            hand.await<Screen.Asked>()
            hand.press("Godkend")
            hand.pin(PIN)
            hand.await<Screen.Result>()
        }
    }

    /** docs/protocol.md, sections 10 and 14. */
    @Test
    @Config(application = OwnServerApplication::class)
    fun `a copy of the phone answers, and copy and phone are frozen`() {
        val userId = activate()
        val copied = state.readBytes()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.pin(PIN)
            hand.await<Screen.Result>()
        }
        val newest = state.readBytes()
        state.writeBytes(copied)
        kill()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.pin(PIN)
            // The phone has used this number of a PIN entry: refused before the answer, at no cost, and typed again.
            val closed = hand.await<Screen.Trouble>().problem
            assertEquals(Problem.Kind.REFUSED to PhoneFailure.Refused.ATTEMPT_CLOSED, closed.kind to closed.code)
            hand.press("Prøv igen")
            hand.pin(PIN)
            // Now the answer gets there, with a ratchet that is over: two stores are in use.
            hand.until("frozen") { (hand.screen as? Screen.Trouble)?.problem?.kind == Problem.Kind.FROZEN }
        }
        state.writeBytes(newest)
        kill()
        hand.until("the phone itself, frozen") { (hand.screen as? Screen.Trouble)?.problem?.kind == Problem.Kind.FROZEN }
        hand.press("Aktivér igen")
        hand.await<Screen.Activate>()
    }

    @Test
    fun `keys that a restored backup lacks, and a damaged state, lead to a new activation that works`() {
        val userId = activate()
        TestKeystore.loseAll()
        kill()
        assertEquals(Problem.Kind.KEY_MISSING, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Aktivér igen")
        hand.await<Screen.Activate>()
        enrol(userId)
        hand.await<Screen.Ready>()
        state.writeBytes(state.readBytes().also { it[it.size - 1] = (it.last().toInt() xor 1).toByte() })
        kill()
        assertEquals(Problem.Kind.STATE_DAMAGED, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Aktivér igen")
        hand.await<Screen.Activate>()
        assertTrue("nothing is left of it", TestKeystore.made.size <= 1)
    }

    @Test
    fun `a full phone sends nothing, and goes on once there is room`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            fill()
            hand.press("Godkend")
            hand.pin(PIN)
            assertEquals(Problem.Kind.STORAGE, hand.await<Screen.Trouble>().problem.kind)
            hand.press("Luk")
            assertTrue(hand.activity.isFinishing)
            Files.deleteIfExists(next)
            reopen()
            open(asked)
            hand.press("Godkend")
            hand.pin(PIN)
            hand.await<Screen.Result>()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    fun `a state that cannot be read is said at the start, and is read once it can be`() {
        activate()
        val kept = File(state.path + ".kept")
        check(state.renameTo(kept) && state.mkdir())
        kill()
        assertEquals(Problem.Kind.STORAGE, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Luk")
        check(state.delete() && kept.renameTo(state))
        reopen()
        hand.until("the home page") { hand.reads("Klar til at godkende") }
    }

    private val next get() = Path.of(state.path + ".new")

    /** The next save finds no room: what it writes to is the device that is always full. */
    private fun fill() {
        Files.deleteIfExists(next)
        Files.createSymbolicLink(next, Path.of("/dev/full"))
    }
}
