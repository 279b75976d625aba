//! Verifying an ID token as a relying party must (OpenID Connect Core, section 3.1.3.7): ES256 by `ring`, under the
//! provider's published keys.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Map, Value};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::Problem;

/// The claims of a token that holds.
pub(crate) type Claims = Map<String, Value>;

/// What a token must say.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    /// `iss`.
    pub(crate) issuer: &'a str,
    /// `aud`.
    pub(crate) client_id: &'a str,
    /// `nonce`, as it was asked for.
    pub(crate) nonce: Option<&'a str>,
    /// The access token beside it.
    pub(crate) access_token: Option<&'a str>,
    /// The provider's key set (RFC 7517).
    pub(crate) keys: &'a Value,
    /// Unix seconds.
    pub(crate) now: i64,
    /// How far the provider's clock may be away, in seconds.
    pub(crate) leeway: i64,
}

/// Verifies a token.
///
/// # Errors
/// [`Problem::Token`], with the reason.
pub(crate) fn verify(token: &str, expected: &Expected<'_>) -> Result<Claims, Problem> {
    install();
    let refused = |reason: String| Problem::Token(reason);
    let header = jsonwebtoken::decode_header(token).map_err(|e| refused(e.to_string()))?;
    if header.alg != Algorithm::ES256 {
        return Err(refused("it is not signed with ES256".to_owned()));
    }
    let kid = header.kid.ok_or_else(|| refused("it names no key".to_owned()))?;
    let key = find_key(expected.keys, &kid).ok_or_else(|| refused("its key is not published".to_owned()))?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Judged below, against the time given.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|e| refused(e.to_string()))?.claims;
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    if number("exp").is_none_or(|end| expected.now - expected.leeway >= end) {
        return Err(refused("it has expired".to_owned()));
    }
    if number("iat").is_none_or(|at| at > expected.now + expected.leeway) {
        return Err(refused("it is from the future".to_owned()));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if expected.nonce.is_some() && text("nonce") != expected.nonce {
        return Err(refused("its nonce is not the one that was sent".to_owned()));
    }
    if let (Some(hash), Some(access)) = (text("at_hash"), expected.access_token) {
        let full = digest(&SHA256, access.as_bytes());
        let half = full.as_ref().get(..16).unwrap_or_default();
        if URL_SAFE_NO_PAD.encode(half) != hash {
            return Err(refused("it belongs to another access token".to_owned()));
        }
    }
    Ok(claims)
}

fn find_key(keys: &Value, kid: &str) -> Option<DecodingKey> {
    let key = keys.get("keys")?.as_array()?.iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(kid))?;
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("kty") != Some("EC") || text("crv") != Some("P-256") {
        return None;
    }
    DecodingKey::from_ec_components(text("x")?, text("y")?).ok()
}

/// Makes `ring` the library's provider. An embedded server may have done so first; its provider verifies alike.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

struct Es256(Vec<u8>);

impl Verifier<Vec<u8>> for Es256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> core::result::Result<(), Error> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0).verify(message, signature).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Es256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

/// A relying party signs nothing.
fn signer(_: &Algorithm, _: &EncodingKey) -> JwtResult<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> JwtResult<Box<dyn JwtVerifier>> {
    if *algorithm != Algorithm::ES256 {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Es256(key.try_get_as_bytes()?.to_vec())))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct Provider(EcdsaKeyPair, SystemRandom);

    impl Provider {
        fn new() -> Self {
            let random = SystemRandom::new();
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
            Self(pair, random)
        }

        fn keys(&self) -> Value {
            let point = self.0.public_key().as_ref();
            let coordinate = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
            json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": coordinate(&point[1..33]), "y": coordinate(&point[33..])}]})
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let message = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&self.1, message.as_bytes()).unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://id.dk", "aud": "bank", "sub": "s", "exp": NOW + 300, "iat": NOW, "nonce": "n"})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Value {
        let mut claims = claims();
        change(&mut claims);
        claims
    }

    #[test]
    fn only_a_token_that_holds_in_every_respect_is_taken() {
        let provider = Provider::new();
        let keys = provider.keys();
        let expected = Expected {
            issuer: "https://id.dk",
            client_id: "bank",
            nonce: Some("n"),
            access_token: Some("access"),
            keys: &keys,
            now: NOW,
            leeway: 60,
        };
        let header = json!({"alg": "ES256", "kid": "k"});
        let good = provider.sign(&header, &claims());
        assert_eq!(verify(&good, &expected).unwrap()["sub"], "s");
        for (what, token) in [
            ("issuer", provider.sign(&header, &with(|c| c["iss"] = json!("https://evil.dk")))),
            ("audience", provider.sign(&header, &with(|c| c["aud"] = json!("shop")))),
            ("nonce", provider.sign(&header, &with(|c| c["nonce"] = json!("m")))),
            ("expiry", provider.sign(&header, &with(|c| c["exp"] = json!(NOW - 60)))),
            ("issued", provider.sign(&header, &with(|c| c["iat"] = json!(NOW + 61)))),
            ("at_hash", provider.sign(&header, &with(|c| c["at_hash"] = json!("AAAA")))),
            ("key", provider.sign(&json!({"alg": "ES256", "kid": "other"}), &claims())),
            ("no key", provider.sign(&json!({"alg": "ES256"}), &claims())),
            ("algorithm", provider.sign(&json!({"alg": "none", "kid": "k"}), &claims())),
            ("hmac", provider.sign(&json!({"alg": "HS256", "kid": "k"}), &claims())),
            ("other signer", Provider::new().sign(&header, &claims())),
            ("no signature", format!("{}.", good.rsplit_once('.').unwrap().0)),
        ] {
            assert!(matches!(verify(&token, &expected), Err(Problem::Token(_))), "{what}");
        }
    }
}
