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

    private func cases(_ kind: String, in name: String = "formats") throws -> [Case] {
        let file = Places.project.appendingPathComponent("tests/vectors/v1/\(name).json")
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
    private func phone(root: Root? = nil) async throws -> Phone {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("vectors-\(UUID().uuidString)")
        let desktop = try Desktop(folder: folder.path, passphrase: nil)
        let root = try root
            ?? Root(environment: "nowhere", url: "https://localhost:1", key: try hashToCurve(input: Data([1])), pqKey: nil)
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

    func testAppAttestCoversWhatTheServerExpects() async throws {
        for vector in try cases("assertion_hash", in: "derivations") {
            let hash = try appAttestHash(
                challenge: bytes(try text(vector.input, "challenge")), publicKey: bytes(try text(vector.input, "public_key")))
            XCTAssertEqual(hash, try bytes(try XCTUnwrap(vector.output as? String)), vector.name)
        }
        XCTAssertThrowsError(try appAttestHash(challenge: Data(count: 31), publicKey: Data(count: 65)))
    }

    private func bytes(_ hex: String) throws -> Data {
        let digits = Array(hex)
        return try Data(stride(from: 0, to: digits.count, by: 2).map {
            try XCTUnwrap(UInt8(String(digits[$0...($0 + 1)]), radix: 16))
        })
    }

    /// A root's fingerprint is part of every activation link: the app with that root built in takes it, any other does not.
    func testALinkSelectsTheRootWithItsFingerprint() async throws {
        for vector in try cases("root_fingerprint", in: "derivations") {
            let fingerprint = try bytes(try XCTUnwrap(vector.output as? String))
            let pqKey = try (vector.input["pq_key"] as? String).map { try bytes($0) }
            let key = try bytes(try text(vector.input, "key"))
            let environment = try text(vector.input, "environment")
            // Nobody answers there: how far it comes is what counts.
            func root(_ key: Data) -> Root { Root(environment: environment, url: "https://localhost:1", key: key, pqKey: pqKey) }
            let link = "godkend://activate/1?e=test&i=5m0yxQKeQbCU5Q75t4mLhQ&s=eMhqKG_DgfKbxb4hawrewN-NVw7AMnHmfvrf7CtUHUo"
                + "&r=\(base64(fingerprint))&x=4000000000"
            for (own, failure) in [(root(key), PhoneError.NoNetwork), (root(try hashToCurve(input: Data([1]))), .UnknownRoot)] {
                let phone = try await phone(root: own)
                let end = await self.failure { try await phone.scan(text: link, person: nil) }
                XCTAssertEqual(end, failure, vector.name)
                await phone.shutDown()
            }
        }
    }

    private func base64(_ data: Data) -> String {
        data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    func testDigitsAreShownInTheirGroups() async throws {
        for vector in try cases("transcript_digits") {
            let output = try XCTUnwrap(vector.output as? [String: Any])
            XCTAssertEqual(Formats.grouped(try text(output, "digits")), try text(output, "shown"), vector.name)
        }
    }
}
