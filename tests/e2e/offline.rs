//! A phone without a network: a code made behind biometrics, typed into the page.

use godkend_core::{Approval, Command, Failure, HistoryEvent, Outcome};
use godkend_protocol::types::Binding;

use godkend_tests::phone::with_pin;
use godkend_tests::{Ask, Phone, World};

async fn offline_code(phone: &Phone, text: &str, with: Approval) -> Result<String, Failure> {
    let view = phone.scan(text).await?;
    assert_eq!(view.binding, Binding::Offline);
    match phone.run(Command::Approve { request: view.id, with, remember_browser: false }).await? {
        Outcome::OfflineCode { code } => Ok(code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_signs_in_once() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-offline").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("anna-offline").await;
    assert_eq!(offline_code(&phone, &text, with_pin("139074")).await, Err(Failure::NotSupported));
    browser.cancel().await;
    phone.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("anna-offline").await;
    let code = offline_code(&phone, &text, Approval::Biometric).await.unwrap();
    let (status, reply) = browser.type_offline_code(&code).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(browser.signed_in().await["godkend.binding"], "offline");
    assert_eq!(phone.events().last(), Some(&HistoryEvent::OfflineCode));
    let mut other = world.login_page(&Ask::login()).await;
    other.offline_qr("anna-offline").await;
    let (status, reply) = other.type_offline_code(&code).await;
    assert_eq!((status, reply["error"].as_str()), (403, Some("offline_code_wrong")), "for another challenge");
}

#[tokio::test]
async fn three_tries_and_never_at_high() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-offline").await;
    phone.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("bo-offline").await;
    let code = offline_code(&phone, &text, Approval::Biometric).await.unwrap();
    let wrong = if code == "00000000" { "11111111" } else { "00000000" };
    for _ in 0..3 {
        assert_ne!(browser.type_offline_code(wrong).await.0, 200);
    }
    assert_ne!(browser.type_offline_code(&code).await.0, 200, "a fourth try");
    let mut high = world.login_page(&Ask::login().at("High")).await;
    let body = Some(serde_json::json!({ "user_id": "bo-offline" }));
    let (status, reply) = high.ask(reqwest::Method::POST, "offline", body).await;
    assert_eq!((status, reply["error"].as_str()), (403, Some("level_unreachable")), "{reply}");
}

#[tokio::test]
async fn somebody_elses_challenge_and_a_foreign_one_are_refused() {
    let world = World::new().await;
    let (_, phone) = world.person("cai-offline").await;
    world.person("dan-offline").await;
    phone.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.offline_qr("dan-offline").await;
    assert_eq!(phone.scan(&text).await.unwrap_err(), Failure::NoRequest);
    let other = World::new().await;
    other.person("cai-offline").await;
    let mut foreign = other.login_page(&Ask::login()).await;
    let text = foreign.offline_qr("cai-offline").await;
    assert_eq!(phone.scan(&text).await.unwrap_err(), Failure::Untrusted);
}
