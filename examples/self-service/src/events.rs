//! What the lines of a history say.

use crate::actions::Words;

/// An event's sentence, and whether the person should look twice.
pub(crate) fn words(event: &str) -> (Words, bool) {
    let found = EVENTS.iter().find(|(name, ..)| *name == event);
    found
        .map_or((("Noget skete, som denne side ikke kender.", "Something that this page does not know."), false), |e| {
            (e.1, e.2)
        })
}

/// All events that the server writes.
const EVENTS: &[(&str, Words, bool)] = &[
    ("approved", ("Godkendt", "Approved"), false),
    ("refused", ("Afvist", "Declined"), false),
    ("reported", ("Meldt som ikke din", "Reported as not yours"), true),
    ("expired", ("Ikke besvaret i tide", "Not answered in time"), false),
    ("login_shared", ("Logget på uden ny godkendelse", "Logged on without a new approval"), false),
    ("use_disputed", ("Brug meldt som ikke din", "A use reported as not yours"), true),
    ("tell_uses_set", ("Besked om hver brug er slået til eller fra", "Notice of every use turned on or off"), true),
    ("pin_wrong", ("Forkert PIN-kode", "Wrong PIN"), true),
    ("pin_last_try", ("Sidste forsøg med PIN-koden", "Last try with the PIN"), true),
    ("pin_changed", ("PIN-koden er skiftet", "The PIN was changed"), true),
    ("pin_reset", ("Ny PIN-kode efter ny legitimation", "New PIN after proofing again"), true),
    ("pin_reset_opened", ("Skranken åbnede for en ny PIN-kode", "The desk opened a new PIN"), true),
    ("means_wrong", ("Forkert forsøg på login-siden", "Wrong try on the login page"), true),
    ("means_paused", ("For mange forkerte forsøg; der er ventetid", "Too many wrong tries; there is a wait"), true),
    ("offline_wrong", ("Forkert kode uden netforbindelse", "Wrong code without a network"), true),
    (
        "offline_paused",
        ("For mange forkerte koder uden netforbindelse", "Too many wrong codes without a network"),
        true,
    ),
    (
        "activation_handed_out",
        ("Aktivering af en ny telefon er udleveret", "Activation of a new phone handed out"),
        true,
    ),
    ("activation_taken", ("En telefon har taget aktiveringen", "A phone has taken the activation"), true),
    ("activation_stopped", ("Aktiveringen blev stoppet", "The activation was stopped"), true),
    ("activation_expired", ("Aktiveringen blev ikke færdig i tide", "The activation was not finished in time"), false),
    ("activation_blocked", ("For mange forkerte aktiveringskoder", "Too many wrong activation codes"), true),
    ("digits_wrong", ("Forkerte tal ved en aktivering", "Wrong digits at an activation"), true),
    ("device_enrolled", ("En ny telefon er færdig", "A new phone is finished"), true),
    ("device_activated", ("Telefonen kan bruges", "The phone can be used"), true),
    ("device_blocked", ("Telefonen er spærret", "The phone is blocked"), true),
    ("device_unblocked", ("Telefonen er åbnet igen", "The phone is open again"), true),
    (
        "device_frozen",
        ("Telefonen er låst: appen blev brugt fra en kopi", "The phone is frozen: a copy of the app was used"),
        true,
    ),
    ("device_removed", ("Telefonen er fjernet", "The phone is removed"), true),
    ("notice_refused", ("En telefon har indvendinger mod en ny enhed", "A phone objects to a new device"), true),
    ("keys_added", ("Biometri eller offline er slået til", "Biometrics or offline turned on"), false),
    ("keys_removed", ("Biometri eller offline er slået fra", "Biometrics or offline turned off"), false),
    ("keys_rotated", ("Telefonens nøgler er fornyet", "The phone's keys were renewed"), false),
    ("browser_remembered", ("Browseren er husket", "The browser is remembered"), false),
    ("browser_forgotten", ("Browseren er glemt", "The browser is forgotten"), false),
    (
        "browser_revoked",
        ("Browseren er ikke længere husket: en kopi blev brugt", "The browser is remembered no more: a copy was used"),
        true,
    ),
    ("password_opened", ("Kode til ny adgangskode udleveret", "Code for a new password handed out"), true),
    ("password_set", ("Adgangskoden er valgt", "The password was chosen"), true),
    ("password_changed", ("Adgangskoden er skiftet", "The password was changed"), true),
    ("password_removed", ("Adgangskoden er fjernet", "The password was removed"), true),
    ("display_assigned", ("Kodeviser udleveret", "Code display handed over"), true),
    ("display_lost", ("Kodeviseren er meldt tabt", "The code display was reported as lost"), true),
    ("chip_opened", ("Kode til en chip udleveret", "Code for a chip handed out"), true),
    ("chip_registered", ("Chippen er registreret", "The chip was registered"), true),
    ("chip_replaced", ("Chippen er erstattet af en anden", "The chip was replaced by another"), true),
    ("chip_lost", ("Chippen er meldt tabt", "The chip was reported as lost"), true),
    ("chip_removed", ("Chippen er fjernet", "The chip was removed"), true),
    ("chip_frozen", ("Chippen er låst: en kopi blev brugt", "The chip is frozen: a copy was used"), true),
    ("means_ordered", ("Bestilt ved skranken", "Ordered from the desk"), false),
    ("order_cancelled", ("Bestillingen er fortrudt", "The order was cancelled"), false),
    ("order_handed", ("Bestillingen er udleveret", "The order was handed over"), false),
    ("user_id_changed", ("Bruger-id'et er skiftet", "The user id was changed"), true),
    ("names_hidden_set", ("Valgt, om skranken ser navne", "Chosen whether the desk sees names"), false),
    (
        "locked_push_set",
        ("Anmodninger ved bruger-id slået til eller fra", "Requests by user id turned on or off"),
        false,
    ),
    ("identity_created", ("Identiteten er oprettet", "The identity was created"), false),
    ("identity_blocked", ("Alt er spærret", "Everything was blocked"), true),
    ("identity_unblocked", ("Identiteten er åbnet igen", "The identity was opened again"), true),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The names in `history::add(…, "name", …)` anywhere in the server, and in what is handed to it.
    fn written(folder: &Path, found: &mut BTreeSet<String>) {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                written(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in text.split("history::add").skip(1) {
                    let call = call.split(");").next().unwrap();
                    // The event comes before what it is about.
                    let call = call.split("About::").next().unwrap().split("about").next().unwrap();
                    found.extend(call.split('"').skip(1).step_by(2).map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn every_event_that_the_server_names_has_its_sentence() {
        let mut found = BTreeSet::new();
        written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../server/src"), &mut found);
        assert!(found.contains("user_id_changed") && found.contains("pin_wrong") && found.len() > 20, "{found:?}");
        let known: BTreeSet<_> = EVENTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert_eq!(known.len(), EVENTS.len());
        let unknown: Vec<_> = found.iter().filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        for (name, (danish, english), _) in EVENTS {
            assert_ne!(danish, english, "{name}");
        }
    }
}
