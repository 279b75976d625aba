//! A new PIN on the same phone, after proofing again: a desk opens it, the phone fetches it with a nonce, and then come
//! digits, PIN and first approval as in an activation. Never on a blocked or frozen phone.

use std::sync::Arc;

use godkend_protocol::bytes::{Blob, Id, random};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::pin::{PinResetOffer, PinResetOpen, reset_transcript};

use super::{KEPT, seconds};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::request::{Caller, payload_hash, signed};
use crate::phone::{Call, version};
use crate::records::{Account, Device, Enrolment, EnrolmentKind, Entry, HandedOutBy};

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = signed::<PinResetOpen>(&app, &call.bytes, |m| m.device).await?;
    version::check(&app.config.app, &caller.message.app_version, app.now())?;
    version::note(&app, &caller.device.doc, &caller.message.app_version).await?;
    docs::retry(|| attempt(&app, &caller, &call.source)).await
}

async fn attempt(app: &App, caller: &Caller<PinResetOpen>, source: &str) -> Result<Vec<u8>, ApiError> {
    let (device, now) = (&caller.device.doc, app.now());
    let hash = payload_hash(&caller.payload);
    let resets = resets_of(app, device).await?;
    let again = resets.iter().find_map(|entry| match &entry.doc.taken_by {
        Some((taken, offer)) if *taken == hash => Some(offer.0.clone()),
        _ => None,
    });
    if let Some(offer) = again {
        return Ok(offer);
    }
    let waiting = resets.into_iter().find(|entry| entry.doc.stage.is_none() && now < entry.doc.expires);
    let mut reset = waiting.ok_or(Code::PinResetUnknown)?;
    let finish_before = now.saturating_add(seconds(app.config.activation.first_approval_seconds));
    let offer = PinResetOffer {
        id: reset.doc.id,
        device: device.id,
        open_hash: hash,
        nonce: random(&mut app.rng()),
        finish_before,
    };
    let signed = app.keys.sign_challenge(&offer);
    let received = app.keys.open_own::<PinResetOffer>(&signed)?;
    let doc = &mut reset.doc;
    doc.stage = Some(Stage::Digits);
    doc.transcript = Some(reset_transcript(&caller.payload, received.payload()));
    doc.finish_before = Some(finish_before);
    doc.taken_by = Some((hash, Blob(signed.clone())));
    doc.place = Some(source.to_owned());
    doc.purge = finish_before.saturating_add(KEPT);
    let mut changes = Changes::new();
    changes.update(&reset);
    super::put_due(&mut changes, &reset.doc);
    changes.commit(&*app.store).await?;
    app.wake.all(device.account);
    Ok(signed)
}

/// Opens a PIN reset for a device, at a desk that has proofed the person again. A reset that still waits is replaced.
///
/// # Errors
/// [`Code::DeviceUnknown`], or the code for a device or identity that may not have one.
pub async fn open_reset(app: &App, device: &Id, by: &str) -> Result<Enrolment, ApiError> {
    docs::retry(|| open_attempt(app, device, by)).await
}

async fn open_attempt(app: &App, device: &Id, by: &str) -> Result<Enrolment, ApiError> {
    let device = docs::get::<Device>(&*app.store, &device.0).await?.ok_or(Code::DeviceUnknown)?;
    let account = docs::get::<Account>(&*app.store, &device.doc.account.0).await?.ok_or(Code::DeviceUnknown)?;
    match super::state_now(app, &device.doc).await? {
        DeviceState::Active => {}
        DeviceState::Enrolling => return Err(Code::DeviceNotActive.into()),
        DeviceState::Blocked => return Err(Code::DeviceBlocked.into()),
        DeviceState::Frozen => return Err(Code::DeviceFrozen.into()),
        DeviceState::Removed => return Err(Code::DeviceRemoved.into()),
    }
    if account.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    let now = app.now();
    let (mut reset, _) = super::hand_out(app, &account.doc, HandedOutBy::Desk(by.to_owned()), super::Form::Link);
    reset.kind = EnrolmentKind::PinReset;
    reset.link_secret = None;
    reset.device = Some(device.doc.id);
    let mut changes = Changes::new();
    for mut old in resets_of(app, &device.doc).await?.into_iter().filter(|entry| entry.doc.stage.is_none()) {
        old.doc.stage = Some(Stage::Void);
        changes.update(&old);
    }
    changes.insert(&reset).unchanged(&device).log(&AuditEntry::EnrolmentOpened {
        enrolment: reset.id,
        account: account.doc.id,
        pin_reset: true,
        by: super::by_text(&reset.handed_out_by),
        at: now,
    });
    history::add(&mut changes, app, account.doc.id, "pin_reset_opened", About::device(device.doc.id));
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account.doc.id);
    Ok(reset)
}

async fn resets_of(app: &App, device: &Device) -> Result<Vec<Entry<Enrolment>>, ApiError> {
    let mut all = super::all_of::<Enrolment>(app, &device.account).await?;
    all.retain(|entry| entry.doc.kind == EnrolmentKind::PinReset && entry.doc.device == Some(device.id));
    Ok(all)
}
