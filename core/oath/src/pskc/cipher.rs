//! How a container's secrets are opened: the key it names, the MAC over each secret, then the cipher.

use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use ring::{hmac, pbkdf2};
use zeroize::Zeroizing;

use super::xml::Element;
use super::{DSIG, PKCS5, PSKC, PskcError, Unlock, XENC, XENC11};

/// Rounds of PBKDF2 that are computed at most: some seconds of a desk's time.
const MOST_ROUNDS: u32 = 10_000_000;

/// What a container's secrets are opened with.
pub(super) struct Opening {
    key: Option<Zeroizing<Vec<u8>>>,
    mac: Option<hmac::Key>,
}

impl Opening {
    /// Reads `EncryptionKey` and `MACMethod` (RFC 6030, section 6).
    pub(super) fn of(container: &Element, unlock: &Unlock<'_>) -> Result<Self, PskcError> {
        let Some(encryption) = container.child(PSKC, "EncryptionKey")? else {
            return Ok(Self { key: None, mac: None });
        };
        if encryption.child(DSIG, "X509Data")?.is_some() || encryption.child(DSIG, "KeyValue")?.is_some() {
            return Err(PskcError::Unsupported("a public key that the secrets are encrypted to"));
        }
        let key = match (encryption.child(XENC11, "DerivedKey")?, unlock) {
            (Some(derived), Unlock::Passphrase(passphrase)) => derive(derived, passphrase)?,
            (None, Unlock::PreShared(key)) => Zeroizing::new(key.to_vec()),
            _ => return Err(PskcError::Locked),
        };
        let mac = match container.child(PSKC, "MACMethod")? {
            None => None,
            Some(method) => Some(mac_key(method, &key)?),
        };
        Ok(Self { key: Some(key), mac })
    }

    /// Opens an `EncryptedValue` whose `ValueMAC` is right; the MAC is over the vector and the ciphertext, and judged
    /// first, so that a wrong padding tells nothing.
    pub(super) fn open(&self, encrypted: &Element, mac: Option<&Element>) -> Result<Zeroizing<Vec<u8>>, PskcError> {
        let (algorithm, sealed) = cipher_data(encrypted)?;
        let (Some(key), Some(hmac_key), Some(mac)) = (&self.key, &self.mac, mac) else {
            return Err(if self.key.is_none() { PskcError::Locked } else { PskcError::NoMac });
        };
        hmac::verify(hmac_key, &sealed, &base64(mac.text())?).map_err(|_| PskcError::WrongMac)?;
        decrypt(algorithm, key, &sealed)
    }
}

fn mac_key(method: &Element, key: &[u8]) -> Result<hmac::Key, PskcError> {
    let algorithm = match method.attribute("Algorithm") {
        Some("http://www.w3.org/2000/09/xmldsig#hmac-sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256") => hmac::HMAC_SHA256,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha384") => hmac::HMAC_SHA384,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512") => hmac::HMAC_SHA512,
        _ => return Err(PskcError::Unsupported("its MAC algorithm")),
    };
    let sealed = method.child(PSKC, "MACKey")?.ok_or(PskcError::Unsupported("a MAC without its own key"))?;
    let (cipher, sealed) = cipher_data(sealed)?;
    // A wrong key shows here or at the first MAC, and is called the same.
    Ok(hmac::Key::new(algorithm, &decrypt(cipher, key, &sealed).map_err(|_| PskcError::WrongMac)?))
}

/// `EncryptionMethod` and `CipherValue` (XML Encryption, section 3.1).
fn cipher_data(element: &Element) -> Result<(&str, Vec<u8>), PskcError> {
    let method = element.child(XENC, "EncryptionMethod")?.and_then(|method| method.attribute("Algorithm"));
    let data = element.child(XENC, "CipherData")?.ok_or(PskcError::Malformed("a secret has no cipher data"))?;
    let value = data.child(XENC, "CipherValue")?.ok_or(PskcError::Malformed("a secret has no cipher value"))?;
    Ok((method.ok_or(PskcError::Malformed("a secret names no cipher"))?, base64(value.text())?))
}

/// AES in CBC mode: the vector, then the blocks; the last byte says how many are padding (XML Encryption, section 5.2).
fn decrypt(algorithm: &str, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, PskcError> {
    let wrong = |_| PskcError::WrongKeyLength;
    let (vector, body) = sealed.split_at_checked(16).ok_or(PskcError::Malformed("a secret is cut off"))?;
    if body.is_empty() || body.len() % 16 != 0 {
        return Err(PskcError::Malformed("a secret is cut off"));
    }
    let mut plain = Zeroizing::new(body.to_vec());
    let done = match algorithm {
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => cbc::Decryptor::<Aes128>::new_from_slices(key, vector)
            .map_err(wrong)?
            .decrypt_padded::<NoPadding>(&mut plain)
            .is_ok(),
        "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => cbc::Decryptor::<Aes192>::new_from_slices(key, vector)
            .map_err(wrong)?
            .decrypt_padded::<NoPadding>(&mut plain)
            .is_ok(),
        "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => cbc::Decryptor::<Aes256>::new_from_slices(key, vector)
            .map_err(wrong)?
            .decrypt_padded::<NoPadding>(&mut plain)
            .is_ok(),
        _ => return Err(PskcError::Unsupported("its cipher")),
    };
    let padding = plain.last().copied().map_or(0, usize::from);
    if !done || !(1..=16).contains(&padding) {
        return Err(PskcError::WrongMac);
    }
    let length = plain.len().saturating_sub(padding);
    plain.truncate(length);
    Ok(plain)
}

/// PBKDF2 (RFC 8018; RFC 6030, figure 7). Its parameters stand in PKCS #5's namespace or, as in the figure, in none.
fn derive(derived: &Element, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, PskcError> {
    let malformed = PskcError::Malformed("the key's derivation cannot be read");
    let Some(method) = derived.child(XENC11, "KeyDerivationMethod")? else { return Err(malformed) };
    let known =
        ["http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2", "http://www.w3.org/2009/xmlenc11#pbkdf2"];
    if !method.attribute("Algorithm").is_some_and(|algorithm| known.contains(&algorithm)) {
        return Err(PskcError::Unsupported("the key's derivation"));
    }
    let params = method.children.iter().find(|child| child.name() == "PBKDF2-params").ok_or(malformed)?;
    let salt = part(part(params, "Salt")?.ok_or(malformed)?, "Specified")?;
    let salt = base64(salt.ok_or(PskcError::Unsupported("a salt from elsewhere"))?.text())?;
    let number = |name: &str| -> Result<Option<u32>, PskcError> {
        let Some(element) = part(params, name)? else { return Ok(None) };
        element.text().parse().map(Some).map_err(|_| PskcError::Malformed("a number cannot be read"))
    };
    let rounds = number("IterationCount")?.ok_or(malformed)?;
    let length = number("KeyLength")?.unwrap_or(16);
    let algorithm = match part(params, "PRF")?.and_then(|prf| prf.attribute("Algorithm")) {
        None | Some("http://www.w3.org/2000/09/xmldsig#hmac-sha1") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("http://www.w3.org/2001/04/xmldsig-more#hmac-sha512") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(_) => return Err(PskcError::Unsupported("the key's derivation")),
    };
    if rounds > MOST_ROUNDS || ![16, 24, 32].contains(&length) {
        return Err(PskcError::TooLarge);
    }
    let rounds = core::num::NonZeroU32::new(rounds).ok_or(PskcError::Malformed("a number cannot be read"))?;
    let mut key = Zeroizing::new(vec![0; usize::try_from(length).unwrap_or(16)]);
    pbkdf2::derive(algorithm, rounds, &salt, passphrase.as_bytes(), &mut key);
    Ok(key)
}

/// The only child of that name, in a namespace that suppliers put PBKDF2's parameters in.
fn part<'a>(element: &'a Element, name: &str) -> Result<Option<&'a Element>, PskcError> {
    let mut found = None;
    for namespace in ["", PKCS5, XENC11] {
        match (element.child(namespace, name)?, found) {
            (Some(_), Some(_)) => return Err(PskcError::Malformed("an element stands twice")),
            (child, known) => found = known.or(child),
        }
    }
    Ok(found)
}

/// Base64 with the white space that XML allows in it.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, PskcError> {
    let plain: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(plain.as_bytes()).map_err(|_| PskcError::Malformed("Base64 cannot be read"))
}
