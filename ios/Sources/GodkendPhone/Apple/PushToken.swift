#if canImport(UIKit) && os(iOS)
import UIKit
import UserNotifications

/// Wake-ups by APNs. They say that something waits and nothing else: neither who asks nor for what. Without leave, or
/// without APNs, the app finds the same by asking whenever it is opened.
@MainActor
public final class PushToken: NSObject, UNUserNotificationCenterDelegate {
    /// Told when a wake-up has arrived while the app is there.
    public var woken: () -> Void = {}
    /// Told the token to give to the server, each time that APNs hands one out.
    public var handedOut: (Data) -> Void = { _ in }

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

    /// At each start, for Apple changes tokens: fetches one where there is leave already.
    public func renew() async {
        let settings = await UNUserNotificationCenter.current().notificationSettings()
        if settings.authorizationStatus == .authorized { UIApplication.shared.registerForRemoteNotifications() }
    }

    /// From the app delegate.
    public func registered(_ token: Data) { handedOut(token) }

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
