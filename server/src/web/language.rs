//! The language of the pages: what the person has chosen in this browser, else what the relying party asks for, else what
//! the browser prefers.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::cookies;
use crate::app::App;
use crate::oidc::params::Params;
use crate::oidc::records::Language;

/// Where no request says it.
pub(super) fn preferred(headers: &HeaderMap) -> Language {
    cookies::language(headers).unwrap_or_else(|| {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accepted.split([',', ';']).next().unwrap_or_default().trim();
        Language::of_tag(first).unwrap_or_default()
    })
}

/// What a page of the server's own was asked for by its address, or [`preferred`].
pub(super) fn asked(params: &Params, headers: &HeaderMap) -> Language {
    params.get("language").and_then(Language::of_tag).unwrap_or_else(|| preferred(headers))
}

/// Keeps the choice that a link of a page makes. A relying party's own `language` is no choice of the person's.
pub(super) async fn keep(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let login = path.starts_with("/login/");
    let chosen = (request.method() == Method::GET && (login || matches!(path, "/block" | "/password" | "/chip")))
        .then(|| request.uri().query().and_then(|query| Params::parse(query.as_bytes()).ok()))
        .flatten()
        .and_then(|params| Language::of_tag(params.get("language")?));
    let Some(chosen) = chosen else { return next.run(request).await };
    // A login page reads it from the cookie, so that everything of this login speaks it from now on.
    let mut response = if login { Redirect::to(path).into_response() } else { next.run(request).await };
    if let Some(cookie) = cookies::set_language(&app, chosen) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
