//! Everything that a person does on the site.

use godkend_tests::Ask;
use godkend_tests::chip::Chip;
use godkend_tests::phone::{PIN, code, with_pin};
use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::Scene;

#[tokio::test]
async fn the_overview_shows_what_one_has_in_both_languages() {
    let scene = Scene::new().await;
    let mut visitor = scene.visitor();
    let welcome = visitor.get("/").await;
    welcome.says("Har du mistet din telefon?").says(&format!("{}/block", scene.world.url)).says_not("Log af");
    let (_, phone) = scene.world.person("anna-site").await;
    let page = visitor.log_on(&phone).await;
    page.says("<h1>anna-site Testesen</h1>").says("Testfon 3").says("I brug").says("anna-site</p>");
    page.says("Ingen browser er husket.").says("Du bruger kun telefonen.");
    let to = visitor.get("/language/en").await;
    assert_eq!(to.to(), "/");
    visitor.get("/").await.says(r#"<html lang="en">"#).says("In use").says("No browser is remembered.");
    visitor.get("/language/kl").await;
    let page = visitor.get("/").await;
    page.says(r#"<html lang="kl">"#)
        .says("<h2>Oqarasuaatit</h2>")
        .says(r#"<h2><span lang="da">Huskede browsere</span></h2>"#);
    page.says("<title lang=\"da\">Mit overblik").says(r#"hreflang="da">Dansk</a>"#).says("Atorneqarpoq</span>");
    let mut other = scene.visitor();
    other.language = Some("en-GB,en;q=0.9");
    other.get("/").await.says("Have you lost your phone?");
}

#[tokio::test]
async fn a_lost_phone_is_blocked_and_removed_and_a_browser_forgotten() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("bo-site").await;
    // Another browser, which Bo remembers.
    let mut browser = scene.world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    let mut visitor = scene.visitor();
    let page = visitor.log_on(&phone).await;
    let (id, remembered) = (page.id("block-phone"), page.id("forget-browser"));
    visitor.get(&format!("/do/block-phone?id={id}")).await.says("Kun en skranke kan åbne den igen.");
    let page = visitor.done("forget-browser", &remembered, "").await;
    page.says("Browseren er glemt.").says("Ingen browser er husket.");
    visitor.act("forget-browser", &remembered, "").await.says("Browseren er ikke husket.");
    let page = visitor.done("block-phone", &id, "").await;
    page.says("Telefonen er spærret.").says("Spærret</span>").says_not("/do/block-phone");
    let mut login = scene.world.login_page(&Ask::login()).await;
    let scanned = code(phone.scan(&login.qr().await).await);
    assert_eq!(scanned.map(|code| code.as_str()), Some("device_blocked"));
    let page = visitor.done("remove-phone", &id, "").await;
    page.says("Telefonen er fjernet.").says("Du har ingen telefon.");
    // Told once.
    visitor.get("/").await.says_not(r#"id="told""#);
}

#[tokio::test]
async fn user_id_settings_and_orders() {
    let scene = Scene::new().await;
    scene.world.citizen("optaget-site").await;
    let (mut visitor, phone) = scene.signed_in("cai-site").await;
    let page = visitor.act("user-id", "", "optaget-site").await;
    assert_eq!(page.status, 409);
    page.says("Bruger-id&#39;et er optaget.").says(r#"id="do""#);
    assert_eq!(visitor.act("user-id", "", "1703850003").await.status, 400);
    visitor.done("user-id", "", " Cai.Ny ").await.says(r#"<p id="user-id">Cai.Ny</p>"#);
    assert_eq!(scene.world.desk(Method::GET, "users/cai.ny", None).await.0, 200);

    visitor.done("hide-names", "", "").await.says("En skranke ser ikke, hvilke tjenester du bruger.");
    visitor.done("show-names", "", "").await.says("En skranke ser, hvilke tjenester du bruger.");
    visitor.done("push-off", "", "").await.says("Dit bruger-id sender intet til din telefon.");
    assert!(!phone.overview().await.locked_push);
    visitor.done("push-on", "", "").await;
    assert!(phone.overview().await.locked_push);

    visitor.done("order-display", "", "").await.says("Bestillinger");
    visitor.done("order-chip", "", "").await;
    let page = visitor.done("order-talking-display", "", "").await;
    let ordered = async || {
        let (_, list) = scene.world.desk(Method::GET, "orders", None).await;
        let mut what: Vec<_> =
            list["orders"].as_array().unwrap().iter().map(|order| order["what"].to_string()).collect();
        what.sort();
        what
    };
    assert_eq!(ordered().await, [r#""chip""#, r#""display""#, r#""talking_display""#]);
    visitor.done("cancel-order", &page.id("cancel-order"), "").await.says("Bestillingen er fortrudt.");
    assert_eq!(ordered().await.len(), 2);
}

#[tokio::test]
async fn a_password_is_opened_here_and_chosen_on_the_servers_page() {
    let scene = Scene::new().await;
    let (mut visitor, _) = scene.signed_in("dag-site").await;
    let page = visitor.act("new-password", "", "").await;
    let shown = page.between(r#"id="code">"#, "<");
    assert_eq!(shown.chars().filter(char::is_ascii_alphanumeric).count(), 18, "{shown}");
    page.says(&format!("{}/password?language=da", scene.world.url));
    let page = visitor.act("remove-password", "", "").await;
    assert_eq!(page.status, 404, "there is none yet");
    assert_eq!(visitor.act("display-lost", "", "").await.status, 404);
}

#[tokio::test]
async fn a_chip_is_opened_here_registered_on_the_servers_page_and_reported_lost() {
    let scene = Scene::new().await;
    let (mut visitor, _) = scene.signed_in("dina-site").await;
    assert_eq!(visitor.act("chip-lost", "", "").await.status, 404, "there is none yet");
    visitor.get("/").await.says("/do/new-chip").says_not("/do/chip-lost");
    let register = async |page: crate::scene::Page| {
        page.says(&format!("{}/chip?language=da", scene.world.url)).says("Tilknyt chippen");
        let opened = page.between(r#"id="code">"#, "<");
        let mut chip = Chip::new(&scene.world.url);
        let mut browser = scene.world.browser();
        let (_, asked) = browser.post("/chip/ask", json!({ "code": opened })).await;
        let credential = chip.register(&asked["options"], None);
        assert_eq!(browser.post("/chip/set", json!({ "code": opened, "credential": credential })).await.0, 200);
    };
    register(visitor.act("new-chip", "", "").await).await;
    visitor.get("/").await.says(r#"<li id="chip"><strong>Chip</strong>"#).says("Op til Høj").says("Tilknyttet");
    let page = visitor.done("chip-lost", "", "").await;
    page.says("Chippen er meldt tabt.").says_not(r#"id="chip""#);
    register(visitor.act("new-chip", "", "").await).await;
    visitor.done("remove-chip", "", "").await.says("Chippen er fjernet.").says_not(r#"id="chip""#);
    let page = visitor.get("/history").await;
    for line in ["Kode til en chip udleveret", "Chippen er registreret", "Chippen er meldt tabt", "Chippen er fjernet"]
    {
        page.says(line);
    }
}

#[tokio::test]
async fn history_shows_approvals_and_failed_tries_and_the_export_is_a_file() {
    let scene = Scene::new().await;
    let (_, phone) = scene.world.person("ebbe-site").await;
    let mut login = scene.world.login_page(&Ask::login()).await;
    let view = phone.scan(&login.qr().await).await.unwrap();
    assert!(phone.approve(&view, "580263").await.is_err());
    phone.deny(&view).await.unwrap();
    let mut visitor = scene.visitor();
    visitor.log_on(&phone).await;
    let page = visitor.get("/history").await;
    page.says("Afvist").says("<dd>netbank</dd>").says("<dd>Mit Godkend</dd>").says("Forkert PIN-kode");
    page.says("<dd>Firefox, Linux</dd>").says("<dd>Testfon 3</dd>").says(r#"class="event alert""#);
    page.says_not("som denne side ikke kender");
    // More than a page holds.
    for number in 0..26 {
        let action = if number % 2 == 0 { "hide-names" } else { "show-names" };
        visitor.done(action, "", "").await;
    }
    let page = visitor.get("/history").await;
    page.says_not("<dd>netbank</dd>");
    let older = page.between(r#"id="older" href=""#, "\"");
    visitor.get(&older).await.says("<dd>netbank</dd>");
    visitor.get("/history?after=%22%3E%3Cb%3E").await.says("Historik");

    let file = visitor.get("/export").await;
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"godkend.json\"");
    let file: Value = serde_json::from_str(&file.body).unwrap();
    assert_eq!(file["user_id"], "ebbe-site");
    assert!(file["history"].as_array().unwrap().len() > 30, "{file}");
}

#[tokio::test]
async fn whoever_blocks_everything_is_out_and_so_is_whoever_logs_out() {
    let scene = Scene::new().await;
    let (mut visitor, phone) = scene.signed_in("fie-site").await;
    let page = visitor.get("/").await;
    assert_eq!(visitor.post("/logout", &[("form", &page.form())]).await.to(), "/");
    visitor.get("/").await.says(r#"id="login""#).says_not("fie-site");
    assert_eq!(visitor.get("/history").await.status, 401);

    visitor.log_on(&phone).await.says("fie-site Testesen");
    let page = visitor.act("block-everything", "", "").await;
    assert_eq!(page.status, 200);
    page.says(r#"<h1 id="blocked">Alt er spærret</h1>"#).says_not("Log af");
    visitor.get("/").await.says(r#"id="login""#);
    let mut login = scene.world.login_page(&Ask::login()).await;
    let scanned = code(phone.scan(&login.qr().await).await);
    assert_eq!(scanned.map(|code| code.as_str()), Some("identity_blocked"));
}

#[tokio::test]
async fn a_text_with_markup_is_text() {
    let scene = Scene::new().await;
    let body = json!({
        "name": "<b>Gro</b> & \"Co\"", "user_id": "gro-site", "date_of_birth": "1990-01-01", "identity_level": "high",
    });
    let (status, citizen) = scene.world.desk(Method::POST, "citizens", Some(body)).await;
    assert_eq!(status, 201, "{citizen}");
    let citizen = godkend_tests::world::Citizen { id: citizen["id"].as_str().unwrap().to_owned() };
    let phone = scene.world.phone().await;
    phone.activate(&scene.world, &citizen, PIN).await;
    let mut visitor = scene.visitor();
    visitor.log_on(&phone).await.says("<h1>&lt;b&gt;Gro&lt;/b&gt; &amp; &quot;Co&quot;</h1>");
}
