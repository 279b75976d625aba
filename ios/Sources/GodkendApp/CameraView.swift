#if canImport(SwiftUI) && os(iOS)
import AVFoundation
import SwiftUI

/// The camera's picture; the text of every QR code that it sees is told.
struct CameraView: UIViewRepresentable {
    let seen: @MainActor (String) -> Void

    func makeCoordinator() -> Eye { Eye(seen: seen) }

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        context.coordinator.look(through: view)
        return view
    }

    func updateUIView(_: PreviewView, context: Context) {}

    static func dismantleUIView(_: PreviewView, coordinator: Eye) { coordinator.close() }

    func sizeThatFits(_ proposal: ProposedViewSize, uiView: PreviewView, context: Context) -> CGSize? {
        let side = min(proposal.width ?? 320, 480)
        return CGSize(width: side, height: side)
    }

    final class PreviewView: UIView {
        override static var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
        var preview: AVCaptureVideoPreviewLayer? { layer as? AVCaptureVideoPreviewLayer }
    }

    final class Eye: NSObject, AVCaptureMetadataOutputObjectsDelegate {
        private let seen: @MainActor (String) -> Void
        private let session = AVCaptureSession()
        private let queue = DispatchQueue(label: "godkend.camera")

        init(seen: @escaping @MainActor (String) -> Void) { self.seen = seen }

        func look(through view: PreviewView) {
            guard let camera = AVCaptureDevice.default(for: .video),
                  let input = try? AVCaptureDeviceInput(device: camera), session.canAddInput(input)
            else { return }
            session.addInput(input)
            let output = AVCaptureMetadataOutput()
            guard session.canAddOutput(output) else { return }
            session.addOutput(output)
            output.setMetadataObjectsDelegate(self, queue: .main)
            output.metadataObjectTypes = [.qr]
            view.preview?.session = session
            view.preview?.videoGravity = .resizeAspectFill
            // Starting blocks until the camera is there.
            queue.async { [session] in session.startRunning() }
        }

        func close() { queue.async { [session] in session.stopRunning() } }

        func metadataOutput(
            _: AVCaptureMetadataOutput, didOutput objects: [AVMetadataObject], from _: AVCaptureConnection
        ) {
            let codes = objects.compactMap { ($0 as? AVMetadataMachineReadableCodeObject)?.stringValue }
            guard let text = codes.first else { return }
            MainActor.assumeIsolated { seen(text) }
        }
    }
}
#endif
