//! RFC 9180 and the draft for its post-quantum KEMs: published vectors, and refusals for the suites in use.

use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, PskBundle, Serializable,
    aead::{Aead, AesGcm128, AesGcm256},
    kdf::HkdfSha256,
    kem::{DhP256HkdfSha256, MlKem768, MlKem768P256},
    setup_receiver, setup_sender_with_rng,
};
use serde_json::Value;

use crate::{Replay, Tally, bytes, cases, number, optional_bytes, text, vectors};

const AES_128_GCM: u64 = 1;
const AES_256_GCM: u64 = 2;

/// DHKEM(P-256, HKDF-SHA256), HKDF-SHA256 with AES-256-GCM (suite 1) and AES-128-GCM, base and PSK mode.
#[test]
fn rfc_9180_p256() {
    let file = vectors("hpke.json");
    let tally = Tally::new("HPKE, DHKEM(P-256)");
    let mut suite_1 = Vec::new();
    for case in cases(&file) {
        assert_eq!((number(case, "kem_id"), number(case, "kdf_id")), (0x10, 1));
        match number(case, "aead_id") {
            AES_128_GCM => sender_and_receiver::<AesGcm128>(case, &tally),
            AES_256_GCM => {
                suite_1.push(text(case, "mode"));
                sender_and_receiver::<AesGcm256>(case, &tally);
            }
            other => panic!("aead {other}"),
        }
    }
    assert_eq!(suite_1, ["base", "psk"]);
    tally.at_least(24, 0);
}

/// MLKEM768-P256 (suite 2's KEM) and ML-KEM-768; published with AES-128-GCM only.
#[test]
fn draft_ietf_hpke_pq() {
    let file = vectors("hpke_pq.json");
    let tally = Tally::new("HPKE, post-quantum");
    for case in cases(&file) {
        assert_eq!((number(case, "kdf_id"), number(case, "aead_id")), (1, AES_128_GCM));
        match number(case, "kem_id") {
            0x50 => receiver::<AesGcm128, MlKem768P256>(case, &tally),
            0x41 => receiver::<AesGcm128, MlKem768>(case, &tally),
            other => panic!("kem {other:#x}"),
        }
    }
    tally.at_least(6, 0);
}

#[test]
fn suite_1_refuses_what_was_changed() {
    refusals::<DhP256HkdfSha256>(&Tally::new("HPKE, suite 1, changed"), 65);
}

#[test]
fn suite_2_refuses_what_was_changed() {
    refusals::<MlKem768P256>(&Tally::new("HPKE, suite 2, changed"), 1153);
}

/// Adversarial case 4: no encapsulated or public key at infinity or off the curve.
#[test]
fn bad_points_are_refused() {
    type Enc = <DhP256HkdfSha256 as Kem>::EncappedKey;
    type Public = <DhP256HkdfSha256 as Kem>::PublicKey;
    let (_, public) = DhP256HkdfSha256::derive_keypair(&[7; 32]);
    let good = public.to_bytes().to_vec();
    let mut off_curve = good.clone();
    off_curve[64] ^= 1;
    for point in [&[0; 65][..], &[0], &[], &off_curve, &good[..64], &[&good[..], &[0]].concat()] {
        assert!(Enc::from_bytes(point).is_err(), "{point:02x?}");
        assert!(Public::from_bytes(point).is_err(), "{point:02x?}");
    }
    assert!(<DhP256HkdfSha256 as Kem>::PrivateKey::from_bytes(&[0; 32]).is_err());
}

/// Replays the ephemeral key, so that the sender's bytes are compared too.
fn sender_and_receiver<A: Aead>(case: &Value, tally: &Tally) {
    type K = DhP256HkdfSha256;
    let (private, public) = K::derive_keypair(&bytes(case, "ikmR"));
    assert_eq!(private.to_bytes().as_slice(), bytes(case, "skRm"));
    assert_eq!(public.to_bytes().as_slice(), bytes(case, "pkRm"));
    let info = bytes(case, "info");
    let psk = optional_bytes(case, "psk").zip(optional_bytes(case, "psk_id"));
    assert_eq!(psk.is_some(), text(case, "mode") == "psk");
    let (send, receive) = match &psk {
        None => (OpModeS::<K>::Base, OpModeR::<K>::Base),
        Some((psk, id)) => {
            (OpModeS::Psk(PskBundle::new(psk, id).unwrap()), OpModeR::Psk(PskBundle::new(psk, id).unwrap()))
        }
    };
    let mut rng = Replay::new(&[&bytes(case, "ikmE")]);
    let (enc, mut sender) = setup_sender_with_rng::<A, HkdfSha256, K>(&send, &public, &info, &mut rng).unwrap();
    assert!(rng.is_used_up());
    assert_eq!(enc.to_bytes().as_slice(), bytes(case, "enc"));
    let mut receiver = setup_receiver::<A, HkdfSha256, K>(&receive, &private, &enc, &info).unwrap();

    let mut sequence = 0;
    for message in list(case, "encryptions") {
        // The appendix prints some of the messages only: bring both sides to the next printed one.
        while sequence < number(message, "seq") {
            let filler = sender.seal(b"filler", b"").unwrap();
            assert_eq!(receiver.open(&filler, b"").unwrap(), b"filler");
            sequence += 1;
        }
        let sealed = sender.seal(&bytes(message, "pt"), &bytes(message, "aad")).unwrap();
        assert_eq!(sealed, bytes(message, "ct"), "message {sequence}");
        assert_eq!(receiver.open(&sealed, &bytes(message, "aad")).unwrap(), bytes(message, "pt"));
        sequence += 1;
        tally.accepted();
    }
    for export in list(case, "exports") {
        let mut out = vec![0; number(export, "L").try_into().unwrap()];
        sender.export(&bytes(export, "exporter_context"), &mut out).unwrap();
        assert_eq!(out, bytes(export, "exported_value"));
        out.fill(0);
        receiver.export(&bytes(export, "exporter_context"), &mut out).unwrap();
        assert_eq!(out, bytes(export, "exported_value"));
    }
}

fn receiver<A: Aead, K: Kem>(case: &Value, tally: &Tally) {
    assert_eq!(u64::from(K::KEM_ID), number(case, "kem_id"));
    let private = K::PrivateKey::from_bytes(&bytes(case, "skRm")).unwrap();
    assert_eq!(K::sk_to_pk(&private).to_bytes().as_slice(), bytes(case, "pkRm"));
    let enc = K::EncappedKey::from_bytes(&bytes(case, "enc")).unwrap();
    let mut receiver =
        setup_receiver::<A, HkdfSha256, K>(&OpModeR::Base, &private, &enc, &bytes(case, "info")).unwrap();
    for (sequence, message) in list(case, "encryptions").iter().enumerate() {
        assert_eq!(number(message, "seq"), u64::try_from(sequence).unwrap());
        assert_eq!(receiver.open(&bytes(message, "ct"), &bytes(message, "aad")).unwrap(), bytes(message, "pt"));
        tally.accepted();
    }
    for export in list(case, "exports") {
        let mut out = vec![0; number(export, "L").try_into().unwrap()];
        receiver.export(&bytes(export, "exporter_context"), &mut out).unwrap();
        assert_eq!(out, bytes(export, "exported_value"));
    }
}

/// Base and PSK mode as the project uses them: the round trip works, and nothing changed gets through.
fn refusals<K: Kem>(tally: &Tally, enc_size: usize) {
    let (private, public) = K::derive_keypair(&[1; 64][..K::PrivateKey::size().min(64)]);
    let (other, _) = K::derive_keypair(&[2; 64][..K::PrivateKey::size().min(64)]);
    let psk = PskBundle::new(&[3; 32], b"id").unwrap();
    let wrong = PskBundle::new(&[4; 32], b"id").unwrap();
    for (send, receive) in [(OpModeS::<K>::Base, OpModeR::<K>::Base), (OpModeS::Psk(psk), OpModeR::Psk(psk))] {
        // Enough bytes for the encapsulation's randomness, whatever its order.
        let mut rng = Replay::new(&[&(0..=255).collect::<Vec<u8>>()]);
        let (enc, mut sender) =
            setup_sender_with_rng::<AesGcm256, HkdfSha256, K>(&send, &public, b"info", &mut rng).unwrap();
        let sealed = sender.seal(b"text", b"aad").unwrap();
        let enc = enc.to_bytes().to_vec();
        assert_eq!(enc.len(), enc_size);
        let open = |mode: &OpModeR<K>, key: &K::PrivateKey, enc: &[u8], info: &[u8], sealed: &[u8], aad: &[u8]| {
            let enc = K::EncappedKey::from_bytes(enc)?;
            let mut receiver = setup_receiver::<AesGcm256, HkdfSha256, K>(mode, key, &enc, info)?;
            Ok::<_, HpkeError>((receiver.open(sealed, aad)?, exported(&receiver)))
        };
        let mut export = [0; 32];
        sender.export(b"reply", &mut export).unwrap();
        assert_eq!(open(&receive, &private, &enc, b"info", &sealed, b"aad").unwrap(), (b"text".to_vec(), export));

        let refused = |result: Result<_, HpkeError>, what: &str| {
            assert!(result.is_err(), "{what}");
            tally.refused();
        };
        refused(open(&receive, &other, &enc, b"info", &sealed, b"aad"), "another key");
        refused(open(&receive, &private, &enc, b"inf", &sealed, b"aad"), "another info");
        refused(open(&receive, &private, &enc, b"info", &sealed, b"aa"), "another aad");
        refused(open(&OpModeR::Psk(wrong), &private, &enc, b"info", &sealed, b"aad"), "another psk");
        let crossed = if matches!(receive, OpModeR::Base) { OpModeR::Psk(psk) } else { OpModeR::Base };
        refused(open(&crossed, &private, &enc, b"info", &sealed, b"aad"), "another mode");
        for at in 0..enc.len() {
            let mut changed = enc.clone();
            changed[at] ^= 1;
            refused(open(&receive, &private, &changed, b"info", &sealed, b"aad"), &format!("byte {at} of enc"));
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            refused(open(&receive, &private, &enc, b"info", &changed, b"aad"), &format!("byte {at} of ct"));
            refused(open(&receive, &private, &enc, b"info", &sealed[..at], b"aad"), &format!("ct cut to {at}"));
        }
        for cut in [0, 1, enc.len() / 2, enc.len() - 1] {
            refused(open(&receive, &private, &enc[..cut], b"info", &sealed, b"aad"), &format!("enc cut to {cut}"));
        }
    }
    println!("{}: {} refused", tally.name, tally.refused.get());
    assert!(tally.refused.get() > 2 * enc_size);
}

fn exported<A: Aead, K: Kem>(receiver: &hpke::aead::AeadCtxR<A, HkdfSha256, K>) -> [u8; 32] {
    let mut out = [0; 32];
    receiver.export(b"reply", &mut out).unwrap();
    out
}

fn list<'a>(case: &'a Value, field: &str) -> &'a [Value] {
    let list = case[field].as_array().unwrap();
    assert!(!list.is_empty());
    list
}
