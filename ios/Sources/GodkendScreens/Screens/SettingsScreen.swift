import Foundation
import GodkendDesign
import Godkend

/// Everything that can be set.
@MainActor
final class SettingsScreen: ScreenModel {
    let name = "settings"
    let title = TextKey.settingsTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        if let person = app.current, person.standing == .active {
            page.heading(.settingsSecurity)
            page.row(.settingsPin) { [self] in ChangePin.start(app) }
            biometrics(&page, person)
            page.row(.settingsBlockCode) { [self] in app.push(BlockCodeScreen(app, person: person.id)) }
            page.row(.settingsBlock) { [self] in app.push(ConfirmScreen.block(app, person.id)) }
            page.heading(.settingsPhone)
            page.row(.settingsThisPhone) { [self] in ThisPhoneScreen.open(app) }
            page.row(.settingsDevices) { [self] in DevicesScreen.open(app) }
            page.row(.settingsMove) { [self] in app.push(MoveScreen(app)) }
        }
        page.row(.settingsPeople) { [self] in app.push(PeopleScreen(app)) }
        page.heading(.settingsApp)
        page.row(.settingsLanguage, page.text(page.language.name)) { [self] in app.push(LanguageScreen(app)) }
        page.row(.settingsSupport) { [self] in app.push(SupportScreen(app)) }
        page.row(.settingsLicences) { [self] in app.push(LicencesScreen(app)) }
        page.row(.settingsAbout) { [self] in app.push(AboutScreen(app)) }
        if app.isDemo {
            page.button(.demoEnd, .secondary) { [self] in app.endDemo() }
        } else {
            page.row(.welcomeDemo) { [self] in app.push(DemoIntroduction(app)) }
        }
    }

    private func biometrics(_ page: inout PageBuilder, _ person: Person) {
        let isPossible = app.around.hasBiometrics() && app.people.count == 1
        page.toggle(.settingsBiometrics, person.biometrics, isEnabled: isPossible || person.biometrics) { [self] in
            person.biometrics ? Biometrics.turnOff(app) : Biometrics.turnOn(app)
        }
        // What is missing says why.
        if app.people.count > 1 {
            page.read(.errorSharedText)
        } else if !app.around.hasBiometrics() {
            page.read(.errorNoBiometricsText)
        } else if person.biometrics && !person.offlineCodes {
            page.read(.errorNoAgreementTitle)
            page.read(.errorNoAgreementText)
        }
    }
}

/// Asks for the PIN, does something with it, and shows what comes next, if anything; a wrong one stays on the pad.
@MainActor
enum WithPin {
    static func ask(
        _ app: AppModel, _ title: TextKey = .pinEnterTitle, what: TextKey? = nil,
        then use: @escaping @MainActor (any PhoneProtocol, Person, Data) async throws -> (any ScreenModel)?
    ) {
        let words: (AppModel) -> String? = { app in what.map { app.text(.pinFor, app.text($0)) } }
        let pad = PinScreen(app, title, words: words) { pad, pin in
            app.run(failed: { stays(on: pad, app, after: $0) }) {
                let next = try await use(app.open(), app.chosen(), pin)
                app.leave(pad)
                if let next { app.push(next) }
            }
        }
        pad.forgotten = true
        app.push(pad)
    }

    /// Whether the person can just type again.
    static func stays(on pad: PinScreen, _ app: AppModel, after failure: PhoneError) -> Bool {
        switch failure {
        case .WrongPin(let tries) where tries.waitSeconds == 0:
            pad.problem = { $0.text(.wrongPinTitle) + ". " + $0.text(.wrongPinLeft, String(tries.triesLeft)) }
        // The try was closed by another one; it says so, and to type again.
        case .Refused("pin_exchange_closed", _, _):
            pad.problem = { $0.sentence(failure) }
        default: return false
        }
        app.around.play(.warning)
        return true
    }
}

/// The old PIN, then the new one twice.
@MainActor
enum ChangePin {
    static func start(_ app: AppModel) {
        let old = PinScreen(app, .pinOldTitle) { old, present in
            NewPin.ask(app, .pinNewTitle) { new, chosen in
                app.run(failed: { failure in
                    if case .PinTooWeak(let reason) = failure {
                        new.problem = { $0.text(reason.text) }
                        return true
                    }
                    // The old one was wrong: back to it.
                    guard WithPin.stays(on: old, app, after: failure) else { return false }
                    app.leave(new)
                    return true
                }) {
                    try await app.open().changePin(old: present, new: chosen, person: app.chosen().id)
                    app.leave(old)
                    app.push(DoneScreen(app, .pinChanged))
                }
            }
        }
        old.forgotten = true
        app.push(old)
    }
}

/// Fingerprint or face, on and off.
@MainActor
enum Biometrics {
    static func turnOn(_ app: AppModel) {
        guard app.around.hasBiometrics() else { return app.push(NoBiometricsScreen(app)) }
        WithPin.ask(app, what: .settingsBiometrics) { phone, person, pin in
            try await phone.enableBiometrics(pin: pin, person: person.id)
            app.settings.biometricsLost = false
            return DoneScreen(app, .biometricsDone)
        }
    }

    static func turnOff(_ app: AppModel) {
        WithPin.ask(app, what: .settingsBiometrics) { phone, person, pin in
            try await phone.disableBiometrics(pin: pin, person: person.id)
            return DoneScreen(app, .biometricsOffDone)
        }
    }
}

/// No sensor, or nothing enrolled in it.
@MainActor
final class NoBiometricsScreen: ScreenModel {
    let name = "no-biometrics"
    let title = TextKey.errorNoBiometricsTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.errorNoBiometricsText)
        page.button(.errorSystemSettings) { [self] in app.around.open(.systemSettings) }
        page.button(.close, .secondary) { [self] in app.leave(self) }
    }
}

/// Something was done.
@MainActor
final class DoneScreen: ScreenModel {
    let name = "done"
    let title: TextKey
    private unowned let app: AppModel
    private let words: TextKey?

    init(_ app: AppModel, _ title: TextKey, words: TextKey? = nil) {
        self.app = app
        self.title = title
        self.words = words
    }

    func build(_ page: inout PageBuilder) {
        if let words { page.read(words) }
        page.button(.done) { [self] in app.leave(self) }
    }
}

/// Something that cannot be undone: asked once more.
@MainActor
final class ConfirmScreen: ScreenModel {
    let name = "confirm"
    let title: TextKey
    private unowned let app: AppModel
    private let words: (AppModel) -> String
    private let yes: TextKey
    private let act: @MainActor (ConfirmScreen) -> Void

    init(
        _ app: AppModel, _ title: TextKey, _ words: @escaping (AppModel) -> String, yes: TextKey,
        act: @escaping @MainActor (ConfirmScreen) -> Void
    ) {
        self.app = app
        self.title = title
        self.words = words
        self.yes = yes
        self.act = act
    }

    func build(_ page: inout PageBuilder) {
        page.sentence(.danger, "words", words(app))
        page.button(yes, .danger) { [self] in act(self) }
        page.button(.cancel, .secondary) { [self] in app.leave(self) }
    }

    /// Blocks this phone at once.
    static func block(_ app: AppModel, _ person: UInt32) -> ConfirmScreen {
        ConfirmScreen(app, .blockTitle, { $0.text(.blockText) }, yes: .blockYes) { _ in
            app.run {
                try await app.open().block(person: person)
                app.home()
            }
        }
    }
}

/// Danish, English, Greenlandic, or as the phone.
@MainActor
final class LanguageScreen: ScreenModel {
    let name = "language"
    let title = TextKey.languageTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        let chosen = app.settings.language
        for language in [nil] + TextLanguage.allCases.map(Optional.some) {
            let key = language?.name ?? .languagePhone
            page.add(key.rawValue, .choice(isChosen: chosen == language), page.text(key),
                value: chosen == language ? page.text(.peopleChosen) : nil, press: { [self] in
                    app.choose(language: language)
                })
        }
    }
}

extension TextLanguage {
    /// The language's own name.
    var name: TextKey {
        switch self {
        case .da: .languageDa
        case .en: .languageEn
        case .kl: .languageKl
        }
    }
}

/// Facts about the phone, nothing about the person, and a code that says them.
@MainActor
final class SupportScreen: ScreenModel {
    let name = "support"
    let title = TextKey.supportTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.supportText)
        if let code = app.phone?.supportCode() {
            page.add("support-code", .code, page.text(.supportSpoken, Formats.spoken(code)), value: code)
        }
        let facts = app.around.support
        page.row(.supportApp, facts.app)
        page.row(.supportSystem, facts.system)
        page.row(.supportKeys, page.text(facts.protection.text))
        page.row(.supportBiometrics, page.text(app.around.hasBiometrics() ? .supportAvailable : .supportMissing))
        page.row(.supportAgreement, page.text(app.current?.offlineCodes == true ? .supportAvailable : .supportMissing))
    }
}

extension KeySecurity {
    var text: TextKey {
        switch self {
        case .dedicated: .supportStrongbox
        case .trustedEnvironment: .supportTee
        case .software: .supportSoftware
        }
    }
}

/// What the app is built from.
@MainActor
final class LicencesScreen: ScreenModel {
    let name = "licences"
    let title = TextKey.licencesTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        // A line for each work, and the licences' own texts a paragraph at a time: so they can be listened to.
        for (number, part) in app.around.licences.components(separatedBy: "\n\n").enumerated() {
            let lines = part.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            let works = lines.map { $0.components(separatedBy: ": ") }
            if works.allSatisfy({ $0.count == 2 }) {
                for (line, work) in works.enumerated() { page.row(id: "work \(number) \(line)", work[0], work[1]) }
            } else {
                page.add("licence \(number)", .text, lines.joined(separator: " "))
            }
        }
    }
}

/// What the app is, and which version.
@MainActor
final class AboutScreen: ScreenModel {
    let name = "about"
    let title = TextKey.aboutTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.aboutText)
        page.read(.aboutVersion, app.around.support.app)
    }
}
