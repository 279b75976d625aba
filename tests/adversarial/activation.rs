//! From an activation to a phone: codes, races, swapped keys, poor hardware.

use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::software_keys::{Persona, SoftwareKeys};
use godkend_core::{Approval, Command, Failure, IdentityStanding, Outcome, Pin, ServerFailure};
use godkend_protocol::bytes::{Blob, PublicKey, Secret, Signature};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::digits;
use godkend_protocol::messages::activation::{
    ActivationOffer, ActivationOpen, EnrolReply, SealedEnrol, SealedReply, Stage, full_transcript,
};
use godkend_protocol::messages::approval::AnswerRequest;
use godkend_protocol::suite::HpkeKey;
use godkend_protocol::types::{Factor, KeyPurpose, SecurityLevel, Suite};
use godkend_protocol::{cbor, crypto};
use godkend_tests::bench::{Bench, Tap, sign_with};
use godkend_tests::forge::{Forge, Handed, Insider};
use godkend_tests::phone::{Finger, PIN, Phone, code, with_pin};
use godkend_tests::{Ask, World};

fn refusal<T: std::fmt::Debug>(result: Result<T, ServerFailure>) -> (Code, Option<u32>) {
    match result {
        Err(ServerFailure::Refused(reply)) => (reply.code().unwrap(), reply.tries_left),
        other => panic!("{other:?}"),
    }
}

/// A code that differs from the right one in its secret only.
fn guess(right: &ActivationCode, number: u8) -> Handed {
    let mut guess = right.clone();
    guess.secret.0[6] ^= number;
    Handed::Code(guess)
}

const POSSESSION: Secret<32> = Secret([7; 32]);

/// An enrolment by hand: of somebody who has this secret, or believes so.
async fn enrol(bench: &Bench, handed: Handed) -> Result<EnrolReply, ServerFailure> {
    let forge = Forge::open(bench, handed).await?;
    let forged = forge.seal(&Forge::core(&POSSESSION), &POSSESSION);
    let reply = bench.post(SealedEnrol::PATH, forged.body.clone()).await?;
    Ok(forged.read(&reply, bench.environment()))
}

#[tokio::test]
async fn a05_an_activation_used_or_expired_gives_a_second_phone_nothing_and_the_first_goes_on() {
    let world = World::new().await;
    for form in ["link", "code"] {
        let citizen = world.citizen(&format!("used-{form}")).await;
        let (activation, text) = world.hand_out(&citizen, form).await;
        let (first, second) = (world.phone().await, world.phone().await);
        let (identity, digits) = first.begin_activation(&text).await.unwrap();
        for _ in 0..7 {
            assert_eq!(code(second.begin_activation(&text).await), Some(Code::ActivationUsed));
        }
        // Nor does the phone's own number in the middle of it, by hand and with the secret.
        let bench = Bench::new(&world, 1);
        assert_eq!(refusal(enrol(&bench, Handed::parse(&text)).await).0, Code::ActivationUsed);
        assert_eq!(world.digits(&activation, &digits).await.0, 200);
        assert_eq!(first.choose_pin(identity, PIN).await.unwrap(), Stage::Active);
        assert_eq!(code(second.begin_activation(&text).await), Some(Code::ActivationUsed), "when it is finished too");
        assert_eq!(world.devices(&citizen).await.len(), 1);

        let (_, text) = world.hand_out(&citizen, form).await;
        let early = Forge::open(&bench, Handed::parse(&text)).await.unwrap();
        world.advance(601).await;
        assert_eq!(code(second.begin_activation(&text).await), Some(Code::ActivationExpired));
        // An offer from before it expired does not help.
        let forged = early.seal(&Forge::core(&POSSESSION), &POSSESSION);
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, forged.body).await).0, Code::ActivationExpired);
        let (activation, text) = world.hand_out(&citizen, form).await;
        let (identity, digits) = second.begin_activation(&text).await.unwrap();
        assert_eq!(world.digits(&activation, &digits).await.0, 200);
        assert_eq!(second.choose_pin(identity, PIN).await.unwrap(), Stage::Active);
    }
}

#[tokio::test]
async fn a05_a_code_is_guessed_five_times_and_no_more_and_other_codes_know_nothing_of_it() {
    let world = World::new().await;
    let (_, text) = world.hand_out(&world.citizen("guessed-gitte").await, "code").await;
    let (activation, other) = world.hand_out(&world.citizen("spared-hugo").await, "code").await;
    let right = ActivationCode::parse(&text).unwrap();
    let bench = Bench::new(&world, 1);
    // An envelope that does not open costs nothing: it shows no guess.
    let mut garbage = Forge::open(&bench, guess(&right, 1)).await.unwrap();
    garbage.claimed.hpke_key = HpkeKey::from_seed(Suite::P256, &Secret([1; 32])).public().clone();
    for _ in 0..9 {
        let forged = garbage.seal(&Forge::core(&POSSESSION), &POSSESSION);
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, forged.body).await), (Code::ActivationRefused, None));
    }
    for (number, expected) in [(1, Some(4)), (2, Some(3)), (3, Some(2)), (4, Some(1))] {
        assert_eq!(refusal(enrol(&bench, guess(&right, number)).await), (Code::ActivationRefused, expected));
    }
    let late = Forge::open(&bench, Handed::Code(right.clone())).await.unwrap();
    assert_eq!(refusal(enrol(&bench, guess(&right, 5)).await).0, Code::ActivationBlocked);
    for number in [6, 0] {
        assert_eq!(refusal(enrol(&bench, guess(&right, number)).await).0, Code::ActivationBlocked, "the sixth");
    }
    let forged = late.seal(&Forge::core(&POSSESSION), &POSSESSION);
    assert_eq!(refusal(bench.post(SealedEnrol::PATH, forged.body).await).0, Code::ActivationBlocked, "right, too late");
    assert_eq!(code(world.phone().await.begin_activation(&text).await), Some(Code::ActivationBlocked));

    // The other code has all its tries, also for this same guesser.
    let spared = ActivationCode::parse(&other).unwrap();
    assert_eq!(refusal(enrol(&bench, guess(&spared, 1)).await), (Code::ActivationRefused, Some(4)));
    let phone = world.phone().await;
    let (identity, digits) = phone.begin_activation(&other).await.unwrap();
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    assert_eq!(phone.choose_pin(identity, PIN).await.unwrap(), Stage::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a05_forty_guesses_at_once_are_five_guesses() {
    let world = World::new().await;
    let (_, text) = world.hand_out(&world.citizen("raced-gitte").await, "code").await;
    let right = ActivationCode::parse(&text).unwrap();
    let bench = Bench::new(&world, 1);
    let mut bodies = Vec::new();
    for number in 1..=40 {
        let forge = Forge::open(&bench, guess(&right, number)).await.unwrap();
        bodies.push(forge.seal(&Forge::core(&POSSESSION), &POSSESSION).body);
    }
    let posts: Vec<_> = bodies.into_iter().map(|body| bench.post(SealedEnrol::PATH, body)).collect();
    let mut left = Vec::new();
    for answer in futures(posts).await {
        match refusal(answer) {
            (Code::ActivationRefused, Some(tries)) => left.push(tries),
            // Refused untried: it is blocked, or somebody else's guess was being counted.
            (Code::ActivationBlocked | Code::Conflict, None) => {}
            other => panic!("{other:?}"),
        }
    }
    left.sort_unstable();
    let counted = left.len();
    left.dedup();
    assert!(left.len() == counted && left.iter().all(|tries| *tries < 5), "each was counted: {left:?}");
    for number in 41..=45 {
        let _ = enrol(&bench, guess(&right, number)).await;
    }
    assert_eq!(refusal(enrol(&bench, Handed::Code(right)).await).0, Code::ActivationBlocked);
}

/// All at once.
async fn futures<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, done) in &mut pending {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().map(|(_, done)| done.unwrap()).collect()
}

#[tokio::test]
async fn a05_names_that_exist_nowhere_are_throttled_at_their_source_and_nobody_else_is() {
    let world = World::new().await;
    let (_, text) = world.hand_out(&world.citizen("bystander").await, "code").await;
    let from = |address: [u8; 4]| {
        reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .local_address(std::net::IpAddr::from(address))
            .no_proxy()
            .build()
            .unwrap()
    };
    let (guesser, honest) = (from([127, 0, 0, 9]), from([127, 0, 0, 1]));
    let post = |http: reqwest::Client, body: Vec<u8>| {
        let url = format!("{}/phone/v1/activation/open", world.url);
        async move { http.post(url).body(body).send().await.unwrap().status().as_u16() }
    };
    let right = ActivationCode::parse(&text).unwrap();
    for number in 1..=8_u8 {
        let mut unknown = right.clone();
        unknown.name.0[0] ^= number;
        let status = post(guesser.clone(), Handed::Code(unknown).open(&[Suite::P256])).await;
        assert_eq!(status, if number <= 5 { 404 } else { 429 }, "name {number}");
    }
    let right = Handed::Code(right).open(&[Suite::P256]);
    assert_eq!(post(guesser.clone(), right.clone()).await, 429, "nor does the guesser learn that this one exists");
    assert_eq!(post(honest, right.clone()).await, 200);
    world.advance(61).await;
    assert_eq!(post(guesser, right).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a06_of_phones_that_race_for_one_activation_exactly_one_wins_and_it_alone_becomes_active() {
    let world = World::new().await;
    for round in 0..4 {
        for form in ["link", "code"] {
            let citizen = world.citizen(&format!("raced-{form}-{round}")).await;
            let (activation, text) = world.hand_out(&citizen, form).await;
            let mut phones = Vec::new();
            for _ in 0..5 {
                phones.push(world.phone().await);
            }
            let all = futures(phones.iter().map(|phone| phone.begin_activation(&text)).collect()).await;
            let winners: Vec<_> = all.iter().enumerate().filter_map(|(n, one)| Some((n, one.as_ref().ok()?))).collect();
            assert_eq!(winners.len(), 1, "{all:?}");
            let (winner, (identity, digits)) = winners[0];
            for (n, result) in all.iter().enumerate().filter(|(n, _)| *n != winner) {
                assert_eq!(code(result.clone()), Some(Code::ActivationUsed), "phone {n}");
                assert!(phones[n].client.identities().is_empty());
                assert!(phones[n].keys.aliases().await.unwrap().is_empty(), "orphaned keys");
            }
            assert_eq!(world.digits(&activation, digits).await.0, 200);
            assert_eq!(phones[winner].choose_pin(*identity, PIN).await.unwrap(), Stage::Active);
            assert_eq!(world.devices(&citizen).await.len(), 1);
        }
    }
    // The same bytes race themselves: one phone, one reply.
    let (_, text) = world.hand_out(&world.citizen("raced-itself").await, "link").await;
    let bench = Bench::new(&world, 1);
    let forge = Forge::open(&bench, Handed::parse(&text)).await.unwrap();
    let forged = forge.seal(&Forge::core(&POSSESSION), &POSSESSION);
    let posts: Vec<_> = (0..8).map(|_| bench.post(SealedEnrol::PATH, forged.body.clone())).collect();
    let replies: Vec<_> = futures(posts).await.into_iter().filter_map(Result::ok).collect();
    assert!(!replies.is_empty());
    let again = bench.post(SealedEnrol::PATH, forged.body.clone()).await.unwrap();
    assert!(replies.iter().all(|reply| *reply == again), "one message has one reply");
}

/// A man in between who has even stolen the server's challenge key, but not the root's.
#[tokio::test]
async fn a07_a_swapped_server_key_offer_or_reply_is_refused_by_the_app_before_it_shows_digits() {
    let world = World::new().await;
    let citizen = world.citizen("swapped-ida").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let mut bench = Bench::new(&world, 1);
    let activate = || Command::Activate { text: link.clone(), environment: None };
    let (_, other) = world.hand_out(&world.citizen("another-ida").await, "link").await;
    let Handed::Link(other, _) = Handed::parse(&other) else { panic!() };

    type Change = Box<dyn Fn(&mut ActivationOffer) + Send>;
    let stranger = HpkeKey::from_seed(Suite::P256, &Secret([1; 32])).public().clone();
    let changes: [(&str, Change); 4] = [
        ("a key to seal to that the root does not vouch for", Box::new(move |offer| offer.hpke_key = stranger.clone())),
        ("another activation", Box::new(move |offer| offer.id = other)),
        ("an answer to another opening", Box::new(|offer| offer.open_hash.0[0] ^= 1)),
        ("a suite that was not chosen", Box::new(|offer| offer.suite = Suite::Hybrid)),
    ];
    for (why, change) in changes {
        let insider = Insider::new(&world);
        bench.tap = Some(Tap::reply(move |path, reply| {
            if let (ActivationOpen::PATH, Ok(bytes)) = (path, reply) {
                *bytes = insider.resign(bytes, |offer| change(offer));
            }
        }));
        assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted, "{why}");
        assert!(bench.traffic.iter().all(|exchange| exchange.path != SealedEnrol::PATH), "{why}: nothing was sealed");
        assert!(bench.keys.aliases().await.unwrap().is_empty(), "{why}: no keys are left");
    }
    // A stranger's own signature over the true offer.
    let environment = bench.environment().to_owned();
    bench.tap = Some(Tap::reply(move |path, reply| {
        if let (ActivationOpen::PATH, Ok(bytes)) = (path, reply) {
            let received = godkend_protocol::cose::Received::<ActivationOffer>::parse(bytes, &environment).unwrap();
            *bytes = sign_with(received.claimed(), &environment, &Secret([3; 32]));
        }
    }));
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    assert!(bench.traffic.iter().all(|exchange| exchange.path != SealedEnrol::PATH));

    // The reply to a message of the man's own in place of the phone's: he has no reply key, so he cannot even seal one.
    bench.tap = Some(Tap::reply(move |path, reply| {
        if let (SealedEnrol::PATH, Ok(bytes)) = (path, reply) {
            *bytes = cbor::encode(&SealedReply { ciphertext: Blob(vec![5; 300]) });
        }
    }));
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::Untrusted);
    assert!(bench.machine.identities().is_empty(), "no digits");
    // It is the phone that holds the activation now; the true reply still brings it to its digits.
    bench.tap = None;
    bench.resume().await;
    assert_eq!(bench.machine.identities()[0].standing, IdentityStanding::Enrolling(Stage::Digits));
    let sent = bench.sent(SealedEnrol::PATH).clone();
    assert!(sent.reply.is_ok());
    assert_eq!(world.digits(&activation, "00000000").await.0, 403);
}

/// A man in between who puts his own device key into the phone's message.
#[tokio::test]
async fn a07_a_swapped_device_key_enrols_nothing() {
    let world = World::new().await;
    for form in ["link", "code"] {
        let citizen = world.citizen(&format!("swapped-{form}")).await;
        let (activation, text) = world.hand_out(&citizen, form).await;
        let bench = Bench::new(&world, 1);
        let forge = Forge::open(&bench, Handed::parse(&text)).await.unwrap();
        let mine = Secret([8; 32]);
        // His key with the phone's proof, the phone's key with his proof, a proof of another transcript: even with the
        // secret, a key that has not signed the transcript is not taken, and none of it costs a try.
        let environment = bench.environment().to_owned();
        let prove = |key: &Secret<32>, transcript| {
            sign_with(&godkend_protocol::messages::activation::EnrolProof { transcript }, &environment, key)
        };
        let (core, swapped) = (Forge::core(&POSSESSION), Forge::core(&mine));
        let honest = forge.seal(&core, &POSSESSION);
        for (why, forged) in [
            ("his key, the phone's proof", forge.seal(&swapped, &POSSESSION)),
            ("the phone's key, his proof", forge.seal(&core, &mine)),
            ("a proof of another message", forge.seal_with(&swapped, |_| prove(&mine, honest.transcript))),
        ] {
            let refused = bench.post(SealedEnrol::PATH, forged.body).await;
            assert_eq!(refusal(refused).0, Code::SignatureInvalid, "{why}");
        }
        // Without the secret he cannot make an envelope or a MAC at all.
        let mut blind = forge.clone();
        blind.handed = match &forge.handed {
            Handed::Link(id, _) => Handed::Link(*id, Secret([0; 32])),
            Handed::Code(right) => guess(right, 1),
        };
        let forged = blind.seal(&swapped, &mine);
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, forged.body).await).0, Code::ActivationRefused);
        // Nor is an envelope for one activation taken for another.
        let (_, second) = world.hand_out(&citizen, form).await;
        let second = Forge::open(&bench, Handed::parse(&second)).await.unwrap();
        let mut moved: SealedEnrol = cbor::decode(&honest.body).unwrap();
        moved.offer = Blob(second.offer.clone());
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, cbor::encode(&moved)).await).0, Code::ActivationRefused);

        let reply = bench.post(SealedEnrol::PATH, honest.body.clone()).await.unwrap();
        let reply = honest.read(&reply, bench.environment());
        let shown = digits::of_transcript(&full_transcript(&reply.transcript, &reply.nonce));
        assert_eq!(world.digits(&activation, &shown).await.0, 200);
    }
}

#[tokio::test]
async fn a07_a_phished_code_in_anothers_phone_fails_at_the_typed_digits_also_after_grinding() {
    let mut world = World::new().await;
    let victim = world.citizen("phished-vera").await;
    let thief = world.citizen("thief-tom").await;
    let (activation, code_of_vera) = world.hand_out(&victim, "code").await;
    let bench = Bench::new(&world, 1);
    // The thief's phone takes Vera's activation. From here on its digits stand, whatever he does.
    let thiefs = Forge::open(&bench, Handed::parse(&code_of_vera)).await.unwrap();
    let offers = Forge::open(&bench, Handed::parse(&code_of_vera)).await.unwrap();
    let first = thiefs.seal(&Forge::core(&POSSESSION), &POSSESSION);
    let before = tempfile::tempdir().unwrap();
    world.stop().await;
    copy(&world.data(), before.path());
    world.start().await;
    let taken = bench.post(SealedEnrol::PATH, first.body.clone()).await.unwrap();
    let reply = first.read(&taken, bench.environment());
    let his = digits::of_transcript(&full_transcript(&reply.transcript, &reply.nonce));
    for number in 0..30_u8 {
        let key = Secret([number + 20; 32]);
        let from = if number % 2 == 0 { &thiefs } else { &offers };
        let again = from.seal(&Forge::core(&key), &key);
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, again.body).await).0, Code::ActivationUsed);
    }
    assert_eq!(
        bench.post(SealedEnrol::PATH, first.body.clone()).await.unwrap(),
        taken,
        "the same bytes, the same reply"
    );

    // He lures Vera's phone into an activation of his own, hoping that its digits match. There he may have as many
    // tries as a desk hands him activations, and each gives one draw that comes after the phone's message is fixed.
    let mut draws = std::collections::BTreeSet::new();
    let vera = world.phone().await;
    for _ in 0..3 {
        let (_, link) = world.hand_out(&thief, "link").await;
        let (identity, digits) = vera.begin_activation(&link).await.unwrap();
        assert!(draws.insert(digits.clone()));
        assert_ne!(digits, his);
        let (status, reply) = world.digits(&activation, &digits).await;
        assert_eq!(status, 403, "{reply}");
        vera.run(Command::Forget { identity }).await.unwrap();
    }
    let (_, reply) = world.digits(&activation, &his).await;
    assert_eq!(reply["error"], "digits_blocked", "three wrong ones made it void; the thief's own come too late");
    assert!(world.devices(&victim).await.iter().all(|device| device["state"] != "active"));

    // Vera is not blocked: a new activation works at once.
    vera.activate(&world, &victim, PIN).await;

    // The same message, the same server, the same state: other digits. Nobody computes them beforehand.
    world.stop().await;
    std::fs::remove_dir_all(world.data()).unwrap();
    copy(before.path(), &world.data());
    world.start().await;
    let again = bench.post(SealedEnrol::PATH, first.body.clone()).await.unwrap();
    let again = first.read(&again, bench.environment());
    assert_eq!(again.transcript, reply_of(&first, &taken, &bench).transcript);
    assert_ne!(digits::of_transcript(&full_transcript(&again.transcript, &again.nonce)), his);
}

fn reply_of(forged: &godkend_tests::forge::Forged, bytes: &[u8], bench: &Bench) -> EnrolReply {
    forged.read(bytes, bench.environment())
}

/// All that the server keeps, its log too; it must be stopped.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.as_ref().unwrap(), to.join(entry.as_ref().unwrap().file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn login(world: &World, phone: &Phone, with: Approval) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve_with(&view, with, false).await?;
    browser.signed_in().await;
    Ok(())
}

#[tokio::test]
async fn a49_a_phone_without_biometrics_or_key_agreement_activates_and_what_it_lacks_is_absent() {
    let world = World::new().await;
    let finger = Finger::default();
    let without_agreement = Persona::with_biometrics(finger.clone()).without_key_agreement();
    for (user_id, persona, biometrics) in [
        ("lacks-both", Persona::default().without_key_agreement(), false),
        ("lacks-finger", Persona::default(), false),
        ("lacks-agree", without_agreement, true),
    ] {
        let citizen = world.citizen(user_id).await;
        let phone = Phone::with(world.root.clone(), vec![Suite::P256], persona, finger.clone()).await;
        phone.activate(&world, &citizen, PIN).await;
        login(&world, &phone, with_pin(PIN)).await.unwrap();
        let turned_on = phone.biometrics_on().await;
        assert_eq!(turned_on.is_ok(), biometrics, "{user_id}: {turned_on:?}");
        assert_eq!(login(&world, &phone, Approval::Biometric).await.is_ok(), biometrics);
        let view = &phone.client.identities()[0];
        assert_eq!((view.biometrics, view.offline), (biometrics, false), "{user_id}");
        let mut keys = vec![KeyPurpose::Possession];
        keys.extend(biometrics.then_some(KeyPurpose::Biometric));
        assert_eq!(phone.overview().await.devices[0].keys, keys, "{user_id}");
        // No offline code, and none of a weaker make.
        let mut browser = world.login_page(&Ask::login()).await;
        let scanned = phone.scan(&browser.offline_qr(user_id).await).await;
        let failure = match scanned {
            Ok(view) => phone.approve_with(&view, Approval::Biometric, false).await.unwrap_err(),
            Err(failure) => failure,
        };
        assert!(matches!(failure, Failure::NotSupported | Failure::NoIdentity), "{user_id}: {failure:?}");
        for wrong in ["00000000", "11111111"] {
            assert_eq!(browser.type_offline_code(wrong).await.0, 403, "{user_id}");
        }
        login(&world, &phone, with_pin(PIN)).await.unwrap();
    }
}

/// The phone's owner has its keys out, and says "finger" where there is none.
#[tokio::test]
async fn a49_a_biometric_approval_of_a_phone_that_has_none_is_refused_by_the_server() {
    let world = World::new().await;
    let citizen = world.citizen("lacks-fingers").await;
    let mut bench = Bench::new(&world, 1);
    bench.keys.set_persona(Persona::default());
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let (mut page, view) = bench.scan(&world).await;
    assert_eq!(view.factors, [Factor::Pin]);
    let fetched: godkend_protocol::messages::approval::Fetched =
        cbor::decode(bench.sent("challenge").reply.as_ref().unwrap()).unwrap();
    let captured = bench.sent("answer").clone();
    let earlier: AnswerRequest = cbor::decode(&captured.body).unwrap();
    let received = godkend_protocol::cose::Received::<godkend_protocol::messages::approval::Challenge>::parse(
        &fetched.challenge.0,
        bench.environment(),
    )
    .unwrap();
    let hash = godkend_protocol::messages::approval::challenge_hash(received.payload());
    let reply = godkend_protocol::cose::Received::<godkend_protocol::messages::approval::AnswerReply>::parse(
        captured.reply.as_ref().unwrap(),
        bench.environment(),
    )
    .unwrap();
    let answer = bench.resign::<godkend_protocol::messages::approval::Answer>(&earlier.answer.0, |answer| {
        answer.challenge = hash;
        answer.factor = Factor::Biometric;
        answer.ratchet_hash = godkend_protocol::messages::approval::ratchet_hash(&reply.claimed().ratchet);
        answer.ratchet_count = reply.claimed().ratchet_count;
    });
    let parsed = godkend_protocol::cose::Received::<godkend_protocol::messages::approval::Answer>::parse(
        &answer,
        bench.environment(),
    )
    .unwrap();
    let unsigned = godkend_protocol::cose::Unsigned::new(parsed.claimed(), bench.environment(), None);
    let tbs = unsigned.to_be_signed_as(godkend_protocol::cose::Role::Biometric);
    let signature = crypto::p256_sign(&bench.secret(KeyPurpose::Possession), &tbs);
    let forged = AnswerRequest {
        answer: Blob(answer),
        challenge: fetched.challenge,
        factor_signature: signature,
        pin: None,
        data: None,
        new_keys: vec![],
    };
    let refused = refusal(bench.post(AnswerRequest::PATH, cbor::encode(&forged)).await).0;
    assert_eq!(refused, Code::FactorRefused);
    assert_eq!(page.state().await["finish"], serde_json::Value::Null);
    bench.ok(Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }).await;
    page.signed_in().await;
}

/// A key store that makes what it can, and says so.
struct Weaker {
    keys: Arc<SoftwareKeys>,
    gives: SecurityLevel,
}

#[async_trait]
impl HardwareKeys for Weaker {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        let soft = KeyPolicy { security: SecurityLevel::Software, ..policy };
        let made = self.keys.create(alias, soft).await?;
        Ok(CreatedKey { security: self.gives, ..made })
    }
    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        self.keys.sign(alias, message, prompt).await
    }
    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        self.keys.derive(alias, input).await
    }
    async fn agree(&self, alias: KeyAlias, at: PublicKey, ask: Option<String>) -> Result<SecretBytes32, KeyFailure> {
        self.keys.agree(alias, at, ask).await
    }
    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.keys.delete(aliases).await
    }
    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        self.keys.aliases().await
    }
}

#[tokio::test]
async fn a49_a_phone_without_strongbox_activates_with_what_it_has_and_never_with_less_than_it_promises() {
    let world = World::new().await;
    let citizen = world.citizen("lacks-strongbox").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let mut bench = Bench::new(&world, 1);
    let activate = || Command::Activate { text: link.clone(), environment: None };
    // An app that promises StrongBox keys, on a phone that has none: an error, and no weaker key is sent.
    bench.config.security = SecurityLevel::Dedicated;
    bench.restart();
    bench.hardware = Some(Arc::new(Weaker { keys: bench.keys.clone(), gives: SecurityLevel::TrustedEnvironment }));
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::NotSupported);
    bench.hardware = None;
    assert_eq!(bench.run(activate(), None).await.0.unwrap().unwrap_err(), Failure::NotSupported);
    assert!(bench.traffic.iter().all(|exchange| exchange.path != SealedEnrol::PATH));
    assert!(bench.keys.aliases().await.unwrap().is_empty(), "no orphans");
    // The same app, content with what this phone has.
    bench.config.security = SecurityLevel::Software;
    bench.restart();
    let Outcome::Digits { digits, .. } = bench.ok(activate()).await else { panic!() };
    assert_eq!(world.digits(&activation, &digits).await.0, 200);
    bench.ok(Command::ChoosePin { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    bench.login(&world, with_pin(PIN)).await.unwrap();
}
