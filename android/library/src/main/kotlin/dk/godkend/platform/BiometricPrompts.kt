package dk.godkend.platform

import android.app.Activity
import android.content.Context
import android.content.pm.PackageManager
import android.hardware.biometrics.BiometricManager
import android.hardware.biometrics.BiometricPrompt
import android.hardware.biometrics.BiometricPrompt.CryptoObject
import android.os.Build
import android.os.CancellationSignal
import dk.godkend.KeyException
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withContext
import java.util.concurrent.Executor
import java.security.Signature
import javax.crypto.KeyAgreement
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException

/** One use of a key, begun and not yet allowed. */
sealed interface KeyUse {
    class Signing(val signature: Signature) : KeyUse

    class Agreeing(val agreement: KeyAgreement) : KeyUse

    companion object {
        /** Whether this system's prompt can unlock an ECDH. */
        fun canAgreeByPrompt(): Boolean = agreeing() != null

        /** The prompt's form for ECDH, which has come to Android later than what this library is compiled against. */
        internal fun agreeing() = try {
            Class.forName("android.hardware.biometrics.BiometricPrompt\$CryptoObject").getConstructor(KeyAgreement::class.java)
        } catch (_: ReflectiveOperationException) {
            null
        }
    }
}

/** Asks for a finger or a face. */
interface BiometricPrompts {
    /** Whether there is a strong sensor and somebody is enrolled. */
    fun areAvailable(): Boolean

    /** Unlocks one use of a key. [text] says who asks for what. Throws [KeyException]. */
    suspend fun authenticate(use: KeyUse, text: String)
}

/** The system's own prompt, over the activity that is in front. */
class SystemBiometricPrompts(
    private val context: Context,
    private val activity: () -> Activity?,
    private val words: () -> Words,
) : BiometricPrompts {
    /** The prompt's title and the button that goes back. */
    class Words(val title: String, val cancel: String)

    override fun areAvailable(): Boolean = when {
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.R -> hasStrong()
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q -> hasAny()
        // Android 9 cannot be asked whether somebody is enrolled: making the key tells.
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.P ->
            context.packageManager.hasSystemFeature(PackageManager.FEATURE_FINGERPRINT)
        else -> false
    }

    @RequiresSdk(30)
    private fun hasStrong(): Boolean {
        val strong = BiometricManager.Authenticators.BIOMETRIC_STRONG
        return manager().canAuthenticate(strong) == BiometricManager.BIOMETRIC_SUCCESS
    }

    @RequiresSdk(29)
    @Suppress("DEPRECATION")
    private fun hasAny() = manager().canAuthenticate() == BiometricManager.BIOMETRIC_SUCCESS

    @RequiresSdk(29)
    private fun manager() = context.getSystemService(BiometricManager::class.java)

    override suspend fun authenticate(use: KeyUse, text: String) =
        withContext(Dispatchers.Main) {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.P) throw KeyException.NotSupported()
            val front = activity() ?: throw KeyException.Cancelled()
            suspendCancellableCoroutine { waiting -> show(front, use, text, waiting) }
        }

    /** The prompt's form of what it unlocks. */
    @RequiresSdk(28)
    private fun cryptoObject(use: KeyUse): CryptoObject = when (use) {
        is KeyUse.Signing -> CryptoObject(use.signature)
        is KeyUse.Agreeing -> KeyUse.agreeing()?.newInstance(use.agreement) as CryptoObject? ?: throw KeyException.NoAgreement()
    }

    @RequiresSdk(28)
    private fun show(
        front: Activity,
        use: KeyUse,
        text: String,
        waiting: CancellableContinuation<Unit>,
    ) {
        val words = words()
        val executor: Executor = front.mainExecutor
        val cancellation = CancellationSignal()
        val builder = BiometricPrompt.Builder(front)
            .setTitle(words.title)
            .setDescription(text)
            .setNegativeButton(words.cancel, executor) { _, _ -> waiting.fail(KeyException.Cancelled()) }
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) strongOnly(builder)
        waiting.invokeOnCancellation { cancellation.cancel() }
        builder.build().authenticate(cryptoObject(use), cancellation, executor, Answer(waiting))
    }

    @RequiresSdk(30)
    private fun strongOnly(builder: BiometricPrompt.Builder) {
        builder.setAllowedAuthenticators(BiometricManager.Authenticators.BIOMETRIC_STRONG)
    }

    /** A finger that does not match is the prompt's own affair: it asks again until it locks. */
    @RequiresSdk(28)
    private class Answer(private val waiting: CancellableContinuation<Unit>) : BiometricPrompt.AuthenticationCallback() {
        override fun onAuthenticationSucceeded(result: BiometricPrompt.AuthenticationResult?) {
            if (waiting.isActive) waiting.resume(Unit)
        }

        override fun onAuthenticationError(code: Int, message: CharSequence?) = waiting.fail(
            when (code) {
                BiometricPrompt.BIOMETRIC_ERROR_USER_CANCELED, BiometricPrompt.BIOMETRIC_ERROR_CANCELED, NEGATIVE_BUTTON ->
                    KeyException.Cancelled()
                BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT, BiometricPrompt.BIOMETRIC_ERROR_LOCKOUT_PERMANENT ->
                    KeyException.LockedOut()
                BiometricPrompt.BIOMETRIC_ERROR_TIMEOUT -> KeyException.NotAuthenticated()
                BiometricPrompt.BIOMETRIC_ERROR_HW_NOT_PRESENT, BiometricPrompt.BIOMETRIC_ERROR_HW_UNAVAILABLE,
                BiometricPrompt.BIOMETRIC_ERROR_NO_BIOMETRICS,
                -> KeyException.NotSupported()
                else -> KeyException.Failed("biometric error $code")
            },
        )
    }

    private companion object {
        /** `BiometricConstants.BIOMETRIC_ERROR_NEGATIVE_BUTTON`, which has no public name. */
        const val NEGATIVE_BUTTON = 13

        fun CancellableContinuation<Unit>.fail(why: KeyException) {
            if (isActive) resumeWithException(why)
        }
    }
}
