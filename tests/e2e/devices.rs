//! Biometrics, rotation, more phones, moves, blocks, clones and shared tablets.

use godkend_client::software_keys::Persona;
use godkend_core::{Approval, Command, Failure, IdentityStanding, Outcome, Pin};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::{Action, Factor, KeyPurpose, Suite};
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::{Finger, PIN, Phone, code, with_pin};
use godkend_tests::{Ask, World};

async fn login(world: &World, phone: &Phone, with: Approval) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve_with(&view, with, false).await?;
    browser.signed_in().await;
    Ok(())
}

#[tokio::test]
async fn biometrics_on_used_cancelled_invalidated_and_off() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-bio").await;
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::NotSupported));
    phone.biometrics_on().await.unwrap();
    assert!(phone.client.identities()[0].biometrics);
    login(&world, &phone, Approval::Biometric).await.unwrap();
    phone.finger.cancels();
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::Cancelled));
    phone.finger.is_locked_out();
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::LockedOut));
    phone.finger.matches();
    // A new finger: the app says so, the PIN goes on, and biometrics can be turned on again.
    phone.keys.enrol_new_finger().unwrap();
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::KeyInvalidated));
    login(&world, &phone, with_pin(PIN)).await.unwrap();
    phone.biometrics_on().await.unwrap();
    login(&world, &phone, Approval::Biometric).await.unwrap();
    phone.run(Command::DisableBiometrics { identity: None, with: with_pin(PIN) }).await.unwrap();
    assert_eq!(login(&world, &phone, Approval::Biometric).await, Err(Failure::NotSupported));
}

#[tokio::test]
async fn a_phone_that_lacks_something_has_less_and_nothing_weaker() {
    let world = World::new().await;
    let citizen = world.citizen("bo-plain").await;
    let plain = Phone::with(world.root.clone(), vec![Suite::P256], Persona::default(), Finger::default()).await;
    plain.activate(&world, &citizen, PIN).await;
    assert_eq!(plain.biometrics_on().await, Err(Failure::NotSupported));
    login(&world, &plain, with_pin(PIN)).await.unwrap();
    let finger = Finger::default();
    let persona = Persona::with_biometrics(finger.clone()).without_key_agreement();
    let phone = Phone::with(world.root.clone(), vec![Suite::P256], persona, finger).await;
    phone.activate(&world, &citizen, PIN).await;
    phone.biometrics_on().await.unwrap();
    let view = &phone.client.identities()[0];
    assert!(view.biometrics && !view.offline);
}

#[tokio::test]
async fn keys_are_rotated_and_the_old_ones_are_gone() {
    let world = World::new().await;
    let (citizen, phone) = world.person("cora-keys").await;
    phone.biometrics_on().await.unwrap();
    let public = |outcome: Outcome| match outcome {
        Outcome::Keys(keys) => keys.into_iter().find(|key| key.purpose == KeyPurpose::Possession).unwrap().public,
        other => panic!("{other:?}"),
    };
    let rotate = || phone.run(Command::RotateKeys { identity: None, pin: Pin::new(PIN).unwrap() });
    let (first, second) = (public(rotate().await.unwrap()), public(rotate().await.unwrap()));
    assert_ne!(first, second);
    login(&world, &phone, Approval::Biometric).await.unwrap();
    login(&world, &phone, with_pin(PIN)).await.unwrap();
    use godkend_client::keys::HardwareKeys;
    assert_eq!(phone.keys.aliases().await.unwrap().len(), 4, "possession, pepper, biometric, offline and no orphans");
    assert_eq!(world.devices(&citizen).await.len(), 1);
}

#[tokio::test]
async fn a_phone_moves_to_another_in_an_hour_unless_refused() {
    let world = World::new().await;
    let (_, old) = world.person("dina-move").await;
    let new = world.phone().await;
    let Outcome::Activation(handed) =
        old.run(Command::Move { identity: None, with: with_pin(PIN), keep: false }).await.unwrap()
    else {
        panic!()
    };
    let (identity, digits) = new.begin_activation(&handed.link).await.unwrap();
    assert_eq!(
        code(old.run(Command::MoveDigits { identity: None, digits: "00000000".to_owned() }).await),
        Some(Code::DigitsWrong)
    );
    let moved = old.run(Command::MoveDigits { identity: None, digits }).await.unwrap();
    assert!(matches!(moved, Outcome::MovedTo { ref model, .. } if model == "Testfon 3"), "{moved:?}");
    let Stage::Waiting { .. } = new.choose_pin(identity, PIN).await.unwrap() else { panic!() };
    assert!(login(&world, &new, with_pin(PIN)).await.is_err(), "not before the hour");
    login(&world, &old, with_pin(PIN)).await.unwrap();
    world.advance(3_601).await;
    assert_eq!(new.stage().await, Stage::Active);
    login(&world, &new, with_pin(PIN)).await.unwrap();
    assert_eq!(code(login(&world, &old, with_pin(PIN)).await), Some(Code::DeviceRemoved));
    assert_eq!(old.client.identities()[0].standing, IdentityStanding::Removed);
}

#[tokio::test]
async fn another_phone_is_told_of_the_new_one_and_stops_it() {
    let world = World::new().await;
    let (_, old) = world.person("egon-stop").await;
    let new = world.phone().await;
    let Outcome::Activation(handed) =
        old.run(Command::Move { identity: None, with: with_pin(PIN), keep: true }).await.unwrap()
    else {
        panic!()
    };
    let (identity, digits) = new.begin_activation(&handed.link).await.unwrap();
    old.run(Command::MoveDigits { identity: None, digits }).await.unwrap();
    new.choose_pin(identity, PIN).await.unwrap();
    let waiting = old.waiting().await;
    assert_eq!(waiting.len(), 1, "the notice");
    assert!(!waiting[0].locked);
    let notice = old.open(&waiting[0]).await.unwrap();
    assert_eq!(notice.action, Action::NewDeviceNotice);
    old.report(&notice).await.unwrap();
    world.advance(3_601).await;
    assert!(login(&world, &new, with_pin(PIN)).await.is_err());
    assert_eq!(new.stage().await, Stage::Void);
    login(&world, &old, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a_sibling_is_listed_and_removed() {
    let world = World::new().await;
    let (citizen, phone) = world.person("fie-two").await;
    let lost = world.phone().await;
    lost.activate(&world, &citizen, PIN).await;
    let overview = phone.overview().await;
    assert_eq!(overview.devices.len(), 2);
    let own = phone.client.identities()[0].device;
    let other = overview.devices.iter().find(|line| line.id != own).unwrap().id;
    let remove = |device| Command::RemoveDevice { identity: None, device, with: with_pin(PIN) };
    phone.run(remove(Some(other))).await.unwrap();
    assert_eq!(code(login(&world, &lost, with_pin(PIN)).await), Some(Code::DeviceRemoved));
    assert_eq!(phone.overview().await.devices.len(), 1);
    // And at last itself.
    phone.run(remove(None)).await.unwrap();
    assert_eq!(phone.client.identities()[0].standing, IdentityStanding::Removed);
    use godkend_client::keys::HardwareKeys;
    assert!(phone.keys.aliases().await.unwrap().is_empty());
    let identity = phone.client.identities()[0].id;
    phone.run(Command::Forget { identity }).await.unwrap();
    assert!(phone.client.identities().is_empty());
}

#[tokio::test]
async fn blocked_by_itself_by_its_code_and_by_the_desk() {
    let world = World::new().await;
    let (_, phone) = world.person("gry-block").await;
    phone.run(Command::Block { identity: None }).await.unwrap();
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::DeviceBlocked));

    let (_, phone) = world.person("ove-block").await;
    let block_code = phone.client.identities()[0].block_code.clone().unwrap();
    let mut browser = world.browser();
    let (status, page) = browser.submit("/block", &[("code", "ABCDEF-GHJKMN-PQRSTV")]).await;
    assert_eq!(status, 403, "{page}");
    login(&world, &phone, with_pin(PIN)).await.unwrap();
    let (status, page) = browser.submit("/block", &[("code", &block_code.to_lowercase())]).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::DeviceBlocked));

    let (citizen, phone) = world.person("pia-block").await;
    let device = world.devices(&citizen).await[0]["id"].as_str().unwrap().to_owned();
    let by = Some(json!({ "by": "test desk" }));
    world.desk(Method::POST, &format!("devices/{device}/block"), by.clone()).await;
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::DeviceBlocked));
    let (status, reply) = world.desk(Method::POST, &format!("devices/{device}/unblock"), by.clone()).await;
    assert_eq!(status, 200, "{reply}");
    login(&world, &phone, with_pin(PIN)).await.unwrap();
    world.desk(Method::POST, &format!("citizens/{}/block", citizen.id), by).await;
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::IdentityBlocked));
}

#[tokio::test]
async fn a_clone_is_found_out_when_the_second_copy_answers() {
    let world = World::new().await;
    let (_, phone) = world.person("rie-clone").await;
    let copy = phone.cloned().await;
    login(&world, &phone, with_pin(PIN)).await.unwrap();
    // A try of the copy's is one that was made already; its answer shows a ratchet that has moved on.
    assert_eq!(code(login(&world, &copy, with_pin(PIN)).await), Some(Code::PinExchangeClosed));
    let mut browser = world.login_page(&Ask::login()).await;
    let view = copy.scan(&browser.qr().await).await.unwrap();
    assert_eq!(code(copy.deny(&view).await), Some(Code::DeviceFrozen));
    assert_eq!(code(login(&world, &phone, with_pin(PIN)).await), Some(Code::DeviceFrozen));
}

#[tokio::test]
async fn keys_lost_in_a_restore_lead_to_a_new_activation() {
    let world = World::new().await;
    let (citizen, phone) = world.person("siv-restore").await;
    phone.keys.forget_all().unwrap();
    assert_eq!(login(&world, &phone, with_pin(PIN)).await, Err(Failure::KeyMissing));
    phone.run(Command::Resume).await.unwrap();
    let again = world.phone().await;
    again.activate(&world, &citizen, PIN).await;
    login(&world, &again, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn two_people_share_a_tablet_without_biometrics() {
    let world = World::new().await;
    let (mother, child) = (world.citizen("una-mother").await, world.citizen("vera-child").await);
    let tablet = world.phone().await;
    let first = tablet.activate(&world, &mother, PIN).await;
    tablet.biometrics_on().await.unwrap();
    let second = tablet.activate(&world, &child, "580263").await;
    assert!(tablet.client.identities().iter().all(|view| !view.biometrics));
    for (identity, pin, user_id) in [(first, PIN, "una-mother"), (second, "580263", "vera-child")] {
        let mut browser = world.login_page(&Ask::login()).await;
        let text = browser.qr().await;
        assert_eq!(tablet.scan(&text).await.unwrap_err(), Failure::NoIdentity, "whose is it?");
        let view = tablet.request(Command::Scan { identity: Some(identity), text }).await.unwrap();
        assert_eq!(view.factors, [Factor::Pin]);
        assert!(tablet.approve_with(&view, Approval::Biometric, false).await.is_err());
        tablet.approve(&view, pin).await.unwrap();
        assert_eq!(browser.signed_in().await["mitid.identity_name"], format!("{user_id} Testesen"));
    }
}

#[tokio::test]
async fn one_phone_used_from_many_threads_loses_nothing() {
    let world = World::new().await;
    let (_, phone) = world.person("will-many").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut browser = world.login_page(&Ask::login()).await;
        let text = browser.qr().await;
        let phone = phone.clone();
        tasks.spawn(async move {
            let view = phone.scan(&text).await?;
            phone.approve(&view, PIN).await?;
            Ok::<_, Failure>(browser.signed_in().await)
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a_clock_a_day_off_either_way_loses_and_wins_nothing() {
    let world = World::new().await;
    let (_, mut phone) = world.person("xena-clock").await;
    for wrong_by in [-86_400, 86_400, -10 * 365 * 86_400] {
        phone = phone.reopened_with_clock(wrong_by).await;
        login(&world, &phone, with_pin(PIN)).await.unwrap();
    }
    // Years ahead, the server's keys have expired for it; it says what is wrong.
    let phone = phone.reopened_with_clock(2 * 365 * 86_400).await;
    assert_eq!(login(&world, &phone, with_pin(PIN)).await, Err(Failure::ClockWrong));
    let phone = phone.reopened().await;
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn an_older_store_put_back_is_found_out_and_approves_nothing() {
    let world = World::new().await;
    let (_, phone) = world.person("yrsa-store").await;
    let older = phone.cloned().await;
    for _ in 0..2 {
        login(&world, &phone, with_pin(PIN)).await.unwrap();
    }
    let mut browser = world.login_page(&Ask::login()).await;
    let view = older.scan(&browser.qr().await).await.unwrap();
    assert!(older.approve(&view, PIN).await.is_err());
    assert_eq!(browser.state().await["finish"], serde_json::Value::Null);
}

#[tokio::test]
async fn what_was_stored_before_a_kill_is_settled_after_it() {
    let mut world = World::new().await;
    let (_, phone) = world.person("zita-kill").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.biometrics_on().await.unwrap();
    // The server is away when the answer goes out; the app is closed, and both come back.
    let approving = phone.clone();
    world.stop().await;
    let result = approving.approve_with(&view, Approval::Biometric, false).await;
    assert!(result.is_err());
    drop(approving);
    world.start().await;
    let phone = phone.reopened().await;
    phone.run(Command::Resume).await.unwrap();
    assert!(!phone.client.identities()[0].unsettled);
    let _ = browser.state().await;
    login(&world, &phone, with_pin(PIN)).await.unwrap();
}
