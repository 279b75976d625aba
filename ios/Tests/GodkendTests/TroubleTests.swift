import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// Everything that can go wrong, each by its real cause, and what the page says to do next.
@MainActor
final class TroubleTests: XCTestCase {
    func testWithoutAServerNothingIsLostAndItGoesOnOnceTheServerIsBack() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        world.killServer()
        try await anna.types(number: "12345678")
        XCTAssertTrue(anna.sees(.errorNoNetworkTitle), anna.description)
        XCTAssertEqual(anna.felt, [.warning])
        try await world.startServer()
        let (bank, number) = try await world.login("anna.a")
        try await anna.press(.close)
        try anna.type(number, into: .numberField)
        try await anna.press(.next)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }

    func testTheHomePageSaysThatThereIsNoConnection() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        world.killServer()
        anna.app.foreground()
        try await anna.waits(for: .homeOffline)
        await anna.app.stop()
    }

    func testAWrongPinSaysWhatIsLeftThenWaitsThenIsDead() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        var bank = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await anna.typePin("402953")
        XCTAssertTrue(anna.sees(anna.app.text(.wrongPinLeft, "2")), anna.description)
        try await anna.typePin("402953")
        XCTAssertTrue(anna.sees(anna.app.text(.wrongPinLeft, "1")), anna.description)
        try await anna.typePin("402953")
        // The wait counts down, and the way on comes when it is over.
        XCTAssertTrue(anna.sees(.errorWaitingTitle), anna.description)
        XCTAssertTrue(anna.sees("1 minut") || anna.sees("sekunder"), anna.description)
        anna.ahead += 30
        XCTAssertTrue(anna.sees("30 sekunder") || anna.sees("29 sekunder"), anna.description)
        try await anna.press(.goHome)
        try await world.moveClock(seconds: 61)
        for round in 0..<2 {
            bank = try await anna.opensLink(world)
            try await anna.press(.requestApproveButton)
            for _ in 0..<3 { try await anna.typePin("402953") }
            if round == 0 {
                XCTAssertTrue(anna.sees(.errorWaitingTitle), anna.description)
                try await anna.press(.goHome)
                try await world.moveClock(seconds: 3601)
            }
        }
        XCTAssertTrue(anna.sees(.errorPinDeadTitle), anna.description)
        try await anna.press(.pinForgotten)
        XCTAssertTrue(anna.sees(.pinForgottenTitle), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testANewFingerLeadsToThePinAndBack() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        try anna.access.desktop.enrolNewFinger()
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.errorInvalidatedTitle), anna.description)
        try await anna.press(.approvePin)
        try await anna.typePin(Citizen.pin)
        _ = try await bank.next("signed_in")
        try await anna.press(.done)
        XCTAssertTrue(anna.sees(.homeBiometricsAgain), anna.description)
        try await anna.press(.biometricsOn)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.biometricsDone), anna.description)
        try await anna.press(.done)
        XCTAssertFalse(anna.sees(.homeBiometricsAgain), anna.description)
        let (again, second) = try await world.login("anna.a")
        try await anna.types(number: second)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        _ = try await again.next("signed_in")
        await anna.app.stop()
    }

    func testALockedSensorAndACancelledPromptLeaveTheRequestForThePin() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        anna.play(.cancel)
        try await anna.press(.requestApproveButton)
        // Who cancelled is where they were.
        XCTAssertTrue(anna.sees("Testbanken"), anna.description)
        anna.play(.lockedOut)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.errorLockedOutTitle), anna.description)
        try await anna.press(.approvePin)
        try await anna.typePin(Citizen.pin)
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }

    func testARequestExpiresOnThePageAndAtTheServer() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        var bank = try await anna.opensLink(world)
        XCTAssertTrue(anna.page.elements.contains { $0.role == .countdown }, anna.description)
        anna.ahead += 181
        anna.app.tick()
        XCTAssertTrue(anna.sees(.errorExpiredTitle), anna.description)
        try await anna.press(.goHome)

        // The server's clock decides, whatever the page shows.
        bank = try await anna.opensLink(world)
        try await world.moveClock(seconds: 200)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.errorExpiredTitle), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testAClonedPhoneIsFrozen() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        await anna.app.stop()
        let folder = world.home.appendingPathComponent("phone")
        let copy = world.home.appendingPathComponent("clone")
        // The profile's lock lives as long as the desktop: the copy is one of files.
        try FileManager.default.copyItem(at: folder, to: copy)
        let clone = try Citizen(world, named: "clone")

        for (one, title) in [(anna, TextKey.approvedTitle), (clone, .errorFrozenTitle)] {
            one.app.start()
            await one.app.settled()
            let bank = try await one.opensLink(world)
            try await one.press(.requestApproveButton)
            try await one.typePin(Citizen.pin)
            // The copy's try is one that the phone has used; it is told to type again.
            if one === clone { try await one.typePin(Citizen.pin) }
            XCTAssertTrue(one.sees(title), one.description)
            withExtendedLifetime(bank) {}
        }
        // Also the phone itself, from now on; and the page says what to do.
        try await clone.press(.close)
        await clone.app.stop()
        try await anna.press(.done)
        anna.app.foreground()
        try await anna.waits(for: .errorFrozenTitle)
        await anna.app.stop()
    }

    func testKeysThatAreGoneAfterARestoreLeadToANewActivation() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        await anna.app.stop()
        try anna.access.desktop.loseKeys()
        anna.app.start()
        await anna.app.settled()
        XCTAssertTrue(anna.sees(.errorKeyMissingTitle), anna.description)
        try await anna.press(.errorActivateAgain)
        XCTAssertTrue(anna.sees(.activateTitle), anna.description)
        let handed = try await world.handOutAgain(to: "anna.a")
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.finishes(world, handed)
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
    }

    func testADamagedStoreSaysSoAndIsMendedByANewActivation() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        let store = RememberingStore()
        anna.access.store = store
        try await anna.activates(world, as: "anna.a")
        await anna.app.stop()
        store.damage()
        anna.app.start()
        await anna.app.settled()
        XCTAssertTrue(anna.sees(anna.app.sentence(.StateDamaged)), anna.description)
        try await anna.press(.errorActivateAgain)
        XCTAssertTrue(anna.sees(.activateTitle), anna.description)
        await anna.app.stop()
    }

    func testAFullPhoneSendsNothingAndSaysSo() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        let store = RememberingStore()
        anna.access.store = store
        try await anna.activates(world, as: "anna.a")
        let first = try await anna.opensLink(world)
        store.isFull = true
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.errorStorageTitle), anna.description)
        // Nothing was approved, and with room again it goes on.
        store.isFull = false
        try await anna.press(.tryAgain)
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        withExtendedLifetime(first) {}
        let second = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        withExtendedLifetime(second) {}
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        await anna.app.stop()
    }

    func testWhatIsNoCodeAndWhatBelongsElsewhereAreToldApart() async throws {
        let world = try await World()
        let elsewhere = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeScan)
        try await anna.scan("https://example.dk")
        XCTAssertTrue(anna.sees(.errorNotACodeTitle), anna.description)
        try await anna.press(.close)
        // The same picture is not tried again and again.
        try await anna.scan("https://example.dk")
        XCTAssertTrue(anna.sees(.scanTitle), anna.description)
        try await anna.scan(elsewhere.handOut(to: "anna.a").text)
        XCTAssertTrue(anna.sees(.errorUnknownRootTitle), anna.description)
        try await anna.press(.close)
        try await anna.scan("godkend://activate/9?e=test")
        XCTAssertTrue(anna.sees(.errorUpdateTitle), anna.description)
        try await anna.press(.update)
        XCTAssertEqual(anna.opened, [.appStore])
        await anna.app.stop()
    }

    func testADeskThatBlocksThePersonIsHeardByItsCode() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (_, number) = try await world.login("anna.a")
        try await world.run("block-citizen", "anna.a", gives: "done")
        try await anna.types(number: number)
        XCTAssertTrue(anna.sees("identity_blocked") || anna.sees(.errorBlockedTitle), anna.description)
        await anna.app.stop()
    }

    func testAWrongNumberIsRefusedInTheServersWords() async throws {
        let world = try await World()
        let anna = try Citizen(world, language: "en")
        try await anna.activates(world, as: "anna.a")
        try await anna.types(number: "00000000")
        XCTAssertTrue(anna.sees(.errorRefusedTitle) && anna.sees("number_wrong"), anna.description)
        XCTAssertTrue(anna.sees("The number matches no waiting request."), anna.description)
        await anna.app.stop()
    }

    func testAnActivationWithWrongDigitsIsVoidAndBeginsAnew() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a")
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.waits(for: .digitsTitle)
        for _ in 0..<3 {
            do {
                try await world.typeDigits("00000000", of: handed)
                XCTFail("wrong digits were taken")
            } catch {}
        }
        try await anna.waits(for: .stageVoid)
        try await anna.press(.errorActivateAgain)
        XCTAssertTrue(anna.sees(.welcomeTitle), anna.description)
        await anna.app.stop()
    }

    func testEveryFailureHasAWayOn() async {
        for failure in Samples.failures {
            let advice = Advice(for: failure)
            XCTAssertFalse(advice.ways.isEmpty, "\(failure)")
            if case .text(let key) = advice.words {
                XCTAssertNotEqual(Texts.text(key, .da), Texts.text(key, .en), "\(failure)")
            } else {
                XCTAssertNotEqual(failure.text(language: .danish), failure.text(language: .english), "\(failure)")
            }
        }
    }
}

/// A store in memory that can be full or damaged.
final class RememberingStore: StateStore, @unchecked Sendable {
    private let lock = NSLock()
    private var blob: Data?
    var isFull = false
    /// It throws what no store declares.
    var isStrange = false
    private struct Strange: Error {}

    func load() throws -> Data? {
        if isStrange { throw Strange() }
        return lock.withLock { blob }
    }

    func save(blob: Data) throws {
        if isStrange { throw Strange() }
        if isFull { throw StoreError.Failed(detail: "the phone is full") }
        lock.withLock { self.blob = blob }
    }

    func damage() {
        lock.withLock { if let blob { self.blob = blob.prefix(blob.count - 1) + [blob[blob.count - 1] ^ 1] } }
    }
}
