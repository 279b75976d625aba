import Foundation
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// The protocol's shared vectors, as far as the binding shows something of them.
@MainActor
final class VectorTests: XCTestCase {
    private struct Case {
        let name: String
        let input: [String: Any]
        let output: Any
    }

    private func cases(_ kind: String) throws -> [Case] {
        let file = Places.project.appendingPathComponent("tests/vectors/v1/formats.json")
        let read = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let all = try XCTUnwrap(read?["cases"] as? [[String: Any]])
        let found = try all.filter { $0["kind"] as? String == kind }.map {
            Case(
                name: try text($0, "name"), input: try XCTUnwrap($0["input"] as? [String: Any]),
                output: try XCTUnwrap($0["output"]))
        }
        XCTAssertFalse(found.isEmpty, "no vectors of kind \(kind)")
        return found
    }

    /// A phone without anybody, whose root answers nowhere.
    private func phone() async throws -> Phone {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vectors-\(UUID().uuidString)")
        let desktop = try Desktop(folder: folder.path, passphrase: nil)
        let root = Root(environment: "nowhere", url: "https://localhost:1", key: try hashToCurve(input: Data([1])), pqKey: nil)
        let config = PhoneConfig(
            roots: [root], model: "iPhone", platform: "iOS", appVersion: "1.0.0", language: .danish, security: .software,
            hybrid: false)
        return try await Phone.open(config: config, keys: desktop.keys(), store: desktop.store())
    }

    private func failure<Value>(_ body: () async throws -> Value) async -> PhoneError? {
        do { _ = try await body() } catch { return error as? PhoneError }
        return nil
    }

    func testLinksAreReadAndLeadWhereTheirKindMay() async throws {
        let phone = try await phone()
        // What is read but cannot be followed here says why; what is no link says so.
        let ends: [String: (scanned: PhoneError, opened: PhoneError)] = [
            "activation": (.UnknownRoot, .UnknownRoot), "login": (.NoPerson, .NotACode),
            "same_device": (.NotACode, .NoPerson), "offline": (.Untrusted, .NotACode),
        ]
        for vector in try cases("link") {
            let link = try text(vector.input, "text")
            let kind = try text(try XCTUnwrap(vector.output as? [String: Any]), "link")
            let end = try XCTUnwrap(ends[kind], kind)
            let scanned = await failure { try await phone.scan(text: link, person: nil) }
            XCTAssertEqual(scanned, end.scanned, vector.name)
            let opened = await failure { try await phone.openLink(text: link, person: nil) }
            XCTAssertEqual(opened, end.opened, vector.name)
            let damaged = await failure { try await phone.scan(text: link + "!", person: nil) }
            XCTAssertEqual(damaged, .NotACode, vector.name)
            let newer = link.replacingOccurrences(of: "/1?", with: "/2?")
            let later = await failure { try await phone.scan(text: newer, person: nil) }
            XCTAssertEqual(later, .UpdateNeeded, vector.name)
        }
        await phone.shutDown()
    }

    func testActivationCodesAreReadAndAMistypedOneIsFound() async throws {
        let phone = try await phone()
        for vector in try cases("activation_code") {
            let code = try XCTUnwrap(vector.output as? String)
            // Read: it would now ask the server, and there is none.
            let read = await failure { try await phone.activate(text: code, environment: nil) }
            XCTAssertEqual(read, .NoNetwork, vector.name)
            let last = code.hasSuffix("0") ? "1" : "0"
            let mistyped = await failure { try await phone.activate(text: code.dropLast() + last, environment: nil) }
            XCTAssertEqual(mistyped, .NotACode, vector.name)
        }
        await phone.shutDown()
    }

    func testDigitsAreShownInTheirGroups() async throws {
        for vector in try cases("transcript_digits") {
            let output = try XCTUnwrap(vector.output as? [String: Any])
            XCTAssertEqual(Formats.grouped(try text(output, "digits")), try text(output, "shown"), vector.name)
        }
    }
}
