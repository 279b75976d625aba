import Foundation
import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// Walks what VoiceOver walks: every element of every screen, in every language. Whether a text fits is the layout's,
/// which only a phone can tell.
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
            ResultScreen(app, .refused), ResultScreen(app, .reported),
        ]
        all += requests.map { RequestScreen(app, $0) }
        all += stages.map { EnrolmentScreen(app, person: 1, stage: $0) }
        all += Samples.failures.map { TroubleScreen(app, $0, again: {}, usePin: {}) }
        return all
    }

    private func demo() async -> AppModel {
        let app = AppModel(access: NoAccess(), settings: MemorySettings(), systemLanguage: "da")
        app.around.hasBiometrics = { true }
        app.around.licences = "MIT"
        app.around.support.app = "1.0.0"
        app.around.support.system = "iOS 26.1"
        app.startDemo()
        await app.settled()
        return app
    }

    private func page(_ app: AppModel, _ screen: any ScreenModel) -> Page {
        var builder = PageBuilder(screen.name, app.text(screen.title), language: app.language, isBusy: false)
        screen.build(&builder)
        return builder.page
    }

    func testEveryElementOfEveryScreenIsLabelledInEveryLanguage() async throws {
        let app = await demo()
        var seen: Set<String> = []
        for language in TextLanguage.allCases {
            app.choose(language: language)
            for screen in try await screens(app) {
                seen.insert(String(describing: type(of: screen)))
                let page = page(app, screen)
                let place = "\(language) \(type(of: screen))"
                XCTAssertFalse(page.title.isEmpty, place)
                var ids: Set<String> = []
                for element in page.elements {
                    let what = "\(place): \(element.id) \(element.role)"
                    XCTAssertFalse(element.label.trimmingCharacters(in: .whitespaces).isEmpty, what)
                    // A missing text shows its key, an unfilled one its braces.
                    for spoken in [element.label, element.value, element.hint].compactMap({ $0 }) {
                        XCTAssertNil(TextKey(rawValue: spoken), what)
                        XCTAssertFalse(spoken.contains("{"), what)
                    }
                    XCTAssertTrue(ids.insert(element.id).inserted, "\(what) is there twice")
                    switch element.role {
                    case .button, .slide, .toggle, .choice, .key: XCTAssertNotNil(element.press, what)
                    case .field, .viewfinder: XCTAssertNotNil(element.enter, what)
                    case .code, .pad, .countdown, .picture: XCTAssertNotNil(element.value, what)
                    default: break
                    }
                }
                // Whatever slides has a button that does the same (WCAG 2.5.7).
                if page.elements.contains(where: { $0.role == .slide }) {
                    XCTAssertTrue(ids.contains(TextKey.requestApproveButton.rawValue), place)
                }
            }
        }
        // No screen was forgotten.
        XCTAssertEqual(try Self.declared().subtracting(seen), [])
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
            "RequestScreen", "RefuseScreen", "PinScreen", "OfflineCodeScreen", "BlockCodeScreen", "CodeScreen", "ScanScreen",
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
