import Foundation
import Godkend

/// The few things that `EnclaveKeys` needs of a chip and its keychain. `AppleElement` is the Secure Enclave; a test
/// brings keys in software, so that every decision above them runs without a phone.
public protocol SecureElement: Sendable {
    /// The protection that its keys have.
    var security: KeySecurity { get }
    /// Whether it makes keys that a finger or a face guards now.
    var hasBiometrics: Bool { get }
    /// Changes with every finger or face that is added or removed; none where the system does not tell.
    var biometricState: Data? { get }

    /// Makes a P-256 key under a tag and gives its uncompressed point. `signs` is false for a key that agrees.
    func make(tag: String, signs: Bool, biometric: Bool, unlocked: Bool) async throws -> Data
    /// ECDSA over SHA-256 of the message, as DER.
    func sign(tag: String, message: Data, prompt: String?) async throws -> Data
    /// ECDH with an uncompressed point: the x-coordinate.
    func exchange(tag: String, point: Data, prompt: String?) async throws -> Data
    /// Removes a key; one that is not there is no error.
    func remove(tag: String) async throws
    /// The tags of all keys that begin with this.
    func tags(beginningWith: String) async throws -> [String]
}

/// Why an element did not do it. It does not know what a key was made for, so it cannot tell a missing key from one
/// that a new finger invalidated: `EnclaveKeys` does.
public enum ElementError: Error, Equatable, Sendable {
    case cancelled
    case notAuthenticated
    case lockedOut
    /// No such key, or one that the system no longer opens.
    case unusable
    case notSupported
    /// For the developer's log.
    case failed(String)
}

/// Apple's App Attest, or a test's.
public protocol Attester: Sendable {
    /// A new App Attest key; its identifier, decoded from Base64.
    func newKey() async throws -> Data
    /// The attestation object of a new key over a hash.
    func attest(key: Data, hash: Data) async throws -> Data
    /// An assertion by an attested key over a hash.
    func assertion(key: Data, hash: Data) async throws -> Data
}

/// A small file that survives the app and never leaves this phone: an item of the keychain.
public protocol Notebook: Sendable {
    func load() throws -> Data?
    func save(_ data: Data) throws
}
