package dk.godkend.app

import dk.godkend.Desktop
import dk.godkend.KeySecurity
import dk.godkend.Language
import dk.godkend.Phone
import dk.godkend.PhoneConfig
import dk.godkend.PhoneException
import dk.godkend.Root
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.Tree
import dk.godkend.appAttestHash
import dk.godkend.hashToCurve
import kotlinx.coroutines.runBlocking
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import kotlin.reflect.KClass

/** The protocol's shared vectors, as far as the binding and the screens show something of them. */
// In the class loader of all the others: the library calls back into one set of Kotlin classes in a process.
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = NoPhoneApplication::class)
class VectorTest {
    @get:Rule
    val folder = TemporaryFolder()

    private class Case(val name: String, val input: JSONObject, val output: Any)

    private fun cases(file: String, kind: String): List<Case> {
        val all = JSONObject(Tree.file("tests/vectors/v1/$file.json").readText()).getJSONArray("cases")
        val found = (0 until all.length()).map(all::getJSONObject).filter { it.optString("kind") == kind }
            .map { Case(it.getString("name"), it.getJSONObject("input"), it.get("output")) }
        assertTrue("no vectors of kind $kind", found.isNotEmpty())
        return found
    }

    private fun bytes(hex: String) = hex.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    /** A phone without anybody, whose root answers nowhere. */
    private fun <T> withPhone(use: suspend (Phone) -> T): T = runBlocking {
        val desktop = Desktop(folder.newFolder().path)
        val root = Root("nowhere", "https://localhost:1", hashToCurve(byteArrayOf(1)), null)
        val phone = Phone.open(PhoneConfig(listOf(root), "Pixel", "Android", "1.0.0", Language.DANISH, KeySecurity.SOFTWARE), desktop.keys(), desktop.store())
        use(phone).also { phone.shutDown() }
    }

    private fun fails(name: String, kind: KClass<out PhoneException>, call: suspend () -> Unit) {
        assertThrows(name, kind.java) { runBlocking { call() } }
    }

    @Test
    fun `links are read and lead where their kind may`() = withPhone { phone ->
        // What is read but cannot be followed here says why; what is no link says so.
        val ends = mapOf(
            "activation" to (PhoneException.UnknownRoot::class to PhoneException.UnknownRoot::class),
            "login" to (PhoneException.NoPerson::class to PhoneException.NotACode::class),
            "same_device" to (PhoneException.NotACode::class to PhoneException.NoPerson::class),
            "offline" to (PhoneException.Untrusted::class to PhoneException.NotACode::class),
        )
        for (case in cases("formats", "link")) {
            val link = case.input.getString("text")
            val (scanned, opened) = ends.getValue((case.output as JSONObject).getString("link"))
            fails(case.name, scanned) { phone.scan(link) }
            fails(case.name, opened) { phone.openLink(link) }
            fails(case.name, PhoneException.NotACode::class) { phone.scan("$link!") }
            fails(case.name, PhoneException.UpdateNeeded::class) { phone.scan(link.replace("/1?", "/2?")) }
        }
    }

    @Test
    fun `activation codes are read, and a mistyped one is found`() = withPhone { phone ->
        for (case in cases("formats", "activation_code")) {
            val code = case.output as String
            // Read: it would now ask the server, and there is none.
            fails(case.name, PhoneException.NoNetwork::class) { phone.activate(code) }
            val mistyped = code.dropLast(1) + if (code.endsWith('0')) '1' else '0'
            fails(case.name, PhoneException.NotACode::class) { phone.activate(mistyped) }
        }
    }

    @Test
    fun `digits are shown in pairs, none lost`() {
        for (case in cases("formats", "transcript_digits")) {
            val output = case.output as JSONObject
            val digits = output.getString("digits")
            assertEquals(case.name, digits.chunked(2).joinToString(" "), pairs(output.getString("shown")))
        }
    }

    @Test
    fun `what an assertion covers is the protocol's hash`() {
        for (case in cases("derivations", "assertion_hash")) {
            val made = appAttestHash(bytes(case.input.getString("challenge")), bytes(case.input.getString("public_key")))
            assertArrayEquals(case.name, bytes(case.output as String), made)
        }
    }
}
