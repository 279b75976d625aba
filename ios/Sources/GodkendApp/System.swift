#if canImport(SwiftUI) && os(iOS)
import AudioToolbox
import AVFoundation
import CoreImage.CIFilterBuiltins
import Godkend
import GodkendDesign
import GodkendPhone
import GodkendScreens
import SwiftUI
import UIKit
import UserNotifications

extension Surroundings {
    /// What iOS does for the screens.
    static func apple(push: PushToken, export: @escaping @MainActor (ExportedFile) -> Void) -> Surroundings {
        var around = Surroundings()
        around.open = { outside in
            let address = switch outside {
            case .browser(let address): address
            case .appStore: Bundle.main.object(forInfoDictionaryKey: "GodkendAppStoreURL") as? String ?? ""
            case .systemSettings: UIApplication.openSettingsURLString
            }
            if let url = URL(string: address) { UIApplication.shared.open(url) }
        }
        around.play = { feedback in
            let haptic = UINotificationFeedbackGenerator()
            switch feedback {
            case .approved: haptic.notificationOccurred(.success)
            case .refused: haptic.notificationOccurred(.warning)
            case .warning: haptic.notificationOccurred(.error)
            }
            // The system's own short sounds, silent when the phone is.
            AudioServicesPlaySystemSound(feedback == .approved ? 1407 : 1053)
        }
        around.export = { name, content in export(ExportedFile(name: name, content: content)) }
        around.askForNotifications = { await push.ask() }
        around.hasBiometrics = { AppleElement().hasBiometrics }
        around.hasCamera = { AVCaptureDevice.authorizationStatus(for: .video) != .denied }
        around.support = .apple
        around.licences = Bundle.main.url(forResource: "Licences", withExtension: "txt")
            .flatMap { try? String(contentsOf: $0, encoding: .utf8) } ?? ""
        return around
    }
}

extension SupportFacts {
    static var apple: SupportFacts {
        var facts = SupportFacts()
        facts.app = PhoneFacts.current.appVersion
        facts.system = PhoneFacts.current.platform
        facts.protection = .dedicated
        return facts
    }
}

/// The phone on the Secure Enclave, as the screens open it.
struct AppleAccess: PhoneAccess {
    let phone: ApplePhone

    func open() async throws -> any PhoneProtocol { try await phone.open() }
    func erase() async throws { try await phone.erase() }
}

/// Whether somebody mirrors or records the screen.
@MainActor
enum ScreenCapture {
    static var isOn: Bool {
        UIApplication.shared.connectedScenes.compactMap { $0 as? UIWindowScene }.contains { $0.screen.isCaptured }
    }
}

/// The share sheet.
struct ShareView: UIViewControllerRepresentable {
    let file: ExportedFile

    func makeUIViewController(context: Context) -> UIActivityViewController {
        UIActivityViewController(activityItems: [file.url].compactMap { $0 }, applicationActivities: nil)
    }

    func updateUIViewController(_: UIActivityViewController, context: Context) {}
}

/// A QR code, black on white in both themes: cameras need it so.
struct QrCode: View {
    let text: String

    var body: some View {
        if let image {
            Image(uiImage: image).interpolation(.none).resizable().scaledToFit()
                .padding(Spacing.medium).background(.white)
        }
    }

    private var image: UIImage? {
        let filter = CIFilter.qrCodeGenerator()
        filter.message = Data(text.utf8)
        filter.correctionLevel = "M"
        guard let output = filter.outputImage,
              let picture = CIContext().createCGImage(output, from: output.extent)
        else { return nil }
        return UIImage(cgImage: picture)
    }
}
#endif
