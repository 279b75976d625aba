//! The two languages, and numbers and times as people read them.

use godkend_protocol::formats::amount;

/// Which language a person reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub(crate) enum Language {
    /// Danish.
    #[default]
    Da,
    /// English.
    En,
}

impl Language {
    /// One of two texts.
    pub(crate) const fn pick<'a>(self, danish: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Da => danish,
            Self::En => english,
        }
    }

    /// As the protocol and relying parties name it.
    pub(crate) const fn tag(self) -> &'static str {
        self.pick("da", "en")
    }

    /// An amount of minor units: `1.250,00 DKK` or `DKK 1,250.00`.
    pub(crate) fn amount(self, minor: u64, currency: &str) -> String {
        amount::text(minor, currency, matches!(self, Self::Da))
    }

    /// An amount without its currency's name.
    pub(crate) fn number(self, minor: u64, currency: &str) -> String {
        amount::number(minor, currency, matches!(self, Self::Da))
    }

    /// A Unix time in UTC, to the minute: `23.11.2026 02:06 UTC` or `2026-11-23 02:06 UTC`.
    pub(crate) fn time(self, unix: i64) -> String {
        let (year, month, day) = date(unix);
        let minute = unix.rem_euclid(86_400) / 60;
        let clock = format!("{:02}:{:02} UTC", minute / 60, minute % 60);
        match self {
            Self::Da => format!("{day:02}.{month:02}.{year} {clock}"),
            Self::En => format!("{year}-{month:02}-{day:02} {clock}"),
        }
    }
}

/// Seconds as `2:59`.
pub(crate) fn countdown(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// Year, month and day (UTC) of a Unix time, by the proleptic Gregorian calendar.
fn date(unix: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the leap day comes last.
    let days = unix.div_euclid(86_400) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_people_write_them() {
        assert_eq!(Language::Da.amount(125_000, "DKK"), "1.250,00 DKK");
        assert_eq!(Language::En.number(100_000, "DKK"), "1,000.00");
    }

    #[test]
    fn times_and_countdowns() {
        assert_eq!(Language::En.time(0), "1970-01-01 00:00 UTC");
        assert_eq!(Language::Da.time(1_709_164_800), "29.02.2024 00:00 UTC");
        assert_eq!(Language::En.time(-60), "1969-12-31 23:59 UTC");
        assert_eq!(countdown(179), "2:59");
        assert_eq!(countdown(5), "0:05");
    }
}
