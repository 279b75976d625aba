import Foundation
import GodkendDesign
@testable import GodkendScreens

/// What is wrong with a page for whoever hears it, or reads it in large letters. Every page of every test is held to it.
///
/// No layout runs here: how wide a text is follows from the widths of Helvetica's letters, which the iPhone's are close to,
/// on a screen of 375 points at the largest of the ordinary text sizes. Above those, words may break, and pages scroll.
@MainActor
enum Walk {
    /// The narrowest screen of an iPhone that the app is for.
    private static let screen = 375.0
    /// The largest ordinary text size, against the usual one: 23 points for 17.
    private static let growth = 23.0 / 17.0

    static func problems(_ page: Page, _ language: TextLanguage) -> [String] {
        var found: [String] = []
        if isBlank(page.title) { found.append("no title") }
        found += tooLong(page.title, TypeScale.title, width: screen - 2 * Spacing.edge, lines: 4).map { "title: \($0)" }
        var ids: Set<String> = []
        for element in page.elements {
            var wrong = labels(element, language) + actions(element) + length(element)
            if element.id.isEmpty || !ids.insert(element.id).inserted { wrong.append("its name is not its own") }
            found += wrong.map { "\(element.id) \(element.role): \($0)" }
        }
        // Whatever slides has a button that does the same (WCAG 2.5.7).
        let buttons = page.elements.filter { if case .button = $0.role { true } else { false } }
        if page.elements.contains(where: { $0.role == .slide }),
           !buttons.contains(where: { $0.id == TextKey.requestApproveButton.rawValue }) {
            found.append("slides, and no button does the same")
        }
        // No page is a dead end.
        if !page.canGoBack, !page.elements.contains(where: { $0.press != nil || $0.role == .progress }) {
            found.append("no way on")
        }
        return found
    }

    // MARK: What is heard

    private static func labels(_ element: Element, _ language: TextLanguage) -> [String] {
        var found: [String] = []
        // A picture's sign alone says nothing aloud.
        if !element.label.contains(where: { $0.isLetter || $0.isNumber }) { found.append("no label") }
        for spoken in [element.label, element.value, element.hint].compactMap({ $0 }) {
            // A missing text shows its key, an unfilled one its braces.
            if TextKey(rawValue: spoken) != nil { found.append("shows the key \(spoken)") }
            if spoken.contains("{0}") || spoken.contains("{1}") { found.append("unfilled: \(spoken)") }
        }
        if let key = TextKey(rawValue: element.id), !says(element.label, Texts.text(key, language)) {
            found.append("“\(element.label)” is not “\(Texts.text(key, language))”")
        }
        return found
    }

    /// Whether a label is this text, with something put in for its placeholders.
    private static func says(_ label: String, _ text: String) -> Bool {
        // Placeholders are {0} to {9}.
        let parts = text.split(omittingEmptySubsequences: true) { $0 == "{" || $0 == "}" }.filter { Int($0) == nil }
        guard text.contains("{"), let first = parts.first, let last = parts.last else { return label == text }
        var rest = Substring(label)
        for part in parts {
            guard let place = rest.range(of: part) else { return false }
            rest = rest[place.upperBound...]
        }
        return (text.hasPrefix("{") || label.hasPrefix(first)) && (text.hasSuffix("}") || label.hasSuffix(last))
    }

    private static func actions(_ element: Element) -> [String] {
        switch element.role {
        case .button, .slide, .toggle, .choice, .key: element.press == nil ? ["pressing does nothing"] : []
        case .field, .viewfinder: element.enter == nil ? ["typing does nothing"] : []
        case .code, .pad, .countdown, .picture, .large: isBlank(element.value ?? "") ? ["no value"] : []
        default: []
        }
    }

    // MARK: What is seen

    private static func length(_ element: Element) -> [String] {
        let whole = screen - 2 * Spacing.edge
        switch element.role {
        case .heading: return tooLong(element.label, TypeScale.heading, width: whole, lines: 3)
        case .button:
            let room = whole - 2 * Spacing.large
            return tooLong(element.label, TypeScale.strong, width: room, lines: 3)
                + tooLong(element.hint ?? "", TypeScale.label, width: room, lines: 4)
        case .slide: return tooLong(element.label, TypeScale.strong, width: whole - 2 * Size.button, lines: 2)
        case .toggle: return tooLong(element.label, TypeScale.body, width: whole - 64, lines: 3)
        case .choice, .row:
            let room = whole - Size.icon - Spacing.small
            return tooLong(element.label, TypeScale.body, width: room, lines: 4)
                + tooLong(element.value ?? "", TypeScale.body, width: room, lines: 8)
        case .strong: return tooLong(element.label, TypeScale.strong, width: whole, lines: 4)
        case .large: return tooLong(element.value ?? "", TypeScale.display, width: whole, lines: 4)
        case .notice: return tooLong(element.label, TypeScale.body, width: whole - 2 * Spacing.medium, lines: 12)
        case .code: return tooLong(element.value ?? "", TypeScale.code, width: whole, lines: 4)
        case .field: return tooLong(element.label, TypeScale.label, width: whole, lines: 2)
        case .key(let printed): return printed.count == 1 ? [] : ["more than one sign on a key"]
        case .text, .countdown, .pad, .picture, .viewfinder, .progress:
            return tooLong(element.label, TypeScale.body, width: whole, lines: .max)
        }
    }

    private static func tooLong(_ text: String, _ style: TypeStyle, width: Double, lines: Int) -> [String] {
        var count = 1, used = 0.0
        // Lines break at spaces and after hyphens and slashes.
        let breakable = text.replacingOccurrences(of: "-", with: "- ").replacingOccurrences(of: "/", with: "/ ")
        for word in breakable.split(whereSeparator: \.isWhitespace) {
            let space = word.hasSuffix("-") || word.hasSuffix("/") ? 0 : self.width(" ", style)
            let wide = self.width(word, style)
            if wide > width { return ["“\(word)” is wider than the screen"] }
            if used > 0, used + space + wide > width {
                count += 1
                used = 0
            }
            used += (used > 0 ? space : 0) + wide
        }
        return count > lines ? ["\(count) lines: “\(text)”"] : []
    }

    private static func width(_ text: Substring, _ style: TypeStyle) -> Double {
        let thousandths = text.reduce(0) { sum, letter in sum + advance(letter) }
        // Bold letters are a twentieth wider.
        return Double(thousandths) / 1000 * style.size * growth * (style.bold ? 1.05 : 1)
    }

    /// Thousandths of the size that a letter takes in Helvetica (Adobe's metrics), by groups.
    private static func advance(_ letter: Character) -> Int {
        switch letter {
        case "i", "j", "l", "'": 222
        case "f", "t", "I", " ", ".", ",", ":", ";", "!", "/", "|": 278
        case "r", "-", "(", ")": 333
        case "c", "k", "s", "v", "x", "y", "z", "J": 500
        case "m", "M": 833
        case "w", "C", "D", "H", "N", "R", "U": 722
        case "W", "Æ": 944
        case "G", "O", "Q", "Ø": 778
        case "æ": 889
        case "ø": 611
        case _ where letter.isUppercase: 667
        default: 556
        }
    }

    private static func isBlank(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }
}
