//! A phone's data in two places at once, and a phone whose answers get lost: told apart.

use godkend_core::{Approval, Command, Failure, HistoryEvent, IdentityStanding, Pin, ServerFailure};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::AnswerRequest;
use serde_json::Value;

use godkend_tests::bench::{Kill, Tap};
use godkend_tests::phone::{PIN, Phone, code, with_pin};
use godkend_tests::{Ask, Bench, World};

pub(super) async fn login(world: &World, phone: &Phone, with: Approval) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    let approved = phone.approve_with(&view, with, false).await;
    if approved.is_err() {
        assert_eq!(browser.state().await["finish"], Value::Null, "refused, and signed in all the same");
    }
    approved?;
    browser.signed_in().await;
    Ok(())
}

/// How a second store answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Pin,
    Biometric,
    Deny,
    Report,
}

impl How {
    pub(super) const ALL: [Self; 4] = [Self::Pin, Self::Biometric, Self::Deny, Self::Report];

    /// Answers until the server has judged an answer: a try that was made already is none.
    pub(super) async fn answers(self, world: &World, phone: &Phone) -> Result<(), Failure> {
        for _ in 0..10 {
            let result = match self {
                Self::Pin => login(world, phone, with_pin(PIN)).await,
                Self::Biometric => login(world, phone, Approval::Biometric).await,
                Self::Deny | Self::Report => {
                    let mut browser = world.login_page(&Ask::login()).await;
                    let view = phone.scan(&browser.qr().await).await?;
                    let result = match self {
                        Self::Deny => phone.deny(&view).await,
                        _ => phone.report(&view).await,
                    };
                    if result.is_err() {
                        assert_eq!(browser.state().await["finish"], Value::Null);
                    }
                    result
                }
            };
            match result {
                Err(Failure::Refused { code: Code::PinExchangeClosed, .. }) => {}
                done => return done,
            }
        }
        panic!("{self:?} never came to an answer");
    }
}

#[tokio::test]
async fn a23_the_second_of_two_copies_is_found_out_at_its_answer() {
    let world = World::new().await;
    for (number, how) in How::ALL.into_iter().enumerate() {
        for copy_first in [false, true] {
            let (citizen, phone) = world.person(&format!("rie-{number}-{copy_first}")).await;
            phone.biometrics_on().await.unwrap();
            let copy = phone.cloned().await;
            let (first, second) = if copy_first { (&copy, &phone) } else { (&phone, &copy) };
            // One of them goes on as if nothing had happened; the other one's first answer shows that there are two.
            login(&world, first, with_pin(PIN)).await.unwrap();
            assert_eq!(code(how.answers(&world, second).await), Some(Code::DeviceFrozen), "{how:?} {copy_first}");
            // From then on neither approves anything, and the person is told.
            for phone in [first, second] {
                assert_eq!(code(login(&world, phone, Approval::Biometric).await), Some(Code::DeviceFrozen));
                assert_eq!(phone.client.identities()[0].standing, IdentityStanding::Frozen);
            }
            assert_eq!(world.history(&citizen).await.iter().filter(|event| *event == "device_frozen").count(), 1);
            // The way back is a new activation, on the same phone.
            let identity = phone.client.identities()[0].id;
            phone.run(Command::Forget { identity }).await.unwrap();
            phone.activate(&world, &citizen, PIN).await;
            login(&world, &phone, with_pin(PIN)).await.unwrap();
            assert!(copy.scan(&world.login_page(&Ask::login()).await.qr().await).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a23_two_copies_that_answer_at_once_have_one_answer_between_them() {
    let world = World::new().await;
    for round in 0..4 {
        let (_, phone) = world.person(&format!("rolf-{round}")).await;
        phone.biometrics_on().await.unwrap();
        let copy = phone.cloned().await;
        let (mut a, mut b) = (world.login_page(&Ask::login()).await, world.login_page(&Ask::login()).await);
        let views = (phone.scan(&a.qr().await).await.unwrap(), copy.scan(&b.qr().await).await.unwrap());
        let (first, second) = tokio::join!(
            phone.approve_with(&views.0, Approval::Biometric, false),
            copy.approve_with(&views.1, Approval::Biometric, false)
        );
        assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
        for (approved, browser) in [(first.is_ok(), &mut a), (second.is_ok(), &mut b)] {
            assert_eq!(browser.state().await["finish"].is_string(), approved);
        }
    }
}

#[tokio::test]
async fn a23_a_copy_taken_in_the_midst_of_an_answer_is_found_out_at_its_next_one() {
    let world = World::new().await;
    let citizen = world.citizen("rita-midst").await;
    let mut bench = Bench::new(&world, 23);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    // The answer is stored and sent, its reply is lost, and the phone is copied there.
    let (mut browser, view) = bench.scan(&world).await;
    drop_replies(&mut bench, 1);
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    assert_eq!(bench.run(approve, None).await.0.unwrap().unwrap_err(), Failure::NoNetwork);
    let mut copy = Bench::new(&world, 24);
    copy.keys.import(&bench.keys.export()).unwrap();
    copy.stored.clone_from(&bench.stored);
    copy.restart();
    // Both send the same bytes: one answer, whoever says it.
    for phone in [&mut copy, &mut bench] {
        phone.resume().await;
        assert!(!phone.machine.identities()[0].unsettled);
    }
    browser.signed_in().await;
    bench.login(&world, with_pin(PIN)).await.unwrap();
    let (_, view) = copy.scan(&world).await;
    let denied = copy.run(Command::Deny { request: view.id }, None).await.0.unwrap();
    assert_eq!(code(denied), Some(Code::DeviceFrozen));
}

/// The next replies to answers get lost on the way.
fn drop_replies(bench: &mut Bench, mut count: u32) {
    bench.tap = Some(Tap::reply(move |path, reply| {
        if path == AnswerRequest::PATH && count > 0 {
            count -= 1;
            *reply = Err(ServerFailure::Network);
        }
    }));
}

#[tokio::test]
async fn a23_lost_replies_are_not_taken_for_a_clone() {
    let mut world = World::new().await;
    let citizen = world.citizen("rosa-lost").await;
    let mut bench = Bench::new(&world, 25);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    for how in How::ALL {
        for (lost, app_killed, server_restarted) in [(1, false, false), (3, true, false), (2, true, true)] {
            let (mut browser, view) = bench.scan(&world).await;
            let request = view.id;
            let command = match how {
                How::Pin => Command::Approve { request, with: with_pin(PIN), remember_browser: false },
                How::Biometric => Command::Approve { request, with: Approval::Biometric, remember_browser: false },
                How::Deny => Command::Deny { request },
                How::Report => Command::ReportFraud { request },
            };
            drop_replies(&mut bench, lost);
            assert_eq!(bench.run(command, None).await.0.unwrap().unwrap_err(), Failure::NoNetwork);
            let first = bench.sent(AnswerRequest::PATH).body.clone();
            for _ in 1..lost {
                // What is stored goes out again by itself, byte for byte, before anything else.
                let result = bench.run(Command::Move { identity: None, with: with_pin(PIN), keep: true }, None).await;
                assert_eq!(result.0.unwrap().unwrap_err(), Failure::NoNetwork);
                assert_eq!(bench.sent(AnswerRequest::PATH).body, first, "{how:?}");
            }
            if app_killed {
                bench.restart();
            }
            if server_restarted {
                world.restart().await;
            }
            bench.resume().await;
            assert_eq!(bench.sent(AnswerRequest::PATH).body, first);
            assert!(bench.sent(AnswerRequest::PATH).reply.is_ok());
            match how {
                How::Pin | How::Biometric => drop(browser.signed_in().await),
                How::Deny | How::Report => assert!(browser.finish().await.contains_key("error")),
            }
            // Reports block their source for a while; that is not what this is about.
            world.advance(3_700).await;
            bench.login(&world, Approval::Biometric).await.unwrap();
        }
    }
    assert!(!world.history(&citizen).await.iter().any(|event| event == "device_frozen"));
}

#[tokio::test]
async fn a28_an_older_store_put_back_approves_nothing_and_is_found_out_at_its_next_answer() {
    let world = World::new().await;
    for (number, how) in How::ALL.into_iter().enumerate() {
        for answers in [1, 3] {
            let (citizen, phone) = world.person(&format!("yrsa-{number}-{answers}")).await;
            phone.biometrics_on().await.unwrap();
            let older = phone.cloned().await;
            for _ in 0..answers {
                login(&world, &phone, with_pin(PIN)).await.unwrap();
            }
            drop(phone);
            let before = older.events();
            // The very phone, with its keys, and its store as it was before.
            assert_eq!(code(how.answers(&world, &older).await), Some(Code::DeviceFrozen), "{how:?} {answers}");
            assert_eq!(code(login(&world, &older, Approval::Biometric).await), Some(Code::DeviceFrozen));
            let approved =
                |events: &[HistoryEvent]| events.iter().filter(|event| **event == HistoryEvent::Approved).count();
            assert_eq!(approved(&older.events()), approved(&before));
            assert!(world.history(&citizen).await.iter().any(|event| event == "device_frozen"));
        }
    }
}

/// An older store whose answer was on its way: the bytes are those of an answer that was taken, and the next one shows it.
#[tokio::test]
async fn a28_an_older_store_with_an_answer_on_its_way_approves_nothing_twice() {
    let world = World::new().await;
    let citizen = world.citizen("ymir-store").await;
    let mut bench = Bench::new(&world, 28);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let (mut browser, view) = bench.scan(&world).await;
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    // Killed right after the answer was sent.
    let steps = {
        drop_replies(&mut bench, 1);
        bench.run(approve, None).await.1
    };
    assert!(steps > 3);
    let older = bench.stored.clone();
    bench.restart();
    bench.resume().await;
    browser.signed_in().await;
    bench.login(&world, with_pin(PIN)).await.unwrap();
    // Put back: its answer is old, and refused without a word about clones; it approves nothing.
    bench.stored = older;
    bench.restart();
    let resumed = bench.run(Command::Resume, None).await.0;
    assert!(resumed.is_some());
    assert!(bench.sent(AnswerRequest::PATH).reply.is_err(), "taken a second time");
    let (mut next, view) = bench.scan(&world).await;
    let denied = bench.run(Command::Deny { request: view.id }, Some(Kill { step: 99, done: true })).await.0.unwrap();
    assert_eq!(code(denied), Some(Code::DeviceFrozen));
    assert_eq!(next.state().await["finish"], Value::Null);
}
