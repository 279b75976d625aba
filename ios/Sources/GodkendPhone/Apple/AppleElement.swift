#if canImport(Security) && canImport(LocalAuthentication)
import Foundation
import Godkend
import LocalAuthentication
import Security

/// The Secure Enclave, with its keys' handles in the keychain: on this phone only, in no backup.
public struct AppleElement: SecureElement {
    public init() {}

    public var security: KeySecurity { .dedicated }

    public var hasBiometrics: Bool {
        LAContext().canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: nil)
    }

    public var biometricState: Data? {
        let context = LAContext()
        // The state is there only after this question.
        _ = context.canEvaluatePolicy(.deviceOwnerAuthenticationWithBiometrics, error: nil)
        return context.evaluatedPolicyDomainState
    }

    public func make(tag: String, signs: Bool, biometric: Bool, unlocked: Bool) async throws -> Data {
        var flags: SecAccessControlCreateFlags = .privateKeyUsage
        if biometric { flags.insert(.biometryCurrentSet) }
        let protection: CFString = biometric
            ? kSecAttrAccessibleWhenPasscodeSetThisDeviceOnly
            : unlocked ? kSecAttrAccessibleWhenUnlockedThisDeviceOnly : kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        var error: Unmanaged<CFError>?
        guard let access = SecAccessControlCreateWithFlags(nil, protection, flags, &error) else {
            throw ElementError(error)
        }
        let attributes: [CFString: Any] = [
            kSecAttrKeyType: kSecAttrKeyTypeECSECPrimeRandom,
            kSecAttrKeySizeInBits: 256,
            kSecAttrTokenID: kSecAttrTokenIDSecureEnclave,
            kSecPrivateKeyAttrs: [
                kSecAttrIsPermanent: true,
                kSecAttrApplicationTag: Data(tag.utf8),
                kSecAttrAccessControl: access,
            ] as [CFString: Any],
        ]
        guard let key = SecKeyCreateRandomKey(attributes as CFDictionary, &error) else { throw ElementError(error) }
        guard let publicKey = SecKeyCopyPublicKey(key),
              let point = SecKeyCopyExternalRepresentation(publicKey, &error)
        else { throw ElementError(error) }
        return point as Data
    }

    public func sign(tag: String, message: Data, prompt: String?) async throws -> Data {
        let key = try find(tag, prompt)
        var error: Unmanaged<CFError>?
        let algorithm = SecKeyAlgorithm.ecdsaSignatureMessageX962SHA256
        guard let signature = SecKeyCreateSignature(key, algorithm, message as CFData, &error) else {
            throw ElementError(error)
        }
        return signature as Data
    }

    public func exchange(tag: String, point: Data, prompt: String?) async throws -> Data {
        let key = try find(tag, prompt)
        let attributes: [CFString: Any] = [
            kSecAttrKeyType: kSecAttrKeyTypeECSECPrimeRandom,
            kSecAttrKeyClass: kSecAttrKeyClassPublic,
            kSecAttrKeySizeInBits: 256,
        ]
        var error: Unmanaged<CFError>?
        guard let other = SecKeyCreateWithData(point as CFData, attributes as CFDictionary, &error) else {
            throw ElementError.notSupported
        }
        let parameters = [SecKeyKeyExchangeParameter.requestedSize.rawValue: 32] as CFDictionary
        let algorithm = SecKeyAlgorithm.ecdhKeyExchangeStandard
        guard let shared = SecKeyCopyKeyExchangeResult(key, algorithm, other, parameters, &error) else {
            throw ElementError(error)
        }
        return shared as Data
    }

    public func remove(tag: String) throws {
        let status = SecItemDelete(query(tag) as CFDictionary)
        guard status == errSecSuccess || status == errSecItemNotFound else { throw ElementError(status: status) }
    }

    public func tags(beginningWith start: String) throws -> [String] {
        let query: [CFString: Any] = [
            kSecClass: kSecClassKey,
            kSecAttrTokenID: kSecAttrTokenIDSecureEnclave,
            kSecReturnAttributes: true,
            kSecMatchLimit: kSecMatchLimitAll,
            // A list needs nobody's finger.
            kSecUseAuthenticationUI: kSecUseAuthenticationUISkip,
        ]
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return [] }
        guard status == errSecSuccess, let items = found as? [[CFString: Any]] else {
            throw ElementError(status: status)
        }
        return items
            .compactMap { ($0[kSecAttrApplicationTag] as? Data).flatMap { String(data: $0, encoding: .utf8) } }
            .filter { $0.hasPrefix(start) }
    }

    private func query(_ tag: String) -> [CFString: Any] {
        [
            kSecClass: kSecClassKey,
            kSecAttrTokenID: kSecAttrTokenIDSecureEnclave,
            kSecAttrApplicationTag: Data(tag.utf8),
        ]
    }

    private func find(_ tag: String, _ prompt: String?) throws -> SecKey {
        let context = LAContext()
        // Each use asks anew.
        context.touchIDAuthenticationAllowableReuseDuration = 0
        // No way round the finger: the app has its own PIN.
        context.localizedFallbackTitle = ""
        if let prompt { context.localizedReason = prompt }
        var all = query(tag)
        all[kSecReturnRef] = true
        all[kSecUseAuthenticationContext] = context
        var found: CFTypeRef?
        let status = SecItemCopyMatching(all as CFDictionary, &found)
        guard status == errSecSuccess, let found, CFGetTypeID(found) == SecKeyGetTypeID() else {
            throw ElementError(status: status)
        }
        // swiftlint:disable:next force_cast
        return found as! SecKey
    }
}

extension ElementError {
    init(status: OSStatus) {
        switch status {
        case errSecItemNotFound: self = .unusable
        case errSecUserCanceled: self = .cancelled
        case errSecAuthFailed: self = .notAuthenticated
        case errSecUnimplemented, errSecNotAvailable: self = .notSupported
        default: self = .failed("keychain status \(status)")
        }
    }

    init(_ error: Unmanaged<CFError>?) {
        guard let error = error?.takeRetainedValue() else {
            self = .failed("no reason was given")
            return
        }
        let code = CFErrorGetCode(error)
        guard CFErrorGetDomain(error) as String == LAErrorDomain, let known = LAError.Code(rawValue: code) else {
            self = OSStatus(exactly: code).map { ElementError(status: $0) } ?? .failed("code \(code)")
            return
        }
        switch known {
        case .userCancel, .systemCancel, .appCancel, .userFallback, .notInteractive: self = .cancelled
        case .authenticationFailed: self = .notAuthenticated
        case .biometryLockout: self = .lockedOut
        case .biometryNotAvailable, .biometryNotEnrolled, .passcodeNotSet: self = .notSupported
        default: self = .failed("local authentication \(code)")
        }
    }
}
#endif
