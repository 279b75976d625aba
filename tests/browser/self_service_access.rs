//! The citizen's own site for everybody, in Greenlandic, where most sentences are still Danish ones that are marked so: WCAG 2.2
//! AA by axe and reflow, light and dark, at the usual width and at 320 pixels.

use godkend_tests::Phone;
use godkend_tests::phone::{OTHER_PIN, PIN};

use crate::access::{good, look};
use crate::axe;
use crate::chrome::until;
use crate::means::{PASSWORD, choose, holder};
use crate::scene::Scene;
use crate::self_service::scene;

/// What [`look`] finds, and what axe finds besides on a narrow screen; and Danish that a Greenlandic page does not mark.
async fn check(scene: &Scene, what: &str, shows: &str) -> Vec<String> {
    let chrome = &scene.chrome;
    chrome.until_shown(shows).await;
    let mut wrong = look(scene, what, "kl").await;
    chrome.resize(320, 640).await;
    for scheme in ["light", "dark"] {
        chrome.prefers(&[("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")]).await;
        let found = axe::violations(chrome).await;
        wrong.extend(found.into_iter().map(|found| format!("{what}, {scheme}, 320 pixels: {found}")));
    }
    chrome.resize(900, 1000).await;
    // Letters that Greenlandic does not have.
    let unmarked = "const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
        while (walker.nextNode()) {
          const at = walker.currentNode.parentElement;
          if (/[æøå]/i.test(walker.currentNode.data) && at.closest('[lang]').lang === 'kl') {
            found.push(at.outerHTML.slice(0, 90));
          }
        }
        return found";
    let unmarked = chrome.script(unmarked).await;
    wrong.extend(unmarked.as_array().unwrap().iter().map(|one| format!("{what}: Danish that is not marked: {one}")));
    wrong
}

async fn log_on(scene: &Scene, phone: &Phone) {
    scene.log_on().await;
    assert_eq!(scene.chrome.attribute("html", "lang").await.as_deref(), Some("kl"), "the site asks for its language");
    let view = scene.scan(phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.chrome.until_shown("#logout").await;
}

/// The site, in Greenlandic.
async fn greenlandic() -> Scene {
    let scene = scene().await;
    scene.chrome.open(&format!("{}/language/kl", scene.bank)).await;
    scene.chrome.until_shown("#login").await;
    scene
}

#[tokio::test]
async fn what_a_person_sees_and_does_in_greenlandic() {
    let scene = greenlandic().await;
    let chrome = &scene.chrome;
    let mut wrong = check(&scene, "front page", "#login").await;
    assert_eq!(chrome.attribute(".skip", "lang").await.as_deref(), Some("da"));
    let (citizen, _) = holder(&scene, "nivi-site").await;
    let phone = scene.world.phone().await;
    phone.activate(&scene.world, &citizen, PIN).await;
    choose(&scene, &citizen, "nivi-site", PASSWORD, PASSWORD).await;
    chrome.until_shown("#done").await;
    chrome.open(&scene.bank).await;
    log_on(&scene, &phone).await;
    let page = |path: &str| format!("{}{path}", scene.bank);

    // Something ordered, and something that waits.
    chrome.open(&page("/do/order-chip")).await;
    chrome.click("#do").await;
    wrong.extend(check(&scene, "overview, with what was done", "#told").await);
    chrome.open(&page("/history")).await;
    wrong.extend(check(&scene, "history", "li.event").await);
    for (action, shows) in [("user-id", "#typed"), ("block-everything", "#do.danger"), ("tell-on", "#do")] {
        chrome.open(&page(&format!("/do/{action}"))).await;
        wrong.extend(check(&scene, action, shows).await);
    }
    chrome.open(&page("/do/user-id")).await;
    chrome.write("#typed", "a b").await;
    chrome.click("#do").await;
    wrong.extend(check(&scene, "what cannot be a user id", "#problem").await);
    chrome.open(&page("/do/new-password")).await;
    chrome.click("#do").await;
    wrong.extend(check(&scene, "a code for a password", "#choose").await);
    chrome.open(&page("/do/nothing")).await;
    wrong.extend(check(&scene, "no such page", "#problem").await);

    chrome.click("#logout").await;
    chrome.until_shown("#login").await;
    log_on(&scene, &phone).await;
    scene.world.advance(3600).await;
    chrome.open(&scene.bank).await;
    wrong.extend(check(&scene, "a visit that is over", "#ended").await);
    log_on(&scene, &phone).await;
    chrome.open(&page("/do/block-everything")).await;
    chrome.click("#do").await;
    wrong.extend(check(&scene, "everything is blocked", "#blocked").await);
    good(wrong);
}

#[tokio::test]
async fn a_new_phone_in_greenlandic() {
    let scene = greenlandic().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("pavia-site").await;
    log_on(&scene, &phone).await;
    chrome.click("#phones a[href='/do/add-phone']").await;
    chrome.click("#do").await;
    let mut wrong = check(&scene, "the code of a new phone", "#qr").await;
    let new = scene.world.phone().await;
    let (identity, digits) = new.begin_activation(&scene.see().await).await.unwrap();
    chrome.click("#scanned").await;
    wrong.extend(check(&scene, "its digits", "#digits").await);
    chrome.write("#digits", if digits.starts_with('0') { "10000000" } else { "00000000" }).await;
    chrome.click("#confirm").await;
    wrong.extend(check(&scene, "other digits", "#problem").await);
    chrome.write("#digits", &digits).await;
    chrome.click("#confirm").await;
    wrong.extend(check(&scene, "its PIN", "#stage").await);
    new.choose_pin(identity, OTHER_PIN).await.unwrap();
    let waits = until(async || {
        chrome.click("#look").await;
        chrome.text("main").await.ok().filter(|text| text.contains("Telefonen kan bruges fra"))
    });
    assert!(waits.await.is_some(), "the new phone waits its hour");
    wrong.extend(check(&scene, "its hour", "#stage").await);
    good(wrong);
}
