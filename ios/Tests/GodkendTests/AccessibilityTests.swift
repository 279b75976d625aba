import Foundation
import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// Walks what VoiceOver walks: every element of every screen, in every language.
@MainActor
final class AccessibilityTests: XCTestCase {
    /// Every screen in each of its states, over the demonstration's phone.
    private func screens(_ app: AppModel) async throws -> [any ScreenModel] {
        let phone = try XCTUnwrap(app.phone as? DemoPhone)
        let requests = DemoPhone.Scene.allCases.compactMap { phone.play($0) }
        let overview = try await phone.overview(person: 1)
        let stages: [EnrolmentStage] = [.choosePin, .finish, .waiting(until: 1_800_000_000), .active, .void]
        var all: [any ScreenModel] = [
            OpeningScreen(app), WelcomeScreen(app), ActivateScreen(app), CodeScreen(app), HomeScreen(app),
            ScanScreen(app), NumberScreen(app), HistoryScreen(app), SettingsScreen(app), LanguageScreen(app),
            SupportScreen(app), LicencesScreen(app), AboutScreen(app), PeopleScreen(app), MoveScreen(app),
            MovedScreen(app, model: "iPhone"), ReadyScreen(app), OfflineCodeScreen(app, "12345678"),
            BlockCodeScreen(app, person: 1), OfferBiometrics(app, person: 1, pin: nil),
            OfferNotifications(app, person: 1), ForgottenPinScreen(app), NoBiometricsScreen(app),
            DoneScreen(app, .pinChanged), ConfirmScreen.block(app, 1), DemoIntroduction(app), DemoScreen(app),
            RefuseScreen(app) { _ in }, NewPin.first(app) { _, _ in },
            DevicesScreen(app, overview), ThisPhoneScreen(app, try XCTUnwrap(overview.phones.first)),
            ResultScreen(app, .approved(by: "Testbanken", returnURL: "https://example.dk")),
            ResultScreen(app, .refused), ResultScreen(app, .reported), ResultScreen(app, .recognised),
            ResultScreen(app, .disputed),
        ]
        all += requests.map { RequestScreen(app, $0) }
        let used = app.language == .en
            ? "Your password and code display were used to log on to Testbanken. Was it you?"
            : "Din adgangskode og din kodeviser blev brugt til at logge på hos Testbanken. Var det dig?"
        let notice = Request(
            id: 99, person: 1, transaction: "demo", relyingParty: "Godkend", relyingPartyId: "demo",
            action: .noticeOfUse, text: used, payment: nil, level: .low, pinAllowed: true, biometricsAllowed: true,
            binding: .device, place: "Odense", browser: "Firefox, Linux", newBrowser: false, mayRemember: false,
            secondsLeft: 180, pin: nil, appVersion: .current)
        all.append(NoticeScreen(app, notice))
        all += stages.map { EnrolmentScreen(app, person: 1, stage: $0) }
        all += Samples.failures.map { TroubleScreen(app, $0, again: {}, usePin: {}) }
        return all
    }

    private func demo() async -> AppModel {
        let app = AppModel(access: NoAccess(), settings: MemorySettings(), systemLanguage: "da")
        // A moment of its own, so that the pages are the same each day.
        app.around.unixTime = { 1_800_000_000 }
        app.around.seconds = { 0 }
        app.around.hasBiometrics = { true }
        app.around.licences = "uniffi 0.32.2: MPL-2.0"
        app.around.support.app = "1.0.0"
        app.around.support.system = "iOS 26.1"
        app.startDemo()
        await app.settled()
        return app
    }

    private func page(_ app: AppModel, _ screen: any ScreenModel) -> Page {
        var builder = PageBuilder(screen.name, app.text(screen.title), language: app.language, isBusy: false)
        screen.build(&builder)
        var page = builder.page
        // Each is shown on top of another here; the stories walk the first ones.
        page.canGoBack = true
        return page
    }

    func testEveryElementOfEveryScreenIsLabelledAndFitsInEveryLanguage() async throws {
        let app = await demo()
        var seen: Set<String> = []
        for language in TextLanguage.allCases {
            app.choose(language: language)
            for screen in try await screens(app) {
                seen.insert(String(describing: type(of: screen)))
                XCTAssertEqual(Walk.problems(page(app, screen), language), [], "\(language) \(type(of: screen))")
            }
        }
        // No screen was forgotten.
        XCTAssertEqual(try Self.declared().subtracting(seen), [])
    }

    /// The walk itself: whatever is spoilt on any page is found there.
    func testTheWalkFindsWhatIsSpoilt() async throws {
        let app = await demo()
        let long = "Sikkerhedsforanstaltningsbekendtgørelsen"
        let words = Array(repeating: "og så videre", count: 40).joined(separator: " ")
        for language in [TextLanguage.da, .en] {
            app.choose(language: language)
            let other: TextLanguage = language == .da ? .en : .da
            for screen in try await screens(app) {
                let page = page(app, screen)
                var spoilt: [(String, Page)] = [("title", with(page, title: "")), ("title", with(page, title: long))]
                for (place, element) in page.elements.enumerated() {
                    func add(_ what: String, _ changed: Element) {
                        var copy = page
                        copy.elements[place] = changed
                        spoilt.append(("\(what) of \(element.id)", copy))
                    }
                    add("no label", changed(element, label: " "))
                    add("a sign for a label", changed(element, label: "⌫"))
                    add("a key for a label", changed(element, label: TextKey.appName.rawValue))
                    add("an unfilled label", changed(element, label: element.label + " {0}"))
                    if let key = TextKey(rawValue: element.id) {
                        let text = Texts.text(key, other)
                        if text != Texts.text(key, language), !text.hasPrefix("{") {
                            add("another language", changed(element, label: text))
                        }
                    }
                    switch element.role {
                    case .button, .slide, .toggle, .choice:
                        add("no press", changed(element, press: .some(nil)))
                        add("too many words", changed(element, label: words))
                        add("too long a word", changed(element, label: long))
                    case .key: add("no press", changed(element, press: .some(nil)))
                    case .field, .viewfinder: add("no typing", changed(element, enter: .some(nil)))
                    case .code, .pad, .countdown, .picture: add("no value", changed(element, value: .some(nil)))
                    case .large:
                        add("no value", changed(element, value: .some(nil)))
                        add("too long a word", changed(element, value: long))
                    case .row, .strong, .heading, .notice: add("too many words", changed(element, label: words))
                    default: break
                    }
                    var twice = page
                    twice.elements.append(element)
                    spoilt.append(("\(element.id) twice", twice))
                }
                if page.elements.contains(where: { $0.role == .slide }) {
                    var alone = page
                    alone.elements.removeAll { $0.id == TextKey.requestApproveButton.rawValue }
                    spoilt.append(("the button beside the slide", alone))
                }
                var dead = page
                dead.elements.removeAll { $0.press != nil || $0.role == .progress }
                dead.canGoBack = false
                spoilt.append(("every way on", dead))
                for (what, page) in spoilt {
                    XCTAssertNotEqual(Walk.problems(page, language), [], "\(language) \(type(of: screen)): \(what)")
                }
            }
        }
    }

    private func with(_ page: Page, title: String) -> Page {
        var copy = Page(id: page.id, title: title)
        copy.elements = page.elements
        copy.canGoBack = page.canGoBack
        return copy
    }

    private func changed(
        _ element: Element, label: String? = nil, value: String?? = nil,
        press: (@MainActor () -> Void)?? = nil, enter: (@MainActor (String) -> Void)?? = nil
    ) -> Element {
        Element(
            id: element.id, role: element.role, label: label ?? element.label, value: value ?? element.value,
            hint: element.hint, isEnabled: element.isEnabled, press: press ?? element.press, enter: enter ?? element.enter)
    }

    /// The list that is built into the app: each work by name, and no blob that nobody can listen to.
    func testTheLicencesAreThereAndCanBeRead() async throws {
        let app = await demo()
        let file = Places.project.appendingPathComponent("ios/App/Licences.txt")
        app.around.licences = try String(contentsOf: file, encoding: .utf8)
        let page = page(app, LicencesScreen(app))
        XCTAssertEqual(Walk.problems(page, app.language), [])
        let works = page.elements.filter { $0.role == .row }.map(\.label)
        for work in ["uniffi ", "rustls ", "tokio ", "ring "] {
            XCTAssertTrue(works.contains { $0.hasPrefix(work) }, work)
        }
        XCTAssertTrue(page.elements.allSatisfy { $0.label.count < 2_500 })
    }

    /// What each page says, in the order in which VoiceOver reads it: committed as `docs/screens/ios`, for SwiftUI draws
    /// on Apple's systems alone.
    func testThePagesAreThoseOfTheDocuments() async throws {
        let app = await demo()
        for language in [TextLanguage.da, .en] {
            app.choose(language: language)
            var lines = ["# \(language == .da ? "Skærmene på iPhone" : "The screens on an iPhone")", "", Outline.note, ""]
            for screen in try await screens(app) {
                lines += Outline.of(page(app, screen), language) + [""]
            }
            let text = lines.joined(separator: "\n")
            let name = "\(language.rawValue).md"
            try FileManager.default.createDirectory(at: Places.results, withIntermediateDirectories: true)
            try text.write(to: Places.results.appendingPathComponent(name), atomically: true, encoding: .utf8)
            let committed = Places.project.appendingPathComponent("docs/screens/ios/\(name)")
            XCTAssertEqual(
                try? String(contentsOf: committed, encoding: .utf8), text,
                "docs/screens/ios/\(name) is stale: ios/test --screens writes it anew")
        }
    }

    func testDanishAndEnglishDiffer() async throws {
        let app = await demo()
        app.choose(language: .da)
        let danish = try await screens(app).map { page(app, $0) }
        app.choose(language: .en)
        let english = try await screens(app).map { page(app, $0) }
        // The same in both languages: names, what is typed, and what stands for itself.
        let alike: Set<TextKey> = [.appName, .languageDa, .languageEn, .languageKl, .requestBrowser, .demoTitle]
        for (one, other) in zip(danish, english) {
            XCTAssertEqual(one.elements.map(\.id), other.elements.map(\.id))
            for (element, translated) in zip(one.elements, other.elements) {
                guard let key = TextKey(rawValue: element.id), !alike.contains(key) else { continue }
                if Texts.text(key, .da) != Texts.text(key, .en) {
                    XCTAssertNotEqual(element.label, translated.label, element.id)
                }
            }
        }
    }

    func testPagesThatHoldSecretsMayNotBeCaptured() async throws {
        let app = await demo()
        let secret: Set<String> = [
            "RequestScreen", "NoticeScreen", "RefuseScreen", "PinScreen", "OfflineCodeScreen", "BlockCodeScreen",
            "CodeScreen", "ScanScreen",
        ]
        for screen in try await screens(app) where secret.contains(String(describing: type(of: screen))) {
            XCTAssertTrue(page(app, screen).isSecret, "\(type(of: screen))")
        }
    }

    /// The screens that the sources declare.
    private static func declared() throws -> Set<String> {
        let folder = Places.project.appendingPathComponent("ios/Sources/GodkendScreens/Screens")
        var names: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let source = try String(contentsOf: file, encoding: .utf8)
            for line in source.split(separator: "\n") where line.hasSuffix(": ScreenModel {") {
                names.insert(String(line.dropLast(": ScreenModel {".count).split(separator: " ").last ?? ""))
            }
        }
        XCTAssertGreaterThan(names.count, 20)
        return names
    }
}

/// No phone at all.
struct NoAccess: PhoneAccess {
    func open() async throws -> any PhoneProtocol { throw PhoneError.ShutDown }
    func erase() async throws {}
}

/// One of each failure.
enum Samples {
    static let failures: [PhoneError] = {
        let tries = PinTries(triesLeft: 1, waitSeconds: 0, roundsLeft: 1, blocked: false)
        return [
            .Cancelled, .NotAuthenticated, .LockedOut, .KeyInvalidated, .KeyMissing, .NotSupported, .NoNetwork,
            .Refused(code: "throttled", retryAfter: 5, triesLeft: nil),
            .Refused(code: "conflict", retryAfter: nil, triesLeft: nil), .Blocked, .Frozen, .Removed, .Expired,
            .WrongPin(tries: tries), .PinWaiting(seconds: 60), .PinBlocked, .PinTooWeak(reason: .shape), .NotACode,
            .UnknownRoot, .UpdateNeeded, .Untrusted, .ClockWrong, .Storage, .StateDamaged, .StateNewer, .InUse, .Busy,
            .NoPerson, .NoRequest, .NotNow, .SharedPhone, .ShutDown, .BadConfiguration(what: ""), .Unexpected,
        ]
    }()
}
