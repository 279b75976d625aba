package dk.godkend.screens

/** What is on the screen: everything that it draws, nothing that it decides. */
sealed interface Screen {
    /** Must not be captured, recorded or shown among the recent apps. */
    val isSecret: Boolean get() = false

    /** While the phone opens. */
    data object Opening : Screen

    data object Welcome : Screen

    data object Activate : Screen

    data class TypeCode(val working: Boolean = false, val problem: Problem? = null) : Screen

    /** The camera. */
    data class Scan(val problem: Problem? = null) : Screen

    /** The eight digits of an activation, a move or a PIN reset. */
    data class Digits(val digits: Secret) : Screen {
        override val isSecret get() = true
    }

    /** The PIN pad. The digits themselves stay in the model. */
    data class PinPad(
        val purpose: PinPurpose,
        val typed: Int = 0,
        val working: Boolean = false,
        val complaint: PinComplaint? = null,
        /** Who asks and for what, above the pad. */
        val request: Request? = null,
        val secondsLeft: Int? = null,
    ) : Screen {
        override val isSecret get() = true
    }

    data object OfferBiometrics : Screen

    data object OfferNotifications : Screen

    /** The code that blocks a lost phone. */
    data class BlockCode(val code: Secret?) : Screen {
        override val isSecret get() = true
    }

    data object Ready : Screen

    /** Handed out by another means: active from this instant, Unix seconds. */
    data class ActiveLater(val from: Long) : Screen

    data class Home(
        val name: String,
        val waiting: WaitingRequest? = null,
        val isOffline: Boolean = false,
        val unsettled: Boolean = false,
        val biometricsLost: Boolean = false,
        val update: Update = Update.None,
        val severalPeople: Boolean = false,
        /** Others on this phone for whom something waits; of what, nothing is said. */
        val others: List<Person> = emptyList(),
    ) : Screen

    /** The number on another screen: a login's, or a new phone's digits. */
    data class TypeNumber(val purpose: NumberPurpose, val working: Boolean = false, val problem: Problem? = null) : Screen

    data class Asked(val request: Request, val secondsLeft: Int?, val remember: Boolean, val working: Boolean = false) : Screen {
        override val isSecret get() = true
    }

    /** Why do you refuse? [request] is none for one that is still locked. */
    data class Refuse(val request: Request?, val working: Boolean = false) : Screen {
        override val isSecret get() = true
    }

    data class Result(val outcome: Outcome, val relyingParty: String = "", val returnUrl: String? = null) : Screen

    data class OfflineCode(val code: Secret) : Screen {
        override val isSecret get() = true
    }

    data class History(val lines: List<HistoryLine>) : Screen

    data class Settings(val person: Person, val language: Language) : Screen

    data class ChooseLanguage(val language: Language) : Screen

    data class Devices(val overview: Overview) : Screen

    /** A question before something that cannot be undone. */
    data class Confirm(val question: Question, val name: String = "", val working: Boolean = false) : Screen

    data class Move(val keep: Boolean) : Screen

    /** The QR code for a new phone. */
    data class MoveCode(val link: Secret) : Screen {
        override val isSecret get() = true
    }

    data class People(val people: List<Person>, val chosen: Long?) : Screen

    data class Support(val facts: SupportFacts, val code: String) : Screen

    data object ForgottenPin : Screen

    data object Licences : Screen

    data class About(val version: String) : Screen

    /** What a demonstration can play. */
    data object Demo : Screen

    /** Something went wrong, and what to do next. */
    data class Trouble(val problem: Problem, val working: Boolean = false) : Screen

    /** What a PIN is typed for. */
    enum class PinPurpose { CHOOSE, REPEAT, APPROVE, OLD, NEW, NEW_REPEAT, PROVE }

    /** What is wrong with what was typed. */
    sealed interface PinComplaint {
        data class Weak(val weakness: PinWeakness) : PinComplaint

        data object Differs : PinComplaint

        data class Wrong(val triesLeft: Int) : PinComplaint
    }

    enum class NumberPurpose { LOGIN, NEW_PHONE }

    enum class Outcome { APPROVED, REFUSED, REPORTED, RECOGNISED, DISPUTED, PIN_CHANGED, BIOMETRICS_ON, BIOMETRICS_OFF, MOVED }

    enum class Question { BLOCK, REMOVE_DEVICE, FORGET_BROWSER, FORGET_PERSON }
}

/** A language of the app; [PHONE] follows the phone's. */
enum class Language(val tag: String?) { PHONE(null), DANISH("da"), ENGLISH("en"), GREENLANDIC("kl") }
