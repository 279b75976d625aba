//! The library that checks what a chip says (`webauthn-rs-core`), and what of it is used here: one algorithm, no list of
//! credentials, a challenge of our own.

use core::time::Duration;

use godkend_protocol::bytes::{Blob, Fixed, Hash32};
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use webauthn_attestation_ca::AttestationCaList;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::error::WebauthnError;
use webauthn_rs_core::proto::{
    AttestationConveyancePreference, AttestationFormat, AttestationMetadata, AuthenticationState, COSEAlgorithm,
    COSEEC2Key, COSEKey, COSEKeyType, Credential, ECDSACurve, ParsedAttestation, PublicKeyCredential,
    RegisterPublicKeyCredential, RegisteredExtensions, RegistrationState, UserVerificationPolicy,
};

use super::super::records::Chip;
use crate::app::App;
use crate::error::ApiError;
use crate::oidc::issuer;

/// How long a browser waits for a touch, milliseconds. A hint: the login's own end counts.
const PATIENCE: Duration = Duration::from_secs(120);

/// The base point of P-256: x and y (SEC 2, section 2.4.2).
pub(super) const GENERATOR: Fixed<64> = Fixed([
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d,
    0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb,
    0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
]);

/// The relying party's id: the host of the public address. Browsers take a name, and no IP address.
#[must_use]
pub fn relying_party(app: &App) -> String {
    let url = Url::parse(issuer(app)).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

fn core(app: &App) -> Result<WebauthnCore, ApiError> {
    let origin = Url::parse(issuer(app)).map_err(|_| Code::Internal)?;
    // This origin and no other: neither below the name nor at another port.
    Ok(WebauthnCore::new_unsafe_experts_only(
        "Godkend",
        &relying_party(app),
        vec![origin],
        PATIENCE,
        Some(false),
        Some(false),
    ))
}

pub(super) fn verification(app: &App) -> UserVerificationPolicy {
    if app.policy.chip.user_verification { UserVerificationPolicy::Required } else { UserVerificationPolicy::Preferred }
}

/// An assertion as a page sent it.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Asserted(PublicKeyCredential);

impl Asserted {
    /// Bit 3 of the flags: the key can be copied (WebAuthn, level 3, section 6.1).
    fn synchronised(&self) -> bool {
        self.0.response.authenticator_data.get(32).is_some_and(|flags| flags & 0x08 != 0)
    }

    /// Whether it says that it comes from this chip. The signature says whether that is true.
    pub(super) fn is_from(&self, chip: &Chip, handle: &Fixed<32>) -> bool {
        let named = self.0.response.user_handle.as_deref();
        self.0.raw_id == chip.credential.0
            && self.synchronised() == chip.synchronised
            && named.is_none_or(|named| named == handle.0)
    }
}

/// What a signature is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Right, with this counter.
    Right(u32),
    /// Right, but for a counter that is not above the last one.
    WentBack,
    /// Anything else.
    Wrong,
}

/// Checks an assertion under a key. What it says of itself, [`Asserted::is_from`] judges.
pub(super) fn verify(
    app: &App,
    asserted: &Asserted,
    challenge: &Hash32,
    key: &Fixed<64>,
    counter: u32,
) -> Result<Verdict, ApiError> {
    let (core, verification) = (core(app)?, verification(app));
    let state = state(&core, verification, challenge)?;
    let credential = Credential {
        // Compared elsewhere, so that an unknown credential costs what a known one does.
        cred_id: asserted.0.raw_id.clone(),
        backup_eligible: asserted.synchronised(),
        cred: COSEKey {
            type_: COSEAlgorithm::ES256,
            key: COSEKeyType::EC_EC2(COSEEC2Key {
                curve: ECDSACurve::SECP256R1,
                x: key.0[..32].to_vec(),
                y: key.0[32..].to_vec(),
            }),
        },
        counter,
        transports: None,
        user_verified: false,
        backup_state: false,
        registration_policy: verification,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    };
    Ok(match core.authenticate_single_credential(&asserted.0, &state, &credential) {
        Ok(result) => Verdict::Right(result.counter()),
        // The last thing that is looked at: all else is right.
        Err(WebauthnError::CredentialPossibleCompromise) => Verdict::WentBack,
        Err(_) => Verdict::Wrong,
    })
}

/// The library draws its challenges itself. Its state is made to be stored and read back, and ours goes in there.
fn state(
    core: &WebauthnCore,
    verification: UserVerificationPolicy,
    challenge: &Hash32,
) -> Result<AuthenticationState, ApiError> {
    let builder =
        core.new_challenge_authenticate_builder(Vec::new(), Some(verification)).map_err(|_| Code::Internal)?;
    let (_, state) = core.generate_challenge_authenticate(builder).map_err(|_| Code::Internal)?;
    let mut stored = serde_json::to_value(state).map_err(|_| Code::Internal)?;
    stored["challenge"] = json!(challenge.to_base64());
    serde_json::from_value(stored).map_err(|_| Code::Internal.into())
}

/// What a chip is asked at its registration: for the page, and for us to remember.
pub(super) fn ask(app: &App, handle: &Fixed<32>, user_id: &str, name: &str) -> Result<(Value, String), ApiError> {
    let rules = &app.policy.chip;
    let core = core(app)?;
    let builder = core.new_challenge_register_builder(&handle.0, user_id, name).map_err(|_| Code::Internal)?;
    // A make is asked for only where it is looked at.
    let attested = rules.attestation_required || !rules.authorities.is_empty();
    let builder = builder
        .user_verification_policy(verification(app))
        .require_resident_key(true)
        .reject_synchronised_authenticators(!rules.synchronised)
        .credential_algorithms(vec![COSEAlgorithm::ES256])
        .attestation(if attested {
            AttestationConveyancePreference::Direct
        } else {
            AttestationConveyancePreference::None
        });
    let (asked, state) = core.generate_challenge_register(builder).map_err(|_| Code::Internal)?;
    let asked = serde_json::to_value(asked.public_key).map_err(|_| Code::Internal)?;
    Ok((asked, serde_json::to_string(&state).map_err(|_| Code::Internal)?))
}

/// What a chip's answer proves.
pub(super) struct Made {
    pub(super) credential: Blob,
    pub(super) key: Fixed<64>,
    pub(super) counter: u32,
    pub(super) synchronised: bool,
    pub(super) attested: bool,
    pub(super) model: Option<String>,
}

/// Checks a chip's answer to [`ask`]; `None` for one that the policy does not take.
pub(super) fn made(app: &App, state: &str, answer: &Value) -> Result<Option<Made>, ApiError> {
    let answer = RegisterPublicKeyCredential::deserialize(answer).map_err(|_| Code::Malformed)?;
    let state: RegistrationState = serde_json::from_str(state).map_err(|_| ApiError::damaged("chip_code"))?;
    // The authorities are asked afterwards, for a chip without them may still be worth something.
    let Ok(credential) = core(app)?.register_credential(&answer, &state, None) else { return Ok(None) };
    let COSEKeyType::EC_EC2(point) = &credential.cred.key else { return Ok(None) };
    let Ok(key) = <[u8; 64]>::try_from([point.x.as_slice(), point.y.as_slice()].concat()) else { return Ok(None) };
    let model = match &credential.attestation.metadata {
        AttestationMetadata::Packed { aaguid } | AttestationMetadata::Tpm { aaguid, .. } => Some(aaguid.to_string()),
        _ => None,
    };
    let rules = &app.policy.chip;
    let listed = rules.models.is_empty()
        || model.as_ref().is_some_and(|model| rules.models.iter().any(|listed| listed.eq_ignore_ascii_case(model)));
    let attested = listed && under(&credential, &rules.authorities);
    if rules.attestation_required && !attested {
        return Ok(None);
    }
    Ok(Some(Made {
        credential: Blob(credential.cred_id),
        key: Fixed(key),
        counter: credential.counter,
        synchronised: credential.backup_eligible,
        attested,
        model,
    }))
}

/// Whether the chip's maker stands under one of these certificates (PEM).
fn under(credential: &Credential, authorities: &[String]) -> bool {
    let mut all = AttestationCaList::default();
    for authority in authorities {
        // The policy's check has read them.
        if let Ok(one) = AttestationCaList::try_from(authority.as_bytes()) {
            all.union(&one);
        }
    }
    !all.is_empty() && credential.verify_attestation(&all).is_ok_and(|authority| authority.is_some())
}

/// Whether an authority of a policy can be read.
pub(crate) fn is_authority(pem: &str) -> bool {
    AttestationCaList::try_from(pem.as_bytes()).is_ok()
}
