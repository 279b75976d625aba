import GodkendDesign
import Godkend

/// Something went wrong: what, and what to do next.
@MainActor
final class TroubleScreen: ScreenModel {
    let name = "trouble"
    private unowned let app: AppModel
    private let failure: PhoneError
    private let advice: Advice
    private let again: (() -> Void)?
    private let usePin: (() -> Void)?
    /// When a wait is over, on the clock of `Surroundings.seconds`.
    private let waitEnds: Double?

    init(_ app: AppModel, _ failure: PhoneError, again: (() -> Void)?, usePin: (() -> Void)? = nil) {
        self.app = app
        self.failure = failure
        self.again = again
        self.usePin = usePin
        advice = Advice(for: failure)
        waitEnds = if case .wait(_, let seconds) = advice.words { app.around.seconds() + Double(seconds) } else { nil }
    }

    var title: TextKey { advice.title }

    func build(_ page: inout PageBuilder) {
        switch advice.words {
        case .text(let key):
            page.notice(.danger, key)
        case .sentence:
            page.sentence(.danger, "sentence", app.sentence(failure))
        case .refusal(let code):
            page.notice(.danger, .errorRefusedText, app.sentence(failure))
            page.read(.errorRefusedCode, code)
        case .wait(let key, _):
            if secondsLeft > 0 {
                page.notice(.warning, key, Formats(language: page.language).duration(seconds: secondsLeft))
            } else if let again {
                page.button(.tryAgain) { [self] in leave(then: again) }
            }
        }
        // The first way that can be taken weighs most; there is always one, for the page can be left.
        var emphasis = Element.Emphasis.primary
        for way in advice.ways {
            guard let (key, press) = button(for: way) else { continue }
            page.button(key, emphasis, press)
            emphasis = .secondary
        }
        if emphasis == .primary { page.button(.close) { [self] in app.leave(self) } }
    }

    private var secondsLeft: UInt32 {
        guard let waitEnds else { return 0 }
        return UInt32(max(0, (waitEnds - app.around.seconds()).rounded(.up)))
    }

    private func button(for way: Way) -> (TextKey, @MainActor () -> Void)? {
        switch way {
        case .tryAgain: again.map { again in (.tryAgain, { [self] in leave(then: again) }) }
        case .startAgain: (.tryAgain, { [self] in app.start() })
        case .home: (.goHome, { [self] in app.home() })
        case .close: app.canLeave(self) ? (.close, { [self] in app.leave(self) }) : nil
        case .usePin: usePin.map { usePin in (.approvePin, { [self] in leave(then: usePin) }) }
        case .activateAgain: (.errorActivateAgain, { [self] in app.activateAgain(after: failure) })
        case .forgottenPin: (.pinForgotten, { [self] in app.push(ForgottenPinScreen(app)) })
        case .update: (.update, { [self] in app.around.open(.appStore) })
        case .systemSettings: (.errorClockSettings, { [self] in app.around.open(.systemSettings) })
        }
    }

    private func leave(then next: () -> Void) {
        app.leave(self)
        next()
    }
}
