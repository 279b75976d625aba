#if canImport(SwiftUI) && os(iOS)
import GodkendDesign
import GodkendScreens
import SwiftUI

/// Draws an element by its role.
struct ElementView: View {
    let element: Element

    var body: some View {
        drawn
            .disabled(!element.isEnabled)
            .accessibilityIdentifier(element.id)
            .accessibilityHint(element.hint ?? "")
    }

    @ViewBuilder private var drawn: some View {
        switch element.role {
        case .heading:
            Text(element.label).style(TypeScale.heading).accessibilityAddTraits(.isHeader)
        case .text:
            Text(element.label).style(TypeScale.body)
        case .strong:
            Text(element.label).style(TypeScale.strong)
        case .large:
            LabelledValue(element: element, style: TypeScale.display)
        case .notice(let tone):
            Text(element.label).style(TypeScale.body)
                .padding(Spacing.medium)
                .frame(maxWidth: .infinity, alignment: .leading)
                .foregroundStyle(tone.text.color)
                .background(tone.back.color, in: RoundedRectangle(cornerRadius: Size.corner))
        case .code:
            Text(element.value ?? "").style(TypeScale.code).monospacedDigit()
                .frame(maxWidth: .infinity)
                .accessibilityLabel(element.label)
        case .countdown:
            Text(element.label).style(TypeScale.label).monospacedDigit()
                .accessibilityAddTraits(.updatesFrequently)
        case .button(let emphasis):
            Button { element.press?() } label: { ButtonLabel(element: element) }
                .buttonStyle(WeightedButton(emphasis: emphasis))
        case .slide:
            SlideView(element: element)
        case .field(let keyboard):
            FieldView(element: element, keyboard: keyboard)
        case .pad:
            Text(element.value ?? "").style(TypeScale.body).frame(maxWidth: .infinity)
                .accessibilityAddTraits(.updatesFrequently)
        case .key:
            // Drawn together, in `PadView`.
            EmptyView()
        case .toggle(let isOn):
            Toggle(isOn: Binding(get: { isOn }, set: { _ in element.press?() })) { ButtonLabel(element: element) }
                .frame(minHeight: Size.touch)
        case .row:
            RowView(element: element)
        case .choice(let isChosen):
            Button { element.press?() } label: {
                HStack {
                    Text(element.label).style(TypeScale.body)
                    Spacer()
                    if isChosen { Image(systemName: "checkmark").accessibilityHidden(true) }
                }
                .frame(minHeight: Size.touch)
            }
            .accessibilityValue(element.value ?? "")
            .accessibilityAddTraits(isChosen ? .isSelected : [])
        case .picture:
            QrCode(text: element.value ?? "").accessibilityLabel(element.label)
        case .viewfinder:
            CameraView(seen: { element.enter?($0) }).accessibilityLabel(element.label)
        case .progress:
            ProgressView(element.label)
        }
    }
}

/// A label, and below it what it stands for.
struct LabelledValue: View {
    let element: Element
    let style: TypeStyle

    var body: some View {
        VStack(alignment: .leading, spacing: Spacing.hair) {
            Text(element.label).style(TypeScale.label).foregroundStyle(Colour.textSoft.color)
            if let value = element.value { Text(value).style(style) }
        }
        .accessibilityElement(children: .combine)
    }
}

/// A line that leads somewhere, or tells a value.
struct RowView: View {
    let element: Element

    var body: some View {
        if let press = element.press {
            Button(action: press) {
                HStack {
                    LabelledValue(element: element, style: TypeScale.body)
                    Spacer()
                    Image(systemName: "chevron.forward").accessibilityHidden(true)
                }
                .frame(minHeight: Size.touch)
            }
        } else {
            LabelledValue(element: element, style: TypeScale.body).frame(minHeight: Size.touch)
        }
    }
}

/// A button's words, with a hint below.
struct ButtonLabel: View {
    let element: Element

    var body: some View {
        VStack(alignment: .leading) {
            Text(element.label).style(TypeScale.strong)
            // Read aloud as the hint that it is, not a second time as part of the label.
            if let hint = element.hint { Text(hint).style(TypeScale.label).accessibilityHidden(true) }
        }
    }
}

/// Digits or a code, typed.
struct FieldView: View {
    let element: Element
    let keyboard: Element.Keyboard

    var body: some View {
        VStack(alignment: .leading, spacing: Spacing.hair) {
            // A prompt inside the line would be cut off, and is gone once something is typed.
            Text(element.label).style(TypeScale.label).accessibilityHidden(true)
            TextField("", text: Binding(get: { element.value ?? "" }, set: { element.enter?($0) }), axis: .vertical)
                .font(TypeScale.code.font)
                .keyboardType(keyboard == .digits ? .numberPad : .asciiCapable)
                .textInputAutocapitalization(.characters)
                .autocorrectionDisabled()
                .padding(Spacing.medium)
                .frame(minHeight: Size.touch)
                .background(Colour.surface.color, in: RoundedRectangle(cornerRadius: Size.corner))
                .overlay { RoundedRectangle(cornerRadius: Size.corner).stroke(Colour.outline.color) }
                .accessibilityLabel(element.label)
        }
    }
}

/// Slides to approve. VoiceOver, switch and keyboard use the button beside it.
struct SlideView: View {
    let element: Element
    @State private var way: Double = 0

    var body: some View {
        // As high as its text, which grows with the text size.
        Text(element.label).style(TypeScale.strong)
            .multilineTextAlignment(.center)
            .padding(.horizontal, Size.button)
            .padding(.vertical, Spacing.small)
            .frame(maxWidth: .infinity, minHeight: Size.button)
            .background(Colour.accentSoft.color, in: Capsule())
            .overlay {
                GeometryReader { room in
                    let end = room.size.width - Size.button
                    Circle().fill(Colour.accent.color)
                        .frame(width: Size.button, height: Size.button)
                        .position(x: Size.button / 2 + way, y: room.size.height / 2)
                        .gesture(DragGesture()
                            .onChanged { way = min(max(0, $0.translation.width), end) }
                            .onEnded { _ in
                                if way >= end { element.press?() }
                                withAnimation(.easeOut(duration: Motion.quick)) { way = 0 }
                            })
                }
            }
            .accessibilityHidden(true)
    }
}
#endif
