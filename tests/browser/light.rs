//! What a login page weighs.

use crate::scene::Scene;
use godkend_tests::Ask;

/// Bytes that a page may cost in all, without the password's WebAssembly.
const MOST: u64 = 100_000;

#[tokio::test]
async fn a_page_weighs_less_than_a_hundred_kilobytes() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let weigh = async |parts: &[&str]| -> u64 {
        let weighed: Vec<_> = chrome.weighed().await.into_iter().filter(|(url, _)| !url.contains(".wasm")).collect();
        for part in parts {
            assert!(weighed.iter().any(|(url, bytes)| url.contains(part) && *bytes > 0), "{part}: {weighed:#?}");
        }
        weighed.iter().map(|(_, bytes)| bytes).sum()
    };
    scene.open(&Ask::login()).await;
    chrome.until_shown("#qr svg").await;
    let start = weigh(&["/login/", "style.css", "login.js", "time.js", "icon.svg"]).await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    let way = weigh(&["/way/", "means.js"]).await;
    println!("a browser that has nothing yet: {start} bytes for the start, {way} more for password and display");
    assert!(start + way < MOST, "{start} and {way} bytes");
}
