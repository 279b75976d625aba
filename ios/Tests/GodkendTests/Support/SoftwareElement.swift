import Foundation
import Godkend
import GodkendPhone

/// A chip in software, on the Rust library's own keys: it signs and agrees, has no HMAC, and can make trouble.
final class SoftwareElement: SecureElement, @unchecked Sendable {
    let security = KeySecurity.software
    var hasBiometrics = true
    var biometricState: Data? = Data([1])
    /// Thrown instead of the next use.
    var trouble: ElementError?
    private let keys: any HardwareKeys
    private let desktop: Desktop

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("element-\(UUID().uuidString)")
        desktop = try Desktop(folder: folder.path, passphrase: nil)
        desktop.play(touch: .match, keyAgreement: true)
        keys = desktop.keys()
    }

    func make(tag: String, signs: Bool, biometric: Bool, unlocked: Bool) async throws -> Data {
        let conditions = KeyConditions(
            kind: signs ? .sign : .agree, security: .software, biometric: biometric, unlocked: unlocked,
            attestationChallenge: nil)
        guard let point = try await keys.create(alias: tag, conditions: conditions).publicKey else {
            throw ElementError.failed("no public key")
        }
        return point
    }

    func sign(tag: String, message: Data, prompt: String?) async throws -> Data {
        try await using { try await keys.sign(alias: tag, message: message, prompt: prompt) }
    }

    func exchange(tag: String, point: Data, prompt: String?) async throws -> Data {
        try await using { try await keys.agree(alias: tag, point: point, prompt: prompt) }
    }

    private func using(_ body: () async throws -> Data) async throws -> Data {
        if let trouble {
            self.trouble = nil
            throw trouble
        }
        do { return try await body() } catch KeyError.Missing { throw ElementError.unusable }
    }

    func remove(tag: String) async throws { try await keys.delete(aliases: [tag]) }

    func tags(beginningWith start: String) async throws -> [String] {
        try await keys.aliases().filter { $0.hasPrefix(start) }
    }
}

/// Notes in memory.
final class MemoryNotebook: Notebook, @unchecked Sendable {
    private(set) var data: Data?
    var isFull = false

    func load() throws -> Data? { data }

    func save(_ data: Data) throws {
        if isFull { throw StoreError.Failed(detail: "full") }
        self.data = data
    }
}

/// App Attest as far as `EnclaveKeys` sees it: what was asked of it, in order.
final class RecordingAttester: Attester, @unchecked Sendable {
    private(set) var calls: [String] = []
    private var count: UInt8 = 0

    func newKey() async throws -> Data {
        count += 1
        return Data([count])
    }

    func attest(key: Data, hash: Data) async throws -> Data {
        calls.append("attest \(key[0]) \(hash.base64EncodedString())")
        return Data([0xA0, key[0]])
    }

    func assertion(key: Data, hash: Data) async throws -> Data {
        calls.append("assert \(key[0]) \(hash.base64EncodedString())")
        return Data([0xB0, key[0]])
    }
}
