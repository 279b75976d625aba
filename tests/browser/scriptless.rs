//! A browser whose scripts are turned off: user id, typed number, remembered browser, more time, giving up.

use godkend_protocol::types::Binding;

use crate::chrome::Chrome;
use crate::scene::Scene;
use godkend_tests::phone::{PIN, with_pin};

#[tokio::test]
async fn a_number_and_a_remembered_browser_sign_in_without_scripts() {
    let scene = Scene::with(Chrome::without_scripts()).await;
    let (_, phone) = scene.world.person("yrsa-berg").await;
    let chrome = &scene.chrome;
    scene.log_on().await;
    chrome.until_shown("noscript p").await;
    assert!(!chrome.shows("#scan").await, "a code that cannot move");
    chrome.click("#other summary").await;
    chrome.write("#user-id", "x").await;
    chrome.write("#user-id", "yrsa-berg").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_shown("#number").await;
    let number = chrome.text("#number").await.unwrap().replace(' ', "");
    let view = phone.type_number(&number).await.unwrap();
    // The page fetches news by itself.
    chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    chrome.until_text("#status", "Godkendt. Du sendes videre.").await;
    scene.signed_in("yrsa-berg Testesen", "typed_number").await;

    chrome.click("#logout").await;
    chrome.until_shown("#login").await;
    scene.log_on().await;
    chrome.until_text("#remembered", "Anmodningen er sendt til din telefon.").await;
    let waiting = phone.waiting().await;
    let view = phone.open(&waiting[0]).await.unwrap();
    assert_eq!(view.binding, Binding::RememberedBrowser);
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("yrsa-berg Testesen", "remembered_browser").await;
}

#[tokio::test]
async fn more_time_a_refusal_and_giving_up_need_no_scripts() {
    let scene = Scene::with(Chrome::without_scripts()).await;
    let chrome = &scene.chrome;
    scene.log_on().await;
    scene.world.advance(150).await;
    chrome.click("#more").await;
    chrome.until_shown("#left").await;
    let left = chrome.text("#clock").await.unwrap();
    assert!(["3:00", "2:59", "2:58", "2:57"].contains(&left.as_str()), "{left}");
    chrome.click("#other summary").await;
    chrome.write("#user-id", "      ").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_text("#problem", "Beskeden kan ikke læses.").await;
    chrome.click("#cancel").await;
    chrome.until_text("#status", "Afvist. Du sendes tilbage.").await;
    scene.declined("The person declined.").await;
}
