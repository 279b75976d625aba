//! The tables of RFC 4226, appendix D, and RFC 6238, appendix B.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use godkend_oath::{Digits, Hash, Moving, Position, Seed, Token, Windows, hotp};
use serde_json::Value;

fn table(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/rfc/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn seed(of: &Value) -> Seed {
    Seed::new(&hex::decode(of["key"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn rfc_4226_appendix_d() {
    let table = table("hotp.json");
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    let token = Token { seed: seed(&table), hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter };
    let mut position = Position::default();
    for case in cases {
        let (counter, code) = (case["counter"].as_u64().unwrap(), case["hotp"].as_str().unwrap());
        assert_eq!(token.code(counter).expose(), code);
        position = token.accept(&position, 0, &Windows::default(), code).unwrap();
        assert_eq!(position.next, counter + 1);
    }
}

#[test]
fn rfc_6238_appendix_b() {
    let table = table("totp.json");
    let cases = table["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 18);
    let step = u32::try_from(table["step"].as_u64().unwrap()).unwrap();
    for case in cases {
        let hash = Hash::parse(case["hash"].as_str().unwrap()).unwrap();
        let token = Token { seed: seed(case), hash, digits: Digits::new(8).unwrap(), moving: Moving::Time { step } };
        let (time, code) = (case["time"].as_i64().unwrap(), case["totp"].as_str().unwrap());
        assert_eq!(hotp(&token.seed, hash, token.digits, token.step_at(time).unwrap()).expose(), code, "{time}");
        assert!(token.accept(&Position::default(), time, &Windows::default(), code).is_some());
        assert!(token.accept(&Position::default(), time + 3 * i64::from(step), &Windows::default(), code).is_none());
    }
}

#[test]
fn nothing_secret_is_printed() {
    let seed = Seed::new(b"12345678901234567890").unwrap();
    let code = hotp(&seed, Hash::Sha1, Digits::SIX, 0);
    let token = Token { seed, hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter };
    let printed = format!("{token:?} {code:?}");
    assert!(!printed.contains("755224") && !printed.contains("49, 50"), "{printed}");
    assert!(printed.contains("[redacted]"));
}
