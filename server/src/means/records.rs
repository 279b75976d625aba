//! What the server remembers of the means beside the app.

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, Secret};
use godkend_protocol::crypto;
use godkend_protocol::types::Level;
use serde::{Deserialize, Serialize};

use crate::approval::id_of;
use crate::records::Document;
use crate::store::Kind;

/// The kinds that expire, for purging.
pub const KINDS: &[Kind] =
    &[Attempt::KIND, TryCount::KIND, PasswordCode::KIND, ChipCode::KIND, super::orders::Order::KIND];

/// Where a code display stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisplayState {
    /// Imported, nobody's yet.
    Stock,
    /// Somebody's, in use.
    Active,
    /// Reported as lost; never used again.
    Lost,
    /// Another has taken its place.
    Replaced,
}

/// A code display. Its seed is sealed under a key from outside the database, to its id and its holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Display {
    /// Named by maker and serial number ([`Display::id_of`]).
    pub id: Id,
    /// The maker, as delivered.
    pub manufacturer: String,
    /// The number on its back.
    pub serial: String,
    /// Its holder; none in stock.
    pub account: Option<Id>,
    /// Where it stands.
    pub state: DisplayState,
    /// Nonce and ciphertext of the seed.
    pub seed: Blob,
    /// `SHA1`, `SHA256`, `SHA512`.
    pub hash: String,
    /// Digits of its codes.
    pub digits: u8,
    /// Seconds of a step; none for one with a button.
    pub step: Option<u32>,
    /// The lowest counter or time step that is still taken.
    pub next: u64,
    /// Steps that its clock is ahead.
    pub drift: i32,
    /// It speaks.
    #[serde(default)]
    pub talks: bool,
    /// Unix seconds: imported.
    pub imported: i64,
    /// Unix seconds: handed to its holder.
    #[serde(default)]
    pub assigned: Option<i64>,
    /// Unix seconds: its last right code.
    #[serde(default)]
    pub last_used: Option<i64>,
    /// Unix seconds: when its battery should be replaced, as delivered.
    #[serde(default)]
    pub battery_until: Option<i64>,
}

impl Display {
    /// The id of a display.
    #[must_use]
    pub fn id_of(manufacturer: &str, serial: &str) -> Id {
        id_of(&crypto::labelled_hash("godkend/1/display", &[manufacturer.as_bytes(), serial.trim().as_bytes()]))
    }
}

/// A person's password: OPAQUE's record, from which nobody can compute it without the secrets outside the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Password {
    /// Whose it is.
    pub account: Id,
    /// Which OPAQUE seed the record was made with.
    pub seed: u32,
    /// OPAQUE's record.
    pub record: Blob,
    /// Unix seconds.
    pub set: i64,
}

/// A one-time code with which a person chooses a password, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PasswordCode {
    /// Hash of the code.
    pub hash: Hash32,
    /// For whom.
    pub account: Id,
    /// Who opened it: `desk:<name>`, `app`.
    pub by: String,
    /// Registrations that it was used for.
    pub registrations: u32,
    /// Unix seconds.
    pub expires: i64,
}

/// A person's chip: one at most. Nothing of it is a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chip {
    /// Whose.
    pub account: Id,
    /// The credential's id, as the chip named it.
    pub credential: Blob,
    /// Its public key on P-256: x and y.
    pub key: Fixed<64>,
    /// The signature counter of its last use; 0 for a chip that does not count.
    pub counter: u32,
    /// Its key can be copied to other devices.
    pub synchronised: bool,
    /// Its make was proved under an authority of the policy.
    pub attested: bool,
    /// The make (AAGUID), if it was told.
    #[serde(default)]
    pub model: Option<String>,
    /// The level of the proofing or approval that it was registered with: it gives no more.
    pub most: Level,
    /// Its counter went back: there is a copy. It is never used again.
    pub frozen: bool,
    /// Unix seconds.
    pub registered: i64,
    /// Unix seconds: its last right signature.
    #[serde(default)]
    pub last_used: Option<i64>,
}

impl Chip {
    /// The id of a person's chip, which names nobody in a log.
    #[must_use]
    pub fn id_of(account: &Id) -> Id {
        id_of(&crypto::labelled_hash("godkend/1/chip-of", &[&account.0]))
    }
}

/// A one-time code with which a person registers a chip, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChipCode {
    /// Hash of the code.
    pub hash: Hash32,
    /// For whom.
    pub account: Id,
    /// Who opened it: `desk:<name>`, `app`.
    pub by: String,
    /// The level of that: the chip gives no more.
    pub most: Level,
    /// What the chip is being asked, as the library keeps it; none before the first time and after each answer.
    pub state: Option<String>,
    /// How often a chip was asked.
    pub asked: u32,
    /// Unix seconds.
    pub expires: i64,
}

/// Failures in a row on one of an account's counters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TryCount {
    /// The counter.
    pub key: Hash32,
    /// Failures since the last success, with tries that are not finished.
    pub failures: u32,
    /// Unix seconds of the last one.
    pub last: i64,
}

/// An exchange between a page's two messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// The request that it is for.
    pub transaction: Id,
    /// Whose name it stands in; may be an account that does not exist.
    pub account: Id,
    /// SHA-256 of the first message: the same gets the same reply.
    pub start: Hash32,
    /// The reply: KE2.
    pub ke2: Blob,
    /// OPAQUE's state; none once the second message has come.
    pub state: Option<Secret<64>>,
    /// All that came with the first message was right, and is the account's. If not, nothing can make it so.
    pub real: bool,
    /// The combination's means.
    pub means: Vec<String>,
    /// What they are worth at most, if one of them says less than the policy.
    #[serde(default)]
    pub most: Option<Level>,
    /// The counters that it fell on, which a success clears.
    pub counters: Vec<Hash32>,
    /// The browser is one that the person has signed in with before.
    pub own_browser: bool,
    /// Unix seconds: purge.
    pub expires: i64,
}

/// Written where a known person's try writes something and an unknown one's has nothing to write. There are few: they are
/// shared by all requests whose id begins alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Filler {
    /// The first byte of the request's id.
    pub shard: u8,
    /// Which of those in one commit.
    pub number: u8,
    /// Unix seconds.
    pub at: i64,
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

/// How long a counter is kept after its last try: longer than any wait.
const COUNTED_FOR: i64 = 30 * 86_400;

document!(Display, "display", |d| d.id.0.to_vec(),
    owner d.account.map(|account| account.0.to_vec()).unwrap_or_default(), expires None);
document!(Password, "password", |d| d.account.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(PasswordCode, "password_code", |d| d.hash.0.to_vec(), owner d.account.0.to_vec(), expires Some(d.expires));
document!(Chip, "chip", |d| Chip::id_of(&d.account).0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(ChipCode, "chip_code", |d| d.hash.0.to_vec(), owner d.account.0.to_vec(), expires Some(d.expires));
document!(TryCount, "means_tries", |d| d.key.0.to_vec(), owner Vec::new(),
    expires Some(d.last.saturating_add(COUNTED_FOR)));
document!(Attempt, "means_attempt", |d| d.transaction.0.to_vec(), owner Vec::new(), expires Some(d.expires));
document!(Filler, "means_filler", |d| vec![d.shard, d.number], owner Vec::new(), expires None);
