//! Whether a device's new keys may be enrolled: their shape, and what the phone's maker says of them.

use std::collections::BTreeSet;

use godkend_protocol::bytes::{Blob, Fixed, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::{assertion_hash, attestation_challenge};
use godkend_protocol::types::{ALG_ECDH_ES, ALG_ES256, Attestation, DeviceKey, KeyPurpose, SecurityLevel};

use crate::app::App;
use crate::attestation::{
    self, AndroidRoots, AppAttestKey, AppleRoot, AttestationError, AttestationFacts, AttestationMode,
    AttestationPolicy, Environment, Evidence, KeyLevel, PolicyError, RevocationList, RevocationListError, Trust,
};
use crate::config::Config;
use crate::error::ApiError;
use crate::records::{AppAttest, EnrolledKey};

/// Judges attestations: the environment's policy and whom it trusts.
#[derive(Debug, Clone)]
pub struct Judge {
    /// The policy.
    pub policy: AttestationPolicy,
    /// Whom it trusts.
    pub trust: Trust,
}

/// Why there is no judge: correct `[attestation]`.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The section does not read as a policy.
    #[error("[attestation] does not fit: {0}")]
    Section(String),
    /// The policy must not be run.
    #[error("[attestation]: {0}")]
    Policy(#[from] PolicyError),
    /// The roots cannot be read: those for tests, or the built-in ones, which would be a fault of the program.
    #[error("the attestation roots cannot be read: {0}")]
    Roots(#[from] AttestationError),
    /// The revocation list cannot be read: fetch it again.
    #[error("the revocation list {path}: {reason}")]
    Revocation {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
}

/// The vendor's revocation list in the data folder, as published; optional, to be replaced daily.
const REVOCATION_FILE: &str = "attestation-status.json";

impl Judge {
    /// Reads the policy, and the revocation list `attestation-status.json` of the data folder if there is one.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub fn load(config: &Config) -> Result<Self, JudgeError> {
        let policy: AttestationPolicy = config
            .attestation
            .clone()
            .try_into()
            .map_err(|e: toml::de::Error| JudgeError::Section(e.message().trim_end_matches('.').to_owned()))?;
        policy.check(config.server.test_environment)?;
        let path = config.data_dir().join(REVOCATION_FILE);
        let wrong = |reason: String| JudgeError::Revocation { path: path.clone(), reason };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => "{\"entries\":{}}".to_owned(),
            Err(e) => return Err(wrong(e.to_string())),
        };
        let revoked = RevocationList::from_json(&text).map_err(|e: RevocationListError| wrong(e.to_string()))?;
        let mut trust = Trust::published(revoked)?;
        // The check above has seen that this is a test environment.
        if let Some(roots) = policy.android.as_ref().and_then(|android| android.test_roots.as_ref()) {
            trust.android = AndroidRoots::from_pem(roots)?;
        }
        if let Some(root) = policy.apple.as_ref().and_then(|apple| apple.test_root.as_ref()) {
            trust.apple = AppleRoot::from_pem(root)?;
        }
        Ok(Self { policy, trust })
    }

    /// The least protection of a possession key, as offers tell it to phones.
    #[must_use]
    pub fn least_security(&self) -> SecurityLevel {
        match (self.policy.mode, &self.policy.android) {
            (AttestationMode::Accepted | AttestationMode::SoftwareAllowed, _) => SecurityLevel::Software,
            (AttestationMode::Required, Some(android))
                if android.min_security_level == attestation::SecurityLevel::StrongBox
                    && self.policy.apple.is_none() =>
            {
                SecurityLevel::Dedicated
            }
            (AttestationMode::Required, _) => SecurityLevel::TrustedEnvironment,
        }
    }
}

/// Judges new keys: exactly those that `expect` names, each a point of the curve, no two alike, each attested as the
/// policy demands over the challenge of `nonce`, `subject` and its purpose.
///
/// `vouching` is the device's App Attest key, if it has one; the second result is what it is from now on, with the
/// counter of the last assertion: store it with the keys.
///
/// # Errors
/// [`Code::Malformed`] for keys that cannot be, [`Code::AttestationRefused`] for those that may not.
pub fn verify_keys(
    app: &App,
    keys: &[DeviceKey],
    nonce: &[u8; 32],
    subject: &Id,
    expect: &[KeyPurpose],
    vouching: Option<&AppAttest>,
) -> Result<(Vec<EnrolledKey>, Option<AppAttest>), ApiError> {
    judge_keys(&app.attestation, keys, nonce, subject, expect, vouching, app.now())
}

fn judge_keys(
    judge: &Judge,
    keys: &[DeviceKey],
    nonce: &[u8; 32],
    subject: &Id,
    expect: &[KeyPurpose],
    vouching: Option<&AppAttest>,
    now: i64,
) -> Result<(Vec<EnrolledKey>, Option<AppAttest>), ApiError> {
    check_shape(keys, expect)?;
    let mut app_attest = vouching.map(enrolled_vouching);
    let mut enrolled = Vec::with_capacity(keys.len());
    for key in keys {
        let facts = attested(judge, key, nonce, subject, app_attest.as_ref(), now).map_err(|error| {
            tracing::info!(reason = error.code(), "a key's attestation was refused");
            ApiError::from(Code::AttestationRefused)
        })?;
        let counter = match facts.evidence {
            Evidence::AppAttest(vouching) => {
                let counter = vouching.counter;
                app_attest = Some(vouching);
                Some(counter)
            }
            Evidence::Android(_) | Evidence::None => None,
        };
        let security = security(facts.level);
        enrolled.push(EnrolledKey { purpose: key.purpose, public: key.public, security, enrolled: now, counter });
    }
    Ok((enrolled, app_attest.map(stored_vouching)))
}

fn enrolled_vouching(stored: &AppAttest) -> AppAttestKey {
    AppAttestKey {
        public_key: stored.public.0,
        app_id: stored.app_id.clone(),
        environment: if stored.development { Environment::Development } else { Environment::Production },
        counter: stored.counter,
        receipt: stored.receipt.as_ref().map(|receipt| receipt.0.clone()),
    }
}

fn stored_vouching(key: AppAttestKey) -> AppAttest {
    AppAttest {
        public: Fixed(key.public_key),
        app_id: key.app_id,
        development: key.environment == Environment::Development,
        counter: key.counter,
        receipt: key.receipt.map(Blob),
    }
}

fn check_shape(keys: &[DeviceKey], expect: &[KeyPurpose]) -> Result<(), ApiError> {
    let purposes: BTreeSet<KeyPurpose> = keys.iter().map(|key| key.purpose).collect();
    let expected: BTreeSet<KeyPurpose> = expect.iter().copied().collect();
    let points: BTreeSet<_> = keys.iter().map(|key| key.public).collect();
    if purposes != expected || purposes.len() != keys.len() || points.len() != keys.len() {
        return Err(Code::Malformed.into());
    }
    let fits = |key: &DeviceKey| {
        let algorithm = match key.purpose {
            KeyPurpose::Possession | KeyPurpose::Biometric => ALG_ES256,
            KeyPurpose::Offline => ALG_ECDH_ES,
            // Neither is enrolled as a key of the phone's: one never leaves it, the other comes with the PIN.
            KeyPurpose::Pepper | KeyPurpose::Pin => return false,
        };
        key.algorithm == algorithm && crypto::is_valid_point(&key.public)
    };
    if keys.iter().all(fits) { Ok(()) } else { Err(Code::Malformed.into()) }
}

fn attested(
    judge: &Judge,
    key: &DeviceKey,
    nonce: &[u8; 32],
    subject: &Id,
    app_attest: Option<&AppAttestKey>,
    now: i64,
) -> Result<AttestationFacts, AttestationError> {
    let challenge = attestation_challenge(nonce, subject, key.purpose);
    let covered = assertion_hash(&challenge, &key.public);
    let blobs = |blobs: &[godkend_protocol::bytes::Blob]| blobs.iter().map(|blob| blob.0.clone()).collect();
    let shown = match &key.attestation {
        Attestation::Software => attestation::Attestation::Software,
        Attestation::Android { chain } => attestation::Attestation::Android { chain: blobs(chain) },
        Attestation::AppAttest { key_id, object: Some(object), assertion } => attestation::Attestation::AppAttest {
            key_id: key_id.0.clone(),
            object: object.0.clone(),
            assertion: assertion.0.clone(),
        },
        Attestation::AppAttest { object: None, assertion, .. } => {
            attestation::Attestation::AppAttestAssertion { assertion: assertion.0.clone() }
        }
    };
    let purpose = match key.purpose {
        KeyPurpose::Biometric => attestation::KeyPurpose::Biometric,
        KeyPurpose::Offline => attestation::KeyPurpose::Offline,
        KeyPurpose::Possession | KeyPurpose::Pepper | KeyPurpose::Pin => attestation::KeyPurpose::Possession,
    };
    let enrolment = attestation::Enrolment {
        purpose,
        public_key: key.public.as_bytes(),
        challenge: challenge.as_bytes(),
        transcript_hash: covered.as_bytes(),
        unlocked_device_required: true,
        app_attest,
    };
    attestation::verify(&shown, &enrolment, &judge.policy, &judge.trust, now)
}

const fn security(level: KeyLevel) -> SecurityLevel {
    match level {
        KeyLevel::Software => SecurityLevel::Software,
        // Apple vouches for app and device; that the key is in the Enclave rests on the app.
        KeyLevel::Tee | KeyLevel::Apple => SecurityLevel::TrustedEnvironment,
        KeyLevel::StrongBox => SecurityLevel::Dedicated,
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{PublicKey, Secret};

    use rcgen::KeyPair;

    use super::*;

    fn judge(mode: &str) -> Judge {
        let revoked = RevocationList::from_json("{\"entries\":{}}").unwrap();
        let policy = format!("mode = \"{mode}\"").parse::<toml::Table>().unwrap().try_into().unwrap();
        Judge { policy, trust: Trust::published(revoked).unwrap() }
    }

    fn point(seed: u8) -> PublicKey {
        crypto::p256_public(&Secret([seed; 32])).unwrap()
    }

    fn key(purpose: KeyPurpose, public: PublicKey) -> DeviceKey {
        let algorithm = if purpose == KeyPurpose::Offline { ALG_ECDH_ES } else { ALG_ES256 };
        DeviceKey { purpose, algorithm, public, attestation: Attestation::Software }
    }

    fn judged(mode: &str, keys: &[DeviceKey], expect: &[KeyPurpose]) -> Result<usize, Code> {
        let judged = judge_keys(&judge(mode), keys, &[0; 32], &Fixed([1; 16]), expect, None, 5);
        judged.map(|(keys, _)| keys.len()).map_err(|e| e.code)
    }

    #[test]
    fn exactly_the_expected_keys_are_taken() {
        use KeyPurpose::{Biometric, Offline, Pepper, Possession};
        let keys = [key(Possession, point(1)), key(Biometric, point(2)), key(Offline, point(3))];
        assert_eq!(judged("software_allowed", &keys, &[Possession, Biometric, Offline]), Ok(3));
        assert_eq!(judged("software_allowed", &keys, &[Possession, Biometric]), Err(Code::Malformed));
        assert_eq!(judged("software_allowed", &keys[..1], &[Possession, Biometric]), Err(Code::Malformed));
        let twice = [key(Possession, point(1)), key(Possession, point(2))];
        assert_eq!(judged("software_allowed", &twice, &[Possession]), Err(Code::Malformed));
        let same = [key(Possession, point(1)), key(Biometric, point(1))];
        assert_eq!(judged("software_allowed", &same, &[Possession, Biometric]), Err(Code::Malformed));
        assert_eq!(judged("software_allowed", &[key(Pepper, point(1))], &[Pepper]), Err(Code::Malformed));
    }

    #[test]
    fn points_off_the_curve_and_wrong_algorithms_are_refused() {
        use KeyPurpose::Possession;
        let mut off = point(1);
        off.0[64] ^= 1;
        assert_eq!(judged("software_allowed", &[key(Possession, off)], &[Possession]), Err(Code::Malformed));
        let mut wrong = key(Possession, point(1));
        wrong.algorithm = ALG_ECDH_ES;
        assert_eq!(judged("software_allowed", &[wrong], &[Possession]), Err(Code::Malformed));
    }

    const APP: &str = "TEAM123456.dk.godkend.app";

    /// An assertion by `signer` (Apple, "Validating apps that connect to your server") over one later key.
    fn assertion(signer: &KeyPair, counter: u32, key: &DeviceKey) -> Vec<u8> {
        let challenge = attestation_challenge(&[0; 32], &Fixed([1; 16]), key.purpose);
        let covered = assertion_hash(&challenge, &key.public);
        let data = [&attestation::app_id_hash(APP)[..], &[0], &counter.to_be_bytes()].concat();
        let nonce = crypto::sha256(&[&data, &covered.0]);
        let signature = rcgen::SigningKey::sign(signer, &nonce.0).unwrap();
        let mut encoder = minicbor::Encoder::new(Vec::new());
        encoder.map(2).unwrap().str("signature").unwrap().bytes(&signature).unwrap();
        encoder.str("authenticatorData").unwrap().bytes(&data).unwrap();
        encoder.into_writer()
    }

    #[test]
    fn an_assertion_alone_vouches_for_a_later_apple_key_once() {
        use KeyPurpose::Biometric;
        let mut judge = judge("accepted");
        judge.policy.apple = Some(format!("app_ids = [\"{APP}\"]").parse::<toml::Table>().unwrap().try_into().unwrap());
        let signer = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let public = Fixed::from_slice(rcgen::PublicKeyData::der_bytes(&signer)).unwrap();
        let device = AppAttest { public, app_id: APP.to_owned(), development: false, counter: 4, receipt: None };
        let vouched = |counter| {
            let mut key = key(Biometric, point(2));
            let assertion = assertion(&signer, counter, &key).into();
            key.attestation = Attestation::AppAttest { key_id: vec![].into(), object: None, assertion };
            key
        };
        let judged = |key: &DeviceKey, vouching: Option<&AppAttest>| {
            judge_keys(&judge, std::slice::from_ref(key), &[0; 32], &Fixed([1; 16]), &[Biometric], vouching, 5)
        };
        let (keys, raised) = judged(&vouched(5), Some(&device)).unwrap();
        assert_eq!((keys[0].security, keys[0].counter), (SecurityLevel::TrustedEnvironment, Some(5)));
        let raised = raised.unwrap();
        assert_eq!(raised, AppAttest { counter: 5, ..device.clone() });
        // Stored and read again, the counter that was used is void.
        let stored: AppAttest = serde_json::from_slice(&serde_json::to_vec(&raised).unwrap()).unwrap();
        let refused = |result: Result<_, ApiError>| result.map(|_: (Vec<_>, Option<_>)| ()).map_err(|e| e.code);
        assert_eq!(refused(judged(&vouched(5), Some(&stored))), Err(Code::AttestationRefused));
        assert_eq!(refused(judged(&vouched(6), None)), Err(Code::AttestationRefused));
        let mut moved = vouched(6);
        moved.public = point(3);
        assert_eq!(refused(judged(&moved, Some(&stored))), Err(Code::AttestationRefused));
        assert_eq!(refused(judged(&vouched(6), Some(&stored))), Ok(()));
    }

    #[test]
    fn software_is_refused_where_hardware_is_required() {
        use KeyPurpose::Possession;
        let keys = [key(Possession, point(1))];
        assert_eq!(judged("required", &keys, &[Possession]), Err(Code::AttestationRefused));
        let vouched = DeviceKey {
            attestation: Attestation::AppAttest { key_id: vec![].into(), object: None, assertion: vec![1].into() },
            ..keys[0].clone()
        };
        assert_eq!(judged("software_allowed", &[vouched], &[Possession]), Err(Code::AttestationRefused));
    }
}
