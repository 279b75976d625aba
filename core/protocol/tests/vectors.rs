//! The committed vectors of version 1 (`tests/vectors/v1`) against the code. They are only read here: when one fails,
//! the protocol has changed, and every phone and server in use with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod shared;

use std::collections::{BTreeMap, BTreeSet};

use godkend_protocol::cbor;
use godkend_protocol::cose::{self, CoseError, Received, SignedMessage};
use godkend_protocol::opaque::{self, OpaqueError, ServerSecrets, Trying};
use serde_json::Value;
use shared::compute::{self, Randomness, bytes, fixed, secret, text};
use shared::generate::{Any, Variants};
use shared::messages::{self, Encoded, Visitor};
use shared::random::Stream;
use shared::{activation, diagnostic, signed};

fn cases(file: &str, least: usize) -> Vec<Value> {
    let path = format!("{}/../../tests/vectors/v1/{file}", env!("CARGO_MANIFEST_DIR"));
    let content = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    let content: Value = serde_json::from_str(&content).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert_eq!(content["protocol"], "godkend 1");
    let cases = content["cases"].as_array().unwrap_or_else(|| panic!("{file} has no cases")).clone();
    assert!(cases.len() >= least && !cases.is_empty(), "{file} has {} cases, not {least}", cases.len());
    println!("{file}: {} cases", cases.len());
    cases
}

/// `message, case` of every case in messages.json.
struct Messages {
    cases: BTreeMap<(String, String), Value>,
    kind: &'static str,
    types: BTreeSet<u16>,
    seen: usize,
}

impl Messages {
    fn check<T: Encoded>(&mut self, number: Option<u16>, case: &str, expected: &T) {
        let message = messages::name::<T>();
        let found = self.cases.get(&(message.to_owned(), case.to_owned()));
        let found = found.unwrap_or_else(|| panic!("no vector for {message}, {case}"));
        assert_eq!(text(found, "kind"), self.kind, "{message}");
        assert_eq!(found["type"], number.map_or(Value::Null, Value::from), "{message}");
        let encoded = bytes(found, "cbor");
        let decoded: T = cbor::decode(&encoded).unwrap_or_else(|e| panic!("{message}, {case}: {e}"));
        assert!(decoded == *expected, "{message}, {case}: decodes to another value");
        assert_eq!(hex::encode(cbor::encode(expected)), hex::encode(&encoded), "{message}, {case}");
        assert_eq!(diagnostic::notation(&encoded), text(found, "diagnostic"), "{message}, {case}");
        self.seen += 1;
    }
}

impl Visitor for Messages {
    fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
        self.kind = "signed";
        assert!(self.types.insert(T::TYPE), "type {} is given twice", T::TYPE);
        for (case, value) in messages::examples::<T>() {
            self.check(Some(T::TYPE), case, &value);
        }
    }
    fn unsigned<T: Encoded + Any>(&mut self) {
        self.kind = "unsigned";
        for (case, value) in messages::examples::<T>() {
            self.check(None, case, &value);
        }
    }
    fn part<T: Encoded + Any>(&mut self) {
        self.kind = "part";
        for (case, value) in messages::examples::<T>() {
            self.check(None, case, &value);
        }
    }
    fn choice<T: Encoded + Any + Variants>(&mut self) {
        self.kind = "choice";
        for (case, value) in messages::variants::<T>() {
            self.check(None, case, &value);
        }
    }
}

#[test]
fn messages() {
    let all = cases("messages.json", 313);
    let count = all.len();
    let cases = all.into_iter().map(|c| ((text(&c, "message").to_owned(), text(&c, "case").to_owned()), c)).collect();
    let mut messages = Messages { cases, kind: "", types: BTreeSet::new(), seen: 0 };
    messages::visit(&mut messages);
    assert_eq!(messages.types, (1..=22).collect(), "every number of a signed message, once");
    assert_eq!(messages.seen, count, "a vector that nothing checks");
}

/// Whatever derives `Encode` in the sources has a vector, every variant of an enumeration too: a message that is added
/// without one fails here.
#[test]
fn every_encoded_type_in_the_sources_is_covered() {
    let sources = [
        include_str!("../src/types.rs"),
        include_str!("../src/keyset.rs"),
        include_str!("../src/messages/mod.rs"),
        include_str!("../src/messages/activation.rs"),
        include_str!("../src/messages/approval.rs"),
        include_str!("../src/messages/device.rs"),
        include_str!("../src/messages/offline.rs"),
        include_str!("../src/messages/pin.rs"),
        include_str!("../src/messages/push.rs"),
    ];
    let mut covered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases("messages.json", 313) {
        covered.entry(text(&case, "message").to_owned()).or_default().insert(text(&case, "case").to_owned());
    }
    let (mut types, mut variants) = (0, 0);
    for source in sources {
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if !line.starts_with("#[derive(") || !line.contains("Encode") {
                continue;
            }
            let item = lines.by_ref().find(|line| line.starts_with("pub ")).unwrap();
            let name = item.split([' ', '<', '(']).nth(2).unwrap();
            let cases = covered.get(name).unwrap_or_else(|| panic!("no vector for {name}"));
            types += 1;
            if item.starts_with("pub enum") {
                // A variant is indented once, as rustfmt has it, and starts with a capital letter.
                for line in lines.by_ref().take_while(|line| *line != "}") {
                    let variant = line.strip_prefix("    ").filter(|rest| rest.starts_with(char::is_uppercase));
                    if let Some(variant) = variant {
                        let variant = variant.split([' ', ',', '{', '(']).next().unwrap();
                        assert!(cases.contains(variant), "no vector for {name}::{variant}");
                        variants += 1;
                    }
                }
            } else {
                for case in ["full", "least", "mixed 1", "mixed 2"] {
                    assert!(cases.contains(case), "no vector for {name}, {case}");
                }
            }
        }
    }
    assert_eq!(types, covered.len(), "a vector for a type that is not in the sources");
    assert!(types >= 75 && variants >= 81, "{types} types, {variants} variants");
    let modules = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/messages")).unwrap().count();
    assert_eq!(modules, 7, "a module of messages that is not listed above");
}

#[test]
fn signed_messages() {
    let mut types = BTreeSet::new();
    let mut countersigned = 0;
    for case in cases("signed.json", 44) {
        let (input, output) = (&case["input"], &case["output"]);
        assert_eq!(signed::output(input), *output, "{}", case["name"]);
        types.insert(compute::int(input, "type"));
        countersigned += output["countersignatures"].as_array().unwrap().len();
    }
    assert_eq!(types, (1..=22).collect());
    assert_eq!(countersigned, 8, "PIN records by the pin key; answers by the pin, biometric and a new key; twice each");
}

/// The recorded messages verify as they are, under their own key and role only.
#[test]
fn signed_messages_as_received() {
    struct Verify<'a>(&'a [Value], usize);
    impl Visitor for Verify<'_> {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            for case in self.0.iter().filter(|case| case["input"]["type"] == T::TYPE) {
                let (cose, environment) = (bytes(&case["output"], "cose"), text(&case["input"], "environment"));
                let public = fixed(&case["output"], "public_key");
                let message: T = cose::open(&cose, environment, &public).unwrap();
                assert_eq!(cbor::encode(&message), bytes(&case["input"], "body"));
                let other = fixed(&case["output"], "public_key");
                let received = Received::<T>::parse(&cose, environment).unwrap();
                for role in signed::ROLES.into_iter().filter(|role| *role != T::SIGNER) {
                    let signature = fixed(&case["output"], "signature");
                    assert_eq!(received.check_as(role, &other, &signature), Err(CoseError::BadSignature));
                }
                assert_eq!(
                    Received::<T>::parse(&cose, "prod").unwrap_err(),
                    CoseError::WrongEnvironment,
                    "another environment"
                );
                self.1 += 1;
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    let cases = cases("signed.json", 44);
    let mut verify = Verify(&cases, 0);
    messages::visit(&mut verify);
    assert_eq!(verify.1, cases.len());
}

fn computed(file: &str, least: usize, kinds: &[&str]) {
    let mut seen = BTreeSet::new();
    for case in cases(file, least) {
        let kind = text(&case, "kind");
        assert_eq!(compute::output(kind, &case["input"]), case["output"], "{file}: {}", case["name"]);
        seen.insert(kind.to_owned());
    }
    let expected: BTreeSet<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(seen, expected, "{file}");
}

#[test]
fn formats() {
    let kinds = ["link", "activation_code", "block_code", "transcript_digits", "qr_frame_code", "offline_code"];
    computed("formats.json", 15, &kinds);
}

#[test]
fn derivations() {
    let kinds = [
        "labelled_hash",
        "hkdf_sha256",
        "p256_from_seed",
        "ecdh",
        "es256",
        "ml_dsa_65",
        "key_id",
        "root_fingerprint",
        "challenge_hash",
        "ratchet_hash",
        "operation_hash",
        "attestation_challenge",
        "assertion_hash",
        "activation_transcript",
        "activation_full_transcript",
        "activation_mac_key",
        "pin_reset_transcript",
        "account_hint",
        "pin_input",
        "pin_key",
        "hpke_key",
        "reply_seal",
    ];
    computed("derivations.json", 30, &kinds);
}

#[test]
fn checkpoints() {
    computed("checkpoint.json", 6, &["merkle_root", "merkle_salted_leaf", "checkpoint"]);
}

#[test]
fn key_sets() {
    computed("keyset.json", 2, &["key_set"]);
    let with_pq = cases("keyset.json", 2).iter().filter(|case| case["output"]["pq_signature"].is_string()).count();
    assert_eq!(with_pq, 1);
}

#[test]
fn activations() {
    let mut seen = BTreeSet::new();
    for case in cases("activation.json", 4) {
        let (input, output) = (&case["input"], &case["output"]);
        let mut randomness = Randomness::Given(input["randomness"].clone());
        assert_eq!(activation::output(input, &mut randomness), *output, "{}", case["name"]);
        activation::check_recorded(input, output);
        seen.insert((compute::int(input, "suite"), text(input, "mode").to_owned()));
    }
    assert_eq!(seen.len(), 4, "both suites with link and code");
}

#[test]
fn pins() {
    for case in cases("pin.json", 2) {
        let (input, output) = (&case["input"], &case["output"]);
        let mut randomness = Randomness::Given(input["randomness"].clone());
        assert_eq!(compute::pin(input, &mut randomness), *output, "{}", case["name"]);

        // From the recorded record on: another password, context or device is refused, on the right side.
        let server = ServerSecrets::from_bytes(&bytes(input, "server_secrets")).unwrap();
        let (device, context) = (fixed(input, "device"), fixed(input, "context"));
        let record = bytes(output, "record");
        let rng = &mut Stream::new("refusals");
        let other = godkend_protocol::bytes::Fixed([7; 32]);
        for (password, used, credential, good) in [
            (secret(output, "password"), context, device, true),
            (secret(output, "pin_input"), context, device, false),
            (secret(output, "password"), other, device, false),
            (secret(output, "password"), context, godkend_protocol::bytes::Fixed([7; 16]), false),
        ] {
            let (trying, ke1) = Trying::start(rng, password).unwrap();
            let started = server.start_try(rng, &record, &ke1.0, &credential, &context).unwrap();
            let proved = trying.finish(rng, &started.ke2.0, &used);
            assert_eq!(
                proved.as_ref().map(|_| ()).map_err(|e| *e),
                if good { Ok(()) } else { Err(OpaqueError::Refused) }
            );
            if let Ok(proved) = proved {
                opaque::finish_try(&started.state, &proved.ke3.0).unwrap();
                assert_eq!(opaque::finish_try(&started.state, &[0; 32]), Err(OpaqueError::Refused));
            }
        }
    }
}
