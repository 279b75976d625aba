//! Chips, attacked through the login page's own door: one of the tests' own, and one of another project (`passkey`).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::{Fixed, Hash32};
use godkend_protocol::opaque::Trying;
use godkend_protocol::types::Level;
use godkend_tests::chip::{Chip, Maker, PRESENT, VERIFIED, other_s};
use godkend_tests::world::{Citizen, rng};
use godkend_tests::{Ask, Browser, World};
use reqwest::Method;
use serde_json::{Value, json};

use crate::means::{PASSWORD, WRONG, choose, first, with_policy};
use crate::strangers::{shape, short_polls, work};

mod beside;
mod other;
mod ways;

const WITH_CHIP: &str = "password+chip";

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    let mut browser = world.browser();
    browser.post(path, body).await
}

/// Registers a chip with a code of the desk's.
async fn register(world: &World, citizen: &Citizen, chip: &mut Chip, maker: Option<&Maker>) -> (u16, Value) {
    let (status, opened) = world.desk(Method::POST, &format!("citizens/{}/chip", citizen.id), Some(json!({}))).await;
    assert_eq!(status, 201, "{opened}");
    let (status, asked) = post(world, "/chip/ask", json!({ "code": opened["code"] })).await;
    assert_eq!(status, 200, "{asked}");
    let credential = chip.register(&asked["options"], maker);
    post(world, "/chip/set", json!({ "code": opened["code"], "credential": credential })).await
}

/// A citizen with a password and a chip.
async fn holder(world: &World, user_id: &str) -> (Citizen, Chip) {
    let citizen = world.citizen(user_id).await;
    choose(world, &citizen).await;
    let mut chip = Chip::new(&world.url);
    let (status, reply) = register(world, &citizen, &mut chip, None).await;
    assert_eq!(status, 200, "{reply}");
    (citizen, chip)
}

/// What the page of a login binds its tries to.
async fn context_of(browser: &mut Browser, combination: &str) -> Hash32 {
    let (_, page) = browser.ask(Method::GET, &format!("way/{combination}"), None).await;
    let page = page.as_str().unwrap_or_default();
    Fixed::from_base64(page.split("data-context=\"").nth(1).unwrap().split('"').next().unwrap()).unwrap()
}

/// A first message in a browser that stands on the login page.
struct Began {
    client: Trying,
    body: Value,
    context: Hash32,
}

/// Prepares a try; `sign` is given what a chip must sign.
async fn begin(browser: &mut Browser, user_id: &str, sign: impl AsyncFnOnce(&[u8]) -> Value) -> Began {
    let context = context_of(browser, WITH_CHIP).await;
    let (client, mut body) = first(user_id, WITH_CHIP, &PASSWORD, &json!({}));
    let ke1 = URL_SAFE_NO_PAD.decode(body["ke1"].as_str().unwrap()).unwrap();
    let bound = [b"godkend/1/chip".as_slice(), &context.0, &ke1].concat();
    let challenge = ring::digest::digest(&ring::digest::SHA256, &bound);
    body["proofs"] = json!({ "chip": sign(challenge.as_ref()).await });
    Began { client, body, context }
}

/// Sends both messages; the last status and answer.
async fn send(browser: &mut Browser, began: Began) -> (u16, Value) {
    let (status, reply) = browser.ask(Method::POST, "means/start", Some(began.body)).await;
    if status != 200 {
        return (status, reply);
    }
    let ke2 = URL_SAFE_NO_PAD.decode(reply["ke2"].as_str().unwrap()).unwrap();
    let proved = began.client.finish(&mut rng(), &ke2, &began.context);
    let ke3 = proved.map_or_else(|_| vec![0; 32], |proved| proved.ke3.0);
    let body = json!({ "ke3": URL_SAFE_NO_PAD.encode(ke3), "combination": WITH_CHIP });
    browser.ask(Method::POST, "means/finish", Some(body)).await
}

async fn attempt(browser: &mut Browser, user_id: &str, sign: impl AsyncFnOnce(&[u8]) -> Value) -> (u16, Value) {
    let began = begin(browser, user_id, sign).await;
    send(browser, began).await
}

/// A fresh login at a level, and one try in it.
async fn try_at(
    world: &World,
    level: &'static str,
    user_id: &str,
    sign: impl AsyncFnOnce(&[u8]) -> Value,
) -> (u16, Value) {
    let mut browser = world.login_page(&Ask::login().at(level)).await;
    attempt(&mut browser, user_id, sign).await
}

fn refused(reply: &(u16, Value)) -> (u16, &str) {
    (reply.0, reply.1["error"].as_str().unwrap_or_default())
}

const NO: (u16, &str) = (403, "means_wrong");

#[tokio::test]
async fn a03_a_chip_may_sign_with_either_s_and_its_signature_opens_nothing_twice() {
    let world = World::new().await;
    let (_, mut chip) = holder(&world, "either-s").await;
    let mut browser = world.login_page(&Ask::login().at("High")).await;
    let began = begin(&mut browser, "either-s", async |challenge| chip.sign(challenge)).await;
    let flipped = other_s(&began.body["proofs"]["chip"]);
    assert_ne!(flipped, began.body["proofs"]["chip"]);
    let again = began.body.clone();
    // The same message again gets the same reply, and is no second use.
    let (_, one) = browser.ask(Method::POST, "means/start", Some(again.clone())).await;
    let (_, two) = browser.ask(Method::POST, "means/start", Some(again.clone())).await;
    assert_eq!(one, two);
    assert_eq!(send(&mut browser, began).await.0, 200);
    let claims = browser.signed_in().await;
    for (name, value) in [
        ("acr", json!("https://data.gov.dk/concept/core/nsis/High")),
        ("amr", json!(["password", "u2f_token"])),
        ("godkend.binding", json!("origin")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    // With the other s, in the same login after it ended and in another one: it was for one first message.
    let mut bent = again;
    bent["proofs"]["chip"] = flipped.clone();
    assert_eq!(refused(&browser.ask(Method::POST, "means/start", Some(bent)).await), (409, "transaction_finished"));
    assert_eq!(refused(&try_at(&world, "High", "either-s", async |_| flipped).await), NO);
    // The next signature, with its other s from the beginning.
    let flipping = async |challenge: &[u8]| {
        let signed = chip.sign(challenge);
        other_s(&signed)
    };
    assert_eq!(try_at(&world, "High", "either-s", flipping).await.0, 200, "either s is a right signature");
}

#[tokio::test]
async fn a42_a_signature_for_one_login_opens_no_other_and_comes_from_this_page_alone() {
    let world = World::new().await;
    let (anna, mut chip) = holder(&world, "bound-chip").await;
    let (_, mut others) = holder(&world, "other-chip").await;
    let ask = || Ask::login().at("High");
    // A signature that was made for one login, handed in at another.
    let mut one = world.login_page(&ask()).await;
    let began = begin(&mut one, "bound-chip", async |challenge| chip.sign(challenge)).await;
    let signed = began.body["proofs"]["chip"].clone();
    let mut elsewhere = Browser::at(&world, Some([127, 0, 0, 2].into()));
    elsewhere.open(&world, &ask()).await;
    assert_eq!(refused(&attempt(&mut elsewhere, "bound-chip", async |_| signed.clone()).await), NO, "another login");
    // The same login, another first message: another password is not tried with it.
    let (_, mut body) = first("bound-chip", WITH_CHIP, &PASSWORD, &json!({}));
    body["proofs"] = json!({ "chip": signed });
    let (_, reply) = one.ask(Method::POST, "means/start", Some(body)).await;
    assert!(reply["ke2"].is_string(), "{reply}");
    let ke3 = json!({ "ke3": URL_SAFE_NO_PAD.encode([0; 32]), "combination": WITH_CHIP });
    assert_eq!(refused(&one.ask(Method::POST, "means/finish", Some(ke3)).await), NO, "another first message");
    // Pages in between, another's chip, no person, no verification: each alone is enough.
    let good = (chip.origin.clone(), chip.relying_party.clone(), chip.flags);
    for (at, (what, origin, relying_party, flags)) in (3..).zip([
        ("another host", "https://godkend.example".to_owned(), good.1.clone(), good.2),
        ("another port", "https://localhost:1".to_owned(), good.1.clone(), good.2),
        ("below the name", good.0.replace("//localhost", "//evil.localhost"), good.1.clone(), good.2),
        ("without encryption", good.0.replace("https", "http"), good.1.clone(), good.2),
        ("another relying party", good.0.clone(), "godkend.example".to_owned(), good.2),
        ("nobody verified", good.0.clone(), good.1.clone(), PRESENT),
        ("nobody present", good.0.clone(), good.1.clone(), VERIFIED),
    ]) {
        (chip.origin, chip.relying_party, chip.flags) = (origin, relying_party, flags);
        let mut browser = Browser::at(&world, Some([127, 0, 0, at].into()));
        // Strangers' tries are few.
        world.advance(86_400).await;
        browser.open(&world, &ask()).await;
        let reply = attempt(&mut browser, "bound-chip", async |challenge| chip.sign(challenge)).await;
        assert_eq!(refused(&reply), NO, "{what}");
    }
    (chip.origin, chip.relying_party, chip.flags) = good;
    world.advance(86_400).await;
    assert_eq!(refused(&try_at(&world, "High", "bound-chip", async |c| others.sign(c)).await), NO, "another's chip");
    assert_eq!(try_at(&world, "High", "bound-chip", async |c| chip.sign(c)).await.0, 200);
    // Late: the login is over.
    let mut late = world.login_page(&ask()).await;
    let began = begin(&mut late, "bound-chip", async |c| chip.sign(c)).await;
    world.advance(181).await;
    assert_eq!(refused(&send(&mut late, began).await), (410, "transaction_expired"));
    // Blocked, and open again.
    let block = format!("citizens/{}/block", anna.id);
    world.desk(Method::POST, &block, Some(json!({}))).await;
    assert_eq!(refused(&try_at(&world, "High", "bound-chip", async |c| chip.sign(c)).await), NO, "blocked");
    world.desk(Method::POST, &format!("citizens/{}/unblock", anna.id), Some(json!({}))).await;
    assert_eq!(try_at(&world, "High", "bound-chip", async |c| chip.sign(c)).await.0, 200);
    // Lost: for good, until another is registered.
    world.advance(86_400).await;
    let lost = format!("citizens/{}/chip/lost", anna.id);
    assert_eq!(world.desk(Method::POST, &lost, Some(json!({ "by": "anna" }))).await.0, 200);
    assert_eq!(refused(&try_at(&world, "High", "bound-chip", async |c| chip.sign(c)).await), NO, "lost");
    assert_eq!(world.desk(Method::POST, &lost, Some(json!({}))).await.0, 404);
    let mut new = Chip::new("https://localhost/another");
    new.origin = world.url.clone();
    assert_eq!(register(&world, &anna, &mut new, None).await.0, 200);
    assert_eq!(try_at(&world, "High", "bound-chip", async |c| new.sign(c)).await.0, 200);
    let history = world.history(&anna).await;
    for event in ["chip_opened", "chip_registered", "chip_lost", "means_wrong", "approved"] {
        assert!(history.iter().any(|line| line == event), "{event}: {history:?}");
    }
}

#[tokio::test]
async fn a23_a_copied_chip_is_found_out_and_neither_works_from_then_on() {
    let world = World::new().await;
    let (anna, mut chip) = holder(&world, "copied-chip").await;
    assert_eq!(try_at(&world, "High", "copied-chip", async |c| chip.sign(c)).await.0, 200);
    let mut copy = chip.copied();
    assert_eq!(try_at(&world, "High", "copied-chip", async |c| chip.sign(c)).await.0, 200);
    // The copy knows the password, too; its counter is where the chip's has been.
    assert_eq!(refused(&try_at(&world, "High", "copied-chip", async |c| copy.sign(c)).await), NO);
    let path = format!("citizens/{}/means", anna.id);
    let (_, shown) = world.desk(Method::GET, &path, None).await;
    assert_eq!((&shown["chip"]["frozen"], &shown["chip"]["level"]), (&json!(true), &Value::Null));
    assert!(world.history(&anna).await.contains(&"chip_frozen".to_owned()));
    for chip in [&mut chip, &mut copy] {
        chip.counter += 10;
        assert_eq!(refused(&try_at(&world, "High", "copied-chip", async |c| chip.sign(c)).await), NO);
    }
    let mut new = Chip::new(&world.url);
    assert_eq!(register(&world, &anna, &mut new, None).await.0, 200);
    world.advance(86_400).await;
    assert_eq!(try_at(&world, "High", "copied-chip", async |c| new.sign(c)).await.0, 200);
    // A chip that never counts is taken as it is.
    let mut silent = Chip::new(&world.url);
    assert_eq!(register(&world, &anna, &mut silent, None).await.0, 200);
    silent.counts = false;
    for _ in 0..2 {
        assert_eq!(try_at(&world, "High", "copied-chip", async |c| silent.sign(c)).await.0, 200);
    }
}

#[tokio::test]
async fn a16_and_a17_tries_with_a_chip_are_counted_before_they_are_judged() {
    let world = World::new().await;
    let (_, mut chip) = holder(&world, "storm-chip").await;
    let mut eves = Chip::new(&world.url);
    let mut storm = Vec::new();
    for _ in 0..20 {
        let mut browser = world.login_page(&Ask::login().at("High")).await;
        let began = begin(&mut browser, "storm-chip", async |c| eves.sign(c)).await;
        storm.push(tokio::spawn(async move { browser.ask(Method::POST, "means/start", Some(began.body)).await }));
    }
    let mut evaluated = 0;
    for one in storm {
        let reply = one.await.unwrap();
        match refused(&reply) {
            (200, _) => evaluated += 1,
            (429, "means_waiting" | "throttled") | (409, "conflict") => {}
            other => panic!("{other:?}"),
        }
    }
    // None of them was finished: each was counted all the same.
    assert!((1..=3).contains(&evaluated), "{evaluated} of one address's three tries");
    world.advance(60).await;
    // The owner, with the chip and a wrong password, at the same address: on a counter of their own, five in a row.
    for number in 0..6 {
        let mut browser = world.login_page(&Ask::login().at("High")).await;
        let mut began = begin(&mut browser, "storm-chip", async |c| chip.sign(c)).await;
        began.client = Trying::start(&mut rng(), WRONG).unwrap().0;
        let expected = if number < 5 { NO } else { (429, "means_waiting") };
        assert_eq!(refused(&send(&mut browser, began).await), expected, "{number}");
    }
    world.advance(60).await;
    assert_eq!(try_at(&world, "High", "storm-chip", async |c| chip.sign(c)).await.0, 200, "after a minute");
}

#[tokio::test]
async fn a08_which_chips_are_taken_and_what_they_are_worth_the_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut maker, stranger) = (Maker::new("Chipmageren"), Maker::new("Chipmageren"));
    let root = maker.pem.clone();
    let policy = |required: bool, models: &str| {
        godkend_server::policy::DEFAULT
            .replace("attestation_required = false", &format!("attestation_required = {required}"))
            .replace("authorities = []", &format!("authorities = [\"\"\"{}\"\"\"]", root))
            .replace("models = []", &format!("models = [{models}]"))
    };
    let elevens = "\"11111111-1111-1111-1111-111111111111\"";
    // Only chips of a known make.
    let mut world = World::with(|_| {}, with_policy(&folder, &policy(true, elevens))).await;
    let anna = world.citizen("known-makes").await;
    choose(&world, &anna).await;
    let mut chip = Chip::new(&world.url);
    for (what, flags, by) in [
        ("no make", PRESENT | VERIFIED, None),
        ("another root of the same name", PRESENT | VERIFIED, Some(&stranger)),
        ("nobody verified", PRESENT, Some(&maker)),
        ("a key that can be copied", PRESENT | VERIFIED | 0x08, Some(&maker)),
        ("nobody present", VERIFIED, Some(&maker)),
    ] {
        chip.flags = flags;
        assert_eq!(refused(&register(&world, &anna, &mut chip, by).await), (403, "chip_refused"), "{what}");
    }
    chip.flags = PRESENT | VERIFIED;
    chip.origin = "https://godkend.example".to_owned();
    assert_eq!(refused(&register(&world, &anna, &mut chip, Some(&maker)).await), (403, "chip_refused"), "origin");
    chip.origin = world.url.clone();
    maker.model = [0x22; 16];
    assert_eq!(refused(&register(&world, &anna, &mut chip, Some(&maker)).await), (403, "chip_refused"), "model");
    maker.model = [0x11; 16];
    let reply = register(&world, &anna, &mut chip, Some(&maker)).await;
    assert_eq!(reply.0, 200, "{}", reply.1);
    let (_, shown) = world.desk(Method::GET, &format!("citizens/{}/means", anna.id), None).await;
    assert_eq!((&shown["chip"]["attested"], &shown["chip"]["level"]), (&json!(true), &json!("high")), "{shown}");
    assert_eq!(try_at(&world, "High", "known-makes", async |c| chip.sign(c)).await.0, 200);

    // Without the tests' grace, a chip of an unknown make is worth less, and says so to whoever has proved who they are.
    world.stop().await;
    let _ = with_policy(&folder, &policy(false, ""));
    world.start_strict().await;
    let mut other = Chip::new(&world.url);
    assert_eq!(register(&world, &anna, &mut other, None).await.0, 200);
    let reply = try_at(&world, "High", "known-makes", async |c| other.sign(c)).await;
    assert_eq!(refused(&reply), (403, "level_unreachable"));
    let mut browser = world.login_page(&Ask::login()).await;
    assert_eq!(attempt(&mut browser, "known-makes", async |c| other.sign(c)).await.0, 200);
    assert_eq!(browser.signed_in().await["acr"], "https://data.gov.dk/concept/core/nsis/Substantial");
    // One answer to each question, one chip to each code.
    let (_, opened) = world.desk(Method::POST, &format!("citizens/{}/chip", anna.id), Some(json!({}))).await;
    let (_, asked) = post(&world, "/chip/ask", json!({ "code": opened["code"] })).await;
    let credential = chip.register(&asked["options"], Some(&stranger));
    let set = json!({ "code": opened["code"], "credential": credential });
    assert_eq!(post(&world, "/chip/set", set.clone()).await.0, 200, "worth less, but taken");
    assert_eq!(refused(&post(&world, "/chip/set", set).await), (403, "chip_code_wrong"));
}

#[tokio::test]
async fn a20_an_older_database_takes_no_signature_twice_and_brings_no_chip_back() {
    let mut world = World::new().await;
    let (_, mut chip) = holder(&world, "older-chip").await;
    let (_, used) = holder(&world, "older-used").await;
    let (bent, mut lost) = holder(&world, "older-lost").await;
    let (cai, mut replaced) = holder(&world, "older-other").await;
    let files = ["godkend.sqlite", "godkend.sqlite-wal", "godkend.sqlite-shm"].map(|name| world.data().join(name));
    world.stop().await;
    let copy: Vec<_> = files.iter().map(|file| std::fs::read(file).ok()).collect();
    world.start().await;
    let (mut used, mut stolen) = (used.copied(), used);
    assert_eq!(try_at(&world, "High", "older-used", async |c| used.sign(c)).await.0, 200);
    assert_eq!(try_at(&world, "High", "older-chip", async |c| chip.sign(c)).await.0, 200);
    world.desk(Method::POST, &format!("citizens/{}/chip/lost", bent.id), Some(json!({}))).await;
    let mut new = Chip::new(&world.url);
    assert_eq!(register(&world, &cai, &mut new, None).await.0, 200);
    world.stop().await;
    for (file, content) in files.iter().zip(copy) {
        let _ = std::fs::remove_file(file);
        if let Some(content) = content {
            std::fs::write(file, content).unwrap();
        }
    }
    world.start().await;
    assert_eq!(refused(&try_at(&world, "High", "older-lost", async |c| lost.sign(c)).await), NO, "lost since");
    assert_eq!(refused(&try_at(&world, "High", "older-other", async |c| replaced.sign(c)).await), NO, "replaced since");
    // A chip goes on; a copy from before its last use does not, though the database had forgotten that.
    assert_eq!(try_at(&world, "High", "older-chip", async |c| chip.sign(c)).await.0, 200);
    assert_eq!(refused(&try_at(&world, "High", "older-used", async |c| stolen.sign(c)).await), NO);
}

#[tokio::test]
async fn a33_a_try_with_a_chip_tells_neither_who_there_is_nor_what_was_wrong() {
    let world = World::with(|_| {}, short_polls).await;
    holder(&world, "known-chip").await;
    let (_, right) = holder(&world, "wrong-password").await;
    let without = world.citizen("without-chip").await;
    choose(&world, &without).await;
    world.citizen("without-means").await;
    let (lost, losts) = holder(&world, "lost-chip-x").await;
    world.desk(Method::POST, &format!("citizens/{}/chip/lost", lost.id), Some(json!({}))).await;
    let (blocked, blockeds) = holder(&world, "blocked-chip").await;
    world.desk(Method::POST, &format!("citizens/{}/block", blocked.id), Some(json!({}))).await;
    let eve = || Chip::new(&world.url);
    let cases = [
        ("a wrong chip", "known-chip", eve()),
        ("no chip", "without-chip", eve()),
        ("no means at all", "without-means", eve()),
        ("a lost chip", "lost-chip-x", losts),
        ("nobody", "there-is-nobody", eve()),
    ];
    let mut seen = Vec::new();
    for (at, (name, user_id, mut chip)) in (2..).zip(cases) {
        let address = std::net::Ipv4Addr::new(127, 0, 0, at);
        let mut visit = Vec::new();
        // Three tries from one address, and the one that has to wait.
        for number in 0..4 {
            visit.extend(cost_of_try(&world, address, user_id, &mut chip, number).await);
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
    // Whoever has the chip and not the password, or the chip of a blocked person, hears the same.
    for (at, (user_id, mut chip)) in (20..).zip([("wrong-password", right), ("blocked-chip", blockeds)]) {
        let visit = cost_of_try(&world, std::net::Ipv4Addr::new(127, 0, 0, at), user_id, &mut chip, 0).await;
        for (own, known) in visit.iter().zip(expected) {
            assert_eq!(own.1, known.1, "{user_id}");
        }
    }
}

#[tokio::test]
async fn a40_no_policy_makes_more_of_a_chip_than_it_can_carry() {
    let folder = tempfile::tempdir().unwrap();
    let combined = "means = [\"password\", \"chip\"]";
    for (from, to, why) in [
        (combined, "means = [\"chip\"]", "chip gives no level by itself"),
        (combined, "means = [\"code_display\", \"chip\"]", "with one kind of factor"),
        ("unattested = \"substantial\"", "unattested = \"high\"", "unknown make gives no more than Substantial"),
        ("synchronised = false", "synchronised = true", "copied to other devices gives no more than Substantial"),
    ] {
        let policy = godkend_server::policy::DEFAULT.replacen(from, to, 1);
        assert_ne!(policy, godkend_server::policy::DEFAULT);
        let refused = World::refused(Vec::new(), with_policy(&folder, &policy)).await;
        assert!(refused.contains("the policy is not sound") && refused.contains(why), "{to}: {refused}");
    }
}

#[tokio::test]
async fn a44_a_chip_takes_no_login_that_a_phone_has_opened() {
    let world = World::new().await;
    let (citizen, phone) = world.person("taken-chip").await;
    choose(&world, &citizen).await;
    let mut chip = Chip::new(&world.url);
    assert_eq!(register(&world, &citizen, &mut chip, None).await.0, 200);
    let mut browser = world.login_page(&Ask::login().at("High")).await;
    // The page was there before the phone came.
    let before = begin(&mut browser, "taken-chip", async |c| chip.sign(c)).await;
    let after = begin(&mut browser, "taken-chip", async |c| chip.sign(c)).await;
    let view = phone.open_link(&browser.same_device_link().await).await.unwrap();
    assert_eq!(refused(&send(&mut browser, before).await), (409, "transaction_taken"));
    phone.approve(&view, godkend_tests::phone::PIN).await.unwrap();
    let (status, reply) = send(&mut browser, after).await;
    assert!(status == 409 && reply["ke2"].is_null(), "{reply}");
    // Neither the chip nor the page's own end completes what waits for the return.
    let (status, location) = browser.follow(&browser.finish_url()).await;
    assert!((300..400).contains(&status) && location.unwrap().contains("/login/"), "{status}");
}

type Seen = (usize, (godkend_tests::browser::Answered, String), Vec<(String, u64)>);

async fn cost_of_try(
    world: &World,
    address: std::net::Ipv4Addr,
    user_id: &str,
    chip: &mut Chip,
    number: usize,
) -> Vec<Seen> {
    let mut browser = Browser::at(world, Some(address.into()));
    browser.open(world, &Ask::login().at("High")).await;
    let began = begin(&mut browser, user_id, async |c| chip.sign(c)).await;
    let before = work(world).await;
    browser.ask(Method::POST, "means/start", Some(began.body)).await;
    let started = browser.last.clone();
    let between = work(world).await;
    let ke3 = json!({ "ke3": URL_SAFE_NO_PAD.encode([0; 32]), "combination": WITH_CHIP });
    browser.ask(Method::POST, "means/finish", Some(ke3)).await;
    let after = work(world).await;
    let cost = |from: &BTreeMap<String, u64>, to: &BTreeMap<String, u64>| -> Vec<(String, u64)> {
        to.iter().map(|(name, n)| (name.clone(), n - from.get(name).unwrap_or(&0))).collect()
    };
    vec![(number, shape(&started), cost(&before, &between)), (number, shape(&browser.last), cost(&between, &after))]
}
