//! The machine driven by hand, against a server in the protocol's own words.

mod edges;
mod flow;
mod push;
mod requests;
mod secrets;
mod state;

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, Secret, Signature};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, Checkpoint, CheckpointAlgorithm, NoteSignature};
use godkend_protocol::cose::{self, Received, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{HpkePublic, KeySet, Root, SignedKeySet};
use godkend_protocol::messages::approval::{
    Answer, AnswerReply, AnswerRequest, Challenge, Fetch, Fetched, RelyingParty,
};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::push::{PushChange, PushRegister, PushState};
use godkend_protocol::suite::HpkeKey;
use godkend_protocol::types::{
    Action, Binding, DeviceInfo, Factor, KeyPurpose, Level, LogPosition, SecurityLevel, Suite, VersionPolicy,
};

use crate::flow::Pool;
use crate::state::{Alias, Identity, LocalKey, State, Trusted};
use crate::{
    Authenticator, Command, Config, Effect, EffectKind, Failure, IdentityId, Input, KeyAlias, KeyReply, KeyRequest,
    Now, Outcome, Reply, Request, RequestView, SecretBytes32, ServerFailure, Ticket,
};

pub(super) const WALL: i64 = 1_800_000_000;
pub(super) const LIFETIME: i64 = 180;
const ACCOUNT: Id = Fixed([0xAC; 16]);
const DEVICE: Id = Fixed([0xDE; 16]);
const TRANSACTION: Id = Fixed([0x77; 16]);
const ENVIRONMENT: &str = "test";
const ROOT: Secret<32> = Secret([1; 32]);
const CHALLENGE: Secret<32> = Secret([2; 32]);
const LOG: Secret<32> = Secret([3; 32]);

fn root() -> Root {
    Root {
        environment: ENVIRONMENT.to_owned(),
        url: "https://id.example".to_owned(),
        key: crypto::p256_public(&ROOT).unwrap(),
        pq_key: None,
    }
}

fn key_set() -> Vec<u8> {
    key_set_with(vec![Fixed([9; 32])])
}

fn key_set_with(tls_pins: Vec<Hash32>) -> Vec<u8> {
    let set = KeySet {
        number: 1,
        issued: WALL - 10 * 86_400,
        expires: WALL + 100 * 86_400,
        tls_pins,
        challenge_keys: vec![crypto::p256_public(&CHALLENGE).unwrap()],
        log_keys: vec![crypto::p256_public(&LOG).unwrap()],
        hpke_keys: vec![HpkePublic {
            suite: Suite::P256,
            public: HpkeKey::from_seed(Suite::P256, &Secret([4; 32])).public().clone(),
        }],
        suites: vec![Suite::P256],
        log_pq_key: None,
    };
    let sign = |tbs: &[u8]| crypto::p256_sign(&ROOT, tbs);
    cbor::encode(&SignedKeySet::sign(&set, ENVIRONMENT, &root().key, sign, None).unwrap())
}

/// A message of the server's.
fn signed<M: SignedMessage>(message: &M, key: &Secret<32>) -> Vec<u8> {
    let public = crypto::p256_public(key).unwrap();
    let unsigned = Unsigned::new(message, ENVIRONMENT, Some(cose::key_id(&public)));
    let signature = crypto::p256_sign(key, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &public).unwrap()
}

fn key_secret(purpose: KeyPurpose) -> Secret<32> {
    crypto::p256_from_seed(purpose.name().as_bytes(), "test")
}

/// A phone in use, with every key.
fn identity() -> Identity {
    let purposes = [KeyPurpose::Possession, KeyPurpose::Pepper, KeyPurpose::Biometric, KeyPurpose::Offline];
    let key = |purpose: KeyPurpose| LocalKey {
        purpose,
        alias: Alias(purpose.name().to_owned()),
        public: (purpose != KeyPurpose::Pepper).then(|| crypto::p256_public(&key_secret(purpose)).unwrap()),
    };
    Identity {
        id: IdentityId(1),
        root: root().fingerprint(),
        account: ACCOUNT,
        device: DEVICE,
        name: "Anna".to_owned(),
        keys: purposes.map(key).to_vec(),
        enrolment: None,
        ratchet: Secret([5; 16]),
        ratchet_count: 3,
        exchange: 0,
        log: None,
        in_flight: None,
        history: Vec::new(),
        block_code: Some("a code".to_owned()),
        suite: Suite::P256,
        state: DeviceState::Active,
        handed_out: None,
        generation: 0,
        push: None,
    }
}

fn state() -> State {
    State {
        identities: vec![identity()],
        trusted: vec![Trusted { root: root().fingerprint(), number: 1, key_set: Blob(key_set()) }],
        next_identity: 2,
        ..State::new()
    }
}

fn config() -> Config {
    Config {
        roots: vec![root()],
        info: DeviceInfo {
            model: "Model".to_owned(),
            platform: "Platform 1".to_owned(),
            app_version: "1.0.0".to_owned(),
            language: "da".to_owned(),
        },
        suites: vec![Suite::P256],
        security: SecurityLevel::Software,
    }
}

/// A phone, its key store, its store and its server.
struct Phone {
    machine: Authenticator,
    rng: Pool,
    now: Now,
    /// Paths and bodies, in their order.
    sent: Vec<(&'static str, Vec<u8>)>,
    saved: Vec<Vec<u8>>,
    /// Whether the store works.
    stores: bool,
    /// Whether there is a network.
    network: bool,
    /// What the server says of the browser.
    binding: Binding,
}

impl Phone {
    fn new() -> Self {
        Self::with(&state())
    }

    fn with(state: &State) -> Self {
        Self {
            machine: Authenticator::new(config(), Some(&state.to_bytes())).unwrap(),
            rng: Pool::new(),
            now: Now { wall: WALL, monotonic_ms: 1_000_000 },
            sent: Vec::new(),
            saved: Vec::new(),
            stores: true,
            network: true,
            binding: Binding::RememberedBrowser,
        }
    }

    fn input(&mut self, input: Input) -> Option<Effect> {
        self.machine.handle(self.now, &mut self.rng, input)
    }

    fn begin(&mut self, command: Command) -> Effect {
        self.input(Input::Command(command)).unwrap()
    }

    /// Performs one effect; the next one.
    fn perform(&mut self, effect: Effect) -> Effect {
        let reply = match effect.kind {
            EffectKind::Key(request) => Reply::Key(Ok(key_store(request))),
            EffectKind::Persist { bytes, .. } => {
                self.saved.push(bytes);
                Reply::Persisted(self.stores)
            }
            EffectKind::Send(request) => {
                self.sent.push((request.path, request.body.clone()));
                let answer = if self.network { Ok(serve(&request, self.binding)) } else { Err(ServerFailure::Network) };
                Reply::Server(answer)
            }
            EffectKind::Done(_) => panic!("nothing to perform"),
        };
        self.input(Input::Reply(effect.ticket, reply)).unwrap()
    }

    /// Performs effects up to, and without, the first that `until` names.
    fn advance(&mut self, mut effect: Effect, until: impl Fn(&EffectKind) -> bool) -> Effect {
        while !until(&effect.kind) {
            assert!(!matches!(effect.kind, EffectKind::Done(_)), "ended too early: {effect:?}");
            effect = self.perform(effect);
        }
        effect
    }

    fn finish(&mut self, effect: Effect) -> Result<Outcome, Failure> {
        match self.advance(effect, |kind| matches!(kind, EffectKind::Done(_))).kind {
            EffectKind::Done(result) => result,
            _ => unreachable!(),
        }
    }

    fn run(&mut self, command: Command) -> Result<Outcome, Failure> {
        let effect = self.begin(command);
        self.finish(effect)
    }

    /// Fetches a request.
    fn fetch(&mut self) -> RequestView {
        match self.run(Command::Open { identity: None, id: TRANSACTION }) {
            Ok(Outcome::Request(view)) => *view,
            other => panic!("{other:?}"),
        }
    }
}

fn done(effect: &Effect) -> Option<&Failure> {
    match &effect.kind {
        EffectKind::Done(Err(failure)) => Some(failure),
        _ => None,
    }
}

/// A key store that always can.
fn key_store(request: KeyRequest) -> KeyReply {
    let secret = |alias: &KeyAlias| crypto::p256_from_seed(alias.0.as_bytes(), "test");
    match request {
        KeyRequest::Sign { alias, message, .. } => {
            KeyReply::Signed(crypto::p256_sign(&secret(&alias), &message).unwrap())
        }
        KeyRequest::Derive { alias, input } => {
            KeyReply::Derived(SecretBytes32(crypto::hmac_sha256(alias.0.as_bytes(), &[&input.0]).0))
        }
        KeyRequest::Agree { alias, point, .. } => {
            KeyReply::Agreed(SecretBytes32(crypto::ecdh(&secret(&alias), &point).unwrap().0))
        }
        KeyRequest::Delete { .. } => KeyReply::Deleted,
        KeyRequest::Create { .. } => panic!("no test creates keys"),
    }
}

/// A server that has one request for the phone, and takes any answer to it.
fn serve(request: &Request, binding: Binding) -> Vec<u8> {
    match request.path {
        "keys" => key_set(),
        Fetch::PATH => {
            let fetch = Received::<Fetch>::parse(&request.body, ENVIRONMENT).unwrap().claimed().clone();
            let (checkpoint, log) = log();
            let challenge = signed(&Challenge { binding, ..challenge(fetch.nonce, log) }, &CHALLENGE);
            cbor::encode(&Fetched {
                challenge: Blob(challenge),
                checkpoint,
                consistency: Vec::new(),
                policy: VersionPolicy::Current,
                pin: None,
            })
        }
        AnswerRequest::PATH => {
            let answer = cbor::decode::<AnswerRequest>(&request.body).unwrap().answer;
            let received = Received::<Answer>::parse(&answer.0, ENVIRONMENT).unwrap();
            let reply = AnswerReply {
                answer: crypto::sha256(&[received.payload()]),
                ratchet: Secret([6; 16]),
                ratchet_count: received.claimed().ratchet_count + 1,
                return_url: None,
                activation: None,
                active_from: None,
                policy: VersionPolicy::Current,
            };
            signed(&reply, &CHALLENGE)
        }
        PushRegister::PATH => {
            let register = Received::<PushRegister>::parse(&request.body, ENVIRONMENT).unwrap().claimed().clone();
            let registered = matches!(register.change, Some(PushChange::Set { .. }));
            cbor::encode(&PushState { registered, fcm: true, apns: false, web_push: None })
        }
        other => panic!("no test sends {other}"),
    }
}

fn challenge(nonce: Hash32, log: LogPosition) -> Challenge {
    Challenge {
        transaction: TRANSACTION,
        account: ACCOUNT,
        device: DEVICE,
        relying_party: RelyingParty { id: "bank".to_owned(), name: "Bank".to_owned() },
        action: Action::LogOn,
        text: Some("Sign in".to_owned()),
        payment: None,
        operation: None,
        level: Level::Substantial,
        factors: vec![Factor::Pin, Factor::Biometric],
        browser_session: None,
        binding: Binding::RememberedBrowser,
        place: None,
        browser: None,
        new_browser: false,
        may_remember: false,
        nonce,
        log,
        issued: WALL,
        expires: WALL + LIFETIME,
    }
}

/// The log's checkpoint and what it says.
fn log() -> (String, LogPosition) {
    let root = godkend_protocol::merkle::leaf_hash(b"entry");
    let checkpoint =
        Checkpoint { environment: ENVIRONMENT.to_owned(), epoch: 1, size: 1, root, time: u64::try_from(WALL).unwrap() };
    let (name, body) = (checkpoint.origin().unwrap(), checkpoint.to_note_body().unwrap());
    let public = crypto::p256_public(&LOG).unwrap();
    let Fixed(signature): Signature = crypto::p256_sign(&LOG, body.as_bytes()).unwrap();
    let line = NoteSignature {
        key_hash: checkpoint::key_hash(&name, CheckpointAlgorithm::Es256, &public.0),
        name,
        signature: signature.to_vec(),
    };
    (checkpoint::signed_note(&body, &[line]), LogPosition { epoch: 1, size: 1, root: Fixed(root) })
}

/// The ticket of a command that never was.
const NOBODY: Ticket = Ticket(4711);
