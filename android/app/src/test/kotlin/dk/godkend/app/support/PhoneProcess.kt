package dk.godkend.app.support

import dk.godkend.Desktop
import dk.godkend.KeySecurity
import dk.godkend.Language
import dk.godkend.PhoneConfig
import dk.godkend.platform.BoundPhone
import dk.godkend.readRoots
import dk.godkend.screens.AppModel
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.launchIn
import kotlinx.coroutines.flow.onEach
import kotlinx.coroutines.launch
import org.json.JSONObject
import java.io.File
import java.util.concurrent.Executors
import kotlin.system.exitProcess

/**
 * The app's models in a process of their own, on keys in software, for tests that kill it: `main(folder, roots)`. It prints
 * its screen, one line of JSON, whenever that has changed, and reads `link TEXT`, `number DIGITS`, `open` (what waits),
 * `remember`, `approve`, `pin DIGITS`, `noted`, `done`, `history`.
 */
object PhoneProcess {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (folder, roots) = arguments
        val main = Executors.newSingleThreadExecutor().asCoroutineDispatcher()
        val scope = CoroutineScope(SupervisorJob() + main)
        val desktop by lazy { Desktop(folder) }
        val model = AppModel(
            {
                val config = PhoneConfig(readRoots(File(roots).readText()), "Pixel", "Android", "1.0.0", Language.DANISH, KeySecurity.SOFTWARE)
                BoundPhone(dk.godkend.Phone.open(config, desktop.keys(), desktop.store())) { Language.DANISH }
            },
            QuietSurroundings, scope, { dk.godkend.erase(desktop.keys(), desktop.store()) },
        )
        scope.launch {
            model.screen.onEach(::show).launchIn(this)
            model.start()
            model.onForeground()
        }
        generateSequence(::readLine).forEach { line -> scope.launch { read(model, line.substringBefore(' '), line.substringAfter(' ')) } }
        exitProcess(0)
    }

    private fun read(model: AppModel, command: String, text: String) = when (command) {
        "link" -> model.openLink(text)
        "number" -> {
            model.typeNumber()
            model.number(text)
        }
        "open" -> model.openWaiting()
        "remember" -> model.requests.setRemember(true)
        "approve" -> model.requests.approve()
        "pin" -> text.forEach { model.pins.digit(it.digitToInt()) }
        "noted" -> model.activation.blockCodeNoted()
        "done" -> model.home()
        "history" -> model.settings.history()
        else -> error(command)
    }

    private fun show(screen: Screen) {
        val report = JSONObject().put("type", screen::class.simpleName)
        when (screen) {
            is Screen.Digits -> report.put("digits", screen.digits.text)
            is Screen.PinPad -> report.put("purpose", screen.purpose.name).put("working", screen.working)
            is Screen.Home -> report.put("name", screen.name).put("unsettled", screen.unsettled).put("waits", screen.waiting != null)
            is Screen.Trouble -> report.put("problem", screen.problem.kind.name)
            is Screen.TypeNumber -> report.put("problem", screen.problem?.kind?.name ?: "")
            is Screen.History -> report.put("events", screen.lines.joinToString(" ") { it.event.name })
            else -> Unit
        }
        println(report)
    }
}
