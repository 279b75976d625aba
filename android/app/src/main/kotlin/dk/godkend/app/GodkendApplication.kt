package dk.godkend.app

import android.app.Application
import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import android.content.Intent
import android.os.Build
import dk.godkend.HardwareKeys
import dk.godkend.KeySecurity
import dk.godkend.PhoneConfig
import dk.godkend.Root
import dk.godkend.platform.AndroidHardwareKeys
import dk.godkend.platform.BoundPhone
import dk.godkend.platform.FileStateStore
import dk.godkend.platform.Foreground
import dk.godkend.platform.SystemBiometricPrompts
import dk.godkend.platform.WakeUp
import dk.godkend.readRoots
import dk.godkend.screens.AppModel
import dk.godkend.screens.Language
import dk.godkend.screens.Phone
import dk.godkend.screens.PhoneException
import dk.godkend.screens.PhoneFailure
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import java.io.IOException

/** What lives as long as the process: the model, and the one phone that it opens. */
open class GodkendApplication : Application() {
    private inner class Life {
        val scope = CoroutineScope(SupervisorJob() + Dispatchers.Main.immediate)
        val model = AppModel(::openPhone, surroundings, scope, ::erasePhone)
        val wakeUp = WakeUp(scope, { foreground.isForeground }, model::onForeground, model::somethingWaits, ::tell)
    }

    private lateinit var life: Life

    private val foreground = Foreground { isForeground -> if (isForeground) model.onForeground() else model.onBackground() }

    internal val surroundings by lazy { AndroidSurroundings(this, prompts) }

    private val prompts by lazy {
        SystemBiometricPrompts(this, { foreground.activity }) {
            val words = localized()
            SystemBiometricPrompts.Words(words.getString(R.string.app_name), words.getString(R.string.approve_pin))
        }
    }

    val model: AppModel get() = life.model

    /** What a push message is given to, by whatever transport an app has. */
    val wakeUp: WakeUp get() = life.wakeUp

    override fun onCreate() {
        super.onCreate()
        registerActivityLifecycleCallbacks(foreground)
        begin()
    }

    /** Begins as every new process does. What an earlier one was doing ends half-way, as it does in a kill. */
    protected fun begin() {
        if (::life.isInitialized) life.scope.cancel()
        life = Life()
        model.start()
    }

    /** The roots are built into the app, never fetched. */
    protected open fun roots(): String = assets.open("roots.json").use { it.readBytes().decodeToString() }

    /** How the phone's hardware must guard its keys. */
    protected open val security get() = KeySecurity.TRUSTED_ENVIRONMENT

    /** The phone's hardware. */
    protected open fun keys(): HardwareKeys = AndroidHardwareKeys(prompts)

    private fun trusted(): List<Root> = try {
        readRoots(roots())
    } catch (missing: IOException) {
        throw PhoneException(PhoneFailure.NotBuilt, missing)
    } catch (unreadable: dk.godkend.PhoneException) {
        throw PhoneException(PhoneFailure.NotBuilt, unreadable)
    }

    private suspend fun openPhone(): Phone {
        val config = PhoneConfig(
            roots = trusted(),
            model = "${Build.MANUFACTURER} ${Build.MODEL}".take(MOST_CHARACTERS),
            platform = "Android ${Build.VERSION.RELEASE}",
            appVersion = surroundings.version(),
            language = language(),
            security = security,
        )
        return typed { BoundPhone(dk.godkend.Phone.open(config, keys(), FileStateStore(this)), ::language) }
    }

    private suspend fun erasePhone() = typed { dk.godkend.erase(keys(), FileStateStore(this)) }

    private inline fun <T> typed(call: () -> T): T = try {
        call()
    } catch (failed: dk.godkend.PhoneException) {
        throw BoundPhone.translated(failed, language())
    }

    /** The person's language, as the binding knows it. */
    private fun language(): dk.godkend.Language = when (localized().resources.configuration.locales[0].language) {
        "da" -> dk.godkend.Language.DANISH
        "kl" -> dk.godkend.Language.GREENLANDIC
        else -> dk.godkend.Language.ENGLISH
    }

    /** Says that there is something to answer, and nothing of what. */
    private fun tell() {
        val words = localized()
        val manager = getSystemService(NotificationManager::class.java)
        manager.createNotificationChannel(
            NotificationChannel(CHANNEL, words.getString(R.string.notification_channel), NotificationManager.IMPORTANCE_HIGH),
        )
        val open = PendingIntent.getActivity(this, 0, Intent(this, MainActivity::class.java), PendingIntent.FLAG_IMMUTABLE)
        val notification = Notification.Builder(this, CHANNEL)
            .setSmallIcon(R.drawable.icon_check)
            .setContentTitle(words.getString(R.string.notification_title))
            .setContentText(words.getString(R.string.notification_text))
            .setVisibility(Notification.VISIBILITY_PUBLIC)
            .setContentIntent(open)
            .setAutoCancel(true)
            .build()
        manager.notify(1, notification)
    }

    /** This app in the language that the person chose in it. */
    private fun localized(): Context = localized(this, surroundings.preferences.language)

    companion object {
        private const val CHANNEL = "requests"
        private const val MOST_CHARACTERS = 64

        /** A context in a chosen language; the phone's own where none is chosen. */
        fun localized(context: Context, language: Language): Context {
            val tag = language.tag ?: return context
            val configuration = android.content.res.Configuration(context.resources.configuration)
            configuration.setLocale(java.util.Locale.forLanguageTag(tag))
            return context.createConfigurationContext(configuration)
        }
    }
}
