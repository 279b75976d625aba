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
    // What is the same for everybody travels compressed; what holds a login's secrets does not (`web/assets.rs`).
    let sizes = async |name: &str| -> (u64, u64) {
        let found = format!(
            "const e = performance.getEntries().find((e) => e.name.includes('{name}') && e.encodedBodySize);\
             return [e.encodedBodySize, e.decodedBodySize]"
        );
        serde_json::from_value(chrome.script(&found).await).unwrap()
    };
    for file in ["style.css", "login.js", "time.js", "icon.svg"] {
        let (travelled, whole) = sizes(file).await;
        assert!(travelled < whole, "{file}: {travelled} of {whole} bytes");
        println!("{file}: {travelled} of {whole} bytes");
    }
    let (travelled, whole) = sizes("/login/").await;
    assert_eq!(travelled, whole, "a page with secrets is not compressed");
    let start = weigh(&["/login/", "style.css", "login.js", "time.js", "icon.svg"]).await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    let way = weigh(&["/way/", "means.js"]).await;
    println!("a browser that has nothing yet: {start} bytes for the start, {way} more for password and display");
    assert!(start + way < MOST, "{start} and {way} bytes");
}
