//! What holds of the ways between browser and phone where a chip has signed: frames, floods, the back channel, cookies.

use std::net::Ipv4Addr;

use godkend_protocol::codes::Code;
use godkend_protocol::types::Binding;
use godkend_tests::bank::Bank;
use godkend_tests::phone::{PIN, code, with_pin};

use super::beside::{BESIDE, half};
use super::*;

/// A citizen with app, password and chip.
async fn all(world: &World, user_id: &str) -> (Citizen, godkend_tests::Phone, Chip) {
    let (citizen, phone) = world.person(user_id).await;
    choose(world, &citizen).await;
    let mut chip = Chip::new(&format!("https://localhost/{user_id}"));
    chip.origin.clone_from(&world.url);
    assert_eq!(register(world, &citizen, &mut chip, None).await.0, 200);
    (citizen, phone, chip)
}

#[tokio::test]
async fn a31_a_chips_signature_makes_no_frame_good_that_is_old_or_anothers() {
    let world = World::new().await;
    let (_, phone, mut chip) = all(&world, "frame-chip").await;
    let mut browser = world.login_page(&Ask::login().at("High")).await;
    let before = browser.qr().await;
    assert_eq!(half(&mut browser, "frame-chip", async |c| chip.sign(c)).await.0, 200);
    // The frame is the login's, from before the signature or after; four seconds later it is not good for either.
    world.advance(4).await;
    assert_eq!(code(phone.scan(&before).await), Some(Code::QrStale));
    // Another login, in which no chip has signed: its frame completes that one, and this one waits.
    let mut other = world.login_page(&Ask::login().at("High")).await;
    let view = phone.scan(&other.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    assert_eq!(other.signed_in().await["amr"], json!(["code_app", "pin"]), "the chip was for another login");
    assert_eq!(browser.state().await["state"], "waiting");
    let fresh = browser.qr().await;
    assert!(phone.open_link(&fresh).await.is_err(), "a frame is no link");
    world.advance(1).await;
    let view = phone.scan(&fresh).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    assert_eq!(browser.signed_in().await["amr"], json!(["code_app", "pin", "u2f_token"]));
}

#[tokio::test]
async fn a32_a_flood_of_chips_in_somebodys_name_reaches_no_phone_and_locks_nobody_out() {
    let world = World::new().await;
    let (anna, phone, mut chip) = all(&world, "flood-chip").await;
    let history = world.history(&anna).await.len();
    let mut eves = Chip::new(&world.url);
    let most = world.config().means.tries_per_source_minute;
    let mut browser = Browser::at(&world, Some(Ipv4Addr::new(127, 0, 9, 1).into()));
    browser.open(&world, &Ask::login()).await;
    let mut taken = 0;
    while refused(&half(&mut browser, "flood-chip", async |c| eves.sign(c)).await) != (429, "throttled") {
        taken += 1;
        assert!(taken < 2 * most, "the source is to wait");
    }
    assert!(taken >= most, "{taken}");
    // From many addresses, too: nothing is listed, nothing is told, nothing is counted.
    for number in 2..40 {
        let mut browser = Browser::at(&world, Some(Ipv4Addr::new(127, 0, 9, number).into()));
        browser.open(&world, &Ask::login()).await;
        assert_eq!(half(&mut browser, "flood-chip", async |c| eves.sign(c)).await.0, 200);
    }
    assert!(phone.waiting().await.is_empty());
    assert_eq!(world.history(&anna).await.len(), history);
    // The owner's own ways, at once: the scan, chip and app, password and chip.
    let mut own = world.login_page(&Ask::login().at("High")).await;
    let view = phone.scan(&own.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    own.signed_in().await;
    let mut own = world.login_page(&Ask::login().at("High")).await;
    assert_eq!(half(&mut own, "flood-chip", async |c| chip.sign(c)).await.0, 200);
    let view = phone.scan(&own.qr().await).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    own.signed_in().await;
    assert_eq!(try_at(&world, "High", "flood-chip", async |c| chip.sign(c)).await.0, 200);
}

#[tokio::test]
async fn a45_a_chip_neither_reads_nor_approves_a_back_channel_request() {
    let world = World::new().await;
    let (_, phone, mut chip) = all(&world, "ciba-chip").await;
    let (bank, reply) = Bank::ciba(&world, &Ask::login(), "ciba-chip").await;
    let waiting = phone.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, true));
    let id = waiting[0].id.to_base64();
    // It has no page: the doors of pages do not know it, in a browser without a login and in one with another.
    let signed = chip.sign(&[7; 32]);
    let proof = json!({ "user_id": "ciba-chip", "combination": BESIDE, "proofs": { "chip": signed } });
    let (_, mut start) = first("ciba-chip", WITH_CHIP, &PASSWORD, &json!({}));
    start["proofs"] = json!({ "chip": signed });
    for mut browser in [world.browser(), world.login_page(&Ask::login()).await] {
        for (path, body) in [("means/chip", &proof), ("means/start", &start), ("means/forget", &json!({}))] {
            let (status, reply) = browser.post(&format!("/login/{id}/{path}"), body.clone()).await;
            assert_eq!((status, reply["error"].as_str()), (404, Some("not_found")), "{path}: {reply}");
        }
        let (status, page) = browser.get(&format!("/login/{id}/way/{BESIDE}")).await;
        assert!(status == 404 && !page.contains("Netbank"), "{status}");
    }
    // A login of the same person's, completed with the chip, leaves it as it was.
    let mut own = world.login_page(&Ask::login().at("High")).await;
    assert_eq!(attempt(&mut own, "ciba-chip", async |c| chip.sign(c)).await.0, 200);
    let request = reply["auth_req_id"].as_str().unwrap();
    let (status, pending) = bank.ciba_token(request).await;
    assert_eq!((status, pending["error"].as_str()), (400, Some("authorization_pending")));
    assert_eq!(code(phone.open(&waiting[0]).await), Some(Code::TransactionUnknown), "locked until its number");
    let view = phone.type_number(reply["number"].as_str().unwrap()).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    world.advance(10).await;
    assert_eq!(bank.ciba_token(request).await.0, 200);
}

#[tokio::test]
async fn a51_a_remembered_browsers_cookie_and_a_chip_complete_a_login_of_one_person_alone() {
    let world = World::new().await;
    let (_, phone, mut chip) = all(&world, "cookie-chip").await;
    let (_, _, mut eves) = all(&world, "eve-chip-x").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    browser.signed_in().await;
    let old = browser.cookies.clone();

    // The owner's: pushed whole, and the chip counts.
    browser.open(&world, &Ask::login()).await;
    assert_eq!(half(&mut browser, "cookie-chip", async |c| chip.sign(c)).await.0, 200);
    let waiting = phone.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, false));
    let view = phone.open(&waiting[0]).await.unwrap();
    assert_eq!(view.binding, Binding::RememberedBrowser);
    phone.approve(&view, PIN).await.unwrap();
    assert_eq!(browser.signed_in().await["amr"], json!(["code_app", "pin", "u2f_token"]));

    // Stolen, with the thief's own chip, under either name: the phone shows nothing of it. At High the push is locked.
    for (user_id, level) in [("eve-chip-x", "Substantial"), ("cookie-chip", "Substantial"), ("eve-chip-x", "High")] {
        let mut thief = world.browser();
        thief.cookies = browser.cookies.clone();
        thief.open(&world, &Ask::login().at(level)).await;
        browser.cookies = thief.cookies.clone();
        assert_eq!(half(&mut thief, user_id, async |c| eves.sign(c)).await.0, 200);
        let waiting = phone.waiting().await;
        let own = waiting.iter().find(|item| item.id.to_base64() == thief.login()).unwrap();
        let expected = if level == "High" { Code::TransactionUnknown } else { Code::MeansWrong };
        assert_eq!(code(phone.open(own).await), Some(expected), "{user_id} at {level}");
        if level == "High" {
            let number = thief.state().await["number"].as_str().unwrap().to_owned();
            assert_eq!(code(phone.type_number(&number).await), Some(Code::MeansWrong));
        }
        assert_eq!(thief.state().await["state"], "waiting");
        thief.cancel().await;
    }

    // A cookie from before the owner's last use pushes nothing, whatever chip is at hand, and revokes the browser.
    world.advance(11).await;
    let mut thief = world.browser();
    thief.cookies = old;
    thief.open(&world, &Ask::login()).await;
    assert_eq!(half(&mut thief, "cookie-chip", async |c| eves.sign(c)).await.0, 200);
    assert!(phone.waiting().await.is_empty());
    assert!(phone.overview().await.browsers.is_empty());
    // The cookie by which this browser's tries are told from strangers' signs nobody in with another's chip.
    assert_eq!(refused(&try_at(&world, "High", "cookie-chip", async |c| eves.sign(c)).await), NO);
    assert_eq!(try_at(&world, "High", "cookie-chip", async |c| chip.sign(c)).await.0, 200);
}
