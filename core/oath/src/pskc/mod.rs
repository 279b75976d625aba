//! PSKC, the container that displays' seeds are delivered in (RFC 6030).
//!
//! Read are plain secrets, and those under AES-CBC with a pre-shared key or a passphrase (PBKDF2) and a MAC. Not read are
//! secrets under somebody's public key (figure 8 shows RSA with PKCS #1 v1.5, which must not be used any more), encrypted
//! counters, and signatures: a signed container is refused unless the caller has checked where it comes from.

mod cipher;
mod xml;

use crate::code::{Digits, Hash, Seed};
use crate::token::{Moving, Token};
use cipher::{Opening, base64};
use xml::Element;

const PSKC: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const PKCS5: &str = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#";
/// Keys of one container, at most.
const MOST_KEYS: usize = 10_000;
/// The longest name or serial number, bytes.
const LONGEST_NAME: usize = 256;

/// Why a container is not read. No variant holds a byte of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PskcError {
    /// No PSKC of version 1.x, or broken: ask the supplier for another.
    #[error("the container cannot be read: {0}")]
    Malformed(&'static str),
    /// More than 4 MiB, 10,000 keys, 24 levels, or a derivation of more than ten million rounds.
    #[error("the container is too large")]
    TooLarge,
    /// Its secrets need a pre-shared key or a passphrase, and another thing or nothing was given.
    #[error("the container is locked: give the pre-shared key or the passphrase that it names")]
    Locked,
    /// A key of another length than the cipher's.
    #[error("the key has the wrong length for the container's cipher")]
    WrongKeyLength,
    /// Another key, or a changed container.
    #[error("the key does not fit, or the container was changed")]
    WrongMac,
    /// Encrypted and not protected against change.
    #[error("the container's secrets have no MAC")]
    NoMac,
    /// Something that is not built, and will not be guessed at.
    #[error("the container uses what is not supported: {0}")]
    Unsupported(&'static str),
    /// A signature that nobody here checks.
    #[error("the container is signed: check the signature and remove it, or say that you have")]
    Signed,
}

/// What opens a container.
#[derive(Clone, Copy)]
pub enum Unlock<'a> {
    /// Nothing: its secrets are plain.
    Plain,
    /// The key that was agreed with the supplier.
    PreShared(&'a [u8]),
    /// The passphrase that was agreed.
    Passphrase(&'a str),
}

impl core::fmt::Debug for Unlock<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::PreShared(_) => "PreShared([redacted])",
            Self::Passphrase(_) => "Passphrase([redacted])",
        })
    }
}

/// How a container is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// What opens it.
    pub unlock: Unlock<'a>,
    /// The caller has checked a signature on it, or does not need one.
    pub signature_checked: bool,
}

impl Default for Reading<'_> {
    fn default() -> Self {
        Self { unlock: Unlock::Plain, signature_checked: false }
    }
}

/// What a key is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `urn:ietf:params:xml:ns:keyprov:pskc:hotp`.
    Hotp,
    /// `urn:ietf:params:xml:ns:keyprov:pskc:totp`.
    Totp,
    /// Another, such as a display's own PIN.
    Other(String),
}

/// One key of a container.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key's id.
    pub id: String,
    /// The display's maker.
    pub manufacturer: Option<String>,
    /// The number on the display.
    pub serial: Option<String>,
    /// Who issued it.
    pub issuer: Option<String>,
    /// What it is for.
    pub algorithm: Algorithm,
    /// The secret; none where it is derived elsewhere (figure 4).
    pub seed: Option<Seed>,
    /// The next counter (HOTP).
    pub counter: Option<u64>,
    /// Seconds of a step (TOTP).
    pub step: Option<u32>,
    /// Steps that the display's clock is ahead, as delivered (TOTP).
    pub drift: Option<i32>,
    /// Digits of its codes.
    pub digits: Option<u8>,
    /// The hash, where it is named.
    pub hash: Option<Hash>,
    /// From when it may be used, as written (`xs:dateTime`).
    pub start: Option<String>,
    /// Until when.
    pub expiry: Option<String>,
    /// What its policy asks for that cannot be met: then it may not be used (RFC 6030, section 5).
    pub forbidden: Option<&'static str>,
}

impl Key {
    /// The display that it makes.
    ///
    /// # Errors
    /// [`PskcError::Unsupported`] for what is no display of six to eight digits.
    pub fn token(&self) -> Result<Token, PskcError> {
        if let Some(why) = self.forbidden {
            return Err(PskcError::Unsupported(why));
        }
        let moving = match self.algorithm {
            Algorithm::Hotp => Moving::Counter,
            Algorithm::Totp => Moving::Time { step: self.step.unwrap_or(30) },
            Algorithm::Other(_) => return Err(PskcError::Unsupported("a key that is no one-time code's")),
        };
        let hash = self.hash.unwrap_or(Hash::Sha1);
        if self.algorithm == Algorithm::Hotp && hash != Hash::Sha1 {
            return Err(PskcError::Unsupported("HOTP with another hash than SHA-1"));
        }
        let seed = self.seed.clone().ok_or(PskcError::Unsupported("a key that is derived elsewhere"))?;
        let digits = Digits::new(self.digits.unwrap_or(6)).ok_or(PskcError::Unsupported("codes of that length"))?;
        Ok(Token { seed, hash, digits, moving })
    }
}

/// Reads a container.
///
/// # Errors
/// [`PskcError`]. A container is read whole or not at all.
pub fn read(bytes: &[u8], reading: &Reading<'_>) -> Result<Vec<Key>, PskcError> {
    let container = xml::read(bytes)?;
    if !container.is(PSKC, "KeyContainer") {
        return Err(PskcError::Malformed("it is no KeyContainer"));
    }
    if !container.attribute("Version").is_some_and(|version| version.starts_with("1.")) {
        return Err(PskcError::Unsupported("its version"));
    }
    if container.child(DSIG, "Signature")?.is_some() && !reading.signature_checked {
        return Err(PskcError::Signed);
    }
    let opening = Opening::of(&container, &reading.unlock)?;
    let packages: Vec<_> = container.children.iter().filter(|child| child.is(PSKC, "KeyPackage")).collect();
    if packages.is_empty() {
        return Err(PskcError::Malformed("it holds no key"));
    }
    if packages.len() > MOST_KEYS {
        return Err(PskcError::TooLarge);
    }
    packages.into_iter().filter_map(|package| key(package, &opening).transpose()).collect()
}

fn key(package: &Element, opening: &Opening) -> Result<Option<Key>, PskcError> {
    // A package may describe a device alone.
    let Some(key) = package.child(PSKC, "Key")? else { return Ok(None) };
    let device = package.child(PSKC, "DeviceInfo")?;
    let named = |parent: Option<&Element>, name: &str| -> Result<Option<String>, PskcError> {
        let Some(element) = parent.map(|parent| parent.child(PSKC, name)).transpose()?.flatten() else {
            return Ok(None);
        };
        short(element.text()).map(Some)
    };
    let algorithm = match key.attribute("Algorithm") {
        Some("urn:ietf:params:xml:ns:keyprov:pskc:hotp") => Algorithm::Hotp,
        Some("urn:ietf:params:xml:ns:keyprov:pskc:totp") => Algorithm::Totp,
        Some(other) => Algorithm::Other(short(other)?),
        None => Algorithm::Other(String::new()),
    };
    let mut read = Key {
        id: short(key.attribute("Id").ok_or(PskcError::Malformed("a key has no id"))?)?,
        manufacturer: named(device, "Manufacturer")?,
        serial: named(device, "SerialNo")?,
        issuer: named(Some(key), "Issuer")?,
        algorithm,
        seed: None,
        counter: None,
        step: None,
        drift: None,
        digits: None,
        hash: None,
        start: None,
        expiry: None,
        forbidden: None,
    };
    if let Some(parameters) = key.child(PSKC, "AlgorithmParameters")? {
        parameters_of(&mut read, parameters)?;
    }
    if let Some(data) = key.child(PSKC, "Data")? {
        data_of(&mut read, data, opening)?;
    }
    if let Some(policy) = key.child(PSKC, "Policy")? {
        policy_of(&mut read, policy)?;
    }
    Ok(Some(read))
}

fn parameters_of(key: &mut Key, parameters: &Element) -> Result<(), PskcError> {
    if let Some(suite) = parameters.child(PSKC, "Suite")? {
        key.hash = Hash::parse(suite.text());
        if key.hash.is_none() {
            key.forbidden = Some("its algorithm suite");
        }
    }
    if parameters.child(PSKC, "ChallengeFormat")?.is_some() {
        key.forbidden = Some("a display that takes challenges");
    }
    if let Some(format) = parameters.child(PSKC, "ResponseFormat")? {
        key.digits = Some(number(format.attribute("Length").unwrap_or_default())?);
        let truth = |text: &str| text == "true" || text == "1";
        if format.attribute("Encoding") != Some("DECIMAL") || format.attribute("CheckDigits").is_some_and(truth) {
            key.forbidden = Some("codes that are no plain digits");
        }
    }
    Ok(())
}

fn data_of(key: &mut Key, data: &Element, opening: &Opening) -> Result<(), PskcError> {
    if let Some(secret) = data.child(PSKC, "Secret")? {
        let plain = match (secret.child(PSKC, "PlainValue")?, secret.child(PSKC, "EncryptedValue")?) {
            (Some(plain), None) => zeroize::Zeroizing::new(base64(plain.text())?),
            (None, Some(encrypted)) => opening.open(encrypted, secret.child(PSKC, "ValueMAC")?)?,
            _ => return Err(PskcError::Malformed("a secret has no value")),
        };
        key.seed = Some(Seed::new(&plain).ok_or(PskcError::Malformed("a secret is empty or too long"))?);
    }
    let plain = |name: &str| -> Result<Option<&Element>, PskcError> {
        let Some(element) = data.child(PSKC, name)? else { return Ok(None) };
        element.child(PSKC, "PlainValue")?.map(Some).ok_or(PskcError::Unsupported("an encrypted counter"))
    };
    key.counter = plain("Counter")?.map(|value| number(value.text())).transpose()?;
    key.step = plain("TimeInterval")?.map(|value| number(value.text())).transpose()?;
    key.drift = plain("TimeDrift")?.map(|value| number(value.text())).transpose()?;
    if key.step.is_some_and(|step| !(10..=600).contains(&step)) {
        key.forbidden = Some("its time step");
    }
    Ok(())
}

/// RFC 6030, section 5: what a recipient does not understand forbids the key's use.
fn policy_of(key: &mut Key, policy: &Element) -> Result<(), PskcError> {
    let mut usages = 0_u32;
    let mut for_codes = false;
    for child in &policy.children {
        match child.name() {
            "StartDate" => key.start = Some(short(child.text())?),
            "ExpiryDate" => key.expiry = Some(short(child.text())?),
            "KeyUsage" => {
                usages = usages.saturating_add(1);
                for_codes |= child.text() == "OTP";
            }
            // A PIN that the display itself asks for is no matter of the server's.
            "PINPolicy" if child.attribute("PINUsageMode").is_none_or(|mode| mode == "Local") => {}
            _ => key.forbidden = Some("a policy that is not known here"),
        }
    }
    if usages > 0 && !for_codes {
        key.forbidden = Some("a key that is not for one-time codes");
    }
    Ok(())
}

fn short(text: &str) -> Result<String, PskcError> {
    if text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(PskcError::Malformed("a name is too long or cannot be shown"));
    }
    Ok(text.to_owned())
}

fn number<T: core::str::FromStr>(text: &str) -> Result<T, PskcError> {
    text.trim().parse().map_err(|_| PskcError::Malformed("a number cannot be read"))
}
