use godkend_protocol::codes::Code;
use godkend_protocol::messages::pin::{PinContext, PinStatus};

use super::*;

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
        godkend_protocol::opaque::Registering::start(&mut tls::system_random(), godkend_protocol::bytes::Secret([1; 32]))
            .unwrap()
            .1
    };
    // In the context of the record in use: refused. Elsewhere: another key, so it says nothing about this PIN.
    assert_eq!(phone.register(phone.context(), request()).await.unwrap_err().0, Code::OperationRefused);
    let change = PinContext::Change { challenge: godkend_protocol::bytes::random(&mut rng) };
    assert_eq!(phone.register(change, request()).await.unwrap_err().0, Code::PinMissing, "not active yet");
    stage.running.stop().await;
}
