//! The OpenID provider: discovery, pushed requests, the code flow and CIBA.
//!
//! OpenID Connect Core 1.0 and Discovery 1.0, PKCE (RFC 7636), PAR (RFC 9126), the issuer in the authorisation response
//! (RFC 9207), payments in `authorization_details` (RFC 9396), tokens bound to keys (DPoP, RFC 9449), introspection (RFC
//! 7662), step-up (RFC 9470), CIBA in poll and ping mode, logout. The pages that a person sees are in [`crate::web`].

pub(crate) mod access;
mod ciba;
pub mod claims;
pub mod client;
pub mod code;
pub mod cpr_match;
pub mod dpop;
pub mod error;
pub mod hint;
mod introspection;
pub mod jws;
pub mod jwt;
mod metadata;
pub mod notify;
pub mod outbound;
mod par;
pub mod params;
pub mod payment;
pub mod records;
pub mod request;
pub mod session;
mod token;
mod userinfo;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use metadata::LOGOUT_PATH;
pub use par::take_pushed;
pub use records::KINDS;

use crate::app::App;
use crate::ops::even::evenly;

/// The provider's routes.
pub fn routes(app: Arc<App>) -> Router {
    jwt::install();
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(metadata::configuration))
        .route(metadata::JWKS_PATH, get(metadata::jwks))
        .route(metadata::PAR_PATH, post(par::handle))
        .route(metadata::TOKEN_PATH, post(token::handle))
        .route(metadata::CIBA_PATH, evenly(post(ciba::handle)))
        .route(metadata::USERINFO_PATH, get(userinfo::handle).post(userinfo::handle))
        .route(metadata::INTROSPECTION_PATH, post(introspection::handle))
        .route(metadata::CPR_MATCH_PATH, post(cpr_match::handle));
    crate::ops::request::limit_body(router.with_state(app.clone()), app.config.limits.form_bytes)
}

/// `iss`: the public origin, without a slash at its end.
#[must_use]
pub fn issuer(app: &App) -> &str {
    app.config.server.public_url.trim_end_matches('/')
}

/// Reads a form request's body.
pub(crate) fn form(headers: &axum::http::HeaderMap, body: &[u8]) -> Result<params::Params, error::OidcError> {
    let kind = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(error::OidcError::invalid("The body must be application/x-www-form-urlencoded."));
    }
    params::Params::parse(body)
}
