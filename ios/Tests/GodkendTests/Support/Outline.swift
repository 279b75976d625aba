import Foundation
import GodkendDesign
@testable import GodkendScreens

/// A page in words: its title, then every element with what it is, what is read aloud, and its value and hint.
@MainActor
enum Outline {
    static let note = """
        What each page says, in the order in which VoiceOver reads it: written by the tests from the pages that the app \
        draws. ⟨…⟩ is something else each time. No drawing: SwiftUI runs on Apple's systems alone.
        """

    static func of(_ page: Page, _ language: TextLanguage) -> [String] {
        let secret = page.isSecret ? " (covered in recordings and among recent apps)" : ""
        return ["## \(page.title)", "", "`\(page.id)`\(secret)", ""] + page.elements.map { element in
            var line = "- \(name(of: element.role)): \(element.label)"
            if let value = element.value, !value.isEmpty, value != element.label { line += " · \(value)" }
            if let hint = element.hint { line += " — \(hint)" }
            if !element.isEnabled { line += " (dimmed)" }
            return steady(line, language)
        }
    }

    private static func name(of role: Element.Role) -> String {
        switch role {
        case .heading: "heading"
        case .text: "text"
        case .strong: "strong text"
        case .large: "large"
        case .notice(let tone): "notice, \(tone)"
        case .code: "code"
        case .countdown: "countdown"
        case .button(let emphasis): "button, \(emphasis)"
        case .slide: "slide"
        case .field(let keyboard): "field for \(keyboard)"
        case .pad: "dots"
        case .key(let printed): "key \(printed)"
        case .toggle(let isOn): "switch, \(isOn ? "on" : "off")"
        case .row: "row"
        case .choice(let isChosen): "choice, \(isChosen ? "chosen" : "not chosen")"
        case .picture: "QR code"
        case .viewfinder: "camera"
        case .progress: "progress"
        }
    }

    /// Moments and durations are written by the system, each version in its own way.
    private static func steady(_ line: String, _ language: TextLanguage) -> String {
        let formats = Formats(language: language)
        var line = line
        let moments: [Int64] = [1_800_000_000, 1_800_000_000 - 86_400]
        let spans: [UInt32] = [180, 60, 10, 5]
        let all = moments.map { formats.moment($0) } + moments.map { formats.day($0) } + moments.map { formats.time($0) }
            + spans.map { formats.duration(seconds: $0) }
        for text in all {
            line = line.replacingOccurrences(of: text, with: "⟨…⟩")
        }
        return line
    }
}
