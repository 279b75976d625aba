package dk.godkend.app.support

import android.content.Intent
import dk.godkend.screens.Screen
import org.junit.After
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowBiometricManager
import org.robolectric.shadows.ShadowBiometricPrompt
import java.io.File

/** What every story begins with: a citizen, a desk, and a phone that is activated. */
abstract class Stories {
    protected val server get() = app.server
    protected val app get() = RuntimeEnvironment.getApplication() as TestApplication
    private var now: Hand? = null
    protected val hand get() = now ?: Hand(app).also { now = it }

    @After
    fun leave() {
        now?.close()
        app.leave()
    }

    /** The process is killed as it stands, and the app is opened again: by its icon, or by a link. */
    protected fun kill(opens: Intent = Intent()) {
        app.restart()
        reopen(opens)
    }

    /** The app is closed and opened again while its process lives. */
    protected fun reopen(opens: Intent = Intent()) {
        now?.close()
        now = Hand(app, opens)
    }

    /** The file that holds everything the phone knows. */
    protected val state get() = File(app.noBackupFilesDir, "godkend.state")

    /** What the app has opened beside itself: the store, the settings, a browser. */
    protected fun opened(): Intent = checkNotNull(shadowOf(app).nextStartedActivity) { "nothing was opened" }

    protected fun biometrics(are: Boolean) {
        val manager = app.getSystemService(android.hardware.biometrics.BiometricManager::class.java)
        Shadow.extract<ShadowBiometricManager>(manager).setCanAuthenticate(are)
    }

    /** From the first start to the home page, as one does it at the bank's desk. */
    protected fun activate(name: String = "Anna Andersen", userId: String = server.citizen(name), biometrics: Boolean = false): String {
        biometrics(biometrics)
        hand.await<Screen.Welcome>()
        hand.press("Kom i gang")
        enrol(userId)
        if (biometrics) {
            hand.await<Screen.OfferBiometrics>()
            hand.press("Slå til")
            hand.pin(PIN)
            // The new key proves itself: its first use is part of turning it on.
            finger()
        }
        hand.await<Screen.Ready>()
        hand.press("Til forsiden")
        hand.await<Screen.Home>()
        hand.until("the name") { hand.reads("Hej, ${name.substringBefore(' ')}") }
        return userId
    }

    /** From the page that offers an activation to the block code noted. */
    protected fun enrol(userId: String, pin: String = PIN) {
        val activation = typeActivation(userId)
        server.desk("confirm-digits", activation, input = hand.await<Screen.Digits>().digits.text)
        choosePin(pin)
    }

    /** Types a code from the desk; what it is called there. */
    protected fun typeActivation(userId: String): String {
        hand.press("Skriv koden")
        val activation = server.desk("activation", userId, "--code")
        hand.type(activation.getString("text"))
        hand.press("Næste")
        return activation.getString("id")
    }

    protected fun choosePin(pin: String = PIN) {
        hand.await<Screen.PinPad>()
        hand.pin(pin)
        hand.pin(pin)
        hand.await<Screen.BlockCode>()
        hand.press("Jeg har skrevet den ned")
    }

    /** The finger matches, once the prompt is up; what the prompt said. */
    protected fun finger(): String {
        hand.until("the prompt") { ShadowBiometricPrompt.getCurrentPrompt() != null }
        val said = checkNotNull(ShadowBiometricPrompt.getCurrentPrompt()).description.toString()
        TestKeystore.unlock()
        ShadowBiometricPrompt.authenticateCurrentSessionSuccessfully()
        ShadowBiometricPrompt.reset()
        return said
    }

    /** Opens the bank's login by the number on the other screen. */
    protected fun open(asked: RealServer.Asked) {
        hand.press("Skriv tallet")
        hand.await<Screen.TypeNumber>()
        hand.type(asked.number)
        hand.press("Næste")
        hand.await<Screen.Asked>()
    }

    protected companion object {
        const val PIN = "271828"
        const val OTHER = "314159"
        const val NEW = "141421"
    }
}
