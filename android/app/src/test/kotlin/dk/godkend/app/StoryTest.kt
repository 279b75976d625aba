package dk.godkend.app

import android.app.Activity
import android.content.Intent
import android.net.Uri
import android.view.WindowManager
import dk.godkend.app.support.OwnServerApplication
import dk.godkend.app.support.Stories
import dk.godkend.app.support.TestApplication
import dk.godkend.app.support.TestKeystore
import dk.godkend.screens.Event
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.ShadowBiometricPrompt
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.OutputStream
import java.util.UUID

/** What a citizen does, pressed on the real screens, against the real server and the real Rust library. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = TestApplication::class, qualifiers = "da-rDK-w360dp-h740dp-mdpi")
class StoryTest : Stories() {
    /** Saves the history at a place that the phone's own picker has given. */
    private fun <S : OutputStream> export(kept: S): S {
        hand.press("Gem historikken")
        val asked = opened()
        assertEquals("text/csv", asked.type)
        val uri = Uri.parse("content://files/${UUID.randomUUID()}")
        shadowOf(app.contentResolver).registerOutputStream(uri, kept)
        shadowOf(hand.activity).receiveResult(asked, Activity.RESULT_OK, Intent().setData(uri))
        return kept
    }

    private class FullStream : OutputStream() {
        override fun write(byte: Int): Unit = throw IOException("No space left on device")
    }

    @Test
    fun `from the first start to a login at the bank, with the PIN`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId, "--text", "Log ind i netbanken").use { asked ->
            open(asked)
            assertTrue(hand.reads("Testbanken") && hand.reads("“Log ind i netbanken”") && hand.reads("Udløber om"))
            assertNotEquals("the request cannot be captured", 0, hand.activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE)
            hand.press("Godkend")
            hand.pin(PIN)
            assertEquals(Screen.Outcome.APPROVED, hand.await<Screen.Result>().outcome)
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
        assertEquals("nothing secret any more", 0, hand.activity.window.attributes.flags and WindowManager.LayoutParams.FLAG_SECURE)
        hand.press("Færdig")
        hand.press("Historik")
        val events = hand.await<Screen.History>().lines.map { it.event }
        assertEquals(listOf(Event.APPROVED, Event.ACTIVATED), events)
        export(ByteArrayOutputStream()).let { kept ->
            hand.until("the file") { kept.size() > 0 }
            val lines = kept.toString().trimEnd().split("\r\n")
            assertEquals("time,event,relying_party,action,text,place,code", lines.first())
            assertEquals(kept.toString(), 3, lines.size)
            assertTrue(kept.toString(), "\"approved\",\"Testbanken\"" in lines.last() && "Log ind i netbanken" in lines.last())
        }
        export(FullStream())
        assertEquals("a place that takes nothing is told of", Problem.Kind.NOT_NOW, hand.await<Screen.Trouble>().problem.kind)
    }

    @Test
    @Config(application = OwnServerApplication::class)
    fun `a payment shows amount and payee, and is refused`() {
        val userId = activate()
        server.ask("request-payment", "--amount", "1250.00", "--payee", "Elselskabet", "--number", "--user-id", userId).use { asked ->
            open(asked)
            assertTrue(hand.texts().toString(), hand.reads("1.250,00 DKK") && hand.reads("Elselskabet"))
            // Back closes nothing: it asks why.
            hand.back()
            hand.await<Screen.Refuse>()
            hand.press("Jeg har ombestemt mig")
            assertEquals(Screen.Outcome.REFUSED, hand.await<Screen.Result>().outcome)
            assertEquals("error", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = OwnServerApplication::class)
    fun `a login that was somebody else is reported, and the bank hears of it`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            hand.until("the locked request") { hand.reads("Er du ved at logge ind?") }
            assertFalse("a locked request says nothing", hand.reads("Testbanken"))
            hand.press("Det er ikke mig")
            assertEquals(Screen.Outcome.REPORTED, hand.await<Screen.Result>().outcome)
            assertEquals("error", asked.outcome().getString("type"))
        }
    }

    @Test
    fun `a weak PIN is refused with the reason, and a differing one is asked again`() {
        biometrics(false)
        hand.await<Screen.Welcome>()
        hand.press("Kom i gang")
        hand.press("Skriv koden")
        val activation = server.desk("activation", server.citizen(), "--code")
        hand.type("not a code")
        hand.press("Næste")
        hand.until("what is wrong with it") { hand.reads("Se efter, om det er den rigtige") }
        hand.type(activation.getString("text"))
        hand.press("Næste")
        server.desk("confirm-digits", activation.getString("id"), input = hand.await<Screen.Digits>().digits.text)
        hand.await<Screen.PinPad>()
        // Once is enough: the reason comes before the second typing.
        hand.pin("111111")
        hand.until("the reason") { hand.reads("Det samme tal hele vejen") }
        assertEquals(Screen.PinPurpose.CHOOSE, hand.await<Screen.PinPad>().purpose)
        hand.pin("123456")
        hand.until("the reason") { hand.reads("Tal i rækkefølge") }
        hand.pin(PIN)
        hand.until("the second time") { hand.reads("Skriv PIN-koden igen") }
        hand.pin(OTHER)
        hand.until("that they differ") { hand.reads("De to PIN-koder er ikke ens") }
        hand.pin(PIN)
        hand.pin(PIN)
        hand.await<Screen.BlockCode>()
    }

    @Test
    fun `wrong PINs are counted, then one waits, and the login can be approved no more`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.pin(OTHER)
            hand.until("two tries left") { hand.reads("Forsøg tilbage: 2") }
            hand.pin(OTHER)
            hand.until("one try left") { hand.reads("Forsøg tilbage: 1") }
            hand.pin(OTHER)
            val trouble = hand.await<Screen.Trouble>().problem
            assertEquals(Problem.Kind.PIN_WAITING, trouble.kind)
            assertTrue("${trouble.waitSeconds}", trouble.waitSeconds in 50..60)
            assertTrue(hand.reads("Du kan prøve igen om"))
            hand.press("Til forsiden")
            hand.await<Screen.Home>()
        }
    }

    @Test
    fun `a finger approves, and the prompt says who asks for what`() {
        val userId = activate(biometrics = true)
        val biometric = TestKeystore.made.single { it.isUserAuthenticationRequired }
        assertTrue(biometric.isInvalidatedByBiometricEnrollment && biometric.isUnlockedDeviceRequired)
        assertEquals(android.security.keystore.KeyProperties.AUTH_BIOMETRIC_STRONG, biometric.userAuthenticationType)
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            val said = finger()
            assertTrue(said, "Testbanken" in said)
            assertEquals(Screen.Outcome.APPROVED, hand.await<Screen.Result>().outcome)
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    fun `a new finger invalidates the key, the PIN does, and biometrics are turned on again`() {
        val userId = activate(biometrics = true)
        TestKeystore.addFinger()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            assertEquals(Problem.Kind.KEY_INVALIDATED, hand.await<Screen.Trouble>().problem.kind)
            hand.press("Brug PIN-kode")
            hand.pin(PIN)
            hand.await<Screen.Result>()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
        hand.press("Færdig")
        hand.until("the reminder") { hand.reads("Fingeraftryk er ændret") }
        hand.press("Slå til")
        hand.pin(PIN)
        finger()
        assertEquals(Screen.Outcome.BIOMETRICS_ON, hand.await<Screen.Result>().outcome)
    }

    @Test
    fun `a cancelled prompt leaves the request as it was, a locked sensor leads to the PIN`() {
        val userId = activate(biometrics = true)
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.until("the prompt") { ShadowBiometricPrompt.getCurrentPrompt() != null }
            ShadowBiometricPrompt.authenticateCurrentSessionWithError(android.hardware.biometrics.BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED, "")
            ShadowBiometricPrompt.reset()
            hand.until("the request, untouched") { (hand.screen as? Screen.Asked)?.working == false }
            hand.press("Godkend")
            hand.until("the prompt") { ShadowBiometricPrompt.getCurrentPrompt() != null }
            ShadowBiometricPrompt.authenticateCurrentSessionWithError(android.hardware.biometrics.BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT, "")
            assertEquals(Problem.Kind.LOCKED_OUT, hand.await<Screen.Trouble>().problem.kind)
            hand.press("Brug PIN-kode")
            hand.pin(PIN)
            assertEquals(Screen.Outcome.APPROVED, hand.await<Screen.Result>().outcome)
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = OwnServerApplication::class)
    fun `the server is killed in the middle, and the answer gets there when it is back`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            server.kill()
            hand.press("Godkend")
            hand.pin(PIN)
            assertEquals(Problem.Kind.NO_NETWORK, hand.await<Screen.Trouble>(120).problem.kind)
            server.start()
            hand.press("Prøv igen")
            hand.pin(PIN)
            assertEquals(Screen.Outcome.APPROVED, hand.await<Screen.Result>().outcome)
        }
    }

    @Test
    fun `keys lost in a restore lead to a new activation`() {
        val userId = activate()
        TestKeystore.loseAll()
        server.ask("request-login", "--number", "--user-id", userId).use {
            hand.press("Skriv tallet")
            hand.await<Screen.TypeNumber>()
            hand.type(it.number)
            hand.press("Næste")
            assertEquals(Problem.Kind.KEY_MISSING, hand.await<Screen.Trouble>().problem.kind)
        }
        hand.press("Aktivér igen")
        hand.await<Screen.Activate>()
    }

    @Test
    fun `the phone is blocked from its settings, and says so`() {
        activate()
        hand.press("Indstillinger")
        hand.await<Screen.Settings>()
        hand.press("Spær denne telefon")
        hand.press("Spær telefonen")
        assertEquals(Problem.Kind.BLOCKED, hand.await<Screen.Trouble>().problem.kind)
    }

    @Test
    fun `the PIN is changed, a wrong old one is said, and the new one approves`() {
        val userId = activate()
        hand.press("Indstillinger")
        hand.press("Skift PIN-kode")
        hand.pin(OTHER)
        hand.pin(NEW)
        hand.pin(NEW)
        hand.until("what is left") { hand.reads("Forsøg tilbage: 2") }
        hand.pin(PIN)
        hand.pin(NEW)
        hand.pin(NEW)
        assertEquals(Screen.Outcome.PIN_CHANGED, hand.await<Screen.Result>().outcome)
        hand.press("Færdig")
        hand.back()
        hand.await<Screen.Home>()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.pin(NEW)
            hand.await<Screen.Result>()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }
}
