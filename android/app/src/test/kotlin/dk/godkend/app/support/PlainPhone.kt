package dk.godkend.app.support

import dk.godkend.Desktop
import dk.godkend.HardwareKeys
import dk.godkend.KeySecurity
import dk.godkend.Language
import dk.godkend.Phone
import dk.godkend.PhoneConfig
import dk.godkend.Request
import dk.godkend.Scanned
import dk.godkend.StateStore
import dk.godkend.readRoots
import java.io.File

/** The binding alone, with a desktop's played keys: what an embedder has before there is an app. */
class PlainPhone(folder: File, val server: RealServer = RealServer.played) {
    val desktop = Desktop(folder.path)
    lateinit var phone: Phone
        private set

    suspend fun open(keys: HardwareKeys = desktop.keys(), store: StateStore = desktop.store()): Phone {
        val config = PhoneConfig(readRoots(server.roots), "Pixel", "Android", "1.0.0", Language.DANISH, KeySecurity.SOFTWARE)
        return Phone.open(config, keys, store).also { phone = it }
    }

    /** A new citizen, from the desk's link to the first approval. */
    suspend fun activate() {
        val activation = server.desk("activation", server.citizen())
        val person = phone.activate(activation.getString("text"))
        server.desk("confirm-digits", activation.getString("id"), input = checkNotNull(phone.digits(person)))
        phone.awaitDigits(person)
        phone.choosePin(pin(), person)
    }

    /** A bank's login in a browser on this machine, opened by its link. */
    suspend fun request(): Request = server.ask("request-login", "--same-device").use { asked ->
        (phone.openLink(asked.link) as Scanned.Request).request
    }

    suspend fun approve() = phone.approveWithPin(request(), pin())

    companion object {
        fun pin() = "271828".toByteArray()
    }
}
