//! Who the client is: `client_secret_basic`, `client_secret_post`, or a public client (RFC 6749, section 2.3).

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_protocol::crypto;

use super::error::{Kind, OidcError};
use super::params::Params;
use crate::config::{Config, RelyingParty};

/// A client by its identifier.
#[must_use]
pub fn find<'a>(config: &'a Config, client_id: &str) -> Option<&'a RelyingParty> {
    config.relying_party.iter().find(|party| party.client_id == client_id)
}

/// Authenticates the client of a back-channel request.
///
/// # Errors
/// `invalid_client`, the same whatever was wrong; `invalid_request` for two ways at once.
pub fn authenticate<'a>(
    config: &'a Config,
    headers: &HeaderMap,
    params: &Params,
) -> Result<&'a RelyingParty, OidcError> {
    let refused = OidcError::new(Kind::InvalidClient, "The client is unknown, or its secret is wrong.");
    let basic = match headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>().as_slice() {
        [] => None,
        [value] => Some(value.to_str().ok().and_then(basic).ok_or_else(|| refused.clone())?),
        _ => return Err(OidcError::invalid("The Authorization header stands there twice.")),
    };
    let (id, secret) = match basic {
        Some((id, secret)) => {
            if params.get("client_secret").is_some() {
                return Err(OidcError::invalid("Authenticate the client in one way only."));
            }
            if params.get("client_id").is_some_and(|other| other != id) {
                return Err(OidcError::invalid("client_id is not the client that authenticates."));
            }
            (id, Some(secret))
        }
        None => (
            params.need("client_id", "client_id is missing.")?.to_owned(),
            params.get("client_secret").map(str::to_owned),
        ),
    };
    let party = find(config, &id);
    // Compared whether or not the client is known, so that the time tells nothing.
    let presented = crypto::sha256(&[secret.as_deref().unwrap_or_default().as_bytes()]);
    let stored = party.and_then(|party| party.client_secret_sha256.as_deref());
    let mut expected = [0; 32];
    let readable = stored.is_some_and(|text| hex::decode_to_slice(text, &mut expected).is_ok());
    let same = crypto::same(&presented.0, &expected) && readable;
    match party {
        Some(party) if stored.is_none() && secret.is_none() => Ok(party),
        Some(party) if secret.is_some() && same => Ok(party),
        _ => Err(refused),
    }
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
    use super::*;

    fn config() -> Config {
        let hash = hex::encode(crypto::sha256(&[b"s3cr+et:&%"]).0);
        let party = |id: &str, secret: Option<String>| RelyingParty {
            client_id: id.to_owned(),
            client_secret_sha256: secret,
            redirect_uris: vec!["https://a.dk/cb".to_owned()],
            name: "A".to_owned(),
            sector: None,
            levels: vec![],
            cpr: crate::config::Cpr::None,
            ciba: false,
        };
        let mut config = Config::default();
        config.relying_party = vec![party("bank", Some(hash)), party("app", None)];
        config
    }

    fn try_with(authorization: Option<&str>, body: &str) -> Result<String, Kind> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let config = config();
        let params = Params::parse(body.as_bytes()).unwrap();
        authenticate(&config, &headers, &params).map(|party| party.client_id.clone()).map_err(|e| e.kind)
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
            (Some(header("bank", "s3cr%2Bet%3A%26%25")), "client_id=app", Kind::InvalidRequest),
            (None, "client_id=bank", Kind::InvalidClient),
            (None, "client_id=bank&client_secret=wrong", Kind::InvalidClient),
            (None, "client_id=app&client_secret=x", Kind::InvalidClient),
            (None, "client_id=nobody", Kind::InvalidClient),
            (None, "", Kind::InvalidRequest),
        ] {
            assert_eq!(try_with(authorization.as_deref(), body), Err(why), "{authorization:?} {body}");
        }
    }
}
