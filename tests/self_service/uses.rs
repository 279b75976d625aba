//! Notice of every use: on the person's phones, at once.

use std::process::Stdio;

use godkend_protocol::types::{Action, Binding};
use godkend_tests::bank::Bank;
use godkend_tests::phone::{OTHER_PIN, PIN, with_pin};
use godkend_tests::world::Citizen;
use godkend_tests::{Ask, Phone};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::scene::{Scene, Visitor};

/// A person with two phones who has turned the notices on, signed in at the site with the first.
async fn told(scene: &Scene, user_id: &str) -> (Visitor, Citizen, Phone, Phone) {
    let (citizen, first) = scene.world.person(user_id).await;
    let second = scene.world.phone().await;
    second.activate(&scene.world, &citizen, OTHER_PIN).await;
    dismiss(&first).await;
    let mut visitor = scene.visitor();
    visitor.log_on(&first).await.says("Dine telefoner får ingen besked om brug.");
    assert!(second.waiting().await.is_empty(), "off until it is turned on");
    visitor.done("tell-on", "", "").await.says("Dine telefoner får besked om hver brug.");
    (visitor, citizen, first, second)
}

/// Puts away what waits, as the notice of the second phone.
async fn dismiss(phone: &Phone) {
    for waiting in phone.waiting().await {
        phone.deny(&phone.open(&waiting).await.unwrap()).await.unwrap();
    }
}

/// The texts of what waits.
async fn texts(phone: &Phone) -> Vec<String> {
    let mut texts = Vec::new();
    for waiting in phone.waiting().await {
        assert!(!waiting.locked);
        let view = phone.open(&waiting).await.unwrap();
        assert_eq!(
            (view.relying_party.name.as_str(), view.action, view.binding),
            ("Godkend", Action::Confirm, Binding::Device)
        );
        assert!(view.notice_of_use);
        texts.push(view.text.unwrap());
    }
    texts
}

#[tokio::test]
async fn every_use_is_told_to_the_other_phones_and_put_away_without_a_trace() {
    let scene = Scene::new().await;
    let (mut visitor, citizen, first, second) = told(&scene, "anna-uses").await;
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    assert!(second.waiting().await.is_empty(), "asked for, not used yet");
    first.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
    assert!(first.waiting().await.is_empty(), "the phone that approved knows");
    assert_eq!(texts(&second).await, ["Din app blev brugt til at logge på hos netbank. Var det dig?"]);
    let waiting = second.waiting().await;
    let view = second.open(&waiting[0]).await.unwrap();
    assert_eq!(view.browser.as_deref(), Some("Firefox, Linux"));
    second.deny(&view).await.unwrap();
    assert!(second.waiting().await.is_empty());

    // A refusal is no use. A payment is one.
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.deny(&view).await.unwrap();
    assert!(second.waiting().await.is_empty());
    let mut browser = scene.world.login_page(&Ask::payment("12.50", "Boghandleren")).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.approve(&view, PIN).await.unwrap();
    assert_eq!(texts(&second).await, ["Din app blev brugt til at godkende en betaling hos netbank. Var det dig?"]);
    let waiting = second.waiting().await;
    // Acknowledged with the PIN: no use of its own.
    second.approve(&second.open(&waiting[0]).await.unwrap(), OTHER_PIN).await.unwrap();
    assert!(first.waiting().await.is_empty() && second.waiting().await.is_empty());
    let lines = scene.world.history(&citizen).await;
    let count = |event: &str| lines.iter().filter(|line| *line == event).count();
    // The enrolments' own approvals are lines too: here only what the notices must not add.
    assert_eq!((count("use_disputed"), count("refused")), (0, 2), "{lines:?}");
    visitor
        .get("/history")
        .await
        .says_not("<dd>Godkend</dd>")
        .says("<dt>Telefoner, der fik besked</dt><dd>1</dd>")
        .says("Besked om hver brug er slået til eller fra");

    // That it is turned off is told a last time, to all.
    visitor.done("tell-off", "", "").await.says("Dine telefoner får ingen besked om brug.");
    assert_eq!(texts(&first).await, ["Beskeder om brug blev slået fra. Var det dig?"]);
    dismiss(&second).await;
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.approve(&view, PIN).await.unwrap();
    assert!(second.waiting().await.is_empty());
}

#[tokio::test]
async fn this_was_not_me_forgets_the_browser_and_ends_the_shared_logins() {
    let scene = Scene::new().await;
    let (_visitor, citizen, first, second) = told(&scene, "bo-uses").await;
    // A browser that is remembered, and used again.
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    dismiss(&second).await;
    browser.open(&scene.world, &Ask::login()).await;
    let pushed = first.waiting().await;
    first.approve(&first.open(&pushed[0]).await.unwrap(), PIN).await.unwrap();
    browser.signed_in().await;
    // Logins that relying parties share: told too, to every phone, for none approved it.
    dismiss(&second).await;
    let mut shared = scene.world.browser();
    let town = |client| Ask { text: None, ..Ask::login().from(client) };
    shared.open(&scene.world, &town("town-a")).await;
    let view = first.scan(&shared.qr().await).await.unwrap();
    first.approve(&view, PIN).await.unwrap();
    shared.signed_in().await;
    dismiss(&second).await;
    let is_shared = async |browser: &mut godkend_tests::Browser| {
        let bank = Bank::push(&scene.world, &town("town-b")).await;
        let url = bank.authorize_url.clone();
        browser.authorize(bank, &url).await.is_err()
    };
    assert!(is_shared(&mut shared).await);
    let sentence = "Der blev logget på hos town-b uden ny godkendelse. Var det dig?";
    assert_eq!((texts(&first).await, texts(&second).await), (vec![sentence.to_owned()], vec![sentence.to_owned()]));
    dismiss(&first).await;
    dismiss(&second).await;

    browser.open(&scene.world, &Ask::login()).await;
    let pushed = first.waiting().await;
    first.approve(&first.open(&pushed[0]).await.unwrap(), PIN).await.unwrap();
    browser.signed_in().await;
    let waiting = second.waiting().await;
    second.report(&second.open(&waiting[0]).await.unwrap()).await.unwrap();
    let lines = scene.world.history(&citizen).await;
    for event in ["use_disputed", "browser_revoked"] {
        assert!(lines.iter().any(|line| line == event), "{event}: {lines:?}");
    }
    assert!(!is_shared(&mut shared).await, "the shared login has ended");
    // The source waits, so from another address: the browser's cookie reaches nobody any more.
    scene.world.advance(3_600).await;
    browser.open(&scene.world, &Ask::login()).await;
    assert!(first.waiting().await.is_empty(), "forgotten");
}

#[tokio::test]
async fn many_notices_never_crowd_out_a_request() {
    let scene = Scene::new().await;
    let (_visitor, _, first, second) = told(&scene, "cai-uses").await;
    for _ in 0..10 {
        let mut browser = scene.world.login_page(&Ask::login()).await;
        let view = first.scan(&browser.qr().await).await.unwrap();
        first.approve(&view, PIN).await.unwrap();
    }
    assert_eq!(second.waiting().await.len(), 8);
    scene.world.advance(86_400).await;
    assert!(second.waiting().await.is_empty(), "a day is the end of it");
}

/// The testers' phone, as a process.
async fn godkend(home: &std::path::Path, root: &std::path::Path, words: &[&str], typed: &str) -> (Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordeal-phone"));
    command.args(["--key-store", "file"]).args(words).env("GODKEND_HOME", home).env("GODKEND_ROOT", root);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DBUS_SESSION_BUS_ADDRESS"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).await.unwrap();
    let ended = child.wait_with_output().await.unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    (out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), out)
}

#[tokio::test]
async fn the_testers_phone_shows_a_notice_as_it_comes() {
    let scene = Scene::new().await;
    let (citizen, first) = scene.world.person("dag-uses").await;
    let home = tempfile::tempdir().unwrap();
    let root = scene.world.data().join("root.json");
    let (activation, link) = scene.world.hand_out(&citizen, "link").await;
    let (said, out) = godkend(home.path(), &root, &["activate", "--digits-only", "--json"], &format!("{link}\n")).await;
    let digits = said.iter().find(|line| line["type"] == "digits").unwrap_or_else(|| panic!("{out}"));
    assert_eq!(scene.world.digits(&activation, digits["digits"].as_str().unwrap()).await.0, 200);
    godkend(home.path(), &root, &["resume", "--json"], &format!("{OTHER_PIN}\n")).await;
    dismiss(&first).await;
    let mut visitor = scene.visitor();
    visitor.log_on(&first).await;
    visitor.done("tell-on", "", "").await;

    // The visit is from before: only what came since a use ends with it.
    scene.world.advance(1).await;
    // Waits before anything is used, and is told by the server.
    let (folder, trust) = (home.path().to_owned(), root.clone());
    let watching =
        tokio::spawn(async move { godkend(&folder, &trust, &["watch", "--once", "--not-me", "--json"], "").await });
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.approve(&view, PIN).await.unwrap();
    let (said, out) = watching.await.unwrap();
    assert!(out.contains("Din app blev brugt til at logge på hos netbank. Var det dig?"), "{out}");
    assert!(out.contains("Firefox, Linux"), "{out}");
    assert!(said.iter().any(|line| line["type"] == "notice_answered" && line["was_me"] == false), "{out}");
    let lines = scene.world.history(&citizen).await;
    assert!(lines.iter().any(|line| line == "use_disputed"), "{lines:?}");
    visitor.get("/history").await.says("Brug meldt som ikke din");
}
