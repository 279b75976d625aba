use super::apple::{APP_ID, Apple, Claim, assertion};
use super::phone::{CHALLENGE, Phone, SIGNER, Vendor};
use super::*;
use crate::attestation::{
    AppAttestKey, Attestation, AttestationError, AttestationFacts, AttestationMode, AttestationPolicy, Enrolment,
    Environment, Evidence, KeyLevel, KeyPurpose, PolicyError, RevocationList, SecurityLevel, Trust, verify,
};

const POLICY: &str = r#"
mode = "required"
[android]
packages = ["dk.godkend.app"]
signer_digests = ["51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51:51"]
[apple]
app_ids = ["TEAM123456.dk.godkend.app"]
"#;

const TRANSCRIPT: [u8; 32] = [0x33; 32];

fn policy() -> AttestationPolicy {
    toml::from_str(POLICY).unwrap()
}

fn with_mode(mode: AttestationMode) -> AttestationPolicy {
    AttestationPolicy { mode, ..policy() }
}

struct World {
    vendor: Vendor,
    apple: Apple,
    trust: Trust,
}

impl World {
    fn new(organisation: &str) -> Self {
        let (vendor, apple) = (Vendor::remote(organisation), Apple::new());
        let trust = Trust { android: vendor.roots(), apple: apple.trusted(), revoked: RevocationList::default() };
        Self { vendor, apple, trust }
    }

    fn android(
        &self,
        phone: &Phone,
        purpose: KeyPurpose,
        policy: &AttestationPolicy,
    ) -> Result<AttestationFacts, AttestationError> {
        let key = p256();
        let chain = self.vendor.chain(phone, &key);
        let public_key = point(&key);
        let enrolment = enrolment(purpose, &public_key);
        verify(&Attestation::Android { chain }, &enrolment, policy, &self.trust, NOW)
    }
}

fn enrolment(purpose: KeyPurpose, public_key: &[u8; 65]) -> Enrolment<'_> {
    Enrolment {
        purpose,
        public_key,
        challenge: &CHALLENGE,
        transcript_hash: &TRANSCRIPT,
        unlocked_device_required: false,
        app_attest: None,
    }
}

#[test]
fn each_purpose_demands_its_own_key() {
    let world = World::new("TEE");
    let phones = [Phone::possession(1), Phone::biometric(), Phone::offline()];
    let purposes = [KeyPurpose::Possession, KeyPurpose::Biometric, KeyPurpose::Offline];
    // A biometric key is stricter than a possession key need be, so it serves as one too.
    let accepted = [[true, true, false], [false, true, false], [false, false, true]];
    for (purpose, row) in purposes.into_iter().zip(accepted) {
        for (phone, accepted) in phones.iter().zip(row) {
            let result = world.android(phone, purpose, &policy());
            assert_eq!(result.is_ok(), accepted, "{purpose:?} {result:?}");
        }
    }
    let facts = world.android(&phones[0], KeyPurpose::Possession, &policy()).unwrap();
    assert_eq!(facts.level, KeyLevel::Tee);
}

#[test]
fn an_attestation_of_another_key_is_refused() {
    let world = World::new("TEE");
    let chain = world.vendor.chain(&Phone::possession(1), &p256());
    let public_key = point(&p256());
    let enrolment = enrolment(KeyPurpose::Possession, &public_key);
    assert_eq!(
        verify(&Attestation::Android { chain }, &enrolment, &policy(), &world.trust, NOW),
        Err(AttestationError::WrongKey)
    );
}

#[test]
fn the_mode_decides_about_software() {
    let world = World::new("Emulator");
    let public_key = point(&p256());
    let enrolment = enrolment(KeyPurpose::Possession, &public_key);
    for (mode, bare, emulator) in [
        (
            AttestationMode::Required,
            Err(AttestationError::AttestationRequired),
            Err(AttestationError::SecurityLevelTooLow),
        ),
        (AttestationMode::Accepted, Ok(KeyLevel::Software), Err(AttestationError::SecurityLevelTooLow)),
    ] {
        let policy = with_mode(mode);
        let result = verify(&Attestation::Software, &enrolment, &policy, &world.trust, NOW);
        assert_eq!(result.map(|facts| facts.level), bare);
        let result = world.android(&Phone::possession(0), KeyPurpose::Possession, &policy);
        assert_eq!(result.map(|facts| facts.level), emulator);
    }
    let mut test = with_mode(AttestationMode::SoftwareAllowed);
    let result = world.android(&Phone::possession(0), KeyPurpose::Possession, &test);
    assert_eq!(result, Err(AttestationError::SecurityLevelTooLow));
    test.android.as_mut().unwrap().min_security_level = SecurityLevel::Software;
    let facts = world.android(&Phone::possession(0), KeyPurpose::Possession, &test).unwrap();
    assert_eq!(facts.level, KeyLevel::Software);
    // Outside the test mode the same setting gives nothing away.
    test.mode = AttestationMode::Accepted;
    let result = world.android(&Phone::possession(0), KeyPurpose::Possession, &test);
    assert_eq!(result, Err(AttestationError::SecurityLevelTooLow));
}

#[test]
fn a_platform_without_a_section_is_refused() {
    let world = World::new("TEE");
    let none = AttestationPolicy { mode: AttestationMode::Accepted, android: None, apple: None };
    assert_eq!(
        world.android(&Phone::possession(1), KeyPurpose::Possession, &none),
        Err(AttestationError::PlatformNotAccepted)
    );
    let public_key = point(&p256());
    let enrolment = enrolment(KeyPurpose::Possession, &public_key);
    let attestation = Attestation::AppAttestAssertion { assertion: Vec::new() };
    assert_eq!(verify(&attestation, &enrolment, &none, &world.trust, NOW), Err(AttestationError::PlatformNotAccepted));
}

#[test]
fn app_attest_vouches_for_the_keys_of_the_transcript_only() {
    let world = World::new("TEE");
    let app_key = p256();
    let enclave_key = point(&p256());
    let first = enrolment(KeyPurpose::Possession, &enclave_key);
    let attestation = |transcript: &[u8; 32]| Attestation::AppAttest {
        key_id: sha256(&[&point(&app_key)]).to_vec(),
        object: world.apple.object(&Claim::default(), &app_key),
        assertion: assertion(&app_key, APP_ID, 1, transcript),
    };
    let facts = verify(&attestation(&TRANSCRIPT), &first, &policy(), &world.trust, NOW).unwrap();
    assert_eq!(facts.level, KeyLevel::Apple);
    let Evidence::AppAttest(stored) = facts.evidence else {
        panic!("no key to store");
    };
    assert_eq!((stored.public_key, stored.counter), (point(&app_key), 1));
    // Another key in the message is another transcript.
    assert_eq!(
        verify(&attestation(&[0x34; 32]), &first, &policy(), &world.trust, NOW),
        Err(AttestationError::BadAssertion)
    );

    // A later key needs the next assertion of the same App Attest key.
    let later = |counter, known: Option<&AppAttestKey>, policy: &AttestationPolicy| {
        let attestation =
            Attestation::AppAttestAssertion { assertion: assertion(&app_key, APP_ID, counter, &TRANSCRIPT) };
        let enrolment = Enrolment { app_attest: known, ..first };
        verify(&attestation, &enrolment, policy, &world.trust, NOW)
    };
    let facts = later(2, Some(&stored), &policy()).unwrap();
    assert!(matches!(facts.evidence, Evidence::AppAttest(AppAttestKey { counter: 2, .. })));
    assert_eq!(later(1, Some(&stored), &policy()), Err(AttestationError::CounterReused));
    assert_eq!(later(2, None, &policy()), Err(AttestationError::AttestationRequired));
    let mut moved = policy();
    moved.apple.as_mut().unwrap().app_ids = vec!["TEAM123456.dk.godkend.new".to_owned()];
    assert_eq!(later(2, Some(&stored), &moved), Err(AttestationError::WrongApp));
    let development = AppAttestKey { environment: Environment::Development, ..stored };
    assert_eq!(later(2, Some(&development), &policy()), Err(AttestationError::WrongEnvironment));
}

#[test]
fn a_policy_that_is_too_weak_or_empty_does_not_start() {
    policy().check(false).unwrap();
    assert_eq!(policy().android.unwrap().signer_digests[0].0, SIGNER);
    let software = with_mode(AttestationMode::SoftwareAllowed);
    software.check(true).unwrap();
    assert!(matches!(software.check(false), Err(PolicyError::TestOnly(_))));

    let mut weak = policy();
    weak.android.as_mut().unwrap().min_security_level = SecurityLevel::Software;
    assert!(matches!(weak.check(true), Err(PolicyError::TestOnly(_))));
    let mut development = policy();
    development.apple.as_mut().unwrap().allow_development = true;
    development.check(true).unwrap();
    assert!(matches!(development.check(false), Err(PolicyError::TestOnly(_))));

    let mut own_roots = policy();
    own_roots.android.as_mut().unwrap().test_roots = Some(String::new());
    own_roots.check(true).unwrap();
    assert!(matches!(own_roots.check(false), Err(PolicyError::TestOnly(_))));
    let mut own_root = policy();
    own_root.apple.as_mut().unwrap().test_root = Some(String::new());
    own_root.check(true).unwrap();
    assert!(matches!(own_root.check(false), Err(PolicyError::TestOnly(_))));

    let mut empty = policy();
    empty.android.as_mut().unwrap().packages.clear();
    assert!(matches!(empty.check(false), Err(PolicyError::NothingAccepted(_))));
    let mut empty = policy();
    empty.android.as_mut().unwrap().signer_digests.clear();
    assert!(matches!(empty.check(false), Err(PolicyError::NothingAccepted(_))));
    let mut empty = policy();
    empty.apple.as_mut().unwrap().app_ids.clear();
    assert!(matches!(empty.check(false), Err(PolicyError::NothingAccepted(_))));
    let nobody: AttestationPolicy = toml::from_str("mode = \"required\"").unwrap();
    assert!(matches!(nobody.check(false), Err(PolicyError::NothingAccepted(_))));

    for broken in [
        "mode = \"optional\"",
        "mode = \"required\"\nandriod = {}",
        "mode = \"required\"\n[android]\npackages = []\nsigner_digests = [\"5151\"]",
        "mode = \"required\"\n[android]\npackages = []\nsigner_digests = []\nmin_security_level = \"hsm\"",
    ] {
        toml::from_str::<AttestationPolicy>(broken).unwrap_err();
    }
}

#[test]
fn the_published_roots_are_part_of_the_program() {
    let trust = Trust::published(RevocationList::default()).unwrap();
    assert_ne!(trust.android, World::new("TEE").trust.android);
}
