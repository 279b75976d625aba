//! What the audit log says. The server writes these entries, and a third party reads them: one definition for both.

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey, Secret};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Action, Binding, Decision, Factor, KeyPurpose, Level, SecurityLevel, Suite};
use serde::{Deserialize, Serialize};

/// One entry of the log. Times are Unix seconds. Its JSON form is what the Merkle tree commits to: fields and names
/// are never changed, only added.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuditEntry {
    /// A proofed identity was created.
    AccountCreated {
        /// The account.
        account: Id,
        /// The `mitid.uuid` claim.
        uuid: String,
        /// How well it was proofed.
        level: Level,
        /// By whom: `desk:<name>`.
        by: String,
        /// When.
        at: i64,
    },
    /// A whole identity was blocked or opened again.
    AccountBlocked {
        /// The account.
        account: Id,
        /// Blocked, or opened again.
        blocked: bool,
        /// By whom.
        by: String,
        /// When.
        at: i64,
    },
    /// An account's setting or lowest suite changed.
    AccountChanged {
        /// The account.
        account: Id,
        /// The lowest suite from now on.
        least_suite: Suite,
        /// Whether typed user ids may push.
        locked_push: bool,
        /// When.
        at: i64,
    },
    /// An activation or PIN reset was handed out.
    EnrolmentOpened {
        /// The enrolment.
        enrolment: Id,
        /// The account.
        account: Id,
        /// A PIN reset and not an activation.
        pin_reset: bool,
        /// By whom: `desk:<name>`, `device:<id>`, or `self` on the person's own site.
        by: String,
        /// When.
        at: i64,
    },
    /// An enrolment lost tries, or became void.
    EnrolmentSpent {
        /// The enrolment.
        enrolment: Id,
        /// Tries left with the code.
        tries_left: u32,
        /// Tries left with the digits.
        digits_left: u32,
        /// Void from now on.
        void: bool,
        /// When.
        at: i64,
    },
    /// A phone took an activation: its keys.
    DeviceEnrolled {
        /// The device.
        device: Id,
        /// The account.
        account: Id,
        /// The activation.
        enrolment: Id,
        /// The full transcript, which names the keys.
        transcript: Hash32,
        /// The keys.
        keys: Vec<LoggedKey>,
        /// The suite.
        suite: Suite,
        /// When.
        at: i64,
    },
    /// A device's PIN was registered, changed or set anew.
    PinEnrolled {
        /// The device.
        device: Id,
        /// The account.
        account: Id,
        /// The public `pin` key.
        key: PublicKey,
        /// Hash of OPAQUE's record.
        record: Hash32,
        /// When.
        at: i64,
    },
    /// Keys of a device were added, removed or replaced: all that it has from now on.
    KeysChanged {
        /// The device.
        device: Id,
        /// The account.
        account: Id,
        /// All its keys.
        keys: Vec<LoggedKey>,
        /// The transaction that approved it.
        transaction: Id,
        /// When.
        at: i64,
    },
    /// A device's state changed: active, blocked, frozen, removed.
    DeviceChanged {
        /// The device.
        device: Id,
        /// The account.
        account: Id,
        /// The state.
        state: DeviceState,
        /// Why: a stable word such as `block_code`, `desk`, `self`, `clone`, `stopped`, `replaced`, `activated`.
        why: String,
        /// When.
        at: i64,
    },
    /// A PIN try was debited.
    PinDebited {
        /// The device.
        device: Id,
        /// Debits since the last valid proof, with this one.
        debits: u32,
        /// The exchange's number.
        exchange: u64,
        /// When.
        at: i64,
    },
    /// A try of the new PIN of a reset that is not finished was debited, or a valid proof cleared its debits.
    ResetPinTried {
        /// The reset.
        enrolment: Id,
        /// The device.
        device: Id,
        /// Debits since the last valid proof, with this one; 0 after a proof.
        debits: u32,
        /// The exchange's number.
        exchange: u64,
        /// When.
        at: i64,
    },
    /// A valid proof cleared the debits.
    PinCleared {
        /// The device.
        device: Id,
        /// The exchange's number.
        exchange: u64,
        /// When.
        at: i64,
    },
    /// A transaction had its one outcome.
    Decided {
        /// The transaction.
        transaction: Id,
        /// The account; none where it was given up before anyone answered.
        account: Option<Id>,
        /// The account's `mitid.uuid`.
        uuid: Option<String>,
        /// The device.
        device: Option<Id>,
        /// What it was about.
        action: Action,
        /// Who asked.
        relying_party: String,
        /// What was decided.
        decision: Decision,
        /// With what.
        factor: Factor,
        /// How the browser was bound.
        binding: Binding,
        /// The level that was reached.
        level: Option<Level>,
        /// The policy's names of the means that were proved, where it was not a phone alone: on a page, or a phone with a
        /// chip that signed on the page.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        means: Vec<String>,
        /// The challenge's hash.
        challenge: Option<Hash32>,
        /// SHA-256 of the answer's payload.
        answer: Option<Hash32>,
        /// When.
        at: i64,
    },
    /// A transaction was ended without an outcome.
    Closed {
        /// The transaction.
        transaction: Id,
        /// When.
        at: i64,
    },
    /// A transaction's outcome came from a magic identity and from no phone; test environments only.
    TestOutcome {
        /// The transaction, whose outcome stands in the entry before.
        transaction: Id,
        /// The test identity.
        account: Id,
        /// When.
        at: i64,
    },
    /// A device got its next ratchet. Never part of an export.
    Ratchet {
        /// The device.
        device: Id,
        /// Answers accepted so far.
        count: u64,
        /// What the next answer must show.
        ratchet: Secret<16>,
        /// SHA-256 of the payload of the answer that it follows; none at enrolment.
        answer: Option<Hash32>,
        /// When.
        at: i64,
    },
    /// A browser was remembered.
    BrowserRemembered {
        /// The browser.
        browser: Id,
        /// The account.
        account: Id,
        /// When.
        at: i64,
    },
    /// A remembered browser's cookie was used and replaced.
    BrowserRotated {
        /// The browser.
        browser: Id,
        /// When.
        at: i64,
    },
    /// A remembered browser was forgotten or revoked.
    BrowserRevoked {
        /// The browser.
        browser: Id,
        /// The account.
        account: Id,
        /// Why: `forgotten`, `replayed`, `desk`, `replay`.
        why: String,
        /// When.
        at: i64,
    },
    /// The notice of a device or PIN that is in use already was refused: nobody was stopped, and the person was told.
    NoticeRefused {
        /// The device that the notice tells of.
        device: Id,
        /// The account.
        account: Id,
        /// The device that refused.
        by: Id,
        /// Refused as fraud.
        reported: bool,
        /// When.
        at: i64,
    },
    /// An offline code was tried, and wrong.
    OfflineTried {
        /// The transaction.
        transaction: Id,
        /// Tries left.
        left: u32,
        /// The account; for an unknown user id one that does not exist.
        #[serde(default)]
        account: Option<Id>,
        /// The account's wrong ones of that day (UTC), with this one.
        #[serde(default)]
        wrong: u32,
        /// When.
        at: i64,
    },
    /// A desk registered, changed or removed a relying party's client. Those of the configuration file are not here.
    ClientChanged {
        /// The `client_id`.
        client: String,
        /// The name that people are shown; as it was, for one that was removed.
        name: String,
        /// SHA-256 of the registration as it is kept from now on; none for one that was removed.
        registration: Option<Hash32>,
        /// By whom: `desk`.
        by: String,
        /// When.
        at: i64,
    },
    /// A means beside the app was given to a person, ordered, changed or ended: a password, a code display, a chip; or the person set
    /// something of their own: `hide_names`, `tell_uses`.
    MeansChanged {
        /// The account.
        account: Id,
        /// The policy's name of the means.
        means: String,
        /// Which one; the account's id for a password, a hash of it for a chip.
        item: Id,
        /// What became of it: `assigned`, `set`, `lost`, `replaced`, `removed`, `frozen`; of an order `ordered`, `order_cancelled`,
        /// `order_handed`; of a setting `on`, `off`.
        state: String,
        /// By whom: `desk:<name>`, `self`.
        by: String,
        /// When.
        at: i64,
    },
    /// A person chose another user id.
    UserIdChanged {
        /// The account.
        account: Id,
        /// The new one, for the server alone: a nonce (12 bytes) and the text, sealed.
        user_id: Blob,
        /// By whom: `self`.
        by: String,
        /// When.
        at: i64,
    },
    /// A try of a page's means was debited, and what was right of it used up.
    MeansTried {
        /// The counters that it fell on, each with its failures in a row with this one. They name a person to nobody.
        counters: Vec<(Hash32, u32)>,
        /// The display or other thing whose code was used up.
        item: Option<Id>,
        /// The lowest counter, time step or number that it still takes.
        next: Option<u64>,
        /// When.
        at: i64,
    },
    /// A right proof cleared a counter.
    MeansCleared {
        /// The counter.
        counter: Hash32,
        /// When.
        at: i64,
    },
    /// A new epoch began: log and database were both lost.
    EpochBegan {
        /// Its number.
        epoch: u32,
        /// When.
        at: i64,
    },
}

/// A key as the log knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LoggedKey {
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The public key.
    pub public: PublicKey,
    /// How it is protected, as attested.
    pub security: SecurityLevel,
    /// Unix seconds.
    pub enrolled: i64,
}
