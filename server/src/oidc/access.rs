//! Access tokens: what they open, and what a request without a good one is told (RFC 6750, section 3; RFC 9449, section
//! 7.1; RFC 9470, section 3).

use core::fmt::Write as _;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::types::Level;
use serde_json::json;

use super::error::OidcError;
use super::records::{AccessToken, secret_hash};
use super::session::Member;
use super::{client, dpop};
use crate::app::App;
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::Account;

/// Whose token it is, and what it was given for.
pub(crate) struct Access {
    pub(crate) token: AccessToken,
    pub(crate) account: Account,
    pub(crate) party: Arc<RelyingParty>,
    nonce: Option<HeaderValue>,
}

impl Access {
    /// The answer; with the nonce for the next proof where there was one.
    pub(crate) fn answer(&self, body: impl IntoResponse) -> Response {
        let mut response = body.into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(nonce) = &self.nonce {
            response.headers_mut().insert(dpop::NONCE_HEADER, nonce.clone());
        }
        response
    }

    /// Demands a login at this level, at most so many seconds ago.
    pub(crate) fn demand(&self, level: Level, max_age: i64, now: i64) -> Result<(), Refused> {
        let grant = &self.token.grant;
        if grant.level >= level && now.saturating_sub(grant.at) <= max_age {
            return Ok(());
        }
        let description = "Sign the person in again with the acr_values and max_age of this challenge.";
        let step_up = Some((level, max_age));
        Err(Refused {
            step_up,
            ..self.refused(StatusCode::UNAUTHORIZED, "insufficient_user_authentication", description)
        })
    }

    /// Forgets the token: it opens nothing more.
    pub(crate) async fn end(&self, app: &App) -> Result<(), ApiError> {
        let Some(token) = docs::get::<AccessToken>(&*app.store, &self.token.hash.0).await? else { return Ok(()) };
        let mut changes = Changes::new();
        changes.delete(&token);
        match changes.commit(&*app.store).await {
            // Somebody else ended it.
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// A refusal of what a good token asks.
    pub(crate) fn refused(&self, status: StatusCode, error: &'static str, description: &'static str) -> Refused {
        let scheme = if self.token.jkt.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        let nonce = self.nonce.clone();
        Refused { status, scheme: Some(scheme), error, description, step_up: None, nonce, retry_after: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Bearer,
    Dpop,
}

/// Why a protected resource is not opened.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    /// How the token was sent; none where there was none.
    scheme: Option<Scheme>,
    error: &'static str,
    description: &'static str,
    step_up: Option<(Level, i64)>,
    nonce: Option<HeaderValue>,
    retry_after: Option<u32>,
}

impl Refused {
    fn token(scheme: Option<Scheme>, description: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            scheme,
            error: "invalid_token",
            description,
            step_up: None,
            nonce: None,
            retry_after: None,
        }
    }

    fn challenge(&self) -> String {
        let mut text = match self.scheme {
            // No token, no error code (RFC 6750, section 3.1).
            None => return "Bearer realm=\"godkend\", DPoP realm=\"godkend\", algs=\"ES256\"".to_owned(),
            Some(Scheme::Bearer) => "Bearer realm=\"godkend\"".to_owned(),
            Some(Scheme::Dpop) => "DPoP realm=\"godkend\", algs=\"ES256\"".to_owned(),
        };
        let _ = write!(text, ", error=\"{}\", error_description=\"{}\"", self.error, self.description);
        if let Some((level, max_age)) = self.step_up {
            let _ = write!(text, ", acr_values=\"{}\", max_age=\"{max_age}\"", level.uri());
        }
        text
    }
}

impl Refused {
    /// With the seconds until it is worth trying again.
    pub(crate) fn after(self, seconds: i64) -> Self {
        Self { retry_after: u32::try_from(seconds).ok(), ..self }
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            retry_after: error.retry_after,
            ..Self::token(None, "The server cannot answer now; try again shortly.")
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let challenge = HeaderValue::from_str(&self.challenge());
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED
            && let Ok(challenge) = challenge
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(nonce) = self.nonce {
            headers.insert(dpop::NONCE_HEADER, nonce);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Judges the token of a request to `path`.
pub(crate) async fn check(app: &App, headers: &HeaderMap, method: &str, path: &str) -> Result<Access, Refused> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (sent.next(), sent.next());
    let Some(value) = first else { return Err(Refused::token(None, "The Authorization header is missing.")) };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(Refused::token(None, "The scheme must be Bearer or DPoP.")),
    };
    let unknown = || Refused::token(Some(scheme), "The access token is unknown, revoked or too old.");
    if second.is_some() || token.is_empty() {
        return Err(unknown());
    }
    let Alive { token: found, account, party } = alive(app, token.trim()).await?.ok_or_else(unknown)?;
    let mut nonce = None;
    match (scheme, found.jkt) {
        (Scheme::Bearer, None) => {}
        (Scheme::Dpop, Some(jkt)) => {
            nonce = dpop::nonce_header(app);
            let refused = |error: OidcError| Refused {
                error: error.kind.as_str(),
                nonce: dpop::nonce_header(app),
                ..Refused::token(Some(scheme), error.description)
            };
            let proof = dpop::proof(app, headers, method, path, Some(token.trim())).await.map_err(refused)?;
            let proof = proof.ok_or_else(|| Refused::token(Some(scheme), "The DPoP header is missing."))?;
            if proof.jkt != jkt {
                return Err(Refused::token(Some(scheme), "The token is bound to another key."));
            }
            let mut changes = Changes::new();
            proof.spend(&mut changes);
            changes.commit(&*app.store).await.map_err(|error| {
                if error.is_conflict() {
                    Refused::token(Some(scheme), "The proof was used already.")
                } else {
                    error.into()
                }
            })?;
        }
        (Scheme::Bearer, Some(_)) => {
            return Err(Refused::token(Some(scheme), "The token is bound to a key: send it with DPoP."));
        }
        (Scheme::Dpop, None) => {
            return Err(Refused::token(Some(scheme), "The token is not bound to a key: send it as Bearer."));
        }
    }
    Ok(Access { token: found, account, party, nonce })
}

/// A token that opens something, with its person and its client.
pub(super) struct Alive {
    pub(super) token: AccessToken,
    pub(super) account: Account,
    pub(super) party: Arc<RelyingParty>,
}

/// Finds a token by what was handed out; none once its time, its session, its client or its person's access has ended.
pub(super) async fn alive(app: &App, token: &str) -> Result<Option<Alive>, ApiError> {
    let found = docs::get::<AccessToken>(&*app.store, &secret_hash(token).0).await?;
    let Some(token) = found.map(|entry| entry.doc).filter(|token| app.now() < token.expires) else { return Ok(None) };
    if let Some(sid) = &token.grant.sid
        && docs::get::<Member>(&*app.store, &sid.0).await?.is_none()
    {
        return Ok(None);
    }
    let Some(account) = docs::get::<Account>(&*app.store, &token.grant.account.0).await? else { return Ok(None) };
    let Some(party) = client::find(app, &token.ask.client_id).await? else { return Ok(None) };
    let void = account.doc.blocked || account.doc.disputes(token.grant.at);
    Ok((!void).then_some(Alive { token, account: account.doc, party }))
}
