//! The pages.

use core::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::shell::escape;
use serde_json::Value;

use crate::actions::{Action, Body};
use crate::api::Refused;
use crate::events;
use crate::shell::{Language, Page};
use crate::time;

/// A page's surroundings: its language, and the token of its forms where somebody is signed in.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) language: Language,
    pub(crate) form: Option<&'a str>,
    pub(crate) issuer: &'a str,
}

impl Around<'_> {
    fn pick<'a>(&self, danish: &'a str, english: &'a str) -> &'a str {
        self.language.pick(danish, english)
    }

    fn words(&self, words: (&'static str, &'static str)) -> &'static str {
        self.language.pick(words.0, words.1)
    }

    fn page(&self, status: StatusCode, title: &str, body: &str) -> Response {
        Page { language: self.language, status, title, body, form: self.form }.respond()
    }

    fn hidden(&self) -> String {
        format!(r#"<input type="hidden" name="form" value="{}">"#, escape(self.form.unwrap_or_default()))
    }

    /// Where a lost phone is blocked with its code alone.
    fn block_page(&self) -> String {
        format!(
            r#"<p><a id="block-code" href="{}/block?language={}">{}</a></p>"#,
            escape(self.issuer.trim_end_matches('/')),
            self.language.tag(),
            self.pick(
                "Spær en telefon med dens spærrekode, uden at logge på",
                "Block a phone with its block code, without logging on"
            ),
        )
    }

    fn link(&self, action: &str, id: &str) -> String {
        let Some(action) = Action::find(action) else { return String::new() };
        let id = if id.is_empty() { String::new() } else { format!("?id={}", escape(id)) };
        format!(r#"<a href="/do/{}{id}">{}</a>"#, action.name, self.words(action.title))
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// For who is not signed in. `form` is the token that the cookie has too.
pub(crate) fn welcome(around: Around<'_>, form: &str, ended: bool) -> Response {
    let ended = if ended {
        format!(
            r#"<p class="told" id="ended" role="status">{}</p>"#,
            around.pick(
                "Besøget er slut. Log på igen, hvis du vil fortsætte.",
                "The visit is over. Log on again to go on."
            )
        )
    } else {
        String::new()
    };
    let title = around.pick("Dine telefoner, koder og din historik", "Your phones, codes and history");
    let body = format!(
        r#"<h1>{title}</h1>{ended}<section><p>{lead}</p>
<form method="post" action="/login"><input type="hidden" name="form" value="{form}"><button id="login">{log_on}</button></form></section>
<section class="serious"><h2>{lost}</h2><p>{lost_how}</p>{block}</section>"#,
        lead = around.pick(
            "Se, hvad du logger på med, og hvad der er sket i dit navn. Spær det, du har mistet, og aktivér en ny telefon.",
            "See what you log on with and what has happened in your name. Block what you have lost, and activate a new phone.",
        ),
        form = escape(form),
        log_on = around.pick("Log på", "Log on"),
        lost = around.pick("Har du mistet din telefon?", "Have you lost your phone?"),
        lost_how = around.pick(
            "Med spærrekoden, som appen viste efter aktiveringen, spærrer du den herfra eller fra enhver anden browser.",
            "With the block code that the app showed after the activation you block it from here or from any other browser.",
        ),
        block = around.block_page(),
    );
    around.page(StatusCode::OK, title, &body)
}

/// What a person has.
pub(crate) fn overview(around: Around<'_>, own: &Value, told: Option<&str>) -> Response {
    let title = around.pick("Mit overblik", "My overview");
    let told = told
        .map_or_else(String::new, |told| format!(r#"<p class="told" id="told" role="status">{}</p>"#, escape(told)));
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
            around.pick("Historik", "History"),
            around.pick("Godkendelser, afvisninger og mislykkede forsøg.", "Approvals, refusals and failed tries."),
            around.pick("Se historikken", "See the history"),
            around.pick("Hent alt som en fil", "Download everything as a file"),
        ),
        desk = settings(around, own),
        block = around.pick("Mistanke om misbrug?", "Do you suspect misuse?"),
        block_how = around.pick("Spær alt med det samme.", "Block everything at once."),
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
            ("active", _) => ("state", around.pick("I brug", "In use").to_owned()),
            ("enrolling", Some(from)) => (
                "state waits",
                format!("{} {}", around.pick("Kan bruges fra", "Can be used from"), time::shown(from, around.language)),
            ),
            ("enrolling", None) => ("state waits", around.pick("Under aktivering", "Being activated").to_owned()),
            ("blocked", _) => ("state off", around.pick("Spærret", "Blocked").to_owned()),
            _ => ("state off", around.pick("Låst", "Frozen").to_owned()),
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
            escape(&state),
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
            around.pick("Adgangskode", "Password"),
            when(around, password, "set", "Valgt", "Chosen"),
            around.link("remove-password", ""),
        );
    }
    for display in list(own, "displays").iter().filter(|display| text(display, "state") == "active") {
        let low = display.get("battery_low").and_then(Value::as_bool) == Some(true);
        let battery = if low {
            format!(
                r#" <span class="state waits">{}</span>"#,
                around.pick("Batteriet er ved at være tomt", "The battery is running out")
            )
        } else {
            String::new()
        };
        let _ = write!(
            lines,
            r#"<li class="display"><strong>{} {}</strong>{battery}<br>{}<div class="links">{}</div></li>"#,
            around.pick("Kodeviser", "Code display"),
            escape(text(display, "serial")),
            when(around, display, "last_used", "Sidst brugt", "Last used"),
            around.link("display-lost", ""),
        );
    }
    let more = [
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

fn orders(around: Around<'_>, own: &Value) -> String {
    let mut lines = String::new();
    for order in list(own, "orders").iter().filter(|order| text(order, "state") == "open") {
        let what = match text(order, "what") {
            "talking_display" => around.pick("Talende kodeviser", "Talking code display"),
            "chip" => "Chip",
            _ => around.pick("Kodeviser", "Code display"),
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
        around.pick("Bruger-id", "User id"),
        escape(text(own, "user_id")),
        around.link("user-id", ""),
    )
}

fn settings(around: Around<'_>, own: &Value) -> String {
    let on = |name: &str| own.pointer(&format!("/settings/{name}")).and_then(Value::as_bool) == Some(true);
    let (hidden, push) = (on("hide_names"), on("locked_push"));
    format!(
        r#"<section id="settings"><h2>{}</h2><p>{}</p><p>{}</p><div class="links">{}{}</div></section>"#,
        around.pick("Indstillinger", "Settings"),
        if hidden {
            around
                .pick("En skranke ser ikke, hvilke tjenester du bruger.", "A desk does not see which services you use.")
        } else {
            around.pick("En skranke ser, hvilke tjenester du bruger.", "A desk sees which services you use.")
        },
        if push {
            around.pick(
                "Dit bruger-id kan sende en låst anmodning til din telefon.",
                "Your user id can send a locked request to your phone.",
            )
        } else {
            around.pick("Dit bruger-id sender intet til din telefon.", "Your user id sends nothing to your phone.")
        },
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
    let content = if lines.is_empty() { format!("<p>{}</p>", around.words(none)) } else { format!("<ul>{lines}</ul>") };
    let links = if links.is_empty() { String::new() } else { format!(r#"<div class="links">{links}</div>"#) };
    format!(r#"<section id="{id}"><h2>{}</h2>{content}{links}</section>"#, around.words(title))
}

fn when(around: Around<'_>, value: &Value, name: &str, danish: &str, english: &str) -> String {
    let at = value.get(name).and_then(Value::as_i64);
    at.map_or_else(String::new, |at| {
        format!("<small>{} {}</small>", around.pick(danish, english), escape(&time::shown(at, around.language)))
    })
}

/// A page of history.
pub(crate) fn history(around: Around<'_>, found: &Value) -> Response {
    let title = around.pick("Historik", "History");
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
            let _ = write!(shown, "<dt>{}</dt><dd>{}</dd>", around.words(*name), escape(value));
        }
        let at = line.get("at").and_then(Value::as_i64).unwrap_or_default();
        let _ = write!(
            lines,
            r#"<li class="event{}"><strong>{}</strong><br><time>{}</time><dl>{shown}</dl></li>"#,
            if twice { " alert" } else { "" },
            around.words(words),
            escape(&time::shown(at, around.language)),
        );
    }
    let next = text(found, "next");
    let older = if next.is_empty() {
        String::new()
    } else {
        format!(r#"<a id="older" href="/history?after={}">{}</a>"#, escape(next), around.pick("Ældre", "Older"))
    };
    let body = format!(
        r#"<h1>{title}</h1><section><p>{}</p><ol>{lines}</ol><div class="links">{older}<a href="/export">{}</a><a href="/">{}</a></div></section>"#,
        around.pick(
            "Kender du ikke noget af dette, så spær det, det handler om.",
            "If you do not recognise something here, block what it is about.",
        ),
        around.pick("Hent alt som en fil", "Download everything as a file"),
        around.pick("Tilbage", "Back"),
    );
    around.page(StatusCode::OK, title, &body)
}

/// What an action does, and the button that does it.
pub(crate) fn confirm(around: Around<'_>, action: &Action, id: &str, problem: Option<(&str, StatusCode)>) -> Response {
    let title = around.words(action.title);
    let field = match action.body {
        Body::Typed(name) => format!(
            r#"<label for="typed">{title}</label><input id="typed" name="typed" data-field="{name}" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="48" required>"#
        ),
        _ => String::new(),
    };
    let said = problem.map_or_else(String::new, |(said, _)| {
        format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, escape(said))
    });
    let body = format!(
        r#"<h1>{title}</h1>{said}<section{serious}><p>{text}</p>
<form method="post" action="/do/{name}">{hidden}<input type="hidden" name="id" value="{id}">{field}
<button id="do"{danger}>{button}</button></form><div class="links"><a href="/">{back}</a></div></section>"#,
        serious = if action.serious { r#" class="serious""# } else { "" },
        text = around.words(action.text),
        name = action.name,
        hidden = around.hidden(),
        id = escape(id),
        danger = if action.serious { r#" class="danger""# } else { "" },
        button = around.words(action.button),
        back = around.pick("Nej, tilbage", "No, back"),
    );
    around.page(problem.map_or(StatusCode::OK, |(_, status)| status), title, &body)
}

/// The code with which a password is chosen.
pub(crate) fn code(around: Around<'_>, action: &Action, answer: &Value) -> Response {
    let title = around.words(action.done);
    let body = format!(
        r#"<h1>{title}</h1><section><p class="code" id="code">{}</p><p>{}</p>
<p><a id="choose" class="button" href="{}/password?language={}">{}</a></p><div class="links"><a href="/">{}</a></div></section>"#,
        escape(text(answer, "code")),
        around.pick(
            "Den gælder én gang i ti minutter. Giv den ikke til nogen.",
            "It is good once, for ten minutes. Give it to nobody.",
        ),
        escape(around.issuer.trim_end_matches('/')),
        around.language.tag(),
        around.pick("Vælg adgangskoden", "Choose the password"),
        around.pick("Tilbage", "Back"),
    );
    around.page(StatusCode::OK, title, &body)
}

/// A new phone on its way: the QR code until a phone has taken it, then the digits, then the wait.
pub(crate) fn new_phone(
    around: Around<'_>,
    shown: &Value,
    handed: Option<&str>,
    problem: Option<(&str, StatusCode)>,
) -> Response {
    let title = around.pick("Aktivér en ny telefon", "Activate a new phone");
    let id = text(shown, "id");
    let look = format!(
        r#"<div class="links"><a id="look" href="/phone?id={}">{}</a><a href="/">{}</a></div>"#,
        escape(id),
        around.pick("Se, hvor langt den er", "See how far it is"),
        around.pick("Til overblikket", "To the overview"),
    );
    let content = match (text(shown, "stage"), handed) {
        ("waiting_for_phone", Some(handed)) => format!(
            r#"<p>{}</p>{}<p>{}</p><p class="wrap" id="link">{}</p><p><a id="scanned" class="button" href="/phone?id={}">{}</a></p>"#,
            around.pick(
                "Åbn Godkend på den nye telefon, og scan koden. Den gælder i ti minutter.",
                "Open Godkend on the new phone and scan the code. It is good for ten minutes."
            ),
            qr(handed),
            around.pick(
                "Kan den nye telefon ikke scanne, så åbn dette link på den:",
                "If the new phone cannot scan, open this link on it:"
            ),
            escape(handed),
            escape(id),
            around.pick("Telefonen har scannet koden", "The phone has scanned the code"),
        ),
        ("digits", _) => format!(
            r#"<p>{} <strong id="model">{}</strong></p><form method="post" action="/phone/digits">{}<input type="hidden" name="id" value="{}">
<label for="digits">{}</label><input id="digits" name="digits" inputmode="numeric" autocomplete="off" maxlength="12" required>
<button id="confirm">{}</button></form>"#,
            around.pick("En telefon har taget aktiveringen:", "A phone has taken the activation:"),
            escape(text(shown, "model")),
            around.hidden(),
            escape(id),
            around.pick("De otte tal, som den nye telefon viser", "The eight digits that the new phone shows"),
            around.pick("Det er min telefon", "It is my phone"),
        ),
        ("choose_pin" | "finish", _) => format!(
            r#"<p id="stage">{}</p>"#,
            around.pick("Vælg nu en PIN-kode på den nye telefon.", "Now choose a PIN on the new phone.")
        ),
        ("waiting" | "active", _) => {
            let from = shown.get("active_from").and_then(Value::as_i64);
            let from = from.map_or_else(String::new, |from| time::shown(from, around.language));
            format!(
                r#"<p id="stage">{} {}</p><p>{}</p>"#,
                around.pick("Telefonen kan bruges fra", "The phone can be used from"),
                escape(&from),
                around.pick(
                    "Dine andre telefoner har fået besked og kan stoppe den så længe.",
                    "Your other phones have been told and can stop it until then."
                ),
            )
        }
        _ => format!(
            r#"<p id="stage">{}</p>"#,
            around.pick(
                "Aktiveringen gælder ikke længere. Begynd forfra.",
                "The activation is no longer good. Begin again."
            )
        ),
    };
    let said = problem.map_or_else(String::new, |(said, _)| {
        format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, escape(said))
    });
    let body = format!("<h1>{title}</h1>{said}<section>{content}{look}</section>");
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

/// Everything is blocked, and the visit is over.
pub(crate) fn blocked(around: Around<'_>) -> Response {
    let title = around.pick("Alt er spærret", "Everything is blocked");
    let body = format!(
        r#"<h1 id="blocked">{title}</h1><section><p>{}</p></section>"#,
        around.pick(
            "Ingen kan logge på eller godkende noget i dit navn. Gå til en skranke, og vis, hvem du er, når det skal åbnes igen.",
            "Nobody can log on or approve anything in your name. Go to a desk and show who you are when it is to be opened again.",
        ),
    );
    around.page(StatusCode::OK, title, &body)
}

/// A refusal of this site's own, or one that nothing is to be typed again after.
pub(crate) fn problem(around: Around<'_>, status: StatusCode, said: &str) -> Response {
    let title = around.pick("Det lykkedes ikke", "That did not work");
    let body = format!(
        r#"<h1>{title}</h1><p class="problem" id="problem" role="alert">{}</p><div class="links"><a href="/">{}</a></div>"#,
        escape(said),
        around.pick("Til overblikket", "To the overview"),
    );
    around.page(status, title, &body)
}

/// What a refusal of the identity server's says, in the page's language.
pub(crate) fn said(language: Language, refused: &Refused) -> (String, StatusCode) {
    match refused {
        Refused::Said { status, danish, english, tries_left, .. } => {
            let mut said = language.pick(danish, english).to_owned();
            if let Some(left) = tries_left {
                let _ = write!(said, " {}: {left}.", language.pick("Forsøg tilbage", "Tries left"));
            }
            (said, *status)
        }
        _ => (
            language
                .pick(
                    "Godkend svarer ikke lige nu. Prøv igen om lidt.",
                    "Godkend cannot answer right now. Try again shortly.",
                )
                .to_owned(),
            StatusCode::BAD_GATEWAY,
        ),
    }
}
