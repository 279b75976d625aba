//! WCAG 2.2 AA in every state of the pages, in every language, light and dark: what axe finds, reflow at 400 % zoom, the
//! size of what is pressed, the language, and that news is said aloud.

use godkend_protocol::types::Binding;

use crate::axe;
use crate::chip::code;
use crate::means::{PASSWORD, choose, holder};
use crate::scene::Scene;
use godkend_tests::bank::Bank;
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, Phone};

const LANGUAGES: [&str; 3] = ["da", "en", "kl"];

/// Looks at what is shown; what is wrong with it, a line each.
pub(crate) async fn look(scene: &Scene, what: &str, language: &str) -> Vec<String> {
    let chrome = &scene.chrome;
    let mut wrong = Vec::new();
    for scheme in ["light", "dark"] {
        // Without its transitions a colour is what it is at once.
        chrome.prefers(&[("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]).await;
        wrong.extend(axe::violations(chrome).await.into_iter().map(|found| format!("{scheme}: {found}")));
    }
    // A window of 1,280 by 1,024 pixels at 400 %.
    chrome.resize(320, 256).await;
    let seen = chrome
        .script(
            "const small = [...document.querySelectorAll('a, button, input, summary')].filter((one) => {
               const box = one.getBoundingClientRect();
               return box.width > 0 && one.type !== 'hidden' && (box.width < 24 || box.height < 24);
             }).map((one) => one.outerHTML.slice(0, 80));
             const moving = document.getAnimations().filter((one) => one.playState === 'running').length;
             const live = [...document.querySelectorAll('#status, #soon')].every((one) =>
               one.getAttribute('role') === 'status' && one.getAttribute('aria-live') === 'polite');
             return { width: document.documentElement.scrollWidth, small, moving, live,
               lang: document.documentElement.lang, title: document.title }",
        )
        .await;
    chrome.resize(900, 1000).await;
    let mut check = |good: bool, what: &str| {
        if !good {
            wrong.push(format!("{what}: {seen}"));
        }
    };
    check(seen["width"] == 320, "it scrolls sideways at 400 %");
    check(seen["small"].as_array().is_some_and(Vec::is_empty), "less than 24 pixels to press");
    check(seen["moving"] == 0, "something moves");
    check(seen["live"] == true, "news that is not said aloud");
    check(seen["lang"] == language, "another language");
    check(
        seen["title"].as_str().is_some_and(|title| title.ends_with(" – Godkend") || title.ends_with(" – Mit Godkend")),
        "no title",
    );
    wrong.into_iter().map(|line| format!("{what}, {language}: {line}")).collect()
}

/// Looks at the same address in each language.
async fn in_all_languages(scene: &Scene, what: &str, shows: &str) -> Vec<String> {
    let at = scene.chrome.url().await;
    let at = at.split(['?', '#']).next().unwrap().to_owned();
    let mut wrong = Vec::new();
    for language in LANGUAGES {
        scene.chrome.open(&format!("{at}?language={language}")).await;
        scene.chrome.until_shown(shows).await;
        wrong.extend(look(scene, what, language).await);
    }
    wrong
}

async fn login(scene: &Scene) {
    scene.open(&Ask { text: Some("Log på Netbanken"), ..Ask::login() }).await;
}

pub(crate) fn good(wrong: Vec<String>) {
    assert_eq!(wrong, Vec::<String>::new(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_login_with_the_app_from_its_start_to_the_phone_at_work() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("nina-berg").await;
    login(&scene).await;
    let mut wrong = in_all_languages(&scene, "start", "#qr svg").await;
    scene.chrome.click("#other summary").await;
    scene.chrome.write("#user-id", "nina-berg").await;
    wrong.extend(look(&scene, "user id", "kl").await);
    scene.chrome.click("#user-id-form button[type=submit]").await;
    scene.chrome.until_shown("#number").await;
    let number = scene.chrome.text("#number").await.unwrap().replace(' ', "");
    wrong.extend(in_all_languages(&scene, "number", "#number").await);
    let view = phone.type_number(&number).await.unwrap();
    scene.chrome.until_shown("#phone").await;
    wrong.extend(in_all_languages(&scene, "phone at work", "#phone").await);
    phone.deny(&view).await.unwrap();
    good(wrong);
}

async fn ended(scene: &Scene, what: &str) -> Vec<String> {
    scene.chrome.until_shown("#result").await;
    assert!(!scene.chrome.shows("#cancel").await, "{what}");
    in_all_languages(scene, what, "#result").await
}

#[tokio::test]
async fn how_a_login_can_end() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("olga-berg").await;
    scene.chrome.hold().await;
    login(&scene).await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    let mut wrong = ended(&scene, "approved").await;
    login(&scene).await;
    let view = scene.scan(&phone).await;
    phone.deny(&view).await.unwrap();
    wrong.extend(ended(&scene, "refused").await);
    login(&scene).await;
    let view = scene.scan(&phone).await;
    phone.report(&view).await.unwrap();
    wrong.extend(ended(&scene, "reported").await);
    login(&scene).await;
    scene.world.advance(200).await;
    wrong.extend(ended(&scene, "expired").await);
    good(wrong);
}

async fn remember(scene: &Scene, phone: &Phone) {
    login(scene).await;
    let view = scene.scan(phone).await;
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    scene.chrome.until_at("https://netbank.example/callback?code=").await;
}

#[tokio::test]
async fn what_a_remembered_browser_shows_and_a_payment() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("palle-berg").await;
    remember(&scene, &phone).await;
    login(&scene).await;
    let mut wrong = in_all_languages(&scene, "push sent", "#remembered").await;
    assert!(!scene.chrome.shows("#number").await, "what was pushed whole needs no number");
    scene.chrome.click("#cancel").await;
    scene.chrome.until_at("https://netbank.example/callback?error=access_denied").await;
    scene.open(&Ask::payment("1250.50", "Bager Sørensen")).await;
    wrong.extend(in_all_languages(&scene, "payment with push and number", "#number").await);
    let view = phone.type_number(&scene.chrome.text("#number").await.unwrap().replace(' ', "")).await.unwrap();
    assert_eq!(view.binding, Binding::RememberedBrowserAndNumber);
    good(wrong);
}

#[tokio::test]
async fn password_and_display_and_the_pages_beside_a_login() {
    let scene = Scene::new().await;
    let (citizen, _) = holder(&scene, "rita-berg").await;
    choose(&scene, &citizen, "rita-berg", PASSWORD, PASSWORD).await;
    let chrome = &scene.chrome;
    chrome.until_shown("#done").await;
    let mut wrong = look(&scene, "password chosen", "da").await;
    chrome.open(&format!("{}/password", scene.world.url)).await;
    wrong.extend(in_all_languages(&scene, "choose a password", "#choose-form").await);
    login(&scene).await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    wrong.extend(in_all_languages(&scene, "password and display", "#way-form").await);
    chrome.click("#twice summary").await;
    chrome.write("#user-id", "rita-berg").await;
    chrome.write("#password", "not this one").await;
    chrome.write("#code", "123456").await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_shown("#problem").await;
    wrong.extend(look(&scene, "something is wrong", "kl").await);
    chrome.open(&format!("{}/block", scene.world.url)).await;
    wrong.extend(in_all_languages(&scene, "block", "#code").await);
    chrome.write("#code", "ABCDEF-GHJKMN-PQRSTV").await;
    chrome.click("main button").await;
    chrome.until_shown("#problem").await;
    wrong.extend(look(&scene, "wrong block code", "kl").await);
    for (page, what) in [("/login/unknown", "no such login"), ("/authorize?client_id=nobody", "no such client")] {
        chrome.open(&format!("{}{page}", scene.world.url)).await;
        wrong.extend(look(&scene, what, "kl").await);
    }
    good(wrong);
}

#[tokio::test]
async fn chips_with_a_password_and_beside_the_app() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, _) = scene.world.person("vera-berg").await;
    chrome.plug_in("usb", true).await;
    chrome.open(&format!("{}/chip", scene.world.url)).await;
    let mut wrong = in_all_languages(&scene, "register a chip", "#chip-form").await;
    chrome.write("#code", "ABCDEF-GHJKMN-PQRSTV").await;
    chrome.click("#chip-form button").await;
    chrome.until_shown("#problem").await;
    wrong.extend(look(&scene, "wrong code for a chip", "kl").await);
    // The page speaks what was chosen last.
    chrome.open(&format!("{}/chip?language=kl", scene.world.url)).await;
    let given = code(&scene, &citizen).await;
    chrome.write("#code", &given).await;
    chrome.click("#chip-form button").await;
    chrome.until_shown("#done").await;
    wrong.extend(look(&scene, "chip registered", "kl").await);
    for way in ["password+chip", "app+chip"] {
        login(&scene).await;
        chrome.click(&format!("#ways a[href$='{way}']")).await;
        chrome.until_shown("#way-form").await;
        wrong.extend(in_all_languages(&scene, way, "#way-form").await);
    }
    chrome.write("#user-id", "vera-berg").await;
    chrome.click("#way-form button[type=submit]").await;
    chrome.until_shown("#half").await;
    wrong.extend(in_all_languages(&scene, "the chip was used", "#half").await);
    good(wrong);
}

#[tokio::test]
async fn a_phone_without_a_network_and_the_end_of_a_session() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("yrsa-berg").await;
    phone.biometrics_on().await.unwrap();
    let mut wrong = Vec::new();
    for language in LANGUAGES {
        scene.open(&Ask { language: Some(language), ..Ask::login() }).await;
        chrome.click("#other summary").await;
        chrome.write("#user-id", "yrsa-berg").await;
        chrome.click("#offline-button").await;
        chrome.until_shown("#offline-qr svg").await;
        wrong.extend(look(&scene, "code without a network", language).await);
        chrome.click("#cancel").await;
        chrome.until_at("https://netbank.example/callback?error=access_denied").await;
    }
    let bank = Bank::push(&scene.world, &Ask::login()).await;
    chrome.open(&bank.authorize_url).await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_at("https://netbank.example/callback?code=").await;
    let back = url::Url::parse(&chrome.url().await).unwrap();
    let given = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (_, tokens) = bank.redeem_code(&given).await;
    let hint = tokens["id_token"].as_str().unwrap().to_owned();
    for language in LANGUAGES {
        chrome.open(&format!("{}/block?language={language}", scene.world.url)).await;
        chrome.open(&format!("{}/logout?id_token_hint={hint}", scene.world.url)).await;
        chrome.until_shown("main h1").await;
        wrong.extend(look(&scene, "logged out", language).await);
        chrome.open(&format!("{}/logout", scene.world.url)).await;
        wrong.extend(look(&scene, "a refused logout", language).await);
    }
    good(wrong);
}

#[tokio::test]
async fn colours_of_the_persons_own_and_movement_only_where_it_is_wanted() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("sara-berg").await;
    let chrome = &scene.chrome;
    login(&scene).await;
    chrome.prefers(&[("forced-colors", "active"), ("prefers-color-scheme", "dark")]).await;
    chrome.until_shown("#qr svg").await;
    let shown = chrome
        .script(
            "const style = (id) => getComputedStyle(document.getElementById(id));
             return [matchMedia('(forced-colors: active)').matches, style('cancel').borderTopStyle,
               getComputedStyle(document.querySelector('.act')).borderTopStyle]",
        )
        .await;
    assert_eq!(shown, serde_json::json!([true, "solid", "solid"]), "what is pressed has an edge");
    // The code is read whatever the colours are.
    let view = scene.scan(&phone).await;
    chrome.until_shown("#phone").await;
    let moving = "return document.getAnimations().filter((one) => one.playState === 'running').length";
    chrome.prefers(&[("prefers-reduced-motion", "no-preference")]).await;
    assert!(chrome.script(moving).await.as_u64().unwrap() > 0, "the phone at work");
    chrome.prefers(&[("prefers-reduced-motion", "reduce")]).await;
    assert_eq!(chrome.script(moving).await, 0);
    phone.deny(&view).await.unwrap();
}
