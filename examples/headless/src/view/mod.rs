//! What a person sees: the same screens as the app's, in the characters of a terminal.

mod card;
mod lists;
mod request;

use crate::json::Report;
use crate::language::{Language, countdown};
use card::Card;

/// How a terminal is drawn on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Bold and colours.
    pub(crate) colour: bool,
}

/// Draws a report. Whatever a text from elsewhere may hold, it neither moves the cursor nor reorders what is read.
pub(crate) fn draw(report: &Report, language: Language, style: Style) -> String {
    let drawn = write(report, language, style);
    match report {
        // Cards clean what they are given; a QR code is made of escape sequences.
        Report::Digits { .. }
        | Report::Activated { .. }
        | Report::Request(_)
        | Report::OfflineCode { .. }
        | Report::LoginStarted(_)
        | Report::Activation { .. } => drawn,
        _ => clean(&drawn),
    }
}

/// Without control characters, but for the ends of lines, and without those that turn the direction of reading.
fn clean(text: &str) -> String {
    let turns = |c: char| matches!(u32::from(c), 0x061C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF);
    text.chars().filter(|c| *c == '\n' || !(c.is_control() || turns(*c))).collect()
}

fn write(report: &Report, language: Language, style: Style) -> String {
    let pick = |danish: &str, english: &str| language.pick(danish, english).to_owned();
    match report {
        Report::Digits { digits, .. } => Card::new(style)
            .line(&pick("Tallene på denne telefon", "The digits on this phone"))
            .gap()
            .large(&spaced(digits))
            .gap()
            .wrapped(&pick(
                "Sig dem til den, der gav dig aktiveringen, eller skriv dem, hvor du fik den.",
                "Tell them to whoever gave you the activation, or type them where you got it.",
            ))
            .draw(),
        Report::Stage { stage, active_from } => stage_text(stage, *active_from, language),
        Report::Activated { person, block_code } => activated(&person.name, block_code.as_deref(), language, style),
        Report::People { people, activation_pending } => lists::people(people, *activation_pending, language),
        Report::Waiting { requests, policy } => lists::waiting(requests, policy.as_ref(), language),
        Report::Request(request) => request::draw(request, language, style),
        Report::Approved { return_url, active_from } => approved(return_url.as_deref(), *active_from, language),
        Report::OfflineCode { code } => Card::new(style)
            .line(&pick("Skriv denne kode i browseren", "Type this code into the browser"))
            .gap()
            .large(&spaced(code))
            .draw(),
        Report::NoticeAnswered { was_me: true } => pick("✓ Tak. Det var dig.", "✓ Thank you. It was you."),
        Report::NoticeAnswered { was_me: false } => pick(
            "! Meldt: det var ikke dig. Det, brugen gav adgang til, er lukket. Spær det, der blev brugt.",
            "! Reported: it was not you. What the use gave access to is closed. Block what was used.",
        ),
        Report::Refused { reported: false } => pick("✗ Afvist. Intet er godkendt.", "✗ Refused. Nothing was approved."),
        Report::Refused { reported: true } => pick(
            "✗ Afvist og meldt: det var ikke dig. Den, der spurgte, er spærret ude.",
            "✗ Refused and reported: it was not you. Whoever asked is shut out.",
        ),
        Report::History { lines } => lists::history(lines, language),
        Report::Devices { devices, locked_push, pin } => lists::devices(devices, *locked_push, pin.as_ref(), language),
        Report::Browsers { browsers } => lists::browsers(browsers, language),
        Report::Push { registered, fcm, apns, web_push } => {
            lists::push(*registered, (*fcm, *apns, web_push.as_deref()), language)
        }
        Report::Keys { purposes } => {
            format!("{} {}", pick("✓ Nøgler på denne telefon:", "✓ Keys on this phone:"), purposes.join(", "))
        }
        Report::Activation { form, text, expires, picture, .. } => {
            activation(form, text, *expires, picture.as_deref(), language, style)
        }
        Report::Confirmed { model, place, active_from } => {
            let place = place.as_deref().map(|place| format!(" ({place})")).unwrap_or_default();
            let when = active_from.map(|at| until(at, language)).unwrap_or_default();
            format!(
                "{} {model}{place}.{when}",
                pick("✓ Tallene passer. Telefonen er en", "✓ The digits match. The phone is a")
            )
        }
        Report::Done { what } => done(what, language),
        Report::Citizen(citizen) => lists::citizen(citizen, language),
        Report::Citizens { citizens } => lists::citizens(citizens, language),
        Report::LoginStarted(login) => request::login_started(login, language, style),
        Report::SignedIn { remembered, claims, .. } => lists::claims(claims, *remembered, language),
        Report::Serving { url, directory, root, .. } => lists::serving(url, directory, root, language),
        Report::Demo { verified, seconds } => demo(*verified, *seconds, language),
        Report::Simulation(result) => lists::simulation(result, language),
        Report::Error { code, message, .. } => format!("✗ {message} [{code}]"),
    }
}

/// A step of a longer story.
pub(crate) fn step(number: u32, text: &str) -> String {
    format!("\n── {number}. {text}")
}

/// `12345678` as `1234 5678`.
pub(crate) fn spaced(digits: &str) -> String {
    match digits.split_at_checked(4) {
        Some((first, last)) if digits.len() == 8 => format!("{first} {last}"),
        _ => digits.to_owned(),
    }
}

/// `Expires in 2:59`, at most.
pub(crate) fn expires(seconds: u64, language: Language) -> String {
    format!("{} {}", language.pick("Udløber om", "Expires in"), countdown(seconds))
}

fn until(at: i64, language: Language) -> String {
    format!(" {} {}.", language.pick("Den kan bruges fra", "It can be used from"), language.time(at))
}

fn stage_text(stage: &str, active_from: Option<i64>, language: Language) -> String {
    let text = match stage {
        "digits" => ("Tallene er ikke skrevet ind endnu.", "The digits have not been typed in yet."),
        "choose_pin" => ("✓ Tallene passer. Vælg en PIN-kode.", "✓ The digits match. Choose a PIN."),
        "finish" => ("PIN-koden er valgt. Godkend med den.", "The PIN is chosen. Approve with it."),
        "waiting" => (
            "✓ Færdig. Dine andre enheder kan stoppe telefonen, indtil den bliver aktiv.",
            "✓ Finished. Your other devices can stop the phone until it becomes active.",
        ),
        "active" => ("✓ Telefonen er aktiv.", "✓ The phone is active."),
        _ => ("✗ Aktiveringen gælder ikke mere. Bed om en ny.", "✗ The activation is void. Ask for a new one."),
    };
    format!("{}{}", language.pick(text.0, text.1), active_from.map(|at| until(at, language)).unwrap_or_default())
}

fn activated(name: &str, block_code: Option<&str>, language: Language, style: Style) -> String {
    let mut card =
        Card::new(style).bold(&format!("✓ {}", language.pick("Telefonen er klar", "The phone is ready"))).wrapped(name);
    if let Some(code) = block_code {
        card = card
            .gap()
            .line(language.pick("Din spærrekode", "Your block code"))
            .gap()
            .bold(code)
            .gap()
            .wrapped(language.pick(
                "Skriv den ned, og gem den et andet sted end på telefonen. Den spærrer telefonen fra enhver browser, hvis du mister den.",
                "Write it down and keep it elsewhere than on the phone. It blocks the phone from any browser if you lose it.",
            ));
    }
    card.draw()
}

fn approved(return_url: Option<&str>, active_from: Option<i64>, language: Language) -> String {
    let mut text = language.pick("✓ Godkendt.", "✓ Approved.").to_owned();
    if let Some(at) = active_from {
        text.push_str(&until(at, language));
    }
    if let Some(url) = return_url {
        text.push_str(&format!("\n{}\n{url}", language.pick("Gå tilbage til browseren:", "Go back to the browser:")));
    }
    text
}

fn activation(form: &str, text: &str, expires: i64, picture: Option<&str>, language: Language, style: Style) -> String {
    let time = language.time(expires);
    let what = match (form, picture) {
        ("code", _) => format!("{}\n\n    {text}\n", language.pick("Aktiveringskode:", "Activation code:")),
        (_, Some(path)) => format!("{} {path}", language.pick("QR-koden er skrevet til", "The QR code is written to")),
        _ if !style.colour => format!("{}\n\n    {text}\n", language.pick("Aktiveringslink:", "Activation link:")),
        _ => format!(
            "{}\n{}",
            crate::qr::draw(text),
            language.pick("Scan den med den nye telefon.", "Scan it with the new phone.")
        ),
    };
    format!(
        "{what}\n{} {time}. {}",
        language.pick("Gælder til", "Valid until"),
        language.pick(
            "Den er hemmelig: vis den kun til den, den er til.",
            "It is a secret: show it only to whom it is for."
        )
    )
}

fn done(what: &str, language: Language) -> String {
    let text = match what {
        "pin_changed" => ("PIN-koden er skiftet.", "The PIN is changed."),
        "device_removed" => ("Enheden er fjernet.", "The device is removed."),
        "browser_forgotten" => ("Browseren er glemt.", "The browser is forgotten."),
        "locked_push_on" => ("Andre browsere kan kalde på telefonen igen.", "Other browsers can call the phone again."),
        "locked_push_off" => ("Andre browsere kan ikke kalde på telefonen.", "Other browsers cannot call the phone."),
        "blocked" => ("Spærret.", "Blocked."),
        "unblocked" => ("Spærringen er ophævet.", "The block is lifted."),
        "block_code_noted" => ("Spærrekoden er glemt på telefonen.", "The block code is forgotten on the phone."),
        "forgotten" => ("Personen er fjernet fra telefonen.", "The person is removed from the phone."),
        "resumed" => ("Alt er bragt på plads.", "Everything is settled."),
        "open" => (
            "Noget venter stadig på et svar fra serveren. Prøv igen, når der er netværk.",
            "Something still waits for the server. Try again when there is a network.",
        ),
        "pin_reset_opened" => ("Personen kan nu vælge en ny PIN-kode.", "The person can now choose a new PIN."),
        "clock_set" => ("Serverens ur er stillet.", "The server's clock is set."),
        "stopped" => ("Serveren er stoppet.", "The server has stopped."),
        other => (other, other),
    };
    format!("✓ {}", language.pick(text.0, text.1))
}

fn demo(verified: bool, seconds: f64, language: Language) -> String {
    if verified {
        let number = format!("{seconds:.1}");
        match language {
            Language::Da => format!(
                "✓ Banken fik sit underskrevne svar og har kontrolleret det. Det hele tog {} sekunder.",
                number.replace('.', ",")
            ),
            Language::En => {
                format!("✓ The bank got its signed answer and has verified it. All of it took {number} seconds.")
            }
        }
    } else {
        language.pick("✗ Banken fik ikke noget gyldigt svar.", "✗ The bank got no valid answer.").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::tests::samples;

    #[test]
    fn every_report_is_drawn_in_both_languages_without_escape_sequences() {
        for report in samples() {
            let danish = draw(&report, Language::Da, Style::default());
            let english = draw(&report, Language::En, Style::default());
            assert!(!danish.trim().is_empty(), "{report:?}");
            assert!(!danish.contains('\u{1b}') && !english.contains('\u{1b}'), "{report:?}");
            // A message in an error is the caller's.
            if !matches!(report, Report::Error { .. }) {
                assert_ne!(danish, english, "{report:?}");
            }
        }
    }

    #[test]
    fn every_done_has_words_of_its_own() {
        for report in samples() {
            if let Report::Done { what } = report {
                assert!(!done(what, Language::Da).contains(what), "{what}");
            }
        }
    }

    #[test]
    fn nothing_from_elsewhere_moves_the_cursor() {
        let evil = "Pixel\u{1b}[2J\u{202e}9\r\u{7}".to_owned();
        let request = crate::json::tests::payment_request();
        let colour = Style { colour: true };
        for report in [
            Report::Confirmed { model: evil.clone(), place: Some(evil.clone()), active_from: None },
            Report::Error { code: "x".to_owned(), message: evil.clone(), exit_code: 1 },
            Report::Approved { return_url: Some(evil.clone()), active_from: None },
            Report::Request(Box::new(crate::json::Request {
                relying_party: evil.clone(),
                place: Some(evil),
                ..request
            })),
        ] {
            let drawn = draw(&report, Language::Da, colour).replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
            assert!(drawn.contains("Pixel[2J9"), "{drawn}");
            assert!(drawn.chars().all(|c| c == '\n' || !c.is_control()) && !drawn.contains('\u{202e}'), "{drawn:?}");
        }
    }

    #[test]
    fn digits_are_read_in_two_halves() {
        assert_eq!(spaced("12345678"), "1234 5678");
        assert_eq!(spaced("123"), "123");
        let report = Report::Digits { person: 1, digits: "12345678".to_owned() };
        let drawn = draw(&report, Language::Da, Style::default());
        assert!(drawn.contains("Tallene på denne telefon") && drawn.contains("(1234 5678)"), "{drawn}");
    }
}
