//! The letters, as a protected resource and as its client: who sends a token whose login is too weak or too old is told
//! which one would do, in the words of RFC 9470.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_netbank::challenge::Challenge;
use godkend_netbank::dpop;
use godkend_netbank::provider::{AccessToken, Introspected, Level};

use crate::Borger;

/// The resource.
pub(crate) const PATH: &str = "/api/letter";
/// What reading a letter takes: this level, by a login that is at most so many seconds old. Tokens live for five minutes.
const TAKES: Challenge = Challenge { level: Some(Level::Substantial), max_age: Some(180) };
const TEXT: &str = "Dit nye pas ligger klar. Du kan hente det i Borgerservice fra på mandag.";

/// `GET /api/letter`: the letter's text, or 401.
pub(crate) async fn serve(State(borger): State<Arc<Borger>>, headers: HeaderMap) -> Response {
    match judge(&borger, &headers).await {
        Ok(()) => ([(header::CACHE_CONTROL, "no-store")], TEXT).into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// How a token is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    /// RFC 6750, section 2.1.
    Bearer,
    /// RFC 9449, section 7.1.
    Dpop,
}

impl Scheme {
    /// A challenge's beginning, which also is the `token_type`.
    const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// Why there is no letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    /// No token came (RFC 6750, section 3.1: no error code either).
    NoToken,
    /// The token opens nothing here.
    Invalid(Scheme, &'static str),
    /// The proof is none for this request.
    Unproven,
    /// The login does not do.
    Insufficient(Scheme, &'static str),
    /// The identity server cannot be asked.
    Unavailable,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let refused = |scheme: Scheme, error: &str, why: &str| {
            format!("{} error=\"{error}\", error_description=\"{why}\"", scheme.name())
        };
        let challenge = match self {
            Self::NoToken => "Bearer, DPoP algs=\"ES256\"".to_owned(),
            Self::Invalid(scheme, why) => refused(scheme, "invalid_token", why),
            Self::Unproven => {
                let why = "A new proof by the token's key, for this request, is needed";
                format!("{}, algs=\"ES256\"", refused(Scheme::Dpop, "invalid_dpop_proof", why))
            }
            Self::Insufficient(scheme, why) => TAKES.write(scheme.name(), why),
            Self::Unavailable => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
        let headers = [(header::WWW_AUTHENTICATE, challenge), (header::CACHE_CONTROL, "no-store".to_owned())];
        (StatusCode::UNAUTHORIZED, headers).into_response()
    }
}

async fn judge(borger: &Borger, headers: &HeaderMap) -> Result<(), Refused> {
    let (scheme, token) = sent(headers)?;
    let told = borger.provider.introspect(&token).await.map_err(|_| Refused::Unavailable)?;
    let now = (borger.clock)();
    valid(&told, scheme)?;
    if let Some(jkt) = told.jkt() {
        let url = format!("{}{PATH}", borger.url);
        let request = dpop::Request { method: "GET", url: &url, token: Some(token.secret()) };
        let mut proofs = headers.get_all(dpop::HEADER).iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else { return Err(Refused::Unproven) };
        let proof = proof.to_str().ok().and_then(|proof| dpop::check(proof, &request, now)).ok_or(Refused::Unproven)?;
        if proof.jkt != jkt || !borger.proofs.first(proof, now) {
            return Err(Refused::Unproven);
        }
    }
    sufficient(&told, scheme, now)
}

/// The token of a request.
fn sent(headers: &HeaderMap) -> Result<(Scheme, AccessToken), Refused> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return Err(Refused::NoToken) };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    let known = [Scheme::Bearer, Scheme::Dpop].into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme));
    let scheme = known.filter(|_| !token.trim().is_empty()).ok_or(Refused::NoToken)?;
    Ok((scheme, AccessToken::new(token.trim().to_owned())))
}

/// Whether a token opens anything here, sent like this.
fn valid(told: &Introspected, scheme: Scheme) -> Result<(), Refused> {
    if !told.active {
        return Err(Refused::Invalid(scheme, "The token is unknown, revoked or too old, or not for this resource"));
    }
    // A bound token without its key's proof may be a stolen one.
    if !told.token_type.eq_ignore_ascii_case(scheme.name()) || told.jkt().is_some() != (scheme == Scheme::Dpop) {
        return Err(Refused::Invalid(scheme, "The token is sent in the other scheme"));
    }
    Ok(())
}

/// Whether the login behind a token does for a letter.
fn sufficient(told: &Introspected, scheme: Scheme, now: i64) -> Result<(), Refused> {
    if told.level() < TAKES.level {
        return Err(Refused::Insufficient(scheme, "A letter takes a better login"));
    }
    let age = told.auth_time.map(|at| u64::try_from(now.saturating_sub(at)).unwrap_or(0));
    if age.is_none() || age > TAKES.max_age {
        return Err(Refused::Insufficient(scheme, "A letter takes a newer login"));
    }
    Ok(())
}

/// What came of asking for a letter.
pub(crate) enum Fetched {
    /// Its text.
    Letter(String),
    /// Another login is needed.
    Insufficient(Challenge),
    /// The token is good no more.
    Ended,
    /// No answer, or none that says anything.
    Unreachable,
}

/// Asks the resource, as any client of it does: over HTTP, with a token.
pub(crate) async fn fetch(borger: &Borger, token: &AccessToken) -> Fetched {
    let url = format!("{}{PATH}", borger.url);
    let Ok(reply) = borger.provider.open(&url, token).await else { return Fetched::Unreachable };
    if reply.status() == StatusCode::UNAUTHORIZED {
        let challenge = reply.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        return challenge.and_then(Challenge::read).map_or(Fetched::Ended, Fetched::Insufficient);
    }
    if !reply.status().is_success() {
        return Fetched::Unreachable;
    }
    reply.text().await.map_or(Fetched::Unreachable, Fetched::Letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(level: Level, more: &str) -> Introspected {
        let text = format!(r#"{{"active":true,"token_type":"Bearer","acr":"{}","auth_time":1000{more}}}"#, level.uri());
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn level_and_age_of_the_login_decide() {
        let judged = |told: &Introspected, now| match sufficient(told, Scheme::Bearer, now) {
            Ok(()) => "",
            Err(Refused::Insufficient(Scheme::Bearer, why)) => why,
            Err(other) => panic!("{other:?}"),
        };
        let (better, newer) = ("A letter takes a better login", "A letter takes a newer login");
        assert_eq!(judged(&told(Level::Substantial, ""), 1000), "");
        assert_eq!(judged(&told(Level::High, ""), 1180), "");
        // A clock that is behind the identity server's.
        assert_eq!(judged(&told(Level::Substantial, ""), 900), "");
        assert_eq!(judged(&told(Level::Low, ""), 1000), better);
        assert_eq!(judged(&told(Level::High, ""), 1181), newer);
        let asked = format!(r#","godkend.asked_acr":"{}""#, Level::Low.uri());
        assert_eq!(judged(&told(Level::High, &asked), 1000), better);
        let undated = r#"{"active":true,"token_type":"Bearer","acr":"https://data.gov.dk/concept/core/nsis/High"}"#;
        assert_eq!(judged(&serde_json::from_str(undated).unwrap(), 1000), newer);
    }

    #[test]
    fn what_opens_nothing_is_an_invalid_token_whatever_is_said_beside() {
        let mut inactive = told(Level::High, "");
        inactive.active = false;
        let bound = |kind: &str| {
            let mut bound = told(Level::High, r#","cnf":{"jkt":"x"}"#);
            bound.token_type = kind.to_owned();
            bound
        };
        for (one, scheme) in [
            (inactive, Scheme::Bearer),
            (bound("DPoP"), Scheme::Bearer),
            (bound("Bearer"), Scheme::Bearer),
            (told(Level::High, ""), Scheme::Dpop),
            (Introspected::default(), Scheme::Bearer),
        ] {
            assert!(matches!(valid(&one, scheme), Err(Refused::Invalid(..))), "{one:?}");
        }
        assert_eq!(valid(&told(Level::High, ""), Scheme::Bearer), Ok(()));
        assert_eq!(valid(&bound("DPoP"), Scheme::Dpop), Ok(()));
    }

    #[test]
    fn a_token_stands_in_its_header_alone_and_once() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            sent(&headers).map(|(scheme, token)| (scheme, token.secret().clone()))
        };
        assert_eq!(of(&["bearer abc"]), Ok((Scheme::Bearer, "abc".to_owned())));
        assert_eq!(of(&["DPOP  abc"]), Ok((Scheme::Dpop, "abc".to_owned())));
        for bad in [&[][..], &["Bearer"], &["Bearer "], &["Basic abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(bad), Err(Refused::NoToken), "{bad:?}");
        }
    }
}
