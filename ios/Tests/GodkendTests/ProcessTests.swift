import Foundation
import GodkendDesign
import XCTest

/// The app as a process of its own: killed as the system kills it, started twice, on a clock that is wrong.
@MainActor
final class ProcessTests: XCTestCase {
    func testKilledAtEachStepOfItsActivationItGoesOnWhereItWas() async throws {
        let world = try await World()
        let anna = AppProcess(world)
        try anna.start()
        let handed = try await world.handOut(to: "anna.a")
        try await anna.press(.welcomeStart)
        try await anna.press(.activateScan)
        try await anna.type(handed.text, into: TextKey.scanViewfinder.rawValue)
        let digits = try await anna.sees("digits").value("digits")
        try anna.restart()
        // The same digits: they were shown to the desk already.
        let again = try await anna.sees("digits").value("digits")
        XCTAssertEqual(again, digits)
        try await world.typeDigits(digits, of: handed)
        try await anna.sees("pad")
        try anna.restart()
        try await anna.press(.next)
        try await anna.sees("pad")
        try anna.type(line: "pin \(Citizen.pin)")
        try await anna.sees(title: .pinRepeatTitle)
        // The PIN is on its way and the answer is not.
        world.standStill()
        try anna.type(line: "pin \(Citizen.pin)")
        try await anna.sees(TextKey.working.rawValue)
        try anna.kill()
        world.goOn()
        try anna.start()
        // It may have been taken or not: the phone asks for it again or is ready, and is in use in the end.
        let page = try await anna.sees { $0.has(.next) || $0.has(.homeReady) }
        if page.has(.next) {
            try await anna.press(.next)
            for title in [TextKey.pinChooseTitle, .pinRepeatTitle] {
                try await anna.sees { $0.title == Texts.text(title, .da) && $0.has("pad") }
                try anna.type(line: "pin \(Citizen.pin)")
            }
            try await anna.press(.notNow)
            try await anna.press(.blockCodeNoted)
            try await anna.press(.goHome)
        }
        try await anna.sees(TextKey.homeReady.rawValue)
        try await anna.approvesALogin(world)
    }

    func testKilledWithItsAnswerUnderWayItSendsTheSameAgain() async throws {
        let world = try await World()
        let anna = AppProcess(world, hasFinger: true)
        try await anna.activates(world)
        let (bank, link) = try await world.loginOnThisPhone()
        try anna.type(line: "link \(link)")
        try await anna.sees(TextKey.requestApproveButton.rawValue)
        world.standStill()
        let before = anna.stored()
        try anna.type(line: "press \(TextKey.requestApproveButton.rawValue)")
        try await anna.sees(TextKey.working.rawValue)
        // Signed and saved; what is saved is sent. The next process says so until the server has taken it.
        while anna.stored() == before { try await Task.sleep(for: .milliseconds(20)) }
        try anna.kill()
        try anna.start()
        try await anna.sees(TextKey.homeUnsettled.rawValue)
        world.goOn()
        try await anna.sees { $0.has(.homeReady) && !$0.has(.homeUnsettled) }
        // Approved once: it is in the history, and the phone is not taken for its own copy.
        try await anna.press(.homeHistory)
        let approved = Texts.text(.eventApproved, .da)
        try await anna.sees { page in page.elements.contains { $0.label == "Testbanken: \(approved)" } }
        withExtendedLifetime(bank) {}
        try anna.restart()
        try await anna.approvesALogin(world)
    }

    func testAClockThatIsAYearAheadIsToldAndOnceItIsRightAgainThePhoneWorks() async throws {
        let world = try await World()
        let anna = AppProcess(world)
        try await anna.activates(world)
        try anna.kill()
        try anna.start(daysAhead: 400)
        try await anna.sees(TextKey.errorClockText.rawValue)
        try await anna.press(.homeNumber)
        try await anna.type("12345678", into: TextKey.numberField.rawValue)
        try await anna.press(.next)
        try await anna.sees(title: .errorClockTitle)
        try await anna.press(.errorClockSettings)
        try await anna.opens("systemSettings")
        try anna.restart()
        try await anna.sees { $0.has(.homeReady) && !$0.has(.errorClockText) }
        try await anna.approvesALogin(world)
    }

    func testASecondProcessSaysThatThePhoneIsOpenElsewhere() async throws {
        let world = try await World()
        let first = AppProcess(world), second = AppProcess(world)
        try first.start()
        try await first.sees(TextKey.welcomeStart.rawValue)
        try second.start()
        try await second.sees(title: .errorNotNowTitle)
        try first.kill()
        try await second.press(.tryAgain)
        try await second.sees(TextKey.welcomeStart.rawValue)
    }

    func testTheChosenLanguageOutlivesTheProcess() async throws {
        let world = try await World()
        let anna = AppProcess(world)
        try anna.start()
        try await anna.press(.settingsLanguage)
        try await anna.press(.languageEn)
        try await anna.sees(title: .languageTitle, .en)
        try anna.restart()
        try await anna.sees(title: .welcomeTitle, .en)
    }
}

/// The app in a process, and whoever presses what it shows.
@MainActor
private final class AppProcess {
    struct Shown {
        let title: String
        let elements: [(id: String, label: String, value: String)]

        func has(_ id: String) -> Bool { elements.contains { $0.id == id } }
        func has(_ key: TextKey) -> Bool { has(key.rawValue) }
        func value(_ id: String) throws -> String {
            guard let found = elements.first(where: { $0.id == id }) else { throw Program.Failed(description: "no \(id)") }
            return found.value
        }
    }

    private let world: World
    private let hasFinger: Bool
    private var program: Program?
    private var page: Shown?

    init(_ world: World, hasFinger: Bool = false) {
        self.world = world
        self.hasFinger = hasFinger
    }

    private var folder: URL { world.home.appendingPathComponent("process") }

    /// Starts it on a clock that is so many days ahead.
    func start(daysAhead: Int = 0) throws {
        var environment = ["PHONE_FOLDER": folder.path, "PHONE_ROOT": world.rootFile.path]
        if hasFinger { environment["PHONE_FINGER"] = "yes" }
        if daysAhead > 0 {
            environment["LD_PRELOAD"] = try Self.fakeTime()
            environment["FAKETIME"] = "+\(daysAhead)d"
            environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
        }
        page = nil
        program = try Program(
            [], home: world.home, environment: environment,
            executable: Places.built.appendingPathComponent("PhoneProcess"))
    }

    /// Debian's libfaketime, wherever its architecture puts it.
    private static func fakeTime() throws -> String {
        let libraries = "/usr/lib"
        for folder in try FileManager.default.contentsOfDirectory(atPath: libraries) {
            let path = "\(libraries)/\(folder)/faketime/libfaketime.so.1"
            if FileManager.default.fileExists(atPath: path) { return path }
        }
        throw Program.Failed(description: "libfaketime is missing: ios/test installs it")
    }

    func kill() throws { program?.kill() }

    /// All that the phone keeps.
    func stored() -> [Data] {
        let files = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return (files ?? []).sorted { $0.path < $1.path }.compactMap { try? Data(contentsOf: $0) }
    }

    func restart() throws {
        try kill()
        try start()
    }

    func type(line: String) throws {
        guard let program else { throw Program.Failed(description: "the app is not running") }
        try program.type(line)
    }

    /// Waits for a page like this; the one that is shown counts.
    @discardableResult
    func sees(_ condition: (Shown) -> Bool) async throws -> Shown {
        if let page, condition(page) { return page }
        while let program {
            let report = try await program.next("page")
            let shown = Shown(
                title: try text(report, "title"),
                elements: (report["elements"] as? [[String: String]] ?? []).map {
                    ($0["id"] ?? "", $0["label"] ?? "", $0["value"] ?? "")
                })
            page = shown
            if condition(shown) { return shown }
        }
        throw Program.Failed(description: "the app is not running")
    }

    @discardableResult
    func sees(_ id: String) async throws -> Shown { try await sees { $0.has(id) } }

    func sees(title: TextKey, _ language: TextLanguage = .da) async throws {
        let text = Texts.text(title, language)
        try await sees { $0.title == text }
    }

    func opens(_ what: String) async throws {
        guard let program else { throw Program.Failed(description: "the app is not running") }
        let opened = try await program.next("opened")
        XCTAssertEqual(opened["what"] as? String, what)
    }

    /// Presses it once it is there and nothing else is under way.
    func press(_ key: TextKey) async throws {
        try await sees { $0.has(key) && !$0.has(.working) }
        page = nil
        try type(line: "press \(key.rawValue)")
    }

    func type(_ text: String, into id: String) async throws {
        try await sees { $0.has(id) && !$0.has(.working) }
        page = nil
        try type(line: "type \(id) \(text)")
    }

    func activates(_ world: World) async throws {
        try start()
        let handed = try await world.handOut(to: "anna.a")
        try await press(.welcomeStart)
        try await press(.activateScan)
        try await type(handed.text, into: TextKey.scanViewfinder.rawValue)
        try await world.typeDigits(try await sees("digits").value("digits"), of: handed)
        for title in [TextKey.pinChooseTitle, .pinRepeatTitle] {
            try await sees { $0.title == Texts.text(title, .da) && $0.has("pad") }
            try type(line: "pin \(Citizen.pin)")
        }
        if hasFinger { try await press(.biometricsOn) }
        try await press(.notNow)
        try await press(.blockCodeNoted)
        try await press(.goHome)
        try await sees(TextKey.homeReady.rawValue)
    }

    /// With the PIN, as proof that all is well.
    func approvesALogin(_ world: World) async throws {
        let (bank, number) = try await world.login("anna.a")
        try await press(.homeNumber)
        try await type(number, into: TextKey.numberField.rawValue)
        try await press(.next)
        try await press(hasFinger ? .approvePin : .requestApproveButton)
        try await sees("pad")
        try type(line: "pin \(Citizen.pin)")
        try await sees(title: .approvedTitle)
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
    }
}
