//! Texts that a relying party sends: shown whole and as they are, or refused with a sentence that says why.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use godkend_tests::bank::Bank;
use godkend_tests::phone::PIN;
use godkend_tests::{Ask, World};

/// What is refused, with why it would be dangerous.
fn hostile() -> Vec<(&'static str, String)> {
    let fixed: &[(&str, &str)] = &[
        ("right-to-left override", "Betal 100 kr. til \u{202E}knaB"),
        ("isolates", "Betal \u{2066}100\u{2069} kr."),
        ("marks of direction", "Betal\u{200F} 100 kr."),
        ("Arabic letter mark", "Betal\u{061C} 100 kr."),
        ("zero-width space", "Net\u{200B}bank"),
        ("zero-width joiner", "Net\u{200D}bank"),
        ("word joiner", "Net\u{2060}bank"),
        ("byte order mark", "\u{FEFF}Netbank"),
        ("soft hyphen", "Net\u{AD}bank"),
        ("Hangul filler", "Net\u{3164}bank"),
        ("Braille blank", "Net\u{2800}bank"),
        ("Mongolian separator", "Net\u{180E}bank"),
        ("Khitan filler", "Net\u{16FE4}bank"),
        ("musical null", "Net\u{1D159}bank"),
        ("hieroglyph joiner", "Net\u{13430}bank"),
        ("noncharacter", "Net\u{FDD0}bank"),
        ("noncharacter of a higher plane", "Net\u{1FFFE}bank"),
        ("tag letters", "Net\u{E0041}bank"),
        ("variation selector", "Netbank\u{FE0F}"),
        ("new line", "Log på\nNetbank"),
        ("line separator", "Log på\u{2028}Netbank"),
        ("tabulator", "Log på\tNetbank"),
        ("null", "Netbank\0"),
        ("escape", "Netbank\u{1B}[2K"),
        ("delete", "Netbank\u{7F}"),
        ("C1 control", "Netbank\u{85}"),
        ("no-break space", "Log\u{A0}på"),
        ("ideographic space", "Log\u{3000}på"),
        ("Cyrillic inside Latin", "N\u{435}tbank"),
        ("Greek inside Latin", "B\u{3B1}nk"),
        ("Armenian inside Latin", "\u{555}rsted"),
        ("Cherokee inside Latin", "\u{13AA}pple"),
        ("Latin of phonetics", "P\u{251}ypal"),
        ("full-width letters", "\u{FF2E}etbank"),
        ("mathematical letters", "\u{1D40D}etbank"),
        ("ligature", "\u{FB01}nans"),
        ("a brand wholly in Cyrillic look-alikes", "Betal til \u{440}\u{430}\u{443}\u{440}\u{430}\u{4CF}"),
        ("a name wholly in Greek look-alikes", "\u{39D}\u{39F}\u{39A}\u{399}\u{391}"),
        ("letters that run from right to left among digits", "Betal \u{5D0}\u{5D1} 100 200 kr."),
        ("Arabic among digits", "\u{627}\u{628} 1 250,00"),
        ("not in normal form C", "A\u{30A}rhus"),
        ("Ångström sign", "\u{212B}rhus"),
        ("enclosing mark", "Netbank\u{489}"),
        ("only spaces", "   "),
        ("emoji with joiners", "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}"),
        ("keycap", "1\u{FE0F}\u{20E3}"),
    ];
    let mut all: Vec<_> = fixed.iter().map(|(what, text)| (*what, (*text).to_owned())).collect();
    all.push(("a character too long", "x".repeat(131)));
    all.push(("10 kB", "x".repeat(10_000)));
    all.push(("Latin under a pile of marks", format!("Z{}algo", "\u{301}".repeat(20))));
    for (what, base, mark) in [
        ("Thai", '\u{E01}', '\u{E47}'),
        ("Arabic", '\u{628}', '\u{651}'),
        ("Hebrew", '\u{5D0}', '\u{5B0}'),
        ("Tibetan", '\u{F40}', '\u{F74}'),
        ("Devanagari", '\u{915}', '\u{941}'),
        ("Cyrillic", '\u{430}', '\u{483}'),
    ] {
        all.push((what, format!("{base}{}", mark.to_string().repeat(30))));
    }
    all
}

/// What is shown, unchanged.
const HARMLESS: &[&str] = &[
    "Log på Netbank",
    "Betal 1.250,00 kr. til Bager Sørensen & Søn",
    "Aqqusinersuaq 12 — “Nuuk”",
    "<b>fed</b> & 'citat' \"tegn\"",
    "Москва",
    "Ελλάδα",
    "Հայաստան",
    "ภาษาไทย",
    "हिन्दी",
    "中文",
    "עברית",
    "العربية",
    "\u{1F1E9}\u{1F1F0} \u{1F600}",
    "${jndi:ldap://x} {{7*7}} %00 ../../ ' OR 1=1 --",
];

fn in_text(text: &str) -> (&'static str, String) {
    ("idp_params", json!({ "reference_text": STANDARD.encode(text) }).to_string())
}

fn in_payment(field: &str, text: &str) -> (&'static str, String) {
    let mut payment = json!({ "type": "godkend_payment", "amount": "10.00", "currency": "DKK", "payee": "Bager" });
    payment[field] = Value::String(text.to_owned());
    ("authorization_details", json!([payment]).to_string())
}

async fn push(bank: &Bank, path: &str, own: (&'static str, String)) -> (u16, Value) {
    let mut form = Ask { text: None, ..Ask::login() }.parameters();
    if path == "ciba" {
        form.retain(|(name, _)| ["scope", "acr_values"].contains(name));
        form.push(("login_hint", "nobody-at-all".to_owned()));
    }
    form.push(own);
    bank.post(path, &form).await
}

#[tokio::test]
async fn a14_a_text_that_hides_reorders_or_imitates_is_refused_with_a_sentence() {
    let world = World::new().await;
    let bank = Bank::push(&world, &Ask::login()).await;
    for (what, text) in hostile() {
        let places = [
            ("par", in_text(&text)),
            ("par", in_payment("payee", &text)),
            ("par", in_payment("account", &text)),
            ("ciba", in_text(&text)),
            ("ciba", ("binding_message", text.clone())),
        ];
        for (path, own) in places {
            let field = own.0;
            let (status, reply) = push(&bank, path, own).await;
            // Beyond a form's size the server does not read on.
            let codes: &[u16] = if text.len() > 5_000 { &[400, 413] } else { &[400] };
            assert!(codes.contains(&status), "{what} in {field} of {path}: {status} {reply}");
            if status == 400 {
                let sentence = reply["error_description"].as_str().unwrap_or_default();
                assert!(sentence.len() > 20 && sentence.is_ascii(), "{what} in {field}: {reply}");
                assert!(!sentence.contains(&*text), "the text itself is not repeated");
            }
        }
    }
    // Amounts are one way of writing only.
    for amount in [
        "-1.00",
        "+1.00",
        "1",
        "1.0",
        "1.000",
        "01.00",
        "0.00",
        "1e3",
        "1,00",
        "1 000.00",
        "\u{661}.00",
        ".50",
        "NaN",
        "9999999999999.00",
    ] {
        let (status, reply) = push(&bank, "par", in_payment("amount", amount)).await;
        assert_eq!(status, 400, "{amount}: {reply}");
    }
    for currency in ["dkk", "DKKK", "JPY", "KWD", "kr.", "DK\u{41A}", "\u{202E}KKD"] {
        let (status, reply) = push(&bank, "par", in_payment("currency", currency)).await;
        assert_eq!(status, 400, "{currency}: {reply}");
    }
}

#[tokio::test]
async fn a14_what_is_taken_is_shown_unchanged_and_escaped() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-texts").await;
    for text in HARMLESS {
        let mut browser = world.login_page(&Ask { text: Some(text), ..Ask::login() }).await;
        let (_, page) = browser.get(&format!("/login/{}", browser.login().to_owned())).await;
        assert!(!page.contains("<b>fed"), "escaped in the page");
        let view = phone.scan(&browser.qr().await).await.unwrap();
        assert_eq!(view.text.as_deref(), Some(*text));
        phone.deny(&view).await.unwrap();
        if text.chars().count() <= 64 {
            let mut browser = world.login_page(&Ask::payment("10.00", text).at("Substantial")).await;
            let view = phone.scan(&browser.qr().await).await.unwrap();
            assert_eq!(view.payment.clone().unwrap().payee, *text);
            phone.deny(&view).await.unwrap();
        }
    }
    // What a browser says of itself is tamed and cut, and refused to nobody.
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn a14_a_relying_partys_own_name_is_checked_before_the_server_starts() {
    let hostile = ["Net\u{202E}bank", "N\u{435}tbank", "Net\u{200B}bank", "\u{440}\u{430}\u{443}\u{440}\u{430}\u{4CF}"];
    for name in hostile {
        let world = World::new().await;
        let refused = world.refuses_configuration(&format!(
            "\n[[relying_party]]\nclient_id = \"evil\"\nname = \"{name}\"\nredirect_uris = [\"https://evil.example/\"]\n"
        ));
        assert!(refused.iter().any(|finding| finding.contains("relying_party[evil].name")), "{name}: {refused:?}");
    }
}
