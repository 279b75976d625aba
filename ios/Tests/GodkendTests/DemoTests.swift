import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// The demonstration: what a store's reviewer and a course at the library play, without keys and without a server.
@MainActor
final class DemoTests: XCTestCase {
    private func demonstration() async throws -> Player {
        let player = Player()
        player.app.start()
        await player.app.settled()
        try await player.press(.welcomeDemo)
        XCTAssertTrue(player.sees(.demoPin), player.description)
        try await player.press(.welcomeDemo)
        return player
    }

    func testEachSceneEndsAsItsNameSays() async throws {
        let ends: [(TextKey, TextKey)] = [
            (.demoLogin, .approvedTitle), (.demoPayment, .approvedTitle), (.demoRefused, .errorRefusedTitle),
            (.demoOffline, .errorNoNetworkTitle),
        ]
        for (scene, end) in ends {
            let player = try await demonstration()
            try await player.press(scene)
            try await player.press(.requestApproveButton)
            try await player.typePin("135790")
            XCTAssertTrue(player.sees(end), "\(scene)\n\(player.description)")
        }
    }

    func testAStrangerIsReportedAndARequestExpires() async throws {
        let player = try await demonstration()
        try await player.press(.demoStranger)
        try await player.press(.homeLockedNotMe)
        try await player.press(.refuseFraud)
        XCTAssertTrue(player.sees(.reportedTitle), player.description)
        try await player.press(.done)
        try await player.press(.demoTitle)
        try await player.press(.demoExpires)
        player.ahead += 11
        player.app.tick()
        XCTAssertTrue(player.sees(.errorExpiredTitle), player.description)
    }

    func testAWrongPinCountsDownToAWait() async throws {
        let player = try await demonstration()
        try await player.press(.demoLogin)
        try await player.press(.requestApproveButton)
        for left in ["2", "1"] {
            try await player.typePin("000000")
            XCTAssertTrue(player.sees(player.app.text(.wrongPinLeft, left)), player.description)
        }
        try await player.typePin("000000")
        XCTAssertTrue(player.sees(.errorWaitingTitle), player.description)
    }

    func testEveryPageSaysThatNothingIsReal() async throws {
        let player = try await demonstration()
        for key in [TextKey.demoLogin, .requestRefuse, .refuseMind, .done, .homeSettings] {
            XCTAssertTrue(player.page.isDemo && player.sees(.demoBanner), player.description)
            try await player.press(key)
        }
        XCTAssertTrue(player.sees(.demoBanner), player.description)
        // And it ends where the app began.
        try await player.press(.demoEnd)
        XCTAssertFalse(player.page.isDemo)
    }
}

/// Somebody with the app and without an activation.
@MainActor
final class Player: Presses {
    let app: AppModel
    var ahead = 0.0

    init() {
        app = AppModel(access: EmptyAccess(), settings: MemorySettings(), systemLanguage: "da")
        let clock = app.around.seconds
        app.around.seconds = { [unowned self] in clock() + ahead }
    }
}

/// A phone that nobody has activated: a real one, on keys in software.
private final class EmptyAccess: PhoneAccess {
    func open() async throws -> any PhoneProtocol {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("empty-\(UUID().uuidString)")
        let desktop = try Desktop(folder: folder.path, passphrase: nil)
        // A root that answers nowhere: nothing is sent before an activation.
        let root = Root(environment: "nowhere", url: "https://localhost:1", key: try hashToCurve(input: Data([1])), pqKey: nil)
        let config = PhoneConfig(
            roots: [root], model: "iPhone", platform: "iOS", appVersion: "1.0.0", language: .danish, security: .software,
            hybrid: false)
        return try await Phone.open(config: config, keys: desktop.keys(), store: desktop.store())
    }

    func erase() async throws {}
}
