//! The core alone, stepped by hand: killed before or after any effect and restored from what was persisted, it
//! converges. The other side is the real server; time and randomness are given.
//!
//! The sweep kills every command at each of its steps in turn. The property kills at random, again and again, also
//! while it recovers.

use std::sync::Arc;

use godkend_client::entropy::Entropy;
use godkend_client::keys::HardwareKeys;
use godkend_client::software_keys::{Persona, SoftwareKeys, Touch};
use godkend_client::transport::{Transport, TransportError, TransportOptions};
use godkend_core::{
    Approval, Authenticator, Command, Config, EffectKind, Failure, IdentityStanding, Input, Now, Outcome, Pin, Reply,
    Request, RequestView, ServerFailure,
};
use godkend_protocol::bytes::Fixed;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::{DeviceInfo, SecurityLevel, Suite};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};

use crate::support::phone::{OTHER_PIN, PIN, with_pin};
use crate::support::world::{Citizen, unix_now};
use crate::support::{Ask, World};

/// Where a process ends: before it has done its `step`th effect, or right after, before the core hears of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kill {
    step: usize,
    done: bool,
}

/// A phone whose every step is taken by hand.
struct Bench {
    machine: Authenticator,
    config: Config,
    stored: Option<Vec<u8>>,
    keys: Arc<SoftwareKeys>,
    transport: Transport,
    rng: Entropy,
    milliseconds: u64,
    pin: &'static str,
    last_refusal: Option<ServerFailure>,
}

impl Bench {
    fn new(world: &World, seed: u64) -> Self {
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
            transport: Transport::new(&world.root.url, TransportOptions::default()).unwrap(),
            rng: seeded(!seed),
            milliseconds: 0,
            pin: PIN,
            last_refusal: None,
        }
    }

    /// Takes a command to its end, or to where it is killed: then the machine is what a restart makes of the state.
    /// Gives the result, or `None` after a kill; and how many effects were begun.
    async fn run(&mut self, command: Command, kill: Option<Kill>) -> (Option<Result<Outcome, Failure>>, usize) {
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

    async fn ok(&mut self, command: Command) -> Outcome {
        self.run(command, None).await.0.unwrap().unwrap()
    }

    fn input(&mut self, input: Input) -> Option<godkend_core::Effect> {
        self.milliseconds += 1;
        let now = Now { wall: unix_now(), monotonic_ms: self.milliseconds };
        let machine = &mut self.machine;
        self.rng.with(|rng| machine.handle(now, rng, input))
    }

    async fn perform(&mut self, kind: EffectKind) -> Reply {
        match kind {
            EffectKind::Key(request) => Reply::Key(self.keys.handle(request).await),
            EffectKind::Persist { bytes, .. } => {
                self.stored = Some(bytes);
                Reply::Persisted(true)
            }
            EffectKind::Send(request) => {
                let result = self.send(&request).await;
                self.last_refusal = result.as_ref().err().cloned();
                Reply::Server(result)
            }
            EffectKind::Done(_) => unreachable!(),
        }
    }

    async fn send(&self, request: &Request) -> Result<Vec<u8>, ServerFailure> {
        let pins: Vec<_> = request.tls_pins.iter().map(|pin| Fixed(*pin)).collect();
        let result = match request.path {
            "keys" => self.transport.key_set().await,
            path => self.transport.post_pinned(&pins, path, request.body.clone(), 0).await,
        };
        result.map_err(|error| match error {
            TransportError::Refused(refusal) => ServerFailure::Refused(refusal.to_reply()),
            TransportError::NoNetwork => ServerFailure::Network,
            other => panic!("{other:?}"),
        })
    }

    fn restart(&mut self) {
        self.machine = Authenticator::new(self.config.clone(), self.stored.as_deref()).unwrap();
    }

    /// What an app does first after a start.
    async fn resume(&mut self) {
        let resumed = self.ok(Command::Resume).await;
        assert!(matches!(resumed, Outcome::Resumed { open: 0, .. }), "{resumed:?} {:?}", self.last_refusal);
    }

    /// Gets to an active phone, whatever was killed on the way.
    async fn activate(&mut self, world: &World, citizen: &Citizen, kills: &mut dyn Iterator<Item = Option<Kill>>) {
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
    async fn scan(&mut self, world: &World) -> (crate::support::browser::Browser, RequestView) {
        let mut browser = world.login_page(&Ask::login()).await;
        let text = browser.qr().await;
        match self.ok(Command::Scan { identity: None, text }).await {
            Outcome::Request(view) => (browser, *view),
            other => panic!("{other:?}"),
        }
    }

    async fn login(&mut self, world: &World, with: Approval) -> Result<(), Failure> {
        let (mut browser, view) = self.scan(world).await;
        let approve = Command::Approve { request: view.id, with, remember_browser: false };
        self.run(approve, None).await.0.unwrap()?;
        browser.signed_in().await;
        Ok(())
    }

    /// What must hold whenever the dust has settled: one PIN, one set of keys, no orphans, nothing frozen.
    async fn check(&mut self, world: &World, citizen: &Citizen) {
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

/// Randomness that a seed repeats.
fn seeded(seed: u64) -> Entropy {
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

/// What the phone can be doing when it is killed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    ApprovePin,
    ApproveBiometric,
    Deny,
    BiometricsOn,
    BiometricsOff,
    ChangePin,
    Rotate,
    Move,
    LockedPush,
}

impl Doing {
    const ALL: [Self; 9] = [
        Self::ApprovePin,
        Self::ApproveBiometric,
        Self::Deny,
        Self::BiometricsOn,
        Self::BiometricsOff,
        Self::ChangePin,
        Self::Rotate,
        Self::Move,
        Self::LockedPush,
    ];

    /// Does it once, killed as told. Says whether it came to its end.
    async fn once(self, bench: &mut Bench, world: &World, kill: Option<Kill>) -> bool {
        let pin = Pin::new(bench.pin).unwrap();
        let with = Approval::Pin(pin.clone());
        let has_biometrics = bench.machine.identities()[0].biometrics;
        let mut page = None;
        let command = match self {
            Self::ApprovePin | Self::ApproveBiometric | Self::Deny => {
                if self == Self::ApproveBiometric && !has_biometrics {
                    bench.ok(Command::EnableBiometrics { identity: None, pin: pin.clone() }).await;
                }
                let (browser, view) = bench.scan(world).await;
                page = Some(browser);
                match self {
                    Self::Deny => Command::Deny { request: view.id },
                    Self::ApproveBiometric => {
                        Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false }
                    }
                    _ => Command::Approve { request: view.id, with, remember_browser: false },
                }
            }
            Self::BiometricsOn => Command::EnableBiometrics { identity: None, pin },
            Self::BiometricsOff => {
                if !has_biometrics {
                    bench.ok(Command::EnableBiometrics { identity: None, pin: pin.clone() }).await;
                }
                Command::DisableBiometrics { identity: None, with }
            }
            Self::ChangePin => {
                let new = if bench.pin == PIN { OTHER_PIN } else { PIN };
                Command::ChangePin { identity: None, old: pin, new: Pin::new(new).unwrap() }
            }
            Self::Rotate => Command::RotateKeys { identity: None, pin },
            Self::Move => Command::Move { identity: None, with, keep: true },
            Self::LockedPush => Command::SetLockedPush { identity: None, on: true, with },
        };
        let result = bench.run(command, kill).await.0;
        let finished = result.is_some();
        if let Some(result) = result {
            result.unwrap();
            if self == Self::ChangePin {
                bench.pin = if bench.pin == PIN { OTHER_PIN } else { PIN };
            }
        }
        bench.resume().await;
        if let Some(mut browser) = page {
            // Taken once or not at all; what was finished was taken.
            let state = browser.state().await;
            if finished {
                assert_ne!(state["finish"], serde_json::Value::Null, "{self:?} {state}");
            }
            if self != Self::Deny && state["state"] == "approved" {
                browser.signed_in().await;
            }
        }
        finished
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_killed_at_every_step_converges() {
    let world = World::new().await;
    let citizen = world.citizen("step-by-step").await;
    let mut bench = Bench::new(&world, 1);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let mut kills = 0;
    for doing in Doing::ALL {
        for step in 0.. {
            let mut finished = false;
            for done in [false, true] {
                finished = doing.once(&mut bench, &world, Some(Kill { step, done })).await;
                kills += usize::from(!finished);
                // Spent tries come back with the next right PIN, so a sweep does not kill the PIN.
                bench.check(&world, &citizen).await;
            }
            if finished {
                break;
            }
        }
    }
    println!("{kills} kills");
    assert!(kills > 100, "{kills}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_killed_at_every_step_converges() {
    let world = World::new().await;
    let mut kills = 0;
    for phase in 0..2_u64 {
        for step in 0..40_u64 {
            let citizen = world.citizen(&format!("killed-{phase}-{step}")).await;
            let mut killed = false;
            for done in [false, true] {
                // Another seed each time: block codes name a phone, and must differ.
                let mut bench = Bench::new(&world, (phase << 20) | (step << 4) | u64::from(done) | 1 << 40);
                let kill = Kill { step: usize::try_from(step).unwrap(), done };
                let plan: Vec<_> = (0..=phase).map(|at: u64| (at == phase).then_some(kill)).collect();
                let before = bench.milliseconds;
                bench.activate(&world, &citizen, &mut plan.into_iter()).await;
                killed |= bench.milliseconds > before;
                assert_eq!(bench.keys.aliases().await.unwrap().len(), 2, "orphaned keys");
                bench.login(&world, with_pin(PIN)).await.unwrap();
                bench.ok(Command::RemoveDevice { identity: None, device: None, with: with_pin(PIN) }).await;
                assert!(bench.keys.aliases().await.unwrap().is_empty());
                world.advance(61).await;
                kills += 1;
            }
            assert!(killed);
        }
    }
    println!("{kills} activations");
}

#[test]
fn killed_again_and_again_at_random_it_converges() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let cases = Cases { cases: 12, max_shrink_iters: 40, ..Cases::default() };
    let deeds =
        prop::collection::vec((0..Doing::ALL.len(), prop::collection::vec((0_usize..24, any::<bool>()), 0..4)), 1..6);
    let number = std::cell::Cell::new(0);
    TestRunner::new(cases)
        .run(
            &(any::<u64>(), prop::collection::vec((0_usize..20, any::<bool>()), 0..3), deeds),
            |(seed, first, deeds)| {
                number.set(number.get() + 1);
                runtime.block_on(async {
                    let citizen = world.citizen(&format!("random-{}", number.get())).await;
                    let mut bench = Bench::new(&world, seed);
                    let mut kills = first.into_iter().map(|(step, done)| Some(Kill { step, done }));
                    bench.activate(&world, &citizen, &mut kills).await;
                    for (doing, kills) in deeds {
                        for (step, done) in kills {
                            Doing::ALL[doing].once(&mut bench, &world, Some(Kill { step, done })).await;
                            bench.check(&world, &citizen).await;
                        }
                        Doing::ALL[doing].once(&mut bench, &world, None).await;
                    }
                    bench.check(&world, &citizen).await;
                });
                Ok(())
            },
        )
        .unwrap();
}
