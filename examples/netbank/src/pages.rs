//! The bank's pages, in Danish.

use axum::http::StatusCode;
use axum::response::Response;

use crate::provider::ProviderError;
use crate::session::Account;
use crate::shell::{Brand, escape, page};

const BRAND: Brand = Brand { name: "Netbanken", class: "netbank" };

pub(crate) fn home(account: Option<&Account>) -> Response {
    let Some(account) = account else {
        let body = r#"<h1>Velkommen til Netbanken</h1><div class="card"><p>Se dine konti, og betal dine regninger.</p>
<form method="post" action="/login"><button id="login">Log på</button></form></div>"#;
        return page(StatusCode::OK, BRAND, body);
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
<p class="level">Niveau <span id="level">{level}</span>, bundet ved <span id="binding">{binding}</span>.</p>
<h2>Betal</h2>
<form class="card" method="post" action="/pay">
<label>Beløb <input name="amount" value="1250,00" inputmode="decimal" required></label>
<label>Valuta <input name="currency" value="DKK" maxlength="3" required></label>
<label>Til <input name="payee" value="Bager Sørensen" maxlength="64" required></label>
<label>Konto <input name="account" value="1234 0001234567" maxlength="64" required></label>
<button id="pay">Godkend betaling</button></form>
<h2>Betalt</h2><ul id="receipts">{receipts}</ul>
<form method="post" action="/logout"><button id="logout" class="quiet">Log af</button></form>"#,
        name = escape(&person.name),
        level = person.level.uri(),
        binding = escape(&person.binding),
    );
    page(StatusCode::OK, BRAND, &body)
}

pub(crate) fn failed(error: &ProviderError) -> Response {
    let body = format!(
        r#"<h1>Det lykkedes ikke</h1><p id="error">{}</p><p><a href="/">Tilbage</a></p>"#,
        escape(&error.to_string())
    );
    page(error.status(), BRAND, &body)
}
