//! What a device wants for itself: judged when it asks, judged again and done with its answer.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, HandedOut};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::pin::PinContext;
use godkend_protocol::types::{KeyPurpose, Operation};
use serde_json::json;

use super::challenge::Own;
use super::{browser, notice};
use crate::activation::{self, Form, stage_now};
use crate::app::App;
use crate::audit::{AuditEntry, logged_keys};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{
    Account, AppAttest, Browser, Device, EnrolledKey, Enrolment, EnrolmentKind, Entry, HandedOutBy, PinRecord,
};

/// An answer whose operation is to be done.
pub(super) struct Doing<'a> {
    pub(super) own: &'a Own,
    pub(super) request: &'a AnswerRequest,
    pub(super) received: &'a Received<Answer>,
    /// The PIN reset that the operation finishes.
    pub(super) reset: Option<&'a Entry<Enrolment>>,
    pub(super) now: i64,
}

/// What a done operation tells the phone.
#[derive(Default)]
pub(super) struct Done {
    pub(super) handed_out: Option<HandedOut>,
    pub(super) active_from: Option<i64>,
    /// The account document is in the changes already.
    pub(super) account_written: bool,
}

/// Whether a device may ask for this now. `state` is the device's effective state.
pub(super) async fn check(
    app: &App,
    device: &Device,
    state: DeviceState,
    operation: &Operation,
) -> Result<(), ApiError> {
    if state == DeviceState::Enrolling && *operation != Operation::FinishEnrolment {
        return Err(Code::DeviceNotActive.into());
    }
    let has = |purpose: &KeyPurpose| device.keys.iter().any(|key| key.purpose == *purpose);
    match operation {
        Operation::FinishEnrolment => {
            unfinished(app, device).await?;
        }
        Operation::AddKeys { purposes } => check_purposes(purposes)?,
        Operation::RemoveKeys { purposes } => {
            check_purposes(purposes)?;
            if !purposes.iter().all(has) {
                return Err(Code::OperationRefused.into());
            }
        }
        Operation::RemoveDevice { device: other } => {
            sibling(app, device, other).await?;
        }
        Operation::ForgetBrowser { browser } => {
            own_browser(app, device, browser).await?;
        }
        // Only the server tells of a new device.
        Operation::NewDeviceNotice { .. } => return Err(Code::OperationRefused.into()),
        Operation::ChangePin
        | Operation::RotateKeys
        | Operation::MoveDevice { .. }
        | Operation::SetLockedPush { .. } => {}
    }
    if device.pin.is_none() { Err(Code::PinMissing.into()) } else { Ok(()) }
}

/// Does an approved operation: changes `device` and adds everything else to `changes`. The caller writes `device`.
pub(super) async fn apply(
    app: &App,
    changes: &mut Changes,
    device: &mut Entry<Device>,
    account: &mut Entry<Account>,
    doing: &Doing<'_>,
) -> Result<Done, ApiError> {
    let Some(operation) = &doing.own.challenge.operation else { return Ok(Done::default()) };
    let (now, account_id) = (doing.now, account.doc.id);
    let about = About::device(device.doc.id);
    match operation {
        Operation::FinishEnrolment => return finish(app, changes, device, account, doing.reset, now).await,
        Operation::ChangePin => {
            change_pin(app, changes, &mut device.doc, doing)?;
            history::add(changes, app, account_id, "pin_changed", about);
        }
        Operation::AddKeys { purposes } => {
            let (new, vouching) = new_keys(app, &device.doc, purposes, doing)?;
            device.doc.app_attest = vouching;
            device.doc.keys.retain(|key| !purposes.contains(&key.purpose));
            device.doc.keys.extend(new);
            log_keys(changes, &device.doc, doing);
            history::add(changes, app, account_id, "keys_added", about.with(json!({ "keys": purposes })));
        }
        Operation::RemoveKeys { purposes } => {
            check_purposes(purposes)?;
            device.doc.keys.retain(|key| !purposes.contains(&key.purpose));
            log_keys(changes, &device.doc, doing);
            history::add(changes, app, account_id, "keys_removed", about.with(json!({ "keys": purposes })));
        }
        Operation::RotateKeys => {
            let purposes: Vec<_> = device.doc.keys.iter().map(|key| key.purpose).collect();
            let (new, vouching) = new_keys(app, &device.doc, &purposes, doing)?;
            device.doc.app_attest = vouching;
            if let Some(possession) = new.iter().find(|key| key.purpose == KeyPurpose::Possession) {
                device.doc.security = possession.security;
            }
            device.doc.keys = new;
            log_keys(changes, &device.doc, doing);
            history::add(changes, app, account_id, "keys_rotated", about);
        }
        Operation::MoveDevice { keep } => {
            let by = HandedOutBy::Device { device: device.doc.id, keep: *keep };
            let (enrolment, handed) = activation::hand_out(app, &account.doc, by, Form::Link);
            activation::insert(changes, &enrolment, &handed, now);
            history::add(changes, app, account_id, "activation_handed_out", about);
            let secret = handed.secret.clone().ok_or(Code::Internal)?;
            let handed_out = Some(HandedOut { id: enrolment.id, secret, expires: enrolment.expires });
            return Ok(Done { handed_out, ..Done::default() });
        }
        Operation::RemoveDevice { device: other } => {
            if *other == device.doc.id {
                remove(app, changes, &mut device.doc, now);
            } else {
                let mut other = sibling(app, &device.doc, other).await?;
                if let Some(mut enrolment) = waiting_activation(app, &other.doc, now).await? {
                    activation::stop(changes, &mut enrolment.doc, None, "removed", now);
                    changes.update(&enrolment);
                }
                remove(app, changes, &mut other.doc, now);
                changes.update(&other);
            }
        }
        Operation::ForgetBrowser { browser } => {
            let browser = own_browser(app, &device.doc, browser).await?;
            browser::revoke(app, changes, &browser, "forgotten", now);
        }
        // Acknowledged on this phone: who agrees changes nothing, who refuses stops it (see `notice`).
        Operation::NewDeviceNotice { .. } => {}
        Operation::SetLockedPush { on } => {
            account.doc.locked_push = *on;
            let least_suite = account.doc.least_suite;
            changes.update(account).log(&AuditEntry::AccountChanged {
                account: account_id,
                least_suite,
                locked_push: *on,
                at: now,
            });
            history::add(changes, app, account_id, "locked_push_set", about.with(json!({ "on": on })));
            return Ok(Done { account_written: true, ..Done::default() });
        }
    }
    Ok(Done::default())
}

async fn finish(
    app: &App,
    changes: &mut Changes,
    device: &mut Entry<Device>,
    account: &Entry<Account>,
    reset: Option<&Entry<Enrolment>>,
    now: i64,
) -> Result<Done, ApiError> {
    let mut enrolment = match reset {
        Some(reset) => reset.clone(),
        None => unfinished(app, &device.doc).await?,
    };
    if enrolment.doc.kind == EnrolmentKind::PinReset {
        switch_pin(changes, &mut device.doc, &mut enrolment.doc, now)?;
    }
    let siblings = activation::all_of::<Device>(app, &account.doc.id).await?;
    let siblings: Vec<_> = siblings.into_iter().filter(|other| other.doc.id != device.doc.id).collect();
    let before = device.doc.state;
    let finished = activation::finish(app, &mut device.doc, &mut enrolment.doc, &siblings, now);
    changes.update(&enrolment);
    activation::put_due(changes, &enrolment.doc);
    if device.doc.state != before {
        changes.log(&AuditEntry::DeviceChanged {
            device: device.doc.id,
            account: account.doc.id,
            state: device.doc.state,
            why: "activated".to_owned(),
            at: now,
        });
    }
    let about =
        About::device(device.doc.id).with(json!({ "model": device.doc.info.model, "from": finished.active_from }));
    let event = match enrolment.doc.kind {
        EnrolmentKind::Activation => "device_enrolled",
        EnrolmentKind::PinReset => "pin_reset",
    };
    history::add(changes, app, account.doc.id, event, about);
    let mut siblings = siblings;
    if finished.active_from.is_none()
        && let Some(old) = siblings.iter_mut().find(|other| Some(other.doc.id) == finished.replaces)
    {
        remove(app, changes, &mut old.doc, now);
        changes.update(old);
    }
    notice::tell(app, changes, &device.doc, &enrolment.doc, &siblings, now);
    Ok(Done { active_from: finished.active_from, ..Done::default() })
}

/// Puts a reset's new PIN in the place of the device's, after its first proof.
fn switch_pin(changes: &mut Changes, device: &mut Device, enrolment: &mut Enrolment, now: i64) -> Result<(), ApiError> {
    let mut new = enrolment.pin.take().ok_or(Code::PinMissing)?;
    // Numbers go on rising, so that no start of the old PIN is ever taken again.
    new.last_exchange = new.last_exchange.max(device.pin.as_ref().map_or(0, |pin| pin.last_exchange));
    (new.debits, new.exchange, new.enrolled) = (0, None, now);
    changes.log(&AuditEntry::PinEnrolled {
        device: device.id,
        account: device.account,
        key: new.key,
        record: crypto::sha256(&[&new.record.0]),
        at: now,
    });
    device.pin = Some(new);
    Ok(())
}

/// The finished reset of this device whose new PIN waits for its first proof, if the operation is that proof.
pub(crate) async fn reset_of(
    app: &App,
    device: &Device,
    operation: Option<&Operation>,
) -> Result<Option<Entry<Enrolment>>, ApiError> {
    if operation != Some(&Operation::FinishEnrolment) {
        return Ok(None);
    }
    let found = match unfinished(app, device).await {
        Err(error) if error.code == Code::OperationRefused => None,
        found => Some(found?),
    };
    Ok(found.filter(|entry| entry.doc.kind == EnrolmentKind::PinReset && entry.doc.pin.is_some()))
}

/// The device as it proves itself for an operation: with a reset's new PIN in the place of the old one where the
/// operation finishes that reset. Not to be stored.
pub(super) async fn proving(app: &App, device: &Device, operation: &Operation) -> Result<Device, ApiError> {
    let mut device = device.clone();
    if let Some(reset) = reset_of(app, &device, Some(operation)).await? {
        device.pin = reset.doc.pin;
    }
    Ok(device)
}

/// The enrolment of this device that waits for its first PIN approval.
async fn unfinished(app: &App, device: &Device) -> Result<Entry<Enrolment>, ApiError> {
    let all = activation::all_of::<Enrolment>(app, &device.account).await?;
    let now = app.now();
    let own = |doc: &Enrolment| doc.device == Some(device.id) && stage_now(doc, now) == Some(Stage::Finish);
    all.into_iter().find(|entry| own(&entry.doc)).ok_or_else(|| Code::OperationRefused.into())
}

async fn waiting_activation(app: &App, device: &Device, now: i64) -> Result<Option<Entry<Enrolment>>, ApiError> {
    if device.state != DeviceState::Enrolling {
        return Ok(None);
    }
    let found = activation::activation_of(app, device).await?;
    Ok(found.filter(|entry| !matches!(stage_now(&entry.doc, now), Some(Stage::Void | Stage::Active))))
}

fn change_pin(app: &App, changes: &mut Changes, device: &mut Device, doing: &Doing<'_>) -> Result<(), ApiError> {
    let request = doing.request.data.as_ref().and_then(|data| data.pin.as_ref()).ok_or(Code::Malformed)?;
    let context = PinContext::Change { challenge: doing.own.hash };
    let record = crate::pin::check_enrol(app, request, device, &context)?;
    changes.log(&AuditEntry::PinEnrolled {
        device: device.id,
        account: device.account,
        key: record.key,
        record: crypto::sha256(&[&record.record.0]),
        at: doing.now,
    });
    device.pin = Some(PinRecord { enrolled: doing.now, ..record });
    Ok(())
}

/// Judges new keys: attested over the challenge, and each but the offline one has signed the answer.
fn new_keys(
    app: &App,
    device: &Device,
    expect: &[KeyPurpose],
    doing: &Doing<'_>,
) -> Result<(Vec<EnrolledKey>, Option<AppAttest>), ApiError> {
    let data = doing.request.data.as_ref().ok_or(Code::Malformed)?;
    let vouching = device.app_attest.as_ref();
    let (enrolled, vouching) =
        activation::verify_keys(app, &data.keys, &doing.own.hash.0, &device.id, expect, vouching)?;
    let known = |key: &EnrolledKey| {
        device.keys.iter().any(|old| old.public == key.public)
            || device.pin.as_ref().is_some_and(|pin| pin.key == key.public)
    };
    if enrolled.iter().any(known) {
        return Err(Code::Malformed.into());
    }
    let signing: Vec<_> = enrolled.iter().filter(|key| key.purpose != KeyPurpose::Offline).collect();
    if signing.len() != doing.request.new_keys.len() {
        return Err(Code::Malformed.into());
    }
    for key in signing {
        let signature = doing.request.new_keys.iter().find(|signed| signed.purpose == key.purpose);
        let signature = signature.ok_or(Code::SignatureInvalid)?;
        doing.received.check_as(Role::NewKey, &key.public, &signature.signature)?;
    }
    Ok((enrolled, vouching))
}

fn log_keys(changes: &mut Changes, device: &Device, doing: &Doing<'_>) {
    changes.log(&AuditEntry::KeysChanged {
        device: device.id,
        account: device.account,
        keys: logged_keys(&device.keys),
        transaction: doing.own.challenge.transaction,
        at: doing.now,
    });
}

fn remove(app: &App, changes: &mut Changes, device: &mut Device, now: i64) {
    crate::device::remove(device);
    changes.log(&AuditEntry::DeviceChanged {
        device: device.id,
        account: device.account,
        state: device.state,
        why: "removed".to_owned(),
        at: now,
    });
    history::add(changes, app, device.account, "device_removed", About::device(device.id));
}

/// A device of the same person that is not removed.
async fn sibling(app: &App, device: &Device, other: &Id) -> Result<Entry<Device>, ApiError> {
    let other = docs::get::<Device>(&*app.store, &other.0).await?;
    let own = |other: &Entry<Device>| other.doc.account == device.account && other.doc.state != DeviceState::Removed;
    other.filter(own).ok_or_else(|| Code::DeviceUnknown.into())
}

async fn own_browser(app: &App, device: &Device, browser: &Id) -> Result<Entry<Browser>, ApiError> {
    let browser = docs::get::<Browser>(&*app.store, &browser.0).await?;
    browser.filter(|browser| browser.doc.account == device.account).ok_or_else(|| Code::BrowserUnknown.into())
}

/// Biometric and offline keys come and go; each at most once.
fn check_purposes(purposes: &[KeyPurpose]) -> Result<(), ApiError> {
    let optional = purposes.iter().all(|purpose| matches!(purpose, KeyPurpose::Biometric | KeyPurpose::Offline));
    let once = purposes.len() == 1 || (purposes.len() == 2 && purposes.first() != purposes.last());
    if optional && once { Ok(()) } else { Err(Code::Malformed.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_optional_keys_come_and_go() {
        use KeyPurpose::{Biometric, Offline, Pepper, Pin, Possession};
        for good in [&[Biometric][..], &[Offline], &[Biometric, Offline], &[Offline, Biometric]] {
            assert!(check_purposes(good).is_ok(), "{good:?}");
        }
        for bad in [&[][..], &[Possession], &[Pin], &[Pepper], &[Biometric, Biometric], &[Biometric, Possession]] {
            assert!(check_purposes(bad).is_err(), "{bad:?}");
        }
    }
}
