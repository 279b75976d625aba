//! Who asks: a person with a good token of their own site, and how what they ask is refused.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::types::Level;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::json_error;
use crate::app::App;
use crate::error::ApiError;
use crate::oidc::access::{self, Access, Refused};

/// What everything here takes.
const LEVEL: Level = Level::Substantial;
/// Requests of one person in a minute.
const PER_MINUTE: u32 = 120;

/// A person whose token is good, and was given at Substantial or more.
pub(super) struct Caller(pub(super) Access);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = No;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, No> {
        let access = access::check(app, &parts.headers, parts.method.as_str(), parts.uri.path()).await?;
        // Also a client that is registered for it no more, whatever its tokens say.
        if !access.token.ask.self_service || !access.party.self_service {
            let description = "The token was not given for the scope self_service.";
            return Err(access.refused(StatusCode::FORBIDDEN, "insufficient_scope", description).into());
        }
        // As old as a token can be.
        let age = i64::try_from(app.config.self_service.token_seconds).unwrap_or(i64::MAX);
        access.demand(LEVEL, age.saturating_add(60), app.now())?;
        app.throttle.take("citizen", &access.account.id.to_base64(), PER_MINUTE, app.clock.now_ms())?;
        Ok(Self(access))
    }
}

impl Caller {
    /// Whose affairs they are.
    pub(super) fn account(&self) -> &Id {
        &self.0.account.id
    }

    /// Demands a login of the last minutes, for what adds, removes or sets something.
    pub(super) fn fresh(&self, app: &App) -> Result<(), No> {
        self.fresh_at(app, LEVEL)
    }

    /// [`Self::fresh`], at this level or more.
    pub(super) fn fresh_at(&self, app: &App, level: Level) -> Result<(), No> {
        let age = i64::try_from(app.config.self_service.fresh_seconds).unwrap_or(i64::MAX);
        Ok(self.0.demand(level.max(LEVEL), age, app.now())?)
    }

    /// The answer.
    pub(super) fn answer(&self, body: Value) -> Response {
        self.0.answer(Json(body))
    }
}

/// Why something is not told or done.
pub(super) enum No {
    /// The token, its level or its age (RFC 6750, RFC 9470).
    Token(Box<Refused>),
    /// As anywhere else: a stable code, and a sentence in both languages.
    Refused(ApiError),
}

/// An answer or a refusal.
pub(super) type Reply = Result<Response, No>;

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Token(Box::new(refused))
    }
}

impl From<ApiError> for No {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<Code> for No {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Token(refused) => refused.into_response(),
            Self::Refused(error) => json_error(&error),
        }
    }
}

/// Reads a JSON body; what is not expected is refused, an empty body is an empty object.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, No> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|_| Code::Malformed.into())
}

/// Reads an id from a path or query; what is none names nothing.
pub(super) fn id(text: &str) -> Result<Id, No> {
    Id::from_base64(text).ok_or_else(|| Code::NotFound.into())
}
