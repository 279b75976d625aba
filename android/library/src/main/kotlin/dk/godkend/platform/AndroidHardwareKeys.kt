package dk.godkend.platform

import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyInfo
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import android.security.keystore.UserNotAuthenticatedException
import dk.godkend.Attestation
import dk.godkend.CreatedKey
import dk.godkend.HardwareKeys
import dk.godkend.KeyConditions
import dk.godkend.KeyException
import dk.godkend.KeyKind
import dk.godkend.KeySecurity
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.math.BigInteger
import java.security.AlgorithmParameters
import java.security.GeneralSecurityException
import java.security.Key
import java.security.KeyFactory
import java.security.KeyPairGenerator
import java.security.KeyStore
import java.security.PrivateKey
import java.security.ProviderException
import java.security.Signature
import java.security.UnrecoverableKeyException
import java.security.spec.ECGenParameterSpec
import java.security.spec.ECParameterSpec
import java.security.spec.ECPoint
import java.security.spec.ECPublicKeySpec
import javax.crypto.KeyAgreement
import javax.crypto.KeyGenerator
import javax.crypto.Mac
import javax.crypto.SecretKey
import javax.crypto.SecretKeyFactory

/**
 * Keys in Android Keystore. Nothing that it makes can be exported, and what a phone cannot do is a [KeyException], never a
 * weaker key. Safe to call from many threads; [prompts] asks for the finger.
 */
class AndroidHardwareKeys(
    private val prompts: BiometricPrompts,
    private val dispatcher: CoroutineDispatcher = Dispatchers.IO,
) : HardwareKeys {
    private val store: KeyStore by lazy { KeyStore.getInstance(PROVIDER).apply { load(null) } }

    override suspend fun create(alias: String, conditions: KeyConditions): CreatedKey = withContext(dispatcher) {
        typed {
            val spec = specification(alias, conditions)
            if (store.containsAlias(alias)) store.deleteEntry(alias)
            when (conditions.kind) {
                KeyKind.DERIVE -> KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_HMAC_SHA256, PROVIDER)
                    .apply { init(spec) }.generateKey()
                KeyKind.SIGN, KeyKind.AGREE -> KeyPairGenerator.getInstance(KeyProperties.KEY_ALGORITHM_EC, PROVIDER)
                    .apply { initialize(spec) }.generateKeyPair()
            }
            describe(alias, conditions)
        }
    }

    private fun specification(alias: String, conditions: KeyConditions): KeyGenParameterSpec {
        val purpose = when (conditions.kind) {
            KeyKind.SIGN, KeyKind.DERIVE -> KeyProperties.PURPOSE_SIGN
            KeyKind.AGREE -> agreement(conditions)
        }
        val builder = KeyGenParameterSpec.Builder(alias, purpose)
        when (conditions.kind) {
            KeyKind.SIGN -> builder.setDigests(KeyProperties.DIGEST_SHA256).setAlgorithmParameterSpec(P256)
            KeyKind.AGREE -> builder.setAlgorithmParameterSpec(P256)
            // Keystore takes no other digest than the one in the key's algorithm.
            KeyKind.DERIVE -> builder.setDigests(KeyProperties.DIGEST_SHA256)
        }
        conditions.attestationChallenge?.let(builder::setAttestationChallenge)
        if (conditions.security == KeySecurity.DEDICATED) {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.P) throw KeyException.StrongBoxMissing()
            strongBox(builder)
        }
        if (conditions.unlocked) {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.P) throw KeyException.NotSupported()
            unlocked(builder)
        }
        if (conditions.biometric) {
            // Before Android 9 the system has no prompt of its own.
            if (!prompts.areAvailable() || Build.VERSION.SDK_INT < Build.VERSION_CODES.P) throw KeyException.NotSupported()
            // Each use, and void once a finger or face is added: both are what Keystore does unless told otherwise.
            builder.setUserAuthenticationRequired(true).setInvalidatedByBiometricEnrollment(true)
            if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) strongOnly(builder)
        }
        return builder.build()
    }

    @RequiresSdk(28)
    private fun strongBox(builder: KeyGenParameterSpec.Builder) {
        builder.setIsStrongBoxBacked(true)
    }

    @RequiresSdk(28)
    private fun unlocked(builder: KeyGenParameterSpec.Builder) {
        builder.setUnlockedDeviceRequired(true)
    }

    @RequiresSdk(30)
    private fun strongOnly(builder: KeyGenParameterSpec.Builder) {
        builder.setUserAuthenticationParameters(0, KeyProperties.AUTH_BIOMETRIC_STRONG)
    }

    /** ECDH came with Android 12; that a prompt can unlock one use of it, later. */
    private fun agreement(conditions: KeyConditions): Int {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.S) throw KeyException.NoAgreement()
        if (conditions.biometric && !KeyUse.canAgreeByPrompt()) throw KeyException.NoAgreement()
        return PURPOSE_AGREE_KEY
    }

    private fun describe(alias: String, conditions: KeyConditions): CreatedKey {
        val key = store.getKey(alias, null) ?: throw KeyException.Missing()
        val security = security(key)
        if (security < conditions.security) {
            store.deleteEntry(alias)
            throw KeyException.NotSupported()
        }
        if (conditions.kind == KeyKind.DERIVE) return CreatedKey(null, Attestation.None, security)
        val chain = store.getCertificateChain(alias) ?: throw KeyException.Missing()
        val attestation = when (conditions.attestationChallenge) {
            null -> Attestation.None
            else -> Attestation.Android(chain.map { it.encoded })
        }
        return CreatedKey(chain.first().publicKey.encoded, attestation, security)
    }

    /** What Keystore says about where the key is. */
    private fun security(key: Key): KeySecurity {
        val info = when (key) {
            is SecretKey -> SecretKeyFactory.getInstance(key.algorithm, PROVIDER).getKeySpec(key, KeyInfo::class.java)
            else -> KeyFactory.getInstance(key.algorithm, PROVIDER).getKeySpec(key, KeyInfo::class.java)
        } as KeyInfo
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) return securityLevel(info)
        @Suppress("DEPRECATION")
        return if (info.isInsideSecureHardware) KeySecurity.TRUSTED_ENVIRONMENT else KeySecurity.SOFTWARE
    }

    @RequiresSdk(31)
    private fun securityLevel(info: KeyInfo): KeySecurity = when (info.securityLevel) {
        KeyProperties.SECURITY_LEVEL_STRONGBOX -> KeySecurity.DEDICATED
        KeyProperties.SECURITY_LEVEL_TRUSTED_ENVIRONMENT, KeyProperties.SECURITY_LEVEL_UNKNOWN_SECURE ->
            KeySecurity.TRUSTED_ENVIRONMENT
        else -> KeySecurity.SOFTWARE
    }

    override suspend fun sign(alias: String, message: ByteArray, prompt: String?): ByteArray = withContext(dispatcher) {
        typed {
            val signature = Signature.getInstance("SHA256withECDSA").apply { initSign(privateKey(alias)) }
            if (prompt != null) prompts.authenticate(KeyUse.Signing(signature), prompt)
            signature.update(message)
            signature.sign()
        }
    }

    override suspend fun derive(alias: String, input: ByteArray): ByteArray = withContext(dispatcher) {
        typed {
            val key = store.getKey(alias, null) as? SecretKey ?: throw KeyException.Missing()
            Mac.getInstance(KeyProperties.KEY_ALGORITHM_HMAC_SHA256).apply { init(key) }.doFinal(input)
        }
    }

    override suspend fun agree(alias: String, point: ByteArray, prompt: String?): ByteArray = withContext(dispatcher) {
        typed {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.S) throw KeyException.NoAgreement()
            val agreement = KeyAgreement.getInstance("ECDH").apply { init(privateKey(alias)) }
            if (prompt != null) prompts.authenticate(KeyUse.Agreeing(agreement), prompt)
            agreement.doPhase(publicKey(point), true)
            agreement.generateSecret()
        }
    }

    override suspend fun delete(aliases: List<String>) = withContext(dispatcher) {
        typed { aliases.filter(store::containsAlias).forEach(store::deleteEntry) }
    }

    override suspend fun aliases(): List<String> = withContext(dispatcher) {
        typed { store.aliases().toList().filter { it.startsWith("godkend.") } }
    }

    private fun privateKey(alias: String): PrivateKey {
        if (!store.containsAlias(alias)) throw KeyException.Missing()
        return store.getKey(alias, null) as? PrivateKey ?: throw KeyException.Missing()
    }

    private fun publicKey(point: ByteArray) = KeyFactory.getInstance("EC").generatePublic(
        ECPublicKeySpec(
            ECPoint(BigInteger(1, point.copyOfRange(1, 33)), BigInteger(1, point.copyOfRange(33, 65))),
            AlgorithmParameters.getInstance("EC").apply { init(P256) }.getParameterSpec(ECParameterSpec::class.java),
        ),
    )

    /** Keystore's many exceptions, by what a person can do. */
    private inline fun <T> typed(action: () -> T): T = try {
        action()
    } catch (own: KeyException) {
        throw own
    } catch (failed: GeneralSecurityException) {
        throw translate(failed)
    } catch (failed: ProviderException) {
        throw translate(failed)
    }

    private fun translate(failed: Exception): KeyException {
        val causes = generateSequence<Throwable>(failed) { it.cause }.take(MOST_CAUSES).toList()
        return when {
            causes.any { it is KeyPermanentlyInvalidatedException || it is UnrecoverableKeyException } ->
                KeyException.Invalidated()
            causes.any { it is UserNotAuthenticatedException } -> KeyException.NotAuthenticated()
            Build.VERSION.SDK_INT >= Build.VERSION_CODES.P && causes.any(::isStrongBoxMissing) ->
                KeyException.StrongBoxMissing()
            // The name of the class and no message: a provider may put an alias or worse into it.
            else -> KeyException.Failed(failed.javaClass.simpleName)
        }
    }

    @RequiresSdk(28)
    private fun isStrongBoxMissing(cause: Throwable) = cause is StrongBoxUnavailableException

    companion object {
        /** Whether this phone's system can unlock one ECDH by a finger: without it there are no codes without a network. */
        fun canAgreeByBiometrics(): Boolean = Build.VERSION.SDK_INT >= Build.VERSION_CODES.S && KeyUse.canAgreeByPrompt()

        private const val PROVIDER = "AndroidKeyStore"
        private const val MOST_CAUSES = 8

        /** `KeyProperties.PURPOSE_AGREE_KEY`, Android 12. */
        private const val PURPOSE_AGREE_KEY = 64
        private val P256 = ECGenParameterSpec("secp256r1")
    }
}
