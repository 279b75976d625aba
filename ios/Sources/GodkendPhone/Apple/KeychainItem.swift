#if canImport(Security)
import Foundation
import Godkend
import Security

/// One item of the keychain: on this phone only, in no backup, there after the first unlock since the start.
public final class KeychainItem: Notebook, StateStore {
    private let name: String

    public init(name: String) { self.name = name }

    public func load() throws -> Data? {
        var query = item
        query[kSecReturnData] = true
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess, let data = found as? Data else {
            throw StoreError.Failed(detail: "keychain status \(status)")
        }
        return data
    }

    public func save(_ data: Data) throws {
        let value: [CFString: Any] = [
            kSecValueData: data, kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        var status = SecItemUpdate(item as CFDictionary, value as CFDictionary)
        if status == errSecItemNotFound {
            status = SecItemAdd(item.merging(value) { _, new in new } as CFDictionary, nil)
        }
        guard status == errSecSuccess else { throw StoreError.Failed(detail: "keychain status \(status)") }
    }

    /// As the Rust library's store of its sealed state.
    public func save(blob: Data) throws { try save(blob) }

    private var item: [CFString: Any] {
        [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: "godkend",
            kSecAttrAccount: name,
            kSecAttrSynchronizable: false,
        ]
    }
}
#endif
