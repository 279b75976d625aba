//! Signing in without a phone: a password is chosen and used in a real Chromium, whose WebAssembly computes OPAQUE, with a
//! code from a display.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_oath::{Digits, Hash, Moving, Seed, Token};
use reqwest::Method;
use serde_json::json;

use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::world::Citizen;

pub(crate) const PASSWORD: &str = "en hest spiser havre på Møn";
const SEED: &[u8] = b"a seed of twenty one bytes";

/// A citizen to whom the desk has handed a display.
pub(crate) async fn holder(scene: &Scene, user_id: &str) -> (Citizen, Token) {
    let citizen = scene.world.citizen(user_id).await;
    let container = format!(
        r#"<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage><DeviceInfo>
        <SerialNo>{user_id}</SerialNo></DeviceInfo><Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
        <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret>
        <PlainValue>{}</PlainValue></Secret></Data></Key></KeyPackage></KeyContainer>"#,
        STANDARD.encode(SEED)
    );
    let body = json!({ "container": STANDARD.encode(container) });
    let (status, reply) = scene.world.desk(Method::POST, "displays", Some(body)).await;
    assert_eq!((status, &reply["imported"]), (201, &json!(1)), "{reply}");
    let path = format!("citizens/{}/display", citizen.id);
    let (status, reply) = scene.world.desk(Method::POST, &path, Some(json!({ "serial": user_id }))).await;
    assert_eq!(status, 201, "{reply}");
    let token =
        Token { seed: Seed::new(SEED).unwrap(), hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter };
    (citizen, token)
}

/// Chooses a password on the page, with a code of the desk's.
pub(crate) async fn choose(scene: &Scene, citizen: &Citizen, user_id: &str, password: &str, again: &str) {
    let path = format!("citizens/{}/password", citizen.id);
    let (_, opened) = scene.world.desk(Method::POST, &path, Some(json!({}))).await;
    let chrome = &scene.chrome;
    chrome.open(&format!("{}/password", scene.world.url)).await;
    chrome.write("#code", opened["code"].as_str().unwrap()).await;
    chrome.write("#user-id", user_id).await;
    chrome.write("#password", password).await;
    chrome.write("#again", again).await;
    chrome.click("#choose-form button").await;
}

#[tokio::test]
async fn a_password_is_chosen_and_signs_in_with_a_display() {
    let scene = Scene::new().await;
    let (citizen, display) = holder(&scene, "elin-berg").await;
    let chrome = &scene.chrome;
    choose(&scene, &citizen, "elin-berg", "sommer2026", "sommer2026").await;
    chrome.until_text("#problem", "Den adgangskode er for almindelig. Vælg en anden.").await;
    chrome.write("#password", PASSWORD).await;
    chrome.click("#choose-form button").await;
    chrome.until_text("#problem", "De to adgangskoder er ikke ens.").await;
    chrome.write("#again", PASSWORD).await;
    chrome.click("#choose-form button").await;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;

    scene.log_on().await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    let enter = async |password: &str, counter: u64| {
        chrome.write("#user-id", "Elin-Berg").await;
        chrome.write("#password", password).await;
        chrome.write("#code", display.code(counter).expose()).await;
        chrome.click("#way-form button[type=submit]").await;
    };
    // Wrong, whichever it is: one sentence, and the fields are empty again.
    for (password, counter) in [("en hest spiser havre på Mors", 0), (PASSWORD, 500)] {
        enter(password, counter).await;
        chrome.until_text("#problem", "Oplysningerne passer ikke. Kontrollér dem alle, og prøv igen.").await;
        assert_eq!(chrome.script("return document.getElementById('password').value").await, "");
        assert_eq!(chrome.script("return document.activeElement.id").await, "problem");
    }
    enter(PASSWORD, 1).await;
    scene.signed_in("elin-berg Testesen", "typed").await;

    // The password went nowhere: in no request of the page, whatever it was written as.
    let console: Vec<_> = chrome.console().await.into_iter().filter(|line| !line.contains("403")).collect();
    assert_eq!(console, Vec::<String>::new());
    let asked = chrome.requests().await;
    assert!(asked.iter().any(|url| url.ends_with("/means/finish")), "{asked:#?}");
    let ours = |url: &str| [&scene.world.url, &scene.bank].iter().any(|origin| url.starts_with(&format!("{origin}/")));
    assert_eq!(asked.iter().filter(|url| !ours(url)).collect::<Vec<_>>(), Vec::<&String>::new());

    // The way is remembered in this browser.
    chrome.click("#logout").await;
    chrome.until_shown("#login").await;
    scene.log_on().await;
    assert_eq!(
        chrome.text("#ways li:first-child").await.unwrap(),
        "Log på med adgangskode + kodeviser\nSenest brugt her"
    );
}

#[tokio::test]
async fn two_codes_in_a_row_find_a_display_again_in_english_and_on_a_small_screen() {
    let scene = Scene::new().await;
    let (citizen, display) = holder(&scene, "finn-berg").await;
    choose(&scene, &citizen, "finn-berg", PASSWORD, PASSWORD).await;
    let chrome = &scene.chrome;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;
    chrome.resize(320, 640).await;
    scene.open(&Ask { language: Some("en"), ..Ask::login() }).await;
    assert_eq!(chrome.text("#ways a[href$=code_display]").await.unwrap(), "Log on with password + code display");
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    chrome.click("#twice summary").await;
    chrome.write("#user-id", "finn-berg").await;
    chrome.write("#password", PASSWORD).await;
    chrome.write("#code", display.code(70).expose()).await;
    chrome.write("#next", display.code(71).expose()).await;
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, 320);
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_at("https://netbank.example/callback?code=").await;
}
