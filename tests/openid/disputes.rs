//! "This was not me": what a use gave ends, wherever it is by then.

use godkend_core::{Command, WaitingRequest};
use godkend_tests::phone::{OTHER_PIN, PIN};
use godkend_tests::{Browser, Phone, World};
use serde_json::json;

use crate::rp::{Reply, Rp, claims_of, query, table, world_with};
use crate::told::Told;

const GRANT: &str = "urn:openid:params:grant-type:ciba";
const SELF: (&str, &str) = ("scope", "openid self_service");

struct Scene {
    world: World,
    told: Told,
    /// The citizen's own site.
    mine: Rp,
    bank: Rp,
}

/// Whose first phone is in the wrong hands.
struct Citizen {
    phone: Phone,
    /// The other one.
    told: Phone,
    /// A token of the citizen's own site, from before anything was used.
    visit: String,
}

impl Scene {
    async fn new() -> Self {
        let told = Told::listen().await;
        let town = |id: &str| {
            table(id, &format!("single_sign_on = \"towns\"\nbackchannel_logout_uri = \"{}/{id}\"", told.url))
        };
        let more = [table("mine", "self_service = true"), table("bank", "ciba = true"), town("town-a"), town("town-b")];
        let world = world_with(&more.concat()).await;
        let (mine, bank) = (Rp::secret(&world, "mine"), Rp::secret(&world, "bank"));
        Self { world, told, mine, bank }
    }

    /// Somebody who wants to be told.
    async fn citizen(&self, user_id: &str) -> Citizen {
        let (citizen, first) = self.world.person(user_id).await;
        let second = self.world.phone().await;
        second.activate(&self.world, &citizen, OTHER_PIN).await;
        for waiting in first.waiting().await {
            first.deny(&first.open(&waiting).await.unwrap()).await.unwrap();
        }
        let token = sign_in(&self.world, &self.mine, &first, &[SELF]).await.text("access_token");
        let set = self.mine.own("settings", &token, Some(json!({ "tell_uses": true }))).await;
        assert_eq!(set.status, 200, "{set:?}");
        self.world.advance(1).await;
        Citizen { phone: first, told: second, visit: token }
    }

    /// A request without a browser, which the phone has approved.
    async fn without_a_browser(&self, user_id: &str, phone: &Phone) -> String {
        let form = [("scope", "openid"), ("login_hint", user_id), ("acr_values", "Substantial")];
        let begun = self.bank.post("/ciba", &form).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let view = phone.type_number(begun.json["number"].as_str().unwrap()).await.unwrap();
        phone.approve(&view, PIN).await.unwrap();
        begun.text("auth_req_id")
    }

    async fn poll(&self, id: &str) -> Reply {
        self.bank.post("/token", &[("grant_type", GRANT), ("auth_req_id", id)]).await
    }
}

/// A login page that the phone has approved, whose browser has not gone back yet.
async fn approved(world: &World, rp: &Rp, phone: &Phone, changed: &[(&str, &str)]) -> Browser {
    let mut browser = world.browser();
    browser.visit(&rp.address(changed).await).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser
}

async fn sign_in(world: &World, rp: &Rp, phone: &Phone, changed: &[(&str, &str)]) -> Reply {
    let code = approved(world, rp, phone, changed).await.finish().await["code"].clone();
    let reply = rp.redeem(&code).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

/// RFC 6750, section 3: which scheme, and why not.
fn is_invalid(reply: &Reply, scheme: &str) {
    assert_eq!((reply.status, reply.error()), (401, "invalid_token"), "{reply:?}");
    let challenge = reply.header("www-authenticate");
    assert!(challenge.starts_with(scheme) && challenge.contains("error=\"invalid_token\""), "{challenge}");
}

/// The notice of the first use.
async fn first_notice(phone: &Phone) -> WaitingRequest {
    let waiting = phone.waiting().await;
    assert_eq!(waiting.len(), 1);
    waiting[0]
}

#[tokio::test]
async fn what_was_given_since_a_disputed_use_opens_nothing_any_more() {
    let scene = Scene::new().await;
    let (world, mine, bank) = (&scene.world, &scene.mine, &scene.bank);
    let Citizen { phone: first, told: second, visit, .. } = scene.citizen("anna-disputes").await;
    let bound = Rp::secret(world, "bank").bound();
    let (a, b) = (Rp::secret(world, "town-a"), Rp::secret(world, "town-b"));

    let bearer = sign_in(world, bank, &first, &[]).await.text("access_token");
    let notice = first_notice(&second).await;
    let tied = sign_in(world, &bound, &first, &[]).await.text("access_token");
    let own = sign_in(world, mine, &first, &[SELF]).await.text("access_token");
    let opened = mine.own("chip/open", &own, Some(json!({}))).await.text("code");
    let ask = async || world.browser().post("/chip/ask", json!({ "code": opened })).await;
    let polled = scene.without_a_browser("anna-disputes", &first).await;
    let polled = scene.poll(&polled).await.text("access_token");
    let mut browser = approved(world, &a, &first, &[]).await;
    let of_a = a.redeem(&browser.finish().await["code"]).await;
    let shared = b.at_once(&mut browser, &[]).await["code"].clone();
    let of_b = b.redeem(&shared).await;
    for (rp, token) in [(bank, &bearer), (&bound, &tied), (bank, &polled), (&b, &of_b.text("access_token"))] {
        assert_eq!(rp.open("/userinfo", token, None).await.status, 200);
    }
    assert_eq!(mine.own("overview", &own, None).await.status, 200);
    assert_eq!(bank.send("/introspect", &[("token", &bearer)], &[]).await.json["active"], true);
    assert_eq!(ask().await.0, 200);

    second.report(&second.open(&notice).await.unwrap()).await.unwrap();

    is_invalid(&bank.open("/userinfo", &bearer, None).await, "Bearer");
    is_invalid(&bound.open("/userinfo", &tied, None).await, "DPoP");
    for token in [&bearer, &tied, &polled] {
        let told = bank.send("/introspect", &[("token", token)], &[]).await;
        assert_eq!((told.status, &told.json), (200, &json!({ "active": false })));
    }
    is_invalid(&bank.open("/userinfo", &polled, None).await, "Bearer");
    is_invalid(&a.open("/userinfo", &of_a.text("access_token"), None).await, "Bearer");
    is_invalid(&b.open("/userinfo", &of_b.text("access_token"), None).await, "Bearer");
    for (path, body) in [("overview", None), ("block", Some(json!({}))), ("chip/open", Some(json!({})))] {
        is_invalid(&mine.own(path, &own, body).await, "Bearer");
    }
    assert_eq!(ask().await.1["error"], "chip_code_wrong", "nor is a chip registered with what the visit opened");
    assert_eq!(b.at_once(&mut browser, &[("prompt", "none")]).await["error"], "login_required");
    let mut ended = Vec::new();
    for _ in 0..2 {
        let (path, _, form) = scene.told.next().await;
        let token = &query(&format!("https://rp.example/?{form}"))["logout_token"];
        ended.push((path, claims_of(token)["sid"].clone()));
    }
    ended.sort_by(|one, other| one.0.cmp(&other.0));
    let sid = |reply: &Reply| claims_of(&reply.text("id_token"))["sid"].clone();
    assert_eq!(ended, [("/town-a".to_owned(), sid(&of_a)), ("/town-b".to_owned(), sid(&of_b))]);

    // What the person had open before goes on, and what they open afterwards.
    assert_eq!(mine.own("overview", &visit, None).await.status, 200);
    world.advance(1).await;
    let again = sign_in(world, bank, &first, &[]).await.text("access_token");
    assert_eq!(bank.open("/userinfo", &again, None).await.status, 200);
}

#[tokio::test]
async fn what_nobody_has_fetched_yet_is_given_to_nobody() {
    let scene = Scene::new().await;
    let (world, bank) = (&scene.world, &scene.bank);
    let Citizen { phone: first, told: second, .. } = scene.citizen("eva-disputes").await;
    let code = approved(world, bank, &first, &[]).await.finish().await["code"].clone();
    let notice = first_notice(&second).await;
    let mut unfinished = approved(world, bank, &first, &[]).await;
    let unpolled = scene.without_a_browser("eva-disputes", &first).await;
    second.report(&second.open(&notice).await.unwrap()).await.unwrap();

    let reply = bank.redeem(&code).await;
    assert_eq!((reply.status, reply.error()), (400, "invalid_grant"));
    for _ in 0..2 {
        assert_eq!(unfinished.finish().await["error"], "access_denied");
    }
    let reply = scene.poll(&unpolled).await;
    assert_eq!((reply.status, reply.error()), (400, "access_denied"));
}

#[tokio::test]
async fn that_the_notices_were_turned_off_ends_the_visit_that_did_it() {
    let scene = Scene::new().await;
    let Citizen { told, visit, .. } = scene.citizen("finn-disputes").await;
    let set = scene.mine.own("settings", &visit, Some(json!({ "tell_uses": false }))).await;
    assert_eq!(set.status, 200, "{set:?}");
    told.report(&told.open(&first_notice(&told).await).await.unwrap()).await.unwrap();
    is_invalid(&scene.mine.own("overview", &visit, None).await, "Bearer");
}

#[tokio::test]
async fn only_a_report_ends_anything_and_only_the_reporters_own() {
    let scene = Scene::new().await;
    let (world, bank) = (&scene.world, &scene.bank);
    let Citizen { phone: first, told: second, .. } = scene.citizen("bo-disputes").await;
    let Citizen { phone: neighbour, .. } = scene.citizen("cai-disputes").await;
    let token = sign_in(world, bank, &first, &[]).await.text("access_token");
    let another = sign_in(world, bank, &neighbour, &[]).await;
    let is_good = async |token: &str| bank.open("/userinfo", token, None).await.status == 200;

    second.deny(&second.open(&first_notice(&second).await).await.unwrap()).await.unwrap();
    assert!(is_good(&token).await, "it was them");

    // Reported by its id, without being opened. What came before it was theirs.
    world.advance(1).await;
    let not_theirs = sign_in(world, bank, &first, &[]).await.text("access_token");
    let id = first_notice(&second).await.id;
    second.run(Command::RefuseLocked { identity: None, id, fraud: true }).await.unwrap();
    is_invalid(&bank.open("/userinfo", &not_theirs, None).await, "Bearer");
    assert!(is_good(&token).await);
    assert!(is_good(&another.text("access_token")).await);
}

#[tokio::test]
async fn an_older_database_gives_no_ended_token_back() {
    let mut scene = Scene::new().await;
    let Citizen { phone: first, told: second, .. } = scene.citizen("dag-disputes").await;
    let token = sign_in(&scene.world, &scene.bank, &first, &[]).await.text("access_token");
    scene.world.stop().await;
    let copy = scene.world.database();
    scene.world.start().await;
    assert_eq!(scene.bank.open("/userinfo", &token, None).await.status, 200);
    let waiting = second.waiting().await;
    second.report(&second.open(&waiting[0]).await.unwrap()).await.unwrap();
    scene.world.stop().await;
    scene.world.put_back(&copy);
    scene.world.start().await;
    is_invalid(&scene.bank.open("/userinfo", &token, None).await, "Bearer");
}
