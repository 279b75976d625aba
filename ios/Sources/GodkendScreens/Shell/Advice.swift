import GodkendDesign
import Godkend

/// What a person can do after something went wrong.
enum Way: Equatable {
    case tryAgain
    /// Opens the phone anew.
    case startAgain
    case home
    case close
    case usePin
    case activateAgain
    case forgottenPin
    case update
    case systemSettings
}

/// What a page says about something that went wrong. Every failure has one, and at least one way on.
struct Advice: Equatable {
    /// What the page reads.
    enum Words: Equatable {
        case text(TextKey)
        /// The core's own sentence.
        case sentence
        /// The server's sentence, with its code for support.
        case refusal(code: String)
        /// A wait, in seconds.
        case wait(TextKey, seconds: UInt32)
    }

    let title: TextKey
    let words: Words
    /// The first is the one to take.
    let ways: [Way]

    private init(_ title: TextKey, _ words: Words, _ ways: [Way]) {
        self.title = title
        self.words = words
        self.ways = ways
    }

    init(for failure: PhoneError) {
        self = switch failure {
        case .NoNetwork:
            Advice(.errorNoNetworkTitle, .text(.errorNoNetworkText), [.tryAgain, .close])
        case .Cancelled:
            Advice(.errorCancelledTitle, .text(.errorCancelledText), [.close])
        case .NotAuthenticated:
            Advice(.errorNotRecognisedTitle, .text(.errorNotRecognisedText), [.tryAgain, .usePin, .close])
        case .LockedOut:
            Advice(.errorLockedOutTitle, .text(.errorLockedOutText), [.usePin, .close])
        case .KeyInvalidated:
            Advice(.errorInvalidatedTitle, .text(.errorInvalidatedText), [.usePin, .close])
        case .KeyMissing:
            Advice(.errorKeyMissingTitle, .text(.errorKeyMissingText), [.activateAgain])
        case .StateDamaged:
            Advice(.errorStorageTitle, .sentence, [.activateAgain])
        case .NotSupported:
            Advice(.errorNotSupportedTitle, .text(.errorNotSupportedText), [.close])
        case .Blocked:
            Advice(.errorBlockedTitle, .text(.errorBlockedText), [.activateAgain, .close])
        case .Frozen:
            Advice(.errorFrozenTitle, .text(.errorFrozenText), [.activateAgain, .close])
        case .Removed:
            Advice(.errorRemovedTitle, .text(.errorRemovedText), [.activateAgain, .close])
        case .Expired, .NoRequest:
            Advice(.errorExpiredTitle, .text(.errorExpiredText), [.home])
        case .PinWaiting(let seconds):
            Advice(.errorWaitingTitle, .wait(.errorWaitingText, seconds: seconds), [.home])
        case .WrongPin(let pin) where pin.waitSeconds > 0:
            Advice(.errorWaitingTitle, .wait(.errorWaitingText, seconds: pin.waitSeconds), [.home])
        case .WrongPin:
            Advice(.wrongPinTitle, .sentence, [.tryAgain, .forgottenPin])
        case .PinBlocked:
            Advice(.errorPinDeadTitle, .text(.errorPinDeadText), [.forgottenPin, .home])
        case .PinTooWeak:
            Advice(.pinChooseTitle, .sentence, [.tryAgain])
        case .NotACode:
            Advice(.errorNotACodeTitle, .text(.errorNotACodeText), [.close])
        case .UnknownRoot:
            Advice(.errorUnknownRootTitle, .text(.errorUnknownRootText), [.close])
        case .UpdateNeeded, .StateNewer:
            Advice(.errorUpdateTitle, .text(.errorUpdateText), [.update])
        case .Untrusted:
            Advice(.errorUntrustedTitle, .text(.errorUntrustedText), [.tryAgain, .close])
        case .ClockWrong:
            Advice(.errorClockTitle, .text(.errorClockText), [.systemSettings, .tryAgain])
        case .Storage:
            Advice(.errorStorageTitle, .text(.errorStorageText), [.startAgain])
        case .SharedPhone:
            Advice(.errorSharedTitle, .text(.errorSharedText), [.usePin, .close])
        case .NotNow, .Busy, .NoPerson:
            Advice(.errorNotNowTitle, .text(.errorNotNowText), [.home])
        case .InUse, .ShutDown:
            Advice(.errorNotNowTitle, .sentence, [.startAgain])
        case .BadConfiguration:
            Advice(.errorNotNowTitle, .sentence, [.update])
        case .Unexpected:
            Advice(.errorRefusedTitle, .sentence, [.tryAgain, .home])
        case .Refused("throttled", .some(let seconds), _):
            Advice(.errorWaitingTitle, .wait(.errorThrottledText, seconds: seconds), [.home])
        case .Refused(let code, _, _):
            Advice(.errorRefusedTitle, .refusal(code: code), [.home])
        }
    }
}
