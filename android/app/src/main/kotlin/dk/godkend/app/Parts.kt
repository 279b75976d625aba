package dk.godkend.app

import android.content.Context
import android.content.res.ColorStateList
import android.os.Build
import android.view.Gravity
import android.view.View
import android.view.ViewGroup
import android.view.accessibility.AccessibilityNodeInfo
import android.widget.Button
import android.widget.EditText
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.Switch
import android.widget.TextView
import dk.godkend.platform.RequiresSdk

/** The parts that screens are built of. Each is labelled, at least 48 dp high, and works with keyboard and switch. */
enum class Weight { MAIN, SECOND, DANGER, QUIET }

internal fun Context.button(words: CharSequence, weight: Weight = Weight.MAIN, press: () -> Unit): Button =
    Button(this).apply {
        text = words
        isAllCaps = false
        setType(Type.STRONG)
        stateListAnimator = null
        minHeight = px(R.dimen.size_button)
        minimumHeight = minHeight
        minWidth = 0
        minimumWidth = px(R.dimen.size_touch)
        setPadding(large, medium * 3 / 4, large, medium * 3 / 4)
        val round = px(R.dimen.size_button) / 2f
        when (weight) {
            Weight.MAIN -> {
                background = pressable(surface(R.color.accent, corner = round), R.color.accent_press)
                setTextColor(getColor(R.color.on_accent))
            }
            Weight.SECOND -> {
                background = pressable(surface(R.color.surface, R.color.outline, round))
                setTextColor(getColor(R.color.text))
            }
            Weight.DANGER -> {
                background = pressable(surface(R.color.danger, corner = round))
                setTextColor(getColor(R.color.on_danger))
            }
            Weight.QUIET -> {
                background = pressable(surface(android.R.color.transparent, corner = round))
                setTextColor(getColor(R.color.accent))
            }
        }
        setOnClickListener { press() }
    }

internal fun Context.icon(drawable: Int, colour: Int, size: Int = px(R.dimen.size_icon)): ImageView = ImageView(this).apply {
    setImageResource(drawable)
    imageTintList = ColorStateList.valueOf(getColor(colour))
    // What it means stands in the text beside it.
    importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
    layoutParams = LinearLayout.LayoutParams(size, size)
}

/** A button that is only a picture, with its name for who cannot see it. */
internal fun Context.iconButton(drawable: Int, name: CharSequence, press: () -> Unit): ImageView = ImageView(this).apply {
    setImageResource(drawable)
    imageTintList = ColorStateList.valueOf(getColor(R.color.text))
    scaleType = ImageView.ScaleType.CENTER
    contentDescription = name
    isFocusable = true
    isClickable = true
    background = pressable(surface(android.R.color.transparent, corner = touch / 2f))
    layoutParams = LinearLayout.LayoutParams(touch, touch)
    accessibilityDelegate = asButton
    setOnClickListener { press() }
}

private val asButton = object : View.AccessibilityDelegate() {
    override fun onInitializeAccessibilityNodeInfo(host: View, info: AccessibilityNodeInfo) {
        super.onInitializeAccessibilityNodeInfo(host, info)
        info.className = Button::class.java.name
    }
}

/** A large sign above a title. */
internal fun Context.emblem(drawable: Int, fill: Int = R.color.accent_soft, colour: Int = R.color.accent): View {
    val size = px(R.dimen.size_emblem)
    val image = icon(drawable, colour, size)
    image.background = surface(fill, corner = size / 2f)
    image.setPadding(size / 4, size / 4, size / 4, size / 4)
    return row().apply { addView(image, LinearLayout.LayoutParams(size, size)) }
}

internal fun Context.title(words: CharSequence): TextView = text(words, Type.TITLE).apply { heading() }

internal fun Context.heading(words: CharSequence): TextView = text(words, Type.LABEL, R.color.text_soft).apply {
    typeface = android.graphics.Typeface.create("sans-serif-medium", android.graphics.Typeface.NORMAL)
    heading()
}

internal fun View.heading() {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) markHeading()
}

@RequiresSdk(28)
private fun View.markHeading() {
    isAccessibilityHeading = true
}

internal fun Context.card(fill: Int = R.color.surface): LinearLayout = column().apply {
    background = surface(fill)
    setPadding(edge, edge, edge, edge)
}

/** A short message with a sign; said aloud when it comes. */
internal fun Context.notice(words: CharSequence, fill: Int, colour: Int, sign: Int = R.drawable.icon_info): LinearLayout = row().apply {
    background = surface(fill)
    setPadding(medium, medium * 3 / 4, medium, medium * 3 / 4)
    gravity = Gravity.TOP
    addView(icon(sign, colour))
    add(text(words, Type.LABEL, R.color.text), small * 3 / 2, 1f)
    accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
}

/** One line of a list that leads somewhere. */
internal fun Context.entry(
    sign: Int,
    words: CharSequence,
    below: CharSequence? = null,
    danger: Boolean = false,
    press: () -> Unit,
): LinearLayout = row().apply {
    minimumHeight = px(R.dimen.size_button)
    setPadding(medium, small * 3 / 2, medium, small * 3 / 2)
    background = pressable(surface(android.R.color.transparent))
    isClickable = true
    isFocusable = true
    contentDescription = if (below == null) words else "$words. $below"
    accessibilityDelegate = asButton
    val colour = if (danger) R.color.danger else R.color.text
    addView(icon(sign, if (danger) R.color.danger else R.color.accent))
    val lines = context.column()
    lines.add(text(words, Type.BODY, colour))
    below?.let { lines.add(text(it, Type.LABEL, R.color.text_soft)) }
    lines.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO_HIDE_DESCENDANTS
    add(lines, medium, 1f)
    addView(icon(R.drawable.icon_forward, R.color.outline, px(R.dimen.size_icon) * 2 / 3))
    setOnClickListener { press() }
}

/** Lines under one another on one surface. */
internal fun Context.group(vararg lines: View): LinearLayout = column().apply {
    background = surface(R.color.surface)
    lines.forEachIndexed { place, line ->
        if (place > 0) {
            val hairline = View(context).apply { setBackgroundColor(getColor(R.color.hairline)) }
            val thin = resources.displayMetrics.density.toInt().coerceAtLeast(1)
            addView(hairline, LinearLayout.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, thin).apply { marginStart = medium * 7 / 2 })
        }
        add(line)
    }
}

/** A name and what it is: beside one another, or under one another where the text is large. */
internal fun Context.fact(name: CharSequence, value: CharSequence): LinearLayout {
    val isLarge = resources.configuration.fontScale > LARGE_TEXT
    return (if (isLarge) column() else row()).apply {
        val named = text(name, Type.LABEL, R.color.text_soft)
        val valued = text(value, if (isLarge) Type.BODY else Type.LABEL)
        if (isLarge) {
            add(named)
            add(valued)
        } else {
            gravity = Gravity.TOP
            add(named, 0, 2f)
            add(valued, small, 3f)
        }
        contentDescription = "$name: $value"
        named.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        valued.importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_YES
    }
}

private const val LARGE_TEXT = 1.3f

internal fun Context.switchLine(words: CharSequence, on: Boolean, change: (Boolean) -> Unit): Switch = Switch(this).apply {
    text = words
    setType(Type.BODY)
    setTextColor(getColor(R.color.text))
    isChecked = on
    minHeight = px(R.dimen.size_button)
    setPadding(medium, small, medium, small)
    setOnCheckedChangeListener { _, now -> change(now) }
}

internal fun Context.field(name: CharSequence, kind: Int): EditText = EditText(this).apply {
    hint = name
    inputType = kind
    setType(Type.HEADING)
    setTextColor(getColor(R.color.text))
    setHintTextColor(getColor(R.color.text_soft))
    minHeight = px(R.dimen.size_button)
    setPadding(medium, medium, medium, medium)
    background = surface(R.color.surface, R.color.outline)
    // Codes are secrets: no suggestions that learn, nothing filled in by others.
    importantForAutofill = View.IMPORTANT_FOR_AUTOFILL_NO
    imeOptions = android.view.inputmethod.EditorInfo.IME_ACTION_DONE or android.view.inputmethod.EditorInfo.IME_FLAG_NO_PERSONALIZED_LEARNING
}

internal fun Context.waiting(words: CharSequence): LinearLayout = row().apply {
    val size = px(R.dimen.size_icon)
    addView(ProgressBar(context).apply { importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO }, LinearLayout.LayoutParams(size, size))
    add(text(words, Type.LABEL, R.color.text_soft), small * 3 / 2, 1f)
    accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
}

/** Digits in pairs, large, read out one by one. */
internal fun Context.bigCode(code: String, spoken: String): TextView = text(code, Type.CODE).apply {
    typeface = android.graphics.Typeface.create("monospace", android.graphics.Typeface.BOLD)
    letterSpacing = 0.02f
    textAlignment = View.TEXT_ALIGNMENT_CENTER
    gravity = Gravity.CENTER
    contentDescription = spoken
    background = surface(R.color.surface)
    setPadding(medium, large, medium, large)
    setTextIsSelectable(false)
}

/** A sentence with words put in. */
internal fun Context.say(text: Int, vararg values: Any): String = getString(text, *values)
