//! Activation and PIN reset on the phone: from a link or a code to a PIN that has approved once.

use godkend_protocol::bytes::{Blob, Hash32};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::formats::activation_code::{ActivationCode, CodeError};
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::Link;
use godkend_protocol::keyset::Root;
use godkend_protocol::messages::Done;
use godkend_protocol::messages::activation::{
    ActivationOffer, ActivationOpen, Enrol, EnrolCore, EnrolProof, EnrolReply, EnrolmentStatus, SealedEnrol,
    SealedReply, Stage, StageReply, attestation_challenge, full_transcript, mac_key, transcript,
};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::pin::{PinContext, PinEnrolRequest, PinResetOffer, PinResetOpen, reset_transcript};
use godkend_protocol::suite::{self, Psk, ReplyKey};
use godkend_protocol::types::KeyPurpose;

use crate::command::{Outcome, Pin};
use crate::error::Failure;
use crate::flow::Port;
use crate::history::{HistoryEvent, HistoryLine};
use crate::manage;
use crate::request;
use crate::state::{Identity, IdentityId, LocalEnrolment, LocalKey, PendingActivation, SealedActivation};
use crate::trust::decode_reply;
use crate::{answer, pin};

/// Where an activation's secret comes from.
enum Secret {
    Link(godkend_protocol::bytes::Secret<32>),
    Code(godkend_protocol::bytes::Secret<7>),
}

/// Everything that a scanned link or a typed code says.
struct Given {
    root: Root,
    open: ActivationOpen,
    secret: Secret,
}

pub(crate) async fn activate(port: &Port, text: &str, environment: Option<&str>) -> Result<Outcome, Failure> {
    let _busy = port.lock(None)?;
    let given = read(port, text, environment)?;
    // An earlier activation whose reply is outstanding is brought to its end first, whatever that is.
    abandon_or_settle(port).await?;

    let set = port.key_set(&given.root).await?;
    let open_bytes = cbor::encode(&given.open);
    let reply = port.post(&given.root, ActivationOpen::PATH, open_bytes.clone(), 0).await?;
    let received: Received<ActivationOffer> = port.open(&given.root, &reply).await?;
    let offer = received.claimed().clone();
    // A suite below the best that both know, or a key that the root does not vouch for, was put there on the way.
    let best = suite::choose(&port.config.suites, &set.suites).ok_or(Failure::UpdateNeeded)?;
    let vouched = set.hpke_keys.iter().any(|key| key.suite == offer.suite && key.public == offer.hpke_key);
    let meant = given.open.id.is_none_or(|id| id == offer.id);
    if offer.open_hash != crypto::sha256(&[&open_bytes]) || offer.suite != best || !vouched || !meant {
        return Err(Failure::Untrusted);
    }

    let root = given.root.fingerprint();
    let keys = [KeyPurpose::Possession, KeyPurpose::Pepper].map(|purpose| LocalKey {
        purpose,
        alias: manage::alias(&offer.id, purpose, 0),
        public: None,
    });
    // The names are stored before the keys exist, so that a kill leaves no key that is not known.
    port.shared().state.activation =
        Some(PendingActivation { root, keys: keys.to_vec(), sealed: None, suite: offer.suite });
    port.persist().await?;
    let sealed = seal(port, &given, &open_bytes, &reply, &received, &keys).await;
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(failure) => {
            drop_pending(port).await?;
            return Err(failure);
        }
    };
    port.shared().state.activation = Some(sealed);
    port.persist().await?;
    settle(port).await?.ok_or(Failure::NotNow)
}

fn read(port: &Port, text: &str, environment: Option<&str>) -> Result<Given, Failure> {
    let open = |id, name| ActivationOpen {
        app_version: port.config.info.app_version.clone(),
        id,
        name,
        suites: port.config.suites.clone(),
    };
    if text.trim_start().starts_with("godkend:") {
        let Link::Activation(link) = request::parse(text)? else { return Err(Failure::NotACode) };
        let root = port.root(&link.root)?;
        if root.environment != link.environment {
            return Err(Failure::UnknownRoot);
        }
        return Ok(Given { root, open: open(Some(link.id), None), secret: Secret::Link(link.secret) });
    }
    let code = ActivationCode::parse(text).map_err(|_: CodeError| Failure::NotACode)?;
    let mut roots = port.config.roots.iter();
    let root = match environment {
        Some(name) => roots.find(|root| root.environment == name),
        None => roots.next(),
    };
    let root = root.cloned().ok_or(Failure::UnknownRoot)?;
    Ok(Given { root, open: open(None, Some(code.name)), secret: Secret::Code(code.secret) })
}

/// Creates the keys and seals what is enrolled.
async fn seal(
    port: &Port,
    given: &Given,
    open: &[u8],
    offer_bytes: &[u8],
    received: &Received<ActivationOffer>,
    planned: &[LocalKey],
) -> Result<PendingActivation, Failure> {
    let offer = received.claimed();
    let security = port.config.security.max(offer.security);
    let (mut keys, mut enrolled) = (Vec::new(), Vec::new());
    for key in planned {
        let challenge = attestation_challenge(&offer.nonce.0, &offer.id, key.purpose);
        let (local, device_key) = manage::create(port, key.alias.clone(), key.purpose, security, challenge).await?;
        keys.push(local);
        enrolled.extend(device_key);
    }
    let block_code = port.with_rng(BlockCode::generate);
    let core = cbor::encode(&EnrolCore {
        nonce: port.random(),
        keys: enrolled,
        info: port.config.info.clone(),
        pepper_security: security,
        block_code_hash: block_code.hash(),
    });
    let transcript = transcript(open, received.payload(), &core);
    let mac_key = match &given.secret {
        Secret::Link(secret) => mac_key(&secret.0, &offer.id),
        Secret::Code(secret) => mac_key(&secret.0, &offer.id),
    };
    let possession = keys.iter().find(|key| key.purpose == KeyPurpose::Possession).ok_or(Failure::NotSupported)?;
    let proof = Unsigned::new(&EnrolProof { transcript }, &given.root.environment, None);
    let proof = port.sign_with(possession, proof).await?;
    let enrol = cbor::encode(&Enrol {
        open: Blob(open.to_vec()),
        core: Blob(core),
        mac: crypto::hmac_sha256(&mac_key.0, &[&transcript.0]),
        proof: Blob(proof),
    });
    let psk = match &given.secret {
        Secret::Link(secret) => Some(Psk { secret, id: &offer.id }),
        Secret::Code(_) => None,
    };
    let (sealed, reply_key) = port
        .with_rng(|rng| suite::seal(offer.suite, rng, &offer.hpke_key.0, psk, offer_bytes, &enrol))
        .map_err(|_| Failure::Untrusted)?;
    let request = SealedEnrol { offer: Blob(offer_bytes.to_vec()), enc: sealed.enc, ciphertext: sealed.ciphertext };
    let (key, nonce) = reply_key.to_parts();
    Ok(PendingActivation {
        root: given.root.fingerprint(),
        suite: offer.suite,
        keys,
        sealed: Some(SealedActivation {
            request: Blob(cbor::encode(&request)),
            reply_key: key,
            reply_nonce: nonce,
            transcript,
            block_code: block_code.to_text(),
            enrolment: offer.id,
        }),
    })
}

/// Sends the sealed bytes (again) and takes the reply. A passing failure leaves them stored.
async fn settle(port: &Port) -> Result<Option<Outcome>, Failure> {
    let Some(pending) = port.shared().state.activation.clone() else { return Ok(None) };
    let Some(sealed) = pending.sealed else {
        drop_pending(port).await?;
        return Ok(None);
    };
    let root = port.root(&pending.root)?;
    let reply = match port.post(&root, SealedEnrol::PATH, sealed.request.0.clone(), 0).await {
        Ok(reply) => reply,
        Err(failure) if is_kept(&failure) => {
            return Err(failure);
        }
        Err(failure) => {
            drop_pending(port).await?;
            return Err(failure);
        }
    };
    let reply: SealedReply = decode_reply(&reply)?;
    let opened = ReplyKey::from_parts(sealed.reply_key.clone(), sealed.reply_nonce.clone())
        .open(&reply.ciphertext.0)
        .map_err(|_| Failure::Untrusted)?;
    let received: Received<EnrolReply> = port.open(&root, &opened).await?;
    let reply = received.claimed();
    if reply.transcript != sealed.transcript {
        return Err(Failure::Untrusted);
    }
    let transcript = full_transcript(&reply.transcript, &reply.nonce);
    let id = {
        let mut shared = port.shared();
        let id = IdentityId(shared.state.next_identity);
        shared.state.next_identity = id.0.checked_add(1).ok_or(Failure::NotSupported)?;
        shared.state.identities.push(Identity {
            id,
            root: pending.root,
            account: reply.account,
            device: reply.device,
            name: reply.identity_name.clone(),
            keys: pending.keys,
            enrolment: Some(LocalEnrolment { id: sealed.enrolment, transcript, stage: Stage::Digits, reset: false }),
            ratchet: reply.ratchet.clone(),
            ratchet_count: 0,
            exchange: 0,
            log: None,
            in_flight: None,
            history: Vec::new(),
            block_code: Some(sealed.block_code.clone()),
            suite: pending.suite,
            state: DeviceState::Enrolling,
            handed_out: None,
            generation: 0,
            push: None,
        });
        shared.state.activation = None;
        id
    };
    port.persist().await?;
    Ok(Some(Outcome::Digits { identity: id, digits: digits::of_transcript(&transcript) }))
}

async fn abandon_or_settle(port: &Port) -> Result<(), Failure> {
    match settle(port).await {
        Ok(_) => Ok(()),
        Err(failure) if is_kept(&failure) => Err(failure),
        // Refused for good: the way is free.
        Err(_) => Ok(()),
    }
}

/// Whether what was begun is kept for another time: the server may have taken it.
const fn is_kept(failure: &Failure) -> bool {
    failure.is_passing() || matches!(failure, Failure::Untrusted | Failure::ClockWrong | Failure::Storage)
}

async fn drop_pending(port: &Port) -> Result<(), Failure> {
    {
        let mut shared = port.shared();
        if let Some(pending) = shared.state.activation.take() {
            shared.state.orphans.extend(pending.keys.into_iter().map(|key| key.alias));
        }
    }
    port.persist().await?;
    manage::remove_orphans(port).await
}

/// Settles all that a kill or a lost connection left open.
pub(crate) async fn resume(port: &Port) -> Result<Outcome, Failure> {
    let (mut settled, mut open) = (0, 0);
    let _busy = port.lock(None)?;
    let mut count = |result: Result<bool, Failure>| match result {
        Ok(true) => settled += 1,
        Ok(false) => {}
        Err(failure) if is_kept(&failure) => open += 1,
        // Refused for good is settled too.
        Err(_) => settled += 1,
    };
    count(settle(port).await.map(|outcome| outcome.is_some()));
    let identities: Vec<IdentityId> = port.shared().state.identities.iter().map(|person| person.id).collect();
    for identity in identities {
        let Ok(_busy) = port.lock(Some(identity)) else { continue };
        count(answer::settle(port, identity).await.map(|reply| reply.is_some()));
    }
    if port.shared().busy.len() == 1 {
        manage::remove_orphans(port).await?;
    }
    if port.shared().poisoned {
        return Err(Failure::Storage);
    }
    Ok(Outcome::Resumed { settled, open })
}

pub(crate) async fn status(port: &Port, identity: IdentityId, wait: u32) -> Result<Outcome, Failure> {
    let (device, enrolment) = {
        let shared = port.shared();
        let person = shared.state.identity(identity)?;
        match &person.enrolment {
            None => return Ok(Outcome::Stage(Stage::Active)),
            Some(enrolment) => (person.device, enrolment.clone()),
        }
    };
    let wait = wait.min(25);
    let message =
        EnrolmentStatus { device, enrolment: enrolment.id, nonce: port.random(), known: enrolment.stage, wait };
    let (message, _) = port.sign(identity, &message).await?;
    let stage = match port.post_as(identity, EnrolmentStatus::PATH, message, wait).await {
        Ok(reply) => decode_reply::<StageReply>(&reply)?.stage,
        // A void activation takes its device with it.
        Err(Failure::Refused { code: Code::DeviceRemoved | Code::ActivationStopped, .. }) => Stage::Void,
        Err(other) => return Err(other),
    };
    enter(port, identity, stage).await?;
    Ok(Outcome::Stage(stage))
}

/// Takes over the stage that the server has told.
async fn enter(port: &Port, identity: IdentityId, stage: Stage) -> Result<(), Failure> {
    {
        let mut shared = port.shared();
        let at = shared.now.wall;
        let person = shared.state.identity_mut(identity)?;
        let Some(enrolment) = &mut person.enrolment else { return Ok(()) };
        let reset = enrolment.reset;
        enrolment.stage = stage;
        let event = if reset { HistoryEvent::PinReset } else { HistoryEvent::Activated };
        match stage {
            Stage::Active => {
                person.enrolment = None;
                person.state = DeviceState::Active;
                person.note(HistoryLine {
                    at,
                    event,
                    relying_party: None,
                    action: None,
                    text: None,
                    place: None,
                    code: None,
                });
            }
            Stage::Void if reset => person.enrolment = None,
            Stage::Void => person.state = DeviceState::Removed,
            _ => {}
        }
    }
    port.persist().await
}

pub(crate) async fn choose_pin(port: &Port, identity: IdentityId, chosen: &Pin) -> Result<Outcome, Failure> {
    digits::check_pin(chosen.digits()).map_err(Failure::WeakPin)?;
    let _busy = port.lock(Some(identity))?;
    // An answer that was stored before a kill may already have ended the enrolment.
    answer::settle(port, identity).await?;
    let Outcome::Stage(stage) = status(port, identity, 0).await? else { return Err(Failure::NotNow) };
    match stage {
        Stage::ChoosePin => register(port, identity, chosen).await?,
        // Registered before a kill: that PIN stands, and this one has to be it.
        Stage::Finish => {}
        Stage::Digits => return Err(refused(Code::DigitsPending)),
        Stage::Void => return Err(refused(Code::ActivationExpired)),
        Stage::Waiting { .. } | Stage::Active => return Ok(Outcome::Stage(stage)),
    }
    let reply = manage::finish_enrolment(port, identity, chosen.clone()).await?;
    let stage = reply.active_from.map_or(Stage::Active, |until| Stage::Waiting { until });
    Ok(Outcome::Stage(stage))
}

async fn register(port: &Port, identity: IdentityId, chosen: &Pin) -> Result<(), Failure> {
    let (id, transcript): (_, Hash32) = {
        let shared = port.shared();
        let enrolment = shared.state.identity(identity)?.enrolment.clone().ok_or(Failure::NotNow)?;
        (enrolment.id, enrolment.transcript)
    };
    let record = pin::register(port, identity, PinContext::Enrolment { id, transcript }, chosen).await?;
    let reply = port.post_as(identity, PinEnrolRequest::PATH, cbor::encode(&record), 0).await?;
    let _: Done = decode_reply(&reply)?;
    Ok(())
}

/// Fetches the PIN reset that a desk has opened for this device.
pub(crate) async fn reset_pin(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    answer::settle(port, identity).await?;
    let device = port.shared().state.identity(identity)?.device;
    let open = PinResetOpen { device, nonce: port.random(), app_version: port.config.info.app_version.clone() };
    let (message, payload) = port.sign(identity, &open).await?;
    let reply = port.post_as(identity, PinResetOpen::PATH, message, 0).await?;
    let root = port.root_of(identity)?;
    let received: Received<PinResetOffer> = port.open(&root, &reply).await?;
    let offer = received.claimed();
    if offer.device != device || offer.open_hash != crypto::sha256(&[&payload]) {
        return Err(Failure::Untrusted);
    }
    let transcript = reset_transcript(&payload, received.payload());
    port.shared().state.identity_mut(identity)?.enrolment =
        Some(LocalEnrolment { id: offer.id, transcript, stage: Stage::Digits, reset: true });
    port.persist().await?;
    Ok(Outcome::Digits { identity, digits: digits::of_transcript(&transcript) })
}

const fn refused(code: Code) -> Failure {
    Failure::Refused { code, retry_after: None, tries_left: None }
}
