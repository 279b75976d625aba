//! Blocking a lost phone with its block code, from any browser, with no means left.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use godkend_protocol::codes::Code;

use super::visitor::Visitor;
use super::{html, language};
use crate::app::App;
use crate::device;
use crate::oidc;
use crate::oidc::params::Params;

/// `GET /block`.
pub(super) async fn page(RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    html::block(language::asked(&params, &headers), None)
}

/// `POST /block` with the form field `code`.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Response {
    let params = match oidc::form(&headers, &body) {
        Ok(params) => params,
        Err(_) => return html::block(language::preferred(&headers), Some(Err(Code::Malformed.into()))),
    };
    let spoken = language::asked(&params, &headers);
    let visitor = Visitor::of(&app, &headers, &extensions, spoken);
    let outcome = device::block_by_code(&app, params.get("code").unwrap_or_default(), &visitor.source).await;
    html::block(spoken, Some(outcome.map(|blocked| blocked.model)))
}
