//! What people do at their phones, and what becomes of what the phones send.

use axum::http::Method;
use godkend_core::{
    Approval, Command, EffectKind, Failure, IdentityId, Input as Event, Outcome, Pin, Reply, RequestId, ServerFailure,
};
use godkend_protocol::bytes::Id;
use godkend_protocol::cbor;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Answer as SignedAnswer, AnswerRequest};

use super::{Person, Scene};
use crate::handset::Handset;
use crate::host::{self, OTHER_PIN, PIN};
use crate::input::Input;
use crate::mutate;

impl Scene {
    pub(super) fn pin(input: &mut Input<'_>) -> Pin {
        let text = if input.rarely(6) { OTHER_PIN } else { PIN };
        Pin::new(text).unwrap()
    }

    pub(super) fn with(input: &mut Input<'_>) -> Approval {
        if input.rarely(3) { Approval::Biometric } else { Approval::Pin(Self::pin(input)) }
    }

    pub(super) fn last(texts: &[String], input: &mut Input<'_>) -> String {
        if texts.is_empty() {
            return input.text();
        }
        texts[texts.len() - 1 - input.below(texts.len())].clone()
    }

    pub(super) fn choose(&mut self, input: &mut Input<'_>, who: usize) -> Command {
        let identities: Vec<_> = self.people[who].phone.machine().identities().iter().map(|view| view.id).collect();
        let identity = (identities.len() > 1).then(|| identities[input.below(identities.len())]);
        let request = self.people[who].shown.last().map_or(RequestId(1), |view| view.id);
        let waiting = self.waiting.last().copied().unwrap_or(godkend_protocol::bytes::Fixed([1; 16]));
        let devices: Vec<Id> = self.people.iter().flat_map(Person::devices).collect();
        match input.below(26) {
            0 => Command::Resume,
            1 | 2 => Command::Activate { text: Self::last(&self.texts, input), environment: None },
            3 => Command::Enrolment { identity, wait: 0 },
            4 => Command::ChoosePin { identity, pin: Self::pin(input) },
            5 => Command::ResetPin { identity },
            6 => Command::Poll { identity, wait: 0 },
            7 => Command::Open { identity, id: waiting },
            8 | 9 => Command::Scan { identity, text: Self::last(&self.texts, input) },
            10 => Command::OpenLink { identity, text: Self::last(&self.texts, input) },
            11 | 12 => Command::TypeNumber { identity, number: Self::last(&self.numbers, input) },
            13..=15 => Command::Approve { request, with: Self::with(input), remember_browser: input.flag() },
            16 => Command::Deny { request },
            17 => Command::ReportFraud { request },
            18 => Command::RefuseLocked { identity, id: waiting, fraud: input.flag() },
            19 => {
                let new = Pin::new(if input.flag() { OTHER_PIN } else { PIN }).unwrap();
                Command::ChangePin { identity, old: Self::pin(input), new }
            }
            20 => match input.below(4) {
                0 => Command::EnableBiometrics { identity, pin: Self::pin(input) },
                1 => Command::DisableBiometrics { identity, with: Self::with(input) },
                _ => Command::RotateKeys { identity, pin: Self::pin(input) },
            },
            21 => Command::Move { identity, with: Self::with(input), keep: input.flag() },
            22 => Command::MoveDigits { identity, digits: Self::last(&self.numbers, input) },
            23 => match input.below(3) {
                0 => Command::Overview { identity },
                1 => Command::SetLockedPush { identity, on: input.flag(), with: Self::with(input) },
                _ => {
                    let device = (!devices.is_empty()).then(|| devices[input.below(devices.len())]);
                    Command::RemoveDevice { identity, device, with: Self::with(input) }
                }
            },
            24 => Command::Block { identity },
            _ => Command::Forget { identity: identity.or(identities.first().copied()).unwrap_or(IdentityId(1)) },
        }
    }

    /// Remembers what a command means for what may be decided.
    pub(super) fn intend(&mut self, who: usize, command: &Command) {
        let person = &mut self.people[who];
        let shown = |request: &RequestId| person.shown.iter().find(|view| view.id == *request).map(|v| v.transaction);
        match command {
            Command::Approve { request, .. } => person.approved.extend(shown(request)),
            Command::Deny { request } | Command::ReportFraud { request } => person.refused.extend(shown(request)),
            Command::RefuseLocked { id, .. } => drop(person.refused.insert(*id)),
            Command::ChoosePin { .. }
            | Command::ChangePin { .. }
            | Command::EnableBiometrics { .. }
            | Command::DisableBiometrics { .. }
            | Command::RotateKeys { .. }
            | Command::Move { .. }
            | Command::RemoveDevice { .. }
            | Command::ForgetBrowser { .. }
            | Command::SetLockedPush { .. } => person.wishes += 1,
            _ => {}
        }
    }

    /// Begins a command; most are taken to their end at once, a few wait for [`Self::one_effect`].
    pub(super) async fn command(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let command = self.choose(input, who);
        let whole = !input.rarely(4);
        self.issue(input, who, command, whole).await;
    }

    pub(super) async fn issue(&mut self, input: &mut Input<'_>, who: usize, command: Command, whole: bool) {
        self.intend(who, &command);
        let effect = self.people[who].phone.begin(command);
        self.flows.push((who, effect));
        if whole {
            let ticket = self.flows.last().unwrap().1.ticket;
            while let Some(at) = self.flows.iter().position(|(of, flow)| *of == who && flow.ticket == ticket) {
                let fate = if input.rarely(32) { input.byte() } else { 0 };
                self.perform(input, at, fate).await;
            }
        }
    }

    pub(super) async fn one_effect(&mut self, input: &mut Input<'_>) {
        if !self.flows.is_empty() {
            let at = input.below(self.flows.len());
            let fate = input.byte();
            self.perform(input, at, fate).await;
        }
    }

    /// Performs one effect; `fate` 0 to 7 honestly, above it as bad luck and strangers would have it.
    pub(super) async fn perform(&mut self, input: &mut Input<'_>, at: usize, fate: u8) {
        let (who, effect) = self.flows.remove(at);
        let ticket = effect.ticket;
        let reply = match effect.kind {
            EffectKind::Done(result) => return self.done(who, result),
            EffectKind::Key(request) => {
                let Handset { saved, rng, .. } = &mut self.people[who].phone;
                match fate % 16 {
                    14 => Reply::Key(Err(godkend_core::KeyFailure::Cancelled)),
                    15 => Reply::Key(Err(godkend_core::KeyFailure::Failed)),
                    _ => Reply::Key(saved.keys.handle(rng, request)),
                }
            }
            EffectKind::Persist { bytes, sequence } => {
                self.people[who].phone.persist(bytes, sequence);
                Reply::Persisted(true)
            }
            EffectKind::Send(request) => {
                self.note_sent(request.path, &request.body);
                Reply::Server(self.send(input, request.path, request.body, fate).await)
            }
        };
        if let Some(next) = self.people[who].phone.input(Event::Reply(ticket, reply)) {
            if let EffectKind::Done(result) = next.kind {
                self.done(who, result);
            } else {
                self.flows.push((who, next));
            }
        }
    }

    pub(super) async fn send(
        &mut self,
        input: &mut Input<'_>,
        path: &'static str,
        body: Vec<u8>,
        fate: u8,
    ) -> Result<Vec<u8>, ServerFailure> {
        match fate % 16 {
            // The request is lost.
            8 => return Err(ServerFailure::Network),
            // The reply is lost.
            9 => {
                let _ = self.phone(path, body).await;
                return Err(ServerFailure::Network);
            }
            // It arrives twice.
            10 => drop(self.phone(path, body.clone()).await),
            // A changed copy arrives first.
            11 => {
                let changed = mutate::bytes(input, body.clone());
                let _ = self.phone(path, changed).await;
            }
            12 => {
                if let Some(changed) = mutate::cbor(input, &body) {
                    let _ = self.phone(path, changed).await;
                }
            }
            // An earlier request arrives in between.
            13 if !self.sent.is_empty() => {
                let (path, body) = self.sent[input.below(self.sent.len())].clone();
                let _ = self.phone(path, body).await;
            }
            _ => {}
        }
        let reply = self.phone(path, body).await;
        if fate % 16 == 14 && reply.is_ok() { reply.map(|reply| mutate::bytes(input, reply)) } else { reply }
    }

    pub(super) async fn phone(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ServerFailure> {
        let method = if path == "keys" { Method::GET } else { Method::POST };
        let headers = [("content-type", godkend_protocol::messages::CONTENT_TYPE.to_owned())];
        host::read_phone(self.call(method, &format!("/phone/v1/{path}"), &headers, body).await)
    }

    pub(super) fn note_sent(&mut self, path: &'static str, body: &[u8]) {
        if path == AnswerRequest::PATH
            && let Ok(request) = cbor::decode::<AnswerRequest>(body)
            && let Ok(answer) = Received::<SignedAnswer>::parse(&request.answer.0, "test")
            && let Some(proof) = &request.pin
        {
            self.proofs.insert((answer.claimed().device, proof.exchange));
        }
        self.sent.push((path, body.to_vec()));
    }

    pub(super) fn done(&mut self, who: usize, result: Result<Outcome, Failure>) {
        let person = &mut self.people[who];
        match result {
            Ok(Outcome::Digits { digits, .. }) => {
                person.digits.clone_from(&digits);
                self.numbers.push(digits);
            }
            Ok(Outcome::Request(view)) => person.shown.push(*view),
            Ok(Outcome::Waiting { requests, .. }) => self.waiting.extend(requests.iter().map(|request| request.id)),
            Ok(Outcome::Activation(handed)) => self.texts.push(handed.link),
            Ok(Outcome::OfflineCode { code }) => self.numbers.push(code),
            Ok(Outcome::Approved { return_url: Some(url), .. }) => self.texts.push(url),
            _ => {}
        }
    }

    pub(super) fn kill(&mut self, input: &mut Input<'_>) {
        let who = input.below(self.people.len());
        let person = &mut self.people[who];
        match input.below(6) {
            0 => person.earlier = Some(person.phone.saved.clone()),
            1 => {
                if let Some(earlier) = person.earlier.clone() {
                    person.phone.saved = earlier;
                    person.tampered = true;
                }
            }
            _ => {}
        }
        person.phone.restart();
        person.shown.clear();
        self.flows.retain(|(of, _)| *of != who);
    }
}
