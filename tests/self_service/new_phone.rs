//! A new phone: handed out here, an hour's wait, and the old ones told.

use godkend_protocol::messages::activation::Stage;
use godkend_tests::Ask;
use godkend_tests::phone::OTHER_PIN;

use crate::scene::Scene;

#[tokio::test]
async fn a_new_phone_is_activated_with_its_digits_and_its_hour() {
    let scene = Scene::new().await;
    let (mut visitor, old) = scene.signed_in("ida-site").await;
    visitor.get("/do/add-phone").await.says("en time efter");
    let handed = visitor.act("add-phone", "", "").await;
    let path = handed.to().to_owned();
    let page = visitor.get(&path).await;
    page.says(r#"<svg class="qr""#).says("gælder i ti minutter");
    let link = page.between(r#"id="link">"#, "<").replace("&amp;", "&");
    let new = scene.world.phone().await;
    let (identity, digits) = new.begin_activation(&link).await.unwrap();

    // Taken: the secret is shown no more.
    let page = visitor.get(&path).await;
    page.says("Testfon 3").says_not(&link);
    let id = path.rsplit('=').next().unwrap().to_owned();
    let wrong = if digits.starts_with('0') { "10000000" } else { "00000000" };
    let page = visitor.post("/phone/digits", &[("form", &page.form()), ("id", &id), ("digits", wrong)]).await;
    assert_eq!(page.status, 403);
    page.says("Tallene passer ikke. Kontrollér dem på telefonen. Forsøg tilbage: 2.");
    let sent = visitor.post("/phone/digits", &[("form", &page.form()), ("id", &id), ("digits", &digits)]).await;
    assert_eq!(sent.to(), path);
    visitor.get(&path).await.says("Vælg nu en PIN-kode");
    assert!(matches!(new.choose_pin(identity, OTHER_PIN).await.unwrap(), Stage::Waiting { .. }));
    visitor.get(&path).await.says("Telefonen kan bruges fra").says("Dine andre telefoner har fået besked");
    visitor.get("/").await.says("Kan bruges fra");
    assert_eq!(old.waiting().await.len(), 1, "the old phone is told");

    scene.world.advance(3601).await;
    assert_eq!(new.stage().await, Stage::Active);
    let mut login = scene.world.login_page(&Ask::login()).await;
    let view = new.scan(&login.qr().await).await.unwrap();
    new.approve(&view, OTHER_PIN).await.unwrap();
    assert_eq!(login.signed_in().await["mitid.identity_name"], "ida-site Testesen");
}

#[tokio::test]
async fn who_logged_on_below_their_identitys_level_logs_on_again_first() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("jon-site").await;
    let mut visitor = scene.visitor();
    visitor.log_on_by_number("jon-site", &phone).await.says("jon-site Testesen");
    // The button leads to the login page, and back to the button.
    let sent = visitor.act("add-phone", "", "").await;
    assert!(sent.to().starts_with(&format!("{}/authorize", scene.world.url)), "{sent:?}");
    let page = visitor.approve(&sent, &phone).await;
    page.says(r#"id="do""#).says("Aktivér en ny telefon");
    let handed = visitor.act("add-phone", "", "").await;
    visitor.get(handed.to()).await.says(r#"<svg class="qr""#);
}

#[tokio::test]
async fn an_activation_is_shown_to_who_began_it() {
    let scene = Scene::new().await;
    let (mut mine, _) = scene.signed_in("kaj-site").await;
    let (mut other, _) = scene.signed_in("lis-site").await;
    let handed = mine.act("add-phone", "", "").await;
    let path = handed.to().to_owned();
    let link = mine.get(&path).await.between(r#"id="link">"#, "<");
    let page = other.get(&path).await;
    assert_eq!(page.status, 404);
    page.says_not(&link);
    assert_eq!(mine.get("/phone?id=../overview").await.status, 404);
}
