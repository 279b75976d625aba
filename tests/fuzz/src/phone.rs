//! The phone's whole state machine: commands, replies of keys, server and store, kills and clocks in any order.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use godkend_core::{
    Approval, Authenticator, Command, Effect, EffectKind, IdentityId, Input as Event, KeyFailure, KeyReply, Outcome,
    Pin, Reply, RequestId, RequestView, SecretBytes32, ServerFailure, Ticket,
};
use godkend_protocol::bytes::{Fixed, Id, Signature};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::crypto;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge};
use godkend_protocol::types::{Action, Decision, Operation};

use crate::handset::{Handset, Saved};
use crate::input::Input;
use crate::model::{self, ENVIRONMENT, Model};
use crate::mutate;

const PINS: [&str; 2] = ["139074", "580263"];
const STEPS: usize = 120;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (saved, model) = match input.below(8) {
        0 => (Saved::default(), Model::default()),
        1 => {
            // A state that no core wrote: whatever its checksum says, it must not bring the app down.
            let (saved, mut model) = active().clone();
            model.tampered = true;
            let Some(state) = tampered(&mut input, saved.state.as_deref().unwrap()) else { return };
            if Authenticator::new(Handset::config(model::root()), Some(&state)).is_err() {
                return;
            }
            (Saved { state: Some(state), ..saved }, model)
        }
        _ => active().clone(),
    };
    // A text that holds the PIN by the fuzzer's own choice proves nothing.
    let told = PINS.iter().any(|pin| data.windows(6).any(|window| window == pin.as_bytes()));
    let mut scene = Scene::new(saved, model, !told);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        scene.step(&mut input);
    }
}

/// A phone in use with every key, and its server.
fn active() -> &'static (Saved, Model) {
    static ACTIVE: OnceLock<(Saved, Model)> = OnceLock::new();
    ACTIVE.get_or_init(|| {
        let mut scene = Scene::new(Saved::default(), Model::default(), true);
        let mut honest = Input::new(&[]);
        let pin = || Pin::new(PINS[0]).unwrap();
        for command in [
            Command::Activate { text: model::activation_link(1), environment: None },
            Command::ChoosePin { identity: None, pin: pin() },
            Command::EnableBiometrics { identity: None, pin: pin() },
        ] {
            scene.begin(command);
            while !scene.flows.is_empty() {
                scene.perform(&mut honest, 0);
            }
        }
        let standing = scene.phone.machine().identities();
        assert!(standing.len() == 1 && standing[0].biometrics && standing[0].offline, "{standing:?}");
        (scene.phone.saved, scene.model)
    })
}

/// A changed state with a fitting checksum.
fn tampered(input: &mut Input<'_>, state: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = state.split_at(state.len() - 32);
    let mut body = mutate::cbor(input, body)?;
    let sum = crypto::sha256(&[&body]);
    body.extend(sum.0);
    Some(body)
}

struct Scene {
    phone: Handset,
    model: Model,
    flows: Vec<Effect>,
    shown: HashMap<RequestId, RequestView>,
    waiting: Vec<Id>,
    /// What the person has decided, in this life of the process or an earlier one.
    approved: Vec<RequestView>,
    refused: Vec<RequestView>,
    wishes: BTreeSet<&'static str>,
    strict: bool,
}

impl Scene {
    fn new(saved: Saved, model: Model, strict: bool) -> Self {
        Self {
            phone: Handset::new(model::root(), saved, "phone"),
            strict: strict && !model.tampered,
            model,
            flows: Vec::new(),
            shown: HashMap::new(),
            waiting: Vec::new(),
            approved: Vec::new(),
            refused: Vec::new(),
            wishes: BTreeSet::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=4 => {
                let command = self.choose(input);
                self.begin(command);
            }
            5..=10 => {
                if !self.flows.is_empty() {
                    let at = input.below(self.flows.len());
                    self.perform(input, at);
                }
            }
            11 | 12 => {
                // To the end of everything, with an honest world.
                let mut honest = Input::new(&[]);
                while !self.flows.is_empty() {
                    self.perform(&mut honest, 0);
                }
            }
            13 => {
                self.phone.restart();
                self.flows.clear();
                self.shown.clear();
            }
            14 => self.clock(input),
            _ => self.stray(input),
        }
        let _ = (self.phone.machine().identities(), self.phone.machine().activation_pending());
        let _ = self.phone.machine().history(None);
    }

    fn clock(&mut self, input: &mut Input<'_>) {
        let now = &mut self.phone.now;
        match input.below(6) {
            0 => now.wall = input.number() as i64,
            1 => now.monotonic_ms = input.number(),
            2 => now.wall = now.wall.wrapping_add(86_400 * i64::from(input.byte())),
            3 => now.wall = now.wall.wrapping_sub(86_400 * i64::from(input.byte())),
            4 => now.monotonic_ms = now.monotonic_ms.saturating_add(1000 * u64::from(input.byte())),
            _ => now.wall = 1_790_000_000,
        }
    }

    /// Replies and cancellations that nobody waits for.
    fn stray(&mut self, input: &mut Input<'_>) {
        let ticket = match self.flows.get(input.below(self.flows.len() + 1)) {
            Some(flow) if input.flag() => flow.ticket,
            _ => Ticket(input.number()),
        };
        let waits = self.flows.iter().position(|flow| flow.ticket == ticket);
        let event = if input.flag() {
            Event::Cancel(ticket)
        } else {
            let reply = match input.below(3) {
                0 => Reply::Persisted(input.flag()),
                1 => Reply::Server(Ok(input.chunk().to_vec())),
                _ => Reply::Key(Ok(KeyReply::Deleted)),
            };
            Event::Reply(ticket, reply)
        };
        let next = self.phone.input(event);
        match (waits, next) {
            (Some(at), next) => {
                self.flows.remove(at);
                self.take(next);
            }
            (None, next) => assert!(next.is_none(), "an effect of a command that never was"),
        }
    }

    fn choose(&mut self, input: &mut Input<'_>) -> Command {
        let identities = self.phone.machine().identities();
        let identity = match identities.as_slice() {
            [] | [_] => input.rarely(8).then(|| IdentityId(u32::from(input.byte()))),
            several => Some(several[input.below(several.len())].id),
        };
        let pin = |input: &mut Input<'_>| Pin::new(PINS[usize::from(input.rarely(5))]).unwrap();
        let with = |input: &mut Input<'_>| {
            if input.rarely(3) { Approval::Biometric } else { Approval::Pin(Pin::new(PINS[0]).unwrap()) }
        };
        let mut ids: Vec<RequestId> = self.shown.keys().copied().collect();
        ids.sort_unstable();
        let request = match ids.as_slice() {
            [] => RequestId(u64::from(input.byte())),
            some if input.rarely(8) => RequestId(some[0].0 + u64::from(input.byte())),
            some => some[some.len() - 1 - input.below(some.len())],
        };
        let id = self.waiting.last().copied().unwrap_or(Fixed([7; 16]));
        let text = |input: &mut Input<'_>| match input.below(6) {
            0 => Model::offline(input).0,
            1 => input.text(),
            2 => "godkend://login/1?e=test&s=BwcHBwcHBwcHBwcHBwcHBw&f=1790000000&c=AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            3 => {
                let tail = "A".repeat(43);
                format!("godkend://approve/1?e=test&s=BwcHBwcHBwcHBwcHBwcHBw&k={tail}")
            }
            _ => model::activation_link(input.byte()),
        };
        match input.below(27) {
            0 => Command::Resume,
            1 => Command::Activate { text: text(input), environment: None },
            2 => Command::Enrolment { identity, wait: input.number() as u32 },
            3 => Command::ChoosePin { identity, pin: pin(input) },
            4 => Command::ResetPin { identity },
            5 => Command::Poll { identity, wait: input.number() as u32 },
            6 | 7 => Command::Open { identity, id },
            8 => Command::Scan { identity, text: text(input) },
            9 => Command::OpenLink { identity, text: text(input) },
            10 => Command::TypeNumber { identity, number: "1234 5678".to_owned() },
            11..=14 => Command::Approve { request, with: with(input), remember_browser: input.flag() },
            15 => Command::Deny { request },
            16 => Command::ReportFraud { request },
            17 => Command::RefuseLocked { identity, id, fraud: input.flag() },
            18 => Command::ChangePin { identity, old: pin(input), new: Pin::new(PINS[1]).unwrap() },
            19 => Command::EnableBiometrics { identity, pin: pin(input) },
            20 => Command::DisableBiometrics { identity, with: with(input) },
            21 => Command::RotateKeys { identity, pin: pin(input) },
            22 => Command::Move { identity, with: with(input), keep: input.flag() },
            23 => Command::MoveDigits { identity, digits: input.text() },
            24 => match input.below(4) {
                0 => Command::Overview { identity },
                1 => Command::SetLockedPush { identity, on: input.flag(), with: with(input) },
                2 => Command::ForgetBrowser { identity, browser: id, with: with(input) },
                _ => Command::RemoveDevice { identity, device: input.flag().then_some(id), with: with(input) },
            },
            25 => match input.below(2) {
                0 => Command::Block { identity },
                _ => Command::BlockCodeNoted { identity },
            },
            _ => Command::Forget {
                identity: identity.or(identities.first().map(|view| view.id)).unwrap_or(IdentityId(1)),
            },
        }
    }

    fn begin(&mut self, command: Command) {
        match &command {
            Command::Approve { request, .. } => self.approved.extend(self.shown.get(request).cloned()),
            Command::Deny { request } | Command::ReportFraud { request } => {
                self.refused.extend(self.shown.get(request).cloned());
            }
            Command::ChoosePin { .. } => drop(self.wishes.insert("finish")),
            Command::ChangePin { .. } => drop(self.wishes.insert("pin")),
            Command::EnableBiometrics { .. } => drop(self.wishes.insert("add")),
            Command::DisableBiometrics { .. } => drop(self.wishes.insert("drop")),
            Command::RotateKeys { .. } => drop(self.wishes.insert("rotate")),
            Command::Move { .. } => drop(self.wishes.insert("move")),
            Command::RemoveDevice { .. } => drop(self.wishes.insert("remove")),
            Command::ForgetBrowser { .. } => drop(self.wishes.insert("forget")),
            Command::SetLockedPush { .. } => drop(self.wishes.insert("push")),
            _ => {}
        }
        let effect = self.phone.begin(command);
        self.take(Some(effect));
    }

    fn take(&mut self, effect: Option<Effect>) {
        let Some(effect) = effect else { return };
        match effect.kind {
            EffectKind::Done(Ok(Outcome::Request(view))) => drop(self.shown.insert(view.id, *view)),
            EffectKind::Done(Ok(Outcome::Waiting { requests, .. })) => {
                self.waiting = requests.iter().map(|request| request.id).collect();
            }
            EffectKind::Done(Ok(_)) => {}
            EffectKind::Done(Err(failure)) => {
                assert!(!failure.danish().is_empty() && !failure.english().is_empty());
            }
            _ => self.flows.push(effect),
        }
    }

    /// Performs one effect, well or badly.
    fn perform(&mut self, input: &mut Input<'_>, at: usize) {
        let Effect { ticket, kind } = self.flows.remove(at);
        let fate = input.byte() % 32;
        let reply = match kind {
            EffectKind::Done(_) => unreachable!("ended commands are not kept"),
            EffectKind::Key(request) => {
                let honest = || {
                    let Handset { saved, rng, .. } = &mut self.phone;
                    saved.keys.handle(rng, request)
                };
                Reply::Key(match fate {
                    24 => Err(KeyFailure::Cancelled),
                    25 => Err(KeyFailure::LockedOut),
                    26 => Err(KeyFailure::Invalidated),
                    27 => Err(KeyFailure::Missing),
                    28 => Err(KeyFailure::Unsupported),
                    // A key store that signs with another key, or answers something else.
                    29 => Ok(KeyReply::Signed(Signature::from_slice(&[3; 64]).unwrap())),
                    30 => Ok(KeyReply::Derived(SecretBytes32([7; 32]))),
                    31 => Ok(KeyReply::Deleted),
                    _ => honest(),
                })
            }
            EffectKind::Persist { bytes, sequence } => {
                self.look_for_pin(&bytes);
                if fate < 30 {
                    self.phone.persist(bytes, sequence);
                }
                // Stored, and the app hears of it; stored, and it does not; not stored.
                Reply::Persisted(fate < 29)
            }
            EffectKind::Send(request) => {
                self.look_for_pin(&request.body);
                self.look_at(&request);
                Reply::Server(self.serve(input, &request, fate))
            }
        };
        let next = self.phone.input(Event::Reply(ticket, reply));
        assert!(next.is_some(), "a command that waited has no next effect");
        self.take(next);
    }

    fn serve(
        &mut self,
        input: &mut Input<'_>,
        request: &godkend_core::Request,
        fate: u8,
    ) -> Result<Vec<u8>, ServerFailure> {
        match fate {
            20 => return Err(ServerFailure::Network),
            21 => return Err(ServerFailure::Pin),
            22 => return Err(ServerFailure::Garbled),
            23 => {
                let code = input.pick(Code::ALL).as_str().to_owned();
                let (retry_after, tries_left) = (Some(input.number() as u32), input.flag().then_some(1));
                return Err(ServerFailure::Refused(ErrorReply { code, retry_after, tries_left }));
            }
            24 => return Ok(input.chunk().to_vec()),
            25 => return Ok(Model::key_set(input)),
            _ => {}
        }
        let reply = self.model.answer(input, request);
        match fate {
            // Taken by the server, and the reply is lost.
            26 | 27 => Err(ServerFailure::Network),
            28 | 29 => reply.map(|reply| mutate::bytes(input, reply)),
            30 | 31 => reply.map(|reply| mutate::cbor(input, &reply).unwrap_or(reply)),
            _ => reply,
        }
    }

    fn look_for_pin(&self, bytes: &[u8]) {
        if self.strict {
            for pin in PINS {
                assert!(!bytes.windows(6).any(|window| window == pin.as_bytes()), "a PIN left the core");
            }
        }
    }

    /// No answer leaves the phone but to what the person saw and decided.
    fn look_at(&self, request: &godkend_core::Request) {
        assert!(request.body.len() <= cbor::MAX_MESSAGE, "a message that no server takes");
        assert!(request.wait <= 25 && (request.path == "keys" || !request.tls_pins.is_empty() || !self.strict));
        if request.path != AnswerRequest::PATH || !self.strict {
            return;
        }
        let sent: AnswerRequest = cbor::decode(&request.body).unwrap();
        let answer = Received::<Answer>::parse(&sent.answer.0, ENVIRONMENT).unwrap().claimed().clone();
        let challenge = self.model.challenges.get(&answer.challenge).expect("a challenge that the server signed");
        let own = Received::<Challenge>::parse(&sent.challenge.0, ENVIRONMENT).unwrap();
        assert_eq!(own.claimed(), challenge, "another challenge beside the answer");
        let is_shown = |view: &RequestView| {
            view.transaction == challenge.transaction
                && view.relying_party == challenge.relying_party
                && view.action == challenge.action
                && view.text == challenge.text
                && view.payment == challenge.payment
                && view.operation == challenge.operation
        };
        let seen = match answer.decision {
            Decision::Approve => self.approved.iter().any(is_shown),
            Decision::Deny | Decision::ReportFraud => self.refused.iter().any(is_shown),
        };
        let wished = answer.decision == Decision::Approve
            && challenge.operation.as_ref().is_some_and(|operation| self.wishes.contains(wish(operation)));
        assert!(seen || wished, "an answer that nobody gave: {:?}", answer.decision);
        if answer.decision == Decision::Approve {
            assert!(sent.factor_signature.is_some(), "an approval without a factor");
            assert!(challenge.action != Action::LogOn || challenge.operation.is_none());
        }
    }
}

const fn wish(operation: &Operation) -> &'static str {
    match operation {
        Operation::FinishEnrolment => "finish",
        Operation::ChangePin => "pin",
        Operation::AddKeys { .. } => "add",
        Operation::RemoveKeys { .. } => "drop",
        Operation::RotateKeys => "rotate",
        Operation::MoveDevice { .. } => "move",
        Operation::RemoveDevice { .. } => "remove",
        Operation::ForgetBrowser { .. } => "forget",
        Operation::SetLockedPush { .. } => "push",
        Operation::NewDeviceNotice { .. } => "notice",
    }
}
