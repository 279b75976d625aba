//! What a client's own resources ask about an access token that they were sent: introspection (RFC 7662), with the level
//! and the time of the login (RFC 9470, section 6.2).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::{self, Alive};
use super::error::{Kind, OidcError};
use super::{claims, client, form, issuer};
use crate::app::App;

/// `POST /introspect`: a token of the client's own; every other is `{"active": false}`, whatever it is.
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OidcError> {
    let params = form(&headers, &body)?;
    let party = client::authenticate(&app, &headers, &params).await?;
    // Whoever may ask must be known, or anybody could try tokens here (RFC 7662, section 2.1).
    if !party.is_confidential() {
        return Err(OidcError::new(Kind::InvalidClient, "A client without a secret or keys cannot ask about tokens."));
    }
    let token = params.need("token", "token is missing.")?;
    let found = access::alive(&app, token).await?.filter(|found| found.party.client_id == party.client_id);
    let told = found.map_or_else(|| json!({ "active": false }), |found| Value::Object(described(&app, &found)));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

fn described(app: &App, found: &Alive) -> Map<String, Value> {
    let Alive { token, account, party } = found;
    let mut told = Map::new();
    let mut put = |name: &str, value: Value| {
        told.insert(name.to_owned(), value);
    };
    put("active", json!(true));
    put("iss", json!(issuer(app)));
    put("client_id", json!(party.client_id));
    put("sub", json!(claims::subject_of(&app.keys.pairwise, party, &account.id)));
    put("scope", json!(token.ask.scope()));
    put("token_type", json!(token.kind()));
    put("exp", json!(token.expires));
    put("acr", json!(token.grant.level.uri()));
    put("auth_time", json!(token.grant.at));
    // What the person was asked for and has seen; a login can reach more than that.
    put("godkend.asked_acr", json!(token.ask.level.uri()));
    if let Some(jkt) = &token.jkt {
        // RFC 9449, section 6.2.
        put("cnf", json!({ "jkt": jkt.to_base64() }));
    }
    if let Some(payment) = &token.ask.payment {
        // RFC 9396, section 9.2.
        put("authorization_details", json!([claims::payment_details(&token.ask, payment)]));
    }
    told
}
