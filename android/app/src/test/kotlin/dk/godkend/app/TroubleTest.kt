package dk.godkend.app

import android.hardware.biometrics.BiometricPrompt
import android.provider.Settings
import dk.godkend.app.support.AheadApplication
import dk.godkend.app.support.NoChipApplication
import dk.godkend.app.support.RealServer
import dk.godkend.app.support.TwoRoundsApplication
import dk.godkend.app.support.OwnServerApplication
import dk.godkend.app.support.Stories
import dk.godkend.app.support.TestApplication
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import org.robolectric.shadows.ShadowBiometricPrompt

/** What goes wrong, each reached by its real cause, and the way out that its screen offers. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = OwnServerApplication::class, qualifiers = "da-rDK-w360dp-h740dp-mdpi")
class TroubleTest : Stories() {
    @Test
    fun `a request whose time is over at the server has expired`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            server.desk("clock", "200")
            hand.press("Godkend")
            hand.pin(PIN)
            assertEquals(Problem.Kind.EXPIRED, hand.await<Screen.Trouble>().problem.kind)
        }
        hand.press("Til forsiden")
        hand.await<Screen.Home>()
    }

    @Test
    @Config(application = TwoRoundsApplication::class)
    fun `the PIN's tries are used up, and a new PIN is chosen after proofing again`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            repeat(3) { hand.pin(OTHER) }
            assertEquals(Problem.Kind.PIN_WAITING, hand.await<Screen.Trouble>().problem.kind)
            hand.press("Til forsiden")
            server.desk("clock", "2")
            open(asked)
            hand.press("Godkend")
            repeat(3) { hand.pin(OTHER) }
            assertEquals(Problem.Kind.PIN_DEAD, hand.await<Screen.Trouble>().problem.kind)
        }
        hand.press("Glemt PIN-kode")
        hand.await<Screen.ForgottenPin>()
        server.desk("reset-pin", userId)
        hand.press("De har åbnet for en ny PIN-kode")
        val digits = hand.await<Screen.Digits>().digits.text
        server.desk("confirm-digits", input = digits)
        hand.pin(NEW)
        hand.pin(NEW)
        hand.until("it is ready again") { hand.screen is Screen.Ready || hand.screen is Screen.BlockCode }
    }

    @Test
    fun `a version that the server refuses must be updated`() {
        val userId = activate()
        server.restart { it.replace("refused_below = \"\"", "refused_below = \"9.0.0\"") }
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            hand.press("Skriv tallet")
            hand.type(asked.number)
            hand.press("Næste")
            hand.await<Screen.Trouble>(120)
        }
        assertEquals(Problem.Kind.UPDATE_REQUIRED, hand.await<Screen.Trouble>(120).problem.kind)
    }

    @Test
    fun `a newer version is recommended, then required from a day on, and this one works meanwhile`() {
        val userId = activate()
        server.restart { it.replace("recommended = \"\"", "recommended = \"9.0.0\"") }
        kill()
        hand.until("the recommendation") { hand.reads("Der er en ny udgave af appen.") }
        hand.press("Opdatér")
        assertEquals("market", opened().data?.scheme)
        server.restart { it.replace("required = \"\"", "required = \"9.0.0\"").replace("required_from = \"\"", "required_from = \"2100-02-01\"") }
        kill()
        hand.until("the day") { hand.texts().any { "Appen skal opdateres senest" in it && "2100" in it } }
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.pin(PIN)
            hand.await<Screen.Result>()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = AheadApplication::class)
    fun `a phone whose clock is wrong says so, and opens the settings for it`() {
        hand.await<Screen.Welcome>()
        hand.press("Kom i gang")
        typeActivation(server.citizen())
        assertEquals(Problem.Kind.CLOCK_WRONG, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Åbn dato og tid")
        assertEquals(Settings.ACTION_DATE_SETTINGS, opened().action)
    }

    @Test
    fun `somebody else in the server's place is not believed, and the server itself is again`() {
        val userId = activate()
        server.kill()
        RealServer(listen = server.address).use { impostor ->
            assertEquals(server.address, impostor.address)
            hand.press("Skriv tallet")
            hand.type("12345678")
            hand.press("Næste")
            assertEquals(Problem.Kind.UNTRUSTED, hand.await<Screen.Trouble>().problem.kind)
        }
        server.start()
        hand.press("Tilbage")
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            hand.await<Screen.TypeNumber>()
            hand.type(asked.number)
            hand.press("Næste")
            hand.await<Screen.Asked>()
        }
    }

    @Test
    @Config(application = NoChipApplication::class)
    fun `an app that insists on a chip of its own says what a phone without one lacks`() {
        assertEquals(Problem(Problem.Kind.NOT_SUPPORTED, Problem.Next.CLOSE_APP), hand.await<Screen.Trouble>().problem)
        assertTrue(hand.reads("Telefonens sikkerhedschip kan ikke det, der kræves."))
        hand.press("Luk")
        assertTrue(hand.activity.isFinishing)
    }

    @Test
    @Config(application = TestApplication::class)
    fun `a finger that is not recognised in time, and a yes that the hardware has not heard, lead to the PIN`() {
        val userId = activate(biometrics = true)
        server.ask("request-login", "--number", "--user-id", userId).use { asked ->
            open(asked)
            hand.press("Godkend")
            hand.until("the prompt") { ShadowBiometricPrompt.getCurrentPrompt() != null }
            ShadowBiometricPrompt.authenticateCurrentSessionWithError(BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT, "")
            assertEquals(Problem.Kind.NOT_RECOGNISED, hand.await<Screen.Trouble>().problem.kind)
            ShadowBiometricPrompt.reset()
            hand.press("Tilbage")
            hand.press("Godkend")
            hand.until("the prompt") { ShadowBiometricPrompt.getCurrentPrompt() != null }
            ShadowBiometricPrompt.authenticateCurrentSessionSuccessfully()
            assertEquals(Problem.Kind.NOT_RECOGNISED, hand.await<Screen.Trouble>().problem.kind)
            hand.press("Brug PIN-kode")
            hand.pin(PIN)
            hand.await<Screen.Result>()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = TestApplication::class)
    fun `a phone that cannot make codes without a network says so`() {
        val userId = activate(biometrics = true)
        server.ask("request-login", "--offline", "--user-id", userId).use { asked ->
            hand.press("Scan QR-kode")
            hand.await<Screen.Scan>()
            app.model.scanned(asked.offline)
            hand.await<Screen.Asked>()
            hand.press("Godkend")
            assertEquals(Problem.Kind.NO_AGREEMENT, hand.await<Screen.Trouble>().problem.kind)
        }
    }

    @Test
    @Config(application = TestApplication::class)
    fun `no sensor, another language, and what the settings say`() {
        activate()
        hand.press("Indstillinger")
        hand.press("Fingeraftryk eller ansigt")
        assertEquals(Problem.Kind.NO_BIOMETRICS, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Tilbage")
        hand.press("Sprog")
        hand.press("English")
        hand.until("English") { hand.reads("Settings") }
        hand.press("Language")
        hand.press("Dansk")
        hand.until("Danish") { hand.reads("Indstillinger") }
    }

    @Test
    @Config(application = TestApplication::class)
    fun `a link on this phone opens a request, and leads back to the browser`() {
        activate()
        server.ask("request-login", "--same-device").use { asked ->
            app.model.openLink(asked.link)
            hand.await<Screen.Asked>()
            hand.press("Godkend")
            hand.pin(PIN)
            val result = hand.await<Screen.Result>()
            assertTrue(hand.reads("Tilbage til browseren"))
            assertTrue("${result.returnUrl}", checkNotNull(result.returnUrl).startsWith("https://"))
        }
    }

    @Test
    fun `without a network the app says so and comes back by itself`() {
        activate()
        server.kill()
        hand.until("that there is no connection", 120) { hand.reads("Ingen forbindelse") }
        server.start()
        hand.until("the connection", 120) { !hand.reads("Ingen forbindelse") }
    }
}
