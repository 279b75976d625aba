//! From a link or a code to a phone whose PIN has approved once.

use godkend_core::{Command, Failure, IdentityStanding, Pin};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::digits::PinError;
use godkend_protocol::messages::activation::Stage;

use godkend_tests::phone::{PIN, code};
use godkend_tests::{Ask, World};

#[tokio::test]
async fn by_link_and_by_code() {
    let world = World::new().await;
    for (user_id, form) in [("anna-link", "link"), ("bo-code", "code")] {
        let citizen = world.citizen(user_id).await;
        let (activation, text) = world.hand_out(&citizen, form).await;
        let phone = world.phone().await;
        let (identity, digits) = phone.begin_activation(&text).await.unwrap();
        assert_eq!(phone.stage().await, Stage::Digits);
        let (status, shown) = world.digits(&activation, &digits).await;
        assert_eq!(status, 200, "{shown}");
        assert!(shown.to_string().contains("Testfon 3"), "the desk sees which phone: {shown}");
        assert_eq!(phone.choose_pin(identity, PIN).await.unwrap(), Stage::Active);
        let view = &phone.client.identities()[0];
        assert_eq!(view.standing, IdentityStanding::Active);
        assert_eq!(view.name, format!("{user_id} Testesen"));
        assert_eq!(view.block_code.as_ref().map(|code| code.replace('-', "").len()), Some(18));
    }
}

#[tokio::test]
async fn the_pin_waits_for_the_digits_and_is_not_a_weak_one() {
    let world = World::new().await;
    let citizen = world.citizen("carla-holm").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let phone = world.phone().await;
    let (identity, digits) = phone.begin_activation(&link).await.unwrap();
    assert_eq!(code(phone.choose_pin(identity, PIN).await), Some(Code::DigitsPending));
    for (weak, why) in [("111111", PinError::Repeated), ("123456", PinError::Sequence), ("123321", PinError::Pattern)] {
        assert_eq!(phone.choose_pin(identity, weak).await, Err(Failure::WeakPin(why)));
    }
    assert!(matches!(Pin::new("12345"), Err(Failure::WeakPin(PinError::Shape))));
    world.digits(&activation, &digits).await;
    assert_eq!(phone.choose_pin(identity, PIN).await.unwrap(), Stage::Active);
}

#[tokio::test]
async fn a_link_works_once_and_not_after_its_time() {
    let world = World::new().await;
    let citizen = world.citizen("dan-lund").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    world.phone().await.begin_activation(&link).await.unwrap();
    assert_eq!(code(world.phone().await.begin_activation(&link).await), Some(Code::ActivationUsed));
    let (_, link) = world.hand_out(&citizen, "link").await;
    world.advance(601).await;
    assert_eq!(code(world.phone().await.begin_activation(&link).await), Some(Code::ActivationExpired));
}

#[tokio::test]
async fn two_phones_race_and_exactly_one_wins() {
    let world = World::new().await;
    let citizen = world.citizen("eva-race").await;
    let (_, link) = world.hand_out(&citizen, "link").await;
    let (a, b) = (world.phone().await, world.phone().await);
    let (first, second) = tokio::join!(a.begin_activation(&link), b.begin_activation(&link));
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
}

#[tokio::test]
async fn three_wrong_digits_void_the_activation() {
    let world = World::new().await;
    let citizen = world.citizen("finn-digit").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let phone = world.phone().await;
    let (_, digits) = phone.begin_activation(&link).await.unwrap();
    let wrong = if digits == "00000000" { "11111111" } else { "00000000" };
    for left in [2, 1] {
        let (status, reply) = world.digits(&activation, wrong).await;
        assert_eq!((status, reply["error"].as_str()), (403, Some("digits_wrong")), "{reply}");
        assert_eq!(reply["tries_left"], left);
    }
    let (_, reply) = world.digits(&activation, wrong).await;
    assert_eq!(reply["error"], "digits_blocked");
    let (_, reply) = world.digits(&activation, &digits).await;
    assert_ne!(reply["error"], serde_json::Value::Null, "the right ones come too late: {reply}");
    assert_eq!(phone.stage().await, Stage::Void);
}

#[tokio::test]
async fn a_code_guessed_wrong_five_times_is_blocked_and_others_are_not() {
    use godkend_protocol::formats::activation_code::ActivationCode;
    let world = World::new().await;
    let citizen = world.citizen("gitte-code").await;
    let (_, text) = world.hand_out(&citizen, "code").await;
    let (_, other) = world.hand_out(&world.citizen("hugo-code").await, "code").await;
    let right = ActivationCode::parse(&text).unwrap();
    let mut guess = right.clone();
    for place in 0..5 {
        guess.secret.0[6] = right.secret.0[6] ^ (place + 1);
        let refused = code(world.phone().await.begin_activation(&guess.to_text()).await);
        assert!(matches!(refused, Some(Code::ActivationRefused | Code::ActivationBlocked)), "{refused:?}");
    }
    assert_eq!(code(world.phone().await.begin_activation(&text).await), Some(Code::ActivationBlocked));
    assert!(world.phone().await.begin_activation(&other).await.is_ok());
    // A slip of the finger is caught before it costs a try.
    let slip = text.replacen(text.chars().next().unwrap(), if text.starts_with('7') { "8" } else { "7" }, 1);
    assert_eq!(world.phone().await.begin_activation(&slip).await.unwrap_err(), Failure::NotACode);
}

#[tokio::test]
async fn enrolment_that_is_not_finished_in_time_is_void() {
    let world = World::new().await;
    let citizen = world.citizen("ida-late").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let phone = world.phone().await;
    let (identity, digits) = phone.begin_activation(&link).await.unwrap();
    world.digits(&activation, &digits).await;
    world.advance(1_801).await;
    assert!(phone.choose_pin(identity, PIN).await.is_err());
    let mut browser = world.login_page(&Ask::login()).await;
    assert!(phone.scan(&browser.qr().await).await.is_err());
    // The way is free for another.
    phone.run(Command::Forget { identity }).await.unwrap();
    phone.activate(&world, &citizen, PIN).await;
}

#[tokio::test]
async fn a_link_of_another_environment_or_root_is_refused() {
    let (world, other) = (World::new().await, World::new().await);
    let citizen = other.citizen("jan-else").await;
    let (_, link) = other.hand_out(&citizen, "link").await;
    assert_eq!(world.phone().await.begin_activation(&link).await.unwrap_err(), Failure::UnknownRoot);
    for text in ["", "hello", "godkend://activate/1?e=test", "godkend://activate/2?e=test", "AAAAA-AAAAA-AAAAA"] {
        let failure = world.phone().await.begin_activation(text).await.unwrap_err();
        assert!(matches!(failure, Failure::NotACode | Failure::UpdateNeeded), "{text}: {failure:?}");
    }
}

#[tokio::test]
async fn at_most_three_phones() {
    let world = World::new().await;
    let (citizen, _) = world.person("kim-three").await;
    world.phone().await.activate(&world, &citizen, PIN).await;
    world.phone().await.activate(&world, &citizen, PIN).await;
    let (status, reply) = world
        .desk(
            reqwest::Method::POST,
            &format!("citizens/{}/activations", citizen.id),
            Some(serde_json::json!({"form": "link"})),
        )
        .await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("device_limit")));
}
