package dk.godkend.app.support

import android.view.View
import android.view.ViewGroup
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.EditText
import android.widget.ScrollView
import android.widget.TextView
import dk.godkend.app.R

/** Walks a screen as a screen reader, a keyboard and a reader of large text do, and says what is wrong with it. */
object Reader {
    fun all(view: View): Sequence<View> = sequence {
        if (view.visibility != View.VISIBLE) return@sequence
        yield(view)
        if (view is ViewGroup) for (i in 0 until view.childCount) yieldAll(all(view.getChildAt(i)))
    }

    /** Every fault of a screen that has been laid out. */
    fun walk(frame: View, needsHeading: Boolean = true): List<String> = buildList {
        if (needsHeading && all(frame).none { it.isAccessibilityHeading }) add("no heading")
        for (view in all(frame)) addAll(faults(view, frame.width))
        val page = all(frame).filterIsInstance<ScrollView>().single().getChildAt(0) as ViewGroup
        for (i in 0 until page.childCount) {
            val part = page.getChildAt(i)
            if (part.visibility == View.VISIBLE && part.bottom > page.height + 1) add("a ${part.javaClass.simpleName} is below the page's end")
        }
    }

    private fun faults(view: View, screen: Int): List<String> = buildList {
        val node: AccessibilityNodeInfo = view.createAccessibilityNodeInfo()
        val named = !node.text.isNullOrBlank() || !node.contentDescription.isNullOrBlank() || !node.hintText.isNullOrBlank()
        val acts = node.isClickable || node.isFocusable && view.isImportantForAccessibility && view !is ViewGroup
        if (acts && view.isImportantForAccessibility && !named && view !is ScrollView) add("${view.javaClass.simpleName} has no name")
        if (node.isClickable && view.isEnabled && view.isShown) {
            val name = node.text ?: node.contentDescription
            val least = view.resources.getDimensionPixelSize(R.dimen.size_touch)
            if (view.width < least || view.height < least) add("\"$name\" is ${view.width} x ${view.height}")
            if (view !is EditText && !view.isFocusable) add("\"$name\" cannot be reached with a keyboard")
        }
        if (view is TextView) cut(view)?.let(::add)
        if (view.width > screen) add("${view.javaClass.simpleName} is wider than the screen")
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
