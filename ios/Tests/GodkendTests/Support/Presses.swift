import Foundation
import GodkendDesign
import XCTest
@testable import GodkendScreens

/// Sees what is on the page, and presses it.
@MainActor
protocol Presses: AnyObject {
    var app: AppModel { get }
}

extension Presses {
    // MARK: Seeing

    var page: Page { app.page }

    var description: String {
        page.title + "\n" + page.elements.map { "  \($0.role) \($0.label) \($0.value ?? "")" }.joined(separator: "\n")
    }

    private func matches(_ element: Element, _ key: TextKey) -> Bool {
        element.label == app.text(key) || element.id == key.rawValue
    }

    func sees(_ key: TextKey) -> Bool { page.title == app.text(key) || page.elements.contains { matches($0, key) } }

    func sees(_ text: String) -> Bool {
        page.title.contains(text)
            || page.elements.contains { $0.label.contains(text) || $0.value?.contains(text) == true }
    }

    /// Waits until the page shows it.
    func waits(for key: TextKey, file: StaticString = #filePath, line: UInt = #line) async throws {
        try await waits(until: { sees(key) }, what: app.text(key), file: file, line: line)
    }

    func waits(
        until condition: () -> Bool, what: String, file: StaticString = #filePath, line: UInt = #line
    ) async throws {
        let end = Date(timeIntervalSinceNow: 60)
        while !condition() {
            if Date() > end {
                XCTFail("waited in vain for “\(what)” on:\n\(description)", file: file, line: line)
                throw Program.Failed(description: "waited in vain for \(what)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        walk(file: file, line: line)
    }

    /// Every page that somebody comes to in a story is walked as VoiceOver walks it.
    private func walk(file: StaticString, line: UInt) {
        XCTAssertEqual(Walk.problems(page, app.language), [], description, file: file, line: line)
    }

    func digits() throws -> String {
        guard let value = page.elements.first(where: { $0.id == "digits" })?.value else {
            throw Program.Failed(description: "no digits on:\n\(description)")
        }
        return value
    }

    // MARK: Pressing

    /// Presses the button with this text, and waits until what it began has ended.
    func press(_ key: TextKey, file: StaticString = #filePath, line: UInt = #line) async throws {
        try pressOnly(key, file: file, line: line)
        await app.settled()
        walk(file: file, line: line)
    }

    /// Presses it and goes on at once.
    func pressOnly(_ key: TextKey, file: StaticString = #filePath, line: UInt = #line) throws {
        try pressOnly(app.text(key), file: file, line: line) { matches($0, key) }
    }

    func press(label: String, file: StaticString = #filePath, line: UInt = #line) async throws {
        try pressOnly(label, file: file, line: line) { $0.label == label }
        await app.settled()
        walk(file: file, line: line)
    }

    private func pressOnly(
        _ what: String, file: StaticString, line: UInt, where matching: (Element) -> Bool
    ) throws {
        guard let element = page.elements.first(where: { $0.press != nil && matching($0) }), element.isEnabled else {
            XCTFail("nothing to press called “\(what)” on:\n\(description)", file: file, line: line)
            throw Program.Failed(description: "nothing to press called \(what)")
        }
        element.press?()
    }

    /// Types into the line with this label.
    func type(_ text: String, into key: TextKey, file: StaticString = #filePath, line: UInt = #line) throws {
        guard let element = page.elements.first(where: { $0.enter != nil && matches($0, key) }) else {
            XCTFail("nowhere to type “\(app.text(key))” on:\n\(description)", file: file, line: line)
            throw Program.Failed(description: "nowhere to type")
        }
        element.enter?(text)
    }

    /// Types a PIN on the pad, digit by digit.
    func typePin(_ pin: String, file: StaticString = #filePath, line: UInt = #line) async throws {
        for digit in pin {
            try pressOnly("\(digit)", file: file, line: line) { $0.id == "digit\(digit)" }
        }
        await app.settled()
        walk(file: file, line: line)
    }

    /// Holds the camera over a code.
    func scan(_ text: String, file: StaticString = #filePath, line: UInt = #line) async throws {
        try type(text, into: .scanViewfinder)
        await app.settled()
        walk(file: file, line: line)
    }
}
