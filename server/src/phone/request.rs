//! Who sent a signed request, and whether they may: the same for every message that a device signs.

use godkend_protocol::bytes::{Id, PublicKey};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, SignedMessage};
use godkend_protocol::crypto;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::KeyPurpose;

use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::records::{Account, Device, Entry};

/// A request whose signature is right, from a device that may ask.
#[derive(Debug)]
pub struct Caller<M> {
    /// The device. One whose waiting hour has passed is active here, whatever the store says.
    pub device: Entry<Device>,
    /// Whose it is.
    pub account: Entry<Account>,
    /// What it asks.
    pub message: M,
    /// The signed payload, to compare and hash: it identifies the message, its signature does not.
    pub payload: Vec<u8>,
}

/// Which devices may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allow {
    /// Active ones.
    Active,
    /// Active ones and those that are being enrolled.
    Enrolling,
    /// Any that is enrolled, whatever became of it: for questions about its own state.
    Any,
}

/// Verifies a message that an active device's possession key signed.
///
/// # Errors
/// [`ApiError`]: malformed, unknown, not signed by it, or refused for the device's or the identity's state.
pub async fn signed<M: SignedMessage>(
    app: &App,
    bytes: &[u8],
    device_of: impl Fn(&M) -> Id,
) -> Result<Caller<M>, ApiError> {
    signed_by(app, bytes, device_of, Allow::Active).await
}

/// [`signed`], also for devices that are being enrolled.
///
/// # Errors
/// As [`signed`].
pub async fn signed_enrolling<M: SignedMessage>(
    app: &App,
    bytes: &[u8],
    device_of: impl Fn(&M) -> Id,
) -> Result<Caller<M>, ApiError> {
    signed_by(app, bytes, device_of, Allow::Enrolling).await
}

/// [`signed`], for the devices that `allow` names.
///
/// # Errors
/// As [`signed`].
pub async fn signed_by<M: SignedMessage>(
    app: &App,
    bytes: &[u8],
    device_of: impl Fn(&M) -> Id,
    allow: Allow,
) -> Result<Caller<M>, ApiError> {
    let received = Received::<M>::parse(bytes, app.environment())?;
    let id = device_of(received.claimed());
    let mut device = docs::get::<Device>(&*app.store, &id.0).await?.ok_or(Code::DeviceUnknown)?;
    let payload = received.payload().to_vec();
    let message = received.verify(&possession(&device.doc)?)?;
    // Only the device itself is told how it stands.
    let account = docs::get::<Account>(&*app.store, &device.doc.account.0).await?.ok_or(Code::DeviceUnknown)?;
    if device.doc.state == DeviceState::Enrolling {
        device.doc.state = crate::activation::state_now(app, &device.doc).await?;
    }
    admit(&device.doc, &account.doc, allow)?;
    Ok(Caller { device, account, message, payload })
}

/// The key that signs a device's requests.
///
/// # Errors
/// [`Code::DeviceUnknown`] for a device that has none, which the server never stores.
pub fn possession(device: &Device) -> Result<PublicKey, ApiError> {
    key(device, KeyPurpose::Possession).ok_or_else(|| Code::DeviceUnknown.into())
}

/// A device's key of a purpose.
#[must_use]
pub fn key(device: &Device, purpose: KeyPurpose) -> Option<PublicKey> {
    device.keys.iter().find(|key| key.purpose == purpose).map(|key| key.public)
}

/// SHA-256 of a payload: what a retry is recognised by.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> godkend_protocol::bytes::Hash32 {
    crypto::sha256(&[payload])
}

fn admit(device: &Device, account: &Account, allow: Allow) -> Result<(), ApiError> {
    if allow == Allow::Any {
        return Ok(());
    }
    match device.state {
        DeviceState::Active => {}
        DeviceState::Enrolling if allow == Allow::Enrolling => {}
        DeviceState::Enrolling => return Err(Code::DeviceNotActive.into()),
        DeviceState::Blocked => return Err(Code::DeviceBlocked.into()),
        DeviceState::Frozen => return Err(Code::DeviceFrozen.into()),
        DeviceState::Removed => return Err(Code::DeviceRemoved.into()),
    }
    if account.blocked { Err(Code::IdentityBlocked.into()) } else { Ok(()) }
}
