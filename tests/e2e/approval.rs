//! A bank asks, a phone shows, a person decides, the bank gets a signed answer.

use godkend_core::{Approval, Command, Failure, HistoryEvent};
use godkend_protocol::codes::Code;
use godkend_protocol::types::{Action, Binding, Factor, Level};

use godkend_tests::bank::Bank;
use godkend_tests::phone::{PIN, code};
use godkend_tests::{Ask, World};

#[tokio::test]
async fn a_login_is_scanned_approved_and_signed() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-jensen").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.relying_party.name, "netbank");
    assert_eq!(view.text.as_deref(), Some("Log på Netbank"));
    assert_eq!((view.action, view.level, view.binding), (Action::LogOn, Level::Substantial, Binding::ScannedQr));
    assert_eq!(view.factors, [Factor::Pin]);
    phone.approve(&view, PIN).await.unwrap();
    let claims = browser.signed_in().await;
    // The lowest of identity, phone and binding; all three reach High here.
    assert_eq!(claims["acr"], Level::High.uri());
    assert_eq!(claims["godkend.binding"], "scanned_qr");
    assert_eq!(claims["idp"], "mitid");
    assert_eq!(claims["mitid.identity_name"], "anna-jensen Testesen");
    assert_eq!(claims.get("dk.cpr"), None, "a private relying party learns no CPR number");
    assert_eq!(phone.events().last(), Some(&HistoryEvent::Approved));
}

#[tokio::test]
async fn a_payment_shows_amount_and_payee_and_the_token_repeats_them() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-hansen").await;
    phone.biometrics_on().await.unwrap();
    let mut browser = world.login_page(&Ask::payment("1250.50", "Bager Sørensen").at("Substantial")).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    let payment = view.payment.clone().unwrap();
    assert_eq!((payment.amount_minor, payment.currency.as_str()), (125_050, "DKK"));
    assert_eq!(payment.payee, "Bager Sørensen");
    phone.approve_with(&view, Approval::Biometric, false).await.unwrap();
    let claims = browser.signed_in().await;
    let text = claims.to_string();
    assert!(text.contains("1250.50") && text.contains("Bager Sørensen"), "{text}");
}

#[tokio::test]
async fn a_refused_and_a_reported_login_end_with_access_denied() {
    let world = World::new().await;
    let (citizen, phone) = world.person("carl-holm").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.deny(&view).await.unwrap();
    assert_eq!(browser.finish().await["error"], "access_denied");
    assert_eq!(phone.events().last(), Some(&HistoryEvent::Denied));

    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.report(&view).await.unwrap();
    assert_eq!(browser.finish().await["error"], "access_denied");
    assert_eq!(phone.events().last(), Some(&HistoryEvent::Reported));
    let history = world.history(&citizen).await;
    assert!(history.iter().any(|event| event == "reported"), "{history:?}");
    // Answered once; there is nothing left to answer.
    assert_eq!(phone.approve(&view, PIN).await, Err(Failure::NoRequest));
}

#[tokio::test]
async fn what_was_answered_or_expired_cannot_be_approved() {
    let world = World::new().await;
    let (_, phone) = world.person("dorte-lund").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    world.advance(200).await;
    let refused = phone.approve(&view, PIN).await;
    assert_eq!(refused, Err(Failure::Expired));
    assert_eq!(browser.finish().await["error"], "access_denied");
    // The right PIN after the end approves nothing and costs no try.
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.pin.unwrap().tries_left, 3);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn an_old_frame_is_refused_and_a_login_frame_is_no_link() {
    let world = World::new().await;
    let (_, phone) = world.person("else-krog").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let frame = browser.qr().await;
    assert_eq!(phone.open_link(&frame).await.unwrap_err(), Failure::NotACode);
    world.advance(5).await;
    assert_eq!(code(phone.scan(&frame).await), Some(Code::QrStale));
    let fresh = browser.qr().await;
    assert!(phone.scan(&fresh).await.is_ok());
    // It belongs to the first phone.
    let (_, other) = world.person("frede-dam").await;
    assert_eq!(code(other.scan(&fresh).await), Some(Code::TransactionTaken));
}

#[tokio::test]
async fn a_same_device_login_completes_with_its_return_code_and_cookie_only() {
    let world = World::new().await;
    let (_, phone) = world.person("gerda-bech").await;
    let mut browser = world.login_page(&Ask::login().at("High")).await;
    let link = browser.same_device_link().await;
    assert_eq!(phone.scan(&link).await.unwrap_err(), Failure::NotACode, "a link is not scanned");
    let view = phone.open_link(&link).await.unwrap();
    assert_eq!(view.binding, Binding::SameDevice);
    let return_url = phone.approve(&view, PIN).await.unwrap().expect("a return address");
    // Approved, but not complete: neither for the page without the code nor for a stranger with it.
    assert_eq!(browser.state().await["finish"], serde_json::Value::Null);
    let mut stranger = world.browser();
    assert_ne!(stranger.follow(&return_url).await.0, 303);
    let wrong = return_url.replace("c=", "c=A");
    assert_ne!(browser.follow(&wrong).await.0, 303);
    assert_eq!(browser.follow(&return_url).await.0, 303);
    let claims = browser.signed_in().await;
    assert_eq!(claims["godkend.binding"], "same_device");
}

#[tokio::test]
async fn a_typed_user_id_pushes_locked_and_the_number_opens_it() {
    let world = World::new().await;
    let (_, phone) = world.person("hans-ravn").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let number = browser.type_user_id("Hans-Ravn").await;
    let waiting = phone.waiting().await;
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].locked);
    // Nothing can be read or approved before the number is typed.
    assert!(phone.open(&waiting[0]).await.is_err());
    let wrong = if number == "11112222" { "22221111" } else { "11112222" };
    assert_eq!(code(phone.type_number(wrong).await), Some(Code::NumberWrong));
    let view = phone.type_number(&number).await.unwrap();
    assert_eq!(view.binding, Binding::TypedNumber);
    phone.approve(&view, PIN).await.unwrap();
    assert_eq!(browser.signed_in().await["godkend.binding"], "typed_number");
}

#[tokio::test]
async fn a_locked_push_can_be_refused_by_its_id_and_the_owner_still_scans() {
    let world = World::new().await;
    let (_, phone) = world.person("inge-friis").await;
    let mut stranger = world.login_page(&Ask::login()).await;
    stranger.type_user_id("inge-friis").await;
    let waiting = phone.waiting().await;
    phone.run(Command::RefuseLocked { identity: None, id: waiting[0].id, fraud: true }).await.unwrap();
    assert!(phone.waiting().await.is_empty());
    assert_eq!(stranger.finish().await["error"], "access_denied");
    let mut own = world.login_page(&Ask::login()).await;
    let view = phone.scan(&own.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    own.signed_in().await;
}

#[tokio::test]
async fn an_unknown_user_id_looks_like_a_known_one() {
    let world = World::new().await;
    let (_, phone) = world.person("jens-holt").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let number = browser.type_user_id("nobody-at-all").await;
    assert_eq!(number.len(), 8);
    assert!(phone.waiting().await.is_empty());
    assert_eq!(code(phone.type_number(&number).await), Some(Code::NumberWrong));
    let (_, reply) = Bank::ciba(&world, &Ask::login(), "nobody-at-all").await;
    assert_eq!(reply["number"].as_str().unwrap().len(), 8);
}

#[tokio::test]
async fn a_bank_without_a_browser_gets_its_answer_after_the_number() {
    let world = World::new().await;
    let (_, phone) = world.person("karen-moos").await;
    let (bank, reply) = Bank::ciba(&world, &Ask::login(), "karen-moos").await;
    assert!(phone.waiting().await[0].locked);
    let view = phone.type_number(reply["number"].as_str().unwrap()).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let (status, tokens) = bank.ciba_token(reply["auth_req_id"].as_str().unwrap()).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = bank.verify(tokens["id_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(claims["acr"], Level::Substantial.uri());
    let (status, again) = bank.ciba_token(reply["auth_req_id"].as_str().unwrap()).await;
    assert_eq!((status, again["error"].as_str()), (400, Some("invalid_grant")));
}

#[tokio::test]
async fn a_public_body_gets_the_cpr_number_and_each_sector_its_own_subject() {
    let world = World::new().await;
    let (_, phone) = world.person("lise-toft").await;
    let mut subjects = Vec::new();
    for client in ["netbank", "borger"] {
        let mut browser = world.login_page(&Ask::login().from(client)).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        phone.approve(&view, PIN).await.unwrap();
        let claims = browser.signed_in().await;
        assert_eq!(claims.get("dk.cpr").and_then(|cpr| cpr.as_str()), (client == "borger").then_some("1703850003"));
        subjects.push(claims["sub"].clone());
    }
    assert_ne!(subjects[0], subjects[1]);
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_by_its_own_client() {
    let world = World::new().await;
    let (_, phone) = world.person("mads-vang").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let answer = browser.finish().await;
    let other = Bank::push(&world, &Ask::login().from("borger")).await;
    assert!(other.redeem(&answer).await.is_err());
    assert!(browser.bank().redeem(&answer).await.is_ok());
    assert!(browser.bank().redeem(&answer).await.is_err());
}

#[tokio::test]
async fn the_magic_identities_act_by_themselves() {
    let world = World::new().await;
    for (user_id, outcome, error) in [("magic-yes", "approves", None), ("magic-no", "refuses", Some("access_denied"))] {
        world.magic(user_id, outcome).await;
        let mut browser = world.login_page(&Ask::login()).await;
        browser.type_user_id(user_id).await;
        match error {
            None => assert_eq!(browser.signed_in().await["acr"], Level::Substantial.uri()),
            Some(error) => assert_eq!(browser.finish().await["error"], error),
        }
        // A refusal makes its source wait.
        world.advance(30).await;
    }
    for (user_id, outcome) in [("magic-never", "never_answers"), ("magic-pin", "wrong_pin")] {
        world.magic(user_id, outcome).await;
        let mut browser = world.login_page(&Ask::login()).await;
        browser.type_user_id(user_id).await;
        assert_eq!(browser.state().await["finish"], serde_json::Value::Null, "{outcome}");
    }
    // Last: a report blocks the source that it came from, here all of us.
    world.magic("magic-fraud", "reports_fraud").await;
    let mut browser = world.login_page(&Ask::login()).await;
    browser.type_user_id("magic-fraud").await;
    assert_eq!(browser.finish().await["error"], "access_denied");
}
