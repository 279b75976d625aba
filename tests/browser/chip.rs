//! Signing in with a chip: Chromium's own virtual authenticator is registered on the page and signs there.

use godkend_protocol::codes::Code;
use reqwest::Method;
use serde_json::json;

use crate::chrome::until;
use crate::means::{PASSWORD, choose};
use crate::scene::Scene;
use crate::screens::{DESK, take};
use godkend_tests::Ask;
use godkend_tests::phone::{self, PIN};
use godkend_tests::world::Citizen;

/// A citizen with a password, chosen on the page.
async fn citizen(scene: &Scene, user_id: &str) -> Citizen {
    let citizen = scene.world.citizen(user_id).await;
    choose(scene, &citizen, user_id, PASSWORD, PASSWORD).await;
    scene.chrome.until_text("#done", "Adgangskoden er gemt.").await;
    citizen
}

/// From the page of the ways to the chip's half.
pub(crate) async fn half(scene: &Scene, user_id: &str) {
    let chrome = &scene.chrome;
    chrome.click("#ways a[href$='app+chip']").await;
    chrome.until_shown("#way-form").await;
    assert!(!chrome.shows("#password").await);
    chrome.write("#user-id", user_id).await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_shown("#half").await;
}

#[tokio::test]
async fn a_chip_beside_the_app_from_the_bank_to_the_bank() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, phone) = scene.world.person("jytte-berg").await;
    let (_, others) = scene.world.person("kalle-berg").await;
    let key = chrome.plug_in("usb", true).await;
    register(&scene, &citizen).await;
    chrome.until_text("#done", "Chippen er tilknyttet.").await;

    scene.log_on().await;
    chrome.click("#ways a[href$='app+chip']").await;
    chrome.until_shown("#way-form").await;
    take(chrome, DESK, "chip-app").await;
    chrome.write("#user-id", "jytte-berg").await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_text("#half h2", "Din chip er brugt. Godkend nu i appen.").await;
    take(chrome, DESK, "chip-app-phone").await;
    chrome.prefers(&[("prefers-color-scheme", "dark")]).await;
    take(chrome, DESK, "chip-app-phone-dark").await;
    chrome.prefers(&[]).await;
    // Another person's phone is told that it does not fit, and the page waits on.
    let scanned = others.scan(&scene.see().await).await;
    assert_eq!(phone::code(scanned), Some(Code::MeansWrong));
    let view = scene.scan(&phone).await;
    chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    assert!(!chrome.shows("#half").await);
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("jytte-berg Testesen", "scanned_qr").await;
    take(chrome, DESK, "chip-app-signed-in").await;
    let console = chrome.console().await;
    assert_eq!(console.iter().filter(|line| !line.contains("pubKeyCredParams")).count(), 0, "{console:?}");

    // Somebody else's name: the page says the same, and the phone that does not. Without the chip it goes on.
    chrome.click("#logout").await;
    scene.log_on().await;
    half(&scene, "kalle-berg").await;
    chrome.until_text("#half h2", "Din chip er brugt. Godkend nu i appen.").await;
    let scanned = phone.scan(&scene.see().await).await;
    assert_eq!(phone::code(scanned), Some(Code::MeansWrong));
    chrome.click("#half-form button").await;
    chrome.until_shown("#other").await;
    assert!(!chrome.shows("#half").await);
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("jytte-berg Testesen", "scanned_qr").await;

    // On a narrow screen, at High, in English; the way that was used last comes first.
    chrome.resize(320, 640).await;
    scene.open(&Ask { language: Some("en"), ..Ask::login().at("High") }).await;
    assert!(chrome.text("#ways li").await.unwrap().starts_with("Log on with the Godkend app + chip"));
    chrome.click("#ways a").await;
    chrome.until_shown("#chip").await;
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, 320);
    chrome.write("#user-id", "jytte-berg").await;
    // Too late: the page says so, and nothing was sent on.
    scene.world.advance(200).await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_text("#problem", "The request has expired. Start again where you signed in.").await;
    chrome.unplug(&key).await;
}

#[tokio::test]
async fn a_code_that_was_handed_out_is_not_lost_with_a_change_of_language() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let citizen = scene.world.citizen("bodil-berg").await;
    let key = chrome.plug_in("usb", true).await;
    let given = code(&scene, &citizen).await;
    for page in ["chip", "password"] {
        chrome.open(&format!("{}/{page}", scene.world.url)).await;
        chrome.write("#code", &given).await;
        for language in ["kl", "en", "da"] {
            chrome.click(&format!(".languages a[hreflang={language}]")).await;
            chrome.until_at(format!("{}/{page}?language={language}", scene.world.url)).await;
            let held = until(async || (chrome.attribute("#code", "value").await.is_some()).then_some(())).await;
            assert!(held.is_some());
            assert_eq!(chrome.script("return document.getElementById('code').value").await, given.as_str(), "{page}");
            assert!(!chrome.url().await.contains('#'), "the address does not keep it");
        }
    }
    chrome.open(&format!("{}/chip?language=kl", scene.world.url)).await;
    chrome.write("#code", &given).await;
    chrome.click("#chip-form button").await;
    chrome.until_text("#done", "Chip ilanngunneqarpoq.").await;
    chrome.unplug(&key).await;
}

pub(crate) async fn code(scene: &Scene, citizen: &Citizen) -> String {
    let path = format!("citizens/{}/chip", citizen.id);
    let (status, opened) = scene.world.desk(Method::POST, &path, Some(json!({}))).await;
    assert_eq!(status, 201, "{opened}");
    opened["code"].as_str().unwrap().to_owned()
}

/// Registers what is plugged in, with a code of the desk's.
pub(crate) async fn register(scene: &Scene, citizen: &Citizen) {
    let code = code(scene, citizen).await;
    scene.chrome.open(&format!("{}/chip", scene.world.url)).await;
    scene.chrome.write("#code", &code).await;
    scene.chrome.click("#chip-form button").await;
}

/// From the page of the ways to a try.
async fn enter(scene: &Scene, user_id: &str, password: &str) {
    let chrome = &scene.chrome;
    chrome.until_shown("#way-form").await;
    chrome.write("#user-id", user_id).await;
    chrome.write("#password", password).await;
    chrome.click("#way-form button[type=submit]").await;
}

#[tokio::test]
async fn a_key_in_the_computer_is_registered_and_signs_in_at_high_with_a_password() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let key = chrome.plug_in("usb", true).await;
    let citizen = citizen(&scene, "gry-berg").await;
    register(&scene, &citizen).await;
    chrome.until_text("#done", "Chippen er tilknyttet.").await;
    assert_eq!(chrome.script("return document.activeElement.id").await, "done");
    assert_eq!(chrome.credentials(&key).await.len(), 1);

    // A wrong password, and then the right one; the chip is touched each time.
    scene.log_on().await;
    chrome.click("#ways a[href$='password+chip']").await;
    enter(&scene, "gry-berg", "en anden adgangskode").await;
    chrome.until_text("#problem", "Oplysningerne passer ikke. Kontrollér dem alle, og prøv igen.").await;
    enter(&scene, "gry-berg", PASSWORD).await;
    scene.signed_in("gry-berg Testesen", "origin").await;
    // That there is one algorithm, Chromium would like to be told of again.
    let expected = |line: &String| line.contains("403") || line.contains("pubKeyCredParams");
    let console: Vec<_> = chrome.console().await.into_iter().filter(|line| !expected(line)).collect();
    assert_eq!(console, Vec::<String>::new());

    // At High, in English, on a narrow screen: the chip is the only way beside the app.
    chrome.resize(320, 640).await;
    scene.open(&Ask { language: Some("en"), ..Ask::login().at("High") }).await;
    assert_eq!(chrome.script("return document.querySelectorAll('#ways li').length").await, 2);
    assert!(chrome.text("#ways li").await.unwrap().starts_with("Log on with password + chip"));
    chrome.click("#ways a").await;
    chrome.until_shown("#chip").await;
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, 320);
    enter(&scene, "gry-berg", PASSWORD).await;
    chrome.until_at("https://netbank.example/callback?code=").await;

    // Lost: it still signs, and opens nothing.
    let lost = format!("citizens/{}/chip/lost", citizen.id);
    assert_eq!(scene.world.desk(Method::POST, &lost, Some(json!({}))).await.0, 200);
    scene.open(&Ask::login().at("High")).await;
    chrome.click("#ways a[href$='password+chip']").await;
    enter(&scene, "gry-berg", PASSWORD).await;
    chrome.until_text("#problem", "Oplysningerne passer ikke. Kontrollér dem alle, og prøv igen.").await;
}

#[tokio::test]
async fn what_a_chip_lacks_is_said_and_a_phones_own_key_is_opened_by_the_app() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, phone) = scene.world.person("ib-berg-x").await;
    choose(&scene, &citizen, "ib-berg-x", PASSWORD, PASSWORD).await;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;
    // A wrong code, and a chip that verifies nobody.
    let weak = chrome.plug_in("usb", false).await;
    chrome.open(&format!("{}/chip", scene.world.url)).await;
    chrome.write("#code", "ABCDEF-GHJKMN-PQRSTV").await;
    chrome.click("#chip-form button").await;
    chrome.until_text("#problem", "Koden til en chip passer ikke, eller den er udløbet. Bed om en ny.").await;
    register(&scene, &citizen).await;
    chrome.until_text("#problem", "Chippen svarede ikke. Prøv igen.").await;
    chrome.unplug(&weak).await;

    // The platform's own, with the app's approval in place of a code.
    chrome.plug_in("internal", true).await;
    chrome.open(&format!("{}/chip", scene.world.url)).await;
    chrome.click("a[href^='/chip/app']").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    let view = scene.scan(&phone).await;
    assert_eq!(view.text.as_deref(), Some("Tilknyt en chip"));
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_at(format!("{}/chip?", scene.world.url)).await;
    // The approval is for a chip, and opens no password.
    let address = chrome.url().await.replace("/chip?", "/password?");
    assert_ne!(chrome.attribute("#code", "value").await.as_deref(), Some(""));
    chrome.click("#chip-form button").await;
    chrome.until_text("#done", "Chippen er tilknyttet.").await;
    chrome.open(&address).await;
    assert!(!chrome.shows("#choose-form").await);

    scene.log_on().await;
    chrome.click("#ways a[href$='password+chip']").await;
    enter(&scene, "ib-berg-x", PASSWORD).await;
    scene.signed_in("ib-berg-x Testesen", "origin").await;
}
