//! An older database is put back: what a person did on the site since is as the log has it.

use godkend_protocol::bytes::Id;
use godkend_tests::phone::{OTHER_PIN, PIN, code, with_pin};
use godkend_tests::{Ask, Phone};
use reqwest::Method;

use crate::scene::Scene;

#[tokio::test]
async fn what_was_done_on_the_site_outlives_an_older_database() {
    let mut scene = Scene::new().await;
    let (citizen, first) = scene.world.person("cai-older").await;
    let own = first.overview().await.devices[0].id;
    let second = scene.world.phone().await;
    second.activate(&scene.world, &citizen, OTHER_PIN).await;
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = first.scan(&browser.qr().await).await.unwrap();
    first.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    let mut visitor = scene.visitor();
    visitor.log_on(&first).await;
    let opened = visitor.act("new-password", "", "").await.between(r#"id="code">"#, "<");
    scene.choose_password(&opened).await;
    visitor.done("order-display", "", "").await;
    scene.world.stop().await;
    let copy = scene.world.database();
    scene.world.start().await;

    let mut visitor = scene.visitor();
    let page = visitor.log_on(&first).await;
    page.says("Adgangskode").says(r#"id="password""#);
    let (remembered, ordered) = (page.id("forget-browser"), page.id("cancel-order"));
    visitor.done("user-id", "", "cai.between").await;
    visitor.done("user-id", "", "Cai.Newest").await;
    visitor.done("hide-names", "", "").await;
    visitor.done("push-off", "", "").await;
    visitor.done("tell-on", "", "").await;
    visitor.done("order-chip", "", "").await;
    visitor.done("cancel-order", &ordered, "").await;
    visitor.done("remove-password", "", "").await;
    visitor.done("forget-browser", &remembered, "").await;
    visitor.done("block-phone", &other_than(&own, &first).await, "").await;

    scene.world.stop().await;
    scene.world.put_back(&copy);
    scene.world.start().await;

    let status = async |user_id: &str| scene.world.desk(Method::GET, &format!("users/{user_id}"), None).await.0;
    assert_eq!((status("cai-older").await, status("cai.between").await, status("cai.newest").await), (404, 404, 200));
    let mut visitor = scene.visitor();
    let page = visitor.log_on(&first).await;
    page.says(r#"<p id="user-id">Cai.Newest</p>"#).says_not(r#"id="password""#).says("Ingen browser er husket.");
    page.says("En skranke ser ikke, hvilke tjenester du bruger.").says("Dit bruger-id sender intet til din telefon.");
    page.says("Dine telefoner får besked om hver brug.").says("Spærret</span>");
    let (_, orders) = scene.world.desk(Method::GET, "orders", None).await;
    let open: Vec<_> = orders["orders"].as_array().unwrap().iter().map(|order| order["what"].clone()).collect();
    assert_eq!(open, ["chip"], "{orders}");
    let mut login = scene.world.login_page(&Ask::login()).await;
    let scanned = code(second.scan(&login.qr().await).await);
    assert_eq!(scanned.map(|code| code.as_str()), Some("device_blocked"));
    // The earlier ones are the person's own still, and nobody else's.
    let other = serde_json::json!({
        "name": "Bo", "user_id": "cai.between", "date_of_birth": "1990-01-01", "identity_level": "high",
    });
    assert_eq!(scene.world.desk(Method::POST, "citizens", Some(other)).await.1["error"], "user_id_taken");
    visitor.done("user-id", "", "cai-older").await.says(r#"<p id="user-id">cai-older</p>"#);
}

/// The id of the person's other phone.
async fn other_than(own: &Id, phone: &Phone) -> String {
    let phones = phone.overview().await.devices;
    assert_eq!(phones.len(), 2);
    phones.iter().find(|line| line.id != *own).unwrap().id.to_base64()
}
