//! The desk's JSON interface under `/admin/v1`, for those who have proofed a citizen's identity. Every request carries
//! the bearer token of `admin.token_file`.

mod citizens;
mod clients;
mod clock;
mod devices;
mod enrolments;
mod error;
mod fields;
mod means;
mod orders;

pub use error::{Refusal, json_error};

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::ops::secrets::AdminToken;

/// All desk routes, behind the token.
pub fn routes(app: Arc<App>, token: AdminToken) -> Router {
    let token = Arc::new(token);
    Router::new()
        .route("/admin/v1/citizens", post(citizens::create).get(citizens::list))
        .route("/admin/v1/citizens/{id}", get(citizens::show))
        .route("/admin/v1/users/{user_id}", get(citizens::by_user_id))
        .route("/admin/v1/citizens/{id}/block", post(citizens::block))
        .route("/admin/v1/citizens/{id}/unblock", post(citizens::unblock))
        .route("/admin/v1/citizens/{id}/history", get(citizens::history))
        .route("/admin/v1/citizens/{id}/devices", get(devices::list))
        .route("/admin/v1/citizens/{id}/activations", post(enrolments::hand_out))
        .route("/admin/v1/activations/{id}", get(enrolments::show))
        .route("/admin/v1/activations/{id}/digits", post(enrolments::digits))
        .route("/admin/v1/devices/{id}/block", post(devices::block))
        .route("/admin/v1/devices/{id}/unblock", post(devices::unblock))
        .route("/admin/v1/devices/{id}/remove", post(devices::remove))
        .route("/admin/v1/devices/{id}/pin-reset", post(enrolments::pin_reset))
        .route("/admin/v1/clients", post(clients::create).get(clients::list))
        .route("/admin/v1/clients/{id}", get(clients::show).put(clients::replace).delete(clients::remove))
        .route("/admin/v1/clients/{id}/secret", post(clients::new_secret))
        .route("/admin/v1/displays", post(means::import))
        .route("/admin/v1/citizens/{id}/means", get(means::list))
        .route("/admin/v1/citizens/{id}/display", post(means::assign))
        .route("/admin/v1/citizens/{id}/display/lost", post(means::lost))
        .route("/admin/v1/citizens/{id}/password", post(means::open_password))
        .route("/admin/v1/citizens/{id}/password/remove", post(means::remove_password))
        .route("/admin/v1/orders", get(orders::list))
        .route("/admin/v1/orders/{id}/handed", post(orders::handed))
        .route("/admin/v1/citizens/{id}/chip", post(means::open_chip))
        .route("/admin/v1/citizens/{id}/chip/lost", post(means::lost_chip))
        .route("/admin/v1/citizens/{id}/chip/remove", post(means::remove_chip))
        .route("/admin/v1/evidence/{id}", get(evidence))
        .route("/admin/v1/clock", post(clock::advance).get(clock::show))
        .layer(middleware::from_fn_with_state(token, guard))
        .with_state(app)
}

/// The evidence of a transaction, as a file that a third party verifies.
async fn evidence(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Response, Refusal> {
    let file = crate::evidence::export(&app, &id(&text)?).await?;
    Ok(([(CONTENT_TYPE, "application/cbor"), (CACHE_CONTROL, "no-store")], file).into_response())
}

async fn guard(State(token): State<Arc<AdminToken>>, request: Request, next: Next) -> Response {
    let presented = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = presented.and_then(|value| value.split_once(' '));
    match bearer {
        Some((scheme, value)) if scheme.eq_ignore_ascii_case("bearer") && token.matches(value.trim()) => {
            next.run(request).await
        }
        _ => Refusal::from(Code::Unauthorised).into_response(),
    }
}

/// Reads a JSON body; what is not expected is refused, an empty body is an empty object.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|_| Code::Malformed.into())
}

/// Reads an id from a path or query.
fn id(text: &str) -> Result<Id, Refusal> {
    Id::from_base64(text).ok_or_else(|| Code::NotFound.into())
}
