//! The letters, as a protected resource and as its client: who sends a token whose login is too weak or too old is told
//! which one would do, in the words of RFC 9470.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_netbank::challenge::Challenge;
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

/// Why there is no letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refused {
    /// No token came (RFC 6750, section 3.1: no error code either).
    NoToken,
    /// The token opens nothing here.
    Invalid(&'static str),
    /// The login does not do.
    Insufficient(&'static str),
    /// The identity server cannot be asked.
    Unavailable,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let challenge = match self {
            Self::NoToken => "Bearer".to_owned(),
            Self::Invalid(why) => format!("Bearer error=\"invalid_token\", error_description=\"{why}\""),
            Self::Insufficient(why) => TAKES.write("Bearer", why),
            Self::Unavailable => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        };
        let headers = [(header::WWW_AUTHENTICATE, challenge), (header::CACHE_CONTROL, "no-store".to_owned())];
        (StatusCode::UNAUTHORIZED, headers).into_response()
    }
}

async fn judge(borger: &Borger, headers: &HeaderMap) -> Result<(), Refused> {
    let token = bearer(headers)?;
    let told = borger.provider.introspect(&token).await.map_err(|_| Refused::Unavailable)?;
    sufficient(&told, (borger.clock)())
}

/// The token of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<AccessToken, Refused> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return Err(Refused::NoToken) };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(Refused::NoToken);
    }
    Ok(AccessToken::new(token.trim().to_owned()))
}

/// Whether the login behind a token does for a letter.
fn sufficient(told: &Introspected, now: i64) -> Result<(), Refused> {
    if !told.active {
        return Err(Refused::Invalid("The token is unknown, revoked or too old, or not for this resource"));
    }
    if !told.token_type.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Invalid("The token is bound to a key and is no bearer token"));
    }
    if told.level() < TAKES.level {
        return Err(Refused::Insufficient("A letter takes a better login"));
    }
    let age = told.auth_time.map(|at| u64::try_from(now.saturating_sub(at)).unwrap_or(0));
    if age.is_none() || age > TAKES.max_age {
        return Err(Refused::Insufficient("A letter takes a newer login"));
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
    let Ok(reply) = borger.provider.http().get(url).bearer_auth(token.secret()).send().await else {
        return Fetched::Unreachable;
    };
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
        let judged = |level, now| sufficient(&told(level, ""), now).err();
        assert_eq!(judged(Level::Substantial, 1000), None);
        assert_eq!(judged(Level::High, 1180), None);
        // A clock that is behind the identity server's.
        assert_eq!(judged(Level::Substantial, 900), None);
        assert!(matches!(judged(Level::Low, 1000), Some(Refused::Insufficient(why)) if why.contains("better")));
        assert!(matches!(judged(Level::High, 1181), Some(Refused::Insufficient(why)) if why.contains("newer")));
        let asked = format!(r#","godkend.asked_acr":"{}""#, Level::Low.uri());
        assert!(matches!(sufficient(&told(Level::High, &asked), 1000), Err(Refused::Insufficient(_))));
        let undated = r#"{"active":true,"token_type":"Bearer","acr":"https://data.gov.dk/concept/core/nsis/High"}"#;
        let undated: Introspected = serde_json::from_str(undated).unwrap();
        assert!(matches!(sufficient(&undated, 1000), Err(Refused::Insufficient(_))));
    }

    #[test]
    fn what_opens_nothing_is_an_invalid_token_whatever_is_said_beside() {
        let mut inactive = told(Level::High, "");
        inactive.active = false;
        let mut bound = told(Level::High, "");
        bound.token_type = "DPoP".to_owned();
        for one in [inactive, bound, Introspected::default()] {
            assert!(matches!(sufficient(&one, 1000), Err(Refused::Invalid(_))), "{one:?}");
        }
    }

    #[test]
    fn a_token_stands_in_its_header_alone_and_once() {
        let of = |values: &[&str]| {
            let headers = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
            let headers = headers.fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            });
            bearer(&headers).map(|token| token.secret().clone())
        };
        assert_eq!(of(&["bearer abc"]), Ok("abc".to_owned()));
        for bad in [&[][..], &["Bearer"], &["Bearer "], &["Basic abc"], &["Bearer a", "Bearer b"]] {
            assert_eq!(of(bad), Err(Refused::NoToken), "{bad:?}");
        }
    }
}
