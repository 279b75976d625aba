#if canImport(UIKit) && os(iOS)
import UIKit
import UserNotifications

/// Wake-ups by APNs. They say that something waits and nothing else: neither who asks nor for what. Without leave, or
/// without APNs, the app finds the same by asking whenever it is opened.
@MainActor
public final class PushToken: NSObject, UNUserNotificationCenterDelegate {
    /// Told when a wake-up has arrived while the app is there.
    public var woken: () -> Void = {}
    /// The token to give to the server, once APNs has handed it out.
    public private(set) var token: Data?

    override public init() {
        super.init()
        UNUserNotificationCenter.current().delegate = self
    }

    /// Asks the person for leave.
    public func ask() async -> Bool {
        let options: UNAuthorizationOptions = [.alert, .sound, .badge]
        let given = (try? await UNUserNotificationCenter.current().requestAuthorization(options: options)) ?? false
        if given { UIApplication.shared.registerForRemoteNotifications() }
        return given
    }

    /// From the app delegate.
    public func registered(_ token: Data) { self.token = token }

    nonisolated public func userNotificationCenter(
        _: UNUserNotificationCenter, willPresent _: UNNotification
    ) async -> UNNotificationPresentationOptions {
        await woken()
        return []
    }

    nonisolated public func userNotificationCenter(
        _: UNUserNotificationCenter, didReceive _: UNNotificationResponse
    ) async {
        await woken()
    }
}
#endif
