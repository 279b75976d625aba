import Foundation
import Godkend

/// The phone's keys in the Secure Enclave, as the Rust library asks for them.
///
/// The Enclave has no HMAC key, so a key that derives is one that agrees: the input is hashed to the curve (RFC 9380) and
/// the shared x-coordinate is the result. It does not attest its own keys: an App Attest assertion covers each public key.
public actor EnclaveKeys: HardwareKeys {
    private let element: any SecureElement
    private let attester: (any Attester)?
    private let notebook: any Notebook
    private var notes: [String: Note]?

    /// What is remembered of a key beside the Enclave.
    private struct Note: Codable {
        var biometric: Bool
        /// The fingers and faces that it was made under.
        var biometricState: Data?
        /// The App Attest key that was attested with it: that of its person's device.
        var attestKey: Data?
    }

    public init(element: any SecureElement, attester: (any Attester)?, notebook: any Notebook) {
        self.element = element
        self.attester = attester
        self.notebook = notebook
    }

    public func create(alias: String, conditions: KeyConditions) async throws -> CreatedKey {
        guard element.security.satisfies(conditions.security) else { throw KeyError.StrongBoxMissing }
        if conditions.biometric && !element.hasBiometrics { throw KeyError.NotSupported }
        try await wrapping { try await element.remove(tag: alias) }
        let state = conditions.biometric ? element.biometricState : nil
        let point = try await wrapping {
            try await element.make(
                tag: alias, signs: conditions.kind == .sign, biometric: conditions.biometric,
                unlocked: conditions.unlocked)
        }
        do {
            let (attestation, attestKey) = try await attest(alias, point, conditions)
            try remember(alias, Note(biometric: conditions.biometric, biometricState: state, attestKey: attestKey))
            return CreatedKey(
                publicKey: conditions.kind == .derive ? nil : point, attestation: attestation,
                security: element.security)
        } catch {
            // A key that nothing vouches for is of no use to anybody.
            try? await element.remove(tag: alias)
            throw error
        }
    }

    public func sign(alias: String, message: Data, prompt: String?) async throws -> Data {
        try await using(alias) { try await element.sign(tag: alias, message: message, prompt: prompt) }
    }

    public func derive(alias: String, input: Data) async throws -> Data {
        let point: Data
        do { point = try hashToCurve(input: input) } catch { throw KeyError.NotSupported }
        return try await using(alias) { try await element.exchange(tag: alias, point: point, prompt: nil) }
    }

    public func agree(alias: String, point: Data, prompt: String?) async throws -> Data {
        try await using(alias) { try await element.exchange(tag: alias, point: point, prompt: prompt) }
    }

    public func delete(aliases: [String]) async throws {
        try await wrapping { for alias in aliases { try await element.remove(tag: alias) } }
        var all = try load()
        for alias in aliases { all[alias] = nil }
        try store(all)
    }

    public func aliases() async throws -> [String] {
        try await wrapping { try await element.tags(beginningWith: "godkend.") }
    }

    // MARK: Attestation

    private func attest(
        _ alias: String, _ point: Data, _ conditions: KeyConditions
    ) async throws -> (Attestation, Data?) {
        // Test environments run without App Attest; the server's policy says where that will do.
        guard let challenge = conditions.attestationChallenge, let attester, conditions.kind != .derive else {
            return (.none, nil)
        }
        let hash: Data
        do { hash = try appAttestHash(challenge: challenge, publicKey: point) } catch { throw KeyError.NotSupported }
        return try await wrapping {
            // Possession comes first and brings a new App Attest key; what is made later leans on the newest of its
            // person that is still there, so that a rotation which the server refused changes nothing.
            let isFirst = conditions.kind == .sign && !conditions.biometric
            if !isFirst, let key = try attestKey(of: alias) {
                let assertion = try await attester.assertion(key: key, hash: hash)
                return (.appAttest(keyId: key, object: nil, assertion: assertion), key)
            }
            let key = try await attester.newKey()
            let object = try await attester.attest(key: key, hash: challenge)
            let assertion = try await attester.assertion(key: key, hash: hash)
            return (.appAttest(keyId: key, object: object, assertion: assertion), key)
        }
    }

    private func attestKey(of alias: String) throws -> Data? {
        // godkend.<person>.<purpose>.<generation>
        let person = alias.split(separator: ".").prefix(2).joined(separator: ".") + "."
        let keys = try load().filter { $0.key.hasPrefix(person) && !$0.value.biometric && $0.value.attestKey != nil }
        return keys.max { generation($0.key) < generation($1.key) }?.value.attestKey
    }

    private func generation(_ alias: String) -> Int { alias.split(separator: ".").last.flatMap { Int($0) } ?? 0 }

    // MARK: What went wrong

    private func using(_ alias: String, _ body: () async throws -> Data) async throws -> Data {
        let note = try load()[alias]
        // The Enclave lets no changed finger in; said before the prompt, the person is not asked in vain.
        if let note, note.biometric, let then = note.biometricState, let now = element.biometricState, then != now {
            throw KeyError.Invalidated
        }
        do {
            return try await wrapping(body)
        } catch KeyError.Missing where note?.biometric == true {
            // It was made here and never removed: the system has dropped it for a new finger.
            throw KeyError.Invalidated
        }
    }

    private func wrapping<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as KeyError {
            throw error
        } catch let error as ElementError {
            switch error {
            case .cancelled: throw KeyError.Cancelled
            case .notAuthenticated: throw KeyError.NotAuthenticated
            case .lockedOut: throw KeyError.LockedOut
            case .unusable: throw KeyError.Missing
            case .notSupported: throw KeyError.NotSupported
            case .failed(let detail): throw KeyError.Failed(detail: detail)
            }
        } catch {
            throw KeyError.Failed(detail: String(describing: type(of: error)))
        }
    }

    // MARK: Notes

    private func load() throws -> [String: Note] {
        if let notes { return notes }
        do {
            let data = try notebook.load()
            let read = try data.map { try JSONDecoder().decode([String: Note].self, from: $0) } ?? [:]
            notes = read
            return read
        } catch {
            throw KeyError.Failed(detail: "the notes about keys cannot be read")
        }
    }

    private func remember(_ alias: String, _ note: Note) throws {
        var all = try load()
        all[alias] = note
        try store(all)
    }

    private func store(_ all: [String: Note]) throws {
        do { try notebook.save(JSONEncoder().encode(all)) } catch {
            throw KeyError.Failed(detail: "the notes about keys cannot be saved")
        }
        notes = all
    }
}

extension KeySecurity {
    fileprivate func satisfies(_ least: KeySecurity) -> Bool { rank >= least.rank }

    private var rank: Int {
        switch self {
        case .software: 0
        case .trustedEnvironment: 1
        case .dedicated: 2
        }
    }
}
