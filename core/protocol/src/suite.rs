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
