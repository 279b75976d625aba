package dk.godkend.app

import android.app.NotificationManager
import dk.godkend.app.support.AgreeingApplication
import dk.godkend.app.support.AnyKeysApplication
import dk.godkend.app.support.OwnAnyKeysApplication
import dk.godkend.app.support.OwnServerApplication
import dk.godkend.app.support.Stories
import dk.godkend.app.support.TestApplication
import dk.godkend.platform.WakeUp
import dk.godkend.screens.Action
import dk.godkend.screens.Binding
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode

/** A person's own affairs: browsers, other phones, other people, codes without a network, what a push does. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = TestApplication::class, qualifiers = "da-rDK-w360dp-h740dp-mdpi")
class OwnAffairsTest : Stories() {
    private fun approve(pin: String = PIN) {
        hand.press("Godkend")
        hand.pin(pin)
        assertEquals(Screen.Outcome.APPROVED, hand.await<Screen.Result>().outcome)
    }

    private fun settings(entry: String) {
        hand.press("Indstillinger")
        hand.await<Screen.Settings>()
        hand.press(entry)
    }

    @Test
    fun `a browser is remembered, calls by itself, is listed and is forgotten`() {
        val userId = activate()
        server.ask("request-login", "--number", "--user-id", userId, "--browser", "annas").use { asked ->
            open(asked)
            hand.switch("Husk denne browser")
            approve()
            assertTrue(asked.outcome().getBoolean("remembered"))
        }
        hand.press("Færdig")
        server.ask("request-login", "--browser", "annas").use { asked ->
            hand.press("Se anmodningen")
            assertEquals(Binding.REMEMBERED_BROWSER, hand.await<Screen.Asked>().request.binding)
            assertTrue(hand.reads("en browser, som du har husket"))
            approve()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
        hand.press("Færdig")
        settings("Mine telefoner og browsere")
        val browser = hand.await<Screen.Devices>().overview.browsers.single()
        assertTrue(hand.texts().toString(), hand.reads(browser.name))
        hand.press("Glem ${browser.name}")
        hand.press("Glem browseren")
        hand.pin(PIN)
        hand.until("that none is left") { hand.reads("Ingen browsere huskes.") }
    }

    @Test
    fun `two people share the phone, see only that the other is asked, and one is taken off it`() {
        val anna = activate()
        val bo = server.citizen("Bo Berg")
        settings("Personer på telefonen")
        hand.press("Tilføj en person")
        enrol(bo, NEW)
        hand.press("Til forsiden")
        hand.until("Bo") { hand.reads("Hej, Bo") }
        server.ask("request-login", "--number", "--user-id", anna).use { asked ->
            hand.until("Anna's name") { hand.reads("Anna Andersen") }
            assertFalse("of what, nothing is said", hand.reads("Testbanken") || hand.reads("Er du ved at logge ind?"))
            hand.press("Anna Andersen")
            hand.until("Anna") { hand.reads("Hej, Anna") }
            open(asked)
            approve()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
        hand.press("Færdig")
        biometrics(true)
        settings("Fingeraftryk eller ansigt")
        assertEquals(Problem.Kind.SHARED_PHONE, hand.await<Screen.Trouble>().problem.kind)
        hand.press("Tilbage")
        hand.press("Personer på telefonen")
        hand.await<Screen.People>()
        hand.press("Fjern Bo Berg fra telefonen")
        hand.await<Screen.Confirm>()
        hand.press("Fjern Bo Berg fra telefonen")
        hand.pin(NEW)
        hand.until("Anna alone") { hand.reads("Hej, Anna") }
        assertEquals("no", server.desk("citizens", bo).toString().let { if ("\"active\"" in it) "yes" else "no" })
    }

    @Test
    @Config(application = AnyKeysApplication::class)
    fun `a new phone is handed an activation, the old one hears of it and refuses`() {
        activate()
        settings("Flyt til en ny telefon")
        hand.press("Vis koden til den nye telefon")
        hand.pin(PIN)
        val link = hand.await<Screen.MoveCode>().link.text
        server.program("--profile", "new", "activate", "--no-biometrics").use { new ->
            new.type(link)
            val digits = new.next("digits").getString("digits")
            hand.press("Skriv tallene fra den nye telefon")
            hand.type(digits)
            hand.press("Næste")
            assertEquals(Screen.Outcome.MOVED, hand.await<Screen.Result>().outcome)
            new.type(NEW)
            assertEquals("waiting", new.next("stage").getString("stage"))
            hand.press("Færdig")
            hand.back()
            hand.press("Se anmodningen")
            assertEquals(Action.NEW_DEVICE_NOTICE, hand.await<Screen.Asked>().request.action)
            hand.press("Afvis")
            hand.press("Det var ikke mig")
            assertEquals(Screen.Outcome.REPORTED, hand.await<Screen.Result>().outcome)
        }
        server.program("--profile", "new", "resume").use { assertEquals("void", it.next("stage").getString("stage")) }
    }

    @Test
    @Config(application = OwnAnyKeysApplication::class)
    fun `a use is told and asked about, and nothing about it is to be approved`() {
        val userId = server.citizen("Anna Andersen", "--tell-uses")
        val activation = server.desk("activation", userId)
        server.program("--profile", "told", "activate", "--no-biometrics").use { other ->
            other.type(activation.getString("text"))
            server.desk("confirm-digits", activation.getString("id"), input = other.next("digits").getString("digits"))
            other.type(OTHER)
            other.next("activated")
        }
        activate(userId = userId)
        for ((answer, outcome) in listOf("Ja, det var mig" to Screen.Outcome.RECOGNISED, "Nej, det var ikke mig" to Screen.Outcome.DISPUTED)) {
            server.ask("request-login", "--number", "--user-id", userId).use { asked ->
                server.program("--profile", "told", "number", "--approve").use { other ->
                    other.type(asked.number)
                    other.type(OTHER)
                    other.next("approved")
                }
                assertEquals("signed_in", asked.outcome().getString("type"))
            }
            hand.press("Se anmodningen")
            assertEquals(Action.NOTICE_OF_USE, hand.await<Screen.Asked>().request.action)
            assertTrue(hand.texts().toString(), hand.reads("Din app blev brugt til at logge på hos Testbanken. Var det dig?"))
            for (approving in listOf("Træk for at godkende", "Afvis", "vil have dig til")) {
                assertFalse(approving, hand.reads(approving))
            }
            // Left unanswered, it waits on.
            hand.back()
            hand.press("Se anmodningen")
            hand.await<Screen.Asked>()
            hand.press(answer)
            assertEquals(outcome, hand.await<Screen.Result>().outcome)
            hand.press("Færdig")
        }
        hand.press("Historik")
        hand.until("both answers") { hand.reads("Besked om brug: det var dig") && hand.reads("Anmeldt: det var ikke mig") }
    }

    @Test
    @Config(application = OwnAnyKeysApplication::class)
    fun `this is the new phone, waits its hour and is ready`() {
        val userId = server.citizen()
        val activation = server.desk("activation", userId)
        server.program("--profile", "old", "activate", "--no-biometrics").use { old ->
            old.type(activation.getString("text"))
            server.desk("confirm-digits", activation.getString("id"), input = old.next("digits").getString("digits"))
            old.type(OTHER)
            old.next("activated")
            old.close()
        }
        server.program("--profile", "old", "move").use { old ->
            old.type(OTHER)
            val link = old.next("activation").getString("text")
            hand.await<Screen.Welcome>()
            hand.press("Kom i gang")
            hand.press("Scan QR-koden")
            hand.await<Screen.Scan>()
            app.model.scanned(link)
            old.type(hand.await<Screen.Digits>().digits.text)
            old.next("confirmed")
        }
        biometrics(false)
        choosePin()
        hand.await<Screen.ActiveLater>()
        assertTrue(hand.reads("Din anden telefon har fået besked."))
        hand.press("Til forsiden")
        hand.await<Screen.ActiveLater>()
        server.desk("clock", "3700")
        hand.press("Til forsiden")
        hand.await<Screen.Ready>()
        hand.press("Til forsiden")
        server.ask("request-login", "--number", "--user-id", userId, "--leeway", "4000").use { asked ->
            open(asked)
            approve()
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = AgreeingApplication::class)
    fun `without a network the phone shows a code that is typed into the browser`() {
        val userId = activate()
        biometrics(true)
        settings("Fingeraftryk eller ansigt")
        hand.pin(PIN)
        assertEquals(Screen.Outcome.BIOMETRICS_ON, hand.await<Screen.Result>().outcome)
        hand.press("Færdig")
        hand.back()
        server.ask("request-login", "--offline", "--user-id", userId).use { asked ->
            hand.press("Scan QR-kode")
            hand.await<Screen.Scan>()
            app.model.scanned(asked.offline)
            val request = hand.await<Screen.Asked>()
            assertEquals(Binding.OFFLINE, request.request.binding)
            assertNull("the server alone judges the time", request.secondsLeft)
            hand.press("Godkend")
            asked.type(hand.await<Screen.OfflineCode>().code.text)
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
    }

    @Test
    @Config(application = OwnServerApplication::class)
    fun `a push in the background is told of only if something waits, and says nothing of what`() {
        val userId = activate()
        val told = { shadowOf(app.getSystemService(NotificationManager::class.java)).allNotifications }
        hand.leave()
        val waits = CoroutineScope(Dispatchers.Main.immediate).async { app.model.somethingWaits() }
        hand.until("the server's answer") { waits.isCompleted }
        assertFalse(runBlocking { waits.await() })
        server.ask("request-login", "--number", "--user-id", userId, "--text", "Faktura 1042").use {
            assertTrue(app.wakeUp.onMessage(mapOf(WakeUp.HANDLE to "b".repeat(22))))
            hand.until("the notification") { told().isNotEmpty() }
            val said = told().single().extras.let { "${it.get("android.title")} ${it.get("android.text")}" }
            assertEquals("Du har en anmodning Åbn Godkend for at se den.", said)
            hand.comeBack()
            hand.until("the request") { hand.reads("Er du ved at logge ind?") }
        }
    }

    @Test
    fun `the support code is the library's own, and tells nothing of the person`() {
        activate()
        settings("Supportkode")
        val code = hand.await<Screen.Support>().code
        assertTrue(code, code.startsWith("G1-0.1.0-") && code.endsWith("-OK"))
        assertTrue(hand.reads(code))
        assertFalse(hand.texts().toString(), hand.reads("Anna"))
    }
}
