package dk.godkend.app

import android.content.Context
import android.graphics.drawable.BitmapDrawable
import android.os.Build
import android.view.View
import android.widget.ImageView
import android.widget.LinearLayout
import dk.godkend.screens.AppModel
import dk.godkend.screens.Language
import dk.godkend.screens.Screen
import dk.godkend.screens.Standing
import dk.godkend.screens.SupportFacts
import java.text.DateFormat
import java.util.Date

internal fun settings(context: Context, screen: Screen.Settings, model: AppModel): Page = with(context) {
    val person = screen.person
    val onOff = say(if (person.biometrics) R.string.settings_on else R.string.settings_off)
    val body = column().apply {
        add(title(say(R.string.settings_title)), small)
        section(
            R.string.settings_security,
            entry(R.drawable.icon_lock, say(R.string.settings_pin)) { model.settings.changePin() },
            entry(R.drawable.icon_finger, say(R.string.settings_biometrics), onOff) { model.settings.setBiometrics(!person.biometrics) },
            entry(R.drawable.icon_key, say(R.string.settings_block_code)) { model.settings.blockCode() },
            entry(R.drawable.icon_block, say(R.string.settings_block), danger = true) { model.settings.block() },
        )
        section(
            R.string.settings_phone,
            entry(R.drawable.icon_phone, say(R.string.settings_devices), "${Build.MANUFACTURER} ${Build.MODEL}") { model.settings.devices() },
            entry(R.drawable.icon_move, say(R.string.settings_move)) { model.settings.move() },
            entry(R.drawable.icon_person, say(R.string.settings_people), person.name) { model.settings.people() },
        )
        section(
            R.string.settings_app,
            entry(R.drawable.icon_globe, say(R.string.settings_language), languageName(screen.language)) { model.settings.language() },
            entry(R.drawable.icon_support, say(R.string.settings_support)) { model.settings.support() },
            entry(R.drawable.icon_info, say(R.string.settings_licences)) { model.settings.licences() },
            entry(R.drawable.icon_shield, say(R.string.settings_about)) { model.settings.about() },
        )
    }
    Page(body, say(R.string.settings_title))
}

private fun LinearLayout.section(name: Int, vararg lines: View) {
    add(context.heading(context.say(name)), context.large)
    add(context.group(*lines), context.small)
}

private fun Context.languageName(language: Language) = say(
    when (language) {
        Language.PHONE -> R.string.language_phone
        Language.DANISH -> R.string.language_da
        Language.ENGLISH -> R.string.language_en
        Language.GREENLANDIC -> R.string.language_kl
    },
)

internal fun chooseLanguage(context: Context, screen: Screen.ChooseLanguage, model: AppModel): Page = with(context) {
    val lines = Language.entries.map { language ->
        val chosen = language == screen.language
        entry(if (chosen) R.drawable.icon_check else R.drawable.icon_globe, languageName(language), if (chosen) say(R.string.people_chosen) else null) {
            model.settings.chooseLanguage(language)
        }
    }
    val body = column().apply {
        add(title(say(R.string.language_title)), small)
        add(group(*lines.toTypedArray()), large)
    }
    Page(body, say(R.string.language_title))
}

internal fun Context.date(seconds: Long): String =
    DateFormat.getDateInstance(DateFormat.MEDIUM, resources.configuration.locales[0]).format(Date(seconds * 1000))

internal fun devices(context: Context, screen: Screen.Devices, model: AppModel): Page = with(context) {
    val overview = screen.overview
    val phones = overview.devices.map { device ->
        val below = if (device.isThis) say(R.string.devices_this) else device.lastUsed?.let { say(R.string.devices_used, date(it)) } ?: device.platform
        removable(R.drawable.icon_phone, device.model, below, say(R.string.devices_remove, device.model)) { model.settings.removeDevice(device) }
    }
    val browsers = overview.browsers.map { browser ->
        removable(R.drawable.icon_globe, browser.name, say(R.string.devices_since, date(browser.since)), say(R.string.devices_forget, browser.name)) {
            model.settings.forgetBrowser(browser)
        }
    }
    val body = column().apply {
        add(title(say(R.string.devices_title)), small)
        section(R.string.devices_phones, *phones.toTypedArray())
        if (browsers.isEmpty()) {
            add(heading(say(R.string.devices_browsers)), large)
            add(text(say(R.string.devices_no_browsers), Type.BODY, R.color.text_soft), small)
        } else {
            section(R.string.devices_browsers, *browsers.toTypedArray())
        }
        val calls = switchLine(say(R.string.settings_calls), overview.calls) { model.settings.setCalls(it) }
        calls.background = surface(R.color.surface)
        add(calls, large)
        add(text(say(R.string.settings_calls_text), Type.LABEL, R.color.text_soft), small)
    }
    Page(body, say(R.string.devices_title))
}

/** A line with what it is and a button that removes it. */
private fun Context.removable(sign: Int, words: CharSequence, below: CharSequence, remove: CharSequence, press: () -> Unit): View = row().apply {
    setPadding(medium, small, small, small)
    minimumHeight = px(R.dimen.size_button)
    addView(icon(sign, R.color.accent))
    add(column().apply {
        add(text(words, Type.BODY))
        add(text(below, Type.LABEL, R.color.text_soft))
    }, medium, 1f)
    addView(iconButton(R.drawable.icon_cross, remove, press))
}

internal fun confirm(context: Context, screen: Screen.Confirm, model: AppModel): Page = with(context) {
    val (title, words, yes) = when (screen.question) {
        Screen.Question.BLOCK -> Triple(R.string.block_title, say(R.string.block_text), say(R.string.block_yes))
        Screen.Question.REMOVE_DEVICE -> Triple(R.string.remove_title, say(R.string.remove_text, screen.name), say(R.string.remove_yes))
        Screen.Question.FORGET_BROWSER -> Triple(R.string.forget_title, say(R.string.forget_text, screen.name), say(R.string.forget_yes))
        Screen.Question.FORGET_PERSON ->
            Triple(R.string.people_title, say(R.string.people_remove, screen.name), say(R.string.people_remove, screen.name))
    }
    val body = column().apply {
        add(emblem(R.drawable.icon_alert, R.color.danger_soft, R.color.danger), small)
        add(title(say(title)), large)
        add(text(words, Type.BODY, R.color.text_soft), medium)
        push()
        add(button(yes, Weight.DANGER) { model.settings.confirm() }, large)
        add(button(say(R.string.cancel), Weight.QUIET) { model.back() }, small)
    }
    Page(body, say(title))
}

internal fun move(context: Context, screen: Screen.Move, model: AppModel): Page = with(context) {
    val body = plain(R.drawable.icon_move, R.string.move_title, say(R.string.move_text)) {
        val keep = switchLine(say(R.string.move_keep), screen.keep) { model.settings.setKeep(it) }
        keep.background = surface(R.color.surface)
        add(keep)
        add(button(say(R.string.move_start)) { model.settings.startMove() }, medium)
    }
    Page(body, say(R.string.move_title)) { it is Screen.Move }
}

internal fun moveCode(context: Context, screen: Screen.MoveCode, model: AppModel): Page = with(context) {
    val side = px(R.dimen.size_key) * 4
    val body = column().apply {
        add(title(say(R.string.move_show_title)), small)
        val picture = ImageView(context).apply {
            // Black on white in either theme: that is what cameras read.
            setImageDrawable(BitmapDrawable(resources, Qr.draw(screen.link.text, side)))
            contentDescription = say(R.string.move_qr)
            background = surface(android.R.color.white)
            setPadding(medium, medium, medium, medium)
            adjustViewBounds = true
        }
        add(row().apply {
            gravity = android.view.Gravity.CENTER
            addView(picture, LinearLayout.LayoutParams(side, side))
        }, large)
        add(notice(say(R.string.move_show_text), R.color.warning_soft, R.color.warning, R.drawable.icon_alert), large)
        push()
        add(button(say(R.string.move_digits_title)) { model.settings.typeMoveDigits() }, large)
    }
    Page(body, say(R.string.move_show_title))
}

internal fun people(context: Context, screen: Screen.People, model: AppModel): Page = with(context) {
    val lines = screen.people.flatMap { person ->
        val chosen = person.id == screen.chosen
        listOf(
            entry(if (chosen) R.drawable.icon_check else R.drawable.icon_person, person.name, if (chosen) say(R.string.people_chosen) else null) {
                model.settings.choose(person.id)
            },
            entry(R.drawable.icon_cross, say(R.string.people_remove, person.name), danger = person.standing != Standing.Removed) {
                model.settings.forgetPerson(person)
            },
        )
    }
    val body = column().apply {
        add(title(say(R.string.people_title)), small)
        add(text(say(R.string.people_text), Type.BODY, R.color.text_soft), medium)
        add(group(*lines.toTypedArray()), large)
        push()
        add(button(say(R.string.people_add), Weight.SECOND) { model.settings.addPerson() }, large)
    }
    Page(body, say(R.string.people_title))
}

internal fun support(context: Context, screen: Screen.Support): Page = with(context) {
    val facts = screen.facts
    val code = screen.code
    fun available(yes: Boolean) = say(if (yes) R.string.support_available else R.string.support_missing)
    val keys = when (facts.keys) {
        SupportFacts.KeyProtection.STRONGBOX -> R.string.support_strongbox
        SupportFacts.KeyProtection.TRUSTED_ENVIRONMENT -> R.string.support_tee
        SupportFacts.KeyProtection.SOFTWARE -> R.string.support_software
    }
    val body = column().apply {
        add(title(say(R.string.support_title)), small)
        add(text(say(R.string.support_text), Type.BODY, R.color.text_soft), medium)
        // Longer than a code to type: it is read out.
        add(bigCode(code, say(R.string.support_spoken, code.toList().joinToString(" "))).apply { setTextSize(Type.HEADING) }, large)
        add(card().apply {
            add(fact(say(R.string.support_app), facts.appVersion))
            add(fact(say(R.string.support_system), "Android ${facts.systemVersion}, ${facts.model}"), medium)
            add(fact(say(R.string.support_keys), say(keys)), medium)
            add(fact(say(R.string.support_biometrics), available(facts.biometrics)), medium)
            add(fact(say(R.string.support_agreement), available(facts.keyAgreement)), medium)
        }, medium)
    }
    Page(body, say(R.string.support_title))
}

internal fun forgottenPin(context: Context, model: AppModel): Page = with(context) {
    val body = plain(R.drawable.icon_lock, R.string.pin_forgotten_title, say(R.string.pin_forgotten_text)) {
        add(button(say(R.string.pin_forgotten_opened)) { model.resetPin() })
        add(button(say(R.string.go_home), Weight.QUIET) { model.home() }, small)
    }
    Page(body, say(R.string.pin_forgotten_title))
}

internal fun licences(context: Context): Page = with(context) {
    val works = listOf(
        "Godkend" to "Apache-2.0 / MIT", "Kotlin, kotlinx.coroutines" to "Apache-2.0", "JNA" to "Apache-2.0 / LGPL-2.1",
        "ZXing" to "Apache-2.0", "UniFFI" to "MPL-2.0", "ring" to "Apache-2.0 AND ISC", "rustls" to "Apache-2.0 / MIT / ISC",
        "tokio, reqwest, hyper" to "MIT / Apache-2.0", "opaque-ke, p256, hpke" to "MIT / Apache-2.0",
    )
    val body = column().apply {
        add(title(say(R.string.licences_title)), small)
        add(card().apply { works.forEachIndexed { i, (name, licence) -> add(fact(name, licence), if (i == 0) 0 else medium) } }, large)
    }
    Page(body, say(R.string.licences_title))
}

internal fun about(context: Context, screen: Screen.About): Page = with(context) {
    val body = plain(R.drawable.icon_shield, R.string.about_title, say(R.string.about_text), say(R.string.about_version, screen.version)) {}
    Page(body, say(R.string.about_title))
}
