//! Activation: from a link or a typed code to an enrolled device whose PIN can be chosen.
//!
//! 1. [`ActivationOpen`] → [`ActivationOffer`] (signed by the server).
//! 2. [`SealedEnrol`] → the sealed [`EnrolReply`]. The first valid one takes the activation.
//! 3. The citizen types the eight digits into the session that proofed them; the phone asks [`EnrolmentStatus`].
//! 4. PIN registration ([`super::pin`]), then a first PIN approval of [`crate::types::Action::FinishEnrolment`].

use minicbor::{Decode, Encode};

use super::number;
use crate::bytes::{Blob, Hash32, Id, Nonce, PublicKey, Secret};
use crate::cose::{Role, SignedMessage};
use crate::crypto;
use crate::formats::activation_code::ActivationName;
use crate::types::{DeviceInfo, DeviceKey, KeyPurpose, SecurityLevel, Suite};

/// Opens an activation. Sent in the clear (under TLS) to `activation/open`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ActivationOpen {
    /// The app's version, `major.minor.patch`.
    #[n(1)]
    pub app_version: String,
    /// The activation, from a link.
    #[n(2)]
    pub id: Option<Id>,
    /// The activation, from a typed code. Exactly one of the two.
    #[n(3)]
    pub name: Option<ActivationName>,
    /// What the app speaks.
    #[n(4)]
    pub suites: Vec<Suite>,
}

impl ActivationOpen {
    /// The request's path.
    pub const PATH: &'static str = "activation/open";
}

/// The server's offer. Signed by a challenge key of the root's key set.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ActivationOffer {
    /// The activation.
    #[n(3)]
    pub id: Id,
    /// SHA-256 of the [`ActivationOpen`] that it answers: what was offered cannot be stripped on the way.
    #[n(4)]
    pub open_hash: Hash32,
    /// The suite to use: the highest that both know.
    #[n(5)]
    pub suite: Suite,
    /// The HPKE key to seal to.
    #[n(6)]
    pub hpke_key: Blob,
    /// Fresh; hashed into the attestation challenges.
    #[n(7)]
    pub nonce: Nonce,
    /// Unix seconds: when the server drew the nonce.
    #[n(8)]
    pub issued: i64,
    /// The least protection of the possession key.
    #[n(9)]
    pub security: SecurityLevel,
    /// The key set's number.
    #[n(10)]
    pub key_set: u64,
}

impl SignedMessage for ActivationOffer {
    const TYPE: u16 = number::ACTIVATION_OFFER;
    const SIGNER: Role = Role::Challenge;
}

/// What a phone enrols, in the sealed request.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EnrolCore {
    /// The phone's own nonce.
    #[n(1)]
    pub nonce: Nonce,
    /// At least [`KeyPurpose::Possession`].
    #[n(2)]
    pub keys: Vec<DeviceKey>,
    /// What the phone says about itself.
    #[n(3)]
    pub info: DeviceInfo,
    /// How the pepper key is kept; it is symmetric, so nothing attests it.
    #[n(4)]
    pub pepper_security: SecurityLevel,
    /// Hash of the block code that the phone drew.
    #[n(5)]
    pub block_code_hash: Hash32,
}

/// The plaintext of [`SealedEnrol`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Enrol {
    /// The bytes of the [`ActivationOpen`].
    #[n(1)]
    pub open: Blob,
    /// The bytes of the [`EnrolCore`].
    #[n(2)]
    pub core: Blob,
    /// HMAC of the transcript under [`mac_key`].
    #[n(3)]
    pub mac: Hash32,
    /// The COSE [`EnrolProof`] by the new possession key.
    #[n(4)]
    pub proof: Blob,
}

/// The new possession key's word for the transcript.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EnrolProof {
    /// [`transcript`].
    #[n(3)]
    pub transcript: Hash32,
}

impl SignedMessage for EnrolProof {
    const TYPE: u16 = number::ENROL_PROOF;
    const SIGNER: Role = Role::Possession;
}

/// The enrolment under HPKE: PSK mode with a link's secret, base mode with a code. The additional data is the offer's
/// bytes. Sent to `activation/enrol`; a retry is the same bytes and gets the same reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SealedEnrol {
    /// The COSE [`ActivationOffer`], as received.
    #[n(1)]
    pub offer: Blob,
    /// HPKE's encapsulated key.
    #[n(2)]
    pub enc: Blob,
    /// The sealed [`Enrol`].
    #[n(3)]
    pub ciphertext: Blob,
}

impl SealedEnrol {
    /// The request's path.
    pub const PATH: &'static str = "activation/enrol";
}

/// The answer to [`SealedEnrol`]: a COSE [`EnrolReply`] under the exporter's key ([`crate::suite::ReplyKey`]).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SealedReply {
    /// The ciphertext.
    #[n(1)]
    pub ciphertext: Blob,
}

/// The server's reply to a valid enrolment.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EnrolReply {
    /// The transcript that it answers.
    #[n(3)]
    pub transcript: Hash32,
    /// Drawn after the phone's message was fixed, so that nobody can grind the digits.
    #[n(4)]
    pub nonce: Nonce,
    /// The account.
    #[n(5)]
    pub account: Id,
    /// The device.
    #[n(6)]
    pub device: Id,
    /// The person's name, for the app's home screen.
    #[n(7)]
    pub identity_name: String,
    /// The first ratchet.
    #[n(8)]
    pub ratchet: Secret<16>,
    /// Unix seconds: enrolment must be finished before.
    #[n(9)]
    pub finish_before: i64,
}

impl SignedMessage for EnrolReply {
    const TYPE: u16 = number::ENROL_REPLY;
    const SIGNER: Role = Role::Challenge;
}

/// Asks how an enrolment (an activation or a PIN reset) stands; the server may hold the answer for `wait` seconds.
/// Sent bare to `activation/status`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EnrolmentStatus {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// The activation or PIN reset.
    #[n(4)]
    pub enrolment: Id,
    /// Fresh.
    #[n(5)]
    pub nonce: Nonce,
    /// The stage that the phone knows; the server waits for another.
    #[n(6)]
    pub known: Stage,
    /// At most 25 seconds.
    #[n(7)]
    pub wait: u32,
}

impl EnrolmentStatus {
    /// The request's path.
    pub const PATH: &'static str = "activation/status";
}

impl SignedMessage for EnrolmentStatus {
    const TYPE: u16 = number::ENROLMENT_STATUS;
    const SIGNER: Role = Role::Possession;
}

/// Where an enrolment stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
pub enum Stage {
    /// The digits on the phone wait to be typed into the proofed session.
    #[n(1)]
    Digits,
    /// The digits were right; choose a PIN.
    #[n(2)]
    ChoosePin,
    /// The PIN is registered; approve with it.
    #[n(3)]
    Finish,
    /// Finished; active from this instant on (Unix seconds) unless another of the person's means refuses.
    #[n(4)]
    Waiting {
        /// Unix seconds.
        #[n(0)]
        until: i64,
    },
    /// Active.
    #[n(5)]
    Active,
    /// Void: expired, refused, or the digits were wrong three times.
    #[n(6)]
    Void,
}

/// The answer to [`EnrolmentStatus`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct StageReply {
    /// The stage.
    #[n(1)]
    pub stage: Stage,
}

/// The old phone's word for the digits that the new one shows. Sent bare to `activation/digits`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct TypedDigits {
    /// The old device.
    #[n(3)]
    pub device: Id,
    /// The activation that it handed out.
    #[n(4)]
    pub activation: Id,
    /// Eight digits.
    #[n(5)]
    pub digits: String,
    /// Fresh.
    #[n(6)]
    pub nonce: Nonce,
}

impl TypedDigits {
    /// The request's path.
    pub const PATH: &'static str = "activation/digits";
}

impl SignedMessage for TypedDigits {
    const TYPE: u16 = number::TYPED_DIGITS;
    const SIGNER: Role = Role::Possession;
}

/// The answer to [`TypedDigits`]: which phone was meant.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DigitsReply {
    /// The new phone's model.
    #[n(1)]
    pub model: String,
    /// Where its requests came from, if known.
    #[n(2)]
    pub place: Option<String>,
    /// Unix seconds: when it becomes active at the earliest.
    #[n(3)]
    pub active_from: Option<i64>,
}

/// The transcript that `possession` and the MAC cover: the opening, the offer's payload, what is enrolled.
#[must_use]
pub fn transcript(open: &[u8], offer_payload: &[u8], core: &[u8]) -> Hash32 {
    crypto::labelled_hash("godkend/1/activation", &[open, offer_payload, core])
}

/// The whole transcript, with the server's late nonce: what the digits come from and the PIN is registered in.
#[must_use]
pub fn full_transcript(transcript: &Hash32, nonce: &Nonce) -> Hash32 {
    crypto::labelled_hash("godkend/1/activation-full", &[&transcript.0, &nonce.0])
}

/// The MAC key of an activation secret: 32 bytes from a link, 7 from a code.
#[must_use]
pub fn mac_key(secret: &[u8], id: &Id) -> Secret<32> {
    crypto::hkdf_sha256(secret, &[b"godkend/1/activation-mac", &id.0])
}

/// The attestation challenge of one key: no key exists before the server's nonce.
///
/// `subject` is the activation's id, or the device's for keys that come later (the nonce is then the challenge hash).
#[must_use]
pub fn attestation_challenge(nonce: &[u8; 32], subject: &Id, purpose: KeyPurpose) -> Hash32 {
    crypto::labelled_hash("godkend/1/attestation", &[nonce, &subject.0, purpose.name().as_bytes()])
}

/// What an App Attest assertion must cover to vouch for another key: the challenge and the key.
#[must_use]
pub fn assertion_hash(challenge: &Hash32, public: &PublicKey) -> Hash32 {
    crypto::labelled_hash("godkend/1/assertion", &[&challenge.0, &public.0])
}
