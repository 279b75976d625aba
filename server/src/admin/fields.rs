//! Whether what a desk typed can be.

use godkend_protocol::bytes::Secret;
use godkend_protocol::codes::Code;
use godkend_protocol::text::{self, MAX_NAME};

use super::Refusal;
use crate::identity;

/// A user id: 5 to 48 letters, digits, full stops, underscores and hyphens; never what looks like a CPR number.
pub(super) fn user_id(text: &str) -> Result<String, Refusal> {
    if identity::is_user_id(text) { Ok(text.to_owned()) } else { Err(Refusal::field(Code::Malformed, "user_id")) }
}

/// A name that can be shown safely.
pub(super) fn name(text: &str) -> Result<String, Refusal> {
    text::check(text, MAX_NAME).map_err(|_| Refusal::field(Code::TextRefused, "name"))?;
    Ok(text.to_owned())
}

/// The name of a desk or clerk: what stands in the log as `desk:<name>`.
pub(super) fn by(text: Option<String>) -> Result<String, Refusal> {
    let text = text.unwrap_or_else(|| "desk".to_owned());
    text::check(&text, MAX_NAME).map_err(|_| Refusal::field(Code::TextRefused, "by"))?;
    Ok(text)
}

/// The same for history and log, where nobody at a desk can be taken for the person or the server.
pub(super) fn clerk(text: Option<String>) -> Result<String, Refusal> {
    let named = text.is_some();
    by(text).map(|name| if named { format!("desk:{name}") } else { name })
}

/// `YYYY-MM-DD`, a day of the calendar from 1900 up to the day of `now` (Unix seconds).
pub(super) fn date_of_birth(text: &str, now: i64) -> Result<String, Refusal> {
    let wrong = || Refusal::field(Code::Malformed, "date_of_birth");
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return Err(wrong());
    }
    let number = |range| text.get(range).and_then(|part: &str| part.parse::<i64>().ok());
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return Err(wrong()) };
    let real = year >= 1900 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if real && days_from_civil(year, month, day) <= now.div_euclid(86_400) { Ok(text.to_owned()) } else { Err(wrong()) }
}

/// A CPR number: `DDMMYYXXXX`, with or without a hyphen. Numbers for tests and replacements have 60 added to the day.
pub(super) fn cpr(text: &str) -> Result<Secret<10>, Refusal> {
    let wrong = || Refusal::field(Code::Malformed, "cpr");
    let bare: Vec<u8> = match text.split_once('-') {
        Some((date, rest)) if date.len() == 6 && rest.len() == 4 => [date, rest].concat().into_bytes(),
        Some(_) => return Err(wrong()),
        None => text.as_bytes().to_vec(),
    };
    let bare = zeroize::Zeroizing::new(bare);
    if bare.len() != 10 || !bare.iter().all(u8::is_ascii_digit) {
        return Err(wrong());
    }
    let two = |at: usize| i64::from(bare[at] - b'0') * 10 + i64::from(bare[at + 1] - b'0');
    let (day, month) = (two(0), two(2));
    let day = if day > 60 { day - 60 } else { day };
    // A leap year's February: the century stands elsewhere in the number.
    if !(1..=12).contains(&month) || !(1..=days_in(2000, month)).contains(&day) {
        return Err(wrong());
    }
    Secret::from_slice(&bare).ok_or_else(wrong)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids() {
        for good in ["alice", "Alice.B-C_9", "123456", "12345678901", &"x".repeat(48)] {
            assert!(user_id(good).is_ok(), "{good}");
        }
        for bad in
            ["", "abcd", "0101901234", "010190-1234", "010190.1234", "ålice", "a b c d", "alice@x", &"x".repeat(49)]
        {
            assert!(user_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dates() {
        let now = 1_795_392_000; // 2026-11-23
        for good in ["1900-01-01", "2000-02-29", "2024-02-29", "1990-12-31", "2026-11-23"] {
            assert!(date_of_birth(good, now).is_ok(), "{good}");
        }
        for bad in [
            "1899-12-31",
            "1900-02-29",
            "2023-02-29",
            "1990-13-01",
            "1990-00-10",
            "1990-04-31",
            "2026-11-24",
            "90-01-01",
            "1990-1-01",
            "+990-01-01",
            "1990/01/01",
            "",
        ] {
            assert!(date_of_birth(bad, now).is_err(), "{bad}");
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2026, 11, 23) * 86_400, now);
    }

    #[test]
    fn cpr_numbers() {
        for good in ["0101901234", "010190-1234", "2902001234", "6101901234"] {
            assert!(cpr(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "3201901234",
            "0113901234",
            "0001901234",
            "0100901234",
            "010190123",
            "01019-01234",
            "01o1901234",
            "9301901234",
        ] {
            assert!(cpr(bad).is_err(), "{bad}");
        }
    }
}
