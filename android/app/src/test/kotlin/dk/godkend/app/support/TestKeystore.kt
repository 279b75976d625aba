package dk.godkend.app.support

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyInfo
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import android.security.keystore.UserNotAuthenticatedException
import java.io.InputStream
import java.io.OutputStream
import java.security.InvalidKeyException
import java.security.Key
import java.security.KeyFactorySpi
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.KeyPairGeneratorSpi
import java.security.KeyStoreSpi
import java.security.PrivateKey
import java.security.Provider
import java.security.PublicKey
import java.security.SecureRandom
import java.security.Security
import java.security.Signature
import java.security.SignatureException
import java.security.SignatureSpi
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.security.spec.ECGenParameterSpec
import java.security.spec.KeySpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import javax.crypto.KeyGeneratorSpi
import javax.crypto.Mac
import javax.crypto.MacSpi
import javax.crypto.SecretKey
import javax.crypto.SecretKeyFactorySpi
import javax.crypto.spec.SecretKeySpec

/**
 * The phone's key hardware for tests: the provider "AndroidKeyStore", which a plain JVM lacks. It keeps what a
 * [KeyGenParameterSpec] says: an operation of a biometric key does nothing until the prompt has unlocked that very
 * operation, a new finger invalidates for good, and StrongBox is only there if this phone has it.
 */
object TestKeystore {
    internal class Entry(val spec: KeyGenParameterSpec, val pair: KeyPair?, val secret: ByteArray?, val chain: Array<Certificate>?) {
        var invalidated = false
    }

    internal val entries: MutableMap<String, Entry> = Collections.synchronizedMap(LinkedHashMap())
    private val pending: MutableList<KeystoreSignature> = Collections.synchronizedList(ArrayList())

    /** This phone has a chip of its own. */
    @Volatile var hasStrongBox = true

    /** Everything fails: a key store daemon that has crashed. */
    @Volatile var isBroken = false

    /** Under which conditions keys were made, newest last. */
    val made: List<KeyGenParameterSpec> get() = synchronized(entries) { entries.values.map { it.spec } }

    /** A factory-new phone. */
    fun reset() {
        // Robolectric loads this class once for each Android version: a provider that is there may be another version's.
        Security.removeProvider(NAME)
        Security.insertProviderAt(KeystoreProvider(), 1)
        entries.clear()
        pending.clear()
        hasStrongBox = true
        isBroken = false
    }

    /** A finger is added in the phone's settings. */
    fun addFinger() = synchronized(entries) {
        entries.values.filter { it.spec.isUserAuthenticationRequired && it.spec.isInvalidatedByBiometricEnrollment }.forEach { it.invalidated = true }
    }

    /** The phone was restored from a backup: keys do not come back. */
    fun loseAll() = entries.clear()

    /** The finger matched: the operation that waits for it may go on, once. */
    fun unlock() = synchronized(pending) { pending.forEach { it.unlocked = true } }

    internal fun began(signature: KeystoreSignature) {
        pending.clear()
        pending += signature
    }

    internal fun put(spec: KeyGenParameterSpec, entry: Entry) {
        if (isBroken) throw java.security.ProviderException("the key store is gone")
        if (spec.isStrongBoxBacked && !hasStrongBox) throw StrongBoxUnavailableException()
        entries[spec.keystoreAlias] = entry
    }

    internal fun find(alias: String): Entry = entries[alias] ?: throw InvalidKeyException("no key")

    internal const val NAME = "AndroidKeyStore"
}

internal class KeystorePrivateKey(val alias: String) : PrivateKey {
    override fun getAlgorithm() = "EC"

    override fun getFormat(): String? = null

    override fun getEncoded(): ByteArray? = null
}

internal class KeystoreSecretKey(val alias: String) : SecretKey {
    override fun getAlgorithm() = KeyProperties.KEY_ALGORITHM_HMAC_SHA256

    override fun getFormat(): String? = null

    override fun getEncoded(): ByteArray? = null
}

internal class KeystoreProvider : Provider(TestKeystore.NAME, "1.0", "Android Keystore for tests") {
    init {
        put("KeyStore.AndroidKeyStore", KeystoreStore::class.java.name)
        put("KeyPairGenerator.EC", KeystorePairGenerator::class.java.name)
        put("KeyGenerator.HmacSHA256", KeystoreSecretGenerator::class.java.name)
        put("KeyFactory.EC", KeystoreKeyFactory::class.java.name)
        put("SecretKeyFactory.HmacSHA256", KeystoreSecretFactory::class.java.name)
        put("Signature.SHA256withECDSA", KeystoreSignature::class.java.name)
        put("Signature.SHA256withECDSA SupportedKeyClasses", KeystorePrivateKey::class.java.name)
        put("Mac.HmacSHA256", KeystoreMac::class.java.name)
        put("Mac.HmacSHA256 SupportedKeyClasses", KeystoreSecretKey::class.java.name)
    }

    // Found by name and made by this class loader: the JDK's own look-up does not see Robolectric's.
    override fun getService(type: String, algorithm: String): Service? {
        val made: Any? = when ("$type.$algorithm") {
            "KeyStore.AndroidKeyStore" -> KeystoreStore()
            "KeyPairGenerator.EC" -> KeystorePairGenerator()
            "KeyGenerator.HmacSHA256" -> KeystoreSecretGenerator()
            "KeyFactory.EC" -> KeystoreKeyFactory()
            "SecretKeyFactory.HmacSHA256" -> KeystoreSecretFactory()
            "Signature.SHA256withECDSA" -> KeystoreSignature()
            "Mac.HmacSHA256" -> KeystoreMac()
            else -> null
        }
        return made?.let { Maker(this, type, algorithm, it) }
    }

    private class Maker(provider: Provider, type: String, algorithm: String, private val made: Any) :
        Service(provider, type, algorithm, made.javaClass.name, null, null) {
        override fun newInstance(parameter: Any?): Any = made

        override fun supportsParameter(parameter: Any?): Boolean = when (type) {
            "Signature" -> parameter is KeystorePrivateKey
            "Mac" -> parameter is KeystoreSecretKey
            else -> true
        }
    }
}

internal class KeystoreStore : KeyStoreSpi() {
    override fun engineGetKey(alias: String, password: CharArray?): Key? {
        val entry = TestKeystore.entries[alias] ?: return null
        return if (entry.pair == null) KeystoreSecretKey(alias) else KeystorePrivateKey(alias)
    }

    override fun engineGetCertificateChain(alias: String): Array<Certificate>? = TestKeystore.entries[alias]?.chain

    override fun engineGetCertificate(alias: String): Certificate? = engineGetCertificateChain(alias)?.first()

    override fun engineGetCreationDate(alias: String) = Date()

    override fun engineDeleteEntry(alias: String) {
        TestKeystore.entries.remove(alias)
    }

    override fun engineAliases(): Enumeration<String> = Collections.enumeration(TestKeystore.entries.keys.toList())

    override fun engineContainsAlias(alias: String) = alias in TestKeystore.entries

    override fun engineSize() = TestKeystore.entries.size

    override fun engineIsKeyEntry(alias: String) = engineContainsAlias(alias)

    override fun engineIsCertificateEntry(alias: String) = false

    override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit

    override fun engineStore(stream: OutputStream?, password: CharArray?) = Unit

    override fun engineGetCertificateAlias(certificate: Certificate?): String? = null

    override fun engineSetKeyEntry(alias: String?, key: Key?, password: CharArray?, chain: Array<out Certificate>?) = throw UnsupportedOperationException()

    override fun engineSetKeyEntry(alias: String?, key: ByteArray?, chain: Array<out Certificate>?) = throw UnsupportedOperationException()

    override fun engineSetCertificateEntry(alias: String?, certificate: Certificate?) = throw UnsupportedOperationException()
}

internal class KeystorePairGenerator : KeyPairGeneratorSpi() {
    private var spec: KeyGenParameterSpec? = null

    override fun initialize(size: Int, random: SecureRandom?) = throw UnsupportedOperationException()

    override fun initialize(parameters: AlgorithmParameterSpec?, random: SecureRandom?) {
        spec = parameters as KeyGenParameterSpec
    }

    override fun generateKeyPair(): KeyPair {
        val spec = checkNotNull(spec)
        check((spec.algorithmParameterSpec as ECGenParameterSpec).name == "secp256r1")
        val pair = KeyPairGenerator.getInstance("EC", "BC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()
        TestKeystore.put(spec, TestKeystore.Entry(spec, pair, null, Attestations.chain(pair.public, spec)))
        return KeyPair(pair.public, KeystorePrivateKey(spec.keystoreAlias))
    }
}

internal class KeystoreSecretGenerator : KeyGeneratorSpi() {
    private var spec: KeyGenParameterSpec? = null

    override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(size: Int, random: SecureRandom?) = throw UnsupportedOperationException()

    override fun engineInit(parameters: AlgorithmParameterSpec?, random: SecureRandom?) {
        spec = parameters as KeyGenParameterSpec
    }

    override fun engineGenerateKey(): SecretKey {
        val spec = checkNotNull(spec)
        val secret = ByteArray(32).also(SecureRandom()::nextBytes)
        TestKeystore.put(spec, TestKeystore.Entry(spec, null, secret, null))
        return KeystoreSecretKey(spec.keystoreAlias)
    }
}

private fun infoOf(alias: String): KeyInfo {
    val spec = TestKeystore.find(alias).spec
    val level = if (spec.isStrongBoxBacked) KeyProperties.SECURITY_LEVEL_STRONGBOX else KeyProperties.SECURITY_LEVEL_TRUSTED_ENVIRONMENT
    val none = emptyArray<String>()
    return KeyInfo(
        alias, true, KeyProperties.ORIGIN_GENERATED, 256, null, null, null, spec.purposes, none, none, arrayOf("SHA-256"), none,
        spec.isUserAuthenticationRequired, spec.userAuthenticationValidityDurationSeconds, spec.userAuthenticationType,
        spec.isUserAuthenticationRequired, false, false, spec.isInvalidatedByBiometricEnrollment, false, level, -1,
    )
}

internal class KeystoreKeyFactory : KeyFactorySpi() {
    // Plain points go to whoever is next; only keys of this store are known here.
    private val plain = java.security.KeyFactory.getInstance("EC", "BC")

    override fun engineGeneratePublic(spec: KeySpec): PublicKey = plain.generatePublic(spec)

    override fun engineGeneratePrivate(spec: KeySpec): PrivateKey = plain.generatePrivate(spec)

    @Suppress("UNCHECKED_CAST")
    override fun <T : KeySpec> engineGetKeySpec(key: Key, type: Class<T>): T = when (key) {
        is KeystorePrivateKey -> infoOf(key.alias) as T
        else -> plain.getKeySpec(key, type)
    }

    override fun engineTranslateKey(key: Key): Key = key
}

internal class KeystoreSecretFactory : SecretKeyFactorySpi() {
    override fun engineGenerateSecret(spec: KeySpec): SecretKey = throw UnsupportedOperationException()

    override fun engineGetKeySpec(key: SecretKey, type: Class<*>): KeySpec = infoOf((key as KeystoreSecretKey).alias)

    override fun engineTranslateKey(key: SecretKey): SecretKey = key
}

internal class KeystoreSignature : SignatureSpi() {
    private val plain = Signature.getInstance("SHA256withECDSA", "BC")
    private var entry: TestKeystore.Entry? = null

    @Volatile var unlocked = false

    override fun engineInitSign(key: PrivateKey) {
        if (key !is KeystorePrivateKey) throw InvalidKeyException("not a key of this store")
        val entry = TestKeystore.find(key.alias)
        if (entry.invalidated) throw KeyPermanentlyInvalidatedException()
        this.entry = entry
        unlocked = !entry.spec.isUserAuthenticationRequired
        plain.initSign(checkNotNull(entry.pair).private)
        if (!unlocked) TestKeystore.began(this)
    }

    override fun engineUpdate(byte: Byte) = plain.update(byte)

    override fun engineUpdate(bytes: ByteArray, offset: Int, length: Int) = plain.update(bytes, offset, length)

    override fun engineSign(): ByteArray {
        if (!unlocked) throw SignatureException(UserNotAuthenticatedException())
        // One finger, one use.
        unlocked = entry?.spec?.isUserAuthenticationRequired != true
        return plain.sign()
    }

    override fun engineInitVerify(key: PublicKey) = throw InvalidKeyException("signs only")

    override fun engineVerify(signature: ByteArray) = throw SignatureException("signs only")

    @Deprecated("Part of the interface")
    override fun engineSetParameter(name: String, value: Any) = throw UnsupportedOperationException()

    @Deprecated("Part of the interface")
    override fun engineGetParameter(name: String): Any = throw UnsupportedOperationException()
}

internal class KeystoreMac : MacSpi() {
    private val plain = Mac.getInstance("HmacSHA256", "BC")

    override fun engineGetMacLength() = plain.macLength

    override fun engineInit(key: Key, parameters: AlgorithmParameterSpec?) {
        if (key !is KeystoreSecretKey) throw InvalidKeyException("not a key of this store")
        plain.init(SecretKeySpec(TestKeystore.find(key.alias).secret, "HmacSHA256"))
    }

    override fun engineUpdate(byte: Byte) = plain.update(byte)

    override fun engineUpdate(bytes: ByteArray, offset: Int, length: Int) = plain.update(bytes, offset, length)

    override fun engineDoFinal(): ByteArray = plain.doFinal()

    override fun engineReset() = plain.reset()
}
