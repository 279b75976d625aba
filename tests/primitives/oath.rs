//! HOTP, TOTP and OCRA: the RFCs' tables against RFC 4226's truncation, written here over `ring`'s HMAC.
//!
//! This holds the tables right for the implementation that is to come; it is a reference, not that implementation.

use ring::hmac;
use serde_json::Value;

use crate::{Tally, bytes, cases, number, optional_bytes, text, vectors};

#[test]
fn rfc_4226_appendix_d() {
    let file = vectors("hotp.json");
    let tally = Tally::new("HOTP");
    for case in cases(&file) {
        let key = hmac::Key::new(hash("SHA1"), &bytes(&file, "key"));
        let tag = hmac::sign(&key, &number(case, "counter").to_be_bytes());
        assert_eq!(tag.as_ref(), bytes(case, "hmac"));
        assert_eq!(truncate(tag.as_ref(), 6), text(case, "hotp"), "counter {}", number(case, "counter"));
        tally.accepted();
    }
    tally.at_least(10, 0);
}

#[test]
fn rfc_6238_appendix_b() {
    let file = vectors("totp.json");
    let tally = Tally::new("TOTP");
    for case in cases(&file) {
        let step = number(case, "time") / number(&file, "step");
        let tag = hmac::sign(&hmac::Key::new(hash(text(case, "hash")), &bytes(case, "key")), &step.to_be_bytes());
        assert_eq!(truncate(tag.as_ref(), 8), text(case, "totp"), "time {}", number(case, "time"));
        tally.accepted();
    }
    tally.at_least(18, 0);
}

#[test]
fn rfc_6287_appendix_c() {
    let file = vectors("ocra.json");
    let tally = Tally::new("OCRA");
    for case in cases(&file) {
        assert_eq!(ocra(case), text(case, "ocra"), "{} {}", text(case, "suite"), text(case, "question"));
        tally.accepted();
    }
    tally.at_least(70, 0);
}

/// RFC 6287, section 5: suite, zero byte, counter, question padded to 128 bytes, PIN hash, time step.
fn ocra(case: &Value) -> String {
    let suite = text(case, "suite");
    let mut parts = suite.split(':').skip(1);
    let (function, data) = (parts.next().unwrap(), parts.next().unwrap());
    let mut function = function.split('-').skip(1);
    let (hash_name, digits) = (function.next().unwrap(), function.next().unwrap().parse().unwrap());

    let mut message = suite.as_bytes().to_vec();
    message.push(0);
    if data.split('-').any(|d| d == "C") {
        message.extend(number(case, "counter").to_be_bytes());
    }
    let question = text(case, "question");
    let mut field = if data.contains("QN") {
        let mut digits = format!("{:x}", question.parse::<u64>().unwrap());
        if digits.len() % 2 == 1 {
            digits.push('0');
        }
        hex::decode(digits).unwrap()
    } else {
        question.as_bytes().to_vec()
    };
    field.resize(128, 0);
    message.extend(field);
    message.extend(optional_bytes(case, "pin_sha1").unwrap_or_default());
    if case.get("time_step").is_some() {
        message.extend(number(case, "time_step").to_be_bytes());
    }
    truncate(hmac::sign(&hmac::Key::new(hash(hash_name), &bytes(case, "key")), &message).as_ref(), digits)
}

/// RFC 4226, section 5.3.
fn truncate(tag: &[u8], digits: usize) -> String {
    let at = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:0digits$}", number % 10_u32.pow(digits.try_into().unwrap()))
}

fn hash(name: &str) -> hmac::Algorithm {
    match name {
        "SHA1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA256" => hmac::HMAC_SHA256,
        "SHA512" => hmac::HMAC_SHA512,
        other => panic!("no such hash: {other}"),
    }
}
