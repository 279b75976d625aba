//! The phone's key hardware, as an app implements it.

use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::keys::{self as port, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_protocol::bytes::{Blob, Fixed, PublicKey, Signature};
use godkend_protocol::types::{self, KeyPurpose};
use godkend_protocol::{crypto, hardware};

use crate::config::KeySecurity;
use crate::secret::SecretBytes;

/// What a key does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum KeyKind {
    /// ECDSA on P-256 over SHA-256.
    Sign,
    /// ECDH on P-256.
    Agree,
    /// A keyed function of 32 bytes: HMAC-SHA-256, or ECDH with `hash_to_curve` of the input where there is no HMAC.
    Derive,
}

/// The conditions that a key is created under. A key that misses one of them is never made.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct KeyConditions {
    /// What it does.
    pub kind: KeyKind,
    /// The least protection that is acceptable.
    pub security: KeySecurity,
    /// Each use needs a strong biometric match, and a newly enrolled finger or face invalidates the key.
    pub biometric: bool,
    /// The phone must be unlocked at each use.
    pub unlocked: bool,
    /// Attest the key over this challenge: 32 bytes.
    pub attestation_challenge: Option<Vec<u8>>,
}

/// How the hardware vouches for a key.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Attestation {
    /// Nothing vouches for it: test environments only, and keys that no attestation was asked for.
    None,
    /// Android key attestation: certificates as DER, leaf first.
    Android {
        /// The chain.
        chain: Vec<Vec<u8>>,
    },
    /// Apple App Attest: an assertion that covers the key.
    AppAttest {
        /// The App Attest key's identifier, decoded from Base64.
        key_id: Vec<u8>,
        /// The attestation object, whose client data hash is the challenge; with the first key only.
        object: Option<Vec<u8>>,
        /// The assertion, whose client data hash is `app_attest_hash` of challenge and public key.
        assertion: Vec<u8>,
    },
}

/// A key that was created.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct CreatedKey {
    /// The public key, as an uncompressed point (65 bytes) or as DER SubjectPublicKeyInfo; none for `Derive`.
    pub public_key: Option<Vec<u8>>,
    /// How the hardware vouches for it.
    pub attestation: Attestation,
    /// The protection that it has.
    pub security: KeySecurity,
}

/// Why the hardware did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
pub enum KeyError {
    /// The person cancelled the prompt.
    #[error("the prompt was cancelled")]
    Cancelled,
    /// The finger or face was not recognised.
    #[error("not authenticated")]
    NotAuthenticated,
    /// Too many failed matches: locked out for now.
    #[error("locked out")]
    LockedOut,
    /// A new finger or face has invalidated the key for good.
    #[error("the key was invalidated")]
    Invalidated,
    /// No key has this alias.
    #[error("the key is missing")]
    Missing,
    /// A dedicated chip was asked for and this phone has none.
    #[error("no dedicated chip")]
    StrongBoxMissing,
    /// This phone's hardware has no ECDH.
    #[error("no key agreement")]
    NoAgreement,
    /// The hardware cannot meet another of the conditions: no sensor, no screen lock.
    #[error("not supported")]
    NotSupported,
    /// Anything else. Asked once more before the call fails.
    #[error("failed: {detail}")]
    Failed {
        /// For the developer's log, in English; no secrets.
        detail: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for KeyError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { detail: error.reason }
    }
}

impl From<KeyError> for KeyFailure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Cancelled => Self::Cancelled,
            KeyError::NotAuthenticated => Self::NotAuthenticated,
            KeyError::LockedOut => Self::LockedOut,
            KeyError::Invalidated => Self::Invalidated,
            KeyError::Missing => Self::Missing,
            KeyError::StrongBoxMissing | KeyError::NoAgreement | KeyError::NotSupported => Self::Unsupported,
            KeyError::Failed { detail } => {
                tracing::warn!(detail, "the key store failed");
                Self::Failed
            }
        }
    }
}

impl From<KeyFailure> for KeyError {
    fn from(failure: KeyFailure) -> Self {
        match failure {
            KeyFailure::Cancelled => Self::Cancelled,
            KeyFailure::NotAuthenticated => Self::NotAuthenticated,
            KeyFailure::LockedOut => Self::LockedOut,
            KeyFailure::Invalidated => Self::Invalidated,
            KeyFailure::Missing => Self::Missing,
            KeyFailure::Unsupported => Self::NotSupported,
            KeyFailure::Failed => Self::Failed { detail: "the software keys failed".to_owned() },
        }
    }
}

/// The phone's key hardware. An app implements it on Android Keystore or the Secure Enclave; `Desktop.keys` plays it.
///
/// Aliases are ASCII, at most 64 characters, and begin with `godkend.`. Every method may take as long as a person
/// needs, and is called without a lock held. `prompt` is the text of the system's biometric prompt: who asks for what.
#[uniffi::export(rust, foreign)]
#[async_trait]
pub trait HardwareKeys: Send + Sync {
    /// Creates a key under exactly these conditions, replacing one that has the alias. Durable before it returns.
    async fn create(&self, alias: String, conditions: KeyConditions) -> Result<CreatedKey, KeyError>;

    /// Signs: ECDSA over SHA-256 of the message, as DER (what Android and Apple give).
    async fn sign(&self, alias: String, message: Vec<u8>, prompt: Option<String>) -> Result<Vec<u8>, KeyError>;

    /// The keyed function of 32 bytes: 32 bytes, the same for the key's life.
    async fn derive(&self, alias: String, input: SecretBytes) -> Result<SecretBytes, KeyError>;

    /// ECDH with an uncompressed point (65 bytes): the shared x-coordinate, 32 bytes.
    async fn agree(&self, alias: String, point: Vec<u8>, prompt: Option<String>) -> Result<SecretBytes, KeyError>;

    /// Removes keys. One that is not there is no error.
    async fn delete(&self, aliases: Vec<String>) -> Result<(), KeyError>;

    /// The aliases of all keys that begin with `godkend.`.
    async fn aliases(&self) -> Result<Vec<String>, KeyError>;
}

/// The app's hardware, as the client asks for it.
pub(crate) struct Hardware(pub(crate) Arc<dyn HardwareKeys>);

impl Hardware {
    async fn created(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<port::CreatedKey, KeyFailure> {
        let conditions = KeyConditions {
            kind: kind(policy.purpose),
            security: policy.security.into(),
            biometric: policy.biometric,
            unlocked: policy.unlocked,
            attestation_challenge: policy.attestation_challenge.map(|challenge| challenge.0.to_vec()),
        };
        let created = self.0.create(alias.0, conditions).await?;
        // The port's promise, whoever implements it: never weaker than asked.
        if types::SecurityLevel::from(created.security) < policy.security {
            return Err(KeyFailure::Unsupported);
        }
        let public = match (created.public_key, policy.purpose) {
            (_, KeyPurpose::Pepper) => None,
            (Some(bytes), _) => Some(point(&bytes).ok_or_else(|| failed("the public key is no point of P-256"))?),
            (None, _) => return Err(failed("the public key is missing")),
        };
        let attestation = match created.attestation {
            Attestation::None => types::Attestation::Software,
            Attestation::Android { chain } => {
                types::Attestation::Android { chain: chain.into_iter().map(Blob).collect() }
            }
            Attestation::AppAttest { key_id, object, assertion } => types::Attestation::AppAttest {
                key_id: Blob(key_id),
                object: object.map(Blob),
                assertion: Blob(assertion),
            },
        };
        Ok(port::CreatedKey { public, attestation, security: created.security.into() })
    }
}

#[async_trait]
impl port::HardwareKeys for Hardware {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<port::CreatedKey, KeyFailure> {
        self.created(alias, policy).await
    }

    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        let der = self.0.sign(alias.0, message, prompt).await?;
        hardware::signature_from_der(&der).ok_or_else(|| failed("the signature is not DER"))
    }

    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        let derived = self.0.derive(alias.0, (&input).into()).await?;
        derived.to_32().ok_or_else(|| failed("what was derived is not 32 bytes"))
    }

    async fn agree(
        &self,
        alias: KeyAlias,
        point: PublicKey,
        prompt: Option<String>,
    ) -> Result<SecretBytes32, KeyFailure> {
        let shared = self.0.agree(alias.0, point.0.to_vec(), prompt).await?;
        shared.to_32().ok_or_else(|| failed("what was agreed is not 32 bytes"))
    }

    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        Ok(self.0.delete(aliases.into_iter().map(|alias| alias.0).collect()).await?)
    }

    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        Ok(self.0.aliases().await?.into_iter().map(KeyAlias).collect())
    }
}

/// Keys in software, as an app sees them.
pub(crate) struct Software(pub(crate) Arc<godkend_client::software_keys::SoftwareKeys>);

#[async_trait]
impl HardwareKeys for Software {
    async fn create(&self, alias: String, conditions: KeyConditions) -> Result<CreatedKey, KeyError> {
        let purpose = match (conditions.kind, conditions.biometric) {
            (KeyKind::Sign, false) => KeyPurpose::Possession,
            (KeyKind::Sign, true) => KeyPurpose::Biometric,
            (KeyKind::Agree, _) => KeyPurpose::Offline,
            (KeyKind::Derive, _) => KeyPurpose::Pepper,
        };
        let policy = KeyPolicy {
            purpose,
            security: conditions.security.into(),
            biometric: conditions.biometric,
            unlocked: conditions.unlocked,
            attestation_challenge: conditions.attestation_challenge.and_then(|bytes| Fixed::from_slice(&bytes)),
        };
        let created = port::HardwareKeys::create(&*self.0, KeyAlias(alias), policy).await?;
        Ok(CreatedKey {
            public_key: created.public.map(|key| key.0.to_vec()),
            attestation: Attestation::None,
            security: created.security.into(),
        })
    }

    async fn sign(&self, alias: String, message: Vec<u8>, prompt: Option<String>) -> Result<Vec<u8>, KeyError> {
        let signature = port::HardwareKeys::sign(&*self.0, KeyAlias(alias), message, prompt).await?;
        hardware::signature_to_der(&signature)
            .ok_or_else(|| KeyError::Failed { detail: "the signature is none".to_owned() })
    }

    async fn derive(&self, alias: String, input: SecretBytes) -> Result<SecretBytes, KeyError> {
        let input = input.to_32().ok_or(KeyError::NotSupported)?;
        let derived = port::HardwareKeys::derive(&*self.0, KeyAlias(alias), input).await?;
        Ok((&derived).into())
    }

    async fn agree(&self, alias: String, point: Vec<u8>, prompt: Option<String>) -> Result<SecretBytes, KeyError> {
        let point = PublicKey::from_slice(&point).ok_or(KeyError::NotSupported)?;
        let shared = port::HardwareKeys::agree(&*self.0, KeyAlias(alias), point, prompt).await?;
        Ok((&shared).into())
    }

    async fn delete(&self, aliases: Vec<String>) -> Result<(), KeyError> {
        Ok(port::HardwareKeys::delete(&*self.0, aliases.into_iter().map(KeyAlias).collect()).await?)
    }

    async fn aliases(&self) -> Result<Vec<String>, KeyError> {
        let aliases = port::HardwareKeys::aliases(&*self.0).await?;
        Ok(aliases.into_iter().map(|alias| alias.0).collect())
    }
}

const fn kind(purpose: KeyPurpose) -> KeyKind {
    match purpose {
        KeyPurpose::Possession | KeyPurpose::Biometric | KeyPurpose::Pin => KeyKind::Sign,
        KeyPurpose::Offline => KeyKind::Agree,
        KeyPurpose::Pepper => KeyKind::Derive,
    }
}

fn point(bytes: &[u8]) -> Option<PublicKey> {
    let point = PublicKey::from_slice(bytes).or_else(|| crypto::point_from_spki(bytes))?;
    crypto::is_valid_point(&point).then_some(point)
}

fn failed(detail: &'static str) -> KeyFailure {
    tracing::error!(detail, "the key store answered wrongly");
    KeyFailure::Failed
}
