//! The ways back in the wrong hands: block codes, and a new PIN without proofing.

use godkend_core::{Command, Failure, Outcome};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::block_code::BlockCode;
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::{OTHER_PIN, PIN, code};
use godkend_tests::{Ask, Phone, World};

async fn login(world: &World, phone: &Phone, pin: &str) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.approve(&view, pin).await?;
    browser.signed_in().await;
    Ok(())
}

async fn types(world: &World, text: &str) -> u16 {
    world.browser().submit("/block", &[("code", text)]).await.0
}

#[tokio::test]
async fn a52_a_block_code_guessed_or_reused_blocks_its_own_phone_alone() {
    let world = World::new().await;
    let (citizen, phone) = world.person("anna-lost").await;
    let second = world.phone().await;
    second.activate(&world, &citizen, PIN).await;
    let (_, other) = world.person("bo-lost").await;
    let right = phone.client.identities()[0].block_code.clone().unwrap();
    // Guesses: near misses and rubbish. Five a minute from one source, then not even the right one is looked at.
    let near = |at: usize| {
        let mut text = right.clone();
        text.replace_range(at..=at, if &right[at..=at] == "7" { "8" } else { "7" });
        text
    };
    for guess in [near(0), near(19), "000000-000000-000000".to_owned(), String::new(), "x".repeat(5000)] {
        assert_eq!(types(&world, &guess).await, 403, "{guess}");
    }
    assert_eq!(types(&world, &near(3)).await, 429);
    assert_eq!(types(&world, &right).await, 429, "a guesser learns nothing either");
    for phone in [&phone, &second, &other] {
        login(&world, phone, PIN).await.unwrap();
    }
    world.advance(61).await;
    // The right one: this phone, not the person's other one, nobody else's.
    assert_eq!(types(&world, &right).await, 200);
    assert_eq!(code(login(&world, &phone, PIN).await), Some(Code::DeviceBlocked));
    login(&world, &second, PIN).await.unwrap();
    login(&world, &other, PIN).await.unwrap();
    // Reused: the same answer, and nothing more happens.
    let blocked = |history: &[String]| history.iter().filter(|event| *event == "device_blocked").count();
    assert_eq!(types(&world, &right).await, 200);
    assert_eq!(blocked(&world.history(&citizen).await), 1);
    // The person's phone that is left is told by history alone; the desk opens the blocked one again, and its code
    // still works if it is lost again.
    let device = phone.client.identities()[0].device.to_base64();
    let by = Some(json!({ "by": "test desk" }));
    let (status, reply) = world.desk(Method::POST, &format!("devices/{device}/unblock"), by).await;
    assert_eq!(status, 200, "{reply}");
    login(&world, &phone, PIN).await.unwrap();
    assert_eq!(types(&world, &right).await, 200);
    assert_eq!(blocked(&world.history(&citizen).await), 2);
    // A code of one phone says nothing of another's.
    let others = BlockCode::parse(&second.client.identities()[0].block_code.clone().unwrap()).unwrap();
    assert_ne!(BlockCode::parse(&right).unwrap().hash(), others.hash());
}

#[tokio::test]
async fn a52_a_forgotten_pin_needs_proofing_and_a_phone_that_is_neither_blocked_nor_frozen() {
    let world = World::new().await;
    let (citizen, phone) = world.person("cy-forgot").await;
    let (_, thief) = world.person("dan-forgot").await;
    let device = phone.client.identities()[0].device.to_base64();
    let by = Some(json!({ "by": "test desk" }));
    let reset = || phone.run(Command::ResetPin { identity: None });
    // Without a desk there is none, whoever asks.
    assert_eq!(code(reset().await), Some(Code::PinResetUnknown));
    // Opened for this phone: another phone cannot take it.
    let (status, opened) = world.desk(Method::POST, &format!("devices/{device}/pin-reset"), by.clone()).await;
    assert_eq!(status, 201, "{opened}");
    assert_eq!(code(thief.run(Command::ResetPin { identity: None }).await), Some(Code::PinResetUnknown));
    // Taken, but without the digits in the proofed session no PIN can be chosen; three wrong ones end it.
    let Outcome::Digits { identity, digits } = reset().await.unwrap() else { panic!() };
    assert!(phone.choose_pin(identity, OTHER_PIN).await.is_err());
    let activation = opened["id"].as_str().unwrap();
    let wrong = if digits == "00000000" { "11111111" } else { "00000000" };
    for _ in 0..3 {
        assert_ne!(world.digits(activation, wrong).await.0, 200);
    }
    assert_ne!(world.digits(activation, &digits).await.0, 200, "too late");
    assert!(phone.choose_pin(identity, OTHER_PIN).await.is_err());
    // Void: the old PIN is as it was.
    login(&world, &phone, PIN).await.unwrap();
    assert!(world.devices(&citizen).await[0]["pin"]["dead"] == false);

    // Never on a blocked phone, not even one that was opened before the block.
    let (status, _) = world.desk(Method::POST, &format!("devices/{device}/pin-reset"), by.clone()).await;
    assert_eq!(status, 201);
    world.desk(Method::POST, &format!("devices/{device}/block"), by.clone()).await;
    assert_eq!(code(reset().await), Some(Code::DeviceBlocked));
    let (status, reply) = world.desk(Method::POST, &format!("devices/{device}/pin-reset"), by.clone()).await;
    assert_eq!((status, reply["error"].as_str()), (403, Some("device_blocked")));
    world.desk(Method::POST, &format!("devices/{device}/unblock"), by.clone()).await;
    // With proofing and the digits it is set anew, and the old one is gone.
    let (_, opened) = world.desk(Method::POST, &format!("devices/{device}/pin-reset"), by).await;
    let Outcome::Digits { identity, digits } = reset().await.unwrap() else { panic!() };
    assert_eq!(world.digits(opened["id"].as_str().unwrap(), &digits).await.0, 200);
    phone.choose_pin(identity, OTHER_PIN).await.unwrap();
    assert!(matches!(login(&world, &phone, PIN).await, Err(Failure::WrongPin(_))));
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, OTHER_PIN).await.unwrap();
    browser.signed_in().await;
    login(&world, &thief, PIN).await.unwrap();
}
