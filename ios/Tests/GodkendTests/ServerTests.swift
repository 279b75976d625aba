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

    func testWhereItCanBeWokenIsRegisteredForWhoeverIsInUse() async throws {
        let world = try await World()
        let anna = try Citizen(world)
        let address = PushAddress.apns(token: Data(repeating: 7, count: 32), sandbox: true)
        anna.app.wakes(at: address)
        try await anna.activates(world, as: "anna.a")
        // This server wakes nobody: nothing is said of it, and the phone works.
        var phone = try XCTUnwrap(anna.app.phone)
        var services = try await phone.pushServices(person: nil)
        XCTAssertEqual([services.registered, services.apns], [false, false])
        XCTAssertTrue(anna.sees(.homeReady), anna.description)
        await anna.app.stop()
        world.killServer()
        let key = world.home.appendingPathComponent("apns.p8")
        try Program.runs("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key.path)
        try await world.startServer(settings: [
            "GODKEND_PUSH_APNS_TOPIC": "dk.godkend.app", "GODKEND_PUSH_APNS_TEAM": "TEAM123456",
            "GODKEND_PUSH_APNS_KEY_ID": "KEY1234567", "GODKEND_PUSH_APNS_KEY": key.path,
        ])
        anna.app.start()
        await anna.app.settled()
        anna.app.wakes(at: address)
        phone = try XCTUnwrap(anna.app.phone)
        let end = Date(timeIntervalSinceNow: Program.patience)
        repeat {
            services = try await phone.pushServices(person: nil)
        } while !services.registered && Date() < end
        XCTAssertEqual([services.registered, services.apns], [true, true])
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
