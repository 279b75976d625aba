//! Remembered browsers: pushed whole, named, listed, revoked; an old cookie revokes them.

use godkend_core::Command;
use godkend_protocol::types::Binding;

use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, Phone, World};

/// A browser that the person has chosen to remember.
async fn remembered(world: &World, phone: &Phone) -> godkend_tests::browser::Browser {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert!(view.may_remember);
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    browser
}

#[tokio::test]
async fn a_remembered_browser_is_pushed_whole_and_approved_at_once() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-browser").await;
    let mut browser = remembered(&world, &phone).await;
    let line = &phone.overview().await.browsers[0];
    assert!(line.name.contains("Firefox"), "{}", line.name);
    for _ in 0..2 {
        browser.open(&world, &Ask::login()).await;
        let waiting = phone.waiting().await;
        assert_eq!(waiting.len(), 1);
        assert!(!waiting[0].locked);
        let view = phone.open(&waiting[0]).await.unwrap();
        assert_eq!(view.binding, Binding::RememberedBrowser);
        assert!(!view.new_browser);
        phone.approve(&view, PIN).await.unwrap();
        assert_eq!(browser.signed_in().await["godkend.binding"], "remembered_browser");
    }
}

#[tokio::test]
async fn an_old_cookie_revokes_the_browser() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-browser").await;
    let mut browser = remembered(&world, &phone).await;
    let stolen = browser.cookies.clone();
    browser.open(&world, &Ask::login()).await;
    let view = phone.open(&phone.waiting().await[0]).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
    // A page that the browser opened at the same moment sends the same old cookie: nothing is pushed, and it stays.
    let mut tab = world.browser();
    tab.cookies = stolen.clone();
    tab.open(&world, &Ask::login()).await;
    assert!(phone.waiting().await.is_empty());
    assert_eq!(phone.overview().await.browsers.len(), 1);
    // The thief comes after the owner's next use: nothing is pushed, and the browser is forgotten.
    world.advance(11).await;
    let mut thief = world.browser();
    thief.cookies = stolen;
    thief.open(&world, &Ask::login()).await;
    assert!(phone.waiting().await.is_empty());
    assert!(phone.overview().await.browsers.is_empty());
    browser.open(&world, &Ask::login()).await;
    assert!(phone.waiting().await.is_empty());
}

#[tokio::test]
async fn a_forgotten_browser_pushes_nothing() {
    let world = World::new().await;
    let (_, phone) = world.person("cai-browser").await;
    let mut browser = remembered(&world, &phone).await;
    let id = phone.overview().await.browsers[0].id;
    phone.run(Command::ForgetBrowser { identity: None, browser: id, with: with_pin(PIN) }).await.unwrap();
    browser.open(&world, &Ask::login()).await;
    assert!(phone.waiting().await.is_empty());
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
}

#[tokio::test]
async fn the_cookie_reaches_high_only_together_with_the_number() {
    let world = World::with(|_| {}, |_| {}).await;
    let (_, phone) = world.person("dag-browser").await;
    let mut browser = remembered(&world, &phone).await;
    browser.open(&world, &Ask::login().at("High")).await;
    let waiting = phone.waiting().await;
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].locked, "the cookie alone opens nothing at High");
    let number = browser.state().await["number"].as_str().expect("a number").to_owned();
    let view = phone.type_number(&number).await.unwrap();
    assert_eq!(view.binding, Binding::RememberedBrowserAndNumber);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn a_person_can_turn_locked_pushes_off_and_the_number_still_works() {
    let world = World::new().await;
    let (_, phone) = world.person("eli-browser").await;
    phone.run(Command::SetLockedPush { identity: None, on: false, with: with_pin(PIN) }).await.unwrap();
    assert!(!phone.overview().await.locked_push);
    let mut browser = world.login_page(&Ask::login()).await;
    let number = browser.type_user_id("eli-browser").await;
    assert!(phone.waiting().await.is_empty());
    let view = phone.type_number(&number).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}
