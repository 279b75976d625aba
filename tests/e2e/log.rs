//! The audit log: what it proves, and how it repairs an older database.

use godkend_core::Failure;
use godkend_protocol::codes::Code;

use godkend_tests::phone::{OTHER_PIN, PIN, code};
use godkend_tests::{Ask, Phone, World};

async fn login(world: &World, phone: &Phone, pin: &str) -> Result<(), Failure> {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await?;
    phone.approve(&view, pin).await?;
    browser.signed_in().await;
    Ok(())
}

/// Copies the database with the server stopped.
fn database(world: &World) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    std::fs::read_dir(world.data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("godkend.sqlite"))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn put_back(world: &World, files: &[(std::path::PathBuf, Vec<u8>)]) {
    for (path, _) in database(world) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
}

#[tokio::test]
async fn an_older_database_refills_no_try_and_freezes_nobody() {
    let mut world = World::new().await;
    let (_, phone) = world.person("anna-older").await;
    let (citizen, blocked) = world.person("bo-older").await;
    login(&world, &phone, PIN).await.unwrap();
    world.stop().await;
    let older = database(&world);
    assert!(!older.is_empty());
    world.start().await;
    // After the copy: a wrong PIN, a login, a block.
    assert!(matches!(login(&world, &phone, OTHER_PIN).await, Err(Failure::WrongPin(_))));
    assert!(matches!(login(&world, &phone, OTHER_PIN).await, Err(Failure::WrongPin(_))));
    let device = world.devices(&citizen).await[0]["id"].as_str().unwrap().to_owned();
    world.desk(reqwest::Method::POST, &format!("devices/{device}/block"), Some(serde_json::json!({}))).await;
    world.stop().await;
    put_back(&world, &older);
    world.start().await;
    assert_eq!(code(login(&world, &blocked, PIN).await), Some(Code::DeviceBlocked), "a block outlives the database");
    let Failure::WrongPin(status) = login(&world, &phone, OTHER_PIN).await.unwrap_err() else { panic!() };
    assert!(status.wait > 0, "the two debits are still there: {status:?}");
    world.advance(60).await;
    login(&world, &phone, PIN).await.unwrap();
}

#[tokio::test]
async fn an_older_database_takes_back_no_approval() {
    let mut world = World::new().await;
    let (_, phone) = world.person("cai-older").await;
    world.stop().await;
    let older = database(&world);
    world.start().await;
    for _ in 0..3 {
        login(&world, &phone, PIN).await.unwrap();
    }
    world.stop().await;
    put_back(&world, &older);
    world.start().await;
    // The ratchet is where the phone is: nobody is taken for a clone.
    login(&world, &phone, PIN).await.unwrap();
}

#[tokio::test]
async fn both_lost_is_a_new_epoch_that_begins_with_the_pin() {
    let mut world = World::new().await;
    let (_, phone) = world.person("dan-epoch").await;
    phone.biometrics_on().await.unwrap();
    world.stop().await;
    let older = database(&world);
    world.start().await;
    login(&world, &phone, PIN).await.unwrap();
    world.stop().await;
    put_back(&world, &older);
    std::fs::remove_dir_all(world.data().join("log")).unwrap();
    world.start_new_epoch().await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    let refused = phone.approve_with(&view, godkend_core::Approval::Biometric, false).await;
    assert!(refused.is_err(), "no biometrics before the PIN");
    login(&world, &phone, PIN).await.unwrap();
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&view, godkend_core::Approval::Biometric, false).await.unwrap();
}

#[tokio::test]
async fn the_metrics_count_what_the_log_takes_in() {
    let world = World::with(|options| options.metrics = Some(godkend_tests::world::loopback()), |_| {}).await;
    let (_, phone) = world.person("eva-counts").await;
    login(&world, &phone, PIN).await.unwrap();
    assert!(matches!(login(&world, &phone, OTHER_PIN).await, Err(Failure::WrongPin(_))));
    let expected = [("device_enrolled", 1), ("approval_approved", 2), ("pin_debited", 3), ("pin_cleared", 2)];
    for _ in 0..100 {
        let text = world.metrics().await;
        if expected.iter().all(|(event, count)| text.contains(&format!("event=\"{event}\"}} {count}\n"))) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{}", world.metrics().await);
}

#[tokio::test]
async fn evidence_says_what_was_shown_and_one_changed_byte_ends_it() {
    let world = World::new().await;
    let (_, phone) = world.person("finn-evidence").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let claims = browser.signed_in().await;
    let id = claims["mitid.transaction_id"].as_str().unwrap();
    let file = world.evidence(id).await;
    // With nothing but the file and the root.
    let shown = godkend_server::evidence::verify(&file, &world.root).unwrap();
    let text = shown.to_string();
    assert!(text.contains("netbank") && text.contains("Log på Netbank"), "{text}");
    for place in (0..file.len()).step_by(97) {
        let mut changed = file.clone();
        changed[place] ^= 1;
        assert!(godkend_server::evidence::verify(&changed, &world.root).is_err(), "byte {place}");
    }
    let other = World::new().await;
    assert!(godkend_server::evidence::verify(&file, &other.root).is_err(), "another root");
}
