import Foundation
import GodkendDesign
import Godkend

/// My phones and remembered browsers, and who may call.
@MainActor
final class DevicesScreen: ScreenModel {
    let name = "devices"
    let title = TextKey.devicesTitle
    private unowned let app: AppModel
    private var overview: Overview

    init(_ app: AppModel, _ overview: Overview) {
        self.app = app
        self.overview = overview
    }

    /// Asks the server, then shows.
    static func open(_ app: AppModel) {
        app.run {
            let overview = try await app.open().overview(person: app.chosen().id)
            app.push(DevicesScreen(app, overview))
        }
    }

    func build(_ page: inout PageBuilder) {
        let formats = Formats(language: page.language)
        page.heading(.devicesPhones)
        for phone in overview.phones {
            var details = [page.text(.devicesSince, formats.day(phone.enrolledAt))]
            if let used = phone.lastUsedAt { details.append(page.text(.devicesUsed, formats.moment(used))) }
            if phone.thisPhone { details.insert(page.text(.devicesThis), at: 0) }
            page.row(id: "phone \(phone.id)", phone.model, details.joined(separator: " · "))
            page.button(id: "remove \(phone.id)", page.text(.devicesRemove, phone.model), .quiet) { [self] in
                remove(phone)
            }
        }
        page.heading(.devicesBrowsers)
        if overview.browsers.isEmpty { page.read(.devicesNoBrowsers) }
        for browser in overview.browsers {
            let details = [
                page.text(.devicesSince, formats.day(browser.rememberedAt)),
                page.text(.devicesUsed, formats.moment(browser.lastUsedAt)),
            ]
            page.row(id: "browser \(browser.id)", browser.name, details.joined(separator: " · "))
            page.button(id: "forget \(browser.id)", page.text(.devicesForget, browser.name), .quiet) { [self] in
                forget(browser)
            }
        }
        page.toggle(.settingsCalls, overview.lockedPush, hint: .settingsCallsText) { [self] in
            let on = !overview.lockedPush
            approved(.settingsCalls) { phone, person, pin in
                try await phone.setLockedPush(on: on, pin: pin, person: person.id)
            }
        }
    }

    private func remove(_ phone: KnownPhone) {
        app.push(ConfirmScreen(app, .removeTitle, { $0.text(.removeText, phone.model) }, yes: .removeYes) {
            [self] confirm in
            app.leave(confirm)
            approved(.removeYes) { calls, person, pin in
                try await calls.removePhone(phone: phone.id, pin: pin, person: person.id)
            }
        })
    }

    private func forget(_ browser: KnownBrowser) {
        app.push(ConfirmScreen(app, .forgetTitle, { $0.text(.forgetText, browser.name) }, yes: .forgetYes) {
            [self] confirm in
            app.leave(confirm)
            approved(.forgetYes) { calls, person, pin in
                try await calls.forgetBrowser(browser: browser.id, pin: pin, person: person.id)
            }
        })
    }

    /// By PIN; then the list is asked for anew.
    private func approved(
        _ what: TextKey, _ act: @escaping @MainActor (any PhoneProtocol, Person, Data) async throws -> Void
    ) {
        WithPin.ask(app, what: what) { [self] phone, person, pin in
            try await act(phone, person, pin)
            // This phone may just have been removed: then there is nobody left to ask for.
            guard app.current?.standing == .active else {
                app.home()
                return nil
            }
            overview = try await phone.overview(person: person.id)
            return nil
        }
    }
}

/// This phone as the server knows it, and the way to take it out of use.
@MainActor
final class ThisPhoneScreen: ScreenModel {
    let name = "this-phone"
    let title = TextKey.settingsThisPhone
    private unowned let app: AppModel
    private let phone: KnownPhone

    init(_ app: AppModel, _ phone: KnownPhone) {
        self.app = app
        self.phone = phone
    }

    /// Asks the server, then shows.
    static func open(_ app: AppModel) {
        app.run {
            let overview = try await app.open().overview(person: app.chosen().id)
            guard let phone = overview.phones.first(where: \.thisPhone) else { throw PhoneError.Removed }
            app.push(ThisPhoneScreen(app, phone))
        }
    }

    func build(_ page: inout PageBuilder) {
        let formats = Formats(language: page.language)
        page.row(id: "model", phone.model, phone.platform)
        page.add("since", .text, page.text(.devicesSince, formats.moment(phone.enrolledAt)))
        if let used = phone.lastUsedAt { page.add("used", .text, page.text(.devicesUsed, formats.moment(used))) }
        page.row(.supportKeys, page.text(app.around.support.protection.text))
        page.row(.settingsBiometrics, page.text(phone.biometrics ? .settingsOn : .settingsOff))
        page.button(.removeYes, .danger) { [self] in
            app.push(ConfirmScreen(app, .removeTitle, { [phone] in $0.text(.removeText, phone.model) }, yes: .removeYes) {
                [self] confirm in
                app.leave(confirm)
                WithPin.ask(app, what: .removeYes) { [self] calls, person, pin in
                    try await calls.removePhone(phone: phone.id, pin: pin, person: person.id)
                    app.home()
                    return nil
                }
            })
        }
    }
}

/// Move to a new phone: approve, show the code, type the digits.
@MainActor
final class MoveScreen: ScreenModel {
    let name = "move"
    private unowned let app: AppModel
    private var keep = false
    private var handed: HandedOut?
    private var digits = ""

    init(_ app: AppModel) { self.app = app }

    var title: TextKey { handed == nil ? .moveTitle : .moveShowTitle }

    func build(_ page: inout PageBuilder) {
        guard let handed else {
            page.read(.moveText)
            page.toggle(.moveKeep, keep) { [self] in
                keep.toggle()
                app.refresh()
            }
            page.button(.moveStart) { [self] in start() }
            return
        }
        page.secret()
        page.notice(.warning, .moveShowText)
        page.add(TextKey.moveQr.rawValue, .picture, page.text(.moveQr), value: handed.link)
        page.heading(.moveDigitsTitle)
        page.field(.numberField, .digits, Formats.grouped(digits)) { [self] text in
            digits = String(text.filter { $0.isASCII && $0.isNumber }.prefix(8))
            app.refresh()
        }
        page.button(.next, isEnabled: digits.count == 8) { [self] in confirm() }
    }

    private func start() {
        WithPin.ask(app, what: .settingsMove) { [self] phone, person, pin in
            handed = try await phone.moveToNewPhone(keep: keep, pin: pin, person: person.id)
            return nil
        }
    }

    private func confirm() {
        app.run { [self] in
            let new = try await app.open().typeNewPhoneDigits(digits: digits, person: app.chosen().id)
            app.leave(self)
            app.push(MovedScreen(app, model: new.model))
        }
    }

    func left() {
        handed = nil
        digits = ""
    }
}

/// The new phone is on its way.
@MainActor
final class MovedScreen: ScreenModel {
    let name = "moved"
    let title = TextKey.moveDoneTitle
    private unowned let app: AppModel
    private let model: String

    init(_ app: AppModel, model: String) {
        self.app = app
        self.model = model
    }

    func build(_ page: inout PageBuilder) {
        page.read(.moveDoneText, model)
        page.button(.done) { [self] in app.home() }
    }
}

/// People on this phone: choose one, add one, take one off.
@MainActor
final class PeopleScreen: ScreenModel {
    let name = "people"
    let title = TextKey.peopleTitle
    private unowned let app: AppModel

    init(_ app: AppModel) { self.app = app }

    func build(_ page: inout PageBuilder) {
        page.read(.peopleText)
        let current = app.current?.id
        for person in app.people {
            page.add("person \(person.id)", .choice(isChosen: person.id == current), person.name,
                value: person.id == current ? page.text(.peopleChosen) : nil, press: { [self] in
                    app.person = person.id
                    app.home()
                })
            // The library takes off only who cannot be used any more; the others remove the phone first.
            if person.canBeForgotten {
                page.button(id: "forget \(person.id)", page.text(.peopleRemove, person.name), .quiet) { [self] in
                    app.run { [self] in
                        try await app.open().forget(person: person.id)
                        app.home()
                    }
                }
            }
        }
        page.button(.peopleAdd, .secondary) { [self] in app.push(ActivateScreen(app)) }
    }
}

extension Person {
    var canBeForgotten: Bool {
        switch standing {
        case .blocked, .frozen, .removed, .enrolling: true
        default: false
        }
    }
}
