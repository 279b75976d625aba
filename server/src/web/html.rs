//! The pages' markup. Every value is escaped; nothing stands inline that the policy would refuse.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_protocol::formats::amount;
use godkend_protocol::types::Payment;

use super::icons::{self, emblem};
use super::texts::{self, Texts};
use super::{ICON_PATH, STYLE_PATH};
use crate::error::ApiError;
use crate::oidc::error::OidcError;
use crate::oidc::records::Language;
use crate::records::Transaction;

/// What is asked: payment and text, all of it.
pub(super) fn asked(t: &Texts, transaction: &Transaction) -> String {
    let payment = transaction.payment.as_ref().map(|payment| payment_lines(t, payment)).unwrap_or_default();
    let text = transaction.text.as_ref().map(|text| {
        format!(r#"<div class="message"><p class="label">{}</p><p id="text">{}</p></div>"#, t.message, escape(text))
    });
    payment + &text.unwrap_or_default()
}

fn payment_lines(t: &Texts, payment: &Payment) -> String {
    let amount = amount::text(payment.amount_minor, &payment.currency, t.tag != "en");
    let account = payment
        .account
        .as_deref()
        .map_or_else(String::new, |account| format!("<dt>{}</dt><dd>{}</dd>", t.account, escape(account)));
    format!(
        r#"<dl id="payment"><dt>{}</dt><dd>{}</dd><dt>{}</dt><dd>{}</dd>{account}</dl>"#,
        t.amount,
        escape(&amount),
        t.payee,
        escape(&payment.payee),
    )
}

/// A request that was refused without a way back: the description is for the relying party's developer.
pub(super) fn refused(language: Language, error: &OidcError) -> Response {
    let t = texts::of(language);
    refused_as(t, t.refused, error)
}

/// The same of a logout.
pub(super) fn refused_logout(language: Language, error: &OidcError) -> Response {
    let t = texts::of(language);
    refused_as(t, t.failed, error)
}

fn refused_as(t: &Texts, title: &str, error: &OidcError) -> Response {
    let body = format!(
        r#"<main class="card">{}<h1>{}</h1><p>{}</p><p class="detail" lang="en"><code>{}</code>: {}</p></main>"#,
        emblem("bad", icons::CROSS),
        title,
        t.refused_hint,
        error.kind.as_str(),
        escape(error.description),
    );
    plain(StatusCode::BAD_REQUEST, t, title, &body)
}

/// A login's page or end in a browser that did not begin it.
pub(super) fn wrong_browser(language: Language) -> Response {
    let t = texts::of(language);
    let emblem = emblem("bad", icons::CROSS);
    let body = format!(r#"<main class="card">{emblem}<h1>{}</h1><p>{}</p></main>"#, t.failed, t.other_browser);
    plain(StatusCode::NOT_FOUND, t, t.failed, &body)
}

/// The end of a session whose relying party named no page to go back to.
pub(super) fn logged_out(language: Language) -> Response {
    let t = texts::of(language);
    let emblem = emblem("good", icons::CHECK);
    let body = format!(r#"<main class="card">{emblem}<h1>{}</h1><p>{}</p></main>"#, t.logged_out, t.close_window);
    plain(StatusCode::OK, t, t.logged_out, &body)
}

/// A refusal with its own sentence.
pub(super) fn error(language: Language, error: &ApiError) -> Response {
    let t = texts::of(language);
    let status = status_of(error);
    let (sentence, tag) = texts::sentence(language, error.code);
    let emblem = emblem("bad", icons::CROSS);
    let body = format!(r#"<main class="card">{emblem}<h1>{}</h1><p lang="{tag}">{sentence}</p></main>"#, t.failed);
    plain(status, t, t.failed, &body)
}

pub(super) fn status_of(error: &ApiError) -> StatusCode {
    StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The block page; after a try, with what came of it: the phone's model, or why not.
pub(super) fn block(language: Language, outcome: Option<Result<String, ApiError>>) -> Response {
    let t = texts::of(language);
    let (status, told) = match &outcome {
        None => (StatusCode::OK, String::new()),
        Some(Ok(model)) => (
            StatusCode::OK,
            format!(r#"<p id="done" class="done" role="status">{} ({})</p>"#, t.block_done, escape(model)),
        ),
        Some(Err(error)) => {
            let (sentence, tag) = texts::sentence(language, error.code);
            (status_of(error), format!(r#"<p id="problem" class="problem" role="alert" lang="{tag}">{sentence}</p>"#))
        }
    };
    let body = format!(
        r#"<main class="card">{emblem}<h1>{title}</h1><p id="hint">{hint}</p>{told}
<form method="post" action="/block"><input type="hidden" name="language" value="{tag}">
<label for="code">{label}</label>
<input id="code" name="code" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="40" required aria-describedby="hint">
<button type="submit">{button}</button></form></main>"#,
        emblem = emblem("calm", icons::LOCK),
        title = t.block_title,
        hint = t.block_hint,
        tag = t.tag,
        label = t.block_code,
        button = t.block_button,
    );
    page(status, t, t.block_title, &body)
}

/// A page whose language can be chosen.
pub(super) fn page(status: StatusCode, t: &Texts, title: &str, body: &str) -> Response {
    shell(&Shell { status, t, title, head: "", body, languages: true })
}

/// One that cannot be asked for again: it speaks the language that was chosen before.
fn plain(status: StatusCode, t: &Texts, title: &str, body: &str) -> Response {
    shell(&Shell { status, t, title, head: "", body, languages: false })
}

/// What is around every page.
pub(super) struct Shell<'a> {
    pub(super) status: StatusCode,
    pub(super) t: &'a Texts,
    pub(super) title: &'a str,
    /// More for the head.
    pub(super) head: &'a str,
    pub(super) body: &'a str,
    /// Offers the other languages, at the same address.
    pub(super) languages: bool,
}

pub(super) fn shell(shell: &Shell<'_>) -> Response {
    let Shell { status, t, title, head, body, languages } = shell;
    let tag = t.tag;
    let link = |(other, name): (&str, &str)| {
        let current = if other == tag { r#" aria-current="true""# } else { "" };
        format!(r#"<li><a href="?language={other}" lang="{other}" hreflang="{other}"{current}>{name}</a></li>"#)
    };
    let all = [("da", "Dansk"), ("en", "English"), ("kl", "Kalaallisut")];
    let languages = if *languages {
        let links: String = all.into_iter().map(link).collect();
        format!(r#"<nav class="languages" aria-label="{}"><ul>{links}</ul></nav>"#, t.languages)
    } else {
        String::new()
    };
    let page = format!(
        r#"<!doctype html>
<html lang="{tag}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>{title} – Godkend</title><link rel="icon" href="{ICON_PATH}" type="image/svg+xml"><link rel="stylesheet" href="{STYLE_PATH}">{head}</head>
<body>
<header><p class="brand"><img src="{ICON_PATH}" alt="" width="32" height="32"><span>Godkend</span></p>{languages}</header>
{body}
<footer><p>{lost_phone} <a href="/block?language={tag}">{block}</a></p></footer>
</body></html>
"#,
        lost_phone = t.lost_phone,
        block = t.block_title,
    );
    (*status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
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
        for part in ["1.250,05 DKK", "Bager &lt;Sørensen&gt;", "1234 0001234567"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(payment_lines(texts::of(Language::En), &payment).contains("DKK 1,250.05"));
    }
}
