//! The key that wraps a profile's files: where it comes from, and how the profile remembers that.

use std::num::NonZeroU32;

use godkend_protocol::bytes::{Fixed, Id, Secret};
use ring::pbkdf2;
use zeroize::Zeroizing;

/// A passphrase: wiped when dropped, never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether a new profile may rest on it.
    pub(super) fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= SHORTEST
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a new profile's key is to be kept. An existing profile goes on as it was made, whatever is asked here; what
/// contradicts it is [`StoreError::OtherMethod`](super::StoreError::OtherMethod).
#[derive(Clone, Debug, Default)]
pub enum Wrapping {
    /// In the operating system's key store; if none answers, under the passphrase given; without one, in a key file
    /// that only its owner reads.
    #[default]
    Automatic,
    /// As [`Self::Automatic`], with a passphrase for where no key store answers.
    AutomaticOr(Passphrase),
    /// In the operating system's key store and nowhere else.
    OsKeyStore,
    /// In a file (0600) beside what it wraps: guards a copied state file, not a copied directory.
    KeyFile,
    /// Derived from a passphrase.
    Passphrase(Passphrase),
}

impl Wrapping {
    pub(super) const fn passphrase(&self) -> Option<&Passphrase> {
        match self {
            Self::AutomaticOr(passphrase) | Self::Passphrase(passphrase) => Some(passphrase),
            Self::Automatic | Self::OsKeyStore | Self::KeyFile => None,
        }
    }

    /// Whether a profile that was made with `method` may be opened so.
    pub(super) const fn admits(&self, method: Method) -> bool {
        match self {
            Self::Automatic | Self::AutomaticOr(_) => true,
            Self::OsKeyStore => matches!(method, Method::OsKeyStore),
            Self::KeyFile => matches!(method, Method::KeyFile),
            Self::Passphrase(_) => matches!(method, Method::Passphrase),
        }
    }
}

/// How a profile's key is kept; recorded in the profile and in every sealed file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// In the operating system's key store.
    OsKeyStore,
    /// In a key file.
    KeyFile,
    /// Derived from a passphrase.
    Passphrase,
}

impl Method {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::OsKeyStore => 1,
            Self::KeyFile => 2,
            Self::Passphrase => 3,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::OsKeyStore),
            2 => Some(Self::KeyFile),
            3 => Some(Self::Passphrase),
            _ => None,
        }
    }

    /// In words, for an error.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OsKeyStore => "the operating system's key store",
            Self::KeyFile => "a key file",
            Self::Passphrase => "a passphrase",
        }
    }
}

/// PBKDF2's rounds: OWASP's figure for HMAC-SHA-256. Argon2id would resist special hardware better, but it is not in
/// this crate's tree, `ring` is, and the passphrase is the last resort where no key store answers: its length carries
/// the strength.
pub(super) const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599_999);
/// The shortest passphrase, in characters.
const SHORTEST: usize = 12;

/// Stretches a passphrase (RFC 8018, section 5.2).
pub(super) fn stretch(passphrase: &Passphrase, profile: &Id, salt: &Fixed<16>) -> Secret<32> {
    let mut key = Secret([0; 32]);
    let salt = [profile.0.as_slice(), &salt.0].concat();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ITERATIONS, &salt, passphrase.0.as_bytes(), &mut key.0);
    key
}
