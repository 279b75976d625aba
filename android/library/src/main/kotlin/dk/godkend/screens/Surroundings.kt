package dk.godkend.screens

/** What the models need of the platform beside the phone itself. */
interface Surroundings {
    /** Milliseconds of a clock that goes on in sleep and cannot be set. */
    fun monotonicMillis(): Long

    /** Facts for the support code. */
    fun facts(): SupportFacts

    /** Whether the phone has strong biometrics that are set up. */
    fun hasBiometrics(): Boolean

    /** Whether the person still has to be asked about notifications. */
    fun mayAskForNotifications(): Boolean

    /** What was decided: touch and sound. */
    fun feel(decision: Feeling)

    /** What the app remembers that is no secret. */
    val preferences: Preferences
}

/** What a decision feels and sounds like. */
enum class Feeling { APPROVED, REFUSED, WRONG, TYPED }

/** Small things that survive a restart. */
interface Preferences {
    var language: Language

    /** Who is chosen on a shared phone. */
    var person: Long?
}

/** What stands below the support code. It says nothing about the person. */
data class SupportFacts(
    val appVersion: String,
    val systemVersion: Int,
    val model: String,
    val keys: KeyProtection,
    val biometrics: Boolean,
    val keyAgreement: Boolean,
) {
    enum class KeyProtection { SOFTWARE, TRUSTED_ENVIRONMENT, STRONGBOX }
}
