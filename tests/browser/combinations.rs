//! Every combination of the policy in the browser: from a demo site through the page to the signed-in page, and what the
//! page says at a wrong secret, one that comes too late, one that was used, the end of the tries, a block and its end.
//! The chip's combinations have a file of their own.

use godkend_core::{Failure, RequestView};
use godkend_oath::Token;
use godkend_protocol::codes::Code;
use reqwest::Method;
use serde_json::json;

use crate::chrome::{Chrome, until};
use crate::means::{PASSWORD, choose, holder};
use crate::scene::Scene;
use crate::screens::{DESK, take};
use godkend_tests::phone::{PIN, code};
use godkend_tests::world::Citizen;

const WRONG: &str = "Oplysningerne passer ikke. Kontrollér dem alle, og prøv igen.";
const WAITING: &str = "For mange forkerte forsøg. Vent, til tiden er gået, brug to koder i træk fra din kodeviser, \
                       eller brug appen.";
const LATE: &str = "Anmodningen er udløbet. Start forfra dér, hvor du loggede ind.";

/// The combinations whose stories stand here.
const HERE: [&str; 3] = ["\"app\"", "\"password\", \"code_display\"", "\"password\""];

#[test]
fn every_combination_of_the_policy_is_told_of() {
    let lines = godkend_server::policy::DEFAULT.split("[[combination]]").skip(1);
    let means: Vec<_> = lines.map(|part| part.split_once("means = [").unwrap().1.split_once(']').unwrap().0).collect();
    assert!(HERE.iter().all(|told| means.contains(told)), "{means:?}");
    let untold = means.iter().filter(|means| !HERE.contains(means) && !means.contains("chip"));
    assert_eq!(untold.collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// A combination that is typed on the page.
struct Typed<'a> {
    scene: &'a Scene,
    site: &'a str,
    combination: &'a str,
    user_id: &'a str,
    display: Option<&'a Token>,
}

impl Typed<'_> {
    fn chrome(&self) -> &Chrome {
        &self.scene.chrome
    }

    /// From the site's front page to the combination's form.
    async fn begin(&self) {
        self.scene.log_on_at(self.site).await;
        self.chrome().click(&format!("#ways a[href$=\"/way/{}\"]", self.combination)).await;
        self.chrome().until_shown("#way-form").await;
    }

    async fn enter(&self, password: &str, counter: u64) {
        self.chrome().write("#user-id", self.user_id).await;
        self.chrome().write("#password", password).await;
        if let Some(display) = self.display {
            self.chrome().write("#code", display.code(counter).expose()).await;
        }
        self.chrome().click("#way-form button[type=submit]").await;
    }

    /// Submits, and waits for the sentence that the page answers with.
    async fn refused(&self, password: &str, counter: u64, sentence: &str) {
        self.enter(password, counter).await;
        self.chrome().until_text("#problem", sentence).await;
        assert_eq!(self.chrome().script("return document.activeElement.id").await, "problem", "read aloud at once");
    }

    async fn signed_in(&self) {
        self.chrome().until_at(self.site).await;
        self.chrome().until_text("#name", &format!("{} Testesen", self.user_id)).await;
    }

    async fn log_out(&self) {
        self.chrome().click("#logout").await;
        self.chrome().until_shown("#login").await;
    }
}

async fn desk(scene: &Scene, citizen: &Citizen, what: &str) {
    let path = format!("citizens/{}/{what}", citizen.id);
    let (status, reply) = scene.world.desk(Method::POST, &path, Some(json!({ "by": "test desk" }))).await;
    assert!((200..300).contains(&status), "{reply}");
}

/// All of it, for a combination that is typed. A wrong secret is a wrong password; with a display a wrong code besides.
async fn typed(typed: &Typed<'_>, citizen: &Citizen, picture: &str) {
    let Typed { scene, .. } = typed;
    typed.begin().await;
    take(typed.chrome(), DESK, picture).await;
    typed.refused("en hest spiser havre på Mors", 0, WRONG).await;
    if typed.display.is_some() {
        typed.refused(PASSWORD, 500, WRONG).await;
    }
    take(typed.chrome(), DESK, &format!("{picture}-wrong")).await;
    typed.enter(PASSWORD, 1).await;
    typed.signed_in().await;
    take(typed.chrome(), DESK, &format!("{picture}-signed-in")).await;

    // The same code again.
    typed.log_out().await;
    if typed.display.is_some() {
        typed.begin().await;
        typed.refused(PASSWORD, 1, WRONG).await;
        typed.enter(PASSWORD, 2).await;
        typed.signed_in().await;
        typed.log_out().await;
    }

    // Right, but too late; nothing is lost by it.
    typed.begin().await;
    scene.world.advance(200).await;
    typed.refused(PASSWORD, 3, LATE).await;
    typed.begin().await;
    typed.enter(PASSWORD, 3).await;
    typed.signed_in().await;
    typed.log_out().await;

    // This browser has five tries, then it waits, for right secrets too.
    typed.begin().await;
    for _ in 0..5 {
        typed.refused("en hest spiser havre på Mors", 400, WRONG).await;
    }
    typed.refused(PASSWORD, 4, WAITING).await;
    typed.chrome().until_shown("#wait").await;
    let clock = async || typed.chrome().text("#wait-clock").await.unwrap();
    let first = clock().await;
    assert!(first == "1:00" || first.starts_with("0:5"), "{first} of a minute");
    let moved = until(async || Some(clock().await).filter(|now| *now != first)).await;
    assert!(moved.expect("it moves") < first);
    take(typed.chrome(), DESK, &format!("{picture}-limit")).await;
    scene.world.advance(61).await;
    typed.begin().await;
    typed.enter(PASSWORD, 5).await;
    typed.signed_in().await;
    typed.log_out().await;

    // Blocked: the same sentence as for whatever else is wrong.
    desk(scene, citizen, "block").await;
    typed.begin().await;
    typed.refused(PASSWORD, 6, WRONG).await;
    desk(scene, citizen, "unblock").await;
    typed.enter(PASSWORD, 7).await;
    typed.signed_in().await;
}

#[tokio::test]
async fn a_password_and_a_code_display_at_the_bank() {
    let scene = Scene::new().await;
    let (citizen, display) = holder(&scene, "aase-berg").await;
    choose(&scene, &citizen, "aase-berg", PASSWORD, PASSWORD).await;
    scene.chrome.until_shown("#done").await;
    let combination = Typed {
        scene: &scene,
        site: &scene.bank,
        combination: "password+code_display",
        user_id: "aase-berg",
        display: Some(&display),
    };
    typed(&combination, &citizen, "password-display").await;
}

#[tokio::test]
async fn a_password_alone_at_the_public_body() {
    let scene = Scene::new().await;
    let (citizen, display) = holder(&scene, "birk-berg").await;
    choose(&scene, &citizen, "birk-berg", PASSWORD, PASSWORD).await;
    scene.chrome.until_shown("#done").await;
    let combination =
        Typed { scene: &scene, site: &scene.borger, combination: "password", user_id: "birk-berg", display: None };
    typed(&combination, &citizen, "password").await;

    // A letter takes more than a password: the same session steps up, by a way that reaches it.
    let chrome = &scene.chrome;
    chrome.click("#letter").await;
    chrome.click("#step-up").await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    assert!(!chrome.shows("#ways a[href$=\"/way/password\"]").await, "a password alone does not reach it");
    take(chrome, DESK, "step-up").await;
    chrome.click("#ways a[href$=\"/way/password+code_display\"]").await;
    chrome.until_shown("#way-form").await;
    Typed { display: Some(&display), ..combination }.enter(PASSWORD, 0).await;
    chrome.until_shown("article#text").await;
    take(chrome, DESK, "step-up-letter").await;
}

#[tokio::test]
async fn the_app_at_the_bank() {
    let scene = Scene::new().await;
    let (citizen, phone) = scene.world.person("carl-berg").await;
    let chrome = &scene.chrome;
    let log_out = async || {
        chrome.click("#logout").await;
        chrome.until_shown("#login").await;
    };
    let opened = async || -> RequestView {
        scene.log_on().await;
        let view = scene.scan(&phone).await;
        chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
        view
    };
    // A wrong PIN is told on the phone, where it was typed. The page waits.
    let view = opened().await;
    take(chrome, DESK, "app-opened").await;
    assert!(matches!(phone.approve(&view, "246802").await, Err(Failure::WrongPin(_))));
    chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("carl-berg Testesen", "scanned_qr").await;
    take(chrome, DESK, "app-signed-in").await;
    log_out().await;
    let over = view;

    // Too late, and the same approval again.
    let view = opened().await;
    scene.world.advance(200).await;
    assert!(phone.approve(&view, PIN).await.is_err());
    chrome.until_text("#status", "Tiden er gået. Du sendes tilbage.").await;
    take(chrome, DESK, "app-expired").await;
    scene.declined("Nobody approved in time.").await;
    assert!(phone.approve(&over, PIN).await.is_err(), "it was answered");

    // Three wrong PINs, then a wait; on the page nobody can tell.
    let view = opened().await;
    for _ in 0..3 {
        assert!(matches!(phone.approve(&view, "246802").await, Err(Failure::WrongPin(_))));
    }
    assert_eq!(code(phone.approve(&view, PIN).await), Some(Code::PinWaiting));
    chrome.until_text("#status", "Åbnet på din telefon. Læs den, og svar dér.").await;
    scene.world.advance(61).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("carl-berg Testesen", "scanned_qr").await;
    log_out().await;

    // Blocked: the phone is told, the page waits for one that may answer.
    desk(&scene, &citizen, "block").await;
    scene.log_on().await;
    let refused = phone.scan(&scene.see().await).await;
    assert_eq!(code(refused), Some(Code::IdentityBlocked));
    chrome.until_text("#status", "Venter på din telefon.").await;
    desk(&scene, &citizen, "unblock").await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    scene.signed_in("carl-berg Testesen", "scanned_qr").await;
}
