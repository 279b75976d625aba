import Foundation
import GodkendDesign
import Godkend

/// While the phone opens.
@MainActor
final class OpeningScreen: ScreenModel {
    let name = "opening"
    let title = TextKey.appName
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        // Whoever closed the page that said why it does not open is not left with nothing.
        if !page.isBusy { page.button(.tryAgain) { [self] in app.start() } }
    }
}

/// What this is.
@MainActor
final class WelcomeScreen: ScreenModel {
    let name = "welcome"
    let title = TextKey.welcomeTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.welcomeText)
        page.button(.welcomeStart) { [self] in app.push(ActivateScreen(app)) }
        page.button(.welcomeDemo, .secondary) { [self] in app.push(DemoIntroduction(app)) }
        page.row(.settingsLanguage, page.text(page.language.name)) { [self] in app.push(LanguageScreen(app)) }
    }
}

/// Scan or type the activation.
@MainActor
final class ActivateScreen: ScreenModel {
    let name = "activate"
    let title = TextKey.activateTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.activateText)
        page.notice(.warning, .activateUnsure)
        page.button(.activateScan) { [self] in app.push(ScanScreen(app)) }
        page.button(.activateType, .secondary) { [self] in app.push(CodeScreen(app)) }
    }
}

/// The activation code, typed.
@MainActor
final class CodeScreen: ScreenModel {
    let name = "code"
    let title = TextKey.codeTitle
    private unowned let app: AppModel
    private var code = ""

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.secret()
        page.read(.codeText)
        page.field(.codeField, .code, Formats.grouped(code, by: 5)) { [self] text in
            code = String(text.uppercased().filter { $0.isLetter || $0.isNumber }.prefix(20))
            app.refresh()
        }
        page.button(.next, isEnabled: code.count == 20) { [self] in
            let typed = Formats.grouped(code, by: 5).replacing(" ", with: "-")
            app.run { [self] in
                let person = try await app.open().activate(text: typed, environment: nil)
                code = ""
                app.replace(with: EnrolmentScreen(app, person: person))
            }
        }
    }

    func left() { code = "" }
}

/// An enrolment or a PIN reset, from its digits to a PIN that has approved once.
@MainActor
final class EnrolmentScreen: ScreenModel {
    let name = "enrolment"
    private unowned let app: AppModel
    private let person: UInt32
    private var stage = EnrolmentStage.digits
    private var watching: Task<Void, Never>?

    init(_ app: AppModel, person: UInt32, stage: EnrolmentStage = .digits) {
        self.app = app
        self.person = person
        self.stage = stage
        app.person = person
        watch()
    }

    var title: TextKey {
        switch stage {
        case .digits: .digitsTitle
        case .choosePin, .finish: .pinChooseTitle
        case .waiting: .activeLaterTitle
        case .active: .readyTitle
        case .void: .activateTitle
        }
    }

    func build(_ page: inout PageBuilder) {
        switch stage {
        case .digits:
            page.secret()
            page.notice(.warning, .digitsText)
            if let digits = app.phone?.digits(person: person) {
                page.add("digits", .code, page.text(.digitsSpoken, Formats.spoken(digits)), value: Formats.grouped(digits))
            }
            page.add(TextKey.digitsWaiting.rawValue, .progress, page.text(.digitsWaiting))
            page.button(.cancel, .quiet) { [self] in giveUp() }
        case .choosePin, .finish:
            page.read(.pinChooseText)
            page.button(.next) { [self] in choosePin() }
        case .waiting(let until):
            page.read(.activeLaterText, Formats(language: page.language).time(until))
            page.button(.goHome) { [self] in app.home() }
        case .active:
            page.read(.readyText)
            page.button(.goHome) { [self] in app.home() }
        case .void:
            page.notice(.danger, .stageVoid)
            page.button(.errorActivateAgain) { [self] in giveUp() }
        }
    }

    /// Waits for the desk.
    private func watch() {
        watching = Task { [weak self] in
            while let self, !Task.isCancelled, self.stage == .digits {
                do {
                    let stage = try await self.app.open().awaitDigits(person: self.person)
                    if Task.isCancelled { return }
                    self.reached(stage)
                } catch PhoneError.NoNetwork {
                    // The library has tried for a while; so does this page, for as long as it is shown.
                    try? await Task.sleep(for: .seconds(2))
                } catch let failure as PhoneError {
                    if !Task.isCancelled { self.app.trouble(failure) }
                    return
                } catch {
                    return
                }
            }
        }
    }

    private func reached(_ new: EnrolmentStage) {
        stage = new
        if stage == .choosePin || stage == .finish { choosePin() }
        app.refresh()
    }

    private func choosePin() {
        NewPin.ask(app) { [self] screen, pin in
            app.run(failed: { [self] failure in
                guard case .PinTooWeak(let reason) = failure else { return false }
                screen.problem = { $0.text(reason.text) }
                _ = self
                return true
            }) { [self] in
                stage = try await app.open().choosePin(pin: pin, person: person)
                app.leave(screen)
                if stage == .active { Offers.next(app, person: person, pin: pin) }
            }
        }
    }

    private func giveUp() {
        left()
        app.run { [self] in
            // A PIN reset leaves the person on the phone; an enrolment that was given up does not.
            switch try app.chosen().standing {
            case .active, .resettingPin: break
            default: try await app.open().forget(person: person)
            }
            app.person = nil
            app.home()
        }
    }

    func left() {
        watching?.cancel()
        if stage == .digits { app.phone?.cancel() }
    }
}

/// What is offered once after an activation, one page at a time: biometrics, notifications, the block code.
@MainActor
enum Offers {
    static func next(_ app: AppModel, person: UInt32, pin: Data? = nil) {
        if !app.settings.biometricsOffered, app.around.hasBiometrics(), app.people.count == 1 {
            app.replace(with: OfferBiometrics(app, person: person, pin: pin))
        } else if !app.settings.notificationsOffered {
            app.replace(with: OfferNotifications(app, person: person))
        } else if app.people.contains(where: { $0.id == person && $0.blockCodeWaits }) {
            app.replace(with: BlockCodeScreen(app, person: person))
        } else {
            app.replace(with: ReadyScreen(app))
        }
    }
}

/// Approve with a finger or a face?
@MainActor
final class OfferBiometrics: ScreenModel {
    let name = "offer-biometrics"
    let title = TextKey.biometricsTitle
    private unowned let app: AppModel
    private let person: UInt32
    /// Just chosen, so that it need not be typed a third time; gone once this page is left.
    private var pin: Data?

    init(_ app: AppModel, person: UInt32, pin: Data?) {
        self.app = app
        self.person = person
        self.pin = pin
    }

    func build(_ page: inout PageBuilder) {
        page.read(.biometricsText)
        page.button(.biometricsOn) { [self] in
            guard let pin else { return goOn() }
            app.run { [self] in
                try await app.open().enableBiometrics(pin: pin, person: person)
                goOn()
            }
        }
        page.button(.notNow, .secondary) { [self] in goOn() }
    }

    private func goOn() {
        app.settings.biometricsOffered = true
        Offers.next(app, person: person)
    }

    func left() { pin = nil }
}

/// Be told when somebody asks?
@MainActor
final class OfferNotifications: ScreenModel {
    let name = "offer-notifications"
    let title = TextKey.notificationsTitle
    private unowned let app: AppModel
    private let person: UInt32

    init(_ app: AppModel, person: UInt32) {
        self.app = app
        self.person = person
    }

    func build(_ page: inout PageBuilder) {
        page.read(.notificationsText)
        page.button(.notificationsOn) { [self] in
            app.run { [self] in
                _ = await app.around.askForNotifications()
                goOn()
            }
        }
        page.button(.notNow, .secondary) { [self] in goOn() }
    }

    private func goOn() {
        app.settings.notificationsOffered = true
        Offers.next(app, person: person)
    }
}

/// The code that blocks a lost phone: shown until it has been written down, and never again.
@MainActor
final class BlockCodeScreen: ScreenModel {
    let name = "block-code"
    let title = TextKey.blockCodeTitle
    private unowned let app: AppModel
    private let person: UInt32

    init(_ app: AppModel, person: UInt32) {
        self.app = app
        self.person = person
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        guard let code = app.phone?.blockCode(person: person) else {
            page.read(.blockCodeNotedAlready)
            return
        }
        page.read(.blockCodeText)
        page.add("block-code", .code, page.text(.blockCodeSpoken, Formats.spoken(code)), value: code)
        page.button(.blockCodeNoted) { [self] in
            app.run { [self] in
                try await app.open().blockCodeNoted(person: person)
                app.replace(with: ReadyScreen(app))
            }
        }
    }
}

/// Done.
@MainActor
final class ReadyScreen: ScreenModel {
    let name = "ready"
    let title = TextKey.readyTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.readyText)
        page.button(.goHome) { [self] in app.home() }
    }
}
