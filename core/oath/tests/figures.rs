//! Every figure of RFC 6030, and what must not be read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use godkend_oath::pskc::{Algorithm, Key, PskcError, Reading, Unlock, read};
use godkend_oath::{Moving, Position, Windows};

const SECRET: &[u8] = b"12345678901234567890";

fn figure(number: u32) -> String {
    std::fs::read_to_string(format!("{}/tests/figures/figure-{number}.xml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn with<'a>(unlock: Unlock<'a>) -> Reading<'a> {
    Reading { unlock, signature_checked: false }
}

fn plain(number: u32) -> Vec<Key> {
    read(figure(number).as_bytes(), &Reading::default()).unwrap()
}

fn refused(text: &str) -> PskcError {
    read(text.as_bytes(), &Reading::default()).unwrap_err()
}

/// The one key of a container, which is that of the figures 3 and on.
fn the_key(keys: &[Key], secret: &[u8]) -> Key {
    let [key] = keys else { panic!("{} keys", keys.len()) };
    assert_eq!(key.seed.as_ref().unwrap().expose(), secret);
    assert_eq!(key.algorithm, Algorithm::Hotp);
    key.clone()
}

#[test]
fn figure_2_basic() {
    let key = the_key(&plain(2), b"1234");
    assert_eq!((key.id.as_str(), key.issuer.as_deref(), key.serial.as_deref()), ("12345678", Some("Issuer-A"), None));
    assert!(!key.seed.unwrap().is_strong(), "an example's seed is no seed for a citizen");
}

#[test]
fn figure_3_supplementary_data() {
    let key = the_key(&plain(3), SECRET);
    assert_eq!((key.manufacturer.as_deref(), key.serial.as_deref()), (Some("Manufacturer"), Some("987654321")));
    assert_eq!((key.counter, key.digits), (Some(0), Some(8)));
    let token = key.token().unwrap();
    assert_eq!(token.moving, Moving::Counter);
    // RFC 4226, appendix D, with eight digits: 84755224 is counter 0.
    assert_eq!(token.code(0).expose(), "84755224");
    assert!(token.accept(&Position::default(), 0, &Windows::default(), "84755224").is_some());
}

#[test]
fn figure_4_a_key_that_is_derived_elsewhere() {
    let keys = plain(4);
    assert!(keys[0].seed.is_none());
    assert_eq!(keys[0].token(), Err(PskcError::Unsupported("a key that is derived elsewhere")));
}

#[test]
fn figure_5_a_pin_on_the_display_itself() {
    let keys = plain(5);
    assert_eq!(keys.len(), 2);
    assert!(keys[0].token().is_ok(), "a local PIN is no matter of the server's");
    assert_eq!(keys[1].algorithm, Algorithm::Other("urn:ietf:params:xml:ns:keyprov:pskc:pin".to_owned()));
    assert!(keys[1].token().is_err());
}

#[test]
fn figure_6_encrypted_with_a_pre_shared_key() {
    let text = figure(6);
    let key = hex::decode("12345678901234567890123456789012").unwrap();
    let keys = read(text.as_bytes(), &with(Unlock::PreShared(&key))).unwrap();
    assert_eq!(the_key(&keys, SECRET).counter, Some(0));

    let mut wrong = key.clone();
    wrong[0] ^= 1;
    let error = |unlock| read(text.as_bytes(), &with(unlock)).unwrap_err();
    assert_eq!(error(Unlock::PreShared(&wrong)), PskcError::WrongMac);
    assert_eq!(error(Unlock::PreShared(&key[..15])), PskcError::WrongMac);
    assert_eq!(error(Unlock::Plain), PskcError::Locked);
    assert_eq!(error(Unlock::Passphrase("qwerty")), PskcError::Locked);
    // Neither a changed secret nor a missing MAC is taken.
    let changed = text.replace("AAECAwQFBgc", "AAECAwQFBgd");
    assert_ne!(changed, text);
    let error = |text: &str| read(text.as_bytes(), &with(Unlock::PreShared(&key))).unwrap_err();
    assert_eq!(error(&changed), PskcError::WrongMac);
    let begin = text.find("<ValueMAC>").unwrap();
    let end = text.find("</ValueMAC>").unwrap() + "</ValueMAC>".len();
    assert_eq!(error(&format!("{}{}", &text[..begin], &text[end..])), PskcError::NoMac);
}

#[test]
fn figure_7_encrypted_with_a_passphrase() {
    let text = figure(7);
    let keys = read(text.as_bytes(), &with(Unlock::Passphrase("qwerty"))).unwrap();
    let key = the_key(&keys, SECRET);
    assert_eq!(key.manufacturer.as_deref(), Some("TokenVendorAcme"));
    // The derived key, as the figure's text gives it, opens nothing by itself: the container asks for a passphrase.
    let derived = hex::decode("651e63cd57008476af1ff6422cd02e41").unwrap();
    let error = |text: &str, unlock| read(text.as_bytes(), &with(unlock)).unwrap_err();
    assert_eq!(error(&text, Unlock::PreShared(&derived)), PskcError::Locked);
    assert_eq!(error(&text, Unlock::Passphrase("qwertz")), PskcError::WrongMac);
    let long = text.replace(">1000<", ">4000000000<");
    assert_eq!(error(&long, Unlock::Passphrase("qwerty")), PskcError::TooLarge);
}

#[test]
fn figure_8_under_a_public_key_is_refused_with_its_reason() {
    let error = refused(&figure(8));
    assert_eq!(error, PskcError::Unsupported("a public key that the secrets are encrypted to"));
}

#[test]
fn figure_9_signed_is_read_only_by_who_has_checked_it() {
    let text = figure(9);
    assert_eq!(refused(&text), PskcError::Signed);
    let keys = read(text.as_bytes(), &Reading { signature_checked: true, ..Reading::default() }).unwrap();
    assert_eq!(the_key(&keys, SECRET).serial.as_deref(), Some("0755225266"));
}

#[test]
fn figure_10_many_at_once() {
    let keys = plain(10);
    let serials: Vec<_> = keys.iter().filter_map(|key| key.serial.as_deref()).collect();
    assert_eq!(serials, ["654321", "123456", "9999999", "9999999"]);
    assert!(keys.iter().all(|key| key.seed.as_ref().unwrap().expose() == SECRET));
    assert_eq!(keys[2].expiry.as_deref(), Some("2006-03-31T00:00:00Z"));
}

#[test]
fn totp_with_its_step_and_hash() {
    let text = figure(3)
        .replace("pskc:hotp", "pskc:totp")
        .replace("<ResponseFormat", "<Suite>HMAC-SHA256</Suite><ResponseFormat")
        .replace("<Counter>", "<TimeInterval><PlainValue>60</PlainValue></TimeInterval><Counter>");
    let key = read(text.as_bytes(), &Reading::default()).unwrap().remove(0);
    let token = key.token().unwrap();
    assert_eq!((token.moving, token.hash.name()), (Moving::Time { step: 60 }, "SHA256"));
}

#[test]
fn a_policy_that_is_not_known_forbids_the_key() {
    for (policy, good) in [
        ("<KeyUsage>OTP</KeyUsage>", true),
        ("<KeyUsage>CR</KeyUsage>", false),
        ("<NumberOfTransactions>5</NumberOfTransactions>", false),
        ("<PINPolicy PINUsageMode=\"Append\"/>", false),
        ("<Other xmlns=\"urn:x\"/>", false),
    ] {
        let text = figure(3).replace("</Data>", &format!("</Data><Policy>{policy}</Policy>"));
        let key = read(text.as_bytes(), &Reading::default()).unwrap().remove(0);
        assert_eq!(key.token().is_ok(), good, "{policy}");
    }
}

#[test]
fn bad_input_is_refused_and_nothing_is_fetched_or_expanded() {
    let good = figure(3);
    let root = "<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">";
    let body = good.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\">]>{body}");
    let outside = format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{body}");
    let deep = format!("{root}{}{}</KeyContainer>", "<a>".repeat(100), "</a>".repeat(100));
    let wide = format!("{root}{}</KeyContainer>", "<a/>".repeat(300_000));
    for (text, expected) in [
        (bomb.as_str(), PskcError::Malformed("it has a document type")),
        (outside.as_str(), PskcError::Malformed("it has a document type")),
        (deep.as_str(), PskcError::TooLarge),
        (wide.as_str(), PskcError::TooLarge),
        ("", PskcError::Malformed("it is cut off")),
        ("<KeyContainer/>", PskcError::Malformed("it is no KeyContainer")),
        (root, PskcError::Malformed("it is cut off")),
        (&format!("{root}</KeyContainer>"), PskcError::Malformed("it holds no key")),
        (&good.replace("Version=\"1.0\"", "Version=\"2.0\""), PskcError::Unsupported("its version")),
        (&good.replace("987654321", "&secret;"), PskcError::Malformed("it names an unknown entity")),
        (&good.replace("MTIzNDU2", "MTIz!DU2"), PskcError::Malformed("Base64 cannot be read")),
        (&good.replace("Length=\"8\"", "Length=\"300\""), PskcError::Malformed("a number cannot be read")),
        (&good.replace("<Data>", "<Data/><Data>"), PskcError::Malformed("an element stands twice")),
        (
            &good.replace(">987654321<", &format!(">{}<", "9".repeat(300))),
            PskcError::Malformed("a name is too long or cannot be shown"),
        ),
    ] {
        let shown = text.chars().take(120).collect::<String>();
        assert_eq!(refused(text), expected, "{shown}");
    }
    assert_eq!(read(&vec![b' '; 5_000_000], &Reading::default()).unwrap_err(), PskcError::TooLarge);
    assert_eq!(read(&[0xff, 0xfe], &Reading::default()).unwrap_err(), PskcError::Malformed("it is not UTF-8"));
    // Every truncation is refused, and none is a panic.
    for end in (0..good.trim_end().len()).filter(|end| good.is_char_boundary(*end)) {
        assert!(read(&good.as_bytes()[..end], &Reading::default()).is_err(), "{end}");
    }
}
