//! `activation/status`: how an enrolment stands; held while nothing changes.

use std::sync::Arc;
use std::time::Duration;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::{EnrolmentStatus, Stage, StageReply};
use godkend_protocol::messages::device::DeviceState;

use super::stage_now;
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::phone::request::{Allow, signed_by};
use crate::phone::{Call, reply};
use crate::records::{Device, Enrolment, EnrolmentKind};

/// How long the server looks away at most: what time alone changes is noticed within it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = signed_by::<EnrolmentStatus>(&app, &call.bytes, |m| m.device, Allow::Any).await?;
    let EnrolmentStatus { device, enrolment, known, wait, .. } = caller.message;
    let most = app.config.approval.long_poll_seconds.min(25);
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(wait).min(most));
    let notify = app.wake.on(caller.account.doc.id);
    let mut stopping = app.stopping.clone();
    loop {
        let mut changed = std::pin::pin!(notify.notified());
        changed.as_mut().enable();
        let stage = look(&app, &device, &enrolment).await?;
        let now = tokio::time::Instant::now();
        if stage != known || now >= until || stopping.now() {
            return Ok(reply(&StageReply { stage }));
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(LOOK_EVERY.min(until - now)) => {}
            () = stopping.wait() => {}
        }
    }
}

async fn look(app: &App, device: &Id, enrolment: &Id) -> Result<Stage, ApiError> {
    let found = docs::get::<Enrolment>(&*app.store, &enrolment.0).await?;
    let entry = found.filter(|entry| entry.doc.device == Some(*device)).ok_or(Code::ActivationUnknown)?;
    let stage = stage_now(&entry.doc, app.now()).ok_or(Code::ActivationUnknown)?;
    if entry.doc.kind == EnrolmentKind::Activation && stage != Stage::Void {
        // Removed or blocked from elsewhere before it was ever active.
        let own = docs::get::<Device>(&*app.store, &device.0).await?.ok_or(Code::DeviceUnknown)?;
        if own.doc.state == DeviceState::Removed {
            return Ok(Stage::Void);
        }
    }
    Ok(stage)
}
