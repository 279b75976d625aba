//! A citizen's own affairs, for the citizen's own site: JSON under `/citizen/v1` (`docs/self-service.md`).
//!
//! Every request carries an access token with the scope `self_service`, which only a client registered for it gets
//! (`self_service = true`), bound to a DPoP key or not. The token says whose affairs they are: no path names a person. What
//! adds, removes or sets something wants a recent login besides and says so (RFC 9470); what blocks does not, for whoever
//! has just lost a phone cannot sign in again.

mod activation;
mod caller;
mod change;
mod read;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

/// The API's routes.
pub fn routes(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/citizen/v1/overview", get(read::overview))
        .route("/citizen/v1/history", get(read::history))
        .route("/citizen/v1/export", get(read::export))
        .route("/citizen/v1/phones/{id}/block", post(change::block_phone))
        .route("/citizen/v1/phones/{id}/remove", post(change::remove_phone))
        .route("/citizen/v1/browsers/{id}/forget", post(change::forget_browser))
        .route("/citizen/v1/display/lost", post(change::display_lost))
        .route("/citizen/v1/password/open", post(change::open_password))
        .route("/citizen/v1/password/remove", post(change::remove_password))
        .route("/citizen/v1/chip/open", post(change::open_chip))
        .route("/citizen/v1/chip/lost", post(change::chip_lost))
        .route("/citizen/v1/chip/remove", post(change::remove_chip))
        .route("/citizen/v1/user-id", post(change::user_id))
        .route("/citizen/v1/settings", post(change::settings))
        .route("/citizen/v1/orders", post(change::order))
        .route("/citizen/v1/orders/{id}/cancel", post(change::cancel_order))
        .route("/citizen/v1/activations", post(activation::hand_out))
        .route("/citizen/v1/activations/{id}", get(activation::show))
        .route("/citizen/v1/activations/{id}/digits", post(activation::digits))
        .route("/citizen/v1/block", post(change::block_everything))
        .route("/citizen/v1/logout", post(change::logout));
    crate::ops::request::limit_body(router.with_state(app.clone()), app.config.limits.form_bytes)
}
