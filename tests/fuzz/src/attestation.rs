//! Android key attestation and Apple App Attest: chains under a test root, right ones bent in one place or many.

use std::sync::OnceLock;

use coset::cbor::value::Value;
use godkend_server::attestation::android::{KeyUsage, UserAuthentication};
use godkend_server::attestation::{
    AndroidExpectation, AndroidFacts, AndroidRoots, AppAttestExpectation, AppleRoot, AttestationError, Digest,
    RevocationList, SecurityLevel, app_id_hash, verify_android, verify_app_attest, verify_app_attest_assertion,
};
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber, SigningKey as _, date_time_ymd,
};

use crate::der::{self, boolean, enumerated, explicit, integer, null, octets, sequence, set};
use crate::input::Input;
use crate::mutate;

/// 2026-06-01 00:00 UTC.
const NOW: i64 = 1_780_272_000;
const CHALLENGE: [u8; 32] = [7; 32];
const PACKAGE: &str = "dk.godkend.app";
const SIGNER: [u8; 32] = [0x51; 32];
const APP_ID: &str = "TEAM123456.dk.godkend.app";
const ANDROID_OID: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 1, 17];
const APPLE_OID: [u64; 7] = [1, 2, 840, 113_635, 100, 8, 2];

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(7) {
        0 => phone(&mut input),
        1 => description(&mut input),
        2 => chain(&mut input),
        3 => object(&mut input),
        4 => assertion(&mut input),
        5 => {
            let text = crate::input::text(input.rest());
            if let Ok(list) = RevocationList::from_json(&text) {
                let _ = list.status("0123abcdef");
            }
            let _ = AndroidRoots::from_pem(&text);
            let _ = AppleRoot::from_pem(&text);
        }
        _ => {
            let count = input.below(6);
            let chain: Vec<_> = (0..count).map(|_| input.chunk().to_vec()).collect();
            assert!(judge(&chain).is_err());
            let bytes = input.rest();
            assert!(attest(bytes).is_err() && check_assertion(bytes, 0).is_err());
        }
    }
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
    pem: String,
}

struct Vendor {
    root: Authority,
    top: Authority,
    batch: Authority,
    /// The phone's key.
    key: KeyPair,
    point: [u8; 65],
    roots: AndroidRoots,
    apple: AppleRoot,
}

fn key(seed: u8) -> KeyPair {
    let secret = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
    let document = secret.to_pkcs8_der().unwrap();
    KeyPair::from_pkcs8_der_and_sign_algo(&document.as_bytes().into(), &PKCS_ECDSA_P256_SHA256).unwrap()
}

fn params(name: &[(DnType, &str)], serial: u64, authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in name {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.serial_number = Some(SerialNumber::from(serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    params
}

fn authority(params: CertificateParams, key: KeyPair, by: Option<&Authority>) -> Authority {
    let certificate = match by {
        Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    Authority { der: certificate.der().to_vec(), pem: certificate.pem(), params, key }
}

fn vendor() -> &'static Vendor {
    static VENDOR: OnceLock<Vendor> = OnceLock::new();
    VENDOR.get_or_init(|| {
        let root = authority(params(&[(DnType::CommonName, "Test Root")], 1, true), key(1), None);
        let top = [(DnType::OrganizationName, "Test"), (DnType::CommonName, "Droid CA2")];
        let top = authority(params(&top, 2, true), key(2), Some(&root));
        let batch = [(DnType::CommonName, "batch"), (DnType::OrganizationName, "TEE")];
        let batch = authority(params(&batch, 3, true), key(3), Some(&top));
        let key = key(4);
        let point = key.public_key_raw().try_into().unwrap();
        let (roots, apple) = (AndroidRoots::from_pem(&root.pem).unwrap(), AppleRoot::from_pem(&root.pem).unwrap());
        Vendor { root, top, batch, key, point, roots, apple }
    })
}

fn leaf(oid: &[u64], extension: Vec<u8>, by: &Authority) -> Vec<u8> {
    let mut params = params(&[(DnType::CommonName, "leaf")], 4, false);
    params.custom_extensions = vec![CustomExtension::from_oid_content(oid, extension)];
    params.signed_by(&vendor().key, &Issuer::from_params(&by.params, &by.key)).unwrap().der().to_vec()
}

fn android_chain(description: Vec<u8>) -> Vec<Vec<u8>> {
    let vendor = vendor();
    vec![
        leaf(&ANDROID_OID, description, &vendor.batch),
        vendor.batch.der.clone(),
        vendor.top.der.clone(),
        vendor.root.der.clone(),
    ]
}

fn judge(chain: &[Vec<u8>]) -> Result<AndroidFacts, AttestationError> {
    let expect = AndroidExpectation {
        challenge: &CHALLENGE,
        usage: KeyUsage::Sign,
        user_authentication: UserAuthentication::NotDemanded,
        unlocked_device_required: false,
        min_security_level: SecurityLevel::Tee,
        packages: &[PACKAGE.to_owned()],
        signer_digests: &[Digest(SIGNER)],
        boot_keys: &[],
        accept_expired_factory_certificates: true,
    };
    verify_android(chain, &expect, &vendor().roots, &RevocationList::default(), NOW)
}

/// What a phone says of its key, each field right or wrong by choice.
struct Phone {
    level: u64,
    attestation_level: u64,
    challenge: Vec<u8>,
    purpose: u64,
    algorithm: u64,
    size: u64,
    origin: u64,
    all_applications: bool,
    locked: bool,
    boot_state: u64,
    package: &'static str,
    signer: [u8; 32],
}

const RIGHT: Phone = Phone {
    level: 1,
    attestation_level: 1,
    challenge: Vec::new(),
    purpose: 2,
    algorithm: 3,
    size: 256,
    origin: 0,
    all_applications: false,
    locked: true,
    boot_state: 0,
    package: PACKAGE,
    signer: SIGNER,
};

impl Phone {
    fn right() -> Self {
        Self { challenge: CHALLENGE.to_vec(), ..RIGHT }
    }

    fn description(&self) -> Vec<u8> {
        let packages = set(&[sequence(&[octets(self.package.as_bytes()), integer(41)])]);
        let app = sequence(&[packages, set(&[octets(&self.signer)])]);
        let software = sequence(&[explicit(701, &integer(1_780_000_000_000)), explicit(709, &octets(&app))]);
        let mut hardware = vec![
            explicit(1, &set(&[integer(self.purpose)])),
            explicit(2, &integer(self.algorithm)),
            explicit(3, &integer(self.size)),
            explicit(5, &set(&[integer(4)])),
            explicit(10, &integer(1)),
            explicit(503, &null()),
        ];
        if self.all_applications {
            hardware.push(explicit(600, &null()));
        }
        let trust =
            sequence(&[octets(&[0xb0; 32]), boolean(self.locked), enumerated(self.boot_state), octets(&[0xee; 32])]);
        hardware.extend([
            explicit(702, &integer(self.origin)),
            explicit(704, &trust),
            explicit(705, &integer(160_000)),
            explicit(706, &integer(202_605)),
        ]);
        sequence(&[
            integer(300),
            enumerated(self.attestation_level),
            integer(300),
            enumerated(self.level),
            octets(&self.challenge),
            octets(&[]),
            software,
            sequence(&hardware),
        ])
    }
}

/// Every combination of statements is judged as the policy says.
fn phone(input: &mut Input<'_>) {
    let mut phone = Phone::right();
    let mut good = true;
    for _ in 0..input.below(4) {
        let value = input.below(8) as u64;
        match input.below(11) {
            0 => phone.attestation_level = value,
            1 => {
                phone.level = value;
                phone.attestation_level = value;
            }
            2 => phone.challenge = input.chunk().to_vec(),
            3 => phone.purpose = value,
            4 => phone.algorithm = value,
            5 => phone.size = 192 + 64 * value,
            6 => phone.origin = value,
            7 => phone.all_applications = value & 1 == 1,
            8 => phone.locked = value & 1 == 0,
            9 => phone.boot_state = value,
            _ if value & 1 == 0 => phone.package = "dk.godkend.app2",
            _ => phone.signer[31] ^= value as u8,
        }
    }
    let right = Phone::right();
    good &= phone.level == 1 && phone.attestation_level == 1;
    good &= phone.challenge == right.challenge && phone.purpose == 2 && phone.algorithm == 3 && phone.size == 256;
    good &= phone.origin == 0 && !phone.all_applications && phone.locked && phone.boot_state == 0;
    good &= phone.package == PACKAGE && phone.signer == SIGNER;
    let facts = judge(&android_chain(phone.description()));
    assert_eq!(facts.is_ok(), good, "{facts:?}");
    if let Ok(facts) = facts {
        assert_eq!(facts.public_key, vendor().point);
    }
}

/// A description bent anywhere: whatever is taken still says what was demanded.
fn description(input: &mut Input<'_>) {
    let mut description = Phone::right().description();
    for _ in 0..=input.below(3) {
        description = der::change(input, &description);
    }
    let has = |needle: &[u8], hay: &[u8]| hay.windows(needle.len()).any(|window| window == needle);
    if judge(&android_chain(description.clone())).is_ok() {
        assert!(has(&CHALLENGE, &description) && has(PACKAGE.as_bytes(), &description) && has(&SIGNER, &description));
    }
}

/// A chain whose certificates were changed after they were signed, left out, repeated or swapped.
fn chain(input: &mut Input<'_>) {
    static RIGHT: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let right = RIGHT.get_or_init(|| android_chain(Phone::right().description()));
    let facts = judge(right).unwrap();
    let mut chain = right.clone();
    for _ in 0..=input.below(3) {
        if chain.is_empty() {
            break;
        }
        let at = input.below(chain.len());
        match input.below(8) {
            0 => drop(chain.remove(at)),
            1 => chain.insert(at, chain[at].clone()),
            2 => chain.reverse(),
            3 => chain.insert(at, leaf(&ANDROID_OID, Phone::right().description(), &vendor().top)),
            4 => chain[at] = mutate::bytes(input, chain[at].clone()),
            _ => chain[at] = der::change(input, &chain[at]),
        }
    }
    if let Ok(taken) = judge(&chain) {
        assert_eq!(taken, facts, "a changed chain says something else");
    }
}

fn app_attest() -> &'static Vec<u8> {
    static OBJECT: OnceLock<Vec<u8>> = OnceLock::new();
    OBJECT.get_or_init(|| {
        let vendor = vendor();
        let id = sha256(&[&vendor.point]);
        let data = [
            &app_id_hash(APP_ID)[..],
            &[0x40],
            &0_u32.to_be_bytes(),
            b"appattest\0\0\0\0\0\0\0",
            &32_u16.to_be_bytes(),
            &id,
        ]
        .concat();
        let nonce = sha256(&[&data, &CHALLENGE]);
        let leaf = leaf(&APPLE_OID, sequence(&[explicit(1, &octets(&nonce))]), &vendor.top);
        let text = |text: &str| Value::Text(text.to_owned());
        let statement = Value::Map(vec![
            (text("x5c"), Value::Array(vec![Value::Bytes(leaf), Value::Bytes(vendor.top.der.clone())])),
            (text("receipt"), Value::Bytes(b"receipt".to_vec())),
        ]);
        let object = Value::Map(vec![
            (text("fmt"), text("apple-appattest")),
            (text("attStmt"), statement),
            (text("authData"), Value::Bytes(data)),
        ]);
        let mut out = Vec::new();
        mutate::spell(&object, &mut out).unwrap();
        out
    })
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    godkend_protocol::crypto::sha256(parts).0
}

fn attest(object: &[u8]) -> Result<godkend_server::attestation::AppleFacts, AttestationError> {
    let expect = AppAttestExpectation { app_ids: &[APP_ID.to_owned()], allow_development: false };
    let vendor = vendor();
    verify_app_attest(object, &sha256(&[&vendor.point]), &CHALLENGE, &expect, &vendor.apple, NOW)
}

fn object(input: &mut Input<'_>) {
    let right = app_attest();
    let facts = attest(right).unwrap();
    let changed = if input.flag() {
        mutate::bytes(input, right.clone())
    } else {
        let Some(changed) = mutate::cbor(input, right) else { return };
        changed
    };
    if let Ok(taken) = attest(&changed) {
        // The receipt is Apple's own business: nobody here signs or reads it.
        assert_eq!((taken.public_key, taken.counter, &taken.app_id), (facts.public_key, 0, &facts.app_id));
        assert_eq!(taken.environment, facts.environment);
    }
}

const COUNTER: u32 = 5;

fn check_assertion(bytes: &[u8], last: u32) -> Result<u32, AttestationError> {
    verify_app_attest_assertion(bytes, &CHALLENGE, &vendor().point, &app_id_hash(APP_ID), last)
}

fn assertion(input: &mut Input<'_>) {
    static RIGHT: OnceLock<Vec<u8>> = OnceLock::new();
    let right = RIGHT.get_or_init(|| {
        let data = [&app_id_hash(APP_ID)[..], &[0x40], &COUNTER.to_be_bytes()].concat();
        let signature = vendor().key.sign(&sha256(&[&data, &CHALLENGE])).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let value = Value::Map(vec![
            (text("signature"), Value::Bytes(signature)),
            (text("authenticatorData"), Value::Bytes(data)),
        ]);
        let mut out = Vec::new();
        mutate::spell(&value, &mut out).unwrap();
        out
    });
    let last = input.number() as u32;
    assert_eq!(check_assertion(right, last).is_ok(), last < COUNTER);
    let changed = if input.flag() { Some(mutate::bytes(input, right.clone())) } else { mutate::cbor(input, right) };
    if let Some(Ok(counter)) = changed.map(|changed| check_assertion(&changed, last)) {
        assert!(counter == COUNTER && last < COUNTER, "a counter that nobody signed");
    }
}
