import Foundation
import GodkendDesign
import Godkend

/// The whole app: which page is shown, in which language, and what is under way. It decides everything; views draw it.
@MainActor
public final class AppModel {
    /// Told whenever the page may have changed.
    public var onChange: () -> Void = {}
    public private(set) var language: TextLanguage
    public private(set) var isBusy = false
    public private(set) var isDemo = false
    public var around: Surroundings

    let settings: any SettingsStore
    private(set) var phone: (any PhoneProtocol)?
    /// Whose things are shown, where several share the phone.
    var person: UInt32?
    private let access: any PhoneAccess
    private var screens: [any ScreenModel] = []
    private var work: Task<Void, Never>?
    /// A link that arrived while something else was under way.
    private var pendingLink: String?
    private let systemLanguage: String
    private var pushAddress: PushAddress?
    /// Who is woken at `pushAddress`, or would be if the server sent that way.
    private var registered: Set<UInt32> = []

    public init(access: any PhoneAccess, settings: any SettingsStore, systemLanguage: String) {
        self.access = access
        self.settings = settings
        around = Surroundings()
        self.systemLanguage = systemLanguage
        language = TextLanguage.of(chosen: settings.language, system: systemLanguage)
        screens = [OpeningScreen(self)]
    }

    /// The page that is shown now.
    public var page: Page {
        let screen = screens[screens.count - 1]
        var builder = PageBuilder(screen.name, text(screen.title), language: language, isBusy: isBusy)
        if isDemo { builder.notice(.demo, .demoBanner) }
        screen.build(&builder)
        if isBusy { builder.add(TextKey.working.rawValue, .progress, text(.working)) }
        var page = builder.page
        page.canGoBack = canGoBack
        page.isDemo = isDemo
        return page
    }

    private var canGoBack: Bool { screens.count > 1 && !isBusy }
}

// MARK: What the system tells

extension AppModel {
    /// The app has started, or what hindered it is mended.
    public func start() {
        replace(with: OpeningScreen(self))
        run { [self] in try await openPhone() }
    }

    private func openPhone() async throws {
        await phone?.shutDown()
        phone = nil
        let opened = try await access.open()
        phone = opened
        try watch()
        home()
    }

    /// A link opened the app.
    public func opened(link: String) {
        guard phone != nil, !isBusy else {
            pendingLink = link
            return
        }
        follow { [self] phone in try await phone.openLink(text: link, person: person) }
    }

    /// A second has passed.
    public func tick() {
        screens.last?.tick()
        refresh()
    }

    /// The app came to the front, or a wake-up arrived while it is there: look for requests.
    public func foreground() {
        guard phone != nil else { return }
        do { try watch() } catch { trouble((error as? PhoneError) ?? .Unexpected) }
        askWhetherActive()
        refresh()
    }

    /// The phone can be woken here: so is everybody on it who is in use, now and later. At each start, and when it changes.
    public func wakes(at address: PushAddress) {
        pushAddress = address
        registered = []
        registerPushAddress()
    }

    /// A server that does not send that way, or none, costs wake-ups and nothing else.
    private func registerPushAddress() {
        guard let phone, let pushAddress, !isDemo else { return }
        for person in people where person.standing == .active && !registered.contains(person.id) {
            registered.insert(person.id)
            Task { [weak self] in
                do {
                    _ = try await phone.registerPush(address: pushAddress, person: person.id)
                } catch PhoneError.Refused {
                    // What the server will not have, it is not asked for again until the next start.
                } catch {
                    self?.registered.remove(person.id)
                }
            }
        }
    }

    /// A new phone in its hour of waiting: it is in use by now, or another of the person's phones has refused it.
    /// What watches looks for the requests of those in use only.
    func askWhetherActive() {
        guard let phone, let current, case .enrolling(.waiting) = current.standing else { return }
        Task { [weak self] in
            // Without a connection the page stays as it is, and asks again.
            guard let stage = try? await phone.enrolment(person: current.id), let self, !self.isBusy else { return }
            if case .waiting = stage { return }
            self.home()
        }
    }

    /// The app left the front. What is typed is forgotten.
    public func background() {
        phone?.unwatch()
        while let screen = screens.last as? PinScreen, screens.count > 1 {
            leave(screen)
        }
    }

    /// Leaves the page.
    public func back() {
        if canGoBack { leave(screens[screens.count - 1]) }
    }

    /// The person gives up what is under way: it ends as cancelled.
    public func cancel() { phone?.cancel() }

    /// Ends with the process. A kill is safe too.
    public func stop() async {
        await phone?.shutDown()
        await settled()
        phone = nil
    }

    /// Returns when nothing that was pressed is under way any more.
    public func settled() async {
        while let work {
            await work.value
            if self.work == work { self.work = nil }
        }
    }
}

// MARK: What screens ask for

extension AppModel {
    func text(_ key: TextKey, _ values: String...) -> String { Texts.text(key, language, values: values) }

    /// A sentence of the library's.
    func sentence(_ failure: PhoneError) -> String { failure.text(language: language.ffi) }

    var state: PhoneState? { phone?.state() }

    var people: [Person] { state?.people ?? [] }

    /// The person whose things are shown: the only one, or the one that was chosen.
    var current: Person? {
        let all = people
        return all.first { $0.id == person } ?? (all.count == 1 ? all.first : nil)
    }

    func chosen() throws -> Person {
        guard let current else { throw PhoneError.NoPerson }
        return current
    }

    func open() throws -> any PhoneProtocol {
        guard let phone else { throw PhoneError.ShutDown }
        return phone
    }

    func refresh() { onChange() }

    func choose(language chosen: TextLanguage?) {
        settings.language = chosen
        language = TextLanguage.of(chosen: chosen, system: systemLanguage)
        refresh()
    }

    /// The page to be on when nothing is going on.
    func home() {
        registerPushAddress()
        if person == nil || !people.contains(where: { $0.id == person }) { person = people.first?.id }
        guard let current else { return replace(with: WelcomeScreen(self)) }
        switch current.standing {
        case .enrolling(let stage), .resettingPin(let stage):
            switch stage {
            case .waiting, .active: replace(with: HomeScreen(self))
            default: replace(with: EnrolmentScreen(self, person: current.id, stage: stage))
            }
        default: replace(with: HomeScreen(self))
        }
    }

    func push(_ screen: any ScreenModel) {
        screens.append(screen)
        refresh()
    }

    func canLeave(_ screen: any ScreenModel) -> Bool {
        (screens.firstIndex { $0 === screen } ?? 0) > 0
    }

    /// Leaves this page and whatever lies above it; the last page stays.
    func leave(_ screen: any ScreenModel) {
        guard let place = screens.firstIndex(where: { $0 === screen }), place > 0 else { return }
        drop(from: place)
        refresh()
    }

    func replace(with screen: any ScreenModel) {
        drop(from: 0)
        screens = [screen]
        refresh()
    }

    private func drop(from place: Int) {
        let gone = Array(screens[place...])
        screens.removeSubrange(place...)
        gone.reversed().forEach { $0.left() }
    }

    func isShown(_ screen: any ScreenModel) -> Bool { screens.last === screen }

    /// Runs something to its end; nothing can be pressed meanwhile. What went wrong gets a page, unless `failed` has
    /// dealt with it.
    func run(
        failed: @escaping @MainActor (PhoneError) -> Bool = { _ in false },
        _ body: @escaping @MainActor () async throws -> Void
    ) {
        guard !isBusy else { return }
        isBusy = true
        refresh()
        work = Task { [self] in
            var failure: PhoneError?
            do { try await body() } catch { failure = (error as? PhoneError) ?? .Unexpected }
            isBusy = false
            if let failure, !failed(failure) {
                trouble(failure, again: { [self] in run(failed: failed, body) })
            }
            refresh()
            if let link = pendingLink, phone != nil, !isBusy {
                pendingLink = nil
                opened(link: link)
            }
        }
    }

    /// A page for what went wrong, with what to do next.
    func trouble(_ failure: PhoneError, usePin: (() -> Void)? = nil, again: (() -> Void)? = nil) {
        // Whoever cancelled knows, and is where they were.
        if failure == .Cancelled { return }
        around.play(.warning)
        push(TroubleScreen(self, failure, again: again, usePin: usePin))
    }

    /// Shows what a scan or a link led to.
    func follow(_ look: @escaping @MainActor (any PhoneProtocol) async throws -> Scanned) {
        run { [self] in
            switch try await look(open()) {
            case .request(let request): show(request)
            case .activation(let person): replace(with: EnrolmentScreen(self, person: person))
            }
        }
    }

    func show(_ request: Request) {
        // One request at a time; it stands on the home page, whatever was open before.
        person = request.person
        replace(with: HomeScreen(self))
        push(request.action == .noticeOfUse ? NoticeScreen(self, request) : RequestScreen(self, request))
    }

    /// Takes what no longer works off this phone, and begins anew.
    func activateAgain(after failure: PhoneError) {
        run { [self] in
            if let phone, let current, failure != .StateDamaged {
                try await phone.forget(person: current.id)
                person = nil
                if people.isEmpty { return replaceByActivation() }
                return home()
            }
            await phone?.shutDown()
            phone = nil
            try await access.erase()
            phone = try await access.open()
            try watch()
            replaceByActivation()
        }
    }

    private func replaceByActivation() {
        replace(with: WelcomeScreen(self))
        push(ActivateScreen(self))
    }

    private func watch() throws {
        try phone?.watch(observer: ChangeObserver { [weak self] in self?.changed() })
    }

    private func changed() {
        if state?.appVersion == .refused, !(screens.last is TroubleScreen) { trouble(.UpdateNeeded) }
        refresh()
    }

    // MARK: Demonstration

    /// Plays a phone; the real one, if there is one, is closed meanwhile.
    func startDemo() {
        run { [self] in
            await phone?.shutDown()
            isDemo = true
            person = nil
            phone = DemoPhone(language: language.ffi, unixTime: around.unixTime())
            replace(with: DemoScreen(self))
        }
    }

    func endDemo() {
        run { [self] in
            isDemo = false
            phone = nil
            person = nil
            try await openPhone()
        }
    }
}

/// Brings word of a change to the main actor.
private final class ChangeObserver: Observer {
    private let told: @MainActor @Sendable () -> Void

    init(told: @escaping @MainActor @Sendable () -> Void) { self.told = told }

    func changed() {
        let told = self.told
        Task { @MainActor in told() }
    }
}
