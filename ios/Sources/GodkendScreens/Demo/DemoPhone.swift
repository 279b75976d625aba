import Foundation
import Godkend

/// A phone that is played: no keys, no server, nothing that leaves the app. Its outcomes are fixed, like those of the
/// test environments' magic identities, so that a store's reviewer and a course at a library see all of the app.
final class DemoPhone: PhoneProtocol, @unchecked Sendable {
    /// What can be played.
    enum Scene: CaseIterable {
        /// Approved by the demonstration's PIN.
        case login, payment
        /// A locked request from somebody else's browser.
        case stranger
        /// Over after ten seconds.
        case expires
        /// The server says no to the answer.
        case refused
        /// The answer does not reach the server.
        case offline
    }

    static let pin = Data("135790".utf8)
    static let person: UInt32 = 1

    private let lock = NSLock()
    private let isDanish: Bool
    /// When it began, Unix seconds: its history is of that moment.
    private let began: Int64
    private var scenes: [UInt64: Scene] = [:]
    private var isLockedWaiting = false
    private var lines: [HistoryLine] = []
    private var observer: (any Observer)?
    private var next: UInt64 = 1
    private var tries = DemoPhone.allTries
    private var secret = DemoPhone.pin
    private var hasBiometrics = false
    private var hasLockedPush = true
    private var browsers = true
    private var standing = Standing.active
    private var blockCodeShown = false

    private static let allTries = PinTries(triesLeft: 3, waitSeconds: 0, roundsLeft: 2, blocked: false)

    /// Names and texts are in the language that the app speaks when it begins.
    init(language: Language, unixTime: Int64) {
        isDanish = language != .english
        began = unixTime
    }

    /// Begins a scene; a locked request waits on the home page instead of being shown.
    func play(_ scene: Scene) -> Request? {
        let request: Request? = lock.withLock {
            tries = Self.allTries
            if scene == .stranger {
                isLockedWaiting = true
                return nil
            }
            return show(scene)
        }
        tell()
        return request
    }

    private func show(_ scene: Scene) -> Request {
        let id = next
        next += 1
        scenes[id] = scene
        let isPayment = scene == .payment
        return Request(
            id: id, person: Self.person, transaction: "demo \(id)",
            relyingParty: isDanish ? "Demobanken" : "Demo Bank", relyingPartyId: "demo",
            action: isPayment ? .approve : .logOn,
            text: isPayment ? nil : isDanish ? "Log ind i netbank" : "Sign in to the netbank",
            payment: isPayment
                ? Payment(minorUnits: 125_000, currency: "DKK", payee: isDanish ? "Elselskabet" : "The Power Company",
                          account: "1234 0012345678")
                : nil,
            level: isPayment ? .high : .substantial, pinAllowed: true, biometricsAllowed: hasBiometrics,
            binding: scene == .stranger ? .typedNumber : .scannedQr, place: "Odense",
            browser: "Firefox, Linux", newBrowser: scene == .stranger, mayRemember: scene == .login,
            secondsLeft: scene == .expires ? 10 : 180, pin: tries, appVersion: .current)
    }

    // MARK: What the app shows

    func state() -> PhoneState {
        lock.withLock {
            PhoneState(
                people: [Person(
                    id: Self.person, name: "Anna Demo", environment: "demo",
                    phoneId: "demo", standing: standing, biometrics: hasBiometrics, offlineCodes: hasBiometrics,
                    unsettled: false, blockCodeWaits: !blockCodeShown)],
                waiting: isLockedWaiting
                    ? [Waiting(id: "demo", person: Self.person, locked: true, secondsLeft: 180)] : [],
                connection: .online, appVersion: .current, activationPending: false)
        }
    }

    func watch(observer: any Observer) throws { lock.withLock { self.observer = observer } }
    func unwatch() { lock.withLock { observer = nil } }
    func settle() async throws -> Bool { true }
    func cancel() {}
    func shutDown() async { unwatch() }
    func supportCode() -> String { "DEMO-0000" }

    private func tell() { try? lock.withLock { observer }?.changed() }

    private func note(_ event: HistoryEvent, _ request: Request?) {
        lines.append(HistoryLine(
            at: began, event: event, relyingParty: request?.relyingParty,
            action: request?.action, text: request?.text, place: request?.place, code: nil))
    }

    // MARK: Requests

    func waiting(person: UInt32?) async throws -> [Waiting] { state().waiting }
    func openRequest(waiting: String, person: UInt32?) async throws -> Request { throw PhoneError.NoRequest }
    func scan(text: String, person: UInt32?) async throws -> Scanned {
        .request(request: lock.withLock { show(.login) })
    }
    func openLink(text: String, person: UInt32?) async throws -> Scanned { throw PhoneError.NotACode }

    func typeNumber(digits: String, person: UInt32?) async throws -> Request {
        let request = lock.withLock {
            let scene: Scene = isLockedWaiting ? .stranger : .login
            isLockedWaiting = false
            return show(scene)
        }
        tell()
        return request
    }

    func secondsLeft(request: Request) -> UInt32? { request.secondsLeft }

    func approveWithPin(request: Request, pin: Data, rememberBrowser: Bool) async throws -> Approved {
        try lock.withLock {
            try check(pin, request)
            return try approve(request)
        }
    }

    func approveWithBiometrics(request: Request, rememberBrowser: Bool) async throws -> Approved {
        try lock.withLock { try approve(request) }
    }

    private func approve(_ request: Request) throws -> Approved {
        switch scenes[request.id] {
        case nil: throw PhoneError.NoRequest
        case .refused:
            note(.notTaken, request)
            throw PhoneError.Refused(code: "transaction_finished", retryAfter: nil, triesLeft: nil)
        case .offline: throw PhoneError.NoNetwork
        case .login, .payment, .stranger, .expires:
            scenes[request.id] = nil
            note(.approved, request)
            return Approved(returnUrl: nil, code: nil, activeFrom: nil)
        }
    }

    func deny(request: Request) async throws { refuse(request, .denied) }
    func reportFraud(request: Request) async throws { refuse(request, .reported) }

    func answerNotice(request: Request, wasMe: Bool) async throws { refuse(request, wasMe ? .recognised : .reported) }

    private func refuse(_ request: Request, _ event: HistoryEvent) {
        lock.withLock {
            scenes[request.id] = nil
            note(event, request)
        }
    }

    func refuseLocked(waiting: String, fraud: Bool, person: UInt32?) async throws {
        lock.withLock {
            isLockedWaiting = false
            note(fraud ? .reported : .denied, nil)
        }
        tell()
    }

    /// Three tries, then a wait that ends by playing another scene.
    private func check(_ typed: Data, _ request: Request? = nil) throws {
        if tries.waitSeconds > 0 { throw PhoneError.PinWaiting(seconds: tries.waitSeconds) }
        guard typed != secret else { return tries = Self.allTries }
        let left = tries.triesLeft - 1
        tries = PinTries(triesLeft: left, waitSeconds: left == 0 ? 60 : 0, roundsLeft: 2, blocked: false)
        note(.wrongPin, request)
        throw PhoneError.WrongPin(tries: tries)
    }

    // MARK: The person's own affairs

    func activate(text: String, environment: String?) async throws -> UInt32 { throw PhoneError.NotNow }
    func digits(person: UInt32?) -> String? { nil }
    func awaitDigits(person: UInt32?) async throws -> EnrolmentStage { .active }
    func enrolment(person: UInt32?) async throws -> EnrolmentStage { .active }
    func choosePin(pin: Data, person: UInt32?) async throws -> EnrolmentStage { .active }
    func resetPin(person: UInt32?) async throws -> UInt32 {
        throw PhoneError.Refused(code: "pin_reset_unknown", retryAfter: nil, triesLeft: nil)
    }
    func blockCode(person: UInt32?) -> String? { lock.withLock { blockCodeShown ? nil : "DEMO-DEMO-DEMO-DEMO" } }
    func blockCodeNoted(person: UInt32?) async throws { lock.withLock { blockCodeShown = true } }
    func history(person: UInt32?) throws -> [HistoryLine] { lock.withLock { lines } }
    func exportHistory(person: UInt32?) throws -> String { "time,event,relying_party,action,text,place,code\r\n" }

    func changePin(old: Data, new: Data, person: UInt32?) async throws {
        try lock.withLock {
            try check(old)
            secret = new
        }
    }

    func enableBiometrics(pin: Data, person: UInt32?) async throws { try set(pin) { $0.hasBiometrics = true } }
    func disableBiometrics(pin: Data?, person: UInt32?) async throws { try set(pin) { $0.hasBiometrics = false } }
    func rotateKeys(pin: Data, person: UInt32?) async throws { try set(pin) { _ in } }
    func setLockedPush(on: Bool, pin: Data?, person: UInt32?) async throws { try set(pin) { $0.hasLockedPush = on } }
    func forgetBrowser(browser: String, pin: Data?, person: UInt32?) async throws { try set(pin) { $0.browsers = false } }
    func removePhone(phone: String?, pin: Data?, person: UInt32?) async throws { try set(pin) { $0.standing = .removed } }
    // A demonstration has no server that could wake it.
    func registerPush(address: PushAddress, person: UInt32?) async throws -> PushServices { Self.noPush }
    func removePush(person: UInt32?) async throws -> PushServices { Self.noPush }
    func pushServices(person: UInt32?) async throws -> PushServices { Self.noPush }
    func woken(handle: String) -> UInt32? { nil }
    private static let noPush = PushServices(registered: false, fcm: false, apns: false, webPush: nil)

    func block(person: UInt32?) async throws { lock.withLock { standing = .blocked } }
    func forget(person: UInt32) async throws { lock.withLock { standing = .active } }

    private func set(_ pin: Data?, _ change: (DemoPhone) -> Void) throws {
        try lock.withLock {
            if let pin { try check(pin) }
            change(self)
        }
        tell()
    }

    func overview(person: UInt32?) async throws -> Overview {
        lock.withLock {
            let day = began - 86_400
            return Overview(
                phones: [KnownPhone(
                    id: "demo", model: "iPhone", platform: "iOS", standing: .active, thisPhone: true,
                    biometrics: hasBiometrics, enrolledAt: day, lastUsedAt: nil)],
                browsers: browsers
                    ? [KnownBrowser(id: "demo", name: "Firefox, Linux", rememberedAt: day, lastUsedAt: day)] : [],
                lockedPush: hasLockedPush, pin: tries)
        }
    }

    func moveToNewPhone(keep: Bool, pin: Data?, person: UInt32?) async throws -> HandedOut {
        try lock.withLock {
            if let pin { try check(pin) }
            return HandedOut(link: "https://demo.invalid/", expiresAt: began + 600)
        }
    }

    func typeNewPhoneDigits(digits: String, person: UInt32?) async throws -> NewPhone {
        NewPhone(model: "iPhone", place: nil, activeFrom: nil)
    }
}
