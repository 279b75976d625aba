import Foundation
import GodkendDesign
import Godkend

/// What the app remembers beside the phone's own state. Nothing secret, nothing about the person.
@MainActor
public protocol SettingsStore: AnyObject {
    /// The language that was chosen; none for the system's.
    var language: TextLanguage? { get set }
    /// Whether the offer of biometrics after the activation was answered.
    var biometricsOffered: Bool { get set }
    /// Whether the person was asked for notifications.
    var notificationsOffered: Bool { get set }
    /// A finger or face was added since biometrics were turned on.
    var biometricsLost: Bool { get set }
}

/// Settings that end with the process.
@MainActor
public final class MemorySettings: SettingsStore {
    public var language: TextLanguage?
    public var biometricsOffered = false
    public var notificationsOffered = false
    public var biometricsLost = false

    public nonisolated init() {}
}

/// Settings in the user defaults: nothing secret is among them.
@MainActor
public final class DefaultsSettings: SettingsStore {
    private let defaults: UserDefaults

    public init(_ defaults: UserDefaults = .standard) { self.defaults = defaults }

    public var language: TextLanguage? {
        get { defaults.string(forKey: "language").flatMap(TextLanguage.init(rawValue:)) }
        set { defaults.set(newValue?.rawValue, forKey: "language") }
    }
    public var biometricsOffered: Bool {
        get { defaults.bool(forKey: "biometricsOffered") }
        set { defaults.set(newValue, forKey: "biometricsOffered") }
    }
    public var notificationsOffered: Bool {
        get { defaults.bool(forKey: "notificationsOffered") }
        set { defaults.set(newValue, forKey: "notificationsOffered") }
    }
    public var biometricsLost: Bool {
        get { defaults.bool(forKey: "biometricsLost") }
        set { defaults.set(newValue, forKey: "biometricsLost") }
    }
}

/// Facts about the phone that a support desk may ask for; nothing about the person.
public struct SupportFacts: Equatable, Sendable {
    /// The app's version.
    public var app = ""
    /// The system and its version.
    public var system = ""
    /// The least protection of this phone's keys.
    public var protection: KeySecurity = .dedicated
    /// Whether strong biometrics are set up.
    public var hasBiometrics = false

    public init() {}
}

extension TextLanguage {
    /// The same, as the Rust library names it.
    public var ffi: Language {
        switch self {
        case .da: .danish
        case .en: .english
        case .kl: .greenlandic
        }
    }

    /// The chosen one, or the system's; English where the system speaks another.
    static func of(chosen: TextLanguage?, system: String) -> TextLanguage {
        chosen ?? TextLanguage(rawValue: String(system.prefix(2))) ?? .en
    }
}
