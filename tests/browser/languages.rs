//! Danish, English, Greenlandic: what the relying party asks for, what the person chooses, and that the choice is kept.

use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::phone::PIN;

#[tokio::test]
async fn a_language_that_a_person_chooses_is_kept_from_login_to_login() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("vera-berg").await;
    let chrome = &scene.chrome;
    scene.open(&Ask { language: Some("kl da"), ..Ask::login() }).await;
    assert_eq!(chrome.attribute("html", "lang").await.as_deref(), Some("kl"));
    assert_eq!(chrome.title().await, "Iserit – Godkend");
    // Asked for by a relying party, it is nobody's choice.
    chrome.open(&format!("{}/block", scene.world.url)).await;
    assert_eq!(chrome.attribute("html", "lang").await.as_deref(), Some("da"));

    scene.log_on().await;
    assert_eq!(chrome.title().await, "Log på – Godkend");
    let login = chrome.url().await;
    for (language, title) in [("kl", "Iserit – Godkend"), ("en", "Log on – Godkend")] {
        chrome.click(&format!(".languages a[lang={language}]")).await;
        chrome.until_text(".languages a[aria-current]", if language == "kl" { "Kalaallisut" } else { "English" }).await;
        assert_eq!((chrome.url().await, chrome.title().await), (login.clone(), title.to_owned()), "the same login");
    }
    // What the script says and what the server answers it speak it too.
    chrome.until_text("#status", "Waiting for your phone.").await;
    let view = scene.scan(&phone).await;
    chrome.until_text("#status", "Opened on your phone. Read it and answer there.").await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("vera-berg Testesen", "scanned_qr").await;

    // The next login speaks it, whatever the relying party asks for, and so do the other pages.
    scene.open(&Ask { language: Some("da"), ..Ask::login() }).await;
    assert_eq!(chrome.title().await, "Log on – Godkend");
    for page in ["block", "password", "login/unknown"] {
        chrome.open(&format!("{}/{page}", scene.world.url)).await;
        assert_eq!(chrome.attribute("html", "lang").await.as_deref(), Some("en"), "{page}");
    }
}

#[tokio::test]
async fn a_sentence_that_has_no_greenlandic_yet_says_which_language_it_is() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    scene.open(&Ask { language: Some("kl"), ..Ask::login() }).await;
    chrome.click("#other summary").await;
    // Spaces fill the field and make no user id.
    chrome.write("#user-id", "      ").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_text("#problem", "Beskeden kan ikke læses.").await;
    assert_eq!(chrome.attribute("#problem", "lang").await.as_deref(), Some("da"));
}
