import GodkendApp
import GodkendPhone
import SwiftUI
import UIKit

/// The app itself: its roots of trust are built in, everything else is the package's.
@main
struct Main: App {
    @UIApplicationDelegateAdaptor(Delegate.self) private var delegate

    var body: some Scene {
        GodkendScene(roots: Main.roots, push: delegate.push)
    }

    /// `Roots.json` from the server's `init`. Without it the app can trust nobody, and says so.
    private static var roots: String {
        Bundle.main.url(forResource: "Roots", withExtension: "json")
            .flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? ""
    }
}

final class Delegate: NSObject, UIApplicationDelegate {
    let push = PushToken()

    func application(_: UIApplication, didRegisterForRemoteNotificationsWithDeviceToken token: Data) {
        push.registered(token)
    }
}
