//! The citizen's pages: login and blocking.
//!
//! Server-rendered, in Danish, English and Greenlandic, with small scripts and one stylesheet of their own. Nothing comes from elsewhere
//! and nothing stands inline, so that the content security policy can say so. What the script reads is JSON that a test
//! browser reads as well.

mod assets;
mod block;
mod chip;
mod chip_texts;
mod cookies;
mod finish;
mod html;
mod icons;
mod language;
mod login;
mod login_page;
mod logout;
mod password;
mod qr;
pub mod start;
mod texts;
pub(crate) mod visitor;
mod ways;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};

use crate::app::App;
use crate::ops::even::evenly;

use assets::{ICON_PATH, MEANS_SCRIPT_PATH, PASSWORD_WASM_PATH, SCRIPT_PATH, STYLE_PATH, TIME_SCRIPT_PATH};

/// No inline script or style, nothing from other origins, no framing (design: the address bar shows the provider).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// [`POLICY`], for the pages on which a password is typed: they compute OPAQUE in WebAssembly of the server's own.
const WASM_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    connect-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The pages' routes.
pub fn routes(app: Arc<App>) -> Router {
    // What a user id has to do with answers evenly: a stranger could tell by the time who there is.
    let router = Router::new()
        .route("/authorize", get(start::by_query).post(start::by_form))
        .route("/login/{id}", get(login::page))
        .route("/login/{id}/state", get(login::state))
        .route("/login/{id}/frames", get(login::frames))
        .route("/login/{id}/user-id", evenly(post(login::user_id)))
        .route("/login/{id}/offline", evenly(post(login::offline)))
        .route("/login/{id}/offline-code", evenly(post(login::offline_code)))
        .route("/login/{id}/way/{combination}", get(ways::page))
        .route("/login/{id}/means/start", evenly(post(ways::start)))
        .route("/login/{id}/means/finish", evenly(post(ways::finish)))
        .route("/login/{id}/means/chip", evenly(post(ways::half)))
        .route("/login/{id}/means/forget", post(login::forget))
        .route("/password", get(password::page))
        .route("/password/app", get(password::by_app))
        .route("/password/register", post(password::register))
        .route("/password/set", post(password::set))
        .route("/chip", get(chip::page))
        .route("/chip/app", get(chip::by_app))
        .route("/chip/ask", post(chip::ask))
        .route("/chip/set", post(chip::set))
        .route("/login/{id}/cancel", evenly(post(login::cancel)))
        .route("/login/{id}/extend", post(login::extend))
        .route(crate::approval::RETURN_PATH, get(finish::returned))
        .route("/login/{id}/finish", get(finish::finish))
        .route(crate::oidc::LOGOUT_PATH, get(logout::by_query).post(logout::by_form))
        .route("/block", get(block::page).post(block::submit))
        .merge(assets::routes())
        .with_state(app.clone())
        .layer(middleware::from_fn_with_state(app.clone(), language::keep))
        .layer(middleware::from_fn(protect));
    crate::ops::request::limit_body(router, app.config.limits.form_bytes)
}

/// The headers of every page and of every answer to its script.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Paths name a login; where the browser goes next does not need them. A form of a page's own names its origin.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page that computes with WebAssembly says so itself.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
