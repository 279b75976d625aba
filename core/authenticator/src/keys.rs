//! What the core asks of a key store, and what it hears back.
//!
//! The core never sees a lasting private key: it names keys by alias, states the policy that a key must be
//! created under, and hands over bytes to sign. A phone's hardware, a desktop's software store and a test's
//! misbehaving one all answer the same [`KeyRequest`]s.

use godkend_protocol::bytes::{Hash32, PublicKey, Signature};
use godkend_protocol::types::{KeyPurpose, SecurityLevel};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names one key in a key store. Derived from the activation, so that orphans can be recognised and removed.
///
/// Form: `godkend.<16 hex digits of the identity>.<purpose>.<generation>`, ASCII, at most 64 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyAlias(pub String);

/// The conditions that a key is created under. A store that cannot meet one of them answers
/// [`KeyFailure::Unsupported`]; it never creates a weaker key instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPolicy {
    /// What the key is for: decides whether it signs, agrees or derives.
    pub purpose: KeyPurpose,
    /// The least protection that is acceptable.
    pub security: SecurityLevel,
    /// Each use needs a biometric match; new enrolments of a finger or face invalidate the key.
    pub biometric: bool,
    /// The phone must be unlocked at each use.
    pub unlocked: bool,
    /// Ask the hardware to attest the key over this challenge (32 bytes).
    pub attestation_challenge: Option<Hash32>,
}

/// A key that a store has created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedKey {
    /// The public key; for a derivation key (the pepper), none.
    pub public: Option<PublicKey>,
    /// How the hardware vouches for the key; what a software store says is [`godkend_protocol::types::Attestation::Software`].
    pub attestation: godkend_protocol::types::Attestation,
    /// The protection that the store says the key has.
    pub security: SecurityLevel,
}

/// Something that the core wants done with keys. Each is idempotent: asked again after a kill, it gives the same
/// result or a fresh key under the same alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyRequest {
    /// Create a key, replacing one that has the alias already.
    Create {
        /// The name of the new key.
        alias: KeyAlias,
        /// Its conditions.
        policy: KeyPolicy,
    },
    /// ECDSA over SHA-256 of `message`.
    Sign {
        /// The key to sign with.
        alias: KeyAlias,
        /// The message, unhashed.
        message: Vec<u8>,
        /// Text for the biometric prompt, where the key needs one.
        prompt: Option<String>,
    },
    /// A keyed function of 32 bytes, the same for the key's life and different for every key.
    Derive {
        /// The derivation key.
        alias: KeyAlias,
        /// The input.
        input: SecretBytes32,
    },
    /// ECDH: the x-coordinate shared with `point`.
    Agree {
        /// The agreement key.
        alias: KeyAlias,
        /// The other side's point.
        point: PublicKey,
        /// Text for the biometric prompt.
        prompt: Option<String>,
    },
    /// Remove keys; a missing one is no error.
    Delete {
        /// The keys to remove.
        aliases: Vec<KeyAlias>,
    },
}

/// A key store's answer to the [`KeyRequest`] of the same kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyReply {
    /// To [`KeyRequest::Create`].
    Created(CreatedKey),
    /// To [`KeyRequest::Sign`]: raw `r || s`, either s; the core normalises.
    Signed(Signature),
    /// To [`KeyRequest::Derive`].
    Derived(SecretBytes32),
    /// To [`KeyRequest::Agree`].
    Agreed(SecretBytes32),
    /// To [`KeyRequest::Delete`].
    Deleted,
}

/// Why a key store did not do what was asked; each is something a person can act on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyFailure {
    /// The person cancelled the prompt.
    #[error("the prompt was cancelled")]
    Cancelled,
    /// The finger or face was not recognised, or the phone was not unlocked.
    #[error("not authenticated")]
    NotAuthenticated,
    /// Too many failed matches: the hardware is locked out for now.
    #[error("the hardware is locked out for now")]
    LockedOut,
    /// A new fingerprint or face invalidated the key for good.
    #[error("the key was invalidated")]
    Invalidated,
    /// No key has this alias: a restored backup, or data cleared.
    #[error("the key is missing")]
    Missing,
    /// The store cannot create a key under this policy, or has no such operation.
    #[error("the key store cannot do this")]
    Unsupported,
    /// Anything else; worth one retry.
    #[error("the key store failed")]
    Failed,
}

/// 32 secret bytes, wiped when dropped and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes32(pub [u8; 32]);

impl core::fmt::Debug for SecretBytes32 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[redacted]")
    }
}
