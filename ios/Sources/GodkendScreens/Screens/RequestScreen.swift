import Foundation
import GodkendDesign
import Godkend

/// Everything that a person must see before deciding, and three ways out.
@MainActor
final class RequestScreen: ScreenModel {
    let name = "request"
    let title: TextKey
    private unowned let app: AppModel
    private let request: Request
    /// When it expires, on the clock of `Surroundings.seconds`; none offline, where the server alone judges.
    private let ends: Double?
    private var remember = false
    /// After the sensor has failed: the PIN, for this request.
    private var onlyPin = false

    init(_ app: AppModel, _ request: Request) {
        self.app = app
        self.request = request
        ends = request.secondsLeft.map { app.around.seconds() + Double($0) }
        title = request.action.text
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        if request.newBrowser { page.notice(.warning, .requestNewBrowser) }
        if request.action == .newPhoneNotice { page.notice(.danger, .requestNewDevice) }
        page.add("relying-party", .strong, request.relyingParty)
        page.add("asks", .text, page.text(asks))
        if let payment = request.payment {
            let amount = payment.amount(language: page.language.ffi)
            page.add(TextKey.requestAmount.rawValue, .large, page.text(.requestAmount), value: amount)
            page.add(TextKey.requestPayee.rawValue, .large, page.text(.requestPayee), value: payment.payee)
            if let account = payment.account { page.row(.requestAccount, account) }
        }
        if let text = request.text { page.row(.requestText, text) }
        if let place = request.place { page.row(.requestPlace, place) }
        if let browser = request.browser { page.row(.requestBrowser, browser) }
        page.row(.requestLevel, page.text(request.level.text))
        page.row(.requestBinding, page.text(request.binding.text))
        if let secondsLeft {
            let left = Formats(language: page.language).duration(seconds: secondsLeft)
            page.add(TextKey.requestExpires.rawValue, .countdown, page.text(.requestExpires, left), value: "\(secondsLeft)")
        }
        if request.mayRemember {
            page.toggle(.requestRemember, remember) { [self] in
                remember.toggle()
                app.refresh()
            }
        }
        // A notice can be stopped; there is nothing in it to approve.
        if request.pinAllowed || usesBiometrics {
            page.slide(.requestSwipe) { [self] in approve() }
            page.button(.requestApproveButton, hint: usesBiometrics ? .approveBiometric : .approvePin) { [self] in
                approve()
            }
        } else {
            page.button(.close) { [self] in app.home() }
        }
        if usesBiometrics && request.pinAllowed {
            page.button(.approvePin, .quiet) { [self] in approveWithPin() }
        }
        page.button(.requestRefuse, .danger) { [self] in
            app.push(RefuseScreen(app) { [self] fraud in
                let phone = try app.open()
                fraud ? try await phone.reportFraud(request: request) : try await phone.deny(request: request)
            })
        }
    }

    private var asks: TextKey {
        switch request.action {
        case .approve where request.payment != nil: .requestPay
        case .logOn: .requestLogOn
        case .approve: .requestApprove
        case .confirm: .requestConfirm
        case .accept: .requestAccept
        case .sign: .requestSign
        default: .requestOwn
        }
    }

    private var usesBiometrics: Bool { request.biometricsAllowed && !onlyPin }

    private var secondsLeft: UInt32? {
        ends.map { UInt32(max(0, ($0 - app.around.seconds()).rounded(.up))) }
    }

    func tick() {
        if secondsLeft == 0, !app.isBusy { expire() }
    }

    private func expire() {
        app.home()
        app.trouble(.Expired)
    }

    private func approve() {
        if secondsLeft == 0 { return expire() }
        usesBiometrics ? approveWithBiometrics() : approveWithPin()
    }

    private func approveWithBiometrics() {
        app.run(failed: { [self] failure in
            switch failure {
            case .KeyInvalidated: app.settings.biometricsLost = true
            case .LockedOut, .NotAuthenticated: break
            default: return false
            }
            // The request stays: the PIN can still answer it.
            onlyPin = request.pinAllowed
            app.trouble(
                failure, usePin: request.pinAllowed ? { [self] in approveWithPin() } : nil,
                again: failure == .NotAuthenticated ? { [self] in approveWithBiometrics() } : nil)
            return true
        }) { [self] in
            approved(try await app.open().approveWithBiometrics(request: request, rememberBrowser: remember))
        }
    }

    private func approveWithPin() {
        let pad = PinScreen(app, .pinEnterTitle, words: { [request] in $0.text(.pinFor, request.relyingParty) }) {
            [self] pad, pin in
            app.run(failed: { [self] failure in WithPin.stays(on: pad, app, after: failure) }) { [self] in
                approved(try await app.open().approveWithPin(
                    request: request, pin: pin, rememberBrowser: remember))
            }
        }
        pad.forgotten = true
        app.push(pad)
    }

    private func approved(_ approved: Approved) {
        app.around.play(.approved)
        if let code = approved.code {
            app.replace(with: OfflineCodeScreen(app, code))
        } else {
            app.replace(with: ResultScreen(app, .approved(by: request.relyingParty, returnURL: approved.returnUrl)))
        }
    }
}

extension Level {
    var text: TextKey {
        switch self {
        case .low: .levelLow
        case .substantial: .levelSubstantial
        case .high: .levelHigh
        }
    }
}

extension Binding {
    var text: TextKey {
        switch self {
        case .scannedQr: .bindingScannedQr
        case .sameDevice: .bindingSameDevice
        case .typedNumber: .bindingTypedNumber
        case .rememberedBrowser: .bindingRememberedBrowser
        case .rememberedBrowserAndNumber: .bindingRememberedBrowserAndNumber
        case .device: .bindingDevice
        case .offline: .bindingOffline
        }
    }
}

/// Why it is refused: I changed my mind, or this was not me.
@MainActor
final class RefuseScreen: ScreenModel {
    let name = "refuse"
    let title = TextKey.refuseTitle
    private unowned let app: AppModel
    private let refuse: @MainActor (_ fraud: Bool) async throws -> Void

    init(_ app: AppModel, refuse: @escaping @MainActor (_ fraud: Bool) async throws -> Void) {
        self.app = app
        self.refuse = refuse
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        page.button(.refuseMind, .secondary, hint: .refuseMindText) { [self] in send(fraud: false) }
        page.button(.refuseFraud, .danger, hint: .refuseFraudText) { [self] in send(fraud: true) }
    }

    private func send(fraud: Bool) {
        app.run { [self] in
            try await refuse(fraud)
            app.around.play(.refused)
            app.replace(with: ResultScreen(app, fraud ? .reported : .refused))
        }
    }
}

/// What came of a request.
@MainActor
final class ResultScreen: ScreenModel {
    enum Result: Equatable {
        case approved(by: String, returnURL: String?)
        case refused
        case reported
        /// A notice of use: it was the person, or it was not.
        case recognised
        case disputed
    }

    let name = "result"
    private unowned let app: AppModel
    private let result: Result

    init(_ app: AppModel, _ result: Result) {
        self.app = app
        self.result = result
    }

    var title: TextKey {
        switch result {
        case .approved: .approvedTitle
        case .refused: .refusedTitle
        case .reported, .disputed: .reportedTitle
        case .recognised: .recognisedTitle
        }
    }

    func build(_ page: inout PageBuilder) {
        switch result {
        case .approved(let relyingParty, let returnURL):
            page.read(.approvedText, relyingParty)
            if let returnURL {
                page.button(.approvedReturn) { [self] in
                    app.around.open(.browser(returnURL))
                    app.home()
                }
            }
            page.button(.done, returnURL == nil ? .primary : .secondary) { [self] in app.home() }
        case .refused:
            page.read(.refusedText)
            page.button(.done) { [self] in app.home() }
        case .recognised:
            page.read(.recognisedText)
            page.button(.done) { [self] in app.home() }
        case .disputed:
            page.read(.disputedText)
            page.button(.done) { [self] in app.home() }
        case .reported:
            page.read(.reportedText)
            page.button(.reportedChangePin, .secondary) { [self] in
                app.home()
                ChangePin.start(app)
            }
            page.button(.done) { [self] in app.home() }
        }
    }
}

/// Approved without a network: the code is the answer.
@MainActor
final class OfflineCodeScreen: ScreenModel {
    let name = "offline-code"
    let title = TextKey.offlineCodeTitle
    private unowned let app: AppModel
    private let code: String

    init(_ app: AppModel, _ code: String) {
        self.app = app
        self.code = code
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        page.notice(.warning, .offlineCodeText)
        page.add("offline-code", .code, page.text(.digitsSpoken, Formats.spoken(code)), value: Formats.grouped(code))
        page.button(.done) { [self] in app.home() }
    }
}
