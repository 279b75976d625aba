//! What a citizen reads on the pages, in three languages.

use godkend_protocol::codes::Code;
use godkend_protocol::types::Action;

use crate::oidc::records::Language;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $da:literal, $en:literal, $kl:literal;)*) => {
        /// The pages' texts in one language.
        pub(super) struct Texts {
            /// The language's tag.
            pub(super) tag: &'static str,
            $($(#[$doc])* pub(super) $name: &'static str,)*
        }

        static DANISH: Texts = Texts { tag: "da", $($name: $da,)* };
        static ENGLISH: Texts = Texts { tag: "en", $($name: $en,)* };
        static GREENLANDIC: Texts = Texts { tag: "kl", $($name: $kl,)* };

        /// Every text in the three languages, by its name.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, [&str; 3])] = &[$((stringify!($name), [$da, $en, $kl]),)*];
    };
}

texts! {
    asks: "vil have dig til at godkende", "asks you to approve", "akuersinissannik kissaateqarpoq";
    log_on: "Log på", "Log on", "Iserit";
    approve: "Godkend", "Approve", "Akuerigit";
    confirm: "Bekræft", "Confirm", "Uppernarsaagit";
    accept: "Acceptér", "Accept", "Akuerseqataagit";
    sign: "Underskriv", "Sign", "Atsiorit";
    amount: "Beløb", "Amount", "Aningaasat";
    payee: "Til", "To", "Tigusisoq";
    account: "Konto", "Account", "Konto";
    scan: "Åbn Godkend-appen, og scan koden.",
        "Open the Godkend app and scan the code.",
        "Godkend-app ammaruk, kodelu scannerlugu.";
    qr_alt: "QR-kode, som skifter hvert sekund",
        "QR code that changes every second",
        "QR-kode, sekuntit tamaasa allanngortartoq";
    same_device: "Åbn appen på denne enhed", "Open the app on this device", "App una atorlugu ammaruk";
    by_user_id: "Uden kamera: brug dit bruger-id",
        "Without a camera: use your user id",
        "Kameraqanngilanga: bruger-id atoruk";
    user_id: "Bruger-id", "User id", "Bruger-id";
    go_on: "Fortsæt", "Continue", "Ingerlaqqigit";
    number: "Skriv dette tal i appen:", "Type this number in the app:", "Normu una appimut allaguk:";
    remembered: "Anmodningen er sendt til din telefon.",
        "The request has been sent to your phone.",
        "Qinnuteqaat oqarasuaatinnut nassiunneqarpoq.";
    offline: "Uden netforbindelse på telefonen", "Without a network on the phone", "Oqarasuaat attaveqanngilaq";
    offline_scan: "Scan koden i appen, godkend med finger eller ansigt, og skriv de otte cifre her.",
        "Scan the code in the app, approve with your finger or face, and type the eight digits here.",
        "Kode appimik scanneruk, inussat kiinnalluunniit atorlugu akueriuk, kisitsisillu arfineq-pingasut uunga allakkit.";
    offline_code: "Otte cifre fra appen", "Eight digits from the app", "Kisitsisit arfineq-pingasut appimeersut";
    cancel: "Annullér", "Cancel", "Taamaatiguk";
    waiting: "Venter på din telefon.", "Waiting for your phone.", "Oqarasuaatit utaqqineqarpoq.";
    opened: "Åbnet på din telefon. Læs den, og svar dér.",
        "Opened on your phone. Read it and answer there.",
        "Oqarasuaatinni ammarneqarpoq. Atuaruk, tassanilu akillugu.";
    approved: "Godkendt. Du sendes videre.",
        "Approved. You are being sent on.",
        "Akuerineqarpoq. Ingerlateqqinneqassaatit.";
    denied: "Afvist. Du sendes tilbage.",
        "Declined. You are being sent back.",
        "Itigartinneqarpoq. Uterteqqinneqassaatit.";
    expired: "Tiden er gået. Du sendes tilbage.",
        "Time is up. You are being sent back.",
        "Piffissaq naavoq. Uterteqqinneqassaatit.";
    lost: "Ingen forbindelse. Siden prøver igen.",
        "No connection. The page is trying again.",
        "Attaveqanngilaq. Qupperneq misileeqqippoq.";
    warn: "Godkend kun, hvis du selv er i gang med dette. Scan aldrig en kode, som en anden har sendt dig.",
        "Approve only if you started this yourself. Never scan a code that somebody has sent you.",
        "Imminerit aallartissimagukku taamaallaat akueriuk. Kode allap nassiussaa scannerneqaqinani.";
    script: "Siden skal bruge JavaScript.",
        "This page needs JavaScript.",
        "Qupperneq JavaScriptimik atuisariaqarpoq.";
    refused: "Login kan ikke begynde", "The login cannot begin", "Iserneq aallartinneqarsinnaanngilaq";
    refused_hint: "Tjenesten, du kom fra, har sendt en anmodning, som ikke kan bruges. Gå tilbage dertil, og prøv igen.",
        "The service that you came from has sent a request that cannot be used. Go back there and try again.",
        "Kiffartuussiviup qinnuteqaataa atorneqarsinnaanngilaq. Tassunga uterit, misileeqqillutillu.";
    failed: "Det lykkedes ikke", "That did not work", "Iluatsinngilaq";
    other_browser: "Gå tilbage til den browser, hvor du begyndte. Login kan kun afsluttes dér.",
        "Go back to the browser where you began. The login can only be completed there.",
        "Browserimut aallartiffigisannut uterit. Taamaallaat tassani naammassineqarsinnaavoq.";
    block_title: "Spær en telefon", "Block a phone", "Oqarasuaat matuuk";
    block_hint: "Skriv spærrekoden på 18 tegn, som appen viste efter aktiveringen. Telefonen spærres straks.",
        "Type the block code of 18 characters that the app showed after the activation. The phone is blocked at once.",
        "Appip takutitaa, 18-inik naqinnertalik, allaguk. Oqarasuaat ingerlaannaq matuneqassaaq.";
    block_code: "Spærrekode", "Block code", "Matusissutissaq kode";
    block_button: "Spær telefonen", "Block the phone", "Oqarasuaat matuuk";
    block_done: "Telefonen er spærret. Den kan ikke længere godkende noget.",
        "The phone is blocked. It can no longer approve anything.",
        "Oqarasuaat matuneqarpoq. Akuersissutigineqarsinnaajunnaarpoq.";
    ways: "Andre måder at logge på", "Other ways to log on", "Iseriaatsit allat";
    way_with: "Log på med", "Log on with", "Uuminnga iserit:";
    way_asks: "vil have dig til at logge på", "asks you to log on", "isernissannik kissaateqarpoq";
    way_working: "Arbejder …", "Working …", "Suliarineqarpoq …";
    way_failed: "Det lykkedes ikke. Prøv igen.", "That did not work. Try again.", "Iluatsinngilaq. Misileeqqigit.";
    way_missing: "Din browser kan ikke regne med adgangskoder. Brug en nyere browser eller appen.",
        "Your browser cannot compute with passwords. Use a newer browser or the app.",
        "Browserit isissutinik naatsorsuisinnaanngilaq. Browseri nutaanerusoq app-iluunniit atoruk.";
    wait_left: "Du kan prøve igen om", "You can try again in", "Misileeqqissinnaavutit uuma qaangiunnerani:";
    wait_over: "Du kan prøve igen nu.", "You can try again now.", "Maanna misileeqqissinnaavutit.";
    password: "Adgangskode", "Password", "Isissut";
    display_code: "Seks cifre fra kodeviseren",
        "Six digits from the code display",
        "Kisitsisit arfinillit kodeviserimeersut";
    display_twice: "Koden virker ikke, eller der er ventetid",
        "The code does not work, or there is a wait",
        "Kode atorsinnaanngilaq, utaqqisoqassaarluunniit";
    display_twice_why: "Skriv to koder, som viseren viser lige efter hinanden: den første ovenfor, den næste her.",
        "Type two codes that the display shows one right after the other: the first one above, the next one here.",
        "Kodet marluk tulleriit allakkit: siulleq qulaani, tullia uani.";
    display_next: "Den næste kode", "The next code", "Kode tulleq";
    password_title: "Vælg adgangskode", "Choose a password", "Isissummik toqqaagit";
    password_hint: "Brug den kode på 18 tegn, som du fik, da du viste, hvem du er. Den gælder i ti minutter.",
        "Use the code of 18 characters that you were given when you showed who you are. It is good for ten minutes.",
        "Kode 18-inik naqinnertalik, kinaanerit takutikkakku tunineqaatigisat, atoruk. Minutsit qulit atuuppoq.";
    password_by_app: "Uden kode: godkend med appen",
        "Without a code: approve with the app",
        "Kodeqanngilanga: app atorlugu akueriuk";
    password_code: "Kode", "Code", "Kode";
    password_new: "Ny adgangskode", "New password", "Isissut nutaaq";
    password_again: "Gentag adgangskoden", "Repeat the password", "Isissut uteqqiguk";
    password_rules: "8 til 64 tegn. Gerne en sætning. Ikke dit bruger-id og ikke noget, som mange bruger.",
        "8 to 64 characters. A sentence is good. Not your user id and nothing that many people use.",
        "Naqinnerit 8-niit 64-inut. Oqaaseqatigiit atorneqarsinnaapput. Bruger-id amerlasuulluunniit atugaat atoqinagu.";
    password_button: "Gem adgangskoden", "Save the password", "Isissut toqqoruk";
    password_done: "Adgangskoden er gemt.", "The password is saved.", "Isissut toqqorneqarpoq.";
    password_differ: "De to adgangskoder er ikke ens.",
        "The two passwords are not the same.",
        "Isissutit marluk assigiinngillat.";
    password_short: "Adgangskoden skal have mindst 8 tegn.",
        "The password must have at least 8 characters.",
        "Isissut minnerpaamik 8-nik naqinnertaqassaaq.";
    password_long: "Adgangskoden må højst have 64 tegn.",
        "The password may have at most 64 characters.",
        "Isissut annerpaamik 64-inik naqinnertaqassaaq.";
    password_common: "Den adgangskode er for almindelig. Vælg en anden.",
        "That password is too common. Choose another.",
        "Isissut nalinginnaavallaarpoq. Allamik toqqaagit.";
    password_yours: "Adgangskoden må ikke indeholde dit bruger-id.",
        "The password must not contain your user id.",
        "Isissut bruger-idimik imaqassanngilaq.";
    pays: "vil have dig til at godkende en betaling", "asks you to approve a payment", "akiliinissamik akuersinissannik kissaateqarpoq";
    message: "Besked", "Message", "Oqariartuut";
    ends_in: "Udløber om", "Expires in", "Naassaaq:";
    more_time: "Få mere tid", "Get more time", "Piffissaq sivitsoruk";
    more_given: "Du har fået mere tid.", "You have been given more time.", "Piffissaq sivitsorneqarpoq.";
    soon: "Der er et minut tilbage. Vælg Få mere tid, hvis du har brug for det.",
        "One minute is left. Choose Get more time if you need it.",
        "Minutsi ataaseq sinneruppoq. Pisariaqartikkukku Piffissaq sivitsoruk toqqaruk.";
    sent: "Åbn Godkend-appen på din telefon.", "Open the Godkend app on your phone.", "Godkend-app oqarasuaatinni ammaruk.";
    sent_number: "Åbn Godkend-appen, og skriv tallet, når den beder om det.",
        "Open the Godkend app and type the number when it asks.",
        "Godkend-app ammaruk, piumappallu normu allallugu.";
    on_phone: "Svar på din telefon", "Answer on your phone", "Oqarasuaatinni akigit";
    offer: "Vil du slippe for koden næste gang? Vælg at huske browseren, når du godkender i appen.",
        "To go without the code next time, choose to remember this browser when you approve in the app.",
        "Tullianik kodemik atuinak iserusukkuit, appimi akuersinerni browseri eqqaamaneqassasoq toqqaruk.";
    go_back: "Fortsæt til", "Continue to", "Uunga ingerlaqqigit:";
    this_way: "Godkend-appen", "the Godkend app", "Godkend-app";
    last_used: "Senest brugt her", "Last used here", "Kingullermik atorneqartoq";
    languages: "Sprog", "Language", "Oqaatsit";
    no_script: "JavaScript er slået fra. Brug dit bruger-id nedenfor; siden henter selv nyt.",
        "JavaScript is off. Use your user id below; the page fetches news by itself.",
        "JavaScript ikinngilaq. Bruger-id ataani atoruk; qupperneq imminut nutarterpoq.";
    lost_phone: "Mistet din telefon?", "Lost your phone?", "Oqarasuaat annaaviuk?";
    logged_out: "Du er logget af", "You are logged out", "Anivutit";
    close_window: "Du kan lukke vinduet.", "You can close this window.", "Igalaaq matusinnaavat.";
}

/// The texts in a language.
pub(super) fn of(language: Language) -> &'static Texts {
    match language {
        Language::Da => &DANISH,
        Language::En => &ENGLISH,
        Language::Kl => &GREENLANDIC,
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

/// What a refusal says, and the tag of the language that it says it in: a code that has no Greenlandic yet speaks Danish.
pub(super) fn sentence(language: Language, code: Code) -> (&'static str, &'static str) {
    match language {
        Language::Da => (code.danish(), "da"),
        Language::En => (code.english(), "en"),
        Language::Kl => greenlandic(code).map_or((code.danish(), "da"), |sentence| (sentence, "kl")),
    }
}

/// The refusals that a person meets on these pages.
fn greenlandic(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::NotFound => "Nassaarineqanngilaq.",
        Code::Throttled => "Misileerpallaarputit. Utaqqilaarit, misileeqqillutillu.",
        Code::Unavailable => "Maannakkut kiffartuussineq akinngilaq. Annaasaqanngilaq. Qaninnerusukkut misileeqqigit.",
        Code::Internal => "Uagutsinni ajutoortoqarpoq. Akuersisoqanngilaq.",
        Code::TransactionExpired => "Qinnuteqaatip piffissaa naavoq. Aallartiffigisannit aallaqqigit.",
        Code::TransactionFinished => "Qinnuteqaat akineqareerpoq.",
        Code::TransactionTaken => "Qinnuteqaat oqarasuaammi allami ammarneqarpoq.",
        Code::MeansWrong => "Paasissutissat eqqunngillat. Tamaasa misissukkit, misileeqqillutillu.",
        Code::MeansWaiting => {
            "Kukkusumik misileerpallaarputit. Utaqqigit, kodet marluk tulleriit atukkit, app-iluunniit atoruk."
        }
        Code::BlockCodeWrong => "Matusissutissaq kode eqqunngilaq.",
        Code::ChipCodeWrong => "Chipimut kode eqqunngilaq, piffissaaluunniit naavoq. Nutaamik piniarit.",
        Code::ChipRefused => "Chip tamanna maani atorneqarsinnaanngilaq.",
        Code::OfflineCodeWrong => "Kode eqqunngilaq.",
        Code::PasswordCodeWrong => "Isissummut nutaamut kode eqqunngilaq, piffissaaluunniit naavoq. Nutaamik piniarit.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_three_languages() {
        for (name, [danish, english, greenlandic]) in ALL {
            assert!(!danish.is_empty() && !english.is_empty() && !greenlandic.is_empty(), "{name}");
            let same = ["account", "user_id", "password_code"].contains(name);
            assert!(same || (danish != english || *name == "account") && danish != greenlandic, "{name}");
        }
    }

    #[test]
    fn a_refusal_without_greenlandic_says_that_it_speaks_danish() {
        assert_eq!(sentence(Language::Kl, Code::MeansWrong).1, "kl");
        assert_eq!(sentence(Language::Kl, Code::DisplayTaken), (Code::DisplayTaken.danish(), "da"));
    }
}
