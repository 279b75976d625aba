//! `[app]`: which versions of the app are served.
use serde::{Deserialize, Deserializer, Serialize};

/// `[app]`: versions are `major.minor.patch`; an empty text turns a rule off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppVersions {
    /// Older ones are told that a newer one is recommended. Default none; `GODKEND_APP_RECOMMENDED`.
    pub recommended: String,
    /// Older ones are told that a newer one is required from `required_from` on, and are refused then. Default none;
    /// `GODKEND_APP_REQUIRED`.
    pub required: String,
    /// When `required` is required: Unix seconds, or a date with or without a time (RFC 3339, UTC where it names no
    /// offset). Default none; `GODKEND_APP_REQUIRED_FROM`.
    #[serde(deserialize_with = "instant")]
    pub required_from: String,
    /// Older ones are refused. Default none; `GODKEND_APP_REFUSED_BELOW`.
    pub refused_below: String,
}

impl AppVersions {
    /// When `required` is required, in Unix seconds.
    #[must_use]
    pub fn required_from(&self) -> Option<i64> {
        let text = self.required_from.trim();
        text.parse::<i64>().ok().or_else(|| unix(&text.parse().ok()?))
    }
}

/// A version of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// `major.minor.patch`, each at most five digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let number = (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            number.then(|| part.parse().ok()).flatten()
        });
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

/// Seconds since 1970 in the proleptic Gregorian calendar.
fn unix(at: &toml::value::Datetime) -> Option<i64> {
    let date = at.date?;
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    // Years begin in March, so that the leap day is the last of one.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 1
            - 719_468;
    let time =
        at.time.map_or(0, |time| i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60 + i64::from(time.second));
    let offset = match at.offset {
        Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes) * 60,
        Some(toml::value::Offset::Z) | None => 0,
    };
    Some(days * 86_400 + time - offset)
}

/// A text, a number or TOML's own date.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(i64),
        Date(toml::value::Datetime),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
        Written::Date(date) => date.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Option<i64> {
        AppVersions { required_from: text.to_owned(), ..AppVersions::default() }.required_from()
    }

    #[test]
    fn an_instant_is_seconds_or_a_date() {
        assert_eq!(from("1800000000"), Some(1_800_000_000));
        assert_eq!(from("1970-01-01"), Some(0));
        assert_eq!(from("2000-02-29T12:00:01Z"), Some(951_825_601));
        assert_eq!(from("2000-02-29T13:00:01+01:00"), Some(951_825_601));
        assert_eq!(from("2027-01-15T08:00:00Z"), Some(1_800_000_000));
        for none in ["", "soon", "12:00:00", "2027-13-01"] {
            assert_eq!(from(none), None, "{none}");
        }
    }

    #[test]
    fn toml_writes_it_in_three_ways() {
        for text in ["1800000000", "2027-01-15T08:00:00Z", "\"2027-01-15T08:00:00Z\""] {
            let versions: AppVersions = toml::from_str(&format!("required_from = {text}")).unwrap();
            assert_eq!(versions.required_from(), Some(1_800_000_000), "{text}");
        }
    }
}
