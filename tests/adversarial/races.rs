//! One outcome, whoever answers at once; and none from a phone that was revoked meanwhile.

use std::collections::BTreeSet;

use godkend_core::{Approval, Command, Failure, RequestView};
use godkend_protocol::bytes::Blob;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Answer, AnswerReply, Challenge, Fetched, challenge_hash, ratchet_hash};
use godkend_protocol::types::{Decision, Factor};
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::{PIN, code, with_pin};
use godkend_tests::{Ask, Phone, World};

use crate::approval::{answer_of, approve, bench, forged, unfinished};

/// Answers of one person's to the same request that come at the same moment.
async fn answer(phone: &Phone, view: &RequestView, decision: Decision) -> Result<(), Failure> {
    match decision {
        Decision::Approve => phone.approve_with(view, Approval::Biometric, false).await.map(|_| ()),
        Decision::Deny => phone.deny(view).await,
        Decision::ReportFraud => phone.report(view).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a15_two_phones_that_answer_at_once_make_one_outcome() {
    let world = World::new().await;
    let (citizen, first) = world.person("anna-race").await;
    let second = world.phone().await;
    second.activate(&world, &citizen, PIN).await;
    first.biometrics_on().await.unwrap();
    second.biometrics_on().await.unwrap();
    let notices = first.waiting().await;
    for notice in &notices {
        let view = first.open(notice).await.unwrap();
        first.approve_with(&view, Approval::Biometric, false).await.unwrap();
    }
    use Decision::{Approve, Deny, ReportFraud};
    let pairs = [(Approve, Deny), (Deny, Approve), (Approve, ReportFraud), (Deny, ReportFraud), (Approve, Approve)];
    let mut wins = [0; 2];
    for round in 0..4 {
        for (one, other) in pairs {
            // A report forgets the browser and blocks its source: each round begins anew.
            world.advance(700).await;
            let mut browser = world.login_page(&Ask::login()).await;
            let view = first.scan(&browser.qr().await).await.unwrap();
            first.approve_with(&view, with_pin(PIN), true).await.unwrap();
            browser.signed_in().await;
            browser.open(&world, &Ask::login()).await;
            let (a, b) = (first.open(&first.waiting().await[0]).await, second.open(&second.waiting().await[0]).await);
            let (a, b) = (a.unwrap(), b.unwrap());
            let before = decided(&world, &citizen).await;
            let (phone, racing) = (second.clone(), b.clone());
            let race = tokio::spawn(async move { answer(&phone, &racing, other).await });
            let results = [answer(&first, &a, one).await, race.await.unwrap()];
            let won: Vec<_> = (0..2).filter(|at| results[*at].is_ok()).collect();
            assert_eq!(won.len(), 1, "round {round}, {one:?} and {other:?}: {results:?}");
            wins[won[0]] += 1;
            let lost = results[1 - won[0]].clone();
            assert_eq!(code(lost.clone()), Some(Code::TransactionFinished), "{lost:?}");
            assert_eq!(decided(&world, &citizen).await, before + 1);
            match [one, other][won[0]] {
                Approve => assert_eq!(browser.signed_in().await["godkend.binding"], "remembered_browser"),
                Deny | ReportFraud => assert_eq!(browser.finish().await["error"], "access_denied"),
            }
        }
    }
    println!("a15: the first phone won {} rounds, the second {}", wins[0], wins[1]);
    // Neither is frozen, no try is gone.
    world.advance(700).await;
    for phone in [first, second] {
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        assert_eq!(view.pin.unwrap().tries_left, 3);
        phone.approve(&view, PIN).await.unwrap();
        browser.signed_in().await;
    }
}

async fn decided(world: &World, citizen: &godkend_tests::world::Citizen) -> usize {
    let history = world.history(citizen).await;
    history.iter().filter(|line| ["approved", "refused", "reported"].contains(&line.as_str())).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a15_one_phone_that_signs_every_answer_at_once_makes_one_outcome() {
    let world = World::new().await;
    let (citizen, mut phone) = bench(&world, "bent-race", 15).await;
    let (mut browser, view) = phone.scan(&world).await;
    let (_, mut last) = answer_of(&phone.until(approve(&view, Approval::Biometric), "answer").await);
    let mut outcomes = BTreeSet::new();
    for round in 0..12 {
        if round > 0 {
            browser = phone.scan(&world).await.0;
        }
        let fetched: Fetched = cbor::decode(phone.sent("challenge").reply.as_ref().unwrap()).unwrap();
        let challenge: &Blob = &fetched.challenge;
        let hash = challenge_hash(Received::<Challenge>::parse(&challenge.0, "test").unwrap().payload());
        let bodies = [
            (Decision::Approve, Factor::Biometric),
            (Decision::Deny, Factor::None),
            (Decision::ReportFraud, Factor::None),
        ]
        .map(|(decision, factor)| {
            let answer = Answer { challenge: hash, decision, factor, ..last.clone() };
            forged(&phone, &answer, challenge)
        });
        let send = |which: usize| phone.post("answer", bodies[(which + round) % 3].clone());
        let before = decided(&world, &citizen).await;
        let (a, b, c, d, e, f) = tokio::join!(send(0), send(1), send(2), send(0), send(1), send(2));
        let replies: BTreeSet<_> = [a, b, c, d, e, f].into_iter().filter_map(Result::ok).collect();
        assert_eq!(replies.len(), 1, "round {round}: one answer is taken, and a repetition hears the same");
        assert_eq!(decided(&world, &citizen).await, before + 1);
        let reply = Received::<AnswerReply>::parse(replies.first().unwrap(), "test").unwrap().claimed().clone();
        last.ratchet_hash = ratchet_hash(&reply.ratchet);
        last.ratchet_count = reply.ratchet_count;
        let state = browser.state().await["state"].as_str().unwrap().to_owned();
        match state.as_str() {
            "approved" => drop(browser.signed_in().await),
            _ => assert_eq!(browser.finish().await["error"], "access_denied"),
        }
        outcomes.insert(state);
        world.advance(61).await;
    }
    println!("a15: {outcomes:?} each won a round");
    assert_eq!(world.devices(&citizen).await[0]["state"], "active", "the phone's own race freezes nobody");
}

#[tokio::test]
async fn a34_a_phone_that_is_revoked_during_a_transaction_cannot_finish_it() {
    let world = World::new().await;
    let ways = ["block code", "desk blocks", "desk removes", "sibling removes", "itself", "identity"];
    for (seed, way) in (340..).zip(ways) {
        let (citizen, mut phone) = bench(&world, &format!("person-{seed}"), seed).await;
        let sibling = world.phone().await;
        sibling.activate(&world, &citizen, PIN).await;
        let device = phone.device();
        let block_code = phone.machine.identities()[0].block_code.clone().unwrap();
        // Opened with both factors: one answer is ready to go, one has its PIN try behind it.
        let (mut fingered, view) = phone.scan(&world).await;
        let stored = phone.stored.clone();
        let finger = phone.until(approve(&view, Approval::Biometric), "answer").await;
        phone.stored = stored;
        phone.restart();
        let (mut pinned, view) = phone.scan(&world).await;
        let pin = phone.until(approve(&view, with_pin(PIN)), "answer").await;

        let by = Some(json!({ "by": "test desk" }));
        let id = device.to_base64();
        let expected = match way {
            "block code" => {
                let (status, page) = world.browser().submit("/block", &[("code", &block_code)]).await;
                assert_eq!(status, 200, "{page}");
                Code::DeviceBlocked
            }
            "desk blocks" => {
                world.desk(Method::POST, &format!("devices/{id}/block"), by.clone()).await;
                Code::DeviceBlocked
            }
            "desk removes" => {
                world.desk(Method::POST, &format!("devices/{id}/remove"), by.clone()).await;
                Code::DeviceRemoved
            }
            "sibling removes" => {
                let command = Command::RemoveDevice { identity: None, device: Some(device), with: with_pin(PIN) };
                sibling.run(command).await.unwrap();
                Code::DeviceRemoved
            }
            "itself" => {
                let message = godkend_protocol::messages::device::BlockSelf {
                    device,
                    nonce: godkend_protocol::bytes::Fixed([9; 32]),
                };
                assert!(phone.post("block", phone.sign(&message)).await.is_ok());
                Code::DeviceBlocked
            }
            _ => {
                world.desk(Method::POST, &format!("citizens/{}/block", citizen.id), by.clone()).await;
                Code::IdentityBlocked
            }
        };
        for body in [finger.clone(), pin.clone(), finger.clone()] {
            assert_eq!(phone.refusal("answer", body).await, Some(expected), "{way}");
        }
        assert!(unfinished(&mut fingered).await && unfinished(&mut pinned).await, "{way}");
        assert_eq!(phone.run(Command::Resume, None).await.0.map(|result| result.is_ok()), Some(true));
        // The person goes on with the other phone at once, where the person is not blocked.
        let mut browser = world.login_page(&Ask::login()).await;
        let scanned = sibling.scan(&browser.qr().await).await;
        if way == "identity" {
            assert_eq!(code(scanned), Some(Code::IdentityBlocked));
        } else {
            let view = scanned.unwrap();
            assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
            sibling.approve(&view, PIN).await.unwrap();
            browser.signed_in().await;
        }
    }
}

#[tokio::test]
async fn a34_what_was_pushed_to_two_phones_is_finished_by_the_one_that_is_left() {
    let world = World::new().await;
    let (citizen, lost) = world.person("gry-two").await;
    let kept = world.phone().await;
    kept.activate(&world, &citizen, PIN).await;
    kept.biometrics_on().await.unwrap();
    lost.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let view = kept.scan(&browser.qr().await).await.unwrap();
    kept.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    browser.open(&world, &Ask::login()).await;
    let pushed = kept.waiting().await;
    let pushed = pushed.iter().find(|item| item.id.to_base64() == browser.login()).unwrap();
    let (mine, thiefs) = (kept.open(pushed).await.unwrap(), lost.open(pushed).await.unwrap());
    let device = lost.client.identities()[0].device.to_base64();
    world.desk(Method::POST, &format!("devices/{device}/block"), Some(json!({ "by": "test desk" }))).await;
    let refused = lost.approve_with(&thiefs, Approval::Biometric, false).await;
    assert_eq!(code(refused), Some(Code::DeviceBlocked));
    assert!(unfinished(&mut browser).await);
    kept.approve_with(&mine, Approval::Biometric, false).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn a34_an_identity_that_is_blocked_after_its_approval_is_not_handed_out() {
    let world = World::new().await;
    let (citizen, phone) = world.person("hans-late").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let path = |what: &str| format!("citizens/{}/{what}", citizen.id);
    world.desk(Method::POST, &path("block"), Some(json!({ "by": "test desk" }))).await;
    let finish = format!("/login/{}/finish", browser.login());
    let (status, page) = browser.get(&finish).await;
    assert_eq!(status, 403, "{page}");
    world.desk(Method::POST, &path("unblock"), Some(json!({ "by": "test desk" }))).await;
    browser.signed_in().await;
}
