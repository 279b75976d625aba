//! A citizen's own affairs over `/citizen/v1`: what their own site may do in their name, and everything that nobody may.

use godkend_protocol::messages::activation::Stage;
use godkend_tests::chip::Chip;
use godkend_tests::phone::{OTHER_PIN, PIN, code};
use godkend_tests::{Phone, World};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rp::{Rp, table, world_with};

const SCOPE: (&str, &str) = ("scope", "openid self_service");
/// Every route: with a body it is posted.
const ROUTES: &[(&str, bool)] = &[
    ("overview", false),
    ("history", false),
    ("export", false),
    ("phones/AAAAAAAAAAAAAAAAAAAAAA/block", true),
    ("phones/AAAAAAAAAAAAAAAAAAAAAA/remove", true),
    ("browsers/AAAAAAAAAAAAAAAAAAAAAA/forget", true),
    ("display/lost", true),
    ("password/open", true),
    ("password/remove", true),
    ("chip/open", true),
    ("chip/lost", true),
    ("chip/remove", true),
    ("user-id", true),
    ("settings", true),
    ("orders", true),
    ("orders/AAAAAAAAAAAAAAAAAAAAAA/cancel", true),
    ("activations", true),
    ("activations/AAAAAAAAAAAAAAAAAAAAAA", false),
    ("activations/AAAAAAAAAAAAAAAAAAAAAA/digits", true),
    ("block", true),
    ("logout", true),
];

async fn world() -> World {
    world_with(&table("mine", "self_service = true\nciba = true")).await
}

fn site(world: &World) -> Rp {
    Rp::secret(world, "mine")
}

/// Signs in by a scanned code; the access token.
async fn sign_in(world: &World, site: &Rp, phone: &Phone) -> String {
    let mut browser = world.browser();
    browser.visit(&site.address(&[SCOPE]).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    redeemed(site, &browser.finish().await["code"]).await
}

async fn redeemed(site: &Rp, code: &str) -> String {
    let reply = site.redeem(code).await;
    assert_eq!((reply.status, &reply.json["scope"]), (200, &json!("openid self_service")), "{reply:?}");
    reply.text("access_token")
}

/// What must be allowed.
async fn good(site: &Rp, path: &str, token: &str, body: Option<Value>) -> Value {
    let reply = site.own(path, token, body).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.json
}

async fn refused(site: &Rp, path: &str, token: &str, body: Value) -> String {
    let reply = site.own(path, token, Some(body)).await;
    assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    reply.error().to_owned()
}

async fn overview(site: &Rp, token: &str) -> Value {
    good(site, "overview", token, None).await
}

fn phone_id(overview: &Value, place: usize) -> String {
    overview["phones"][place]["id"].as_str().unwrap_or_else(|| panic!("no phone: {overview}")).to_owned()
}

#[tokio::test]
async fn only_the_citizens_own_site_gets_the_scope_and_nothing_opens_without_it() {
    let world = world().await;
    let (mine, bank) = (site(&world), Rp::secret(&world, "netbank"));
    let pushed = bank.push(&[SCOPE]).await;
    assert_eq!((pushed.status, pushed.error()), (400, "invalid_scope"));
    let ciba = mine.send("/ciba", &[SCOPE, ("login_hint", "approves")], &[]).await;
    assert_eq!((ciba.status, ciba.error()), (400, "invalid_scope"), "nobody's browser is there");
    let of_the_bank = bank.tokens(&world, "approves", &[]).await.text("access_token");
    let without = mine.tokens(&world, "approves", &[]).await;
    assert_eq!(without.json["scope"], "openid");
    let without = without.text("access_token");
    for (path, posted) in ROUTES {
        let body = posted.then(|| json!({}));
        let reply = mine.own(path, "", body.clone()).await;
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
        assert!(reply.header("www-authenticate").starts_with("Bearer "), "{path}");
        let reply = mine.own(path, "no token of anybody's", body.clone()).await;
        assert_eq!((reply.status, reply.error()), (401, "invalid_token"), "{path}");
        for token in [&of_the_bank, &without] {
            let reply = mine.own(path, token, body.clone()).await;
            assert_eq!((reply.status, reply.error()), (403, "insufficient_scope"), "{path}");
        }
    }
    for more in ["unpushed = true", "single_sign_on = \"x\""] {
        let wrong = world.refuses_configuration(&table("other", &format!("self_service = true\n{more}")));
        assert!(wrong.iter().any(|line| line.contains("self_service")), "{wrong:?}");
    }
    let public = "\n[[relying_party]]\nclient_id = \"p\"\nname = \"p\"\nredirect_uris = [\"https://p.example/\"]\nself_service = true\n";
    assert!(world.refuses_configuration(public).iter().any(|line| line.contains("self_service")));
}

#[tokio::test]
async fn a_site_that_is_registered_no_more_opens_nothing_with_the_tokens_it_has() {
    let world = world().await;
    let fields = json!({ "client_id": "site", "name": "site", "redirect_uris": ["https://site.example/callback"],
        "self_service": true });
    let (status, reply) = world.desk(Method::POST, "clients", Some(fields.clone())).await;
    assert_eq!(status, 201, "{reply}");
    let secret = reply["client_secret"].as_str().unwrap().to_owned();
    let site = Rp::new(&world, "site", crate::rp::Shows::Secret(secret));
    let token = site.tokens(&world, "approves", &[SCOPE]).await.text("access_token");
    overview(&site, &token).await;
    let mut fields = fields;
    fields["self_service"] = json!(false);
    assert_eq!(world.desk(Method::PUT, "clients/site", Some(fields)).await.0, 200);
    let reply = site.own("overview", &token, None).await;
    assert_eq!((reply.status, reply.error()), (403, "insufficient_scope"));
}

#[tokio::test]
async fn the_level_counts_and_so_does_the_time() {
    let world = world().await;
    let mine = site(&world);
    // Proofed at Low: no login of this person's reaches further.
    let (low, phone) = (world.citizen_at("low-self", "low").await, world.phone().await);
    phone.activate(&world, &low, PIN).await;
    let mut browser = world.browser();
    browser.visit(&mine.address(&[SCOPE, ("acr_values", "Low")]).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let token = redeemed(&mine, &browser.finish().await["code"]).await;
    let reply = mine.own("overview", &token, None).await;
    assert_eq!((reply.status, reply.error()), (401, "insufficient_user_authentication"));
    assert!(reply.header("www-authenticate").contains("nsis/Substantial\""), "{reply:?}");

    // Old: what adds or removes wants a new login, what shows or blocks does not.
    let (_, phone) = world.person("old-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    world.advance(301).await;
    let own = phone_id(&overview(&mine, &token).await, 0);
    for (path, body) in [
        (format!("phones/{own}/remove"), json!({})),
        ("password/open".to_owned(), json!({})),
        ("password/remove".to_owned(), json!({})),
        ("user-id".to_owned(), json!({ "user_id": "new-self" })),
        ("settings".to_owned(), json!({ "hide_names": true })),
        ("orders".to_owned(), json!({ "what": "display" })),
        ("activations".to_owned(), json!({})),
    ] {
        let reply = mine.own(&path, &token, Some(body)).await;
        assert_eq!((reply.status, reply.error()), (401, "insufficient_user_authentication"), "{path}");
        assert!(reply.header("www-authenticate").contains("max_age=\"300\""), "{path}: {reply:?}");
    }
    assert_eq!(good(&mine, &format!("phones/{own}/block"), &token, Some(json!({}))).await["model"], "Testfon 3");
    world.advance(600).await;
    let reply = mine.own("overview", &token, None).await;
    assert_eq!((reply.status, reply.error()), (401, "invalid_token"));
}

#[tokio::test]
async fn phones_and_browsers_are_the_callers_own() {
    let world = world().await;
    let mine = site(&world);
    let (anna, phone) = world.person("anna-self").await;
    let (_, other) = world.person("bo-self").await;
    let theirs = sign_in(&world, &mine, &other).await;
    // A browser that Anna remembers.
    let mut browser = world.browser();
    browser.visit(&mine.address(&[SCOPE]).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&view, godkend_tests::phone::with_pin(PIN), true).await.unwrap();
    let token = redeemed(&mine, &browser.finish().await["code"]).await;
    let seen = overview(&mine, &token).await;
    assert_eq!((seen["name"].as_str(), seen["user_id"].as_str()), (Some("anna-self Testesen"), Some("anna-self")));
    assert_eq!(seen["phones"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["browsers"][0]["name"], "Firefox, Linux");
    let (own, remembered) = (phone_id(&seen, 0), seen["browsers"][0]["id"].as_str().unwrap().to_owned());

    for path in [format!("phones/{own}/block"), format!("phones/{own}/remove"), "phones/x/block".to_owned()] {
        let error = refused(&mine, &path, &theirs, json!({})).await;
        assert!(["device_unknown", "not_found"].contains(&error.as_str()), "{path}: {error}");
    }
    let forget = format!("browsers/{remembered}/forget");
    assert_eq!(refused(&mine, &forget, &theirs, json!({})).await, "browser_unknown");
    assert_eq!(refused(&mine, &forget, &token, json!({ "more": 1 })).await, "malformed");
    assert_eq!(overview(&mine, &token).await, seen, "nothing of it did anything");

    good(&mine, &forget, &token, Some(json!({}))).await;
    assert_eq!(refused(&mine, &forget, &token, json!({})).await, "browser_unknown");
    assert_eq!(overview(&mine, &token).await["browsers"], json!([]));

    let block = format!("phones/{own}/block");
    for _ in 0..2 {
        good(&mine, &block, &token, Some(json!({}))).await;
    }
    let mut page = world.login_page(&godkend_tests::Ask::login()).await;
    let scanned = code(phone.scan(&page.qr().await).await);
    assert_eq!(scanned.map(|code| code.as_str()), Some("device_blocked"));
    let remove = format!("phones/{own}/remove");
    for _ in 0..2 {
        good(&mine, &remove, &token, Some(json!({}))).await;
    }
    assert_eq!(overview(&mine, &token).await["phones"], json!([]));
    let events = world.history(&anna).await;
    for event in ["browser_forgotten", "device_blocked", "device_removed"] {
        assert_eq!(events.iter().filter(|line| *line == event).count(), 1, "{event}: {events:?}");
    }
}

#[tokio::test]
async fn a_phone_that_is_added_waits_its_hour_and_the_old_ones_are_told() {
    let world = world().await;
    let mine = site(&world);
    let (_, old) = world.person("cai-self").await;
    let (_, stranger) = world.person("dorte-self").await;
    // A typed number reaches Substantial; whose identity is proofed at High adds a phone at High.
    let mut browser = world.browser();
    browser.visit(&mine.address(&[SCOPE]).await).await.unwrap();
    let number = browser.type_user_id("cai-self").await;
    let view = old.type_number(&number).await.unwrap();
    old.approve(&view, PIN).await.unwrap();
    let substantial = redeemed(&mine, &browser.finish().await["code"]).await;
    assert_eq!(overview(&mine, &substantial).await["login"]["level"], "Substantial");
    let reply = mine.own("activations", &substantial, Some(json!({}))).await;
    assert_eq!((reply.status, reply.error()), (401, "insufficient_user_authentication"));
    assert!(reply.header("www-authenticate").contains("nsis/High\""), "{reply:?}");

    let token = sign_in(&world, &mine, &old).await;
    let handed = good(&mine, "activations", &token, Some(json!({ "form": "link" }))).await;
    assert_eq!(handed["waiting_seconds"], 3600);
    let id = handed["id"].as_str().unwrap();
    let new = world.phone().await;
    let (identity, digits) = new.begin_activation(handed["text"].as_str().unwrap()).await.unwrap();
    assert_eq!(good(&mine, &format!("activations/{id}"), &token, None).await["stage"], "digits");

    // The digits belong to the session of the person, and not to a desk or another's.
    let path = format!("activations/{id}/digits");
    let theirs = sign_in(&world, &mine, &stranger).await;
    assert_eq!(refused(&mine, &path, &theirs, json!({ "digits": digits })).await, "activation_unknown");
    assert_eq!(mine.own(&format!("activations/{id}"), &theirs, None).await.error(), "activation_unknown");
    assert_eq!(world.digits(id, &digits).await.1["error"], "activation_unknown");
    let wrong = if digits.starts_with('0') { "10000000" } else { "00000000" };
    let reply = mine.own(&path, &token, Some(json!({ "digits": wrong }))).await;
    assert_eq!((reply.error(), &reply.json["tries_left"]), ("digits_wrong", &json!(2)));
    let confirmed = good(&mine, &path, &token, Some(json!({ "digits": digits }))).await;
    assert_eq!(confirmed["model"], "Testfon 3");
    assert!(confirmed["active_from"].is_i64(), "{confirmed}");

    assert!(matches!(new.choose_pin(identity, OTHER_PIN).await.unwrap(), Stage::Waiting { .. }));
    let shown = good(&mine, &format!("activations/{id}"), &token, None).await;
    assert_eq!(shown["stage"], "waiting");
    let phones = overview(&mine, &token).await;
    let waiting = phones["phones"].as_array().unwrap().iter().find(|phone| phone["active_from"].is_i64());
    assert_eq!(waiting.unwrap_or_else(|| panic!("none waits: {phones}"))["active_from"], shown["active_from"]);
    let told = old.waiting().await;
    assert_eq!(told.len(), 1, "the old phone is told");
    old.open(&told[0]).await.unwrap();

    world.advance(3_000).await;
    assert!(matches!(new.stage().await, Stage::Waiting { .. }));
    world.advance(601).await;
    assert_eq!(new.stage().await, Stage::Active);
    let mut page = world.login_page(&godkend_tests::Ask::login()).await;
    let view = new.scan(&page.qr().await).await.unwrap();
    new.approve(&view, OTHER_PIN).await.unwrap();
    assert_eq!(page.signed_in().await["mitid.identity_name"], "cai-self Testesen");
}

#[tokio::test]
async fn an_old_phone_stops_the_new_one_and_so_does_its_owner() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, old) = world.person("ebbe-self").await;
    for by_phone in [true, false] {
        let token = sign_in(&world, &mine, &old).await;
        let handed = good(&mine, "activations", &token, Some(json!({ "form": "code" }))).await;
        let new = world.phone().await;
        let (identity, digits) = new.begin_activation(handed["text"].as_str().unwrap()).await.unwrap();
        let path = format!("activations/{}/digits", handed["id"].as_str().unwrap());
        good(&mine, &path, &token, Some(json!({ "digits": digits }))).await;
        new.choose_pin(identity, OTHER_PIN).await.unwrap();
        if by_phone {
            let told = old.waiting().await;
            let notice = old.open(&told[0]).await.unwrap();
            old.deny(&notice).await.unwrap();
        } else {
            let seen = overview(&mine, &token).await;
            let waits = seen["phones"].as_array().unwrap().iter().find(|phone| phone["active_from"].is_i64()).unwrap();
            let path = format!("phones/{}/remove", waits["id"].as_str().unwrap());
            good(&mine, &path, &token, Some(json!({}))).await;
        }
        assert_eq!(new.stage().await, Stage::Void);
        assert_eq!(overview(&mine, &token).await["phones"].as_array().unwrap().len(), 1);
    }
    assert!(world.history(&citizen).await.contains(&"activation_stopped".to_owned()));
}

#[tokio::test]
async fn a_user_id_is_changed_and_the_old_one_is_nobodys() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, phone) = world.person("frida-self").await;
    world.citizen("taken-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    let change = |user_id: &str| json!({ "user_id": user_id });
    for (user_id, error) in
        [("TAKEN-self", "user_id_taken"), ("1703850003", "malformed"), ("four", "malformed"), ("a b c d", "malformed")]
    {
        assert_eq!(refused(&mine, "user-id", &token, change(user_id)).await, error, "{user_id}");
    }
    good(&mine, "user-id", &token, Some(change("Frida.Ny"))).await;
    good(&mine, "user-id", &token, Some(change("Frida.Ny"))).await;
    assert_eq!(overview(&mine, &token).await["user_id"], "Frida.Ny");
    assert_eq!(world.desk(Method::GET, "users/frida-self", None).await.0, 404);
    assert_eq!(world.desk(Method::GET, "users/frida.ny", None).await.1["id"], citizen.id.as_str());

    // The old one reaches nobody, and is given to nobody for a year; its owner may take it back.
    let mut browser = world.browser();
    browser.open(&world, &godkend_tests::Ask::login()).await;
    browser.type_user_id("frida-self").await;
    assert_eq!(phone.waiting().await.len(), 0);
    let body = json!({ "name": "En Anden", "user_id": "Frida-Self", "date_of_birth": "1990-01-01" });
    let (status, reply) = world.desk(Method::POST, "citizens", Some(body.clone())).await;
    assert_eq!((status, &reply["error"]), (409, &json!("user_id_taken")));
    good(&mine, "user-id", &token, Some(change("frida-self"))).await;
    good(&mine, "user-id", &token, Some(change("Frida.Ny"))).await;
    for number in 2..=5 {
        good(&mine, "user-id", &token, Some(change(&format!("frida.ny{number}")))).await;
    }
    assert_eq!(refused(&mine, "user-id", &token, change("frida.ny6")).await, "throttled");
    world.advance(366 * 86_400).await;
    assert_eq!(world.desk(Method::POST, "citizens", Some(body)).await.0, 201);
    assert!(world.history(&citizen).await.contains(&"user_id_changed".to_owned()));
}

#[tokio::test]
async fn orders_go_to_the_desk_and_settings_hold() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, phone) = world.person("gro-self").await;
    let (_, other) = world.person("hans-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    let theirs = sign_in(&world, &mine, &other).await;

    assert_eq!(refused(&mine, "orders", &token, json!({ "what": "car" })).await, "malformed");
    let first = good(&mine, "orders", &token, Some(json!({ "what": "talking_display" }))).await;
    let second = good(&mine, "orders", &token, Some(json!({ "what": "talking_display" }))).await;
    assert_eq!(first, second, "a second press orders nothing more");
    let chip = good(&mine, "orders", &token, Some(json!({ "what": "chip" }))).await;
    let cancel = format!("orders/{}/cancel", chip["id"].as_str().unwrap());
    assert_eq!(refused(&mine, &cancel, &theirs, json!({})).await, "not_found");
    good(&mine, &cancel, &token, Some(json!({}))).await;
    let (_, list) = world.desk(Method::GET, "orders", None).await;
    assert_eq!(list["orders"].as_array().unwrap().len(), 1, "{list}");
    let order = &list["orders"][0];
    assert_eq!((&order["citizen"], &order["what"]), (&json!(citizen.id), &json!("talking_display")));
    let handed = format!("orders/{}/handed", order["id"].as_str().unwrap());
    assert_eq!(world.desk(Method::POST, &handed, Some(json!({ "by": "Bo" }))).await.0, 200);
    assert_eq!(world.desk(Method::GET, "orders", None).await.1["orders"], json!([]));
    let orders = overview(&mine, &token).await["orders"].clone();
    let states: Vec<_> = orders.as_array().unwrap().iter().map(|order| order["state"].as_str().unwrap()).collect();
    assert!(states.contains(&"handed") && states.contains(&"cancelled") && states.len() == 2, "{orders}");

    // Who sees which relying parties asked: the person always, a desk until the person says no.
    let path = format!("citizens/{}/history", citizen.id);
    let names = async || {
        let (_, told) = world.desk(Method::GET, &path, None).await;
        told["history"].as_array().unwrap().iter().any(|line| line["relying_party"] == "mine")
    };
    assert!(names().await);
    good(&mine, "settings", &token, Some(json!({ "hide_names": true, "locked_push": false }))).await;
    assert!(!names().await);
    let own = good(&mine, "history", &token, None).await;
    assert!(own["history"].as_array().unwrap().iter().any(|line| line["relying_party"] == "mine"), "{own}");
    assert_eq!(
        overview(&mine, &token).await["settings"],
        json!({ "hide_names": true, "locked_push": false, "tell_uses": false })
    );
    assert_eq!(
        overview(&mine, &theirs).await["settings"],
        json!({ "hide_names": false, "locked_push": true, "tell_uses": false })
    );
    assert!(!phone.overview().await.locked_push);
}

#[tokio::test]
async fn history_comes_in_pages_and_the_export_is_the_whole() {
    let world = world().await;
    let mine = site(&world);
    let (_, phone) = world.person("ida-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    let mut ids = Vec::new();
    let mut after = String::new();
    loop {
        let page = good(&mine, &format!("history?limit=2{after}"), &token, None).await;
        let lines = page["history"].as_array().unwrap();
        ids.extend(lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let whole = mine.own("export", &token, None).await;
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"godkend.json\"");
    let lines = whole.json["history"].as_array().unwrap();
    assert_eq!(ids, lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    assert!(ids.len() >= 4, "{ids:?}");
    let login = lines.iter().find(|line| line["event"] == "approved").unwrap();
    assert_eq!((&login["model"], &login["relying_party"]), (&json!("Testfon 3"), &json!("mine")), "{login}");
    assert!(login["details"]["place"].is_string() && login["details"]["browser"] == "Firefox, Linux", "{login}");
    assert_eq!(whole.json["user_id"], "ida-self");
    // Nothing in it proves anything to anybody, and no number that is not the reader's to show.
    let text = whole.json.to_string();
    for secret in ["1703850003", "secret", "ratchet", "record", "hash"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn whoever_blocks_everything_is_out_and_so_is_whoever_logs_out() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, phone) = world.person("jon-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    good(&mine, "logout", &token, Some(json!({}))).await;
    let reply = mine.own("overview", &token, None).await;
    assert_eq!((reply.status, reply.error()), (401, "invalid_token"));

    let token = sign_in(&world, &mine, &phone).await;
    let other = sign_in(&world, &mine, &phone).await;
    good(&mine, "block", &token, Some(json!({}))).await;
    for token in [&token, &other] {
        for (path, posted) in ROUTES {
            let reply = mine.own(path, token, posted.then(|| json!({}))).await;
            assert_eq!((reply.status, reply.error()), (401, "invalid_token"), "{path}");
        }
    }
    let mut page = world.login_page(&godkend_tests::Ask::login()).await;
    let scanned = code(phone.scan(&page.qr().await).await);
    assert_eq!(scanned.map(|code| code.as_str()), Some("identity_blocked"));
    let (_, shown) = world.desk(Method::GET, &format!("citizens/{}", citizen.id), None).await;
    assert_eq!(shown["blocked"], true);
}

#[tokio::test]
async fn a_password_is_opened_for_a_code_and_taken_away() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, phone) = world.person("kaj-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    assert_eq!(refused(&mine, "password/remove", &token, json!({})).await, "not_found");
    assert_eq!(refused(&mine, "display/lost", &token, json!({})).await, "display_unknown");
    let opened = good(&mine, "password/open", &token, Some(json!({}))).await;
    assert_eq!(opened["expires_in"], 600);
    // The code is one that the server's page takes: the first step of choosing a password is answered with it.
    let register = async |code: &str| {
        let body = json!({ "code": code, "request": opaque_request() });
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        client.post(format!("{}/password/register", world.url)).json(&body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(register(opened["code"].as_str().unwrap()).await, 200);
    assert_eq!(register("ABCDEF-GHJKMN-PQRSTV").await, 403);
    assert!(world.history(&citizen).await.contains(&"password_opened".to_owned()));
}

#[tokio::test]
async fn a_chip_is_opened_seen_reported_lost_and_removed_by_its_owner() {
    let world = world().await;
    let mine = site(&world);
    let (citizen, phone) = world.person("liv-self").await;
    let (_, other) = world.person("mads-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    let theirs = sign_in(&world, &mine, &other).await;
    for path in ["chip/lost", "chip/remove"] {
        assert_eq!(refused(&mine, path, &token, json!({})).await, "not_found");
    }
    assert_eq!(overview(&mine, &token).await["chip"], Value::Null);
    let register = async |token: &str, chip: &mut Chip| {
        let opened = good(&mine, "chip/open", token, Some(json!({}))).await;
        assert_eq!(opened["expires_in"], 600);
        let mut browser = world.browser();
        let (_, asked) = browser.post("/chip/ask", json!({ "code": opened["code"] })).await;
        let credential = chip.register(&asked["options"], None);
        let set = json!({ "code": opened["code"], "credential": credential });
        assert_eq!(browser.post("/chip/set", set).await.0, 200);
    };
    register(&token, &mut Chip::new(&world.url)).await;
    let shown = overview(&mine, &token).await["chip"].clone();
    assert_eq!((&shown["level"], &shown["frozen"]), (&json!("high"), &json!(false)), "{shown}");
    assert!(shown["registered"].is_i64() && shown["last_used"].is_null(), "{shown}");
    assert_eq!(overview(&mine, &theirs).await["chip"], Value::Null, "another's is nobody else's");
    assert_eq!(refused(&mine, "chip/lost", &theirs, json!({})).await, "not_found");
    // What blocks wants no fresh login; what gives or takes does.
    world.advance(400).await;
    for path in ["chip/open", "chip/remove"] {
        assert_eq!(refused(&mine, path, &token, json!({})).await, "insufficient_user_authentication", "{path}");
    }
    good(&mine, "chip/lost", &token, Some(json!({}))).await;
    assert_eq!(overview(&mine, &token).await["chip"], Value::Null);
    let token = sign_in(&world, &mine, &phone).await;
    register(&token, &mut Chip::new(&world.url)).await;
    good(&mine, "chip/remove", &token, Some(json!({}))).await;
    let history = world.history(&citizen).await;
    for event in ["chip_opened", "chip_registered", "chip_lost", "chip_removed"] {
        assert!(history.iter().any(|line| line == event), "{event}: {history:?}");
    }
    // It carries no more than the login that it was asked for with.
    let mut browser = world.browser();
    browser.visit(&mine.address(&[SCOPE]).await).await.unwrap();
    let number = browser.type_user_id("liv-self").await;
    let view = phone.type_number(&number).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    let token = redeemed(&mine, &browser.finish().await["code"]).await;
    register(&token, &mut Chip::new(&world.url)).await;
    assert_eq!(overview(&mine, &token).await["chip"]["level"], "substantial");
}

/// The first message of an OPAQUE registration.
fn opaque_request() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut rng = godkend_tests::world::rng();
    let secret = godkend_protocol::bytes::Secret::random(&mut rng);
    let (_, request) = godkend_protocol::opaque::Registering::start(&mut rng, secret).unwrap();
    URL_SAFE_NO_PAD.encode(&request.0)
}

#[tokio::test]
async fn a_bound_token_works_with_its_key_alone() {
    let world = world().await;
    let mine = site(&world).bound();
    let (_, phone) = world.person("lis-self").await;
    let token = sign_in(&world, &mine, &phone).await;
    let reply = mine.own("overview", &token, None).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(!reply.header("dpop-nonce").is_empty());
    let thief = site(&world);
    assert_eq!(thief.own("overview", &token, None).await.error(), "invalid_token");
    assert_eq!(thief.bound().own("block", &token, Some(json!({}))).await.error(), "invalid_token");
}
