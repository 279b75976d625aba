import Foundation

/// A real server process with its desk and a bank, in a folder of its own.
final class World: @unchecked Sendable {
    let home: URL
    private var server: Program?
    private(set) var rootFile = URL(fileURLWithPath: "/")

    /// Where the server answers.
    private(set) var url = ""

    /// Starts a new test environment, on a free port of this machine where none is named.
    init(listen: String = "127.0.0.1:0") async throws {
        home = FileManager.default.temporaryDirectory.appendingPathComponent("godkend-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        try await startServer(listen: listen)
    }

    deinit {
        server?.kill()
        try? FileManager.default.removeItem(at: home)
    }

    /// The server, anew on the same port after `killServer`; with settings as its environment gives them.
    func startServer(listen: String = "127.0.0.1:0", settings: [String: String] = [:]) async throws {
        let program = try Program(["serve", "--test", "--listen", listen, "--json"], home: home, environment: settings)
        let serving = try await program.next("serving")
        rootFile = URL(fileURLWithPath: try text(serving, "root"))
        url = try text(serving, "url")
        server = program
    }

    func killServer() {
        server?.kill()
        server = nil
    }

    /// The server takes what is sent and answers nothing, until `goOn`.
    func standStill() { server?.standStill() }
    func goOn() { server?.goOn() }

    /// A page of the server's, with a form filled in, as any browser sends it. Foundation on Linux trusts no certificate
    /// but the system's, so it is a plain request over OpenSSL's own client.
    func submit(_ path: String, _ form: String) throws -> String {
        let place = try URL(string: url).flatMap { address in address.port.map { "127.0.0.1:\($0)" } }
            ?? { throw Program.Failed(description: "no port in \(url)") }()
        let browser = Process(), input = Pipe(), output = Pipe()
        browser.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        browser.arguments = ["openssl", "s_client", "-quiet", "-servername", "localhost", "-connect", place]
        browser.standardInput = input
        browser.standardOutput = output
        browser.standardError = FileHandle.nullDevice
        try browser.run()
        let host = url.replacingOccurrences(of: "https://", with: "")
        let request = [
            "POST \(path) HTTP/1.1", "Host: \(host)", "Origin: \(url)", "Accept-Language: en", "Connection: close",
            "Content-Type: application/x-www-form-urlencoded", "Content-Length: \(form.utf8.count)", "", form,
        ]
        try input.fileHandleForWriting.write(contentsOf: Data(request.joined(separator: "\r\n").utf8))
        // It is the server that ends the connection.
        let answer = try output.fileHandleForReading.readToEnd() ?? Data()
        try input.fileHandleForWriting.close()
        browser.waitUntilExit()
        return String(decoding: answer, as: UTF8.self)
    }

    /// The root that an app of this environment has built in.
    func root() throws -> String { try String(contentsOf: rootFile, encoding: .utf8) }

    /// Runs a command to its result of this type.
    @discardableResult
    func run(_ words: String..., typing: [String] = [], gives type: String) async throws -> [String: Any] {
        try await run(words, typing: typing, gives: type)
    }

    @discardableResult
    func run(_ words: [String], typing: [String] = [], gives type: String) async throws -> [String: Any] {
        let program = try start(words)
        for line in typing { try program.type(line) }
        return try await program.next(type)
    }

    /// Starts a command that goes on.
    func start(_ words: [String]) throws -> Program {
        try Program(["--json", "--language", "en"] + words, home: home)
    }

    /// The desk proofs a citizen, and hands out an activation as a link or as a code to type.
    func handOut(to user: String, asCode: Bool = false) async throws -> Activation {
        try await run(
            "create-citizen", "--name", "Anna Andersen", "--user-id", user, "--born", "1990-05-17", gives: "citizen")
        return try await handOutAgain(to: user, asCode: asCode)
    }

    /// Somebody who is told of every use, with another phone, played by `godkend`, that is used.
    func toldPerson(_ user: String) async throws {
        try await run(
            "create-citizen", "--name", "Anna Andersen", "--user-id", user, "--born", "1990-05-17", "--tell-uses",
            gives: "citizen")
        let handed = try await handOutAgain(to: user)
        let other = try start(["--profile", "other", "activate", "--no-biometrics"])
        try other.type(handed.text)
        try await typeDigits(try text(try await other.next("digits"), "digits"), of: handed)
        try other.type(Self.otherPin)
        _ = try await other.next("activated")
    }

    /// That other phone approves a login.
    func otherPhoneLogsIn(_ user: String) async throws {
        let (bank, number) = try await login(user)
        try await run(["--profile", "other", "number", "--approve"], typing: [number, Self.otherPin], gives: "approved")
        _ = try await bank.next("signed_in")
    }

    private static let otherPin = "602217"

    /// A further activation for somebody the desk knows.
    func handOutAgain(to user: String, asCode: Bool = false) async throws -> Activation {
        let handed = try await run(["activation", user] + (asCode ? ["--code"] : []), gives: "activation")
        guard let text = handed["text"] as? String, let id = handed["id"] as? String else {
            throw Program.Failed(description: "no activation: \(handed)")
        }
        return Activation(text: text, id: id)
    }

    /// The desk types the digits that the phone shows; for what it opened last where none is named.
    func typeDigits(_ digits: String, of activation: Activation?) async throws {
        let named = activation.map { ["--", $0.id] } ?? []
        try await run(["confirm-digits"] + named, typing: [digits], gives: "confirmed")
    }

    /// The server's clock goes forward.
    func moveClock(seconds: Int) async throws {
        try await run("clock", String(seconds), gives: "done")
    }

    /// Netbank asks for a login, by a number that is typed into the app.
    func login(_ user: String, _ options: String...) async throws -> (bank: Program, number: String) {
        let bank = try start(["request-login", "--number", "--user-id", user] + options)
        return (bank, try text(try await bank.next("login_started"), "number"))
    }

    /// Netbank asks for a payment, by a number.
    func payment(_ user: String, amount: String, payee: String) async throws -> (bank: Program, number: String) {
        let words = ["request-payment", "--amount", amount, "--payee", payee, "--number", "--user-id", user]
        let bank = try start(words)
        return (bank, try text(try await bank.next("login_started"), "number"))
    }

    /// Netbank's page is open on the phone itself: the link that opens the app.
    func loginOnThisPhone() async throws -> (bank: Program, link: String) {
        let bank = try start(["request-login", "--same-device"])
        return (bank, try text(try await bank.next("login_started"), "link"))
    }

    /// Netbank shows its moving QR code.
    func loginByQr() async throws -> Program {
        let bank = try start(["request-login", "--picture", qr.path])
        _ = try await bank.next("login_started")
        return bank
    }

    private var qr: URL { home.appendingPathComponent("qr.png") }

    /// What a camera reads from netbank's page now.
    func camera() throws -> String {
        let reader = Process(), output = Pipe()
        reader.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        reader.arguments = ["zbarimg", "--quiet", "--raw", "--oneshot", qr.path]
        reader.standardOutput = output
        try reader.run()
        let read = try output.fileHandleForReading.readToEnd() ?? Data()
        reader.waitUntilExit()
        return String(decoding: read, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    struct Activation: Sendable {
        let text: String
        let id: String
    }
}

/// A member of a report that is there.
func text(_ report: [String: Any], _ name: String) throws -> String {
    guard let value = report[name] as? String else {
        throw Program.Failed(description: "no \(name) in \(report)")
    }
    return value
}
