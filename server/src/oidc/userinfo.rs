//! What an access token tells (OpenID Connect Core, section 5.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use serde_json::Value;

use super::access::{self, Refused};
use super::{claims, issuer, metadata};
use crate::app::App;

/// `GET` and `POST /userinfo`: of the ID token's claims those that are about the person.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let access = access::check(&app, &headers, method.as_str(), metadata::USERINFO_PATH).await?;
    let issue = claims::Issue {
        issuer: issuer(&app),
        party: &access.party,
        pairwise: &app.keys.pairwise,
        now: app.now(),
        lifetime: 0,
        access_token: None,
        auth_req_id: None,
    };
    let mut told = claims::id_token(&issue, &access.account, &access.token.grant, &access.token.ask);
    for about_the_token in ["iss", "aud", "exp", "iat", "nonce", "sid"] {
        told.remove(about_the_token);
    }
    Ok(access.answer(Json(Value::Object(told))))
}
