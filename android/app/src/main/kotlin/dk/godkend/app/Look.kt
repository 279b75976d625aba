package dk.godkend.app

import android.content.Context
import android.content.res.ColorStateList
import android.graphics.Typeface
import android.graphics.drawable.Drawable
import android.graphics.drawable.GradientDrawable
import android.graphics.drawable.RippleDrawable
import android.util.TypedValue
import android.view.View
import android.view.ViewGroup
import android.widget.LinearLayout
import android.widget.TextView

/** The design system as Android reads it: colours, type and measures of `bindings/screens/tokens.json`. */
enum class Type(val size: Int, val bold: Boolean) {
    DISPLAY(R.dimen.type_display, true),
    TITLE(R.dimen.type_title, true),
    HEADING(R.dimen.type_heading, true),
    BODY(R.dimen.type_body, false),
    STRONG(R.dimen.type_strong, true),
    LABEL(R.dimen.type_label, false),
    CODE(R.dimen.type_code, true),
}

internal fun Context.px(dimension: Int): Int = resources.getDimensionPixelSize(dimension)

internal val Context.edge get() = px(R.dimen.space_edge)
internal val Context.small get() = px(R.dimen.space_small)
internal val Context.medium get() = px(R.dimen.space_medium)
internal val Context.large get() = px(R.dimen.space_large)
internal val Context.huge get() = px(R.dimen.space_huge)
internal val Context.touch get() = px(R.dimen.size_touch)

/** A surface with round corners. */
internal fun Context.surface(fill: Int, outline: Int? = null, corner: Float = px(R.dimen.size_corner).toFloat()) =
    GradientDrawable().apply {
        setColor(getColor(fill))
        cornerRadius = corner
        outline?.let { setStroke((resources.displayMetrics.density * 1.5f).toInt().coerceAtLeast(1), getColor(it)) }
    }

/** The same, answering to touch and to the keyboard's focus. */
internal fun Context.pressable(surface: Drawable, ripple: Int = R.color.hairline): Drawable =
    RippleDrawable(ColorStateList.valueOf(getColor(ripple)), surface, surface)

internal fun Context.text(words: CharSequence, type: Type, colour: Int = R.color.text): TextView = TextView(this).apply {
    text = words
    setType(type)
    setTextColor(getColor(colour))
    setLineSpacing(0f, if (type == Type.BODY || type == Type.LABEL) 1.15f else 1.04f)
    breakStrategy = android.text.Layout.BREAK_STRATEGY_HIGH_QUALITY
    hyphenationFrequency = android.text.Layout.HYPHENATION_FREQUENCY_NORMAL
    textAlignment = View.TEXT_ALIGNMENT_VIEW_START
}

internal fun TextView.setTextSize(type: Type) = setTextSize(TypedValue.COMPLEX_UNIT_PX, resources.getDimension(type.size))

internal fun TextView.setType(type: Type) {
    setTextSize(type)
    typeface = if (type.bold) Typeface.create("sans-serif-medium", Typeface.NORMAL) else Typeface.SANS_SERIF
    if (type == Type.TITLE || type == Type.DISPLAY) letterSpacing = -0.015f
}

internal fun Context.column(): LinearLayout = LinearLayout(this).apply { orientation = LinearLayout.VERTICAL }

internal fun Context.row(): LinearLayout = LinearLayout(this).apply {
    orientation = LinearLayout.HORIZONTAL
    gravity = android.view.Gravity.CENTER_VERTICAL
}

/** Adds a child that is as wide as the column. */
internal fun <V : View> LinearLayout.add(view: V, above: Int = 0, weight: Float = 0f): V {
    val wide = orientation == LinearLayout.VERTICAL
    val width = if (wide) ViewGroup.LayoutParams.MATCH_PARENT else if (weight > 0) 0 else ViewGroup.LayoutParams.WRAP_CONTENT
    val height = if (wide && weight > 0) 0 else ViewGroup.LayoutParams.WRAP_CONTENT
    addView(view, LinearLayout.LayoutParams(width, height, weight).apply { if (wide) topMargin = above else marginStart = above })
    return view
}

/** The empty room that pushes what follows to the bottom. */
internal fun LinearLayout.push() {
    addView(View(context).apply { importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO }, LinearLayout.LayoutParams(0, 0, 1f))
}
