#if canImport(SwiftUI) && os(iOS)
import GodkendDesign
import GodkendScreens
import SwiftUI
import UIKit

extension ThemedColour {
    /// Follows the theme of the phone.
    var color: Color {
        Color(UIColor { traits in UIColor(rgb: traits.userInterfaceStyle == .dark ? dark : light) })
    }
}

extension UIColor {
    convenience init(rgb: UInt32) {
        func channel(_ shift: UInt32) -> CGFloat { CGFloat((rgb >> shift) & 0xFF) / 255 }
        self.init(red: channel(16), green: channel(8), blue: channel(0), alpha: 1)
    }
}

extension TypeStyle {
    /// Grows with the text size that the person chose.
    var font: Font {
        Font(UIFontMetrics.default.scaledFont(for: .systemFont(ofSize: size, weight: bold ? .bold : .regular)))
    }
}

extension Text {
    func style(_ style: TypeStyle) -> some View { font(style.font).fixedSize(horizontal: false, vertical: true) }
}

extension Element.Tone {
    var text: ThemedColour {
        switch self {
        case .calm: Colour.text
        case .warning: Colour.warning
        case .danger: Colour.danger
        case .demo: Colour.demo
        }
    }

    var back: ThemedColour {
        switch self {
        case .calm: Colour.accentSoft
        case .warning: Colour.warningSoft
        case .danger: Colour.dangerSoft
        case .demo: Colour.demoSoft
        }
    }
}

/// A button by its weight.
struct WeightedButton: ButtonStyle {
    let emphasis: Element.Emphasis
    @Environment(\.isEnabled) private var isEnabled

    func makeBody(configuration: Configuration) -> some View {
        configuration.label
            .padding(.horizontal, Spacing.large)
            .frame(maxWidth: .infinity, minHeight: Size.button)
            .foregroundStyle(front.color)
            .background(back(isPressed: configuration.isPressed), in: RoundedRectangle(cornerRadius: Size.corner))
            .overlay {
                if emphasis == .secondary { RoundedRectangle(cornerRadius: Size.corner).stroke(Colour.outline.color) }
            }
            .opacity(isEnabled ? 1 : 0.5)
    }

    private var front: ThemedColour {
        switch emphasis {
        case .primary: Colour.onAccent
        case .secondary: Colour.text
        case .quiet: Colour.accent
        case .danger: Colour.onDanger
        }
    }

    private func back(isPressed: Bool) -> Color {
        switch emphasis {
        case .primary: (isPressed ? Colour.accentPress : Colour.accent).color
        case .secondary: Colour.surface.color
        case .quiet: .clear
        case .danger: Colour.danger.color
        }
    }
}

extension Page {
    /// The pad's keys are drawn together, the others in their order.
    var keys: [Element] { elements.filter { $0.printed != "" } }
}

extension Element {
    /// What is printed on a key.
    var printed: String {
        if case .key(let printed) = role { printed } else { "" }
    }
}
#endif
