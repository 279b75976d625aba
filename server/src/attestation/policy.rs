//! Which attestations an environment accepts, as the configuration states it.

use serde::{Deserialize, Deserializer};

/// Where a key is held, as Android states it. Ordered from weakest to strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecurityLevel {
    /// In the operating system: an emulator.
    Software,
    /// In a trusted execution environment.
    Tee,
    /// In a discrete security chip.
    StrongBox,
}

/// What an environment demands of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationMode {
    /// A key without a valid hardware attestation is refused.
    Required,
    /// A key without an attestation is enrolled as [`super::KeyLevel::Software`], which the level policy must cap; an
    /// attestation that is given must be valid.
    Accepted,
    /// As `Accepted`, and a valid attestation may also state a software level. Test environments only.
    SoftwareAllowed,
}

/// The attestation policy of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestationPolicy {
    /// What is demanded of a key.
    pub mode: AttestationMode,
    /// Android phones; absent: none is accepted.
    pub android: Option<AndroidPolicy>,
    /// Apple phones; absent: none is accepted.
    pub apple: Option<ApplePolicy>,
}

/// What is demanded of an Android phone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AndroidPolicy {
    /// Package names of the app.
    pub packages: Vec<String>,
    /// SHA-256 of the app's signing certificates, 64 hexadecimal characters each.
    pub signer_digests: Vec<Digest>,
    /// The weakest level that is accepted.
    #[serde(default = "tee")]
    pub min_security_level: SecurityLevel,
    /// `verifiedBootKey` of operating systems that their makers signed themselves (GrapheneOS and the like), 64
    /// hexadecimal characters each. The boot loader must be locked all the same.
    #[serde(default)]
    pub boot_keys: Vec<Digest>,
    /// Whether phones whose factory-installed attestation certificate has run out are accepted, as Google advises:
    /// that key cannot be replaced, and revocation covers it. True by default.
    #[serde(default = "yes")]
    pub accept_expired_factory_certificates: bool,
    /// Roots in PEM that are trusted instead of Google's. Test environments only: whoever holds their keys makes phones.
    #[serde(default)]
    pub test_roots: Option<String>,
}

/// What is demanded of an Apple phone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplePolicy {
    /// App ids: team id, a full stop, bundle id.
    pub app_ids: Vec<String>,
    /// Whether builds for development are accepted. Test environments only.
    #[serde(default)]
    pub allow_development: bool,
    /// A root in PEM that is trusted instead of Apple's. Test environments only.
    #[serde(default)]
    pub test_root: Option<String>,
}

/// A policy that must not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Software keys or development builds outside a test environment.
    #[error("{0} is for test environments only")]
    TestOnly(&'static str),
    /// The policy would refuse every key of a platform that it names.
    #[error("{0} is empty: no key could ever be enrolled")]
    NothingAccepted(&'static str),
}

impl AttestationPolicy {
    /// Checks the policy before the server starts.
    ///
    /// # Errors
    /// [`PolicyError`] names the setting to change.
    pub fn check(&self, test_environment: bool) -> Result<(), PolicyError> {
        if self.mode == AttestationMode::SoftwareAllowed && !test_environment {
            return Err(PolicyError::TestOnly("mode = \"software_allowed\""));
        }
        if let Some(android) = &self.android {
            if android.min_security_level == SecurityLevel::Software && self.mode != AttestationMode::SoftwareAllowed {
                return Err(PolicyError::TestOnly("min_security_level = \"software\""));
            }
            if android.test_roots.is_some() && !test_environment {
                return Err(PolicyError::TestOnly("android.test_roots"));
            }
            if android.packages.is_empty() {
                return Err(PolicyError::NothingAccepted("android.packages"));
            }
            if android.signer_digests.is_empty() {
                return Err(PolicyError::NothingAccepted("android.signer_digests"));
            }
        }
        if let Some(apple) = &self.apple {
            if apple.allow_development && !test_environment {
                return Err(PolicyError::TestOnly("apple.allow_development"));
            }
            if apple.test_root.is_some() && !test_environment {
                return Err(PolicyError::TestOnly("apple.test_root"));
            }
            if apple.app_ids.is_empty() {
                return Err(PolicyError::NothingAccepted("apple.app_ids"));
            }
        }
        if self.mode == AttestationMode::Required && self.android.is_none() && self.apple.is_none() {
            return Err(PolicyError::NothingAccepted("the attestation policy"));
        }
        Ok(())
    }
}

/// A SHA-256 digest, written as 64 hexadecimal characters (colons allowed, as tools print fingerprints).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(text.replace(':', ""), &mut digest)
            .map_err(|_| serde::de::Error::custom("expected a SHA-256 digest of 64 hexadecimal characters"))?;
        Ok(Self(digest))
    }
}

fn tee() -> SecurityLevel {
    SecurityLevel::Tee
}

fn yes() -> bool {
    true
}
