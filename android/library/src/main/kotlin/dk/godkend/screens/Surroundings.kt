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

/** What support asks for first. It says nothing about the person. */
data class SupportFacts(
    val appVersion: String,
    val systemVersion: Int,
    val model: String,
    val keys: KeyProtection,
    val biometrics: Boolean,
    val keyAgreement: Boolean,
) {
    enum class KeyProtection { SOFTWARE, TRUSTED_ENVIRONMENT, STRONGBOX }

    /**
     * Eight characters and a check character that can be read out: app version (three numbers of five bits), Android
     * version (seven), key protection (two), biometrics and key agreement (one each), and which trouble was met last
     * (five). Base32 without I, L, O and U.
     */
    fun code(lastTrouble: Problem.Kind?): String {
        val version = appVersion.split('.', '-', limit = 4).map { it.toIntOrNull() ?: 0 } + listOf(0, 0, 0)
        var bits = 0L
        fun add(value: Int, width: Int) {
            bits = (bits shl width) or (value.coerceIn(0, (1 shl width) - 1)).toLong()
        }
        version.take(3).forEach { add(it, 5) }
        add(systemVersion, 7)
        add(keys.ordinal, 2)
        add(if (biometrics) 1 else 0, 1)
        add(if (keyAgreement) 1 else 0, 1)
        add(lastTrouble?.let { it.ordinal + 1 } ?: 0, 5)
        bits = bits shl 9
        val letters = (7 downTo 0).map { ALPHABET[(bits shr (it * 5) and 31).toInt()] }
        val check = ALPHABET[letters.foldIndexed(0) { i, sum, letter -> sum + (i + 1) * ALPHABET.indexOf(letter) } % 32]
        return (letters + check).joinToString("").chunked(3).joinToString(" ")
    }

    private companion object {
        const val ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    }
}
