//! The forms in which phones' key hardware gives and takes signatures and points, where they are not the protocol's own.

use p256_013::elliptic_curve::hash2curve::{ExpandMsgXmd, GroupDigest as _};
use p256_013::elliptic_curve::sec1::ToEncodedPoint as _;

use crate::bytes::{PublicKey, Signature};

/// A signature in DER (RFC 3279, section 2.2.3) as raw `r || s`, with the `s` that it has.
#[must_use]
pub fn signature_from_der(der: &[u8]) -> Option<Signature> {
    let signature = p256::ecdsa::Signature::from_der(der).ok()?;
    Signature::from_slice(&signature.to_bytes())
}

/// A raw signature in DER; `None` if `r` or `s` is zero or not below the group's order.
#[must_use]
pub fn signature_to_der(signature: &Signature) -> Option<Vec<u8>> {
    let signature = p256::ecdsa::Signature::from_slice(&signature.0).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// Hashes a message to a point of P-256 (RFC 9380, `P256_XMD:SHA-256_SSWU_RO_`). `tag` separates domains; `None`
/// without one. For hardware that agrees but has no keyed hash: agreeing with this point is one.
#[must_use]
pub fn hash_to_curve(message: &[u8], tag: &[u8]) -> Option<PublicKey> {
    // RFC 9380, section 3.1: tags have at least one byte.
    if tag.is_empty() {
        return None;
    }
    let point = p256_013::NistP256::hash_from_bytes::<ExpandMsgXmd<sha2_010::Sha256>>(&[message], &[tag]).ok()?;
    PublicKey::from_slice(point.to_affine().to_encoded_point(false).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Secret;
    use crate::crypto;

    #[test]
    fn der_and_raw_are_the_same_signature() {
        for n in 0..64 {
            let raw = crypto::p256_sign(&Secret([7; 32]), &[n]).unwrap();
            assert_eq!(signature_from_der(&signature_to_der(&raw).unwrap()), Some(raw));
        }
        assert_eq!(signature_to_der(&crate::bytes::Fixed([0; 64])), None);
        assert_eq!(signature_from_der(&[]), None);
        assert_eq!(signature_from_der(&[0x30, 6, 2, 1, 0, 2, 1, 0]), None);
    }

    /// RFC 9380, appendix J.1.1.
    #[test]
    fn the_standards_points() {
        let tag = b"QUUX-V01-CS02-with-P256_XMD:SHA-256_SSWU_RO_";
        for (message, x, y) in [
            (
                "",
                "2c15230b26dbc6fc9a37051158c95b79656e17a1a920b11394ca91c44247d3e4",
                "8a7a74985cc5c776cdfe4b1f19884970453912e9d31528c060be9ab5c43e8415",
            ),
            (
                "abc",
                "0bb8b87485551aa43ed54f009230450b492fead5f1cc91658775dac4a3388a0f",
                "5c41b3d0731a27a7b14bc0bf0ccded2d8751f83493404c84a88e71ffd424212e",
            ),
        ] {
            let point = hash_to_curve(message.as_bytes(), tag).unwrap();
            assert_eq!(hex::encode(&point.0[1..]), format!("{x}{y}"));
            assert!(crypto::is_valid_point(&point));
        }
        assert_eq!(hash_to_curve(b"", b""), None);
    }
}
