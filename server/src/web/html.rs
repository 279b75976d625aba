//! The pages' markup. Every value is escaped; nothing stands inline that the policy would refuse.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::types::Payment;
use serde_json::Value;

use super::texts::{self, Texts};
use super::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};
use crate::error::ApiError;
use crate::oidc::error::OidcError;
use crate::oidc::records::{Language, Login};
use crate::oidc::request::amount_text;
use crate::records::Transaction;

/// The login page. Its script reads `state` and `frames`, the same JSON that it asks for later.
pub(super) fn login(login: &Login, transaction: &Transaction, state: &Value, frames: &Value, ways: &str) -> Response {
    let ask = &login.request.ask;
    let t = texts::of(ask.language);
    let asked = asked(t, transaction);
    let messages = serde_json::json!({
        "waiting": t.waiting, "opened": t.opened, "approved": t.approved, "denied": t.denied, "reported": t.denied,
        "expired": t.expired, "lost": t.lost, "failed": t.failed, "seconds_left": t.seconds_left,
    });
    let body = format!(
        r#"<main id="login" data-id="{id}" data-state="{state}" data-frames="{frames}" data-texts="{messages}">
<h1>{name} {asks}</h1>
{asked}
<p class="warn">{warn}</p>
<div id="progress"><p id="status" role="status" aria-live="polite">{waiting}</p><p id="left"></p></div>
<p id="problem" role="alert" hidden></p>
<section id="remembered" hidden><p>{remembered}</p></section>
<section id="number-box" aria-live="polite" hidden><p>{number}</p><p id="number" class="digits"></p></section>
<section id="scan"><p>{scan}</p><div id="qr" role="img" aria-label="{qr_alt}"></div>
<p><a id="same-device" hidden>{same_device}</a></p></section>
<details id="other"><summary>{by_user_id}</summary>
<form id="user-id-form"><label for="user-id">{user_id}</label>
<input id="user-id" name="user_id" minlength="5" maxlength="48" autocomplete="username" autocapitalize="none" spellcheck="false" required value="{hint}">
<button type="submit">{go_on}</button> <button type="button" id="offline-button">{offline}</button></form></details>
<section id="offline-box" hidden><p>{offline_scan}</p><div id="offline-qr" role="img" aria-label="QR"></div>
<form id="offline-form"><label for="offline-code">{offline_code}</label>
<input id="offline-code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="11" required>
<button type="submit">{go_on}</button></form></section>
{ways}<p><button type="button" id="cancel">{cancel}</button></p>
<noscript><p>{script}</p></noscript>
</main>
<script src="{SCRIPT_PATH}" defer></script>"#,
        id = escape(&transaction.id.to_base64()),
        state = escape(&state.to_string()),
        frames = escape(&frames.to_string()),
        messages = escape(&messages.to_string()),
        name = escape(&transaction.relying_party.name),
        asks = t.asks,
        warn = t.warn,
        waiting = t.waiting,
        remembered = t.remembered,
        scan = t.scan,
        qr_alt = t.qr_alt,
        same_device = t.same_device,
        number = t.number,
        by_user_id = t.by_user_id,
        user_id = t.user_id,
        hint = escape(ask.login_hint.as_deref().unwrap_or_default()),
        go_on = t.go_on,
        offline = t.offline,
        offline_scan = t.offline_scan,
        offline_code = t.offline_code,
        cancel = t.cancel,
        script = t.script,
    );
    page(StatusCode::OK, t, t.action(transaction.action), &body)
}

/// What is asked: action, text and payment, all of it.
pub(super) fn asked(t: &Texts, transaction: &Transaction) -> String {
    let mut lines = format!(r#"<p id="action">{}</p>"#, t.action(transaction.action));
    if let Some(text) = &transaction.text {
        lines.push_str(&format!(r#"<p id="text">{}</p>"#, escape(text)));
    }
    if let Some(payment) = &transaction.payment {
        lines.push_str(&payment_lines(t, payment));
    }
    lines
}

fn payment_lines(t: &Texts, payment: &Payment) -> String {
    let amount = amount_text(payment.amount_minor);
    let amount = if t.tag == "da" { amount.replace('.', ",") } else { amount };
    let account = payment
        .account
        .as_deref()
        .map_or_else(String::new, |account| format!("<dt>{}</dt><dd>{}</dd>", t.account, escape(account)));
    format!(
        r#"<dl id="payment"><dt>{}</dt><dd>{} {}</dd><dt>{}</dt><dd>{}</dd>{account}</dl>"#,
        t.amount,
        amount,
        escape(&payment.currency),
        t.payee,
        escape(&payment.payee),
    )
}

/// A request that was refused without a way back: the description is for the relying party's developer.
pub(super) fn refused(language: Language, error: &OidcError) -> Response {
    let t = texts::of(language);
    let body = format!(
        r#"<main><h1>{}</h1><p>{}</p><p class="detail"><code>{}</code>: {}</p></main>"#,
        t.refused,
        t.refused_hint,
        error.kind.as_str(),
        escape(error.description),
    );
    page(StatusCode::BAD_REQUEST, t, t.refused, &body)
}

/// A login's page or end in a browser that did not begin it.
pub(super) fn wrong_browser(language: Language) -> Response {
    let t = texts::of(language);
    page(StatusCode::NOT_FOUND, t, t.failed, &format!("<main><h1>{}</h1><p>{}</p></main>", t.failed, t.other_browser))
}

/// The end of a session whose relying party named no page to go back to.
pub(super) fn logged_out(language: Language) -> Response {
    let t = texts::of(language);
    let (title, sentence) = match language {
        Language::Da => ("Du er logget af", "Du kan lukke vinduet."),
        Language::En => ("You are logged out", "You can close this window."),
    };
    page(StatusCode::OK, t, title, &format!("<main><h1>{title}</h1><p>{sentence}</p></main>"))
}

/// A refusal with its own sentence.
pub(super) fn error(language: Language, error: &ApiError) -> Response {
    let t = texts::of(language);
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = format!("<main><h1>{}</h1><p>{}</p></main>", t.failed, sentence(language, error));
    page(status, t, t.failed, &body)
}

/// The block page; after a try, with what came of it: the phone's model, or why not.
pub(super) fn block(language: Language, outcome: Option<Result<String, ApiError>>) -> Response {
    let t = texts::of(language);
    let (status, told) = match &outcome {
        None => (StatusCode::OK, String::new()),
        Some(Ok(model)) => {
            (StatusCode::OK, format!(r#"<p id="done" role="status">{} ({})</p>"#, t.block_done, escape(model)))
        }
        Some(Err(error)) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, format!(r#"<p id="problem" role="alert">{}</p>"#, sentence(language, error)))
        }
    };
    let other = if language == Language::Da { "en" } else { "da" };
    let body = format!(
        r#"<main><h1>{title}</h1><p>{hint}</p>{told}
<form method="post" action="/block"><input type="hidden" name="language" value="{tag}">
<label for="code">{label}</label>
<input id="code" name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required>
<button type="submit">{button}</button></form>
<p><a href="/block?language={other}" lang="{other}">{other_language}</a></p></main>"#,
        title = t.block_title,
        hint = t.block_hint,
        tag = t.tag,
        label = t.block_code,
        button = t.block_button,
        other_language = t.other_language,
    );
    page(status, t, t.block_title, &body)
}

pub(super) fn sentence(language: Language, error: &ApiError) -> &'static str {
    match language {
        Language::Da => error.code.danish(),
        Language::En => error.code.english(),
    }
}

pub(super) fn page(status: StatusCode, t: &Texts, title: &str, body: &str) -> Response {
    let tag = t.tag;
    let page = format!(
        r#"<!doctype html>
<html lang="{tag}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title} – Godkend</title><link rel="icon" href="{ICON_PATH}" type="image/svg+xml"><link rel="stylesheet" href="{STYLE_PATH}"></head>
<body>
<header><img src="{ICON_PATH}" alt="" width="28" height="28">Godkend</header>
{body}
</body></html>
"#
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

/// For text and for attributes in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_value_stays_text() {
        assert_eq!(escape(r#"<a href="x" b='y'>&"#), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    }

    #[test]
    fn a_payment_is_shown_whole() {
        let payment = Payment {
            amount_minor: 125_005,
            currency: "DKK".to_owned(),
            payee: "Bager <Sørensen>".to_owned(),
            account: Some("1234 0001234567".to_owned()),
        };
        let shown = payment_lines(texts::of(Language::Da), &payment);
        for part in ["1250,05 DKK", "Bager &lt;Sørensen&gt;", "1234 0001234567"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(payment_lines(texts::of(Language::En), &payment).contains("1250.05 DKK"));
    }
}
