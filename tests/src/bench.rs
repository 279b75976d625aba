//! A phone on the workbench: the core alone, every step taken by hand against the real server; time and randomness
//! are given. What it sends and hears is recorded, and can be changed on the way, as an attacker in between or one with
//! the phone's keys would.

use std::collections::BTreeMap;
use std::sync::Arc;

use godkend_client::entropy::Entropy;
use godkend_client::keys::HardwareKeys;
use godkend_client::software_keys::{Persona, SoftwareKeys, Touch};
use godkend_client::transport::{Transport, TransportError, TransportOptions};
use godkend_core::{
    Approval, Authenticator, Command, Config, Effect, EffectKind, Failure, IdentityStanding, Input, Now, Outcome, Pin,
    Reply, Request, RequestView, ServerFailure, Ticket,
};
use godkend_protocol::bytes::{Fixed, Id, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::keyset::SignedKeySet;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::{DeviceInfo, KeyPurpose, SecurityLevel, Suite};

use crate::phone::{OTHER_PIN, PIN, with_pin};
use crate::world::{Citizen, unix_now};
use crate::{Ask, Browser, World};

/// Where a process ends: before it has done its `step`th effect, or right after, before the core hears of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kill {
    pub step: usize,
    pub done: bool,
}

/// A phone whose every step is taken by hand.
pub struct Bench {
    pub machine: Authenticator,
    pub config: Config,
    pub stored: Option<Vec<u8>>,
    pub keys: Arc<SoftwareKeys>,
    /// What makes and uses the keys, where it is not the software store itself.
    pub hardware: Option<Arc<dyn HardwareKeys>>,
    pub transport: Transport,
    pub rng: Entropy,
    pub milliseconds: u64,
    /// How far the phone's wall clock is ahead, in seconds.
    pub clock_ahead: i64,
    pub pin: &'static str,
    pub last_refusal: Option<ServerFailure>,
    /// What was sent and heard, oldest first.
    pub traffic: Vec<Exchange>,
    /// Every state that was ever stored, oldest first.
    pub persisted: Vec<Vec<u8>>,
    /// Who sits between phone and server.
    pub tap: Option<Tap>,
}

/// A request as it was sent, and what came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub path: &'static str,
    pub body: Vec<u8>,
    pub reply: Result<Vec<u8>, ServerFailure>,
}

/// A request that has not left yet.
#[derive(Clone, Debug)]
pub struct Held {
    pub ticket: Ticket,
    pub request: Request,
}

/// Changes requests before they leave, and replies before the core hears them.
pub struct Tap {
    request: ChangeRequest,
    reply: ChangeReply,
}

type ChangeRequest = Box<dyn FnMut(&'static str, &mut Vec<u8>) + Send>;
type ChangeReply = Box<dyn FnMut(&'static str, &mut Result<Vec<u8>, ServerFailure>) + Send>;

impl Tap {
    /// Changes what the phone sends.
    pub fn request(change: impl FnMut(&'static str, &mut Vec<u8>) + Send + 'static) -> Self {
        Self { request: Box::new(change), reply: Box::new(|_, _| {}) }
    }

    /// Changes what the phone hears.
    pub fn reply(change: impl FnMut(&'static str, &mut Result<Vec<u8>, ServerFailure>) + Send + 'static) -> Self {
        Self { request: Box::new(|_, _| {}), reply: Box::new(change) }
    }
}

impl Bench {
    pub fn new(world: &World, seed: u64) -> Self {
        let config = Config {
            roots: vec![world.root.clone()],
            info: DeviceInfo {
                model: "Stepper".to_owned(),
                platform: "Linux".to_owned(),
                app_version: "1.0.0".to_owned(),
                language: "en".to_owned(),
            },
            suites: vec![Suite::P256],
            security: SecurityLevel::Software,
        };
        Self {
            machine: Authenticator::new(config.clone(), None).unwrap(),
            config,
            stored: None,
            keys: Arc::new(SoftwareKeys::in_memory(seeded(seed), Persona::with_biometrics(Touch::Match))),
            hardware: None,
            transport: Transport::new(&world.root.url, TransportOptions::default()).unwrap(),
            rng: seeded(!seed),
            milliseconds: 0,
            clock_ahead: 0,
            pin: PIN,
            last_refusal: None,
            traffic: Vec::new(),
            persisted: Vec::new(),
            tap: None,
        }
    }

    /// Takes a command to its end, or to where it is killed: then the machine is what a restart makes of the state.
    /// Gives the result, or `None` after a kill; and how many effects were begun.
    pub async fn run(&mut self, command: Command, kill: Option<Kill>) -> (Option<Result<Outcome, Failure>>, usize) {
        let mut steps = 0;
        let mut effect = self.input(Input::Command(command));
        loop {
            let next = effect.expect("a running command has a next effect");
            if let EffectKind::Done(result) = next.kind {
                return (Some(result), steps);
            }
            if kill == Some(Kill { step: steps, done: false }) {
                self.restart();
                return (None, steps);
            }
            let reply = self.perform(next.kind).await;
            if kill == Some(Kill { step: steps, done: true }) {
                self.restart();
                return (None, steps);
            }
            steps += 1;
            effect = self.input(Input::Reply(next.ticket, reply));
        }
    }

    /// Takes a command up to its request to `path`, which is not sent; gives its body. What was stored stays stored, and
    /// the machine has forgotten what was on its screen.
    pub async fn until(&mut self, command: Command, path: &str) -> Vec<u8> {
        let mut effect = self.input(Input::Command(command));
        loop {
            let next = effect.expect("a running command has a next effect");
            match next.kind {
                EffectKind::Send(request) if request.path == path => {
                    self.restart();
                    return request.body;
                }
                EffectKind::Done(result) => panic!("no {path} was sent: {result:?}"),
                kind => {
                    let reply = self.perform(kind).await;
                    effect = self.input(Input::Reply(next.ticket, reply));
                }
            }
        }
    }

    pub async fn ok(&mut self, command: Command) -> Outcome {
        self.run(command, None).await.0.unwrap().unwrap()
    }

    /// Takes a command to where it would send a request to this path, and holds that back.
    pub async fn hold(&mut self, command: Command, path: &str) -> Held {
        let mut effect = self.input(Input::Command(command)).unwrap();
        loop {
            match effect.kind {
                EffectKind::Send(request) if request.path == path => return Held { ticket: effect.ticket, request },
                EffectKind::Done(result) => panic!("{path} was never sent: {result:?}"),
                kind => {
                    let reply = self.perform(kind).await;
                    effect = self.input(Input::Reply(effect.ticket, reply)).unwrap();
                }
            }
        }
    }

    /// Sends what was held back, and goes on to the end.
    pub async fn release(&mut self, held: Held) -> Result<Outcome, Failure> {
        let mut kind = EffectKind::Send(held.request);
        loop {
            if let EffectKind::Done(result) = kind {
                return result;
            }
            let reply = self.perform(kind).await;
            kind = self.input(Input::Reply(held.ticket, reply)).unwrap().kind;
        }
    }

    pub fn input(&mut self, input: Input) -> Option<Effect> {
        self.milliseconds += 1;
        let now = Now { wall: unix_now() + self.clock_ahead, monotonic_ms: self.milliseconds };
        let machine = &mut self.machine;
        self.rng.with(|rng| machine.handle(now, rng, input))
    }

    pub async fn perform(&mut self, kind: EffectKind) -> Reply {
        match kind {
            EffectKind::Key(request) => Reply::Key(match &self.hardware {
                Some(hardware) => hardware.handle(request).await,
                None => self.keys.handle(request).await,
            }),
            EffectKind::Persist { bytes, .. } => {
                self.persisted.push(bytes.clone());
                self.stored = Some(bytes);
                Reply::Persisted(true)
            }
            EffectKind::Send(mut request) => {
                if let Some(tap) = &mut self.tap {
                    (tap.request)(request.path, &mut request.body);
                }
                let mut reply = self.send(&request).await;
                if let Some(tap) = &mut self.tap {
                    (tap.reply)(request.path, &mut reply);
                }
                self.last_refusal = reply.as_ref().err().cloned();
                self.traffic.push(Exchange { path: request.path, body: request.body, reply: reply.clone() });
                Reply::Server(reply)
            }
            EffectKind::Done(_) => unreachable!(),
        }
    }

    pub async fn send(&self, request: &Request) -> Result<Vec<u8>, ServerFailure> {
        let pins: Vec<_> = request.tls_pins.iter().map(|pin| Fixed(*pin)).collect();
        let result = match request.path {
            "keys" => self.transport.key_set().await,
            path => self.transport.post_pinned(&pins, path, request.body.clone(), 0).await,
        };
        result.map_err(|error| match error {
            TransportError::Refused(refusal) => ServerFailure::Refused(refusal.to_reply()),
            TransportError::NoNetwork => ServerFailure::Network,
            TransportError::WrongServer => ServerFailure::Pin,
            other => panic!("{other:?}"),
        })
    }

    /// The newest request to a path.
    pub fn sent(&self, path: &str) -> &Exchange {
        self.traffic.iter().rev().find(|exchange| exchange.path == path).unwrap_or_else(|| panic!("no {path} was sent"))
    }

    /// A request of the attacker's own, outside the core's knowledge.
    pub async fn post(&self, path: &'static str, body: Vec<u8>) -> Result<Vec<u8>, ServerFailure> {
        let pins = self.pins().await;
        self.send(&Request { url: self.config.roots[0].url.clone(), path, body, tls_pins: pins, wait: 0 }).await
    }

    /// The code of the refusal that a request of the attacker's own meets; `None` if it was taken.
    pub async fn refusal(&self, path: &'static str, body: Vec<u8>) -> Option<Code> {
        match self.post(path, body).await {
            Ok(_) => None,
            Err(ServerFailure::Refused(reply)) => Some(reply.code().expect("a known code")),
            Err(other) => panic!("{path}: {other:?}"),
        }
    }

    async fn pins(&self) -> Vec<[u8; 32]> {
        let root = &self.config.roots[0];
        let set = SignedKeySet::verify(&self.transport.key_set().await.unwrap(), root, 0, unix_now()).unwrap();
        set.tls_pins.iter().map(|pin| pin.0).collect()
    }

    /// The device of the first identity.
    pub fn device(&self) -> Id {
        self.machine.identities()[0].device
    }

    pub fn environment(&self) -> &str {
        &self.config.roots[0].environment
    }

    /// The private half of one of the phone's keys, as somebody has it who took the phone apart.
    pub fn secret(&self, purpose: KeyPurpose) -> Secret<32> {
        #[derive(minicbor::Decode)]
        #[cbor(map)]
        struct Key {
            #[n(1)]
            purpose: KeyPurpose,
            #[n(3)]
            secret: Option<Secret<32>>,
        }
        #[derive(minicbor::Decode)]
        #[cbor(map)]
        struct Keys {
            #[n(2)]
            keys: BTreeMap<String, Key>,
        }
        let keys: Keys = minicbor::decode(&self.keys.export()).unwrap();
        keys.keys.into_values().rfind(|key| key.purpose == purpose).and_then(|key| key.secret).expect("such a key")
    }

    /// Changes a message that this phone signed with its possession key, and signs it again.
    pub fn resign<M: SignedMessage + Clone>(&self, cose: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
        let mut message = Received::<M>::parse(cose, self.environment()).unwrap().claimed().clone();
        change(&mut message);
        self.sign(&message)
    }

    /// Signs a message of the attacker's own with the phone's possession key.
    pub fn sign<M: SignedMessage>(&self, message: &M) -> Vec<u8> {
        sign_with(message, self.environment(), &self.secret(KeyPurpose::Possession))
    }

    pub fn restart(&mut self) {
        self.machine = Authenticator::new(self.config.clone(), self.stored.as_deref()).unwrap();
    }

    /// What an app does first after a start.
    pub async fn resume(&mut self) {
        let resumed = self.ok(Command::Resume).await;
        assert!(matches!(resumed, Outcome::Resumed { open: 0, .. }), "{resumed:?} {:?}", self.last_refusal);
    }

    /// Gets to an active phone, whatever was killed on the way.
    pub async fn activate(&mut self, world: &World, citizen: &Citizen, kills: &mut dyn Iterator<Item = Option<Kill>>) {
        for _ in 0..12 {
            let standing = self.machine.identities().first().map(|view| (view.id, view.standing));
            match standing {
                None => {
                    let (activation, text) = world.hand_out(citizen, "link").await;
                    let command = Command::Activate { text, environment: None };
                    let result = self.run(command, kills.next().flatten()).await.0;
                    self.resume().await;
                    let digits = match result {
                        Some(Ok(Outcome::Digits { digits, .. })) => Some(digits),
                        Some(other) => panic!("{other:?}"),
                        None => None,
                    };
                    // A kill took the digits off the screen: give up that activation, and start over.
                    match (digits, self.machine.identities().first()) {
                        (Some(digits), Some(_)) => assert_eq!(world.digits(&activation, &digits).await.0, 200),
                        (_, Some(view)) => {
                            let identity = view.id;
                            self.ok(Command::Forget { identity }).await;
                        }
                        _ => {}
                    }
                }
                Some((identity, IdentityStanding::Enrolling(_))) => {
                    let command = Command::ChoosePin { identity: Some(identity), pin: Pin::new(PIN).unwrap() };
                    let result = self.run(command, kills.next().flatten()).await.0;
                    self.resume().await;
                    match result {
                        Some(Ok(Outcome::Stage(Stage::Active))) | None => {}
                        Some(other) => panic!("{other:?}"),
                    }
                }
                Some((_, IdentityStanding::Active)) => return,
                Some(other) => panic!("{other:?}"),
            }
        }
        panic!("never became active");
    }

    /// Scans a new login of the bank.
    pub async fn scan(&mut self, world: &World) -> (Browser, RequestView) {
        let mut browser = world.login_page(&Ask::login()).await;
        let text = browser.qr().await;
        match self.ok(Command::Scan { identity: None, text }).await {
            Outcome::Request(view) => (browser, *view),
            other => panic!("{other:?}"),
        }
    }

    pub async fn login(&mut self, world: &World, with: Approval) -> Result<(), Failure> {
        let (mut browser, view) = self.scan(world).await;
        let approve = Command::Approve { request: view.id, with, remember_browser: false };
        self.run(approve, None).await.0.unwrap()?;
        browser.signed_in().await;
        Ok(())
    }

    /// What must hold whenever the dust has settled: one PIN, one set of keys, no orphans, nothing frozen.
    pub async fn check(&mut self, world: &World, citizen: &Citizen) {
        self.resume().await;
        let other = if self.pin == PIN { OTHER_PIN } else { PIN };
        if self.login(world, with_pin(self.pin)).await.is_err() {
            // A PIN change was killed: then the other one is it, and only that.
            self.login(world, with_pin(other)).await.unwrap();
            self.pin = other;
        }
        let wrong = if self.pin == PIN { OTHER_PIN } else { PIN };
        assert!(matches!(self.login(world, with_pin(wrong)).await, Err(Failure::WrongPin(_))));
        self.login(world, with_pin(self.pin)).await.unwrap();
        let biometrics = self.machine.identities()[0].biometrics;
        if biometrics {
            self.login(world, Approval::Biometric).await.unwrap();
        }
        let expected = if biometrics { 4 } else { 2 };
        assert_eq!(self.keys.aliases().await.unwrap().len(), expected, "orphaned keys");
        let devices = world.devices(citizen).await;
        let active = devices.iter().filter(|device| device["state"] == "active").count();
        assert_eq!(active, 1, "{devices:?}");
        assert!(!self.machine.identities()[0].unsettled);
        // What a device may do in a minute is not what this is about.
        world.advance(61).await;
    }
}

/// Signs a message with any key.
pub fn sign_with<M: SignedMessage>(message: &M, environment: &str, secret: &Secret<32>) -> Vec<u8> {
    let unsigned = Unsigned::new(message, environment, None);
    let signature = crypto::p256_sign(secret, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &crypto::p256_public(secret).unwrap()).unwrap()
}

/// Randomness that a seed repeats.
pub fn seeded(seed: u64) -> Entropy {
    struct Seeded(u64);
    impl rand_core::TryRng for Seeded {
        type Error = std::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            self.try_next_u64().map(|word| u32::try_from(word >> 32).unwrap())
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            // splitmix64
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            Ok(z ^ (z >> 31))
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
            for chunk in out.chunks_mut(8) {
                let word = self.try_next_u64()?.to_le_bytes();
                chunk.copy_from_slice(&word[..chunk.len()]);
            }
            Ok(())
        }
    }
    impl rand_core::TryCryptoRng for Seeded {}
    Entropy::new(Seeded(seed))
}
