import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// What a citizen does, through the screens, the Rust library and the real server.
@MainActor
final class StoryTests: XCTestCase {
    func testFromFirstStartToALoginApprovedWithThePin() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        XCTAssertTrue(anna.sees(.homeReady), anna.description)

        let (bank, number) = try await world.login("anna.a", "--text", "Se konto 1234")
        try await anna.types(number: number)
        for shown in ["Testbanken", "Se konto 1234"] { XCTAssertTrue(anna.sees(shown), anna.description) }
        XCTAssertTrue(anna.page.isSecret)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)

        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        XCTAssertEqual(anna.felt, [.approved])
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        try await anna.press(.done)
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
    }

    func testTheQrCodeOfNetbanksPageIsScanned() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let bank = try await world.loginByQr()
        try await anna.press(.homeScan)
        try await anna.scan(world.camera())
        XCTAssertTrue(anna.sees("Testbanken") && anna.sees(anna.app.text(.bindingScannedQr)), anna.description)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }

    func testTheSlideApprovesToo() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestSwipe)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }

    func testALoginIsRefusedBecauseOfAChangeOfMind() async throws {
        let world = try await World()
        let anna = try Citizen(world, language: "en")
        try await anna.activates(world, as: "anna.a")
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestRefuse)
        try await anna.press(.refuseMind)
        XCTAssertTrue(anna.sees(.refusedTitle), anna.description)
        XCTAssertEqual(anna.felt, [.refused])
        let refused = try await bank.failure()
        XCTAssertEqual(refused["exit_code"] as? Int, 3, "\(refused)")
        try await anna.press(.done)
        try await anna.press(.homeHistory)
        XCTAssertTrue(anna.sees(.eventDenied) || anna.sees("Testbanken: Refused"), anna.description)
        await anna.app.stop()
    }

    func testAStrangersLoginIsReported() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (bank, _) = try await world.login("anna.a")
        // Nobody has typed the number: it waits locked, and says nothing of who asks.
        try await anna.waits(for: .homeLocked)
        XCTAssertFalse(anna.sees("Testbanken"), anna.description)
        try await anna.press(.homeLockedNotMe)
        try await anna.press(.refuseFraud)
        XCTAssertTrue(anna.sees(.reportedTitle), anna.description)
        let refused = try await bank.failure()
        XCTAssertEqual(refused["exit_code"] as? Int, 3, "\(refused)")
        // Whoever has given the PIN away changes it at once.
        try await anna.press(.reportedChangePin)
        XCTAssertTrue(anna.sees(.pinOldTitle), anna.description)
        await anna.app.stop()
    }

    func testAPaymentShowsAmountAndPayeeAndIsApprovedWithAFinger() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        let (bank, number) = try await world.payment("anna.a", amount: "1250.00", payee: "Elselskabet")
        try await anna.types(number: number)
        let large = anna.page.elements.filter { $0.role == .large }
        XCTAssertEqual(large.map(\.value), ["1.250,00 DKK", "Elselskabet"])
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }

    func testTheCodeIsTypedByHand() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a", asCode: true)
        try await anna.press(.welcomeStart)
        try await anna.press(.activateType)
        XCTAssertFalse(try XCTUnwrap(anna.page.elements.first { $0.id == TextKey.next.rawValue }).isEnabled)
        try anna.type(handed.text.lowercased(), into: .codeField)
        try await anna.press(.next)
        try await anna.finishes(world, handed)
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
    }

    func testAWeakPinIsRefusedWithTheReasonAndTwoDifferentOnesToo() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a")
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.waits(for: .digitsTitle)
        try await world.typeDigits(try anna.digits(), of: handed)
        try await anna.waits(for: .pinChooseText)
        for (pin, reason) in [("111111", TextKey.pinWeakRepeated), ("123456", .pinWeakSequence)] {
            try await anna.typePin(pin)
            XCTAssertTrue(anna.sees(anna.app.text(reason)), anna.description)
        }
        try await anna.typePin("271828")
        try await anna.typePin("314159")
        XCTAssertTrue(anna.sees(anna.app.text(.pinDiffers)), anna.description)
        try await anna.typePin("271828")
        try await anna.typePin("271828")
        try await anna.press(.notNow)
        // The block code is shown once.
        XCTAssertTrue(anna.sees(.blockCodeTitle) && anna.page.isSecret, anna.description)
        try await anna.press(.blockCodeNoted)
        try await anna.press(.goHome)
        try await anna.press(.homeSettings)
        try await anna.press(.settingsBlockCode)
        XCTAssertTrue(anna.sees(.blockCodeNotedAlready), anna.description)
        await anna.app.stop()
    }

    func testALinkOnTheSamePhoneLeadsBackToTheBrowser() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (bank, link) = try await world.loginOnThisPhone()
        anna.app.opened(link: link)
        await anna.app.settled()
        XCTAssertTrue(anna.sees(.bindingSameDevice) || anna.sees(anna.app.text(.bindingSameDevice)), anna.description)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        try await anna.press(.approvedReturn)
        guard case .browser(let address)? = anna.opened.last else { return XCTFail("no browser was opened") }
        try bank.type(address)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }

    func testALinkThatOpenedTheAppIsFollowedOnceTheAppIsThere() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (_, link) = try await world.loginOnThisPhone()
        await anna.app.stop()
        anna.app.opened(link: link)
        anna.app.start()
        await anna.app.settled()
        try await anna.waits(until: { anna.sees("Testbanken") }, what: "Testbanken")
        await anna.app.stop()
    }

    func testWithoutANetworkACodeIsTheAnswer() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        let bank = try world.start(["request-login", "--offline", "--user-id", "anna.a", "--level", "low"])
        let challenge = try text(try await bank.next("login_started"), "offline")
        try await anna.press(.homeScan)
        try await anna.scan(challenge)
        XCTAssertTrue(anna.sees("Testbanken"), anna.description)
        XCTAssertFalse(anna.page.elements.contains { $0.role == .countdown }, anna.description)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.offlineCodeTitle) && anna.page.isSecret, anna.description)
        let code = try XCTUnwrap(anna.page.elements.first { $0.id == "offline-code" }?.value)
        try bank.type(code)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }

    func testARememberedBrowserCallsThePhoneAtOnce() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (first, number) = try await world.login("anna.a", "--browser", "annas")
        try await anna.types(number: number)
        try await anna.press(.requestRemember)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        let remembered = try await first.next("signed_in")
        XCTAssertEqual(remembered["remembered"] as? Bool, true)
        try await anna.press(.done)

        let second = try world.start(["request-login", "--browser", "annas"])
        _ = try await second.next("login_started")
        try await anna.waits(for: .homeWaiting)
        try await anna.press(.homeOpen)
        XCTAssertTrue(anna.sees(anna.app.text(.bindingRememberedBrowser)), anna.description)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        _ = try await second.next("signed_in")
        try await anna.press(.done)

        // And it can be forgotten.
        try await anna.press(.homeSettings)
        try await anna.press(.settingsDevices)
        let forget = try XCTUnwrap(anna.page.elements.first { $0.id.hasPrefix("forget ") })
        try await anna.press(label: forget.label)
        try await anna.press(.forgetYes)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.devicesNoBrowsers), anna.description)
        await anna.app.stop()
    }

    func testAfterAKillThePhoneIsWhereItWas() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a")
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.waits(for: .digitsTitle)
        let digits = try anna.digits()
        await anna.app.stop()
        anna.app.start()
        await anna.app.settled()
        try await anna.waits(for: .digitsTitle)
        XCTAssertEqual(try anna.digits(), digits)
        try await anna.finishes(world, handed)
        await anna.app.stop()
        anna.app.start()
        await anna.app.settled()
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
    }
}
