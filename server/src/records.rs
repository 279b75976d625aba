//! What the server remembers, as typed documents.
//!
//! Each type is one [`Kind`] of record; its body is JSON. An [`Entry`] pairs a document with the version that it was
//! read at, so that every change is conditional: read, decide, commit, and on a conflict start over.

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey, Secret};
use godkend_protocol::formats::activation_code::ActivationName;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::RelyingParty;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{
    Action, Binding, Decision, DeviceInfo, Factor, KeyPurpose, Level, Operation, Payment, SecurityLevel, Suite,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::Kind;

/// A document type.
pub trait Document: Serialize + DeserializeOwned + Send + Sync {
    /// Its kind.
    const KIND: Kind;
    /// Its id within the kind.
    fn id(&self) -> Vec<u8>;
    /// Whom it belongs to: an account's id, or nobody.
    fn owner(&self) -> Vec<u8> {
        Vec::new()
    }
    /// When it may be purged (Unix seconds).
    fn expires(&self) -> Option<i64> {
        None
    }
}

/// A document and the version that it was read at; `None` for one that is new.
#[derive(Clone, Debug)]
pub struct Entry<D> {
    /// The document.
    pub doc: D,
    /// Its version in the store.
    pub version: Option<u64>,
}

/// A citizen's identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Random; in challenges, never shown to relying parties.
    pub id: Id,
    /// The `mitid.uuid` claim.
    pub uuid: String,
    /// 5 to 48 characters, as chosen; unique without regard to case ([`UserIdIndex`]).
    pub user_id: String,
    /// The name, as proofed.
    pub name: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: String,
    /// The CPR number, ten digits, if the person has one. Only for relying parties that may have it.
    pub cpr: Option<Secret<10>>,
    /// How well the identity was proofed.
    pub identity_level: Level,
    /// The whole identity is blocked.
    pub blocked: bool,
    /// The lowest suite that may still be used; it only rises.
    pub least_suite: Suite,
    /// Whether typed user ids may push (locked).
    pub locked_push: bool,
    /// Whether every use is told to the person's phones.
    #[serde(default)]
    pub tell_uses: bool,
    /// Unix seconds.
    pub created: i64,
    /// A test identity whose outcome is fixed; test environments only.
    pub magic: Option<Magic>,
}

/// Fixed outcomes for relying parties' tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Magic {
    /// Approves at once.
    Approves,
    /// Refuses at once.
    Refuses,
    /// Never answers.
    NeverAnswers,
    /// Reports fraud at once.
    ReportsFraud,
    /// Types wrong PINs until the PIN waits, then nothing.
    WrongPin,
}

/// Finds an account by its user id, folded to lower case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserIdIndex {
    /// Lower case.
    pub user_id: String,
    /// The account.
    pub account: Id,
}

/// An activation or PIN reset on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Enrolment {
    /// Its id.
    pub id: Id,
    /// The account.
    pub account: Id,
    /// What it enrols.
    pub kind: EnrolmentKind,
    /// The link's secret.
    pub link_secret: Option<Secret<32>>,
    /// The code's name and secret.
    pub code: Option<(ActivationName, Secret<7>)>,
    /// Tries left with a wrong code secret.
    pub tries_left: u32,
    /// Unix seconds: when the link or code stops working.
    pub expires: i64,
    /// Unix seconds, from the phone's valid message on: all void after.
    pub finish_before: Option<i64>,
    /// Where it stands; `None` until a phone has taken it.
    pub stage: Option<Stage>,
    /// The device that has taken it.
    pub device: Option<Id>,
    /// The full transcript.
    pub transcript: Option<Hash32>,
    /// Tries left for the digits.
    pub digits_left: u32,
    /// SHA-256 of the request that took it, and the reply it got: a retry gets the same.
    pub taken_by: Option<(Hash32, Blob)>,
    /// The place of the phone that took it.
    pub place: Option<String>,
    /// Who handed it out: `desk:<name>`, or the old device in a move.
    pub handed_out_by: HandedOutBy,
    /// The finished activation waits until then (Unix seconds) for the person's other means.
    pub active_from: Option<i64>,
    /// A PIN reset's new PIN, until the reset is finished: the device keeps its old one as long.
    #[serde(default)]
    pub pin: Option<PinRecord>,
    /// Unix seconds: purge.
    pub purge: i64,
}

/// What an enrolment enrols.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentKind {
    /// A new device.
    Activation,
    /// A new PIN on a device.
    PinReset,
}

/// Who handed an enrolment out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandedOutBy {
    /// A desk that has proofed the person: active at once.
    Desk(String),
    /// Another device of the person: active after the waiting hour.
    Device {
        /// The old device.
        device: Id,
        /// It stays active afterwards.
        keep: bool,
    },
    /// The person, signed in on their own site: active after the waiting hour.
    SelfService,
}

/// Finds an enrolment by its typed code's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CodeIndex {
    /// The name.
    pub name: ActivationName,
    /// The enrolment.
    pub enrolment: Id,
    /// Unix seconds: purge.
    pub purge: i64,
}

/// A phone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device {
    /// Random; in every request and challenge of the phone's.
    pub id: Id,
    /// Whose it is.
    pub account: Id,
    /// Where it stands.
    pub state: DeviceState,
    /// What it says about itself.
    pub info: DeviceInfo,
    /// Its keys by purpose.
    pub keys: Vec<EnrolledKey>,
    /// The suite of its activation.
    pub suite: Suite,
    /// Unix seconds.
    pub enrolled: i64,
    /// Unix seconds.
    pub last_used: Option<i64>,
    /// Answers accepted so far.
    pub ratchet_count: u64,
    /// What the next answer must show.
    pub ratchet: Secret<16>,
    /// The last accepted answer (SHA-256 of its payload) and its reply: a retry gets the same.
    pub last_answer: Option<(Hash32, Blob)>,
    /// Hash of its block code.
    pub block_code: Hash32,
    /// The PIN, once registered.
    pub pin: Option<PinRecord>,
    /// The log epoch that it last answered in: after a new epoch, a PIN first.
    pub epoch: u32,
    /// The restore of the database ([`crate::app::App::restored`]) since which it has answered.
    #[serde(default)]
    pub restored: u64,
    /// The transcript of its activation, for evidence.
    pub transcript: Hash32,
    /// How its possession key is protected, as attested.
    pub security: SecurityLevel,
    /// Apple: the key whose assertions vouch for later keys.
    #[serde(default)]
    pub app_attest: Option<AppAttest>,
    /// Where it can be woken. Not in the audit log: it authorises nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<crate::push::Registered>,
}

/// An enrolled App Attest key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppAttest {
    /// The key.
    pub public: PublicKey,
    /// The app id that made it.
    pub app_id: String,
    /// A build for development made it.
    pub development: bool,
    /// Counter of the last assertion accepted.
    pub counter: u32,
    /// Apple's receipt, as received.
    pub receipt: Option<Blob>,
}

/// An enrolled public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnrolledKey {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The key.
    pub public: PublicKey,
    /// How it is protected, as attested.
    pub security: SecurityLevel,
    /// Unix seconds.
    pub enrolled: i64,
    /// For App Attest: the counter of the last assertion.
    pub counter: Option<u32>,
}

/// A PIN's OPAQUE record and its tries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PinRecord {
    /// Which OPAQUE seed the record was made with.
    pub seed: u32,
    /// OPAQUE's credential identifier: the device and the context of the registration (see `pin::credential`).
    pub credential: Id,
    /// OPAQUE's record.
    pub record: Blob,
    /// The public `pin` key.
    pub key: PublicKey,
    /// Debits since the last valid KE3.
    pub debits: u32,
    /// Unix seconds of the last debit.
    pub last_debit: i64,
    /// The open exchange.
    pub exchange: Option<Exchange>,
    /// The highest exchange number seen.
    pub last_exchange: u64,
    /// Unix seconds of its entry in the log; 0 where that is not known.
    #[serde(default)]
    pub enrolled: i64,
}

/// Between KE2 and KE3.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Its number.
    pub number: u64,
    /// SHA-256 of the [`godkend_protocol::messages::pin::PinStart`] payload.
    pub start: Hash32,
    /// The challenge that it is bound to.
    pub challenge: Hash32,
    /// The reply: the same bytes get the same KE2.
    pub reply: Blob,
    /// OPAQUE's state.
    pub state: Secret<64>,
}

/// Finds a device by its block code's hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockCodeIndex {
    /// The hash.
    pub hash: Hash32,
    /// The device.
    pub device: Id,
}

/// A request for an approval, from its start to its one outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// Random; also the login session's name in QR codes and links.
    pub id: Id,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub expires: i64,
    /// Who asks.
    pub relying_party: RelyingParty,
    /// What an approval does.
    pub action: Action,
    /// The reference text.
    pub text: Option<String>,
    /// The payment.
    pub payment: Option<Payment>,
    /// The device's own wish.
    pub operation: Option<Operation>,
    /// The level that was asked for.
    pub level: Level,
    /// A MAC over what is asked, under a key from outside the database: see `approval::seal`. None for the phone's own wishes.
    #[serde(default)]
    pub seal: Option<Hash32>,
    /// Hash of the browser's session cookie.
    pub browser_session: Option<Hash32>,
    /// Where the browser seems to be.
    pub place: Option<String>,
    /// What the browser says it is.
    pub browser: Option<String>,
    /// The source (an address or its prefix) that back-off falls on.
    pub source: String,
    /// The page offers to remember the browser.
    pub may_remember: bool,
    /// The moving QR code's secret.
    pub qr_secret: Option<Secret<32>>,
    /// The same-device link's secret.
    pub link_secret: Option<Secret<32>>,
    /// Set at the approval of a same-device login: completes it together with the browser's cookie.
    pub return_code: Option<Secret<16>>,
    /// The return code was shown by the browser.
    pub returned: bool,
    /// The number on the other screen.
    pub number: Option<String>,
    /// For whom it is, once known.
    pub addressed: Option<Addressed>,
    /// The account in whose name the records of a request stand that reaches nobody: of an unknown user id one that does
    /// not exist, so that every later step costs what it costs with a known one.
    #[serde(default)]
    pub nobody: Option<Id>,
    /// A scan, link or number belongs to the first device.
    pub taken: Option<Taken>,
    /// A phone has shown what was pushed to it whole, which belongs to none of the person's phones.
    #[serde(default)]
    pub shown: bool,
    /// The offline challenge's ephemeral key and tries.
    pub offline: Option<OfflineState>,
    /// A chip's signature on the page, which a phone's approval completes.
    #[serde(default)]
    pub chip: Option<ChipHalf>,
    /// The one outcome.
    pub outcome: Option<Outcome>,
    /// The outcome was handed to the relying party.
    pub collected: bool,
    /// What the OpenID provider keeps with it.
    pub oidc: Option<serde_json::Value>,
    /// How often the person before the page asked for more time.
    #[serde(default)]
    pub extended: u8,
    /// The place among a source's locked requests that it holds.
    #[serde(default)]
    pub slot: Option<Hash32>,
    /// What a notice of use tells of; none for anything else.
    #[serde(default)]
    pub told: Option<Told>,
}

/// What a notice of use tells of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The relying party's name.
    pub relying_party: String,
    /// The remembered browser that was used.
    pub browser: Option<Id>,
}

/// What a chip left at a request that a phone is to complete (`means::beside`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChipHalf {
    /// A hash of what the page sent: the same again changes nothing.
    pub start: Hash32,
    /// Whose chip it was; none for whatever was wrong, and then nobody completes the request.
    pub account: Option<Id>,
    /// The credential's id: another chip of the person since does not count.
    pub credential: Blob,
}

/// For whom a transaction is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Addressed {
    /// The account; `None` for an unknown user id, which behaves alike.
    pub account: Option<Id>,
    /// How it came to be addressed.
    pub by: AddressedBy,
}

/// How a transaction came to be addressed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressedBy {
    /// A user id was typed: pushed locked, to be opened by the number.
    UserId,
    /// CIBA: pushed locked, to be opened by the number.
    Ciba,
    /// A remembered browser's cookie: pushed whole.
    Browser(Id),
    /// The device itself.
    Device(Id),
    /// A notice to this device, and to no other.
    Notice(Id),
}

/// The device that a scan, link or number belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// The device.
    pub device: Id,
    /// How.
    pub binding: Binding,
}

/// An offline approval's server side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OfflineState {
    /// The ephemeral private key.
    pub ephemeral: Secret<32>,
    /// The COSE offline challenge.
    pub challenge: Blob,
    /// Tries left.
    pub tries_left: u32,
    /// The citizen's one line of history about its wrong codes.
    #[serde(default)]
    pub line: Option<Id>,
}

/// Wrong offline codes of an account in one day, over all transactions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OfflineTries {
    /// The account.
    pub account: Id,
    /// The day: Unix seconds divided by 86,400 (UTC).
    pub day: i64,
    /// Wrong ones in it.
    pub wrong: u32,
}

/// When time alone changes an enrolment: what the sweep looks at, in the order of time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnrolmentDue {
    /// Unix seconds.
    pub at: i64,
    /// The enrolment.
    pub enrolment: Id,
    /// The end of its wait, and not of the time to finish it.
    pub waiting: bool,
}

/// How a transaction ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What was decided.
    pub decision: Decision,
    /// By which account.
    pub account: Option<Id>,
    /// On which device.
    pub device: Option<Id>,
    /// With what.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The level that was reached (approvals only).
    pub level: Option<Level>,
    /// The authenticator's own level (approvals only).
    pub authenticator_level: Option<Level>,
    /// Unix seconds.
    pub at: i64,
    /// Remember the browser.
    pub remember_browser: bool,
    /// The policy's names of the means that were proved, where it was not a phone alone.
    #[serde(default)]
    pub means: Vec<String>,
    /// Evidence: the COSE challenge and the answer request as received.
    pub evidence: Option<(Blob, Blob)>,
}

/// A browser that the citizen chose to remember.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Browser {
    /// Its id, in the cookie.
    pub id: Id,
    /// Whose it is.
    pub account: Id,
    /// What it said it was.
    pub name: String,
    /// SHA-256 of the cookie's current secret; rotated at each use.
    pub secret_hash: Hash32,
    /// SHA-256 of the one before: seen again, it revokes the browser.
    pub previous_hash: Option<Hash32>,
    /// SHA-256 of the secret's first half, which stays: any older cookie is told from a guess by it, and revokes too.
    #[serde(default)]
    pub family_hash: Option<Hash32>,
    /// Unix seconds.
    pub remembered: i64,
    /// Unix seconds.
    pub last_used: i64,
}

/// One line of a citizen's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HistoryLine {
    /// Random, after the time: sorts by time.
    pub id: Id,
    /// Whose it is.
    pub account: Id,
    /// Unix seconds.
    pub at: i64,
    /// What happened: a stable name such as `approved`, `refused`, `reported`, `pin_wrong`, `expired`, `device_blocked`.
    pub event: String,
    /// The device, if one was involved.
    pub device: Option<Id>,
    /// The relying party's name, if one was involved.
    pub relying_party: Option<String>,
    /// Details that may be shown: place, browser, action, binding.
    pub details: serde_json::Value,
}

macro_rules! document {
    ($type:ty, $kind:literal, |$doc:ident| $id:expr, owner $owner:expr, expires $expires:expr) => {
        impl Document for $type {
            const KIND: Kind = Kind($kind);
            fn id(&self) -> Vec<u8> {
                let $doc = self;
                $id
            }
            fn owner(&self) -> Vec<u8> {
                let $doc = self;
                let _ = $doc;
                $owner
            }
            fn expires(&self) -> Option<i64> {
                let $doc = self;
                let _ = $doc;
                $expires
            }
        }
    };
}

/// How long a transaction that a known account decided is kept for evidence and history, in seconds: 90 days.
pub const TRANSACTION_KEPT: i64 = 90 * 86_400;
/// How long any other transaction is kept after its time, in seconds: an hour, in which its page and its relying party
/// learn how it ended. Strangers begin them at will.
pub const UNDECIDED_KEPT: i64 = 3_600;

fn kept(transaction: &Transaction) -> i64 {
    let decided = transaction.outcome.as_ref().is_some_and(|outcome| outcome.account.is_some());
    transaction.expires.saturating_add(if decided { TRANSACTION_KEPT } else { UNDECIDED_KEPT })
}

document!(Account, "account", |d| d.id.0.to_vec(), owner Vec::new(), expires None);
document!(UserIdIndex, "user_id", |d| d.user_id.as_bytes().to_vec(), owner Vec::new(), expires None);
document!(Enrolment, "enrolment", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires Some(d.purge));
document!(CodeIndex, "code", |d| d.name.0.to_vec(), owner Vec::new(), expires Some(d.purge));
document!(EnrolmentDue, "enrolment_due",
    |d| [&u64::try_from(d.at).unwrap_or(0).to_be_bytes()[..], &[u8::from(d.waiting)], &d.enrolment.0].concat(),
    owner Vec::new(), expires None);
// A day longer than it counts, for a clock that is set back.
document!(OfflineTries, "offline_tries", |d| d.account.0.to_vec(), owner Vec::new(),
    expires Some(d.day.saturating_add(2).saturating_mul(86_400)));
document!(Device, "device", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(BlockCodeIndex, "block_code", |d| d.hash.0.to_vec(), owner Vec::new(), expires None);
document!(Browser, "browser", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(HistoryLine, "history", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(Transaction, "transaction", |d| d.id.0.to_vec(),
    owner d.addressed.as_ref().and_then(|a| a.account).map(|id| id.0.to_vec()).unwrap_or_default(),
    expires Some(kept(d)));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::testing::{outcome, transaction};

    #[test]
    fn only_what_a_known_account_decided_is_kept_for_months() {
        let mut request = transaction();
        assert_eq!(request.expires(), Some(request.expires + 3_600));
        request.outcome = Some(outcome(Decision::Deny, Binding::TypedNumber));
        assert_eq!(request.expires(), Some(request.expires + 90 * 86_400));
        request.outcome = Some(Outcome { account: None, ..outcome(Decision::Deny, Binding::TypedNumber) });
        assert_eq!(request.expires(), Some(request.expires + 3_600));
    }

    #[test]
    fn what_is_due_sorts_by_time() {
        let due = |at, enrolment, waiting| EnrolmentDue {
            at,
            enrolment: godkend_protocol::bytes::Fixed([enrolment; 16]),
            waiting,
        };
        assert!(due(5, 255, true).id() < due(256, 0, false).id());
        assert_ne!(due(5, 1, true).id(), due(5, 1, false).id());
    }
}
