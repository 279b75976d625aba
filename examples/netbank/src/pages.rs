//! The bank's pages, in Danish.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::provider::ProviderError;
use crate::session::Account;

pub(crate) fn home(account: Option<&Account>) -> Response {
    let Some(account) = account else {
        return page(
            StatusCode::OK,
            r#"<h1>Netbanken</h1><form method="post" action="/login"><button id="login">Log på</button></form>"#,
        );
    };
    let person = &account.person;
    let receipts: String = account
        .receipts
        .iter()
        .map(|receipt| {
            format!(
                r#"<li class="receipt">{} {} til {}, {} <small>({})</small></li>"#,
                escape(&receipt.payment.amount),
                escape(&receipt.payment.currency),
                escape(&receipt.payment.payee),
                escape(&receipt.payment.account),
                escape(&receipt.transaction),
            )
        })
        .collect();
    let body = format!(
        r#"<h1>Velkommen, <span id="name">{name}</span></h1>
<p>Niveau <span id="level">{level}</span>, bundet ved <span id="binding">{binding}</span>.</p>
<h2>Betal</h2>
<form method="post" action="/pay">
<label>Beløb <input name="amount" value="1250,00" inputmode="decimal" required></label>
<label>Valuta <input name="currency" value="DKK" maxlength="3" required></label>
<label>Til <input name="payee" value="Bager Sørensen" maxlength="64" required></label>
<label>Konto <input name="account" value="1234 0001234567" maxlength="64" required></label>
<button id="pay">Godkend betaling</button></form>
<h2>Betalt</h2><ul id="receipts">{receipts}</ul>
<form method="post" action="/logout"><button id="logout">Log af</button></form>"#,
        name = escape(&person.name),
        level = escape(&person.level),
        binding = escape(&person.binding),
    );
    page(StatusCode::OK, &body)
}

pub(crate) fn failed(error: &ProviderError) -> Response {
    let body = format!(
        r#"<h1>Det lykkedes ikke</h1><p id="error">{}</p><p><a href="/">Tilbage</a></p>"#,
        escape(&error.to_string())
    );
    page(error.status(), &body)
}

fn page(status: StatusCode, body: &str) -> Response {
    let page = format!(
        r#"<!doctype html><html lang="da"><head><meta charset="utf-8"><title>Netbanken</title></head><body>{body}</body></html>"#
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ];
    (status, headers, page).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
