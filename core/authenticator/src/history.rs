//! The history that stays on the phone: approvals, refusals and failed attempts.

use godkend_protocol::types::Action;
use minicbor::{Decode, Encode};

/// How many lines are kept for each identity; the oldest go first.
pub(crate) const KEPT: usize = 200;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum HistoryEvent {
    /// The phone was activated.
    #[n(1)]
    Activated,
    /// Approved, and the server has taken it.
    #[n(2)]
    Approved,
    /// Refused: I changed my mind.
    #[n(3)]
    Denied,
    /// Refused: this was not me.
    #[n(4)]
    Reported,
    /// A wrong PIN.
    #[n(5)]
    WrongPin,
    /// Approved or refused, but the server would not take it.
    #[n(6)]
    NotTaken,
    /// Expired before it was answered.
    #[n(7)]
    Expired,
    /// Approved without a network, by a code.
    #[n(8)]
    OfflineCode,
    /// This phone was blocked from here.
    #[n(9)]
    Blocked,
    /// A new PIN was chosen after proofing again.
    #[n(10)]
    PinReset,
    /// A notice of use: it was this person.
    #[n(11)]
    Recognised,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HistoryLine {
    /// By the phone's clock, Unix seconds.
    #[n(1)]
    pub at: i64,
    /// What happened.
    #[n(2)]
    pub event: HistoryEvent,
    /// Who asked, if anybody.
    #[n(3)]
    pub relying_party: Option<String>,
    /// What an approval would have done.
    #[n(4)]
    pub action: Option<Action>,
    /// The reference text, or amount and payee.
    #[n(5)]
    pub text: Option<String>,
    /// Where the browser seemed to be.
    #[n(6)]
    pub place: Option<String>,
    /// The server's stable code, if it refused.
    #[n(7)]
    pub code: Option<String>,
}
