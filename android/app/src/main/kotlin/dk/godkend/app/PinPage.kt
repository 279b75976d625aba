package dk.godkend.app

import android.content.Context
import android.graphics.drawable.GradientDrawable
import android.view.Gravity
import android.view.KeyEvent
import android.view.View
import android.widget.LinearLayout
import dk.godkend.screens.AppModel
import dk.godkend.screens.PinModel
import dk.godkend.screens.PinWeakness
import dk.godkend.screens.Screen

/** The PIN pad: keys of its own, so that no keyboard learns or leaks what is typed. */
internal fun pinPad(context: Context, screen: Screen.PinPad, model: AppModel): Page = with(context) {
    val dots = PinDots(this)
    val complaint = text("", Type.LABEL, R.color.danger).apply {
        textAlignment = View.TEXT_ALIGNMENT_CENTER
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_ASSERTIVE
    }
    val busy = waiting(say(R.string.working))
    val countdown = Countdown(this, screen.request?.expiresIn)
    val body = column().apply {
        if (screen.request != null) add(countdown.view)
        add(title(say(pinTitle(screen.purpose))), small)
        val below = screen.request?.let { request ->
            val what = request.payment?.let { "${amount(it)} · ${it.payee}" } ?: request.relyingParty
            say(R.string.pin_for, what)
        } ?: pinHint(screen.purpose)?.let { say(it) }
        below?.let { add(text(it, Type.BODY, R.color.text_soft), small) }
        push()
        add(dots, large)
        add(complaint, medium)
        add(busy, medium)
        push()
        add(keys(model), large)
        if (screen.purpose == Screen.PinPurpose.APPROVE || screen.purpose == Screen.PinPurpose.OLD) {
            add(button(say(R.string.pin_forgotten), Weight.QUIET) { model.forgottenPin() }, small)
        }
    }
    // A keyboard's digits count too.
    body.isFocusableInTouchMode = false
    body.setOnKeyListener { _, code, event ->
        val digit = code - KeyEvent.KEYCODE_0
        when {
            event.action != KeyEvent.ACTION_DOWN -> false
            digit in 0..9 -> true.also { model.pins.digit(digit) }
            code == KeyEvent.KEYCODE_DEL -> true.also { model.pins.delete() }
            else -> false
        }
    }
    val update = { new: Screen ->
        if (new is Screen.PinPad && new.purpose == screen.purpose && new.request == screen.request) {
            dots.show(new.typed, new.complaint != null)
            val words = new.complaint?.let { complaintText(it) }
            complaint.text = words ?: ""
            complaint.visibility = if (words == null) View.GONE else View.VISIBLE
            busy.visibility = if (new.working) View.VISIBLE else View.GONE
            countdown.show(new.secondsLeft)
            true
        } else {
            false
        }
    }
    update(screen)
    Page(body, say(pinTitle(screen.purpose)), update = update)
}

private fun pinTitle(purpose: Screen.PinPurpose) = when (purpose) {
    Screen.PinPurpose.CHOOSE -> R.string.pin_choose_title
    Screen.PinPurpose.REPEAT, Screen.PinPurpose.NEW_REPEAT -> R.string.pin_repeat_title
    Screen.PinPurpose.APPROVE, Screen.PinPurpose.PROVE -> R.string.pin_enter_title
    Screen.PinPurpose.OLD -> R.string.pin_old_title
    Screen.PinPurpose.NEW -> R.string.pin_new_title
}

private fun pinHint(purpose: Screen.PinPurpose): Int? = when (purpose) {
    Screen.PinPurpose.CHOOSE, Screen.PinPurpose.NEW -> R.string.pin_choose_text
    Screen.PinPurpose.REPEAT, Screen.PinPurpose.NEW_REPEAT -> R.string.pin_repeat_text
    else -> null
}

private fun Context.complaintText(complaint: Screen.PinComplaint): String = when (complaint) {
    is Screen.PinComplaint.Weak -> say(
        when (complaint.weakness) {
            PinWeakness.SHAPE -> R.string.pin_weak_shape
            PinWeakness.REPEATED -> R.string.pin_weak_repeated
            PinWeakness.SEQUENCE -> R.string.pin_weak_sequence
            PinWeakness.PATTERN -> R.string.pin_weak_pattern
        },
    )
    Screen.PinComplaint.Differs -> say(R.string.pin_differs)
    is Screen.PinComplaint.Wrong -> say(R.string.wrong_pin_title) + ". " + say(R.string.wrong_pin_left, complaint.triesLeft)
}

/** How many digits are typed, and not which. */
internal class PinDots(context: Context) : LinearLayout(context) {
    private val dots = List(PinModel.LENGTH) { View(context) }

    init {
        orientation = HORIZONTAL
        gravity = Gravity.CENTER
        val size = context.medium
        dots.forEach { addView(it, LayoutParams(size, size).apply { setMargins(size / 2, size / 2, size / 2, size / 2) }) }
        importantForAccessibility = IMPORTANT_FOR_ACCESSIBILITY_YES
        accessibilityLiveRegion = ACCESSIBILITY_LIVE_REGION_POLITE
        show(0, false)
    }

    fun show(typed: Int, wrong: Boolean) {
        dots.forEachIndexed { place, dot ->
            dot.background = GradientDrawable().apply {
                shape = GradientDrawable.OVAL
                if (place < typed) {
                    setColor(context.getColor(R.color.accent))
                } else {
                    setStroke((resources.displayMetrics.density * 2).toInt(), context.getColor(if (wrong) R.color.danger else R.color.outline))
                }
            }
        }
        contentDescription = context.say(R.string.pin_entered, typed)
    }
}

private fun Context.keys(model: AppModel): View = column().apply {
    listOf(listOf(1, 2, 3), listOf(4, 5, 6), listOf(7, 8, 9), listOf(null, 0, -1)).forEach { line ->
        val keys = row().apply { gravity = Gravity.CENTER }
        line.forEach { digit ->
            val key: View = when (digit) {
                null -> View(context).apply { importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO }
                -1 -> iconButton(R.drawable.icon_erase, say(R.string.pin_delete)) { model.pins.delete() }
                else -> key(digit) { model.pins.digit(digit) }
            }
            val high = px(R.dimen.size_key)
            keys.addView(key, LinearLayout.LayoutParams(0, high, 1f).apply { setMargins(small / 2, small / 2, small / 2, small / 2) })
        }
        add(keys)
    }
}

private fun Context.key(digit: Int, press: () -> Unit): View = button(digit.toString(), Weight.QUIET, press).apply {
    setType(Type.TITLE)
    setTextColor(getColor(R.color.text))
    setPadding(0, 0, 0, 0)
    background = pressable(surface(R.color.surface, corner = px(R.dimen.size_key) / 2f))
    // The keys are as large as they need be: what grows with the text size is everything that is read.
    setTextSize(android.util.TypedValue.COMPLEX_UNIT_DIP, KEY_TEXT_DP)
    // A screen reader says the digit only to who listens in private, like the system's own pads.
    contentDescription = digit.toString()
}

private const val KEY_TEXT_DP = 26f
