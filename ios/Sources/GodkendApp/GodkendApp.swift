#if canImport(SwiftUI) && os(iOS)
import Godkend
import GodkendPhone
import GodkendScreens
import SwiftUI

/// The app. All it does is hand the system's news to `AppModel` and draw the page that it gives.
public struct GodkendScene: Scene {
    @StateObject private var shell: AppShell
    @Environment(\.scenePhase) private var phase

    /// `roots` is the text of the root file that is built into the app.
    public init(roots: String, push: PushToken) {
        _shell = StateObject(wrappedValue: AppShell(roots: roots, push: push))
    }

    public var body: some Scene {
        WindowGroup {
            PageView(shell: shell)
                .onOpenURL { shell.model.opened(link: $0.absoluteString) }
                .task { shell.model.start() }
        }
        .onChange(of: phase) { shell.moved(to: $0) }
    }
}

/// Keeps the model and tells SwiftUI that its page has changed.
@MainActor
final class AppShell: ObservableObject {
    let model: AppModel
    @Published private(set) var page: Page
    @Published var isCovered = false
    @Published var export: ExportedFile?
    private var clock: Timer?

    init(roots: String, push: PushToken) {
        let access = AppleAccess(phone: ApplePhone(roots: roots, facts: .current))
        model = AppModel(
            access: access, settings: DefaultsSettings(), systemLanguage: Locale.preferredLanguages.first ?? "en")
        page = model.page
        model.around = .apple(push: push, export: { [weak self] in self?.export = $0 })
        model.onChange = { [weak self] in self.map { $0.page = $0.model.page } }
        push.woken = { [weak self] in self?.model.foreground() }
        // A build for development has its tokens from Apple's sandbox.
        #if DEBUG
        let sandbox = true
        #else
        let sandbox = false
        #endif
        push.handedOut = { [weak self] token in self?.model.wakes(at: .apns(token: token, sandbox: sandbox)) }
        Task { await push.renew() }
    }

    func moved(to phase: ScenePhase) {
        // Recent apps show what is drawn last.
        isCovered = phase != .active
        switch phase {
        case .active:
            model.foreground()
            clock = Timer.scheduledTimer(withTimeInterval: 1, repeats: true) { [weak self] _ in
                MainActor.assumeIsolated { self?.model.tick() }
            }
        case .background:
            clock?.invalidate()
            model.background()
        default: clock?.invalidate()
        }
    }
}

/// A file that the person asked for.
struct ExportedFile: Identifiable {
    let id = UUID()
    let name: String
    let content: String

    /// Written where the share sheet can read it; the system clears the folder.
    var url: URL? {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent(name)
        let options: Data.WritingOptions = [.atomic, .completeFileProtection]
        return (try? Data(content.utf8).write(to: place, options: options)).map { place }
    }
}
#endif
