//! What happens around a phone: restores, new fingers, clocks.

use godkend_core::{Approval, Command, Failure, IdentityStanding, Outcome, Pin};
use godkend_protocol::bytes::Blob;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::{Answer, AnswerRequest};
use godkend_protocol::types::KeyPurpose;
use serde_json::Value;
use std::sync::{Arc, Mutex};

use super::copies::login;
use godkend_tests::bench::Tap;
use godkend_tests::phone::{OTHER_PIN, PIN, Phone, code, with_pin};
use godkend_tests::{Ask, Bench, World};

#[tokio::test]
async fn a24_after_a_restore_the_keys_are_gone_and_the_app_is_activated_anew() {
    let world = World::new().await;
    let (citizen, phone) = world.person("siv-restored").await;
    phone.biometrics_on().await.unwrap();
    // The backup came to another phone; the one that it was made of goes on as it was.
    let restored = phone.cloned().await;
    restored.keys.forget_all().unwrap();
    let browser_pin =
        Command::ChangePin { identity: None, old: Pin::new(PIN).unwrap(), new: Pin::new(OTHER_PIN).unwrap() };
    let commands = [
        Command::Overview { identity: None },
        Command::Poll { identity: None, wait: 0 },
        Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() },
        Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() },
        Command::RemoveDevice { identity: None, device: None, with: with_pin(PIN) },
        Command::Block { identity: None },
        browser_pin,
    ];
    for command in commands {
        let failure = restored.run(command.clone()).await.unwrap_err();
        assert_eq!(failure, Failure::KeyMissing, "{command:?}");
        assert!(failure.english().ends_with("Activate the app again."), "{}", failure.english());
    }
    assert_eq!(login(&world, &restored, with_pin(PIN)).await, Err(Failure::KeyMissing));
    assert_eq!(login(&world, &restored, Approval::Biometric).await, Err(Failure::KeyMissing));
    // None of it cost a try or froze anybody.
    let view = phone.scan(&world.login_page(&Ask::login()).await.qr().await).await.unwrap();
    assert_eq!(view.pin.unwrap().tries_left, 3);
    login(&world, &phone, Approval::Biometric).await.unwrap();

    // What has keys is not forgotten by a slip; what has none is, and the same app is activated again.
    let old = phone.client.identities()[0].device;
    let identity = phone.client.identities()[0].id;
    assert_eq!(phone.run(Command::Forget { identity }).await, Err(Failure::NotNow));
    let identity = restored.client.identities()[0].id;
    restored.run(Command::Forget { identity }).await.unwrap();
    assert!(restored.client.identities().is_empty());
    restored.activate(&world, &citizen, PIN).await;
    login(&world, &restored, with_pin(PIN)).await.unwrap();
    restored.biometrics_on().await.unwrap();
    login(&world, &restored, Approval::Biometric).await.unwrap();
    // The old one is removed from here.
    restored.run(Command::RemoveDevice { identity: None, device: Some(old), with: with_pin(PIN) }).await.unwrap();
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::DeviceRemoved));
    assert_eq!(restored.client.identities()[0].standing, IdentityStanding::Active);
}

#[tokio::test]
async fn a25_a_new_fingerprint_invalidates_the_key_and_the_pin_brings_it_back() {
    let world = World::new().await;
    let (_, phone) = world.person("bodil-finger").await;
    phone.biometrics_on().await.unwrap();
    login(&world, &phone, Approval::Biometric).await.unwrap();
    phone.keys.enrol_new_finger().unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    // Whosever finger it is: it approves nothing, and the app says what to do.
    for _ in 0..2 {
        let failure = phone.approve_with(&view, Approval::Biometric, false).await.unwrap_err();
        assert_eq!(failure, Failure::KeyInvalidated);
        assert!(failure.english().contains("Use the PIN") && failure.danish().contains("PIN-koden"));
        assert_eq!(browser.state().await["finish"], Value::Null);
    }
    // Nor does it make an offline code.
    let mut offline = world.login_page(&Ask::login()).await;
    let text = offline.offline_qr("bodil-finger").await;
    let shown = phone.request(Command::Scan { identity: None, text }).await.unwrap();
    let made = phone.run(Command::Approve { request: shown.id, with: Approval::Biometric, remember_browser: false });
    assert_eq!(made.await.unwrap_err(), Failure::KeyInvalidated);
    // The request is still there, for the PIN; a restarted app knows no better.
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
    let phone = phone.reopened().await;
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::KeyInvalidated));
    // Turned on again, with the PIN and nothing less.
    let wrong = Command::EnableBiometrics { identity: None, pin: Pin::new(OTHER_PIN).unwrap() };
    assert!(matches!(phone.run(wrong).await, Err(Failure::WrongPin(_))));
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::KeyInvalidated));
    phone.biometrics_on().await.unwrap();
    login(&world, &phone, Approval::Biometric).await.unwrap();
    // One offline code at a time for one person from one place.
    world.advance(181).await;
    let mut offline = world.login_page(&Ask::login()).await;
    let text = offline.offline_qr("bodil-finger").await;
    let shown = phone.request(Command::Scan { identity: None, text }).await.unwrap();
    let made = phone.run(Command::Approve { request: shown.id, with: Approval::Biometric, remember_browser: false });
    let Outcome::OfflineCode { code } = made.await.unwrap() else { panic!() };
    assert_eq!(offline.type_offline_code(&code).await.0, 200);
    offline.signed_in().await;
}

/// The key that a new finger has replaced signs nothing any more, even for somebody who has it.
#[tokio::test]
async fn a25_the_replaced_biometric_key_is_worth_nothing() {
    let world = World::new().await;
    let citizen = world.citizen("birk-finger").await;
    let mut bench = Bench::new(&world, 26);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    let old = bench.secret(KeyPurpose::Biometric);
    bench.keys.enrol_new_finger().unwrap();
    bench.ok(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN).unwrap() }).await;
    assert_ne!(bench.secret(KeyPurpose::Biometric), old);
    let (mut browser, view) = bench.scan(&world).await;
    let environment = bench.environment().to_owned();
    let genuine = Arc::new(Mutex::new(Vec::new()));
    let kept = genuine.clone();
    bench.tap = Some(Tap::request(move |path, body| {
        if path == AnswerRequest::PATH {
            *kept.lock().unwrap() = body.clone();
            let request: AnswerRequest = cbor::decode(body).unwrap();
            let answer = Received::<Answer>::parse(&request.answer.0, &environment).unwrap().claimed().clone();
            let signed = Unsigned::new(&answer, &environment, None).to_be_signed_as(Role::Biometric);
            *body = cbor::encode(&AnswerRequest { factor_signature: crypto::p256_sign(&old, &signed), ..request });
        }
    }));
    let approve = Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false };
    assert_eq!(code(bench.run(approve, None).await.0.unwrap()), Some(Code::SignatureInvalid));
    bench.tap = None;
    assert_eq!(browser.state().await["finish"], Value::Null);
    // The same answer with the key that counts.
    let genuine = Blob(genuine.lock().unwrap().clone());
    bench.post(AnswerRequest::PATH, genuine.0).await.unwrap();
    browser.signed_in().await;
}

async fn tries(world: &World, phone: &Phone) -> u32 {
    phone.scan(&world.login_page(&Ask::login()).await.qr().await).await.unwrap().pin.unwrap().tries_left
}

#[tokio::test]
async fn a29_a_phone_whose_calendar_is_wrong_loses_and_wins_nothing() {
    let world = World::new().await;
    let (_, mut phone) = world.person("xena-calendar").await;
    // Years behind it takes the server's keys for future ones, and they are the root's: nothing depends on it.
    for wrong_by in [-86_400, 86_400, -1, 1, -10 * 365 * 86_400, -100 * 365 * 86_400] {
        phone = phone.reopened_with_clock(wrong_by).await;
        login(&world, &phone, with_pin(PIN)).await.unwrap();
        // It cannot make a request live longer: the server judges, and a refused one costs no try.
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        world.advance(200).await;
        assert_eq!(phone.approve(&view, PIN).await, Err(Failure::Expired), "{wrong_by}");
        assert!(browser.finish().await.contains_key("error"));
        assert_eq!(tries(&world, &phone).await, 3);
    }
    // Years ahead the keys have expired for it: it says that its date looks wrong, and loses nothing.
    for wrong_by in [2 * 365 * 86_400, 1 << 60] {
        phone = phone.reopened_with_clock(wrong_by).await;
        let failure = login(&world, &phone, with_pin(PIN)).await.unwrap_err();
        assert_eq!(failure, Failure::ClockWrong);
        assert!(failure.english().contains("date"));
    }
    let phone = phone.reopened().await;
    assert_eq!(tries(&world, &phone).await, 3);
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a29_a_server_clock_that_steps_loses_and_wins_nothing() {
    let world = World::new().await;
    let (_, phone) = world.person("xerxes-server").await;
    // A leap second either way, and the minute of a badly set clock, between reading and approving.
    for step in [-1, 1, -30, 30] {
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        world.advance(step).await;
        phone.approve(&view, PIN).await.unwrap_or_else(|failure| panic!("{step}: {failure:?}"));
        browser.signed_in().await;
    }
    // A day or a year: that request is over, whichever way; the next one works at once.
    for step in [-86_400, 86_400, 365 * 86_400, -365 * 86_400] {
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        world.advance(step).await;
        assert_eq!(phone.approve(&view, PIN).await, Err(Failure::Expired), "{step}");
        assert_ne!(browser.state().await["state"], "approved", "{step}");
        // The server's own keys have a time; the phone's clock did not move.
        assert_eq!(tries(&world, &phone).await, 3, "{step}");
        login(&world, &phone, with_pin(PIN)).await.unwrap_or_else(|failure| panic!("{step}: {failure:?}"));
    }
    // What the relying party was told has expired stays so when the clock goes back.
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    world.advance(200).await;
    assert!(browser.finish().await.contains_key("error"));
    world.advance(-200).await;
    let _ = phone.approve(&view, PIN).await;
    let told = browser.finish().await;
    assert!(told.contains_key("error") && !told.contains_key("code"), "{told:?}");
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a29_a_clock_set_back_makes_no_wait_longer_and_none_shorter() {
    let world = World::new().await;
    let (_, phone) = world.person("xaver-wait").await;
    for _ in 0..3 {
        assert!(matches!(login(&world, &phone, with_pin(OTHER_PIN)).await, Err(Failure::WrongPin(_))));
    }
    for step in [-86_400, -1, 0] {
        world.advance(step).await;
        let Err(Failure::Refused { code, retry_after, .. }) = login(&world, &phone, with_pin(PIN)).await else {
            panic!()
        };
        assert_eq!(code, Code::PinWaiting);
        assert!((1..=60).contains(&retry_after.unwrap()), "{retry_after:?}");
    }
    world.advance(86_401).await;
    world.advance(60).await;
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}

/// The phone's monotonic clock: backwards, at its end, and days ahead.
#[tokio::test]
async fn a29_a_monotonic_clock_that_is_none_loses_and_wins_nothing() {
    let world = World::new().await;
    let citizen = world.citizen("xanthe-ticks").await;
    let mut bench = Bench::new(&world, 29);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    // Backwards, a request stays on the screen; the server knows better, and no try is lost.
    bench.milliseconds = 1_000_000;
    let (mut browser, view) = bench.scan(&world).await;
    bench.milliseconds = 0;
    world.advance(200).await;
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    assert_eq!(bench.run(approve, None).await.0.unwrap().unwrap_err(), Failure::Expired);
    assert!(browser.finish().await.contains_key("error"));
    // Forwards, the phone gives up by itself.
    let (_, view) = bench.scan(&world).await;
    bench.milliseconds += 86_400_000;
    let deny = Command::Deny { request: view.id };
    assert_eq!(bench.run(deny, None).await.0.unwrap().unwrap_err(), Failure::Expired);
    for (before, after) in [(1_000_000, 0), (0, 100_000), (u64::MAX - 100_000, u64::MAX - 90_000), (u64::MAX / 2, 5)] {
        bench.milliseconds = before;
        let (mut browser, view) = bench.scan(&world).await;
        bench.milliseconds = after;
        let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
        bench.run(approve, None).await.0.unwrap().unwrap();
        browser.signed_in().await;
    }
    let (_, view) = bench.scan(&world).await;
    assert_eq!(view.pin.unwrap().tries_left, 3);
    bench.login(&world, with_pin(PIN)).await.unwrap();
}
