//! What an app's key store needs beside the port.

use godkend_protocol::bytes::{Hash32, PublicKey};
use godkend_protocol::hardware;
use godkend_protocol::messages::activation::assertion_hash;

use crate::error::{PhoneError, WeakPin};
use crate::secret::SecretBytes;

/// The library's version.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Why a PIN would not be taken; none for a good one. Sends nothing: asked before the PIN is typed a second time.
#[uniffi::export]
pub fn pin_weakness(pin: SecretBytes) -> Option<WeakPin> {
    let text = std::str::from_utf8(pin.as_bytes()).unwrap_or_default();
    godkend_protocol::formats::digits::check_pin(text).err().map(WeakPin::from)
}

/// The client data hash that an App Attest assertion must cover: of the attestation challenge (32 bytes) and the key's
/// uncompressed point (65 bytes).
#[uniffi::export]
pub fn app_attest_hash(challenge: Vec<u8>, public_key: Vec<u8>) -> Result<Vec<u8>, PhoneError> {
    let (Some(challenge), Some(key)) = (Hash32::from_slice(&challenge), PublicKey::from_slice(&public_key)) else {
        return Err(PhoneError::BadConfiguration { what: "32 and 65 bytes are needed".to_owned() });
    };
    Ok(assertion_hash(&challenge, &key).0.to_vec())
}

/// Hashes bytes to a point of P-256 (RFC 9380, P256_XMD:SHA-256_SSWU_RO_), uncompressed, 65 bytes: with ECDH in the
/// Secure Enclave, which has no HMAC key, this makes `HardwareKeys.derive`.
#[uniffi::export]
pub fn hash_to_curve(input: Vec<u8>) -> Result<Vec<u8>, PhoneError> {
    let point = hardware::hash_to_curve(&input, b"godkend/1/derive").ok_or(PhoneError::Unexpected)?;
    Ok(point.0.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_pin_is_told_why() {
        let weakness = |pin: &str| pin_weakness(SecretBytes::new(pin.as_bytes().to_vec()));
        assert_eq!(weakness("271828"), None);
        assert_eq!(weakness("111111"), Some(WeakPin::Repeated));
        assert_eq!(weakness("123456"), Some(WeakPin::Sequence));
        assert_eq!(weakness("12345"), Some(WeakPin::Shape));
        assert_eq!(pin_weakness(SecretBytes::new(vec![0xff; 6])), Some(WeakPin::Shape));
    }
}
