package dk.godkend.app.support

import dk.godkend.screens.Screen
import org.junit.After
import org.robolectric.RuntimeEnvironment
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowBiometricManager
import org.robolectric.shadows.ShadowBiometricPrompt

/** What every story begins with: a citizen, a desk, and a phone that is activated. */
abstract class Stories {
    protected val server get() = app.server
    protected val app get() = RuntimeEnvironment.getApplication() as TestApplication
    protected val hand by lazy { Hand(app) }

    @After
    fun leave() {
        hand.close()
        if (app.javaClass != TestApplication::class.java) server.close()
    }

    protected fun biometrics(are: Boolean) {
        val manager = app.getSystemService(android.hardware.biometrics.BiometricManager::class.java)
        Shadow.extract<ShadowBiometricManager>(manager).setCanAuthenticate(are)
    }

    /** From the first start to the home page, as one does it at the bank's desk. */
    protected fun activate(name: String = "Anna Andersen", userId: String = server.citizen(name), biometrics: Boolean = false): String {
        biometrics(biometrics)
        hand.await<Screen.Welcome>()
        hand.press("Kom i gang")
        hand.press("Skriv koden")
        val activation = server.desk("activation", userId, "--code")
        hand.type(activation.getString("text"))
        hand.press("Næste")
        val shown = hand.await<Screen.Digits>()
        server.desk("confirm-digits", activation.getString("id"), input = shown.digits.text)
        hand.await<Screen.PinPad>()
        hand.pin(PIN)
        hand.pin(PIN)
        hand.await<Screen.BlockCode>()
        hand.press("Jeg har skrevet den ned")
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
