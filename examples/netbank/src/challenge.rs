//! What a protected resource asks for when a login does not do (RFC 9470, section 3).

use core::fmt::Write as _;

use crate::asked::Level;

/// The error that a challenge for another login has.
const ERROR: &str = "insufficient_user_authentication";

/// Which login would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Challenge {
    /// `acr_values`: at least this level; of several, the first that is known.
    pub level: Option<Level>,
    /// `max_age`: at most so many seconds old.
    pub max_age: Option<u64>,
}

impl Challenge {
    /// Reads a `WWW-Authenticate`; `None` for one that asks for no other login.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let parameters = parameters(text);
        let value = |name: &str| {
            let mut found = parameters.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        if value("error")? != ERROR {
            return None;
        }
        let level = value("acr_values").and_then(|levels| levels.split(' ').find_map(Level::of));
        let max_age = value("max_age").and_then(|seconds| seconds.parse().ok());
        (level.is_some() || max_age.is_some()).then_some(Self { level, max_age })
    }

    /// The value of a `WWW-Authenticate`. The description holds neither quotes nor backslashes.
    #[must_use]
    pub fn write(&self, scheme: &str, description: &str) -> String {
        let mut text = format!("{scheme} error=\"{ERROR}\", error_description=\"{description}\"");
        if let Some(level) = self.level {
            let _ = write!(text, ", acr_values=\"{}\"", level.uri());
        }
        if let Some(seconds) = self.max_age {
            let _ = write!(text, ", max_age=\"{seconds}\"");
        }
        text
    }
}

/// The parameters of a challenge: `name=token` and `name="text"` (RFC 9110, section 11.2).
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.chars();
    loop {
        // The scheme stands before the first name, and between the challenges of several.
        let before: String = rest.by_ref().take_while(|letter| *letter != '=').collect();
        let name = before.rsplit([' ', ',']).next().unwrap_or_default().to_owned();
        let mut value = String::new();
        match rest.next() {
            None => return found,
            Some('"') => {
                while let Some(letter) = rest.next().filter(|letter| *letter != '"') {
                    value.extend(if letter == '\\' { rest.next() } else { Some(letter) });
                }
            }
            Some(first) => {
                value.push(first);
                value.extend(rest.by_ref().take_while(|letter| *letter != ','));
            }
        }
        found.push((name, value.trim_end().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for challenge in [
            Challenge { level: Some(Level::High), max_age: Some(300) },
            Challenge { level: Some(Level::Low), max_age: None },
            Challenge { level: None, max_age: Some(0) },
        ] {
            let text = challenge.write("Bearer", "A better login, acr_values=none, is needed");
            assert_eq!(Challenge::read(&text), Some(challenge), "{text}");
        }
    }

    #[test]
    fn the_examples_of_the_standard_and_other_spellings_are_read() {
        let substantial = Some(Level::Substantial);
        for (text, level, max_age) in [
            // RFC 9470, section 3, with a level that is known here.
            (
                "Bearer error=\"insufficient_user_authentication\",\n  error_description=\"A different authentication level is required\",\n  acr_values=\"myACR https://data.gov.dk/concept/core/nsis/Substantial\"",
                substantial,
                None,
            ),
            (
                "Bearer error=\"insufficient_user_authentication\", error_description=\"More recent authentication is required\", max_age=\"5\"",
                None,
                Some(5),
            ),
            (
                "Basic realm=\"a \\\"b\\\", error=\", DPoP ERROR=insufficient_user_authentication, max_age=60 , algs=\"ES256\"",
                None,
                Some(60),
            ),
        ] {
            assert_eq!(Challenge::read(text), Some(Challenge { level, max_age }), "{text}");
        }
    }

    #[test]
    fn another_challenge_asks_for_no_login() {
        for other in [
            "",
            "Bearer",
            "=",
            "Bearer error=",
            "Bearer error=\"",
            "Bearer error=\"invalid_token\", max_age=\"5\"",
            "Bearer error_description=\"error=insufficient_user_authentication\", max_age=\"5\"",
            "Bearer error=\"insufficient_user_authentication\"",
            "Bearer error=\"insufficient_user_authentication\", acr_values=\"x y\", max_age=\"-1\"",
        ] {
            assert_eq!(Challenge::read(other), None, "{other}");
        }
    }
}
