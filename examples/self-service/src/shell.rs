//! What all pages share: frame, headers, languages.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use godkend_netbank::shell::escape;

use crate::greenlandic;
use crate::session::cookie;

/// Where the style is.
pub(crate) const STYLE_PATH: &str = "/style.css";
/// The cookie with the language that was chosen.
const LANGUAGE_COOKIE: &str = "godkend-self-language";

/// The pages' languages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    /// Danish.
    Da,
    /// English.
    En,
    /// Greenlandic, and Danish where there is none yet.
    Kl,
}

impl Language {
    /// What was chosen, else what the browser prefers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let tag = cookie(headers, LANGUAGE_COOKIE).unwrap_or(accepted);
        Self::of_tag(tag)
    }

    /// The language of a tag, or of the first of several; Danish for what is none of them.
    pub(crate) fn of_tag(tag: &str) -> Self {
        match tag.trim_start().get(..2) {
            Some("en") => Self::En,
            Some("kl") => Self::Kl,
            _ => Self::Da,
        }
    }

    /// The cookie that remembers it.
    pub(crate) fn cookie(self) -> String {
        format!("{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", self.tag())
    }

    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Da => "da",
            Self::En => "en",
            Self::Kl => "kl",
        }
    }

    /// The text in this language; in Danish where a Greenlandic one is missing.
    pub(crate) fn pick<'a>(self, danish: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Da => danish,
            Self::En => english,
            Self::Kl => greenlandic::of(danish).unwrap_or(danish),
        }
    }
}

/// The style.
pub(crate) async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, include_str!("style.css"))
}

/// A page; `body` is markup.
pub(crate) struct Page<'a> {
    pub(crate) language: Language,
    pub(crate) status: StatusCode,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
    /// The token of the form that logs out, for who is signed in.
    pub(crate) form: Option<&'a str>,
}

impl Page<'_> {
    pub(crate) fn respond(&self) -> Response {
        let Self { language, status, title, body, form } = self;
        let tag = language.tag();
        let all = [("da", "Dansk"), ("en", "English"), ("kl", "Kalaallisut")];
        let other = all.into_iter().filter(|(other, _)| *other != tag);
        let other: String = other
            .map(|(other, name)| format!(r#"<a href="/language/{other}" lang="{other}" hreflang="{other}">{name}</a>"#))
            .collect();
        // A title cannot be marked within.
        let titled = if *language == Language::Kl && !greenlandic::is_one(title) { r#" lang="da""# } else { "" };
        // Nor can a label; what stands within is marked again.
        let in_danish = if *language == Language::Kl { r#" lang="da""# } else { "" };
        let log_out = form.map_or_else(String::new, |form| {
            format!(
                r#"<form method="post" action="/logout" lang="{tag}"><input type="hidden" name="form" value="{}"><button id="logout" class="quiet">{}</button></form>"#,
                escape(form),
                language.pick("Log af", "Log out"),
            )
        });
        let page = format!(
            r##"<!doctype html>
<html lang="{tag}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title{titled}>{title} – Mit Godkend</title><link rel="stylesheet" href="{STYLE_PATH}"></head>
<body><a class="skip" href="#main"{in_danish}>{skip}</a>
<header><a class="brand" href="/">Mit Godkend</a><nav aria-label="{language_label}"{in_danish}>{other}{log_out}</nav></header>
<main id="main" tabindex="-1">{body}</main></body></html>
"##,
            title = escape(title),
            skip = language.pick("Gå til indholdet", "Go to the content"),
            language_label = language.pick("Sprog og log af", "Language and log out"),
        );
        (*status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
    }
}

/// The headers of every answer: no script, nothing from elsewhere, no frame, no copy. Forms go here, and from here to the
/// identity server, where a login is asked for.
pub(crate) fn protect(response: &mut Response, issuer: &str) {
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {}; frame-ancestors 'none'; base-uri 'none'",
        issuer.trim_end_matches('/')
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would then name no origin with this site's own forms.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
