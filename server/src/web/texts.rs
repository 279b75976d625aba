//! What a citizen reads on the pages, in both languages.

use godkend_protocol::types::Action;

use crate::oidc::records::Language;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $da:literal, $en:literal;)*) => {
        /// The pages' texts in one language.
        pub(super) struct Texts {
            /// The language's tag.
            pub(super) tag: &'static str,
            $($(#[$doc])* pub(super) $name: &'static str,)*
        }

        static DANISH: Texts = Texts { tag: "da", $($name: $da,)* };
        static ENGLISH: Texts = Texts { tag: "en", $($name: $en,)* };

        /// Every text in both languages, by its name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str, &str)] = &[$((stringify!($name), $da, $en),)*];
    };
}

texts! {
    asks: "vil have dig til at godkende", "asks you to approve";
    log_on: "Log på", "Log on";
    approve: "Godkend", "Approve";
    confirm: "Bekræft", "Confirm";
    accept: "Acceptér", "Accept";
    sign: "Underskriv", "Sign";
    amount: "Beløb", "Amount";
    payee: "Til", "To";
    account: "Konto", "Account";
    scan: "Åbn Godkend-appen, og scan koden.", "Open the Godkend app and scan the code.";
    qr_alt: "QR-kode, som skifter hvert sekund", "QR code that changes every second";
    same_device: "Åbn appen på denne enhed", "Open the app on this device";
    by_user_id: "Uden kamera: brug dit bruger-id", "Without a camera: use your user id";
    user_id: "Bruger-id", "User id";
    go_on: "Fortsæt", "Continue";
    number: "Skriv dette tal i appen:", "Type this number in the app:";
    remembered: "Anmodningen er sendt til din telefon.", "The request has been sent to your phone.";
    offline: "Uden netforbindelse på telefonen", "Without a network on the phone";
    offline_scan: "Scan koden i appen, godkend med finger eller ansigt, og skriv de otte cifre her.",
        "Scan the code in the app, approve with your finger or face, and type the eight digits here.";
    offline_code: "Otte cifre fra appen", "Eight digits from the app";
    cancel: "Annullér", "Cancel";
    waiting: "Venter på din telefon.", "Waiting for your phone.";
    opened: "Åbnet på din telefon. Læs den, og svar dér.", "Opened on your phone. Read it and answer there.";
    approved: "Godkendt. Du sendes videre.", "Approved. You are being sent on.";
    denied: "Afvist. Du sendes tilbage.", "Declined. You are being sent back.";
    expired: "Tiden er gået. Du sendes tilbage.", "Time is up. You are being sent back.";
    lost: "Ingen forbindelse. Siden prøver igen.", "No connection. The page is trying again.";
    seconds_left: "sekunder tilbage", "seconds left";
    warn: "Godkend kun, hvis du selv er i gang med dette. Scan aldrig en kode, som en anden har sendt dig.",
        "Approve only if you started this yourself. Never scan a code that somebody has sent you.";
    script: "Siden skal bruge JavaScript.", "This page needs JavaScript.";
    refused: "Login kan ikke begynde", "The login cannot begin";
    refused_hint: "Tjenesten, du kom fra, har sendt en anmodning, som ikke kan bruges. Gå tilbage dertil, og prøv igen.",
        "The service that you came from has sent a request that cannot be used. Go back there and try again.";
    failed: "Det lykkedes ikke", "That did not work";
    other_browser: "Gå tilbage til den browser, hvor du begyndte. Login kan kun afsluttes dér.",
        "Go back to the browser where you began. The login can only be completed there.";
    block_title: "Spær en telefon", "Block a phone";
    block_hint: "Skriv spærrekoden på 18 tegn, som appen viste efter aktiveringen. Telefonen spærres straks.",
        "Type the block code of 18 characters that the app showed after the activation. The phone is blocked at once.";
    block_code: "Spærrekode", "Block code";
    block_button: "Spær telefonen", "Block the phone";
    block_done: "Telefonen er spærret. Den kan ikke længere godkende noget.", "The phone is blocked. It can no longer approve anything.";
    ways: "Andre måder at logge på", "Other ways to log on";
    way_with: "Log på med", "Log on with";
    way_asks: "vil have dig til at logge på", "asks you to log on";
    way_back: "Tilbage til appen og de andre måder", "Back to the app and the other ways";
    way_working: "Arbejder …", "Working …";
    way_failed: "Det lykkedes ikke. Prøv igen.", "That did not work. Try again.";
    way_missing: "Din browser kan ikke regne med adgangskoder. Brug en nyere browser eller appen.",
        "Your browser cannot compute with passwords. Use a newer browser or the app.";
    password: "Adgangskode", "Password";
    display_code: "Seks cifre fra kodeviseren", "Six digits from the code display";
    display_twice: "Koden virker ikke, eller der er ventetid", "The code does not work, or there is a wait";
    display_twice_why: "Skriv to koder, som viseren viser lige efter hinanden: den første ovenfor, den næste her.",
        "Type two codes that the display shows one right after the other: the first one above, the next one here.";
    display_next: "Den næste kode", "The next code";
    password_title: "Vælg adgangskode", "Choose a password";
    password_hint: "Brug den kode på 18 tegn, som du fik, da du viste, hvem du er. Den gælder i ti minutter.",
        "Use the code of 18 characters that you were given when you showed who you are. It is good for ten minutes.";
    password_by_app: "Uden kode: godkend med appen", "Without a code: approve with the app";
    password_code: "Kode", "Code";
    password_new: "Ny adgangskode", "New password";
    password_again: "Gentag adgangskoden", "Repeat the password";
    password_rules: "8 til 64 tegn. Gerne en sætning. Ikke dit bruger-id og ikke noget, som mange bruger.",
        "8 to 64 characters. A sentence is good. Not your user id and nothing that many people use.";
    password_button: "Gem adgangskoden", "Save the password";
    password_done: "Adgangskoden er gemt.", "The password is saved.";
    password_differ: "De to adgangskoder er ikke ens.", "The two passwords are not the same.";
    password_short: "Adgangskoden skal have mindst 8 tegn.", "The password must have at least 8 characters.";
    password_long: "Adgangskoden må højst have 64 tegn.", "The password may have at most 64 characters.";
    password_common: "Den adgangskode er for almindelig. Vælg en anden.", "That password is too common. Choose another.";
    password_yours: "Adgangskoden må ikke indeholde dit bruger-id.", "The password must not contain your user id.";
    other_language: "In English", "På dansk";
}

/// The texts in a language.
pub(super) fn of(language: Language) -> &'static Texts {
    match language {
        Language::Da => &DANISH,
        Language::En => &ENGLISH,
    }
}

impl Texts {
    /// What an approval does.
    pub(super) fn action(&self, action: Action) -> &'static str {
        match action {
            Action::LogOn => self.log_on,
            Action::Confirm => self.confirm,
            Action::Accept => self.accept,
            Action::Sign => self.sign,
            _ => self.approve,
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_text_is_there_in_both_languages() {
        for (name, danish, english) in super::ALL {
            assert!(!danish.is_empty() && !english.is_empty() && danish != english, "{name}");
        }
    }
}
