package dk.godkend.app

import android.content.Context
import android.view.View
import dk.godkend.screens.Action
import dk.godkend.screens.AppModel
import dk.godkend.screens.Event
import dk.godkend.screens.HistoryLine
import dk.godkend.screens.Screen
import java.text.DateFormat
import java.util.Date

internal fun history(context: Context, screen: Screen.History, model: AppModel): Page = with(context) {
    val body = column().apply {
        add(title(say(R.string.history_title)), small)
        if (screen.lines.isEmpty()) {
            add(text(say(R.string.history_empty), Type.BODY, R.color.text_soft), medium)
        } else {
            add(text(say(R.string.history_kept), Type.LABEL, R.color.text_soft), small)
            add(group(*screen.lines.map { line(it) }.toTypedArray()), medium)
            push()
            add(button(say(R.string.history_export), Weight.SECOND) { activity()?.export() }, large)
        }
    }
    Page(body, say(R.string.history_title))
}

internal fun eventName(event: Event): Int = when (event) {
    Event.ACTIVATED -> R.string.event_activated
    Event.APPROVED -> R.string.event_approved
    Event.DENIED -> R.string.event_denied
    Event.REPORTED -> R.string.event_reported
    Event.WRONG_PIN -> R.string.event_wrong_pin
    Event.NOT_TAKEN -> R.string.event_not_taken
    Event.EXPIRED -> R.string.event_expired
    Event.OFFLINE_CODE -> R.string.event_offline_code
    Event.BLOCKED -> R.string.event_blocked
    Event.PIN_RESET -> R.string.event_pin_reset
    Event.RECOGNISED -> R.string.event_recognised
}

private fun topic(action: Action): Int = when (action) {
    Action.LOG_ON -> R.string.topic_log_on
    Action.APPROVE -> R.string.topic_approve
    Action.CONFIRM -> R.string.topic_confirm
    Action.ACCEPT -> R.string.topic_accept
    Action.SIGN -> R.string.topic_sign
    Action.NEW_DEVICE_NOTICE -> R.string.topic_new_device
    Action.NOTICE_OF_USE -> R.string.topic_use
    Action.OWN -> R.string.topic_own
}

private fun Context.about(line: HistoryLine): String =
    listOfNotNull(line.relyingParty, line.action?.let { say(topic(it)) }, line.text, line.place, line.code).joinToString(" · ")

private fun Context.time(line: HistoryLine): String =
    DateFormat.getDateTimeInstance(DateFormat.MEDIUM, DateFormat.SHORT, resources.configuration.locales[0]).format(Date(line.at * 1000))

private fun Context.line(line: HistoryLine): View = row().apply {
    setPadding(medium, small * 3 / 2, medium, small * 3 / 2)
    minimumHeight = px(R.dimen.size_button)
    val trouble = line.event.isTrouble
    addView(icon(if (trouble) R.drawable.icon_alert else R.drawable.icon_check, if (trouble) R.color.danger else R.color.accent))
    add(column().apply {
        add(text(say(eventName(line.event)), Type.STRONG, if (trouble) R.color.danger else R.color.text))
        val about = about(line)
        if (about.isNotEmpty()) add(text(about, Type.LABEL, R.color.text))
        add(text(time(line), Type.LABEL, R.color.text_soft))
    }, medium, 1f)
}
