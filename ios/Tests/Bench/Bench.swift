import Foundation
import XCTest
@testable import Godkend

/// Times what a person waits for, through the binding as Swift calls it: `ios/bench`. A measurement and no test: its
/// folder keeps it out of the suite, and it fails on nothing but errors.
final class Bench: XCTestCase {
    private let pin = Data("730915".utf8)
    private var runs: Int { Int(ProcessInfo.processInfo.environment["GODKEND_RUNS"] ?? "") ?? 30 }

    func testRun() async throws {
        let world = try await World()
        let desktop = try Desktop(folder: world.home.appendingPathComponent("bench").path, passphrase: nil)
        let config = PhoneConfig(
            roots: try readRoots(text: world.root()), model: "iPhone 18", platform: "iOS 26", appVersion: "1.0.0",
            language: .danish, security: .software)
        func open() async throws -> Phone {
            try await Phone.open(config: config, keys: desktop.keys(), store: desktop.store())
        }
        let before = Self.memory()
        let handed = try await world.handOut(to: "anna.a")
        var phone = try await open()
        _ = try await phone.activate(text: handed.text)
        try await world.typeDigits(XCTUnwrap(phone.digits()), of: handed)
        _ = try await phone.awaitDigits()
        _ = try await phone.choosePin(pin: pin)
        await phone.shutDown()

        var opens: [Double] = [], shown: [Double] = [], approved: [Double] = []
        for _ in 0..<runs {
            opens.append(try await millis { phone = try await open() })
            let (bank, link) = try await world.loginOnThisPhone()
            var scanned: Scanned?
            shown.append(try await millis { scanned = try await phone.openLink(text: link) })
            guard case let .request(request) = scanned else { throw Program.Failed(description: "no request") }
            approved.append(try await millis { _ = try await phone.approveWithPin(request: request, pin: pin) })
            await phone.shutDown()
            bank.kill()
        }
        print(String(format: "%d processors, %d runs", ProcessInfo.processInfo.activeProcessorCount, runs))
        show("from opening the library to ready", opens)
        show("from a link to the request shown (new TLS)", shown)
        show("from the PIN to approved", approved)

        let calling = try await open()
        let (bank, link) = try await world.loginOnThisPhone()
        guard case let .request(request) = try await calling.openLink(text: link) else {
            throw Program.Failed(description: "no request")
        }
        var records: [Double] = [], states: [Double] = [], errors: [Double] = []
        for _ in 0..<200 {
            records.append(try await millis { for _ in 0..<50 { _ = calling.secondsLeft(request: request) } } / 50)
            states.append(try await millis { for _ in 0..<50 { _ = calling.state() } } / 50)
            errors.append(try await millis { _ = try? await calling.scan(text: "") })
        }
        show("a call across the binding, a record in", records)
        show("a call across the binding, the state out", states)
        show("an async call across the binding, with error", errors)
        await calling.shutDown()
        bank.kill()
        print(String(format: "memory: %.1f MB before the first phone, %.1f MB after %d", before, Self.memory(), runs + 2))
    }

    private func millis(_ work: () async throws -> Void) async rethrows -> Double {
        let start = DispatchTime.now().uptimeNanoseconds
        try await work()
        return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6
    }

    private func show(_ what: String, _ times: [Double]) {
        let sorted = times.sorted()
        let late = sorted[min(sorted.count - 1, Int(Double(sorted.count) * 0.95))]
        let name = what.padding(toLength: 48, withPad: " ", startingAt: 0)
        print("\(name) " + String(format: "%9.3f ms %9.3f ms", sorted[sorted.count / 2], late))
    }

    /// Resident memory of this process in MB.
    private static func memory() -> Double {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (Double(line.filter(\.isNumber)) ?? 0) / 1024
    }
}
