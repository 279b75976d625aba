//! The primitives, each through one library, with the checks that the protocol adds to them.
//!
//! Hashes, MACs, HKDF, AEAD and signature verification come from `ring`; arithmetic with long-lived scalars from
//! `p256`. Nothing here keeps a key.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::DecodePublicKey as _;
use ring::{aead, digest, hkdf, hmac, signature};

use crate::bytes::{Hash32, PublicKey, Secret, Signature};

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash32 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    crate::bytes::Fixed(out)
}

/// A hash with a label, each part preceded by its length (8 bytes, big-endian), so that no two lists of parts
/// give the same input.
#[must_use]
pub fn labelled_hash(label: &str, parts: &[&[u8]]) -> Hash32 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in core::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        // A slice's length always fits.
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    crate::bytes::Fixed(out)
}

/// HMAC-SHA-256 (RFC 2104).
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Hash32 {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    crate::bytes::Fixed(out)
}

/// Compares two MACs or hashes in constant time.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 (RFC 5869) with an empty salt: `N` bytes, `N` at most 8160.
#[must_use]
pub fn hkdf_sha256<const N: usize>(secret: &[u8], info: &[&[u8]]) -> Secret<N> {
    let mut out = [0; N];
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    if let Ok(okm) = key.expand(info, Length(N)) {
        // Fails only beyond 255 blocks, which no caller asks for.
        let filled = okm.fill(&mut out);
        debug_assert!(filled.is_ok());
    }
    Secret(out)
}

/// AES-256-GCM with a 12-byte nonce that the caller never uses twice with one key.
///
/// Returns the ciphertext followed by the 16-byte tag.
#[must_use]
pub fn aead_seal(key: &Secret<32>, nonce: [u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut out = plaintext.to_vec();
    if let Ok(key) = aead::UnboundKey::new(&aead::AES_256_GCM, &key.0) {
        let sealed = aead::LessSafeKey::new(key).seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(aad),
            &mut out,
        );
        debug_assert!(sealed.is_ok());
    }
    out
}

/// Opens [`aead_seal`]; `None` if anything differs.
#[must_use]
pub fn aead_open(key: &Secret<32>, nonce: [u8; 12], aad: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let mut out = ciphertext.to_vec();
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &key.0).ok()?);
    let length =
        key.open_in_place(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(aad), &mut out).ok()?.len();
    out.truncate(length);
    Some(out)
}

/// Verifies ES256 and refuses `s` in the upper half: a signature has one form.
#[must_use]
pub fn verify_es256(public: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    is_low_s(signature) && verify_es256_any_s(public, message, signature)
}

/// Verifies ES256 with either `s`, for signatures that hardware made.
#[must_use]
pub fn verify_es256_any_s(public: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    crate::tally::VERIFICATIONS.add(1);
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &public.0)
        .verify(message, &signature.0)
        .is_ok()
}

/// Whether `s` is at most half the group's order.
#[must_use]
pub fn is_low_s(signature: &Signature) -> bool {
    // floor(n / 2) for P-256 (FIPS 186-5, SP 800-186).
    const HALF: [u8; 32] = [
        0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73,
        0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
    ];
    signature.0.get(32..).is_some_and(|s| s <= HALF.as_slice())
}

/// The same signature with the lower of its two `s`; `None` if it is none at all.
#[must_use]
pub fn normalise_s(signature: &Signature) -> Option<Signature> {
    let parsed = p256::ecdsa::Signature::from_slice(&signature.0).ok()?;
    Signature::from_slice(&parsed.normalize_s().to_bytes())
}

/// Checks that 65 bytes are a point of P-256 other than the identity.
#[must_use]
pub fn is_valid_point(public: &PublicKey) -> bool {
    public.0.first() == Some(&4) && p256::PublicKey::from_sec1_bytes(&public.0).is_ok()
}

/// ECDH on P-256: the shared x-coordinate; `None` if a side is not valid.
#[must_use]
pub fn ecdh(secret: &Secret<32>, public: &PublicKey) -> Option<Secret<32>> {
    let secret = p256::SecretKey::from_slice(&secret.0).ok()?;
    let public = p256::PublicKey::from_sec1_bytes(&public.0).ok()?;
    Secret::from_slice(p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), public.as_affine()).raw_secret_bytes())
}

/// A P-256 private key derived from a seed: the first of `HKDF(seed, label || counter)`, counter 0, 1, 2 …, that is
/// a valid key. All but one seed in 2^32 give it at counter 0.
#[must_use]
pub fn p256_from_seed(seed: &[u8], label: &str) -> Secret<32> {
    (0..=u8::MAX)
        .map(|counter| hkdf_sha256::<32>(seed, &[label.as_bytes(), &[counter]]))
        .find(|candidate| p256_public(candidate).is_some())
        // 256 misses in a row have a probability of 2^-8192.
        .unwrap_or(Secret([1; 32]))
}

/// The public point of a private key; `None` if it is zero or not below the group's order.
#[must_use]
pub fn p256_public(secret: &Secret<32>) -> Option<PublicKey> {
    let secret = p256::SecretKey::from_slice(&secret.0).ok()?;
    PublicKey::from_slice(secret.public_key().to_sec1_point(false).as_bytes())
}

/// Signs with ES256 in software, deterministically (RFC 6979), with the lower `s`.
///
/// For keys that live in memory for one signature (the `pin` key), and for software key stores.
#[must_use]
pub fn p256_sign(secret: &Secret<32>, message: &[u8]) -> Option<Signature> {
    use p256::ecdsa::signature::Signer as _;
    let key = p256::ecdsa::SigningKey::from_slice(&secret.0).ok()?;
    let signature: p256::ecdsa::Signature = key.try_sign(message).ok()?;
    Signature::from_slice(&signature.normalize_s().to_bytes())
}

/// The point of a DER SubjectPublicKeyInfo for P-256.
#[must_use]
pub fn point_from_spki(der: &[u8]) -> Option<PublicKey> {
    let key = p256::PublicKey::from_public_key_der(der).ok()?;
    PublicKey::from_slice(key.to_sec1_point(false).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Fixed;

    /// The order of the group, and the field's prime (SP 800-186, section 3.2.1.3).
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

    fn order() -> [u8; 32] {
        hex::decode(ORDER).unwrap().try_into().unwrap()
    }

    /// `n - s`, the other `s` of a signature.
    fn negated(s: &[u8]) -> Vec<u8> {
        let mut borrow = 0;
        let mut out: Vec<u8> = order()
            .iter()
            .zip(s)
            .rev()
            .map(|(a, b)| {
                let difference = i16::from(*a) - i16::from(*b) - borrow;
                borrow = i16::from(difference < 0);
                u8::try_from(difference.rem_euclid(256)).unwrap()
            })
            .collect();
        out.reverse();
        out
    }

    fn high(signature: &Signature) -> Signature {
        Signature::from_slice(&[&signature.0[..32], &negated(&signature.0[32..])].concat()).unwrap()
    }

    #[test]
    fn only_the_lower_s_is_taken() {
        for n in 0..32_u8 {
            let private = p256_from_seed(&[n], "test");
            let public = p256_public(&private).unwrap();
            let low = p256_sign(&private, &[n, 1]).unwrap();
            let high = high(&low);
            assert!(is_low_s(&low) && !is_low_s(&high));
            assert!(verify_es256(&public, &[n, 1], &low));
            assert!(!verify_es256(&public, &[n, 1], &high), "the other s");
            assert!(verify_es256_any_s(&public, &[n, 1], &high), "which is a signature");
            assert_eq!(normalise_s(&high), Some(low));
            assert_eq!(normalise_s(&low), Some(low));
            assert!(!verify_es256(&public, &[n, 2], &low), "another message");
        }
    }

    #[test]
    fn the_border_of_the_lower_half() {
        let s = |text: &str| Signature::from_slice(&[&[1; 32][..], &hex::decode(text).unwrap()].concat()).unwrap();
        let half = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";
        let above = "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9";
        assert!(is_low_s(&s(half)) && !is_low_s(&s(above)));
        assert_eq!(hex::encode(negated(&hex::decode(half).unwrap())), above);
        for refused in [ORDER, &"00".repeat(32), &"ff".repeat(32)] {
            assert_eq!(normalise_s(&s(refused)), None, "s = {refused}");
        }
        let zero_r = Signature::from_slice(&[[0; 32], [1; 32]].concat()).unwrap();
        assert_eq!(normalise_s(&zero_r), None);
    }

    #[test]
    fn points_that_are_none() {
        let good = p256_public(&Secret([7; 32])).unwrap();
        assert!(is_valid_point(&good));
        for tag in (0..=u8::MAX).filter(|tag| *tag != 4) {
            let mut other = good;
            other.0[0] = tag;
            assert!(!is_valid_point(&other), "tag {tag}");
            assert_eq!(ecdh(&Secret([7; 32]), &other), None, "tag {tag}");
        }
        for bit in 0..512 {
            let mut off = good;
            off.0[1 + bit / 8] ^= 1 << (bit % 8);
            assert!(!is_valid_point(&off), "bit {bit}");
            assert_eq!(ecdh(&Secret([7; 32]), &off), None, "bit {bit}");
            assert!(!verify_es256(&off, b"m", &p256_sign(&Secret([7; 32]), b"m").unwrap()));
        }
        let prime = hex::decode(PRIME).unwrap();
        let with = |x: &[u8], y: &[u8]| PublicKey::from_slice(&[&[4], x, y].concat()).unwrap();
        // The identity has no such form; zero, and coordinates that are not below the prime, are no points.
        for bad in [
            with(&[0; 32], &[0; 32]),
            with(&prime, &good.0[33..]),
            with(&good.0[1..33], &prime),
            with(&[0xff; 32], &[0xff; 32]),
            Fixed([0; 65]),
        ] {
            assert!(!is_valid_point(&bad), "{}", hex::encode(bad.0));
            assert_eq!(ecdh(&Secret([7; 32]), &bad), None);
        }
    }

    #[test]
    fn private_keys_that_are_none() {
        let public = p256_public(&Secret([7; 32])).unwrap();
        for bad in [[0; 32], order(), [0xff; 32]] {
            assert_eq!(p256_public(&Secret(bad)), None);
            assert_eq!(ecdh(&Secret(bad), &public), None);
            assert_eq!(p256_sign(&Secret(bad), b"m"), None);
        }
    }

    #[test]
    fn agreement_is_the_same_from_both_sides() {
        let (a, b) = (p256_from_seed(b"a", "test"), p256_from_seed(b"b", "test"));
        let shared = ecdh(&a, &p256_public(&b).unwrap()).unwrap();
        assert_eq!(Some(shared), ecdh(&b, &p256_public(&a).unwrap()));
        assert_ne!(p256_from_seed(b"a", "test"), p256_from_seed(b"a", "other"));
    }

    #[test]
    fn labelled_hashes_keep_their_parts_apart() {
        let one = labelled_hash("l", &[b"ab", b"c"]);
        let expected = sha256(&[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            b"l",
            &[0, 0, 0, 0, 0, 0, 0, 2],
            b"ab",
            &[0, 0, 0, 0, 0, 0, 0, 1],
            b"c",
        ]);
        assert_eq!(one, expected);
        for other in [
            labelled_hash("l", &[b"a", b"bc"]),
            labelled_hash("l", &[b"abc"]),
            labelled_hash("l", &[b"ab", b"c", b""]),
            labelled_hash("la", &[b"b", b"c"]),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn sealed_bytes_open_only_as_they_are() {
        let (key, nonce) = (Secret([1; 32]), [2; 12]);
        let sealed = aead_seal(&key, nonce, b"aad", b"plaintext");
        assert_eq!(aead_open(&key, nonce, b"aad", &sealed).unwrap(), b"plaintext");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(aead_open(&key, nonce, b"aad", &changed), None);
        }
        for length in 0..sealed.len() {
            assert_eq!(aead_open(&key, nonce, b"aad", &sealed[..length]), None);
        }
        assert_eq!(aead_open(&Secret([2; 32]), nonce, b"aad", &sealed), None);
        assert_eq!(aead_open(&key, [3; 12], b"aad", &sealed), None);
        assert_eq!(aead_open(&key, nonce, b"", &sealed), None);
    }

    #[test]
    fn a_key_in_der_is_read_and_garbage_is_not() {
        use p256::pkcs8::EncodePublicKey as _;
        let public = p256_public(&Secret([7; 32])).unwrap();
        let der = p256::PublicKey::from_sec1_bytes(&public.0).unwrap().to_public_key_der().unwrap();
        assert_eq!(point_from_spki(der.as_bytes()), Some(public));
        for length in 0..der.as_bytes().len() {
            assert_eq!(point_from_spki(&der.as_bytes()[..length]), None);
        }
    }
}
