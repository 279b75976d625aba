//! Every refusal that can cross the wire: a stable code, an HTTP status, and a sentence in both languages.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $da:literal, $en:literal;)*) => {
        /// A refusal's stable code. Never renamed, never reused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $($(#[$doc])* #[doc = concat!("`", $code, "`: ", $en)] $name,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that carries it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What a Danish reader is told.
            #[must_use]
            pub const fn danish(self) -> &'static str {
                match self { $(Self::$name => $da,)* }
            }

            /// What an English reader is told.
            #[must_use]
            pub const fn english(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }
        }
    };
}

impl Code {
    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

codes! {
    Malformed = "malformed", 400, "Beskeden kan ikke læses.", "The message cannot be read.";
    TooLarge = "too_large", 413, "Beskeden er for stor.", "The message is too large.";
    NotFound = "not_found", 404, "Det findes ikke.", "There is no such thing.";
    Unauthorised = "unauthorised", 401, "Du har ikke adgang hertil.", "You may not do this.";
    UpdateNeeded = "update_needed", 426, "Appen er for gammel. Opdatér den, og prøv igen.", "The app is too old. Update it and try again.";
    WrongEnvironment = "wrong_environment", 400, "Det hører til et andet miljø.", "This belongs to another environment.";
    SuiteRefused = "suite_refused", 400, "Appen og serveren kan ikke enes om en sikker forbindelse. Opdatér appen.", "App and server share no acceptable cryptographic suite. Update the app.";
    Throttled = "throttled", 429, "For mange forsøg. Vent lidt, og prøv igen.", "Too many attempts. Wait a little and try again.";
    Unavailable = "unavailable", 503, "Tjenesten svarer ikke lige nu. Intet er gået tabt. Prøv igen om lidt.", "The service cannot answer right now. Nothing is lost. Try again shortly.";
    Internal = "internal", 500, "Noget gik galt hos os. Intet er godkendt.", "Something went wrong on our side. Nothing was approved.";

    ActivationUnknown = "activation_unknown", 404, "Aktiveringskoden er ikke gyldig. Bed om en ny.", "The activation code is not valid. Ask for a new one.";
    ActivationUsed = "activation_used", 409, "Aktiveringskoden er brugt. Bed om en ny.", "The activation code has been used. Ask for a new one.";
    ActivationExpired = "activation_expired", 410, "Aktiveringskoden er udløbet. Bed om en ny.", "The activation code has expired. Ask for a new one.";
    ActivationRefused = "activation_refused", 403, "Aktiveringskoden passer ikke. Kontrollér den, og prøv igen.", "The activation code does not match. Check it and try again.";
    ActivationBlocked = "activation_blocked", 403, "Aktiveringskoden er spærret efter for mange forsøg. Bed om en ny.", "The activation code is blocked after too many attempts. Ask for a new one.";
    ActivationStopped = "activation_stopped", 403, "Aktiveringen blev stoppet fra en anden af dine enheder.", "The activation was stopped from another of your devices.";
    AttestationRefused = "attestation_refused", 403, "Telefonens nøgler kan ikke godkendes. Brug en anden telefon, eller få hjælp.", "The phone's keys cannot be accepted. Use another phone or get help.";
    DigitsWrong = "digits_wrong", 403, "Tallene passer ikke. Kontrollér dem på telefonen.", "The digits do not match. Check them on the phone.";
    DigitsBlocked = "digits_blocked", 403, "For mange forkerte tal. Aktiveringen er annulleret; bed om en ny.", "Too many wrong digits. The activation is void; ask for a new one.";
    DigitsPending = "digits_pending", 409, "Tallene fra telefonen er ikke indtastet endnu.", "The digits on the phone have not been typed in yet.";
    DeviceLimit = "device_limit", 409, "Du har allerede det højeste antal aktive apps. Fjern en først.", "You already have as many active apps as allowed. Remove one first.";

    DeviceUnknown = "device_unknown", 404, "Denne telefon er ikke aktiveret.", "This phone is not activated.";
    DeviceNotActive = "device_not_active", 409, "Denne telefon er ikke aktiv endnu.", "This phone is not active yet.";
    DeviceBlocked = "device_blocked", 403, "Denne telefon er spærret. Kontakt support, eller aktivér den igen.", "This phone is blocked. Contact support or activate it again.";
    DeviceFrozen = "device_frozen", 403, "Appen er brugt fra en kopi. Telefonen er låst; kontakt support, eller aktivér den igen.", "The app was used from a copy. The phone is frozen; contact support or activate it again.";
    DeviceRemoved = "device_removed", 410, "Denne telefon er fjernet. Aktivér den igen for at bruge den.", "This phone was removed. Activate it again to use it.";
    IdentityBlocked = "identity_blocked", 403, "Identiteten er spærret. Kontakt support.", "The identity is blocked. Contact support.";
    SignatureInvalid = "signature_invalid", 403, "Beskedens underskrift er ikke gyldig.", "The message's signature is not valid.";

    TransactionUnknown = "transaction_unknown", 404, "Der er ingen anmodning at svare på.", "There is no such request.";
    TransactionExpired = "transaction_expired", 410, "Anmodningen er udløbet. Start forfra dér, hvor du loggede ind.", "The request has expired. Start again where you signed in.";
    TransactionFinished = "transaction_finished", 409, "Anmodningen er allerede besvaret.", "The request has already been answered.";
    TransactionTaken = "transaction_taken", 409, "Anmodningen er åbnet på en anden telefon.", "The request was opened on another phone.";
    ChallengeInvalid = "challenge_invalid", 403, "Svaret hører ikke til denne anmodning.", "The answer does not belong to this request.";
    FactorRefused = "factor_refused", 403, "Anmodningen kan ikke godkendes på denne måde.", "The request cannot be approved this way.";
    AnswerOutOfStep = "answer_out_of_step", 409, "Et tidligere svar er ikke afsluttet. Prøv igen.", "An earlier answer is not settled. Try again.";
    PinNeeded = "pin_needed", 403, "Brug din PIN-kode først.", "Use your PIN first.";

    PinWrong = "pin_wrong", 403, "Forkert PIN-kode.", "Wrong PIN.";
    PinWaiting = "pin_waiting", 429, "For mange forkerte PIN-koder. Vent, til tiden er gået.", "Too many wrong PINs. Wait until the time has passed.";
    PinDead = "pin_dead", 403, "PIN-koden er spærret. Få en ny ved at vise, hvem du er.", "The PIN is blocked. Get a new one by proving who you are.";
    PinMissing = "pin_missing", 409, "Der er ikke valgt en PIN-kode endnu.", "No PIN has been chosen yet.";
    PinExchangeClosed = "pin_exchange_closed", 409, "Forsøget er lukket. Indtast PIN-koden igen.", "The attempt was closed. Enter the PIN again.";
    PinResetUnknown = "pin_reset_unknown", 404, "Der er ikke åbnet for en ny PIN-kode. Henvend dig, hvor du kan vise, hvem du er.", "No new PIN has been opened for this phone. Go where you can prove who you are.";

    QrUnknown = "qr_unknown", 404, "QR-koden kendes ikke. Scan den på login-siden.", "The QR code is not known. Scan the one on the login page.";
    QrStale = "qr_stale", 410, "QR-koden er for gammel. Scan den, der vises nu.", "The QR code is too old. Scan the one that is shown now.";
    NumberWrong = "number_wrong", 403, "Tallet passer ikke til en anmodning, der venter.", "The number matches no waiting request.";
    LinkInvalid = "link_invalid", 403, "Linket gælder ikke.", "The link is not valid.";
    PollExpired = "poll_expired", 401, "Appen skal melde sig igen.", "The app must open its poll again.";
    OperationRefused = "operation_refused", 409, "Det kan denne telefon ikke gøre nu.", "This phone cannot do that now.";
    BrowserUnknown = "browser_unknown", 404, "Browseren er ikke husket.", "The browser is not remembered.";
    PushRefused = "push_refused", 403, "Serveren kan ikke sende til telefonen på denne måde. Åbn appen for at se, hvad der venter.", "The server cannot send to the phone this way. Open the app to see what waits.";
    BlockCodeWrong = "block_code_wrong", 403, "Spærrekoden passer ikke.", "The block code does not match.";
    OfflineCodeWrong = "offline_code_wrong", 403, "Koden passer ikke.", "The code does not match.";
    MeansWrong = "means_wrong", 403, "Oplysningerne passer ikke. Kontrollér dem alle, og prøv igen.", "What you entered does not match. Check all of it and try again.";
    MeansWaiting = "means_waiting", 429, "For mange forkerte forsøg. Vent, til tiden er gået, brug to koder i træk fra din kodeviser, eller brug appen.", "Too many wrong attempts. Wait until the time has passed, use two codes in a row from your code display, or use the app.";
    PasswordCodeWrong = "password_code_wrong", 403, "Koden til en ny adgangskode passer ikke, eller den er udløbet. Bed om en ny.", "The code for a new password does not match or has expired. Ask for a new one.";
    ChipCodeWrong = "chip_code_wrong", 403, "Koden til en chip passer ikke, eller den er udløbet. Bed om en ny.", "The code for a chip does not match or has expired. Ask for a new one.";
    ChipRefused = "chip_refused", 403, "Chippen kan ikke bruges her. Brug en anden chip, eller få hjælp.", "This chip cannot be used here. Use another chip or get help.";
    DisplayUnknown = "display_unknown", 404, "Kodeviseren kendes ikke.", "There is no such code display.";
    DisplayTaken = "display_taken", 409, "Kodeviseren er ikke på lager, eller personen har en i forvejen.", "The code display is not in stock, or the person has one already.";
    TextRefused = "text_refused", 400, "Teksten indeholder tegn, som ikke kan vises sikkert.", "The text contains characters that cannot be shown safely.";
    LevelUnreachable = "level_unreachable", 403, "Sikringsniveauet kan ikke nås på denne måde.", "The assurance level cannot be reached this way.";
    UserIdTaken = "user_id_taken", 409, "Bruger-id'et er optaget.", "The user id is taken.";
    Conflict = "conflict", 409, "Noget andet ændrede det samtidig. Prøv igen.", "Something else changed it at the same time. Try again.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn every_code_is_unique_and_speaks_both_languages() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            for text in [code.danish(), code.english()] {
                assert!(text.len() > 8 && text.ends_with('.'), "{}: {text}", code.as_str());
            }
            assert_ne!(code.danish(), code.english());
            assert!((400..=599).contains(&code.status()));
        }
    }
}
