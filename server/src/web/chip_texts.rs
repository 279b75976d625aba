//! What a citizen reads about chips, in Danish and English.

/// The texts in one language.
pub(super) struct ChipTexts {
    pub(super) hint: &'static str,
    pub(super) touch: &'static str,
    pub(super) failed: &'static str,
    pub(super) missing: &'static str,
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    pub(super) by_app: &'static str,
    pub(super) button: &'static str,
    pub(super) done: &'static str,
}

static DANISH: ChipTexts = ChipTexts {
    hint: "Hav din chip klar: i computeren, ved telefonen eller tændt. Browseren beder om den.",
    touch: "Brug din chip nu.",
    failed: "Chippen svarede ikke. Prøv igen.",
    missing: "Din browser kan ikke bruge en chip. Brug en nyere browser eller appen.",
    title: "Tilknyt en chip",
    intro: "Brug den kode på 18 tegn, som du fik, da du viste, hvem du er. Den gælder i ti minutter. En chip, du har i forvejen, holder op med at virke.",
    by_app: "Uden kode: godkend med appen",
    button: "Tilknyt chippen",
    done: "Chippen er tilknyttet.",
};

static ENGLISH: ChipTexts = ChipTexts {
    hint: "Have your chip ready: in the computer, at the phone, or switched on. The browser asks for it.",
    touch: "Use your chip now.",
    failed: "The chip did not answer. Try again.",
    missing: "Your browser cannot use a chip. Use a newer browser or the app.",
    title: "Register a chip",
    intro: "Use the code of 18 characters that you were given when you showed who you are. It is good for ten minutes. A chip that you have already stops working.",
    by_app: "Without a code: approve with the app",
    button: "Register the chip",
    done: "The chip is registered.",
};

/// The texts in the language of this tag; Danish where there is no translation.
pub(super) fn of(tag: &str) -> &'static ChipTexts {
    if tag == "en" { &ENGLISH } else { &DANISH }
}
