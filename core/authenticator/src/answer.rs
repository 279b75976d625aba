//! Answers: signed, stored, sent, and resent byte for byte until the server has taken or refused them.

use godkend_protocol::bytes::{Blob, Hash32};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::{
    Answer, AnswerReply, AnswerRequest, NewKeySignature, OperationData, PinProof, ratchet_hash,
};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Decision, Factor, KeyPurpose, Payment};

use crate::command::{Approval, Outcome};
use crate::error::Failure;
use crate::flow::Port;
use crate::history::{HistoryEvent, HistoryLine};
use crate::offline;
use crate::pin::{self, Try};
use crate::request::{RequestId, Shown, ShownKind};
use crate::state::{Change, Identity, IdentityId, InFlight, LocalKey};

/// What an operation adds to its answer.
pub(crate) struct Extras {
    pub(crate) data: Option<OperationData>,
    /// New keys that sign the answer too.
    pub(crate) signers: Vec<LocalKey>,
    pub(crate) change: Change,
}

impl Extras {
    pub(crate) const fn none() -> Self {
        Self { data: None, signers: Vec::new(), change: Change::Nothing }
    }
}

pub(crate) async fn approve(
    port: &Port,
    id: RequestId,
    with: Approval,
    remember_browser: bool,
) -> Result<Outcome, Failure> {
    let shown = port.shown(id)?;
    let identity = shown.view.identity;
    let _busy = port.lock(Some(identity))?;
    let challenge = match &shown.kind {
        ShownKind::Offline(challenge) => return offline::approve(port, &shown, challenge, &with).await,
        ShownKind::Online(challenge) => challenge.clone(),
    };
    settle(port, identity).await?;
    let reply = give(port, &shown, &challenge, Some(with), Decision::Approve, remember_browser, Extras::none()).await?;
    Ok(Outcome::Approved { return_url: reply.return_url, active_from: reply.active_from })
}

pub(crate) async fn refuse(port: &Port, id: RequestId, fraud: bool) -> Result<Outcome, Failure> {
    let shown = port.shown(id)?;
    let identity = shown.view.identity;
    let _busy = port.lock(Some(identity))?;
    let challenge = match &shown.kind {
        ShownKind::Offline(_) => {
            // Without a network nobody can be told; the code is simply never made.
            let event = if fraud { HistoryEvent::Reported } else { HistoryEvent::Denied };
            note(port, &shown, event, None)?;
            port.unshow(id);
            port.persist().await?;
            return Ok(Outcome::Refused);
        }
        ShownKind::Online(challenge) => challenge.clone(),
    };
    settle(port, identity).await?;
    let decision = if fraud { Decision::ReportFraud } else { Decision::Deny };
    give(port, &shown, &challenge, None, decision, false, Extras::none()).await?;
    Ok(Outcome::Refused)
}

/// Answers a shown request. The caller holds the identity and has settled what was open.
pub(crate) async fn give(
    port: &Port,
    shown: &Shown,
    challenge: &Blob,
    with: Option<Approval>,
    decision: Decision,
    remember_browser: bool,
    extras: Extras,
) -> Result<AnswerReply, Failure> {
    let identity = shown.view.identity;
    let factor = match &with {
        None => Factor::None,
        Some(Approval::Pin(_)) => Factor::Pin,
        Some(Approval::Biometric) if port.shared().state.identities.len() > 1 => return Err(Failure::SharedPhone),
        Some(Approval::Biometric) => Factor::Biometric,
    };
    if with.is_some() && !shown.view.factors.contains(&factor) {
        return Err(Failure::NotSupported);
    }
    let proved = match &with {
        Some(Approval::Pin(pin)) => match pin::prove(port, identity, challenge, &shown.hash, pin).await? {
            Try::Right(proved) => Some(proved),
            Try::Wrong(status) => {
                note(port, shown, HistoryEvent::WrongPin, None)?;
                port.persist().await?;
                return Err(Failure::WrongPin(status));
            }
        },
        _ => None,
    };

    let environment = port.root_of(identity)?.environment;
    let (answer, possession, biometric) = {
        let shared = port.shared();
        let identity = shared.state.identity(identity)?;
        let answer = Answer {
            device: identity.device,
            challenge: shown.hash,
            decision,
            factor,
            remember_browser: remember_browser && shown.view.may_remember,
            ratchet_hash: ratchet_hash(&identity.ratchet),
            ratchet_count: identity.ratchet_count,
            log: identity.log.ok_or(Failure::NoRequest)?,
            operation: extras.data.as_ref().map(OperationData::hash),
        };
        (answer, identity.key(KeyPurpose::Possession)?.clone(), identity.key(KeyPurpose::Biometric).cloned())
    };
    let unsigned = Unsigned::new(&answer, &environment, None);
    let factor_signature = match (&proved, factor) {
        (Some(proved), _) => {
            let tbs = unsigned.to_be_signed_as(Role::Pin);
            Some(crypto::p256_sign(&proved.key, &tbs).ok_or(Failure::NotSupported)?)
        }
        (None, Factor::Biometric) => {
            let prompt = Some(prompt(shown));
            Some(port.countersign(&biometric?, &unsigned, Role::Biometric, prompt).await?)
        }
        (None, _) => None,
    };
    let mut new_keys = Vec::with_capacity(extras.signers.len());
    for key in &extras.signers {
        let prompt = (key.purpose == KeyPurpose::Biometric).then(|| prompt(shown));
        let signature = port.countersign(key, &unsigned, Role::NewKey, prompt).await?;
        new_keys.push(NewKeySignature { purpose: key.purpose, signature });
    }
    let answer = port.sign_with(&possession, unsigned).await?;
    let payload = payload(&answer, &environment)?;
    let request = AnswerRequest {
        answer: Blob(answer),
        challenge: challenge.clone(),
        factor_signature,
        pin: proved.map(|proved| -> PinProof { proved.proof }),
        data: extras.data,
        new_keys,
    };
    {
        let mut shared = port.shared();
        let wall = shared.now.wall;
        // From here on the keys belong to the answer, not to the orphans.
        if let Change::Keys { new } = &extras.change {
            shared.state.orphans.retain(|orphan| !new.iter().any(|key| key.alias == *orphan));
        }
        shared.state.identity_mut(identity)?.in_flight = Some(InFlight {
            request: Blob(cbor::encode(&request)),
            answer: payload,
            change: extras.change,
            line: line(shown, event(decision), wall, None),
        });
    }
    port.unshow(shown.view.id);
    port.persist().await?;
    settle(port, identity).await?.ok_or(Failure::NoRequest)
}

/// Brings a stored answer to its end: taken, or refused for good. A passing failure leaves it stored.
pub(crate) async fn settle(port: &Port, identity: IdentityId) -> Result<Option<AnswerReply>, Failure> {
    let Some(in_flight) = port.shared().state.identity(identity)?.in_flight.clone() else { return Ok(None) };
    match port.post_as(identity, AnswerRequest::PATH, in_flight.request.0.clone(), 0).await {
        Ok(reply) => {
            let root = port.root_of(identity)?;
            let received: Received<AnswerReply> = port.open(&root, &reply).await?;
            let reply = received.claimed().clone();
            if reply.answer != in_flight.answer {
                return Err(Failure::Untrusted);
            }
            {
                let mut shared = port.shared();
                let shared = &mut *shared;
                let person = shared.state.identity_mut(identity)?;
                person.in_flight = None;
                person.ratchet = reply.ratchet.clone();
                person.ratchet_count = reply.ratchet_count;
                person.handed_out = reply.activation.as_ref().map(|activation| activation.id).or(person.handed_out);
                let orphans = apply(person, &in_flight.change, &reply);
                person.note(in_flight.line);
                shared.state.orphans.extend(orphans.into_iter().map(|key| key.alias));
            }
            port.persist().await?;
            Ok(Some(reply))
        }
        Err(failure) if failure.is_passing() => Err(failure),
        // A server that cannot be trusted may have taken the answer: keep it.
        Err(failure @ (Failure::Untrusted | Failure::ClockWrong | Failure::Storage | Failure::Cancelled)) => {
            Err(failure)
        }
        Err(failure) => {
            {
                let mut shared = port.shared();
                let shared = &mut *shared;
                let person = shared.state.identity_mut(identity)?;
                person.in_flight = None;
                let mut line = in_flight.line;
                line.event = if failure == Failure::Expired { HistoryEvent::Expired } else { HistoryEvent::NotTaken };
                if let Failure::Refused { code, .. } = &failure {
                    line.code = Some(code.as_str().to_owned());
                }
                person.note(line);
                if let Change::Keys { new } = in_flight.change {
                    shared.state.orphans.extend(new.into_iter().map(|key| key.alias));
                }
            }
            port.persist().await?;
            Err(failure)
        }
    }
}

/// Applies an acknowledged change; gives the keys that nothing uses any more.
fn apply(person: &mut Identity, change: &Change, reply: &AnswerReply) -> Vec<LocalKey> {
    let drop_keys = |person: &mut Identity, dropped: &dyn Fn(KeyPurpose) -> bool| {
        let (gone, kept) = std::mem::take(&mut person.keys).into_iter().partition(|key| dropped(key.purpose));
        person.keys = kept;
        gone
    };
    match change {
        Change::Nothing => Vec::new(),
        Change::Keys { new } => {
            let gone = drop_keys(person, &|purpose| new.iter().any(|key| key.purpose == purpose));
            person.keys.extend(new.iter().cloned());
            gone
        }
        Change::DropKeys { purposes } => drop_keys(person, &|purpose| purposes.contains(&purpose)),
        Change::FinishEnrolment => {
            match (reply.active_from, &mut person.enrolment) {
                (Some(until), Some(enrolment)) => enrolment.stage = Stage::Waiting { until },
                _ => {
                    person.enrolment = None;
                    person.state = DeviceState::Active;
                }
            }
            Vec::new()
        }
        Change::RemoveThisDevice => {
            person.state = DeviceState::Removed;
            drop_keys(person, &|_| true)
        }
    }
}

/// The hash by which the server names the answer.
fn payload(answer: &[u8], environment: &str) -> Result<Hash32, Failure> {
    let received = Received::<Answer>::parse(answer, environment).map_err(|_| Failure::NotSupported)?;
    Ok(crypto::sha256(&[received.payload()]))
}

const fn event(decision: Decision) -> HistoryEvent {
    match decision {
        Decision::Approve => HistoryEvent::Approved,
        Decision::Deny => HistoryEvent::Denied,
        Decision::ReportFraud => HistoryEvent::Reported,
    }
}

pub(crate) fn line(shown: &Shown, event: HistoryEvent, at: i64, code: Option<Code>) -> HistoryLine {
    let view = &shown.view;
    // Nothing was refused.
    let event = if view.notice_of_use && event == HistoryEvent::Denied { HistoryEvent::Recognised } else { event };
    HistoryLine {
        at,
        event,
        relying_party: Some(view.relying_party.name.clone()),
        action: Some(view.action),
        text: view.payment.as_ref().map(payment_text).or_else(|| view.text.clone()),
        place: view.place.clone(),
        code: code.map(|code| code.as_str().to_owned()),
    }
}

pub(crate) fn note(port: &Port, shown: &Shown, event: HistoryEvent, code: Option<Code>) -> Result<(), Failure> {
    let mut shared = port.shared();
    let line = line(shown, event, shared.now.wall, code);
    shared.state.identity_mut(shown.view.identity)?.note(line);
    Ok(())
}

/// The text of the biometric prompt: who asks and for what, or amount and payee.
pub(crate) fn prompt(shown: &Shown) -> String {
    let view = &shown.view;
    let what = view.payment.as_ref().map(payment_text).or_else(|| view.text.clone());
    match what {
        Some(what) => format!("{}: {what}", view.relying_party.name),
        None => view.relying_party.name.clone(),
    }
}

fn payment_text(payment: &Payment) -> String {
    let (whole, cents) = (payment.amount_minor / 100, payment.amount_minor % 100);
    format!("{whole},{cents:02} {} · {}", payment.currency, payment.payee)
}
