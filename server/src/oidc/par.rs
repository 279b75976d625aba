//! Pushed authorisation requests (RFC 9126).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::Secret;
use serde_json::json;

use super::error::{Kind, OidcError};
use super::records::{AuthorizationRequest, PushedRequest, secret_hash};
use super::{client, dpop, form, hint, metadata, request};
use crate::app::App;
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::web::visitor;

/// RFC 9126, section 2.2: the form of the reference is the server's choice.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Result<Response, OidcError> {
    let params = form(&headers, &body)?;
    let party = &*client::authenticate(&app, &headers, &params).await?;
    if !party.is_confidential() {
        // Anybody may push in a public client's name, and each push is stored.
        let source = visitor::source(&app, &headers, &extensions);
        app.throttle.take("login", &source, app.config.limits.logins_per_source_minute, app.clock.now_ms())?;
    }
    if params.get("request_uri").is_some() {
        return Err(OidcError::invalid("request_uri must not be pushed."));
    }
    let back = request::return_to(&params, party)?;
    let mut request = request::authorization(&params, party, &back)?;
    hint::read(&app, party, &params, &mut request.ask)?;
    // A proof here binds the code to its key, as dpop_jkt does (RFC 9449, section 10.1).
    let proof = dpop::proof(&app, &headers, "POST", metadata::PAR_PATH, None).await?;
    if let Some(proof) = &proof {
        if request.dpop_jkt.is_some_and(|jkt| jkt != proof.jkt) {
            return Err(OidcError::new(Kind::InvalidDpopProof, "dpop_jkt is not the thumbprint of the proof's key."));
        }
        request.dpop_jkt = Some(proof.jkt);
    }
    let request_uri = format!("{PREFIX}{}", Secret::<32>::random(&mut app.rng()).to_base64());
    let lifetime = i64::try_from(app.config.oidc.par_seconds).unwrap_or(90);
    let expires = app.now().saturating_add(lifetime);
    let mut changes = Changes::new();
    changes.insert(&PushedRequest { hash: secret_hash(&request_uri), request, expires });
    if let Some(proof) = &proof {
        proof.spend(&mut changes);
    }
    changes.commit(&*app.store).await?;
    let reply = json!({ "request_uri": request_uri, "expires_in": lifetime });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(reply)).into_response())
}

/// Takes a pushed request, once: the caller commits `changes`, and a conflict means that somebody else was first.
///
/// # Errors
/// `invalid_request_uri`.
pub async fn take_pushed(
    app: &App,
    changes: &mut Changes,
    party: &RelyingParty,
    request_uri: &str,
) -> Result<AuthorizationRequest, OidcError> {
    let unknown =
        OidcError::new(Kind::InvalidRequestUri, "request_uri is unknown, used or too old; push the request again.");
    let found = docs::get::<PushedRequest>(&*app.store, &secret_hash(request_uri).0).await?;
    let pushed = found.ok_or_else(|| unknown.clone())?;
    if app.now() >= pushed.doc.expires || pushed.doc.request.ask.client_id != party.client_id {
        return Err(unknown);
    }
    changes.delete(&pushed);
    Ok(pushed.doc.request)
}
