//! A citizen: the identity, the browsers that it has remembered, and its history.

use godkend_protocol::bytes::{Hash32, Id, Secret};
use godkend_protocol::types::{Level, Suite};
use serde::{Deserialize, Serialize};

use super::Document;
use crate::store::Kind;

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
    /// When somebody else used the person's means, as the person has said: what approvals of those times gave is void.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputed: Vec<Disputed>,
    /// Unix seconds.
    pub created: i64,
    /// A test identity whose outcome is fixed; test environments only.
    pub magic: Option<Magic>,
}

impl Account {
    /// Whether what came of an approval at `at`, Unix seconds, is void.
    #[must_use]
    pub fn disputes(&self, at: i64) -> bool {
        self.disputed.iter().any(|disputed| (disputed.from..=disputed.until).contains(&at))
    }
}

/// From a use that was not the person's until they said so, in Unix seconds; both seconds count, for nothing tells before
/// from after in one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disputed {
    /// The use.
    pub from: i64,
    /// The answer.
    pub until: i64,
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

document!(Account, "account", |d| d.id.0.to_vec(), owner Vec::new(), expires None);
document!(UserIdIndex, "user_id", |d| d.user_id.as_bytes().to_vec(), owner Vec::new(), expires None);
document!(Browser, "browser", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(HistoryLine, "history", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
