//! The login page and what its script asks for.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::Hash32;
use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::Link;
use qrcode::EcLevel;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::finish::{language, session};
use super::{html, qr, ways};
use crate::app::App;
use crate::approval::{self, State as TransactionState, TransactionView};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::oidc::params::Params;
use crate::oidc::records::{Finished, Language, Login};
use crate::oidc::{issuer, request};
use crate::records::{AddressedBy, Entry, Transaction};

/// A refusal towards the page's script.
pub(super) struct PageError(pub(super) ApiError, pub(super) Language);

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self(error, language) = self;
        let message = match language {
            Language::Da => error.code.danish(),
            Language::En => error.code.english(),
        };
        let body = json!({
            "error": error.code.as_str(), "message": message,
            "retry_after": error.retry_after, "tries_left": error.tries_left,
        });
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = error.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(super) type Answer = Result<Json<Value>, PageError>;

/// A request of the page: its login, its session and its transaction.
pub(super) struct Visit {
    pub(super) login: Entry<Login>,
    pub(super) session: Hash32,
    pub(super) transaction: Transaction,
}

impl Visit {
    pub(super) async fn of(app: &App, headers: &HeaderMap, id: &str) -> Result<Self, PageError> {
        let found = async {
            let (login, session) = session(app, headers, id).await?;
            let transaction = docs::get::<Transaction>(&*app.store, &login.doc.transaction.0).await?;
            let transaction = transaction.ok_or(Code::TransactionUnknown)?.doc;
            Ok(Self { login, session, transaction })
        };
        found.await.map_err(|error| PageError(error, language(headers)))
    }

    /// One that changes something: from the page itself, as JSON.
    pub(super) async fn changing<T: DeserializeOwned>(
        app: &App,
        headers: &HeaderMap,
        id: &str,
        body: &[u8],
    ) -> Result<(Self, T), PageError> {
        let refused = |code: Code| PageError(code.into(), language(headers));
        // SameSite keeps other sites' cookies away already; a wrong origin is refused besides.
        if headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() != issuer(app).as_bytes()) {
            return Err(refused(Code::Unauthorised));
        }
        let json =
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let message = serde_json::from_slice(body).ok().filter(|_| json).ok_or_else(|| refused(Code::Malformed))?;
        Ok((Self::of(app, headers, id).await?, message))
    }

    pub(super) fn fail(&self, error: impl Into<ApiError>) -> PageError {
        PageError(error.into(), self.login.doc.request.ask.language)
    }
}

/// `GET /login/<id>`.
pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match Visit::of(&app, &headers, &id).await {
        Ok(visit) => {
            let shown = state_json(&app, &visit.login.doc, &visit.transaction, &view(&app, &visit));
            // The first frames come with the page: a phone that is held up to it at once needs no further request.
            let frames = frames_json(&app, &visit.transaction).unwrap_or_default();
            let ways = ways::list(&app, &visit, &headers);
            html::login(&visit.login.doc, &visit.transaction, &shown, &frames, &ways)
        }
        Err(PageError(error, language)) if error.code == Code::NotFound => html::wrong_browser(language),
        Err(PageError(error, language)) => html::error(language, &error),
    }
}

/// `GET /login/<id>/state?known=<state>&needs_return=<bool>&wait=<seconds>`: at once if the state is another than
/// `known`, else when it or `needs_return` changes or the time is over.
pub(super) async fn state(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let mut visit = Visit::of(&app, &headers, &id).await?;
    let params = Params::parse(query.unwrap_or_default().as_bytes()).map_err(|_| visit.fail(Code::Malformed))?;
    let known = match params.get("known") {
        None => None,
        Some(name) => {
            let known = serde_json::from_value::<TransactionState>(json!(name));
            Some(known.map_err(|_| visit.fail(Code::Malformed))?)
        }
    };
    let needs_return = params.get("needs_return").map(str::parse::<bool>).transpose();
    let needs_return = needs_return.map_err(|_| visit.fail(Code::Malformed))?;
    let seconds = params.get("wait").map_or(Ok(0), str::parse::<u64>).map_err(|_| visit.fail(Code::Malformed))?;
    let view = match known {
        Some(state) => {
            let known = approval::Known { state, needs_return };
            let waited = approval::wait(&app, &visit.transaction.id, known, seconds).await;
            let view = waited.map_err(|error| visit.fail(error))?;
            visit.transaction = Visit::of(&app, &headers, &id).await?.transaction;
            view
        }
        None => view(&app, &visit),
    };
    Ok(Json(state_json(&app, &visit.login.doc, &visit.transaction, &view)))
}

/// `GET /login/<id>/frames`: the moving QR code, a few seconds ahead.
pub(super) async fn frames(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let visit = Visit::of(&app, &headers, &id).await?;
    Ok(Json(frames_json(&app, &visit.transaction).ok_or_else(|| visit.fail(Code::Internal))?))
}

/// The frames of now and the next seconds; none once a phone has opened it.
fn frames_json(app: &App, transaction: &Transaction) -> Option<Value> {
    let now_ms = app.clock.now_ms();
    let mut frames = Vec::new();
    for text in approval::frames(app, transaction, now_ms) {
        let Ok(Link::Login(frame)) = Link::parse(&text) else { return None };
        let code = qr::modules(&text, EcLevel::M, frame.frame)?;
        frames.push(json!({ "second": frame.frame, "text": text, "code": code }));
    }
    Some(json!({ "now_ms": now_ms, "frames": frames }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserId {
    user_id: String,
}

/// `POST /login/<id>/user-id` with `{"user_id"}`: a number, for unknown user ids too.
pub(super) async fn user_id(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (visit, UserId { user_id }) = Visit::changing::<UserId>(&app, &headers, &id, &body).await?;
    let user_id = request::user_id(&user_id).map_err(|_| visit.fail(Code::Malformed))?;
    let addressed = approval::address(&app, &visit.transaction.id, Some(&visit.session), &user_id).await;
    let addressed = addressed.map_err(|error| visit.fail(error))?;
    approval::magic::act(&app, &visit.transaction.id).await.map_err(|error| visit.fail(error))?;
    Ok(Json(json!({
        "number": addressed.number,
        "number_spaced": digits::spaced(&addressed.number),
        "expires_in": addressed.expires.saturating_sub(app.now()).max(0),
    })))
}

/// `POST /login/<id>/offline` with `{"user_id"}`: a QR code for a phone without a network.
pub(super) async fn offline(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (visit, UserId { user_id }) = Visit::changing::<UserId>(&app, &headers, &id, &body).await?;
    let user_id = request::user_id(&user_id).map_err(|_| visit.fail(Code::Malformed))?;
    let (id, session) = (visit.transaction.id, Some(&visit.session));
    approval::address(&app, &id, session, &user_id).await.map_err(|error| visit.fail(error))?;
    let text = approval::offline_challenge(&app, &id).await.map_err(|error| visit.fail(error))?;
    // As little redundancy as there is: the challenge is long, and a screen is clean.
    let code = qr::modules(&text, EcLevel::L, 0).ok_or_else(|| visit.fail(Code::Internal))?;
    Ok(Json(json!({ "text": text, "code": code })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfflineCode {
    code: String,
}

/// `POST /login/<id>/offline-code` with `{"code"}`: the eight digits that the phone shows.
pub(super) async fn offline_code(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (visit, OfflineCode { code }) = Visit::changing::<OfflineCode>(&app, &headers, &id, &body).await?;
    let done = approval::offline_code(&app, &visit.transaction.id, Some(&visit.session), &code).await;
    done.map_err(|error| visit.fail(error))?;
    let visit = Visit::of(&app, &headers, &id).await?;
    Ok(Json(state_json(&app, &visit.login.doc, &visit.transaction, &view(&app, &visit))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// `POST /login/<id>/cancel` with `{}`: the person gives up; the relying party is told so.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let (mut visit, Nothing {}) = Visit::changing::<Nothing>(&app, &headers, &id, &body).await?;
    match approval::cancel(&app, &visit.transaction.id, Some(&visit.session)).await {
        Ok(()) => {
            visit.login.doc.finished = visit.login.doc.finished.or(Some(Finished::Declined));
            let mut changes = Changes::new();
            changes.update(&visit.login);
            match changes.commit(&*app.store).await {
                // The login's end was fixed meanwhile; it stays.
                Err(error) if !error.is_conflict() => return Err(visit.fail(error)),
                _ => {}
            }
        }
        // It has its outcome: the page goes on to that.
        Err(error) if error.code == Code::TransactionFinished => {}
        Err(error) => return Err(visit.fail(error)),
    }
    Ok(Json(json!({ "finish": finish_path(&visit.transaction) })))
}

fn view(app: &App, visit: &Visit) -> TransactionView {
    approval::view(&visit.transaction, app.now())
}

pub(super) fn finish_path(transaction: &Transaction) -> String {
    format!("/login/{}/finish", transaction.id.to_base64())
}

/// What the page shows at this moment. `finish` is where to go once there is an end.
fn state_json(app: &App, login: &Login, transaction: &Transaction, view: &TransactionView) -> Value {
    let over = login.finished.is_some() || !matches!(view.state, TransactionState::Waiting | TransactionState::Opened);
    let remembered = transaction.addressed.as_ref().is_some_and(|to| matches!(to.by, AddressedBy::Browser(_)));
    let waiting = view.state == TransactionState::Waiting;
    json!({
        "state": view.state,
        "expires_in": view.expires.saturating_sub(app.now()).max(0),
        "number": view.number,
        "number_spaced": view.number.as_deref().map(digits::spaced),
        "needs_return": view.needs_return,
        "offline_tries": view.offline_tries,
        "remembered": remembered,
        "same_device_link": waiting.then(|| approval::same_device_link(app, transaction)).flatten(),
        "finish": over.then(|| finish_path(transaction)),
    })
}
