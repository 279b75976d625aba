//! What the site says in Greenlandic, by its Danish text. Everything else stays Danish on a Greenlandic page, and is marked so
//! for screen readers.
//!
//! Written by somebody who is no native speaker: a native speaker has to review it before citizens meet it.

/// Danish and Greenlandic.
const TEXTS: &[(&str, &str)] = &[
    ("Log på", "Iserit"),
    ("Log af", "Anigit"),
    ("Tilbage", "Uterit"),
    ("Nej, tilbage", "Naamik, uterit"),
    ("Det lykkedes ikke", "Iluatsinngilaq"),
    ("Har du mistet din telefon?", "Oqarasuaatit annaaviuk?"),
    ("Spær telefonen", "Oqarasuaat matuuk"),
    ("Telefonen er spærret.", "Oqarasuaat matuneqarpoq."),
    ("Telefoner", "Oqarasuaatit"),
    ("Telefon", "Oqarasuaat"),
    ("I brug", "Atorneqarpoq"),
    ("Spærret", "Matuneqarpoq"),
    ("Adgangskode", "Isissut"),
    ("Ny adgangskode", "Isissut nutaaq"),
    ("Vælg adgangskoden", "Isissummik toqqaagit"),
    ("Tilknyt en chip", "Chip ilanngunneqassasoq"),
    ("Tilknyt chippen", "Chip ilanngunniaruk"),
    ("Nyt bruger-id", "Bruger-id nutaaq"),
    ("Din kode", "Kodit"),
    ("Tjeneste", "Kiffartuussivik"),
    ("Sted", "Sumiiffik"),
    ("Niveau", "Qaffasissuseq"),
    ("Godkendt", "Akuerineqarpoq"),
    ("Afvist", "Itigartinneqarpoq"),
];

/// What is the same in both.
const SHARED: &[&str] = &["Bruger-id", "Browser", "Chip"];

/// The Greenlandic text.
pub(crate) fn of(danish: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == danish).map(|(_, greenlandic)| *greenlandic)
}

/// Whether a text is Greenlandic.
pub(crate) fn is_one(text: &str) -> bool {
    SHARED.contains(&text) || TEXTS.iter().any(|(_, greenlandic)| *greenlandic == text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_text_here_stands_on_a_page_and_once() {
        let sources = [
            include_str!("pages/mod.rs"),
            include_str!("pages/overview.rs"),
            include_str!("pages/history.rs"),
            include_str!("pages/new_phone.rs"),
            include_str!("actions.rs"),
            include_str!("events.rs"),
            include_str!("shell.rs"),
        ];
        let names: BTreeSet<_> = TEXTS.iter().map(|(danish, _)| *danish).collect();
        assert_eq!(names.len(), TEXTS.len());
        for (danish, greenlandic) in TEXTS {
            assert!(sources.iter().any(|source| source.contains(&format!("\"{danish}\""))), "{danish} is said nowhere");
            assert_ne!(danish, greenlandic);
        }
    }
}
