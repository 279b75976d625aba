//! The request card: everything that a person must see before deciding, the payment first.

use super::card::Card;
use super::{Style, expires, spaced};
use crate::json::{LoginStarted, NOTICE_OF_USE, Request};
use crate::language::Language;

pub(super) fn draw(request: &Request, language: Language, style: Style) -> String {
    let pick = |danish: &'static str, english: &'static str| language.pick(danish, english);
    if request.action == NOTICE_OF_USE {
        return notice(request, language, style);
    }
    let mut card = Card::new(style).wrapped_bold(&request.relying_party).wrapped(action(request.action, language));
    if let Some(payment) = &request.payment {
        let amount = language.amount(payment.amount_minor, &payment.currency);
        card = card
            .gap()
            .line(&format!("{} · {amount}", pick("Beløb", "Amount")))
            .gap()
            .large(&language.number(payment.amount_minor, &payment.currency))
            .gap()
            .line(pick("Modtager", "Payee"))
            .wrapped_bold(&payment.payee);
        if let Some(account) = &payment.account {
            card = card.wrapped(account);
        }
    }
    if let Some(text) = &request.text {
        card = card.gap().wrapped_bold(&format!("“{text}”"));
    }
    card = card.gap();
    if let Some(place) = &request.place {
        card = card.field(pick("Sted", "Place"), place);
    }
    if let Some(browser) = &request.browser {
        card = card.field("Browser", browser);
    }
    if request.new_browser {
        card = card.wrapped_bold(pick(
            "! Du har ikke logget ind fra denne browser før.",
            "! You have not signed in from this browser before.",
        ));
    }
    card = card.field(pick("Niveau", "Level"), level(request.level, language));
    card = card.field(pick("Forbundet", "Bound by"), binding(request.binding, language));
    if let Some(pin) = &request.pin {
        let tries = format!("{} {}", pin.tries_left, pick("forsøg tilbage", "tries left"));
        let status = match (pin.dead, pin.wait) {
            (true, _) => pick("spærret", "blocked").to_owned(),
            (false, 0) => tries,
            (false, seconds) => format!("{} {seconds} s", pick("vent", "wait")),
        };
        card = card.field(pick("PIN-kode", "PIN"), &status);
    }
    if let Some(seconds) = request.expires_in {
        card = card.gap().line(&expires(seconds, language));
    }
    card.draw()
}

/// A notice of use: nobody asks for anything, so there is neither a level nor an end.
fn notice(request: &Request, language: Language, style: Style) -> String {
    let mut card = Card::new(style).wrapped_bold(action(request.action, language));
    if let Some(text) = &request.text {
        card = card.gap().wrapped_bold(text).gap();
    }
    if let Some(place) = &request.place {
        card = card.field(language.pick("Sted", "Place"), place);
    }
    if let Some(browser) = &request.browser {
        card = card.field("Browser", browser);
    }
    card.draw()
}

/// The relying party's own screen.
pub(super) fn login_started(login: &LoginStarted, language: Language, style: Style) -> String {
    let mut card = Card::new(style).bold(language.pick("Godkend på din telefon", "Approve on your phone"));
    if login.remembered {
        card = card.wrapped(language.pick(
            "Browseren er husket: anmodningen er sendt til telefonen.",
            "The browser is remembered: the request was sent to the phone.",
        ));
    }
    if let Some(number) = &login.number {
        card = card
            .gap()
            .line(language.pick("Skriv tallet i appen", "Type the number into the app"))
            .gap()
            .large(&spaced(number));
    }
    if login.link.is_some() {
        card = card.wrapped(language.pick(
            "Åbn linket på den telefon, der er her: godkend open",
            "Open the link on the phone that is here: godkend open",
        ));
    }
    if let Some(path) = &login.picture {
        card = card.field(language.pick("QR-kode", "QR code"), path);
    }
    let seconds = u64::try_from(login.expires_in).unwrap_or(0);
    let mut text = card.gap().line(&expires(seconds, language)).draw();
    for secret in [&login.link, &login.offline].into_iter().flatten() {
        text.push('\n');
        text.push_str(secret);
    }
    text
}

/// What an approval does, in the citizen's words.
pub(super) fn action(action: &str, language: Language) -> &'static str {
    let (danish, english) = match action {
        "LOG_ON" => ("vil have dig til at logge ind", "asks you to sign in"),
        "APPROVE" => ("vil have dig til at godkende", "asks you to approve"),
        "CONFIRM" => ("vil have dig til at bekræfte", "asks you to confirm"),
        "ACCEPT" => ("vil have dig til at acceptere", "asks you to accept"),
        "SIGN" => ("vil have dig til at underskrive", "asks you to sign"),
        "FINISH_ENROLMENT" => ("Gør telefonen klar", "Make the phone ready"),
        "CHANGE_PIN" => ("Skift PIN-kode", "Change the PIN"),
        "ADD_KEYS" => ("Slå biometri til", "Turn biometrics on"),
        "REMOVE_KEYS" => ("Slå biometri fra", "Turn biometrics off"),
        "ROTATE_KEYS" => ("Skift telefonens nøgler", "Change the phone's keys"),
        "MOVE_DEVICE" => ("Aktivér en ny telefon", "Activate a new phone"),
        "REMOVE_DEVICE" => ("Fjern en enhed", "Remove a device"),
        "FORGET_BROWSER" => ("Glem en browser", "Forget a browser"),
        "NEW_DEVICE_NOTICE" => (
            "En ny telefon er ved at blive aktiveret i dit navn. Afvis, hvis det ikke er dig.",
            "A new phone is being activated in your name. Refuse if it is not you.",
        ),
        NOTICE_OF_USE => ("Besked om brug", "Notice of use"),
        "SET_LOCKED_PUSH" => ("Kald fra andre browsere", "Calls from other browsers"),
        _ => ("vil have dig til at godkende noget ukendt", "asks you to approve something unknown"),
    };
    match language {
        Language::Da => danish,
        Language::En => english,
    }
}

/// Whether somebody else asks for it.
pub(super) fn is_relying_partys(action: &str) -> bool {
    matches!(action, "LOG_ON" | "APPROVE" | "CONFIRM" | "ACCEPT" | "SIGN")
}

/// What it was about, in the history.
pub(super) fn topic(name: &str, language: Language) -> &'static str {
    let (danish, english) = match name {
        "LOG_ON" => ("Login", "Sign-in"),
        "APPROVE" => ("Godkendelse", "Approval"),
        "CONFIRM" => ("Bekræftelse", "Confirmation"),
        "ACCEPT" => ("Accept", "Acceptance"),
        "SIGN" => ("Underskrift", "Signature"),
        "NEW_DEVICE_NOTICE" => ("Ny telefon", "New phone"),
        own => return action(own, language),
    };
    match language {
        Language::Da => danish,
        Language::En => english,
    }
}

fn level(level: &str, language: Language) -> &'static str {
    let (danish, english) = match level {
        "Low" => ("Lav", "Low"),
        "Substantial" => ("Betydelig", "Substantial"),
        _ => ("Høj", "High"),
    };
    match language {
        Language::Da => danish,
        Language::En => english,
    }
}

fn binding(binding: &str, language: Language) -> &'static str {
    let (danish, english) = match binding {
        "scanned_qr" => ("QR-koden, som du scannede", "the QR code that you scanned"),
        "same_device" => ("linket på denne enhed", "the link on this device"),
        "typed_number" => ("tallet, som du skrev", "the number that you typed"),
        "remembered_browser" => ("en browser, som du har husket", "a browser that you remember"),
        "remembered_browser_and_number" => ("en husket browser og tallet", "a remembered browser and the number"),
        "offline" => ("QR-koden, uden netværk", "the QR code, without a network"),
        _ => ("denne telefon", "this phone"),
    };
    match language {
        Language::Da => danish,
        Language::En => english,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::tests::payment_request;

    #[test]
    fn a_payment_shows_amount_payee_text_place_browser_level_and_time() {
        let request = payment_request();
        let danish = draw(&request, Language::Da, Style::default());
        for shown in [
            "Netbank",
            "vil have dig til at godkende",
            "1.250,00 DKK",
            "(1.250,00)",
            "Elselskabet",
            "DK5000400440116243",
            "“Faktura 17”",
            "Denne computer",
            "Firefox, Linux",
            "Betydelig",
            "Udløber om 2:58",
            "3 forsøg tilbage",
            "! Du har ikke logget ind fra denne browser før.",
        ] {
            assert!(danish.contains(shown), "{shown} is not in\n{danish}");
        }
        let english = draw(&request, Language::En, Style::default());
        for shown in ["asks you to approve", "DKK 1,250.00", "Payee", "Substantial", "Expires in 2:58"] {
            assert!(english.contains(shown), "{shown} is not in\n{english}");
        }
    }

    #[test]
    fn a_notice_of_use_asks_for_nothing() {
        let text = "Din app blev brugt til at logge på hos Netbank. Var det dig?".to_owned();
        let request = Request { action: NOTICE_OF_USE, text: Some(text), payment: None, ..payment_request() };
        let drawn = draw(&request, Language::Da, Style::default());
        for shown in ["Besked om brug", "Var det dig?", "Denne computer", "Firefox, Linux"] {
            assert!(drawn.contains(shown), "{shown} is not in\n{drawn}");
        }
        for not_shown in ["vil have dig til", "Niveau", "Udløber", "forsøg tilbage"] {
            assert!(!drawn.contains(not_shown), "{not_shown} is in\n{drawn}");
        }
    }

    #[test]
    fn the_longest_text_is_shown_whole() {
        let text = "Æ".repeat(130);
        let request = Request { text: Some(text.clone()), ..payment_request() };
        let drawn = draw(&request, Language::Da, Style::default());
        assert_eq!(drawn.chars().filter(|c| *c == 'Æ').count(), 130);
    }

    #[test]
    fn every_action_of_the_protocol_has_words() {
        use godkend_protocol::types::Action;
        let all = [
            Action::LogOn,
            Action::Approve,
            Action::Confirm,
            Action::Accept,
            Action::Sign,
            Action::FinishEnrolment,
            Action::ChangePin,
            Action::AddKeys,
            Action::RemoveKeys,
            Action::RotateKeys,
            Action::MoveDevice,
            Action::RemoveDevice,
            Action::ForgetBrowser,
            Action::NewDeviceNotice,
            Action::SetLockedPush,
        ];
        for one in all {
            assert!(!action(one.name(), Language::En).contains("unknown"), "{}", one.name());
        }
    }
}
