//! What time alone does to enrolments, made durable: the waiting hour ends, or nobody finished.

use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::DeviceState;

use super::{KEPT, stage_now, stop};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Device, Document as _, Enrolment, EnrolmentKind, Entry, HandedOutBy};

/// Goes through all enrolments once. What it does late was in force already: readers look at
/// [`super::effective_state`]. Returns how many it settled.
///
/// # Errors
/// [`ApiError`] if the store cannot answer; the next sweep goes on.
pub async fn sweep(app: &App) -> Result<u32, ApiError> {
    let mut after: Option<Vec<u8>> = None;
    let mut settled = 0;
    loop {
        let page = app.store.scan(Enrolment::KIND, after.as_deref(), 256).await?;
        let Some(last) = page.last() else { return Ok(settled) };
        after = Some(last.id.clone());
        for record in &page {
            let Ok(doc) = serde_json::from_slice::<Enrolment>(&record.body) else { continue };
            if doc.stage.is_some() && doc.stage != stage_now(&doc, app.now()) {
                settle(app, Entry { doc, version: Some(record.version) }).await?;
                settled += 1;
            }
        }
    }
}

async fn settle(app: &App, mut enrolment: Entry<Enrolment>) -> Result<(), ApiError> {
    let now = app.now();
    let Some(device) = enrolment.doc.device else { return Ok(()) };
    let Some(mut device) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(()) };
    let account = enrolment.doc.account;
    let mut changes = Changes::new();
    match stage_now(&enrolment.doc, now) {
        Some(Stage::Active) => {
            enrolment.doc.stage = Some(Stage::Active);
            enrolment.doc.purge = now.saturating_add(KEPT);
            if device.doc.state == DeviceState::Enrolling {
                device.doc.state = DeviceState::Active;
                changes.log(&changed(&device.doc, "activated", now)).update(&device);
                history::add(&mut changes, app, account, "device_activated", About::device(device.doc.id));
                replace_old(app, &enrolment.doc, &mut changes, now).await?;
            }
            changes.update(&enrolment);
        }
        Some(Stage::Void) => {
            let enrolling = device.doc.state == DeviceState::Enrolling;
            let own = (enrolling && enrolment.doc.kind == EnrolmentKind::Activation).then_some(&mut device.doc);
            stop(&mut changes, &mut enrolment.doc, own, "expired", now);
            changes.update(&enrolment);
            if enrolling && enrolment.doc.kind == EnrolmentKind::Activation {
                changes.update(&device);
            }
            history::add(&mut changes, app, account, "activation_expired", About::device(device.doc.id));
        }
        _ => return Ok(()),
    }
    match changes.commit(&*app.store).await {
        // Somebody else was at it: the next sweep looks again.
        Err(error) if error.is_conflict() => return Ok(()),
        done => done?,
    };
    app.log.wake();
    app.wake.all(account);
    Ok(())
}

/// A move that does not keep the old phone removes it when the new one is active.
async fn replace_old(app: &App, enrolment: &Enrolment, changes: &mut Changes, now: i64) -> Result<(), ApiError> {
    let HandedOutBy::Device { device, keep: false } = &enrolment.handed_out_by else { return Ok(()) };
    let Some(mut old) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(()) };
    if old.doc.state != DeviceState::Removed {
        crate::device::remove(&mut old.doc);
        changes.log(&changed(&old.doc, "replaced", now)).update(&old);
        history::add(changes, app, enrolment.account, "device_removed", About::device(old.doc.id));
    }
    Ok(())
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
