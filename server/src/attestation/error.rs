//! Why an attestation was refused.

/// A refusal. [`AttestationError::code`] is stable and safe to send to the app; nothing here holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The bytes are not what the platform's format says. A defect in the app or tampering: do not retry.
    #[error("the attestation is malformed: {0}")]
    Malformed(&'static str),
    /// More certificates or bytes than any real attestation has.
    #[error("the attestation is larger than any real one")]
    TooLarge,
    /// The chain does not end in a root that this server trusts. Another device is needed.
    #[error("the attestation does not end in a trusted root")]
    UntrustedRoot,
    /// A name, constraint or signature in the chain is wrong. `0` counts certificates from the leaf, from 0.
    #[error("certificate {0} of the attestation was not issued by the next one")]
    BrokenChain(usize),
    /// A certificate is not valid at the server's time. Remotely provisioned phones fetch a new one: retry later.
    #[error("certificate {0} of the attestation is not valid now")]
    NotValidNow(usize),
    /// The vendor has revoked or suspended a key of the chain. Another device is needed.
    #[error("the attestation key with serial number {serial} is revoked")]
    Revoked {
        /// Serial number in lower-case hexadecimal without leading zeros.
        serial: String,
    },
    /// The leaf carries no attestation.
    #[error("the key's certificate carries no attestation")]
    NoAttestation,
    /// More than the leaf carries an attestation: the chain was extended with a forged one.
    #[error("more than the key's own certificate carries an attestation")]
    ForgedAttestation,
    /// The challenge is not the one of this activation. Create the key anew with the right challenge.
    #[error("the attestation answers another challenge")]
    WrongChallenge,
    /// The key is held less securely than the policy asks.
    #[error("the key is held at a lower security level than the policy asks")]
    SecurityLevelTooLow,
    /// The levels named by the key, the attestation and the vendor's certificate disagree.
    #[error("the attestation contradicts itself about its security level")]
    SecurityLevelMismatch,
    /// The boot loader is unlocked, or the operating system is not one that the policy accepts.
    #[error("the device was not booted with an accepted operating system: {0}")]
    BootRefused(&'static str),
    /// The key was imported or derived: it has existed outside the hardware.
    #[error("the key was not generated in the hardware")]
    WrongOrigin,
    /// The key may do more than, or other than, its purpose.
    #[error("the key is attested for another purpose")]
    WrongPurpose,
    /// Not an EC key on P-256.
    #[error("the key is not an EC key on P-256")]
    WrongAlgorithm,
    /// The key's user authentication is not what its purpose demands.
    #[error("the key's user authentication is not what its purpose asks: {0}")]
    WrongUserAuthentication(&'static str),
    /// The key was made by another app, or by this app signed by somebody else.
    #[error("the key was made by another app")]
    WrongApp,
    /// The attestation is for another key than the one being enrolled.
    #[error("the attestation is for another key")]
    WrongKey,
    /// App Attest: a development attestation where only production is accepted.
    #[error("the attestation comes from an environment that is not accepted")]
    WrongEnvironment,
    /// App Attest: the counter is not zero in an attestation, or not higher than the last one in an assertion.
    #[error("the assertion's counter was used before")]
    CounterReused,
    /// App Attest: the assertion does not cover this transcript.
    #[error("the assertion does not cover this message")]
    BadAssertion,
    /// The policy demands an attestation and there is none.
    #[error("this server enrols only keys with an attestation")]
    AttestationRequired,
    /// The policy has no section for this platform.
    #[error("this server does not enrol keys of this platform")]
    PlatformNotAccepted,
}

impl AttestationError {
    /// A code that never changes, for the app and for the audit log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "attestation_malformed",
            Self::TooLarge => "attestation_too_large",
            Self::UntrustedRoot => "attestation_untrusted_root",
            Self::BrokenChain(_) => "attestation_broken_chain",
            Self::NotValidNow(_) => "attestation_not_valid_now",
            Self::Revoked { .. } => "attestation_revoked",
            Self::NoAttestation => "attestation_absent",
            Self::ForgedAttestation => "attestation_forged",
            Self::WrongChallenge => "attestation_wrong_challenge",
            Self::SecurityLevelTooLow => "attestation_level_too_low",
            Self::SecurityLevelMismatch => "attestation_level_mismatch",
            Self::BootRefused(_) => "attestation_boot_refused",
            Self::WrongOrigin => "attestation_wrong_origin",
            Self::WrongPurpose => "attestation_wrong_purpose",
            Self::WrongAlgorithm => "attestation_wrong_algorithm",
            Self::WrongUserAuthentication(_) => "attestation_wrong_user_authentication",
            Self::WrongApp => "attestation_wrong_app",
            Self::WrongKey => "attestation_wrong_key",
            Self::WrongEnvironment => "attestation_wrong_environment",
            Self::CounterReused => "attestation_counter_reused",
            Self::BadAssertion => "attestation_bad_assertion",
            Self::AttestationRequired => "attestation_required",
            Self::PlatformNotAccepted => "attestation_platform_not_accepted",
        }
    }
}
