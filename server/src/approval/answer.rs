//! The answer: checked in one order, decided in one conditional commit of transaction, device and account.
//!
//! A retry of the last accepted answer gets its stored reply. Otherwise: `possession`'s signature, the device's and the
//! identity's state, the server's own challenge, the ratchet, the parts, the PIN's proof, and only then whether the
//! transaction still waits. A right PIN clears the failures even when the answer comes too late.

use std::sync::Arc;

use godkend_protocol::bytes::{Blob, Hash32, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::messages::approval::{Answer, AnswerReply, AnswerRequest};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Action, Binding, Decision, Factor, KeyPurpose, Level};
use serde_json::json;

use super::challenge::{self, Own, may_remember};
use super::decide::{self, Step};
use super::operations::{self, Doing};
use super::transaction::check_open;
use super::{browser, fetch, level, notice, page, seal, settle, uses};
use crate::activation::state_now;
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::means::{CHIP, beside};
use crate::phone::{Call, request, version};
use crate::pin;
use crate::policy::APP;
use crate::records::{Account, Device, Enrolment, Entry, Outcome, Transaction};

/// Handles an [`AnswerRequest`].
pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let request: AnswerRequest = cbor::decode(&call.bytes)?;
    let received = Received::<Answer>::parse(&request.answer.0, app.environment())?;
    let hash = request::payload_hash(received.payload());
    let given = Given { request, received, hash };
    retry(|| attempt(&app, &given)).await
}

struct Given {
    request: AnswerRequest,
    received: Received<Answer>,
    hash: Hash32,
}

/// What was read for one attempt.
struct Read {
    device: Entry<Device>,
    account: Entry<Account>,
    own: Own,
    now: i64,
    /// The PIN reset that is to be finished: its new PIN is the one to prove.
    reset: Option<Entry<Enrolment>>,
    /// The exchange whose proof was right.
    cleared: Option<u64>,
}

async fn attempt(app: &App, given: &Given) -> Result<Vec<u8>, ApiError> {
    let answer = given.received.claimed();
    let device = docs::get::<Device>(&*app.store, &answer.device.0).await?.ok_or(Code::DeviceUnknown)?;
    if let Some(reply) = stored_reply(app, &device.doc, given)? {
        return Ok(reply);
    }
    given.received.check(&request::possession(&device.doc)?)?;
    if answer.decision == Decision::Approve {
        app.log.well()?;
    }
    let account = docs::get::<Account>(&*app.store, &device.doc.account.0).await?.ok_or(Code::DeviceUnknown)?;
    let own = challenge::open(app, &given.request.challenge.0)?;
    admit(app, &device.doc, &account.doc, &own).await?;
    if own.hash != answer.challenge || own.challenge.device != device.doc.id || own.challenge.account != account.doc.id
    {
        return Err(Code::ChallengeInvalid.into());
    }
    let mut read = Read { device, account, own, now: app.now(), reset: None, cleared: None };
    let waiting = waiting(app, &read).await;
    match decide::step(&read.device.doc, answer, app.log.epoch(), app.restored()) {
        Step::Next => {}
        Step::Ahead if answer.decision == Decision::Approve && answer.factor == Factor::Pin => {}
        Step::Ahead => return Err(Code::PinNeeded.into()),
        Step::Behind if decide::shows_a_clone(&read.device.doc, &read.own.challenge, waiting.is_ok()) => {
            return freeze(app, read.device, read.now).await;
        }
        Step::Behind | Step::Invented => return Err(Code::AnswerOutOfStep.into()),
    }
    decide::check_shape(answer, &given.request, read.own.challenge.operation.as_ref())?;
    if answer.decision == Decision::Approve {
        read.reset = operations::reset_of(app, &read.device.doc, read.own.challenge.operation.as_ref()).await?;
    }
    prove_pin(app, given, &mut read, waiting.as_ref().err()).await?;
    let before = (read.device.clone(), read.reset.clone());
    if let Some(mut new) = read.reset.as_ref().and_then(|reset| reset.doc.pin.clone()) {
        // Judged by the new PIN, which is stored only together with the finished reset.
        new.last_exchange = new.last_exchange.max(read.device.doc.pin.as_ref().map_or(0, |old| old.last_exchange));
        read.device.doc.pin = Some(new);
    }
    let cleared = read.cleared;
    match accept(app, given, read, waiting).await {
        Err(refusal) if !refusal.is_conflict() => {
            keep_cleared(app, before, cleared).await?;
            Err(refusal)
        }
        done => done,
    }
}

/// The reply of the last accepted answer, for the same payload. After a rotation the bytes are signed by the key that
/// is gone; then the new key's signature in the request says that it is the same phone's.
fn stored_reply(app: &App, device: &Device, given: &Given) -> Result<Option<Vec<u8>>, ApiError> {
    let Some((_, reply)) = device.last_answer.as_ref().filter(|(hash, _)| *hash == given.hash) else {
        return Ok(None);
    };
    let possession = request::possession(device)?;
    let rotated = given.request.new_keys.iter().find(|key| key.purpose == KeyPurpose::Possession);
    let known = given.received.check(&possession).is_ok()
        || rotated.is_some_and(|key| given.received.check_as(Role::NewKey, &possession, &key.signature).is_ok());
    if !known {
        return Err(Code::SignatureInvalid.into());
    }
    tracing::debug!(environment = app.environment(), "an answer was sent again");
    Ok(Some(reply.0.clone()))
}

async fn admit(app: &App, device: &Device, account: &Account, own: &Own) -> Result<(), ApiError> {
    match state_now(app, device).await? {
        DeviceState::Active => {}
        DeviceState::Enrolling if own.challenge.action == Action::FinishEnrolment => {}
        DeviceState::Enrolling => return Err(Code::DeviceNotActive.into()),
        DeviceState::Blocked => return Err(Code::DeviceBlocked.into()),
        DeviceState::Frozen => return Err(Code::DeviceFrozen.into()),
        DeviceState::Removed => return Err(Code::DeviceRemoved.into()),
    }
    if account.blocked { Err(Code::IdentityBlocked.into()) } else { Ok(()) }
}

/// The transaction, if it still waits for this device's answer to this challenge.
async fn waiting(app: &App, read: &Read) -> Result<Entry<Transaction>, ApiError> {
    let challenge = &read.own.challenge;
    let entry = docs::get::<Transaction>(&*app.store, &challenge.transaction.0).await?;
    let entry = entry.ok_or(Code::TransactionUnknown)?;
    if entry.doc.outcome.is_some() {
        return Err(Code::TransactionFinished.into());
    }
    read.own.check_time(read.now)?;
    check_open(&entry.doc, read.now)?;
    // Not what the phone has shown: refused for good, so that it does not try again.
    seal::check(app, &entry.doc).map_err(|_| Code::ChallengeInvalid)?;
    let binding = fetch::binding_of(&entry.doc, &read.device.doc.id, &read.account.doc.id)?;
    if binding != challenge.binding || entry.doc.operation != challenge.operation {
        return Err(Code::ChallengeInvalid.into());
    }
    Ok(entry)
}

/// Ends the PIN try of an approval with a PIN. `late` is why the transaction waits no more, if it does not.
async fn prove_pin(app: &App, given: &Given, read: &mut Read, late: Option<&ApiError>) -> Result<(), ApiError> {
    if given.received.claimed().factor != Factor::Pin {
        return Ok(());
    }
    let proof = given.request.pin.as_ref().ok_or(Code::Malformed)?;
    let record = match &mut read.reset {
        Some(reset) => reset.doc.pin.as_mut(),
        None => read.device.doc.pin.as_mut(),
    };
    let record = record.ok_or(Code::PinMissing)?;
    match pin::prove(record, proof, &read.own.hash) {
        Ok(()) => read.cleared = Some(proof.exchange),
        Err(error) if error.code == Code::PinWrong => {
            let status = pin::status(record, &app.config.pin, read.now);
            let (id, account) = (read.device.doc.id, read.account.doc.id);
            let mut changes = Changes::new();
            match &read.reset {
                Some(reset) => changes.update(reset),
                None => changes.update(&read.device),
            };
            let about = About::device(id).with(json!({ "tries_left": status.tries_left, "dead": status.dead }));
            history::add(&mut changes, app, account, "pin_wrong", about);
            changes.commit(&*app.store).await?;
            return Err(ApiError { tries_left: Some(status.tries_left), ..error });
        }
        // The try is settled already, by these bytes before: what the person should hear is the rest.
        Err(error) => return Err(late.cloned().unwrap_or(error)),
    }
    Ok(())
}

/// Judges the rest, and decides.
async fn accept(
    app: &App,
    given: &Given,
    read: Read,
    waiting: Result<Entry<Transaction>, ApiError>,
) -> Result<Vec<u8>, ApiError> {
    let answer = given.received.claimed();
    let Read { mut device, mut account, own, now, reset, cleared } = read;
    let mut transaction = waiting?;
    let beside = match answer.decision {
        Decision::Approve => beside::of(app, &transaction.doc, &account.doc.id).await?,
        Decision::Deny | Decision::ReportFraud => None,
    };
    let chip = beside.as_ref().map(|beside| beside.worth);
    let levels = factor_levels(app, given, &device.doc, &account.doc, &own, chip)?;
    let binding = own.challenge.binding;
    let mut changes = Changes::new();
    // The entry of a reset's new PIN says it all.
    if let (Some(exchange), None) = (cleared, &reset) {
        changes.log(&AuditEntry::PinCleared { device: device.doc.id, exchange, at: now });
    }
    let remembered = fetch::browser_of(app, &transaction.doc, binding).await;
    let mut done = operations::Done::default();
    if answer.decision == Decision::Approve {
        if let Some(remembered) = &remembered? {
            changes.unchanged(remembered);
        }
        let reset = reset.as_ref();
        let doing = Doing { own: &own, request: &given.request, received: &given.received, reset, now };
        done = operations::apply(app, &mut changes, &mut device, &mut account, &doing).await?;
        if binding == Binding::SameDevice {
            transaction.doc.return_code = Some(Secret::random(&mut app.rng()));
        }
    } else {
        notice::refused(app, &mut changes, &transaction.doc, answer.decision, now).await?;
        done.account_written =
            uses::answered(app, &mut changes, &transaction.doc, &mut account, answer.decision, now).await?;
        if let (Decision::ReportFraud, Ok(Some(remembered))) = (answer.decision, &remembered) {
            browser::revoke(app, &mut changes, remembered, "reported", now);
        }
    }
    let outcome = Outcome {
        decision: answer.decision,
        account: Some(account.doc.id),
        device: Some(device.doc.id),
        factor: answer.factor,
        binding,
        level: levels.map(|(level, _)| level),
        authenticator_level: levels.map(|(_, authenticator)| authenticator),
        at: now,
        remember_browser: answer.remember_browser
            && own.challenge.may_remember
            && may_remember(&transaction.doc, binding),
        means: if beside.is_some() { vec![APP.to_owned(), CHIP.to_owned()] } else { Vec::new() },
        evidence: Some((given.request.challenge.clone(), Blob(cbor::encode(&lasting(&given.request))))),
    };
    let hashes = Some((own.hash, given.hash));
    settle::settle(app, &mut changes, &mut transaction, Some(&account.doc), outcome, hashes).await?;
    let reply = AnswerReply {
        answer: given.hash,
        ratchet: Secret::random(&mut app.rng()),
        ratchet_count: answer.ratchet_count.saturating_add(1),
        return_url: page::return_url(app, &transaction.doc),
        activation: done.handed_out,
        active_from: done.active_from,
        policy: version::policy(&app.config.app, &device.doc.info.app_version, now),
    };
    let bytes = app.keys.sign_challenge(&reply);
    if bytes.is_empty() {
        return Err(Code::Internal.into());
    }
    step_on(app, &mut device.doc, &reply, answer.factor, &bytes, now);
    changes.log(&ratchet_entry(&device.doc, given.hash, now)).update(&device);
    if !done.account_written {
        changes.unchanged(&account);
    }
    if let Some(beside) = &beside {
        changes.unchanged(&beside.chip);
    }
    changes.commit(&*app.store).await?;
    settle::told(app, &transaction.doc);
    // An answer may have made notices for the person's other phones.
    app.tell(account.doc.id);
    Ok(bytes)
}

/// The device after an accepted answer: the next ratchet, and the reply for a retry.
fn step_on(app: &App, device: &mut Device, reply: &AnswerReply, factor: Factor, bytes: &[u8], now: i64) {
    device.ratchet = reply.ratchet.clone();
    device.ratchet_count = reply.ratchet_count;
    device.last_answer = Some((reply.answer, Blob(bytes.to_vec())));
    device.last_used = Some(now);
    device.restored = app.restored();
    if factor == Factor::Pin {
        device.epoch = app.log.epoch();
    }
}

fn ratchet_entry(device: &Device, answer: Hash32, now: i64) -> AuditEntry {
    AuditEntry::Ratchet {
        device: device.id,
        count: device.ratchet_count,
        ratchet: device.ratchet.clone(),
        answer: Some(answer),
        at: now,
    }
}

/// Checks the factor of an approval: allowed by the challenge, signed by its key over the same payload, and worth the
/// level. The level reached and the authenticator's own; none for a refusal.
fn factor_levels(
    app: &App,
    given: &Given,
    device: &Device,
    account: &Account,
    own: &Own,
    chip: Option<Level>,
) -> Result<Option<(Level, Level)>, ApiError> {
    let answer = given.received.claimed();
    if answer.decision != Decision::Approve {
        return Ok(None);
    }
    if !own.challenge.factors.contains(&answer.factor) {
        return Err(Code::FactorRefused.into());
    }
    if answer.factor == Factor::Biometric && device.epoch != app.log.epoch() {
        return Err(Code::PinNeeded.into());
    }
    let (role, key) = match answer.factor {
        Factor::Pin => (Role::Pin, device.pin.as_ref().map(|pin| pin.key)),
        Factor::Biometric => (Role::Biometric, request::key(device, KeyPurpose::Biometric)),
        Factor::None => return Err(Code::FactorRefused.into()),
    };
    let signature = given.request.factor_signature.as_ref().ok_or(Code::Malformed)?;
    given.received.check_as(role, &key.ok_or(Code::FactorRefused)?, signature)?;
    let reached = level::reached(app, account, device, answer.factor, own.challenge.binding, chip);
    let authenticator = level::authenticator(app, device, answer.factor, chip);
    match (reached, authenticator) {
        (Some(level), Some(authenticator)) if level >= own.challenge.level => Ok(Some((level, authenticator))),
        _ => Err(Code::LevelUnreachable.into()),
    }
}

/// The request as evidence keeps it: without the PIN's proof, which is good once, and the operation's data, which the
/// answer names by its hash and whose keys stand in the log.
fn lasting(request: &AnswerRequest) -> AnswerRequest {
    AnswerRequest { pin: None, data: None, new_keys: Vec::new(), ..request.clone() }
}

/// A right PIN in an answer that was refused: the failures are cleared all the same.
async fn keep_cleared(
    app: &App,
    (device, reset): (Entry<Device>, Option<Entry<Enrolment>>),
    cleared: Option<u64>,
) -> Result<(), ApiError> {
    let Some(exchange) = cleared else { return Ok(()) };
    let (device_id, at) = (device.doc.id, app.now());
    let mut changes = Changes::new();
    match &reset {
        Some(reset) => changes.update(reset).log(&AuditEntry::ResetPinTried {
            enrolment: reset.doc.id,
            device: device_id,
            debits: 0,
            exchange,
            at,
        }),
        None => changes.update(&device).log(&AuditEntry::PinCleared { device: device_id, exchange, at }),
    };
    changes.commit(&*app.store).await?;
    app.log.wake();
    Ok(())
}

/// Two stores answer for one phone: neither may go on.
async fn freeze(app: &App, mut device: Entry<Device>, now: i64) -> Result<Vec<u8>, ApiError> {
    let (id, account) = (device.doc.id, device.doc.account);
    device.doc.state = DeviceState::Frozen;
    crate::push::forget(&mut device.doc.push);
    if let Some(pin) = &mut device.doc.pin {
        pin.exchange = None;
    }
    let mut changes = Changes::new();
    changes.update(&device).log(&AuditEntry::DeviceChanged {
        device: id,
        account,
        state: DeviceState::Frozen,
        why: "clone".to_owned(),
        at: now,
    });
    let about = About::device(id).with(json!({ "model": device.doc.info.model, "alert": true }));
    history::add(&mut changes, app, account, "device_frozen", about);
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account);
    Err(Code::DeviceFrozen.into())
}
