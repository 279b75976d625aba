import Foundation
import GodkendDesign
import Godkend

/// Opens and erases the phone. The app's is on the Secure Enclave; a test's keeps its keys in software.
public protocol PhoneAccess: Sendable {
    func open() async throws -> any PhoneProtocol
    /// Removes keys and state; the phone is not open.
    func erase() async throws
}

/// What the system does for the screens. The app fills it in; tests listen.
@MainActor
public struct Surroundings {
    /// Opens something outside the app.
    public var open: (Outside) -> Void = { _ in }
    /// Plays a haptic and a sound.
    public var play: (Feedback) -> Void = { _ in }
    /// Offers a file to save or share.
    public var export: (_ name: String, _ content: String) -> Void = { _, _ in }
    /// Asks for leave to show notifications.
    public var askForNotifications: () async -> Bool = { false }
    /// Whether strong biometrics are set up on this phone.
    public var hasBiometrics: () -> Bool = { false }
    /// Whether the camera can be used.
    public var hasCamera: () -> Bool = { true }
    /// Seconds of a clock that goes on while the phone sleeps.
    public var seconds: () -> Double = Surroundings.clock
    /// Now, as Unix seconds: what the demonstration dates its history by.
    public var unixTime: () -> Int64 = { Int64(Date().timeIntervalSince1970) }
    /// Facts about the phone for a support desk.
    public var support = SupportFacts()
    /// The licences of what the app is built from.
    public var licences = ""

    public init() {}

    private static let start = ContinuousClock.now

    private static func clock() -> Double {
        let span = start.duration(to: .now).components
        return Double(span.seconds) + Double(span.attoseconds) * 1e-18
    }
}

/// What lies outside the app.
public enum Outside: Equatable, Sendable {
    /// The browser that waits for its answer.
    case browser(String)
    case appStore
    case systemSettings
}

/// One screen: a page in each of its states, and what pressing does.
@MainActor
protocol ScreenModel: AnyObject {
    /// Which page.
    var name: String { get }
    var title: TextKey { get }
    /// Puts the page together.
    func build(_ page: inout PageBuilder)
    /// A second has passed while it is shown.
    func tick()
    /// It was left for good.
    func left()
}

extension ScreenModel {
    func tick() {}
    func left() {}
}
