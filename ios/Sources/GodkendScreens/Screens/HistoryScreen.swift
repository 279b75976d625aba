import GodkendDesign
import Godkend

/// What happened on this phone, newest first, failed and refused attempts too.
@MainActor
final class HistoryScreen: ScreenModel {
    let name = "history"
    let title = TextKey.historyTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        let lines = (try? app.open().history(person: app.current?.id)) ?? []
        if lines.isEmpty { page.read(.historyEmpty) }
        let formats = Formats(language: page.language)
        for (index, line) in lines.enumerated().reversed() {
            let label = [line.relyingParty, page.text(line.event.text)].compactMap { $0 }.joined(separator: ": ")
            let details = [
                formats.moment(line.at), line.action.map { page.text($0.text) }, line.text, line.place, line.code,
            ]
            page.row(id: "line\(index)", label, details.compactMap { $0 }.joined(separator: " · "))
        }
        if !lines.isEmpty {
            page.read(.historyKept)
            page.button(.historyExport, .secondary) { [self] in
                app.run { [self] in
                    app.around.export("godkend.csv", try app.open().exportHistory(person: app.current?.id))
                }
            }
        }
    }
}

extension HistoryEvent {
    var text: TextKey {
        switch self {
        case .activated: .eventActivated
        case .approved: .eventApproved
        case .denied: .eventDenied
        case .reported: .eventReported
        case .wrongPin: .eventWrongPin
        case .notTaken: .eventNotTaken
        case .expired: .eventExpired
        case .offlineCode: .eventOfflineCode
        case .blocked: .eventBlocked
        case .pinReset: .eventPinReset
        case .recognised: .eventRecognised
        }
    }
}

extension Action {
    /// What an approval does, in a word.
    var text: TextKey {
        switch self {
        case .logOn: .topicLogOn
        case .approve: .topicApprove
        case .confirm: .topicConfirm
        case .accept: .topicAccept
        case .sign: .topicSign
        case .newPhoneNotice: .topicNewDevice
        case .noticeOfUse: .topicUse
        case .finishEnrolment, .changePin, .addKeys, .removeKeys, .rotateKeys, .movePhone, .removePhone,
             .forgetBrowser, .setLockedPush: .topicOwn
        }
    }
}
