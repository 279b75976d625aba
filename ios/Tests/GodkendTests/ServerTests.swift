import GodkendDesign
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// What the server says of this app, and what is said by somebody who is not the server.
@MainActor
final class ServerTests: XCTestCase {
    /// A phone that is activated, and its server restarted with settings.
    private func restarted(_ settings: [String: String]) async throws -> (World, Citizen) {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        await anna.app.stop()
        world.killServer()
        try await world.startServer(settings: settings)
        anna.app.start()
        await anna.app.settled()
        return (world, anna)
    }

    func testANewerVersionIsRecommended() async throws {
        let (world, anna) = try await restarted(["GODKEND_APP_RECOMMENDED": "2.0.0"])
        try await anna.waits(for: .homeUpdate)
        try await anna.press(.update)
        XCTAssertEqual(anna.opened, [.appStore])
        // It works all the same.
        let bank = try await anna.opensLink(world)
        try await anna.press(.requestApproveButton)
        try await anna.typePin(Citizen.pin)
        XCTAssertTrue(anna.sees(.approvedTitle), anna.description)
        withExtendedLifetime(bank) {}
        await anna.app.stop()
    }

    func testANewerVersionIsRequiredFromADay() async throws {
        let (world, anna) = try await restarted([
            "GODKEND_APP_REQUIRED": "2.0.0", "GODKEND_APP_REQUIRED_FROM": "2100-02-01",
        ])
        try await anna.waits(until: { anna.sees("2100") }, what: "2100")
        XCTAssertTrue(anna.sees(.homeUpdateRequired), anna.description)
        withExtendedLifetime(world) {}
        await anna.app.stop()
    }

    func testAVersionThatIsRefusedLeadsToTheAppStore() async throws {
        let (world, anna) = try await restarted(["GODKEND_APP_REFUSED_BELOW": "2.0.0"])
        try await anna.waits(for: .errorUpdateTitle)
        try await anna.press(.update)
        XCTAssertEqual(anna.opened, [.appStore])
        withExtendedLifetime(world) {}
        await anna.app.stop()
    }

    func testSomebodyElseInTheServersPlaceIsNotBelieved() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        try await anna.activates(world, as: "anna.a")
        world.killServer()
        let port = try XCTUnwrap(URL(string: world.url)?.port)
        let impostor = try await World(listen: "127.0.0.1:\(port)")
        XCTAssertEqual(impostor.url, world.url)
        try await anna.types(number: "12345678")
        XCTAssertTrue(anna.sees(.errorUntrustedTitle), anna.description)
        try await anna.press(.close)
        anna.app.back()
        anna.app.foreground()
        try await anna.waits(for: .errorUntrustedText)
        withExtendedLifetime(impostor) {}
        await anna.app.stop()
    }
}
