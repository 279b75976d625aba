use serde_json::json;

use super::phone::{Stage_, Wrong};
use super::*;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::SealedEnrol;

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_activates_over_a_link_in_both_suites() {
    for hybrid in [false, true] {
        let stage = Stage::new(hybrid).await;
        let citizen = stage.citizen("anna.s").await;
        let (id, link) = stage.activation(&citizen, "link").await;
        let mut phone = Phone::new(&stage, 1);
        phone.enrol(&link).await.unwrap();
        assert_eq!(phone.status(Stage_::Void, 0).await, Ok(Stage_::Digits));
        let seen = stage.look(&format!("activations/{id}")).await;
        assert_eq!((seen["model"].as_str(), seen["stage"].as_str()), (Some("Pixel 9"), Some("digits")));
        // The long poll ends when the digits are typed.
        let digits = json!({"digits": phone.digits()});
        let (waited, typed) = tokio::join!(phone.status(Stage_::Digits, 20), async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            stage.desk(&format!("activations/{id}/digits"), digits).await
        });
        assert_eq!((waited, typed.0), (Ok(Stage_::ChoosePin), StatusCode::OK));
        phone.choose_pin("120486").await.unwrap();
        assert_eq!(phone.status(Stage_::Void, 0).await, Ok(Stage_::Finish));
        assert_eq!(phone.choose_pin("120486").await.unwrap_err().0, Code::OperationRefused);
        stage.advance(1800).await;
        assert_eq!(phone.status(Stage_::Finish, 0).await, Ok(Stage_::Void));
        let devices = stage.look(&format!("citizens/{citizen}/devices")).await;
        assert_eq!(devices["devices"][0]["state"], "removed");
        stage.running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_get_the_same_reply_and_others_none() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (_, link) = stage.activation(&citizen, "link").await;
    let first = Phone::new(&stage, 1);
    let second = Phone::new(&stage, 2);
    let (a, ..) = first.prepare(&link, &Wrong::default()).await.unwrap();
    let (b, ..) = second.prepare(&link, &Wrong::default()).await.unwrap();
    let (one, other) = tokio::join!(first.post(SealedEnrol::PATH, a.clone()), second.post(SealedEnrol::PATH, b));
    assert_eq!([&one, &other].iter().filter(|answer| answer.is_ok()).count(), 1, "exactly one phone wins");
    if let Ok(reply) = one {
        assert_eq!(first.post(SealedEnrol::PATH, a.clone()).await, Ok(reply));
    }
    assert_eq!(second.prepare(&link, &Wrong::default()).await.unwrap_err().0, Code::ActivationUsed);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_has_five_tries_of_its_own() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (_, code) = stage.activation(&citizen, "code").await;
    let (_, other) = stage.activation(&citizen, "code").await;
    let phone = Phone::new(&stage, 1);
    for left in [Some(4), Some(3), Some(2), Some(1), None] {
        // A wrong proof and garbage cost nothing.
        let (wrong_proof, ..) = phone.prepare(&code, &Wrong { proof: true, ..Wrong::default() }).await.unwrap();
        assert_eq!(phone.post(SealedEnrol::PATH, wrong_proof).await, Err((Code::SignatureInvalid, None)));
        assert_eq!(phone.post(SealedEnrol::PATH, vec![0xa0]).await, Err((Code::Malformed, None)));
        let (wrong, ..) = phone.prepare(&code, &Wrong { secret: true, ..Wrong::default() }).await.unwrap();
        let refused = phone.post(SealedEnrol::PATH, wrong).await.unwrap_err();
        let expected = if left.is_some() { Code::ActivationRefused } else { Code::ActivationBlocked };
        assert_eq!(refused, (expected, left));
    }
    assert_eq!(phone.prepare(&code, &Wrong::default()).await.unwrap_err().0, Code::ActivationBlocked);
    Phone::new(&stage, 2).enrol(&other).await.unwrap();
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_expire_and_strangers_are_throttled_at_their_source() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (_, link) = stage.activation(&citizen, "link").await;
    stage.advance(600).await;
    let phone = Phone::new(&stage, 1);
    assert_eq!(phone.prepare(&link, &Wrong::default()).await.unwrap_err().0, Code::ActivationExpired);
    let mut rng = tls::system_random();
    for round in 0..7 {
        let code = godkend_protocol::formats::activation_code::ActivationCode::generate(&mut rng).to_text();
        let expected = if round < 5 { Code::ActivationUnknown } else { Code::Throttled };
        assert_eq!(phone.prepare(&code, &Wrong::default()).await.unwrap_err().0, expected, "{round}");
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digits_of_another_phone_make_it_void() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (id, link) = stage.activation(&citizen, "link").await;
    let path = format!("activations/{id}/digits");
    assert_eq!(stage.desk(&path, json!({"digits": "12345678"})).await.0, StatusCode::NOT_FOUND);
    let mut phone = Phone::new(&stage, 1);
    phone.enrol(&link).await.unwrap();
    assert_eq!(phone.choose_pin("120486").await.unwrap_err().0, Code::DigitsPending);
    let wrong = if phone.digits() == "00000000" { "00000001" } else { "00000000" };
    assert_eq!(stage.desk(&path, json!({"digits": "123"})).await.0, StatusCode::BAD_REQUEST);
    for left in [2, 1] {
        assert_eq!(stage.desk(&path, json!({"digits": wrong})).await.1["tries_left"], left);
    }
    assert_eq!(stage.desk(&path, json!({"digits": wrong})).await.1["error"], "digits_blocked");
    assert_eq!(stage.desk(&path, json!({"digits": phone.digits()})).await.1["error"], "digits_blocked");
    assert_eq!(phone.status(Stage_::Digits, 20).await, Ok(Stage_::Void));
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_app_is_refused() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(stage.activation(&citizen, "link").await.1);
    }
    for (seed, link) in (1..).zip(&links[..3]) {
        Phone::new(&stage, seed).enrol(link).await.unwrap();
    }
    assert_eq!(Phone::new(&stage, 9).enrol(&links[3]).await.unwrap_err().0, Code::DeviceLimit);
    stage.running.stop().await;
}
