//! Tries: what costs one, what costs none, and that nobody gets more of them.

use std::collections::BTreeSet;

use godkend_core::{Approval, Command, Failure, Pin};
use godkend_protocol::bytes::{Blob, Fixed, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, PinProof, challenge_hash};
use godkend_protocol::messages::pin::{PinStart, PinStartRequest, PinStarted};
use godkend_protocol::opaque::Proved;
use godkend_protocol::types::KeyPurpose;

use super::hand::{
    ALL, active, approval, ask, begin, goes_on, http, left, next_exchange, open, post, refused, spend, start_request,
};
use godkend_tests::bench::{Kill, sign_with};
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};
use godkend_tests::world::Citizen;
use godkend_tests::{Bench, World};

/// The same phone a second time: its software keys and what it has stored.
fn copy_of(bench: &Bench, world: &World, seed: u64) -> Bench {
    let mut copy = Bench::new(world, seed);
    copy.keys.import(&bench.keys.export()).unwrap();
    copy.stored.clone_from(&bench.stored);
    copy.restart();
    copy
}

/// Fifty first messages of five copies at once, ten numbers each from `first` on, and the same ten in every copy. Gives
/// the numbers of the exchanges that were evaluated.
async fn volley(copies: &mut [Bench], world: &World, first: u64) -> Vec<u64> {
    let (http, url) = (http(), format!("{}/phone/v1/{}", world.url, PinStartRequest::PATH));
    let mut bodies = Vec::new();
    for copy in &mut *copies {
        let asked = ask(copy, world).await;
        bodies.extend((0..10).map(|n| begin(copy, &asked, first + n, OTHER_PIN).body));
    }
    assert_eq!(bodies.len(), 50);
    let mut shots = tokio::task::JoinSet::new();
    for body in bodies {
        shots.spawn(post(http.clone(), url.clone(), body));
    }
    let mut evaluated = Vec::new();
    while let Some(shot) = shots.join_next().await {
        match shot.unwrap() {
            Ok(reply) => evaluated.push(cbor::decode::<PinStarted>(&reply).unwrap().exchange),
            Err(Code::PinExchangeClosed | Code::PinWaiting | Code::PinDead | Code::Conflict) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    evaluated
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a16_fifty_parallel_tries_from_five_copies_get_no_more_than_are_left() {
    let (world, _, mut bench) = active("adam-parallel").await;
    let mut copies: Vec<_> = (0..5).map(|seed| copy_of(&bench, &world, 160 + seed)).collect();
    let mut next = next_exchange(&bench);
    let mut numbers = BTreeSet::new();
    // One volley alone never gets more than the round; and volley after volley, each round gives exactly its three.
    for (round, wait) in [60, 60, 3_600, 0].into_iter().enumerate() {
        let mut evaluated = Vec::new();
        loop {
            let volley = volley(&mut copies, &world, next).await;
            next += 10;
            if volley.is_empty() {
                break;
            }
            evaluated.extend(volley);
        }
        assert_eq!(evaluated.len(), 3, "round {round}: {evaluated:?}");
        // No number was evaluated twice, though every copy asked for all of them.
        assert!(evaluated.into_iter().all(|number| numbers.insert(number)));
        if round == 0 {
            // The honest phone waits its minute, and a right PIN brings all tries back.
            assert_eq!(left(&mut bench, &world).await, (3, 1, true));
            world.advance(60).await;
            goes_on(&mut bench, &world).await;
            assert_eq!(left(&mut bench, &world).await, ALL);
            next = next.max(next_exchange(&bench));
        } else {
            world.advance(wait).await;
        }
    }
    // Twelve in all: three, and after the right PIN nine more. Then it is dead, and stays so.
    assert_eq!(numbers.len(), 12);
    assert!(ask(&mut bench, &world).await.left.dead);
    world.advance(1_000_000).await;
    assert!(volley(&mut copies, &world, next).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a16_fifty_parallel_tries_with_one_number_or_one_message_cost_one_try() {
    let (world, _, mut bench) = active("ada-parallel").await;
    let url = format!("{}/phone/v1/{}", world.url, PinStartRequest::PATH);
    let asked = ask(&mut bench, &world).await;
    let first = next_exchange(&bench);
    let same = begin(&bench, &asked, first + 1, OTHER_PIN).body;
    let different: Vec<_> = (0..50).map(|_| begin(&bench, &asked, first, OTHER_PIN).body).collect();
    for (bodies, evaluated, replies) in [(different, 1, 1), (vec![same; 50], 50, 1)] {
        let mut shots = tokio::task::JoinSet::new();
        for body in bodies {
            shots.spawn(post(http(), url.clone(), body));
        }
        let results = shots.join_all().await;
        let right: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(right.len(), evaluated, "{results:?}");
        assert_eq!(right.iter().collect::<BTreeSet<_>>().len(), replies, "one reply");
        for result in results {
            assert!(matches!(result, Ok(_) | Err(Code::PinExchangeClosed | Code::Conflict)), "{result:?}");
        }
    }
    assert_eq!(left(&mut bench, &world).await, (1, 2, false));
    goes_on(&mut bench, &world).await;
    assert_eq!(left(&mut bench, &world).await, ALL);
}

#[tokio::test]
async fn a17_an_abandoned_try_costs_one_and_the_same_message_gets_the_same_reply_free() {
    let (mut world, citizen, mut bench) = active("bo-abandoned").await;
    // The app is killed when KE2 has come, before it knows.
    for step in 0.. {
        let (_, view) = bench.scan(&world).await;
        assert_eq!(view.pin.unwrap().tries_left, 3, "step {step} is before the debit");
        let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
        let (result, _) = bench.run(approve, Some(Kill { step, done: true })).await;
        assert!(result.is_none(), "killed before the answer");
        if bench.traffic.last().unwrap().path == PinStartRequest::PATH {
            break;
        }
    }
    assert_eq!(left(&mut bench, &world).await, (2, 2, false));
    let (body, reply) = {
        let sent = bench.sent(PinStartRequest::PATH);
        (sent.body.clone(), sent.reply.clone().unwrap())
    };
    // The same first message: again, from elsewhere, signed anew, and over a restart of the server.
    let request: PinStartRequest = cbor::decode(&body).unwrap();
    let resigned = bench.resign::<PinStart>(&request.start.0, |_| {});
    let resigned = cbor::encode(&PinStartRequest { start: Blob(resigned), ..request.clone() });
    for _ in 0..3 {
        for body in [&body, &resigned] {
            assert_eq!(bench.post(PinStartRequest::PATH, body.clone()).await.unwrap(), reply);
        }
        world.restart().await;
    }
    assert_eq!(left(&mut bench, &world).await, (2, 2, false));
    // The next first message closes it: its debit stands, its reply is gone, and its proof is worth nothing.
    let asked = ask(&mut bench, &world).await;
    let number = next_exchange(&bench);
    let right = begin(&bench, &asked, number, PIN);
    let right_reply = bench.post(PinStartRequest::PATH, right.body.clone()).await.unwrap();
    assert_eq!(refused(bench.post(PinStartRequest::PATH, body).await), Some(Code::PinExchangeClosed));
    let proved = open(right, &right_reply, &asked.hash).unwrap();
    assert!(spend(&bench, &asked, number + 1, OTHER_PIN).await.is_none());
    let late = approval(&bench, &asked, number, &proved);
    assert_eq!(refused(bench.post(AnswerRequest::PATH, late).await), Some(Code::PinExchangeClosed));
    assert_eq!(left(&mut bench, &world).await, (3, 1, true), "three debits");
    // The person sees each of them.
    let wrong = world.history(&citizen).await.iter().filter(|event| *event == "pin_wrong").count();
    assert!(wrong >= 2, "{wrong}");
    world.advance(60).await;
    goes_on(&mut bench, &world).await;
    assert_eq!(left(&mut bench, &world).await, ALL);
}

#[tokio::test]
async fn a18_a_first_message_without_possession_or_for_another_challenge_costs_nothing() {
    let (world, _, mut bench) = active("cleo-free").await;
    let citizen = world.citizen("carl-free").await;
    let mut other = Bench::new(&world, 18);
    other.activate(&world, &citizen, &mut std::iter::empty()).await;
    let (a, b) = (ask(&mut bench, &world).await, ask(&mut bench, &world).await);
    let others = ask(&mut other, &world).await;
    let number = next_exchange(&bench);
    let good = begin(&bench, &a, number, OTHER_PIN).start;
    let environment = bench.environment().to_owned();
    let stranger = Secret([7; 32]);
    let signed = |start: &PinStart| start_request(bench.sign(start), &a);
    let with = |change: &dyn Fn(&mut PinStart)| {
        let mut start = good.clone();
        change(&mut start);
        signed(&start)
    };
    let mut unsigned = bench.sign(&good);
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let foreign_challenge = {
        // The server's challenge, changed and signed by the phone: the server signs its own.
        let mut challenge = a.claimed.clone();
        challenge.expires += 1_000_000;
        let cose = sign_with(&challenge, &environment, &bench.secret(KeyPurpose::Possession));
        let hash = challenge_hash(Received::<Challenge>::parse(&cose, &environment).unwrap().payload());
        let start = PinStart { challenge: hash, ..good.clone() };
        cbor::encode(&PinStartRequest { start: Blob(bench.sign(&start)), challenge: Blob(cose) })
    };
    let attacks: Vec<(&str, Vec<u8>, Code)> = vec![
        ("a signature that is none", start_request(unsigned, &a), Code::SignatureInvalid),
        ("a stranger's key", start_request(sign_with(&good, &environment, &stranger), &a), Code::SignatureInvalid),
        (
            "another phone's key",
            start_request(sign_with(&good, &environment, &other.secret(KeyPurpose::Possession)), &a),
            Code::SignatureInvalid,
        ),
        (
            "another environment",
            start_request(sign_with(&good, "elsewhere", &bench.secret(KeyPurpose::Possession)), &a),
            Code::WrongEnvironment,
        ),
        ("no device of this server", with(&|start| start.device = Fixed([9; 16])), Code::DeviceUnknown),
        ("another device", with(&|start| start.device = others.claimed.device), Code::SignatureInvalid),
        ("signed for another challenge", with(&|start| start.challenge = b.hash), Code::ChallengeInvalid),
        ("signed for no challenge", with(&|start| start.challenge = Fixed([0; 32])), Code::ChallengeInvalid),
        ("sent with another challenge", start_request(bench.sign(&good), &b), Code::ChallengeInvalid),
        (
            "another phone's challenge",
            {
                let start = PinStart { challenge: others.hash, ..good.clone() };
                start_request(bench.sign(&start), &others)
            },
            Code::ChallengeInvalid,
        ),
        ("a challenge of the phone's own", foreign_challenge, Code::ChallengeInvalid),
        ("an exchange that was", with(&|start| start.exchange = number - 1), Code::PinExchangeClosed),
        ("exchange 0", with(&|start| start.exchange = 0), Code::PinExchangeClosed),
        ("the last of all exchanges", with(&|start| start.exchange = u64::MAX), Code::Malformed),
        ("a KE1 of zeros", with(&|start| start.ke1 = Blob(vec![0; 98])), Code::Malformed),
        ("a short KE1", with(&|start| start.ke1 = Blob(start.ke1.0[..97].to_vec())), Code::Malformed),
        ("no KE1", with(&|start| start.ke1 = Blob(Vec::new())), Code::Malformed),
    ];
    for (what, body, expected) in attacks {
        assert_eq!(refused(bench.post(PinStartRequest::PATH, body).await), Some(expected), "{what}");
        assert_eq!(left(&mut bench, &world).await, ALL, "{what}");
        assert_eq!(left(&mut other, &world).await, ALL, "{what}");
    }
    // After its time it costs nothing either.
    let old = begin(&bench, &a, number, OTHER_PIN).body;
    world.advance(181).await;
    assert_eq!(refused(bench.post(PinStartRequest::PATH, old).await), Some(Code::TransactionExpired));
    assert_eq!(left(&mut bench, &world).await, ALL);
    // And the very number that all of them named is still the phone's.
    bench.login(&world, with_pin(PIN)).await.unwrap();
    other.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a42_a_proof_for_one_challenge_is_refused_in_another() {
    let (world, _, mut bench) = active("dan-swap").await;
    let (mut a, mut b) = (ask(&mut bench, &world).await, ask(&mut bench, &world).await);
    let number = next_exchange(&bench);
    let proved = spend(&bench, &a, number, PIN).await.unwrap();
    // Everything but the exchange is B's own, and signed with the phone's keys: possession's and the PIN's.
    let wrong = approval(&bench, &b, number, &proved);
    assert_eq!(refused(bench.post(AnswerRequest::PATH, wrong.clone()).await), Some(Code::ChallengeInvalid));
    assert_eq!(b.browser.state().await["finish"], serde_json::Value::Null);
    // With A's challenge beside B's answer, and B's beside A's.
    let swapped = |body: &[u8], challenge: &Blob| {
        let request: AnswerRequest = cbor::decode(body).unwrap();
        cbor::encode(&AnswerRequest { challenge: challenge.clone(), ..request })
    };
    let right = approval(&bench, &a, number, &proved);
    for body in [swapped(&wrong, &a.challenge), swapped(&right, &b.challenge)] {
        assert_eq!(refused(bench.post(AnswerRequest::PATH, body).await), Some(Code::ChallengeInvalid));
    }
    // An exchange for B with the proof of A's.
    let exchange: AnswerRequest = cbor::decode(&wrong).unwrap();
    let other = PinProof { exchange: number + 1, ke3: proved.ke3.clone() };
    let other = cbor::encode(&AnswerRequest { pin: Some(other), ..exchange });
    assert_eq!(refused(bench.post(AnswerRequest::PATH, other).await), Some(Code::PinExchangeClosed));
    // None of it closed the exchange: what the person did approve goes through, once.
    bench.post(AnswerRequest::PATH, right).await.unwrap();
    a.browser.signed_in().await;
    assert_eq!(b.browser.state().await["finish"], serde_json::Value::Null);
    assert_eq!(left(&mut bench, &world).await, ALL);
}

#[tokio::test]
async fn a43_a_right_pin_after_expiry_approves_nothing_and_restores_the_tries() {
    let (world, _, mut bench) = active("eva-late").await;
    let mut asked = ask(&mut bench, &world).await;
    let number = next_exchange(&bench);
    for wrong in 0..2 {
        assert!(spend(&bench, &asked, number + wrong, OTHER_PIN).await.is_none());
    }
    let proved = spend(&bench, &asked, number + 2, PIN).await.unwrap();
    assert_eq!(left(&mut bench, &world).await, (3, 1, true), "all three are spent as long as nobody proves");
    world.advance(185).await;
    // A proof that is none restores nothing, however late; nor does one that lacks a signature or is not possession's.
    let late = approval(&bench, &asked, number + 2, &proved);
    let request: AnswerRequest = cbor::decode(&late).unwrap();
    let answer = Received::<Answer>::parse(&request.answer.0, bench.environment()).unwrap().claimed().clone();
    let stranger = sign_with(&answer, bench.environment(), &Secret([7; 32]));
    let forged = cbor::encode(&AnswerRequest { answer: Blob(stranger), ..request });
    assert_eq!(refused(bench.post(AnswerRequest::PATH, forged).await), Some(Code::SignatureInvalid));
    assert_eq!(left(&mut bench, &world).await.1, 1);
    assert_eq!(refused(bench.post(AnswerRequest::PATH, late.clone()).await), Some(Code::TransactionExpired));
    assert_eq!(left(&mut bench, &world).await, ALL);
    assert_eq!(asked.browser.state().await["state"], "expired");
    let told = asked.browser.finish().await;
    assert!(told.contains_key("error") && !told.contains_key("code"), "{told:?}");
    // The late proof is good once: it brings back no tries that are spent after it.
    let next = ask(&mut bench, &world).await;
    assert!(spend(&bench, &next, number + 3, OTHER_PIN).await.is_none());
    assert_eq!(refused(bench.post(AnswerRequest::PATH, late).await), Some(Code::TransactionExpired));
    assert_eq!(left(&mut bench, &world).await, (2, 2, false));
    // A wrong proof after expiry stays a spent try.
    let wrong = Proved { ke3: Blob(vec![7; 32]), export_key: Secret([1; 32]) };
    let wrong = approval(&bench, &next, number + 3, &wrong);
    world.advance(185).await;
    assert_eq!(refused(bench.post(AnswerRequest::PATH, wrong).await), Some(Code::PinWrong));
    assert_eq!(left(&mut bench, &world).await, (2, 2, false));
    goes_on(&mut bench, &world).await;
    assert_eq!(left(&mut bench, &world).await, ALL);
}

/// The phone itself gives up on its own clock, and spends no try for what is over.
#[tokio::test]
async fn a43_the_phone_does_not_try_a_pin_on_what_has_expired() {
    let (world, _, mut bench) = active("eli-late").await;
    let (_, view) = bench.scan(&world).await;
    bench.milliseconds += 181_000;
    let sent = bench.traffic.len();
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    assert_eq!(bench.run(approve, None).await.0.unwrap().unwrap_err(), Failure::Expired);
    assert_eq!(bench.traffic.len(), sent, "nothing was sent");
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

/// What is known of the sweep: every state that the phone may be killed in, with one PIN and one set of keys after it.
async fn killed_everywhere(bench: &mut Bench, world: &mut World, citizen: &Citizen, pin: bool) {
    let mut kills = 0;
    for step in 0.. {
        let mut finished = false;
        for done in [false, true] {
            let before = bench.secret(KeyPurpose::Possession);
            let old = Pin::new(bench.pin).unwrap();
            let new = if bench.pin == PIN { OTHER_PIN } else { PIN };
            let command = match pin {
                true => Command::ChangePin { identity: None, old, new: Pin::new(new).unwrap() },
                false => Command::RotateKeys { identity: None, pin: old },
            };
            let result = bench.run(command, Some(Kill { step, done })).await.0;
            finished = result.is_some();
            if let Some(result) = result {
                result.unwrap();
            } else {
                kills += 1;
                // The server ends at the same moment.
                world.restart().await;
            }
            // One of two PINs works and the other does not; the keys are those that are needed, and no others.
            bench.check(world, citizen).await;
            if finished && pin {
                assert_eq!(bench.pin, new, "an acknowledged change is done");
            }
            let after = bench.secret(KeyPurpose::Possession);
            if !pin && finished {
                assert_ne!(after, before, "an acknowledged rotation is done");
            }
            if after != before {
                // The old key signs nothing any more.
                let asked = ask(bench, world).await;
                let start = begin(bench, &asked, next_exchange(bench), bench.pin).start;
                let old = start_request(sign_with(&start, bench.environment(), &before), &asked);
                assert_eq!(refused(bench.post(PinStartRequest::PATH, old).await), Some(Code::SignatureInvalid));
            }
            assert_eq!(left(bench, world).await, ALL);
        }
        if finished {
            break;
        }
    }
    println!("{kills} kills");
    assert!(kills > 10, "{kills}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a50_a_pin_change_killed_at_every_step_leaves_one_pin() {
    let (mut world, citizen, mut bench) = active("finn-killed").await;
    killed_everywhere(&mut bench, &mut world, &citizen, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a50_a_key_rotation_killed_at_every_step_leaves_one_set_of_keys() {
    let (mut world, citizen, mut bench) = active("fie-killed").await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    bench.login(&world, Approval::Biometric).await.unwrap();
    killed_everywhere(&mut bench, &mut world, &citizen, false).await;
}
