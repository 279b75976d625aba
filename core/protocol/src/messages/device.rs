//! What a phone asks about itself and its siblings, and how it blocks itself.

use minicbor::{Decode, Encode};

use super::number;
use super::pin::PinStatus;
use crate::bytes::{Id, Nonce};
use crate::cose::{Role, SignedMessage};
use crate::types::KeyPurpose;

/// Asks for the person's devices and remembered browsers. Sent bare to `overview`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct AskOverview {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh.
    #[n(4)]
    pub nonce: Nonce,
}

impl AskOverview {
    /// The request's path.
    pub const PATH: &'static str = "overview";
}

impl SignedMessage for AskOverview {
    const TYPE: u16 = number::OVERVIEW;
    const SIGNER: Role = Role::Possession;
}

/// The person's devices and browsers.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Overview {
    /// Devices that are not removed.
    #[n(1)]
    pub devices: Vec<DeviceLine>,
    /// Remembered browsers.
    #[n(2)]
    pub browsers: Vec<BrowserLine>,
    /// Whether a typed user id may push (locked) to this person's phones.
    #[n(3)]
    pub locked_push: bool,
    /// The asking device's PIN.
    #[n(4)]
    pub pin: Option<PinStatus>,
}

/// One device.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct DeviceLine {
    /// The device.
    #[n(1)]
    pub id: Id,
    /// Its model.
    #[n(2)]
    pub model: String,
    /// Its platform.
    #[n(3)]
    pub platform: String,
    /// Where it stands.
    #[n(4)]
    pub state: DeviceState,
    /// Unix seconds.
    #[n(5)]
    pub enrolled: i64,
    /// Unix seconds of the last accepted answer.
    #[n(6)]
    pub last_used: Option<i64>,
    /// The purposes of its keys.
    #[n(7)]
    pub keys: Vec<KeyPurpose>,
}

/// Where a device stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, serde::Serialize, serde::Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Being enrolled, or in its waiting hour.
    #[n(1)]
    Enrolling,
    /// In use.
    #[n(2)]
    Active,
    /// Blocked by its owner, a block code or a desk.
    #[n(3)]
    Blocked,
    /// Frozen: a clone or an old store answered.
    #[n(4)]
    Frozen,
    /// Removed for good.
    #[n(5)]
    Removed,
}

/// One remembered browser.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BrowserLine {
    /// The browser.
    #[n(1)]
    pub id: Id,
    /// What it said it was when it was remembered.
    #[n(2)]
    pub name: String,
    /// Unix seconds.
    #[n(3)]
    pub remembered: i64,
    /// Unix seconds.
    #[n(4)]
    pub last_used: i64,
}

/// Blocks this device. Needs no factor: a finder may block, nobody may use. Sent bare to `block`.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct BlockSelf {
    /// The device.
    #[n(3)]
    pub device: Id,
    /// Fresh.
    #[n(4)]
    pub nonce: Nonce,
}

impl BlockSelf {
    /// The request's path.
    pub const PATH: &'static str = "block";
}

impl SignedMessage for BlockSelf {
    const TYPE: u16 = number::BLOCK_SELF;
    const SIGNER: Role = Role::Possession;
}
