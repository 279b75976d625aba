use minicbor::Encoder;
use rcgen::{DnType, KeyPair};

use super::*;
use crate::attestation::AttestationError;
use crate::attestation::apple::{
    AppAttestExpectation, AppleFacts, AppleRoot, Environment, app_id_hash, verify_app_attest,
    verify_app_attest_assertion,
};

pub(super) const APP_ID: &str = "TEAM123456.dk.godkend.app";
pub(super) const CLIENT_DATA: [u8; 32] = [7; 32];
const PRODUCTION: &[u8; 16] = b"appattest\0\0\0\0\0\0\0";
const DEVELOPMENT: &[u8; 16] = b"appattestdevelop";
const NONCE_OID: [u64; 7] = [1, 2, 840, 113_635, 100, 8, 2];

/// An Apple of a test: root and intermediate.
pub(super) struct Apple {
    pub(super) root: Authority,
    intermediate: Authority,
}

/// What an attestation object says; a test changes what it is about.
#[derive(Clone)]
pub(super) struct Claim {
    app_id: &'static str,
    counter: u32,
    aaguid: [u8; 16],
    client_data_hash: [u8; 32],
    credential_id: Option<Vec<u8>>,
    format: &'static str,
    nonce: bool,
    expires: i32,
}

impl Default for Claim {
    fn default() -> Self {
        Self {
            app_id: APP_ID,
            counter: 0,
            aaguid: *PRODUCTION,
            client_data_hash: CLIENT_DATA,
            credential_id: None,
            format: "apple-appattest",
            nonce: true,
            expires: 2027,
        }
    }
}

impl Apple {
    pub(super) fn new() -> Self {
        let root = Authority::root(&[(DnType::CommonName, "Test App Attestation Root CA")]);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = authority_params(&[(DnType::CommonName, "Test App Attestation CA 1")], 2, 2020, 2030);
        let intermediate = root.issue(params, key);
        Self { root, intermediate }
    }

    pub(super) fn trusted(&self) -> AppleRoot {
        AppleRoot::from_pem(&self.root.certificate.pem()).unwrap()
    }

    pub(super) fn object(&self, claim: &Claim, key: &KeyPair) -> Vec<u8> {
        let id = sha256(&[&point(key)]);
        let id = claim.credential_id.as_deref().unwrap_or(&id);
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let data = [&authenticator_data(claim.app_id, claim.counter)[..], &claim.aaguid, &length, id].concat();
        let nonce = sha256(&[&data, &claim.client_data_hash]);
        let mut params = leaf_params(&[(DnType::CommonName, "credential")], 2026, claim.expires);
        if claim.nonce {
            let content = sequence(&[explicit(1, &octets(&nonce))]);
            params.custom_extensions = vec![extension(&NONCE_OID, content)];
        }
        let leaf = self.intermediate.issue_leaf(params, key);
        let mut out = Vec::new();
        let mut cbor = Encoder::new(&mut out);
        cbor.map(3).unwrap();
        cbor.str("fmt").unwrap().str(claim.format).unwrap();
        cbor.str("attStmt").unwrap().map(2).unwrap();
        cbor.str("x5c").unwrap().array(2).unwrap();
        cbor.bytes(&leaf).unwrap().bytes(&self.intermediate.der()).unwrap();
        cbor.str("receipt").unwrap().bytes(b"receipt").unwrap();
        cbor.str("authData").unwrap().bytes(&data).unwrap();
        out
    }
}

fn authenticator_data(app_id: &str, counter: u32) -> Vec<u8> {
    [&app_id_hash(app_id)[..], &[0x40], &counter.to_be_bytes()].concat()
}

pub(super) fn assertion(key: &KeyPair, app_id: &str, counter: u32, hash: &[u8; 32]) -> Vec<u8> {
    let data = authenticator_data(app_id, counter);
    let signature = sign(key, &sha256(&[&data, hash]));
    let mut out = Vec::new();
    let mut cbor = Encoder::new(&mut out);
    cbor.map(2).unwrap();
    cbor.str("signature").unwrap().bytes(&signature).unwrap();
    cbor.str("authenticatorData").unwrap().bytes(&data).unwrap();
    out
}

fn verify(
    apple: &Apple,
    object: &[u8],
    key: &KeyPair,
    allow_development: bool,
) -> Result<AppleFacts, AttestationError> {
    let expect = AppAttestExpectation {
        app_ids: &["TEAM123456.dk.godkend.other".to_owned(), APP_ID.to_owned()],
        allow_development,
    };
    let id = sha256(&[&point(key)]);
    verify_app_attest(object, &id, &CLIENT_DATA, &expect, &apple.trusted(), NOW)
}

fn refused(claim: &Claim) -> AttestationError {
    let (apple, key) = (Apple::new(), p256());
    verify(&apple, &apple.object(claim, &key), &key, false).unwrap_err()
}

#[test]
fn production_and_by_policy_development_are_accepted() {
    let (apple, key) = (Apple::new(), p256());
    let facts = verify(&apple, &apple.object(&Claim::default(), &key), &key, false).unwrap();
    assert_eq!(
        facts,
        AppleFacts {
            public_key: point(&key),
            app_id: APP_ID.to_owned(),
            environment: Environment::Production,
            receipt: Some(b"receipt".to_vec()),
            counter: 0,
        }
    );
    let development = Claim { aaguid: *DEVELOPMENT, ..Claim::default() };
    let object = apple.object(&development, &key);
    let facts = verify(&apple, &object, &key, true).unwrap();
    assert_eq!(facts.environment, Environment::Development);
    assert_eq!(verify(&apple, &object, &key, false), Err(AttestationError::WrongEnvironment));
}

#[test]
fn each_of_apples_steps_refuses() {
    let claim = Claim::default();
    for (bent, expected) in [
        (Claim { client_data_hash: [8; 32], ..claim.clone() }, AttestationError::WrongChallenge),
        (Claim { app_id: "TEAM123456.dk.evil.app", ..claim.clone() }, AttestationError::WrongApp),
        (Claim { counter: 1, ..claim.clone() }, AttestationError::CounterReused),
        (Claim { aaguid: *b"appattest\0\0\0\0\0\0\x01", ..claim.clone() }, AttestationError::WrongEnvironment),
        (Claim { credential_id: Some(vec![1; 32]), ..claim.clone() }, AttestationError::WrongKey),
        (Claim { credential_id: Some(vec![]), ..claim.clone() }, AttestationError::WrongKey),
        (Claim { nonce: false, ..claim.clone() }, AttestationError::NoAttestation),
        (Claim { expires: 2026, ..claim.clone() }, AttestationError::NotValidNow(0)),
        (Claim { format: "packed", ..claim }, AttestationError::Malformed("not an App Attest object")),
    ] {
        assert_eq!(refused(&bent), expected);
    }
}

#[test]
fn another_root_or_key_is_refused() {
    let (apple, key) = (Apple::new(), p256());
    let object = apple.object(&Claim::default(), &key);
    // The stranger has the same names, so only the signature differs.
    assert_eq!(verify(&Apple::new(), &object, &key, false), Err(AttestationError::BrokenChain(1)));
    let expect = AppAttestExpectation { app_ids: &[APP_ID.to_owned()], allow_development: false };
    let id = sha256(&[&point(&key)]);
    let published = AppleRoot::apple().unwrap();
    assert_eq!(
        verify_app_attest(&object, &id, &CLIENT_DATA, &expect, &published, NOW),
        Err(AttestationError::UntrustedRoot)
    );
    assert_eq!(verify(&apple, &object, &p256(), false), Err(AttestationError::WrongKey));
    // The credential id names the expected key, the certificate another.
    let expected = p256();
    let id = sha256(&[&point(&expected)]).to_vec();
    let claim = Claim { credential_id: Some(id), ..Claim::default() };
    assert_eq!(verify(&apple, &apple.object(&claim, &key), &expected, false), Err(AttestationError::WrongKey));
}

#[test]
fn assertions_count_upwards_and_cover_one_message_by_one_key() {
    let key = p256();
    let (hash, app) = ([3; 32], app_id_hash(APP_ID));
    let bytes = assertion(&key, APP_ID, 5, &hash);
    let check = |hash: &[u8; 32], key: &KeyPair, app: &[u8; 32], last| {
        verify_app_attest_assertion(&bytes, hash, &point(key), app, last)
    };
    assert_eq!(check(&hash, &key, &app, 0), Ok(5));
    assert_eq!(check(&hash, &key, &app, 4), Ok(5));
    assert_eq!(check(&hash, &key, &app, 5), Err(AttestationError::CounterReused));
    assert_eq!(check(&hash, &key, &app, 6), Err(AttestationError::CounterReused));
    assert_eq!(check(&[4; 32], &key, &app, 0), Err(AttestationError::BadAssertion));
    assert_eq!(check(&hash, &p256(), &app, 0), Err(AttestationError::BadAssertion));
    let other = app_id_hash("TEAM123456.dk.evil.app");
    assert_eq!(check(&hash, &key, &other, 0), Err(AttestationError::WrongApp));
}

#[test]
fn truncated_and_flipped_bytes_are_refused_without_a_panic() {
    let (apple, key) = (Apple::new(), p256());
    let object = apple.object(&Claim::default(), &key);
    let facts = verify(&apple, &object, &key, false).unwrap();
    for bytes in mutations(&object, 1500) {
        // Bytes around what is signed may vary, the receipt among them; what is concluded may not.
        if let Ok(other) = verify(&apple, &bytes, &key, false) {
            assert_eq!(AppleFacts { receipt: facts.receipt.clone(), ..other }, facts);
            assert_eq!(bytes.len(), object.len());
        }
    }
    let (hash, app) = ([3; 32], app_id_hash(APP_ID));
    let good = assertion(&key, APP_ID, 1, &hash);
    for bytes in mutations(&good, usize::MAX) {
        verify_app_attest_assertion(&bytes, &hash, &point(&key), &app, 0).unwrap_err();
    }
    for (object, length) in [(vec![0xa3; 70_000], 0), (vec![0xa2; 5_000], 1)] {
        let result = if length == 0 {
            verify(&apple, &object, &key, false).map(|_| ())
        } else {
            verify_app_attest_assertion(&object, &hash, &point(&key), &app, 0).map(|_| ())
        };
        assert_eq!(result, Err(AttestationError::TooLarge));
    }
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let key = p256();
    let hash = [3; 32];
    let data = authenticator_data(APP_ID, 1);
    let signature = sign(&key, &sha256(&[&data, &hash]));
    let mut out = Vec::new();
    let mut cbor = Encoder::new(&mut out);
    cbor.map(3).unwrap();
    cbor.str("signature").unwrap().bytes(&signature).unwrap();
    cbor.str("authenticatorData").unwrap().bytes(&data).unwrap();
    cbor.str("authenticatorData").unwrap().bytes(&data).unwrap();
    assert!(matches!(
        verify_app_attest_assertion(&out, &hash, &point(&key), &app_id_hash(APP_ID), 0),
        Err(AttestationError::Malformed(_))
    ));
}
