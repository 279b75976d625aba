package dk.godkend.app

import android.app.NotificationManager
import android.content.Context
import android.media.AudioManager
import android.media.ToneGenerator
import android.os.Build
import android.os.SystemClock
import android.os.VibrationEffect
import android.os.Vibrator
import dk.godkend.platform.BiometricPrompts
import dk.godkend.screens.Feeling
import dk.godkend.screens.Language
import dk.godkend.screens.Preferences
import dk.godkend.screens.SupportFacts
import dk.godkend.screens.Surroundings

/** The platform as the models see it. */
internal class AndroidSurroundings(private val context: Context, private val prompts: BiometricPrompts) : Surroundings {
    override fun monotonicMillis(): Long = SystemClock.elapsedRealtime()

    fun version(): String = context.packageManager.getPackageInfo(context.packageName, 0).versionName ?: "0.0.0"

    override fun facts() = SupportFacts(
        appVersion = version(),
        systemVersion = Build.VERSION.SDK_INT,
        model = Build.MODEL,
        keys = when {
            context.packageManager.hasSystemFeature("android.hardware.strongbox_keystore") -> SupportFacts.KeyProtection.STRONGBOX
            context.packageManager.hasSystemFeature("android.hardware.hardware_keystore") || Build.VERSION.SDK_INT < Build.VERSION_CODES.S ->
                SupportFacts.KeyProtection.TRUSTED_ENVIRONMENT
            else -> SupportFacts.KeyProtection.SOFTWARE
        },
        biometrics = prompts.areAvailable(),
        keyAgreement = dk.godkend.platform.AndroidHardwareKeys.canAgreeByBiometrics(),
    )

    override fun hasBiometrics() = prompts.areAvailable()

    override fun mayAskForNotifications() =
        !(context.getSystemService(NotificationManager::class.java)?.areNotificationsEnabled() ?: true)

    @Suppress("DEPRECATION")
    override fun feel(decision: Feeling) {
        val vibrator = context.getSystemService(Vibrator::class.java)
        val pattern = when (decision) {
            Feeling.TYPED -> longArrayOf(0, 8)
            Feeling.APPROVED -> longArrayOf(0, 24, 60, 40)
            Feeling.REFUSED -> longArrayOf(0, 60)
            Feeling.WRONG -> longArrayOf(0, 40, 50, 40, 50, 40)
        }
        vibrator?.vibrate(VibrationEffect.createWaveform(pattern, -1))
        val tone = when (decision) {
            Feeling.TYPED -> return
            Feeling.APPROVED -> ToneGenerator.TONE_PROP_ACK
            Feeling.REFUSED, Feeling.WRONG -> ToneGenerator.TONE_PROP_NACK
        }
        // The system's own volume and silence decide whether it is heard.
        runCatching { ToneGenerator(AudioManager.STREAM_SYSTEM, TONE_VOLUME).startTone(tone, TONE_MILLIS) }
    }

    override val preferences: Preferences = object : Preferences {
        private val kept = context.getSharedPreferences("godkend", Context.MODE_PRIVATE)

        override var language: Language
            get() = Language.entries.find { it.name == kept.getString("language", null) } ?: Language.PHONE
            set(value) = kept.edit().putString("language", value.name).apply()

        override var person: Long?
            get() = kept.getLong("person", NOBODY).takeIf { it != NOBODY }
            set(value) = kept.edit().putLong("person", value ?: NOBODY).apply()
    }

    private companion object {
        const val TONE_VOLUME = 60
        const val TONE_MILLIS = 120
        const val NOBODY = -1L
    }
}
