//! `push`: a device gives, replaces or takes back its push address, or asks what can be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use godkend_protocol::codes::Code;
use godkend_protocol::messages::push::{PushChange, PushRegister, PushState};

use super::{Registered, Target};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::phone::request::{payload_hash, signed};
use crate::phone::{Call, reply};
use crate::records::Device;

/// Changes that one device may make in a minute: each is a write.
const CHANGES_PER_MINUTE: u32 = 10;

/// Handles a [`PushRegister`]. A retry finds its own change and gets the same reply.
pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let counted = AtomicBool::new(false);
    // Each time from the beginning: between reading and writing the device may have been blocked.
    let state = docs::retry(|| attempt(&app, &call, &counted)).await?;
    Ok(reply(&state.ok_or(Code::Conflict)?))
}

/// `None` for a change that an earlier one has overtaken: sent again, it would be overtaken again.
async fn attempt(app: &App, call: &Call, counted: &AtomicBool) -> Result<Option<PushState>, ApiError> {
    let caller = signed::<PushRegister>(app, &call.bytes, |register| register.device).await?;
    let gateways = app.push.gateways();
    let (fcm, apns, web_push) = gateways.offered();
    let state = |registered| Ok(Some(PushState { registered, fcm, apns, web_push }));
    let known = caller.device.doc.push.as_ref();
    let Some(change) = caller.message.change else {
        return state(known.is_some_and(|known| known.target.is_some()));
    };
    let target = match change {
        PushChange::Remove => None,
        PushChange::Set { address, .. } if !address.is_well_formed() => return Err(Code::Malformed.into()),
        PushChange::Set { address, .. } if !gateways.takes(&address) => return Err(Code::PushRefused.into()),
        PushChange::Set { handle, address } => Some(Target { handle, address }),
    };
    let change = payload_hash(&caller.payload);
    if let Some(known) = known {
        if (known.number, known.change) == (caller.message.number, change) {
            // Its gateway may have called it void since: then the phone is told so.
            return state(known.target.is_some());
        }
        if caller.message.number <= known.number {
            return Ok(None);
        }
    }
    if !counted.swap(true, Ordering::Relaxed) {
        let device = caller.device.doc.id.to_base64();
        app.throttle.take("push", &device, CHANGES_PER_MINUTE, app.clock.now_ms())?;
    }
    // As it is stored, and not as the caller's state was judged.
    let stored = docs::get::<Device>(&*app.store, &caller.device.doc.id.0).await?;
    let mut device = stored.filter(|stored| stored.version == caller.device.version).ok_or_else(ApiError::conflict)?;
    let registered = target.is_some();
    device.doc.push = Some(Registered { number: caller.message.number, change, target });
    let mut changes = Changes::new();
    changes.update(&device).unchanged(&caller.account);
    changes.commit(&*app.store).await?;
    state(registered)
}
