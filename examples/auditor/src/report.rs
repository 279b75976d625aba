//! A report for people: one HTML page that needs nothing else, holds no script, and prints.

use godkend_evidence::EvidenceError;
use godkend_protocol::crypto;
use godkend_protocol::keyset::Root;

use crate::args::Language;
use crate::evidence::{Judged, Verdict};
use crate::texts::{self, Both, Section};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#111;\
background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}.verdict{padding:1rem;border:3px solid}\
.holds{border-color:#060}.refused{border-color:#a00}.stated{border-color:#850}table{border-collapse:collapse;width:100%}\
th,td{text-align:start;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid #bbb}th{width:14rem;\
font-weight:600}td{overflow-wrap:anywhere}bdi{white-space:pre-wrap}footer{margin-top:2rem;font-size:.85rem}";

/// The report on a file that holds.
pub(crate) fn page(judged: &Judged<'_>, language: Language) -> String {
    let (mark, headline) = texts::headline(judged, language);
    let class = match judged.verdict {
        Verdict::Shown(_) => "holds",
        Verdict::Stated(_) => "stated",
    };
    let mut body = verdict(class, mark, &headline);
    for section in texts::sections(judged, language) {
        body.push_str(&table(&section));
    }
    let checks = match judged.verdict {
        Verdict::Shown(_) => CHECKED,
        Verdict::Stated(_) => CHECKED_STATEMENT,
    };
    body.push_str(&list(Both("Hvad der er prøvet", "What was checked"), checks, language));
    let limits = match judged.verdict {
        Verdict::Shown(_) => LIMITS,
        Verdict::Stated(_) => LIMITS_STATEMENT,
    };
    body.push_str(&list(Both("Hvad det ikke viser", "What it does not show"), limits, language));
    document(&body, language)
}

/// The report on a file that does not hold.
pub(crate) fn refusal(error: EvidenceError, root: &Root, file: &[u8], language: Language) -> String {
    let headline = texts::refusal(error, language);
    let not = Both("Beviset holder ikke", "The evidence does not hold").of(language);
    let mut body = verdict("refused", "✗", &format!("{not}. {headline}"));
    let t = |danish, english| Both(danish, english).of(language);
    body.push_str(&table(&Section {
        heading: t("Hvad det er prøvet mod", "What it was checked against"),
        facts: vec![
            (t("Grund", "Reason"), error.code().to_owned()),
            (t("Miljø", "Environment"), root.environment.clone()),
            (t("Rodnøglens aftryk", "Fingerprint of the root"), root.fingerprint().to_base64()),
            (t("Filens SHA-256", "SHA-256 of the file"), texts::hex(&crypto::sha256(&[file]))),
        ],
    }));
    document(&body, language)
}

const CHECKED: &[Both] = &[
    Both(
        "Serverens nøgler er underskrevet af rodnøglen, og gjaldt da spørgsmålet blev stillet.",
        "The server's keys are signed by the root, and were in force when the request was made.",
    ),
    Both(
        "Spørgsmålet med hele teksten er underskrevet af serveren og rettet til denne telefon.",
        "The request with its whole text is signed by the server and made for this phone.",
    ),
    Both(
        "Svaret nævner netop dette spørgsmål og er underskrevet af telefonens nøgle og, ved godkendelse, af PIN-kodens \
         eller biometriens nøgle.",
        "The answer names exactly this request, and is signed by the phone's key and, for an approval, by the key of the \
         PIN or of biometrics.",
    ),
    Both(
        "Disse nøgler står i loggen for denne telefon og konto, på pladser før afgørelsen.",
        "These keys stand in the log for this phone and account, at places before the decision.",
    ),
    Both(
        "Afgørelsen står i loggen og siger det samme som spørgsmål og svar.",
        "The decision stands in the log and says the same as request and answer.",
    ),
    Both(
        "Loggen er underskrevet af sin nøgle og fortsætter den log, som telefonen så.",
        "The log is signed by its key and continues the log that the phone saw.",
    ),
];

const CHECKED_STATEMENT: &[Both] = &[
    Both(
        "Posten står i loggen, og loggen er underskrevet af sin nøgle under denne rodnøgle.",
        "The entry stands in the log, and the log is signed by its key under this root.",
    ),
    Both(
        "Posten nævner intet underskrevet svar: der er ikke fjernet underskrifter fra filen.",
        "The entry names no signed answer: no signatures were taken out of the file.",
    ),
];

const LIMITS: &[Both] = &[
    Both(
        "Hvem der holdt telefonen. Det viser, at telefonens nøgle og den nævnte kode eller biometri blev brugt.",
        "Who held the phone. It shows that the phone's key and the named code or biometrics were used.",
    ),
    Both(
        "Om personen blev truet eller narret til at godkende det, som stod der.",
        "Whether the person was forced or deceived into approving what was written there.",
    ),
    Both(
        "Hvem der fik telefonen aktiveret. Loggen nævner aktiveringen; spørg den, der har prøvet identiteten.",
        "For whom the phone was activated. The log names the activation; ask whoever proofed the identity.",
    ),
    Both(
        "At andre har set den samme log, medmindre et vidne er nævnt ovenfor.",
        "That others have seen the same log, unless a witness is named above.",
    ),
];

const LIMITS_STATEMENT: &[Both] = &[
    Both(
        "Hvad personen så eller gjorde. Serveren skrev posten, og ingen telefon har underskrevet den.",
        "What the person saw or did. The server wrote the entry, and no phone has signed it.",
    ),
    Both(
        "At andre har set den samme log, medmindre et vidne er nævnt ovenfor.",
        "That others have seen the same log, unless a witness is named above.",
    ),
];

fn verdict(class: &str, mark: &str, headline: &str) -> String {
    format!("<p class=\"verdict {class}\"><strong>{mark} {}</strong></p>\n", escape(headline))
}

fn table(section: &Section) -> String {
    let mut rows = format!("<h2>{}</h2>\n<table>\n", escape(section.heading));
    for (label, value) in &section.facts {
        // A value's direction is its own affair and never its neighbour's.
        rows.push_str(&format!(
            "<tr><th scope=\"row\">{}</th><td><bdi>{}</bdi></td></tr>\n",
            escape(label),
            escape(value)
        ));
    }
    rows.push_str("</table>\n");
    rows
}

fn list(heading: Both, points: &[Both], language: Language) -> String {
    let points: String = points.iter().map(|point| format!("<li>{}</li>\n", escape(point.of(language)))).collect();
    format!("<h2>{}</h2>\n<ul>\n{points}</ul>\n", escape(heading.of(language)))
}

fn document(body: &str, language: Language) -> String {
    let (tag, title, by) = match language {
        Language::Da => ("da", "Prøvning af bevis", "Skrevet af"),
        Language::En => ("en", "Verification of evidence", "Written by"),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\
         <footer>{by} godkend-auditor {version}.</footer>\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_signed_is_shown_and_never_obeyed() {
        let section = Section {
            heading: "A",
            facts: vec![("Text", godkend_protocol::text::visible("<script>alert(\"1\")</script>\u{202e}&'"))],
        };
        let html = table(&section);
        assert!(
            html.contains("<bdi>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;⟦U+202E⟧&amp;&#39;</bdi>"),
            "{html}"
        );
        assert!(!html.contains("<script") && !html.contains('\u{202e}'));
    }

    #[test]
    fn a_page_loads_nothing() {
        let page = document("", Language::Da);
        for word in ["<script", "src=", "href=", "http://", "https://", "url(", "@import", "javascript:"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}
