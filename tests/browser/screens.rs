//! Pictures of the pages for the documents, in `docs/screens`: written when `GODKEND_SCREENSHOTS` is 1.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::chrome::Chrome;
use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::phone::PIN;

/// The largest picture that belongs into a repository, in bytes.
const MOST: usize = 80_000;

#[tokio::test]
async fn every_page_fits_its_picture() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    chrome.resize(900, 700).await;
    let (_, phone) = scene.world.person("mette-berg").await;

    chrome.open(&scene.bank).await;
    take(chrome, "bank").await;

    scene.open(&Ask { language: Some("en"), text: Some("Log on to Netbank"), ..Ask::login() }).await;
    chrome.until_shown("#qr svg").await;
    take(chrome, "login-english").await;

    scene.log_on().await;
    chrome.until_shown("#qr svg").await;
    take(chrome, "login").await;
    chrome.click("#other summary").await;
    chrome.write("#user-id", "mette-berg").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_shown("#number").await;
    take(chrome, "login-number").await;

    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_shown("#pay").await;
    take(chrome, "bank-signed-in").await;
    chrome.click("#pay").await;
    chrome.until_shown("#qr svg").await;
    take(chrome, "payment").await;

    chrome.open(&format!("{}/block", scene.world.url)).await;
    take(chrome, "block").await;
}

/// Takes a picture of the whole page, and keeps it if it was asked for.
async fn take(chrome: &Chrome, name: &str) {
    let picture = image::load_from_memory(&chrome.whole_page().await).unwrap().into_rgb8();
    assert_eq!(picture.width(), 900, "{name}");
    let mut small = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut small, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).unwrap();
    assert!(small.len() <= MOST, "{name} has {} bytes", small.len());
    if std::env::var("GODKEND_SCREENSHOTS").is_ok_and(|wanted| wanted == "1") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/screens");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), small).unwrap();
    }
}
