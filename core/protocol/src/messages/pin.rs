//! The PIN: registration, tries, and a new one after proofing again.

use minicbor::{Decode, Encode};

use super::number;
use crate::bytes::{Blob, Hash32, Id, Nonce, PublicKey, Signature};
use crate::cose::{Role, SignedMessage};
use crate::crypto;

/// What a PIN is registered in: an enrolment's full transcript, or the challenge hash of a change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode)]
pub enum PinContext {
    /// An activation or PIN reset.
    #[n(1)]
    Enrolment {
        /// Its id.
        #[n(0)]
        id: Id,
        /// Its full transcript.
        #[n(1)]
        transcript: Hash32,
    },
    /// A change, approved with the old PIN.
    #[n(2)]
    Change {
        /// The challenge hash.
        #[n(0)]
        challenge: Hash32,
    },
}

/// Asks for an OPAQUE registration response. Sent bare to `pin/register`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinRegister {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// What it is registered in.
    #[n(4)]
    pub context: PinContext,
    /// OPAQUE's registration request, 33 bytes.
    #[n(5)]
    pub request: Blob,
    /// Fresh.
    #[n(6)]
    pub nonce: Nonce,
}

impl PinRegister {
    /// The request's path.
    pub const PATH: &'static str = "pin/register";
}

impl SignedMessage for PinRegister {
    const TYPE: u16 = number::PIN_REGISTER;
    const SIGNER: Role = Role::Possession;
}

/// The answer to [`PinRegister`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinRegistered {
    /// The OPAQUE seed that the record will name.
    #[n(1)]
    pub seed: u32,
    /// OPAQUE's registration response, 66 bytes.
    #[n(2)]
    pub response: Blob,
}

/// A PIN's record: OPAQUE's upload and the public `pin` key, signed by `possession`; the `pin` key signs the same
/// bytes (role [`Role::Pin`]).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinEnrol {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// What it was registered in.
    #[n(4)]
    pub context: PinContext,
    /// The seed that [`PinRegistered`] named.
    #[n(5)]
    pub seed: u32,
    /// OPAQUE's registration upload.
    #[n(6)]
    pub upload: Blob,
    /// The public `pin` key.
    #[n(7)]
    pub pin_key: PublicKey,
}

impl SignedMessage for PinEnrol {
    const TYPE: u16 = number::PIN_ENROL;
    const SIGNER: Role = Role::Possession;
}

/// [`PinEnrol`] with its two signatures. Sent to `pin/enrol` in an enrolment; part of the answer in a change.
/// A retry is the same bytes and gets the same reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinEnrolRequest {
    /// The COSE [`PinEnrol`].
    #[n(1)]
    pub enrol: Blob,
    /// The `pin` key's signature over the same payload.
    #[n(2)]
    pub pin_signature: Signature,
}

impl PinEnrolRequest {
    /// The request's path.
    pub const PATH: &'static str = "pin/enrol";
}

/// Begins one try: KE1, tied to a challenge by `possession`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinStart {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// The challenge that the PIN is to approve: OPAQUE's context.
    #[n(4)]
    pub challenge: Hash32,
    /// Rises with each exchange of this device.
    #[n(5)]
    pub exchange: u64,
    /// OPAQUE's KE1, 98 bytes.
    #[n(6)]
    pub ke1: Blob,
}

impl SignedMessage for PinStart {
    const TYPE: u16 = number::PIN_START;
    const SIGNER: Role = Role::Possession;
}

/// [`PinStart`] with the challenge that it is for. Sent to `pin/start`. The same bytes get the same reply, free;
/// a new KE1 closes the earlier exchange, whose debit stands.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinStartRequest {
    /// The COSE [`PinStart`].
    #[n(1)]
    pub start: Blob,
    /// The COSE challenge, as received.
    #[n(2)]
    pub challenge: Blob,
}

impl PinStartRequest {
    /// The request's path.
    pub const PATH: &'static str = "pin/start";
}

/// KE2, after the try was debited, and what is left if the PIN is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinStarted {
    /// The exchange that it answers.
    #[n(1)]
    pub exchange: u64,
    /// OPAQUE's KE2, 259 bytes.
    #[n(2)]
    pub ke2: Blob,
    /// What is left if this try fails.
    #[n(3)]
    pub if_wrong: PinStatus,
}

/// What is left of the tries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
#[cbor(map)]
pub struct PinStatus {
    /// Tries left in this round; while `wait` is above 0, those of the round that begins after it.
    #[n(1)]
    pub tries_left: u32,
    /// Seconds to wait before the next try; 0 if none.
    #[n(2)]
    pub wait: u32,
    /// Rounds left after this one; 0 in the last.
    #[n(3)]
    pub rounds_left: u32,
    /// The PIN is dead.
    #[n(4)]
    pub dead: bool,
}

/// Asks for a PIN reset that a desk has opened for this device. Sent bare to `pin/reset`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinResetOpen {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh.
    #[n(4)]
    pub nonce: Nonce,
    /// The app's version.
    #[n(5)]
    pub app_version: String,
}

impl PinResetOpen {
    /// The request's path.
    pub const PATH: &'static str = "pin/reset";
}

impl SignedMessage for PinResetOpen {
    const TYPE: u16 = number::PIN_RESET_OPEN;
    const SIGNER: Role = Role::Possession;
}

/// The server's offer of a new PIN, signed by a challenge key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinResetOffer {
    /// The reset: an enrolment's id.
    #[n(3)]
    pub id: Id,
    /// The device.
    #[n(4)]
    pub device: Id,
    /// SHA-256 of the [`PinResetOpen`]'s payload.
    #[n(5)]
    pub open_hash: Hash32,
    /// Drawn after the phone's message was fixed.
    #[n(6)]
    pub nonce: Nonce,
    /// Unix seconds: must be finished before.
    #[n(7)]
    pub finish_before: i64,
}

impl SignedMessage for PinResetOffer {
    const TYPE: u16 = number::PIN_RESET_OFFER;
    const SIGNER: Role = Role::Challenge;
}

/// The full transcript of a PIN reset.
#[must_use]
pub fn reset_transcript(open_payload: &[u8], offer_payload: &[u8]) -> Hash32 {
    crypto::labelled_hash("godkend/1/pin-reset", &[open_payload, offer_payload])
}
