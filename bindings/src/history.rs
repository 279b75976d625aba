//! What happened on this phone, and its export.

use godkend_core as core;

use crate::request::Action;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum HistoryEvent {
    /// The phone was activated.
    Activated,
    /// Approved.
    Approved,
    /// Refused: I changed my mind.
    Denied,
    /// Refused: this was not me.
    Reported,
    /// A wrong PIN.
    WrongPin,
    /// Answered, but the server would not take it.
    NotTaken,
    /// Expired before it was answered.
    Expired,
    /// Approved without a network, by a code.
    OfflineCode,
    /// This phone was blocked from here.
    Blocked,
    /// A new PIN was chosen after proofing again.
    PinReset,
    /// A notice of use: it was this person.
    Recognised,
}

impl HistoryEvent {
    const fn name(self) -> &'static str {
        match self {
            Self::Activated => "activated",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Reported => "reported",
            Self::WrongPin => "wrong_pin",
            Self::NotTaken => "not_taken",
            Self::Expired => "expired",
            Self::OfflineCode => "offline_code",
            Self::Blocked => "blocked",
            Self::PinReset => "pin_reset",
            Self::Recognised => "recognised",
        }
    }
}

impl From<core::HistoryEvent> for HistoryEvent {
    fn from(event: core::HistoryEvent) -> Self {
        match event {
            core::HistoryEvent::Activated => Self::Activated,
            core::HistoryEvent::Approved => Self::Approved,
            core::HistoryEvent::Denied => Self::Denied,
            core::HistoryEvent::Reported => Self::Reported,
            core::HistoryEvent::WrongPin => Self::WrongPin,
            core::HistoryEvent::NotTaken => Self::NotTaken,
            core::HistoryEvent::Expired => Self::Expired,
            core::HistoryEvent::OfflineCode => Self::OfflineCode,
            core::HistoryEvent::Blocked => Self::Blocked,
            core::HistoryEvent::PinReset => Self::PinReset,
            core::HistoryEvent::Recognised => Self::Recognised,
        }
    }
}

/// One line of the history. The last 200 of each person are kept.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct HistoryLine {
    /// By the phone's clock, Unix seconds.
    pub at: i64,
    /// What happened.
    pub event: HistoryEvent,
    /// Who asked, if anybody.
    pub relying_party: Option<String>,
    /// What an approval would have done.
    pub action: Option<Action>,
    /// The reference text, or amount and payee.
    pub text: Option<String>,
    /// Where the browser seemed to be.
    pub place: Option<String>,
    /// The server's stable code, if it refused.
    pub code: Option<String>,
}

impl From<core::HistoryLine> for HistoryLine {
    fn from(line: core::HistoryLine) -> Self {
        Self {
            at: line.at,
            event: line.event.into(),
            relying_party: line.relying_party,
            action: line.action.map(Action::from),
            text: line.text,
            place: line.place,
            code: line.code,
        }
    }
}

/// The history as CSV (RFC 4180), oldest first, times in UTC as ISO 8601.
pub(crate) fn to_csv(lines: &[core::HistoryLine]) -> String {
    let mut csv = String::from("time,event,relying_party,action,text,place,code\r\n");
    for line in lines {
        let time = iso_8601(line.at);
        let fields = [
            Some(time.as_str()),
            Some(HistoryEvent::from(line.event).name()),
            line.relying_party.as_deref(),
            line.action.map(godkend_protocol::types::Action::name),
            line.text.as_deref(),
            line.place.as_deref(),
            line.code.as_deref(),
        ];
        let fields: Vec<String> = fields.into_iter().map(|field| quoted(field.unwrap_or_default())).collect();
        csv.push_str(&fields.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// A field in quotes. What a spreadsheet would take for a formula is given a leading apostrophe: a relying party
/// chooses these texts.
fn quoted(field: &str) -> String {
    let guard = if field.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", field.replace('"', "\"\""))
}

/// A Unix time as `2026-11-23T02:06:07Z`.
fn iso_8601(unix: i64) -> String {
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Civil-from-days of the proleptic Gregorian calendar, counted from 1 March of the year 0.
    let shifted = i128::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601() {
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso_8601(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(iso_8601(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso_8601(1_795_399_567), "2026-11-23T02:06:07Z");
        assert_eq!(iso_8601(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn a_text_with_quotes_commas_lines_and_formulas_stays_one_field() {
        let line = core::HistoryLine {
            at: 0,
            event: core::HistoryEvent::Approved,
            relying_party: Some("=HYPERLINK(\"x\")".to_owned()),
            action: Some(godkend_protocol::types::Action::LogOn),
            text: Some("a, \"b\"\nc".to_owned()),
            place: None,
            code: None,
        };
        let expected = "\"1970-01-01T00:00:00Z\",\"approved\",\"'=HYPERLINK(\"\"x\"\")\",\"LOG_ON\",\"a, \"\"b\"\"\nc\",\"\",\"\"\r\n";
        assert_eq!(to_csv(&[line]).split_once("\r\n").map(|(_, rest)| rest.to_owned()), Some(expected.to_owned()));
    }
}
