//! Every message on its way, cut and bent: what phones send, at the server's door; what servers answer, in the phone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use godkend_core::{
    Approval, Authenticator, Command, Config, EffectKind, Failure, IdentityStanding, Input, KeyReply, KeyRequest, Now,
    Outcome, Pin, Reply, Request, RequestView, ServerFailure, Ticket,
};
use godkend_protocol::cbor;
use godkend_protocol::cose::Received;
use godkend_protocol::crypto;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::activation::{ActivationOffer, ActivationOpen, Stage};
use godkend_protocol::messages::approval::{AnswerRequest, Fetched, Pending, Poll};
use godkend_tests::bench::{Bench, Tap, seeded};
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};
use godkend_tests::world::unix_now;
use godkend_tests::{Ask, World};
use reqwest::Method;
use serde_json::json;

/// A server that counts nothing against the one address from which a whole sweep comes.
async fn patient_world() -> World {
    World::with(
        |_| {},
        |config| {
            let limit = "unknown_names_per_source_minute = 5\n";
            assert!(config.contains(limit));
            *config = config.replace(limit, "unknown_names_per_source_minute = 1000000\n");
        },
    )
    .await
}

/// Every truncation, and every bit of a short message, or one bit of each byte and more of them spread evenly.
fn bent(bytes: &[u8]) -> Vec<Vec<u8>> {
    let flip = |bit: usize| {
        let mut copy = bytes.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    };
    let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let bits = if bytes.len() <= 90 { 8 } else { 1 };
    // Neighbours lose different bits, so that every bit of a head's byte is met in one message or another.
    let flips = (0..bytes.len()).flat_map(|at| (0..bits).map(move |n| at * 8 + (at + n) % 8)).map(flip);
    cut.chain(flips).collect()
}

/// Posts bent copies of what a phone is about to send.
struct Sweeper {
    http: reqwest::Client,
    url: String,
    wanted: BTreeSet<&'static str>,
    swept: BTreeSet<&'static str>,
    posts: usize,
}

impl Sweeper {
    fn new(world: &World) -> Self {
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        Self { http, url: world.url.clone(), wanted: BTreeSet::new(), swept: BTreeSet::new(), posts: 0 }
    }

    /// Runs a command; before a message of these paths leaves, every bent copy of it has been refused.
    async fn run(&mut self, bench: &mut Bench, wanted: &[&'static str], command: Command) -> Result<Outcome, Failure> {
        self.wanted = wanted.iter().copied().collect();
        let mut effect = bench.input(Input::Command(command)).unwrap();
        loop {
            match &effect.kind {
                EffectKind::Done(result) => {
                    assert!(self.wanted.is_empty(), "never sent: {:?}", self.wanted);
                    return result.clone();
                }
                EffectKind::Send(request) if self.wanted.remove(request.path) => {
                    self.swept.insert(request.path);
                    self.sweep(bench, request, None).await;
                }
                _ => {}
            }
            let reply = bench.perform(effect.kind).await;
            effect = bench.input(Input::Reply(effect.ticket, reply)).unwrap();
        }
    }

    async fn ok(&mut self, bench: &mut Bench, wanted: &[&'static str], command: Command) -> Outcome {
        self.run(bench, wanted, command).await.unwrap()
    }

    /// Posts all bent copies of a request; `taken` is the reply where the honest one has been taken already.
    async fn sweep(&mut self, bench: &Bench, request: &Request, taken: Option<&[u8]>) {
        let copies: Vec<_> = bent(&request.body)
            .into_iter()
            .filter(|copy| taken.is_some() || !is_only_another_proof(request, copy))
            .collect();
        self.posts += copies.len();
        let copies = Arc::new((copies, AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (copies, http, request) = (copies.clone(), self.http.clone(), request.clone());
            let (url, environment) =
                (format!("{}/phone/v1/{}", self.url, request.path), bench.environment().to_owned());
            let taken = taken.map(<[u8]>::to_vec);
            tasks.spawn(async move {
                while let Some(copy) = copies.0.get(copies.1.fetch_add(1, Ordering::SeqCst)) {
                    let sent = http.post(&url).header("content-type", "application/cbor").body(copy.clone());
                    let response = sent.send().await.unwrap();
                    let status = response.status().as_u16();
                    let reply = response.bytes().await.unwrap();
                    let what = || format!("{} {}: {status} {}", request.path, hex::encode(copy), hex::encode(&reply));
                    if status == 200 {
                        let again = taken.as_ref().is_some_and(|taken| reply == *taken);
                        assert!(again || is_another_message(request.path, &environment, copy, &reply), "{}", what());
                        continue;
                    }
                    let refusal: ErrorReply = cbor::decode(&reply).unwrap_or_else(|_| panic!("{}", what()));
                    let code = refusal.code().unwrap_or_else(|| panic!("{}", what()));
                    assert!((400..500).contains(&status) && code.status() == status, "{}", what());
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

/// An answer is judged in the order that the protocol states: once the PIN's proof was right, its try is settled,
/// whatever else of the proof is wrong. Such copies are swept over an answer that has been taken.
fn is_only_another_proof(request: &Request, copy: &[u8]) -> bool {
    let parse = |bytes: &[u8]| cbor::decode::<AnswerRequest>(bytes).ok();
    if request.path != AnswerRequest::PATH {
        return false;
    }
    let honest = parse(&request.body).unwrap();
    parse(copy).is_some_and(|copy| {
        (&copy.answer, &copy.challenge, &copy.data) == (&honest.answer, &honest.challenge, &honest.data)
    })
}

/// The two requests that nothing signs say something else when they are bent; then they get what that asks for, and
/// nothing that the honest phone would take for its own.
fn is_another_message(path: &str, environment: &str, copy: &[u8], reply: &[u8]) -> bool {
    match path {
        ActivationOpen::PATH => {
            let offer = Received::<ActivationOffer>::parse(reply, environment).unwrap();
            cbor::decode::<ActivationOpen>(copy).is_ok() && offer.claimed().open_hash == crypto::sha256(&[copy])
        }
        Poll::PATH => cbor::decode::<Poll>(copy).is_ok() && cbor::decode::<Pending>(reply).is_ok(),
        _ => false,
    }
}

fn pin() -> Pin {
    Pin::new(PIN).unwrap()
}

fn approve(view: &RequestView, with: Approval) -> Command {
    Command::Approve { request: view.id, with, remember_browser: false }
}

fn shown(outcome: Outcome) -> RequestView {
    match outcome {
        Outcome::Request(view) => *view,
        other => panic!("{other:?}"),
    }
}

/// A phone whose every message was bent from the first one on, until its PIN has approved.
async fn activated(world: &World, sweeper: &mut Sweeper, form: &str, wanted: bool) -> Bench {
    let citizen = world.citizen(&format!("bent-{form}")).await;
    let (activation, text) = world.hand_out(&citizen, form).await;
    // Another seed each: block codes name a phone, and must differ.
    let mut bench = Bench::new(world, 100 + u64::from(form == "code"));
    let paths: &[&str] = if wanted { &["activation/open", "activation/enrol"] } else { &[] };
    let Outcome::Digits { digits, .. } =
        sweeper.ok(&mut bench, paths, Command::Activate { text, environment: None }).await
    else {
        panic!()
    };
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    let paths: &[&str] =
        if wanted { &["activation/status", "pin/register", "pin/enrol", "manage", "pin/start", "answer"] } else { &[] };
    let stage = sweeper.ok(&mut bench, paths, Command::ChoosePin { identity: None, pin: pin() }).await;
    assert!(matches!(stage, Outcome::Stage(Stage::Active)), "{stage:?}");
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_every_message_of_an_activation_cut_or_bent_is_refused_and_the_honest_one_still_works() {
    let world = patient_world().await;
    let mut sweeper = Sweeper::new(&world);
    for form in ["link", "code"] {
        let mut bench = activated(&world, &mut sweeper, form, true).await;
        bench.login(&world, with_pin(PIN)).await.unwrap();
    }
    println!("{} posts", sweeper.posts);
    assert_eq!(sweeper.swept.len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_every_message_of_a_day_cut_or_bent_is_refused_and_the_honest_one_still_works() {
    let world = patient_world().await;
    let mut sweeper = Sweeper::new(&world);
    let mut bench = activated(&world, &mut sweeper, "link", false).await;

    // A scanned login with the PIN; then what has been taken is bent too.
    let mut page = world.login_page(&Ask::login()).await;
    let text = page.qr().await;
    let view = shown(sweeper.ok(&mut bench, &["challenge"], Command::Scan { identity: None, text }).await);
    sweeper.ok(&mut bench, &["pin/start", "answer"], approve(&view, with_pin(PIN))).await;
    page.signed_in().await;
    for path in ["pin/start", "answer"] {
        let sent = bench.sent(path).clone();
        let request = Request { url: String::new(), path, body: sent.body, tls_pins: vec![], wait: 0 };
        sweeper.sweep(&bench, &request, Some(&sent.reply.unwrap())).await;
    }

    // New keys, and an answer by one of them.
    sweeper.ok(&mut bench, &["manage", "answer"], Command::EnableBiometrics { identity: None, pin: pin() }).await;
    let mut page = world.login_page(&Ask::login()).await;
    let text = page.same_device_link().await;
    let view = shown(sweeper.ok(&mut bench, &["challenge"], Command::OpenLink { identity: None, text }).await);
    sweeper.ok(&mut bench, &["answer"], approve(&view, Approval::Biometric)).await;

    // A push that waits locked: polled, refused, and one that is opened by its number.
    let mut page = world.login_page(&Ask::login()).await;
    page.type_user_id("bent-link").await;
    let waiting = sweeper.ok(&mut bench, &["poll/open", "poll"], Command::Poll { identity: None, wait: 0 }).await;
    let Outcome::Waiting { requests, .. } = waiting else { panic!("{waiting:?}") };
    let refuse = Command::RefuseLocked { identity: None, id: requests[0].id, fraud: false };
    sweeper.ok(&mut bench, &["refuse"], refuse).await;
    world.advance(600).await;
    let mut page = world.login_page(&Ask::login()).await;
    let number = page.type_user_id("bent-link").await;
    let view = shown(sweeper.ok(&mut bench, &["challenge"], Command::TypeNumber { identity: None, number }).await);
    sweeper.ok(&mut bench, &["answer"], Command::Deny { request: view.id }).await;

    // The device's own affairs.
    sweeper.ok(&mut bench, &["overview"], Command::Overview { identity: None }).await;
    world.advance(61).await;
    let change = Command::ChangePin { identity: None, old: pin(), new: Pin::new(OTHER_PIN).unwrap() };
    sweeper.ok(&mut bench, &["pin/register", "manage", "answer"], change).await;
    let moving = Command::Move { identity: None, with: with_pin(OTHER_PIN), keep: true };
    let Outcome::Activation(handed) = sweeper.ok(&mut bench, &["manage", "answer"], moving).await else { panic!() };
    let (_, digits) = world.phone().await.begin_activation(&handed.link).await.unwrap();
    sweeper.ok(&mut bench, &["activation/digits"], Command::MoveDigits { identity: None, digits }).await;
    let (_, found) = world.desk(Method::GET, "users/bent-link", None).await;
    let id = found["id"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned();
    let devices = world.devices(&godkend_tests::world::Citizen { id }).await;
    let own = devices.iter().find(|device| device["state"] == "active").unwrap_or_else(|| panic!("{devices:?}"));
    let device = own["id"].as_str().unwrap();
    let by = Some(json!({ "by": "test desk" }));
    let (status, reset) = world.desk(Method::POST, &format!("devices/{device}/pin-reset"), by).await;
    assert!(status < 300, "{reset}");
    sweeper.ok(&mut bench, &["pin/reset"], Command::ResetPin { identity: None }).await;
    sweeper.ok(&mut bench, &["block"], Command::Block { identity: None }).await;
    println!("{} posts", sweeper.posts);
    assert_eq!(sweeper.swept.len(), 12, "{:?}", sweeper.swept);
    assert_eq!(bench.machine.identities()[0].standing, IdentityStanding::Blocked);
}

/// What a phone did from a stored state on, so that it can be done again to the letter.
struct Script {
    config: Config,
    stored: Option<Vec<u8>>,
    commands: Vec<Command>,
    seed: u64,
    wall: i64,
    steps: Vec<(EffectKind, Option<Reply>)>,
    key_set: Vec<u8>,
}

/// What became of a bent reply.
#[derive(Debug)]
enum Fate {
    Refused,
    /// All went on as if nothing had been changed.
    Unnoticed,
    /// The command ended well, but otherwise.
    Accepted(Outcome),
    /// The phone asked for something that it did not ask for before.
    Asked(EffectKind),
}

struct Player<'a> {
    script: &'a Script,
    machine: Authenticator,
    rng: godkend_client::entropy::Entropy,
    milliseconds: u64,
}

impl<'a> Player<'a> {
    fn new(script: &'a Script) -> Self {
        let machine = Authenticator::new(script.config.clone(), script.stored.as_deref()).unwrap();
        Self { script, machine, rng: seeded(script.seed), milliseconds: 0 }
    }

    fn input(&mut self, input: Input) -> (Ticket, EffectKind) {
        self.milliseconds += 1;
        let now = Now { wall: self.script.wall, monotonic_ms: self.milliseconds };
        let machine = &mut self.machine;
        let effect = self.rng.with(|rng| machine.handle(now, rng, input)).unwrap();
        (effect.ticket, effect.kind)
    }
}

impl Script {
    /// Does it for the first time, with the real server and the phone's keys.
    async fn record(bench: &mut Bench, commands: impl IntoIterator<Item = Command>) -> Self {
        bench.restart();
        let key_set = bench.transport.key_set().await.unwrap();
        let mut script = Self {
            config: bench.config.clone(),
            stored: bench.stored.clone(),
            commands: commands.into_iter().collect(),
            // Block codes are drawn from it, and name a phone.
            seed: bench.rng.with(|rng| rng.next_u64()),
            wall: unix_now(),
            steps: Vec::new(),
            key_set,
        };
        let mut steps = Vec::new();
        let mut player = Player::new(&script);
        for command in script.commands.clone() {
            let (mut ticket, mut kind) = player.input(Input::Command(command));
            while !matches!(kind, EffectKind::Done(_)) {
                let reply = bench.perform(kind.clone()).await;
                steps.push((kind, Some(reply.clone())));
                (ticket, kind) = player.input(Input::Reply(ticket, reply));
            }
            assert!(matches!(kind, EffectKind::Done(Ok(_))), "{kind:?}");
            steps.push((kind, None));
        }
        drop(player);
        bench.restart();
        script.steps = steps;
        script
    }

    /// The replies of the server's, and where.
    fn replies(&self) -> Vec<(usize, &'static str, Vec<u8>)> {
        let reply = |(place, step): (usize, &(EffectKind, Option<Reply>))| match step {
            (EffectKind::Send(request), Some(Reply::Server(Ok(bytes)))) => Some((place, request.path, bytes.clone())),
            _ => None,
        };
        self.steps.iter().enumerate().filter_map(reply).collect()
    }

    /// Does it again, but for one reply of the server's.
    fn replay(&self, place: usize, bent: Vec<u8>) -> Fate {
        let mut player = Player::new(self);
        let mut steps = self.steps.iter().enumerate().peekable();
        for command in self.commands.clone() {
            let (mut ticket, mut kind) = player.input(Input::Command(command));
            loop {
                let (at, (expected, reply)) = steps.next().unwrap();
                if kind != *expected {
                    assert!(at > place, "a replay is the same up to the bent reply");
                    return self.follow(player, place, ticket, kind);
                }
                let Some(reply) = reply else { break };
                let reply = if at == place { Reply::Server(Ok(bent.clone())) } else { reply.clone() };
                (ticket, kind) = player.input(Input::Reply(ticket, reply));
            }
        }
        Fate::Unnoticed
    }

    /// What the phone does after it has seen that something is wrong: it may store, tidy up, and look for newer keys.
    fn follow(&self, mut player: Player<'_>, place: usize, mut ticket: Ticket, mut kind: EffectKind) -> Fate {
        let EffectKind::Send(bent) = &self.steps[place].0 else { panic!() };
        loop {
            let reply = match &kind {
                EffectKind::Done(Err(_)) => return Fate::Refused,
                EffectKind::Done(Ok(outcome)) => return Fate::Accepted(outcome.clone()),
                EffectKind::Persist { .. } => Reply::Persisted(true),
                EffectKind::Key(KeyRequest::Delete { .. }) => Reply::Key(Ok(KeyReply::Deleted)),
                EffectKind::Send(request) if request.path == "keys" && bent.path != "keys" => {
                    Reply::Server(Ok(self.key_set.clone()))
                }
                EffectKind::Send(request) if request.body == bent.body && request.path == bent.path => {
                    Reply::Server(Err(ServerFailure::Network))
                }
                _ => return Fate::Asked(kind),
            };
            (ticket, kind) = player.input(Input::Reply(ticket, reply));
        }
    }

    /// Bends every reply of one path. `harmless` says what may come of it beside a refusal.
    fn sweep(&self, path: &str, harmless: impl Fn(&[u8], &[u8], &Fate) -> bool) -> usize {
        let replies = self.replies();
        let (place, _, honest) = replies.iter().find(|(_, sent, _)| *sent == path).unwrap_or_else(|| panic!("{path}"));
        assert!(matches!(self.replay(*place, honest.clone()), Fate::Unnoticed), "{path}: not to the letter");
        let copies = bent(honest);
        for copy in &copies {
            let fate = self.replay(*place, copy.clone());
            let good = matches!(fate, Fate::Refused) || harmless(honest, copy, &fate);
            assert!(good, "{path}: {fate:?}\n{}\n{}", hex::encode(honest), hex::encode(copy));
        }
        copies.len()
    }
}

fn nothing_else(_: &[u8], _: &[u8], _: &Fate) -> bool {
    false
}

/// Of what comes with a challenge, the PIN's tries and the app's version are TLS's to vouch for. All that a person
/// decides on is the same.
fn only_what_is_not_signed(honest: &[u8], bent: &[u8], fate: &Fate) -> bool {
    let (Ok(honest), Ok(bent)) = (cbor::decode::<Fetched>(honest), cbor::decode::<Fetched>(bent)) else { return false };
    let same = (&honest.challenge, &honest.checkpoint, &honest.consistency)
        == (&bent.challenge, &bent.checkpoint, &bent.consistency);
    same && matches!(fate, Fate::Unnoticed | Fate::Accepted(Outcome::Request(_)))
}

#[tokio::test]
async fn a01_every_signed_reply_cut_or_bent_on_the_way_is_refused_by_the_phone_which_signs_nothing() {
    let world = World::new().await;
    let mut cases = 0;
    for (seed, form) in [(7, "link"), (8, "code")] {
        let citizen = world.citizen(&format!("bent-{form}")).await;
        let mut bench = Bench::new(&world, seed);
        let (activation, text) = world.hand_out(&citizen, form).await;
        let script = Script::record(&mut bench, [Command::Activate { text, environment: None }]).await;
        for path in ["keys", "activation/open", "activation/enrol"] {
            cases += script.sweep(path, nothing_else);
        }
        if form == "code" {
            continue;
        }
        let EffectKind::Done(Ok(Outcome::Digits { digits, .. })) = &script.steps.last().unwrap().0 else { panic!() };
        assert_eq!(world.digits(&activation, digits).await.0, 200);
        let script = Script::record(&mut bench, [Command::ChoosePin { identity: None, pin: pin() }]).await;
        // A first challenge: nothing is known of the log yet.
        cases += script.sweep("manage", only_what_is_not_signed);
        cases += script.sweep("answer", nothing_else);
        bench.login(&world, with_pin(PIN)).await.unwrap();

        bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
        // Something happened meanwhile, so that there is a consistency proof to bend.
        world.person(&format!("meanwhile-{form}")).await;
        let mut page = world.login_page(&Ask::payment("120.50", "Boghandel")).await;
        let text = page.qr().await;
        // The first that a phone shows after its start.
        let request = godkend_core::RequestId(1);
        let approving = Command::Approve { request, with: Approval::Biometric, remember_browser: false };
        let script = Script::record(&mut bench, [Command::Scan { identity: None, text }, approving]).await;
        let fetched = script.replies().into_iter().find(|(_, path, _)| *path == "challenge").unwrap().2;
        assert!(!cbor::decode::<Fetched>(&fetched).unwrap().consistency.is_empty());
        cases += script.sweep("challenge", only_what_is_not_signed);
        cases += script.sweep("answer", nothing_else);
        page.signed_in().await;
        bench.login(&world, Approval::Biometric).await.unwrap();
    }
    println!("{cases} replies");
}

/// Replies that TLS alone vouches for: no panic, and an approval never comes of them.
#[tokio::test]
async fn a01_every_other_reply_cut_or_bent_on_the_way_makes_no_phone_panic_or_approve_anything_else() {
    let world = World::new().await;
    let citizen = world.citizen("bent-reply").await;
    let mut bench = Bench::new(&world, 8);
    let (activation, text) = world.hand_out(&citizen, "link").await;
    let Outcome::Digits { digits, .. } = bench.ok(Command::Activate { text, environment: None }).await else {
        panic!()
    };
    world.digits(&activation, &digits).await;
    // The stage decides what the phone does next, and the registration's reply which record it makes.
    let moves_on = |_: &[u8], _: &[u8], fate: &Fate| {
        let asked =
            |kind: &EffectKind| matches!(kind, EffectKind::Key(KeyRequest::Sign { .. } | KeyRequest::Derive { .. }));
        match fate {
            Fate::Asked(kind) => asked(kind),
            Fate::Accepted(outcome) => matches!(outcome, Outcome::Stage(_)),
            Fate::Unnoticed => true,
            Fate::Refused => false,
        }
    };
    let choose = Command::ChoosePin { identity: None, pin: pin() };
    let script = Script::record(&mut bench, [choose]).await;
    let mut cases = script.sweep("activation/status", moves_on) + script.sweep("pin/register", moves_on);
    cases += script.sweep("pin/enrol", nothing_else);
    // KE2 is authenticated by the PIN itself; the numbers beside it are shown, or make the server refuse.
    let other_numbers = |honest: &[u8], copy: &[u8], fate: &Fate| {
        use godkend_protocol::messages::pin::PinStarted;
        let (Ok(honest), Ok(copy)) = (cbor::decode::<PinStarted>(honest), cbor::decode::<PinStarted>(copy)) else {
            return false;
        };
        honest.ke2 == copy.ke2
            && matches!(fate, Fate::Unnoticed | Fate::Asked(EffectKind::Persist { .. } | EffectKind::Send(_)))
    };
    cases += script.sweep("pin/start", other_numbers);

    let mut page = world.login_page(&Ask::login()).await;
    page.type_user_id("bent-reply").await;
    let script = Script::record(&mut bench, [Command::Poll { identity: None, wait: 0 }]).await;
    let listed = |_: &[u8], _: &[u8], fate: &Fate| match fate {
        Fate::Unnoticed | Fate::Accepted(Outcome::Waiting { .. }) => true,
        Fate::Asked(EffectKind::Send(request)) => request.path == "poll",
        _ => false,
    };
    cases += script.sweep("poll/open", listed) + script.sweep("poll", listed);
    let script = Script::record(&mut bench, [Command::Overview { identity: None }]).await;
    cases += script.sweep("overview", |_, _, fate| matches!(fate, Fate::Accepted(Outcome::Overview(_))));
    bench.login(&world, with_pin(PIN)).await.unwrap();
    println!("{cases} replies");
}

/// The same on the real line: a phone whose reply was bent once finds its way, and has lost nothing.
#[tokio::test]
async fn a01_a_reply_bent_once_on_the_way_loses_nothing() {
    let world = World::new().await;
    let citizen = world.citizen("bent-once").await;
    let once = |path: &'static str| {
        let mut left = 1;
        Tap::reply(move |sent, reply| {
            if let (true, 1, Ok(bytes)) = (sent == path, left, reply) {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 4;
                left = 0;
            }
        })
    };
    // The enrolment's reply: the server has taken the activation already, and gives the same reply again.
    let mut bench = Bench::new(&world, 9);
    let (activation, text) = world.hand_out(&citizen, "link").await;
    bench.tap = Some(once("activation/enrol"));
    let failed = bench.run(Command::Activate { text, environment: None }, None).await.0.unwrap();
    assert_eq!(failed.unwrap_err(), Failure::Untrusted);
    assert!(matches!(bench.ok(Command::Resume).await, Outcome::Resumed { settled: 1, open: 0 }));
    // The digits were lost with the failure: they are asked for again.
    let (status, _) = world.digits(&activation, "00000000").await;
    assert!(status == 403 || status == 200);
    let identity = bench.machine.identities()[0].id;
    bench.ok(Command::Forget { identity }).await;
    bench.tap = None;
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    for path in ["challenge", "pin/start"] {
        bench.tap = Some(once(path));
        let mut page = world.login_page(&Ask::login()).await;
        let text = page.qr().await;
        let scan = Command::Scan { identity: None, text };
        let first = bench.run(scan.clone(), None).await.0.unwrap();
        let view = match first {
            Ok(outcome) => shown(outcome),
            Err(failure) => {
                assert_eq!((path, failure), ("challenge", Failure::Untrusted));
                shown(bench.ok(scan).await)
            }
        };
        let result = bench.run(approve(&view, with_pin(PIN)), None).await.0.unwrap();
        if path == "pin/start" {
            assert!(result.is_err(), "{result:?}");
            bench.ok(approve(&view, with_pin(PIN))).await;
        }
        page.signed_in().await;
    }
    let (mut page, view) = bench.scan(&world).await;
    bench.tap = Some(once("answer"));
    let failed = bench.run(approve(&view, with_pin(PIN)), None).await.0.unwrap();
    assert_eq!(failed.unwrap_err(), Failure::Untrusted);
    page.signed_in().await;
    assert!(bench.machine.identities()[0].unsettled);
    assert!(matches!(bench.ok(Command::Resume).await, Outcome::Resumed { settled: 1, open: 0 }));
    bench.login(&world, with_pin(PIN)).await.unwrap();
}
