//! Shared logins and their end: by policy among a group, and nowhere else.

use godkend_tests::Browser;
use serde_json::{Value, json};

use crate::rp::{Rp, claims_of, header_of, query, table, world_with};
use crate::told::Told;

async fn towns() -> (godkend_tests::World, Told) {
    let told = Told::listen().await;
    let town = |id: &str| {
        table(
            id,
            &format!(
                "single_sign_on = \"towns\"\nbackchannel_logout_uri = \"{}/{id}\"\n\
                 post_logout_redirect_uris = [\"https://{id}.example/bye?x=1\"]",
                told.url
            ),
        )
    };
    let world = world_with(&[town("town-a"), town("town-b"), table("alone", "")].concat()).await;
    (world, told)
}

async fn id_token(rp: &Rp, code: &str) -> String {
    let reply = rp.redeem(code).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.text("id_token")
}

/// Whether a request meets a login page.
async fn is_asked(rp: &Rp, browser: &mut Browser, changed: &[(&str, &str)]) -> bool {
    browser.visit(&rp.address(changed).await).await.is_ok()
}

#[tokio::test]
async fn a_login_is_shared_within_its_group_and_nowhere_else() {
    let (world, _told) = towns().await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let (alone, bank) = (Rp::secret(&world, "alone"), Rp::secret(&world, "netbank"));
    let mut browser = world.browser();
    assert_eq!(b.at_once(&mut browser, &[("prompt", "none")]).await["error"], "login_required");
    let code = a.answer(&mut browser, "approves", &[]).await["code"].clone();
    let first = claims_of(&id_token(&a, &code).await);

    world.advance(20).await;
    let answer = b.at_once(&mut browser, &[("prompt", "none")]).await;
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("the state", world.url.as_str()));
    let second = claims_of(&id_token(&b, &answer["code"]).await);
    for same in ["auth_time", "acr", "amr", "mitid.uuid", "mitid.transaction_id"] {
        assert_eq!(first[same], second[same], "{same}");
    }
    for own in ["sub", "sid", "aud"] {
        assert_ne!(first[own], second[own], "{own}");
    }
    assert!(b.at_once(&mut browser, &[]).await.contains_key("code"), "without prompt as well");

    // Others are asked, and so is whoever wants more than a plain login, or a newer one, or another person.
    for other in [&alone, &bank] {
        assert!(is_asked(other, &mut browser, &[]).await, "{}", other.id);
    }
    let payment = json!([{ "type": "godkend_payment", "amount": "1.00", "currency": "DKK", "payee": "A" }]).to_string();
    let uuid = json!({ "uuid_hint": "0f1c2b3a-0000-4000-8000-000000000000" }).to_string();
    for changed in [
        ("prompt", "login"),
        ("prompt", "consent"),
        ("max_age", "0"),
        ("max_age", "19"),
        ("acr_values", "High"),
        ("idp_params", "{\"reference_text\":\"aGVq\"}"),
        ("idp_params", "{\"action_text\":\"SIGN\"}"),
        ("idp_params", "{\"enable_step_up\":true}"),
        ("idp_params", &uuid),
        ("authorization_details", &payment),
    ] {
        assert!(is_asked(&b, &mut browser, &[changed]).await, "{changed:?}");
        let silent = [changed, ("prompt", "none")];
        if changed.0 != "prompt" {
            assert_eq!(b.at_once(&mut browser, &silent).await["error"], "login_required", "{changed:?}");
        }
    }
    assert!(!is_asked(&b, &mut browser, &[("max_age", "60")]).await);
    // Another browser has nothing to share, and half an hour later this one has not.
    assert_eq!(b.at_once(&mut world.browser(), &[("prompt", "none")]).await["error"], "login_required");
    world.advance(1_800).await;
    assert_eq!(b.at_once(&mut browser, &[("prompt", "none")]).await["error"], "login_required");
}

#[tokio::test]
async fn what_ends_at_one_ends_at_all_and_the_others_are_told() {
    let (world, told) = towns().await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let mut browser = world.browser();
    let code = a.answer(&mut browser, "approves", &[]).await["code"].clone();
    let of_a = id_token(&a, &code).await;
    let code = b.at_once(&mut browser, &[]).await["code"].clone();
    let reply = b.redeem(&code).await;
    let (of_b, token) = (reply.text("id_token"), reply.text("access_token"));
    assert_eq!(b.open("/userinfo", &token, None).await.status, 200);

    let logout = |hint: &str, more: &[(&str, &str)]| {
        let mut url = url::Url::parse(&format!("{}/logout", world.url)).unwrap();
        url.query_pairs_mut().append_pair("id_token_hint", hint).extend_pairs(more);
        String::from(url)
    };
    let back = ("post_logout_redirect_uri", "https://town-a.example/bye?x=1");
    for (hint, more) in [
        (of_a.as_str(), ("post_logout_redirect_uri", "https://town-a.example/bye")),
        (of_a.as_str(), ("post_logout_redirect_uri", "https://evil.example/")),
        (of_b.as_str(), back),
        (of_a.as_str(), ("client_id", "town-b")),
        ("", back),
        (&of_a[..of_a.len() - 4], back),
    ] {
        let (status, location) = browser.follow(&logout(hint, &[more])).await;
        assert_eq!((status, location), (400, None), "{more:?}");
    }
    assert_eq!(b.open("/userinfo", &token, None).await.status, 200, "none of it ended anything");

    let (status, location) = browser.follow(&logout(&of_a, &[back, ("state", "s&1"), ("client_id", "town-a")])).await;
    assert_eq!(status, 303);
    let location = location.unwrap();
    assert!(location.starts_with("https://town-a.example/bye?x=1&"), "{location}");
    assert_eq!(query(&location)["state"], "s&1");
    assert_eq!(b.open("/userinfo", &token, None).await.error(), "invalid_token");
    assert_eq!(b.at_once(&mut browser, &[("prompt", "none")]).await["error"], "login_required");

    let (path, _, form) = told.next().await;
    assert_eq!(path, "/town-b");
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let (header, claims) = (header_of(&form["logout_token"]), claims_of(&form["logout_token"]));
    let known = claims_of(&of_b);
    assert_eq!(header["typ"], "logout+jwt");
    for same in ["iss", "aud", "sub", "sid"] {
        assert_eq!(claims[same], known[same], "{same}");
    }
    assert_eq!(claims["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert!(claims["jti"].is_string() && claims.get("nonce").is_none());
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 120);
    // A logout token is no ID token: it ends nothing by itself.
    let (status, _) = browser.follow(&logout(&form["logout_token"], &[])).await;
    assert_eq!(status, 400);
    // A second time there is nothing to end, and no harm in asking; without an address there is a page.
    let (status, location) = browser.follow(&logout(&of_a, &[])).await;
    assert_eq!((status, location), (200, None));
    assert!(browser.last.body.contains("Du er logget af"), "{}", browser.last.body);
}

/// The first things that a desk's block has to reach are the places where the person is signed in.
#[tokio::test]
async fn a_blocked_person_is_signed_out_everywhere_and_stays_so() {
    let (world, told) = towns().await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let mut browser = world.browser();
    let code = a.answer(&mut browser, "approves", &[]).await["code"].clone();
    id_token(&a, &code).await;
    let code = b.at_once(&mut browser, &[]).await["code"].clone();
    let of_b = claims_of(&id_token(&b, &code).await);

    let (_, citizen) = world.desk(reqwest::Method::GET, "users/approves", None).await;
    let citizen = citizen["id"].as_str().unwrap();
    let (status, _) = world.desk(reqwest::Method::POST, &format!("citizens/{citizen}/block"), None).await;
    assert_eq!(status, 200);
    let mut heard = std::collections::BTreeMap::new();
    for _ in 0..2 {
        let (path, _, form) = told.next().await;
        let form: std::collections::BTreeMap<String, String> =
            url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        heard.insert(path, claims_of(&form["logout_token"]));
    }
    assert_eq!(heard.keys().collect::<Vec<_>>(), ["/town-a", "/town-b"]);
    assert_eq!(heard["/town-b"]["sid"], of_b["sid"]);
    world.desk(reqwest::Method::POST, &format!("citizens/{citizen}/unblock"), None).await;
    assert_eq!(b.at_once(&mut browser, &[("prompt", "none")]).await["error"], "login_required", "gone, not hidden");
}

#[tokio::test]
async fn a_logout_is_told_again_until_it_is_heard_and_not_for_ever() {
    let (world, told) = towns().await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let mut browser = world.browser();
    let code = a.answer(&mut browser, "approves", &[]).await["code"].clone();
    let of_a = id_token(&a, &code).await;
    let code = b.at_once(&mut browser, &[]).await["code"].clone();
    id_token(&b, &code).await;
    told.answer_with(503);
    let (status, _) = browser.follow(&format!("{}/logout?id_token_hint={of_a}", world.url)).await;
    assert_eq!(status, 200);
    told.next().await;
    // The first wait is ten seconds by the server's clock, which need not be waited for.
    for _ in 0..3 {
        assert!(told.quiet().await, "not before its time");
        world.advance(100).await;
        told.next().await;
    }
    world.advance(100).await;
    assert!(told.quiet().await, "four tries are all");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (world, told) = towns().await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let mut browser = world.browser();
    let code = a.answer(&mut browser, "approves", &[]).await["code"].clone();
    let of_a = id_token(&a, &code).await;
    let code = b.at_once(&mut browser, &[]).await["code"].clone();
    id_token(&b, &code).await;
    told.answer_with(307);
    browser.follow(&format!("{}/logout?id_token_hint={of_a}", world.url)).await;
    assert_eq!(told.next().await.0, "/town-b");
    assert!(told.quiet().await, "nothing at the place that the answer points to");
}

#[tokio::test]
async fn another_person_in_the_same_browser_ends_the_first_ones_session() {
    let (world, told) = towns().await;
    world.magic("somebody", "approves").await;
    let (a, b) = (Rp::secret(&world, "town-a"), Rp::secret(&world, "town-b"));
    let mut browser = world.browser();
    let code = b.answer(&mut browser, "approves", &[]).await["code"].clone();
    let first: Value = claims_of(&id_token(&b, &code).await);
    let code = a.answer(&mut browser, "somebody", &[("prompt", "login")]).await["code"].clone();
    let second = claims_of(&id_token(&a, &code).await);
    assert_ne!(first["mitid.uuid"], second["mitid.uuid"]);
    assert_eq!(told.next().await.0, "/town-b");
    let code = b.at_once(&mut browser, &[]).await["code"].clone();
    assert_eq!(claims_of(&id_token(&b, &code).await)["mitid.uuid"], second["mitid.uuid"]);
}
