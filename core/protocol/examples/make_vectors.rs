//! Writes the test vectors of version 1 to `tests/vectors/v1`, from fixed seeds: the same bytes on every run.
//!
//! They are made once and committed; `tests/vectors.rs` only reads them. A file that exists is left alone unless
//! `--force` says otherwise: a changed vector is a changed protocol.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool for developers")]

#[path = "../tests/shared/mod.rs"]
mod shared;

use std::path::Path;
use std::process::ExitCode;

use godkend_protocol::cbor;
use godkend_protocol::cose::{Role, SignedMessage};
use godkend_protocol::opaque::ServerSecrets;
use serde_json::{Value, json};
use shared::compute::{self, Randomness};
use shared::generate::{Any, Gen, Mode, Variants};
use shared::messages::{self, Encoded, Visitor};
use shared::random::Stream;
use shared::signed::private_key;
use shared::{activation, diagnostic, signed};

fn main() -> ExitCode {
    let force = std::env::args().skip(1).any(|argument| argument == "--force");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/v1");
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        ("messages.json", message_cases()),
        ("signed.json", signed_cases()),
        ("keyset.json", key_set_cases()),
        ("activation.json", activation_cases()),
        ("pin.json", pin_cases()),
        ("formats.json", format_cases()),
        ("derivations.json", derivation_cases()),
        ("checkpoint.json", checkpoint_cases()),
    ];
    let mut refused = false;
    for (name, content) in files {
        let path = folder.join(name);
        if path.exists() && !force {
            eprintln!("{name} exists; a changed vector is a changed protocol. --force writes it anew.");
            refused = true;
            continue;
        }
        std::fs::write(&path, format!("{:#}\n", content)).unwrap();
        println!("{name}: {} cases", content["cases"].as_array().unwrap().len());
    }
    if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn file(about: &str, cases: Vec<Value>) -> Value {
    json!({"protocol": "godkend 1", "about": about, "cases": cases})
}

fn seeded(name: &str, length: usize) -> String {
    let mut bytes = vec![0; length];
    rand_core::Rng::fill_bytes(&mut Stream::new(name), &mut bytes);
    hex::encode(bytes)
}

fn message_cases() -> Value {
    struct Cases(Vec<Value>);
    impl Cases {
        fn add<T: Encoded>(&mut self, kind: &str, number: Option<u16>, case: &str, value: &T) {
            let bytes = cbor::encode(value);
            self.0.push(json!({
                "name": format!("{}, {case}", messages::name::<T>()), "kind": kind, "message": messages::name::<T>(),
                "case": case, "type": number, "cbor": hex::encode(&bytes), "diagnostic": diagnostic::notation(&bytes),
            }));
        }
    }
    impl Visitor for Cases {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            for (case, value) in messages::examples::<T>() {
                self.add("signed", Some(T::TYPE), case, &value);
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {
            for (case, value) in messages::examples::<T>() {
                self.add("unsigned", None, case, &value);
            }
        }
        fn part<T: Encoded + Any>(&mut self) {
            for (case, value) in messages::examples::<T>() {
                self.add("part", None, case, &value);
            }
        }
        fn choice<T: Encoded + Any + Variants>(&mut self) {
            for (case, value) in messages::variants::<T>() {
                self.add("choice", None, case, &value);
            }
        }
    }
    let mut cases = Cases(Vec::new());
    messages::visit(&mut cases);
    file(
        "Every type that is encoded: the bodies of signed messages (with their type number), unsigned messages, the \
         parts and choices in them. 'full' has every optional field and two items in every list, 'least' none. The \
         bytes of signatures and sealed messages inside are arbitrary here; see the other files for real ones.",
        cases.0,
    )
}

fn signed_cases() -> Value {
    let cases = signed::inputs()
        .into_iter()
        .map(|(name, input)| {
            let output = signed::output(&input);
            json!({"name": name, "input": input, "output": output})
        })
        .collect();
    file(
        "Every signed message: body, private keys, the Sig_structure that is signed, the signature (ES256, RFC 6979, \
         lower s), the COSE_Sign1, and the signatures of other roles over the same payload.",
        cases,
    )
}

fn cases(inputs: Vec<(&str, &str, Value)>) -> Vec<Value> {
    inputs
        .into_iter()
        .map(|(name, kind, input)| {
            let output = compute::output(kind, &input);
            json!({"name": name, "kind": kind, "input": input, "output": output})
        })
        .collect()
}

fn key_of(role: Role) -> String {
    hex::encode(private_key(role).0)
}

fn key_set_cases() -> Value {
    let suite_1 = json!({
        "environment": "test", "url": "https://godkend.example", "number": 1, "issued": 1_790_000_000,
        "expires": 1_797_776_000, "tls_pins": [seeded("tls pin 1", 32), seeded("tls pin 2", 32)],
        "root_private_key": key_of(Role::Root), "challenge_private_key": key_of(Role::Challenge),
        "log_private_key": hex::encode(godkend_protocol::crypto::p256_from_seed(b"log", "godkend test key").0),
        "hpke_seed": seeded("hpke", 32), "suites": ["p256"],
    });
    let mut suite_2 = suite_1.clone();
    suite_2["number"] = 2.into();
    suite_2["suites"] = json!(["p256", "hybrid"]);
    suite_2["root_pq_seed"] = seeded("root pq", 32).into();
    suite_2["log_pq_seed"] = seeded("log pq", 32).into();
    file(
        "Key sets signed by a root: ES256, and in suite 2 ML-DSA-65 (deterministic) over the same Sig_structure.",
        cases(vec![("suite 1", "key_set", suite_1), ("suite 1 and 2", "key_set", suite_2)]),
    )
}

fn activation_cases() -> Value {
    let mut all = Vec::new();
    for suite in [1, 2] {
        for mode in ["link", "code"] {
            let name = format!("suite {suite}, {mode}");
            let mut input = json!({
                "environment": "test", "suite": suite, "mode": mode, "id": seeded("activation id", 16),
                "app_version": "1.4.0", "issued": 1_790_000_000, "hpke_seed": seeded("hpke", 32),
                "challenge_private_key": key_of(Role::Challenge), "possession_private_key": key_of(Role::Possession),
                "offer_nonce": seeded("offer nonce", 32), "core_nonce": seeded("core nonce", 32),
                "reply_nonce": seeded("reply nonce", 32), "block_code": "7WQ2FZ-0HK9XM-3TRB8A",
                "account": seeded("account", 16), "device": seeded("device", 16), "ratchet": seeded("ratchet", 16),
            });
            if mode == "link" {
                input["secret"] = seeded("link secret", 32).into();
                input["root_fingerprint"] = seeded("root fingerprint", 32).into();
                input["link_expires"] = 1_790_000_600.into();
            } else {
                input["name"] = seeded("code name", 5).into();
                input["secret"] = format!("5a{}", seeded("code secret", 6)).into();
            }
            let mut randomness = Randomness::record(&name);
            let output = activation::output(&input, &mut randomness);
            if let Randomness::Record { drawn, .. } = randomness {
                input["randomness"] = Value::Object(drawn);
            }
            all.push(json!({"name": name, "input": input, "output": output}));
        }
    }
    file(
        "Whole activations, to the digits. Link: HPKE in PSK mode with the link's secret. Code: base mode. \
         'hpke_sender' is what the sender's key encapsulation drew: in suite 1 the ikm of its ephemeral key \
         (RFC 9180, DeriveKeyPair).",
        all,
    )
}

fn pin_cases() -> Value {
    let mut all = Vec::new();
    for pin in ["490317", "000918"] {
        let name = format!("PIN {pin}");
        let mut input = json!({
            "environment": "test", "account": seeded("account", 16), "device": seeded("device", 16), "pin": pin,
            "pepper_hmac_key": seeded("pepper", 32), "context": seeded("challenge hash", 32),
            "server_secrets": hex::encode(&*ServerSecrets::generate(&mut Stream::new("opaque server")).to_bytes()),
        });
        let mut randomness = Randomness::record(&name);
        let output = compute::pin(&input, &mut randomness);
        if let Randomness::Record { drawn, .. } = randomness {
            input["randomness"] = Value::Object(drawn);
        }
        all.push(json!({"name": name, "input": input, "output": output}));
    }
    file(
        "OPAQUE (RFC 9807, OPAQUE-3DH, P-256, SHA-256, identity stretching) from the digits to the pin key. \
         server_secrets: OPRF seed, private key, public key for unknown records. Randomness in the order of use: \
         registration_start blind; registration_finish envelope nonce; try_start blind, client key share seed, client \
         nonce; server_start masking key of an unknown record, masking nonce, server key share seed, server nonce.",
        all,
    )
}

fn format_cases() -> Value {
    let offline = json!({
        "offline_private_key": hex::encode(godkend_protocol::crypto::p256_from_seed(b"offline", "godkend test key").0),
        "ephemeral_public_key": hex::encode(
            godkend_protocol::crypto::p256_public(&private_key(Role::Challenge)).unwrap().0,
        ),
        "challenge_hash": seeded("offline challenge", 32),
    });
    let link = |text: &str| json!({"text": text});
    let id = godkend_protocol::bytes::Id::from_slice(&hex::decode(seeded("session", 16)).unwrap()).unwrap().to_base64();
    let key =
        godkend_protocol::bytes::Hash32::from_slice(&hex::decode(seeded("key", 32)).unwrap()).unwrap().to_base64();
    let frame = |second: u64| json!({"secret": seeded("qr", 32), "session": seeded("session", 16), "frame": second});
    let digits = |seed: &str| json!({"full_transcript": seeded(seed, 32)});
    file(
        "Links, codes, digits, frames.",
        cases(vec![
            (
                "activation link",
                "link",
                link(&format!("godkend://activate/1?e=test&i={id}&s={key}&r={key}&x=1790000600")),
            ),
            ("login frame", "link", link(&format!("godkend://login/1?e=test&s={id}&f=1790000003&c={id}"))),
            ("same-device link", "link", link(&format!("godkend://approve/1?e=pre-prod&s={id}&k={key}"))),
            ("offline link", "link", link("godkend://offline/1?c=oQEC")),
            (
                "activation code",
                "activation_code",
                json!({"name": seeded("code name", 5), "secret": format!("5a{}", seeded("code secret", 6))}),
            ),
            ("activation code, all zero", "activation_code", json!({"name": "0000000000", "secret": "00000000000000"})),
            ("activation code, all one", "activation_code", json!({"name": "ffffffffff", "secret": "7fffffffffffff"})),
            ("block code", "block_code", json!({"text": "7WQ2FZ-0HK9XM-3TRB8A"})),
            ("block code, typed carelessly", "block_code", json!({"text": "7wq2fz ohk9xm 3trb8a"})),
            ("block code, l and i", "block_code", json!({"text": "LI0000-000000-00000i"})),
            ("digits 1", "transcript_digits", digits("transcript 1")),
            ("digits 2", "transcript_digits", digits("transcript 2")),
            ("QR frame", "qr_frame_code", frame(1_790_000_003)),
            ("QR frame, the next second", "qr_frame_code", frame(1_790_000_004)),
            ("offline code", "offline_code", offline),
        ]),
    )
}

fn derivation_cases() -> Value {
    let subject = seeded("activation id", 16);
    let attestation =
        |purpose: &str| json!({"nonce": seeded("offer nonce", 32), "subject": subject, "purpose": purpose});
    let key = hex::encode(godkend_protocol::crypto::p256_public(&private_key(Role::Possession)).unwrap().0);
    let data = cbor::encode(&godkend_protocol::messages::approval::OperationData::any(
        &mut Gen::new(Mode::Full, "operation data"),
        "",
    ));
    file(
        "Hashes, keys and sealings by their definition.",
        cases(vec![
            ("labelled hash without parts", "labelled_hash", json!({"label": "godkend/1/test", "parts": []})),
            ("labelled hash", "labelled_hash", json!({"label": "godkend/1/test", "parts": ["", "00", "616263"]})),
            (
                "labelled hash, cut elsewhere",
                "labelled_hash",
                json!({"label": "godkend/1/test", "parts": ["00", "616263", ""]}),
            ),
            ("HKDF", "hkdf_sha256", json!({"secret": seeded("hkdf", 32), "info": "676f646b656e64"})),
            ("key from a seed", "p256_from_seed", json!({"seed": seeded("seed", 32), "label": "godkend/1/pin-key"})),
            ("ECDH", "ecdh", json!({"private_key": key_of(Role::Biometric), "public_key": key})),
            ("ES256", "es256", json!({"private_key": key_of(Role::Possession), "message": "676f646b656e64"})),
            ("ML-DSA-65", "ml_dsa_65", json!({"seed": seeded("root pq", 32), "message": "676f646b656e64"})),
            ("key id", "key_id", json!({"public_key": key})),
            (
                "root fingerprint",
                "root_fingerprint",
                json!({"environment": "test", "url": "https://godkend.example", "key": key}),
            ),
            (
                "root fingerprint with a post-quantum key",
                "root_fingerprint",
                json!({"environment": "test", "url": "https://godkend.example", "key": key, "pq_key": seeded("pq", 1952)}),
            ),
            ("challenge hash", "challenge_hash", json!({"payload": seeded("payload", 90)})),
            ("ratchet hash", "ratchet_hash", json!({"ratchet": seeded("ratchet", 16)})),
            ("operation hash", "operation_hash", json!({"operation_data": hex::encode(data)})),
            ("attestation challenge, possession", "attestation_challenge", attestation("possession")),
            ("attestation challenge, biometric", "attestation_challenge", attestation("biometric")),
            ("attestation challenge, offline", "attestation_challenge", attestation("offline")),
            ("attestation challenge, pepper", "attestation_challenge", attestation("pepper")),
            ("assertion hash", "assertion_hash", json!({"challenge": seeded("assertion", 32), "public_key": key})),
            (
                "activation transcript",
                "activation_transcript",
                json!({"open": "a0", "offer_payload": "a1", "core": "a2a3"}),
            ),
            (
                "activation transcript with the late nonce",
                "activation_full_transcript",
                json!({"transcript": seeded("transcript", 32), "nonce": seeded("reply nonce", 32)}),
            ),
            ("MAC key of a link", "activation_mac_key", json!({"secret": seeded("link secret", 32), "id": subject})),
            ("MAC key of a code", "activation_mac_key", json!({"secret": "5a0102030405ff", "id": subject})),
            ("PIN reset transcript", "pin_reset_transcript", json!({"open_payload": "a0", "offer_payload": "a1"})),
            (
                "account hint",
                "account_hint",
                json!({"account": seeded("account", 16), "transaction": seeded("tx", 16)}),
            ),
            (
                "PIN input",
                "pin_input",
                json!({"environment": "test", "account": seeded("account", 16), "device": seeded("device", 16), "pin": "490317"}),
            ),
            ("pin key", "pin_key", json!({"export_key": seeded("export key", 32)})),
            ("HPKE key, suite 1", "hpke_key", json!({"suite": 1, "seed": seeded("hpke", 32)})),
            ("HPKE key, suite 2", "hpke_key", json!({"suite": 2, "seed": seeded("hpke", 32)})),
            (
                "sealed reply",
                "reply_seal",
                json!({"key": seeded("reply key", 32), "nonce": seeded("reply nonce", 12), "reply": seeded("reply", 50)}),
            ),
        ]),
    )
}

fn checkpoint_cases() -> Value {
    let log = hex::encode(godkend_protocol::crypto::p256_from_seed(b"log", "godkend test key").0);
    let suite_1 = json!({
        "environment": "test", "epoch": 1, "size": 70_000, "root": seeded("log root", 32), "time": 1_790_000_000,
        "log_private_key": log,
    });
    let mut suite_2 = suite_1.clone();
    suite_2["log_pq_seed"] = seeded("log pq", 32).into();
    let leaves: Vec<String> = (0..7).map(|n| seeded(&format!("leaf {n}"), n)).collect();
    file(
        "The audit log: Merkle hashes (RFC 9162, section 2.1) and signed checkpoints (C2SP).",
        cases(vec![
            ("empty tree", "merkle_root", json!({"leaves": []})),
            ("one leaf", "merkle_root", json!({"leaves": leaves[..1]})),
            ("seven leaves", "merkle_root", json!({"leaves": leaves})),
            ("salted leaf", "merkle_salted_leaf", json!({"salt": seeded("salt", 32), "entry": "a10102"})),
            ("checkpoint, suite 1", "checkpoint", suite_1),
            ("checkpoint, suite 2", "checkpoint", suite_2),
        ]),
    )
}
