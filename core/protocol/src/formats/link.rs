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
