//! What a device wants for itself: every wish is a challenge, approved like any other.

use godkend_protocol::bytes::Id;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::messages::activation::{DigitsReply, TypedDigits, attestation_challenge};
use godkend_protocol::messages::approval::{AnswerReply, Manage, OperationData};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::pin::PinContext;
use godkend_protocol::types::{ALG_ECDH_ES, ALG_ES256, Decision, DeviceKey, KeyPurpose, Operation, SecurityLevel};

use crate::answer::{self, Extras};
use crate::command::{Approval, HandedActivation, KeyStatus, Outcome, Pin};
use crate::error::Failure;
use crate::flow::Port;
use crate::keys::{KeyAlias, KeyPolicy, KeyReply, KeyRequest};
use crate::request::{self, Shown, ShownKind};
use crate::state::{Alias, Change, IdentityId, LocalKey};
use crate::trust::decode_reply;

pub(crate) async fn change_pin(port: &Port, identity: IdentityId, old: Pin, new: &Pin) -> Result<Outcome, Failure> {
    digits::check_pin(new.digits()).map_err(Failure::WeakPin)?;
    let _busy = port.lock(Some(identity))?;
    let shown = begin(port, identity, Operation::ChangePin).await?;
    let record = crate::pin::register(port, identity, PinContext::Change { challenge: shown.hash }, new).await?;
    let data = OperationData { keys: Vec::new(), pin: Some(record) };
    finish(port, &shown, Approval::Pin(old), Extras { data: Some(data), ..Extras::none() }).await?;
    Ok(Outcome::Done)
}

pub(crate) async fn enable_biometrics(port: &Port, identity: IdentityId, pin: Pin) -> Result<Outcome, Failure> {
    if port.shared().state.identities.len() > 1 {
        return Err(Failure::SharedPhone);
    }
    let _busy = port.lock(Some(identity))?;
    // What the phone can do decides what is asked for: a phone that cannot agree has no offline codes, never weaker
    // ones. Its keys must be attested over the challenge, so the first look is a key that is thrown away.
    let mut purposes = vec![KeyPurpose::Biometric];
    if can_agree(port, identity).await? {
        purposes.push(KeyPurpose::Offline);
    }
    let shown = begin(port, identity, Operation::AddKeys { purposes: purposes.clone() }).await?;
    new_keys(port, identity, &shown, &purposes, pin).await
}

pub(crate) async fn rotate_keys(port: &Port, identity: IdentityId, pin: Pin) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let shown = begin(port, identity, Operation::RotateKeys).await?;
    let purposes: Vec<KeyPurpose> = {
        let shared = port.shared();
        let keys = &shared.state.identity(identity)?.keys;
        keys.iter().map(|key| key.purpose).filter(|purpose| *purpose != KeyPurpose::Pepper).collect()
    };
    new_keys(port, identity, &shown, &purposes, pin).await
}

pub(crate) async fn disable_biometrics(port: &Port, identity: IdentityId, with: Approval) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let purposes: Vec<KeyPurpose> = {
        let shared = port.shared();
        let person = shared.state.identity(identity)?;
        [KeyPurpose::Biometric, KeyPurpose::Offline].into_iter().filter(|purpose| person.has(*purpose)).collect()
    };
    if purposes.is_empty() {
        return Err(Failure::NotNow);
    }
    let shown = begin(port, identity, Operation::RemoveKeys { purposes: purposes.clone() }).await?;
    finish(port, &shown, with, Extras { change: Change::DropKeys { purposes }, ..Extras::none() }).await?;
    remove_orphans(port).await?;
    statuses(port, identity)
}

pub(crate) async fn hand_out(
    port: &Port,
    identity: IdentityId,
    with: Approval,
    keep: bool,
) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let shown = begin(port, identity, Operation::MoveDevice { keep }).await?;
    let reply = finish(port, &shown, with, Extras::none()).await?;
    let handed = reply.activation.ok_or(Failure::Untrusted)?;
    let root = port.root_of(identity)?;
    let link = Link::Activation(ActivationLink {
        environment: root.environment.clone(),
        id: handed.id,
        secret: handed.secret,
        root: root.fingerprint(),
        expires: handed.expires,
    });
    Ok(Outcome::Activation(HandedActivation { link: link.to_text(), expires: handed.expires }))
}

pub(crate) async fn digits(port: &Port, identity: IdentityId, digits: &str) -> Result<Outcome, Failure> {
    let digits = digits::parse(digits).ok_or(Failure::NotACode)?;
    let (device, activation) = {
        let shared = port.shared();
        let person = shared.state.identity(identity)?;
        (person.device, person.handed_out.ok_or(Failure::NotNow)?)
    };
    let nonce = port.random();
    let (message, _) = port.sign(identity, &TypedDigits { device, activation, digits, nonce }).await?;
    let reply: DigitsReply = decode_reply(&port.post_as(identity, TypedDigits::PATH, message, 0).await?)?;
    Ok(Outcome::MovedTo { model: reply.model, place: reply.place, active_from: reply.active_from })
}

pub(crate) async fn remove_device(
    port: &Port,
    identity: IdentityId,
    device: Option<Id>,
    with: Approval,
) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let own = port.shared().state.identity(identity)?.device;
    let device = device.unwrap_or(own);
    let shown = begin(port, identity, Operation::RemoveDevice { device }).await?;
    let change = if device == own { Change::RemoveThisDevice } else { Change::Nothing };
    finish(port, &shown, with, Extras { change, ..Extras::none() }).await?;
    remove_orphans(port).await?;
    Ok(Outcome::Done)
}

pub(crate) async fn forget_browser(
    port: &Port,
    identity: IdentityId,
    browser: Id,
    with: Approval,
) -> Result<Outcome, Failure> {
    simple(port, identity, Operation::ForgetBrowser { browser }, with).await
}

pub(crate) async fn set_locked_push(
    port: &Port,
    identity: IdentityId,
    on: bool,
    with: Approval,
) -> Result<Outcome, Failure> {
    simple(port, identity, Operation::SetLockedPush { on }, with).await
}

/// The first PIN approval, which ends an enrolment. The caller holds the identity.
pub(crate) async fn finish_enrolment(port: &Port, identity: IdentityId, pin: Pin) -> Result<AnswerReply, Failure> {
    let shown = begin(port, identity, Operation::FinishEnrolment).await?;
    finish(port, &shown, Approval::Pin(pin), Extras { change: Change::FinishEnrolment, ..Extras::none() }).await
}

async fn simple(port: &Port, identity: IdentityId, operation: Operation, with: Approval) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let shown = begin(port, identity, operation).await?;
    finish(port, &shown, with, Extras::none()).await?;
    Ok(Outcome::Done)
}

/// Settles what is open, asks, and checks that the challenge is for what was asked.
async fn begin(port: &Port, identity: IdentityId, operation: Operation) -> Result<Shown, Failure> {
    answer::settle(port, identity).await?;
    for _ in 0..request::MOST_ASKED {
        let nonce = port.random();
        let started = port.now().monotonic_ms;
        let (device, log) = {
            let shared = port.shared();
            let person = shared.state.identity(identity)?;
            if person.state == DeviceState::Removed {
                return Err(Failure::NotNow);
            }
            (person.device, person.log)
        };
        let app_version = port.config.info.app_version.clone();
        let manage = Manage { device, nonce, operation: operation.clone(), log, app_version };
        let (message, _) = port.sign(identity, &manage).await?;
        let reply = port.post_as(identity, Manage::PATH, message, 0).await?;
        if let Some(shown) = request::verify(port, identity, &reply, &nonce.0, started, log).await? {
            return if shown.view.operation.as_ref() == Some(&operation) { Ok(shown) } else { Err(Failure::Untrusted) };
        }
    }
    Err(Failure::Busy)
}

async fn finish(port: &Port, shown: &Shown, with: Approval, extras: Extras) -> Result<AnswerReply, Failure> {
    let ShownKind::Online(challenge) = &shown.kind else { return Err(Failure::NotNow) };
    answer::give(port, shown, challenge, Some(with), Decision::Approve, false, extras).await
}

/// Creates keys under the challenge, and enrols them with an answer that both old and new keys sign.
async fn new_keys(
    port: &Port,
    identity: IdentityId,
    shown: &Shown,
    purposes: &[KeyPurpose],
    pin: Pin,
) -> Result<Outcome, Failure> {
    let device = port.shared().state.identity(identity)?.device;
    let mut new = Vec::with_capacity(purposes.len());
    let mut enrolled = Vec::with_capacity(purposes.len());
    for purpose in purposes.iter().copied() {
        let alias = next_alias(port, identity, purpose)?;
        // Known as an orphan before it exists: a kill here leaves nothing that is not removed later.
        port.persist().await?;
        let challenge = attestation_challenge(&shown.hash.0, &device, purpose);
        let security = port.config.security;
        let (local, device_key) = create(port, alias, purpose, security, challenge).await?;
        new.push(local);
        enrolled.extend(device_key);
    }
    let signers = new.iter().filter(|key| key.purpose != KeyPurpose::Offline).cloned().collect();
    let data = OperationData { keys: enrolled, pin: None };
    let extras = Extras { data: Some(data), signers, change: Change::Keys { new } };
    finish(port, shown, Approval::Pin(pin), extras).await?;
    remove_orphans(port).await?;
    statuses(port, identity)
}

/// Creates one key; the pepper gives no public key, and nothing to enrol.
pub(crate) async fn create(
    port: &Port,
    alias: Alias,
    purpose: KeyPurpose,
    security: SecurityLevel,
    challenge: godkend_protocol::bytes::Hash32,
) -> Result<(LocalKey, Option<DeviceKey>), Failure> {
    let policy = KeyPolicy {
        purpose,
        security,
        biometric: matches!(purpose, KeyPurpose::Biometric | KeyPurpose::Offline),
        unlocked: true,
        attestation_challenge: (purpose != KeyPurpose::Pepper).then_some(challenge),
    };
    let created = match port.key(KeyRequest::Create { alias: KeyAlias::from(&alias), policy }).await? {
        KeyReply::Created(created) => created,
        _ => return Err(Failure::NotSupported),
    };
    // A weaker key than was asked for is an error, never a silent fallback.
    if created.security < security || created.public.is_none() != (purpose == KeyPurpose::Pepper) {
        return Err(Failure::NotSupported);
    }
    let device_key = created.public.map(|public| DeviceKey {
        purpose,
        algorithm: if purpose == KeyPurpose::Offline { ALG_ECDH_ES } else { ALG_ES256 },
        public,
        attestation: created.attestation,
    });
    Ok((LocalKey { purpose, alias, public: created.public }, device_key))
}

/// Whether the phone's keys can agree: tried with a key that is thrown away.
async fn can_agree(port: &Port, identity: IdentityId) -> Result<bool, Failure> {
    let alias = next_alias(port, identity, KeyPurpose::Offline)?;
    port.persist().await?;
    let challenge = port.random();
    match create(port, alias, KeyPurpose::Offline, port.config.security, challenge).await {
        Ok(_) => Ok(true),
        Err(Failure::NotSupported) => Ok(false),
        Err(other) => Err(other),
    }
}

fn next_alias(port: &Port, identity: IdentityId, purpose: KeyPurpose) -> Result<Alias, Failure> {
    let mut shared = port.shared();
    let person = shared.state.identity_mut(identity)?;
    person.generation = person.generation.checked_add(1).ok_or(Failure::NotSupported)?;
    let alias = alias(&person.device, purpose, person.generation);
    shared.state.orphans.push(alias.clone());
    Ok(alias)
}

pub(crate) fn alias(of: &Id, purpose: KeyPurpose, generation: u32) -> Alias {
    let hex: String = of.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Alias(format!("godkend.{hex}.{}.{generation}", purpose.name()))
}

/// Removes keys that nothing uses any more. A key store that cannot is asked again at the next start.
pub(crate) async fn remove_orphans(port: &Port) -> Result<(), Failure> {
    let orphans = port.shared().state.orphans.clone();
    if orphans.is_empty() {
        return Ok(());
    }
    let aliases = orphans.iter().map(KeyAlias::from).collect();
    if port.key(KeyRequest::Delete { aliases }).await.is_ok() {
        port.shared().state.orphans.retain(|orphan| !orphans.contains(orphan));
        port.persist().await?;
    }
    Ok(())
}

fn statuses(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    let shared = port.shared();
    let keys = &shared.state.identity(identity)?.keys;
    Ok(Outcome::Keys(keys.iter().map(|key| KeyStatus { purpose: key.purpose, public: key.public }).collect()))
}
