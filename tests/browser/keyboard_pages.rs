//! The pages on which a password is chosen and a session ends, by a person who has no mouse: the tabulator reaches all that
//! can be operated, in the order in which it is seen, forwards and back, and Enter and the space bar operate it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::keyboard::{ENTER, SEEN, TAB, tab_to};
use crate::means::{PASSWORD, choose, holder};
use crate::scene::Scene;
use godkend_tests::Ask;
use godkend_tests::bank::Bank;
use godkend_tests::phone::PIN;
use godkend_tests::world::Citizen;

const SPACE: &str = " ";
const SHIFT: char = '\u{E008}';
const TAB_KEY: char = '\u{E004}';
/// More controls than any of these pages has.
const MOST: usize = 40;

/// What can be operated, in the order in which it is seen: lines from above, and in a line from the left.
async fn seen_controls(scene: &Scene) -> Vec<String> {
    let script = "const shown = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
          .filter((one) => one.type !== 'hidden' && !one.disabled && one.checkVisibility())
          .map((one) => ({ name: one.outerHTML.slice(0, 90), box: one.getBoundingClientRect() }));
        shown.sort((a, b) => {
          const line = a.box.top < b.box.bottom && b.box.top < a.box.bottom;
          return line ? a.box.left - b.box.left : a.box.top - b.box.top;
        });
        return shown.map((one) => one.name)";
    names(&scene.chrome.script(script).await)
}

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// From the page's beginning round to it again; what had the focus on the way.
async fn round(scene: &Scene, step: impl AsyncFn()) -> Vec<String> {
    // As on a page that was just opened: no element has the focus, and the next one is the first.
    let begin = "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex');
        scrollTo(0, 0); return document.activeElement === document.body";
    assert_eq!(scene.chrome.script(begin).await, true);
    let mut passed = Vec::new();
    for turn in 0..MOST {
        step().await;
        let script = format!(
            "const at = document.activeElement; {SEEN} return [at === document.body, seen, at.outerHTML.slice(0, 90), box.top, box.bottom, innerHeight]"
        );
        let at = scene.chrome.script(&script).await;
        let name = at[2].as_str().unwrap().to_owned();
        if at[0] == true && turn == 0 {
            // Backwards, the page itself comes before its last element.
            continue;
        }
        if at[0] == true || passed.first() == Some(&name) {
            return passed;
        }
        assert_eq!(at[1], true, "its focus is not seen: {at}");
        passed.push(name);
    }
    panic!("the tabulator does not leave the page: {passed:#?}");
}

/// The tabulator goes through all that can be operated and nothing else, as it is seen, and back again.
async fn walk(scene: &Scene, at_least: usize) {
    let seen = seen_controls(scene).await;
    assert!(seen.len() >= at_least, "{seen:#?}");
    assert_eq!(round(scene, async || scene.chrome.press(TAB).await).await, seen, "forwards");
    let mut back = round(scene, async || scene.chrome.press_with(SHIFT, TAB_KEY).await).await;
    back.reverse();
    assert_eq!(back, seen, "backwards");
}

/// [`walk`] at the usual width, and at 400 % zoom, where there is room for little.
async fn walk_at_both_widths(scene: &Scene, at_least: usize) {
    walk(scene, at_least).await;
    scene.chrome.resize(320, 256).await;
    walk(scene, at_least).await;
    scene.chrome.resize(900, 1000).await;
}

async fn password_code(scene: &Scene, citizen: &Citizen) -> String {
    let path = format!("citizens/{}/password", citizen.id);
    let (status, opened) = scene.world.desk(Method::POST, &path, Some(json!({}))).await;
    opened["code"].as_str().unwrap_or_else(|| panic!("{status} {opened}")).to_owned()
}

#[tokio::test]
async fn a_password_is_chosen_and_set_anew_by_keyboard_alone() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, display) = holder(&scene, "karla-berg").await;
    let given = password_code(&scene, &citizen).await;
    chrome.open(&format!("{}/password", scene.world.url)).await;
    // Three languages, the app's way, four fields, the button and the way to block a phone.
    walk_at_both_widths(&scene, 10).await;

    // The language, with Enter on its link.
    chrome.open(&format!("{}/password", scene.world.url)).await;
    tab_to(&scene, ".languages a[lang=en]").await;
    chrome.press(ENTER).await;
    chrome.until_text("h1", "Choose a password").await;

    // Wrong first: what is wrong gets the focus, and the way back to the fields is the tabulator's too.
    tab_to(&scene, "#code").await;
    chrome.press(&format!("{given}{TAB}karla-berg{TAB}{PASSWORD}{TAB}not the same{TAB}")).await;
    assert_eq!(chrome.script("return document.activeElement.matches('#choose-form button')").await, true);
    chrome.press(SPACE).await;
    chrome.until_shown("#problem").await;
    assert_eq!(chrome.script("return document.activeElement.id").await, "problem");
    walk(&scene, 10).await;
    tab_to(&scene, "#again").await;
    // What a field is left with by the tabulator is selected when it comes back, and typed over.
    chrome.press(&format!("{PASSWORD}{ENTER}")).await;
    chrome.until_shown("#done").await;
    walk(&scene, 4).await;

    // Forgotten, and set anew with another code.
    let another = "et nyt ord for hver dag i ugen";
    let given = password_code(&scene, &citizen).await;
    chrome.open(&format!("{}/password?language=da", scene.world.url)).await;
    tab_to(&scene, "#code").await;
    chrome.press(&format!("{given}{TAB}karla-berg{TAB}{another}{TAB}{another}{TAB}{SPACE}")).await;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;
    scene.log_on().await;
    chrome.click("#ways a[href$=code_display]").await;
    chrome.until_shown("#way-form").await;
    tab_to(&scene, "#user-id").await;
    chrome.press(&format!("karla-berg{TAB}{another}{TAB}{}{ENTER}", display.code(0).expose())).await;
    scene.signed_in("karla-berg Testesen", "typed").await;
}

#[tokio::test]
async fn a_password_is_changed_with_the_apps_approval_by_keyboard_alone() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (citizen, phone) = scene.world.person("liva-berg").await;
    choose(&scene, &citizen, "liva-berg", PASSWORD, PASSWORD).await;
    chrome.until_shown("#done").await;
    chrome.open(&format!("{}/password", scene.world.url)).await;
    tab_to(&scene, "a[href^='/password/app']").await;
    chrome.press(ENTER).await;
    chrome.until_at(format!("{}/login/", scene.world.url)).await;
    tab_to(&scene, "#other summary").await;
    chrome.press(SPACE).await;
    tab_to(&scene, "#user-id").await;
    chrome.press(&format!("liva-berg{ENTER}")).await;
    chrome.until_shown("#number").await;
    let number = chrome.text("#number").await.unwrap().replace(' ', "");
    let view = phone.type_number(&number).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    // Back again, with the code in its field.
    chrome.until_at(format!("{}/password?", scene.world.url)).await;
    chrome.until_shown("#choose-form").await;
    assert_ne!(chrome.script("return document.getElementById('code').value").await, "");
    walk(&scene, 10).await;
    tab_to(&scene, "#user-id").await;
    let another = "et nyt ord for hver dag i ugen";
    chrome.press(&format!("liva-berg{TAB}{another}{TAB}{another}{ENTER}")).await;
    chrome.until_text("#done", "Adgangskoden er gemt.").await;

    // Who came without an approval is told so, and has a way on.
    chrome.open(&format!("{}/password?code=unknown", scene.world.url)).await;
    chrome.until_shown("main h1").await;
    walk(&scene, 1).await;
}

#[tokio::test]
async fn the_end_of_a_session_is_left_by_keyboard_alone() {
    let scene = Scene::new().await;
    let chrome = &scene.chrome;
    let (_, phone) = scene.world.person("mona-berg").await;
    let bank = Bank::push(&scene.world, &Ask::login()).await;
    chrome.open(&bank.authorize_url).await;
    let view = scene.scan(&phone).await;
    phone.approve(&view, PIN).await.unwrap();
    chrome.until_at("https://netbank.example/callback?code=").await;
    let back = url::Url::parse(&chrome.url().await).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (_, tokens) = bank.redeem_code(&code).await;
    let hint = tokens["id_token"].as_str().unwrap();
    // Ended, and refused: each has its way on, and no trap.
    for (query, title) in [(format!("?id_token_hint={hint}"), "Du er logget af"), (String::new(), "Det lykkedes ikke")]
    {
        chrome.open(&format!("{}/logout{query}", scene.world.url)).await;
        chrome.until_text("h1", title).await;
        walk_at_both_widths(&scene, 1).await;
        tab_to(&scene, "footer a").await;
        chrome.press(ENTER).await;
        chrome.until_text("h1", "Spær en telefon").await;
    }
}
