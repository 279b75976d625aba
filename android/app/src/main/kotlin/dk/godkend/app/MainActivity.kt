package dk.godkend.app

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Context
import android.content.ContextWrapper
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.Bundle
import android.view.WindowManager
import dk.godkend.screens.AppModel
import dk.godkend.screens.Language
import dk.godkend.screens.PhoneException
import dk.godkend.screens.PhoneFailure
import dk.godkend.screens.Screen
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.launch

/** The window that the screens are drawn in. */
class MainActivity : Activity() {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
    private val app get() = application as GodkendApplication
    private val model: AppModel get() = app.model
    private lateinit var frame: Frame
    private var language: Language? = null

    override fun attachBaseContext(base: Context) {
        val chosen = (base.applicationContext as? GodkendApplication)?.surroundings?.preferences?.language ?: Language.PHONE
        language = chosen
        super.attachBaseContext(GodkendApplication.localized(base, chosen))
    }

    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        frame = Frame(this, model, ::onBack)
        setContentView(frame)
        scope.launch {
            combine(model.screen, model.isDemo) { screen, demo -> screen to demo }.collect { (screen, demo) -> show(screen, demo) }
        }
        if (saved == null) intent?.data?.let { model.openLink(it.toString()) }
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        intent.data?.let { model.openLink(it.toString()) }
    }

    private fun show(screen: Screen, demo: Boolean) {
        // Nothing of a request, a PIN or a code goes into a screenshot, a recording or the list of recent apps.
        if (screen.isSecret) {
            window.addFlags(WindowManager.LayoutParams.FLAG_SECURE)
        } else {
            window.clearFlags(WindowManager.LayoutParams.FLAG_SECURE)
        }
        if (app.surroundings.preferences.language != language) return recreate()
        frame.show(screen, demo)
    }

    override fun onDestroy() {
        scope.cancel()
        super.onDestroy()
    }

    @Deprecated("The system's own way back until Android 13; later ones still call it")
    override fun onBackPressed() = onBack()

    fun onBack() {
        if (!model.back()) finish()
    }

    fun askForNotifications() {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) requestPermissions(arrayOf(NOTIFICATIONS), 0)
    }

    fun askForCamera() = requestPermissions(arrayOf(Manifest.permission.CAMERA), ASKED_FOR_CAMERA)

    override fun onRequestPermissionsResult(request: Int, permissions: Array<String>, results: IntArray) {
        super.onRequestPermissionsResult(request, permissions, results)
        if (request == ASKED_FOR_CAMERA && results.firstOrNull() == android.content.pm.PackageManager.PERMISSION_GRANTED) {
            frame.redraw(model.screen.value)
        }
    }

    /** Lets the person choose where the history is kept; it is read once they have. */
    fun export() {
        val create = Intent(Intent.ACTION_CREATE_DOCUMENT).setType("text/csv").putExtra(Intent.EXTRA_TITLE, "godkend.csv")
        create.addCategory(Intent.CATEGORY_OPENABLE)
        startOrNothing { startActivityForResult(create, EXPORTED) }
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val place = data?.data ?: return
        if (request != EXPORTED || result != RESULT_OK) return
        model.settings.exportHistory { text ->
            try {
                checkNotNull(contentResolver.openOutputStream(place)).use { it.write(text.toByteArray()) }
            } catch (failed: Exception) {
                // The place is somebody else's program: full, gone, or refusing, each in its own way.
                throw PhoneException(PhoneFailure.NotNow, failed)
            }
        }
    }

    private companion object {
        const val NOTIFICATIONS = "android.permission.POST_NOTIFICATIONS"
        const val ASKED_FOR_CAMERA = 1
        const val EXPORTED = 2
    }
}

/** The activity that a view is in. */
internal fun Context.activity(): MainActivity? {
    var context: Context? = this
    while (context is ContextWrapper) {
        if (context is MainActivity) return context
        context = context.baseContext
    }
    return null
}

private fun startOrNothing(start: () -> Unit) {
    try {
        start()
    } catch (_: ActivityNotFoundException) {
        // A phone without a store, a browser or a file picker: the page stays as it is.
    }
}

internal fun Context.openStore() =
    startOrNothing { startActivity(Intent(Intent.ACTION_VIEW, Uri.parse("market://details?id=$packageName"))) }

internal fun Context.openBrowser(url: String) = startOrNothing { startActivity(Intent(Intent.ACTION_VIEW, Uri.parse(url))) }

internal fun Context.openDateSettings() = startOrNothing { startActivity(Intent(android.provider.Settings.ACTION_DATE_SETTINGS)) }
