//! What all pages of the demo sites look like.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Where the style is.
pub const STYLE_PATH: &str = "/style.css";

/// The style that the demo sites share.
pub async fn style() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, include_str!("style.css"))
}

/// A page; `body` is markup, `brand` the site's name and the name of its colour.
#[must_use]
pub fn page(status: StatusCode, brand: Brand, body: &str) -> Response {
    let Brand { name, class } = brand;
    let page = format!(
        r#"<!doctype html>
<html lang="da"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title><link rel="stylesheet" href="{STYLE_PATH}"></head>
<body class="{class}"><header><a href="/">{name}</a></header><main>{body}</main>
<footer>En demonstration. Hverken penge eller breve er virkelige.</footer></body></html>
"#
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    (status, headers, page).into_response()
}

/// A site's name and the class that gives it its colour.
#[derive(Clone, Copy, Debug)]
pub struct Brand {
    /// What stands at the top.
    pub name: &'static str,
    /// A class of the style.
    pub class: &'static str,
}

/// For text and for attributes in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
