#if canImport(UIKit) && canImport(DeviceCheck) && os(iOS)
import Foundation
import Godkend
import UIKit

/// What this phone says of itself.
public struct PhoneFacts: Sendable {
    public let model: String
    public let platform: String
    public let appVersion: String

    /// Of the phone that this runs on.
    @MainActor public static var current: PhoneFacts {
        let version = Bundle.main.object(forInfoDictionaryKey: "CFBundleShortVersionString") as? String
        let device = UIDevice.current
        return PhoneFacts(
            model: device.model, platform: "\(device.systemName) \(device.systemVersion)", appVersion: version ?? "0.0.0")
    }
}

/// The phone on the Secure Enclave, its sealed state in the keychain.
public struct ApplePhone: Sendable {
    private let roots: String
    private let facts: PhoneFacts
    private let language: Language
    private let keys: EnclaveKeys
    private let store = KeychainItem(name: "state")

    /// `roots` is the text of the root file that is built into the app.
    public init(roots: String, facts: PhoneFacts, language: Language = .danish) {
        self.roots = roots
        self.facts = facts
        self.language = language
        keys = EnclaveKeys(element: AppleElement(), attester: AppAttest(), notebook: KeychainItem(name: "keys"))
    }

    /// Opens the phone, or a new one.
    public func open() async throws -> Phone {
        let config = PhoneConfig(
            roots: try readRoots(text: roots), model: facts.model, platform: facts.platform,
            appVersion: facts.appVersion, language: language, security: .dedicated, hybrid: false)
        return try await Phone.open(config: config, keys: keys, store: store)
    }

    /// Removes keys and state: the way to a new activation when nothing else helps. The phone must not be open.
    public func erase() async throws { try await Godkend.erase(keys: keys, store: store) }
}
#endif
