package dk.godkend.app

import dk.godkend.Desktop
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.RealServer
import dk.godkend.guide.firstApproval
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File
import java.io.IOException
import javax.imageio.ImageIO
import kotlin.concurrent.thread

/** The Kotlin of docs/embedding.md, taken from its text by the suite's script and run as it stands there. */
// In the class loader of all the others: the library calls back into one set of Kotlin classes in a process.
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [34], application = NoPhoneApplication::class)
class GuideTest {
    @get:Rule
    val folder = TemporaryFolder()

    @Test
    fun `the guide's first approval`() {
        val server = RealServer.played
        val activation = server.desk("activation", server.citizen())
        val picture = folder.newFile("qr.png")
        val shown = mutableListOf<String>()
        server.ask("request-login", "--picture", picture.path).use { asked ->
            val desktop = Desktop(folder.newFolder().path)
            runBlocking {
                firstApproval(server.roots, desktop.keys(), desktop.store(), activation.getString("text"), { text ->
                    shown += text
                    // Somebody reads the digits to the desk; the guide's next line waits for that.
                    if (text.length == 8) thread { server.desk("confirm-digits", activation.getString("id"), input = text) }
                }, { camera(picture) })
            }
            assertEquals("signed_in", asked.outcome().getString("type"))
        }
        assertTrue("$shown", shown.last().startsWith("Testbanken: "))
    }

    /** What the app's own reader finds in the picture, which the bank draws anew each second. */
    private fun camera(picture: File): String {
        val end = System.nanoTime() + 60_000_000_000
        while (System.nanoTime() < end) {
            read(picture)?.let { return it }
            Thread.sleep(20)
        }
        error("there is no code in ${picture.length()} bytes")
    }

    private fun read(picture: File): String? {
        // Half a picture while it is being written.
        val image = try {
            ImageIO.read(picture)
        } catch (_: IOException) {
            null
        } ?: return null
        val pixels = image.getRGB(0, 0, image.width, image.height, null, 0, image.width)
        return Qr.read(ByteArray(pixels.size) { pixels[it].toByte() }, image.width, image.width, image.height)
    }
}
