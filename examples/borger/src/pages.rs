//! The site's pages, in Danish.

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::challenge::Challenge;
use godkend_netbank::provider::{Level, Person, ProviderError};
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

/// What another login has to be: better, or only newer.
pub(crate) fn locked(person: &Person, challenge: Challenge) -> Response {
    let wanted = challenge.level.unwrap_or(person.level);
    let (title, why, button) = if person.level < wanted {
        (
            "Brevet kræver mere sikkerhed",
            format!(
                "Du er logget på med niveau {}. Breve kan læses med niveau {}.",
                danish(person.level),
                danish(wanted)
            ),
            format!("Fortsæt med niveau {}", danish(wanted)),
        )
    } else {
        let age = match challenge.max_age.unwrap_or_default() {
            seconds if seconds >= 120 => format!("{} minutter", seconds / 60),
            seconds => format!("{seconds} sekunder"),
        };
        (
            "Log på igen for at læse brevet",
            format!("Breve kan læses i {age}, efter at du har logget på. Så kan ingen anden læse dem på din skærm."),
            "Log på igen".to_owned(),
        )
    };
    let body = format!(
        r#"<h1>{title}</h1><div class="card"><p id="why">{why}</p>
<form method="post" action="/step-up"><button id="step-up">{button}</button></form></div>
<p><a href="/">Tilbage</a></p>"#
    );
    page(StatusCode::FORBIDDEN, BRAND, &body)
}

const fn danish(level: Level) -> &'static str {
    match level {
        Level::Low => "Lav",
        Level::Substantial => "Betydelig",
        Level::High => "Høj",
    }
}

pub(crate) fn ended() -> Response {
    let body = r#"<h1>Du er logget af</h1><div class="card"><p id="ended">Dit besøg er udløbet. Log på igen for at læse din post.</p>
<form method="post" action="/login"><button id="login">Log på</button></form></div>"#;
    page(StatusCode::UNAUTHORIZED, BRAND, body)
}

pub(crate) fn unreachable() -> Response {
    let body = r#"<h1>Det lykkedes ikke</h1><p id="error">Brevet kan ikke hentes lige nu. Prøv igen om lidt.</p>
<p><a href="/">Tilbage</a></p>"#;
    page(StatusCode::BAD_GATEWAY, BRAND, body)
}

pub(crate) fn letter(person: &Person, text: &str) -> Response {
    let body = format!(
        r#"<h1>Brev fra Kommunen</h1><article class="card" id="text"><p>Kære {}</p>
<p>{}</p><p>Venlig hilsen<br>Kommunen</p></article>
<p><a href="/">Tilbage</a></p>"#,
        escape(&person.name),
        escape(text)
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
