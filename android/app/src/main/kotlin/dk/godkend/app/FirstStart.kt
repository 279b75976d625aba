package dk.godkend.app

import android.content.Context
import android.text.InputType
import android.view.Gravity
import android.view.View
import android.view.inputmethod.EditorInfo
import android.widget.EditText
import android.widget.LinearLayout
import dk.godkend.screens.AppModel
import dk.godkend.screens.Screen
import java.text.DateFormat
import java.util.Date

/** A page of one sign, one title, one text, and what can be done. */
internal fun Context.plain(sign: Int, title: Int, vararg texts: CharSequence, buttons: LinearLayout.() -> Unit): LinearLayout =
    column().apply {
        add(emblem(sign), small)
        add(title(say(title)), large)
        texts.forEach { add(text(it, Type.BODY, R.color.text_soft), medium) }
        push()
        addView(View(context).apply { importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO }, LinearLayout.LayoutParams(0, large))
        buttons()
    }

internal fun opening(context: Context): Page {
    val body = context.column().apply {
        push()
        addView(context.emblem(R.drawable.icon_check, R.color.accent, R.color.on_accent).apply { (this as LinearLayout).gravity = Gravity.CENTER })
        add(context.text(context.say(R.string.working), Type.BODY, R.color.text_soft).apply { textAlignment = View.TEXT_ALIGNMENT_CENTER }, context.large)
        push()
    }
    return Page(body, context.say(R.string.app_name), hasBack = false)
}

internal fun welcome(context: Context, model: AppModel): Page = with(context) {
    val body = column().apply {
        add(wordmark())
        push()
        add(emblem(R.drawable.icon_shield), huge)
        add(title(say(R.string.welcome_title)), large)
        add(text(say(R.string.welcome_text), Type.BODY, R.color.text_soft), medium)
        push()
        add(button(say(R.string.welcome_start)) { model.getStarted() }, large)
        add(button(say(R.string.welcome_demo), Weight.QUIET) { model.startDemo() }, small)
    }
    Page(body, say(R.string.welcome_title), hasBack = false)
}

/** The name with its sign. */
internal fun Context.wordmark(): LinearLayout = row().apply {
    val size = px(R.dimen.size_icon) * 4 / 3
    val sign = icon(R.drawable.icon_check, R.color.on_accent, size).apply {
        background = surface(R.color.accent, corner = size / 3f)
        setPadding(size / 6, size / 6, size / 6, size / 6)
    }
    addView(sign)
    add(text(say(R.string.app_name), Type.HEADING), small * 3 / 2)
}

internal fun activate(context: Context, model: AppModel): Page = with(context) {
    val body = plain(R.drawable.icon_key, R.string.activate_title, say(R.string.activate_text)) {
        add(notice(say(R.string.activate_unsure), R.color.warning_soft, R.color.warning, R.drawable.icon_alert))
        add(button(say(R.string.activate_scan)) { model.scan() }, medium)
        add(button(say(R.string.activate_type), Weight.SECOND) { model.typeCode() }, small * 3 / 2)
    }
    Page(body, say(R.string.activate_title))
}

/** A field, what is wrong with what was typed, and *next*. */
private fun Context.typing(
    title: Int,
    hint: CharSequence,
    name: Int,
    kind: Int,
    working: (Screen) -> Boolean?,
    problem: (Screen) -> CharSequence?,
    first: Screen,
    submit: (String) -> Unit,
): Page {
    lateinit var input: EditText
    val complaint = text("", Type.LABEL, R.color.danger).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }
    val next = button(say(R.string.next)) { submit(input.text.toString()) }
    val body = column().apply {
        add(title(say(title)), small)
        add(text(hint, Type.BODY, R.color.text_soft), medium)
        input = add(field(say(name), kind), large)
        add(complaint, small)
        push()
        add(next, large)
    }
    input.setOnEditorActionListener { _, action, _ ->
        if (action == EditorInfo.IME_ACTION_DONE) submit(input.text.toString())
        true
    }
    val update = { screen: Screen ->
        working(screen)?.let { busy ->
            next.isEnabled = !busy
            next.text = say(if (busy) R.string.working else R.string.next)
            val words = problem(screen)
            complaint.text = words ?: ""
            complaint.visibility = if (words == null) View.GONE else View.VISIBLE
            input.background = surface(R.color.surface, if (words == null) R.color.outline else R.color.danger)
        } != null
    }
    update(first)
    return Page(body, say(title), update = update)
}

internal fun typeCode(context: Context, screen: Screen.TypeCode, model: AppModel): Page = context.typing(
    R.string.code_title, context.say(R.string.code_text), R.string.code_field,
    InputType.TYPE_CLASS_TEXT or InputType.TYPE_TEXT_FLAG_CAP_CHARACTERS or InputType.TYPE_TEXT_FLAG_NO_SUGGESTIONS,
    { (it as? Screen.TypeCode)?.working }, { (it as? Screen.TypeCode)?.problem?.let { said -> context.sentence(said) } },
    screen,
) { model.activation.activate(it) }

internal fun typeNumber(context: Context, screen: Screen.TypeNumber, model: AppModel): Page {
    val login = screen.purpose == Screen.NumberPurpose.LOGIN
    return context.typing(
        if (login) R.string.number_title else R.string.move_digits_title, context.say(R.string.number_text), R.string.number_field,
        InputType.TYPE_CLASS_PHONE,
        { new -> (new as? Screen.TypeNumber)?.takeIf { it.purpose == screen.purpose }?.working },
        { (it as? Screen.TypeNumber)?.problem?.let { said -> context.sentence(said) } },
        screen,
    ) { model.number(it) }
}

/** In pairs, as one reads them aloud. */
internal fun pairs(digits: String): String = digits.filter(Char::isDigit).chunked(2).joinToString(" ")

internal fun digits(context: Context, screen: Screen.Digits): Page = with(context) {
    val pairs = pairs(screen.digits.text)
    val body = column().apply {
        add(title(say(R.string.digits_title)), small)
        add(bigCode(pairs, say(R.string.digits_spoken, pairs.toList().joinToString(" "))), large)
        add(text(say(R.string.digits_text), Type.BODY, R.color.text_soft), large)
        push()
        add(waiting(say(R.string.digits_waiting)), large)
    }
    Page(body, say(R.string.digits_title))
}

internal fun offerBiometrics(context: Context, model: AppModel): Page = with(context) {
    val body = plain(R.drawable.icon_finger, R.string.biometrics_title, say(R.string.biometrics_text)) {
        add(button(say(R.string.biometrics_on)) { model.activation.biometricsOn() })
        add(button(say(R.string.not_now), Weight.QUIET) { model.activation.afterBiometrics() }, small)
    }
    Page(body, say(R.string.biometrics_title), hasBack = false)
}

internal fun offerNotifications(context: Context, model: AppModel): Page = with(context) {
    val body = plain(R.drawable.icon_bell, R.string.notifications_title, say(R.string.notifications_text)) {
        add(
            button(say(R.string.notifications_on)) {
                activity()?.askForNotifications()
                model.activation.ready()
            },
        )
        add(button(say(R.string.not_now), Weight.QUIET) { model.activation.ready() }, small)
    }
    Page(body, say(R.string.notifications_title), hasBack = false)
}

internal fun blockCode(context: Context, screen: Screen.BlockCode, model: AppModel): Page = with(context) {
    val code = screen.code
    if (code == null) {
        val body = plain(R.drawable.icon_lock, R.string.settings_block_code, say(R.string.block_code_noted_already)) {}
        return Page(body, say(R.string.settings_block_code))
    }
    val grouped = code.text.filter(Char::isLetterOrDigit).chunked(3).chunked(3).joinToString("\n") { it.joinToString(" ") }
    val body = column().apply {
        add(title(say(R.string.block_code_title)), small)
        add(text(say(R.string.block_code_text), Type.BODY, R.color.text_soft), medium)
        add(bigCode(grouped, say(R.string.block_code_spoken, code.text.toList().joinToString(" "))), large)
        push()
        add(button(say(R.string.block_code_noted)) { model.activation.blockCodeNoted() }, large)
    }
    Page(body, say(R.string.block_code_title), hasBack = false)
}

internal fun ready(context: Context, model: AppModel): Page = with(context) {
    val body = column().apply {
        push()
        add(emblem(R.drawable.icon_check, R.color.accent, R.color.on_accent))
        add(title(say(R.string.ready_title)), large)
        add(text(say(R.string.ready_text), Type.BODY, R.color.text_soft), medium)
        push()
        add(button(say(R.string.go_home)) { model.activation.done() }, large)
    }
    Page(body, say(R.string.ready_title), hasBack = false)
}

internal fun activeLater(context: Context, screen: Screen.ActiveLater, model: AppModel): Page = with(context) {
    val at = DateFormat.getTimeInstance(DateFormat.SHORT, resources.configuration.locales[0]).format(Date(screen.from * 1000))
    val body = plain(R.drawable.icon_clock, R.string.active_later_title, say(R.string.active_later_text, at)) {
        add(button(say(R.string.go_home)) { model.activation.done() })
    }
    Page(body, say(R.string.active_later_title), hasBack = false)
}
