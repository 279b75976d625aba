package dk.godkend.app

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
        hand.press("Supportkode")
        assertTrue(hand.reads("0.1.0"))
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
