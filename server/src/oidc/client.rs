//! Who the client is: `client_secret_basic`, `client_secret_post`, `private_key_jwt` (RFC 7523), or a public client (RFC
//! 6749, section 2.3).

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_protocol::crypto;
use serde_json::Value;

use super::error::{Kind, OidcError};
use super::jws::{Jwk, Jws};
use super::params::Params;
use super::records::{RegisteredClient, UsedToken};
use super::{issuer, metadata};
use crate::app::App;
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::error::ApiError;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest life of an assertion, seconds.
const LONGEST_ASSERTION: i64 = 300;
/// How far a client's clock may be ahead, seconds.
const SKEW: i64 = 60;

/// A client by its identifier: of the configuration file, or registered by a desk.
///
/// # Errors
/// If the store cannot answer.
pub async fn find(app: &App, client_id: &str) -> Result<Option<Arc<RelyingParty>>, ApiError> {
    if let Some(party) = app.config.relying_party.iter().find(|party| party.client_id == client_id) {
        return Ok(Some(Arc::new(party.clone())));
    }
    // What cannot be a name is not looked up.
    if client_id.is_empty() || client_id.len() > 64 {
        return Ok(None);
    }
    let found = docs::get::<RegisteredClient>(&*app.store, client_id.as_bytes()).await?;
    Ok(found.map(|entry| Arc::new(entry.doc.party)))
}

/// How a request names its client, and what it shows for it.
#[derive(Debug)]
struct Presented {
    id: String,
    proof: Credential,
}

#[derive(Debug)]
enum Credential {
    None,
    Secret(String),
    Assertion(String),
}

fn refused() -> OidcError {
    OidcError::new(Kind::InvalidClient, "The client is unknown, or what it shows for itself is wrong or too old.")
}

/// Authenticates the client of a back-channel request.
///
/// # Errors
/// `invalid_client`, the same whatever was wrong; `invalid_request` for two ways at once.
pub async fn authenticate(app: &App, headers: &HeaderMap, params: &Params) -> Result<Arc<RelyingParty>, OidcError> {
    let Presented { id, proof } = presented(headers, params)?;
    let party = find(app, &id).await?;
    match proof {
        Credential::Assertion(text) => {
            let party = party.ok_or_else(refused)?;
            let used = assertion(&text, &party, issuer(app), app.now()).ok_or_else(refused)?;
            let mut changes = Changes::new();
            changes.insert(&used);
            // An assertion is good once; of two that come together, one is refused.
            let committed = changes.commit(&*app.store).await;
            committed.map_err(|error| if error.is_conflict() { refused() } else { error.into() })?;
            Ok(party)
        }
        Credential::Secret(secret) => {
            let right = has_secret(party.as_deref(), &secret);
            party.filter(|_| right).ok_or_else(refused)
        }
        Credential::None => {
            has_secret(None, "");
            party.filter(|party| !party.is_confidential()).ok_or_else(refused)
        }
    }
}

fn presented(headers: &HeaderMap, params: &Params) -> Result<Presented, OidcError> {
    let basic = match headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>().as_slice() {
        [] => None,
        [value] => Some(value.to_str().ok().and_then(basic).ok_or_else(refused)?),
        _ => return Err(OidcError::invalid("The Authorization header stands there twice.")),
    };
    let assertion = params.get("client_assertion");
    let ways = [basic.is_some(), params.get("client_secret").is_some(), assertion.is_some()];
    if ways.iter().filter(|way| **way).count() > 1 {
        return Err(OidcError::invalid("Authenticate the client in one way only."));
    }
    let named = params.get("client_id");
    let (id, proof) = if let Some((id, secret)) = basic {
        (id, Credential::Secret(secret))
    } else if let Some(text) = assertion {
        if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(OidcError::invalid(
                "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            ));
        }
        let id = Jws::parse(text).and_then(|token| token.text("sub").map(str::to_owned)).ok_or_else(refused)?;
        (id, Credential::Assertion(text.to_owned()))
    } else {
        let secret = params.get("client_secret").map(str::to_owned);
        let id = params.need("client_id", "client_id is missing.")?.to_owned();
        (id, secret.map_or(Credential::None, Credential::Secret))
    };
    if named.is_some_and(|other| other != id) {
        return Err(OidcError::invalid("client_id is not the client that authenticates."));
    }
    Ok(Presented { id, proof })
}

/// Compared whether or not the client is known, so that the time tells nothing.
fn has_secret(party: Option<&RelyingParty>, secret: &str) -> bool {
    let presented = crypto::sha256(&[secret.as_bytes()]);
    let stored = party.and_then(|party| party.client_secret_sha256.as_deref());
    let mut expected = [0; 32];
    let readable = stored.is_some_and(|text| hex::decode_to_slice(text, &mut expected).is_ok());
    crypto::same(&presented.0, &expected) && readable
}

/// A client's assertion (RFC 7523, section 3): signed by one of its keys, for this server, for a few minutes, once.
fn assertion(text: &str, party: &RelyingParty, issuer: &str, now: i64) -> Option<UsedToken> {
    let token = Jws::parse(text)?;
    let keys: Vec<Jwk> = party.keys.iter().filter_map(|key| Jwk::parse(key)).collect();
    let kid = token.header_text("kid");
    // A name only chooses among the client's keys; one that none of them has chooses nothing.
    let named = |key: &&Jwk| kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid;
    if !keys.iter().filter(named).any(|key| token.verify(&key.key)) {
        return None;
    }
    let id = party.client_id.as_str();
    let times = token.time("exp").is_some_and(|exp| exp > now && exp <= now.saturating_add(LONGEST_ASSERTION + SKEW))
        && token.claims.get("iat").is_none_or(|_| token.time("iat").is_some_and(|iat| iat <= now.saturating_add(SKEW)))
        && token.claims.get("nbf").is_none_or(|_| token.time("nbf").is_some_and(|nbf| nbf <= now.saturating_add(SKEW)));
    let for_us = |audience: &str| {
        audience == issuer
            || [metadata::TOKEN_PATH, metadata::PAR_PATH, metadata::CIBA_PATH, metadata::INTROSPECTION_PATH]
                .iter()
                .any(|path| audience.strip_prefix(issuer) == Some(path))
    };
    let audience = match token.claims.get("aud")? {
        Value::String(one) => for_us(one),
        Value::Array(several) => several.iter().any(|one| one.as_str().is_some_and(for_us)),
        _ => false,
    };
    let name = token.text("jti").filter(|jti| !jti.is_empty() && jti.len() <= 255)?;
    let good = token.text("iss") == Some(id) && token.text("sub") == Some(id) && times && audience;
    let hash = crypto::labelled_hash("godkend/1/assertion-jti", &[id.as_bytes(), b"\0", name.as_bytes()]);
    good.then(|| UsedToken { hash, expires: now.saturating_add(2 * (LONGEST_ASSERTION + SKEW)) })
}

fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id)?, decoded(secret)?))
}

/// Both halves are form-encoded (RFC 6749, section 2.3.1).
fn decoded(text: &str) -> Option<String> {
    let pair = format!("={}", text.replace('&', "%26"));
    let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ops::secrets::P256Key;

    fn try_with(authorization: Option<&str>, body: &str) -> Result<String, Kind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let params = Params::parse(body.as_bytes()).unwrap();
        let bank = RelyingParty {
            client_id: "bank".to_owned(),
            client_secret_sha256: Some(hex::encode(crypto::sha256(&[b"s3cr+et:&%"]).0)),
            ..RelyingParty::default()
        };
        let found = presented(&headers, &params).map_err(|error| error.kind)?;
        match found.proof {
            Credential::Secret(secret) if found.id == "bank" && has_secret(Some(&bank), &secret) => Ok(found.id),
            Credential::None if found.id == "app" => Ok(found.id),
            _ => Err(Kind::InvalidClient),
        }
    }

    fn header(id: &str, secret: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
    }

    #[test]
    fn basic_and_post_are_taken_and_the_secret_is_form_encoded() {
        assert_eq!(try_with(Some(&header("bank", "s3cr%2Bet%3A%26%25")), ""), Ok("bank".to_owned()));
        assert_eq!(try_with(None, "client_id=bank&client_secret=s3cr%2Bet%3A%26%25"), Ok("bank".to_owned()));
        assert_eq!(try_with(None, "client_id=app"), Ok("app".to_owned()));
    }

    #[test]
    fn everything_else_is_refused() {
        for (authorization, body, why) in [
            (Some(header("bank", "wrong")), "", Kind::InvalidClient),
            (Some(header("nobody", "s3cr%2Bet%3A%26%25")), "", Kind::InvalidClient),
            (Some("Bearer x".to_owned()), "client_id=app", Kind::InvalidClient),
            (Some("Basic ?".to_owned()), "client_id=app", Kind::InvalidClient),
            (Some(header("bank", "s3cr%2Bet%3A%26%25")), "client_secret=x", Kind::InvalidRequest),
            (Some(header("bank", "s3cr%2Bet%3A%26%25")), "client_assertion=x", Kind::InvalidRequest),
            (Some(header("bank", "s3cr%2Bet%3A%26%25")), "client_id=app", Kind::InvalidRequest),
            (None, "client_id=bank", Kind::InvalidClient),
            (None, "client_id=bank&client_secret=wrong", Kind::InvalidClient),
            (None, "client_id=app&client_secret=x", Kind::InvalidClient),
            (None, "client_id=nobody", Kind::InvalidClient),
            (None, "client_assertion=x", Kind::InvalidRequest),
            (
                None,
                "client_assertion=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
                Kind::InvalidClient,
            ),
            (None, "", Kind::InvalidRequest),
        ] {
            assert_eq!(try_with(authorization.as_deref(), body), Err(why), "{authorization:?} {body}");
        }
    }

    #[test]
    fn an_assertion_is_the_clients_own_for_this_server_and_for_a_short_time() {
        let now = 1_795_392_000;
        let key = P256Key::generate(&mut crate::ops::tls::system_random()).unwrap();
        let party = RelyingParty {
            client_id: "bank".to_owned(),
            keys: vec![metadata::jwk(&key).to_string()],
            ..RelyingParty::default()
        };
        let good = json!({
            "iss": "bank", "sub": "bank", "aud": "https://id.dk", "exp": now + 60, "iat": now, "jti": "1",
        });
        let check = |claims: &Value, kid: &str| {
            let text = super::super::jwt::sign(&key, kid, claims).unwrap();
            assertion(&text, &party, "https://id.dk", now).is_some()
        };
        let kid = metadata::key_id(&key);
        assert!(check(&good, &kid));
        for (name, value) in [
            ("aud", json!("https://id.dk/token")),
            ("aud", json!("https://id.dk/introspect")),
            ("aud", json!(["https://other.dk", "https://id.dk/par"])),
            ("iat", json!(now + 30)),
            ("exp", json!(now + 300)),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert!(check(&claims, &kid), "{name} {value}");
        }
        for (name, value) in [
            ("iss", json!("other")),
            ("sub", json!("other")),
            ("aud", json!("https://other.dk")),
            ("aud", json!("https://id.dk/authorize")),
            ("aud", json!(["https://id.dk.evil.dk"])),
            ("aud", json!(null)),
            ("exp", json!(now)),
            ("exp", json!(now + 3_600)),
            ("exp", json!("soon")),
            ("iat", json!(now + 120)),
            ("nbf", json!(now + 120)),
            ("jti", json!("")),
            ("jti", json!(5)),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert!(!check(&claims, &kid), "{name} {value}");
        }
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            assert!(!check(&claims, &kid), "{name}");
        }
        assert!(!check(&good, "another key's name"));
        let other = P256Key::generate(&mut crate::ops::tls::system_random()).unwrap();
        let forged = super::super::jwt::sign(&other, &kid, &good).unwrap();
        assert!(assertion(&forged, &party, "https://id.dk", now).is_none());
    }
}
