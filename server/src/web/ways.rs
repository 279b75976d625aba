//! The ways to sign in beside the app: what the login page offers, and the page on which a password is typed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Blob;
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::html::escape;
use super::login::{Answer, PageError, Visit, finish_path};
use super::texts;
use super::{
    MEANS_SCRIPT_PATH, PASSWORD_WASM_PATH, TIME_SCRIPT_PATH, WASM_POLICY, chip_texts, cookies, html, login, login_page,
    visitor,
};
use crate::app::App;
use crate::error::ApiError;
use crate::means::attempt::{self, First};
use crate::means::{self, CHIP, CODE_DISPLAY, PASSWORD, beside, chip};
use crate::oidc::records::Language;
use crate::policy::{APP, Combination};

/// The links to the other ways that reach the level, best first; the one that this browser used last before them.
/// `current` is the way whose page it is, if it is not the app's.
pub(super) fn list(app: &App, visit: &Visit, headers: &HeaderMap, current: Option<&str>) -> String {
    let mut offered = attempt::offered(app, &visit.transaction);
    if visit.transaction.taken.is_some() || visit.login.doc.finished.is_some() || offered.is_empty() {
        return String::new();
    }
    let last = cookies::way(app, headers);
    offered.sort_by_key(|combination| Some(combination.name().as_str()) != last);
    let language = visit.login.doc.request.ask.language;
    let t = texts::of(language);
    let id = escape(&visit.transaction.id.to_base64());
    let link = |combination: &&Combination| {
        let name = combination.name();
        let used = if Some(name.as_str()) == last {
            format!(r#"<span class="tag">{}</span>"#, t.last_used)
        } else {
            String::new()
        };
        let called = escape(&app.policy.people_call(combination, language));
        format!(
            r#"<li><a href="/login/{id}/way/{}"><span>{} {called}</span></a>{used}</li>"#,
            escape(&name),
            t.way_with
        )
    };
    let others = offered.iter().filter(|combination| Some(combination.name().as_str()) != current);
    let mut links: String = others.map(link).collect();
    if current.is_some() {
        links.insert_str(
            0,
            &format!(r#"<li><a id="app-way" href="/login/{id}"><span>{} {}</span></a></li>"#, t.way_with, t.this_way),
        );
    }
    format!(r#"<nav id="ways" aria-labelledby="ways-title"><h2 id="ways-title">{}</h2><ul>{links}</ul></nav>"#, t.ways)
}

/// `GET /login/<id>/way/<combination>`: the form of a combination.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path((id, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let visit = match Visit::of(&app, &headers, &id).await {
        Ok(visit) => visit,
        Err(PageError(error, language)) if error.code == Code::NotFound => return html::wrong_browser(language),
        Err(PageError(error, language)) => return html::error(language, &error),
    };
    let ask = &visit.login.doc.request.ask;
    let offered = attempt::offered(&app, &visit.transaction);
    let Some(combination) = offered.into_iter().find(|combination| combination.name() == name) else {
        return html::error(ask.language, &Code::LevelUnreachable.into());
    };
    let t = texts::of(ask.language);
    let chip_t = chip_texts::of(ask.language);
    let messages = json!({
        "working": t.way_working, "failed": t.way_failed, "lost": t.lost, "approved": t.approved,
        "missing": t.way_missing, "chip_touch": chip_t.touch, "chip_failed": chip_t.failed,
        "chip_missing": chip_t.missing,
    });
    let context = means::context(&app, &visit.transaction, &visit.session).to_base64();
    let state = login::state_json(&app, &visit.login.doc, &visit.transaction, &login::view(&app, &visit));
    let to = format!("/login/{}", escape(&visit.transaction.id.to_base64()));
    let body = format!(
        r#"<main id="way" class="split" data-id="{id}" data-combination="{name}" data-context="{context}" data-wasm="{PASSWORD_WASM_PATH}" data-texts="{messages}">
{request}
<section class="act"><h2>{heading}</h2>
<form id="way-form" autocomplete="on">
<label for="user-id">{user_id}</label>
<input id="user-id" minlength="5" maxlength="48" autocomplete="username" autocapitalize="none" spellcheck="false" required value="{hint}">
{fields}
<p id="problem" class="problem" role="alert" tabindex="-1" hidden></p>
{wait}
<p><button type="submit">{log_on}</button></p>
<p id="status" role="status" aria-live="polite"></p></form>
<noscript><p class="note">{script}</p></noscript></section>
<div class="others">{ways}{cancel}</div>
</main>
<script src="{TIME_SCRIPT_PATH}" defer></script><script src="{MEANS_SCRIPT_PATH}" defer></script>"#,
        id = escape(&visit.transaction.id.to_base64()),
        name = escape(&name),
        context = escape(&context),
        messages = escape(&messages.to_string()),
        request = login_page::request(t, &visit.transaction, &state, &to),
        heading = escape(&capital(&app.policy.people_call(combination, ask.language))),
        user_id = t.user_id,
        hint = escape(ask.login_hint.as_deref().unwrap_or_default()),
        fields = fields(&app, ask.language, combination),
        wait = login_page::wait(t),
        log_on = t.log_on,
        ways = list(&app, &visit, &headers, Some(&name)),
        cancel = login_page::cancel(t, &escape(&visit.transaction.id.to_base64())),
        script = t.script,
    );
    with_wasm(html::page(StatusCode::OK, t, t.log_on, &body))
}

/// As at the beginning of a line.
fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// The fields of what a combination asks for on the page. One that has no module here is written as text.
fn fields(app: &App, language: Language, combination: &Combination) -> String {
    let (t, c) = (texts::of(language), chip_texts::of(language));
    let mut fields = String::new();
    if !combination.has_app() {
        fields.push_str(&format!(
            r#"<label for="password">{}</label>
<input id="password" type="password" autocomplete="current-password" maxlength="64" required>"#,
            t.password
        ));
    }
    for name in combination.means.iter().filter(|name| *name != PASSWORD && *name != APP) {
        if name == CODE_DISPLAY {
            fields.push_str(&format!(
                r#"<label for="code">{}</label>
<input id="code" data-means="{CODE_DISPLAY}" data-part="code" inputmode="numeric" autocomplete="one-time-code" maxlength="11" required>
<details id="twice"><summary>{}</summary><p>{}</p><label for="next">{}</label>
<input id="next" data-means="{CODE_DISPLAY}" data-part="next" inputmode="numeric" autocomplete="off" maxlength="11"></details>"#,
                t.display_code, t.display_twice, t.display_twice_why, t.display_next,
            ));
        } else if name == CHIP {
            fields.push_str(&format!(
                r#"<p id="chip" data-asked="{}">{} {}</p>"#,
                escape(&chip::asked(app).to_string()),
                if combination.has_app() { c.then_app } else { "" },
                c.hint,
            ));
        } else {
            let name = escape(name);
            fields.push_str(&format!(
                r#"<label for="{name}">{name}</label><input id="{name}" data-means="{name}" data-part="code" autocomplete="off" maxlength="64" required>"#
            ));
        }
    }
    fields
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    user_id: String,
    combination: String,
    ke1: String,
    #[serde(default)]
    proofs: BTreeMap<String, Value>,
}

/// `POST /login/<id>/means/start` with `{"user_id", "combination", "ke1", "proofs"}`: `{"ke2"}`, whatever is wrong.
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer {
    let (visit, first) = Visit::changing::<Start>(&app, &headers, &id, &body).await?;
    let user_id = crate::oidc::request::user_id(&first.user_id).map_err(|_| visit.fail(Code::Malformed))?;
    let ke1 = bytes(&first.ke1).map_err(|error| visit.fail(error))?;
    let source = visitor::source(&app, &headers, &extensions);
    let first = First {
        user_id: &user_id,
        combination: &first.combination,
        ke1: &ke1.0,
        proofs: &first.proofs,
        known: cookies::known(&app, &headers),
        source: &source,
    };
    let ke2 = attempt::start(&app, &visit.transaction.id, &visit.session, &first).await;
    Ok(Json(json!({ "ke2": text(&ke2.map_err(|error| visit.fail(error))?) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    ke3: String,
    combination: String,
}

/// `POST /login/<id>/means/finish` with `{"ke3", "combination"}`: where to go on.
pub(super) async fn finish(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, PageError> {
    let (visit, last) = Visit::changing::<Finish>(&app, &headers, &id, &body).await?;
    let ke3 = bytes(&last.ke3).map_err(|error| visit.fail(error))?;
    let known = cookies::known(&app, &headers);
    let done = attempt::finish(&app, &visit.transaction.id, &visit.session, &ke3.0, known).await;
    let done = done.map_err(|error| visit.fail(error))?;
    let mut response = Json(json!({ "finish": finish_path(&visit.transaction) })).into_response();
    let offered = attempt::offered(&app, &visit.transaction);
    let way = offered.iter().any(|combination| combination.name() == last.combination);
    let way = way.then(|| cookies::set_way(&app, &last.combination)).flatten();
    for cookie in cookies::set_known(&app, &done.known).into_iter().chain(way) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Half {
    user_id: String,
    combination: String,
    proofs: BTreeMap<String, Value>,
}

/// `POST /login/<id>/means/chip` with `{"user_id", "combination", "proofs"}`: the chip's half of a combination that a phone
/// completes; where to go on, whatever is wrong.
pub(super) async fn half(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Result<Response, PageError> {
    let (visit, half) = Visit::changing::<Half>(&app, &headers, &id, &body).await?;
    let user_id = crate::oidc::request::user_id(&half.user_id).map_err(|_| visit.fail(Code::Malformed))?;
    let source = visitor::source(&app, &headers, &extensions);
    let (combination, proofs) = (half.combination.as_str(), &half.proofs);
    let first = First { user_id: &user_id, combination, ke1: &[], proofs, known: "", source: &source };
    let done = beside::start(&app, &visit.transaction.id, &visit.session, &first).await;
    done.map_err(|error| visit.fail(error))?;
    let next = format!("/login/{}", visit.transaction.id.to_base64());
    let mut response = Json(json!({ "next": next })).into_response();
    if let Some(way) = cookies::set_way(&app, combination) {
        response.headers_mut().append(header::SET_COOKIE, way);
    }
    Ok(response)
}

pub(super) fn bytes(text: &str) -> Result<Blob, ApiError> {
    URL_SAFE_NO_PAD.decode(text).map(Blob).map_err(|_| Code::Malformed.into())
}

pub(super) fn text(bytes: &Blob) -> String {
    URL_SAFE_NO_PAD.encode(&bytes.0)
}

pub(super) fn with_wasm(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WASM_POLICY));
    response
}
