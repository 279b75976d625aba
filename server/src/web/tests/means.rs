//! Password and code display through the page's own door: what signs in, what is refused, and what nobody can tell.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use godkend_oath::{Digits, Hash, Moving, Seed, Token};
use godkend_protocol::bytes::Fixed;
use godkend_protocol::opaque::{Registering, Trying};

use super::*;

const BOTH: &str = "password+code_display";
const CHIP: &str = "password+chip";
const BESIDE: &str = "app+chip";
const SEED: &[u8] = b"12345678901234567890";

/// A person with a password and a display whose button has been pressed `next` times.
struct Person {
    id: Id,
    password: Secret<32>,
    display: Token,
}

impl Person {
    fn code(&self, counter: u64) -> Value {
        json!({ "code_display": { "code": self.display.code(counter).expose() } })
    }

    fn two(&self, counter: u64) -> Value {
        let code = |counter| self.display.code(counter).expose().to_owned();
        json!({ "code_display": { "code": code(counter), "next": code(counter + 1) } })
    }
}

fn container(keys: &[(&str, &[u8])]) -> String {
    let key = |(serial, seed): &(&str, &[u8])| {
        format!(
            r#"<KeyPackage><DeviceInfo><SerialNo>{serial}</SerialNo></DeviceInfo><Key Id="{serial}"
            Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters><ResponseFormat Length="6"
            Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret><PlainValue>{}</PlainValue></Secret>
            <Counter><PlainValue>0</PlainValue></Counter></Data></Key></KeyPackage>"#,
            STANDARD.encode(seed)
        )
    };
    let keys: String = keys.iter().map(key).collect();
    let open = r#"<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">"#;
    STANDARD.encode(format!("{open}{keys}</KeyContainer>"))
}

fn display(seed: &[u8]) -> Token {
    Token { seed: Seed::new(seed).unwrap(), hash: Hash::Sha1, digits: Digits::SIX, moving: Moving::Counter }
}

impl World {
    async fn desk(&self, path: &str, body: Value) -> Page {
        let config = &self.server.app.config;
        let token = std::fs::read_to_string(config.in_data_dir(&config.admin.token_file)).unwrap();
        let request = self.http.post(self.at(&format!("/admin/v1/{path}"))).bearer_auth(token.trim()).json(&body);
        self.send(request).await
    }

    async fn holder(&self, user_id: &'static str, password: u8) -> Person {
        let id = self.person(user_id, None).await;
        let seed = godkend_protocol::crypto::sha256(&[SEED, user_id.as_bytes()]).0;
        let imported = self.desk("displays", json!({ "container": container(&[(user_id, &seed)]) })).await;
        assert_eq!(imported.json()["imported"], 1, "{}", imported.text);
        let path = format!("citizens/{}", id.to_base64());
        let assigned = self.desk(&format!("{path}/display"), json!({ "serial": user_id, "by": "test" })).await;
        assert_eq!(assigned.status, StatusCode::CREATED, "{}", assigned.text);
        let person = Person { id, password: Secret([password; 32]), display: display(&seed) };
        self.choose(&person, &person.password).await;
        person
    }

    async fn choose(&self, person: &Person, password: &Secret<32>) {
        let opened = self.desk(&format!("citizens/{}/password", person.id.to_base64()), json!({ "by": "test" })).await;
        let code = opened.json()["code"].as_str().unwrap().to_owned();
        let set = self.choose_with(&code, password).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.text);
        let again = self.choose_with(&code, password).await;
        assert_eq!(error(&again).1, "password_code_wrong", "a code is good once");
    }

    async fn choose_with(&self, code: &str, password: &Secret<32>) -> Page {
        let mut rng = system_random();
        let (client, request) = Registering::start(&mut rng, password.clone()).unwrap();
        let body = json!({ "code": code, "request": URL_SAFE_NO_PAD.encode(&request.0) });
        let reply = self.browse(&mut Browser::default(), Method::POST, "/password/register", Some(body)).await;
        if reply.status != StatusCode::OK {
            return reply;
        }
        let response = URL_SAFE_NO_PAD.decode(reply.json()["response"].as_str().unwrap()).unwrap();
        let upload = client.finish(&mut rng, &response).unwrap().upload;
        let body = json!({ "code": code, "upload": URL_SAFE_NO_PAD.encode(&upload.0) });
        self.browse(&mut Browser::default(), Method::POST, "/password/set", Some(body)).await
    }

    /// One try from an address; where it ends, and the replies on its way.
    async fn attempt(&self, browser: &mut Browser, from: u8, path: &str, what: &Try<'_>) -> Vec<Page> {
        let page = self.from(browser, from, Method::GET, &format!("{path}/way/{}", what.combination), None).await;
        let context = page.text.split("data-context=\"").nth(1).map(|rest| rest.split('"').next().unwrap());
        let context = context.and_then(Fixed::<32>::from_base64).unwrap_or(Fixed([0; 32]));
        let mut rng = system_random();
        let (client, ke1) = Trying::start(&mut rng, what.password.clone()).unwrap();
        let body = json!({
            "user_id": what.user_id, "combination": what.combination, "ke1": URL_SAFE_NO_PAD.encode(&ke1.0),
            "proofs": what.proofs,
        });
        let start = self.from(browser, from, Method::POST, &format!("{path}/means/start"), Some(body)).await;
        if start.status != StatusCode::OK {
            return vec![start];
        }
        let ke2 = URL_SAFE_NO_PAD.decode(start.json()["ke2"].as_str().unwrap()).unwrap();
        let ke3 = client.finish(&mut rng, &ke2, &context).map_or_else(|_| vec![0; 32], |proved| proved.ke3.0);
        let body = json!({ "ke3": URL_SAFE_NO_PAD.encode(ke3), "combination": what.combination });
        let finish = self.from(browser, from, Method::POST, &format!("{path}/means/finish"), Some(body)).await;
        vec![start, finish]
    }

    /// [`Self::browse`], as the proxy says from another address.
    async fn from(&self, browser: &mut Browser, from: u8, method: Method, path: &str, body: Option<Value>) -> Page {
        let cookies: Vec<String> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, self.at(path)).header(header::COOKIE, cookies.join("; "));
        let mut request = request.header("x-forwarded-for", format!("192.0.2.{from}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let page = self.send(request).await;
        for cookie in page.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            browser.0.insert(name.to_owned(), value.to_owned());
        }
        page
    }

    /// A fresh login in `browser`, and one try in it: the code that it ends with, or where to go on.
    async fn try_in(&self, browser: &mut Browser, from: u8, level: Level, what: &Try<'_>) -> (String, String) {
        let path = self.begin(browser, &[("acr_values", level.uri())]).await;
        let last = self.attempt(browser, from, &path, what).await.pop().unwrap();
        let reply = last.json();
        let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
        (text("error"), text("finish"))
    }

    /// As somebody who has never been here.
    async fn stranger(&self, from: u8, what: &Try<'_>) -> String {
        self.try_in(&mut Browser::default(), from, Level::Substantial, what).await.0
    }

    async fn claims(&self, browser: &mut Browser, finish: &str) -> Value {
        let end = self.browse(browser, Method::GET, finish, None).await.query();
        let tokens = self.token(&end["code"], VERIFIER).await.json();
        self.verify(tokens["id_token"].as_str().unwrap_or_else(|| panic!("{tokens}"))).await
    }

    async fn events(&self, person: &Person) -> Vec<String> {
        let lines = crate::history::page(&self.server.app, &person.id, None, 256).await.unwrap();
        lines.into_iter().map(|line| line.doc.event).collect()
    }
}

struct Try<'a> {
    user_id: &'a str,
    password: Secret<32>,
    combination: &'a str,
    proofs: Value,
}

fn both<'a>(person: &Person, user_id: &'a str, proofs: Value) -> Try<'a> {
    Try { user_id, password: person.password.clone(), combination: BOTH, proofs }
}

/// One whose proxy may say where a browser is.
fn proxied(config: &mut Config) {
    config.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    config.means.tries_per_source_minute = 1_000;
}

async fn world() -> World {
    World::with(proxied, StartOptions::default()).await
}

#[tokio::test]
async fn password_and_code_display_sign_in_at_substantial_and_a_password_at_low() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let mut browser = Browser::default();
    let right = both(&anna, "Anna-Berg", anna.code(0));
    let (refused, finish) = world.try_in(&mut browser, 1, Level::Substantial, &right).await;
    assert_eq!(refused, "");
    let claims = world.claims(&mut browser, &finish).await;
    for (name, value) in [
        ("acr", json!(Level::Substantial.uri())),
        ("aal", json!(Level::Substantial.uri())),
        ("amr", json!(["password", "code_token"])),
        ("godkend.binding", json!("typed")),
        ("mitid.uuid", json!("uuid-of-anna-berg")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(world.events(&anna).await.contains(&"approved".to_owned()));

    let alone = Try { combination: "password", proofs: json!({}), ..both(&anna, "anna-berg", json!({})) };
    let (refused, finish) = world.try_in(&mut browser, 1, Level::Low, &alone).await;
    assert_eq!(refused, "");
    let claims = world.claims(&mut browser, &finish).await;
    assert_eq!((&claims["acr"], &claims["amr"]), (&json!(Level::Low.uri()), &json!(["password"])));
    // Neither alone nor at more than its level, whatever a page sends.
    for (combination, level) in
        [("password", Level::Substantial), ("code_display", Level::Low), (BOTH, Level::High), ("app", Level::Low)]
    {
        let wanted = Try { combination, ..both(&anna, "anna-berg", anna.code(1)) };
        let (refused, _) = world.try_in(&mut browser, 1, level, &wanted).await;
        assert_eq!(refused, "level_unreachable", "{combination}");
    }
    world.server.stop().await;
}

#[tokio::test]
async fn the_page_offers_what_reaches_the_level_and_remembers_the_last() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let mut browser = Browser::default();
    let ways = async |browser: &mut Browser, level: Level| {
        let path = world.begin(browser, &[("acr_values", level.uri())]).await;
        let page = world.browse(browser, Method::GET, &path, None).await;
        assert!(!page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("wasm"));
        let names = page.text.split("/way/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(ways(&mut browser, Level::High).await, [BESIDE, CHIP]);
    assert_eq!(ways(&mut browser, Level::Substantial).await, [BESIDE, CHIP, BOTH]);
    assert_eq!(ways(&mut browser, Level::Low).await, [BESIDE, CHIP, BOTH, "password"]);
    let alone = Try { combination: "password", proofs: json!({}), ..both(&anna, "anna-berg", json!({})) };
    assert_eq!(world.try_in(&mut browser, 1, Level::Low, &alone).await.0, "");
    assert_eq!(ways(&mut browser, Level::Low).await, ["password", BESIDE, CHIP, BOTH], "the last one first");

    // What is approved must be seen on a device of one's own: no payment, and no other action than a login.
    let path = world.begin(&mut browser, &[("idp_params", "{\"action_text\":\"SIGN\"}")]).await;
    assert!(!world.browse(&mut browser, Method::GET, &path, None).await.text.contains("/way/"));
    let last = world.attempt(&mut browser, 1, &path, &both(&anna, "anna-berg", anna.code(0))).await.pop().unwrap();
    assert_eq!(error(&last).1, "level_unreachable");

    // WebAssembly is allowed where a password is typed, and nothing else is.
    let path = world.begin(&mut browser, &[]).await;
    let page = world.browse(&mut browser, Method::GET, &format!("{path}/way/{BOTH}"), None).await;
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval';") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe-inline") && !policy.contains("http"));
    assert!(!page.text.contains("<script>") && !page.text.contains("style="));
    world.server.stop().await;
}

#[tokio::test]
async fn nobody_can_tell_which_factor_failed_or_whether_there_is_such_a_user() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let bent = world.holder("bent-berg", 2).await;
    world.desk(&format!("citizens/{}/password/remove", bent.id.to_base64()), json!({})).await;
    let cai = world.holder("caja-berg", 3).await;
    world.desk(&format!("citizens/{}/display/lost", cai.id.to_base64()), json!({})).await;
    let dora = world.holder("dora-berg", 4).await;
    world.desk(&format!("citizens/{}/block", dora.id.to_base64()), json!({})).await;
    let wrong_code = json!({ "code_display": { "code": "000000" } });
    let wrong_password = Try { password: Secret([9; 32]), ..both(&anna, "anna-berg", anna.code(0)) };
    let cases = [
        ("wrong password", wrong_password),
        ("wrong code", both(&anna, "anna-berg", wrong_code.clone())),
        ("another's code", both(&anna, "anna-berg", dora.code(0))),
        ("unknown user", both(&anna, "no-such-person", wrong_code.clone())),
        ("no password", both(&bent, "bent-berg", bent.code(0))),
        ("no display", both(&cai, "caja-berg", cai.code(0))),
        ("blocked", both(&dora, "dora-berg", dora.code(0))),
    ];
    let size = || world.server.app.log.log().size();
    let mut seen = Vec::new();
    for (from, (name, what)) in (1..).zip(&cases) {
        let mut browser = Browser::default();
        let path = world.begin(&mut browser, &[]).await;
        // The log's entries are written behind the commit.
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let before = size();
        let replies = world.attempt(&mut browser, from, &path, what).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let shape: Vec<_> = replies
            .iter()
            .map(|page| {
                let mut headers: Vec<_> =
                    page.headers.iter().filter(|(name, _)| *name != "date" && *name != "x-request-id").collect();
                headers.sort_by_key(|(name, _)| name.as_str());
                (page.status, format!("{headers:?}"), page.text.len())
            })
            .collect();
        assert_eq!(error(replies.last().unwrap()), (StatusCode::FORBIDDEN, "means_wrong".to_owned()), "{name}");
        seen.push((*name, (shape, size() - before)));
    }
    for (name, one) in &seen[1..] {
        assert_eq!(one, &seen[0].1, "{name}");
    }
    world.server.stop().await;
}

#[tokio::test]
async fn a_code_is_used_up_whatever_else_was_wrong() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let wrong_password = Try { password: Secret([9; 32]), ..both(&anna, "anna-berg", anna.code(3)) };
    assert_eq!(world.stranger(1, &wrong_password).await, "means_wrong");
    for used in [0, 3] {
        assert_eq!(world.stranger(2, &both(&anna, "anna-berg", anna.code(used))).await, "means_wrong");
    }
    assert_eq!(world.stranger(9, &both(&anna, "anna-berg", anna.code(4))).await, "");
    // Pressed in a pocket: the code is too far, two in a row find the display again.
    assert_eq!(world.stranger(10, &both(&anna, "anna-berg", anna.code(60))).await, "means_wrong");
    assert_eq!(world.stranger(10, &both(&anna, "anna-berg", anna.two(61))).await, "");
    assert_eq!(world.stranger(11, &both(&anna, "anna-berg", anna.code(62))).await, "means_wrong", "the second one too");
    assert_eq!(world.stranger(11, &both(&anna, "anna-berg", anna.code(63))).await, "");
    world.server.stop().await;
}

#[tokio::test]
async fn a_stranger_cannot_use_up_the_owners_tries() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let mut own = Browser::default();
    let right = |counter| both(&anna, "anna-berg", anna.code(counter));
    let wrong = || Try {
        password: Secret([9; 32]),
        ..both(&anna, "anna-berg", json!({ "code_display": { "code": "000000" } }))
    };
    assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &right(0)).await.0, "");
    // One address has three tries of the strangers' in a day.
    for _ in 0..3 {
        assert_eq!(world.stranger(50, &wrong()).await, "means_wrong");
    }
    assert_eq!(world.stranger(50, &wrong()).await, "means_waiting");
    // Many addresses use up what all strangers have; a right password and code do not help them.
    for from in 51..53 {
        assert_eq!(world.stranger(from, &wrong()).await, "means_wrong");
    }
    assert_eq!(world.stranger(60, &wrong()).await, "means_waiting");
    assert_eq!(world.stranger(61, &right(1)).await, "means_waiting");
    assert!(world.events(&anna).await.contains(&"means_paused".to_owned()), "the owner is told");
    // The owner's browser goes on, from the same address too.
    assert_eq!(world.try_in(&mut own, 50, Level::Substantial, &right(1)).await.0, "");
    // So does the owner in any browser, with two codes in a row.
    assert_eq!(world.stranger(62, &both(&anna, "anna-berg", anna.two(2))).await, "");
    // Nobody learns from it whether there is such a user.
    for from in 70..75 {
        assert_eq!(world.stranger(from, &both(&anna, "no-such-person", anna.code(0))).await, "means_wrong");
    }
    assert_eq!(world.stranger(76, &both(&anna, "no-such-person", anna.code(0))).await, "means_waiting");
    assert_eq!(world.stranger(76, &both(&anna, "no-such-person", anna.two(0))).await, "means_waiting");
    // The wait ends.
    world.server.app.clock.advance_ms(900_000);
    assert_eq!(world.stranger(63, &right(4)).await, "");
    // Signing in often, from one address in new browsers, uses up nothing.
    for counter in 5..10 {
        assert_eq!(world.stranger(64, &right(counter)).await, "");
    }
    world.server.stop().await;
}

#[tokio::test]
async fn the_owners_browser_has_tries_of_its_own_and_a_cookie_is_no_other_persons() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let bent = world.holder("bent-berg", 2).await;
    let mut own = Browser::default();
    assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &both(&anna, "anna-berg", anna.code(0))).await.0, "");
    let wrong = Try { password: Secret([9; 32]), ..both(&anna, "anna-berg", anna.code(0)) };
    for _ in 0..5 {
        assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &wrong).await.0, "means_wrong");
    }
    assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &wrong).await.0, "means_waiting");
    // For another person the same browser is a stranger: one address, three tries.
    for _ in 0..3 {
        let wrong = Try { password: Secret([9; 32]), ..both(&bent, "bent-berg", bent.code(0)) };
        assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &wrong).await.0, "means_wrong");
    }
    assert_eq!(
        world.try_in(&mut own, 1, Level::Substantial, &both(&bent, "bent-berg", bent.code(1))).await.0,
        "means_waiting"
    );
    world.server.app.clock.advance_ms(60_000);
    assert_eq!(world.try_in(&mut own, 1, Level::Substantial, &both(&anna, "anna-berg", anna.code(1))).await.0, "");
    world.server.stop().await;
}

#[tokio::test]
async fn a_try_that_is_given_up_costs_one_and_the_same_message_again_none() {
    let world = world().await;
    let anna = world.holder("anna-berg", 1).await;
    let mut browser = Browser::default();
    let path = world.begin(&mut browser, &[]).await;
    let (_, ke1) = Trying::start(&mut system_random(), anna.password.clone()).unwrap();
    let body = |code: u64| json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": URL_SAFE_NO_PAD.encode(&ke1.0), "proofs": anna.code(code) });
    let start = async |browser: &mut Browser, code| {
        world.from(browser, 1, Method::POST, &format!("{path}/means/start"), Some(body(code))).await
    };
    let first = start(&mut browser, 0).await;
    for _ in 0..4 {
        assert_eq!(start(&mut browser, 0).await.text, first.text, "the same bytes get the same reply");
    }
    // Two more tries are left at this address, and both are given up.
    for code in [1, 2] {
        assert_ne!(start(&mut browser, code).await.text, first.text);
    }
    assert_eq!(error(&start(&mut browser, 3).await), (StatusCode::TOO_MANY_REQUESTS, "means_waiting".to_owned()));
    // Whatever is no message costs nothing.
    let mut other = Browser::default();
    let path = world.begin(&mut other, &[]).await;
    for bad in [
        json!({}),
        json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": "AAAA", "proofs": anna.code(0) }),
        json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": URL_SAFE_NO_PAD.encode([0; 98]), "proofs": anna.code(0) }),
        json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": URL_SAFE_NO_PAD.encode(&ke1.0), "proofs": {} }),
        json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": URL_SAFE_NO_PAD.encode(&ke1.0), "proofs": { "code_display": { "code": "12345x" } } }),
        json!({ "user_id": "anna-berg", "combination": BOTH, "ke1": URL_SAFE_NO_PAD.encode(&ke1.0), "proofs": { "chip": {} } }),
    ] {
        let reply = world.from(&mut other, 2, Method::POST, &format!("{path}/means/start"), Some(bad.clone())).await;
        assert_eq!(error(&reply), (StatusCode::BAD_REQUEST, "malformed".to_owned()), "{bad}");
    }
    for _ in 0..2 {
        let wrong = Try { password: Secret([9; 32]), ..both(&anna, "anna-berg", anna.code(3)) };
        assert_eq!(world.stranger(2, &wrong).await, "means_wrong");
    }
    world.server.stop().await;
}

mod beneath;
mod desk;
