//! The code of an offline approval: OCRA (RFC 6287) over the challenge hash, keyed by an agreement.
//!
//! No symmetric secret is stored anywhere: the phone's `offline` key agrees with the challenge's ephemeral key.

use crate::bytes::{Hash32, Secret};
use crate::crypto;

/// The OCRA suite: HMAC-SHA-256, eight digits, a question of 64 hexadecimal digits.
pub const OCRA_SUITE: &str = "OCRA-1:HOTP-SHA256-8:QH64";

/// The code's key: HKDF over the agreed secret, bound to the challenge.
#[must_use]
pub fn key(agreed: &Secret<32>, challenge_hash: &Hash32) -> Secret<32> {
    crypto::hkdf_sha256(&agreed.0, &[b"godkend/1/offline", &challenge_hash.0])
}

/// The eight digits. The challenge hash is the question, padded with zeros to 128 bytes (RFC 6287, section 5.1).
#[must_use]
pub fn code(key: &Secret<32>, challenge_hash: &Hash32) -> String {
    let mut question = [0_u8; 128];
    question[..32].copy_from_slice(&challenge_hash.0);
    let mac = crypto::hmac_sha256(&key.0, &[OCRA_SUITE.as_bytes(), &[0], &question]);
    truncate(&mac.0)
}

/// Dynamic truncation (RFC 4226, section 5.3) to eight digits.
fn truncate(mac: &[u8; 32]) -> String {
    let offset = usize::from(mac[31] & 0x0f);
    let value = mac.iter().skip(offset).take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:08}", value % 100_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4226, appendix D gives truncations to 31 bits; the worked example of section 5.4 has 0x50ef7f19.
    #[test]
    fn truncation_is_that_of_rfc_4226() {
        let mut mac = [0; 32];
        mac[..4].copy_from_slice(&[0xd0, 0xef, 0x7f, 0x19]);
        assert_eq!(truncate(&mac), "57872921", "0x50ef7f19 = 1357872921; the top bit is cleared");
        mac[31] = 0x5f;
        mac[15..19].copy_from_slice(&[0, 0, 0, 9]);
        assert_eq!(truncate(&mac), "00000009", "the offset is the last four bits");
    }

    #[test]
    fn a_code_is_for_one_challenge_and_one_agreement() {
        let (agreed, challenge) = (Secret([1; 32]), crate::bytes::Fixed([2; 32]));
        let right = code(&key(&agreed, &challenge), &challenge);
        assert!(right.len() == 8 && right.bytes().all(|b| b.is_ascii_digit()));
        let other = crate::bytes::Fixed([3; 32]);
        assert_ne!(code(&key(&agreed, &other), &other), right);
        assert_ne!(code(&key(&Secret([9; 32]), &challenge), &challenge), right);
        assert_ne!(key(&agreed, &challenge), key(&agreed, &other));
    }
}
