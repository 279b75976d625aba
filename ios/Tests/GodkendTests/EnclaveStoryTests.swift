import GodkendDesign
import GodkendPhone
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// The keys as the iPhone has them, over a chip in software: no HMAC, so the pepper is ECDH with a point that the input is
/// hashed to. The real server takes them.
@MainActor
final class EnclaveStoryTests: XCTestCase {
    func testALoginWithKeysThatDeriveByAgreeing() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        let element = try SoftwareElement()
        let notebook = MemoryNotebook()
        anna.access.keys = EnclaveKeys(element: element, attester: nil, notebook: notebook)
        anna.hasSensor = true
        try await anna.activatesWithBiometrics(world, as: "anna.a")
        // With a finger.
        let (first, number) = try await world.login("anna.a")
        try await anna.types(number: number)
        try await anna.press(.requestApproveButton)
        _ = try await first.next("signed_in")
        await anna.app.stop()

        // In the next process, with another finger: the PIN, and the same pepper.
        anna.access.keys = EnclaveKeys(element: element, attester: nil, notebook: notebook)
        element.biometricState = Data([2])
        anna.app.start()
        await anna.app.settled()
        let (second, again) = try await world.login("anna.a")
        try await anna.types(number: again)
        try await anna.press(.requestApproveButton)
        XCTAssertTrue(anna.sees(.errorInvalidatedTitle), anna.description)
        try await anna.press(.approvePin)
        try await anna.typePin(Citizen.pin)
        let answer = try await second.next("signed_in")
        XCTAssertEqual(answer["verified"] as? Bool, true)
        await anna.app.stop()
    }
}
