//! Offline codes: once, for their challenge, behind a finger, three tries.

use godkend_core::{Approval, Command, Failure, Outcome};
use godkend_protocol::types::Binding;
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::with_pin;
use godkend_tests::{Ask, Phone, World};

async fn code(phone: &Phone, text: &str, with: Approval) -> Result<String, Failure> {
    let view = phone.scan(text).await?;
    assert_eq!(view.binding, Binding::Offline);
    match phone.run(Command::Approve { request: view.id, with, remember_browser: false }).await? {
        Outcome::OfflineCode { code } => Ok(code),
        other => panic!("{other:?}"),
    }
}

fn other_than(code: &str, number: u32) -> String {
    format!("{:08}", (code.parse::<u32>().unwrap() + 1 + number) % 100_000_000)
}

#[tokio::test]
async fn a39_an_offline_code_reused_or_for_another_challenge_is_wrong() {
    let world = World::new().await;
    let (citizen, phone) = world.person("anna-code").await;
    phone.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("anna-code").await;
    let right = code(&phone, &text, Approval::Biometric).await.unwrap();
    // A second login of the same person: the first one's code is a wrong one there.
    let mut second = world.login_page(&Ask::login().from("borger")).await;
    let (status, reply) = second.ask(Method::POST, "offline", Some(json!({ "user_id": "anna-code" }))).await;
    assert_eq!((status, reply["error"].as_str()), (429, Some("throttled")), "one waits at a time");
    assert_eq!(browser.type_offline_code(&right).await.0, 200);
    let claims = browser.signed_in().await;
    assert_eq!(claims["godkend.binding"], "offline");
    // Again in the same page: it is answered.
    let (status, reply) = browser.type_offline_code(&right).await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("transaction_finished")));
    let mut third = world.login_page(&Ask::login()).await;
    let text = third.offline_qr("anna-code").await;
    let (status, reply) = third.type_offline_code(&right).await;
    assert_eq!(
        (status, reply["error"].as_str(), reply["tries_left"].as_u64()),
        (403, Some("offline_code_wrong"), Some(2))
    );
    // A slip that is no code costs no try; the right one goes on.
    for slip in ["", "1234567", "123456789", "abcdefgh", "１２３４５６７８"] {
        let (status, reply) = third.type_offline_code(slip).await;
        assert_eq!((status, reply["tries_left"].as_u64()), (403, Some(2)), "{slip}");
    }
    let right = code(&phone, &text, Approval::Biometric).await.unwrap();
    assert_eq!(third.type_offline_code(&right).await.0, 200);
    third.signed_in().await;
    let history = world.history(&citizen).await;
    assert!(history.iter().any(|event| event == "offline_wrong"), "{history:?}");
}

#[tokio::test]
async fn a39_no_code_without_the_finger_and_none_for_somebody_else() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-code").await;
    let (_, other) = world.person("cy-code").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("bo-code").await;
    // Before biometrics are on there is no offline key, and the PIN makes none.
    assert_eq!(code(&phone, &text, with_pin("139074")).await, Err(Failure::NotSupported));
    assert_eq!(code(&phone, &text, Approval::Biometric).await, Err(Failure::NotSupported));
    phone.biometrics_on().await.unwrap();
    other.biometrics_on().await.unwrap();
    // Whose phone it is not, it shows nothing.
    assert_eq!(other.scan(&text).await.unwrap_err(), Failure::NoRequest);
    phone.finger.cancels();
    assert_eq!(code(&phone, &text, Approval::Biometric).await, Err(Failure::Cancelled));
    assert_eq!(code(&phone, &text, with_pin("139074")).await, Err(Failure::NotSupported));
    phone.finger.is_locked_out();
    assert_eq!(code(&phone, &text, Approval::Biometric).await, Err(Failure::LockedOut));
    phone.finger.matches();
    // A changed challenge is none of the server's.
    let mut bytes = text.clone().into_bytes();
    for at in [text.len() - 3, text.len() / 2] {
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(phone.scan(std::str::from_utf8(&bytes).unwrap()).await.is_err());
    }
    let right = code(&phone, &text, Approval::Biometric).await.unwrap();
    // In the browser that shows it, and in no other.
    let mut thief = world.login_page(&Ask::login()).await;
    let (status, _) = thief.ask(Method::POST, "offline-code", Some(json!({ "code": right }))).await;
    assert_eq!(status, 409, "a page that shows no code takes none");
    assert_eq!(browser.type_offline_code(&right).await.0, 200);
    browser.signed_in().await;
}

#[tokio::test]
async fn a39_a_fourth_guess_is_none_and_the_day_has_ten() {
    let world = World::new().await;
    let (citizen, phone) = world.person("dan-code").await;
    phone.biometrics_on().await.unwrap();
    world.next_day().await;
    let mut guesses = 0;
    for round in 0..3 {
        let mut browser = world.login_page(&Ask::login()).await;
        let text = browser.offline_qr("dan-code").await;
        let right = code(&phone, &text, Approval::Biometric).await.unwrap();
        for left in [2, 1, 0] {
            let (_, reply) = browser.type_offline_code(&other_than(&right, guesses)).await;
            guesses += 1;
            assert_eq!(
                (reply["error"].as_str(), reply["tries_left"].as_u64()),
                (Some("offline_code_wrong"), Some(left))
            );
        }
        let (status, reply) = browser.type_offline_code(&right).await;
        assert_eq!(status, 410, "the right one as the fourth: {reply}");
        assert_eq!(browser.finish().await["error"], "access_denied");
        // The source waits longer each time; the person's own scan does not.
        let mut own = world.login_page(&Ask::login()).await;
        let (status, reply) = own.ask(Method::POST, "offline", Some(json!({ "user_id": "dan-code" }))).await;
        assert_eq!((status, reply["retry_after"].as_u64()), (429, Some(5 << round)), "{reply}");
        let view = phone.scan(&own.qr().await).await.unwrap();
        assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
        phone.approve(&view, godkend_tests::phone::PIN).await.unwrap();
        own.signed_in().await;
        world.advance(60).await;
    }
    // Nine are gone; after the tenth even the right one is a wrong one, until tomorrow.
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("dan-code").await;
    let right = code(&phone, &text, Approval::Biometric).await.unwrap();
    browser.type_offline_code(&other_than(&right, 99)).await;
    let (_, reply) = browser.type_offline_code(&right).await;
    assert_eq!(reply["error"], "offline_code_wrong");
    let history = world.history(&citizen).await;
    assert_eq!(history.iter().filter(|event| *event == "offline_paused").count(), 1);
    world.advance(86_400).await;
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("dan-code").await;
    let right = code(&phone, &text, Approval::Biometric).await.unwrap();
    assert_eq!(browser.type_offline_code(&right).await.0, 200);
    browser.signed_in().await;
}
