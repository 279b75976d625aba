import Foundation
import GodkendDesign
import Godkend

/// Typed digits: never shown, wiped when they have served.
struct PinDigits {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }
    var isComplete: Bool { bytes.count == 6 }
    var data: Data { Data(bytes) }

    mutating func append(_ digit: UInt8) {
        if !isComplete { bytes.append(UInt8(ascii: "0") + digit) }
    }

    mutating func removeLast() {
        if !bytes.isEmpty {
            bytes[bytes.count - 1] = 0
            bytes.removeLast()
        }
    }

    mutating func wipe() {
        for index in bytes.indices { bytes[index] = 0 }
        bytes.removeAll()
    }
}

/// The pad where a PIN is typed. Once six digits are there they go on; nothing has to be pressed.
@MainActor
final class PinScreen: ScreenModel {
    let name = "pin"
    let title: TextKey
    private unowned let app: AppModel
    /// A sentence above the pad, in the language of the moment.
    var words: (AppModel) -> String?
    /// What was wrong the last time.
    var problem: ((AppModel) -> String)?
    var forgotten = false
    private var digits = PinDigits()
    private let done: (PinScreen, Data) -> Void

    init(
        _ app: AppModel, _ title: TextKey, words: @escaping (AppModel) -> String? = { _ in nil },
        done: @escaping (PinScreen, Data) -> Void
    ) {
        self.app = app
        self.title = title
        self.words = words
        self.done = done
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        if let words = words(app) { page.add("words", .text, words) }
        if let problem { page.sentence(.danger, "problem", problem(app)) }
        let count = page.text(.pinEntered, String(digits.count))
        page.add("pad", .pad, page.text(title), value: count)
        for digit in [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] as [UInt8] {
            page.add("digit\(digit)", .key(String(digit)), page.text(.pinDigit, String(digit)), press: { [self] in
                type(digit)
            })
        }
        page.add("delete", .key("⌫"), page.text(.pinDelete), isEnabled: digits.count > 0, press: { [self] in
            digits.removeLast()
            app.refresh()
        })
        if forgotten { page.button(.pinForgotten, .quiet) { [self] in app.push(ForgottenPinScreen(app)) } }
    }

    private func type(_ digit: UInt8) {
        digits.append(digit)
        if digits.isComplete {
            let pin = digits.data
            digits.wipe()
            problem = nil
            done(self, pin)
        }
        app.refresh()
    }

    func left() { digits.wipe() }
}

/// A PIN that is chosen: typed twice, and refused with the reason where it is weak.
@MainActor
enum NewPin {
    /// Asks for a new PIN on top of the page that is shown.
    static func ask(_ app: AppModel, _ title: TextKey = .pinChooseTitle, then use: @escaping (PinScreen, Data) -> Void) {
        app.push(first(app, title, use))
    }

    static func first(
        _ app: AppModel, _ title: TextKey = .pinChooseTitle, _ use: @escaping (PinScreen, Data) -> Void
    ) -> PinScreen {
        PinScreen(app, title, words: { $0.text(.pinChooseText) }) { screen, pin in
            if let weakness = pinWeakness(pin: pin) {
                screen.problem = { $0.text(weakness.text) }
            } else {
                app.push(again(app, for: screen, pin, use))
            }
        }
    }

    private static func again(
        _ app: AppModel, for first: PinScreen, _ pin: Data, _ use: @escaping (PinScreen, Data) -> Void
    ) -> PinScreen {
        PinScreen(app, .pinRepeatTitle, words: { $0.text(.pinRepeatText) }) { screen, repeated in
            app.leave(screen)
            if repeated == pin {
                use(first, pin)
            } else {
                first.problem = { $0.text(.pinDiffers) }
            }
        }
    }
}

extension WeakPin {
    /// Why it is not taken.
    var text: TextKey {
        switch self {
        case .shape: .pinWeakShape
        case .repeated: .pinWeakRepeated
        case .sequence: .pinWeakSequence
        case .pattern: .pinWeakPattern
        }
    }
}

/// A PIN that nobody knows any more, or that is dead: proofing again, then a new one on this phone.
@MainActor
final class ForgottenPinScreen: ScreenModel {
    let name = "forgotten-pin"
    let title = TextKey.pinForgottenTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.pinForgottenText)
        page.button(.pinForgottenOpened) { [self] in
            app.run { [self] in
                let person = try app.chosen()
                _ = try await app.open().resetPin(person: person.id)
                app.replace(with: EnrolmentScreen(app, person: person.id))
            }
        }
        page.button(.close, .quiet) { [self] in app.leave(self) }
    }
}
