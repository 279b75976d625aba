import Foundation

/// A process of `godkend`, as a person at a terminal starts it. Lines of its output are waited for; one that says
/// nothing for `patience` seconds has failed.
final class Program: @unchecked Sendable {
    static let patience: TimeInterval = 90

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let process = Process()
    private let input = Pipe()
    private let line: String
    private let condition = NSCondition()
    private var lines: [String] = []
    private var errors = Data()
    private var rest = Data()
    private var isAtEnd = false

    /// Runs a tool of the system's to its end.
    static func runs(_ words: String...) throws {
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tool.arguments = words
        tool.standardError = FileHandle.nullDevice
        try tool.run()
        tool.waitUntilExit()
        guard tool.terminationStatus == 0 else { throw Failed(description: "\(words) failed") }
    }

    /// Starts `godkend`, or another program, with these words, in a folder of its own.
    init(
        _ words: [String], home: URL, environment: [String: String] = [:],
        executable: URL = Places.target.appendingPathComponent("godkend")
    ) throws {
        // Whoever types to a program that has ended hears so as an error, not as a signal.
        signal(SIGPIPE, SIG_IGN)
        line = ([executable.lastPathComponent] + words).joined(separator: " ")
        process.executableURL = executable
        process.arguments = words
        process.currentDirectoryURL = home
        process.environment = [
            "GODKEND_HOME": home.path, "HOME": home.path, "NO_COLOR": "1",
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
        ].merging(environment) { _, given in given }
        let output = Pipe(), problems = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = problems
        output.fileHandleForReading.readabilityHandler = { [weak self] handle in
            self?.take(handle.availableData, from: handle)
        }
        problems.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            self?.condition.withLock { self?.errors.append(data) }
        }
        try process.run()
        Self.running.add(process.processIdentifier)
    }

    private func take(_ data: Data, from handle: FileHandle) {
        condition.withLock {
            if data.isEmpty {
                handle.readabilityHandler = nil
                isAtEnd = true
            }
            rest.append(data)
            while let end = rest.firstIndex(of: 10) {
                lines.append(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                rest = Data(rest[rest.index(after: end)...])
            }
            condition.broadcast()
        }
    }

    /// Types a line.
    func type(_ text: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
    }

    /// The next line of JSON of this type; others before it are passed over.
    func next(_ type: String) async throws -> [String: Any] {
        // Waiting blocks a thread: one of the dispatch queue's, never one that the code under test runs on.
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Result { try self.wait(for: type) }) }
        }
    }

    /// The failure that it ends with.
    func failure() async throws -> [String: Any] { try await next("error") }

    private func wait(for type: String) throws -> [String: Any] {
        let end = Date(timeIntervalSinceNow: Self.patience)
        condition.lock()
        defer { condition.unlock() }
        while true {
            while !lines.isEmpty {
                let text = lines.removeFirst()
                guard let found = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
                    throw Failed(description: "\(line): no JSON: \(text)")
                }
                let kind = found["type"] as? String
                if kind == type { return found }
                if kind == "error" { throw Failed(description: "\(line): \(text)") }
            }
            if isAtEnd || !condition.wait(until: end) {
                throw Failed(description: "\(line) said no \(type). \(String(decoding: errors, as: UTF8.self))")
            }
        }
    }

    /// Ends it at once, as a power cut does.
    func kill() {
        end()
        process.waitUntilExit()
    }

    private func end() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
        Self.running.remove(process.processIdentifier)
    }

    /// Lets it stand still, as a server does that is too busy to answer, until `goOn`.
    func standStill() { Foundation.kill(process.processIdentifier, SIGSTOP) }
    func goOn() { Foundation.kill(process.processIdentifier, SIGCONT) }

    deinit { end() }

    private static let running = Running()

    /// Nothing outlives the tests: what somebody still holds when they end is never released.
    private final class Running: @unchecked Sendable {
        private let lock = NSLock()
        private var processes: Set<Int32> = []

        init() {
            atexit { Program.running.endAll() }
        }

        func add(_ process: Int32) { lock.withLock { _ = processes.insert(process) } }
        func remove(_ process: Int32) { lock.withLock { _ = processes.remove(process) } }

        private func endAll() {
            for process in lock.withLock({ processes }) { Foundation.kill(process, SIGKILL) }
        }
    }
}

/// Where the suite's script put things.
enum Places {
    static let target = URL(fileURLWithPath: variable("GODKEND_TARGET"))
    static let project = URL(fileURLWithPath: variable("GODKEND_PROJECT"))
    /// Where Swift has built this package.
    static let built = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    /// Where the suite leaves what may be committed.
    static let results = URL(fileURLWithPath: variable("GODKEND_RESULTS"))

    private static func variable(_ name: String) -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            fatalError("\(name) is missing: run ios/test")
        }
        return value
    }
}
