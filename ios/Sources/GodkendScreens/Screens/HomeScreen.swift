import GodkendDesign
import Godkend

/// Ready, or one waiting request; scan; type the number.
@MainActor
final class HomeScreen: ScreenModel {
    let name = "home"
    let title = TextKey.appName
    private unowned let app: AppModel

    private var seconds = 0

    init(_ app: AppModel) { self.app = app }

    func tick() {
        seconds += 1
        if seconds % 30 == 0 { app.askWhetherActive() }
    }

    func build(_ page: inout PageBuilder) {
        guard let state = app.state, let person = app.current else { return }
        page.add(TextKey.homeHello.rawValue, .heading, page.text(.homeHello, person.name))
        switch person.standing {
        case .blocked: stopped(&page, .Blocked)
        case .frozen: stopped(&page, .Frozen)
        case .removed: stopped(&page, .Removed)
        case .enrolling(.waiting(let until)):
            page.add(TextKey.activeLaterTitle.rawValue, .strong, page.text(.activeLaterTitle))
            page.read(.activeLaterText, Formats(language: page.language).time(until))
        default: inUse(&page, state, person)
        }
        page.row(.homeHistory) { [self] in app.push(HistoryScreen(app)) }
        page.row(.homeSettings) { [self] in app.push(SettingsScreen(app)) }
        if app.isDemo { page.button(.demoTitle, .secondary) { [self] in app.push(DemoScreen(app)) } }
    }

    private func inUse(_ page: inout PageBuilder, _ state: PhoneState, _ person: Person) {
        notices(&page, state, person)
        if let waiting = state.waiting.first(where: { $0.person == person.id }) {
            waiting.locked ? locked(&page, waiting) : whole(&page, waiting)
        } else {
            page.add(TextKey.homeReady.rawValue, .strong, page.text(.homeReady))
            page.read(.homeNothing)
        }
        // Somebody else on this phone is asked: their name, and nothing of what for.
        for other in app.people where other.id != person.id && state.waiting.contains(where: { $0.person == other.id }) {
            page.row(id: "waiting \(other.id)", other.name, page.text(.homeWaiting)) { [self] in
                app.person = other.id
                app.home()
            }
        }
        page.button(.homeScan, hint: .homeScanText) { [self] in app.push(ScanScreen(app)) }
        page.button(.homeNumber, .secondary, hint: .homeNumberText) { [self] in app.push(NumberScreen(app)) }
    }

    private func notices(_ page: inout PageBuilder, _ state: PhoneState, _ person: Person) {
        switch state.connection {
        case .offline: page.notice(.warning, .homeOffline)
        case .untrusted: page.notice(.danger, .errorUntrustedText)
        case .clockWrong: page.notice(.danger, .errorClockText)
        case .unknown, .online: break
        }
        if person.unsettled { page.notice(.warning, .homeUnsettled) }
        if app.settings.biometricsLost {
            page.notice(.warning, .homeBiometricsAgain)
            page.button(.biometricsOn, .secondary) { [self] in Biometrics.turnOn(app) }
        }
        switch state.appVersion {
        case .current, .refused: break
        case .updateRecommended:
            page.notice(.calm, .homeUpdate)
            page.button(.update, .secondary) { [self] in app.around.open(.appStore) }
        case .updateRequiredFrom(let at):
            page.notice(.warning, .homeUpdateRequired, Formats(language: page.language).day(at))
            page.button(.update, .secondary) { [self] in app.around.open(.appStore) }
        }
    }

    private func whole(_ page: inout PageBuilder, _ waiting: Waiting) {
        page.add(TextKey.homeWaiting.rawValue, .strong, page.text(.homeWaiting))
        page.read(.homeWaitingText)
        page.button(.homeOpen) { [self] in
            app.run { [self] in
                app.show(try await app.open().openRequest(waiting: waiting.id, person: waiting.person))
            }
        }
    }

    private func locked(_ page: inout PageBuilder, _ waiting: Waiting) {
        page.add(TextKey.homeLocked.rawValue, .strong, page.text(.homeLocked))
        page.read(.homeLockedText)
        page.button(.homeLockedType) { [self] in app.push(NumberScreen(app)) }
        page.button(.homeLockedNotMe, .danger) { [self] in
            app.push(RefuseScreen(app) { [self] fraud in
                try await app.open().refuseLocked(waiting: waiting.id, fraud: fraud, person: waiting.person)
            })
        }
    }

    private func stopped(_ page: inout PageBuilder, _ failure: PhoneError) {
        let advice = Advice(for: failure)
        page.add(advice.title.rawValue, .strong, page.text(advice.title))
        if case .text(let key) = advice.words {
            page.notice(.danger, key)
        } else {
            page.sentence(.danger, "sentence", app.sentence(failure))
        }
        page.button(.errorActivateAgain) { [self] in app.activateAgain(after: failure) }
    }
}

/// The camera: a login page's QR code, an activation, a request without a network.
@MainActor
final class ScanScreen: ScreenModel {
    let name = "scan"
    let title = TextKey.scanTitle
    private unowned let app: AppModel
    /// The last text that led nowhere, so that the same picture is not tried again and again.
    private var refused: String?

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.secret()
        if app.around.hasCamera() {
            page.read(.scanText)
            page.add(TextKey.scanViewfinder.rawValue, .viewfinder, page.text(.scanViewfinder), enter: { [self] text in
                seen(text)
            })
        } else {
            page.notice(.warning, .scanNoCamera)
        }
        if app.current != nil {
            page.button(.homeNumber, .secondary, hint: .homeNumberText) { [self] in
                app.leave(self)
                app.push(NumberScreen(app))
            }
        } else {
            page.button(.activateType, .secondary) { [self] in
                app.leave(self)
                app.push(CodeScreen(app))
            }
        }
    }

    private func seen(_ text: String) {
        guard !app.isBusy, app.isShown(self), text != refused else { return }
        refused = text
        app.follow { [self] phone in try await phone.scan(text: text, person: app.current?.id) }
    }
}

/// The eight digits on the other screen.
@MainActor
final class NumberScreen: ScreenModel {
    let name = "number"
    let title = TextKey.numberTitle
    private unowned let app: AppModel
    private var number = ""

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.notice(.warning, .numberText)
        page.field(.numberField, .digits, Formats.grouped(number)) { [self] text in
            number = String(text.filter { $0.isASCII && $0.isNumber }.prefix(8))
            app.refresh()
        }
        page.button(.next, isEnabled: number.count == 8) { [self] in
            let typed = number
            app.run { [self] in
                app.show(try await app.open().typeNumber(digits: typed, person: app.chosen().id))
            }
        }
    }
}
