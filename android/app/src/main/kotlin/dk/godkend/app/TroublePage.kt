package dk.godkend.app

import android.content.Context
import android.view.View
import dk.godkend.screens.AppModel
import dk.godkend.screens.Problem
import dk.godkend.screens.Problem.Kind
import dk.godkend.screens.Screen

/** Title, text and sign of everything that can go wrong. */
internal enum class Words(val kind: Kind, val title: Int, val text: Int, val sign: Int) {
    NO_NETWORK(Kind.NO_NETWORK, R.string.error_no_network_title, R.string.error_no_network_text, R.drawable.icon_network),
    PIN_WAITING(Kind.PIN_WAITING, R.string.error_waiting_title, R.string.error_waiting_text, R.drawable.icon_clock),
    PIN_DEAD(Kind.PIN_DEAD, R.string.error_pin_dead_title, R.string.error_pin_dead_text, R.drawable.icon_block),
    BLOCKED(Kind.BLOCKED, R.string.error_blocked_title, R.string.error_blocked_text, R.drawable.icon_block),
    FROZEN(Kind.FROZEN, R.string.error_frozen_title, R.string.error_frozen_text, R.drawable.icon_block),
    REMOVED(Kind.REMOVED, R.string.error_removed_title, R.string.error_removed_text, R.drawable.icon_phone),
    KEY_INVALIDATED(Kind.KEY_INVALIDATED, R.string.error_invalidated_title, R.string.error_invalidated_text, R.drawable.icon_finger),
    NOT_RECOGNISED(Kind.NOT_RECOGNISED, R.string.error_not_recognised_title, R.string.error_not_recognised_text, R.drawable.icon_finger),
    LOCKED_OUT(Kind.LOCKED_OUT, R.string.error_locked_out_title, R.string.error_locked_out_text, R.drawable.icon_lock),
    CANCELLED(Kind.CANCELLED, R.string.error_cancelled_title, R.string.error_cancelled_text, R.drawable.icon_cross),
    NO_BIOMETRICS(Kind.NO_BIOMETRICS, R.string.error_no_biometrics_title, R.string.error_no_biometrics_text, R.drawable.icon_finger),
    NO_AGREEMENT(Kind.NO_AGREEMENT, R.string.error_no_agreement_title, R.string.error_no_agreement_text, R.drawable.icon_network),
    NOT_SUPPORTED(Kind.NOT_SUPPORTED, R.string.error_not_supported_title, R.string.error_not_supported_text, R.drawable.icon_phone),
    KEY_MISSING(Kind.KEY_MISSING, R.string.error_key_missing_title, R.string.error_key_missing_text, R.drawable.icon_key),
    STATE_DAMAGED(Kind.STATE_DAMAGED, R.string.error_key_missing_title, R.string.error_key_missing_text, R.drawable.icon_key),
    EXPIRED(Kind.EXPIRED, R.string.error_expired_title, R.string.error_expired_text, R.drawable.icon_clock),
    CLOCK_WRONG(Kind.CLOCK_WRONG, R.string.error_clock_title, R.string.error_clock_text, R.drawable.icon_clock),
    UPDATE_REQUIRED(Kind.UPDATE_REQUIRED, R.string.error_update_title, R.string.error_update_text, R.drawable.icon_save),
    REFUSED(Kind.REFUSED, R.string.error_refused_title, R.string.error_refused_text, R.drawable.icon_alert),
    THROTTLED(Kind.THROTTLED, R.string.error_waiting_title, R.string.error_throttled_text, R.drawable.icon_clock),
    UNTRUSTED(Kind.UNTRUSTED, R.string.error_untrusted_title, R.string.error_untrusted_text, R.drawable.icon_alert),
    STORAGE(Kind.STORAGE, R.string.error_storage_title, R.string.error_storage_text, R.drawable.icon_phone),
    NOT_A_CODE(Kind.NOT_A_CODE, R.string.error_not_a_code_title, R.string.error_not_a_code_text, R.drawable.icon_scan),
    UNKNOWN_ROOT(Kind.UNKNOWN_ROOT, R.string.error_unknown_root_title, R.string.error_unknown_root_text, R.drawable.icon_scan),
    NOT_NOW(Kind.NOT_NOW, R.string.error_not_now_title, R.string.error_not_now_text, R.drawable.icon_info),
    SHARED_PHONE(Kind.SHARED_PHONE, R.string.error_shared_title, R.string.error_shared_text, R.drawable.icon_person),
    NOT_BUILT(Kind.NOT_BUILT, R.string.error_not_built_title, R.string.error_not_built_text, R.drawable.icon_info),
    VOID(Kind.VOID, R.string.activate_title, R.string.stage_void, R.drawable.icon_key),
    ;

    companion object {
        fun of(kind: Kind): Words = entries.first { it.kind == kind }
    }
}

internal fun duration(seconds: Int): String = if (seconds >= HOUR) {
    "%d:%02d:%02d".format(seconds / HOUR, seconds % HOUR / MINUTE, seconds % MINUTE)
} else {
    "%d:%02d".format(seconds / MINUTE, seconds % MINUTE)
}

/** What happened, in one or two sentences. */
internal fun Context.sentence(problem: Problem): String = when (problem.kind) {
    Kind.PIN_WAITING, Kind.THROTTLED -> say(Words.of(problem.kind).text, duration(problem.waitSeconds ?: 0))
    Kind.REFUSED -> problem.sentence?.ifEmpty { null } ?: say(R.string.error_refused_text, problem.code ?: "")
    else -> say(Words.of(problem.kind).text)
}

internal fun trouble(context: Context, screen: Screen.Trouble, model: AppModel): Page = with(context) {
    val problem = screen.problem
    val words = Words.of(problem.kind)
    val message = text(sentence(problem), Type.BODY, R.color.text_soft)
    val body = column().apply {
        push()
        add(emblem(words.sign, R.color.warning_soft, R.color.warning))
        add(title(say(words.title)).apply { accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_ASSERTIVE }, large)
        add(message, medium)
        problem.code?.let { add(text(say(R.string.error_refused_code, it), Type.LABEL, R.color.text_soft), medium) }
        push()
        add(next(problem, model), large)
        if (problem.next != Problem.Next.HOME && problem.next != Problem.Next.CLOSE_APP) {
            add(button(say(R.string.back), Weight.QUIET) { activity()?.onBack() }, small)
        }
    }
    // A wait counts down before the person's eyes, by the clock and not by the number of redraws.
    val ends = problem.waitSeconds?.let { android.os.SystemClock.elapsedRealtime() + it * 1000L }
    if (ends != null) message.every(SECOND_MILLIS) {
        val left = ((ends - android.os.SystemClock.elapsedRealtime() + 999) / 1000).coerceAtLeast(0).toInt()
        message.text = sentence(problem.copy(waitSeconds = left))
        left > 0
    }
    Page(body, say(words.title), hasBack = false)
}

/** Does something each so often while the view is on the screen, until it says that it is done. */
private fun View.every(millis: Long, action: () -> Boolean) {
    val step = object : Runnable {
        override fun run() {
            if (isAttachedToWindow && action()) postDelayed(this, millis)
        }
    }
    addOnAttachStateChangeListener(object : View.OnAttachStateChangeListener {
        override fun onViewAttachedToWindow(view: View) {
            step.run()
        }

        override fun onViewDetachedFromWindow(view: View) {
            removeCallbacks(step)
        }
    })
}

private fun Context.next(problem: Problem, model: AppModel): View = when (problem.next) {
    Problem.Next.RETRY -> button(say(R.string.try_again)) { model.tryAgain() }
    Problem.Next.USE_PIN -> button(say(R.string.approve_pin)) { model.usePin() }
    Problem.Next.HOME -> button(say(R.string.go_home)) { model.home() }
    Problem.Next.ACTIVATE -> button(say(R.string.error_activate_again)) { model.activateAgain() }
    Problem.Next.UPDATE -> button(say(R.string.update)) { openStore() }
    Problem.Next.CLOCK_SETTINGS -> button(say(R.string.error_clock_settings)) { openDateSettings() }
    Problem.Next.FORGOTTEN_PIN -> button(say(R.string.pin_forgotten)) { model.forgottenPin() }
    Problem.Next.CLOSE_APP -> button(say(R.string.close)) { activity()?.finish() }
}

private const val MINUTE = 60
private const val HOUR = 3600
private const val SECOND_MILLIS = 1000L
