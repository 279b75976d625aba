import Foundation
import GodkendDesign
import GodkendPhone
import XCTest
@testable import Godkend
@testable import GodkendScreens

/// Keys in software and state in a folder: a phone without an Enclave.
final class TestAccess: PhoneAccess, @unchecked Sendable {
    let desktop: Desktop
    private let root: String
    /// Stands before the desktop's keys, to make trouble.
    var keys: (any HardwareKeys)?
    var store: (any StateStore)?
    var appVersion = "1.0.0"
    /// The least protection that the app takes.
    var security = KeySecurity.software

    init(folder: URL, root: String) throws {
        desktop = try Desktop(folder: folder.path, passphrase: nil)
        self.root = root
    }

    func open() async throws -> any PhoneProtocol {
        let config = PhoneConfig(
            roots: try readRoots(text: root), model: "iPhone 17", platform: "iOS 26.1", appVersion: appVersion,
            language: .danish, security: security, hybrid: false)
        return try await Phone.open(config: config, keys: keys ?? desktop.keys(), store: store ?? desktop.store())
    }

    func erase() async throws {
        try await Godkend.erase(keys: keys ?? desktop.keys(), store: store ?? desktop.store())
    }
}

/// Somebody with a phone: sees what is on the page, and presses it.
@MainActor
final class Citizen: Presses {
    nonisolated static let pin = "271828"
    let app: AppModel
    let access: TestAccess
    let settings = MemorySettings()
    private(set) var felt: [Feedback] = []
    private(set) var opened: [Outside] = []
    private(set) var exported: [String] = []
    /// Seconds that this citizen's clock is ahead.
    var ahead = 0.0
    var hasSensor = false

    init(_ world: World, named name: String = "phone", language: String = "da") throws {
        access = try TestAccess(folder: world.home.appendingPathComponent(name), root: world.root())
        app = AppModel(access: access, settings: settings, systemLanguage: language)
        let clock = app.around.seconds
        app.around.seconds = { [unowned self] in clock() + ahead }
        app.around.play = { [unowned self] in felt.append($0) }
        app.around.open = { [unowned self] in opened.append($0) }
        app.around.export = { [unowned self] _, content in exported.append(content) }
        app.around.hasBiometrics = { [unowned self] in hasSensor }
        app.around.askForNotifications = { true }
    }

    /// A sensor that ends each prompt like this; none for a phone without.
    func play(_ touch: Touch?, keyAgreement: Bool = true) {
        access.desktop.play(touch: touch, keyAgreement: keyAgreement)
        hasSensor = touch != nil
    }

    // MARK: Stories

    /// From the first start to the home page, with a code or link from the desk.
    func activates(_ world: World, as user: String, pin: String = Citizen.pin, biometrics: Bool = false) async throws {
        app.start()
        await app.settled()
        let handed = try await world.handOut(to: user)
        try await press(.welcomeStart)
        try await press(.activateScan)
        try await scan(handed.text)
        try await finishes(world, handed, pin: pin, biometrics: biometrics)
    }

    /// The same, and a finger is turned on when it is offered.
    func activatesWithBiometrics(_ world: World, as user: String) async throws {
        try await activates(world, as: user, biometrics: true)
    }

    /// From the digits to the home page.
    func finishes(
        _ world: World, _ handed: World.Activation, pin: String = Citizen.pin, biometrics: Bool = false
    ) async throws {
        try await waits(for: .digitsTitle)
        try await world.typeDigits(try digits(), of: handed)
        try await waits(for: .pinChooseText)
        try await typePin(pin)
        try await typePin(pin)
        if sees(.biometricsTitle) { try await press(biometrics ? .biometricsOn : .notNow) }
        if sees(.notificationsTitle) { try await press(.notNow) }
        if sees(.blockCodeTitle) { try await press(.blockCodeNoted) }
        try await press(.goHome)
    }

    /// Netbank's page is open on this phone: its link opens the request. Any number of these may wait at once.
    func opensLink(_ world: World) async throws -> Program {
        let (bank, link) = try await world.loginOnThisPhone()
        app.opened(link: link)
        await app.settled()
        return bank
    }

    /// Opens a request by the number on netbank's page.
    func types(number: String) async throws {
        try await press(.homeNumber)
        try type(number, into: .numberField)
        try await press(.next)
    }
}
