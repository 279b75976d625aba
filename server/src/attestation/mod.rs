//! Key attestation: proof from the phone's maker that a key lives in hardware, belongs to our app and asks for the user
//! as its purpose demands. Pure functions: no clock, no network, no file.
//!
//! [`verify`] judges one enrolled key under an environment's [`AttestationPolicy`]. Android attests each key; Apple
//! attests only its App Attest key, whose assertion over the transcript vouches for the others.

pub mod android;
pub mod apple;
mod chain;
mod error;
mod key_description;
pub mod policy;
mod revocation;
#[cfg(test)]
mod tests;

pub use android::{AndroidExpectation, AndroidFacts, AndroidRoots, verify_android};
pub use apple::{
    AppAttestExpectation, AppleFacts, AppleRoot, Environment, app_id_hash, verify_app_attest,
    verify_app_attest_assertion,
};
pub use error::AttestationError;
pub use policy::{AndroidPolicy, ApplePolicy, AttestationMode, AttestationPolicy, Digest, PolicyError, SecurityLevel};
pub use revocation::{RevocationList, RevocationListError};

use android::{KeyUsage, UserAuthentication};

/// What an app sends with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// No attestation: a key in software, or a platform that has none.
    Software,
    /// Android: the certificate chain in DER, leaf first.
    Android {
        /// Each certificate in DER, leaf first, root last.
        chain: Vec<Vec<u8>>,
    },
    /// Apple, first enrolment: a new App Attest key, and its assertion over the transcript.
    AppAttest {
        /// SHA-256 of the App Attest key, as `generateKey` returned it.
        key_id: Vec<u8>,
        /// The attestation object over the challenge.
        object: Vec<u8>,
        /// The assertion over the transcript hash.
        assertion: Vec<u8>,
    },
    /// Apple, a later key: an assertion by the App Attest key that is enrolled already.
    AppAttestAssertion {
        /// The assertion over the transcript hash.
        assertion: Vec<u8>,
    },
}

/// What an enrolled key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Signs without asking for the user.
    Possession,
    /// Signs after a biometric, at each use.
    Biometric,
    /// Agrees (ECDH) after a biometric, at each use.
    Offline,
}

/// What the server knows of the key that is being enrolled.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment<'a> {
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// The key as the app sent it: an uncompressed SEC1 point on P-256.
    pub public_key: &'a [u8; 65],
    /// The attestation challenge of this activation and purpose. For App Attest it is the client data hash.
    pub challenge: &'a [u8; 32],
    /// Hash of the transcript, which must name every key that is enrolled: an App Attest assertion covers it.
    pub transcript_hash: &'a [u8; 32],
    /// Whether the key must refuse to work on a locked screen (Android; Apple cannot attest it).
    pub unlocked_device_required: bool,
    /// The App Attest key of this device, if one is enrolled.
    pub app_attest: Option<&'a AppAttestKey>,
}

/// An enrolled App Attest key. Store it; replace it whenever [`verify`] returns a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppAttestKey {
    /// Uncompressed SEC1 point on P-256.
    pub public_key: [u8; 65],
    /// The app id that made it.
    pub app_id: String,
    /// The environment that attested it.
    pub environment: Environment,
    /// Counter of the last assertion accepted.
    pub counter: u32,
    /// Apple's receipt, as received.
    pub receipt: Option<Vec<u8>>,
}

/// Where a key is held, as far as it was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLevel {
    /// Nothing was proved, or a software level was.
    Software,
    /// Android, trusted execution environment.
    Tee,
    /// Android, discrete security chip.
    StrongBox,
    /// Apple: the app is genuine on a genuine device and vouches for the key. That the key is in the Secure Enclave,
    /// and when it asks for the user, rests on the app.
    Apple,
}

impl KeyLevel {
    /// The level's name in policies and in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Tee => "tee",
            Self::StrongBox => "strongbox",
            Self::Apple => "apple",
        }
    }
}

/// What an accepted attestation proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationFacts {
    /// Where the key is held.
    pub level: KeyLevel,
    /// The platform's own facts.
    pub evidence: Evidence,
}

/// The platform's own facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// There was no attestation.
    None,
    /// Android's.
    Android(AndroidFacts),
    /// Apple's: the key to store, with its new counter.
    AppAttest(AppAttestKey),
}

/// Whom the server trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Google's roots.
    pub android: AndroidRoots,
    /// Apple's root.
    pub apple: AppleRoot,
    /// Google's revocation list; replace it daily.
    pub revoked: RevocationList,
}

impl Trust {
    /// The vendors' published roots and the given revocation list.
    ///
    /// # Errors
    /// Never, as the tests show; the roots are part of the program.
    pub fn published(revoked: RevocationList) -> Result<Self, AttestationError> {
        Ok(Self { android: AndroidRoots::google()?, apple: AppleRoot::apple()?, revoked })
    }
}

/// Judges the attestation of one key at `now_unix` (seconds).
///
/// # Errors
/// The first refusal, with a stable code; the key must not be enrolled then.
pub fn verify(
    attestation: &Attestation,
    enrolment: &Enrolment<'_>,
    policy: &AttestationPolicy,
    trust: &Trust,
    now_unix: i64,
) -> Result<AttestationFacts, AttestationError> {
    match attestation {
        Attestation::Software => match policy.mode {
            AttestationMode::Required => Err(AttestationError::AttestationRequired),
            AttestationMode::Accepted | AttestationMode::SoftwareAllowed => {
                Ok(AttestationFacts { level: KeyLevel::Software, evidence: Evidence::None })
            }
        },
        Attestation::Android { chain } => android_key(chain, enrolment, policy, trust, now_unix),
        Attestation::AppAttest { key_id, object, assertion } => {
            let expect = apple_expectation(policy)?;
            let facts = verify_app_attest(object, key_id, enrolment.challenge, &expect, &trust.apple, now_unix)?;
            let attested = AppAttestKey {
                public_key: facts.public_key,
                app_id: facts.app_id,
                environment: facts.environment,
                counter: facts.counter,
                receipt: facts.receipt,
            };
            vouched_key(assertion, &attested, enrolment)
        }
        Attestation::AppAttestAssertion { assertion } => {
            let expect = apple_expectation(policy)?;
            let attested = enrolment.app_attest.ok_or(AttestationError::AttestationRequired)?;
            // The policy may have become stricter since that key was enrolled.
            if !expect.app_ids.contains(&attested.app_id) {
                return Err(AttestationError::WrongApp);
            }
            if attested.environment == Environment::Development && !expect.allow_development {
                return Err(AttestationError::WrongEnvironment);
            }
            vouched_key(assertion, attested, enrolment)
        }
    }
}

fn android_key(
    chain: &[Vec<u8>],
    enrolment: &Enrolment<'_>,
    policy: &AttestationPolicy,
    trust: &Trust,
    now_unix: i64,
) -> Result<AttestationFacts, AttestationError> {
    let android = policy.android.as_ref().ok_or(AttestationError::PlatformNotAccepted)?;
    let floor = match policy.mode {
        AttestationMode::SoftwareAllowed => SecurityLevel::Software,
        AttestationMode::Required | AttestationMode::Accepted => SecurityLevel::Tee,
    };
    let (usage, user_authentication) = match enrolment.purpose {
        KeyPurpose::Possession => (KeyUsage::Sign, UserAuthentication::NotDemanded),
        KeyPurpose::Biometric => (KeyUsage::Sign, UserAuthentication::BiometricPerUse),
        KeyPurpose::Offline => (KeyUsage::Agree, UserAuthentication::BiometricPerUse),
    };
    let expect = AndroidExpectation {
        challenge: enrolment.challenge,
        usage,
        user_authentication,
        unlocked_device_required: enrolment.unlocked_device_required,
        min_security_level: android.min_security_level.max(floor),
        packages: &android.packages,
        signer_digests: &android.signer_digests,
        boot_keys: &android.boot_keys,
        accept_expired_factory_certificates: android.accept_expired_factory_certificates,
    };
    let facts = verify_android(chain, &expect, &trust.android, &trust.revoked, now_unix)?;
    if facts.public_key != *enrolment.public_key {
        return Err(AttestationError::WrongKey);
    }
    Ok(AttestationFacts {
        level: match facts.level {
            SecurityLevel::Software => KeyLevel::Software,
            SecurityLevel::Tee => KeyLevel::Tee,
            SecurityLevel::StrongBox => KeyLevel::StrongBox,
        },
        evidence: Evidence::Android(facts),
    })
}

fn apple_expectation(policy: &AttestationPolicy) -> Result<AppAttestExpectation<'_>, AttestationError> {
    let apple = policy.apple.as_ref().ok_or(AttestationError::PlatformNotAccepted)?;
    Ok(AppAttestExpectation { app_ids: &apple.app_ids, allow_development: apple.allow_development })
}

fn vouched_key(
    assertion: &[u8],
    attested: &AppAttestKey,
    enrolment: &Enrolment<'_>,
) -> Result<AttestationFacts, AttestationError> {
    let counter = verify_app_attest_assertion(
        assertion,
        enrolment.transcript_hash,
        &attested.public_key,
        &app_id_hash(&attested.app_id),
        attested.counter,
    )?;
    Ok(AttestationFacts {
        level: KeyLevel::Apple,
        evidence: Evidence::AppAttest(AppAttestKey { counter, ..attested.clone() }),
    })
}
