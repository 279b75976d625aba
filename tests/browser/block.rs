//! The block page: a lost phone, and nothing at hand but its block code.

use godkend_protocol::codes::Code;

use crate::scene::Scene;
use godkend_tests::phone::code;

#[tokio::test]
async fn a_wrong_code_blocks_nothing_and_the_right_one_the_phone() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("ida-berg").await;
    let block_code = phone.client.identities()[0].block_code.clone().unwrap();
    let chrome = &scene.chrome;
    chrome.open(&format!("{}/block", scene.world.url)).await;
    chrome.until_text("h1", "Spær en telefon").await;
    chrome.write("#code", "ABCDEF-GHJKMN-PQRSTV").await;
    chrome.click("main button").await;
    chrome.until_text("#problem", "Spærrekoden passer ikke.").await;
    let mut other = scene.world.browser();
    other.open(&scene.world, &godkend_tests::Ask::login()).await;
    assert!(phone.scan(&other.qr().await).await.is_ok(), "it is not blocked");

    chrome.click("a[lang=en]").await;
    chrome.until_text("h1", "Block a phone").await;
    chrome.write("#code", &block_code.to_lowercase()).await;
    chrome.click("main button").await;
    chrome.until_text("#done", "The phone is blocked. It can no longer approve anything. (Testfon 3)").await;
    other.open(&scene.world, &godkend_tests::Ask::login()).await;
    assert_eq!(code(phone.scan(&other.qr().await).await), Some(Code::DeviceBlocked));
}
