//! What Android's attestation must say.

use rcgen::KeyPair;

use super::phone::{BOOT_KEY, CHALLENGE, PACKAGE, Phone, SIGNER, Vendor};
use super::*;
use crate::attestation::android::{
    AndroidExpectation, AndroidFacts, AndroidRoots, Boot, KeyUsage, Provisioning, UserAuthentication, verify_android,
};
use crate::attestation::{AttestationError, Digest, RevocationList, SecurityLevel};

/// What the tests expect; a test changes what it is about.
pub(super) struct Check {
    pub(super) usage: KeyUsage,
    pub(super) user_authentication: UserAuthentication,
    pub(super) unlocked_device_required: bool,
    pub(super) min_security_level: SecurityLevel,
    pub(super) boot_keys: Vec<Digest>,
    pub(super) accept_expired_factory_certificates: bool,
    pub(super) revoked: RevocationList,
    pub(super) now: i64,
}

impl Default for Check {
    fn default() -> Self {
        Self {
            usage: KeyUsage::Sign,
            user_authentication: UserAuthentication::NotDemanded,
            unlocked_device_required: false,
            min_security_level: SecurityLevel::Tee,
            boot_keys: Vec::new(),
            accept_expired_factory_certificates: true,
            revoked: RevocationList::default(),
            now: NOW,
        }
    }
}

impl Check {
    pub(super) fn biometric() -> Self {
        Self {
            user_authentication: UserAuthentication::BiometricPerUse,
            unlocked_device_required: true,
            ..Self::default()
        }
    }

    pub(super) fn run(&self, chain: &[Vec<u8>], roots: &AndroidRoots) -> Result<AndroidFacts, AttestationError> {
        let expect = AndroidExpectation {
            challenge: &CHALLENGE,
            usage: self.usage,
            user_authentication: self.user_authentication,
            unlocked_device_required: self.unlocked_device_required,
            min_security_level: self.min_security_level,
            packages: &[PACKAGE.to_owned()],
            signer_digests: &[Digest(SIGNER)],
            boot_keys: &self.boot_keys,
            accept_expired_factory_certificates: self.accept_expired_factory_certificates,
        };
        verify_android(chain, &expect, roots, &self.revoked, self.now)
    }

    /// A fresh remotely provisioned TEE phone that answers as `phone` says.
    pub(super) fn phone(&self, phone: &Phone) -> Result<AndroidFacts, AttestationError> {
        let vendor = Vendor::remote("TEE");
        self.run(&vendor.chain(phone, &p256()), &vendor.roots())
    }
}

#[test]
fn each_level_is_accepted_and_its_facts_returned() {
    for (number, organisation, level, boot) in [
        (0, "Emulator", SecurityLevel::Software, None),
        (1, "TEE", SecurityLevel::Tee, Some(Boot::Verified)),
        (2, "StrongBox", SecurityLevel::StrongBox, Some(Boot::Verified)),
    ] {
        let vendor = Vendor::remote(organisation);
        let key = p256();
        let check = Check { min_security_level: level, ..Check::default() };
        let facts = check.run(&vendor.chain(&Phone::possession(number), &key), &vendor.roots()).unwrap();
        assert_eq!(
            facts,
            AndroidFacts {
                level,
                public_key: point(&key),
                boot,
                os_version: Some(160_000),
                os_patch_level: Some(202_605),
                package: PACKAGE.to_owned(),
                provisioning: Provisioning::Remote,
                attestation_version: 300,
            }
        );
    }
}

#[test]
fn biometric_and_agreement_keys_are_accepted() {
    Check::biometric().phone(&Phone::biometric()).unwrap();
    Check { usage: KeyUsage::Agree, ..Check::biometric() }.phone(&Phone::offline()).unwrap();
    // A key that may also verify may do nothing more than anyone with its public key.
    Check::default().phone(&Phone { purposes: vec![2, 3], ..Phone::possession(1) }).unwrap();
}

#[test]
fn another_challenge_is_refused() {
    let phone = Phone { challenge: vec![8; 32], ..Phone::possession(1) };
    assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongChallenge));
    let phone = Phone { challenge: CHALLENGE[..31].to_vec(), ..Phone::possession(1) };
    assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongChallenge));
}

#[test]
fn another_purpose_is_refused() {
    for purposes in [vec![], vec![3], vec![6], vec![2, 6], vec![2, 7], vec![0, 1, 2]] {
        let phone = Phone { purposes, ..Phone::possession(1) };
        assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongPurpose));
    }
    let agree = Check { usage: KeyUsage::Agree, ..Check::biometric() };
    assert_eq!(agree.phone(&Phone::biometric()), Err(AttestationError::WrongPurpose));
}

#[test]
fn software_and_contradicting_levels_are_refused() {
    let emulator = Vendor::remote("Emulator");
    let chain = emulator.chain(&Phone::possession(0), &p256());
    assert_eq!(Check::default().run(&chain, &emulator.roots()), Err(AttestationError::SecurityLevelTooLow));
    let strict = Check { min_security_level: SecurityLevel::StrongBox, ..Check::default() };
    assert_eq!(strict.phone(&Phone::possession(1)), Err(AttestationError::SecurityLevelTooLow));
    // A TEE's certificate cannot vouch for StrongBox, nor software attest hardware.
    assert_eq!(Check::default().phone(&Phone::possession(2)), Err(AttestationError::SecurityLevelMismatch));
    let phone = Phone { attestation_level: 0, ..Phone::possession(1) };
    assert_eq!(Check::default().phone(&phone), Err(AttestationError::SecurityLevelMismatch));
    let factory = Vendor::factory("TEE", 2030);
    assert_eq!(
        Check::default().run(&factory.chain(&Phone::possession(2), &p256()), &factory.roots()),
        Err(AttestationError::SecurityLevelMismatch)
    );
}

#[test]
fn an_unlocked_or_unverified_boot_is_refused() {
    for (locked, boot_state) in [(false, 0), (false, 1), (false, 2), (true, 1), (true, 2), (true, 3)] {
        let phone = Phone { locked, boot_state, ..Phone::possession(1) };
        let refused = Check::default().phone(&phone);
        assert!(matches!(refused, Err(AttestationError::BootRefused(_))), "{refused:?}");
    }
    let phone = Phone { root_of_trust: false, ..Phone::possession(1) };
    assert!(matches!(Check::default().phone(&phone), Err(AttestationError::BootRefused(_))));
}

#[test]
fn a_listed_self_signed_system_is_accepted_only_when_locked() {
    let check = Check { boot_keys: vec![Digest([1; 32]), Digest(BOOT_KEY)], ..Check::default() };
    let phone = Phone { boot_state: 1, ..Phone::possession(1) };
    assert_eq!(check.phone(&phone).unwrap().boot, Some(Boot::SelfSigned(Digest(BOOT_KEY))));
    let unlocked = Phone { locked: false, ..phone.clone() };
    assert!(matches!(check.phone(&unlocked), Err(AttestationError::BootRefused(_))));
    let other = Check { boot_keys: vec![Digest([1; 32])], ..Check::default() };
    assert!(matches!(other.phone(&phone), Err(AttestationError::BootRefused(_))));
}

#[test]
fn another_app_is_refused() {
    for (packages, signers) in [
        (vec!["dk.evil.app"], vec![SIGNER]),
        (vec![PACKAGE], vec![[0x52; 32]]),
        (vec![PACKAGE, "dk.evil.app"], vec![SIGNER]),
        (vec![PACKAGE], vec![SIGNER, [0x52; 32]]),
        (vec![], vec![SIGNER]),
        (vec![PACKAGE], vec![]),
    ] {
        let phone = Phone { packages, signers, ..Phone::possession(1) };
        assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongApp));
    }
    let phone = Phone { all_applications: true, ..Phone::possession(1) };
    assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongApp));
}

#[test]
fn another_user_authentication_is_refused() {
    let good = Phone::biometric();
    for phone in [
        Phone { no_auth_required: true, user_auth_type: None, ..good.clone() },
        Phone { no_auth_required: true, ..good.clone() },
        Phone { user_auth_type: None, ..good.clone() },
        Phone { user_auth_type: Some(1), ..good.clone() },
        Phone { user_auth_type: Some(3), ..good.clone() },
        Phone { user_auth_type: Some(0xffff_ffff), ..good.clone() },
        Phone { auth_timeout: Some(30), ..good.clone() },
        Phone { auth_timeout: Some(0), ..good.clone() },
        Phone { on_body: true, ..good.clone() },
        Phone { unlocked_device_required: false, ..good },
    ] {
        let refused = Check::biometric().phone(&phone);
        assert!(matches!(refused, Err(AttestationError::WrongUserAuthentication(_))), "{refused:?}");
    }
}

#[test]
fn imported_keys_and_other_algorithms_are_refused() {
    for origin in [1, 2, 4] {
        let phone = Phone { origin, ..Phone::possession(1) };
        assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongOrigin));
    }
    for (algorithm, key_size) in [(1, 2048), (3, 384), (128, 256)] {
        let phone = Phone { algorithm, key_size, ..Phone::possession(1) };
        assert_eq!(Check::default().phone(&phone), Err(AttestationError::WrongAlgorithm));
    }
    // The description says P-256, the certificate does not.
    let vendor = Vendor::remote("TEE");
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    assert_eq!(
        Check::default().run(&vendor.chain(&Phone::possession(1), &key), &vendor.roots()),
        Err(AttestationError::WrongAlgorithm)
    );
}
