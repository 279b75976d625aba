//! Phones: their keys, their PIN and its tries.

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey, Secret};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{DeviceInfo, KeyPurpose, SecurityLevel, Suite};
use serde::{Deserialize, Serialize};

use super::Document;
use crate::store::Kind;

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

document!(Device, "device", |d| d.id.0.to_vec(), owner d.account.0.to_vec(), expires None);
document!(BlockCodeIndex, "block_code", |d| d.hash.0.to_vec(), owner Vec::new(), expires None);
