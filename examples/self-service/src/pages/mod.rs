//! The pages.

mod history;
mod new_phone;
mod overview;

use core::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use godkend_netbank::shell::escape;
use serde_json::Value;

use crate::actions::{Action, After, Body};
use crate::api::Refused;
use crate::greenlandic;
use crate::shell::{Language, Page};

pub(crate) use history::history;
pub(crate) use new_phone::new_phone;
pub(crate) use overview::overview;

/// A page's surroundings: its language, and the token of its forms where somebody is signed in.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) language: Language,
    pub(crate) form: Option<&'a str>,
    pub(crate) issuer: &'a str,
}

impl Around<'_> {
    fn pick(&self, danish: &'static str, english: &'static str) -> &'static str {
        self.language.pick(danish, english)
    }

    /// [`Self::pick`] as markup, marked as Danish where a Greenlandic page has no other.
    fn say(&self, danish: &'static str, english: &'static str) -> String {
        self.mark(self.pick(danish, english))
    }

    fn say_words(&self, words: (&'static str, &'static str)) -> String {
        self.say(words.0, words.1)
    }

    /// Markup, marked as Danish on a Greenlandic page unless it is Greenlandic.
    fn mark(&self, markup: &str) -> String {
        if self.language == Language::Kl && !greenlandic::is_one(markup) {
            format!(r#"<span lang="da">{markup}</span>"#)
        } else {
            markup.to_owned()
        }
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
            self.say(
                "Spær en telefon med dens spærrekode, uden at logge på",
                "Block a phone with its block code, without logging on"
            ),
        )
    }

    fn link(&self, action: &str, id: &str) -> String {
        let Some(action) = Action::find(action) else { return String::new() };
        let id = if id.is_empty() { String::new() } else { format!("?id={}", escape(id)) };
        format!(r#"<a href="/do/{}{id}">{}</a>"#, action.name, self.say_words(action.title))
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
            around.say(
                "Besøget er slut. Log på igen, hvis du vil fortsætte.",
                "The visit is over. Log on again to go on."
            )
        )
    } else {
        String::new()
    };
    let title = around.pick("Dine telefoner, koder og din historik", "Your phones, codes and history");
    let heading = around.mark(title);
    let body = format!(
        r#"<h1>{heading}</h1>{ended}<section><p>{lead}</p>
<form method="post" action="/login"><input type="hidden" name="form" value="{form}"><button id="login">{log_on}</button></form></section>
<section class="serious"><h2>{lost}</h2><p>{lost_how}</p>{block}</section>"#,
        lead = around.say(
            "Se, hvad du logger på med, og hvad der er sket i dit navn. Spær det, du har mistet, og aktivér en ny telefon.",
            "See what you log on with and what has happened in your name. Block what you have lost, and activate a new phone.",
        ),
        form = escape(form),
        log_on = around.say("Log på", "Log on"),
        lost = around.say("Har du mistet din telefon?", "Have you lost your phone?"),
        lost_how = around.say(
            "Med spærrekoden, som appen viste efter aktiveringen, spærrer du den herfra eller fra enhver anden browser.",
            "With the block code that the app showed after the activation you block it from here or from any other browser.",
        ),
        block = around.block_page(),
    );
    around.page(StatusCode::OK, title, &body)
}

/// What an action does, and the button that does it.
pub(crate) fn confirm(around: Around<'_>, action: &Action, id: &str, problem: Option<(&str, StatusCode)>) -> Response {
    let title = around.words(action.title);
    let heading = around.mark(title);
    let field = match action.body {
        Body::Typed(name) => format!(
            r#"<label for="typed">{heading}</label><input id="typed" name="typed" data-field="{name}" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="48" required>"#
        ),
        _ => String::new(),
    };
    let said = problem.map_or_else(String::new, |(said, _)| {
        format!(r#"<p class="problem" id="problem" role="alert">{}</p>"#, around.mark(&escape(said)))
    });
    let body = format!(
        r#"<h1>{heading}</h1>{said}<section{serious}><p>{text}</p>
<form method="post" action="/do/{name}">{hidden}<input type="hidden" name="id" value="{id}">{field}
<button id="do"{danger}>{button}</button></form><div class="links"><a href="/">{back}</a></div></section>"#,
        serious = if action.serious { r#" class="serious""# } else { "" },
        text = around.say_words(action.text),
        name = action.name,
        hidden = around.hidden(),
        id = escape(id),
        danger = if action.serious { r#" class="danger""# } else { "" },
        button = around.say_words(action.button),
        back = around.say("Nej, tilbage", "No, back"),
    );
    around.page(problem.map_or(StatusCode::OK, |(_, status)| status), title, &body)
}

/// The code with which a password is chosen.
pub(crate) fn code(around: Around<'_>, action: &Action, answer: &Value) -> Response {
    let title = around.words(action.done);
    let heading = around.mark(title);
    let (page, what) = match action.after {
        After::ChipCode => ("chip", around.say("Tilknyt chippen", "Register the chip")),
        _ => ("password", around.say("Vælg adgangskoden", "Choose the password")),
    };
    let body = format!(
        r#"<h1>{heading}</h1><section><p class="code" id="code">{}</p><p>{}</p>
<p><a id="choose" class="button" href="{}/{page}?language={}">{what}</a></p><div class="links"><a href="/">{}</a></div></section>"#,
        escape(text(answer, "code")),
        around.say(
            "Den gælder én gang i ti minutter. Giv den ikke til nogen.",
            "It is good once, for ten minutes. Give it to nobody.",
        ),
        escape(around.issuer.trim_end_matches('/')),
        around.language.tag(),
        around.say("Tilbage", "Back"),
    );
    around.page(StatusCode::OK, title, &body)
}

/// Everything is blocked, and the visit is over.
pub(crate) fn blocked(around: Around<'_>) -> Response {
    let title = around.pick("Alt er spærret", "Everything is blocked");
    let heading = around.mark(title);
    let body = format!(
        r#"<h1 id="blocked">{heading}</h1><section><p>{}</p></section>"#,
        around.say(
            "Ingen kan logge på eller godkende noget i dit navn. Gå til en skranke, og vis, hvem du er, når det skal åbnes igen.",
            "Nobody can log on or approve anything in your name. Go to a desk and show who you are when it is to be opened again.",
        ),
    );
    around.page(StatusCode::OK, title, &body)
}

/// A refusal of this site's own, or one that nothing is to be typed again after.
pub(crate) fn problem(around: Around<'_>, status: StatusCode, said: &str) -> Response {
    let title = around.pick("Det lykkedes ikke", "That did not work");
    let heading = around.mark(title);
    let body = format!(
        r#"<h1>{heading}</h1><p class="problem" id="problem" role="alert">{}</p><div class="links"><a href="/">{}</a></div>"#,
        around.mark(&escape(said)),
        around.say("Til overblikket", "To the overview"),
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
