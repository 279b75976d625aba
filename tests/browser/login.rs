//! Logging on at the bank with the moving QR code, and all the ways in which that can end.

use godkend_protocol::codes::Code;
use godkend_protocol::types::Binding;

use crate::chrome::until;
use crate::scene::Scene;
use godkend_tests::phone::{PIN, code, with_pin};

#[tokio::test]
async fn a_scanned_code_signs_in_at_the_bank() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("anna-berg").await;
    scene.log_on().await;
    assert_eq!(scene.chrome.title().await, "Log på – Godkend");
    assert_eq!(scene.chrome.text("h1").await.unwrap(), "Netbanken\nvil have dig til at logge på");
    assert_eq!(scene.chrome.text("#text").await.unwrap(), "Log på Netbanken");
    let view = scene.scan(&phone).await;
    assert_eq!(view.text.as_deref(), Some("Log på Netbanken"), "the phone shows what the page shows");
    assert_eq!(view.binding, Binding::ScannedQr);
    scene.chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    assert!(!scene.chrome.shows("#scan").await, "nothing is left to scan");
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("anna-berg Testesen", "scanned_qr").await;
    // The login page is over, and no page to come back to. (Where Chromium goes instead depends on its own rules for
    // pages that nobody clicked on.)
    scene.chrome.script("history.back()").await;
    for _ in 0..20 {
        let url = scene.chrome.url().await;
        assert!(!url.contains("/login/"), "{url}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_code_moves_and_an_old_one_is_refused() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("bo-berg").await;
    scene.log_on().await;
    let old = scene.see().await;
    let moved = until(async || Some(scene.see().await).filter(|seen| *seen != old));
    assert!(moved.await.is_some(), "the code stands still");
    // The server's clock goes on; the page follows it.
    scene.world.advance(5).await;
    assert_eq!(code(phone.scan(&old).await), Some(Code::QrStale));
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("bo-berg Testesen", "scanned_qr").await;
}

#[tokio::test]
async fn whatever_ends_a_login_the_bank_hears_of_it() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("cai-berg").await;

    // Refused on the phone.
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.deny(&view).await.unwrap();
    scene.declined("The person declined.").await;

    // Given up on the page.
    scene.log_on().await;
    scene.chrome.click("#cancel").await;
    scene.declined("The person declined.").await;

    // Not answered: the page says so before it goes.
    scene.log_on().await;
    assert!(scene.chrome.text("#left").await.unwrap().starts_with("Udløber om "));
    scene.world.advance(200).await;
    scene.chrome.until_text("#status", "Tiden er gået. Du sendes tilbage.").await;
    assert!(!scene.chrome.shows("#scan").await && !scene.chrome.shows("#cancel").await);
    scene.declined("Nobody approved in time.").await;

    // Last, for it blocks the source.
    scene.log_on().await;
    let view = scene.scan(&phone).await;
    phone.report(&view).await.unwrap();
    scene.declined("The person reports that this was not their request.").await;
}

#[tokio::test]
async fn a_remembered_browser_needs_no_code() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("dag-berg").await;
    scene.log_on().await;
    assert!(!scene.chrome.shows("#remembered").await);
    let view = scene.scan(&phone).await;
    scene.chrome.until_shown("#offer").await;
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    scene.signed_in("dag-berg Testesen", "scanned_qr").await;
    let browsers = phone.overview().await.browsers;
    assert_eq!(browsers.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["Chrome, Linux"]);

    for _ in 0..2 {
        scene.chrome.click("#logout").await;
        scene.chrome.until_shown("#login").await;
        scene.log_on().await;
        scene.chrome.until_text("#remembered", "Anmodningen er sendt til din telefon.").await;
        let waiting = phone.waiting().await;
        assert_eq!(waiting.len(), 1);
        let view = phone.open(&waiting[0]).await.unwrap();
        assert_eq!(view.binding, Binding::RememberedBrowser);
        scene.chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
        assert!(scene.chrome.shows("#phone").await && !scene.chrome.shows("#pushed").await);
        phone.approve(&view, PIN).await.unwrap();
        scene.signed_in("dag-berg Testesen", "remembered_browser").await;
    }
}
