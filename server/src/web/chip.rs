//! The page on which a chip is registered: with a code that a desk handed out, or with the app's approval.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::chip_texts;
use super::html::escape;
use super::language::preferred as language;
use super::login::{Answer, PageError};
use super::password::{OwnPage, approved, ask_app, own, page_language};
use super::{MEANS_SCRIPT_PATH, html, texts, visitor};
use crate::app::App;
use crate::error::ApiError;
use crate::means::chip;

/// What the app's approval is asked for.
const PAGE: OwnPage = OwnPage { path: "/chip", title: |language| chip_texts::of(language).title, wrong: chip::WRONG };

/// `GET /chip`: where a chip is registered, with a code that was handed out after proofing.
pub(super) async fn page(State(app): State<Arc<App>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let (language, code) = page_language(query.as_deref(), &headers);
    let (t, c) = (texts::of(language), chip_texts::of(language));
    // Back from the app's approval: the code need not be typed.
    let code = match code {
        None => String::new(),
        Some(code) => match opened(&app, &code, &headers).await {
            Ok(code) => code,
            Err(error) => return html::error(language, &error),
        },
    };
    let messages = json!({
        "working": t.way_working, "failed": t.way_failed, "lost": t.lost, "done": c.done, "missing": c.missing,
        "chip_touch": c.touch, "chip_failed": c.failed, "chip_missing": c.missing,
    });
    let body = format!(
        r#"<main id="register-chip" class="card" data-texts="{messages}"><h1>{title}</h1><p>{intro}</p><p><a href="/chip/app?language={tag}">{by_app}</a></p>
<form id="chip-form"><label for="code">{code_label}</label>
<input id="code" value="{code}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required>
<p>{hint}</p>
<p id="status" role="status" aria-live="polite"></p>
<p id="problem" class="problem" role="alert" tabindex="-1" hidden></p>
<p><button type="submit">{button}</button></p></form>
<noscript><p>{script}</p></noscript></main>
<script src="{MEANS_SCRIPT_PATH}" defer></script>"#,
        messages = escape(&messages.to_string()),
        title = c.title,
        intro = c.intro,
        tag = t.tag,
        by_app = c.by_app,
        code_label = t.password_code,
        code = escape(&code),
        hint = c.hint,
        button = c.button,
        script = t.script,
    );
    html::page(StatusCode::OK, t, c.title, &body)
}

/// The code that the app's approval opens, once. The chip will carry what the approval reached.
async fn opened(app: &App, code: &str, headers: &HeaderMap) -> Result<String, ApiError> {
    let (account, grant) = approved(app, code, headers, &PAGE).await?;
    Ok(chip::hand_out(app, &account, "app", grant.level).await?.to_text())
}

/// `GET /chip/app`: asks for the app's approval, and comes back to the page with it.
pub(super) async fn by_app(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    ask_app(&app, query.as_deref(), &headers, &extensions, &PAGE).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    code: String,
}

/// `POST /chip/ask` with `{"code"}`: `{"options"}` for `navigator.credentials.create`.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer {
    let Ask { code } = own(&app, &headers, &body)?;
    let source = visitor::source(&app, &headers, &extensions);
    let asked = chip::ask(&app, &code, &source).await;
    let options = asked.map_err(|error| PageError(error, language(&headers)))?;
    Ok(Json(json!({ "options": options })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    code: String,
    credential: Value,
}

/// `POST /chip/set` with `{"code", "credential"}`.
pub(super) async fn set(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
) -> Answer {
    let Set { code, credential } = own(&app, &headers, &body)?;
    let source = visitor::source(&app, &headers, &extensions);
    let done = chip::set(&app, &code, &source, &credential).await;
    done.map_err(|error| PageError(error, language(&headers)))?;
    Ok(Json(json!({})))
}
