package dk.godkend.app

import android.content.Context
import android.view.View
import android.widget.LinearLayout
import dk.godkend.screens.AppModel
import dk.godkend.screens.DemoStory
import dk.godkend.screens.Screen
import dk.godkend.screens.Update

internal fun home(context: Context, screen: Screen.Home, model: AppModel): Page = with(context) {
    val body = column().apply {
        add(head(screen))
        if (screen.isOffline) add(notice(say(R.string.home_offline), R.color.warning_soft, R.color.warning, R.drawable.icon_network), medium)
        if (screen.unsettled) add(notice(say(R.string.home_unsettled), R.color.warning_soft, R.color.warning, R.drawable.icon_clock), medium)
        if (screen.update != Update.None) add(updateNotice(screen.update), medium)
        if (screen.biometricsLost) add(biometricsAgain(model), medium)
        screen.others.forEach { person ->
            add(tile(R.drawable.icon_person, person.name, say(R.string.home_waiting)) { model.settings.choose(person.id) }, medium)
        }
        add(requestCard(screen, model), large)
        add(tile(R.drawable.icon_scan, say(R.string.home_scan), say(R.string.home_scan_text)) { model.scan() }, medium)
        add(tile(R.drawable.icon_keypad, say(R.string.home_number), say(R.string.home_number_text)) { model.typeNumber() }, small * 3 / 2)
        push()
        add(
            group(
                entry(R.drawable.icon_history, say(R.string.home_history)) { model.settings.history() },
                entry(R.drawable.icon_settings, say(R.string.home_settings)) { model.settings.open() },
            ),
            large,
        )
        if (model.isDemo.value) add(button(say(R.string.demo_end), Weight.QUIET) { model.endDemo() }, small)
    }
    Page(body, say(R.string.app_name), hasBack = false)
}

private fun Context.head(screen: Screen.Home): View = row().apply {
    add(wordmark(), 0, 1f)
    val first = screen.name.substringBefore(' ')
    if (first.isNotEmpty()) add(text(say(R.string.home_hello, first), Type.LABEL, R.color.text_soft))
}

private fun Context.updateNotice(update: Update): View = column().apply {
    if (update is Update.RequiredFrom) {
        val day = say(R.string.home_update_required, date(update.at))
        add(notice(day, R.color.warning_soft, R.color.warning, R.drawable.icon_save))
    } else {
        add(notice(say(R.string.home_update), R.color.accent_soft, R.color.accent, R.drawable.icon_save))
    }
    add(button(say(R.string.update), Weight.QUIET) { openStore() })
}

private fun Context.biometricsAgain(model: AppModel): View = column().apply {
    add(notice(say(R.string.home_biometrics_again), R.color.warning_soft, R.color.warning, R.drawable.icon_finger))
    add(button(say(R.string.biometrics_on), Weight.QUIET) { model.biometricsAgain() })
}

/** What waits, or that nothing does. */
private fun Context.requestCard(screen: Screen.Home, model: AppModel): View {
    val waiting = screen.waiting
    if (waiting == null) {
        return card().apply {
            add(emblem(R.drawable.icon_shield))
            add(text(say(R.string.home_ready), Type.TITLE).apply { heading() }, medium)
            add(text(say(R.string.home_nothing), Type.BODY, R.color.text_soft), small / 2)
        }
    }
    val title = if (waiting.locked) R.string.home_locked else R.string.home_waiting
    val below = if (waiting.locked) R.string.home_locked_text else R.string.home_waiting_text
    val open = if (waiting.locked) R.string.home_locked_type else R.string.home_open
    return card(R.color.accent_soft).apply {
        add(emblem(R.drawable.icon_bell, R.color.accent, R.color.on_accent))
        add(text(say(title), Type.TITLE).apply { heading() }, medium)
        add(text(say(below), Type.BODY), small / 2)
        add(button(say(open)) { model.openWaiting() }, large)
        if (waiting.locked) add(button(say(R.string.home_locked_not_me), Weight.QUIET) { model.refuseWaiting() }, small / 2)
        accessibilityLiveRegion = View.ACCESSIBILITY_LIVE_REGION_POLITE
    }
}

/** A large way in, with what it is for. */
private fun Context.tile(sign: Int, words: CharSequence, below: CharSequence, press: () -> Unit): LinearLayout =
    entry(sign, words, below, press = press).apply {
        background = pressable(surface(R.color.surface))
        setPadding(edge, medium, medium, medium)
    }

internal fun demo(context: Context, model: AppModel): Page = with(context) {
    val stories = listOf(
        Triple(DemoStory.LOGIN, R.string.demo_login, R.drawable.icon_key),
        Triple(DemoStory.PAYMENT, R.string.demo_payment, R.drawable.icon_check),
        Triple(DemoStory.STRANGER, R.string.demo_stranger, R.drawable.icon_alert),
        Triple(DemoStory.EXPIRES, R.string.demo_expires, R.drawable.icon_clock),
        Triple(DemoStory.SERVER_REFUSES, R.string.demo_refused, R.drawable.icon_block),
        Triple(DemoStory.OFFLINE, R.string.demo_offline, R.drawable.icon_network),
    )
    val body = column().apply {
        add(title(say(R.string.demo_title)), small)
        add(text(say(R.string.demo_text), Type.BODY, R.color.text_soft), medium)
        add(notice(say(R.string.demo_pin), R.color.demo_soft, R.color.demo, R.drawable.icon_lock), medium)
        val lines = stories.map { (story, words, sign) -> entry(sign, say(words)) { model.play(story) } }
        add(group(*lines.toTypedArray()), medium)
        push()
        add(button(say(R.string.demo_end), Weight.SECOND) { model.endDemo() }, large)
    }
    Page(body, say(R.string.demo_title), hasBack = false)
}
