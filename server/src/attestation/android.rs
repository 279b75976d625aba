//! Android key attestation (source.android.com, "Key and ID attestation"; developer.android.com, "Verify
//! hardware-backed key pairs with key attestation").

use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::X509Name;

use super::chain::{self, Leniency, TrustAnchor};
use super::key_description::{ApplicationId, AuthorizationList, KeyDescription, RootOfTrust};
use super::policy::{Digest, SecurityLevel};
use super::{AttestationError, RevocationList};

/// What a key's attestation must say.
#[derive(Debug, Clone)]
pub struct AndroidExpectation<'a> {
    /// The attestation challenge, byte for byte.
    pub challenge: &'a [u8],
    /// What the key may do, and nothing else.
    pub usage: KeyUsage,
    /// When the key asks for the user.
    pub user_authentication: UserAuthentication,
    /// Whether the key must refuse to work on a locked screen.
    pub unlocked_device_required: bool,
    /// The weakest level accepted. Below [`SecurityLevel::Tee`] the boot state means nothing and is not judged.
    pub min_security_level: SecurityLevel,
    /// Package names accepted.
    pub packages: &'a [String],
    /// SHA-256 of signing certificates accepted.
    pub signer_digests: &'a [Digest],
    /// `verifiedBootKey` of self-signed operating systems accepted.
    pub boot_keys: &'a [Digest],
    /// Whether factory-provisioned certificates may have run out.
    pub accept_expired_factory_certificates: bool,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsage {
    /// ECDSA signatures.
    Sign,
    /// ECDH.
    Agree,
}

/// When a key asks for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserAuthentication {
    /// It need not.
    NotDemanded,
    /// At each use, by a biometric of class 3; the screen lock's secret does not do.
    BiometricPerUse,
}

/// What an accepted attestation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndroidFacts {
    /// Where the key is held.
    pub level: SecurityLevel,
    /// The attested key, an uncompressed SEC1 point on P-256.
    pub public_key: [u8; 65],
    /// How the device was booted; `None` at the software level.
    pub boot: Option<Boot>,
    /// Android's version, `MMmmss`; absent on self-made systems.
    pub os_version: Option<u64>,
    /// Android's security patch level, `YYYYMM`.
    pub os_patch_level: Option<u64>,
    /// The package that made the key.
    pub package: String,
    /// How the attestation key came into the phone.
    pub provisioning: Provisioning,
    /// Version of the attestation's schema: 1 to 4 Keymaster, 100 times KeyMint's version after that.
    pub attestation_version: u64,
}

/// How a device was booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// The maker's operating system.
    Verified,
    /// Another operating system, signed with this accepted key.
    SelfSigned(Digest),
}

/// How the attestation key came into the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioning {
    /// Installed in the factory, for the phone's life.
    Factory,
    /// Fetched and renewed every few weeks.
    Remote,
}

/// The roots that Android chains may end in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AndroidRoots(Vec<TrustAnchor>);

impl AndroidRoots {
    /// Google's two hardware attestation roots: RSA 4096 (`serialNumber=f92009e853b6b045`) and P-384 (`Key Attestation
    /// CA1`, in use since 2026).
    ///
    /// # Errors
    /// Never, as the tests show; the certificates are part of the program.
    pub fn google() -> Result<Self, AttestationError> {
        Self::from_pem(concat!(include_str!("roots/google-rsa-4096.pem"), include_str!("roots/google-p384.pem")))
    }

    /// Roots from a PEM text, for test environments.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] if there is none or one does not parse.
    pub fn from_pem(text: &str) -> Result<Self, AttestationError> {
        TrustAnchor::from_pem(text).map(Self)
    }
}

/// Verifies a key attestation chain (DER, leaf first, root last) at `now_unix` (seconds).
///
/// # Errors
/// The first refusal; nothing of a refused attestation may be used.
pub fn verify_android(
    chain_der: &[Vec<u8>],
    expect: &AndroidExpectation<'_>,
    roots: &AndroidRoots,
    revoked: &RevocationList,
    now_unix: i64,
) -> Result<AndroidFacts, AttestationError> {
    let chain = chain::parse(chain_der.iter().map(Vec::as_slice))?;
    let Some((root, path)) = chain.split_last() else {
        return Err(AttestationError::Malformed("an empty chain"));
    };
    let (Some(leaf), Some(issuer), Some(top)) = (path.first(), path.get(1), path.last()) else {
        return Err(AttestationError::Malformed("a chain of fewer than three certificates"));
    };
    let anchor = roots.0.iter().find(|anchor| anchor.is(root)).ok_or(AttestationError::UntrustedRoot)?;
    let provisioning = match attribute(top.subject(), &oid!(2.5.4.5)) {
        Some(_) => Provisioning::Factory,
        None => Provisioning::Remote,
    };
    let factory = provisioning == Provisioning::Factory;
    let lenient = Leniency {
        // The phone's own clock sets the leaf's dates, so they prove nothing and are often wrong.
        leaf_dates: true,
        expired_issuers: factory && expect.accept_expired_factory_certificates,
        // Phones made before 2018 or so carry such issuers. `only_attestation` keeps attested keys from issuing.
        unmarked_issuer: factory,
    };
    chain::verify(path, anchor, now_unix, lenient)?;
    refuse_revoked(&chain, revoked)?;
    let description = KeyDescription::parse(only_attestation(&chain)?)?;
    let facts = AndroidFacts {
        level: judge_level(&description, issuer, top, provisioning, expect)?,
        public_key: judge_key(leaf, &description, expect)?,
        boot: judge_boot(&description, expect)?,
        os_version: description.enforced().os_version,
        os_patch_level: description.enforced().os_patch_level,
        package: judge_app(&description, expect)?,
        provisioning,
        attestation_version: description.version,
    };
    judge_user_authentication(&description, expect)?;
    Ok(facts)
}

const ATTESTATION: Oid<'static> = oid!(1.3.6.1.4.1.11129.2.1.17);

/// The content of the one attestation extension of the whole chain, which the leaf must carry: an attested key that
/// signs a further certificate with an attestation of its own invention adds a second one, or leaves the leaf without.
fn only_attestation<'a>(chain: &'a [X509Certificate<'_>]) -> Result<&'a [u8], AttestationError> {
    let mut found = chain.iter().enumerate().flat_map(|(index, certificate)| {
        certificate
            .extensions()
            .iter()
            .filter(|extension| extension.oid == ATTESTATION)
            .map(move |extension| (index, extension.value))
    });
    match (found.next(), found.next()) {
        (None, _) => Err(AttestationError::NoAttestation),
        (Some((0, content)), None) => Ok(content),
        _ => Err(AttestationError::ForgedAttestation),
    }
}

fn refuse_revoked(chain: &[X509Certificate<'_>], revoked: &RevocationList) -> Result<(), AttestationError> {
    match chain.iter().map(chain::serial_hex).find(|serial| revoked.status(serial).is_some()) {
        Some(serial) => Err(AttestationError::Revoked { serial }),
        None => Ok(()),
    }
}

/// The key, the attestation and the certificate that Google signed must agree, so that a leaked TEE key cannot attest
/// StrongBox keys.
fn judge_level(
    description: &KeyDescription<'_>,
    issuer: &X509Certificate<'_>,
    top: &X509Certificate<'_>,
    provisioning: Provisioning,
    expect: &AndroidExpectation<'_>,
) -> Result<SecurityLevel, AttestationError> {
    let level = description.key_level;
    let certified = match provisioning {
        Provisioning::Factory => [issuer, top]
            .iter()
            .any(|certificate| certificate.subject().to_string().to_ascii_lowercase().contains("strongbox"))
            .then_some(SecurityLevel::StrongBox),
        Provisioning::Remote => match attribute(issuer.subject(), &oid!(2.5.4.10)) {
            Some("StrongBox") => Some(SecurityLevel::StrongBox),
            Some("TEE") => Some(SecurityLevel::Tee),
            _ => None,
        },
    };
    let consistent = match level {
        SecurityLevel::StrongBox => certified == Some(SecurityLevel::StrongBox),
        // Factory certificates of a TEE do not say so.
        SecurityLevel::Tee => certified.is_none_or(|certified| certified == SecurityLevel::Tee),
        SecurityLevel::Software => certified.is_none(),
    };
    if !consistent || description.attestation_level != level {
        return Err(AttestationError::SecurityLevelMismatch);
    }
    if level < expect.min_security_level {
        return Err(AttestationError::SecurityLevelTooLow);
    }
    Ok(level)
}

fn judge_key(
    leaf: &X509Certificate<'_>,
    description: &KeyDescription<'_>,
    expect: &AndroidExpectation<'_>,
) -> Result<[u8; 65], AttestationError> {
    if description.challenge != expect.challenge {
        return Err(AttestationError::WrongChallenge);
    }
    let enforced = description.enforced();
    // KeyMint's numbers: origin 0 generated; algorithm 3 EC; curve 1 P-256, not stated by the first versions.
    if enforced.origin != Some(0) {
        return Err(AttestationError::WrongOrigin);
    }
    if enforced.algorithm != Some(3)
        || enforced.key_size != Some(256)
        || enforced.ec_curve.is_some_and(|curve| curve != 1)
    {
        return Err(AttestationError::WrongAlgorithm);
    }
    // Purpose 2 sign, 3 verify (needs the public key only, so it grants nothing), 6 agree.
    let (wanted, harmless) = match expect.usage {
        KeyUsage::Sign => (2, Some(3)),
        KeyUsage::Agree => (6, None),
    };
    let purposes = &enforced.purposes;
    if !purposes.contains(&wanted) || !purposes.iter().all(|purpose| *purpose == wanted || Some(*purpose) == harmless) {
        return Err(AttestationError::WrongPurpose);
    }
    chain::p256_public_key(leaf)
}

fn judge_boot(
    description: &KeyDescription<'_>,
    expect: &AndroidExpectation<'_>,
) -> Result<Option<Boot>, AttestationError> {
    if description.key_level == SecurityLevel::Software {
        return Ok(None);
    }
    match &description.hardware.root_of_trust {
        None => Err(AttestationError::BootRefused("no root of trust")),
        Some(RootOfTrust { locked: false, .. }) => Err(AttestationError::BootRefused("the boot loader is unlocked")),
        Some(RootOfTrust { state: 0, .. }) => Ok(Some(Boot::Verified)),
        Some(RootOfTrust { state: 1, boot_key, .. }) => expect
            .boot_keys
            .iter()
            .find(|accepted| accepted.0.as_slice() == *boot_key)
            .map(|accepted| Some(Boot::SelfSigned(*accepted)))
            .ok_or(AttestationError::BootRefused("self-signed with an unknown key")),
        Some(_) => Err(AttestationError::BootRefused("not verified")),
    }
}

/// Every package and every signer named must be accepted: an app that shares its user id with another shares its keys.
fn judge_app(description: &KeyDescription<'_>, expect: &AndroidExpectation<'_>) -> Result<String, AttestationError> {
    // The operating system states the app, so it stands in the software list.
    let Some(ApplicationId { packages, signers }) = &description.software.application_id else {
        return Err(AttestationError::WrongApp);
    };
    let signers_accepted = !signers.is_empty()
        && signers.iter().all(|signer| expect.signer_digests.iter().any(|accepted| accepted.0.as_slice() == *signer));
    let packages_accepted =
        packages.iter().all(|package| expect.packages.iter().any(|accepted| accepted.as_bytes() == *package));
    let any_app = description.software.all_applications || description.hardware.all_applications;
    match packages.first() {
        Some(package) if signers_accepted && packages_accepted && !any_app => {
            String::from_utf8(package.to_vec()).map_err(|_| AttestationError::WrongApp)
        }
        _ => Err(AttestationError::WrongApp),
    }
}

fn judge_user_authentication(
    description: &KeyDescription<'_>,
    expect: &AndroidExpectation<'_>,
) -> Result<(), AttestationError> {
    let lists = [&description.software, &description.hardware];
    if expect.user_authentication == UserAuthentication::BiometricPerUse {
        if lists.iter().any(|list| list.no_auth_required) {
            return Err(AttestationError::WrongUserAuthentication("none is required"));
        }
        // Authenticator types: 1 screen lock, 2 biometric.
        if description.enforced().user_auth_type != Some(2) {
            return Err(AttestationError::WrongUserAuthentication("not biometrics alone"));
        }
        if lists.iter().any(|list| list.auth_timeout.is_some() || list.allow_while_on_body) {
            return Err(AttestationError::WrongUserAuthentication("not at each use"));
        }
    }
    // Older hardware leaves the screen lock to the operating system, whose boot state was judged.
    if expect.unlocked_device_required && !lists.iter().any(|list| list.unlocked_device_required) {
        return Err(AttestationError::WrongUserAuthentication("works on a locked screen"));
    }
    Ok(())
}

impl<'a> KeyDescription<'a> {
    /// The list that the key's own level enforces.
    fn enforced(&self) -> &AuthorizationList<'a> {
        match self.key_level {
            SecurityLevel::Software => &self.software,
            SecurityLevel::Tee | SecurityLevel::StrongBox => &self.hardware,
        }
    }
}

/// The first attribute of a name with the given type.
fn attribute<'a>(name: &'a X509Name<'_>, kind: &Oid<'_>) -> Option<&'a str> {
    name.iter_attributes().find(|attribute| attribute.attr_type() == kind).and_then(|attribute| attribute.as_str().ok())
}
