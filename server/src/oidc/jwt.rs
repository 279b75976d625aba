//! ES256 for `jsonwebtoken`, on `ring` (RFC 7518, section 3.4).

use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use serde::Serialize;

use crate::ops::secrets::P256Key;

/// Signs claims as a JWT with `kid` in its header.
///
/// # Errors
/// The library's, if the claims do not serialise or the system's random source fails.
pub fn sign<T: Serialize>(key: &P256Key, kid: &str, claims: &T) -> Result<String> {
    sign_as(key, kid, "JWT", claims)
}

/// [`sign`], with another `typ` in the header (RFC 8725, section 3.11).
///
/// # Errors
/// As [`sign`].
pub fn sign_as<T: Serialize>(key: &P256Key, kid: &str, kind: &str, claims: &T) -> Result<String> {
    install();
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(kind.to_owned());
    header.kid = Some(kid.to_owned());
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let message = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
    // With the key as it was parsed at the start; the library would parse it for each token.
    let signature = key.sign(message.as_bytes()).map_err(|_| ErrorKind::InvalidEcdsaKey)?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Makes `ring` the library's provider. Without one it panics at first use, so everything here calls this first; when
/// the program that embeds the server has installed one already, that one stays.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

struct Es256Signer(EcdsaKeyPair, SystemRandom);

impl Signer<Vec<u8>> for Es256Signer {
    fn try_sign(&self, message: &[u8]) -> core::result::Result<Vec<u8>, Error> {
        crate::ops::work::SIGNATURES.add(1);
        self.0.sign(&self.1, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::new())
    }
}

impl JwtSigner for Es256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct Es256Verifier(Vec<u8>);

impl Verifier<Vec<u8>> for Es256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> core::result::Result<(), Error> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0).verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Es256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if *algorithm != Algorithm::ES256 {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_bytes(), &random)
        .map_err(|_| ErrorKind::InvalidEcdsaKey)?;
    Ok(Box::new(Es256Signer(pair, random)))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::ES256 {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Es256Verifier(key.try_get_as_bytes()?.to_vec())))
}
