//! Each vector's output, computed from its input.

use godkend_protocol::bytes::{Blob, Fixed, Id, Secret};
use godkend_protocol::checkpoint::{self, Checkpoint, CheckpointAlgorithm, NoteSignature};
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::formats::link::Link;
use godkend_protocol::formats::{digits, offline_code, qr_frame};
use godkend_protocol::keyset::{HpkePublic, KeySet, Root, SignedKeySet};
use godkend_protocol::messages::activation as act;
use godkend_protocol::messages::approval::{OperationData, challenge_hash, ratchet_hash};
use godkend_protocol::messages::offline::account_hint;
use godkend_protocol::messages::pin::reset_transcript;
use godkend_protocol::opaque::{self, Registering, ServerSecrets, Trying};
use godkend_protocol::suite::{HpkeKey, PqSigner, ReplyKey};
use godkend_protocol::types::{KeyPurpose, Suite};
use godkend_protocol::{cbor, cose, crypto, merkle};
use rand_core::CryptoRng;
use serde_json::{Value, json};

use super::random::{Replay, Stream};

pub fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or_else(|| panic!("no text {key} in {v}"))
}

pub fn int(v: &Value, key: &str) -> i64 {
    v[key].as_i64().unwrap_or_else(|| panic!("no number {key} in {v}"))
}

pub fn bytes(v: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(v, key)).unwrap_or_else(|e| panic!("{key}: {e}"))
}

pub fn fixed<const N: usize>(v: &Value, key: &str) -> Fixed<N> {
    Fixed::from_slice(&bytes(v, key)).unwrap_or_else(|| panic!("{key} is not {N} bytes"))
}

pub fn secret<const N: usize>(v: &Value, key: &str) -> Secret<N> {
    Secret(fixed(v, key).0)
}

pub fn list(v: &Value, key: &str) -> Vec<Vec<u8>> {
    let items = v[key].as_array().unwrap_or_else(|| panic!("no list {key} in {v}"));
    items.iter().map(|item| hex::decode(item.as_str().unwrap()).unwrap()).collect()
}

pub fn suite(v: &Value, key: &str) -> Suite {
    match int(v, key) {
        1 => Suite::P256,
        2 => Suite::Hybrid,
        other => panic!("suite {other}"),
    }
}

/// Where a computation's randomness comes from: recorded while vectors are made, replayed while they are checked.
pub enum Randomness {
    Record { seed: String, drawn: serde_json::Map<String, Value> },
    Given(Value),
}

impl Randomness {
    pub fn record(seed: &str) -> Self {
        Self::Record { seed: seed.to_owned(), drawn: serde_json::Map::new() }
    }

    pub fn with<T>(&mut self, step: &str, run: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        match self {
            Self::Record { seed, drawn } => {
                let mut stream = Stream::new(&format!("{seed} {step}"));
                let result = run(&mut stream);
                drawn.insert(step.to_owned(), stream.drawn.iter().map(hex::encode).collect());
                result
            }
            Self::Given(given) => {
                let mut replay = Replay::new(list(given, step));
                let result = run(&mut replay);
                replay.assert_used_up();
                result
            }
        }
    }
}

fn public(private: &Secret<32>) -> Fixed<65> {
    crypto::p256_public(private).unwrap()
}

/// Derivations and formats: one function each.
pub fn output(kind: &str, i: &Value) -> Value {
    let h = |b: &[u8]| Value::from(hex::encode(b));
    match kind {
        "labelled_hash" => {
            let parts = list(i, "parts");
            h(&crypto::labelled_hash(text(i, "label"), &parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).0)
        }
        "hkdf_sha256" => h(&crypto::hkdf_sha256::<32>(&bytes(i, "secret"), &[&bytes(i, "info")]).0),
        "p256_from_seed" => {
            let private = crypto::p256_from_seed(&bytes(i, "seed"), text(i, "label"));
            json!({"private_key": h(&private.0), "public_key": h(&public(&private).0)})
        }
        "ecdh" => h(&crypto::ecdh(&secret(i, "private_key"), &fixed(i, "public_key")).unwrap().0),
        "es256" => {
            let private = secret(i, "private_key");
            let signature = crypto::p256_sign(&private, &bytes(i, "message")).unwrap();
            assert!(crypto::verify_es256(&public(&private), &bytes(i, "message"), &signature));
            h(&signature.0)
        }
        "key_id" => h(&cose::key_id(&fixed(i, "public_key")).0),
        "root_fingerprint" => {
            let root = Root {
                environment: text(i, "environment").to_owned(),
                url: text(i, "url").to_owned(),
                key: fixed(i, "key"),
                pq_key: i.get("pq_key").map(|_| Blob(bytes(i, "pq_key"))),
            };
            h(&root.fingerprint().0)
        }
        "challenge_hash" => h(&challenge_hash(&bytes(i, "payload")).0),
        "ratchet_hash" => h(&ratchet_hash(&secret(i, "ratchet")).0),
        "operation_hash" => h(&cbor::decode::<OperationData>(&bytes(i, "operation_data")).unwrap().hash().0),
        "attestation_challenge" => {
            let purpose: KeyPurpose = serde_json::from_value(i["purpose"].clone()).unwrap();
            assert_eq!(purpose.name(), text(i, "purpose"));
            h(&act::attestation_challenge(&fixed(i, "nonce").0, &fixed(i, "subject"), purpose).0)
        }
        "assertion_hash" => h(&act::assertion_hash(&fixed(i, "challenge"), &fixed(i, "public_key")).0),
        "activation_transcript" => {
            h(&act::transcript(&bytes(i, "open"), &bytes(i, "offer_payload"), &bytes(i, "core")).0)
        }
        "activation_full_transcript" => h(&act::full_transcript(&fixed(i, "transcript"), &fixed(i, "nonce")).0),
        "activation_mac_key" => h(&act::mac_key(&bytes(i, "secret"), &fixed(i, "id")).0),
        "pin_reset_transcript" => h(&reset_transcript(&bytes(i, "open_payload"), &bytes(i, "offer_payload")).0),
        "account_hint" => h(&account_hint(&fixed(i, "account"), &fixed(i, "transaction")).0),
        "pin_input" => {
            h(&opaque::pin_input(text(i, "environment"), &fixed(i, "account"), &fixed(i, "device"), text(i, "pin")).0)
        }
        "pin_key" => h(&opaque::pin_key(&secret(i, "export_key")).0),
        "hpke_key" => h(&HpkeKey::from_seed(suite(i, "suite"), &secret(i, "seed")).public().0),
        "ml_dsa_65" => {
            let key = PqSigner::from_seed(&secret(i, "seed"));
            let signature = key.sign(&bytes(i, "message")).unwrap();
            json!({"public_key": h(&key.public().0), "signature": h(&signature.0)})
        }
        "reply_seal" => {
            let key = ReplyKey::from_parts(secret(i, "key"), secret(i, "nonce"));
            let sealed = key.seal(&bytes(i, "reply"));
            assert_eq!(key.open(&sealed).unwrap(), bytes(i, "reply"));
            h(&sealed)
        }
        "link" => {
            let link = Link::parse(text(i, "text")).unwrap();
            assert_eq!(link.to_text(), text(i, "text"));
            match link {
                Link::Activation(l) => json!({
                    "link": "activation", "environment": l.environment, "id": h(&l.id.0), "secret": h(&l.secret.0),
                    "root": h(&l.root.0), "expires": l.expires,
                }),
                Link::Login(l) => json!({
                    "link": "login", "environment": l.environment, "session": h(&l.session.0), "frame": l.frame,
                    "code": h(&l.code.0),
                }),
                Link::SameDevice(l) => json!({
                    "link": "same_device", "environment": l.environment, "session": h(&l.session.0),
                    "secret": h(&l.secret.0),
                }),
                Link::Offline(l) => json!({"link": "offline", "challenge": h(&l.challenge.0)}),
            }
        }
        "activation_code" => {
            let code = ActivationCode { name: fixed(i, "name"), secret: secret(i, "secret") };
            assert_eq!(ActivationCode::parse(&code.to_text()).unwrap(), code);
            code.to_text().into()
        }
        "block_code" => {
            let code = BlockCode::parse(text(i, "text")).unwrap();
            json!({"text": code.to_text(), "hash": h(&code.hash().0)})
        }
        "transcript_digits" => {
            let digits = digits::of_transcript(&fixed(i, "full_transcript"));
            json!({"digits": digits, "shown": digits::spaced(&digits)})
        }
        "qr_frame_code" => {
            let frame = u64::try_from(int(i, "frame")).unwrap();
            h(&qr_frame::code(&secret(i, "secret"), &fixed(i, "session"), frame).0)
        }
        "offline_code" => {
            let agreed = crypto::ecdh(&secret(i, "offline_private_key"), &fixed(i, "ephemeral_public_key")).unwrap();
            let challenge = fixed(i, "challenge_hash");
            let key = offline_code::key(&agreed, &challenge);
            json!({"agreed": h(&agreed.0), "key": h(&key.0), "code": offline_code::code(&key, &challenge)})
        }
        "merkle_root" => {
            let leaves: Vec<_> = list(i, "leaves").iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
            h(&merkle::root(&leaves))
        }
        "merkle_salted_leaf" => h(&merkle::salted_leaf(&fixed(i, "salt").0, &bytes(i, "entry"))),
        "checkpoint" => checkpoint(i),
        "key_set" => key_set(i),
        other => panic!("no such kind of vector: {other}"),
    }
}

fn checkpoint(i: &Value) -> Value {
    let point = Checkpoint {
        environment: text(i, "environment").to_owned(),
        epoch: u64::try_from(int(i, "epoch")).unwrap(),
        size: u64::try_from(int(i, "size")).unwrap(),
        root: fixed(i, "root").0,
        time: u64::try_from(int(i, "time")).unwrap(),
    };
    let (origin, body) = (point.origin().unwrap(), point.to_note_body().unwrap());
    let private = secret(i, "log_private_key");
    let mut lines = vec![NoteSignature {
        name: origin.clone(),
        key_hash: checkpoint::key_hash(&origin, CheckpointAlgorithm::Es256, &public(&private).0),
        signature: crypto::p256_sign(&private, body.as_bytes()).unwrap().0.to_vec(),
    }];
    if i.get("log_pq_seed").is_some() {
        let key = PqSigner::from_seed(&secret(i, "log_pq_seed"));
        lines.push(NoteSignature {
            name: origin.clone(),
            key_hash: checkpoint::key_hash(&origin, CheckpointAlgorithm::MlDsa65, &key.public().0),
            signature: key.sign(body.as_bytes()).unwrap().0,
        });
    }
    let note = checkpoint::signed_note(&body, &lines);
    assert_eq!(checkpoint::parse(note.as_bytes()).unwrap().checkpoint, point);
    let hashes: Vec<_> = lines.iter().map(|line| hex::encode(line.key_hash)).collect();
    json!({"origin": origin, "body": body, "key_hashes": hashes, "note": note})
}

/// A key set as the root's holder would sign it.
fn key_set(i: &Value) -> Value {
    let suites: Vec<Suite> = serde_json::from_value(i["suites"].clone()).unwrap();
    let hpke_seed = secret(i, "hpke_seed");
    let pq = i.get("root_pq_seed").map(|_| PqSigner::from_seed(&secret(i, "root_pq_seed")));
    let set = KeySet {
        number: u64::try_from(int(i, "number")).unwrap(),
        issued: int(i, "issued"),
        expires: int(i, "expires"),
        tls_pins: list(i, "tls_pins").iter().map(|pin| Fixed::from_slice(pin).unwrap()).collect(),
        challenge_keys: vec![public(&secret(i, "challenge_private_key"))],
        log_keys: vec![public(&secret(i, "log_private_key"))],
        hpke_keys: suites
            .iter()
            .map(|suite| HpkePublic { suite: *suite, public: HpkeKey::from_seed(*suite, &hpke_seed).public().clone() })
            .collect(),
        suites,
        log_pq_key: i.get("log_pq_seed").map(|_| PqSigner::from_seed(&secret(i, "log_pq_seed")).public()),
    };
    let private = secret(i, "root_private_key");
    let root = Root {
        environment: text(i, "environment").to_owned(),
        url: text(i, "url").to_owned(),
        key: public(&private),
        pq_key: pq.as_ref().map(PqSigner::public),
    };
    let signed =
        SignedKeySet::sign(&set, &root.environment, &root.key, |tbs| crypto::p256_sign(&private, tbs), pq.as_ref())
            .unwrap();
    let whole = cbor::encode(&signed);
    assert_eq!(SignedKeySet::verify(&whole, &root, set.number, set.issued).unwrap(), set);
    let tbs = cose::Unsigned::new(&set, &root.environment, None).to_be_signed();
    json!({
        "root": hex::encode(cbor::encode(&root)),
        "root_fingerprint": hex::encode(root.fingerprint().0),
        "key_set": hex::encode(cbor::encode(&set)),
        "to_be_signed": hex::encode(tbs),
        "cose": hex::encode(&signed.cose.0),
        "pq_signature": signed.pq_signature.as_ref().map(|s| hex::encode(&s.0)),
        "signed_key_set": hex::encode(whole),
    })
}

/// OPAQUE, from the six digits to the `pin` key.
pub fn pin(i: &Value, randomness: &mut Randomness) -> Value {
    let h = |b: &[u8]| Value::from(hex::encode(b));
    let (account, device): (Id, Id) = (fixed(i, "account"), fixed(i, "device"));
    let input = opaque::pin_input(text(i, "environment"), &account, &device, text(i, "pin"));
    // What an HMAC key in an Android key store does.
    let password = Secret(crypto::hmac_sha256(&bytes(i, "pepper_hmac_key"), &[&input.0]).0);
    let server = ServerSecrets::from_bytes(&bytes(i, "server_secrets")).unwrap();
    let context = fixed(i, "context");

    let (registering, request) =
        randomness.with("registration_start", |rng| Registering::start(rng, password.clone()).unwrap());
    let response = server.register(&request.0, &device).unwrap();
    let registered = randomness.with("registration_finish", |rng| registering.finish(rng, &response.0).unwrap());
    let record = opaque::finish_registration(&registered.upload.0).unwrap();

    let (trying, ke1) = randomness.with("try_start", |rng| Trying::start(rng, password.clone()).unwrap());
    let started =
        randomness.with("server_start", |rng| server.start_try(rng, &record.0, &ke1.0, &device, &context).unwrap());
    let proved = randomness.with("try_finish", |rng| trying.finish(rng, &started.ke2.0, &context).unwrap());
    opaque::finish_try(&started.state, &proved.ke3.0).unwrap();
    assert_eq!(proved.export_key, registered.export_key);
    let key = opaque::pin_key(&proved.export_key);
    json!({
        "pin_input": h(&input.0), "password": h(&password.0),
        "registration_request": h(&request.0), "registration_response": h(&response.0),
        "registration_upload": h(&registered.upload.0), "record": h(&record.0),
        "ke1": h(&ke1.0), "ke2": h(&started.ke2.0), "server_state": h(&started.state.0), "ke3": h(&proved.ke3.0),
        "export_key": h(&proved.export_key.0),
        "pin_private_key": h(&key.0), "pin_public_key": h(&public(&key).0),
    })
}
