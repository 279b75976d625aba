//! The eight digits that the phone shows, typed into the session that proofed the citizen: at a desk, or on the old
//! phone. Three tries; the wrong phone's digits make the enrolment void.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::digits;
use godkend_protocol::messages::activation::{DigitsReply, Stage, TypedDigits};

use super::{seconds, stage_now, stop};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::{Call, reply, request};
use crate::records::{Device, Enrolment, HandedOutBy};

/// Which phone was meant.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// The device.
    pub device: Id,
    /// Its model.
    pub model: String,
    /// Where its request came from.
    pub place: Option<String>,
    /// Unix seconds: when it becomes active at the earliest; `None`: as soon as it is finished.
    pub active_from: Option<i64>,
}

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = request::signed::<TypedDigits>(&app, &call.bytes, |m| m.device).await?;
    let own = caller.device.doc.id;
    let by_this = move |enrolment: &Enrolment| matches!(&enrolment.handed_out_by, HandedOutBy::Device { device, .. } if *device == own);
    let confirmed = confirm(&app, &caller.message.activation, &caller.message.digits, by_this).await?;
    let Confirmed { model, place, active_from, .. } = confirmed;
    Ok(reply(&DigitsReply { model, place, active_from }))
}

/// Confirms the digits of the enrolment `id`, if `may` allows this session to.
///
/// # Errors
/// [`Code::DigitsWrong`] with the tries left, [`Code::DigitsBlocked`] when it has become void; [`Code::Malformed`] for
/// what are no eight digits, [`Code::ActivationUnknown`] and [`Code::NotFound`] (no phone has taken it yet), which cost
/// nothing.
pub async fn confirm(
    app: &App,
    id: &Id,
    typed: &str,
    may: impl Fn(&Enrolment) -> bool + Send + Sync,
) -> Result<Confirmed, ApiError> {
    let typed = digits::parse(typed).ok_or(Code::Malformed)?;
    let (typed, may) = (&typed, &may);
    docs::retry(|| attempt(app, id, typed, may)).await
}

async fn attempt(
    app: &App,
    id: &Id,
    typed: &str,
    may: &(impl Fn(&Enrolment) -> bool + Send + Sync),
) -> Result<Confirmed, ApiError> {
    let mut enrolment = docs::get::<Enrolment>(&*app.store, &id.0).await?.ok_or(Code::ActivationUnknown)?;
    if !may(&enrolment.doc) {
        return Err(Code::ActivationUnknown.into());
    }
    let now = app.now();
    let (Some(stage), Some(transcript), Some(device)) =
        (stage_now(&enrolment.doc, now), enrolment.doc.transcript, enrolment.doc.device)
    else {
        return Err(if now >= enrolment.doc.expires { Code::ActivationExpired } else { Code::NotFound }.into());
    };
    let mut device = docs::get::<Device>(&*app.store, &device.0).await?.ok_or(Code::ActivationUnknown)?;
    let right = crypto::same(digits::of_transcript(&transcript).as_bytes(), typed.as_bytes());
    let active_from = match (&enrolment.doc.handed_out_by, stage) {
        (_, Stage::Waiting { until }) => Some(until),
        (HandedOutBy::Device { .. } | HandedOutBy::SelfService, _) => {
            Some(now.saturating_add(seconds(app.config.activation.waiting_seconds)))
        }
        (HandedOutBy::Desk(_), _) => None,
    };
    let confirmed = Confirmed {
        device: device.doc.id,
        model: device.doc.info.model.clone(),
        place: enrolment.doc.place.clone(),
        active_from,
    };
    match stage {
        Stage::Void if enrolment.doc.digits_left == 0 => return Err(Code::DigitsBlocked.into()),
        Stage::Void => return Err(Code::ActivationExpired.into()),
        Stage::Digits => {}
        // A retry after a lost reply: nothing is left to try here.
        _ if right => return Ok(confirmed),
        _ => return Err(Code::DigitsWrong.into()),
    }
    let account = enrolment.doc.account;
    let mut changes = Changes::new();
    let result = if right {
        enrolment.doc.stage = Some(Stage::ChoosePin);
        changes.update(&enrolment).unchanged(&device);
        Ok(confirmed)
    } else {
        enrolment.doc.digits_left = enrolment.doc.digits_left.saturating_sub(1);
        let left = enrolment.doc.digits_left;
        let about = About::device(device.doc.id).with(serde_json::json!({"tries_left": left}));
        history::add(&mut changes, app, account, "digits_wrong", about);
        if left == 0 {
            stop(&mut changes, &mut enrolment.doc, Some(&mut device.doc), "digits", now);
            changes.update(&enrolment).update(&device);
            Err(Code::DigitsBlocked.into())
        } else {
            changes.log(&AuditEntry::EnrolmentSpent {
                enrolment: enrolment.doc.id,
                tries_left: enrolment.doc.tries_left,
                digits_left: left,
                void: false,
                at: now,
            });
            changes.update(&enrolment);
            Err(ApiError::tries(Code::DigitsWrong, left))
        }
    };
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account);
    result
}
