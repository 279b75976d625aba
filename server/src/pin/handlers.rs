//! `pin/register`, `pin/enrol` and `pin/start`.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::crypto;
use godkend_protocol::messages::Done;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::{Challenge, challenge_hash};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::pin::{
    PinContext, PinEnrol, PinEnrolRequest, PinRegister, PinRegistered, PinStart, PinStartRequest, PinStarted,
};
use godkend_protocol::opaque::{KE1_LEN, REGISTRATION_REQUEST_LEN};
use godkend_protocol::types::Factor;
use serde_json::json;

use super::change::check_change;
use super::{check_enrol, credential, debit, status};
use crate::activation::stage_now;
use crate::app::App;
use crate::approval::reset_of;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::request::{payload_hash, signed_enrolling};
use crate::phone::{Call, PhoneRouter, reply, route};
use crate::records::{Device, Enrolment, EnrolmentKind, Entry, Exchange, PinRecord};

/// Registrations of one device in a minute: more are no person choosing a PIN.
const REGISTRATIONS_PER_MINUTE: u32 = 10;

/// How far an exchange may be above the last one. Numbers are for good: one jump to the end would leave the phone none.
const MOST_AHEAD: u64 = 1 << 32;

/// The phone's requests about the PIN.
pub fn routes() -> PhoneRouter {
    let router = route(PhoneRouter::new(), PinRegister::PATH, register);
    let router = route(router, PinEnrolRequest::PATH, enrol);
    route(router, PinStartRequest::PATH, start)
}

async fn register(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = signed_enrolling::<PinRegister>(&app, &call.bytes, |m| m.device).await?;
    let (device, message) = (&caller.device.doc, &caller.message);
    if message.request.0.len() != REGISTRATION_REQUEST_LEN {
        return Err(Code::Malformed.into());
    }
    match &message.context {
        PinContext::Enrolment { id, .. } => {
            let enrolment = enrolment_of(&app, device, id, &message.context).await?;
            match stage_now(&enrolment.doc, app.now()) {
                Some(Stage::ChoosePin) => {}
                Some(Stage::Digits) => return Err(Code::DigitsPending.into()),
                Some(Stage::Void) | None => return Err(Code::ActivationExpired.into()),
                Some(Stage::Finish | Stage::Waiting { .. } | Stage::Active) => {
                    return Err(Code::OperationRefused.into());
                }
            }
        }
        PinContext::Change { challenge } => {
            if device.state != DeviceState::Active || device.pin.is_none() {
                return Err(Code::PinMissing.into());
            }
            check_change(&app, &device.id, challenge).await?;
        }
    }
    let credential = credential(&device.id, &message.context);
    // A registration with the key of the record in use would be a try without a debit.
    if device.pin.as_ref().is_some_and(|pin| pin.credential == credential) {
        return Err(Code::OperationRefused.into());
    }
    let source = device.id.to_base64();
    app.throttle.take("pin_register", &source, REGISTRATIONS_PER_MINUTE, app.clock.now_ms())?;
    let seed = app.keys.current_seed;
    let secrets = app.keys.opaque.get(&seed).ok_or(Code::Internal)?;
    let response = secrets.register(&message.request.0, &credential).map_err(|_| Code::Malformed)?;
    Ok(reply(&PinRegistered { seed, response }))
}

async fn enrol(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let request: PinEnrolRequest = cbor::decode(&call.bytes)?;
    docs::retry(|| enrol_attempt(&app, &request)).await
}

async fn enrol_attempt(app: &App, request: &PinEnrolRequest) -> Result<Vec<u8>, ApiError> {
    let mut caller = signed_enrolling::<PinEnrol>(app, &request.enrol.0, |m| m.device).await?;
    let context = caller.message.context;
    // A change comes with the answer that the old PIN approves.
    let PinContext::Enrolment { id, .. } = &context else { return Err(Code::ChallengeInvalid.into()) };
    let mut enrolment = enrolment_of(app, &caller.device.doc, id, &context).await?;
    let record = check_enrol(app, request, &caller.device.doc, &context)?;
    let now = app.now();
    let is_it = |pin: &PinRecord| pin.key == record.key && pin.record == record.record;
    let same = caller.device.doc.pin.as_ref().is_some_and(is_it) || enrolment.doc.pin.as_ref().is_some_and(is_it);
    match stage_now(&enrolment.doc, now) {
        Some(Stage::ChoosePin) => {}
        // A retry: it is there already.
        Some(Stage::Finish | Stage::Waiting { .. } | Stage::Active) if same => return Ok(reply(&Done {})),
        Some(Stage::Finish | Stage::Waiting { .. } | Stage::Active) => return Err(Code::OperationRefused.into()),
        Some(Stage::Digits) => return Err(Code::DigitsPending.into()),
        Some(Stage::Void) | None => return Err(Code::ActivationExpired.into()),
    }
    let device = &mut caller.device.doc;
    let account = device.account;
    enrolment.doc.stage = Some(Stage::Finish);
    let mut changes = Changes::new();
    match enrolment.doc.kind {
        EnrolmentKind::Activation => {
            changes.log(&AuditEntry::PinEnrolled {
                device: device.id,
                account,
                key: record.key,
                record: crypto::sha256(&[&record.record.0]),
                at: now,
            });
            device.pin = Some(PinRecord { enrolled: now, ..record });
            changes.update(&caller.device);
        }
        // The old PIN stays until the new one has finished the reset: one that becomes void has changed nothing.
        EnrolmentKind::PinReset => {
            enrolment.doc.pin = Some(record);
            changes.unchanged(&caller.device);
        }
    }
    changes.update(&enrolment);
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account);
    Ok(reply(&Done {}))
}

async fn start(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let request: PinStartRequest = cbor::decode(&call.bytes)?;
    let challenge = app.keys.open_own::<Challenge>(&request.challenge.0).map_err(|error| match error.into() {
        ApiError { code: Code::SignatureInvalid, .. } => ApiError::from(Code::ChallengeInvalid),
        other => other,
    })?;
    docs::retry(|| start_attempt(&app, &request, &challenge)).await
}

async fn start_attempt(
    app: &App,
    request: &PinStartRequest,
    challenge: &Received<Challenge>,
) -> Result<Vec<u8>, ApiError> {
    let mut caller = signed_enrolling::<PinStart>(app, &request.start.0, |m| m.device).await?;
    let (start, hash) = (&caller.message, payload_hash(&caller.payload));
    let device = &mut caller.device.doc;
    let claimed = challenge.claimed();
    if claimed.device != device.id || challenge_hash(challenge.payload()) != start.challenge {
        return Err(Code::ChallengeInvalid.into());
    }
    let mut reset = reset_of(app, device, claimed.operation.as_ref()).await?;
    let highest = device.pin.as_ref().map_or(0, |pin| pin.last_exchange);
    let pin = match &mut reset {
        Some(reset) => reset.doc.pin.as_mut(),
        None => device.pin.as_mut(),
    };
    let pin = pin.ok_or(Code::PinMissing)?;
    if let Some(open) = pin.exchange.as_ref().filter(|open| open.start == hash) {
        return Ok(open.reply.0.clone());
    }
    let last = pin.last_exchange.max(highest);
    let ahead = start.exchange.checked_sub(last).filter(|ahead| *ahead > 0).ok_or(Code::PinExchangeClosed)?;
    if ahead > MOST_AHEAD {
        return Err(Code::Malformed.into());
    }
    if !claimed.factors.contains(&Factor::Pin) {
        return Err(Code::FactorRefused.into());
    }
    app.log.well()?;
    let now = app.now();
    if now >= claimed.expires {
        return Err(Code::TransactionExpired.into());
    }
    if start.ke1.0.len() != KE1_LEN {
        return Err(Code::Malformed.into());
    }
    let before = status(pin, &app.config.pin, now);
    let unproved = pin.exchange.is_some();
    let if_wrong = debit(pin, &app.config.pin, now)?;
    let secrets = app.keys.opaque.get(&pin.seed).ok_or(Code::Internal)?;
    // KE2 leaves this function only with the commit that holds its debit.
    let started = secrets
        .start_try(&mut app.rng(), &pin.record.0, &start.ke1.0, &pin.credential, &start.challenge)
        .map_err(|_| Code::Malformed)?;
    let answer = reply(&PinStarted { exchange: start.exchange, ke2: started.ke2, if_wrong });
    pin.last_exchange = start.exchange;
    pin.exchange = Some(Exchange {
        number: start.exchange,
        start: hash,
        challenge: start.challenge,
        reply: answer.clone().into(),
        state: started.state,
    });
    let (account, id, debits, exchange) = (device.account, device.id, pin.debits, start.exchange);
    let mut changes = Changes::new();
    match &reset {
        Some(reset) => {
            // No start is taken twice, whichever PIN is the device's in the end.
            if let Some(old) = &mut device.pin {
                old.last_exchange = exchange;
            }
            let enrolment = reset.doc.id;
            changes.update(reset);
            changes.log(&AuditEntry::ResetPinTried { enrolment, device: id, debits, exchange, at: now });
        }
        None => {
            changes.log(&AuditEntry::PinDebited { device: id, debits, exchange, at: now });
        }
    }
    changes.update(&caller.device);
    if unproved {
        // The phone learned from KE2 that the PIN was wrong, or was stopped: nobody proved that try.
        let about = About::device(id).with(json!({ "tries_left": before.tries_left, "dead": before.dead }));
        history::add(&mut changes, app, account, "pin_wrong", about);
    }
    if if_wrong.dead {
        // The ninth try: if it fails, the PIN is dead, and the person should know from when.
        history::add(&mut changes, app, account, "pin_last_try", About::device(id));
    }
    changes.commit(&*app.store).await?;
    app.log.wake();
    Ok(answer)
}

/// The enrolment that a context names, if it is this device's and the transcript is its.
async fn enrolment_of(app: &App, device: &Device, id: &Id, context: &PinContext) -> Result<Entry<Enrolment>, ApiError> {
    let entry = docs::get::<Enrolment>(&*app.store, &id.0).await?.ok_or(Code::ActivationUnknown)?;
    let PinContext::Enrolment { transcript, .. } = context else { return Err(Code::ChallengeInvalid.into()) };
    if entry.doc.device != Some(device.id) || entry.doc.transcript != Some(*transcript) {
        return Err(Code::ChallengeInvalid.into());
    }
    Ok(entry)
}
