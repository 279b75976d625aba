//! A person who has no mouse, from the bank to the bank.

use crate::chip::code;
use crate::means::{PASSWORD, choose, holder};
use crate::scene::Scene;
use godkend_tests::phone::PIN;

pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
/// Whether the focus is seen where it stands; a part of a script that has it as `at`.
pub(crate) const SEEN: &str = "const style = getComputedStyle(at), box = at.getBoundingClientRect();
    const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
      && box.top >= 0 && box.bottom <= innerHeight;";

/// Goes on with the tabulator until an element has the focus, which must be seen wherever it stands.
pub(crate) async fn tab_to(scene: &Scene, css: &str) {
    let mut passed = Vec::new();
    for _ in 0..30 {
        scene.chrome.press(TAB).await;
        let script = format!(
            "const at = document.activeElement; {SEEN}
             return [at.matches({css:?}), at === document.body || seen, at.outerHTML.slice(0, 90)]"
        );
        let at = scene.chrome.script(&script).await;
        assert_eq!(at[1], true, "its focus is not seen: {}", at[2]);
        if at[0] == true {
            return;
        }
        passed.push(at[2].to_string());
    }
    panic!("no {css} among {passed:#?}");
}

#[tokio::test]
async fn a_typed_number_signs_in_by_keyboard_alone() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("tine-berg").await;
    let chrome = &scene.chrome;
    chrome.open(&scene.bank).await;
    tab_to(&scene, "#login").await;
    chrome.press(ENTER).await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    tab_to(&scene, "#more").await;
    chrome.press(ENTER).await;
    chrome.until_text("#soon", "Du har fået mere tid.").await;
    tab_to(&scene, "#other summary").await;
    chrome.press(ENTER).await;
    tab_to(&scene, "#user-id").await;
    chrome.press(&format!("tine-berg{ENTER}")).await;
    chrome.until_shown("#number").await;
    let number = chrome.text("#number").await.unwrap().replace(' ', "");
    let view = phone.type_number(&number).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("tine-berg Testesen", "typed_number").await;
    // And given up.
    tab_to(&scene, "#logout").await;
    chrome.press(ENTER).await;
    chrome.until_shown("#login").await;
    tab_to(&scene, "#login").await;
    chrome.press(ENTER).await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    tab_to(&scene, "#cancel").await;
    chrome.press(ENTER).await;
    scene.declined("The person declined.").await;
}

#[tokio::test]
async fn a_chip_is_registered_and_signs_in_beside_the_app_by_keyboard_alone() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, phone) = scene.world.person("signe-berg").await;
    chrome.plug_in("usb", true).await;
    let given = code(&scene, &citizen).await;
    chrome.open(&format!("{}/chip", scene.world.url)).await;
    tab_to(&scene, "#code").await;
    chrome.press(&format!("{given}{ENTER}")).await;
    chrome.until_shown("#done").await;
    chrome.open(&scene.bank).await;
    tab_to(&scene, "#login").await;
    chrome.press(ENTER).await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    tab_to(&scene, "#ways a[href$='app+chip']").await;
    chrome.press(ENTER).await;
    chrome.until_shown("#way-form").await;
    tab_to(&scene, "#user-id").await;
    chrome.press(&format!("signe-berg{ENTER}")).await;
    chrome.until_shown("#half").await;
    tab_to(&scene, "#half-form button").await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("signe-berg Testesen", "scanned_qr").await;
}

#[tokio::test]
async fn a_password_and_a_display_sign_in_by_keyboard_alone() {
    let scene = Scene::new().await;
    let (citizen, display) = holder(&scene, "ulla-berg").await;
    choose(&scene, &citizen, "ulla-berg", PASSWORD, PASSWORD).await;
    let chrome = &scene.chrome;
    chrome.until_shown("#done").await;
    chrome.open(&scene.bank).await;
    tab_to(&scene, "#login").await;
    chrome.press(ENTER).await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    tab_to(&scene, "#ways a[href$=code_display]").await;
    chrome.press(ENTER).await;
    chrome.until_shown("#way-form").await;
    tab_to(&scene, "#user-id").await;
    chrome.press(&format!("ulla-berg{TAB}{PASSWORD}{TAB}{}{ENTER}", display.code(0).expose())).await;
    scene.signed_in("ulla-berg Testesen", "typed").await;
}
