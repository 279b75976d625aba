//! The login page's markup. Every part is there from the start, shown or hidden by the state, so that the page is whole
//! without its scripts too: forms that a browser posts by itself, and news by a refresh.

use axum::http::StatusCode;
use axum::response::Response;
use godkend_protocol::types::Action;
use serde_json::{Value, json};

use super::html::{self, Shell, asked, escape};
use super::icons::{self, emblem, icon};
use super::texts::{self, Texts};
use super::{SCRIPT_PATH, TIME_SCRIPT_PATH, chip_texts};
use crate::oidc::records::Login;
use crate::records::Transaction;

/// Seconds between two looks of a page without scripts.
const LOOK: u32 = 5;
/// Seconds that such a page shows how the login ended.
const READ: u32 = 3;

/// What the page shows beside its request.
pub(super) struct Shown<'a> {
    /// What its script asks for later: `state` and `frames`.
    pub(super) state: &'a Value,
    pub(super) frames: &'a Value,
    /// The other ways to sign in.
    pub(super) ways: &'a str,
    /// What was wrong with a form that a browser without scripts has sent: the sentence and its language.
    pub(super) problem: Option<(&'static str, &'static str)>,
}

/// The login page.
pub(super) fn login(status: StatusCode, login: &Login, transaction: &Transaction, shown: &Shown<'_>) -> Response {
    let ask = &login.request.ask;
    let (t, chip_t) = (texts::of(ask.language), chip_texts::of(ask.language));
    let Shown { state, frames, ways, problem } = shown;
    let id = escape(&transaction.id.to_base64());
    let name = state["state"].as_str().unwrap_or_default();
    let (waiting, opened) = (name == "waiting", name == "opened");
    let remembered = state["remembered"] == true;
    let number = state["number_spaced"].as_str().filter(|_| state["shows_number"] == true);
    let finish = state["finish"].as_str();
    let messages = json!({
        "waiting": t.waiting, "opened": t.opened, "approved": t.approved, "denied": t.denied, "reported": t.denied,
        "expired": t.expired, "lost": t.lost, "failed": t.failed, "sent": t.sent, "sent_number": t.sent_number,
    });
    let status_text = messages[name].as_str().unwrap_or_default();
    let (problem, problem_language) = problem.unwrap_or_default();
    let body = format!(
        r#"<main id="login" class="split" data-id="{id}" data-state="{state}" data-shown="{name}" data-frames="{frames}" data-texts="{messages}">
{request}
<section class="act">
<p id="problem" class="problem" role="alert" tabindex="-1"{problem_tag}>{problem}</p>
{wait}
<section id="pushed"{pushed_hidden}>{pushed_emblem}<h2 id="sent">{sent}</h2><p id="remembered">{remembered_text}</p></section>
<section id="half"{half_hidden}>{half_emblem}<h2>{chip_used}</h2>
<form id="half-form" method="post" action="/login/{id}/means/forget"><button class="plain" type="submit">{chip_without}</button></form></section>
<section id="number-box" aria-live="polite"{number_hidden}><p>{number_text}</p><p id="number" class="digits">{number}</p></section>
<section id="scan"{scan_hidden}><h2>{scan}</h2><div id="qr" role="img" aria-label="{qr_alt}"></div>
<p><a id="same-device" class="button quiet" hidden>{same_device}</a></p></section>
<section id="phone"{phone_hidden}>{phone_emblem}<h2>{on_phone}</h2>{offer}</section>
<section id="result"{result_hidden}>{good}{bad}{late}</section>
<p id="status" role="status" aria-live="polite">{status_text}</p>
<p id="onward"{result_hidden}><a id="go" class="button"{go_href}>{go_back} {party}</a></p>
<noscript><p class="note">{no_script}</p></noscript>
<details id="other"{other_hidden}><summary>{by_user_id}</summary>
<form id="user-id-form" method="post" action="/login/{id}/user-id"><label for="user-id">{user_id}</label>
<input id="user-id" name="user_id" minlength="5" maxlength="48" autocomplete="username" autocapitalize="none" spellcheck="false" required value="{hint}">
<button type="submit">{go_on}</button><button type="button" id="offline-button" class="plain">{offline}</button></form></details>
<section id="offline-box" hidden><p>{offline_scan}</p><div id="offline-qr" role="img" aria-label="QR"></div>
<form id="offline-form"><label for="offline-code">{offline_code}</label>
<input id="offline-code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="11" required>
<button type="submit">{go_on}</button></form></section>
</section>
<div class="others">{ways}{cancel}</div>
</main>
<script src="{TIME_SCRIPT_PATH}" defer></script><script src="{SCRIPT_PATH}" defer></script>"#,
        state = escape(&state.to_string()),
        frames = escape(&frames.to_string()),
        messages = escape(&messages.to_string()),
        request = request(t, transaction, state, ""),
        wait = wait(t),
        problem_tag = if problem.is_empty() { " hidden".to_owned() } else { format!(r#" lang="{problem_language}""#) },
        pushed_hidden = hidden(waiting && remembered),
        pushed_emblem = emblem("calm", icons::PHONE),
        sent = if number.is_some() { t.sent_number } else { t.sent },
        remembered_text = t.remembered,
        half_hidden = hidden(waiting && state["chip"] == true),
        half_emblem = emblem("calm", icons::KEY),
        chip_used = chip_t.used,
        chip_without = chip_t.without,
        number_hidden = hidden(waiting && number.is_some()),
        number_text = t.number,
        number = number.unwrap_or_default(),
        scan_hidden = hidden(waiting),
        scan = t.scan,
        qr_alt = t.qr_alt,
        same_device = t.same_device,
        phone_hidden = hidden(opened),
        phone_emblem = emblem("calm busy", icons::PHONE),
        on_phone = t.on_phone,
        offer = if transaction.may_remember && transaction.action == Action::LogOn {
            format!(r#"<p id="offer">{}</p>"#, t.offer)
        } else {
            String::new()
        },
        result_hidden = hidden(finish.is_some()),
        good = emblem("good", icons::CHECK),
        bad = emblem("bad", icons::CROSS),
        late = emblem("late", icons::CLOCK),
        go_href = finish.map_or_else(String::new, |to| format!(r#" href="{}""#, escape(to))),
        go_back = t.go_back,
        party = escape(&transaction.relying_party.name),
        no_script = t.no_script,
        other_hidden = hidden(waiting),
        by_user_id = t.by_user_id,
        user_id = t.user_id,
        hint = escape(ask.login_hint.as_deref().unwrap_or_default()),
        go_on = t.go_on,
        offline = t.offline,
        offline_scan = t.offline_scan,
        offline_code = t.offline_code,
        cancel = if finish.is_some() { String::new() } else { cancel(t, &id) },
    );
    // A page on which somebody may be typing stays as it is.
    let refresh = match finish {
        Some(to) => format!(r#"<noscript><meta http-equiv="refresh" content="{READ};url={}"></noscript>"#, escape(to)),
        None if opened || state["number"].is_string() => {
            format!(r#"<noscript><meta http-equiv="refresh" content="{LOOK};url=/login/{id}"></noscript>"#)
        }
        None => String::new(),
    };
    let title = t.action(transaction.action);
    html::shell(&Shell { status, t, title, head: &refresh, body: &body, languages: true })
}

/// Who asks and what, all of it, with the time that is left. `then` is where a page goes whose time is over.
pub(super) fn request(t: &Texts, transaction: &Transaction, state: &Value, then: &str) -> String {
    let asks = match &transaction.payment {
        Some(_) => t.pays,
        None if transaction.action == Action::LogOn => t.way_asks,
        None => t.asks,
    };
    format!(
        r#"<section class="request">{time}
<p id="action" class="eyebrow">{action}</p>
<h1>{name} <span class="asks">{asks}</span></h1>
{asked}
<p class="warn">{shield}<span>{warn}</span></p></section>"#,
        time = time(t, &escape(&transaction.id.to_base64()), state, then),
        action = t.action(transaction.action),
        name = escape(&transaction.relying_party.name),
        asked = asked(t, transaction),
        shield = icon(icons::SHIELD),
        warn = t.warn,
    )
}

/// The countdown, with the button that gives the whole time again.
fn time(t: &Texts, id: &str, state: &Value, then: &str) -> String {
    let left = state["expires_in"].as_u64().unwrap_or(0);
    let texts = json!({ "soon": t.soon, "given": t.more_given, "lost": t.lost, "failed": t.failed });
    let over = state["finish"].is_string();
    format!(
        r#"<div id="time" data-left="{left}" data-then="{then}" data-texts="{texts}"{over}><p id="left" role="timer">{clock}<span>{ends_in} <span id="clock">{minutes}:{seconds:02}</span></span></p>
<form id="more-form" method="post" action="/login/{id}/extend"{more}><button id="more" class="plain" type="submit">{more_time}</button></form>
<progress id="bar" max="{lifetime}" value="{left}" aria-hidden="true"></progress>
<p id="soon" role="status" aria-live="polite"></p></div>"#,
        texts = escape(&texts.to_string()),
        over = hidden(!over),
        clock = icon(icons::CLOCK),
        ends_in = t.ends_in,
        minutes = left / 60,
        seconds = left % 60,
        more = hidden(state["may_extend"] == true),
        more_time = t.more_time,
        lifetime = state["lifetime"].as_u64().unwrap_or(180),
    )
}

/// The countdown of a wait after too many tries: a script shows and moves it, outside what is read aloud at each change.
pub(super) fn wait(t: &Texts) -> String {
    format!(
        r#"<p id="wait" class="note" role="timer" data-over="{}" hidden>{} <span id="wait-clock"></span></p>"#,
        t.wait_over, t.wait_left,
    )
}

/// The button that gives the login up.
pub(super) fn cancel(t: &Texts, id: &str) -> String {
    format!(
        r#"<form id="cancel-form" method="post" action="/login/{id}/cancel"><button id="cancel" class="quiet" type="submit">{}</button></form>"#,
        t.cancel
    )
}

fn hidden(shown: bool) -> &'static str {
    if shown { "" } else { " hidden" }
}
