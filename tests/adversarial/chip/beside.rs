//! A chip beside the app: the chip signs on the page, a phone completes it. Each half with another's other half, in another
//! login, too early, too late and bent.

use godkend_protocol::codes::Code;
use godkend_tests::Phone;
use godkend_tests::phone::{PIN, code};

use super::*;

pub(super) const BESIDE: &str = "app+chip";

/// The chip's half in a browser on its login page.
pub(super) async fn half(browser: &mut Browser, user_id: &str, sign: impl AsyncFnOnce(&[u8]) -> Value) -> (u16, Value) {
    let bound = [b"godkend/1/chip".as_slice(), &context_of(browser, BESIDE).await.0].concat();
    let signed = sign(ring::digest::digest(&ring::digest::SHA256, &bound).as_ref()).await;
    let body = json!({ "user_id": user_id, "combination": BESIDE, "proofs": { "chip": signed } });
    browser.ask(Method::POST, "means/chip", Some(body)).await
}

/// A server without the tests' grace, where keys in software are worth Substantial and this maker's chips High.
async fn strict(folder: &tempfile::TempDir, maker: &Maker) -> World {
    let authority = format!("authorities = [\"\"\"{}\"\"\"]", maker.pem);
    let policy = godkend_server::policy::DEFAULT.replace("authorities = []", &authority);
    let mut world = World::with(|_| {}, with_policy(folder, &policy)).await;
    world.stop().await;
    world.start_strict().await;
    world
}

/// A citizen with an app whose keys are in software, and a chip.
async fn both(world: &World, user_id: &str, maker: &Maker) -> (Citizen, Phone, Chip) {
    let (citizen, phone) = world.person(user_id).await;
    let mut chip = Chip::new(&format!("https://localhost/{user_id}"));
    chip.origin.clone_from(&world.url);
    let (status, reply) = register(world, &citizen, &mut chip, Some(maker)).await;
    assert_eq!(status, 200, "{reply}");
    (citizen, phone, chip)
}

async fn scan(browser: &mut Browser, phone: &Phone) -> Option<Code> {
    let text = browser.qr().await;
    code(phone.scan(&text).await)
}

/// Chip first, then the phone: the claims of what came of it.
async fn signs_in(world: &World, user_id: &str, phone: &Phone, chip: &mut Chip, level: &'static str) -> Value {
    let mut browser = world.login_page(&Ask::login().at(level)).await;
    let (status, reply) = half(&mut browser, user_id, async |c| chip.sign(c)).await;
    assert_eq!(status, 200, "{reply}");
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    serde_json::to_value(browser.signed_in().await).unwrap()
}

#[tokio::test]
async fn a12_a_chip_and_a_phone_complete_a_login_together_and_of_one_person_alone() {
    let folder = tempfile::tempdir().unwrap();
    let maker = Maker::new("Chipmageren");
    let world = strict(&folder, &maker).await;
    let (anna, annas, mut key) = both(&world, "anna-both", &maker).await;
    let (_, bents, mut other) = both(&world, "bent-both", &maker).await;
    let high = || Ask::login().at("High");

    // The phone alone does not reach it; with the chip it does, and everybody is told with what.
    let mut browser = world.login_page(&high()).await;
    assert_eq!(scan(&mut browser, &annas).await, Some(Code::LevelUnreachable));
    let claims = signs_in(&world, "anna-both", &annas, &mut key, "High").await;
    for (name, value) in [
        ("acr", json!("https://data.gov.dk/concept/core/nsis/High")),
        ("aal", json!("https://data.gov.dk/concept/core/nsis/High")),
        ("amr", json!(["code_app", "pin", "u2f_token"])),
        ("godkend.binding", json!("scanned_qr")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let file = world.evidence(claims["mitid.transaction_id"].as_str().unwrap()).await;
    let shown = godkend_server::evidence::verify(&file, &world.root).unwrap();
    assert_eq!((shown.means, shown.level), (vec!["app".to_owned(), "chip".to_owned()], Some(Level::High)));

    // One person's chip and another's phone, whoever's name is typed.
    for (user_id, hers, phone, what) in [
        ("anna-both", true, &bents, "her name and chip, his phone"),
        ("bent-both", true, &bents, "his name and phone, her chip"),
        ("bent-both", true, &annas, "his name, her chip and phone"),
        ("anna-both", false, &annas, "her name and phone, his chip"),
        ("anna-both", false, &bents, "her name, his chip and phone"),
        ("there-is-nobody", true, &annas, "nobody's name"),
    ] {
        let chip = if hers { &mut key } else { &mut other };
        for level in ["Substantial", "High"] {
            let mut browser = world.login_page(&Ask::login().at(level)).await;
            assert_eq!(half(&mut browser, user_id, async |c| chip.sign(c)).await.0, 200, "the page tells nothing");
            assert_eq!(browser.state().await["state"], "waiting");
            assert_eq!(scan(&mut browser, phone).await, Some(Code::MeansWrong), "{what}");
            let link = browser.same_device_link().await;
            assert_eq!(code(phone.open_link(&link).await), Some(Code::MeansWrong), "{what}, by the link");
            assert_eq!(browser.state().await["state"], "waiting", "{what}");
        }
    }

    // A signature for one login, handed in at another, and once more at its own.
    let mut one = world.login_page(&high()).await;
    let mut kept = Value::Null;
    let keep = async |challenge: &[u8]| {
        kept = key.sign(challenge);
        kept.clone()
    };
    assert_eq!(half(&mut one, "anna-both", keep).await.0, 200);
    let mut elsewhere = world.login_page(&high()).await;
    assert_eq!(half(&mut elsewhere, "anna-both", async |_| kept.clone()).await.0, 200);
    assert_eq!(scan(&mut elsewhere, &annas).await, Some(Code::MeansWrong), "another login");
    assert_eq!(half(&mut one, "anna-both", async |_| kept.clone()).await.0, 200, "the same again changes nothing");
    let view = annas.scan(&one.qr().await).await.unwrap();
    // Nothing takes its place from then on: the phone has shown it.
    let reply = half(&mut one, "anna-both", async |c| key.sign(c)).await;
    assert_eq!(refused(&reply), (409, "transaction_taken"));
    annas.approve(&view, PIN).await.unwrap();
    assert_eq!(refused(&half(&mut one, "anna-both", async |c| key.sign(c)).await), (409, "transaction_finished"));
    one.signed_in().await;

    // The password's first message is no part of this one, and the other way round.
    let mut browser = world.login_page(&high()).await;
    let swapped = json!({ "user_id": "anna-both", "combination": WITH_CHIP, "proofs": { "chip": kept } });
    let reply = browser.ask(Method::POST, "means/chip", Some(swapped)).await;
    assert_eq!(refused(&reply), (403, "level_unreachable"));
    let (_, mut body) = first("anna-both", BESIDE, &PASSWORD, &json!({}));
    body["proofs"] = json!({ "chip": kept });
    assert_eq!(refused(&browser.ask(Method::POST, "means/start", Some(body)).await), (403, "level_unreachable"));

    // Without the chip after all: the phone alone, for what that reaches.
    let mut browser = world.login_page(&Ask::login()).await;
    assert_eq!(half(&mut browser, "anna-both", async |c| other.sign(c)).await.0, 200);
    assert_eq!(scan(&mut browser, &annas).await, Some(Code::MeansWrong));
    assert_eq!(browser.ask(Method::POST, "means/forget", Some(json!({}))).await.0, 200);
    let view = annas.scan(&browser.qr().await).await.unwrap();
    annas.approve(&view, PIN).await.unwrap();
    assert_eq!(browser.signed_in().await["amr"], json!(["code_app", "pin"]));
    // Nobody was locked out by any of it, and no try was counted.
    assert!(!world.history(&anna).await.iter().any(|line| line.starts_with("means_")));
    signs_in(&world, "anna-both", &annas, &mut key, "High").await;
}

#[tokio::test]
async fn a42_a_chips_half_is_void_once_the_chip_or_the_time_is() {
    let folder = tempfile::tempdir().unwrap();
    let maker = Maker::new("Chipmageren");
    let world = strict(&folder, &maker).await;
    let (anna, phone, mut key) = both(&world, "anna-late", &maker).await;
    let high = || Ask::login().at("High");

    // The time is over between the chip and the phone, and between the phone's two messages.
    let mut browser = world.login_page(&high()).await;
    assert_eq!(half(&mut browser, "anna-late", async |c| key.sign(c)).await.0, 200);
    let link = browser.same_device_link().await;
    world.advance(181).await;
    assert!(phone.open_link(&link).await.is_err());
    assert_eq!(browser.state().await["state"], "expired");
    let mut browser = world.login_page(&high()).await;
    assert_eq!(half(&mut browser, "anna-late", async |c| key.sign(c)).await.0, 200);
    let view = phone.scan(&browser.qr().await).await.unwrap();
    world.advance(181).await;
    assert!(phone.approve(&view, PIN).await.is_err());
    assert_eq!(browser.state().await["state"], "expired");

    // Replaced, or lost, between: the phone has shown it, and its answer counts for nothing.
    for gone in ["replaced", "lost"] {
        let mut browser = world.login_page(&high()).await;
        assert_eq!(half(&mut browser, "anna-late", async |c| key.sign(c)).await.0, 200);
        let view = phone.scan(&browser.qr().await).await.unwrap();
        if gone == "replaced" {
            key = Chip::new("https://localhost/anothers");
            key.origin.clone_from(&world.url);
            assert_eq!(register(&world, &anna, &mut key, Some(&maker)).await.0, 200);
        } else {
            let lost = format!("citizens/{}/chip/lost", anna.id);
            assert_eq!(world.desk(Method::POST, &lost, Some(json!({ "by": "anna" }))).await.0, 200);
        }
        assert_eq!(code(phone.approve(&view, PIN).await), Some(Code::MeansWrong), "{gone}");
        assert_eq!(browser.state().await["state"], "opened", "{gone}");
    }
    assert_eq!(register(&world, &anna, &mut key, Some(&maker)).await.0, 200);
    signs_in(&world, "anna-late", &phone, &mut key, "High").await;

    // A copy of it, with the phone: found out, and neither signs in from then on.
    let mut copy = key.copied();
    signs_in(&world, "anna-late", &phone, &mut key, "High").await;
    for chip in [&mut copy, &mut key] {
        let mut browser = world.login_page(&high()).await;
        assert_eq!(half(&mut browser, "anna-late", async |c| chip.sign(c)).await.0, 200);
        assert_eq!(scan(&mut browser, &phone).await, Some(Code::MeansWrong));
    }
    assert!(world.history(&anna).await.contains(&"chip_frozen".to_owned()));

    // A chip of an unknown make lifts nothing: what both reach is told on the phone that proves who one is.
    let mut plain = Chip::new(&world.url);
    assert_eq!(register(&world, &anna, &mut plain, None).await.0, 200);
    let mut browser = world.login_page(&high()).await;
    assert_eq!(half(&mut browser, "anna-late", async |c| plain.sign(c)).await.0, 200);
    assert_eq!(scan(&mut browser, &phone).await, Some(Code::LevelUnreachable));
    let claims = signs_in(&world, "anna-late", &phone, &mut plain, "Substantial").await;
    assert_eq!(claims["acr"], "https://data.gov.dk/concept/core/nsis/Substantial");
}

#[tokio::test]
async fn a33_the_chips_half_tells_neither_who_there_is_nor_whether_it_was_right() {
    let world = World::with(|_| {}, short_polls).await;
    let (_, right) = holder(&world, "half-right").await;
    holder(&world, "half-wrong").await;
    world.citizen("half-without").await;
    let (lost, losts) = holder(&world, "half-lost").await;
    world.desk(Method::POST, &format!("citizens/{}/chip/lost", lost.id), Some(json!({}))).await;
    let (blocked, blockeds) = holder(&world, "half-blocked").await;
    world.desk(Method::POST, &format!("citizens/{}/block", blocked.id), Some(json!({}))).await;
    let eve = || Chip::new(&world.url);
    let mut seen = Vec::new();
    for (name, user_id, mut chip) in [
        ("the right chip", "half-right", right),
        ("a wrong chip", "half-wrong", eve()),
        ("no chip", "half-without", eve()),
        ("a lost chip", "half-lost", losts),
        ("a blocked person", "half-blocked", blockeds),
        ("nobody", "half-nobody-x", eve()),
    ] {
        let mut browser = world.login_page(&Ask::login().at("High")).await;
        let mut visit = Vec::new();
        let before = work(&world).await;
        assert_eq!(half(&mut browser, user_id, async |c| chip.sign(c)).await.0, 200, "{name}");
        visit.push(shape(&browser.last));
        let after = work(&world).await;
        let cost: Vec<_> = after.iter().map(|(name, n)| (name.clone(), n - before.get(name).unwrap_or(&0))).collect();
        // The page afterwards, and what its script asks.
        let state = browser.state().await;
        assert_eq!((&state["state"], &state["chip"]), (&json!("waiting"), &json!(true)), "{name}");
        visit.push(shape(&browser.last));
        seen.push((name, visit, cost));
    }
    let (_, visit, cost) = &seen[0];
    for (name, own, work) in &seen[1..] {
        assert_eq!(own, visit, "{name}");
        assert_eq!(work, cost, "{name}");
    }
}
