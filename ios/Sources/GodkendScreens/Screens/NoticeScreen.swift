import GodkendDesign
import Godkend

/// A notice of use: what was used, and whether it was the person. Nothing to approve, nothing that slides.
@MainActor
final class NoticeScreen: ScreenModel {
    let name = "notice-of-use"
    let title = TextKey.useTitle
    private unowned let app: AppModel
    private let request: Request
    /// When the server wants it fetched anew, on the clock of `Surroundings.seconds`.
    private let ends: Double?

    init(_ app: AppModel, _ request: Request) {
        self.app = app
        self.request = request
        ends = request.secondsLeft.map { app.around.seconds() + Double($0) }
    }

    func build(_ page: inout PageBuilder) {
        page.secret()
        page.add(TextKey.useKind.rawValue, .text, page.text(.useKind))
        if let text = request.text { page.add("used", .strong, text) }
        if let place = request.place { page.row(.requestPlace, place) }
        if let browser = request.browser { page.row(.requestBrowser, browser) }
        page.read(.useExplained)
        page.button(.useYes) { [self] in answer(wasMe: true) }
        page.button(.useNo, .danger) { [self] in answer(wasMe: false) }
        page.button(.useLater, .quiet) { [self] in app.home() }
    }

    /// It waits on, and is opened anew.
    func tick() {
        if let ends, app.around.seconds() >= ends, !app.isBusy { app.home() }
    }

    private func answer(wasMe: Bool) {
        app.run { [self] in
            try await app.open().answerNotice(request: request, wasMe: wasMe)
            app.around.play(wasMe ? .approved : .refused)
            app.replace(with: ResultScreen(app, wasMe ? .recognised : .disputed))
        }
    }
}
