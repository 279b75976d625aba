//! A letter of the public body's, which takes a better or a newer login than many have (RFC 9470): its page, and its resource
//! as anybody can ask it.

use godkend_protocol::bytes::Id;
use godkend_protocol::types::Level;
use godkend_server::docs;
use godkend_server::oidc::records::{Ask as Asked, Login};
use reqwest::header;

use crate::scene::Scene;
use godkend_tests::bank::Bank;
use godkend_tests::phone::PIN;
use godkend_tests::{Ask, Phone};

async fn approve(scene: &Scene, phone: &Phone) -> Level {
    let view = scene.scan(phone).await;
    phone.approve(&view, PIN).await.unwrap();
    view.level
}

/// What the site has asked of the identity server for the login page that is shown.
async fn asked(scene: &Scene) -> Asked {
    let at = scene.chrome.url().await;
    let id = Id::from_base64(at.split_once("/login/").unwrap().1.split(['/', '?']).next().unwrap()).unwrap();
    let login = docs::get::<Login>(&*scene.world.app().store, &id.0).await.unwrap().unwrap();
    login.doc.request.ask
}

/// What the resource answers: its status, its challenge and its text.
async fn resource(scene: &Scene, authorization: Option<&str>) -> (u16, String, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.get(format!("{}/api/letter", scene.borger));
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let reply = request.send().await.unwrap();
    let challenge = reply.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), challenge, reply.text().await.unwrap())
}

#[tokio::test]
async fn a_letter_takes_a_better_login_then_a_newer_one_then_a_new_visit() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("gerda-berg").await;
    let letter = format!("{}/letter", scene.borger);

    // Low is enough to come in, and not for a letter.
    scene.log_on_at(&scene.borger).await;
    assert_eq!(approve(&scene, &phone).await, Level::Low);
    chrome.until_text("#level", "https://data.gov.dk/concept/core/nsis/Low").await;
    chrome.click("#letter").await;
    chrome.until_text("#why", "Du er logget på med niveau Lav. Breve kan læses med niveau Betydelig.").await;

    // The challenge's words go into the request as they are.
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    let request = asked(&scene).await;
    assert_eq!((request.level, request.wish.max_age), (Level::Substantial, Some(180)));
    chrome.click("#cancel").await;
    chrome.until_text("#error", "not approved: The person declined.").await;
    chrome.open(&letter).await;
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    assert_eq!(approve(&scene, &phone).await, Level::Substantial);
    chrome.until_shown("article#text").await;
    assert!(chrome.text("article#text").await.unwrap().contains("Kære gerda-berg Testesen\nDit nye pas ligger klar."));

    // Three minutes are enough to read it again, and a second more is too long.
    scene.advance(170).await;
    chrome.open(&letter).await;
    chrome.until_shown("article#text").await;
    scene.advance(11).await;
    chrome.open(&letter).await;
    chrome.until_text("h1", "Log på igen for at læse brevet").await;
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    let request = asked(&scene).await;
    assert_eq!((request.level, request.wish.max_age), (Level::Substantial, Some(180)));
    assert_eq!(approve(&scene, &phone).await, Level::Substantial);
    chrome.until_shown("article#text").await;

    // A token lives for five minutes; whoever had it is signed out, and signs in anew.
    scene.advance(301).await;
    chrome.open(&letter).await;
    chrome.until_shown("#ended").await;
    chrome.open(&scene.borger).await;
    assert!(!chrome.shows("#name").await, "the visit is over");
    scene.log_on_at(&scene.borger).await;
    approve(&scene, &phone).await;
    chrome.until_text("#level", "https://data.gov.dk/concept/core/nsis/Low").await;
}

/// The client is registered with `dpop = true`: no token is given to it, and none opens the letter, but with a proof.
#[tokio::test]
async fn a_client_whose_tokens_are_bound_to_a_key_reads_the_letter_too() {
    let scene = Scene::bound().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("karin-berg").await;
    scene.log_on_at(&scene.borger).await;
    approve(&scene, &phone).await;
    chrome.click("#letter").await;
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    approve(&scene, &phone).await;
    chrome.until_shown("article#text").await;
    chrome.open(&format!("{}/letter", scene.borger)).await;
    chrome.until_shown("article#text").await;
}

#[tokio::test]
async fn a_stepped_up_login_is_the_same_persons() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let ((_, own), (_, strange)) = (scene.world.person("hedda-berg").await, scene.world.person("inge-berg").await);
    scene.log_on_at(&scene.borger).await;
    approve(&scene, &own).await;
    chrome.click("#letter").await;
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    approve(&scene, &strange).await;
    chrome.until_at(&scene.borger).await;
    chrome.until_shown("#error").await;
    chrome.open(&scene.borger).await;
    chrome.until_text("#name", "hedda-berg Testesen").await;
    chrome.click("#letter").await;
    chrome.until_shown("#step-up").await;
}

#[tokio::test]
async fn the_letters_resource_opens_for_its_own_clients_living_tokens_alone() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("jytte-berg").await;
    // Of another client, at High, a moment ago.
    let bank = Bank::push(&scene.world, &Ask::login().at("High")).await;
    scene.chrome.open(&bank.authorize_url).await;
    approve(&scene, &phone).await;
    scene.chrome.until_at("https://netbank.example/callback?code=").await;
    let back = url::Url::parse(&scene.chrome.url().await).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (status, tokens) = bank.redeem_code(&code).await;
    let others = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{status} {tokens}"));
    for token in [others, &tokens["id_token"].as_str().unwrap().replace('.', "A"), "forged"] {
        let (status, challenge, text) = resource(&scene, Some(&format!("Bearer {token}"))).await;
        assert_eq!((status, text.as_str()), (401, ""), "{challenge}");
        assert!(challenge.starts_with("Bearer error=\"invalid_token\","), "{challenge}");
        assert!(!challenge.contains("acr_values"), "no login makes it good: {challenge}");
    }
    for none in [None, Some("Bearer"), Some("Basic Zm9vOmJhcg==")] {
        let challenge = "Bearer, DPoP algs=\"ES256\"".to_owned();
        assert_eq!(resource(&scene, none).await, (401, challenge, String::new()), "{none:?}");
    }
}
