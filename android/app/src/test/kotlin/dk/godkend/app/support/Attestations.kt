package dk.godkend.app.support

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyProperties
import org.bouncycastle.asn1.ASN1Encodable
import org.bouncycastle.asn1.ASN1EncodableVector
import org.bouncycastle.asn1.ASN1Enumerated
import org.bouncycastle.asn1.ASN1Integer
import org.bouncycastle.asn1.ASN1ObjectIdentifier
import org.bouncycastle.asn1.DERBitString
import org.bouncycastle.asn1.DERNull
import org.bouncycastle.asn1.DEROctetString
import org.bouncycastle.asn1.DERSequence
import org.bouncycastle.asn1.DERSet
import org.bouncycastle.asn1.DERTaggedObject
import org.bouncycastle.asn1.ASN1Boolean
import org.bouncycastle.asn1.x500.X500Name
import org.bouncycastle.asn1.x509.AlgorithmIdentifier
import org.bouncycastle.asn1.x509.BasicConstraints
import org.bouncycastle.asn1.x509.Extension
import org.bouncycastle.asn1.x509.Extensions
import org.bouncycastle.asn1.x509.KeyUsage
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo
import org.bouncycastle.asn1.x509.Time
import org.bouncycastle.asn1.x509.V3TBSCertificateGenerator
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.PublicKey
import java.security.Signature
import java.security.cert.Certificate
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate
import java.security.spec.ECGenParameterSpec
import java.util.Base64
import java.util.Date

/**
 * A phone maker's attestation authority for tests: chains as Android Keystore gives them, under a root of the test's own
 * that the real server is told to trust. The server judges every field of them.
 */
object Attestations {
    const val PACKAGE = "dk.godkend.app"

    /** SHA-256 of the certificate that the app is signed with. */
    val SIGNER = ByteArray(32) { 0x51 }

    private val rootKey = pair()
    private val root = certificate("CN=Test Attestation Root", rootKey.public, "CN=Test Attestation Root", rootKey, 1, authority(null))
    private val middleKey = pair()
    private val middle = certificate("O=Test,CN=Droid CA2", middleKey.public, "CN=Test Attestation Root", rootKey, 2, authority(null))
    private val teeKey = pair()
    private val tee = certificate("CN=batch,O=TEE", teeKey.public, "O=Test,CN=Droid CA2", middleKey, 3, authority(0))
    private val chipKey = pair()
    private val chip = certificate("CN=batch,O=StrongBox", chipKey.public, "O=Test,CN=Droid CA2", middleKey, 4, authority(0))

    /** The root, for the server's configuration. */
    val rootPem: String
        get() = "-----BEGIN CERTIFICATE-----\n" + Base64.getMimeEncoder(64, "\n".toByteArray()).encodeToString(root.encoded) +
            "\n-----END CERTIFICATE-----\n"

    /** What vouches for a key that was made under [spec]. */
    fun chain(key: PublicKey, spec: KeyGenParameterSpec): Array<Certificate> {
        val strong = spec.isStrongBoxBacked
        val (name, by, batch) = if (strong) Triple("CN=batch,O=StrongBox", chipKey, chip) else Triple("CN=batch,O=TEE", teeKey, tee)
        val challenge = spec.attestationChallenge
        val extensions = if (challenge == null) null else {
            val description = Extension(ASN1ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17"), false, description(spec, challenge, strong))
            Extensions(arrayOf(usage(KeyUsage.digitalSignature), description))
        }
        return arrayOf(certificate("CN=Android Keystore Key", key, name, by, 5, extensions), batch, middle, root)
    }

    private fun description(spec: KeyGenParameterSpec, challenge: ByteArray, strong: Boolean): ByteArray {
        val level = if (strong) 2 else 1
        val purpose = if (spec.purposes == KeyProperties.PURPOSE_SIGN) 2L else 6L
        val hardware = mutableListOf(
            tagged(1, DERSet(number(purpose))), tagged(2, number(3)), tagged(3, number(256)), tagged(10, number(1)),
        )
        if (spec.isUserAuthenticationRequired) hardware += tagged(504, number(2)) else hardware += tagged(503, DERNull.INSTANCE)
        if (spec.isUserAuthenticationRequired && spec.userAuthenticationValidityDurationSeconds > 0) {
            hardware += tagged(505, number(spec.userAuthenticationValidityDurationSeconds.toLong()))
        }
        if (spec.isUnlockedDeviceRequired) hardware += tagged(509, DERNull.INSTANCE)
        hardware += tagged(702, number(0))
        hardware += tagged(704, sequence(octets(ByteArray(32) { 0x0b }), ASN1Boolean.TRUE, ASN1Enumerated(0), octets(ByteArray(32))))
        hardware += tagged(705, number(140_000))
        hardware += tagged(706, number(202_605))
        val app = sequence(DERSet(sequence(octets(PACKAGE.toByteArray()), number(1))), DERSet(octets(SIGNER)))
        val software = sequence(tagged(701, number(1_780_000_000_000)), tagged(709, octets(app.encoded)))
        return sequence(
            number(300), ASN1Enumerated(level), number(300), ASN1Enumerated(level), octets(challenge), octets(ByteArray(0)),
            software, sequence(*hardware.toTypedArray()),
        ).encoded
    }

    private fun number(value: Long) = ASN1Integer(value)

    private fun octets(bytes: ByteArray) = DEROctetString(bytes)

    private fun tagged(tag: Int, value: ASN1Encodable) = DERTaggedObject(true, tag, value)

    private fun sequence(vararg parts: ASN1Encodable) = DERSequence(ASN1EncodableVector().apply { parts.forEach(::add) })

    private fun usage(bits: Int) = Extension(Extension.keyUsage, true, KeyUsage(bits).encoded)

    private fun authority(below: Int?) = Extensions(
        arrayOf(
            Extension(Extension.basicConstraints, true, (if (below == null) BasicConstraints(true) else BasicConstraints(below)).encoded),
            usage(KeyUsage.keyCertSign),
        ),
    )

    private fun pair(): KeyPair = KeyPairGenerator.getInstance("EC", "BC").apply { initialize(ECGenParameterSpec("secp256r1")) }.generateKeyPair()

    private fun certificate(subject: String, key: PublicKey, issuer: String, by: KeyPair, serial: Long, extensions: Extensions?): X509Certificate {
        val algorithm = AlgorithmIdentifier(ASN1ObjectIdentifier("1.2.840.10045.4.3.2"))
        val body = V3TBSCertificateGenerator().apply {
            setSerialNumber(ASN1Integer(serial))
            setSignature(algorithm)
            setIssuer(X500Name(issuer))
            setSubject(X500Name(subject))
            setStartDate(Time(Date(1_600_000_000_000)))
            setEndDate(Time(Date(2_200_000_000_000)))
            setSubjectPublicKeyInfo(SubjectPublicKeyInfo.getInstance(key.encoded))
            extensions?.let(::setExtensions)
        }.generateTBSCertificate()
        val signature = Signature.getInstance("SHA256withECDSA", "BC").apply {
            initSign(by.private)
            update(body.encoded)
        }.sign()
        val whole = sequence(body, algorithm, DERBitString(signature))
        return CertificateFactory.getInstance("X.509").generateCertificate(whole.encoded.inputStream()) as X509Certificate
    }
}
