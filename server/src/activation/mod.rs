//! Activation: from a link or code that a desk or another phone hands out to a device that may approve.
//!
//! Open → enrol → digits → PIN ([`crate::pin`]) → first approval ([`crate::approval`]) → active, or waiting for the
//! person's other means. Decisions are plain functions over documents; every step is one conditional commit.

mod digits;
mod enrol;
mod keys;
mod open;
mod reset;
mod status;
mod sweep;

pub use digits::{Confirmed, confirm};
pub use keys::{Judge, JudgeError, verify_keys};
pub use reset::open_reset;
pub(crate) use sweep::put_due;
pub use sweep::sweep;

use godkend_protocol::bytes::{Id, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::messages::activation::{ActivationOpen, EnrolmentStatus, SealedEnrol, Stage, TypedDigits};
use godkend_protocol::messages::device::DeviceState;

use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::Changes;
use crate::error::ApiError;
use crate::phone::{PhoneRouter, route};
use crate::records::{Account, CodeIndex, Device, Document, Enrolment, EnrolmentKind, Entry, HandedOutBy};

/// Active apps that one person may have.
pub const MOST_DEVICES: usize = 3;
/// Documents in one page of [`all_of`].
const PAGE: u32 = 64;
/// How long a finished or void enrolment is kept, in seconds: a day, so that a late retry still gets its answer.
pub(crate) const KEPT: i64 = 86_400;
/// How long a person's other phones are told of what is done already, in seconds: a week.
pub(crate) const NOTICE_SECONDS: i64 = 7 * 86_400;

/// The phone's requests about activation.
pub fn routes() -> PhoneRouter {
    let router = route(PhoneRouter::new(), ActivationOpen::PATH, open::handle);
    let router = route(router, SealedEnrol::PATH, enrol::handle);
    let router = route(router, EnrolmentStatus::PATH, status::handle);
    let router = route(router, TypedDigits::PATH, digits::handle);
    route(router, godkend_protocol::messages::pin::PinResetOpen::PATH, reset::handle)
}

/// How an activation reaches the phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A link, as a QR code.
    Link,
    /// Four groups of five characters, typed by hand.
    Code,
}

/// What is handed to the person, once. Prints no secret.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The link's secret, for a link.
    pub secret: Option<Secret<32>>,
    /// The link, or the code as it is written.
    text: String,
    index: Option<CodeIndex>,
}

impl Handed {
    /// The link or the code: as secret as what it is made of.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Makes an activation for `account`. [`insert`] stores it.
pub fn hand_out(app: &App, account: &Account, by: HandedOutBy, form: Form) -> (Enrolment, Handed) {
    let mut rng = app.rng();
    let now = app.now();
    let expires = now.saturating_add(seconds(app.config.activation.expiry_seconds));
    let purge = expires.saturating_add(KEPT);
    let mut enrolment = Enrolment {
        id: random(&mut rng),
        account: account.id,
        kind: EnrolmentKind::Activation,
        link_secret: None,
        code: None,
        tries_left: app.config.activation.tries,
        expires,
        finish_before: None,
        stage: None,
        device: None,
        transcript: None,
        digits_left: app.config.activation.digits_tries,
        taken_by: None,
        place: None,
        handed_out_by: by,
        active_from: None,
        pin: None,
        purge,
    };
    let handed = match form {
        Form::Link => {
            let secret = Secret::<32>::random(&mut rng);
            let link = Link::Activation(ActivationLink {
                environment: app.environment().to_owned(),
                id: enrolment.id,
                secret: secret.clone(),
                root: app.keys.root.fingerprint(),
                expires,
            });
            enrolment.link_secret = Some(secret.clone());
            Handed { secret: Some(secret), text: link.to_text(), index: None }
        }
        Form::Code => {
            let code = ActivationCode::generate(&mut rng);
            enrolment.code = Some((code.name, code.secret.clone()));
            let index = CodeIndex { name: code.name, enrolment: enrolment.id, purge };
            Handed { secret: None, text: code.to_text(), index: Some(index) }
        }
    };
    (enrolment, handed)
}

/// Demands that a person has room for another phone.
///
/// # Errors
/// [`Code::DeviceLimit`].
pub(crate) async fn check_free(app: &App, account: &Id) -> Result<(), ApiError> {
    let devices = all_of::<Device>(app, account).await?;
    let active = devices.iter().filter(|entry| entry.doc.state == DeviceState::Active).count();
    if active < MOST_DEVICES { Ok(()) } else { Err(Code::DeviceLimit.into()) }
}

/// An enrolment's stage as desks and citizens' sites are told it.
pub(crate) const fn stage_name(stage: Option<Stage>) -> &'static str {
    match stage {
        None => "waiting_for_phone",
        Some(Stage::Digits) => "digits",
        Some(Stage::ChoosePin) => "choose_pin",
        Some(Stage::Finish) => "finish",
        Some(Stage::Waiting { .. }) => "waiting",
        Some(Stage::Active) => "active",
        Some(Stage::Void) => "void",
    }
}

/// Adds a new activation to changes, with its log entry. A conflict means that a code's name exists: draw another.
pub fn insert(changes: &mut Changes, enrolment: &Enrolment, handed: &Handed, now: i64) {
    changes.insert(enrolment);
    if let Some(index) = &handed.index {
        changes.insert(index);
    }
    changes.log(&AuditEntry::EnrolmentOpened {
        enrolment: enrolment.id,
        account: enrolment.account,
        pin_reset: enrolment.kind == EnrolmentKind::PinReset,
        by: by_text(&enrolment.handed_out_by),
        at: now,
    });
}

/// How an enrolment ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finished {
    /// Unix seconds: active from then on, unless another of the person's means refuses; `None`: at once.
    pub active_from: Option<i64>,
    /// The old device that a move without keeping it removes when the new one is active.
    pub replaces: Option<Id>,
}

/// Ends an enrolment after its first PIN approval at `now` (Unix seconds). The caller stores both documents; a device
/// that `replaces` names and that becomes active at once is removed by the caller in the same commit, else by
/// [`sweep`].
pub fn finish(
    app: &App,
    device: &mut Device,
    enrolment: &mut Enrolment,
    siblings: &[Entry<Device>],
    now: i64,
) -> Finished {
    finish_after(seconds(app.config.activation.waiting_seconds), device, enrolment, siblings, now)
}

fn finish_after(
    waiting: i64,
    device: &mut Device,
    enrolment: &mut Enrolment,
    siblings: &[Entry<Device>],
    now: i64,
) -> Finished {
    let mut finished = Finished { active_from: None, replaces: None };
    // Whatever no desk has proofed waits for the person's other means.
    let waits = enrolment.kind == EnrolmentKind::Activation && !matches!(enrolment.handed_out_by, HandedOutBy::Desk(_));
    finished.active_from = (waits && waiting > 0).then(|| now.saturating_add(waiting));
    if let (EnrolmentKind::Activation, HandedOutBy::Device { device: old, keep }) =
        (enrolment.kind, &enrolment.handed_out_by)
    {
        let there = siblings.iter().any(|sibling| sibling.doc.id == *old && sibling.doc.state != DeviceState::Removed);
        finished.replaces = (!keep && there).then_some(*old);
    }
    match finished.active_from {
        Some(until) => enrolment.stage = Some(Stage::Waiting { until }),
        None => {
            enrolment.stage = Some(Stage::Active);
            if enrolment.kind == EnrolmentKind::Activation {
                device.state = DeviceState::Active;
            }
        }
    }
    enrolment.active_from = finished.active_from;
    // Refusing a notice looks it up.
    enrolment.purge = finished.active_from.unwrap_or(now).saturating_add(NOTICE_SECONDS).saturating_add(KEPT);
    finished
}

/// Where an enrolment stands at `now` (Unix seconds): what its stored stage has become with time. `None` until a phone
/// has taken it.
#[must_use]
pub fn stage_now(enrolment: &Enrolment, now: i64) -> Option<Stage> {
    let stage = enrolment.stage?;
    let late = enrolment.finish_before.is_some_and(|before| now >= before);
    Some(match stage {
        Stage::Digits | Stage::ChoosePin | Stage::Finish if late => Stage::Void,
        Stage::Waiting { until } if now >= until => Stage::Active,
        other => other,
    })
}

/// Where a device stands at `now` (Unix seconds), given its activation.
#[must_use]
pub fn effective_state(device: &Device, enrolment: &Enrolment, now: i64) -> DeviceState {
    if device.state != DeviceState::Enrolling {
        return device.state;
    }
    match stage_now(enrolment, now) {
        Some(Stage::Active) => DeviceState::Active,
        Some(Stage::Void) => DeviceState::Removed,
        _ => DeviceState::Enrolling,
    }
}

/// [`effective_state`] of a stored device, now.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn state_now(app: &App, device: &Device) -> Result<DeviceState, ApiError> {
    if device.state != DeviceState::Enrolling {
        return Ok(device.state);
    }
    let found = activation_of(app, device).await?;
    Ok(found.map_or(device.state, |enrolment| effective_state(device, &enrolment.doc, app.now())))
}

/// The activation that enrolled a device, while it is kept.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn activation_of(app: &App, device: &Device) -> Result<Option<Entry<Enrolment>>, ApiError> {
    let all = all_of::<Enrolment>(app, &device.account).await?;
    let own = |doc: &Enrolment| doc.device == Some(device.id) && doc.kind == EnrolmentKind::Activation;
    Ok(all.into_iter().find(|entry| own(&entry.doc)))
}

/// All of an account's documents of a kind: a page of the store may end before the one that matters.
pub(crate) async fn all_of<D: Document>(app: &App, account: &Id) -> Result<Vec<Entry<D>>, ApiError> {
    let mut all: Vec<Entry<D>> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.doc.id());
        let page = app.store.list(D::KIND, &account.0, after.as_deref(), PAGE).await?;
        let more = u32::try_from(page.len()).is_ok_and(|found| found == PAGE);
        for record in page {
            let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(D::KIND.0))?;
            all.push(Entry { doc, version: Some(record.version) });
        }
        if !more {
            return Ok(all);
        }
    }
}

/// Makes an enrolment void, and removes the device that it was to activate: wrong digits, too late, or refused from
/// another of the person's means (`why` is a stable word). The caller stores both documents.
pub fn stop(changes: &mut Changes, enrolment: &mut Enrolment, device: Option<&mut Device>, why: &str, now: i64) {
    enrolment.stage = Some(Stage::Void);
    enrolment.pin = None;
    enrolment.purge = now.saturating_add(KEPT);
    changes.log(&AuditEntry::EnrolmentSpent {
        enrolment: enrolment.id,
        tries_left: enrolment.tries_left,
        digits_left: enrolment.digits_left,
        void: true,
        at: now,
    });
    if let (EnrolmentKind::Activation, Some(device)) = (enrolment.kind, device) {
        crate::device::remove(device);
        changes.log(&AuditEntry::DeviceChanged {
            device: device.id,
            account: device.account,
            state: DeviceState::Removed,
            why: why.to_owned(),
            at: now,
        });
    }
}

pub(crate) fn by_text(by: &HandedOutBy) -> String {
    match by {
        HandedOutBy::Desk(name) => format!("desk:{name}"),
        HandedOutBy::Device { device, .. } => format!("device:{}", device.to_base64()),
        HandedOutBy::SelfService => "self".to_owned(),
    }
}

pub(crate) fn seconds(setting: u64) -> i64 {
    i64::try_from(setting).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;
    use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};

    use super::*;

    fn device(id: u8, state: DeviceState) -> Device {
        let text = || "x".to_owned();
        Device {
            id: Fixed([id; 16]),
            account: Fixed([9; 16]),
            state,
            info: DeviceInfo { model: text(), platform: text(), app_version: text(), language: text() },
            keys: vec![],
            suite: Suite::P256,
            enrolled: 0,
            last_used: None,
            ratchet_count: 0,
            ratchet: Secret([0; 16]),
            last_answer: None,
            block_code: Fixed([0; 32]),
            pin: None,
            epoch: 0,
            restored: 0,
            transcript: Fixed([0; 32]),
            security: SecurityLevel::Software,
            app_attest: None,
            push: None,
        }
    }

    fn enrolment(by: HandedOutBy, kind: EnrolmentKind, stage: Stage) -> Enrolment {
        Enrolment {
            id: Fixed([1; 16]),
            account: Fixed([9; 16]),
            kind,
            link_secret: None,
            code: None,
            tries_left: 5,
            expires: 600,
            finish_before: Some(1800),
            stage: Some(stage),
            device: Some(Fixed([2; 16])),
            transcript: None,
            digits_left: 3,
            taken_by: None,
            place: None,
            handed_out_by: by,
            active_from: None,
            pin: None,
            purge: 0,
        }
    }

    #[test]
    fn a_desk_activates_at_once_and_another_phone_after_an_hour() {
        let mut new = device(2, DeviceState::Enrolling);
        let desk = HandedOutBy::Desk("a".to_owned());
        let mut by_desk = enrolment(desk, EnrolmentKind::Activation, Stage::Finish);
        assert_eq!(finish_after(3600, &mut new, &mut by_desk, &[], 100).active_from, None);
        assert_eq!((new.state, by_desk.stage), (DeviceState::Active, Some(Stage::Active)));

        let mut new = device(2, DeviceState::Enrolling);
        let old = Entry { doc: device(3, DeviceState::Active), version: None };
        let by = HandedOutBy::Device { device: old.doc.id, keep: false };
        let mut moved = enrolment(by, EnrolmentKind::Activation, Stage::Finish);
        let finished = finish_after(3600, &mut new, &mut moved, std::slice::from_ref(&old), 100);
        assert_eq!(finished, Finished { active_from: Some(3700), replaces: Some(old.doc.id) });
        assert_eq!(new.state, DeviceState::Enrolling);
        assert_eq!(effective_state(&new, &moved, 3699), DeviceState::Enrolling);
        assert_eq!(effective_state(&new, &moved, 3700), DeviceState::Active);
    }

    #[test]
    fn what_the_person_hands_out_on_their_own_site_waits_too() {
        let mut new = device(2, DeviceState::Enrolling);
        let mut own = enrolment(HandedOutBy::SelfService, EnrolmentKind::Activation, Stage::Finish);
        let finished = finish_after(3600, &mut new, &mut own, &[], 100);
        assert_eq!(finished, Finished { active_from: Some(3700), replaces: None });
        assert_eq!((new.state, own.stage), (DeviceState::Enrolling, Some(Stage::Waiting { until: 3700 })));
    }

    #[test]
    fn a_pin_reset_changes_no_state() {
        let mut own = device(2, DeviceState::Active);
        let mut reset = enrolment(HandedOutBy::Desk("a".to_owned()), EnrolmentKind::PinReset, Stage::Finish);
        assert_eq!(finish_after(3600, &mut own, &mut reset, &[], 100).active_from, None);
        assert_eq!((own.state, reset.stage), (DeviceState::Active, Some(Stage::Active)));
    }

    #[test]
    fn what_is_not_finished_in_time_is_void() {
        let by = || HandedOutBy::Desk("a".to_owned());
        let new = device(2, DeviceState::Enrolling);
        for stage in [Stage::Digits, Stage::ChoosePin, Stage::Finish] {
            let entry = enrolment(by(), EnrolmentKind::Activation, stage);
            assert_eq!(stage_now(&entry, 1799), Some(stage));
            assert_eq!(stage_now(&entry, 1800), Some(Stage::Void));
            assert_eq!(effective_state(&new, &entry, 1800), DeviceState::Removed);
        }
        let blocked = device(2, DeviceState::Blocked);
        let done = enrolment(by(), EnrolmentKind::Activation, Stage::Active);
        assert_eq!(effective_state(&blocked, &done, 1800), DeviceState::Blocked);
        assert_eq!(stage_now(&done, 1_000_000), Some(Stage::Active));
    }
}
