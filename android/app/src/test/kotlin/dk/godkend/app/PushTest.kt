package dk.godkend.app

import dk.godkend.Language
import dk.godkend.app.support.PlainPhone
import dk.godkend.app.support.QuietSurroundings
import dk.godkend.app.support.RealServer
import dk.godkend.platform.BoundPhone
import dk.godkend.screens.AppModel
import dk.godkend.screens.PhoneException
import dk.godkend.screens.PhoneFailure
import dk.godkend.screens.Screen
import dk.godkend.screens.WakeAddress
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancel
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.math.BigInteger
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions
import java.security.KeyPairGenerator
import java.security.interfaces.ECPrivateKey
import java.security.interfaces.ECPublicKey
import java.security.spec.ECGenParameterSpec
import java.util.Base64
import java.util.concurrent.Executors

/** Where the app can be woken reaches the real server, whenever the address comes and whatever the server sends. */
class PushTest {
    @get:Rule
    val folder = TemporaryFolder()

    private val keys = KeyPairGenerator.getInstance("EC").apply { initialize(ECGenParameterSpec("secp256r1")) }
    private val vapid = keys.generateKeyPair()
    private val main = Executors.newSingleThreadExecutor().asCoroutineDispatcher()

    private fun bytes(number: BigInteger) = number.toByteArray().let { ByteArray(32 - minOf(32, it.size)) + it.takeLast(32) }

    private fun point(key: ECPublicKey) = byteArrayOf(4) + bytes(key.w.affineX) + bytes(key.w.affineY)

    private fun text(bytes: ByteArray) = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes)

    /** The server's own key, in a file that nobody else can read. */
    private fun keyFile(): File {
        val file = folder.newFile("vapid.pem")
        Files.setPosixFilePermissions(file.toPath(), PosixFilePermissions.fromString("rw-------"))
        // PKCS #8 as OpenSSL writes it, with the public key that Java leaves out.
        val head = BigInteger("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420", 16).toByteArray()
        val der = head + bytes((vapid.private as ECPrivateKey).s) + byteArrayOf(-95, 68, 3, 66, 0) + point(vapid.public as ECPublicKey)
        val body = Base64.getMimeEncoder(64, byteArrayOf('\n'.code.toByte())).encodeToString(der)
        return file.apply { writeText("-----BEGIN PRIVATE KEY-----\n$body\n-----END PRIVATE KEY-----\n") }
    }

    private fun subscription(host: String) =
        WakeAddress.WebPush("https://$host/up/1", text(point(keys.generateKeyPair().public as ECPublicKey)), text(ByteArray(16) { 1 }))

    private fun model(plain: PlainPhone, scope: CoroutineScope) =
        AppModel({ BoundPhone(plain.open()) { Language.DANISH } }, QuietSurroundings, scope, { error("nothing to erase") })

    /** The app, from its start to its home page, with an address from before it had started. */
    private suspend fun started(plain: PlainPhone, address: WakeAddress, then: suspend (AppModel) -> Unit) {
        val scope = CoroutineScope(SupervisorJob() + main)
        val model = model(plain, scope)
        withContext(main) {
            model.wakeAt(address)
            model.start()
        }
        withTimeout(WAIT_MILLIS) { model.screen.first { it is Screen.Home && it.name.isNotEmpty() } }
        then(model)
        assertEquals(Screen.Home::class, model.screen.value::class)
        scope.cancel()
        plain.phone.shutDown()
    }

    private suspend fun untilRegistered(plain: PlainPhone) =
        withTimeout(WAIT_MILLIS) { while (!plain.phone.pushServices().registered) delay(20) }

    @Test
    fun `an address is registered at the start, and one the server does not send to is let be`() = runBlocking {
        RealServer(RealServer.Keys.PLAYED).use { server ->
            val plain = PlainPhone(folder.newFolder(), server)
            plain.open()
            plain.activate()
            plain.phone.blockCodeNoted()
            plain.phone.shutDown()
            started(plain, subscription("push.example")) { assertFalse("this server wakes nobody", plain.phone.pushServices().registered) }
            val key = keyFile()
            server.restart {
                it.replace("web_push_hosts = []", "web_push_hosts = [\"push.example\"]")
                    .replace("web_push_key = \"\"", "web_push_key = \"${key.path}\"")
                    .replace("web_push_contact = \"\"", "web_push_contact = \"mailto:drift@example.dk\"")
            }
            started(plain, subscription("push.example")) { model ->
                untilRegistered(plain)
                plain.phone.removePush()
                withContext(main) { model.wakeAt(subscription("push.example")) }
                untilRegistered(plain)
            }
            started(plain, WakeAddress.Fcm("token")) { untilRegistered(plain) }
            val phone = BoundPhone(plain.open()) { Language.DANISH }
            val person = phone.people().single().id
            val shown = checkNotNull(phone.webPushKey(person))
            assertArrayEquals(point(vapid.public as ECPublicKey), Base64.getUrlDecoder().decode(shown))
            val refused = assertThrows(PhoneException::class.java) { runBlocking { phone.wakeAt(person, subscription("elsewhere.example")) } }
            assertEquals("push_refused", (refused.failure as PhoneFailure.Refused).code)
            val unreadable = WakeAddress.WebPush("https://push.example/", "AAAA", "")
            assertEquals(PhoneFailure.NotACode, assertThrows(PhoneException::class.java) { runBlocking { phone.wakeAt(person, unreadable) } }.failure)
            assertEquals("[address]", "$unreadable")
            plain.phone.shutDown()
        }
    }

    private companion object {
        const val WAIT_MILLIS = 60_000L
    }
}
