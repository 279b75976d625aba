//! Approval: what waits, the challenge, and the answer.
//!
//! A challenge is fetched by one message that `possession` signed with a fresh nonce ([`Fetch`], or [`Manage`] for the
//! device's own wishes). The app shows all of it and answers once: [`AnswerRequest`] → [`AnswerReply`].

use minicbor::{Decode, Encode};

use super::number;
use super::pin::{PinEnrolRequest, PinStatus};
use crate::bytes::{Blob, Fixed, Hash32, Id, Nonce, Secret, Signature};
use crate::cbor;
use crate::cose::{Role, SignedMessage};
use crate::crypto;
use crate::types::{
    Action, Binding, Decision, DeviceKey, Factor, KeyPurpose, Level, LogPosition, Operation, Payment, VersionPolicy,
};

/// Opens a poll. Sent bare to `poll/open`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PollOpen {
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

impl PollOpen {
    /// The request's path.
    pub const PATH: &'static str = "poll/open";
}

impl SignedMessage for PollOpen {
    const TYPE: u16 = number::POLL_OPEN;
    const SIGNER: Role = Role::Possession;
}

/// A ten-minute token that lists ids and nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PollOpened {
    /// The token.
    #[n(1)]
    pub token: Secret<32>,
    /// Seconds.
    #[n(2)]
    pub expires_in: u32,
    /// What the server says about the app's version.
    #[n(3)]
    pub policy: VersionPolicy,
}

/// Asks what waits. Sent to `poll`; the server holds it up to `wait` seconds while nothing differs from `known`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Poll {
    /// The token.
    #[n(1)]
    pub token: Secret<32>,
    /// The ids that the phone knows of, in ascending order.
    #[n(2)]
    pub known: Vec<Id>,
    /// At most 25 seconds.
    #[n(3)]
    pub wait: u32,
}

impl Poll {
    /// The request's path.
    pub const PATH: &'static str = "poll";
}

/// What waits for this device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Pending {
    /// In ascending order of id.
    #[n(1)]
    pub items: Vec<PendingItem>,
}

/// One waiting request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PendingItem {
    /// The transaction.
    #[n(1)]
    pub id: Id,
    /// No text and nothing to approve until the number on the other screen is typed.
    #[n(2)]
    pub locked: bool,
    /// Seconds left.
    #[n(3)]
    pub expires_in: u32,
}

/// How the phone came to a request.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum FetchHow {
    /// It was pushed whole.
    #[n(1)]
    Pushed {
        /// The transaction.
        #[n(0)]
        id: Id,
    },
    /// The moving QR code was scanned.
    #[n(2)]
    Scanned {
        /// The login session.
        #[n(0)]
        session: Id,
        /// The frame.
        #[n(1)]
        frame: u64,
        /// The frame's code.
        #[n(2)]
        code: Fixed<16>,
    },
    /// The number on the other screen was typed.
    #[n(3)]
    Numbered {
        /// Eight digits.
        #[n(0)]
        number: String,
    },
    /// A link on the same device opened the app.
    #[n(4)]
    Linked {
        /// The login session.
        #[n(0)]
        session: Id,
        /// The link's secret.
        #[n(1)]
        secret: Secret<32>,
    },
}

/// Fetches a challenge. Sent bare to `challenge`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Fetch {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh; comes back in the challenge.
    #[n(4)]
    pub nonce: Nonce,
    /// How.
    #[n(5)]
    pub how: FetchHow,
    /// Where the app last saw the log; none at first.
    #[n(6)]
    pub log: Option<LogPosition>,
    /// The app's version.
    #[n(7)]
    pub app_version: String,
}

impl Fetch {
    /// The request's path.
    pub const PATH: &'static str = "challenge";
}

impl SignedMessage for Fetch {
    const TYPE: u16 = number::FETCH;
    const SIGNER: Role = Role::Possession;
}

/// Asks for something for the device itself, and gets its challenge. Sent bare to `manage`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Manage {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh; comes back in the challenge.
    #[n(4)]
    pub nonce: Nonce,
    /// What.
    #[n(5)]
    pub operation: Operation,
    /// Where the app last saw the log.
    #[n(6)]
    pub log: Option<LogPosition>,
    /// The app's version.
    #[n(7)]
    pub app_version: String,
}

impl Manage {
    /// The request's path.
    pub const PATH: &'static str = "manage";
}

impl SignedMessage for Manage {
    const TYPE: u16 = number::MANAGE;
    const SIGNER: Role = Role::Possession;
}

/// The answer to [`Fetch`] and [`Manage`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Fetched {
    /// The COSE [`Challenge`].
    #[n(1)]
    pub challenge: Blob,
    /// The log's checkpoint, as a signed note (C2SP).
    #[n(2)]
    pub checkpoint: String,
    /// The consistency proof from the app's position (RFC 9162, section 2.1.4); empty at first.
    #[n(3)]
    pub consistency: Vec<Hash32>,
    /// What the server says about the app's version.
    #[n(4)]
    pub policy: VersionPolicy,
    /// The PIN's tries; none while no PIN is registered.
    #[n(5)]
    pub pin: Option<PinStatus>,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
#[cbor(map)]
pub struct RelyingParty {
    /// The client identifier.
    #[n(1)]
    pub id: String,
    /// The name to show.
    #[n(2)]
    pub name: String,
}

/// Exactly what is asked, signed by the server. The app shows all of it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Challenge {
    /// The transaction.
    #[n(3)]
    pub transaction: Id,
    /// The account.
    #[n(4)]
    pub account: Id,
    /// The device that fetched it.
    #[n(5)]
    pub device: Id,
    /// Who asks.
    #[n(6)]
    pub relying_party: RelyingParty,
    /// What an approval does.
    #[n(7)]
    pub action: Action,
    /// The reference text, at most 130 characters, shown unchanged.
    #[n(8)]
    pub text: Option<String>,
    /// The payment, where it is one.
    #[n(9)]
    pub payment: Option<Payment>,
    /// The device's own wish, where it is one.
    #[n(10)]
    pub operation: Option<Operation>,
    /// The level that was asked for.
    #[n(11)]
    pub level: Level,
    /// What may prove the person.
    #[n(12)]
    pub factors: Vec<Factor>,
    /// Hash of the browser's session; none where there is no browser.
    #[n(13)]
    pub browser_session: Option<Hash32>,
    /// How the browser is bound.
    #[n(14)]
    pub binding: Binding,
    /// Where the browser seems to be.
    #[n(15)]
    pub place: Option<String>,
    /// Which browser and system it says it is.
    #[n(16)]
    pub browser: Option<String>,
    /// This person has not signed in from this browser before.
    #[n(17)]
    pub new_browser: bool,
    /// The page offers to remember this browser.
    #[n(18)]
    pub may_remember: bool,
    /// The app's nonce, as fetched with.
    #[n(19)]
    pub nonce: Nonce,
    /// Where the log stands.
    #[n(20)]
    pub log: LogPosition,
    /// Unix seconds.
    #[n(21)]
    pub issued: i64,
    /// Unix seconds; at most 180 after `issued`. The server judges it.
    #[n(22)]
    pub expires: i64,
}

impl SignedMessage for Challenge {
    const TYPE: u16 = number::CHALLENGE;
    const SIGNER: Role = Role::Challenge;
}

impl Challenge {
    /// Whether it is a notice of use: the server's own, to this phone, and no operation. A relying party cannot ask so, for
    /// its requests are bound to something else than the phone itself.
    #[must_use]
    pub fn is_notice_of_use(&self, environment: &str) -> bool {
        self.binding == Binding::Device
            && self.operation.is_none()
            && self.action == Action::Confirm
            && self.relying_party.id == environment
    }
}

/// The hash that names a challenge: over the payload, so that no signature byte identifies anything.
#[must_use]
pub fn challenge_hash(payload: &[u8]) -> Hash32 {
    crypto::labelled_hash("godkend/1/challenge", &[payload])
}

/// The longest life of a challenge, in seconds.
pub const MAX_LIFETIME: i64 = 180;

/// The person's decision, signed by `possession`; for an approval the factor's key signs the same bytes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Answer {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// [`challenge_hash`].
    #[n(4)]
    pub challenge: Hash32,
    /// What was decided.
    #[n(5)]
    pub decision: Decision,
    /// What proved the person: [`Factor::None`] exactly for what is not an approval.
    #[n(6)]
    pub factor: Factor,
    /// Remember this browser.
    #[n(7)]
    pub remember_browser: bool,
    /// [`ratchet_hash`] of the ratchet that the last accepted answer returned.
    #[n(8)]
    pub ratchet_hash: Hash32,
    /// How many answers were accepted before this one.
    #[n(9)]
    pub ratchet_count: u64,
    /// Where the app saw the log.
    #[n(10)]
    pub log: LogPosition,
    /// [`OperationData::hash`], where the operation carries data.
    #[n(11)]
    pub operation: Option<Hash32>,
}

impl SignedMessage for Answer {
    const TYPE: u16 = number::ANSWER;
    const SIGNER: Role = Role::Possession;
}

/// The hash under which a ratchet is shown.
#[must_use]
pub fn ratchet_hash(ratchet: &Secret<16>) -> Hash32 {
    crypto::labelled_hash("godkend/1/ratchet", &[&ratchet.0])
}

/// What an operation brings along.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct OperationData {
    /// New keys ([`Operation::AddKeys`], [`Operation::RotateKeys`]). Their attestation challenge is
    /// `attestation_challenge(challenge hash, device, purpose)`.
    #[n(1)]
    pub keys: Vec<DeviceKey>,
    /// The new PIN's record ([`Operation::ChangePin`]).
    #[n(2)]
    pub pin: Option<PinEnrolRequest>,
}

impl OperationData {
    /// What the answer names it by.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        crypto::labelled_hash("godkend/1/operation", &[&cbor::encode(self)])
    }
}

/// A new key's signature over the answer's payload, in role [`Role::NewKey`].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct NewKeySignature {
    /// Which of the new keys; the offline key cannot sign and has none.
    #[n(1)]
    pub purpose: KeyPurpose,
    /// The signature.
    #[n(2)]
    pub signature: Signature,
}

/// An answer with all that proves it. Sent to `answer`. Stored, then sent; a retry is the same bytes and gets the same
/// reply.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct AnswerRequest {
    /// The COSE [`Answer`].
    #[n(1)]
    pub answer: Blob,
    /// The COSE [`Challenge`], as received.
    #[n(2)]
    pub challenge: Blob,
    /// The factor's signature over the answer's payload, in role [`Role::Pin`] or [`Role::Biometric`].
    #[n(3)]
    pub factor_signature: Option<Signature>,
    /// OPAQUE's KE3 and its exchange, with the PIN.
    #[n(4)]
    pub pin: Option<PinProof>,
    /// The operation's data.
    #[n(5)]
    pub data: Option<OperationData>,
    /// The new keys' signatures.
    #[n(6)]
    pub new_keys: Vec<NewKeySignature>,
}

impl AnswerRequest {
    /// The request's path.
    pub const PATH: &'static str = "answer";
}

/// The end of a PIN try.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct PinProof {
    /// The exchange.
    #[n(1)]
    pub exchange: u64,
    /// OPAQUE's KE3, 32 bytes.
    #[n(2)]
    pub ke3: Blob,
}

/// The server has taken the answer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct AnswerReply {
    /// SHA-256 of the answer's payload.
    #[n(3)]
    pub answer: Hash32,
    /// The next ratchet.
    #[n(4)]
    pub ratchet: Secret<16>,
    /// Its count: one more than the answer's.
    #[n(5)]
    pub ratchet_count: u64,
    /// Where the app sends the browser on the same device, with the return code in it.
    #[n(6)]
    pub return_url: Option<String>,
    /// A handed-out activation ([`Operation::MoveDevice`]).
    #[n(7)]
    pub activation: Option<HandedOut>,
    /// Unix seconds: when this device becomes active ([`Operation::FinishEnrolment`]); none if it is.
    #[n(8)]
    pub active_from: Option<i64>,
    /// What the server says about the app's version.
    #[n(9)]
    pub policy: VersionPolicy,
}

impl SignedMessage for AnswerReply {
    const TYPE: u16 = number::ANSWER_REPLY;
    const SIGNER: Role = Role::Challenge;
}

/// An activation for another phone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HandedOut {
    /// The activation.
    #[n(1)]
    pub id: Id,
    /// The link's secret.
    #[n(2)]
    pub secret: Secret<32>,
    /// Unix seconds.
    #[n(3)]
    pub expires: i64,
}

/// Refuses or reports a request that is still locked, by its id. Sent bare to `refuse`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct RefuseLocked {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// The transaction.
    #[n(4)]
    pub transaction: Id,
    /// [`Decision::Deny`] or [`Decision::ReportFraud`].
    #[n(5)]
    pub decision: Decision,
    /// Fresh.
    #[n(6)]
    pub nonce: Nonce,
}

impl RefuseLocked {
    /// The request's path.
    pub const PATH: &'static str = "refuse";
}

impl SignedMessage for RefuseLocked {
    const TYPE: u16 = number::REFUSE_LOCKED;
    const SIGNER: Role = Role::Possession;
}
