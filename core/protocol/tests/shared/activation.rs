//! A whole activation, with every value in between.

use godkend_protocol::bytes::{Blob, Id, Secret};
use godkend_protocol::cose::{self, Received, SignedMessage, Unsigned};
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::messages::activation::*;
use godkend_protocol::suite::{self, HpkeKey, Psk, Sealed};
use godkend_protocol::types::{Attestation, DeviceInfo, DeviceKey, KeyPurpose, SecurityLevel, Suite};
use godkend_protocol::{cbor, crypto};
use serde_json::{Value, json};

use super::compute::{Randomness, bytes, fixed, int, secret, suite as suite_of, text};

fn signed<T: SignedMessage>(message: &T, environment: &str, private: &Secret<32>, named: bool) -> Vec<u8> {
    let public = crypto::p256_public(private).unwrap();
    let unsigned = Unsigned::new(message, environment, named.then(|| cose::key_id(&public)));
    let signature = crypto::p256_sign(private, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &public).unwrap()
}

/// From the link or the code to the digits.
pub fn output(i: &Value, randomness: &mut Randomness) -> Value {
    let h = |b: &[u8]| Value::from(hex::encode(b));
    let environment = text(i, "environment");
    let suite = suite_of(i, "suite");
    let id: Id = fixed(i, "id");
    let (challenge, possession): (Secret<32>, Secret<32>) =
        (secret(i, "challenge_private_key"), secret(i, "possession_private_key"));
    let possession_public = crypto::p256_public(&possession).unwrap();

    // What is handed to the citizen.
    let (handed, name, shared, psk) = match text(i, "mode") {
        "link" => {
            let shared: Secret<32> = secret(i, "secret");
            let link = Link::Activation(ActivationLink {
                environment: environment.to_owned(),
                id,
                secret: shared.clone(),
                root: fixed(i, "root_fingerprint"),
                expires: int(i, "link_expires"),
            });
            (link.to_text(), None, shared.0.to_vec(), Some(shared))
        }
        "code" => {
            let code = ActivationCode { name: fixed(i, "name"), secret: secret(i, "secret") };
            (code.to_text(), Some(code.name), code.secret.0.to_vec(), None)
        }
        other => panic!("no mode {other}"),
    };

    // 1. The app opens.
    let open = cbor::encode(&ActivationOpen {
        app_version: text(i, "app_version").to_owned(),
        id: name.is_none().then_some(id),
        name,
        suites: if suite == Suite::Hybrid { vec![Suite::P256, Suite::Hybrid] } else { vec![Suite::P256] },
    });

    // 2. The server offers.
    let hpke = HpkeKey::from_seed(suite, &secret(i, "hpke_seed"));
    let offer = ActivationOffer {
        id,
        open_hash: crypto::sha256(&[&open]),
        suite,
        hpke_key: hpke.public().clone(),
        nonce: fixed(i, "offer_nonce"),
        issued: int(i, "issued"),
        security: SecurityLevel::Software,
        key_set: 1,
    };
    let nonce = offer.nonce;
    let offer = signed(&offer, environment, &challenge, true);
    let offer_payload = Received::<ActivationOffer>::parse(&offer, environment).unwrap().payload().to_vec();

    // 3. The app enrols.
    let block_code = BlockCode::parse(text(i, "block_code")).unwrap();
    let core = cbor::encode(&EnrolCore {
        nonce: fixed(i, "core_nonce"),
        keys: vec![DeviceKey {
            purpose: KeyPurpose::Possession,
            algorithm: godkend_protocol::types::ALG_ES256,
            public: possession_public,
            attestation: Attestation::Software,
        }],
        info: DeviceInfo {
            model: "Test phone".to_owned(),
            platform: "Test 1".to_owned(),
            app_version: text(i, "app_version").to_owned(),
            language: "da".to_owned(),
        },
        pepper_security: SecurityLevel::Software,
        block_code_hash: block_code.hash(),
    });
    let transcript = transcript(&open, &offer_payload, &core);
    let mac_key = mac_key(&shared, &id);
    let mac = crypto::hmac_sha256(&mac_key.0, &[&transcript.0]);
    let proof = signed(&EnrolProof { transcript }, environment, &possession, false);
    let enrol =
        cbor::encode(&Enrol { open: Blob(open.clone()), core: Blob(core.clone()), mac, proof: Blob(proof.clone()) });
    let psk = psk.as_ref().map(|secret| Psk { secret, id: &id });
    let (sealed, reply_key) =
        randomness.with("hpke_sender", |rng| suite::seal(suite, rng, &hpke.public().0, psk, &offer, &enrol).unwrap());
    let sealed_enrol = cbor::encode(&SealedEnrol {
        offer: Blob(offer.clone()),
        enc: sealed.enc.clone(),
        ciphertext: sealed.ciphertext.clone(),
    });

    // 4. The server opens it, and replies under the exporter's key.
    let (opened, server_reply_key) = hpke.open(psk, &offer, &sealed).unwrap();
    assert_eq!((opened.as_slice(), &server_reply_key), (enrol.as_slice(), &reply_key));
    let reply = EnrolReply {
        transcript,
        nonce: fixed(i, "reply_nonce"),
        account: fixed(i, "account"),
        device: fixed(i, "device"),
        identity_name: "Åse Lind".to_owned(),
        ratchet: secret(i, "ratchet"),
        finish_before: int(i, "issued") + 1800,
    };
    let full = full_transcript(&transcript, &reply.nonce);
    let reply = signed(&reply, environment, &challenge, true);
    let sealed_reply = reply_key.seal(&reply);
    assert_eq!(server_reply_key.open(&sealed_reply).unwrap(), reply);
    let (key, reply_nonce) = reply_key.to_parts();
    let attestation: Vec<_> = [KeyPurpose::Possession, KeyPurpose::Biometric, KeyPurpose::Offline]
        .into_iter()
        .map(|purpose| {
            let challenge = attestation_challenge(&nonce.0, &id, purpose);
            json!({"purpose": purpose.name(), "challenge": h(&challenge.0)})
        })
        .collect();
    let digits = digits::of_transcript(&full);
    json!({
        "handed_out": handed, "open": h(&open), "offer": h(&offer), "offer_payload": h(&offer_payload),
        "attestation_challenges": attestation, "block_code_hash": h(&block_code.hash().0), "core": h(&core),
        "transcript": h(&transcript.0), "mac_key": h(&mac_key.0), "mac": h(&mac.0), "proof": h(&proof),
        "enrol": h(&enrol), "hpke_public_key": h(&hpke.public().0), "hpke_enc": h(&sealed.enc.0),
        "hpke_ciphertext": h(&sealed.ciphertext.0), "sealed_enrol": h(&sealed_enrol),
        "reply_key": h(&key.0), "reply_key_nonce": h(&reply_nonce.0), "reply": h(&reply),
        "sealed_reply": h(&cbor::encode(&SealedReply { ciphertext: Blob(sealed_reply) })),
        "full_transcript": h(&full.0), "digits": digits, "digits_shown": digits::spaced(&digits),
    })
}

/// Opens the recorded request with the server's key alone, as a second implementation's would be opened.
pub fn check_recorded(i: &Value, o: &Value) {
    let id: Id = fixed(i, "id");
    let shared = bytes(i, "secret");
    let psk: Option<Secret<32>> = (text(i, "mode") == "link").then(|| secret(i, "secret"));
    let hpke = HpkeKey::from_seed(suite_of(i, "suite"), &secret(i, "hpke_seed"));
    let request: SealedEnrol = cbor::decode(&bytes(o, "sealed_enrol")).unwrap();
    let sealed = Sealed { enc: request.enc, ciphertext: request.ciphertext };
    let psk = psk.as_ref().map(|secret| Psk { secret, id: &id });
    let (plain, reply_key) = hpke.open(psk, &request.offer.0, &sealed).unwrap();
    let enrol: Enrol = cbor::decode(&plain).unwrap();
    let offer = Received::<ActivationOffer>::parse(&request.offer.0, text(i, "environment")).unwrap();
    let transcript = transcript(&enrol.open.0, offer.payload(), &enrol.core.0);
    assert!(crypto::same(&enrol.mac.0, &crypto::hmac_sha256(&mac_key(&shared, &id).0, &[&transcript.0]).0));
    let core: EnrolCore = cbor::decode(&enrol.core.0).unwrap();
    let proof: EnrolProof = cose::open(&enrol.proof.0, text(i, "environment"), &core.keys[0].public).unwrap();
    assert_eq!(proof.transcript, transcript);
    let reply: SealedReply = cbor::decode(&bytes(o, "sealed_reply")).unwrap();
    assert_eq!(reply_key.open(&reply.ciphertext.0).unwrap(), bytes(o, "reply"));
    // Without the secret, with another id, or with another offer it stays shut.
    if psk.is_some() {
        assert!(hpke.open(None, &request.offer.0, &sealed).is_err());
    }
    let (other, other_id) = (Secret([9; 32]), id);
    assert!(hpke.open(Some(Psk { secret: &other, id: &other_id }), &request.offer.0, &sealed).is_err());
    assert!(hpke.open(psk, b"another offer", &sealed).is_err());
}
