//! Without a camera, on the phone itself, and without a network on the phone.

use godkend_core::{Approval, Command, Outcome};
use godkend_protocol::types::Binding;

use crate::scene::Scene;
use crate::screens::{take, take_at};
use godkend_tests::phone::PIN;

#[tokio::test]
async fn a_typed_user_id_shows_a_number_for_the_app() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("eli-berg").await;
    scene.log_on().await;
    assert!(!scene.chrome.shows("#number").await);
    scene.chrome.click("#other summary").await;
    scene.chrome.write("#user-id", "Eli-Berg").await;
    scene.chrome.click("#user-id-form button[type=submit]").await;
    scene.chrome.until_shown("#number").await;
    let shown = scene.chrome.text("#number").await.unwrap();
    assert_eq!(shown.len(), 9, "{shown}: four digits, a space and four");
    let view = phone.type_number(&shown.replace(' ', "")).await.unwrap();
    assert_eq!(view.binding, Binding::TypedNumber);
    scene.chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    assert!(!scene.chrome.shows("#number").await);
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("eli-berg Testesen", "typed_number").await;
}

#[tokio::test]
async fn the_link_to_the_app_completes_with_its_return_only() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("fie-berg").await;
    scene.log_on().await;
    scene.chrome.until_shown("#same-device").await;
    take(&scene.chrome, (390, 1400), "same-device").await;
    let link = scene.chrome.attribute("#same-device", "href").await.unwrap();
    let view = phone.open_link(&link).await.unwrap();
    assert_eq!(view.binding, Binding::SameDevice);
    let return_url = phone.approve(&view, PIN).await.unwrap().expect("a return address");
    scene.chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    // Two of the page's looks at its state later it is still there.
    tokio::time::sleep(core::time::Duration::from_secs(2)).await;
    scene.chrome.until_at(format!("{}/login/", scene.world.url)).await;
    // The return code alone, without this browser's cookie, completes nothing.
    let mut stranger = scene.world.browser();
    assert_eq!(stranger.follow(&return_url).await.0, 404);
    scene.chrome.open(&return_url).await;
    scene.signed_in("fie-berg Testesen", "same_device").await;
}

#[tokio::test]
async fn a_phone_without_a_network_gives_a_code_to_type() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("gry-berg").await;
    phone.biometrics_on().await.unwrap();
    scene.log_on().await;
    scene.chrome.click("#other summary").await;
    scene.chrome.click("#offline-button").await;
    assert!(!scene.chrome.shows("#problem").await, "the field asks for the user id, not the server");
    scene.chrome.write("#user-id", "gry-berg").await;
    scene.chrome.click("#offline-button").await;
    scene.chrome.until_shown("#offline-qr svg").await;
    let view = phone.scan(&scene.see().await).await.unwrap();
    assert_eq!(view.binding, Binding::Offline);
    take_at(&scene.chrome, (900, 700), "offline-code", "#offline-box").await;
    let approve = Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false };
    let Outcome::OfflineCode { code } = phone.run(approve).await.unwrap() else { panic!("no code") };

    let wrong = if code == "00000000" { "11111111" } else { "00000000" };
    scene.chrome.write("#offline-code", wrong).await;
    scene.chrome.click("#offline-form button").await;
    scene.chrome.until_shown("#problem").await;
    scene.chrome.write("#offline-code", &format!("{} {}", &code[..4], &code[4..])).await;
    scene.chrome.click("#offline-form button").await;
    scene.signed_in("gry-berg Testesen", "offline").await;
}
