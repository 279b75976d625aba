//! COSE_Sign1 with ES256: RFC 9052's example and its companions, decoded with `coset`, verified with `ring`.

use coset::{CborSerializable, CoseSign1, RegisteredLabelWithPrivate, TaggedCborSerializable, iana};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;

use crate::{Tally, bytes, cases, text, vectors};

#[test]
fn rfc_9052_sign1_es256() {
    let file = vectors("cose.json");
    let tally = Tally::new("COSE_Sign1, ES256");
    for case in cases(&file) {
        let message = decode(case, &bytes(case, "encoded")).unwrap();
        assert_eq!(message.payload.as_deref(), Some(&bytes(&file, "payload")[..]));
        let header = if flag(case, "protected_alg") { &message.protected.header } else { &message.unprotected };
        assert_eq!(header.alg, Some(RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256)));
        assert_eq!(message.unprotected.key_id, bytes(&file["key"], "kid"));

        let verified = verifies(&file, &message, &bytes(case, "external_aad"));
        assert_eq!(verified, flag(case, "valid"), "{}", text(case, "name"));
        if verified {
            tally.accepted()
        } else {
            tally.refused()
        }

        // What coset re-encodes is what came in: the protected bytes are kept as received.
        let again = if flag(case, "tagged") { message.to_tagged_vec() } else { message.to_vec() };
        assert_eq!(again.unwrap(), bytes(case, "encoded"), "{}", text(case, "name"));
    }
    tally.at_least(4, 1);
}

/// Adversarial case 1: of every flipped bit and every cut, none verifies but in the unprotected header.
#[test]
fn changed_messages_do_not_verify() {
    let file = vectors("cose.json");
    let case = &cases(&file)[0];
    let good = bytes(case, "encoded");
    let tally = Tally::new("COSE_Sign1, changed");
    // Tag, array, protected header (4 bytes): the map {4: '11'} that follows is not signed.
    let unprotected = 6..11;
    for bit in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let verified = decode(case, &changed).is_ok_and(|m| verifies(&file, &m, b""));
        if unprotected.contains(&(bit / 8)) {
            continue;
        }
        assert!(!verified, "bit {bit}");
        tally.refused();
    }
    for length in 0..good.len() {
        assert!(decode(case, &good[..length]).is_err(), "cut to {length}");
        tally.refused();
    }
    assert!(decode(case, &[&good[..], &[0]].concat()).is_err());
    tally.at_least(0, 800);
}

fn decode(case: &Value, encoded: &[u8]) -> Result<CoseSign1, coset::CoseError> {
    if flag(case, "tagged") { CoseSign1::from_tagged_slice(encoded) } else { CoseSign1::from_slice(encoded) }
}

fn verifies(file: &Value, message: &CoseSign1, external: &[u8]) -> bool {
    let point = [&[4][..], &bytes(&file["key"], "x"), &bytes(&file["key"], "y")].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    message.verify_signature(external, |signature, data| key.verify(data, signature)).is_ok()
}

fn flag(case: &Value, field: &str) -> bool {
    case[field].as_bool().unwrap()
}
