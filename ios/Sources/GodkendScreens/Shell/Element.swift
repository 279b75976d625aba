import GodkendDesign

/// One thing on a page. A view draws it by its role and decides nothing; VoiceOver reads `label`, `value` and `hint`.
public struct Element: Identifiable {
    /// What it is, and so how it is drawn and announced.
    public enum Role: Equatable, Sendable {
        /// A heading inside a page.
        case heading
        /// Text to read.
        case text
        /// Text that matters: who asks, or what is being done.
        case strong
        /// Amount or payee: as large as the page can give.
        case large
        /// A sentence that must not be missed.
        case notice(Tone)
        /// Digits or a code to copy by hand; `value` is what is shown, `label` what is read aloud.
        case code
        /// The time that is left.
        case countdown
        /// A button.
        case button(Emphasis)
        /// The slide to approve. A button with the same action is always beside it (WCAG 2.5.7).
        case slide
        /// A line to type in.
        case field(Keyboard)
        /// The dots of a PIN; `value` tells how many digits are typed, never which.
        case pad
        /// A key of the pad, with what is printed on it.
        case key(String)
        /// Something on or off.
        case toggle(isOn: Bool)
        /// A line that leads somewhere, or tells a value.
        case row
        /// One of several choices.
        case choice(isChosen: Bool)
        /// A QR code made of `value`.
        case picture
        /// The camera's picture; what it sees goes to `enter`.
        case viewfinder
        /// Something is under way.
        case progress
    }

    /// How much a notice matters.
    public enum Tone: Equatable, Sendable {
        case calm, warning, danger, demo
    }

    /// How much a button weighs. Ways out of a request weigh the same.
    public enum Emphasis: Equatable, Sendable {
        case primary, secondary, quiet, danger
    }

    /// What a line takes.
    public enum Keyboard: Equatable, Sendable {
        case digits, code
    }

    /// The same for the same thing on the same page; also its accessibility identifier.
    public let id: String
    public let role: Role
    public let label: String
    public var value: String?
    public var hint: String?
    public var isEnabled = true
    /// What pressing does.
    public var press: (@MainActor () -> Void)?
    /// What typing or seeing does.
    public var enter: (@MainActor (String) -> Void)?
}

/// What a person feels and hears when something is decided.
public enum Feedback: Equatable, Sendable {
    case approved, refused, warning
}

/// All that one page shows.
public struct Page {
    /// Which page: the same while only its content changes.
    public let id: String
    public let title: String
    public var elements: [Element] = []
    /// Whether it may not be captured or seen among the recent apps.
    public var isSecret = false
    /// Whether it can be left by going back.
    public var canGoBack = false
    /// Whether the page stands for a demonstration.
    public var isDemo = false
}
