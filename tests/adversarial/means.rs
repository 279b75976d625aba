//! Password and code display, attacked through the login page's own door.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use godkend_oath::{Digits, Hash, Moving, Seed, Token};
use godkend_protocol::bytes::{Fixed, Secret};
use godkend_protocol::opaque::{Registering, Trying};
use godkend_protocol::types::{Binding, Level};
use godkend_server::error::ApiError;
use godkend_server::means::{Judged, Means, Proof};
use godkend_server::policy::{DEFAULT, Implemented, Kind};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::strangers::{shape, short_polls, work};
use godkend_tests::world::{Citizen, rng};
use godkend_tests::{Ask, Browser, World};

pub(crate) const BOTH: &str = "password+code_display";
pub(crate) const PASSWORD: Secret<32> = Secret([1; 32]);
pub(crate) const WRONG: Secret<32> = Secret([2; 32]);

/// A citizen with a display and a password.
async fn holder(world: &World, user_id: &str) -> (Citizen, Token) {
    let citizen = world.citizen(user_id).await;
    let display = equip(world, &citizen, user_id).await;
    (citizen, display)
}

/// Gives a citizen a display, whose serial number this is, and a password.
pub(crate) async fn equip(world: &World, citizen: &Citizen, serial: &str) -> Token {
    let seed = ring::digest::digest(&ring::digest::SHA256, serial.as_bytes());
    let container = format!(
        r#"<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage><DeviceInfo>
        <SerialNo>{serial}</SerialNo></DeviceInfo><Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
        <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret>
        <PlainValue>{}</PlainValue></Secret></Data></Key></KeyPackage></KeyContainer>"#,
        STANDARD.encode(seed)
    );
    for (path, body) in [
        ("displays".to_owned(), json!({ "container": STANDARD.encode(container) })),
        (format!("citizens/{}/display", citizen.id), json!({ "serial": serial })),
    ] {
        let (status, reply) = world.desk(Method::POST, &path, Some(body)).await;
        assert_eq!(status, 201, "{reply}");
    }
    choose(world, citizen).await;
    let moving = Moving::Counter;
    Token { seed: Seed::new(seed.as_ref()).unwrap(), hash: Hash::Sha1, digits: Digits::SIX, moving }
}

pub(crate) async fn choose(world: &World, citizen: &Citizen) {
    let (_, opened) = world.desk(Method::POST, &format!("citizens/{}/password", citizen.id), Some(json!({}))).await;
    let (client, request) = Registering::start(&mut rng(), PASSWORD).unwrap();
    let post = async |path: &str, body: Value| {
        let url = format!("{}/password/{path}", world.url);
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        let reply = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        reply.json::<Value>().await.unwrap()
    };
    let body = json!({ "code": opened["code"], "request": URL_SAFE_NO_PAD.encode(&request.0) });
    let response = post("register", body).await;
    let response = URL_SAFE_NO_PAD.decode(response["response"].as_str().unwrap()).unwrap();
    let upload = client.finish(&mut rng(), &response).unwrap().upload;
    post("set", json!({ "code": opened["code"], "upload": URL_SAFE_NO_PAD.encode(&upload.0) })).await;
}

pub(crate) fn first(user_id: &str, combination: &str, password: &Secret<32>, proofs: &Value) -> (Trying, Value) {
    let (client, ke1) = Trying::start(&mut rng(), password.clone()).unwrap();
    let ke1 = URL_SAFE_NO_PAD.encode(&ke1.0);
    (client, json!({ "user_id": user_id, "combination": combination, "ke1": ke1, "proofs": proofs }))
}

/// One try in a browser that stands on the login page: its status and answer.
async fn attempt(
    browser: &mut Browser,
    user_id: &str,
    combination: &str,
    password: &Secret<32>,
    proofs: Value,
) -> (u16, Value) {
    let (_, page) = browser.ask(Method::GET, &format!("way/{combination}"), None).await;
    let page = page.as_str().unwrap_or_default().to_owned();
    let context = page.split("data-context=\"").nth(1).and_then(|rest| Fixed::from_base64(rest.split('"').next()?));
    let (client, body) = first(user_id, combination, password, &proofs);
    let (status, reply) = browser.ask(Method::POST, "means/start", Some(body)).await;
    if status != 200 {
        return (status, reply);
    }
    let ke2 = URL_SAFE_NO_PAD.decode(reply["ke2"].as_str().unwrap()).unwrap();
    let ke3 = client.finish(&mut rng(), &ke2, &context.unwrap()).map_or_else(|_| vec![0; 32], |proved| proved.ke3.0);
    let body = json!({ "ke3": URL_SAFE_NO_PAD.encode(ke3), "combination": combination });
    browser.ask(Method::POST, "means/finish", Some(body)).await
}

fn code(token: &Token, counter: u64) -> Value {
    json!({ "code_display": { "code": token.code(counter).expose() } })
}

/// A second means that carries Low.
struct Memorable;

#[async_trait]
impl Means for Memorable {
    fn implemented(&self) -> Implemented {
        Implemented { name: "memorable", kinds: &[Kind::Possession], ceiling: Level::Low, alone: true }
    }

    fn binding(&self) -> Binding {
        Binding::Typed
    }

    async fn judge(&self, proof: &Proof<'_>) -> Result<Judged, ApiError> {
        Ok(Judged { right: proof.value["code"] == "right", ..Judged::default() })
    }
}

/// Names a policy file in a configuration.
pub(crate) fn with_policy(folder: &TempDir, text: &str) -> impl FnOnce(&mut String) {
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, text).unwrap();
    move |config| {
        assert!(config.contains("policy = \"\""));
        *config = config.replacen("policy = \"\"", &format!("policy = \"{}\"", file.display()), 1);
    }
}

#[tokio::test]
async fn a40_means_that_give_low_together_never_give_substantial() {
    let folder = tempfile::tempdir().unwrap();
    let memorable = |level: &str, most: &str| {
        format!(
            "{DEFAULT}\n[[means]]\nname = \"memorable\"\ndanish = \"ord\"\nenglish = \"word\"\nkinds = [\"possession\"]\n\
             most = \"{most}\"\n\n[[combination]]\nmeans = [\"password\", \"memorable\"]\nlevel = \"{level}\"\n"
        )
    };
    // However a policy says that they do, nothing is served.
    for (level, most) in [("substantial", "low"), ("high", "low"), ("substantial", "substantial"), ("low", "high")] {
        let refused = World::refused(vec![Arc::new(Memorable)], with_policy(&folder, &memorable(level, most))).await;
        assert!(refused.contains("the policy is not sound"), "{level} {most}: {refused}");
    }
    // Both right, asked for more than Low: no way is offered, and none is taken.
    let world = World::with_means(vec![Arc::new(Memorable)], with_policy(&folder, &memorable("low", "low"))).await;
    let (_, display) = holder(&world, "two-lows-1").await;
    let right = json!({ "memorable": { "code": "right" } });
    for level in ["Substantial", "High"] {
        let mut browser = world.login_page(&Ask::login().at(level)).await;
        let (status, reply) = attempt(&mut browser, "two-lows-1", "password+memorable", &PASSWORD, right.clone()).await;
        assert_eq!((status, reply["error"].as_str()), (403, Some("level_unreachable")), "{level}");
    }
    let mut browser = world.login_page(&Ask::login().at("Low")).await;
    let (status, reply) = attempt(&mut browser, "two-lows-1", "password+memorable", &PASSWORD, right).await;
    assert_eq!(status, 200, "{reply}");
    let claims = browser.signed_in().await;
    assert_eq!(claims["acr"], "https://data.gov.dk/concept/core/nsis/Low");
    // And a real second factor beside the password does what it should.
    let mut browser = world.login_page(&Ask::login()).await;
    assert_eq!(attempt(&mut browser, "two-lows-1", BOTH, &PASSWORD, code(&display, 0)).await.0, 200);
    assert_eq!(browser.signed_in().await["acr"], "https://data.gov.dk/concept/core/nsis/Substantial");
}

#[tokio::test]
async fn a16_a_storm_of_first_messages_evaluates_no_more_than_the_tries() {
    let world = World::new().await;
    let (_, display) = holder(&world, "storm-means").await;
    let mut evaluated = 0;
    let mut storm = Vec::new();
    for _ in 0..20 {
        let mut browser = world.login_page(&Ask::login()).await;
        storm.push(tokio::spawn(async move {
            let (_, body) = first("storm-means", BOTH, &WRONG, &json!({ "code_display": { "code": "000000" } }));
            browser.ask(Method::POST, "means/start", Some(body)).await
        }));
    }
    for one in storm {
        let (status, reply) = one.await.unwrap();
        match (status, reply["error"].as_str()) {
            (200, _) => evaluated += 1,
            (429, Some("means_waiting" | "throttled")) | (409, Some("conflict")) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=3).contains(&evaluated), "{evaluated} of one address's three tries");
    // The owner, with two codes in a row, at the same address.
    world.advance(60).await;
    let mut browser = world.login_page(&Ask::login()).await;
    let two = json!({ "code_display": { "code": display.code(0).expose(), "next": display.code(1).expose() } });
    let (status, reply) = attempt(&mut browser, "storm-means", BOTH, &PASSWORD, two).await;
    assert_eq!(status, 200, "{reply}");
}

#[tokio::test]
async fn a42_a_proof_for_one_login_opens_no_other() {
    let world = World::new().await;
    let (_, display) = holder(&world, "bound-means").await;
    let mut one = world.login_page(&Ask::login()).await;
    let mut other = world.login_page(&Ask::login()).await;
    let (_, page) = one.ask(Method::GET, &format!("way/{BOTH}"), None).await;
    let context = page.as_str().unwrap().split("data-context=\"").nth(1).unwrap().split('"').next().unwrap();
    let context = Fixed::from_base64(context).unwrap();
    // The first message in the other login; KE2 is bound to that one.
    let (client, body) = first("bound-means", BOTH, &PASSWORD, &code(&display, 0));
    let (status, reply) = other.ask(Method::POST, "means/start", Some(body)).await;
    assert_eq!(status, 200, "{reply}");
    let ke2 = URL_SAFE_NO_PAD.decode(reply["ke2"].as_str().unwrap()).unwrap();
    assert!(client.finish(&mut rng(), &ke2, &context).is_err(), "the right password proves nothing in another login");
    // A right proof of one login, handed in for another that has its own exchange, and for one that has none.
    let (client, body) = first("bound-means", BOTH, &PASSWORD, &code(&display, 1));
    let (_, reply) = one.ask(Method::POST, "means/start", Some(body)).await;
    let ke2 = URL_SAFE_NO_PAD.decode(reply["ke2"].as_str().unwrap()).unwrap();
    let ke3 = client.finish(&mut rng(), &ke2, &context).unwrap().ke3;
    let finish = json!({ "ke3": URL_SAFE_NO_PAD.encode(&ke3.0), "combination": BOTH });
    let (status, reply) = other.ask(Method::POST, "means/finish", Some(finish.clone())).await;
    assert_eq!((status, reply["error"].as_str()), (403, Some("means_wrong")));
    let mut third = world.login_page(&Ask::login()).await;
    let (status, reply) = third.ask(Method::POST, "means/finish", Some(finish.clone())).await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("operation_refused")));
    // In its own it signs in, once.
    let (status, reply) = one.ask(Method::POST, "means/finish", Some(finish.clone())).await;
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = one.ask(Method::POST, "means/finish", Some(finish)).await;
    assert_eq!((status, reply["error"].as_str()), (409, Some("transaction_finished")));
    assert_eq!(one.signed_in().await["godkend.binding"], "typed");
}

#[tokio::test]
async fn a20_an_older_database_takes_no_code_twice_and_refills_no_try() {
    let mut world = World::new().await;
    let (_, display) = holder(&world, "older-means").await;
    world.stop().await;
    let copy = world.database();
    world.start().await;
    let mut browser = world.login_page(&Ask::login()).await;
    assert_eq!(attempt(&mut browser, "older-means", BOTH, &PASSWORD, code(&display, 0)).await.0, 200);
    for _ in 0..3 {
        let mut stranger = world.login_page(&Ask::login()).await;
        let wrong = json!({ "code_display": { "code": "000000" } });
        assert_eq!(attempt(&mut stranger, "older-means", BOTH, &WRONG, wrong).await.1["error"], "means_wrong");
    }
    world.stop().await;
    world.put_back(&copy);
    world.start().await;
    // The tries of this address are spent as they were, and the code of before is used up.
    let mut stranger = world.login_page(&Ask::login()).await;
    let (status, reply) = attempt(&mut stranger, "older-means", BOTH, &PASSWORD, code(&display, 1)).await;
    assert_eq!((status, reply["error"].as_str()), (429, Some("means_waiting")));
    let (status, reply) = attempt(&mut browser, "older-means", BOTH, &PASSWORD, code(&display, 0)).await;
    assert!(status >= 400, "{reply}");
    let mut own = world.browser();
    own.cookies = browser.cookies.clone();
    own.open(&world, &Ask::login()).await;
    let (_, reply) = attempt(&mut own, "older-means", BOTH, &PASSWORD, code(&display, 0)).await;
    assert_eq!(reply["error"], "means_wrong", "used before the copy was put back");
    own.open(&world, &Ask::login()).await;
    let (status, reply) = attempt(&mut own, "older-means", BOTH, &PASSWORD, code(&display, 1)).await;
    assert_eq!(status, 200, "{reply}");
}

#[tokio::test]
async fn a33_a_try_tells_neither_who_there_is_nor_what_was_wrong() {
    let world = World::with(|_| {}, short_polls).await;
    holder(&world, "known-means").await;
    let (_, display) = holder(&world, "wrong-password").await;
    let (lost, other) = holder(&world, "lost-display").await;
    world.desk(Method::POST, &format!("citizens/{}/display/lost", lost.id), Some(json!({}))).await;
    let (blocked, third) = holder(&world, "blocked-means").await;
    world.desk(Method::POST, &format!("citizens/{}/block", blocked.id), Some(json!({}))).await;
    world.citizen("without-means").await;
    let zero = json!({ "code_display": { "code": "000000" } });
    let cases = [
        ("a wrong code", "known-means", zero.clone(), PASSWORD),
        ("a wrong password", "wrong-password", code(&display, 0), WRONG),
        ("a lost display", "lost-display", code(&other, 0), PASSWORD),
        ("no means at all", "without-means", zero.clone(), PASSWORD),
        ("a blocked person", "blocked-means", code(&third, 0), PASSWORD),
        ("nobody", "there-is-nobody", zero, PASSWORD),
    ];
    let mut seen = Vec::new();
    for (at, (name, user_id, proofs, password)) in (2..).zip(cases) {
        let address = std::net::Ipv4Addr::new(127, 0, 0, at);
        let mut visit = Vec::new();
        // Three tries from one address, and the one that has to wait.
        for number in 0..4 {
            let mut browser = Browser::at(&world, Some(address.into()));
            browser.open(&world, &Ask::login()).await;
            let (client, body) = first(user_id, BOTH, &password, &proofs);
            let before = work(&world).await;
            browser.ask(Method::POST, "means/start", Some(body)).await;
            let started = browser.last.clone();
            let ke3 = match serde_json::from_str::<Value>(&started.body).unwrap()["ke2"].as_str() {
                Some(ke2) => {
                    let ke2 = URL_SAFE_NO_PAD.decode(ke2).unwrap();
                    assert!(client.finish(&mut rng(), &ke2, &Fixed([0; 32])).is_err());
                    URL_SAFE_NO_PAD.encode([0; 32])
                }
                None => URL_SAFE_NO_PAD.encode([0; 32]),
            };
            let between = work(&world).await;
            browser.ask(Method::POST, "means/finish", Some(json!({ "ke3": ke3, "combination": BOTH }))).await;
            let after = work(&world).await;
            let cost = |from: &BTreeMap<String, u64>, to: &BTreeMap<String, u64>| -> Vec<(String, u64)> {
                to.iter().map(|(name, n)| (name.clone(), n - from.get(name).unwrap_or(&0))).collect()
            };
            visit.push((number, shape(&started), cost(&before, &between)));
            visit.push((number, shape(&browser.last), cost(&between, &after)));
        }
        seen.push((name, visit));
    }
    let (_, expected) = &seen[0];
    assert_eq!(expected[6].1.0.status, 429, "the fourth has to wait");
    for (name, visit) in &seen[1..] {
        for (own, known) in visit.iter().zip(expected) {
            assert_eq!(own, known, "{name}");
        }
    }
}
