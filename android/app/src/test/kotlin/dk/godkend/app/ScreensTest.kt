package dk.godkend.app

import android.app.Activity
import android.content.res.Configuration
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.text.TextUtils
import android.view.View
import android.widget.FrameLayout
import android.widget.ImageView
import android.widget.ScrollView
import android.widget.TextView
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.Picture
import dk.godkend.app.support.QuietSurroundings
import dk.godkend.app.support.Reader
import dk.godkend.screens.AppModel
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.GraphicsMode
import java.io.File
import java.util.Locale

/** Every screen, drawn and read: in both languages, light and dark, small and large text. */
@RunWith(RobolectricTestRunner::class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
@Config(sdk = [34], application = NoPhoneApplication::class, qualifiers = "w360dp-h740dp-mdpi")
class ScreensTest {
    private fun frame(name: String, screen: Screen, language: String, dark: Boolean, scale: Float): FrameLayout {
        val configuration = Configuration(RuntimeEnvironment.getApplication().resources.configuration).apply {
            setLocale(Locale.forLanguageTag(language))
            fontScale = scale
            val night = if (dark) Configuration.UI_MODE_NIGHT_YES else Configuration.UI_MODE_NIGHT_NO
            uiMode = uiMode and Configuration.UI_MODE_NIGHT_MASK.inv() or night
        }
        val context = android.view.ContextThemeWrapper(RuntimeEnvironment.getApplication().createConfigurationContext(configuration), R.style.Godkend)
        val model = AppModel({ error("no phone") }, QuietSurroundings, CoroutineScope(Dispatchers.Main.immediate)) {}
        val isDemo = name.startsWith("demo")
        if (isDemo) model.startDemo()
        val frame = Frame(context, model) {}
        frame.show(screen, isDemo)
        layOut(frame)
        shadowOf(Looper.getMainLooper()).idle()
        Reader.all(frame).forEach { it.alpha = 1f }
        return frame
    }

    /** In a window: outside of one, no view tells a screen reader anything. */
    private val window by lazy { Robolectric.buildActivity(Activity::class.java).setup().get() }

    private fun shown(name: String, screen: Screen, language: String, scale: Float): FrameLayout {
        val frame = frame(name, screen, language, dark = false, scale)
        // The bars of this window are not the phone's.
        frame.setOnApplyWindowInsetsListener(null)
        window.setContentView(frame)
        shadowOf(Looper.getMainLooper()).idle()
        layOut(frame)
        return frame
    }

    private fun layOut(frame: View) {
        frame.measure(
            View.MeasureSpec.makeMeasureSpec(WIDTH, View.MeasureSpec.EXACTLY), View.MeasureSpec.makeMeasureSpec(HEIGHT, View.MeasureSpec.EXACTLY),
        )
        frame.layout(0, 0, WIDTH, HEIGHT)
    }

    @Test
    fun `the gallery has every kind of screen and every kind of trouble`() {
        val missing = Screen::class.java.declaredClasses.filter { Screen::class.java.isAssignableFrom(it) }
            .filter { kind -> Gallery.screens.none { kind.isInstance(it.second) } }
        assertEquals(emptyList<Class<*>>(), missing)
        val troubles = Gallery.screens.mapNotNull { (it.second as? Screen.Trouble)?.problem?.kind }
        assertEquals(Problem.Kind.entries, troubles)
    }

    @Test
    fun `every screen is drawn for docs-screens`() {
        // Written only where they are asked for: finding a picture's colours takes longer than drawing it.
        val folder = System.getProperty("godkend.screens").orEmpty().takeIf(String::isNotEmpty)?.let { File(it).apply { mkdirs() } }
        val some = listOf(Look("da", "dark", true, 1f), Look("en", "light", false, 1f))
        val others = listOf(Look("da", "light", false, 1f), Look("da", "large", false, 2f), Look("en", "dark", true, 1f), Look("en", "large", false, 2f))
        val looks = if (folder == null) some else some + others
        for (look in looks) for ((name, screen) in Gallery.screens) {
            // What goes wrong is one page with other words: in English one look of it is enough to keep the folder small.
            if (screen is Screen.Trouble && look.language == "en" && look.name != "light") continue
            val frame = frame(name, screen, look.language, look.dark, look.scale)
            val picture = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888)
            frame.draw(Canvas(picture))
            val colours = IntArray(WIDTH * HEIGHT).also { picture.getPixels(it, 0, WIDTH, 0, 0, WIDTH, HEIGHT) }
            assertTrue("$name in ${look.language} is blank", colours.asSequence().distinct().take(LEAST_COLOURS).count() == LEAST_COLOURS)
            folder?.let { Picture.write(colours, WIDTH, HEIGHT, File(it, "$name-${look.language}-${look.name}.png")) }
        }
    }

    private class Look(val language: String, val name: String, val dark: Boolean, val scale: Float)

    @Test
    fun `a screen reader finds every element labelled, and nothing is cut, in both languages and with large text`() {
        val wrong = mutableListOf<String>()
        for (language in listOf("da", "en")) for (scale in listOf(1f, 2f)) for ((name, screen) in Gallery.screens) {
            val frame = shown(name, screen, language, scale)
            val hasHeading = screen !is Screen.Opening && screen !is Screen.Home
            Reader.walk(frame, hasHeading).forEach { wrong += "$name in $language at $scale: $it" }
        }
        assertEquals("", wrong.joinToString("\n"))
    }

    @Test
    fun `the walk turns red on what is unlabelled, cut, too small, out of reach or without a heading`() {
        val button = { views: List<View> -> views.filterIsInstance<ImageView>().first { it.isClickable } }
        val words = { views: List<View> -> views.filterIsInstance<TextView>().first { it.text.length > 8 } }
        fun faultsAfter(change: (List<View>) -> Unit): List<String> {
            val frame = shown("devices", Gallery.screens.first { it.first == "devices" }.second, "da", 1f)
            assertEquals(emptyList<String>(), Reader.walk(frame))
            change(Reader.all(frame).toList())
            layOut(frame)
            return Reader.walk(frame)
        }
        val faults = mapOf<String, (List<View>) -> Unit>(
            "has no name" to { button(it).contentDescription = null },
            "is 40 x 40" to { views -> button(views).layoutParams = button(views).layoutParams.apply { width = 40; height = 40 } },
            "cannot be reached with a keyboard" to { button(it).isFocusable = false },
            "ends in an ellipsis" to { views ->
                words(views).apply {
                    maxLines = 1
                    ellipsize = TextUtils.TruncateAt.END
                    layoutParams = layoutParams.apply { width = 60 }
                }
            },
            "high in" to { views -> words(views).apply { layoutParams = layoutParams.apply { height = 10 } } },
            "no heading" to { views -> views.forEach { it.isAccessibilityHeading = false } },
        )
        for ((said, change) in faults) {
            val found = faultsAfter(change)
            assertTrue("$said: $found", found.any { said in it })
        }
    }

    @Test
    fun `who asks, for what, and every way to answer stand on one page of a small phone`() {
        for ((name, screen) in Gallery.screens.filter { it.second is Screen.Asked }) for (language in listOf("da", "en")) {
            val page = Reader.all(frame(name, screen, language, dark = false, 1f)).filterIsInstance<ScrollView>().single()
            assertTrue("$name in $language: ${page.getChildAt(0).height} in ${page.height}", !page.canScrollVertically(1))
        }
    }

    private companion object {
        const val WIDTH = 360
        const val HEIGHT = 740
        const val LEAST_COLOURS = 8
    }
}
