//! Links, as they stand in QR codes and open the app.
//!
//! `godkend://<what>/1?<key>=<value>&…`, keys in the order given here, values Base64url without padding. A link has
//! one form: what is out of order, missing or left over is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::bytes::{Blob, Fixed, Hash32, Id, Secret};

/// The longest link, in characters: an offline challenge with a payment.
pub const MAX_LINK: usize = 4_096;

/// Hands an activation to a phone. Good for 10 minutes, once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActivationLink {
    /// The environment.
    pub environment: String,
    /// The activation.
    pub id: Id,
    /// What makes the holder of the link its rightful one.
    pub secret: Secret<32>,
    /// Selects a root that the app has already; never adds one.
    pub root: Hash32,
    /// Unix seconds.
    pub expires: i64,
}

/// One frame of a login page's moving QR code. To be scanned inside the app; refused when opened as a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoginFrame {
    /// The environment.
    pub environment: String,
    /// The login session.
    pub session: Id,
    /// The second it was made for.
    pub frame: u64,
    /// Its code: see [`super::qr_frame`].
    pub code: Fixed<16>,
}

/// Opens the app on the device that also shows the login page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SameDeviceLink {
    /// The environment.
    pub environment: String,
    /// The login session.
    pub session: Id,
    /// Proves that the link came from that session's page.
    pub secret: Secret<32>,
}

/// A challenge for a phone without a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfflineLink {
    /// The signed offline challenge.
    pub challenge: Blob,
}

/// Anything that the app may scan or be opened with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    /// An activation.
    Activation(ActivationLink),
    /// A login page's QR code.
    Login(LoginFrame),
    /// A same-device login.
    SameDevice(SameDeviceLink),
    /// An offline challenge.
    Offline(OfflineLink),
}

/// The text is none of the links of version 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    /// Not a link of ours.
    #[error("this is not a Godkend code")]
    NotOurs,
    /// A link of ours with something wrong in it.
    #[error("the code is damaged")]
    Damaged,
    /// A link of a later version.
    #[error("the code needs a newer app")]
    Newer,
}

impl Link {
    /// Reads a link.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let rest = text.strip_prefix("godkend://").ok_or(LinkError::NotOurs)?;
        if text.len() > MAX_LINK {
            return Err(LinkError::Damaged);
        }
        let (what, rest) = rest.split_once('/').ok_or(LinkError::Damaged)?;
        let (version, query) = rest.split_once('?').ok_or(LinkError::Damaged)?;
        if version != "1" {
            let newer = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
            return Err(if newer { LinkError::Newer } else { LinkError::Damaged });
        }
        let mut fields = Fields(query);
        let link = match what {
            "activate" => Self::Activation(ActivationLink {
                environment: fields.environment()?,
                id: fields.fixed("i")?,
                secret: Secret(fields.fixed("s")?.0),
                root: fields.fixed("r")?,
                expires: fields.number("x")?,
            }),
            "login" => Self::Login(LoginFrame {
                environment: fields.environment()?,
                session: fields.fixed("s")?,
                frame: u64::try_from(fields.number("f")?).map_err(|_| LinkError::Damaged)?,
                code: fields.fixed("c")?,
            }),
            "approve" => Self::SameDevice(SameDeviceLink {
                environment: fields.environment()?,
                session: fields.fixed("s")?,
                secret: Secret(fields.fixed("k")?.0),
            }),
            "offline" => Self::Offline(OfflineLink {
                challenge: Blob(URL_SAFE_NO_PAD.decode(fields.next("c")?).map_err(|_| LinkError::Damaged)?),
            }),
            _ => return Err(LinkError::Damaged),
        };
        if fields.0.is_empty() && link.to_text() == text { Ok(link) } else { Err(LinkError::Damaged) }
    }

    /// Writes the link. An activation's and a same-device link's text is a secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Activation(link) => format!(
                "godkend://activate/1?e={}&i={}&s={}&r={}&x={}",
                link.environment,
                link.id.to_base64(),
                link.secret.to_base64(),
                link.root.to_base64(),
                link.expires
            ),
            Self::Login(link) => format!(
                "godkend://login/1?e={}&s={}&f={}&c={}",
                link.environment,
                link.session.to_base64(),
                link.frame,
                link.code.to_base64()
            ),
            Self::SameDevice(link) => format!(
                "godkend://approve/1?e={}&s={}&k={}",
                link.environment,
                link.session.to_base64(),
                link.secret.to_base64()
            ),
            Self::Offline(link) => format!("godkend://offline/1?c={}", URL_SAFE_NO_PAD.encode(&link.challenge.0)),
        }
    }
}

/// Whether a text can be an environment's name.
#[must_use]
pub fn is_environment(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn next(&mut self, key: &str) -> Result<&'a str, LinkError> {
        let (field, rest) = self.0.split_once('&').unwrap_or((self.0, ""));
        self.0 = rest;
        match field.split_once('=') {
            Some((name, value)) if name == key && !value.is_empty() => Ok(value),
            _ => Err(LinkError::Damaged),
        }
    }

    fn fixed<const N: usize>(&mut self, key: &str) -> Result<Fixed<N>, LinkError> {
        Fixed::from_base64(self.next(key)?).ok_or(LinkError::Damaged)
    }

    fn number(&mut self, key: &str) -> Result<i64, LinkError> {
        self.next(key)?.parse().map_err(|_| LinkError::Damaged)
    }

    fn environment(&mut self) -> Result<String, LinkError> {
        let name = self.next("e")?;
        if is_environment(name) { Ok(name.to_owned()) } else { Err(LinkError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQ";
    const SECRET: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

    fn texts() -> [String; 4] {
        [
            format!("godkend://activate/1?e=test&i={ID}&s={SECRET}&r={SECRET}&x=1790000600"),
            format!("godkend://login/1?e=test&s={ID}&f=1790000003&c={ID}"),
            format!("godkend://approve/1?e=pre-prod-2&s={ID}&k={SECRET}"),
            "godkend://offline/1?c=oQEC".to_owned(),
        ]
    }

    #[test]
    fn links_read_back() {
        let [activation, login, same_device, offline] = texts().map(|text| {
            let link = Link::parse(&text).unwrap();
            assert_eq!(link.to_text(), text);
            link
        });
        let (id, secret) = (Fixed([1; 16]), Secret([2; 32]));
        let environment = "test".to_owned();
        let expected = ActivationLink {
            environment: environment.clone(),
            id,
            secret: secret.clone(),
            root: Fixed([2; 32]),
            expires: 1_790_000_600,
        };
        assert_eq!(activation, Link::Activation(expected));
        assert_eq!(login, Link::Login(LoginFrame { environment, session: id, frame: 1_790_000_003, code: id }));
        let environment = "pre-prod-2".to_owned();
        assert_eq!(same_device, Link::SameDevice(SameDeviceLink { environment, session: id, secret }));
        assert_eq!(offline, Link::Offline(OfflineLink { challenge: Blob(vec![0xa1, 1, 2]) }));
    }

    #[test]
    fn fields_that_are_missing_doubled_or_moved_are_refused() {
        for text in texts() {
            let (head, query) = text.split_once('?').unwrap();
            let fields: Vec<&str> = query.split('&').collect();
            let refused = |fields: &[&str]| {
                let text = format!("{head}?{}", fields.join("&"));
                assert_eq!(Link::parse(&text), Err(LinkError::Damaged), "{text}");
            };
            for n in 0..fields.len() {
                let mut without = fields.clone();
                without.remove(n);
                refused(&without);
                let mut doubled = fields.clone();
                doubled.insert(n, fields[n]);
                refused(&doubled);
                let mut empty = fields.clone();
                let name = format!("{}=", fields[n].split_once('=').unwrap().0);
                empty[n] = &name;
                refused(&empty);
                let mut bare = fields.clone();
                bare[n] = bare[n].split_once('=').unwrap().1;
                refused(&bare);
                for m in n + 1..fields.len() {
                    let mut moved = fields.clone();
                    moved.swap(n, m);
                    refused(&moved);
                }
            }
            for tail in ["&", "&z=1", "#x", " ", "\n", "=", "%20", "&&"] {
                assert_eq!(Link::parse(&format!("{text}{tail}")), Err(LinkError::Damaged), "{tail:?}");
            }
            for length in 0..text.len() {
                // An offline challenge's bytes may end anywhere; its signature tells.
                if let Ok(link) = Link::parse(&text[..length]) {
                    assert_eq!(link.to_text(), text[..length]);
                    assert!(matches!(link, Link::Offline(_)) || text[..length].ends_with(char::is_numeric));
                }
            }
        }
    }

    #[test]
    fn every_changed_character_gives_another_link_or_none() {
        for text in texts() {
            let right = Link::parse(&text).unwrap();
            for place in 0..text.len() {
                for byte in b' '..=b'~' {
                    let mut changed = text.clone().into_bytes();
                    if changed[place] == byte {
                        continue;
                    }
                    changed[place] = byte;
                    let changed = String::from_utf8(changed).unwrap();
                    if let Ok(link) = Link::parse(&changed) {
                        assert_ne!(link, right, "{changed}");
                        assert_eq!(link.to_text(), changed);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_ours_or_newer_is_told_apart() {
        use LinkError::{Damaged, NotOurs};
        for (text, why) in [
            ("", NotOurs),
            ("https://example.dk", NotOurs),
            ("Godkend://login/1?e=test", NotOurs),
            (" godkend://login/1?e=test", NotOurs),
            ("godkend:/login/1?e=test", NotOurs),
            ("godkend://", Damaged),
            ("godkend://login", Damaged),
            ("godkend://login/1", Damaged),
            ("godkend://login/?e=test", Damaged),
            ("godkend://login/x?e=test", Damaged),
            ("godkend://login/-1?e=test", Damaged),
            ("godkend://pay/1?e=test", Damaged),
            ("godkend://login/1?", Damaged),
            ("godkend://login/2?anything", LinkError::Newer),
            ("godkend://pay/17?anything", LinkError::Newer),
        ] {
            assert_eq!(Link::parse(text), Err(why), "{text}");
        }
        let long = format!("godkend://offline/1?c={}", "A".repeat(MAX_LINK));
        assert_eq!(Link::parse(&long), Err(Damaged));
    }

    #[test]
    fn values_have_one_spelling() {
        let [activation, login, ..] = texts();
        for (from, to) in [
            ("x=1790000600", "x=+1790000600"),
            ("x=1790000600", "x=01790000600"),
            ("x=1790000600", "x=1790000600.0"),
            ("x=1790000600", "x=9223372036854775808"),
            ("e=test", "e=Test"),
            ("e=test", "e=te%73t"),
            ("e=test", "e=te_st"),
            ("e=test", "e=012345678901234567890123456789012"),
            ("AQEBAQEBAQEBAQEBAQEBAQ", "AQEBAQEBAQEBAQEBAQEBAR"),
            ("AQEBAQEBAQEBAQEBAQEBAQ", "AQEBAQEBAQEBAQEBAQEBAQ=="),
            ("AQEBAQEBAQEBAQEBAQEBAQ", "AQEBAQEBAQEBAQEBAQEB"),
            ("AQEBAQEBAQEBAQEBAQEBAQ", "+QEBAQEBAQEBAQEBAQEBAQ"),
        ] {
            let changed = activation.replacen(from, to, 1);
            assert_ne!(changed, activation);
            assert_eq!(Link::parse(&changed), Err(LinkError::Damaged), "{changed}");
        }
        for frame in ["-1", "-0", "00", "9223372036854775808"] {
            let changed = login.replacen("1790000003", frame, 1);
            assert_eq!(Link::parse(&changed), Err(LinkError::Damaged), "{changed}");
        }
        for (name, good) in [("a", true), ("", false), ("a b", false), ("æ", false), ("a-1", true), ("A", false)] {
            assert_eq!(is_environment(name), good, "{name}");
        }
        assert!(is_environment(&"a".repeat(32)) && !is_environment(&"a".repeat(33)));
    }
}
