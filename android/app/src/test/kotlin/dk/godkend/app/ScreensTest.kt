package dk.godkend.app

import android.content.res.Configuration
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.view.ViewGroup
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.EditText
import android.widget.FrameLayout
import android.widget.ScrollView
import android.widget.TextView
import dk.godkend.app.support.NoPhoneApplication
import dk.godkend.app.support.Picture
import dk.godkend.app.support.QuietSurroundings
import dk.godkend.screens.AppModel
import dk.godkend.screens.Problem
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
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
    private fun frame(screen: Screen, language: String, dark: Boolean, scale: Float): FrameLayout {
        val configuration = Configuration(RuntimeEnvironment.getApplication().resources.configuration).apply {
            setLocale(Locale.forLanguageTag(language))
            fontScale = scale
            val night = if (dark) Configuration.UI_MODE_NIGHT_YES else Configuration.UI_MODE_NIGHT_NO
            uiMode = uiMode and Configuration.UI_MODE_NIGHT_MASK.inv() or night
        }
        val context = android.view.ContextThemeWrapper(RuntimeEnvironment.getApplication().createConfigurationContext(configuration), R.style.Godkend)
        val model = AppModel({ error("no phone") }, QuietSurroundings, CoroutineScope(Dispatchers.Main.immediate))
        val frame = Frame(context, model) {}
        frame.show(screen, demo = screen == Screen.Demo)
        frame.measure(
            View.MeasureSpec.makeMeasureSpec(WIDTH, View.MeasureSpec.EXACTLY), View.MeasureSpec.makeMeasureSpec(HEIGHT, View.MeasureSpec.EXACTLY),
        )
        frame.layout(0, 0, WIDTH, HEIGHT)
        shadowOf(Looper.getMainLooper()).idle()
        all(frame).forEach { it.alpha = 1f }
        return frame
    }

    private fun all(view: View): Sequence<View> = sequence {
        if (view.visibility != View.VISIBLE) return@sequence
        yield(view)
        if (view is ViewGroup) for (i in 0 until view.childCount) yieldAll(all(view.getChildAt(i)))
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
        val folder = File(checkNotNull(System.getProperty("godkend.screens"))).apply { mkdirs() }
        val looks = listOf(
            Look("da", "light", false, 1f), Look("en", "light", false, 1f), Look("da", "dark", true, 1f), Look("da", "large", false, 2f),
            Look("en", "dark", true, 1f), Look("en", "large", false, 2f),
        )
        for (look in looks) for ((name, screen) in Gallery.screens) {
            // What goes wrong is one page with other words: in English one look of it is enough to keep the folder small.
            if (screen is Screen.Trouble && look.language == "en" && look.name != "light") continue
            val frame = frame(screen, look.language, look.dark, look.scale)
            val picture = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888)
            frame.draw(Canvas(picture))
            val colours = IntArray(WIDTH * HEIGHT).also { picture.getPixels(it, 0, WIDTH, 0, 0, WIDTH, HEIGHT) }
            assertTrue("$name in ${look.language} is blank", colours.toSet().size > LEAST_COLOURS)
            val file = File(folder, "$name-${look.language}-${look.name}.png")
            Picture.write(colours, WIDTH, HEIGHT, file)
        }
    }

    private class Look(val language: String, val name: String, val dark: Boolean, val scale: Float)

    @Test
    fun `a screen reader finds every element labelled, and nothing is cut, in both languages and with large text`() {
        val wrong = mutableListOf<String>()
        for (language in listOf("da", "en")) for (scale in listOf(1f, 2f)) for ((name, screen) in Gallery.screens) {
            val frame = frame(screen, language, dark = false, scale)
            val where = "$name in $language at $scale"
            if (all(frame).none { Reader.isHeading(it) } && screen !is Screen.Opening && screen !is Screen.Home) wrong += "$where: no heading"
            for (view in all(frame)) Reader.faults(view).forEach { wrong += "$where: $it" }
            val page = all(frame).filterIsInstance<ScrollView>().single().getChildAt(0) as ViewGroup
            for (i in 0 until page.childCount) {
                val part = page.getChildAt(i)
                if (part.visibility == View.VISIBLE && part.bottom > page.height + 1) wrong += "$where: a ${part.javaClass.simpleName} is below the page's end"
            }
        }
        assertEquals("", wrong.joinToString("\n"))
    }

    /** What a screen reader and a large text make of one element. */
    private object Reader {
        fun isHeading(view: View) = view.isAccessibilityHeading

        fun faults(view: View): List<String> = buildList {
            val node: AccessibilityNodeInfo = view.createAccessibilityNodeInfo()
            val named = !node.text.isNullOrBlank() || !node.contentDescription.isNullOrBlank() || !node.hintText.isNullOrBlank()
            val acts = node.isClickable || node.isFocusable && view.isImportantForAccessibility && view !is ViewGroup
            if (acts && view.isImportantForAccessibility && !named && view !is android.widget.ScrollView) add("${view.javaClass.simpleName} has no name")
            if (node.isClickable && view.isEnabled && view.isShown) {
                val least = view.resources.getDimensionPixelSize(R.dimen.size_touch)
                if (view.width < least || view.height < least) add("\"${node.text ?: node.contentDescription}\" is ${view.width} x ${view.height}")
                if (view !is EditText && !view.isFocusable) add("\"${node.text ?: node.contentDescription}\" cannot be reached with a keyboard")
            }
            if (view is TextView) cut(view)?.let(::add)
        if (view.width > WIDTH) add("${view.javaClass.simpleName} is wider than the screen")
        }

        private fun cut(view: TextView): String? {
            val layout = view.layout ?: return null
            val words = view.text.toString()
            val room = view.height - view.compoundPaddingTop - view.compoundPaddingBottom
            val ellipsis = (0 until layout.lineCount).any { layout.getEllipsisCount(it) > 0 }
            val widest = (0 until layout.lineCount).maxOfOrNull { layout.getLineMax(it) } ?: 0f
            val wide = view.width - view.compoundPaddingLeft - view.compoundPaddingRight
            return when {
                ellipsis -> "\"$words\" ends in an ellipsis"
                layout.height > room + 1 -> "\"$words\" is ${layout.height} high in $room"
                widest > wide + 1 -> "\"$words\" is $widest wide in $wide"
                else -> null
            }
        }
    }

    private companion object {
        const val WIDTH = 360
        const val HEIGHT = 740
        const val LEAST_COLOURS = 8
    }
}
