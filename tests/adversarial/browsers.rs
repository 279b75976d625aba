//! A remembered browser's cookie in the wrong hands.

use std::collections::BTreeMap;

use godkend_core::Command;
use godkend_protocol::types::Binding;
use reqwest::Method;
use serde_json::json;

use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, Browser, Phone, World};

async fn remembered(world: &World, phone: &Phone) -> Browser {
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    browser
}

async fn use_it(world: &World, phone: &Phone, browser: &mut Browser) {
    browser.open(world, &Ask::login()).await;
    let waiting = phone.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, false));
    let view = phone.open(&waiting[0]).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

/// A thief with these cookies begins a login; nothing may reach the phone.
async fn pushes_nothing(world: &World, phone: &Phone, cookies: &BTreeMap<String, String>, ask: &Ask) -> Browser {
    let mut thief = world.browser();
    thief.cookies = cookies.clone();
    thief.open(world, ask).await;
    let own = phone.waiting().await.into_iter().find(|item| item.id.to_base64() == thief.login());
    assert!(own.is_none_or(|item| item.locked), "nothing is pushed whole");
    thief
}

#[tokio::test]
async fn a51_a_cookie_from_before_the_owners_next_use_pushes_nothing_and_revokes() {
    let world = World::new().await;
    let (citizen, phone) = world.person("anna-cookie").await;
    // However many times the owner has used it since.
    for uses in [1, 2, 4] {
        let mut browser = remembered(&world, &phone).await;
        let stolen = browser.cookies.clone();
        for _ in 0..uses {
            use_it(&world, &phone, &mut browser).await;
        }
        world.advance(11).await;
        pushes_nothing(&world, &phone, &stolen, &Ask::login()).await;
        assert!(phone.overview().await.browsers.is_empty(), "after {uses} uses");
        let history = world.history(&citizen).await;
        assert_eq!(
            history.iter().filter(|event| *event == "browser_revoked").count(),
            [1, 2, 4].iter().position(|n| *n == uses).unwrap() + 1
        );
        // The owner's own cookie is void with it, and the owner scans.
        browser.open(&world, &Ask::login()).await;
        assert!(phone.waiting().await.is_empty());
        let view = phone.scan(&browser.qr().await).await.unwrap();
        phone.approve(&view, PIN).await.unwrap();
        browser.signed_in().await;
    }
}

#[tokio::test]
async fn a51_a_guess_at_a_cookie_pushes_nothing_and_costs_the_owner_nothing() {
    let world = World::new().await;
    let (_, phone) = world.person("bo-cookie").await;
    let (_, other) = world.person("cy-cookie").await;
    let mut browser = remembered(&world, &phone).await;
    let foreign = remembered(&world, &other).await;
    let (name, value) = browser.cookies.iter().find(|(_, value)| value.contains('.')).unwrap();
    let (id, secret) = value.split_once('.').unwrap();
    let others = foreign.cookies[name].split_once('.').unwrap().1.to_owned();
    let mut flipped = secret.to_owned();
    flipped.replace_range(0..1, if secret.starts_with('A') { "B" } else { "A" });
    let guesses = ["A".repeat(43), others, secret[1..].to_owned(), String::new(), flipped, "x".repeat(4000)];
    for guess in guesses {
        let cookies = BTreeMap::from([(name.clone(), format!("{id}.{guess}"))]);
        pushes_nothing(&world, &phone, &cookies, &Ask::login()).await;
        assert!(other.waiting().await.is_empty());
        assert_eq!(phone.overview().await.browsers.len(), 1, "{guess}");
        world.advance(11).await;
    }
    use_it(&world, &phone, &mut browser).await;
}

#[tokio::test]
async fn a51_a_revoked_cookie_and_one_for_another_account_or_level_push_nothing_whole() {
    let world = World::new().await;
    let (citizen, phone) = world.person("dag-cookie").await;
    let (_, victim) = world.person("eva-cookie").await;
    let mut browser = remembered(&world, &phone).await;
    // Another account: the cookie's owner types a victim's user id; that waits locked for the victim, not whole.
    let mut thief = world.browser();
    thief.cookies = browser.cookies.clone();
    thief.open(&world, &Ask::login()).await;
    thief.type_user_id("eva-cookie").await;
    let waiting = victim.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, true));
    assert!(victim.open(&waiting[0]).await.is_err());
    assert!(phone.waiting().await.is_empty(), "and no longer for the cookie's owner");
    thief.cancel().await;
    browser.cookies = thief.cookies.clone();
    // Another level: at High the cookie alone opens nothing, and neither does the number alone.
    browser.open(&world, &Ask::login().at("High")).await;
    let waiting = phone.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, true));
    assert!(phone.open(&waiting[0]).await.is_err());
    let number = browser.state().await["number"].as_str().unwrap().to_owned();
    let mut plain = world.login_page(&Ask::login().at("High")).await;
    let (status, reply) = plain.ask(Method::POST, "user-id", Some(json!({ "user_id": "dag-cookie" }))).await;
    assert_eq!((status, reply["error"].as_str()), (403, Some("level_unreachable")), "{reply}");
    let view = phone.type_number(&number).await.unwrap();
    assert_eq!(view.binding, Binding::RememberedBrowserAndNumber);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
    // Revoked while its push waits: neither this push nor a later one is approved.
    browser.open(&world, &Ask::login()).await;
    let view = phone.open(&phone.waiting().await[0]).await.unwrap();
    let id = phone.overview().await.browsers[0].id;
    phone.run(Command::ForgetBrowser { identity: None, browser: id, with: with_pin(PIN) }).await.unwrap();
    assert!(phone.approve(&view, PIN).await.is_err());
    assert!(browser.state().await["finish"].is_null());
    pushes_nothing(&world, &phone, &browser.cookies.clone(), &Ask::login()).await;
    // And of a person who was blocked.
    let mut browser = remembered(&world, &phone).await;
    let path = |what: &str| format!("citizens/{}/{what}", citizen.id);
    world.desk(Method::POST, &path("block"), Some(json!({ "by": "test desk" }))).await;
    browser.open(&world, &Ask::login()).await;
    world.desk(Method::POST, &path("unblock"), Some(json!({ "by": "test desk" }))).await;
    assert!(phone.waiting().await.iter().all(|item| item.id.to_base64() != browser.login()));
    // All tries are there.
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}
