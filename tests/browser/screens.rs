//! Pictures of the pages for the documents, in `docs/screens`: written when `GODKEND_SCREENSHOTS` is 1.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::chrome::Chrome;
use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::phone::{PIN, with_pin};

/// The largest picture that belongs into a repository, in bytes.
const MOST: usize = 110_000;
/// A computer's window, a phone's, and the narrowest one, in pixels.
pub(crate) const DESK: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);
const NARROW: (u32, u32) = (320, 568);

#[tokio::test]
async fn every_page_fits_its_picture() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("mette-berg").await;
    chrome.hold().await;

    chrome.open(&scene.bank).await;
    take(chrome, DESK, "bank").await;
    for (language, text) in [("en", "Log on to Netbank"), ("kl", "Netbankimut iserneq")] {
        scene.open(&Ask { language: Some(language), text: Some(text), ..Ask::login() }).await;
        chrome.until_shown("#qr svg").await;
        take(chrome, DESK, if language == "en" { "login-english" } else { "login-greenlandic" }).await;
    }

    scene.log_on().await;
    chrome.until_shown("#qr svg").await;
    take(chrome, DESK, "login").await;
    take(chrome, PHONE, "login-phone").await;
    take(chrome, NARROW, "login-narrow").await;
    chrome.prefers(&[("prefers-color-scheme", "dark")]).await;
    take(chrome, DESK, "login-dark").await;
    take(chrome, PHONE, "login-phone-dark").await;
    chrome.prefers(&[]).await;
    chrome.click("#other summary").await;
    chrome.write("#user-id", "mette-berg").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_shown("#number").await;
    take(chrome, DESK, "login-number").await;

    let view = scene.scan(&phone).await;
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    chrome.until_shown("#onward").await;
    take(chrome, DESK, "login-approved").await;
    chrome.click("#go").await;
    chrome.until_shown("#pay").await;
    take(chrome, DESK, "bank-signed-in").await;
    chrome.click("#pay").await;
    chrome.until_shown("#number").await;
    take(chrome, DESK, "payment").await;
    chrome.prefers(&[("prefers-color-scheme", "dark")]).await;
    take(chrome, PHONE, "payment-phone-dark").await;
    chrome.prefers(&[]).await;
    scene.open(&Ask::login()).await;
    chrome.until_shown("#remembered").await;
    take(chrome, PHONE, "login-remembered").await;

    let pages = [
        ("block", "block"),
        ("password", "choose-password"),
        ("chip", "register-chip"),
        ("login/unknown", "other-browser"),
    ];
    for (page, name) in pages {
        chrome.open(&format!("{}/{page}", scene.world.url)).await;
        take(chrome, DESK, name).await;
    }
}

/// Takes a picture of a window of this size, and keeps it if it was asked for.
pub(crate) async fn take(chrome: &Chrome, size: (u32, u32), name: &str) {
    take_at(chrome, size, name, "html").await;
}

/// [`take`], scrolled to an element.
pub(crate) async fn take_at(chrome: &Chrome, (width, height): (u32, u32), name: &str, css: &str) {
    chrome.resize(width, height).await;
    chrome.script(&format!("document.querySelector('{css}').scrollIntoView()")).await;
    let picture = image::load_from_memory(&chrome.screenshot().await).unwrap().into_rgb8();
    assert_eq!((picture.width(), picture.height()), (width, height), "{name}");
    assert_eq!(chrome.script("return document.documentElement.scrollWidth").await, width, "{name} is wider");
    let mut small = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut small, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).unwrap();
    assert!(small.len() <= MOST, "{name} has {} bytes", small.len());
    if std::env::var("GODKEND_SCREENSHOTS").is_ok_and(|wanted| wanted == "1") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screens");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), small).unwrap();
    }
    chrome.resize(900, 1000).await;
}
