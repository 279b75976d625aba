//! Tokens that only the holder of a key can use: DPoP (RFC 9449), with nonces of the server's.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Hash32;
use godkend_protocol::crypto;
use serde_json::Value;
use url::Url;

use super::error::{Kind, OidcError};
use super::jws::{Jwk, Jws};
use super::records::UsedToken;
use super::{issuer, params};
use crate::app::App;
use crate::docs::{self, Changes};

/// The request's proof.
const HEADER: &str = "dpop";
/// The answer's nonce (RFC 9449, section 8).
pub(super) const NONCE_HEADER: HeaderName = HeaderName::from_static("dpop-nonce");
/// How far a proof's clock may be from the server's, seconds.
const SKEW: i64 = 60;
/// A nonce is good in its own slot of so many seconds, and in the next one.
const NONCE_SLOT: i64 = 150;

/// A proof that was checked, but for its being the first of its name.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The key's thumbprint.
    pub jkt: Hash32,
    used: UsedToken,
}

impl Proof {
    /// Marks the proof as used with these changes; a conflict at their commit means that it was used already.
    pub fn spend(&self, changes: &mut Changes) {
        changes.insert(&self.used);
    }

    /// Demands that the proof was not used before.
    async fn unused(&self, app: &App) -> Result<(), OidcError> {
        match docs::get::<UsedToken>(&*app.store, &self.used.hash.0).await? {
            None => Ok(()),
            Some(_) => Err(refused(app, "The proof was used already; sign a new one for each request.")),
        }
    }
}

/// The proof of a request, if it has one. `path` is the endpoint's, `token` the access token beside it.
///
/// # Errors
/// `invalid_dpop_proof`; `use_dpop_nonce` with a nonce.
pub async fn proof(
    app: &App,
    headers: &HeaderMap,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Option<Proof>, OidcError> {
    let mut sent = headers.get_all(HEADER).iter();
    let Some(first) = sent.next() else { return Ok(None) };
    if sent.next().is_some() {
        return Err(refused(app, "The DPoP header stands there twice."));
    }
    let malformed = || {
        refused(
            app,
            "The proof must be a JWT of type dpop+jwt, signed with ES256 by the P-256 key in its jwk (RFC 9449).",
        )
    };
    let proof = first.to_str().ok().and_then(Jws::parse).ok_or_else(malformed)?;
    let jwk = proof.header.get("jwk").and_then(Value::as_object).and_then(Jwk::read).ok_or_else(malformed)?;
    if proof.header_text("typ") != Some("dpop+jwt") || !proof.verify(&jwk.key) {
        return Err(malformed());
    }
    if proof.text("htm") != Some(method) {
        return Err(refused(app, "htm must be the request's method."));
    }
    if !proof.text("htu").is_some_and(|htu| is_at(htu, issuer(app), path)) {
        return Err(refused(app, "htu must be the endpoint's address, without query and fragment."));
    }
    let now = app.now();
    let issued = proof.time("iat").ok_or_else(|| refused(app, "iat is missing."))?;
    if now.saturating_sub(issued).abs() > SKEW {
        return Err(refused(app, "iat must be within a minute of the server's clock."));
    }
    match proof.text("nonce") {
        Some(nonce) if is_fresh(app, nonce, now) => {}
        _ => return Err(nonce_wanted(app)),
    }
    if let Some(token) = token {
        let expected = URL_SAFE_NO_PAD.encode(crypto::sha256(&[token.as_bytes()]).0);
        if proof.text("ath") != Some(&expected) {
            return Err(refused(app, "ath must be the hash of the access token."));
        }
    }
    let name = proof.text("jti").unwrap_or_default();
    if name.is_empty() || params::visible(name, 128, "").is_err() {
        return Err(refused(app, "jti must be 1 to 128 visible ASCII characters, another for each proof."));
    }
    let jkt = jwk.thumbprint();
    let hash = crypto::labelled_hash("godkend/1/dpop-jti", &[&jkt.0, name.as_bytes()]);
    // Until its time is over even by a clock that was set back meanwhile.
    let used = UsedToken { hash, expires: issued.saturating_add(3 * SKEW) };
    let proof = Proof { jkt, used };
    proof.unused(app).await?;
    Ok(Some(proof))
}

/// Whether `htu` is this endpoint, after the normalisation of RFC 3986 that `url` does; query and fragment do not count
/// (RFC 9449, section 4.3).
fn is_at(htu: &str, issuer: &str, path: &str) -> bool {
    let (Ok(mut given), Ok(expected)) = (Url::parse(htu), Url::parse(&format!("{issuer}{path}"))) else { return false };
    given.set_query(None);
    given.set_fragment(None);
    given == expected
}

/// The nonce of now. It tells nothing, and no memory is needed to know it again: the time, and a MAC over it.
pub(super) fn nonce(app: &App) -> String {
    nonce_of(app, app.now().div_euclid(NONCE_SLOT))
}

fn nonce_of(app: &App, slot: i64) -> String {
    let mac = crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/dpop-nonce\0", &slot.to_be_bytes()]);
    URL_SAFE_NO_PAD.encode(&mac.0[..16])
}

fn is_fresh(app: &App, nonce: &str, now: i64) -> bool {
    let slot = now.div_euclid(NONCE_SLOT);
    [slot, slot.saturating_sub(1)].iter().any(|slot| crypto::same(nonce_of(app, *slot).as_bytes(), nonce.as_bytes()))
}

/// The header with the nonce for the next proof.
pub(super) fn nonce_header(app: &App) -> Option<HeaderValue> {
    HeaderValue::from_str(&nonce(app)).ok()
}

fn refused(app: &App, description: &'static str) -> OidcError {
    OidcError { dpop_nonce: Some(nonce(app)), ..OidcError::new(Kind::InvalidDpopProof, description) }
}

fn nonce_wanted(app: &App) -> OidcError {
    let description = "Sign the proof again with the nonce of the DPoP-Nonce header.";
    OidcError { dpop_nonce: Some(nonce(app)), ..OidcError::new(Kind::UseDpopNonce, description) }
}

/// A key's thumbprint in `dpop_jkt` (RFC 9449, section 10).
///
/// # Errors
/// `invalid_request`.
pub fn wanted_key(params: &params::Params) -> Result<Option<Hash32>, OidcError> {
    let Some(text) = params.get("dpop_jkt") else { return Ok(None) };
    let jkt = Hash32::from_base64(text);
    jkt.map(Some).ok_or(OidcError::invalid("dpop_jkt must be a SHA-256 thumbprint, 43 characters of Base64url."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_compared_without_query_and_after_normalisation() {
        let at = |htu: &str| is_at(htu, "https://id.dk", "/token");
        for good in
            ["https://id.dk/token", "HTTPS://ID.dk:443/token", "https://id.dk/token?x=1#y", "https://id.dk/a/../token"]
        {
            assert!(at(good), "{good}");
        }
        for bad in [
            "http://id.dk/token",
            "https://id.dk/token/",
            "https://id.dk:8443/token",
            "https://id.dk/par",
            "/token",
            "",
        ] {
            assert!(!at(bad), "{bad}");
        }
    }
}
