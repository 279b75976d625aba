import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// A person's own affairs: PIN, biometrics, phones, people, block, history, support.
@MainActor
final class OwnAffairsTests: XCTestCase {
    func testThePinIsChangedAndOnlyTheNewOneWorks() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsPin)
        // A wrong old one is asked for again, with what is left.
        try await anna.typePin("402953")
        try await anna.typePin("602217")
        try await anna.typePin("602217")
        XCTAssertTrue(anna.sees(.pinOldTitle) && anna.sees("2"), anna.description)
        try await anna.typePin(Citizen.pin)
        try await anna.typePin("602217")
        try await anna.typePin("602217")
        XCTAssertTrue(anna.sees(.pinChanged), anna.description)
        try await anna.press(.done)
        anna.app.back()
        let (bank, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestApproveButton)
        try await anna.typePin("602217")
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }

    func testBiometricsAreTurnedOnAndOffInSettings() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        // Without a sensor it is off, and the page says why.
        let toggle = try XCTUnwrap(anna.page.elements.first { $0.id == TextKey.settingsBiometrics.rawValue })
        XCTAssertFalse(toggle.isEnabled)
        XCTAssertTrue(anna.sees(.errorNoBiometricsText), anna.description)
        anna.play(.match)
        for (done, isOn) in [(TextKey.biometricsDone, true), (.biometricsOffDone, false)] {
            try await anna.press(.settingsBiometrics)
            try await anna.typePin(Citizen.pin)
            XCTAssertTrue(anna.sees(done), anna.description)
            try await anna.press(.done)
            let now = try XCTUnwrap(anna.page.elements.first { $0.id == TextKey.settingsBiometrics.rawValue })
            XCTAssertEqual(now.role, .toggle(isOn: isOn))
        }
        await anna.app.stop()
    }

    func testAPhoneThatCannotAgreeHasNoCodesWithoutANetworkAndSaysSo() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match, keyAgreement: false)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        try await anna.press(.homeSettings)
        XCTAssertTrue(anna.sees(.errorNoAgreementTitle), anna.description)
        await anna.app.stop()
    }

    func testMovingToANewPhone() async throws {
        let world = try await World()
        let old = try Citizen(world)
        try await old.activates(world, as: "anna.a")
        try await old.press(.homeSettings)
        try await old.press(.settingsMove)
        try await old.press(.moveStart)
        try await old.typePin(Citizen.pin)
        XCTAssertTrue(old.page.isSecret)
        let link = try XCTUnwrap(old.page.elements.first { $0.role == .picture }?.value)

        let new = try Citizen(world, named: "new")
        new.app.start()
        await new.app.settled()
        try await new.press(.welcomeStart)
        try await new.press(.activateScan)
        try await new.scan(link)
        try await new.waits(for: .digitsTitle)
        try old.type(try new.digits(), into: .numberField)
        try await old.press(.next)
        XCTAssertTrue(old.sees(.moveDoneTitle), old.description)
        try await new.waits(for: .pinChooseText)
        try await new.typePin("602217")
        try await new.typePin("602217")
        // Its hour of waiting: the old phone could still refuse.
        XCTAssertTrue(new.sees(.activeLaterTitle), new.description)
        try await new.press(.goHome)
        XCTAssertTrue(new.sees(.activeLaterTitle), new.description)
        // It is told at once, and refuses.
        try await old.press(.done)
        try await old.waits(for: .homeWaiting)
        try await old.press(.homeOpen)
        XCTAssertTrue(old.sees(.requestNewDevice), old.description)
        try await old.press(.requestRefuse)
        try await old.press(.refuseFraud)
        XCTAssertTrue(old.sees(.reportedTitle), old.description)
        new.app.foreground()
        try await new.waits(until: { new.sees(.errorActivateAgain) || new.sees(.stageVoid) }, what: "void")
        await old.app.stop()
        await new.app.stop()
    }

    func testAUseIsToldAndAskedAboutAndNothingAboutItIsToBeApproved() async throws {
        let world = try await World()
        try await world.toldPerson("anna.a")
        let anna = try Citizen(world)
        anna.app.start()
        await anna.app.settled()
        let handed = try await world.handOutAgain(to: "anna.a")
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.finishes(world, handed)
        for (answer, said) in [(TextKey.useYes, TextKey.recognisedTitle), (.useNo, .disputedText)] {
            try await world.otherPhoneLogsIn("anna.a")
            try await anna.waits(for: .homeWaiting)
            try await anna.press(.homeOpen)
            XCTAssertTrue(anna.sees("Din app blev brugt til at logge på hos Testbanken. Var det dig?"), anna.description)
            for approving in [TextKey.requestSwipe, .requestApproveButton, .requestConfirm, .requestRefuse] {
                XCTAssertFalse(anna.sees(approving), anna.description)
            }
            // Left unanswered, it waits on.
            try await anna.press(.useLater)
            try await anna.waits(for: .homeWaiting)
            try await anna.press(.homeOpen)
            try await anna.press(answer)
            XCTAssertTrue(anna.sees(said), anna.description)
            try await anna.press(.done)
        }
        try await anna.press(.homeHistory)
        XCTAssertTrue(anna.sees("Besked om brug: det var dig") && anna.sees("Anmeldt: det var ikke mig"), anna.description)
        await anna.app.stop()
    }

    func testThisPhoneIsRemovedAndTakenOff() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsThisPhone)
        XCTAssertTrue(anna.sees("iPhone 17"), anna.description)
        try await anna.press(.removeYes)
        try await anna.press(.removeYes)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.errorRemovedTitle), anna.description)
        try await anna.press(.errorActivateAgain)
        XCTAssertTrue(anna.sees(.activateTitle), anna.description)
        await anna.app.stop()
    }

    func testTwoPeopleShareAPhoneWithoutBiometrics() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        anna.play(.match)
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsPeople)
        try await anna.press(.peopleAdd)
        let handed = try await world.run(
            "create-citizen", "--name", "Bo Berg", "--user-id", "bo.berg", "--born", "1980-01-02", gives: "citizen")
        XCTAssertEqual(handed["user_id"] as? String, "bo.berg")
        let activation = try await world.handOutAgain(to: "bo.berg")
        try await anna.press(.activateScan)
        try await anna.scan(activation.text)
        try await anna.finishes(world, activation, pin: "602217")
        XCTAssertTrue(anna.sees("Bo Berg"), anna.description)
        // A request for the other one shows a name, and nothing of what for.
        let (bank, number) = try await world.login("anna.a")
        try await anna.waits(until: { anna.sees("Anna Andersen") }, what: "Anna Andersen")
        XCTAssertFalse(anna.sees("Testbanken"), anna.description)
        try await anna.press(.homeSettings)
        XCTAssertTrue(anna.sees(.errorSharedText), anna.description)
        try await anna.press(.settingsPeople)
        try await anna.press(label: "Anna Andersen")
        XCTAssertTrue(anna.sees(anna.app.text(.homeHello, "Anna Andersen")), anna.description)
        // Her finger no longer tells who she is.
        try await anna.types(number: number)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.pinEnterTitle), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testThePhoneIsBlockedFromSettingsAndActivatedAgain() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsBlock)
        try await anna.press(.blockYes)
        XCTAssertTrue(anna.sees(.errorBlockedTitle), anna.description)
        try await anna.press(.errorActivateAgain)
        XCTAssertTrue(anna.sees(.activateTitle), anna.description)
        let handed = try await world.handOutAgain(to: "anna.a")
        try await anna.press(.activateScan)
        try await anna.scan(handed.text)
        try await anna.finishes(world, handed)
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
    }

    func testTheHistoryIsShownAndSaved() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        let (_, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestApproveButton)
        try await anna.typePin("402953")
        XCTAssertTrue(anna.sees(anna.app.text(.wrongPinLeft, "2")), anna.description)
        try await anna.typePin(Citizen.pin)
        try await anna.press(.done)
        try await anna.press(.homeHistory)
        let lines = anna.page.elements.filter { $0.id.hasPrefix("line") }.map(\.label)
        // Newest first, the failed one too.
        XCTAssertEqual(lines.first, "Testbanken: " + anna.app.text(.eventApproved))
        XCTAssertTrue(lines.contains { $0.hasSuffix(anna.app.text(.eventWrongPin)) }, "\(lines)")
        XCTAssertEqual(lines.count, 3, "the activation's own approval is the oldest: \(lines)")
        try await anna.press(.historyExport)
        XCTAssertTrue(try XCTUnwrap(anna.exported.first).contains("Testbanken"))
        await anna.app.stop()
    }

    func testTheSupportCodeTellsOfThePhoneAndNotOfThePerson() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsSupport)
        let code = try XCTUnwrap(anna.page.elements.first { $0.id == "support-code" }?.value)
        XCTAssertTrue(code.hasPrefix("G1-"), code)
        for secret in ["Anna", "anna.a", "Andersen"] { XCTAssertFalse(anna.sees(secret), anna.description) }
        await anna.app.stop()
    }

    func testCallsFromOtherBrowsersAreTurnedOff() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsDevices)
        XCTAssertTrue(anna.sees("iPhone 17"), anna.description)
        try await anna.press(.settingsCalls)
        try await anna.typePin(Citizen.pin)
        let toggle = try XCTUnwrap(anna.page.elements.first { $0.id == TextKey.settingsCalls.rawValue })
        XCTAssertEqual(toggle.role, .toggle(isOn: false))
        await anna.app.stop()
    }

    func testAForgottenPinIsChosenAnewAfterProofing() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        _ = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await anna.press(.pinForgotten)
        // Nobody has opened for it yet.
        try await anna.press(.pinForgottenOpened)
        XCTAssertTrue(anna.sees(.errorRefusedTitle) && anna.sees("pin_reset_unknown"), anna.description)
        try await anna.press(.goHome)

        let device = try XCTUnwrap(anna.app.current?.phoneId)
        try await world.run(["reset-pin", "anna.a", "--device=\(device)"], gives: "done")
        try await anna.press(.homeSettings)
        try await anna.press(.settingsPin)
        try await anna.press(.pinForgotten)
        try await anna.press(.pinForgottenOpened)
        try await anna.waits(for: .digitsTitle)
        try await world.typeDigits(try anna.digits(), of: nil)
        try await anna.waits(for: .pinChooseText)
        try await anna.typePin("602217")
        try await anna.typePin("602217")
        try await anna.press(.goHome)
        let (bank, again) = try await world.login("anna.a")
        try await anna.types(number: again)
        try await anna.press(.requestApproveButton)
        try await anna.typePin("602217")
        _ = try await bank.next("signed_in")
        await anna.app.stop()
    }
}
