use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::messages::approval::{Challenge, Fetched, challenge_hash};
use godkend_protocol::messages::pin::{PinContext, PinResetOpen, PinStatus};
use godkend_protocol::types::{Decision, Operation};
use serde_json::json;

use super::*;
use crate::docs::{self, Changes};
use crate::records::Device;

#[tokio::test(flavor = "multi_thread")]
async fn a_try_is_debited_once_and_survives_a_restart() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut phone = stage.enrolled(&citizen).await;
    let challenge = phone.challenge(180);
    let (request, trying) = phone.start_request("120486", &challenge);
    let started = phone.start(request.clone()).await.unwrap();
    assert_eq!(started.if_wrong, PinStatus { tries_left: 2, wait: 0, rounds_left: 2, dead: false });
    // The same bytes get the same KE2, free.
    assert_eq!(phone.start(request.clone()).await.unwrap(), started);
    trying.finish(&mut tls::system_random(), &started.ke2.0, &challenge.1).unwrap();
    // A new KE1 closes the earlier exchange; its debit stands.
    let (again, _) = phone.start_request("111222", &challenge);
    let second = phone.start(again).await.unwrap();
    assert_eq!(second.if_wrong.tries_left, 1);
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::PinExchangeClosed);
    let path = format!("citizens/{citizen}/devices");
    let before = stage.look(&path).await["devices"][0]["pin"].clone();
    assert_eq!(before["tries_left"], 1);
    let stage = stage.restart().await;
    assert_eq!(stage.look(&path).await["devices"][0]["pin"], before);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_tries_cost_at_most_three() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut phone = stage.enrolled(&citizen).await;
    let challenge = phone.challenge(180);
    let requests: Vec<_> = (0..50).map(|_| phone.start_request("111222", &challenge).0).collect();
    let answers = futures_util::future::join_all(requests.into_iter().map(|request| phone.start(request))).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=3).contains(&answered), "{answered}");
    for refusal in answers.into_iter().filter_map(Result::err) {
        assert!(matches!(refusal.0, Code::PinWaiting | Code::PinExchangeClosed | Code::Conflict), "{refusal:?}");
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_this_phones_or_too_late_costs_nothing() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut phone = stage.enrolled(&citizen).await;
    let (good, late) = (phone.challenge(180), phone.challenge(0));
    let (request, _) = phone.start_request("111222", &late);
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::TransactionExpired);
    let swapped = (late.0.clone(), good.1);
    let (request, _) = phone.start_request("111222", &swapped);
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::ChallengeInvalid);
    let (mut request, _) = phone.start_request("111222", &good);
    let last = request.len() - 1;
    request[last] ^= 1;
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::ChallengeInvalid);
    let pin = stage.look(&format!("citizens/{citizen}/devices")).await["devices"][0]["pin"].clone();
    assert_eq!(pin["tries_left"], 3);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_tests_no_pin() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let phone = stage.enrolled(&citizen).await;
    let mut rng = tls::system_random();
    let request = || {
        godkend_protocol::opaque::Registering::start(
            &mut tls::system_random(),
            godkend_protocol::bytes::Secret([1; 32]),
        )
        .unwrap()
        .1
    };
    // In the context of the record in use: refused. Elsewhere: another key, so it says nothing about this PIN.
    assert_eq!(phone.register(phone.context(), request()).await.unwrap_err().0, Code::OperationRefused);
    let change = PinContext::Change { challenge: godkend_protocol::bytes::random(&mut rng) };
    assert_eq!(phone.register(change, request()).await.unwrap_err().0, Code::PinMissing, "not active yet");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pin_is_registered_in_an_open_change_of_this_phone_only() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = approval::active(&stage, &citizen).await;
    let request = || {
        let pin = godkend_protocol::bytes::Secret([1; 32]);
        godkend_protocol::opaque::Registering::start(&mut tls::system_random(), pin).unwrap().1
    };
    let context = |fetched: &Fetched| {
        let received = Received::<Challenge>::parse(&fetched.challenge.0, "test").unwrap();
        PinContext::Change { challenge: challenge_hash(received.payload()) }
    };
    let refused = Err((Code::ChallengeInvalid, None));
    // One that nobody issued, and one that was issued for something else.
    let invented = PinContext::Change { challenge: phone.challenge_for(180, Some(Operation::ChangePin)).1 };
    assert_eq!(phone.register(invented, request()).await, refused);
    let rotation = approval::manage(&phone, Operation::RotateKeys).await.unwrap();
    assert_eq!(phone.register(context(&rotation), request()).await, refused);
    // Its own change, as often as it likes, until that has its outcome or is over; another change opens only itself.
    let change = approval::manage(&phone, Operation::ChangePin).await.unwrap();
    phone.register(context(&change), request()).await.unwrap();
    let other = approval::manage(&phone, Operation::ChangePin).await.unwrap();
    phone.register(context(&change), request()).await.unwrap();
    let denied = approval::answer(&mut phone, &step, &change, Decision::Deny).await.unwrap();
    approval::send(&stage, &phone, &mut step, &denied).await.unwrap();
    assert_eq!(phone.register(context(&change), request()).await, refused);
    phone.register(context(&other), request()).await.unwrap();
    stage.advance(181).await;
    assert_eq!(phone.register(context(&other), request()).await, refused);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_numbers_cannot_be_used_up_at_once() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut phone = stage.enrolled(&citizen).await;
    let challenge = phone.challenge(180);
    for far in [u64::MAX, (1 << 32) + 1] {
        phone.exchange = far - 1;
        let (request, _) = phone.start_request("120486", &challenge);
        assert_eq!(phone.start(request).await.unwrap_err().0, Code::Malformed, "{far}");
    }
    let pin = stage.look(&format!("citizens/{citizen}/devices")).await["devices"][0]["pin"].clone();
    assert_eq!(pin["tries_left"], 3);
    phone.exchange = (1 << 32) - 1;
    let (request, _) = phone.start_request("120486", &challenge);
    assert_eq!(phone.start(request).await.unwrap().exchange, 1 << 32);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_pin_is_set_anew_after_proofing_again() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut phone = stage.enrolled(&citizen).await;
    assert_eq!(phone.open_reset().await.unwrap_err().0, Code::DeviceNotActive);
    let app = &stage.running.app;
    activate(app, &phone.device).await;
    assert_eq!(phone.open_reset().await.unwrap_err().0, Code::PinResetUnknown, "nobody has proofed the person");
    let challenge = phone.challenge(180);
    for _ in 0..3 {
        let (request, _) = phone.start_request("999111", &challenge);
        phone.start(request).await.unwrap();
    }
    let (request, _) = phone.start_request("999111", &challenge);
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::PinWaiting);

    let device = phone.device.to_base64();
    let (status, reset) = stage.desk(&format!("devices/{device}/pin-reset"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{reset}");
    let request = phone.open_reset().await.unwrap();
    // The same bytes get the same offer; others find it taken.
    assert_eq!(phone.post(PinResetOpen::PATH, request.0.clone()).await.unwrap(), request.1);
    assert_eq!(phone.open_reset().await.unwrap_err().0, Code::PinResetUnknown);
    phone.take_reset(&request);
    assert_eq!(phone.choose_pin("220587").await.unwrap_err().0, Code::DigitsPending);
    let path = format!("activations/{}/digits", reset["id"].as_str().unwrap());
    let (status, body) = stage.desk(&path, json!({"digits": phone.digits()})).await;
    assert_eq!((status, body["model"].as_str()), (StatusCode::OK, Some("Pixel 9")));
    phone.choose_pin("220587").await.unwrap();
    // Elsewhere the old PIN is the PIN still.
    let (request, _) = phone.start_request("120486", &challenge);
    assert_eq!(phone.start(request).await.unwrap_err().0, Code::PinWaiting);
    let challenge = phone.challenge_for(180, Some(godkend_protocol::types::Operation::FinishEnrolment));
    let (request, trying) = phone.start_request("220587", &challenge);
    let started = phone.start(request).await.unwrap();
    assert_eq!(started.if_wrong.tries_left, 2);
    trying.finish(&mut tls::system_random(), &started.ke2.0, &challenge.1).unwrap();

    stage.desk(&format!("devices/{device}/block"), json!({})).await;
    assert_eq!(stage.desk(&format!("devices/{device}/pin-reset"), json!({})).await.1["error"], "device_blocked");
    assert_eq!(phone.open_reset().await.unwrap_err().0, Code::DeviceBlocked);
    stage.running.stop().await;
}

/// What the first approval does.
async fn activate(app: &App, device: &godkend_protocol::bytes::Id) {
    let mut device = docs::get::<Device>(&*app.store, &device.0).await.unwrap().unwrap();
    let mut activation = crate::activation::activation_of(app, &device.doc).await.unwrap().unwrap();
    crate::activation::finish(app, &mut device.doc, &mut activation.doc, &[], app.now());
    let mut changes = Changes::new();
    changes.update(&device).update(&activation);
    changes.commit(&*app.store).await.unwrap();
}
