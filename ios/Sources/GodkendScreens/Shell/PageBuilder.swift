import GodkendDesign

/// Puts a page together in a language.
@MainActor
struct PageBuilder {
    let language: TextLanguage
    /// While something is under way nothing can be pressed twice.
    let isBusy: Bool
    private(set) var page: Page

    init(_ id: String, _ title: String, language: TextLanguage, isBusy: Bool) {
        self.language = language
        self.isBusy = isBusy
        page = Page(id: id, title: title)
    }

    func text(_ key: TextKey, _ values: String...) -> String {
        Texts.text(key, language, values: values)
    }

    mutating func secret() { page.isSecret = true }

    mutating func heading(_ key: TextKey) { add(key.rawValue, .heading, text(key)) }

    mutating func read(_ key: TextKey, _ values: String...) {
        add(key.rawValue, .text, Texts.text(key, language, values: values))
    }

    mutating func notice(_ tone: Element.Tone, _ key: TextKey, _ values: String...) {
        add(key.rawValue, .notice(tone), Texts.text(key, language, values: values))
    }

    /// A sentence that is not among the texts, as one of the core's.
    mutating func sentence(_ tone: Element.Tone, _ id: String, _ sentence: String) {
        add(id, .notice(tone), sentence)
    }

    mutating func row(_ key: TextKey, _ value: String? = nil, hint: TextKey? = nil, _ press: (@MainActor () -> Void)? = nil) {
        add(key.rawValue, .row, text(key), value: value, hint: hint.map { text($0) }, press: press)
    }

    mutating func row(id: String, _ label: String, _ value: String? = nil, _ press: (@MainActor () -> Void)? = nil) {
        add(id, .row, label, value: value, press: press)
    }

    mutating func button(
        _ key: TextKey, _ emphasis: Element.Emphasis = .primary, hint: TextKey? = nil, isEnabled: Bool = true,
        _ press: @escaping @MainActor () -> Void
    ) {
        add(key.rawValue, .button(emphasis), text(key), hint: hint.map { text($0) }, isEnabled: isEnabled, press: press)
    }

    /// A button whose text names what it acts on.
    mutating func button(
        id: String, _ label: String, _ emphasis: Element.Emphasis, _ press: @escaping @MainActor () -> Void
    ) {
        add(id, .button(emphasis), label, press: press)
    }

    mutating func slide(_ key: TextKey, _ press: @escaping @MainActor () -> Void) {
        add(key.rawValue, .slide, text(key), press: press)
    }

    mutating func field(
        _ key: TextKey, _ keyboard: Element.Keyboard, _ value: String, _ enter: @escaping @MainActor (String) -> Void
    ) {
        add(key.rawValue, .field(keyboard), text(key), value: value, enter: enter)
    }

    mutating func toggle(
        _ key: TextKey, _ isOn: Bool, hint: TextKey? = nil, isEnabled: Bool = true, _ press: @escaping @MainActor () -> Void
    ) {
        add(key.rawValue, .toggle(isOn: isOn), text(key), value: text(isOn ? .settingsOn : .settingsOff),
            hint: hint.map { text($0) }, isEnabled: isEnabled, press: press)
    }

    mutating func add(
        _ id: String, _ role: Element.Role, _ label: String, value: String? = nil, hint: String? = nil,
        isEnabled: Bool = true, press: (@MainActor () -> Void)? = nil, enter: (@MainActor (String) -> Void)? = nil
    ) {
        page.elements.append(Element(
            id: id, role: role, label: label, value: value, hint: hint, isEnabled: isEnabled && !isBusy,
            press: press, enter: enter))
    }
}
