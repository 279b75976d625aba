package dk.godkend.app.support

import dk.godkend.screens.Feeling
import dk.godkend.screens.Language
import dk.godkend.screens.Preferences
import dk.godkend.screens.SupportFacts
import dk.godkend.screens.Surroundings

/** A platform that does nothing, for what needs no platform. */
object QuietSurroundings : Surroundings {
    var now = 0L
    val felt = mutableListOf<Feeling>()

    override fun monotonicMillis() = now

    override fun facts() = SupportFacts("0.1.0", 34, "Test", SupportFacts.KeyProtection.TRUSTED_ENVIRONMENT, biometrics = false, keyAgreement = false)

    override fun hasBiometrics() = false

    override fun mayAskForNotifications() = false

    override fun feel(decision: Feeling) {
        felt += decision
    }

    override val preferences = object : Preferences {
        override var language = Language.PHONE
        override var person: Long? = null
    }
}
