import Foundation
import XCTest
@testable import Godkend

/// The Swift of docs/embedding.md, taken from its text by the suite's script and run as it stands there.
@MainActor
final class GuideTests: XCTestCase {
    func testTheGuidesFirstApproval() async throws {
        let world = try await World()
        let handed = try await world.handOut(to: "anna.a")
        let bank = try await world.loginByQr()
        let desktop = try Desktop(folder: world.home.appendingPathComponent("guide").path, passphrase: nil)
        let shown = Shown()
        try await firstApproval(
            rootFile: world.root(), keys: desktop.keys(), store: desktop.store(), link: handed.text,
            show: { text in
                shown.add(text)
                // Somebody reads the digits to the desk; the guide's next line waits for that.
                if text.count == 8 { Task { try await world.typeDigits(text, of: handed) } }
            },
            camera: { (try? world.camera()) ?? "" })
        let answer = try await bank.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        XCTAssertTrue(shown.all.contains { $0.hasPrefix("Testbanken") }, "\(shown.all)")
    }
}

private final class Shown: @unchecked Sendable {
    private let lock = NSLock()
    private var texts: [String] = []

    var all: [String] { lock.withLock { texts } }
    func add(_ text: String) { lock.withLock { texts.append(text) } }
}
