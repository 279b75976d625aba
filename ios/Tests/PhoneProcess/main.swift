import Foundation
import Godkend
import GodkendDesign
import GodkendScreens

// The app as a process of its own, on keys in software, for tests that kill it.
//
// PHONE_FOLDER and PHONE_ROOT say where it is kept and which root it has; PHONE_FINGER is there where it has a sensor (the
// environment, for under libfaketime Swift finds no arguments). It prints its page, one line of JSON, whenever that has changed. It reads lines: `press ID`, `type ID TEXT`, `pin DIGITS`, `link LINK`, `foreground`.

/// The folder is opened with the phone, so that a folder in use is the phone's own failure.
final class FolderAccess: PhoneAccess, @unchecked Sendable {
    private let folder: String, root: String, hasFinger: Bool
    private var desktop: Desktop?

    init(folder: String, root: String, hasFinger: Bool) {
        self.folder = folder
        self.root = root
        self.hasFinger = hasFinger
    }

    private func desk() throws -> Desktop {
        let opened = try desktop ?? Desktop(folder: folder, passphrase: nil)
        opened.play(touch: hasFinger ? .match : nil, keyAgreement: true)
        desktop = opened
        return opened
    }

    func open() async throws -> any PhoneProtocol {
        let config = PhoneConfig(
            roots: try readRoots(text: String(contentsOfFile: root, encoding: .utf8)), model: "iPhone 17",
            platform: "iOS 26.1", appVersion: "1.0.0", language: .danish, security: .software, hybrid: false)
        return try await Phone.open(config: config, keys: desk().keys(), store: desk().store())
    }

    func erase() async throws { try await Godkend.erase(keys: desk().keys(), store: desk().store()) }
}

@MainActor
final class Shell {
    private let app: AppModel
    private let settings: DefaultsSettings
    private var last = Data()

    init(_ environment: [String: String]) {
        let hasFinger = environment["PHONE_FINGER"] != nil
        settings = DefaultsSettings()
        app = AppModel(
            access: FolderAccess(
                folder: environment["PHONE_FOLDER"] ?? "", root: environment["PHONE_ROOT"] ?? "", hasFinger: hasFinger),
            settings: settings, systemLanguage: "da")
        app.around.hasBiometrics = { hasFinger }
        app.around.askForNotifications = { true }
        app.onChange = { [weak self] in self?.show() }
        app.around.open = { [weak self] in self?.print(["type": "opened", "what": "\($0)"]) }
    }

    func start() {
        show()
        app.start()
    }

    func read(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 2).map(String.init)
        switch words.first {
        case "press": app.page.elements.first { $0.id == words[1] && $0.isEnabled }?.press?()
        case "type": app.page.elements.first { $0.id == words[1] && $0.isEnabled }?.enter?(words[2])
        case "pin": for digit in words[1] { app.page.elements.first { $0.id == "digit\(digit)" }?.press?() }
        case "link": app.opened(link: words[1])
        case "foreground": app.foreground()
        default: exit(2)
        }
    }

    private func show() {
        // On a phone the system writes settings down by itself; here, before anybody can see what they changed.
        UserDefaults.standard.synchronize()
        let page = app.page
        print([
            "type": "page", "id": page.id, "title": page.title,
            "elements": page.elements.map { ["id": $0.id, "label": $0.label, "value": $0.value ?? ""] },
        ])
    }

    private func print(_ what: [String: Any]) {
        guard let line = try? JSONSerialization.data(withJSONObject: what, options: .sortedKeys), line != last else { return }
        last = line
        FileHandle.standardOutput.write(line + Data("\n".utf8))
    }
}

@MainActor
func run() {
    let shell = Shell(ProcessInfo.processInfo.environment)
    Thread.detachNewThread {
        while let line = readLine() {
            DispatchQueue.main.async { MainActor.assumeIsolated { shell.read(line) } }
        }
        exit(0)
    }
    shell.start()
}

MainActor.assumeIsolated { run() }
dispatchMain()
