//! What differs between the suites: the HPKE key encapsulation (RFC 9180) and the second signature of suite 2.
//! Adding a suite touches this module and the enumeration in [`crate::types::Suite`].

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{DhP256HkdfSha256, MlKem768P256};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, PskBundle, Serializable as _};
use ml_dsa::signature::{Signer as _, Verifier as _};
use ml_dsa::{MlDsa65, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::bytes::{Blob, Id, Secret};
use crate::crypto;
use crate::types::Suite;

/// Why an envelope did not open. One reason only: telling more would help nobody but an attacker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the sealed message does not open")]
pub struct SealError;

/// The pre-shared secret of an activation link (HPKE's PSK mode), or none for a typed code (base mode).
#[derive(Clone, Copy)]
pub struct Psk<'a> {
    /// The link's secret.
    pub secret: &'a Secret<32>,
    /// The activation.
    pub id: &'a Id,
}

/// The keys of the reply, exported from the request's context (RFC 9180, section 5.3): whoever answers has opened
/// the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyKey {
    key: Secret<32>,
    nonce: Secret<12>,
}

impl ReplyKey {
    /// The parts, for a phone that stores them until the reply is there.
    #[must_use]
    pub fn to_parts(&self) -> (Secret<32>, Secret<12>) {
        (self.key.clone(), self.nonce.clone())
    }

    /// Reads [`Self::to_parts`].
    #[must_use]
    pub const fn from_parts(key: Secret<32>, nonce: Secret<12>) -> Self {
        Self { key, nonce }
    }

    /// Seals the one reply; sealing two different replies would use a nonce twice.
    #[must_use]
    pub fn seal(&self, reply: &[u8]) -> Vec<u8> {
        crypto::aead_seal(&self.key, self.nonce.0, b"godkend/1/reply", reply)
    }

    /// Opens the reply.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        crypto::aead_open(&self.key, self.nonce.0, b"godkend/1/reply", sealed).ok_or(SealError)
    }
}

/// A sealed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The encapsulated key: 65 bytes in suite 1, 1153 in suite 2.
    pub enc: Blob,
    /// The ciphertext with its 16-byte tag.
    pub ciphertext: Blob,
}

/// The server's HPKE key pair of one suite.
#[derive(Clone)]
pub struct HpkeKey {
    suite: Suite,
    secret: Zeroizing<Vec<u8>>,
    public: Blob,
}

impl core::fmt::Debug for HpkeKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "HpkeKey({:?}, [redacted])", self.suite)
    }
}

impl HpkeKey {
    /// Derives the pair from a 32-byte seed that lives outside the database.
    #[must_use]
    pub fn from_seed(suite: Suite, seed: &Secret<32>) -> Self {
        fn derive<K: Kem>(ikm: &[u8]) -> (Zeroizing<Vec<u8>>, Blob) {
            let (secret, public) = K::derive_keypair(ikm);
            (Zeroizing::new(secret.to_bytes().to_vec()), Blob(public.to_bytes().to_vec()))
        }
        let ikm: Secret<64> = crypto::hkdf_sha256(&seed.0, &[b"godkend/1/hpke"]);
        let (secret, public) = match suite {
            Suite::P256 => derive::<DhP256HkdfSha256>(&ikm.0),
            Suite::Hybrid => derive::<MlKem768P256>(&ikm.0),
        };
        Self { suite, secret, public }
    }

    /// The public key: 65 bytes in suite 1, 1249 in suite 2.
    #[must_use]
    pub const fn public(&self) -> &Blob {
        &self.public
    }

    /// Opens a request.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(
        &self,
        psk: Option<Psk<'_>>,
        aad: &[u8],
        sealed: &Sealed,
    ) -> Result<(Zeroizing<Vec<u8>>, ReplyKey), SealError> {
        fn open<K: Kem>(
            secret: &[u8],
            psk: Option<Psk<'_>>,
            aad: &[u8],
            sealed: &Sealed,
        ) -> Result<(Zeroizing<Vec<u8>>, ReplyKey), SealError> {
            let secret = K::PrivateKey::from_bytes(secret).map_err(|_| SealError)?;
            let enc = K::EncappedKey::from_bytes(&sealed.enc.0).map_err(|_| SealError)?;
            let mode = match psk {
                Some(psk) => OpModeR::Psk(PskBundle::new(&psk.secret.0, &psk.id.0).map_err(|_| SealError)?),
                None => OpModeR::Base,
            };
            let mut context =
                hpke::setup_receiver::<AesGcm256, HkdfSha256, K>(&mode, &secret, &enc, INFO).map_err(|_| SealError)?;
            let plaintext = Zeroizing::new(context.open(&sealed.ciphertext.0, aad).map_err(|_| SealError)?);
            let reply = reply_key(|label, out| context.export(label, out).map_err(|_| SealError))?;
            Ok((plaintext, reply))
        }
        match self.suite {
            Suite::P256 => open::<DhP256HkdfSha256>(&self.secret, psk, aad, sealed),
            Suite::Hybrid => open::<MlKem768P256>(&self.secret, psk, aad, sealed),
        }
    }
}

const INFO: &[u8] = b"godkend/1/activation";

fn reply_key(export: impl Fn(&[u8], &mut [u8]) -> Result<(), SealError>) -> Result<ReplyKey, SealError> {
    let (mut key, mut nonce) = (Secret([0; 32]), Secret([0; 12]));
    export(b"godkend/1/reply-key", &mut key.0)?;
    export(b"godkend/1/reply-nonce", &mut nonce.0)?;
    Ok(ReplyKey { key, nonce })
}

/// Seals a request to a server's key.
///
/// # Errors
/// [`SealError`] if the key is none.
pub fn seal(
    suite: Suite,
    rng: &mut dyn rand_core::CryptoRng,
    public: &[u8],
    psk: Option<Psk<'_>>,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<(Sealed, ReplyKey), SealError> {
    fn seal<K: Kem>(
        mut rng: &mut dyn rand_core::CryptoRng,
        public: &[u8],
        psk: Option<Psk<'_>>,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<(Sealed, ReplyKey), SealError> {
        let public = K::PublicKey::from_bytes(public).map_err(|_| SealError)?;
        let mode = match psk {
            Some(psk) => OpModeS::Psk(PskBundle::new(&psk.secret.0, &psk.id.0).map_err(|_| SealError)?),
            None => OpModeS::Base,
        };
        let (enc, mut context) =
            hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, K>(&mode, &public, INFO, &mut rng)
                .map_err(|_| SealError)?;
        let ciphertext = context.seal(plaintext, aad).map_err(|_| SealError)?;
        let reply = reply_key(|label, out| context.export(label, out).map_err(|_| SealError))?;
        Ok((Sealed { enc: Blob(enc.to_bytes().to_vec()), ciphertext: Blob(ciphertext) }, reply))
    }
    match suite {
        Suite::P256 => seal::<DhP256HkdfSha256>(rng, public, psk, aad, plaintext),
        Suite::Hybrid => seal::<MlKem768P256>(rng, public, psk, aad, plaintext),
    }
}

/// An ML-DSA-65 key (FIPS 204) for the second signature of suite 2, derived from a 32-byte seed.
pub struct PqSigner(SigningKey<MlDsa65>);

impl core::fmt::Debug for PqSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PqSigner([redacted])")
    }
}

impl PqSigner {
    /// Derives the key.
    #[must_use]
    pub fn from_seed(seed: &Secret<32>) -> Self {
        Self(SigningKey::from_seed(&seed.0.into()))
    }

    /// The public key, 1952 bytes.
    #[must_use]
    pub fn public(&self) -> Blob {
        use ml_dsa::signature::Keypair as _;
        Blob(self.0.verifying_key().encode().to_vec())
    }

    /// Signs `message`, deterministically; 3309 bytes. `None` with negligible probability.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Blob> {
        self.0.try_sign(message).ok().map(|signature| Blob(signature.encode().to_vec()))
    }
}

/// Verifies [`PqSigner::sign`].
#[must_use]
pub fn pq_verify(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(public), Ok(signature)) = (public.try_into(), signature.try_into()) else { return false };
    let Some(signature) = ml_dsa::Signature::<MlDsa65>::decode(signature) else { return false };
    VerifyingKey::<MlDsa65>::decode(public).verify(message, &signature).is_ok()
}

/// The suite that two ends take: the highest that both know.
#[must_use]
pub fn choose(offered: &[Suite], enabled: &[Suite]) -> Option<Suite> {
    offered.iter().copied().filter(|suite| enabled.contains(suite)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u64);

    impl rand_core::TryRng for Counter {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_be_bytes(bytes))
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_be_bytes(bytes))
        }
        fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
            for chunk in to.chunks_mut(32) {
                self.0 += 1;
                chunk.copy_from_slice(&crypto::sha256(&[&self.0.to_be_bytes()]).0[..chunk.len()]);
            }
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Counter {}

    const ID: Id = crate::bytes::Fixed([5; 16]);

    #[test]
    fn the_highest_common_suite_is_chosen() {
        use Suite::{Hybrid, P256};
        for (offered, enabled, chosen) in [
            (&[P256][..], &[P256][..], Some(P256)),
            (&[P256, Hybrid], &[P256], Some(P256)),
            (&[P256], &[P256, Hybrid], Some(P256)),
            (&[P256, Hybrid], &[P256, Hybrid], Some(Hybrid)),
            (&[Hybrid, P256], &[Hybrid, P256], Some(Hybrid)),
            (&[P256, Hybrid], &[Hybrid], Some(Hybrid)),
            (&[P256], &[Hybrid], None),
            (&[], &[P256, Hybrid], None),
            (&[P256, Hybrid], &[], None),
        ] {
            assert_eq!(choose(offered, enabled), chosen, "{offered:?} {enabled:?}");
        }
    }

    #[test]
    fn both_modes_of_both_suites_open_only_as_they_are() {
        for (suite, public_len, enc_len) in [(Suite::P256, 65, 65), (Suite::Hybrid, 1249, 1153)] {
            let key = HpkeKey::from_seed(suite, &Secret([1; 32]));
            let other = HpkeKey::from_seed(suite, &Secret([2; 32]));
            assert_eq!(key.public().0.len(), public_len);
            let (secret, wrong) = (Secret([3; 32]), Secret([4; 32]));
            let id = crate::bytes::Fixed([6; 16]);
            for psk in [None, Some(Psk { secret: &secret, id: &ID })] {
                let (sealed, reply) =
                    seal(suite, &mut Counter(0), &key.public().0, psk, b"offer", b"plaintext").unwrap();
                assert_eq!((sealed.enc.0.len(), sealed.ciphertext.0.len()), (enc_len, 9 + 16));
                let (opened, server_reply) = key.open(psk, b"offer", &sealed).unwrap();
                assert_eq!((opened.as_slice(), &server_reply), (&b"plaintext"[..], &reply));

                assert!(other.open(psk, b"offer", &sealed).is_err(), "another key");
                assert!(key.open(psk, b"another offer", &sealed).is_err(), "other additional data");
                assert!(key.open(Some(Psk { secret: &wrong, id: &ID }), b"offer", &sealed).is_err());
                assert!(key.open(Some(Psk { secret: &secret, id: &id }), b"offer", &sealed).is_err());
                if psk.is_some() {
                    assert!(key.open(None, b"offer", &sealed).is_err(), "the other mode");
                }
                for bit in 0..sealed.ciphertext.0.len() * 8 {
                    let mut changed = sealed.clone();
                    changed.ciphertext.0[bit / 8] ^= 1 << (bit % 8);
                    assert!(key.open(psk, b"offer", &changed).is_err());
                }
                // One bit in each part of the encapsulated key, and the borders of its two halves in suite 2.
                for byte in
                    (0..enc_len).step_by(if suite == Suite::P256 { 1 } else { 64 }).chain([1087, 1088, 1089, 1152])
                {
                    let byte = byte.min(enc_len - 1);
                    let mut changed = sealed.clone();
                    changed.enc.0[byte] ^= 1 << (byte % 8);
                    assert!(key.open(psk, b"offer", &changed).is_err(), "byte {byte}");
                }
                for length in [0, 1, 33, enc_len - 1, enc_len + 1] {
                    let mut changed = sealed.clone();
                    changed.enc.0.resize(length, 0);
                    assert!(key.open(psk, b"offer", &changed).is_err(), "{length} bytes");
                }
                let sealed_reply = reply.seal(b"reply");
                assert_eq!(server_reply.open(&sealed_reply).unwrap(), b"reply");
                let (again_key, again_nonce) = reply.to_parts();
                assert_eq!(ReplyKey::from_parts(again_key, again_nonce).open(&sealed_reply).unwrap(), b"reply");
                assert_eq!(reply.open(&sealed_reply[1..]), Err(SealError));
            }
        }
    }

    /// A key that would encapsulate to nothing or to two things: other spellings of a point, points off the curve.
    #[test]
    fn keys_that_are_none_are_refused() {
        let good = HpkeKey::from_seed(Suite::P256, &Secret([1; 32])).public().0.clone();
        let compressed = [&[2 + (good[64] & 1)], &good[1..33]].concat();
        let compact = [&[5], &good[1..33]].concat();
        let mut off = good.clone();
        off[64] ^= 1;
        let mut hybrid_form = good.clone();
        hybrid_form[0] = 6 + (good[64] & 1);
        let longer = [&good[..], &[0]].concat();
        for bad in [compressed, compact, off, hybrid_form, longer, vec![0], vec![0; 65], Vec::new()] {
            assert!(seal(Suite::P256, &mut Counter(0), &bad, None, b"", b"x").is_err(), "{} bytes", bad.len());
            let key = HpkeKey::from_seed(Suite::P256, &Secret([1; 32]));
            let sealed = Sealed { enc: Blob(bad), ciphertext: Blob(vec![0; 17]) };
            assert!(key.open(None, b"", &sealed).is_err());
        }
        let hybrid = HpkeKey::from_seed(Suite::Hybrid, &Secret([1; 32])).public().0.clone();
        assert!(seal(Suite::Hybrid, &mut Counter(0), &good, None, b"", b"x").is_err(), "another suite's key");
        assert!(seal(Suite::P256, &mut Counter(0), &hybrid, None, b"", b"x").is_err(), "another suite's key");
        assert!(seal(Suite::Hybrid, &mut Counter(0), &[0xff; 1249], None, b"", b"x").is_err());
        assert!(seal(Suite::Hybrid, &mut Counter(0), &hybrid[..1248], None, b"", b"x").is_err());
    }

    #[test]
    fn the_second_signature_verifies_only_as_it_is() {
        let key = PqSigner::from_seed(&Secret([1; 32]));
        let (public, signature) = (key.public(), key.sign(b"message").unwrap());
        assert_eq!((public.0.len(), signature.0.len()), (1952, 3309));
        assert_eq!(key.sign(b"message"), Some(signature.clone()), "deterministic");
        assert!(pq_verify(&public.0, b"message", &signature.0));
        assert!(!pq_verify(&public.0, b"other", &signature.0));
        assert!(!pq_verify(&PqSigner::from_seed(&Secret([2; 32])).public().0, b"message", &signature.0));
        for byte in (0..signature.0.len()).step_by(37).chain([3308]) {
            let mut changed = signature.clone();
            changed.0[byte] ^= 1;
            assert!(!pq_verify(&public.0, b"message", &changed.0), "byte {byte}");
        }
        assert!(!pq_verify(&public.0, b"message", &signature.0[..3308]));
        assert!(!pq_verify(&public.0[..1951], b"message", &signature.0));
        assert!(!pq_verify(&[], b"message", &[]));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let key = HpkeKey::from_seed(Suite::P256, &Secret([1; 32]));
        let reply = ReplyKey::from_parts(Secret([1; 32]), Secret([2; 12]));
        let printed = format!("{key:?} {:?} {reply:?}", PqSigner::from_seed(&Secret([1; 32])));
        assert_eq!(
            printed,
            "HpkeKey(P256, [redacted]) PqSigner([redacted]) ReplyKey { key: [redacted], nonce: [redacted] }"
        );
    }
}
