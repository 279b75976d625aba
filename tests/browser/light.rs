//! What a login page weighs.

use crate::scene::Scene;
use godkend_tests::Ask;

/// Bytes that a page may cost in all, without the password's WebAssembly.
const MOST: u64 = 100_000;

#[tokio::test]
async fn a_page_weighs_less_than_a_hundred_kilobytes() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let weigh = async |what: &str, parts: &[&str]| {
        let weighed: Vec<_> = chrome.weighed().await.into_iter().filter(|(url, _)| !url.contains(".wasm")).collect();
        for part in parts {
            assert!(weighed.iter().any(|(url, bytes)| url.contains(part) && *bytes > 0), "{part}: {weighed:#?}");
        }
        let sum: u64 = weighed.iter().map(|(_, bytes)| bytes).sum();
        println!("{what}: {sum} bytes over the network in a browser that has nothing yet");
        assert!(sum < MOST, "{what} weighs {sum} bytes: {weighed:#?}");
    };
    scene.open(&Ask::login()).await;
    chrome.until_shown("#qr svg").await;
    weigh("start", &["/login/", "style.css", "login.js", "time.js", "icon.svg"]).await;

    chrome.click("#ways a").await;
    chrome.until_shown("#way-form").await;
    weigh("password and display", &["/way/", "means.js"]).await;
}
