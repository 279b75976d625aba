//! What an app is built with.

use godkend_client::Roots;
use godkend_core::Config;
use godkend_protocol::bytes::{Blob, PublicKey};
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};

use crate::error::PhoneError;

/// A language of the person's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Language {
    /// Danish.
    Danish,
    /// English.
    English,
    /// Greenlandic. The library's own sentences are not translated yet and come in Danish.
    Greenlandic,
}

impl Language {
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Danish => "da",
            Self::English => "en",
            Self::Greenlandic => "kl",
        }
    }

    /// Danish or English, whichever this language is told.
    pub(crate) const fn pick<T: Copy>(self, danish: T, english: T) -> T {
        match self {
            Self::Danish | Self::Greenlandic => danish,
            Self::English => english,
        }
    }
}

/// How well a key is protected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, uniffi::Enum)]
pub enum KeySecurity {
    /// In the memory and files of a program: test environments only.
    Software,
    /// In the phone's trusted execution environment.
    TrustedEnvironment,
    /// In a chip of its own: StrongBox, Secure Enclave.
    Dedicated,
}

impl From<KeySecurity> for SecurityLevel {
    fn from(security: KeySecurity) -> Self {
        match security {
            KeySecurity::Software => Self::Software,
            KeySecurity::TrustedEnvironment => Self::TrustedEnvironment,
            KeySecurity::Dedicated => Self::Dedicated,
        }
    }
}

impl From<SecurityLevel> for KeySecurity {
    fn from(security: SecurityLevel) -> Self {
        match security {
            SecurityLevel::Software => Self::Software,
            SecurityLevel::TrustedEnvironment => Self::TrustedEnvironment,
            SecurityLevel::Dedicated => Self::Dedicated,
        }
    }
}

/// A root of trust: an environment, its server, and the key that vouches for it. Build it into the app, never fetch it.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct Root {
    /// The environment's name: lower-case letters, digits and hyphens.
    pub environment: String,
    /// The server's base URL, `https` without a path.
    pub url: String,
    /// The root's P-256 key: an uncompressed point, 65 bytes.
    pub key: Vec<u8>,
    /// The root's ML-DSA-65 key where it has one: 1952 bytes.
    #[uniffi(default = None)]
    pub pq_key: Option<Vec<u8>>,
}

impl Root {
    fn to_core(&self) -> Result<godkend_client::Root, PhoneError> {
        let key = PublicKey::from_slice(&self.key)
            .ok_or_else(|| PhoneError::BadConfiguration { what: "a root's key is not 65 bytes".to_owned() })?;
        Ok(godkend_client::Root {
            environment: self.environment.clone(),
            url: self.url.clone(),
            key,
            pq_key: self.pq_key.clone().map(Blob),
        })
    }
}

/// Reads the text of a root file, as the server's `init` writes it: one root or several.
#[uniffi::export]
pub fn read_roots(text: String) -> Result<Vec<Root>, PhoneError> {
    let roots = Roots::from_json(&text).map_err(|error| PhoneError::BadConfiguration { what: error.to_string() })?;
    Ok(roots
        .iter()
        .map(|root| Root {
            environment: root.environment.clone(),
            url: root.url.clone(),
            key: root.key.0.to_vec(),
            pq_key: root.pq_key.as_ref().map(|key| key.0.clone()),
        })
        .collect())
}

/// What an app says about itself and asks of its keys.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct PhoneConfig {
    /// The roots that the app trusts; each for an environment of its own.
    pub roots: Vec<Root>,
    /// Maker and model, at most 64 characters: shown to whoever types the digits.
    pub model: String,
    /// Platform and version, at most 64 characters.
    pub platform: String,
    /// The app's version, `major.minor.patch`.
    pub app_version: String,
    /// The person's language, told to the server.
    pub language: Language,
    /// The least protection of this phone's keys: `TrustedEnvironment` in an app, `Software` with `Desktop`. The server
    /// may ask for more.
    pub security: KeySecurity,
    /// Speaks suite 2 (post-quantum) as well, where an environment does.
    #[uniffi(default = false)]
    pub hybrid: bool,
}

impl PhoneConfig {
    pub(crate) fn to_core(&self) -> Result<Config, PhoneError> {
        let roots: Vec<_> = self.roots.iter().map(Root::to_core).collect::<Result<_, _>>()?;
        let roots = Roots::new(roots).map_err(|error| PhoneError::BadConfiguration { what: error.to_string() })?;
        if roots.iter().next().is_none() {
            return Err(PhoneError::BadConfiguration { what: "the app trusts no root".to_owned() });
        }
        for (name, text) in [("model", &self.model), ("platform", &self.platform), ("app_version", &self.app_version)] {
            if text.trim().is_empty() || text.chars().count() > 64 {
                return Err(PhoneError::BadConfiguration { what: format!("{name} has 1 to 64 characters") });
            }
        }
        Ok(Config {
            roots: roots.iter().cloned().collect(),
            info: DeviceInfo {
                model: self.model.clone(),
                platform: self.platform.clone(),
                app_version: self.app_version.clone(),
                language: self.language.tag().to_owned(),
            },
            suites: if self.hybrid { vec![Suite::P256, Suite::Hybrid] } else { vec![Suite::P256] },
            security: self.security.into(),
        })
    }
}
