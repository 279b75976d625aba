//! The site's pages, in Danish.

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::provider::{Person, ProviderError};
use godkend_netbank::shell::{Brand, escape, page};

const BRAND: Brand = Brand { name: "Borgersiden", class: "borger" };

pub(crate) fn home(person: Option<&Person>) -> Response {
    let Some(person) = person else {
        let body = r#"<h1>Din indgang til det offentlige</h1><div class="card"><p>Se, om der er post til dig.</p>
<form method="post" action="/login"><button id="login">Log på</button></form></div>"#;
        return page(StatusCode::OK, BRAND, body);
    };
    let body = format!(
        r#"<h1>Hej, <span id="name">{name}</span></h1>
<p class="level">Niveau <span id="level">{level}</span></p>
<div class="card"><h2>Digital post</h2><p>Der er et brev fra Kommunen.</p><p><a id="letter" href="/letter">Læs brevet</a></p></div>
<form method="post" action="/logout"><button id="logout" class="quiet">Log af</button></form>"#,
        name = escape(&person.name),
        level = person.level.uri(),
    );
    page(StatusCode::OK, BRAND, &body)
}

pub(crate) fn locked() -> Response {
    let body = r#"<h1>Brevet kræver mere sikkerhed</h1>
<div class="card"><p>Du er logget på med niveau Lav. Breve kan læses med niveau Betydelig.</p>
<form method="post" action="/step-up"><button id="step-up">Fortsæt med niveau Betydelig</button></form></div>
<p><a href="/">Tilbage</a></p>"#;
    page(StatusCode::FORBIDDEN, BRAND, body)
}

pub(crate) fn letter(person: &Person) -> Response {
    let body = format!(
        r#"<h1>Brev fra Kommunen</h1><article class="card" id="text"><p>Kære {}</p>
<p>Dit nye pas ligger klar. Du kan hente det i Borgerservice fra på mandag.</p><p>Venlig hilsen<br>Kommunen</p></article>
<p><a href="/">Tilbage</a></p>"#,
        escape(&person.name)
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
