#if canImport(SwiftUI) && os(iOS)
import GodkendDesign
import GodkendScreens
import SwiftUI

/// One page: its title, its elements in their order, a way back.
struct PageView: View {
    @ObservedObject var shell: AppShell
    @AccessibilityFocusState private var isTitleFocused: Bool
    @Environment(\.accessibilityReduceMotion) private var isStill

    var body: some View {
        let page = shell.page
        ScrollView {
            VStack(alignment: .leading, spacing: Spacing.medium) {
                if page.canGoBack {
                    Button(Texts.text(.back, shell.model.language), systemImage: "chevron.backward") { shell.model.back() }
                        .frame(minHeight: Size.touch)
                        .keyboardShortcut(.cancelAction)
                }
                Text(page.title)
                    .style(TypeScale.title)
                    .accessibilityAddTraits(.isHeader)
                    .accessibilityFocused($isTitleFocused)
                ForEach(page.elements) { ElementView(element: $0) }
                PadView(keys: page.keys)
            }
            .padding(Spacing.edge)
            .frame(maxWidth: 560, alignment: .leading)
            .frame(maxWidth: .infinity)
        }
        .background(Colour.background.color)
        .foregroundStyle(Colour.text.color)
        .environment(\.locale, Locale(identifier: shell.model.language.rawValue))
        .animation(isStill ? nil : .easeOut(duration: Motion.calm), value: page.id)
        .onChange(of: page.id) { _ in isTitleFocused = true }
        .privacySensitive(page.isSecret)
        .overlay { CoverView(isShown: shell.isCovered || (page.isSecret && ScreenCapture.isOn)) }
        .sheet(item: $shell.export) { ShareView(file: $0) }
    }
}

/// The keys of a PIN pad, three in a row.
struct PadView: View {
    let keys: [Element]

    var body: some View {
        let columns = Array(repeating: GridItem(.flexible(minimum: Size.key)), count: 3)
        LazyVGrid(columns: columns, spacing: Spacing.small) {
            ForEach(keys) { key in
                Button { key.press?() } label: {
                    Text(key.printed).style(TypeScale.title).frame(maxWidth: .infinity, minHeight: Size.key)
                }
                .background(Colour.surface.color, in: RoundedRectangle(cornerRadius: Size.corner))
                .disabled(!key.isEnabled)
                .accessibilityLabel(key.label)
                .accessibilityIdentifier(key.id)
            }
        }
    }
}

/// Hides the page from recent apps and from a recording.
struct CoverView: View {
    let isShown: Bool

    var body: some View {
        if isShown {
            Colour.background.color.ignoresSafeArea().overlay {
                Image(systemName: "checkmark.shield").resizable().scaledToFit().frame(width: Size.emblem)
                    .foregroundStyle(Colour.accent.color).accessibilityHidden(true)
            }
        }
    }
}
#endif
