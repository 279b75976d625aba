import Foundation
import GodkendDesign
import GodkendPhone
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// More pages by their real causes: what others do to a phone, what a phone lacks, and what a person chooses.
@MainActor
final class CauseTests: XCTestCase {
    func testTheBlockCodeBlocksThePhoneFromAnyBrowser() async throws {
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
        try await anna.typePin(Citizen.pin)
        try await anna.typePin(Citizen.pin)
        try await anna.press(.notificationsOn)
        XCTAssertTrue(anna.sees(.blockCodeTitle) && anna.page.isSecret, anna.description)
        let code = try XCTUnwrap(anna.page.elements.first { $0.id == "block-code" }?.value)
        try await anna.press(.blockCodeNoted)
        try await anna.press(.goHome)

        // The phone is lost; any browser will do.
        let wrong = try world.submit("/block", "code=ABCDEF-GHJKMN-PQRSTV")
        XCTAssertTrue(wrong.hasPrefix("HTTP/1.1 ") && !wrong.contains("iPhone 17"), wrong)
        let page = try world.submit("/block", "code=\(code.lowercased())")
        XCTAssertTrue(page.contains("iPhone 17"), page)
        // The phone hears it while it looks for requests.
        try await anna.waits(for: .errorBlockedText)
        XCTAssertFalse(anna.sees(.homeScan) || anna.sees(.homeNumber), anna.description)
        try await anna.press(.homeHistory)
        XCTAssertEqual(anna.page.title, anna.app.text(.historyTitle))
        await anna.app.stop()
    }

    func testADeskBlocksOnePhone() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let device = try XCTUnwrap(anna.app.current?.phoneId)
        // With a request open, which the block comes before.
        let bank = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await world.run(["block-citizen", "anna.a", "--device=\(device)"], gives: "done")
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.errorBlockedTitle), anna.description)
        XCTAssertEqual(anna.felt, [.warning])
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testThePhoneThatWasMovedFromIsRemovedByTheNewOne() async throws {
        let world = try await World()
        let old = try Citizen(world), new = try Citizen(world, named: "new")
        try await old.activates(world, as: "anna.a")
        // A second phone, by the desk.
        new.app.start()
        await new.app.settled()
        let handed = try await world.handOutAgain(to: "anna.a")
        try await new.press(.welcomeStart)
        try await new.press(.activateScan)
        try await new.scan(handed.text)
        try await new.finishes(world, handed, pin: "602217")
        try await new.press(.homeSettings)
        try await new.press(.settingsDevices)
        let removes = new.page.elements.filter { $0.id.hasPrefix("remove ") }
        XCTAssertEqual(removes.count, 2, new.description)
        let other = try XCTUnwrap(old.app.current?.phoneId)
        try XCTUnwrap(removes.first { $0.id == "remove \(other)" }?.press)()
        try await new.press(.removeYes)
        try await new.typePin("602217")
        XCTAssertEqual(new.page.elements.filter { $0.id.hasPrefix("remove ") }.count, 1, new.description)
        // The old one hears it at once.
        try await old.waits(for: .errorRemovedText)
        try await old.press(.errorActivateAgain)
        XCTAssertTrue(old.sees(.activateTitle), old.description)
        await old.app.stop()
        await new.app.stop()
    }

    /// A move to its end: an hour later the new phone is in use, and the old one only where it was to be kept.
    func testAnHourAfterAMoveTheNewPhoneIsInUse() async throws {
        for keeps in [false, true] {
            let world = try await World()
            let old = try Citizen(world), new = try Citizen(world, named: "new")
            try await old.activates(world, as: "anna.a")
            try await old.press(.homeSettings)
            try await old.press(.settingsMove)
            if keeps { try await old.press(.moveKeep) }
            try await old.press(.moveStart)
            try await old.typePin(Citizen.pin)
            let link = try XCTUnwrap(old.page.elements.first { $0.role == .picture }?.value)
            new.app.start()
            await new.app.settled()
            try await new.press(.welcomeStart)
            try await new.press(.activateScan)
            try await new.scan(link)
            try await new.waits(for: .digitsTitle)
            try old.type(try new.digits(), into: .numberField)
            try await old.press(.next)
            try await new.waits(for: .pinChooseText)
            try await new.typePin("602217")
            try await new.typePin("602217")
            try await new.press(.goHome)
            XCTAssertTrue(new.sees(.activeLaterTitle), new.description)

            try await world.moveClock(seconds: 3_601)
            new.app.foreground()
            try await new.waits(for: .homeReady)
            let bank = try await new.opensLink(world)
            try await new.press(.requestApproveButton)
            try await new.typePin("602217")
            XCTAssertTrue(new.sees(.approvedTitle), new.description)
            withExtendedLifetime(bank) {}
            try await old.press(.done)
            if keeps {
                let second = try await old.opensLink(world)
                try await old.press(.requestApproveButton)
                try await old.typePin(Citizen.pin)
                XCTAssertTrue(old.sees(.approvedTitle), old.description)
                withExtendedLifetime(second) {}
            } else {
                old.app.foreground()
                try await old.waits(for: .errorRemovedText)
            }
            await old.app.stop()
            await new.app.stop()
        }
    }

    func testWithoutACameraBothCodesAreTypedByHand() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.app.around.hasCamera = { false }
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOut(to: "anna.a", asCode: true)
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        XCTAssertTrue(anna.sees(.scanNoCamera) && !anna.sees(.scanViewfinder), anna.description)
        try await anna.press(.activateType)
        try anna.type(handed.text, into: .codeField)
        try await anna.press(.next)
        try await anna.finishes(world, handed)
        let (bank, number) = try await world.login("anna.a")
        try await anna.press(.homeScan)
        XCTAssertTrue(anna.sees(.scanNoCamera), anna.description)
        try await anna.press(.homeNumber)
        try anna.type(number, into: .numberField)
        try await anna.press(.next)
        XCTAssertTrue(anna.sees("Testbanken"), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testTooManyNumbersMustWaitAndTheWaitCountsDown() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        // Five a minute, which refill evenly: a slow machine types a few more.
        for _ in 0..<30 {
            try await anna.types(number: "00000000")
            if anna.sees(.errorWaitingTitle) { break }
            XCTAssertTrue(anna.sees("number_wrong"), anna.description)
            try await anna.press(.goHome)
        }
        XCTAssertTrue(anna.sees(.errorWaitingTitle) && anna.sees(.errorThrottledText), anna.description)
        XCTAssertFalse(anna.sees(.tryAgain), anna.description)
        anna.ahead += 61
        anna.app.tick()
        XCTAssertTrue(anna.sees(.tryAgain), anna.description)
        await anna.app.stop()
    }

    func testASensorThatIsGoneIsToldWhereItIsWanted() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        try anna.access.desktop.enrolNewFinger()
        _ = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.errorInvalidatedTitle), anna.description)
        try await anna.press(.approvePin)
        try await anna.typePin(Citizen.pin)
        try await anna.press(.done)
        // Every finger was removed in the phone's settings.
        anna.play(nil)
        try await anna.press(.biometricsOn)
        XCTAssertTrue(anna.sees(.errorNoBiometricsTitle), anna.description)
        try await anna.press(.errorSystemSettings)
        XCTAssertEqual(anna.opened, [.systemSettings])
        await anna.app.stop()
    }

    func testAnEnclaveWithoutWhatThePolicyAsksSaysSoBeforeAnythingIsSent() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        let element = try SoftwareElement()
        // The app insists on a chip of its own, and this phone has none.
        anna.access.keys = EnclaveKeys(element: element, attester: nil, notebook: MemoryNotebook())
        anna.access.security = .dedicated
        anna.app.start()
        await anna.app.settled()
        XCTAssertTrue(anna.sees(.errorNotSupportedTitle), anna.description)
        let made = try await element.tags(beginningWith: "")
        XCTAssertEqual(made, [])
        await anna.app.stop()
    }

    func testNotificationsAreAskedForOnceAndTheAnswerHindersNothing() async throws {
        for answer in [true, false] {
            let world = try await World()
            let anna = try Citizen(world)
            var asked = 0
            anna.app.around.askForNotifications = {
                asked += 1
                return answer
            }
            anna.app.start()
            await anna.app.settled()
            let handed = try await world.handOut(to: "anna.a")
            try await anna.press(.welcomeStart)
            try await anna.press(.activateScan)
            try await anna.scan(handed.text)
            try await anna.waits(for: .digitsTitle)
            try await world.typeDigits(try anna.digits(), of: handed)
            try await anna.waits(for: .pinChooseText)
            try await anna.typePin(Citizen.pin)
            try await anna.typePin(Citizen.pin)
            try await anna.press(.notificationsOn)
            XCTAssertEqual(asked, 1)
            try await anna.press(.blockCodeNoted)
            try await anna.press(.goHome)
            XCTAssertTrue(anna.sees(.homeReady), anna.description)
            // A wake-up while the app is there finds what waits, as opening the app does.
            let (bank, _) = try await world.login("anna.a")
            anna.app.foreground()
            try await anna.waits(for: .homeLocked)
            withExtendedLifetime(bank) {}
            await anna.app.stop()
        }
    }

    func testTheLanguageIsChosenInTheAppAndGreenlandicReadsDanishUntilItIsTranslated() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsLanguage)
        try await anna.press(.languageEn)
        XCTAssertEqual(anna.page.title, "Language")
        try await anna.press(.languageKl)
        XCTAssertEqual(anna.app.language, .kl)
        XCTAssertEqual(anna.page.title, Texts.text(.languageTitle, .kl))
        // What the library and the system say too: no page is half in another language.
        XCTAssertEqual(PhoneError.NoNetwork.text(language: .greenlandic), PhoneError.NoNetwork.text(language: .danish))
        let danish = Formats(language: .da), greenlandic = Formats(language: .kl)
        XCTAssertEqual(greenlandic.duration(seconds: 125), danish.duration(seconds: 125))
        XCTAssertEqual(greenlandic.moment(1_800_000_000), danish.moment(1_800_000_000))
        for key in TextKey.allCases {
            let text = Texts.text(key, .kl)
            XCTAssertFalse(text.isEmpty || text == key.rawValue, key.rawValue)
        }
        try await anna.press(.languagePhone)
        XCTAssertEqual(anna.app.language, .da)
        // A phone in Greenlandic begins in it, one in a third language in English.
        for (system, language) in [("kl-GL", TextLanguage.kl), ("da-DK", .da), ("fr-FR", .en)] {
            let app = AppModel(access: NoAccess(), settings: MemorySettings(), systemLanguage: system)
            XCTAssertEqual(app.language, language)
        }
        await anna.app.stop()
    }

    func testTheSavedHistoryIsATableWithEveryEvent() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (bank, number) = try await world.payment("anna.a", amount: "1250.00", payee: "El \"Selskabet\"")
        try await anna.types(number: number)
        try await anna.press(.requestRefuse)
        try await anna.press(.refuseFraud)
        try await anna.press(.done)
        try await anna.press(.homeHistory)
        try await anna.press(.historyExport)
        let table = try XCTUnwrap(anna.exported.first)
        let lines = table.components(separatedBy: "\r\n")
        XCTAssertEqual(lines.first, "time,event,relying_party,action,text,place,code")
        XCTAssertEqual(lines.last, "")
        let reported = try XCTUnwrap(lines.first { $0.contains(",\"reported\",") }, table)
        XCTAssertTrue(reported.contains("\"Testbanken\"") && reported.contains("El \"\"Selskabet\"\""), reported)
        // As many as the page shows; neither PIN nor number among them.
        XCTAssertEqual(lines.count - 2, anna.page.elements.filter { $0.id.hasPrefix("line") }.count)
        for secret in [Citizen.pin, number] { XCTAssertFalse(table.contains(secret), table) }
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testWhatIsTypedIsForgottenWhenTheAppLeavesTheFront() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let bank = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await anna.typePin("2718")
        XCTAssertTrue(anna.sees(anna.app.text(.pinEntered, "4")), anna.description)
        anna.app.background()
        anna.app.foreground()
        // Back at the request, with nothing typed.
        XCTAssertTrue(anna.sees("Testbanken") && !anna.sees(.pinEnterTitle), anna.description)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(anna.app.text(.pinEntered, "0")), anna.description)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }
}
