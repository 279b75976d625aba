//! Whom a phone believes: suites, versions, roots, key sets and their rotation.

use godkend_client::transport::{Transport, TransportOptions};
use godkend_core::{Command, Failure, Outcome, Pin, ServerFailure};
use godkend_protocol::bytes::{Blob, Fixed};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::link::Link;
use godkend_protocol::keyset::{KeySet, SignedKeySet};
use godkend_protocol::messages::activation::{ActivationOffer, ActivationOpen, SealedEnrol};
use godkend_protocol::messages::approval::{Challenge, Fetched};
use godkend_protocol::messages::device::AskOverview;
use godkend_protocol::types::{KeyPurpose, Suite};
use godkend_protocol::{cbor, crypto};
use godkend_server::config::Config;
use godkend_server::keys::{RotateOptions, rotate};
use godkend_tests::bench::{Bench, Tap, sign_with};
use godkend_tests::forge::{Insider, parts, possess};
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::world::{rng, unix_now};
use godkend_tests::{Ask, World};

fn refusal<T: std::fmt::Debug>(result: Result<T, ServerFailure>) -> Code {
    match result {
        Err(ServerFailure::Refused(reply)) => reply.code().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn person(world: &World, user_id: &str, seed: u64) -> Bench {
    let citizen = world.citizen(user_id).await;
    let mut bench = Bench::new(world, seed);
    bench.activate(world, &citizen, &mut std::iter::empty()).await;
    bench
}

/// What an operator does, and the restart after it.
async fn rotated(world: &mut World) {
    let config = Config::load(&world.dir.path().join("godkend.toml"), std::iter::empty()).unwrap();
    rotate(&config, &RotateOptions::default(), unix_now(), &mut rng()).unwrap();
    world.restart().await;
}

fn hybrid(world: &World, seed: u64) -> Bench {
    let mut bench = Bench::new(world, seed);
    bench.config.suites = vec![Suite::P256, Suite::Hybrid];
    bench.restart();
    bench
}

#[tokio::test]
async fn a30_a_suite_list_stripped_on_the_way_is_refused_also_by_a_man_with_the_servers_own_key() {
    let world = World::with(|options| options.hybrid = true, |_| {}).await;
    let citizen = world.citizen("stripped-anna").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    let mut bench = hybrid(&world, 1);
    let activate = || Command::Activate { text: link.clone(), environment: None };
    let strip = |body: &mut Vec<u8>| {
        let mut open: ActivationOpen = cbor::decode(body).unwrap();
        open.suites = vec![Suite::P256];
        *body = cbor::encode(&open);
    };
    let stripped = move |path: &str, body: &mut Vec<u8>| {
        if path == ActivationOpen::PATH {
            strip(body);
        }
    };
    bench.tap = Some(Tap::request(stripped));
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    // The man signs the honest list's hash under the lower offer.
    let insider = Insider::new(&world);
    let set = bench.transport.key_set().await.unwrap();
    let set = SignedKeySet::verify(&set, &world.root, 0, unix_now()).unwrap();
    let lower = set.hpke_keys.iter().find(|key| key.suite == Suite::P256).unwrap().public.clone();
    bench.tap = Some(Tap::reply(move |path, reply| {
        if let (ActivationOpen::PATH, Ok(bytes)) = (path, reply) {
            *bytes = insider.resign::<ActivationOffer>(bytes, |offer| {
                (offer.suite, offer.hpke_key) = (Suite::P256, lower.clone());
            });
        }
    }));
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    // A key set whose suites were stripped is not the root's any more, nor is one without its second signature.
    let strip_set = |bytes: &mut Vec<u8>, keep_first: bool| {
        let mut signed: SignedKeySet = cbor::decode(bytes).unwrap();
        if keep_first {
            signed.pq_signature = None;
        } else {
            let mut set = set.clone();
            set.suites = vec![Suite::P256];
            signed.cose = Blob(sign_with(&set, "test", &godkend_protocol::bytes::Secret([3; 32])));
        }
        *bytes = cbor::encode(&signed);
    };
    for keep_first in [true, false] {
        let mut bytes = bench.transport.key_set().await.unwrap();
        strip_set(&mut bytes, keep_first);
        let mut fresh = hybrid(&world, 2);
        fresh.tap = Some(Tap::reply(move |path, reply| {
            if let ("keys", Ok(honest)) = (path, reply) {
                honest.clone_from(&bytes);
            }
        }));
        assert_eq!(fresh.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
        assert!(fresh.traffic.iter().all(|exchange| exchange.path == "keys"), "nothing else was sent");
    }
    assert!(bench.traffic.iter().all(|exchange| exchange.path != SealedEnrol::PATH), "nothing was sealed");
    bench.tap = None;
    bench.ok(activate()).await;
}

#[tokio::test]
async fn a30_an_account_that_has_risen_takes_no_lower_suite_not_even_by_an_earlier_offer() {
    let world = World::with(|options| options.hybrid = true, |_| {}).await;
    let citizen = world.citizen("risen-bo").await;
    let (_, early) = world.hand_out(&citizen, "link").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    // An old app has its offer, of suite 1, before the person's other phone raises the account.
    let mut old = Bench::new(&world, 1);
    let held = old.hold(Command::Activate { text: early, environment: None }, SealedEnrol::PATH).await;
    let mut new = hybrid(&world, 2);
    let Outcome::Digits { digits, .. } = new.ok(Command::Activate { text: link, environment: None }).await else {
        panic!()
    };
    let refused = old.release(held).await.unwrap_err();
    assert!(matches!(refused, Failure::Refused { code: Code::SuiteRefused, .. }), "{refused:?}");
    let (_, later) = world.hand_out(&citizen, "link").await;
    let refused = old.run(Command::Activate { text: later, environment: None }, None).await.0.unwrap().unwrap_err();
    assert!(matches!(refused, Failure::Refused { code: Code::SuiteRefused, .. }), "{refused:?}");
    // The new phone goes on.
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    new.ok(Command::ChoosePin { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    new.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a30_an_older_version_of_protocol_or_app_is_refused_and_says_so() {
    let mut world = World::new().await;
    let mut bench = person(&world, "older-carla", 1).await;
    let held = bench.hold(Command::Overview { identity: None }, "overview").await;
    let (_, payload, _) = parts(&held.request.body);
    // 84, type, version, environment ...
    assert_eq!(&payload[..3], &[0x84, 19, 1]);
    for version in [0, 2, 23] {
        let mut other = payload.clone();
        other[2] = version;
        let signed = possess(&other, &bench.secret(KeyPurpose::Possession));
        assert_eq!(refusal(bench.post("overview", signed).await), Code::UpdateNeeded, "version {version}");
    }
    // Another environment's message, signed by the same key.
    let other = bench.hold(Command::Poll { identity: None, wait: 0 }, "poll/open").await;
    let ask = AskOverview { device: bench.machine.identities()[0].device, nonce: Fixed([1; 32]) };
    let strange = sign_with(&ask, "prod", &bench.secret(KeyPurpose::Possession));
    assert_eq!(refusal(bench.post("overview", strange).await), Code::WrongEnvironment);
    bench.release(held).await.unwrap();
    bench.release(other).await.unwrap();

    // The server's, in the phone.
    for version in [0, 2] {
        let insider = Insider::new(&world);
        bench.tap = Some(Tap::reply(move |path, reply| {
            if let ("challenge", Ok(bytes)) = (path, reply) {
                let mut fetched: Fetched = cbor::decode(bytes).unwrap();
                let mut payload = parts(&fetched.challenge.0).1;
                payload[2] = version;
                fetched.challenge = Blob(insider.sign_payload(&payload));
                *bytes = cbor::encode(&fetched);
            }
        }));
        let text = world.login_page(&Ask::login()).await.qr().await;
        let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
        assert_eq!(failure, Failure::UpdateNeeded, "version {version}");
    }
    bench.tap = None;
    bench.login(&world, with_pin(PIN)).await.unwrap();

    // An app that the operator refuses.
    let file = world.dir.path().join("godkend.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let place = "refused_below = \"\"";
    assert!(text.contains(place));
    std::fs::write(&file, text.replace(place, "refused_below = \"2.0.0\"")).unwrap();
    world.restart().await;
    let (_, link) = world.hand_out(&world.citizen("older-dan").await, "link").await;
    let mut fresh = Bench::new(&world, 2);
    for command in [Command::Activate { text: link, environment: None }] {
        assert_eq!(fresh.run(command, None).await.0.unwrap().unwrap_err(), Failure::UpdateNeeded);
    }
    let text = world.login_page(&Ask::login()).await.qr().await;
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::UpdateNeeded);
    bench.config.info.app_version = "2.0.0".to_owned();
    bench.restart();
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a38_the_servers_keys_rotate_under_open_requests_and_a_key_that_is_gone_convinces_nobody() {
    let mut world = World::new().await;
    let mut bench = person(&world, "rotated-anna", 1).await;
    // A request that was shown before the rotation is answered after it.
    let (mut page, view) = bench.scan(&world).await;
    rotated(&mut world).await;
    bench.ok(Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }).await;
    page.signed_in().await;
    bench.login(&world, with_pin(PIN)).await.unwrap();

    // One that was held over two rotations is not: its key is gone.
    let (mut page, view) = bench.scan(&world).await;
    rotated(&mut world).await;
    rotated(&mut world).await;
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    let refused = bench.run(approve, None).await.0.unwrap().unwrap_err();
    assert!(matches!(refused, Failure::Refused { code: Code::ChallengeInvalid, .. }), "{refused:?}");
    assert_eq!(page.state().await["finish"], serde_json::Value::Null);
    bench.login(&world, with_pin(PIN)).await.unwrap();

    // A thief of the first key signs a challenge of his own: the phone has the newest set by now.
    let thief = Insider::with_key(&world, 1);
    bench.tap = Some(Tap::reply(move |path, reply| {
        if let ("challenge", Ok(bytes)) = (path, reply) {
            let mut fetched: Fetched = cbor::decode(bytes).unwrap();
            let stolen = thief.resign::<Challenge>(&fetched.challenge.0, |challenge| {
                challenge.text = Some("Noget helt andet".to_owned());
            });
            fetched.challenge = Blob(stolen);
            *bytes = cbor::encode(&fetched);
        }
    }));
    let text = world.login_page(&Ask::login()).await.qr().await;
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::Untrusted);
    bench.tap = None;
    bench.login(&world, with_pin(PIN)).await.unwrap();

    // The device's own keys rotate as well: what the old key signs afterwards is nothing.
    let old = bench.secret(KeyPurpose::Possession);
    bench.ok(Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    let device = bench.machine.identities()[0].device;
    let ask = AskOverview { device, nonce: Fixed([2; 32]) };
    let stale = sign_with(&ask, bench.environment(), &old);
    assert_eq!(refusal(bench.post("overview", stale).await), Code::SignatureInvalid);
    assert!(bench.post("overview", bench.sign(&ask)).await.is_ok());
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a38_an_older_key_set_is_refused_and_the_newest_stays_known_through_restarts() {
    let mut world = World::new().await;
    let mut bench = person(&world, "older-set", 1).await;
    let first = bench.transport.key_set().await.unwrap();
    // It sees the second set for the first time when it meets a key that it does not know.
    rotated(&mut world).await;
    rotated(&mut world).await;
    let back = move |first: Vec<u8>| {
        Tap::reply(move |path, reply| {
            if let ("keys", Ok(bytes)) = (path, reply) {
                bytes.clone_from(&first);
            }
        })
    };
    bench.tap = Some(back(first.clone()));
    let text = world.login_page(&Ask::login()).await.qr().await;
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::Untrusted, "the first set does not know the new key");
    bench.tap = None;
    bench.login(&world, with_pin(PIN)).await.unwrap();
    // From now on the first set is an older one, whoever replays it with the key of its time.
    bench.restart();
    bench.tap = Some({
        let insider = Insider::with_key(&world, 1);
        let first = first.clone();
        Tap::reply(move |path, reply| match (path, reply) {
            ("keys", Ok(bytes)) => bytes.clone_from(&first),
            ("challenge", Ok(bytes)) => {
                let mut fetched: Fetched = cbor::decode(bytes).unwrap();
                fetched.challenge = Blob(insider.resign::<Challenge>(&fetched.challenge.0, |_| {}));
                *bytes = cbor::encode(&fetched);
            }
            _ => {}
        })
    });
    let text = world.login_page(&Ask::login()).await.qr().await;
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::Untrusted);
    bench.tap = None;
    bench.restart();
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a38_a_key_set_that_has_expired_is_refused_on_the_wire_and_in_store() {
    let world = World::new().await;
    let mut bench = person(&world, "expired-set", 1).await;
    let first = SignedKeySet::verify(&bench.transport.key_set().await.unwrap(), &world.root, 0, unix_now()).unwrap();
    // An hour before the grace of two days ends it is good; the server has no newer one.
    bench.clock_ahead = first.expires - unix_now() + 2 * 86_400 - 3_600;
    bench.login(&world, with_pin(PIN)).await.unwrap();
    bench.clock_ahead += 2 * 3_600;
    bench.restart();
    let text = world.login_page(&Ask::login()).await.qr().await;
    bench.traffic.clear();
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::ClockWrong);
    assert!(bench.traffic.iter().all(|exchange| exchange.path == "keys"), "{:?}", bench.traffic);
    // The clock is set right: nothing was lost.
    bench.clock_ahead = 0;
    bench.restart();
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a38_a_rogue_authority_with_a_root_server_and_pins_of_its_own_is_refused() {
    let (world, rogue) = (World::new().await, World::new().await);
    let mut bench = person(&world, "rogue-dan", 1).await;
    let (_, link) = world.hand_out(&world.citizen("rogue-eva").await, "link").await;
    // The way leads to the rogue's server: its TLS key is not pinned, and its key set not the root's.
    bench.transport = Transport::new(&rogue.url, TransportOptions::default()).unwrap();
    let mut rogue_page = rogue.login_page(&Ask::login()).await;
    let text = rogue_page.qr().await;
    let failure = bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap().unwrap_err();
    assert_eq!(failure, Failure::Untrusted);
    let mut fresh = Bench::new(&world, 2);
    fresh.transport = Transport::new(&rogue.url, TransportOptions::default()).unwrap();
    let activate = Command::Activate { text: link.clone(), environment: None };
    assert_eq!(fresh.run(activate.clone(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    assert!(fresh.traffic.iter().all(|exchange| exchange.path == "keys"));
    // A set of the rogue's making, under the true root's name: its own signature, or the true one with a key added.
    let honest = bench_set(&world).await;
    let signed: SignedKeySet = cbor::decode(&honest).unwrap();
    let mut set: KeySet = SignedKeySet::verify(&honest, &world.root, 0, unix_now()).unwrap();
    set.number = 99;
    set.challenge_keys.push(crypto::p256_public(&godkend_protocol::bytes::Secret([3; 32])).unwrap());
    let (_, _, signature) = parts(&signed.cose.0);
    let own = sign_with(&set, "test", &godkend_protocol::bytes::Secret([3; 32]));
    for cose in [own.clone(), godkend_tests::forge::with_signature(&own, &signature)] {
        let forged = cbor::encode(&SignedKeySet { cose: Blob(cose), pq_signature: None });
        let mut fresh = Bench::new(&world, 3);
        fresh.tap = Some(Tap::reply(move |path, reply| {
            if let ("keys", Ok(bytes)) = (path, reply) {
                bytes.clone_from(&forged);
            }
        }));
        assert_eq!(fresh.run(activate.clone(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    }
    // Back on the right way, everything works.
    bench.transport = Transport::new(&world.url, TransportOptions::default()).unwrap();
    bench.login(&world, with_pin(PIN)).await.unwrap();
    fresh.transport = Transport::new(&world.url, TransportOptions::default()).unwrap();
    fresh.ok(activate).await;
}

async fn bench_set(world: &World) -> Vec<u8> {
    Transport::new(&world.url, TransportOptions::default()).unwrap().key_set().await.unwrap()
}

#[tokio::test]
async fn a38_a_qr_code_with_a_root_or_environment_of_somebodys_own_is_refused_before_anything_is_sent() {
    let (world, rogue) = (World::new().await, World::new().await);
    let citizen = world.citizen("fake-qr").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    let (_, theirs) = rogue.hand_out(&rogue.citizen("fake-qr").await, "link").await;
    let Link::Activation(honest) = Link::parse(&link).unwrap() else { panic!() };
    let mut root = honest.clone();
    root.root = rogue.root.fingerprint();
    let mut environment = honest.clone();
    environment.environment = "prod".to_owned();
    let mut bench = Bench::new(&world, 1);
    for text in [theirs, Link::Activation(root).to_text(), Link::Activation(environment).to_text()] {
        for command in [
            Command::Activate { text: text.clone(), environment: None },
            Command::Activate { text: text.clone(), environment: Some("test".to_owned()) },
            Command::Scan { identity: None, text: text.clone() },
            Command::OpenLink { identity: None, text },
        ] {
            let failure = bench.run(command, None).await.0.unwrap().unwrap_err();
            assert_eq!(failure, Failure::UnknownRoot);
        }
    }
    assert!(bench.traffic.is_empty(), "not a byte was sent");
    bench.ok(Command::Activate { text: link, environment: None }).await;
}
