//! What people read, in Danish and English: the same facts on a terminal and in a report.

use godkend_evidence::{EnrolledWith, EvidenceError, Seen, Shown, Stated, Witnessed};
use godkend_protocol::bytes::Hash32;
use godkend_protocol::crypto;
use godkend_protocol::formats::amount;
use godkend_protocol::text::visible;
use godkend_protocol::types::{Action, Binding, Decision, Factor, Level, Payment, SecurityLevel};

use crate::args::Language;
use crate::date::danish;
use crate::evidence::{Judged, Verdict};

/// A headed list of facts. Values are safe to show, but not escaped.
pub(crate) struct Section {
    pub(crate) heading: &'static str,
    pub(crate) facts: Vec<(&'static str, String)>,
}

/// A text in both languages.
#[derive(Clone, Copy)]
pub(crate) struct Both(pub(crate) &'static str, pub(crate) &'static str);

impl Both {
    pub(crate) const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Da => self.0,
            Language::En => self.1,
        }
    }
}

/// The lines for a terminal.
pub(crate) fn lines(judged: &Judged<'_>, language: Language) -> Vec<String> {
    let (mark, headline) = headline(judged, language);
    let mut lines = vec![format!("{mark} {headline}")];
    for section in sections(judged, language) {
        lines.push(String::new());
        lines.push(section.heading.to_owned());
        for (label, value) in section.facts {
            lines.push(format!("  {:<26} {value}", format!("{label}:")));
        }
    }
    lines
}

/// What it comes to, in one sentence.
pub(crate) fn headline(judged: &Judged<'_>, language: Language) -> (&'static str, String) {
    match &judged.verdict {
        Verdict::Shown(shown) => {
            let decided = decision(shown.decision).of(language);
            let with = match shown.factor {
                Factor::None => Both("uden kode eller finger", "without a code or finger"),
                Factor::Pin => Both("med PIN-kode", "with the PIN"),
                Factor::Biometric => Both("med biometri", "with biometrics"),
            };
            let holds = Both("Beviset holder", "The evidence holds").of(language);
            ("✓", format!("{holds}: {decided} {}.", with.of(language)))
        }
        Verdict::Stated(stated) => {
            let decided = decision(stated.decision).of(language);
            let says = Both("Loggen siger", "The log says").of(language);
            let but = Both(
                "Ingen telefon har underskrevet det: det er alene serverens ord, men det står i loggen.",
                "No phone has signed it: it is the server's word alone, but it stands in the log.",
            );
            ("!", format!("{says}: {decided}. {}", but.of(language)))
        }
    }
}

/// All that was found.
pub(crate) fn sections(judged: &Judged<'_>, language: Language) -> Vec<Section> {
    let t = |danish, english| Both(danish, english).of(language);
    let mut sections = match &judged.verdict {
        Verdict::Shown(shown) => of_shown(shown, language),
        Verdict::Stated(stated) => vec![of_stated(stated, language)],
    };
    let seen = match &judged.verdict {
        Verdict::Shown(shown) => &shown.log,
        Verdict::Stated(stated) => &stated.log,
    };
    sections.push(of_log(seen, judged.witnessed.as_ref(), language));
    sections.push(Section {
        heading: t("Hvad det er prøvet mod", "What it was checked against"),
        facts: vec![
            (t("Miljø", "Environment"), judged.root.environment.clone()),
            (t("Rodnøglens aftryk", "Fingerprint of the root"), judged.root.fingerprint().to_base64()),
            (t("Filens SHA-256", "SHA-256 of the file"), hex(&crypto::sha256(&[judged.file]))),
        ],
    });
    sections
}

fn of_shown(shown: &Shown, language: Language) -> Vec<Section> {
    let t = |danish, english| Both(danish, english).of(language);
    let mut facts = vec![
        (
            t("Spurgt af", "Asked by"),
            format!("{} ({})", visible(&shown.relying_party.1), visible(&shown.relying_party.0)),
        ),
        (t("Det gælder", "What for"), action(shown.action).of(language).to_owned()),
    ];
    facts.extend(shown.text.as_deref().map(|text| (t("Tekst", "Text"), visible(text))));
    facts.extend(shown.payment.iter().flat_map(|payment| of_payment(payment, language)));
    facts.extend(shown.place.as_deref().map(|place| (t("Sted", "Place"), visible(place))));
    facts.extend(shown.browser.as_deref().map(|browser| (t("Browser", "Browser"), visible(browser))));
    facts.push((t("Ønsket niveau", "Level asked for"), level(shown.level_asked, language)));
    facts.push((t("Spurgt den", "Asked on"), danish(shown.asked.0)));
    facts.push((t("Kunne besvares til", "Could be answered until"), danish(shown.asked.1)));
    let asked = Section { heading: t("Hvad personen fik vist", "What the person was shown"), facts };
    let mut facts = vec![
        (t("Afgørelse", "Decision"), decision(shown.decision).of(language).to_owned()),
        (t("Besvaret den", "Answered on"), danish(shown.at)),
        (t("Person (mitid.uuid)", "Person (mitid.uuid)"), visible(&shown.uuid)),
        (t("Telefon", "Phone"), shown.device.to_base64()),
        (t("Telefonens nøgle", "The phone's key"), enrolled(&shown.possession, language)),
    ];
    if let Some(key) = &shown.factor_key {
        let label = match shown.factor {
            Factor::Biometric => t("Biometriens nøgle", "The biometric key"),
            Factor::Pin | Factor::None => t("PIN-kodens nøgle", "The PIN's key"),
        };
        facts.push((label, enrolled(key, language)));
    }
    facts.push((t("Browser og telefon", "Browser and phone"), binding(shown.binding).of(language).to_owned()));
    facts.extend(shown.level.map(|reached| (t("Opnået niveau", "Level reached"), level(reached, language))));
    facts.extend(of_means(&shown.means, language));
    facts.push((t("Transaktion", "Transaction"), shown.transaction.to_base64()));
    facts.push((t("Spørgsmålets aftryk", "Hash of the request"), shown.challenge.to_base64()));
    facts.push((t("Svarets aftryk", "Hash of the answer"), shown.answer.to_base64()));
    facts.extend(shown.transcript.map(|hash| (t("Aktiveringens aftryk", "Hash of the activation"), hash.to_base64())));
    vec![asked, Section { heading: t("Hvem der svarede, og med hvad", "Who answered, and with what"), facts }]
}

fn of_stated(stated: &Stated, language: Language) -> Section {
    let t = |danish, english| Both(danish, english).of(language);
    let mut facts = vec![
        (t("Spurgt af", "Asked by"), visible(&stated.relying_party)),
        (t("Det gælder", "What for"), action(stated.action).of(language).to_owned()),
        (t("Afgørelse", "Decision"), decision(stated.decision).of(language).to_owned()),
        (t("Den", "On"), danish(stated.at)),
    ];
    facts.extend(stated.uuid.as_deref().map(|uuid| (t("Person (mitid.uuid)", "Person (mitid.uuid)"), visible(uuid))));
    facts.extend(stated.device.map(|device| (t("Telefon", "Phone"), device.to_base64())));
    facts.push((t("Browser og telefon", "Browser and phone"), binding(stated.binding).of(language).to_owned()));
    facts.extend(stated.level.map(|reached| (t("Opnået niveau", "Level reached"), level(reached, language))));
    facts.extend(of_means(&stated.means, language));
    facts.push((t("Transaktion", "Transaction"), stated.transaction.to_base64()));
    facts.push((
        t("Ikke vist her", "Not shown here"),
        t("teksten, som personen så: den står ikke i loggen", "the text that the person saw: it is not in the log")
            .to_owned(),
    ));
    Section { heading: t("Hvad serveren har skrevet i loggen", "What the server wrote into the log"), facts }
}

/// What proved the person where it was not a phone alone: the server's word.
fn of_means(means: &[String], language: Language) -> Option<(&'static str, String)> {
    let label = Both("Midler, efter loggen", "Means, by the log").of(language);
    (!means.is_empty()).then(|| (label, visible(&means.join(" + "))))
}

fn of_log(seen: &Seen, witnessed: Option<&Witnessed>, language: Language) -> Section {
    let t = |danish, english| Both(danish, english).of(language);
    let mut facts = vec![
        (t("Afgørelsens plads", "The decision's place"), place(seen.index, seen.size, language)),
        (t("Epoke", "Epoch"), seen.epoch.to_string()),
        (t("Loggens rodaftryk", "Root hash of the log"), hex(&seen.root)),
        (t("Underskrevet af loggen", "Signed by the log on"), danish(seconds(seen.time))),
    ];
    facts.push(match witnessed {
        Some(Witnessed { witness, time, size }) => {
            let so_many = t("poster", "entries");
            (t("Bevidnet", "Witnessed"), format!("{}: {}, {size} {so_many}", visible(witness), danish(seconds(*time))))
        }
        None => {
            (t("Bevidnet", "Witnessed"), t("ikke prøvet; se --witnessed", "not checked; see --witnessed").to_owned())
        }
    });
    Section { heading: t("Hvor det står i loggen", "Where it stands in the log"), facts }
}

fn place(index: u64, size: u64, language: Language) -> String {
    match language {
        Language::Da => format!("post {index} af {size} (fra 0)"),
        Language::En => format!("entry {index} of {size} (from 0)"),
    }
}

fn enrolled(key: &EnrolledWith, language: Language) -> String {
    let where_ = match key.security {
        None => None,
        Some(SecurityLevel::Software) => Some(Both("i software", "in software")),
        Some(SecurityLevel::TrustedEnvironment) => {
            Some(Both("i telefonens sikre område", "in the phone's trusted environment"))
        }
        Some(SecurityLevel::Dedicated) => Some(Both("i en sikkerhedschip", "in a security chip")),
    };
    let kept = where_.map(|text| format!(", {}", text.of(language))).unwrap_or_default();
    match language {
        Language::Da => format!("indført {} som post {}{kept}", danish(key.at), key.index),
        Language::En => format!("enrolled {} as entry {}{kept}", danish(key.at), key.index),
    }
}

fn of_payment(payment: &Payment, language: Language) -> Vec<(&'static str, String)> {
    let t = |danish, english| Both(danish, english).of(language);
    let mut facts = vec![(t("Beløb", "Amount"), amount(payment, language)), (t("Til", "To"), visible(&payment.payee))];
    facts.extend(payment.account.as_deref().map(|account| (t("Konto", "Account"), visible(account))));
    facts
}

/// The minor unit is what was signed; this is how it reads, as the phone showed it.
fn amount(payment: &Payment, language: Language) -> String {
    visible(&amount::text(payment.amount_minor, &payment.currency, matches!(language, Language::Da)))
}

fn decision(decision: Decision) -> Both {
    match decision {
        Decision::Approve => Both("godkendt", "approved"),
        Decision::Deny => Both("afvist", "refused"),
        Decision::ReportFraud => Both("meldt som svindel", "reported as fraud"),
    }
}

fn level(level: Level, language: Language) -> String {
    let name = match level {
        Level::Low => Both("Lav", "Low"),
        Level::Substantial => Both("Betydelig", "Substantial"),
        Level::High => Both("Høj", "High"),
    };
    name.of(language).to_owned()
}

fn action(action: Action) -> Both {
    match action {
        Action::LogOn => Both("log på", "sign in"),
        Action::Approve => Both("godkend", "approve"),
        Action::Confirm => Both("bekræft", "confirm"),
        Action::Accept => Both("acceptér", "accept"),
        Action::Sign => Both("underskriv", "sign"),
        Action::FinishEnrolment => Both("afslut aktivering eller ny PIN-kode", "finish an activation or a new PIN"),
        Action::ChangePin => Both("skift PIN-kode", "change the PIN"),
        Action::AddKeys => Both("slå biometri eller offlinekoder til", "turn biometrics or offline codes on"),
        Action::RemoveKeys => Both("slå biometri eller offlinekoder fra", "turn biometrics or offline codes off"),
        Action::RotateKeys => Both("skift telefonens nøgler", "replace the phone's keys"),
        Action::MoveDevice => Both("flyt til en anden telefon", "move to another phone"),
        Action::RemoveDevice => Both("fjern en telefon", "remove a phone"),
        Action::ForgetBrowser => Both("glem en browser", "forget a browser"),
        Action::NewDeviceNotice => Both("besked om ny telefon", "notice of a new phone"),
        Action::SetLockedPush => Both("beskeder fra indtastet bruger-id", "notices from a typed user id"),
    }
}

fn binding(binding: Binding) -> Both {
    match binding {
        Binding::ScannedQr => Both("telefonen scannede browserens QR-kode", "the phone scanned the browser's QR code"),
        Binding::SameDevice => Both("browser og app på samme telefon", "browser and app on one phone"),
        Binding::TypedNumber => Both("browserens tal tastet i appen", "the browser's number typed into the app"),
        Binding::RememberedBrowser => Both("en husket browser", "a remembered browser"),
        Binding::RememberedBrowserAndNumber => {
            Both("en husket browser og dens tal", "a remembered browser and its number")
        }
        Binding::Device => Both("ingen browser: telefonens eget ønske", "no browser: the phone's own wish"),
        Binding::Offline => Both("en offlinekode tastet i browseren", "an offline code typed into the browser"),
        Binding::Typed => {
            Both("adgangskode og eventuel kode tastet på siden", "password, and any code, typed on the page")
        }
        Binding::Origin => {
            Both("en chip, der skriver under for sidens adresse", "a chip that signs for the page's address")
        }
    }
}

/// Why it does not hold.
pub(crate) fn refusal(error: EvidenceError, language: Language) -> &'static str {
    match error {
        EvidenceError::Malformed => {
            Both("Filen er ikke et bevis, eller den er beskadiget.", "The file is not evidence, or it is damaged.")
        }
        EvidenceError::Newer => Both("Filen kræver en nyere udgave af programmet.", "The file needs a newer program."),
        EvidenceError::KeySet => {
            Both("Nøglerne er ikke underskrevet af denne rodnøgle.", "The keys are not signed by this root.")
        }
        EvidenceError::Challenge => Both(
            "Spørgsmålet er ikke underskrevet af serverens nøgle.",
            "The request is not signed by the server's key.",
        ),
        EvidenceError::Answer => {
            Both("Svaret hører ikke til dette spørgsmål.", "The answer does not belong to this request.")
        }
        EvidenceError::Possession => Both(
            "Svaret er ikke underskrevet af den telefon, som loggen nævner.",
            "The answer is not signed by the phone that the log names.",
        ),
        EvidenceError::Factor => Both(
            "Svaret er ikke underskrevet med den PIN-kode eller biometri, som loggen nævner.",
            "The answer is not signed with the PIN or biometrics that the log names.",
        ),
        EvidenceError::Enrolment => Both(
            "En nøgle var ikke indført for denne telefon før afgørelsen.",
            "A key was not enrolled for this phone before the decision.",
        ),
        EvidenceError::Checkpoint => Both(
            "Loggens tilstand er ikke underskrevet af loggens nøgle.",
            "The log's state is not signed by the log's key.",
        ),
        EvidenceError::NotInLog => Both("En post står ikke i loggen.", "An entry does not stand in the log."),
        EvidenceError::Decision => {
            Both("Loggens post handler ikke om denne afgørelse.", "The log's entry does not tell of this decision.")
        }
        EvidenceError::StatementOnly => {
            Both("Ingen telefon har underskrevet afgørelsen.", "No phone has signed the decision.")
        }
        EvidenceError::Witness => Both(
            "Vidnet har ikke underskrevet denne tilstand af loggen.",
            "The witness has not signed this state of the log.",
        ),
        EvidenceError::NotWitnessed => Both(
            "Den log, som vidnet har set, er ikke den, som beviset står i.",
            "The log that the witness saw is not the one that holds the evidence.",
        ),
    }
    .of(language)
}

pub(crate) fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX / 2)
}

pub(crate) fn hex(hash: &Hash32) -> String {
    hash.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_sentence_in_both_languages() {
        for error in EvidenceError::ALL {
            let (danish, english) = (refusal(error, Language::Da), refusal(error, Language::En));
            assert!(danish.ends_with('.') && english.ends_with('.') && danish != english, "{error:?}");
        }
    }

    #[test]
    fn amounts_read_as_in_their_currency() {
        let payment = |amount_minor, currency: &str| Payment {
            amount_minor,
            currency: currency.to_owned(),
            payee: "Bager Sørensen".to_owned(),
            account: None,
        };
        assert_eq!(amount(&payment(12_505, "DKK"), Language::Da), "125,05 DKK");
        assert_eq!(amount(&payment(5, "EUR"), Language::En), "EUR 0.05");
        assert_eq!(amount(&payment(125, "JPY"), Language::En), "JPY 125");
        assert_eq!(amount(&payment(1_005, "KWD"), Language::Da), "1,005 KWD");
    }
}
