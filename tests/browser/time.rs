//! The time that a login has: said before it ends, and given again for the asking (WCAG 2.2, 2.2.1).

use crate::chrome::until;
use crate::scene::Scene;
use godkend_tests::phone::PIN;

/// Seconds that the page shows.
async fn left(scene: &Scene) -> u64 {
    let text = scene.chrome.text("#clock").await.unwrap();
    let (minutes, seconds) = text.split_once(':').unwrap();
    minutes.parse::<u64>().unwrap() * 60 + seconds.parse::<u64>().unwrap()
}

#[tokio::test]
async fn more_time_is_given_and_the_number_goes_on() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("zita-berg").await;
    let chrome = &scene.chrome;
    scene.log_on().await;
    chrome.click("#other summary").await;
    chrome.write("#user-id", "zita-berg").await;
    chrome.click("#user-id-form button[type=submit]").await;
    chrome.until_shown("#number").await;
    let number = chrome.text("#number").await.unwrap();
    assert!(left(&scene).await > 170);
    scene.world.advance(140).await;
    let address = chrome.url().await;
    chrome.open(&address).await;
    chrome.until_text("#soon", "Der er et minut tilbage. Vælg Få mere tid, hvis du har brug for det.").await;
    assert!(left(&scene).await <= 40);
    let moving = left(&scene).await;
    assert!(until(async || (left(&scene).await < moving).then_some(())).await.is_some(), "it stands still");
    chrome.click("#more").await;
    chrome.until_text("#soon", "Du har fået mere tid.").await;
    assert!(left(&scene).await > 170);
    // Past the first end: the same number still opens it.
    scene.world.advance(100).await;
    assert_eq!(chrome.text("#number").await.unwrap(), number);
    let view = phone.type_number(&number.replace(' ', "")).await.unwrap();
    chrome.until_shown("#phone").await;
    assert!(!chrome.shows("#more").await, "the phone's own time cannot be moved");
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("zita-berg Testesen", "typed_number").await;
}

#[tokio::test]
async fn a_password_page_tells_its_end_too() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    scene.log_on().await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    scene.world.advance(177).await;
    chrome.script("location.reload()").await;
    scene.declined("Nobody approved in time.").await;
}
