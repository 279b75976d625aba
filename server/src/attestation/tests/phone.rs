//! A phone and its vendor, as far as an attestation shows them.

use rcgen::{CertificateParams, DnType, KeyPair};

use super::*;
use crate::attestation::AndroidRoots;

pub(super) const OID: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 1, 17];
pub(super) const CHALLENGE: [u8; 32] = [7; 32];
pub(super) const PACKAGE: &str = "dk.godkend.app";
pub(super) const SIGNER: [u8; 32] = [0x51; 32];
pub(super) const BOOT_KEY: [u8; 32] = [0xb0; 32];
pub(super) const BATCH_SERIAL: u64 = 0x00ab_cdef;

/// A phone whose answers a test can bend.
#[derive(Clone)]
pub(super) struct Phone {
    pub(super) level: u64,
    pub(super) attestation_level: u64,
    pub(super) challenge: Vec<u8>,
    pub(super) purposes: Vec<u64>,
    pub(super) algorithm: u64,
    pub(super) key_size: u64,
    pub(super) origin: u64,
    pub(super) no_auth_required: bool,
    pub(super) user_auth_type: Option<u64>,
    pub(super) auth_timeout: Option<u64>,
    pub(super) on_body: bool,
    pub(super) unlocked_device_required: bool,
    pub(super) all_applications: bool,
    pub(super) locked: bool,
    pub(super) boot_state: u64,
    pub(super) root_of_trust: bool,
    pub(super) packages: Vec<&'static str>,
    pub(super) signers: Vec<[u8; 32]>,
    pub(super) extra: Vec<Vec<u8>>,
}

impl Phone {
    pub(super) fn possession(level: u64) -> Self {
        Self {
            level,
            attestation_level: level,
            challenge: CHALLENGE.to_vec(),
            purposes: vec![2],
            algorithm: 3,
            key_size: 256,
            origin: 0,
            no_auth_required: true,
            user_auth_type: None,
            auth_timeout: None,
            on_body: false,
            unlocked_device_required: false,
            all_applications: false,
            locked: true,
            boot_state: 0,
            root_of_trust: true,
            packages: vec![PACKAGE],
            signers: vec![SIGNER],
            extra: Vec::new(),
        }
    }

    pub(super) fn biometric() -> Self {
        Self { no_auth_required: false, user_auth_type: Some(2), unlocked_device_required: true, ..Self::possession(1) }
    }

    pub(super) fn offline() -> Self {
        Self { purposes: vec![6], ..Self::biometric() }
    }

    pub(super) fn description(&self) -> Vec<u8> {
        let packages: Vec<_> =
            self.packages.iter().map(|name| sequence(&[octets(name.as_bytes()), integer(41)])).collect();
        let signers: Vec<_> = self.signers.iter().map(|digest| octets(digest)).collect();
        let app = sequence(&[set(&packages), set(&signers)]);
        let mut software = vec![explicit(701, &integer(1_780_000_000_000))];
        let purposes: Vec<_> = self.purposes.iter().map(|purpose| integer(*purpose)).collect();
        let mut key = vec![
            explicit(1, &set(&purposes)),
            explicit(2, &integer(self.algorithm)),
            explicit(3, &integer(self.key_size)),
            explicit(5, &set(&[integer(4)])),
            explicit(10, &integer(1)),
        ];
        if self.no_auth_required {
            key.push(explicit(503, &null()));
        }
        if let Some(kind) = self.user_auth_type {
            key.push(explicit(504, &integer(kind)));
        }
        if let Some(seconds) = self.auth_timeout {
            key.push(explicit(505, &integer(seconds)));
        }
        if self.on_body {
            key.push(explicit(506, &null()));
        }
        if self.unlocked_device_required {
            key.push(explicit(509, &null()));
        }
        if self.all_applications {
            key.push(explicit(600, &null()));
        }
        key.push(explicit(702, &integer(self.origin)));
        if self.root_of_trust {
            key.push(explicit(
                704,
                &sequence(&[octets(&BOOT_KEY), boolean(self.locked), enumerated(self.boot_state), octets(&[0xee; 32])]),
            ));
        }
        key.push(explicit(705, &integer(160_000)));
        key.push(explicit(706, &integer(202_605)));
        key.extend(self.extra.clone());
        let mut hardware = Vec::new();
        if self.level == 0 {
            software.splice(0..0, key);
        } else {
            hardware = key;
        }
        software.push(explicit(709, &octets(&app)));
        sequence(&[
            integer(300),
            enumerated(self.attestation_level),
            integer(300),
            enumerated(self.level),
            octets(&self.challenge),
            octets(&[]),
            sequence(&software),
            sequence(&hardware),
        ])
    }
}

/// A test root and what hangs below it, as remotely provisioned phones have it, or as factory provisioned ones.
pub(super) struct Vendor {
    pub(super) root: Authority,
    pub(super) intermediate: Authority,
    pub(super) batch: Authority,
}

impl Vendor {
    pub(super) fn remote(organisation: &str) -> Self {
        Self::build(
            &[(DnType::OrganizationName, "Test"), (DnType::CommonName, "Droid CA2")],
            &[(DnType::CommonName, "batch"), (DnType::OrganizationName, organisation)],
            2027,
        )
    }

    pub(super) fn factory(title: &str, expires: i32) -> Self {
        let serial = DnType::CustomDnType(vec![2, 5, 4, 5]);
        let kind = DnType::CustomDnType(vec![2, 5, 4, 12]);
        Self::build(
            &[(serial.clone(), "0123456789"), (kind.clone(), title)],
            &[(serial, "abcdef"), (kind, title)],
            expires,
        )
    }

    pub(super) fn build(top: &[(DnType, &str)], batch: &[(DnType, &str)], expires: i32) -> Self {
        let root = Authority::root(&[(DnType::CommonName, "Test Attestation Root")]);
        let top_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let intermediate = root.issue(authority_params(top, 2, 2021, 2039), top_key);
        let batch = intermediate.issue(authority_params(batch, BATCH_SERIAL, 2022, expires), p256());
        Self { root, intermediate, batch }
    }

    pub(super) fn roots(&self) -> AndroidRoots {
        AndroidRoots::from_pem(&self.root.certificate.pem()).unwrap()
    }

    pub(super) fn chain(&self, phone: &Phone, key: &KeyPair) -> Vec<Vec<u8>> {
        self.chain_of(key_params(phone), key)
    }

    pub(super) fn chain_of(&self, params: CertificateParams, key: &KeyPair) -> Vec<Vec<u8>> {
        vec![self.batch.issue_leaf(params, key), self.batch.der(), self.intermediate.der(), self.root.der()]
    }
}

pub(super) fn key_params(phone: &Phone) -> CertificateParams {
    let mut params = leaf_params(&[(DnType::CommonName, "Android Keystore Key")], 1970, 2048);
    params.custom_extensions = vec![extension(&OID, phone.description())];
    params
}
