//! Blocking: by the phone itself, by its block code from any browser, by a desk. Anyone who holds the phone may block it;
//! only a desk opens it again.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::messages::Done;
use godkend_protocol::messages::device::{BlockSelf, DeviceState};

use crate::activation::{MOST_DEVICES, activation_of, all_of, state_now, stop};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::request::{Allow, signed_by};
use crate::phone::{Call, reply};
use crate::records::{BlockCodeIndex, Device};

/// Block codes that one source may try in a minute.
const BLOCK_CODES_PER_MINUTE: u32 = 5;

/// A device that was blocked, as it may be named to whoever had its block code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockedDevice {
    /// The device.
    pub device: Id,
    /// Its model.
    pub model: String,
}

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = signed_by::<BlockSelf>(&app, &call.bytes, |m| m.device, Allow::Any).await?;
    block(&app, &caller.device.doc.id, "self").await?;
    Ok(reply(&Done {}))
}

/// Blocks the device whose block code was typed into a browser of `source`. The same code again gets the same answer.
///
/// # Errors
/// [`Code::BlockCodeWrong`], and [`Code::Throttled`] for a source that has tried too many.
pub async fn block_by_code(app: &App, code: &str, source: &str) -> Result<BlockedDevice, ApiError> {
    let now_ms = app.clock.now_ms();
    app.throttle.check("block_code", source, BLOCK_CODES_PER_MINUTE, now_ms)?;
    let wrong = || match app.throttle.take("block_code", source, BLOCK_CODES_PER_MINUTE, now_ms) {
        Ok(()) => ApiError::from(Code::BlockCodeWrong),
        Err(throttled) => throttled,
    };
    let code = BlockCode::parse(code).ok_or_else(wrong)?;
    let index = docs::get::<BlockCodeIndex>(&*app.store, &code.hash().0).await?.ok_or_else(wrong)?;
    block(app, &index.doc.device, "block_code").await
}

/// Blocks a device, for a reason in a stable word. One that is still being enrolled is removed; one that is blocked or
/// removed stays so.
///
/// # Errors
/// [`Code::DeviceUnknown`].
pub async fn block(app: &App, device: &Id, why: &str) -> Result<BlockedDevice, ApiError> {
    docs::retry(|| block_attempt(app, device, why)).await
}

async fn block_attempt(app: &App, id: &Id, why: &str) -> Result<BlockedDevice, ApiError> {
    let mut device = docs::get::<Device>(&*app.store, &id.0).await?.ok_or(Code::DeviceUnknown)?;
    let blocked = BlockedDevice { device: *id, model: device.doc.info.model.clone() };
    let now = app.now();
    let mut changes = Changes::new();
    match state_now(app, &device.doc).await? {
        DeviceState::Blocked | DeviceState::Removed => return Ok(blocked),
        DeviceState::Enrolling => match activation_of(app, &device.doc).await? {
            Some(mut activation) => {
                stop(&mut changes, &mut activation.doc, Some(&mut device.doc), why, now);
                changes.update(&activation);
            }
            None => {
                remove(&mut device.doc);
                changes.log(&changed(&device.doc, why, now));
            }
        },
        // A frozen one too: what its owner blocks needs the desk, whatever else it was.
        DeviceState::Active | DeviceState::Frozen => {
            device.doc.state = DeviceState::Blocked;
            crate::push::forget(&mut device.doc.push);
            if let Some(pin) = &mut device.doc.pin {
                pin.exchange = None;
            }
            changes.log(&changed(&device.doc, why, now));
        }
    }
    changes.update(&device);
    let about = About::device(*id).with(serde_json::json!({"by": why, "model": blocked.model}));
    history::add(&mut changes, app, device.doc.account, "device_blocked", about);
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(device.doc.account);
    Ok(blocked)
}

/// Opens a blocked or frozen device again, at a desk that has proofed its owner.
///
/// # Errors
/// [`Code::DeviceUnknown`], [`Code::DeviceRemoved`]; [`Code::DeviceLimit`] if its owner has three others by now.
pub async fn unblock(app: &App, device: &Id) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let mut device = docs::get::<Device>(&*app.store, &device.0).await?.ok_or(Code::DeviceUnknown)?;
        match device.doc.state {
            DeviceState::Active | DeviceState::Enrolling => return Ok(()),
            DeviceState::Removed => return Err(Code::DeviceRemoved.into()),
            DeviceState::Blocked | DeviceState::Frozen => device.doc.state = DeviceState::Active,
        }
        let siblings = all_of::<Device>(app, &device.doc.account).await?;
        let others = siblings.iter().filter(|s| s.doc.state == DeviceState::Active && s.doc.id != device.doc.id);
        if others.count() >= MOST_DEVICES {
            return Err(Code::DeviceLimit.into());
        }
        let mut changes = Changes::new();
        changes.update(&device).log(&changed(&device.doc, "desk", app.now()));
        history::add(&mut changes, app, device.doc.account, "device_unblocked", About::device(device.doc.id));
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(device.doc.account);
        Ok(())
    })
    .await
}

/// Removes a device for good, for a reason in a stable word: `desk`, `self_service`.
///
/// # Errors
/// [`Code::DeviceUnknown`].
pub async fn remove_for_good(app: &App, device: &Id, why: &str) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let mut device = docs::get::<Device>(&*app.store, &device.0).await?.ok_or(Code::DeviceUnknown)?;
        if device.doc.state == DeviceState::Removed {
            return Ok(());
        }
        let now = app.now();
        let mut changes = Changes::new();
        let activation = match device.doc.state {
            DeviceState::Enrolling => activation_of(app, &device.doc).await?,
            _ => None,
        };
        if let Some(mut activation) = activation {
            stop(&mut changes, &mut activation.doc, Some(&mut device.doc), why, now);
            changes.update(&activation);
        } else {
            remove(&mut device.doc);
            changes.log(&changed(&device.doc, why, now));
        }
        changes.update(&device);
        let about = About::device(device.doc.id).with(serde_json::json!({"by": why}));
        history::add(&mut changes, app, device.doc.account, "device_removed", about);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(device.doc.account);
        Ok(())
    })
    .await
}

/// Marks a device as removed and forgets what only an active one needs. The caller stores and logs it.
pub fn remove(device: &mut Device) {
    device.state = DeviceState::Removed;
    device.pin = None;
    crate::push::forget(&mut device.push);
}

fn changed(device: &Device, why: &str, now: i64) -> AuditEntry {
    AuditEntry::DeviceChanged {
        device: device.id,
        account: device.account,
        state: device.state,
        why: why.to_owned(),
        at: now,
    }
}
