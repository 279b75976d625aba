import Foundation
import GodkendDesign

/// Times as people write them, in their language.
struct Formats {
    let language: TextLanguage
    var timeZone = TimeZone.current

    private var locale: Locale {
        switch language {
        case .da: Locale(identifier: "da_DK")
        case .en: Locale(identifier: "en_GB")
        // As the texts: Danish, until there is a translation. The system's own Greenlandic is all but empty.
        case .kl: Locale(identifier: "da_DK")
        }
    }

    /// `2 minutter og 5 sekunder`
    func duration(seconds: UInt32) -> String {
        Duration.seconds(Int64(seconds))
            .formatted(.units(allowed: [.hours, .minutes, .seconds], width: .wide).locale(locale))
    }

    /// Day and time of a Unix time.
    func moment(_ unix: Int64) -> String { format(unix, date: .abbreviated, time: .shortened) }

    /// The day of a Unix time.
    func day(_ unix: Int64) -> String { format(unix, date: .abbreviated, time: .omitted) }

    /// The time of day of a Unix time.
    func time(_ unix: Int64) -> String { format(unix, date: .omitted, time: .shortened) }

    private func format(
        _ unix: Int64, date: Date.FormatStyle.DateStyle, time: Date.FormatStyle.TimeStyle
    ) -> String {
        Date(timeIntervalSince1970: TimeInterval(unix)).formatted(Date.FormatStyle(
            date: date, time: time, locale: locale, calendar: Calendar(identifier: .gregorian), timeZone: timeZone))
    }

    /// Digits in groups, so that they can be copied by hand.
    static func grouped(_ text: String, by size: Int = 4) -> String {
        let letters = Array(text.filter { !$0.isWhitespace })
        return stride(from: 0, to: letters.count, by: size)
            .map { String(letters[$0..<min($0 + size, letters.count)]) }
            .joined(separator: " ")
    }

    /// Digits one by one, so that they are not read aloud as millions.
    static func spoken(_ text: String) -> String {
        text.filter { !$0.isWhitespace && $0 != "-" }.map(String.init).joined(separator: " ")
    }
}
