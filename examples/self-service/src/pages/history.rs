//! The history.

use core::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::shell::escape;
use serde_json::Value;

use super::{Around, list, text};
use crate::events;
use crate::time;

/// A page of history.
pub(crate) fn history(around: Around<'_>, found: &Value) -> Response {
    let title = around.pick("Historik", "History");
    let heading = around.mark(title);
    let mut lines = String::new();
    for line in list(found, "history") {
        let (words, twice) = events::words(text(line, "event"));
        let told = |name: &str| line.pointer(&format!("/details/{name}")).and_then(Value::as_str).unwrap_or_default();
        let facts = [
            (("Tjeneste", "Service"), text(line, "relying_party")),
            (("Telefon", "Phone"), text(line, "model")),
            (("Sted", "Place"), told("place")),
            (("Browser", "Browser"), told("browser")),
            (("Niveau", "Level"), told("level")),
            (("Af", "By"), told("by")),
        ];
        let mut shown = String::new();
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(shown, "<dt>{}</dt><dd>{}</dd>", around.say_words(*name), escape(value));
        }
        if let Some(phones) = line.pointer("/details/told").and_then(Value::as_u64) {
            let _ = write!(
                shown,
                "<dt>{}</dt><dd>{phones}</dd>",
                around.say("Telefoner, der fik besked", "Phones that were told")
            );
        }
        let at = line.get("at").and_then(Value::as_i64).unwrap_or_default();
        let _ = write!(
            lines,
            r#"<li class="event{}"><strong>{}</strong><br><time>{}</time><dl>{shown}</dl></li>"#,
            if twice { " alert" } else { "" },
            around.say_words(words),
            around.mark(&escape(&time::shown(at, around.language))),
        );
    }
    let next = text(found, "next");
    let older = if next.is_empty() {
        String::new()
    } else {
        format!(r#"<a id="older" href="/history?after={}">{}</a>"#, escape(next), around.say("Ældre", "Older"))
    };
    let body = format!(
        r#"<h1>{heading}</h1><section><p>{}</p><ol>{lines}</ol><div class="links">{older}<a href="/export">{}</a><a href="/">{}</a></div></section>"#,
        around.say(
            "Kender du ikke noget af dette, så spær det, det handler om.",
            "If you do not recognise something here, block what it is about.",
        ),
        around.say("Hent alt som en fil", "Download everything as a file"),
        around.say("Tilbage", "Back"),
    );
    around.page(StatusCode::OK, title, &body)
}
