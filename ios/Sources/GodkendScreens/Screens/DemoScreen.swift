import GodkendDesign
import Godkend

/// What a demonstration is, before it begins.
@MainActor
final class DemoIntroduction: ScreenModel {
    let name = "demo-introduction"
    let title = TextKey.demoTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.demoText)
        page.read(.demoPin)
        page.button(.welcomeDemo) { [self] in app.startDemo() }
    }
}

/// What can be played.
@MainActor
final class DemoScreen: ScreenModel {
    let name = "demo"
    let title = TextKey.demoTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.demoPin)
        for scene in DemoPhone.Scene.allCases {
            page.button(scene.text, .secondary) { [self] in
                guard let phone = app.phone as? DemoPhone else { return }
                if let request = phone.play(scene) { app.show(request) } else { app.home() }
            }
        }
        page.button(.demoEnd, .quiet) { [self] in app.endDemo() }
    }
}

extension DemoPhone.Scene {
    var text: TextKey {
        switch self {
        case .login: .demoLogin
        case .payment: .demoPayment
        case .stranger: .demoStranger
        case .expires: .demoExpires
        case .refused: .demoRefused
        case .offline: .demoOffline
        }
    }
}
