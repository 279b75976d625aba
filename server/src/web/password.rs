//! The page on which a password is chosen: with a code that a desk handed out, or with the app's approval.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::bytes::{Fixed, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::messages::approval::RelyingParty as Asking;
use godkend_protocol::types::{Action, Level};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::html::escape;
use super::language::preferred as language;
use super::login::{Answer, PageError};
use super::start::login_of;
use super::visitor::{self, Visitor};
use super::ways::{bytes, text, with_wasm};
use super::{MEANS_SCRIPT_PATH, PASSWORD_WASM_PATH, cookies, html, texts};
use crate::app::App;
use crate::approval::{self, NewTransaction, Start};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::means::password;
use crate::oidc::issuer;
use crate::oidc::params::Params;
use crate::oidc::records::{Ask, AuthorizationCode, AuthorizationRequest, Grant, Language, Login, Wish, secret_hash};
use crate::records::{Account, Entry, Transaction};

/// The name under which the server asks its own citizens. No client has it: `oidc::client` knows the configured ones only.
pub(super) const OWN: &str = "godkend:self";

/// A page of the server's own on which the app's approval stands for a desk's code.
pub(super) struct OwnPage {
    /// Its path.
    pub(super) path: &'static str,
    /// What the phone shows that is approved.
    pub(super) title: fn(Language) -> &'static str,
    /// The refusal of an approval that is none.
    pub(super) wrong: Code,
}

const PAGE: OwnPage =
    OwnPage { path: "/password", title: |language| texts::of(language).password_title, wrong: Code::PasswordCodeWrong };

/// The language of such a page, and the code with which the app's approval comes back.
pub(super) fn page_language(query: Option<&str>, headers: &HeaderMap) -> (Language, Option<String>) {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let language = super::language::asked(&params, headers);
    (language, params.get("code").map(str::to_owned))
}

/// `GET /password`: where a password is chosen, with a code that was handed out after proofing.
pub(super) async fn page(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let (language, code) = page_language(query.as_deref(), &headers);
    let t = texts::of(language);
    // Back from the app's approval: the code need not be typed.
    let code = match code {
        None => String::new(),
        Some(code) => match opened(&app, &code, &headers).await {
            Ok(code) => code.to_text(),
            Err(error) => return html::error(language, &error),
        },
    };
    let messages = json!({
        "working": t.way_working, "failed": t.way_failed, "lost": t.lost, "done": t.password_done,
        "differ": t.password_differ, "short": t.password_short, "long": t.password_long, "common": t.password_common,
        "yours": t.password_yours, "missing": t.way_missing,
    });
    let body = format!(
        r#"<main id="choose" class="card" data-wasm="{PASSWORD_WASM_PATH}" data-texts="{messages}"><h1>{title}</h1><p>{hint}</p><p><a href="/password/app?language={tag}">{by_app}</a></p>
<form id="choose-form"><label for="code">{code_label}</label>
<input id="code" value="{code}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required>
<label for="user-id">{user_id}</label>
<input id="user-id" minlength="5" maxlength="48" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">{new}</label>
<input id="password" type="password" autocomplete="new-password" maxlength="64" required aria-describedby="rules">
<p id="rules">{rules}</p>
<label for="again">{again}</label>
<input id="again" type="password" autocomplete="new-password" maxlength="64" required>
<p id="status" role="status" aria-live="polite"></p>
<p id="problem" class="problem" role="alert" tabindex="-1" hidden></p>
<p><button type="submit">{button}</button></p></form>
<noscript><p>{script}</p></noscript></main>
<script src="{MEANS_SCRIPT_PATH}" defer></script>"#,
        messages = escape(&messages.to_string()),
        title = t.password_title,
        hint = t.password_hint,
        tag = t.tag,
        by_app = t.password_by_app,
        code_label = t.password_code,
        code = escape(&code),
        user_id = t.user_id,
        new = t.password_new,
        rules = t.password_rules,
        again = t.password_again,
        button = t.password_button,
        script = t.script,
    );
    with_wasm(html::page(StatusCode::OK, t, t.password_title, &body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    code: String,
    request: String,
}

/// `POST /password/register` with `{"code", "request"}`: `{"response"}`.
pub(super) async fn register(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer {
    let Register { code, request } = own(&app, &headers, &body)?;
    let fail = |error: ApiError| PageError(error, language(&headers));
    let request = bytes(&request).map_err(fail)?;
    let source = visitor::source(&app, &headers, &extensions);
    let response = password::register(&app, &code, &source, &request.0).await.map_err(fail)?;
    Ok(Json(json!({ "response": text(&response) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    code: String,
    upload: String,
}

/// `POST /password/set` with `{"code", "upload"}`.
pub(super) async fn set(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer {
    let Set { code, upload } = own(&app, &headers, &body)?;
    let fail = |error: ApiError| PageError(error, language(&headers));
    let upload = bytes(&upload).map_err(fail)?;
    let source = visitor::source(&app, &headers, &extensions);
    password::set(&app, &code, &source, &upload.0).await.map_err(fail)?;
    Ok(Json(json!({})))
}

/// A request of a page of the server's own that has no login: from this origin, as JSON.
pub(super) fn own<T: DeserializeOwned>(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<T, PageError> {
    let refused = |code: Code| PageError(code.into(), language(headers));
    if headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() != issuer(app).as_bytes()) {
        return Err(refused(Code::Unauthorised));
    }
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    serde_json::from_slice(body).ok().filter(|_| json).ok_or_else(|| refused(Code::Malformed))
}

/// `GET /password/app`: asks for the app's approval, and comes back to the page with it.
pub(super) async fn by_app(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    ask_app(&app, query.as_deref(), &headers, &extensions, &PAGE).await
}

/// Begins the login of a page of the server's own.
pub(super) async fn ask_app(
    app: &App,
    query: Option<&str>,
    headers: &HeaderMap,
    extensions: &Extensions,
    page: &OwnPage,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let language = super::language::asked(&params, headers);
    let visitor = Visitor::of(app, headers, extensions, language);
    let secret = Secret::<32>::random(&mut app.rng());
    let session = cookies::session_hash(&secret);
    let asked = (page.title)(language).to_owned();
    let ask = Ask {
        client_id: OWN.to_owned(),
        // No login: whatever is typed on a page cannot take its place.
        action: Action::Confirm,
        text: Some(asked.clone()),
        payment: None,
        details: None,
        level: Level::Low,
        login_hint: None,
        language,
        nonce: None,
        wish: Wish::default(),
        self_service: false,
    };
    let request = AuthorizationRequest {
        ask,
        redirect_uri: format!("{}?language={}", address(app, page), texts::of(language).tag),
        state: None,
        code_challenge: Fixed([0; 32]),
        dpop_jkt: None,
    };
    let new = NewTransaction {
        relying_party: Asking { id: OWN.to_owned(), name: "Godkend".to_owned() },
        action: Action::Confirm,
        text: Some(asked),
        payment: None,
        level: Level::Low,
        browser_session: Some(session),
        place: visitor.place,
        browser: visitor.browser,
        source: visitor.source,
        may_remember: false,
        start: Start::Page,
    };
    let now = app.now();
    let login = |transaction: &Transaction, changes: &mut Changes| {
        changes.insert(&login_of(transaction.id, request.clone(), session, now));
    };
    match approval::begin_beside(app, new, &Changes::new(), &login).await {
        Ok(begun) => {
            let id = begun.transaction.doc.id;
            let to = format!("/login/{}", id.to_base64());
            let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
            if let Some(cookie) = cookies::set_session(app, &id, &secret) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => html::error(language, &error),
    }
}

fn address(app: &App, page: &OwnPage) -> String {
    format!("{}{}", issuer(app), page.path)
}

/// The code for a new password that the app's approval opens, once.
async fn opened(app: &App, code: &str, headers: &HeaderMap) -> Result<BlockCode, ApiError> {
    let (account, _) = approved(app, code, headers, &PAGE).await?;
    password::hand_out(app, &account, "app").await
}

/// Takes what the app's approval left, once, in the browser that asked for it, and for the page that it was given for.
pub(super) async fn approved(
    app: &App,
    code: &str,
    headers: &HeaderMap,
    page: &OwnPage,
) -> Result<(Entry<Account>, Grant), ApiError> {
    let wrong = || ApiError::from(page.wrong);
    let found = docs::get::<AuthorizationCode>(&*app.store, &secret_hash(code).0).await?.ok_or_else(wrong)?;
    let grant = found.doc.grant.clone();
    let login = docs::get::<Login>(&*app.store, &grant.transaction.0).await?.ok_or_else(wrong)?;
    let session = cookies::session(app, headers, &grant.transaction).ok_or_else(wrong)?;
    let own = found.doc.request.ask.client_id == OWN && crypto::same(&login.doc.session.0, &session.0);
    let here = found.doc.request.redirect_uri.split('?').next() == Some(address(app, page).as_str());
    // By a phone, and by nothing that a password is a part of.
    if !own || !here || found.doc.redeemed.is_some() || !grant.by_phone() || app.now() >= found.doc.expires {
        return Err(wrong());
    }
    let account = docs::get::<Account>(&*app.store, &grant.account.0).await?.ok_or_else(wrong)?;
    if account.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    if account.doc.disputes(grant.at) {
        return Err(wrong());
    }
    let mut changes = Changes::new();
    changes.delete(&found);
    changes.commit(&*app.store).await.map_err(|error| if error.is_conflict() { wrong() } else { error })?;
    Ok((account, grant))
}
