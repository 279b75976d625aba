package dk.godkend.app

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import android.widget.ProgressBar
import android.widget.TextView
import dk.godkend.screens.Action
import dk.godkend.screens.AppModel
import dk.godkend.screens.Binding
import dk.godkend.screens.Level
import dk.godkend.screens.Payment
import dk.godkend.screens.Request
import dk.godkend.screens.Screen
import java.text.NumberFormat
import java.util.Currency

internal fun asked(context: Context, screen: Screen.Asked, model: AppModel): Page =
    if (screen.request.isNotice) notice(context, screen, model) else request(context, screen, model)

/** What was used, and whether it was the person: nothing to approve, nothing that slides. */
private fun notice(context: Context, screen: Screen.Asked, model: AppModel): Page = with(context) {
    val request = screen.request
    val yes = button(say(R.string.use_yes)) { model.requests.answerNotice(wasMe = true) }
    val no = button(say(R.string.use_no), Weight.DANGER) { model.requests.answerNotice(wasMe = false) }
    val later = button(say(R.string.use_later), Weight.QUIET) { model.back() }
    val facts = listOfNotNull(
        request.place?.let { fact(say(R.string.request_place), it) },
        request.browser?.let { fact(say(R.string.request_browser), it) },
    )
    val body = column().apply {
        add(text(say(R.string.use_kind), Type.LABEL, R.color.text_soft), small)
        add(title(say(R.string.use_title)), small / 2)
        request.text?.let { add(text(it, Type.HEADING), medium) }
        if (facts.isNotEmpty()) {
            add(
                card().apply {
                    setPadding(edge, small * 3 / 2, edge, small * 3 / 2)
                    facts.forEachIndexed { place, fact -> add(fact, if (place == 0) 0 else small / 2) }
                },
                medium,
            )
        }
        add(text(say(R.string.use_explained), Type.BODY, R.color.text_soft), medium)
        push()
        add(yes, medium)
        add(no, small * 3 / 2)
        add(later, small)
    }
    val update = { new: Screen ->
        if (new is Screen.Asked && new.request == request) {
            listOf(yes, no, later).forEach { it.isEnabled = !new.working }
            true
        } else {
            false
        }
    }
    update(screen)
    Page(body, say(R.string.use_title), hasBack = false, update = update)
}

private fun request(context: Context, screen: Screen.Asked, model: AppModel): Page = with(context) {
    val request = screen.request
    val countdown = Countdown(this, request.expiresIn)
    val slide = SlideToApprove(this, say(R.string.request_swipe)) { model.requests.approve() }
    val approve = button(say(R.string.request_approve_button)) { model.requests.approve() }
    val refuse = button(say(R.string.request_refuse), Weight.SECOND) { model.requests.askWhy() }
    val body = column().apply {
        add(countdown.view)
        add(text(request.relyingParty, Type.TITLE).apply { heading() }, medium)
        add(text(say(wanted(request)), Type.BODY, R.color.text_soft), small / 2)
        request.payment?.let { add(paymentCard(it), medium) }
        request.text?.let { add(quote(it), small * 3 / 2) }
        if (request.newBrowser) {
            add(notice(say(R.string.request_new_browser), R.color.warning_soft, R.color.warning, R.drawable.icon_alert), medium)
        }
        add(factsCard(request), small * 3 / 2)
        if (request.mayRemember) {
            val remember = switchLine(say(R.string.request_remember), screen.remember) { model.requests.setRemember(it) }
            remember.background = surface(R.color.surface)
            add(remember, medium)
        }
        push()
        add(slide, medium)
        add(
            row().apply {
                add(approve, 0, 1f)
                add(refuse, small * 3 / 2, 1f)
            },
            small * 3 / 2,
        )
    }
    val update = { new: Screen ->
        if (new is Screen.Asked && new.request == request) {
            countdown.show(new.secondsLeft)
            slide.isEnabled = !new.working
            approve.isEnabled = !new.working
            refuse.isEnabled = !new.working
            if (!new.working) slide.rest()
            true
        } else {
            false
        }
    }
    update(screen)
    Page(body, "${request.relyingParty} ${say(wanted(request))}", hasBack = false, update = update)
}

/** How long is left: a bar that shrinks, and the time in words. */
internal class Countdown(private val context: Context, private val whole: Int?) {
    private val words: TextView = context.text("", Type.LABEL, R.color.text_soft).apply { setTextIsSelectable(false) }
    private val bar = ProgressBar(context, null, android.R.attr.progressBarStyleHorizontal).apply {
        max = (whole ?: 1).coerceAtLeast(1)
        progressTintList = android.content.res.ColorStateList.valueOf(context.getColor(R.color.accent))
        progressBackgroundTintList = android.content.res.ColorStateList.valueOf(context.getColor(R.color.hairline))
        importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
    }
    val view: View = context.column().apply {
        add(context.row().apply {
            addView(context.icon(R.drawable.icon_clock, R.color.text_soft, context.px(R.dimen.size_icon) * 3 / 4))
            add(words, context.small, 1f)
        })
        add(bar, context.small / 2)
        visibility = if (whole == null) View.GONE else View.VISIBLE
    }

    fun show(left: Int?) {
        if (left == null) return
        bar.progress = left
        val time = "%d:%02d".format(left / 60, left % 60)
        words.text = context.say(R.string.request_expires, time)
        val colour = if (left <= SOON) R.color.danger else R.color.text_soft
        words.setTextColor(context.getColor(colour))
        // Said aloud once, when time runs short; a countdown that speaks each second would drown everything else.
        if (left == SOON) words.accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_ASSERTIVE
        if (left == SOON - 1) words.accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_NONE
    }

    private companion object {
        const val SOON = 30
    }
}

internal fun wanted(request: Request): Int = when (request.action) {
    Action.LOG_ON -> R.string.request_log_on
    Action.APPROVE -> if (request.payment == null) R.string.request_approve else R.string.request_pay
    Action.CONFIRM -> R.string.request_confirm
    Action.ACCEPT -> R.string.request_accept
    Action.SIGN -> R.string.request_sign
    Action.NEW_DEVICE_NOTICE -> R.string.request_new_device
    Action.NOTICE_OF_USE -> R.string.use_kind
    Action.OWN -> R.string.request_own
}

/** The amount as the person's language writes it. */
internal fun Context.amount(payment: Payment): String {
    val currency = runCatching { Currency.getInstance(payment.currency) }.getOrNull()
    val digits = currency?.defaultFractionDigits?.coerceAtLeast(0) ?: 2
    val format = NumberFormat.getNumberInstance(resources.configuration.locales[0])
    format.minimumFractionDigits = digits
    format.maximumFractionDigits = digits
    return "${format.format(java.math.BigDecimal.valueOf(payment.amountMinor, digits))} ${payment.currency}"
}

private fun Context.paymentCard(payment: Payment): View = card().apply {
    setPadding(edge, small * 3 / 2, edge, small * 3 / 2)
    val amount = amount(payment)
    add(text(say(R.string.request_amount), Type.LABEL, R.color.text_soft))
    add(text(amount, Type.DISPLAY, R.color.accent).apply {
        // A long amount gets smaller before it breaks; it is never cut.
        setAutoSizeTextTypeUniformWithConfiguration(px(R.dimen.type_heading), px(R.dimen.type_display), 1, android.util.TypedValue.COMPLEX_UNIT_PX)
        maxLines = 2
    })
    add(text(say(R.string.request_payee), Type.LABEL, R.color.text_soft), small)
    add(text(payment.payee, Type.HEADING))
    payment.account?.let { add(text(it, Type.LABEL, R.color.text_soft)) }
}

/** The reference text, unchanged, with a mark that it is somebody else's words. */
private fun Context.quote(words: String): View = row().apply {
    background = surface(R.color.sunken)
    setPadding(edge, small, edge, small)
    add(column().apply {
        add(text(say(R.string.request_text), Type.LABEL, R.color.text_soft))
        add(text("“$words”", Type.STRONG))
    }, 0, 1f)
}

private fun Context.factsCard(request: Request): LinearLayout = card().apply {
    setPadding(edge, small * 3 / 2, edge, small * 3 / 2)
    val facts = listOfNotNull(
        request.place?.let { fact(say(R.string.request_place), it) },
        request.browser?.let { fact(say(R.string.request_browser), it) },
        fact(say(R.string.request_level), say(levelName(request.level))),
        fact(say(R.string.request_binding), say(bindingName(request.binding))),
    )
    facts.forEachIndexed { place, fact -> add(fact, if (place == 0) 0 else small / 2) }
}

private fun levelName(level: Level) = when (level) {
    Level.LOW -> R.string.level_low
    Level.SUBSTANTIAL -> R.string.level_substantial
    Level.HIGH -> R.string.level_high
}

private fun bindingName(binding: Binding) = when (binding) {
    Binding.SCANNED_QR -> R.string.binding_scanned_qr
    Binding.SAME_DEVICE -> R.string.binding_same_device
    Binding.TYPED_NUMBER -> R.string.binding_typed_number
    Binding.REMEMBERED_BROWSER -> R.string.binding_remembered_browser
    Binding.REMEMBERED_BROWSER_AND_NUMBER -> R.string.binding_remembered_browser_and_number
    Binding.DEVICE -> R.string.binding_device
    Binding.OFFLINE -> R.string.binding_offline
}

internal fun refuse(context: Context, screen: Screen.Refuse, model: AppModel): Page = with(context) {
    fun reason(sign: Int, words: Int, below: Int, danger: Boolean, press: () -> Unit) =
        entry(sign, say(words), say(below), danger, press).apply {
            background = pressable(surface(R.color.surface))
            setPadding(edge, edge, medium, edge)
            isEnabled = !screen.working
        }
    val body = column().apply {
        add(title(say(R.string.refuse_title)), small)
        screen.request?.let { add(text(it.relyingParty, Type.BODY, R.color.text_soft), small) }
        add(reason(R.drawable.icon_cross, R.string.refuse_mind, R.string.refuse_mind_text, false) { model.requests.refuse(false) }, large)
        add(reason(R.drawable.icon_alert, R.string.refuse_fraud, R.string.refuse_fraud_text, true) { model.requests.refuse(true) }, medium)
        if (screen.working) add(waiting(say(R.string.working)), large)
    }
    Page(body, say(R.string.refuse_title))
}

internal fun result(context: Context, screen: Screen.Result, model: AppModel): Page = with(context) {
    val outcome = screen.outcome
    val good = outcome != Screen.Outcome.REFUSED && outcome != Screen.Outcome.REPORTED && outcome != Screen.Outcome.DISPUTED
    val title = when (outcome) {
        Screen.Outcome.APPROVED -> R.string.approved_title
        Screen.Outcome.REFUSED -> R.string.refused_title
        Screen.Outcome.REPORTED, Screen.Outcome.DISPUTED -> R.string.reported_title
        Screen.Outcome.RECOGNISED -> R.string.recognised_title
        Screen.Outcome.PIN_CHANGED -> R.string.pin_changed
        Screen.Outcome.BIOMETRICS_ON -> R.string.biometrics_done
        Screen.Outcome.BIOMETRICS_OFF -> R.string.biometrics_off_done
        Screen.Outcome.MOVED -> R.string.move_done_title
    }
    val words = when (outcome) {
        Screen.Outcome.APPROVED -> say(R.string.approved_text, screen.relyingParty)
        Screen.Outcome.REFUSED -> say(R.string.refused_text)
        Screen.Outcome.REPORTED -> say(R.string.reported_text)
        Screen.Outcome.RECOGNISED -> say(R.string.recognised_text)
        Screen.Outcome.DISPUTED -> say(R.string.disputed_text)
        Screen.Outcome.MOVED -> say(R.string.move_done_text, screen.relyingParty)
        else -> null
    }
    val sign = if (good) R.drawable.icon_check else R.drawable.icon_shield
    val body = column().apply {
        push()
        add(if (good) emblem(sign, R.color.accent, R.color.on_accent) else emblem(sign, R.color.sunken, R.color.text))
        add(title(say(title)).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE }, large)
        words?.let { add(text(it, Type.BODY, R.color.text_soft), medium) }
        push()
        if (outcome == Screen.Outcome.REPORTED) {
            add(button(say(R.string.reported_change_pin), Weight.SECOND) { model.settings.changePin() }, large)
        }
        val url = screen.returnUrl
        if (url != null) add(button(say(R.string.approved_return)) { openBrowser(url) }, large)
        add(button(say(R.string.done), if (url == null) Weight.MAIN else Weight.QUIET) { model.back() }, small * 3 / 2)
    }
    Page(body, say(title), hasBack = false)
}

internal fun offlineCode(context: Context, screen: Screen.OfflineCode, model: AppModel): Page = with(context) {
    val code = pairs(screen.code.text)
    val body = column().apply {
        add(title(say(R.string.offline_code_title)), small)
        add(bigCode(code, say(R.string.digits_spoken, code.toList().joinToString(" "))), large)
        add(text(say(R.string.offline_code_text), Type.BODY, R.color.text_soft), large)
        push()
        add(button(say(R.string.done)) { model.back() }, large)
    }
    Page(body, say(R.string.offline_code_title), hasBack = false)
}
