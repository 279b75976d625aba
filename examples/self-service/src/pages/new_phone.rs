//! A new phone on its way.

use core::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::shell::escape;
use serde_json::Value;

use super::{Around, text};
use crate::time;

/// A new phone on its way: the QR code until a phone has taken it, then the digits, then the wait.
pub(crate) fn new_phone(
    around: Around<'_>,
    shown: &Value,
    handed: Option<&str>,
    problem: Option<(&str, StatusCode)>,
) -> Response {
    let title = around.pick("Aktivér en ny telefon", "Activate a new phone");
    let heading = around.mark(title);
    let id = text(shown, "id");
    let look = format!(
        r#"<div class="links"><a id="look" href="/phone?id={}">{}</a><a href="/">{}</a></div>"#,
        escape(id),
        around.say("Se, hvor langt den er", "See how far it is"),
        around.say("Til overblikket", "To the overview"),
    );
    let content = match (text(shown, "stage"), handed) {
        ("waiting_for_phone", Some(handed)) => format!(
            r#"<p>{}</p>{}<p>{}</p><p class="wrap" id="link">{}</p><p><a id="scanned" class="button" href="/phone?id={}">{}</a></p>"#,
            around.say(
                "Åbn Godkend på den nye telefon, og scan koden. Den gælder i ti minutter.",
                "Open Godkend on the new phone and scan the code. It is good for ten minutes."
            ),
            qr(handed),
            around.say(
                "Kan den nye telefon ikke scanne, så åbn dette link på den:",
                "If the new phone cannot scan, open this link on it:"
            ),
            escape(handed),
            escape(id),
            around.say("Telefonen har scannet koden", "The phone has scanned the code"),
        ),
        ("digits", _) => format!(
            r#"<p>{} <strong id="model">{}</strong></p><form method="post" action="/phone/digits">{}<input type="hidden" name="id" value="{}">
<label for="digits">{}</label><input id="digits" name="digits" inputmode="numeric" autocomplete="off" maxlength="12" required>
<button id="confirm">{}</button></form>"#,
            around.say("En telefon har taget aktiveringen:", "A phone has taken the activation:"),
            escape(text(shown, "model")),
            around.hidden(),
            escape(id),
            around.say("De otte tal, som den nye telefon viser", "The eight digits that the new phone shows"),
            around.say("Det er min telefon", "It is my phone"),
        ),
        ("choose_pin" | "finish", _) => format!(
            r#"<p id="stage">{}</p>"#,
            around.say("Vælg nu en PIN-kode på den nye telefon.", "Now choose a PIN on the new phone.")
        ),
        ("waiting" | "active", _) => {
            let from = shown.get("active_from").and_then(Value::as_i64);
            let from = from.map_or_else(String::new, |from| time::shown(from, around.language));
            format!(
                r#"<p id="stage">{} {}</p><p>{}</p>"#,
                around.say("Telefonen kan bruges fra", "The phone can be used from"),
                around.mark(&escape(&from)),
                around.say(
                    "Dine andre telefoner har fået besked og kan stoppe den så længe.",
                    "Your other phones have been told and can stop it until then."
                ),
            )
        }
        _ => format!(
            r#"<p id="stage">{}</p>"#,
            around.say(
                "Aktiveringen gælder ikke længere. Begynd forfra.",
                "The activation is no longer good. Begin again."
            )
        ),
    };
    let said = problem.map_or_else(String::new, |(said, _)| {
        format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, around.mark(&escape(said)))
    });
    let body = format!("<h1>{heading}</h1>{said}<section>{content}{look}</section>");
    around.page(problem.map_or(StatusCode::OK, |(_, status)| status), title, &body)
}

/// A QR code as lines of markup: no picture is fetched, and no script draws it.
fn qr(link: &str) -> String {
    let Ok(code) = qrcode::QrCode::with_error_correction_level(link, qrcode::EcLevel::L) else { return String::new() };
    let width = code.width();
    let mut path = String::new();
    for (place, module) in code.to_colors().into_iter().enumerate() {
        if module == qrcode::Color::Dark {
            let _ = write!(path, "M{} {}h1v1h-1z", place % width + 4, place / width + 4);
        }
    }
    let side = width + 8;
    format!(
        r##"<svg class="qr" id="qr" viewBox="0 0 {side} {side}" role="img" aria-label="QR" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path fill="#000" d="{path}"/></svg>"##
    )
}
