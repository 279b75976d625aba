package dk.godkend.app

import dk.godkend.screens.Action
import dk.godkend.screens.Binding
import dk.godkend.screens.Browser
import dk.godkend.screens.Device
import dk.godkend.screens.Event
import dk.godkend.screens.HistoryLine
import dk.godkend.screens.Language
import dk.godkend.screens.Level
import dk.godkend.screens.Overview
import dk.godkend.screens.Payment
import dk.godkend.screens.Person
import dk.godkend.screens.PinStatus
import dk.godkend.screens.PinWeakness
import dk.godkend.screens.Problem
import dk.godkend.screens.Request
import dk.godkend.screens.Screen
import dk.godkend.screens.Secret
import dk.godkend.screens.Standing
import dk.godkend.screens.SupportFacts
import dk.godkend.screens.Update
import dk.godkend.screens.WaitingRequest

/** Every screen in a state worth seeing, by name. A test fails when a kind of screen or of trouble is not among them. */
internal object Gallery {
    private val login = Request(
        id = 1, person = 1, relyingParty = "Testbanken", action = Action.LOG_ON, text = "Log ind i netbanken", payment = null,
        level = Level.SUBSTANTIAL, pinAllowed = true, biometricAllowed = true, binding = Binding.SCANNED_QR, place = "København",
        browser = "Firefox, Linux", newBrowser = false, mayRemember = true, expiresIn = 180, pin = PinStatus(3, 0, 2, false), update = Update.None,
    )
    private val payment = login.copy(
        action = Action.APPROVE, text = "Faktura 1042", payment = Payment(125_000, "DKK", "Elselskabet", "5000 0440116243"), mayRemember = false,
    )
    private val notice = login.copy(
        relyingParty = "Godkend", action = Action.NOTICE_OF_USE, level = Level.LOW, binding = Binding.DEVICE, mayRemember = false,
        text = "Din adgangskode og din kodeviser blev brugt til at logge på hos Testbanken. Var det dig?",
    )
    private val person = Person(1, "Anna Andersen", Standing.Active, biometrics = true, offline = false, unsettled = false, blockCode = null)
    private const val DAY = 86_400L
    private const val NOON = 1_795_350_000L

    val screens: List<Pair<String, Screen>> = listOf(
        "opening" to Screen.Opening,
        "welcome" to Screen.Welcome,
        "activate" to Screen.Activate,
        "activation-code" to Screen.TypeCode(problem = Problem(Problem.Kind.NOT_A_CODE, Problem.Next.RETRY)),
        "scan" to Screen.Scan(),
        "digits" to Screen.Digits(Secret("48213097")),
        "pin-choose" to Screen.PinPad(Screen.PinPurpose.CHOOSE, complaint = Screen.PinComplaint.Weak(PinWeakness.SEQUENCE)),
        "pin-repeat" to Screen.PinPad(Screen.PinPurpose.REPEAT, typed = 3),
        "offer-biometrics" to Screen.OfferBiometrics,
        "offer-notifications" to Screen.OfferNotifications,
        "block-code" to Screen.BlockCode(Secret("7K3M9PQ2RX4T8WVY5B")),
        "ready" to Screen.Ready,
        "active-later" to Screen.ActiveLater(NOON),
        "home" to Screen.Home("Anna Andersen"),
        "home-request" to Screen.Home("Anna Andersen", WaitingRequest("1", false, 170)),
        "home-locked" to Screen.Home("Anna Andersen", WaitingRequest("1", true, 170)),
        "home-notices" to Screen.Home("Anna Andersen", null, isOffline = true, unsettled = true, biometricsLost = true, update = Update.Recommended),
        "home-update-required" to Screen.Home("Anna Andersen", update = Update.RequiredFrom(NOON)),
        "home-other-person" to Screen.Home("Anna Andersen", severalPeople = true, others = listOf(person.copy(id = 2, name = "Bo Andersen"))),
        "number" to Screen.TypeNumber(Screen.NumberPurpose.LOGIN),
        "request-login" to Screen.Asked(login, 164, false),
        "request-new-browser" to Screen.Asked(login.copy(newBrowser = true, mayRemember = false), 23, false),
        "request-payment" to Screen.Asked(payment, 172, false),
        "approve-pin" to Screen.PinPad(Screen.PinPurpose.APPROVE, typed = 4, request = payment, secondsLeft = 151),
        "approve-pin-wrong" to Screen.PinPad(Screen.PinPurpose.APPROVE, complaint = Screen.PinComplaint.Wrong(2), request = login, secondsLeft = 140),
        "notice-of-use" to Screen.Asked(notice, 180, false),
        "refuse" to Screen.Refuse(login),
        "approved" to Screen.Result(Screen.Outcome.APPROVED, "Testbanken"),
        "refused" to Screen.Result(Screen.Outcome.REFUSED, "Testbanken"),
        "reported" to Screen.Result(Screen.Outcome.REPORTED, "Testbanken"),
        "recognised" to Screen.Result(Screen.Outcome.RECOGNISED),
        "disputed" to Screen.Result(Screen.Outcome.DISPUTED),
        "offline-code" to Screen.OfflineCode(Secret("90417352")),
        "history" to Screen.History(
            listOf(
                HistoryLine(NOON, Event.APPROVED, "Testbanken", Action.LOG_ON, null, "København", null),
                HistoryLine(NOON - DAY, Event.REPORTED, "Testbanken", Action.LOG_ON, null, "Ukendt sted", null),
                HistoryLine(NOON - DAY - 60, Event.WRONG_PIN, "Testbanken", Action.APPROVE, "1.250,00 DKK, Elselskabet", null, null),
                HistoryLine(NOON - 9 * DAY, Event.ACTIVATED, null, null, null, null, null),
            ),
        ),
        "settings" to Screen.Settings(person, Language.PHONE),
        "language" to Screen.ChooseLanguage(Language.DANISH),
        "devices" to Screen.Devices(
            Overview(
                listOf(Device("1", "Fairphone 5", "Android 14", NOON, true), Device("2", "Pixel 6a", "Android 13", NOON - DAY, false)),
                listOf(Browser("1", "Firefox, Linux", NOON - 30 * DAY)),
                true,
            ),
        ),
        "remove-device" to Screen.Confirm(Screen.Question.REMOVE_DEVICE, "Pixel 6a"),
        "forget-browser" to Screen.Confirm(Screen.Question.FORGET_BROWSER, "Firefox, Linux"),
        "block" to Screen.Confirm(Screen.Question.BLOCK),
        "move" to Screen.Move(false),
        "move-code" to Screen.MoveCode(Secret("godkend://activate/1?e=test&i=a-FAQTAzPAP25PYamjGBOA&s=0&r=0&x=1795424972")),
        "move-digits" to Screen.TypeNumber(Screen.NumberPurpose.NEW_PHONE),
        "people" to Screen.People(listOf(person, person.copy(id = 2, name = "Bo Andersen")), 1),
        "support" to Screen.Support(SupportFacts("0.1.0", 34, "Fairphone 5", SupportFacts.KeyProtection.STRONGBOX, true, false), "G1-0.1.0-0.1.0-TNCa-PINWRONG"),
        "forgotten-pin" to Screen.ForgottenPin,
        "licences" to Screen.Licences,
        "about" to Screen.About("0.1.0"),
        "demo" to Screen.Demo,
        "demo-home" to Screen.Home("Anna", WaitingRequest("demo", false, 170)),
        "demo-request" to Screen.Asked(login.copy(relyingParty = "Netbank"), 164, false),
        "demo-approved" to Screen.Result(Screen.Outcome.APPROVED, "Netbank"),
    ) + Problem.Kind.entries.map { kind -> "trouble-${kind.name.lowercase().replace('_', '-')}" to Screen.Trouble(problem(kind)) }

    private fun problem(kind: Problem.Kind): Problem = when (kind) {
        Problem.Kind.PIN_WAITING -> Problem(kind, Problem.Next.HOME, waitSeconds = 58)
        Problem.Kind.THROTTLED -> Problem(kind, Problem.Next.HOME, "throttled", waitSeconds = 42)
        Problem.Kind.REFUSED -> Problem(kind, Problem.Next.HOME, "transaction_taken", "")
        Problem.Kind.PIN_DEAD -> Problem(kind, Problem.Next.FORGOTTEN_PIN)
        Problem.Kind.KEY_INVALIDATED, Problem.Kind.LOCKED_OUT, Problem.Kind.NOT_RECOGNISED -> Problem(kind, Problem.Next.USE_PIN)
        Problem.Kind.BLOCKED, Problem.Kind.FROZEN, Problem.Kind.REMOVED, Problem.Kind.KEY_MISSING, Problem.Kind.STATE_DAMAGED, Problem.Kind.VOID ->
            Problem(kind, Problem.Next.ACTIVATE)
        Problem.Kind.CLOCK_WRONG -> Problem(kind, Problem.Next.CLOCK_SETTINGS)
        Problem.Kind.UPDATE_REQUIRED -> Problem(kind, Problem.Next.UPDATE)
        Problem.Kind.STORAGE, Problem.Kind.NOT_BUILT -> Problem(kind, Problem.Next.CLOSE_APP)
        Problem.Kind.EXPIRED, Problem.Kind.NOT_NOW, Problem.Kind.UNKNOWN_ROOT, Problem.Kind.NOT_SUPPORTED, Problem.Kind.NO_AGREEMENT -> Problem(kind, Problem.Next.HOME)
        else -> Problem(kind, Problem.Next.RETRY)
    }
}
