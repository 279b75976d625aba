//! Requests for an approval, from their start to their one outcome.

use godkend_protocol::bytes::{Blob, Hash32, Id, Secret};
use godkend_protocol::messages::approval::RelyingParty;
use godkend_protocol::types::{Action, Binding, Decision, Factor, Level, Operation, Payment};
use serde::{Deserialize, Serialize};

use super::Document;
use crate::store::Kind;

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
    /// Unix seconds of the approval that the use rests on, or an earlier instant.
    #[serde(default)]
    pub at: i64,
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

/// How long a transaction that a known account decided is kept for evidence and history, in seconds: 90 days.
pub const TRANSACTION_KEPT: i64 = 90 * 86_400;
/// How long any other transaction is kept after its time, in seconds: an hour, in which its page and its relying party
/// learn how it ended. Strangers begin them at will.
pub const UNDECIDED_KEPT: i64 = 3_600;

fn kept(transaction: &Transaction) -> i64 {
    let decided = transaction.outcome.as_ref().is_some_and(|outcome| outcome.account.is_some());
    transaction.expires.saturating_add(if decided { TRANSACTION_KEPT } else { UNDECIDED_KEPT })
}

// A day longer than it counts, for a clock that is set back.
document!(OfflineTries, "offline_tries", |d| d.account.0.to_vec(), owner Vec::new(),
    expires Some(d.day.saturating_add(2).saturating_mul(86_400)));

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
}
