//! The front page: what a person has.

use core::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::shell::escape;
use serde_json::Value;

use super::{Around, list, text};
use crate::time;

/// What a person has.
pub(crate) fn overview(around: Around<'_>, own: &Value, told: Option<&str>) -> Response {
    let title = around.pick("Mit overblik", "My overview");
    let told = told.map_or_else(String::new, |told| {
        format!(r#"<p class="told" id="told" role="status">{}</p>"#, around.mark(&escape(told)))
    });
    let body = format!(
        r#"<h1>{hello}</h1>{told}{phones}{browsers}{codes}{orders}{user_id}{history}{desk}
<section class="serious" id="everything"><h2>{block}</h2><p>{block_how}</p><div class="links">{block_link}</div>{block_code}</section>"#,
        hello = escape(text(own, "name")),
        phones = phones(around, own),
        browsers = browsers(around, own),
        codes = codes(around, own),
        orders = orders(around, own),
        user_id = user_id(around, own),
        history = format_args!(
            r#"<section id="history"><h2>{}</h2><p>{}</p><div class="links"><a href="/history">{}</a><a href="/export">{}</a></div></section>"#,
            around.say("Historik", "History"),
            around.say("Godkendelser, afvisninger og mislykkede forsøg.", "Approvals, refusals and failed tries."),
            around.say("Se historikken", "See the history"),
            around.say("Hent alt som en fil", "Download everything as a file"),
        ),
        desk = settings(around, own),
        block = around.say("Mistanke om misbrug?", "Do you suspect misuse?"),
        block_how = around.say("Spær alt med det samme.", "Block everything at once."),
        block_link = around.link("block-everything", ""),
        block_code = around.block_page(),
    );
    around.page(StatusCode::OK, title, &body)
}

fn phones(around: Around<'_>, own: &Value) -> String {
    let mut lines = String::new();
    for phone in list(own, "phones") {
        let waits = phone.get("active_from").and_then(Value::as_i64);
        let (class, state) = match (text(phone, "state"), waits) {
            ("active", _) => ("state", around.say("I brug", "In use")),
            ("enrolling", Some(from)) => (
                "state waits",
                format!(
                    "{} {}",
                    around.say("Kan bruges fra", "Can be used from"),
                    around.mark(&time::shown(from, around.language))
                ),
            ),
            ("enrolling", None) => ("state waits", around.say("Under aktivering", "Being activated")),
            ("blocked", _) => ("state off", around.say("Spærret", "Blocked")),
            _ => ("state off", around.say("Låst", "Frozen")),
        };
        let id = text(phone, "id");
        let block = if matches!(text(phone, "state"), "active" | "frozen") {
            around.link("block-phone", id)
        } else {
            String::new()
        };
        let _ = write!(
            lines,
            r#"<li class="phone"><strong>{}</strong> <span class="{class}">{}</span><br>{}<div class="links">{block}{}</div></li>"#,
            escape(text(phone, "model")),
            state,
            when(around, phone, "last_used", "Sidst brugt", "Last used"),
            around.link("remove-phone", id),
        );
    }
    section(
        around,
        "phones",
        ("Telefoner", "Phones"),
        ("Du har ingen telefon.", "You have no phone."),
        &lines,
        &around.link("add-phone", ""),
    )
}

fn browsers(around: Around<'_>, own: &Value) -> String {
    let mut lines = String::new();
    for browser in list(own, "browsers") {
        let _ = write!(
            lines,
            r#"<li class="browser"><strong>{}</strong><br>{}<div class="links">{}</div></li>"#,
            escape(text(browser, "name")),
            when(around, browser, "last_used", "Sidst brugt", "Last used"),
            around.link("forget-browser", text(browser, "id")),
        );
    }
    section(
        around,
        "browsers",
        ("Huskede browsere", "Remembered browsers"),
        ("Ingen browser er husket.", "No browser is remembered."),
        &lines,
        "",
    )
}

fn codes(around: Around<'_>, own: &Value) -> String {
    let mut lines = String::new();
    let password = own.get("password").filter(|password| !password.is_null());
    let links = around.link("new-password", "");
    if let Some(password) = password {
        let _ = write!(
            lines,
            r#"<li id="password"><strong>{}</strong><br>{}<div class="links">{links}{}</div></li>"#,
            around.say("Adgangskode", "Password"),
            when(around, password, "set", "Valgt", "Chosen"),
            around.link("remove-password", ""),
        );
    }
    for display in list(own, "displays").iter().filter(|display| text(display, "state") == "active") {
        let low = display.get("battery_low").and_then(Value::as_bool) == Some(true);
        let battery = if low {
            format!(
                r#" <span class="state waits">{}</span>"#,
                around.say("Batteriet er ved at være tomt", "The battery is running out")
            )
        } else {
            String::new()
        };
        let _ = write!(
            lines,
            r#"<li class="display"><strong>{} {}</strong>{battery}<br>{}<div class="links">{}</div></li>"#,
            around.say("Kodeviser", "Code display"),
            escape(text(display, "serial")),
            when(around, display, "last_used", "Sidst brugt", "Last used"),
            around.link("display-lost", ""),
        );
    }
    let chip = own.get("chip").filter(|chip| !chip.is_null());
    if let Some(chip) = chip {
        lines.push_str(&chip_line(around, chip));
    }
    let more = [
        if chip.is_none() { around.link("new-chip", "") } else { String::new() },
        if password.is_none() { links } else { String::new() },
        around.link("order-display", ""),
        around.link("order-talking-display", ""),
        around.link("order-chip", ""),
    ];
    section(
        around,
        "codes",
        ("Adgangskode, kodeviser og chip", "Password, code display and chip"),
        ("Du bruger kun telefonen.", "You use the phone alone."),
        &lines,
        &more.concat(),
    )
}

fn chip_line(around: Around<'_>, chip: &Value) -> String {
    let frozen = chip.get("frozen").and_then(Value::as_bool) == Some(true);
    let (class, state) = match (frozen, text(chip, "level")) {
        (true, _) => ("state off", around.say("Låst: en kopi blev brugt", "Frozen: a copy was used")),
        (false, "high") => ("state", around.say("Op til Høj", "Up to High")),
        (false, "substantial") => ("state", around.say("Op til Betydelig", "Up to Substantial")),
        (false, "low") => ("state", around.say("Op til Lav", "Up to Low")),
        (false, _) => ("state off", around.say("Kan ikke bruges mere", "Can no longer be used")),
    };
    let used = if chip.get("last_used").is_some_and(Value::is_i64) {
        when(around, chip, "last_used", "Sidst brugt", "Last used")
    } else {
        when(around, chip, "registered", "Tilknyttet", "Registered")
    };
    let links = ["chip-lost", "new-chip", "remove-chip"].map(|name| around.link(name, "")).concat();
    format!(
        r#"<li id="chip"><strong>Chip</strong> <span class="{class}">{state}</span><br>{used}<div class="links">{links}</div></li>"#
    )
}

fn orders(around: Around<'_>, own: &Value) -> String {
    let mut lines = String::new();
    for order in list(own, "orders").iter().filter(|order| text(order, "state") == "open") {
        let what = match text(order, "what") {
            "talking_display" => around.say("Talende kodeviser", "Talking code display"),
            "chip" => "Chip".to_owned(),
            _ => around.say("Kodeviser", "Code display"),
        };
        let _ = write!(
            lines,
            r#"<li class="order"><strong>{what}</strong><br>{}<div class="links">{}</div></li>"#,
            when(around, order, "at", "Bestilt", "Ordered"),
            around.link("cancel-order", text(order, "id")),
        );
    }
    if lines.is_empty() { lines } else { section(around, "orders", ("Bestillinger", "Orders"), ("", ""), &lines, "") }
}

fn user_id(around: Around<'_>, own: &Value) -> String {
    format!(
        r#"<section><h2>{}</h2><p id="user-id">{}</p><div class="links">{}</div></section>"#,
        around.say("Bruger-id", "User id"),
        escape(text(own, "user_id")),
        around.link("user-id", ""),
    )
}

fn settings(around: Around<'_>, own: &Value) -> String {
    let on = |name: &str| own.pointer(&format!("/settings/{name}")).and_then(Value::as_bool) == Some(true);
    let (hidden, push, told) = (on("hide_names"), on("locked_push"), on("tell_uses"));
    format!(
        r#"<section id="settings"><h2>{}</h2><p>{}</p><p>{}</p><p>{}</p><div class="links">{}{}{}</div></section>"#,
        around.say("Indstillinger", "Settings"),
        if hidden {
            around
                .say("En skranke ser ikke, hvilke tjenester du bruger.", "A desk does not see which services you use.")
        } else {
            around.say("En skranke ser, hvilke tjenester du bruger.", "A desk sees which services you use.")
        },
        if push {
            around.say(
                "Dit bruger-id kan sende en låst anmodning til din telefon.",
                "Your user id can send a locked request to your phone.",
            )
        } else {
            around.say("Dit bruger-id sender intet til din telefon.", "Your user id sends nothing to your phone.")
        },
        if told {
            around.say("Dine telefoner får besked om hver brug.", "Your phones are told of every use.")
        } else {
            around.say("Dine telefoner får ingen besked om brug.", "Your phones are not told of uses.")
        },
        around.link(if told { "tell-off" } else { "tell-on" }, ""),
        around.link(if hidden { "show-names" } else { "hide-names" }, ""),
        around.link(if push { "push-off" } else { "push-on" }, ""),
    )
}

fn section(
    around: Around<'_>,
    id: &str,
    title: (&'static str, &'static str),
    none: (&'static str, &'static str),
    lines: &str,
    links: &str,
) -> String {
    let content =
        if lines.is_empty() { format!("<p>{}</p>", around.say_words(none)) } else { format!("<ul>{lines}</ul>") };
    let links = if links.is_empty() { String::new() } else { format!(r#"<div class="links">{links}</div>"#) };
    format!(r#"<section id="{id}"><h2>{}</h2>{content}{links}</section>"#, around.say_words(title))
}

fn when(around: Around<'_>, value: &Value, name: &str, danish: &'static str, english: &'static str) -> String {
    let at = value.get(name).and_then(Value::as_i64);
    at.map_or_else(String::new, |at| {
        format!(
            "<small>{} {}</small>",
            around.say(danish, english),
            around.mark(&escape(&time::shown(at, around.language)))
        )
    })
}
