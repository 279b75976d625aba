import XCTest
@testable import Godkend
@testable import GodkendScreens

/// Calls while another waits, cancelled half-way, from many tasks, after the end, over a key store that throws: no
/// deadlock, no crash, nothing lost.
@MainActor
final class AtOnceTests: XCTestCase {
    private func phone(_ anna: Citizen) async throws -> Phone {
        guard let phone = try await anna.access.open() as? Phone else {
            throw Program.Failed(description: "no phone")
        }
        return phone
    }

    private func failure(_ body: () async throws -> Void) async -> PhoneError? {
        do { try await body() } catch { return error as? PhoneError }
        return nil
    }

    func testManyTasksUseOnePhoneWhileItWatches() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let phone = try XCTUnwrap(anna.app.phone as? Phone)
        let (bank, number) = try await world.login("anna.a")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    _ = phone.state()
                    _ = try await phone.overview(person: nil)
                    _ = try phone.history(person: nil)
                    _ = phone.supportCode()
                }
            }
            group.addTask {
                let request = try await phone.typeNumber(digits: number, person: nil)
                _ = try await phone.approveWithPin(request: request, pin: Data(Citizen.pin.utf8), rememberBrowser: false)
            }
            try await group.waitForAll()
        }
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }

    func testACallThatWaitsIsCancelledAndTheNextOneWorks() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a")
        let phone = try XCTUnwrap(anna.app.phone as? Phone)
        let person = try await phone.activate(text: handed.text, environment: nil)
        var result: PhoneError?
        let waiting = Task { result = await self.failure { _ = try await phone.awaitDigits(person: person) } }
        // As often as it takes: the first may come before the call has begun.
        while result == nil {
            phone.cancel()
            try await Task.sleep(for: .milliseconds(20))
        }
        await waiting.value
        XCTAssertEqual(result, .Cancelled)
        XCTAssertNotNil(phone.digits(person: person))
        let digits = try XCTUnwrap(phone.digits(person: person))
        try await world.typeDigits(digits, of: handed)
        let stage = try await phone.awaitDigits(person: person)
        XCTAssertEqual(stage, .choosePin)
        await anna.app.stop()
    }

    func testAfterTheEndEveryCallSaysSo() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let phone = try XCTUnwrap(anna.app.phone as? Phone)
        let waiting = Task { await self.failure { _ = try await phone.typeNumber(digits: "12345678", person: nil) } }
        await anna.app.stop()
        let underWay = await waiting.value
        XCTAssertNotNil(underWay)
        let later = await failure { _ = try await phone.overview(person: nil) }
        XCTAssertEqual(later, .ShutDown)
        XCTAssertThrowsError(try phone.watch(observer: DeafObserver()))
        XCTAssertEqual(phone.state().people.count, 1)
        await phone.shutDown()
        // The same folder opens again.
        let again = try await self.phone(anna)
        XCTAssertEqual(again.state().people.first?.standing, .active)
        await again.shutDown()
    }

    func testAKeyStoreThatThrowsStopsTheAnswerAndLosesNothing() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        await anna.app.stop()
        let keys = MoodyKeys(anna.access.desktop.keys())
        anna.access.keys = keys
        anna.app.start()
        await anna.app.settled()
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        // Once is tried again by itself; what is no key error counts as a failure too.
        for mood in [MoodyKeys.Mood.always, .strange] {
            keys.mood = mood
            try await anna.press(.requestApproveButton)
            try await anna.typePin(Citizen.pin)
            XCTAssertTrue(anna.sees(.errorNotSupportedTitle), anna.description)
            try await anna.press(.close)
            anna.app.back()
        }
        keys.mood = .once
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }
}

private final class DeafObserver: Observer {
    func changed() {}
}

/// Keys that fail when told to.
final class MoodyKeys: HardwareKeys, @unchecked Sendable {
    enum Mood { case good, once, always, strange }
    struct Strange: Error {}

    private let keys: any HardwareKeys
    private let lock = NSLock()
    private var now = Mood.good

    var mood: Mood {
        get { lock.withLock { now } }
        set { lock.withLock { now = newValue } }
    }

    init(_ keys: any HardwareKeys) { self.keys = keys }

    private func fail() throws {
        let mood = lock.withLock {
            let mood = now
            if now == .once { now = .good }
            return mood
        }
        switch mood {
        case .good: return
        case .once, .always: throw KeyError.Failed(detail: "moody")
        case .strange: throw Strange()
        }
    }

    func create(alias: String, conditions: KeyConditions) async throws -> CreatedKey {
        try await keys.create(alias: alias, conditions: conditions)
    }
    func sign(alias: String, message: Data, prompt: String?) async throws -> Data {
        try fail()
        return try await keys.sign(alias: alias, message: message, prompt: prompt)
    }
    func derive(alias: String, input: Data) async throws -> Data { try await keys.derive(alias: alias, input: input) }
    func agree(alias: String, point: Data, prompt: String?) async throws -> Data {
        try await keys.agree(alias: alias, point: point, prompt: prompt)
    }
    func delete(aliases: [String]) async throws { try await keys.delete(aliases: aliases) }
    func aliases() async throws -> [String] { try await keys.aliases() }
}
