//! The login page and what its script asks for.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::Link;
use godkend_protocol::types::Binding;
use qrcode::EcLevel;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::finish::session;
use super::language::preferred as language;
use super::login_page::{self, Shown};
use super::{cookies, html, qr, texts, ways};
use crate::app::App;
use crate::approval::{self, State as TransactionState, TransactionView};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::means::beside;
use crate::oidc::params::Params;
use crate::oidc::records::{Finished, Language, Login};
use crate::oidc::{issuer, request};
use crate::records::{AddressedBy, Entry, Transaction};

/// A refusal towards the page's script.
pub(super) struct PageError(pub(super) ApiError, pub(super) Language);

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Self(error, language) = self;
        let (message, tag) = texts::sentence(language, error.code);
        let body = json!({
            "error": error.code.as_str(), "message": message, "language": tag,
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
            let (mut login, session) = session(app, headers, id).await?;
            // The person's own choice comes before the relying party's.
            if let Some(chosen) = cookies::language(headers) {
                login.doc.request.ask.language = chosen;
            }
            let transaction = docs::get::<Transaction>(&*app.store, &login.doc.transaction.0).await?;
            let transaction = transaction.ok_or(Code::TransactionUnknown)?.doc;
            Ok(Self { login, session, transaction })
        };
        found.await.map_err(|error| PageError(error, language(headers)))
    }

    /// One that changes something: from the page's script, as JSON.
    pub(super) async fn changing<T: DeserializeOwned>(
        app: &App,
        headers: &HeaderMap,
        id: &str,
        body: &[u8],
    ) -> Result<(Self, T), PageError> {
        own(app, headers)?;
        let json =
            headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let message = serde_json::from_slice(body).ok().filter(|_| json);
        let message = message.ok_or_else(|| PageError(Code::Malformed.into(), language(headers)))?;
        Ok((Self::of(app, headers, id).await?, message))
    }

    /// The same, or from a form of the page in a browser without scripts.
    async fn posted<T: DeserializeOwned>(
        app: &App,
        headers: &HeaderMap,
        id: &str,
        body: &[u8],
    ) -> Result<(Self, T), PageError> {
        if !is_form(headers) {
            return Self::changing(app, headers, id, body).await;
        }
        own(app, headers)?;
        let malformed = || PageError(Code::Malformed.into(), language(headers));
        let fields: Map<String, Value> = url::form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect();
        let message = serde_json::from_value(Value::Object(fields)).map_err(|_| malformed())?;
        Ok((Self::of(app, headers, id).await?, message))
    }

    pub(super) fn fail(&self, error: impl Into<ApiError>) -> PageError {
        PageError(error.into(), self.login.doc.request.ask.language)
    }
}

/// Demands that what changes something comes from a page of this origin. `SameSite` keeps other sites' cookies away
/// already; a wrong origin is refused besides.
fn own(app: &App, headers: &HeaderMap) -> Result<(), PageError> {
    if headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() != issuer(app).as_bytes()) {
        return Err(PageError(Code::Unauthorised.into(), language(headers)));
    }
    Ok(())
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.starts_with(b"application/x-www-form-urlencoded")
}

/// What a request that was [`Visit::posted`] is answered with: JSON for the script; for a browser without one the page
/// again, with what was wrong.
async fn answer(app: &App, headers: &HeaderMap, visit: &Visit, done: Result<Value, ApiError>) -> Response {
    match done {
        done if !is_form(headers) => done.map(Json).map_err(|error| visit.fail(error)).into_response(),
        Ok(_) => Redirect::to(&format!("/login/{}", visit.transaction.id.to_base64())).into_response(),
        Err(error) => {
            let problem = texts::sentence(visit.login.doc.request.ask.language, error.code);
            shown(app, headers, visit, html::status_of(&error), Some(problem))
        }
    }
}

/// A request that no page can answer.
fn refuse(headers: &HeaderMap, PageError(error, language): PageError) -> Response {
    match error.code {
        _ if !is_form(headers) => PageError(error, language).into_response(),
        Code::NotFound => html::wrong_browser(language),
        _ => html::error(language, &error),
    }
}

fn shown(
    app: &App,
    headers: &HeaderMap,
    visit: &Visit,
    status: StatusCode,
    problem: Option<(&'static str, &'static str)>,
) -> Response {
    let state = state_json(app, &visit.login.doc, &visit.transaction, &view(app, visit));
    // The first frames come with the page: a phone that is held up to it at once needs no further request.
    let frames = frames_json(app, &visit.transaction).unwrap_or_default();
    let ways = ways::list(app, visit, headers, None);
    let shown = Shown { state: &state, frames: &frames, ways: &ways, problem };
    login_page::login(status, &visit.login.doc, &visit.transaction, &shown)
}

/// `GET /login/<id>`.
pub(super) async fn page(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match Visit::of(&app, &headers, &id).await {
        Ok(visit) => shown(&app, &headers, &visit, StatusCode::OK, None),
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

/// `POST /login/<id>/user-id` with `{"user_id"}` or as a form: a number, for unknown user ids too.
pub(super) async fn user_id(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (visit, UserId { user_id }) = match Visit::posted::<UserId>(&app, &headers, &id, &body).await {
        Ok(posted) => posted,
        Err(error) => return refuse(&headers, error),
    };
    let done = async {
        let user_id = request::user_id(&user_id).map_err(|_| Code::Malformed)?;
        let addressed = approval::address(&app, &visit.transaction.id, Some(&visit.session), &user_id).await?;
        approval::magic::act(&app, &visit.transaction.id).await?;
        Ok(json!({
            "number": addressed.number,
            "number_spaced": digits::spaced(&addressed.number),
            "expires_in": addressed.expires.saturating_sub(app.now()).max(0),
        }))
    };
    answer(&app, &headers, &visit, done.await).await
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

/// `POST /login/<id>/cancel` with `{}` or as a form: the person gives up; the relying party is told so.
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (mut visit, Nothing {}) = match Visit::posted::<Nothing>(&app, &headers, &id, &body).await {
        Ok(posted) => posted,
        Err(error) => return refuse(&headers, error),
    };
    let done = give_up(&app, &mut visit).await.map(|()| json!({ "finish": finish_path(&visit.transaction) }));
    answer(&app, &headers, &visit, done).await
}

async fn give_up(app: &App, visit: &mut Visit) -> Result<(), ApiError> {
    match approval::cancel(app, &visit.transaction.id, Some(&visit.session)).await {
        Ok(()) => {
            visit.login.doc.finished = visit.login.doc.finished.or(Some(Finished::Declined));
            let mut changes = Changes::new();
            changes.update(&visit.login);
            match changes.commit(&*app.store).await {
                // The login's end was fixed meanwhile; it stays.
                Err(error) if !error.is_conflict() => Err(error),
                _ => Ok(()),
            }
        }
        // It has its outcome: the page goes on to that.
        Err(error) if error.code == Code::TransactionFinished => Ok(()),
        Err(error) => Err(error),
    }
}

/// `POST /login/<id>/extend` with `{}` or as a form: the whole time again, ten times at most.
pub(super) async fn extend(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (visit, Nothing {}) = match Visit::posted::<Nothing>(&app, &headers, &id, &body).await {
        Ok(posted) => posted,
        Err(error) => return refuse(&headers, error),
    };
    let done = async {
        approval::extend(&app, &visit.transaction.id, Some(&visit.session)).await?;
        docs::retry(|| keep(&app, &visit.transaction.id)).await?;
        let visit = Visit::of(&app, &headers, &id).await.map_err(|PageError(error, _)| error)?;
        Ok(state_json(&app, &visit.login.doc, &visit.transaction, &view(&app, &visit)))
    };
    let mut response = answer(&app, &headers, &visit, done.await).await;
    if let Some(cookie) = cookies::renew_session(&app, &headers, &visit.transaction.id) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /login/<id>/means/forget` with `{}` or as a form: without the chip that has signed, after all.
pub(super) async fn forget(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (visit, Nothing {}) = match Visit::posted::<Nothing>(&app, &headers, &id, &body).await {
        Ok(posted) => posted,
        Err(error) => return refuse(&headers, error),
    };
    let done = beside::forget(&app, &visit.transaction.id, &visit.session).await.map(|()| json!({}));
    answer(&app, &headers, &visit, done).await
}

/// Keeps a login as long as its request may last.
async fn keep(app: &App, id: &Id) -> Result<(), ApiError> {
    let mut login = docs::get::<Login>(&*app.store, &id.0).await?.ok_or(Code::NotFound)?;
    login.doc.purge = app.now().saturating_add(super::start::KEPT);
    let mut changes = Changes::new();
    changes.update(&login);
    changes.commit(&*app.store).await.map(|_| ())
}

pub(super) fn view(app: &App, visit: &Visit) -> TransactionView {
    approval::view(&visit.transaction, app.now())
}

pub(super) fn finish_path(transaction: &Transaction) -> String {
    format!("/login/{}/finish", transaction.id.to_base64())
}

/// What the page shows at this moment. `finish` is where to go once there is an end.
pub(super) fn state_json(app: &App, login: &Login, transaction: &Transaction, view: &TransactionView) -> Value {
    let over = login.finished.is_some() || !matches!(view.state, TransactionState::Waiting | TransactionState::Opened);
    let remembered = transaction.addressed.as_ref().is_some_and(|to| matches!(to.by, AddressedBy::Browser(_)));
    let waiting = view.state == TransactionState::Waiting;
    // What was given up here is over at once, and nobody was late.
    let given_up = login.finished == Some(Finished::Declined) && view.state == TransactionState::Expired;
    let whole = remembered && transaction.level <= Binding::RememberedBrowser.cap();
    json!({
        "state": if given_up { TransactionState::Denied } else { view.state },
        "expires_in": view.expires.saturating_sub(app.now()).max(0),
        "lifetime": app.config.approval.lifetime_seconds,
        "may_extend": approval::may_extend(transaction, app.now()),
        "number": view.number,
        "number_spaced": view.number.as_deref().map(digits::spaced),
        // A push that a remembered browser sent whole is opened without it.
        "shows_number": view.number.is_some() && !whole,
        "needs_return": view.needs_return,
        "offline_tries": view.offline_tries,
        "remembered": remembered,
        // A chip has signed, right or wrong: the phone's part is left.
        "chip": transaction.chip.is_some(),
        "same_device_link": waiting.then(|| approval::same_device_link(app, transaction)).flatten(),
        "finish": over.then(|| finish_path(transaction)),
    })
}
