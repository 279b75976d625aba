//! What a citizen reads about chips, in three languages.

use crate::oidc::records::Language;

macro_rules! texts {
    ($($name:ident: $da:literal, $en:literal, $kl:literal;)*) => {
        /// The texts in one language.
        pub(super) struct ChipTexts {
            $(pub(super) $name: &'static str,)*
        }

        static DANISH: ChipTexts = ChipTexts { $($name: $da,)* };
        static ENGLISH: ChipTexts = ChipTexts { $($name: $en,)* };
        // By somebody who is no native speaker, as in `texts.rs`: to be reviewed by one before citizens meet it.
        static GREENLANDIC: ChipTexts = ChipTexts { $($name: $kl,)* };

        #[cfg(test)]
        const ALL: &[(&str, [&str; 3])] = &[$((stringify!($name), [$da, $en, $kl]),)*];
    };
}

texts! {
    hint: "Hav din chip klar: i computeren, ved telefonen eller tændt. Browseren beder om den.",
        "Have your chip ready: in the computer, at the phone, or switched on. The browser asks for it.",
        "Chip piareeruk: qarasaasiami, oqarasuaatip eqqaani ikissimasorluunniit. Browserip piumassavaa.";
    then_app: "Chippen kommer først. Bagefter godkender du i appen.",
        "The chip comes first. Then you approve in the app.",
        "Siulliulluni chip. Tamatuma kingorna appimi akuersissaatit.";
    touch: "Brug din chip nu.", "Use your chip now.", "Chip maanna atoruk.";
    failed: "Chippen svarede ikke. Prøv igen.", "The chip did not answer. Try again.", "Chip akinngilaq. Misileeqqigit.";
    missing: "Din browser kan ikke bruge en chip. Brug en nyere browser eller appen.",
        "Your browser cannot use a chip. Use a newer browser or the app.",
        "Browserit chipimik atuisinnaanngilaq. Browseri nutaanerusoq app-iluunniit atoruk.";
    title: "Tilknyt en chip", "Register a chip", "Chip ilanngunneqassasoq";
    intro: "Brug den kode på 18 tegn, som du fik, da du viste, hvem du er. Den gælder i ti minutter. En chip, du har i \
            forvejen, holder op med at virke.",
        "Use the code of 18 characters that you were given when you showed who you are. It is good for ten minutes. A \
         chip that you have already stops working.",
        "Kode 18-inik naqinnertalik, kinaanerit takutikkakku tunineqaatigisat, atoruk. Minutsit qulit atuuppoq. Chip \
         pigereerukku atorsinnaajunnaassaaq.";
    by_app: "Uden kode: godkend med appen",
        "Without a code: approve with the app",
        "Kodeqanngilanga: app atorlugu akueriuk";
    button: "Tilknyt chippen", "Register the chip", "Chip ilanngunniaruk";
    done: "Chippen er tilknyttet.", "The chip is registered.", "Chip ilanngunneqarpoq.";
    used: "Din chip er brugt. Godkend nu i appen.",
        "Your chip has been used. Now approve in the app.",
        "Chipit atorneqarpoq. Maanna appimi akuersigit.";
    without: "Log på uden chippen", "Log on without the chip", "Chip atornagu iserit";
}

/// The texts in a language.
pub(super) fn of(language: Language) -> &'static ChipTexts {
    match language {
        Language::Da => &DANISH,
        Language::En => &ENGLISH,
        Language::Kl => &GREENLANDIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_three_languages() {
        for (name, [danish, english, greenlandic]) in ALL {
            assert!([danish, english, greenlandic].iter().all(|text| !text.is_empty()), "{name}");
            assert!(danish != english && danish != greenlandic && english != greenlandic, "{name}");
        }
        assert_eq!(of(Language::Kl).done, GREENLANDIC.done);
    }
}
