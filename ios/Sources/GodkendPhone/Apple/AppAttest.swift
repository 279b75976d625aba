#if canImport(DeviceCheck)
import DeviceCheck
import Foundation

/// Apple's App Attest: says that this app, unchanged, on a real phone, vouches for a hash.
public struct AppAttest: Attester {
    /// None where the phone cannot, as in an extension or the simulator.
    public init?() {
        guard DCAppAttestService.shared.isSupported else { return nil }
    }

    public func newKey() async throws -> Data {
        let identifier = try await mapped { try await DCAppAttestService.shared.generateKey() }
        guard let key = Data(base64Encoded: identifier) else {
            throw ElementError.failed("App Attest named its key in an unknown way")
        }
        return key
    }

    public func attest(key: Data, hash: Data) async throws -> Data {
        try await mapped {
            try await DCAppAttestService.shared.attestKey(key.base64EncodedString(), clientDataHash: hash)
        }
    }

    public func assertion(key: Data, hash: Data) async throws -> Data {
        try await mapped {
            try await DCAppAttestService.shared.generateAssertion(key.base64EncodedString(), clientDataHash: hash)
        }
    }

    private func mapped<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let error as DCError {
            switch error.code {
            case .featureUnsupported: throw ElementError.notSupported
            // Restored from a backup, or the app was installed anew.
            case .invalidKey: throw ElementError.unusable
            default: throw ElementError.failed("App Attest code \(error.code.rawValue)")
            }
        }
    }
}
#endif
