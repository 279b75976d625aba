//! Client-initiated backchannel authentication, poll and ping mode (OpenID Connect CIBA Core 1.0).
//!
//! The number stands beside `auth_req_id`, for unknown users too: the client shows it, and the person types it in the
//! app before anything of the request can be seen there.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::Id;
use godkend_protocol::crypto;
use serde_json::{Value, json};

use super::dpop::Proof;
use super::error::{Kind, OidcError};
use super::notify::{self, Notification};
use super::params::Params;
use super::records::{CibaRequest, Grant, secret_hash};
use super::{client, form, request, token};
use crate::app::App;
use crate::approval::{self, Start, State as TransactionState};
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::records::{Entry, Transaction};

/// CIBA Core, section 11: what a poll that came too soon adds to the interval, in seconds.
const SLOW_DOWN: i64 = 5;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OidcError> {
    let params = form(&headers, &body)?;
    let party = &*client::authenticate(&app, &headers, &params).await?;
    if !party.ciba || !party.is_confidential() {
        return Err(OidcError::new(Kind::UnauthorizedClient, "This client may not use CIBA."));
    }
    let (ask, user_id) = request::backchannel(&params, party)?;
    let ping = notification_token(party, &params)?;
    // Back-off falls on this client's requests for this person: neither on the person's own logins nor on the client's
    // other customers.
    let person = crypto::labelled_hash("godkend/1/ciba-source", &[user_id.to_lowercase().as_bytes()]);
    let source = format!("client:{}:{}", party.client_id, hex::encode(&person.0[..8]));
    let begun =
        approval::begin(&app, crate::web::start::transaction(party, &ask, source, Start::Ciba { user_id })).await?;
    let transaction = begun.transaction.doc;
    approval::magic::act(&app, &transaction.id).await?;
    let auth_req_id = request_id(&app, &transaction.id);
    let interval = i64::try_from(app.config.oidc.ciba_interval_seconds).unwrap_or(2);
    let mut changes = Changes::new();
    changes.insert(&CibaRequest {
        hash: secret_hash(&auth_req_id),
        transaction: transaction.id,
        ask,
        interval,
        last_poll_ms: None,
        expires: transaction.expires,
        collected: false,
    });
    if let Some(token) = ping {
        changes.insert(&Notification::ping(&app, &transaction, token));
    }
    changes.commit(&*app.store).await?;
    if ping.is_some() {
        notify::watch(app.clone(), transaction.id);
    }
    let reply = json!({
        "auth_req_id": auth_req_id,
        "expires_in": transaction.expires.saturating_sub(app.now()),
        "interval": interval,
        "number": transaction.number,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(reply)).into_response())
}

/// The name of a request. It is computed, not drawn: a ping has to send it, and the database holds only its hash.
pub(super) fn request_id(app: &App, transaction: &Id) -> String {
    crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/auth-req-id\0", &transaction.0]).to_base64()
}

/// What a client in ping mode wants to be shown when it is told (CIBA Core, section 7.1).
fn notification_token<'a>(party: &RelyingParty, params: &'a Params) -> Result<Option<&'a str>, OidcError> {
    if party.ciba_notification_uri.is_none() {
        return Ok(None);
    }
    let token = params
        .need("client_notification_token", "client_notification_token is missing: this client is told by ping.")?;
    // RFC 6750, section 2.1: a bearer token's letters; 128 bits of Base64url at least.
    let letters = token.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
    if letters && (22..=1024).contains(&token.len()) {
        Ok(Some(token))
    } else {
        Err(OidcError::invalid("client_notification_token must be 22 to 1024 characters of a bearer token."))
    }
}

/// A poll at the token endpoint, held until the person answers or the long poll's time is over.
pub(super) async fn poll(
    app: &App,
    party: &RelyingParty,
    params: &Params,
    proof: Option<&Proof>,
) -> Result<Value, OidcError> {
    let auth_req_id = params.need("auth_req_id", "auth_req_id is missing.")?;
    let found = docs::get::<CibaRequest>(&*app.store, &secret_hash(auth_req_id).0).await?;
    let mut entry = found.filter(|entry| entry.doc.ask.client_id == party.client_id).ok_or_else(unknown)?;
    if entry.doc.collected {
        return Err(unknown());
    }
    let too_soon = pace(&mut entry.doc, app.clock.now_ms());
    // Each poll has a proof of its own.
    save(app, &mut entry, proof).await?;
    if too_soon {
        return Err(OidcError::new(
            Kind::SlowDown,
            "Wait for the interval between two polls; it is 5 seconds longer from now on.",
        ));
    }
    match outcome(app, &entry.doc).await? {
        TransactionState::Approved if disputed(app, &entry.doc).await? => return Err(reported()),
        TransactionState::Approved => {}
        TransactionState::Denied => return Err(OidcError::new(Kind::AccessDenied, "The person declined.")),
        TransactionState::Reported => return Err(reported()),
        TransactionState::Expired => return Err(OidcError::new(Kind::ExpiredToken, "The request has expired.")),
        TransactionState::Waiting | TransactionState::Opened => {
            return Err(OidcError::new(Kind::AuthorizationPending, "The person has not answered yet."));
        }
    }
    // Once, whatever comes together, and in one commit: a kill leaves it collected here and there, or nowhere.
    entry.doc.collected = true;
    let mut changes = Changes::new();
    let granted = approval::collect_into(app, &mut changes, &entry.doc.transaction, None).await?;
    let grant = Grant::of(entry.doc.transaction, &granted);
    let (reply, token) = token::tokens(app, party, &granted.account, &grant, &entry.doc.ask, Some(auth_req_id), proof)?;
    changes.update(&entry).insert(&token);
    let committed = changes.commit(&*app.store).await;
    committed.map_err(|error| if error.is_conflict() { one_at_a_time() } else { error.into() })?;
    app.log.wake();
    Ok(reply)
}

fn reported() -> OidcError {
    OidcError::new(Kind::AccessDenied, "The person reports that this was not their request.")
}

/// Approved, and said to be somebody else's doing before it was fetched.
async fn disputed(app: &App, request: &CibaRequest) -> Result<bool, OidcError> {
    let transaction = docs::get::<Transaction>(&*app.store, &request.transaction.0).await?;
    match transaction {
        Some(transaction) => Ok(approval::is_disputed(app, &transaction.doc).await?),
        None => Ok(false),
    }
}

fn one_at_a_time() -> OidcError {
    OidcError::new(Kind::SlowDown, "One poll at a time.")
}

fn unknown() -> OidcError {
    OidcError::new(Kind::InvalidGrant, "auth_req_id is unknown, used or not this client's.")
}

/// Counts a poll; whether it came too soon. The interval runs from a poll's beginning, so that a client may ask again
/// as soon as a long poll ends.
fn pace(request: &mut CibaRequest, now_ms: i64) -> bool {
    let too_soon =
        request.last_poll_ms.is_some_and(|last| now_ms.saturating_sub(last) < request.interval.saturating_mul(1000));
    request.last_poll_ms = Some(now_ms);
    if too_soon {
        request.interval = request.interval.saturating_add(SLOW_DOWN);
    }
    too_soon
}

/// Waits for the end of the transaction, as long as a poll may last.
async fn outcome(app: &App, request: &CibaRequest) -> Result<TransactionState, OidcError> {
    let until = app.now().saturating_add(i64::try_from(app.config.approval.long_poll_seconds).unwrap_or(25));
    let mut known = TransactionState::Waiting;
    loop {
        let seconds = u64::try_from(until.saturating_sub(app.now())).unwrap_or(0);
        let view = approval::wait(app, &request.transaction, known, seconds).await?;
        if !matches!(view.state, TransactionState::Waiting | TransactionState::Opened)
            || seconds == 0
            || view.state == known
        {
            return Ok(view.state);
        }
        known = view.state;
    }
}

/// A conflict means that the client polled twice at once.
async fn save(app: &App, entry: &mut Entry<CibaRequest>, proof: Option<&Proof>) -> Result<(), OidcError> {
    let mut changes = Changes::new();
    changes.update(entry);
    if let Some(proof) = proof {
        proof.spend(&mut changes);
    }
    match changes.commit(&*app.store).await {
        Ok(committed) => {
            entry.version = committed.versions.first().copied();
            Ok(())
        }
        Err(error) if error.is_conflict() => Err(one_at_a_time()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;
    use godkend_protocol::types::{Action, Level};

    use super::*;
    use crate::oidc::records::Ask;

    #[test]
    fn polls_keep_their_distance_and_a_hasty_one_lengthens_it() {
        let mut request = CibaRequest {
            hash: secret_hash("x"),
            transaction: Fixed([1; 16]),
            ask: Ask {
                client_id: "bank".to_owned(),
                action: Action::LogOn,
                text: None,
                payment: None,
                details: None,
                level: Level::Substantial,
                login_hint: None,
                language: Default::default(),
                nonce: None,
                wish: Default::default(),
                self_service: false,
            },
            interval: 2,
            last_poll_ms: None,
            expires: 1000,
            collected: false,
        };
        assert!(!pace(&mut request, 0));
        assert!(!pace(&mut request, 2000));
        assert!(pace(&mut request, 3999));
        assert_eq!(request.interval, 7);
        assert!(pace(&mut request, 10_998));
        assert_eq!(request.interval, 12);
        assert!(!pace(&mut request, 22_998));
    }
}
