//! What strangers try: forms of other sites, forms sent twice, other people's things, logins that ended or are too old.

use godkend_tests::Ask;
use reqwest::Method;
use serde_json::json;

use crate::scene::{Scene, Visitor};

/// Whether Bo's one phone is still in use.
async fn is_untouched(visitor: &mut Visitor) {
    visitor.get("/").await.says("I brug").says_not(r#"id="told""#);
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing() {
    let scene = Scene::new().await;
    let (mut visitor, phone) = scene.signed_in("anna-form").await;
    let (mut other, _) = scene.signed_in("bo-form").await;
    let id = visitor.get("/").await.id("block-phone");
    let theirs = other.get("/").await.form();
    for form in ["", "guessed", &theirs] {
        for path in ["/do/block-phone", "/do/block-everything", "/phone/digits", "/logout"] {
            let page =
                visitor.post(path, &[("form", form), ("id", if path == "/do/block-phone" { &id } else { "" })]).await;
            assert_eq!(page.status, 403, "{path}");
            page.says("Intet er gjort.");
        }
    }
    assert_eq!(visitor.post("/do/block-phone", &[]).await.status, 403);
    // Right, but from another origin.
    let form = visitor.get(&format!("/do/block-phone?id={id}")).await.form();
    let page = visitor.post_from("https://evil.example", "/do/block-phone", &[("form", &form), ("id", &id)]).await;
    assert_eq!(page.status, 403);
    assert_eq!(visitor.post_from("null", "/do/block-phone", &[("form", &form), ("id", &id)]).await.status, 403);
    is_untouched(&mut visitor).await;
    // No GET does anything.
    visitor.get(&format!("/do/block-phone?id={id}&form={form}")).await.says(r#"id="do""#);
    assert_eq!(visitor.get("/logout").await.status, 405);
    is_untouched(&mut visitor).await;

    // Nobody is sent to sign in by another site either, in a browser that has never been here or one that has.
    let mut fresh = scene.visitor();
    assert_eq!(fresh.post("/login", &[("form", "")]).await.status, 403);
    assert_eq!(fresh.post("/login", &[("form", "x")]).await.status, 403);
    let form = fresh.get("/").await.form();
    assert_eq!(scene.visitor().post("/login", &[("form", &form)]).await.status, 403);
    let sent = fresh.post("/login", &[("form", &form)]).await;
    fresh.approve(&sent, &phone).await.says("anna-form Testesen");
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_done_once() {
    let scene = Scene::new().await;
    let (mut visitor, _) = scene.signed_in("cai-form").await;
    let form = visitor.get("/do/add-phone").await.form();
    let fields = [("form", form.as_str()), ("id", "")];
    let first = visitor.post("/do/add-phone", &fields).await;
    assert_eq!(first.status, 303);
    let second = visitor.post("/do/add-phone", &fields).await;
    assert_eq!(second.status, 403);
    second.says("sendt før");
    let events = visitor.get("/export").await.body;
    assert_eq!(events.matches("activation_handed_out").count(), 1);
}

#[tokio::test]
async fn another_persons_things_are_as_unknown_as_nobodys() {
    let scene = Scene::new().await;
    let (mut anna, _) = scene.signed_in("dorte-form").await;
    let (mut bo, _) = scene.signed_in("ebbe-form").await;
    let theirs = anna.get("/").await.id("block-phone");
    for (action, id) in [
        ("block-phone", theirs.as_str()),
        ("remove-phone", &theirs),
        ("block-phone", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("forget-browser", "AAAAAAAAAAAAAAAAAAAAAA"),
        ("cancel-order", "AAAAAAAAAAAAAAAAAAAAAA"),
    ] {
        assert_eq!(bo.act(action, id, "").await.status, 404, "{action}");
    }
    for path in [
        "/do/block-phone",
        "/do/block-phone?id=..%2F..%2Fblock",
        "/do/block-phone?id=%22%3E%3Cscript%3E",
        "/do/block-everything?id=x",
        "/do/unblock",
    ] {
        let page = bo.get(path).await;
        assert_eq!(page.status, 404, "{path}");
        page.says("Siden findes ikke.");
    }
    let form = bo.get("/do/block-everything").await.form();
    let page = bo.post("/do/block-phone", &[("form", &form), ("id", "../block")]).await;
    assert_eq!(page.status, 404);
    is_untouched(&mut anna).await;
    is_untouched(&mut bo).await;
}

#[tokio::test]
async fn an_old_login_changes_nothing_until_the_same_person_is_there_again() {
    let scene = Scene::new().await;
    let (mut visitor, phone) = scene.signed_in("frida-form").await;
    let (_, other) = scene.world.person("gro-form").await;
    scene.world.advance(301).await;
    let id = visitor.get("/").await.id("remove-phone");

    // Somebody else at the screen, with a phone of their own.
    let sent = visitor.act("remove-phone", &id, "").await;
    let page = visitor.approve(&sent, &other).await;
    assert_eq!(page.status, 403);
    page.says("Svaret passer ikke til det, der blev bedt om.");
    visitor.get("/").await.says("frida-form Testesen").says("I brug");

    // Declined.
    let sent = visitor.act("remove-phone", &id, "").await;
    let login = visitor.login_page(&sent).await;
    visitor.cancel(&login).await;
    let page = visitor.back(&login).await;
    page.says("Du loggede ikke på.");
    visitor.get("/").await.says("I brug");

    // The person: back at the button, which has not been pressed.
    let sent = visitor.act("remove-phone", &id, "").await;
    let page = visitor.approve(&sent, &phone).await;
    page.says(r#"id="do""#).says("Fjern telefonen");
    is_untouched(&mut visitor).await;
    visitor.done("remove-phone", &id, "").await.says("Du har ingen telefon.");

    // An answer that nobody asked for.
    assert_eq!(visitor.get("/callback?code=x&state=y").await.status, 403);
}

#[tokio::test]
async fn a_visit_that_ended_in_between_says_so_and_does_nothing() {
    let scene = Scene::new().await;
    // Too long ago.
    let (mut visitor, _) = scene.signed_in("hans-form").await;
    let form = visitor.get("/do/block-everything").await.form();
    scene.world.advance(901).await;
    let page = visitor.post("/do/block-everything", &[("form", &form), ("id", "")]).await;
    assert_eq!(page.status, 401);
    page.says(r#"id="ended""#).says(r#"id="login""#);
    assert_eq!(visitor.post("/do/block-everything", &[("form", &form), ("id", "")]).await.status, 401);
    visitor.get("/").await.says(r#"id="login""#).says_not(r#"id="ended""#);

    // Blocked by a desk meanwhile.
    let (citizen, phone) = scene.world.person("ivan-form").await;
    let mut visitor = scene.visitor();
    visitor.log_on(&phone).await.says("ivan-form Testesen");
    let block = format!("citizens/{}/block", citizen.id);
    assert_eq!(scene.world.desk(Method::POST, &block, Some(json!({}))).await.0, 200);
    for path in ["/", "/history", "/export"] {
        let page = visitor.get(path).await;
        page.says(r#"id="login""#).says_not("ivan-form");
    }
    assert_eq!(visitor.get("/do/user-id").await.status, 401);
}

#[tokio::test]
async fn without_a_server_the_site_says_so() {
    let mut scene = Scene::new().await;
    let (mut visitor, _) = scene.signed_in("jens-form").await;
    scene.world.stop().await;
    let page = visitor.get("/").await;
    assert_eq!(page.status, 502);
    page.says("Godkend svarer ikke lige nu.");
    scene.world.start().await;
    visitor.get("/").await.says("jens-form Testesen");
    // A login elsewhere is none of this site's.
    let mut bank = scene.world.login_page(&Ask::login()).await;
    bank.cancel().await;
}
