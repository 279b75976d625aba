import Foundation
import GodkendDesign
import XCTest

/// What the sources must not hold, and what only Apple's compiler would notice otherwise.
final class SourceTests: XCTestCase {
    private func sources(_ folders: String...) throws -> [(name: String, text: String)] {
        var found: [(name: String, text: String)] = []
        for folder in folders {
            let root = Places.project.appendingPathComponent("ios/\(folder)")
            let files = try XCTUnwrap(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
            for case let file as URL in files where file.pathExtension == "swift" {
                found.append((file.lastPathComponent, try String(contentsOf: file, encoding: .utf8)))
            }
        }
        XCTAssertGreaterThan(found.count, 1)
        return found
    }

    /// Logs, the clipboard and screenshots in recent apps have no part in this app.
    func testNothingIsLoggedOrCopied() throws {
        let forbidden = ["print(", "NSLog", "os_log", "Logger(", "debugPrint", "dump(", "UIPasteboard", "UIActivityItemSource"]
        for (name, text) in try sources("Sources/GodkendPhone", "Sources/GodkendScreens", "Sources/GodkendApp", "App") {
            for word in forbidden {
                XCTAssertFalse(text.contains(word), "\(name) has \(word)")
            }
        }
    }

    /// Views draw; what decides is compiled and tested here.
    func testViewsCallNoPhone() throws {
        for (name, text) in try sources("Sources/GodkendApp") where name != "System.swift" && name != "GodkendApp.swift" {
            for word in ["import Godkend\n", "PhoneError", "try await", "Phone."] {
                XCTAssertFalse(text.contains(word), "\(name) has \(word)")
            }
        }
    }

    /// Texts, colours and sizes that views name are there, and every role is drawn.
    func testViewsNameWhatIsThere() throws {
        let views = try sources("Sources/GodkendApp").map(\.text).joined(separator: "\n")
        let design = try sources("Sources/GodkendDesign").map(\.text).joined(separator: "\n")
        let element = try String(
            contentsOf: Places.project.appendingPathComponent("ios/Sources/GodkendScreens/Shell/Element.swift"),
            encoding: .utf8)
        for group in ["Colour", "Spacing", "Size", "TypeScale", "Motion"] {
            let part = try XCTUnwrap(design.components(separatedBy: "public enum \(group) {").dropFirst().first)
            let body = try XCTUnwrap(part.components(separatedBy: "\n}").first)
            let used = names(after: "\(group).", in: views)
            XCTAssertFalse(used.isEmpty, group)
            for name in used { XCTAssertTrue(body.contains("static let \(name)"), "\(group).\(name)") }
        }
        for name in names(after: "Texts.text(.", in: views) {
            XCTAssertTrue(TextKey.allCases.contains { "\($0)" == name }, name)
        }
        let roles = names(after: "        case ", in: try XCTUnwrap(
            element.components(separatedBy: "public enum Role").last?.components(separatedBy: "\n    }").first))
        XCTAssertGreaterThan(roles.count, 15)
        for role in roles { XCTAssertTrue(views.contains("case .\(role)"), "no view draws .\(role)") }
    }

    private func names(after prefix: String, in text: String) -> Set<String> {
        Set(text.components(separatedBy: prefix).dropFirst().map { part in
            String(part.prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        }.filter { !$0.isEmpty })
    }

    /// Every text that the system asks the person with is there in the app's own property list, in both languages.
    func testTheSystemsQuestionsAreAnswered() throws {
        let data = try Data(contentsOf: Places.project.appendingPathComponent("ios/App/Info.plist"))
        let list = try XCTUnwrap(PropertyListSerialization.propertyList(from: data, format: nil) as? [String: Any])
        for key in ["NSCameraUsageDescription", "NSFaceIDUsageDescription"] {
            XCTAssertTrue(try XCTUnwrap(list[key] as? String, key).contains(" · "), key)
        }
        let localizations = try XCTUnwrap(list["CFBundleLocalizations"] as? [String])
        XCTAssertEqual(Set(localizations), Set(TextLanguage.allCases.map(\.rawValue)))
        // What comes from a network is HTTPS with pinned keys, without exception.
        XCTAssertNil(list["NSAppTransportSecurity"])
    }
}
