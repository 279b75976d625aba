//! What time alone does to enrolments, made durable: the waiting hour ends, or nobody finished.

use godkend_protocol::bytes::Id;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::device::DeviceState;

use super::{KEPT, stage_now, stop};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Device, Document as _, Enrolment, EnrolmentDue, EnrolmentKind, Entry, HandedOutBy};

/// Records in one page of a sweep.
const AT_ONCE: u32 = 256;

/// Adds what brings an enrolment to the sweep, when time will change it: when a phone has taken it, and when it begins to
/// wait.
pub(crate) fn put_due(changes: &mut Changes, enrolment: &Enrolment) {
    let (at, waiting) = match enrolment.stage {
        Some(Stage::Waiting { until }) => (until, true),
        Some(Stage::Digits | Stage::ChoosePin | Stage::Finish) => {
            let Some(before) = enrolment.finish_before else { return };
            (before, false)
        }
        _ => return,
    };
    changes.insert(&EnrolmentDue { at, enrolment: enrolment.id, waiting });
}

/// Goes through the enrolments whose time has come. What it does late was in force already: readers look at
/// [`super::effective_state`]. Returns how many it settled.
///
/// # Errors
/// [`ApiError`] if the store cannot answer; the next sweep goes on.
pub async fn sweep(app: &App) -> Result<u32, ApiError> {
    let mut after: Option<Vec<u8>> = None;
    let mut settled = 0;
    loop {
        let page = app.store.scan(EnrolmentDue::KIND, after.as_deref(), AT_ONCE).await?;
        let Some(last) = page.last() else { return Ok(settled) };
        after = Some(last.id.clone());
        for record in &page {
            let Ok(doc) = serde_json::from_slice::<EnrolmentDue>(&record.body) else { continue };
            // In the order of time: all that follow are later.
            if app.now() < doc.at {
                return Ok(settled);
            }
            settled += u32::from(settle(app, &Entry { doc, version: Some(record.version) }).await?);
        }
    }
}

/// Says whether the enrolment changed. What was finished or stopped before its time is looked at no more.
async fn settle(app: &App, due: &Entry<EnrolmentDue>) -> Result<bool, ApiError> {
    let mut changes = Changes::new();
    changes.delete(due);
    let enrolment = docs::get::<Enrolment>(&*app.store, &due.doc.enrolment.0).await?;
    let account = match enrolment {
        Some(enrolment) => change(app, &mut changes, enrolment).await?,
        None => None,
    };
    match changes.commit(&*app.store).await {
        // Somebody else was at it: the next sweep looks again.
        Err(error) if error.is_conflict() => return Ok(false),
        done => done?,
    };
    if let Some(account) = account {
        app.log.wake();
        app.wake.all(account);
    }
    Ok(account.is_some())
}

/// What time has done to an enrolment; its account, if anything.
async fn change(app: &App, changes: &mut Changes, mut enrolment: Entry<Enrolment>) -> Result<Option<Id>, ApiError> {
    let now = app.now();
    if enrolment.doc.stage == stage_now(&enrolment.doc, now) {
        return Ok(None);
    }
    let Some(device) = enrolment.doc.device else { return Ok(None) };
    let Some(mut device) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(None) };
    let account = enrolment.doc.account;
    match stage_now(&enrolment.doc, now) {
        Some(Stage::Active) => {
            enrolment.doc.stage = Some(Stage::Active);
            enrolment.doc.purge = now.saturating_add(KEPT);
            if device.doc.state == DeviceState::Enrolling {
                device.doc.state = DeviceState::Active;
                changes.log(&changed(&device.doc, "activated", now)).update(&device);
                history::add(changes, app, account, "device_activated", About::device(device.doc.id));
                replace_old(app, &enrolment.doc, changes, now).await?;
            }
            changes.update(&enrolment);
        }
        Some(Stage::Void) => {
            let enrolling = device.doc.state == DeviceState::Enrolling;
            let own = (enrolling && enrolment.doc.kind == EnrolmentKind::Activation).then_some(&mut device.doc);
            stop(changes, &mut enrolment.doc, own, "expired", now);
            changes.update(&enrolment);
            if enrolling && enrolment.doc.kind == EnrolmentKind::Activation {
                changes.update(&device);
            }
            history::add(changes, app, account, "activation_expired", About::device(device.doc.id));
        }
        _ => return Ok(None),
    }
    Ok(Some(account))
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
