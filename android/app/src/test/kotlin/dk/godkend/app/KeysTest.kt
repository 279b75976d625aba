package dk.godkend.app

import android.app.Activity
import android.hardware.biometrics.BiometricPrompt
import android.os.Build
import android.os.Looper
import android.security.keystore.KeyProperties
import dk.godkend.Attestation
import dk.godkend.KeyConditions
import dk.godkend.KeyException
import dk.godkend.KeyKind
import dk.godkend.KeySecurity
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.TestKeystore
import dk.godkend.platform.AndroidHardwareKeys
import dk.godkend.platform.SystemBiometricPrompts
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.async
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowBiometricManager
import org.robolectric.shadows.ShadowBiometricPrompt
import java.security.KeyFactory
import java.security.Signature
import java.security.spec.X509EncodedKeySpec

/** The real Android key store and prompt calls, answered by a provider that keeps what the calls ask for. */
@OptIn(DelicateCoroutinesApi::class, ExperimentalCoroutinesApi::class)
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = NoPhoneApplication::class)
class KeysTest {
    private lateinit var keys: AndroidHardwareKeys
    private val plain = KeyConditions(KeyKind.SIGN, KeySecurity.TRUSTED_ENVIRONMENT, biometric = false, unlocked = false, CHALLENGE)
    private val finger = plain.copy(biometric = true, unlocked = true)

    @Before
    fun phone() {
        TestKeystore.reset()
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) ShadowBiometricPrompt.reset()
        val app = RuntimeEnvironment.getApplication()
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            val manager = app.getSystemService(android.hardware.biometrics.BiometricManager::class.java)
            Shadow.extract<ShadowBiometricManager>(manager).setCanAuthenticate(true)
        }
        val activity = Robolectric.buildActivity(Activity::class.java).get()
        keys = AndroidHardwareKeys(SystemBiometricPrompts(app, { activity }, { SystemBiometricPrompts.Words("Godkend", "Brug PIN-kode") }))
    }

    /** Runs to its end while the main thread works. */
    private fun <T> run(action: suspend () -> T): T = finish(begin(action))

    private fun <T> begin(action: suspend () -> T): Deferred<T> = GlobalScope.async(Dispatchers.Default) { action() }

    private fun <T> finish(running: Deferred<T>): T {
        until { running.isCompleted }
        return running.getCompleted()
    }

    private fun until(condition: () -> Boolean) {
        val end = System.nanoTime() + 30_000_000_000L
        while (!condition()) {
            shadowOf(Looper.getMainLooper()).idle()
            check(System.nanoTime() < end) { "not so after 30 s" }
            Thread.sleep(5)
        }
    }

    private fun prompt(): BiometricPrompt {
        until { ShadowBiometricPrompt.getCurrentPrompt() != null }
        return checkNotNull(ShadowBiometricPrompt.getCurrentPrompt())
    }

    private fun verifies(key: ByteArray, message: ByteArray, signature: ByteArray): Boolean {
        val public = KeyFactory.getInstance("EC", "BC").generatePublic(X509EncodedKeySpec(key))
        return Signature.getInstance("SHA256withECDSA", "BC").apply {
            initVerify(public)
            update(message)
        }.verify(signature)
    }

    @Test
    fun `a key is made under its conditions, attested over the challenge, and signs`() {
        val created = run { keys.create("godkend.a", plain) }
        assertEquals(KeySecurity.TRUSTED_ENVIRONMENT, created.security)
        assertEquals(4, (created.attestation as Attestation.Android).chain.size)
        assertArrayEquals(CHALLENGE, TestKeystore.made.single().attestationChallenge)
        val signature = run { keys.sign("godkend.a", MESSAGE, null) }
        assertTrue(verifies(checkNotNull(created.publicKey), MESSAGE, signature))
        assertFalse(verifies(checkNotNull(created.publicKey), MESSAGE + 1, signature))
    }

    @Test
    fun `a dedicated chip is used where it is asked for, and missed where there is none`() {
        assertEquals(KeySecurity.DEDICATED, run { keys.create("godkend.a", plain.copy(security = KeySecurity.DEDICATED)) }.security)
        assertTrue(TestKeystore.made.single().isStrongBoxBacked)
        TestKeystore.hasStrongBox = false
        assertThrows(KeyException.StrongBoxMissing::class.java) { run { keys.create("godkend.b", plain.copy(security = KeySecurity.DEDICATED)) } }
        assertEquals(listOf("godkend.a"), run { keys.aliases() })
    }

    @Test
    fun `a biometric key asks for a strong finger at each use, and the prompt shows the request`() {
        val created = run { keys.create("godkend.a", finger) }
        val spec = TestKeystore.made.single()
        assertTrue(spec.isUserAuthenticationRequired && spec.isInvalidatedByBiometricEnrollment && spec.isUnlockedDeviceRequired)
        assertEquals(KeyProperties.AUTH_BIOMETRIC_STRONG to 0, spec.userAuthenticationType to spec.userAuthenticationValidityDurationSeconds)
        val signing = begin { keys.sign("godkend.a", MESSAGE, "Testbanken: 1.250,00 DKK til Elselskabet") }
        assertEquals("Testbanken: 1.250,00 DKK til Elselskabet", prompt().description)
        assertFalse(signing.isCompleted)
        TestKeystore.unlock()
        ShadowBiometricPrompt.authenticateCurrentSessionSuccessfully()
        assertTrue(verifies(checkNotNull(created.publicKey), MESSAGE, finish(signing)))
    }

    @Test
    fun `a use that no finger has unlocked gives nothing`() {
        run { keys.create("godkend.a", finger) }
        assertThrows(KeyException.NotAuthenticated::class.java) { run { keys.sign("godkend.a", MESSAGE, null) } }
        val signing = begin { keys.sign("godkend.a", MESSAGE, "x") }
        prompt()
        // The prompt says yes, the hardware has not heard of it.
        ShadowBiometricPrompt.authenticateCurrentSessionSuccessfully()
        assertThrows(KeyException.NotAuthenticated::class.java) { finish(signing) }
    }

    @Test
    fun `what the prompt says becomes what a person can do`() {
        run { keys.create("godkend.a", finger) }
        val said = mapOf(
            BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED to KeyException.Cancelled::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_CANCELED to KeyException.Cancelled::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT to KeyException.LockedOut::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT to KeyException.LockedOut::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT to KeyException.NotAuthenticated::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS to KeyException.NotSupported::class.java,
            BiometricPrompt.BIOMETRIC_ERROR_VENDOR to KeyException.Failed::class.java,
        )
        for ((code, failure) in said) {
            ShadowBiometricPrompt.reset()
            val signing = begin { keys.sign("godkend.a", MESSAGE, "x") }
            prompt()
            ShadowBiometricPrompt.authenticateCurrentSessionWithError(code, "")
            assertThrows("$code", failure) { finish(signing) }
        }
    }

    @Test
    fun `a new finger invalidates the biometric key for good, and no other`() {
        run { keys.create("godkend.a", finger) }
        run { keys.create("godkend.b", plain) }
        TestKeystore.addFinger()
        assertThrows(KeyException.Invalidated::class.java) { run { keys.sign("godkend.a", MESSAGE, "x") } }
        run { keys.sign("godkend.b", MESSAGE, null) }
    }

    @Test
    fun `without a sensor no biometric key is made, and nothing weaker`() {
        val manager = RuntimeEnvironment.getApplication().getSystemService(android.hardware.biometrics.BiometricManager::class.java)
        Shadow.extract<ShadowBiometricManager>(manager).setCanAuthenticate(false)
        assertThrows(KeyException.NotSupported::class.java) { run { keys.create("godkend.a", finger) } }
        assertEquals(0, TestKeystore.made.size)
    }

    @Test
    fun `a derived value is the same for the key's life and differs between keys`() {
        val conditions = plain.copy(kind = KeyKind.DERIVE, attestationChallenge = null)
        val created = run { keys.create("godkend.a", conditions) }
        assertEquals(null, created.publicKey)
        run { keys.create("godkend.b", conditions) }
        val input = ByteArray(32) { 7 }
        val one = run { keys.derive("godkend.a", input) }
        assertEquals(32, one.size)
        assertArrayEquals(one, run { keys.derive("godkend.a", input) })
        assertFalse(one.contentEquals(run { keys.derive("godkend.b", input) }))
    }

    @Test
    fun `a key that agrees behind a finger is missed on a system whose prompt cannot unlock it`() {
        assertThrows(KeyException.NoAgreement::class.java) { run { keys.create("godkend.a", finger.copy(kind = KeyKind.AGREE)) } }
        assertEquals(0, TestKeystore.made.size)
    }

    @Test
    fun `missing keys, a broken key store, and removal`() {
        assertThrows(KeyException.Missing::class.java) { run { keys.sign("godkend.none", MESSAGE, null) } }
        assertThrows(KeyException.Missing::class.java) { run { keys.derive("godkend.none", ByteArray(32)) } }
        TestKeystore.isBroken = true
        assertThrows(KeyException.Failed::class.java) { run { keys.create("godkend.a", plain) } }
        TestKeystore.isBroken = false
        run { keys.create("godkend.a", plain) }
        run { keys.delete(listOf("godkend.a", "godkend.none")) }
        assertEquals(emptyList<String>(), run { keys.aliases() })
    }

    @Test
    @Config(sdk = [26])
    fun `Android 8 has neither a prompt nor a chip of its own, and says so`() {
        assertThrows(KeyException.NotSupported::class.java) { run { keys.create("godkend.a", plain.copy(biometric = true)) } }
        assertThrows(KeyException.StrongBoxMissing::class.java) { run { keys.create("godkend.a", plain.copy(security = KeySecurity.DEDICATED)) } }
    }

    private companion object {
        val CHALLENGE = ByteArray(32) { it.toByte() }
        val MESSAGE = "besked".toByteArray()
    }
}
