import Foundation
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// The binding as careless Swift uses it: real threads, tasks that are cancelled, a phone that is dropped, observers,
/// stores and keys that throw what nobody declared or never answer. No deadlock, no crash, nothing lost.
final class MisuseTests: XCTestCase {
    /// An activated phone and the world that it is in.
    private struct Scene {
        let world: World
        let access: TestAccess
        let phone: Phone
    }

    @MainActor
    private func scene(store: (any StateStore)? = nil) async throws -> Scene {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        anna.access.store = store
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        await anna.app.stop()
        return Scene(world: world, access: anna.access, phone: try await Self.open(anna.access))
    }

    private static func open(_ access: TestAccess) async throws -> Phone {
        guard let phone = try await access.open() as? Phone else { throw Program.Failed(description: "no phone") }
        return phone
    }

    private func failure(_ body: () async throws -> Void) async -> PhoneError? {
        do { try await body() } catch { return error as? PhoneError }
        return nil
    }

    private func approves(_ scene: Scene, _ phone: Phone) async throws {
        let (bank, number) = try await scene.world.login("anna.a")
        let request = try await phone.typeNumber(digits: number, person: nil)
        _ = try await phone.approveWithPin(request: request, pin: Data(Citizen.pin.utf8), rememberBrowser: false)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
    }

    func testThreadsOfTheSystemsUseAPhoneWhileTasksApprove() async throws {
        let scene = try await scene()
        let phone = scene.phone
        try phone.watch(observer: CountingObserver {})
        let isOver = Flag()
        let threads = (0..<8).map { number in
            let ended = DispatchSemaphore(value: 0)
            let thread = Thread {
                var rounds = 0
                while !isOver.isSet {
                    _ = phone.state()
                    _ = try? phone.history(person: nil)
                    _ = phone.supportCode()
                    // Replacing the observer from any thread; never cancelling what others wait for.
                    if number == 0 { try? phone.watch(observer: CountingObserver {}) }
                    rounds += 1
                }
                XCTAssertGreaterThan(rounds, 0)
                ended.signal()
            }
            thread.start()
            return ended
        }
        for _ in 0..<3 { try await approves(scene, phone) }
        isOver.set()
        for ended in threads {
            let result = await Task.detached { ended.wait(timeout: .now() + 60) }.value
            XCTAssertEqual(result, .success)
        }
        let tries = try await phone.overview(person: nil).pin
        XCTAssertEqual(tries?.triesLeft, 3)
        await phone.shutDown()
    }

    /// As the binding's README says: Swift's tasks do not cancel a call, a cancellation handler does.
    func testATaskThatIsCancelledEndsItsCallAtEveryMomentAndLosesNoState() async throws {
        let scene = try await scene()
        let phone = scene.phone
        for milliseconds in stride(from: 0, to: 40, by: 4) {
            // A link for each: numbers are counted.
            let (_, link) = try await scene.world.loginOnThisPhone()
            guard case let .request(request) = try await phone.openLink(text: link, person: nil) else {
                return XCTFail("no request")
            }
            let task = Task {
                try await withTaskCancellationHandler {
                    try await phone.approveWithBiometrics(request: request, rememberBrowser: false)
                } onCancel: {
                    phone.cancel()
                }
            }
            try await Task.sleep(for: .milliseconds(milliseconds))
            task.cancel()
            let end = await failure { _ = try await task.value }
            // In time or too late, and nothing between.
            XCTAssertTrue(end == nil || end == .Cancelled, "\(String(describing: end))")
        }
        let isSettled = try await phone.settle()
        XCTAssertTrue(isSettled)
        XCTAssertEqual(phone.state().people.first?.standing, .active)
        try await approves(scene, phone)
        await phone.shutDown()
    }

    func testAPromptThatWaitsIsCancelledAndAFingerThatComesTooLateApprovesNothing() async throws {
        let scene = try await scene()
        let phone = scene.phone
        let (_, link) = try await scene.world.loginOnThisPhone()
        guard case let .request(request) = try await phone.openLink(text: link, person: nil) else {
            return XCTFail("no request")
        }
        scene.access.desktop.play(touch: .waits, keyAgreement: true)
        let before = try phone.history(person: nil).count
        let prompt = Task {
            await failure { _ = try await phone.approveWithBiometrics(request: request, rememberBrowser: false) }
        }
        // Everything else goes on while the finger is awaited.
        _ = try await phone.overview(person: nil)
        _ = try await phone.waiting(person: nil)
        let cancels = Task {
            while !Task.isCancelled {
                phone.cancel()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
        let end = await prompt.value
        cancels.cancel()
        XCTAssertEqual(end, .Cancelled)
        scene.access.desktop.play(touch: .match, keyAgreement: true)
        XCTAssertEqual(try phone.history(person: nil).count, before)
        _ = try await phone.approveWithPin(request: request, pin: Data(Citizen.pin.utf8), rememberBrowser: false)
        await phone.shutDown()
    }

    func testAPhoneThatIsDroppedWhileItWatchesEndsAndItsFolderOpensAgain() async throws {
        let scene = try await scene()
        await scene.phone.shutDown()
        let told = Flag()
        do {
            let dropped = try await Self.open(scene.access)
            try dropped.watch(observer: CountingObserver { told.set() })
            // Neither `unwatch` nor `shutDown`: the last reference goes here.
        }
        let again = try await Self.open(scene.access)
        try await approves(scene, again)
        await again.shutDown()
    }

    func testAnObserverThatCallsBackAndEndsTheWatch() async throws {
        let scene = try await scene()
        let phone = scene.phone
        let heard = expectation(description: "heard")
        heard.assertForOverFulfill = false
        try phone.watch(observer: CountingObserver { [weak phone] in
            guard let phone, !phone.state().waiting.isEmpty else { return }
            _ = phone.supportCode()
            phone.unwatch()
            heard.fulfill()
        })
        let (bank, _) = try await scene.world.login("anna.a")
        await fulfillment(of: [heard], timeout: 60)
        withExtendedLifetime(bank) {}
        await phone.shutDown()
    }

    func testAStoreThatThrowsWhatNobodyDeclaredSendsNothing() async throws {
        let store = RememberingStore()
        let scene = try await scene(store: store)
        let phone = scene.phone
        let (_, link) = try await scene.world.loginOnThisPhone()
        guard case let .request(request) = try await phone.openLink(text: link, person: nil) else {
            return XCTFail("no request")
        }
        store.isStrange = true
        let end = await failure {
            _ = try await phone.approveWithPin(request: request, pin: Data(Citizen.pin.utf8), rememberBrowser: false)
        }
        XCTAssertEqual(end, .Storage)
        await phone.shutDown()
        let closed = await failure { _ = try await Self.open(scene.access) }
        XCTAssertEqual(closed, .Storage)
        store.isStrange = false
        let again = try await Self.open(scene.access)
        try await approves(scene, again)
        await again.shutDown()
    }

    func testKeysThatNeverAnswerHoldUpNeitherOtherCallsNorTheEnd() async throws {
        let scene = try await scene()
        await scene.phone.shutDown()
        let keys = SilentKeys(scene.access.desktop.keys())
        scene.access.keys = keys
        let phone = try await Self.open(scene.access)
        let (_, link) = try await scene.world.loginOnThisPhone()
        guard case let .request(request) = try await phone.openLink(text: link, person: nil) else {
            return XCTFail("no request")
        }
        keys.isSilent.set()
        let call = Task {
            await failure {
                _ = try await phone.approveWithPin(request: request, pin: Data(Citizen.pin.utf8), rememberBrowser: false)
            }
        }
        while !keys.isAsked.isSet { try await Task.sleep(for: .milliseconds(10)) }
        XCTAssertEqual(phone.state().people.count, 1)
        XCTAssertFalse(try phone.history(person: nil).isEmpty)
        await phone.shutDown()
        let end = await call.value
        XCTAssertEqual(end, .ShutDown)
        keys.goOn()
        let again = try await Self.open(scene.access)
        try await approves(scene, again)
        await again.shutDown()
    }

    func testWhatIsNoInputIsRefusedByName() async throws {
        let scene = try await scene()
        let phone = scene.phone
        let huge = String(repeating: "9", count: 1_000_000)
        for text in ["", "\u{0}", "hej", huge, "godkend://login/1?" + huge] {
            let end = await failure { _ = try await phone.scan(text: text, person: nil) }
            XCTAssertEqual(end, .NotACode)
        }
        for digits in ["", "1234", "１２３４５６７８", huge] {
            let end = await failure { _ = try await phone.typeNumber(digits: digits, person: nil) }
            XCTAssertEqual(end, .NotACode)
        }
        for pin in [Data(), Data("12345".utf8), Data([0xFF, 0xFE]), Data(count: 1_000_000)] {
            let end = await failure { try await phone.changePin(old: Data(Citizen.pin.utf8), new: pin, person: nil) }
            XCTAssertEqual(end, .PinTooWeak(reason: .shape))
        }
        let nobody = await failure { _ = try await phone.overview(person: 77) }
        XCTAssertEqual(nobody, .NoPerson)
        try await approves(scene, phone)
        await phone.shutDown()
    }
}

private final class CountingObserver: Observer, @unchecked Sendable {
    private let told: @Sendable () -> Void

    init(told: @escaping @Sendable () -> Void) { self.told = told }
    func changed() { told() }
}

/// Something that has happened.
final class Flag: @unchecked Sendable {
    private let lock = NSLock()
    private var value = false

    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
    func clear() { lock.withLock { value = false } }
}

/// Keys that stop answering when told to.
private final class SilentKeys: HardwareKeys, @unchecked Sendable {
    let isSilent = Flag(), isAsked = Flag()
    private let keys: any HardwareKeys

    init(_ keys: any HardwareKeys) { self.keys = keys }

    func goOn() { isSilent.clear() }

    private func wait() async {
        while isSilent.isSet {
            isAsked.set()
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    func create(alias: String, conditions: KeyConditions) async throws -> CreatedKey {
        try await keys.create(alias: alias, conditions: conditions)
    }
    func sign(alias: String, message: Data, prompt: String?) async throws -> Data {
        await wait()
        return try await keys.sign(alias: alias, message: message, prompt: prompt)
    }
    func derive(alias: String, input: Data) async throws -> Data {
        await wait()
        return try await keys.derive(alias: alias, input: input)
    }
    func agree(alias: String, point: Data, prompt: String?) async throws -> Data {
        try await keys.agree(alias: alias, point: point, prompt: prompt)
    }
    func delete(aliases: [String]) async throws { try await keys.delete(aliases: aliases) }
    func aliases() async throws -> [String] { try await keys.aliases() }
}
