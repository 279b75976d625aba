import Godkend
import XCTest
@testable import GodkendPhone

/// Every decision about keys in the Enclave, over a chip in software.
final class EnclaveKeysTests: XCTestCase {
    private static let possession = "godkend.00112233aabbccdd.possession.1"
    private static let biometric = "godkend.00112233aabbccdd.biometric.1"
    private static let pepper = "godkend.00112233aabbccdd.pepper.1"

    private func conditions(
        _ kind: KeyKind, biometric: Bool = false, security: KeySecurity = .software, challenge: Data? = nil
    ) -> KeyConditions {
        KeyConditions(
            kind: kind, security: security, biometric: biometric, unlocked: true, attestationChallenge: challenge)
    }

    private func keys(
        _ element: SoftwareElement, _ attester: RecordingAttester? = nil, _ notebook: MemoryNotebook = MemoryNotebook()
    ) -> EnclaveKeys {
        EnclaveKeys(element: element, attester: attester, notebook: notebook)
    }

    private func fails<Value>(
        with expected: KeyError, file: StaticString = #filePath, line: UInt = #line,
        _ body: () async throws -> Value
    ) async {
        do {
            _ = try await body()
            XCTFail("nothing was thrown", file: file, line: line)
        } catch {
            XCTAssertEqual(error as? KeyError, expected, file: file, line: line)
        }
    }

    func testADerivedValueIsTheSameForTheKeysLifeAndDifferentForEachInputAndKey() async throws {
        let keys = keys(try SoftwareElement())
        let made = try await keys.create(alias: Self.pepper, conditions: conditions(.derive))
        XCTAssertNil(made.publicKey)
        let one = try await keys.derive(alias: Self.pepper, input: Data(repeating: 1, count: 32))
        XCTAssertEqual(one.count, 32)
        let again = try await keys.derive(alias: Self.pepper, input: Data(repeating: 1, count: 32))
        XCTAssertEqual(one, again)
        let other = try await keys.derive(alias: Self.pepper, input: Data(repeating: 2, count: 32))
        XCTAssertNotEqual(one, other)
        _ = try await keys.create(alias: Self.pepper, conditions: conditions(.derive))
        let new = try await keys.derive(alias: Self.pepper, input: Data(repeating: 1, count: 32))
        XCTAssertNotEqual(one, new)
    }

    func testAWeakerKeyThanAskedForIsNeverMade() async throws {
        let element = try SoftwareElement()
        let keys = keys(element)
        await fails(with: .StrongBoxMissing) {
            try await keys.create(alias: Self.possession, conditions: conditions(.sign, security: .dedicated))
        }
        element.hasBiometrics = false
        await fails(with: .NotSupported) {
            try await keys.create(alias: Self.biometric, conditions: conditions(.sign, biometric: true))
        }
        let left = try await keys.aliases()
        XCTAssertEqual(left, [])
    }

    func testANewFingerInvalidatesBiometricKeysForGoodAndNoOthers() async throws {
        let element = try SoftwareElement()
        let notebook = MemoryNotebook()
        let keys = keys(element, nil, notebook)
        _ = try await keys.create(alias: Self.biometric, conditions: conditions(.sign, biometric: true))
        _ = try await keys.create(alias: Self.possession, conditions: conditions(.sign))
        _ = try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: "Godkend?")
        element.biometricState = Data([2])
        await fails(with: .Invalidated) {
            try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: "Godkend?")
        }
        _ = try await keys.sign(alias: Self.possession, message: Data([1]), prompt: nil)
        // Also in the next process.
        let later = self.keys(element, nil, notebook)
        await fails(with: .Invalidated) {
            try await later.sign(alias: Self.biometric, message: Data([1]), prompt: "Godkend?")
        }
    }

    func testABiometricKeyThatTheSystemHasDroppedIsInvalidatedAndAnyOtherIsMissing() async throws {
        let element = try SoftwareElement()
        let keys = keys(element)
        _ = try await keys.create(alias: Self.biometric, conditions: conditions(.sign, biometric: true))
        _ = try await keys.create(alias: Self.possession, conditions: conditions(.sign))
        try await element.remove(tag: Self.biometric)
        try await element.remove(tag: Self.possession)
        await fails(with: .Invalidated) { try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: nil) }
        await fails(with: .Missing) { try await keys.sign(alias: Self.possession, message: Data([1]), prompt: nil) }
        // One that the library itself removed was not invalidated.
        try await keys.delete(aliases: [Self.biometric])
        await fails(with: .Missing) { try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: nil) }
    }

    func testWhatTheSensorSaysReachesTheLibrary() async throws {
        let element = try SoftwareElement()
        let keys = keys(element)
        _ = try await keys.create(alias: Self.biometric, conditions: conditions(.sign, biometric: true))
        let answers: [(ElementError, KeyError)] = [
            (.cancelled, .Cancelled), (.notAuthenticated, .NotAuthenticated), (.lockedOut, .LockedOut),
            (.notSupported, .NotSupported), (.failed("why"), .Failed(detail: "why")),
        ]
        for (said, heard) in answers {
            element.trouble = said
            await fails(with: heard) { try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: "?") }
        }
        _ = try await keys.sign(alias: Self.biometric, message: Data([1]), prompt: "?")
    }

    func testAppAttestVouchesForEachKeyAndAttestsOnceForEachPossession() async throws {
        let attester = RecordingAttester()
        let keys = keys(try SoftwareElement(), attester)
        let challenge = Data(repeating: 7, count: 32)
        let possession = try await keys.create(
            alias: Self.possession, conditions: conditions(.sign, challenge: challenge))
        let other = Data(repeating: 8, count: 32)
        let biometric = try await keys.create(
            alias: Self.biometric, conditions: conditions(.sign, biometric: true, challenge: other))

        XCTAssertEqual(
            possession.attestation,
            .appAttest(keyId: Data([1]), object: Data([0xA0, 1]), assertion: Data([0xB0, 1])))
        XCTAssertEqual(biometric.attestation, .appAttest(keyId: Data([1]), object: nil, assertion: Data([0xB0, 1])))
        let point = try XCTUnwrap(possession.publicKey)
        let covered = try appAttestHash(challenge: challenge, publicKey: point)
        XCTAssertEqual(attester.calls.prefix(2), [
            "attest 1 \(challenge.base64EncodedString())", "assert 1 \(covered.base64EncodedString())",
        ])
        // Somebody else on this phone shares no key with the first.
        let another = try await keys.create(
            alias: "godkend.ffff2233aabbccdd.biometric.1",
            conditions: conditions(.sign, biometric: true, challenge: other))
        XCTAssertEqual(
            another.attestation, .appAttest(keyId: Data([2]), object: Data([0xA0, 2]), assertion: Data([0xB0, 2])))
        // A key that derives is attested by nobody.
        let pepper = try await keys.create(alias: Self.pepper, conditions: conditions(.derive, challenge: challenge))
        XCTAssertEqual(pepper.attestation, Attestation.none)
    }

    func testAKeyThatCannotBeNotedIsNotLeftBehind() async throws {
        let notebook = MemoryNotebook()
        notebook.isFull = true
        let keys = keys(try SoftwareElement(), nil, notebook)
        await fails(with: .Failed(detail: "the notes about keys cannot be saved")) {
            try await keys.create(alias: Self.possession, conditions: conditions(.sign))
        }
        let left = try await keys.aliases()
        XCTAssertEqual(left, [])
    }
}
