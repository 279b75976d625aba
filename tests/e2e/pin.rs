//! Wrong PINs, waits, a dead PIN, and the ways back.

use godkend_core::{Command, Failure, HistoryEvent, IdentityStanding, Outcome, Pin};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::Stage;
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::{OTHER_PIN, PIN, Phone, code};
use godkend_tests::{Ask, World};

async fn login(world: &World, phone: &Phone, pin: &str) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve(&view, pin).await?;
    browser.signed_in().await;
    Ok(())
}

async fn wrong(world: &World, phone: &Phone) -> Failure {
    login(world, phone, OTHER_PIN).await.unwrap_err()
}

#[tokio::test]
async fn from_a_wrong_pin_to_a_dead_one_and_back() {
    let world = World::new().await;
    let (citizen, phone) = world.person("anna-pin").await;
    for wait in [60, 3_600] {
        for left in [2, 1] {
            let Failure::WrongPin(status) = wrong(&world, &phone).await else { panic!() };
            assert_eq!((status.tries_left, status.wait, status.dead), (left, 0, false));
        }
        let Failure::WrongPin(status) = wrong(&world, &phone).await else { panic!() };
        assert!(!status.dead);
        assert!(status.wait >= wait - 2 && status.wait <= wait, "{status:?}");
        // The right one waits too, and costs nothing.
        let Failure::Refused { code, retry_after, .. } = login(&world, &phone, PIN).await.unwrap_err() else {
            panic!()
        };
        assert_eq!(code, Code::PinWaiting);
        assert!(retry_after.is_some_and(|seconds| seconds > 0 && seconds <= wait));
        world.advance(i64::from(wait)).await;
    }
    for _ in 0..2 {
        wrong(&world, &phone).await;
    }
    let Failure::WrongPin(status) = wrong(&world, &phone).await else { panic!() };
    assert!(status.dead);
    assert_eq!(code(login(&world, &phone, PIN).await), Some(Code::PinDead));
    assert!(phone.events().iter().filter(|event| **event == HistoryEvent::WrongPin).count() == 9);

    // Back: proofed again at a desk, the same phone takes a new PIN after the digits.
    assert_eq!(code(phone.run(Command::ResetPin { identity: None }).await), Some(Code::PinResetUnknown));
    let device = world.devices(&citizen).await[0]["id"].as_str().unwrap().to_owned();
    let (status, opened) =
        world.desk(Method::POST, &format!("devices/{device}/pin-reset"), Some(json!({ "by": "test desk" }))).await;
    assert!(status < 300, "{opened}");
    let Outcome::Digits { identity, digits } = phone.run(Command::ResetPin { identity: None }).await.unwrap() else {
        panic!()
    };
    assert_eq!(phone.client.identities()[0].standing, IdentityStanding::ResettingPin(Stage::Digits));
    assert_eq!(code(phone.choose_pin(identity, OTHER_PIN).await), Some(Code::DigitsPending));
    let (status, reply) = world.digits(opened["id"].as_str().unwrap(), &digits).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(phone.choose_pin(identity, OTHER_PIN).await.unwrap(), Stage::Active);
    login(&world, &phone, OTHER_PIN).await.unwrap();
    assert!(matches!(login(&world, &phone, PIN).await, Err(Failure::WrongPin(_))));
}

#[tokio::test]
async fn a_right_pin_restores_the_tries() {
    let world = World::new().await;
    let (_, phone) = world.person("bent-pin").await;
    for _ in 0..3 {
        wrong(&world, &phone).await;
        let Failure::WrongPin(status) = wrong(&world, &phone).await else { panic!() };
        assert_eq!(status.tries_left, 1);
        login(&world, &phone, PIN).await.unwrap();
    }
}

#[tokio::test]
async fn the_pin_is_changed_with_the_old_one() {
    let world = World::new().await;
    let (_, phone) = world.person("cilla-pin").await;
    let change = |old: &str, new: &str| Command::ChangePin {
        identity: None,
        old: Pin::new(old).unwrap(),
        new: Pin::new(new).unwrap(),
    };
    assert!(matches!(phone.run(change(OTHER_PIN, "902746")).await, Err(Failure::WrongPin(_))));
    assert!(matches!(phone.run(change(PIN, "000000")).await, Err(Failure::WeakPin(_))));
    phone.run(change(PIN, OTHER_PIN)).await.unwrap();
    login(&world, &phone, OTHER_PIN).await.unwrap();
    assert!(matches!(login(&world, &phone, PIN).await, Err(Failure::WrongPin(_))));
}

#[tokio::test]
async fn a_restart_in_the_middle_keeps_the_debit() {
    let mut world = World::new().await;
    let (_, phone) = world.person("doris-pin").await;
    wrong(&world, &phone).await;
    wrong(&world, &phone).await;
    world.restart().await;
    let Failure::WrongPin(status) = wrong(&world, &phone).await else { panic!() };
    assert!(status.wait > 0, "{status:?}");
}
