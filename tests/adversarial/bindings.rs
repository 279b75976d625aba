//! From a browser to a phone: frames, links, numbers, floods of them.

use std::net::Ipv4Addr;

use godkend_core::{Command, Failure};
use godkend_protocol::bytes::{Fixed, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::link::{Link, LoginFrame};
use godkend_protocol::messages::approval::{Fetch, FetchHow, RefuseLocked};
use godkend_protocol::types::{Binding, Decision};
use reqwest::Method;
use serde_json::json;

use godkend_tests::bank::Bank;
use godkend_tests::phone::{PIN, code, with_pin};
use godkend_tests::{Ask, Browser, Phone, World};

use crate::approval::{bench, unfinished};

/// The frames that the page has been given, by second; and its clock.
async fn frames(browser: &mut Browser) -> (i64, Vec<(i64, String)>) {
    let (_, reply) = browser.ask(Method::GET, "frames", None).await;
    let frames = reply["frames"].as_array().unwrap().iter();
    let frames = frames.map(|f| (f["second"].as_i64().unwrap(), f["text"].as_str().unwrap().to_owned()));
    (reply["now_ms"].as_i64().unwrap().div_euclid(1000), frames.collect())
}

fn frame(text: &str) -> LoginFrame {
    match Link::parse(text).unwrap() {
        Link::Login(frame) => frame,
        other => panic!("{other:?}"),
    }
}

async fn finish(phone: &Phone, browser: &mut Browser) {
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

#[tokio::test]
async fn a31_a_frame_is_good_for_three_seconds_in_its_session_and_in_the_app() {
    let world = World::new().await;
    let (_, phone) = world.person("anna-frame").await;
    let mut browser = world.login_page(&Ask::login()).await;
    let (second, given) = frames(&mut browser).await;
    let now = given.iter().find(|(at, _)| *at == second).unwrap().1.clone();

    // A frame of the future, which the page has and does not show yet.
    let (ahead, text) = given.last().unwrap();
    assert!(*ahead >= second + 3, "{given:?}");
    assert_eq!(code(phone.scan(text).await), Some(Code::QrStale));
    // As a link, by the app and by hand.
    assert_eq!(phone.open_link(&now).await.unwrap_err(), Failure::NotACode);
    // In another session, with another second, with another code.
    let good = frame(&now);
    let mut other = world.login_page(&Ask::login()).await;
    let foreign = frame(&other.qr().await);
    let changed = [
        LoginFrame { session: foreign.session, ..good.clone() },
        LoginFrame { code: foreign.code, ..good.clone() },
        LoginFrame { frame: good.frame + 1, ..good.clone() },
        LoginFrame { frame: good.frame - 1, ..good.clone() },
        LoginFrame { session: Fixed([1; 16]), ..good.clone() },
    ];
    for frame in changed {
        assert_eq!(code(phone.scan(&Link::Login(frame).to_text()).await), Some(Code::QrUnknown));
    }
    let elsewhere = LoginFrame { environment: "prod".to_owned(), ..good };
    assert!(phone.scan(&Link::Login(elsewhere).to_text()).await.is_err());
    // One second later it is as good as at first: none of the attempts has taken it.
    world.advance(1).await;
    let view = phone.scan(&now).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;

    // Four seconds later it is not; the one that is shown then is.
    let old = other.qr().await;
    world.advance(4).await;
    assert_eq!(code(phone.scan(&old).await), Some(Code::QrStale));
    finish(&phone, &mut other).await;
}

#[tokio::test]
async fn a31_a_frame_handed_in_as_a_links_secret_opens_nothing() {
    let world = World::new().await;
    let (_, mut phone) = bench(&world, "bo-frame", 311).await;
    let mut browser = world.login_page(&Ask::login()).await;
    let good = frame(&browser.qr().await);
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(&good.code.0);
    for secret in [secret, [0; 32]] {
        let how = FetchHow::Linked { session: good.session, secret: Secret(secret) };
        let fetch = fetch(&phone, how);
        assert_eq!(phone.refusal("challenge", phone.sign(&fetch)).await, Some(Code::LinkInvalid));
    }
    // A link's secret is no frame either, and a login that is pushed to nobody cannot be had by its id.
    let pushed = fetch(&phone, FetchHow::Pushed { id: good.session });
    assert_eq!(phone.refusal("challenge", phone.sign(&pushed)).await, Some(Code::TransactionUnknown));
    let scan = Command::Scan { identity: None, text: browser.qr().await };
    phone.ok(scan).await;
}

fn fetch(phone: &godkend_tests::Bench, how: FetchHow) -> Fetch {
    Fetch { device: phone.device(), nonce: Fixed([7; 32]), how, log: None, app_version: "1.0.0".to_owned() }
}

/// A browser at an address of its own.
async fn stranger(world: &World, number: u8) -> Browser {
    let mut browser = Browser::at(world, Some(Ipv4Addr::new(127, 0, 7, number).into()));
    browser.open(world, &Ask::login()).await;
    browser
}

async fn types(browser: &mut Browser, user_id: &str) -> (u16, serde_json::Value) {
    browser.ask(Method::POST, "user-id", Some(json!({ "user_id": user_id }))).await
}

#[tokio::test]
async fn a32_a_flood_of_addressed_requests_waits_once_and_the_owner_goes_on() {
    let world = World::new().await;
    let (_, phone) = world.person("cora-flood").await;
    world.person("dan-flood").await;
    // The owner's browser is remembered, so that a whole push can be told from the flood.
    let mut own = world.login_page(&Ask::login()).await;
    let view = phone.scan(&own.qr().await).await.unwrap();
    phone.approve_with(&view, with_pin(PIN), true).await.unwrap();
    own.signed_in().await;

    // One source: the first waits, the next are sent away, with the time.
    let mut first = stranger(&world, 1).await;
    assert_eq!(types(&mut first, "cora-flood").await.0, 200);
    for spelling in ["cora-flood", "CORA-Flood", " cora-flood "] {
        let mut more = stranger(&world, 1).await;
        let (status, reply) = types(&mut more, spelling).await;
        assert_eq!((status, reply["error"].as_str()), (429, Some("throttled")), "{spelling}");
        assert!((1..=180).contains(&reply["retry_after"].as_u64().unwrap()), "{reply}");
        // The same source reaches another person, and the person who sits there scans.
        let mut same = stranger(&world, 1).await;
        finish(&phone, &mut same).await;
    }
    let mut neighbour = stranger(&world, 1).await;
    assert_eq!(types(&mut neighbour, "dan-flood").await.0, 200);

    // More sources than a poll looks at requests.
    let mut flood = Vec::new();
    for number in 2..72 {
        let mut browser = stranger(&world, number).await;
        assert_eq!(types(&mut browser, "cora-flood").await.0, 200);
        flood.push(browser);
    }
    let waiting = phone.waiting().await;
    assert_eq!((waiting.len(), waiting[0].locked), (1, true), "one notice");
    // The owner's remembered browser comes through whole, the owner's scan works, and so does a typed user id.
    own.open(&world, &Ask::login()).await;
    let waiting = phone.waiting().await;
    let whole: Vec<_> = waiting.iter().filter(|item| !item.locked).collect();
    assert_eq!((waiting.len(), whole.len()), (2, 1), "{waiting:?}");
    let view = phone.open(whole[0]).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    own.signed_in().await;
    finish(&phone, &mut stranger(&world, 100).await).await;
    let mut typed = stranger(&world, 101).await;
    let number = typed.type_user_id("cora-flood").await;
    let view = phone.type_number(&number).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    typed.signed_in().await;

    // A refusal falls on its source alone: five seconds, then ten; a report is ten minutes.
    for (fraud, wait) in [(false, 5), (true, 600)] {
        let listed = phone.waiting().await.into_iter().find(|item| item.locked).unwrap();
        phone.run(Command::RefuseLocked { identity: None, id: listed.id, fraud }).await.unwrap();
        let from = flood.iter().chain([&first]).position(|browser| browser.login() == listed.id.to_base64()).unwrap();
        let number = if from == flood.len() { 1 } else { u8::try_from(from).unwrap() + 2 };
        let mut again = stranger(&world, number).await;
        let (status, reply) = types(&mut again, "dan-flood").await;
        assert_eq!((status, reply["retry_after"].as_u64()), (429, Some(wait)), "{reply}");
        // The person at that very source scans at once, and others are not held back.
        finish(&phone, &mut again).await;
        let mut elsewhere = stranger(&world, 110 + u8::from(fraud)).await;
        assert_eq!(types(&mut elsewhere, "dan-flood").await.0, 200);
    }
}

#[tokio::test]
async fn a32_a_flood_over_the_back_channel_waits_once_for_each_client() {
    let world = World::new().await;
    let (_, phone) = world.person("eva-flood").await;
    world.person("frits-flood").await;
    let (bank, first) = Bank::ciba(&world, &Ask::login(), "eva-flood").await;
    for _ in 0..5 {
        let (status, reply) = bank.ciba_again(&Ask::login(), "eva-flood").await;
        assert_eq!(status, 503, "{reply}");
        assert_eq!(reply["error"], "temporarily_unavailable", "{reply}");
    }
    assert_eq!(phone.waiting().await.len(), 1);
    // Another client, and another customer of this one, are not held back; the first request lives.
    Bank::ciba(&world, &Ask::login().from("borger"), "eva-flood").await;
    Bank::ciba(&world, &Ask::login(), "frits-flood").await;
    assert_eq!(phone.waiting().await.len(), 1);
    let view = phone.type_number(first["number"].as_str().unwrap()).await.unwrap();
    phone.approve(&view, PIN).await.unwrap();
    assert_eq!(bank.ciba_token(first["auth_req_id"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn a44_a_same_device_login_needs_return_code_and_cookie_and_nothing_weaker_replaces_it() {
    let world = World::new().await;
    let (_, phone) = world.person("gerda-same").await;
    let (_, other) = world.person("hugo-same").await;
    // Somebody begins a login and sends the link to Gerda, who opens it.
    let mut attacker = world.login_page(&Ask::login()).await;
    let link = attacker.same_device_link().await;
    let frame = attacker.qr().await;
    let view = phone.open_link(&link).await.unwrap();
    assert_eq!(view.binding, Binding::SameDevice);
    // From here on no other way leads anywhere: another phone, the number, the offline code.
    assert_eq!(code(other.scan(&frame).await), Some(Code::TransactionTaken));
    assert_eq!(code(other.open_link(&link).await), Some(Code::TransactionTaken));
    for user_id in ["gerda-same", "hugo-same", "nobody-same"] {
        for way in ["user-id", "offline"] {
            let (_, reply) = attacker.ask(Method::POST, way, Some(json!({ "user_id": user_id }))).await;
            assert_eq!(reply["error"], "transaction_taken", "{way}: {reply}");
        }
    }
    assert!(frames(&mut attacker).await.1.is_empty());
    // Her own phone, made to scan the frame as well, changes nothing of it.
    assert_eq!(phone.scan(&frame).await.unwrap().binding, Binding::SameDevice);
    let view = phone.open_link(&link).await.unwrap();
    let return_url = phone.approve(&view, PIN).await.unwrap().expect("a return address");

    // She has approved: her phone's browser has the return code, the attacker's has the cookie.
    let mut hers = world.browser();
    assert_eq!(hers.follow(&return_url).await.0, 404);
    let state = attacker.state().await;
    assert_eq!((state["state"].as_str(), state["finish"].is_null()), (Some("opened"), true), "{state}");
    let login = attacker.login().to_owned();
    let (status, location) = attacker.follow(&format!("{}/login/{login}/finish", world.url)).await;
    assert_eq!((status, location), (303, Some(format!("/login/{login}"))), "back to the page");
    let code_at = return_url.split("&c=").nth(1).unwrap();
    let guesses = ["AAAAAAAAAAAAAAAAAAAAAA", "", &login, &code_at[1..]];
    for guess in guesses {
        let (status, _) = attacker.follow(&return_url.replace(code_at, guess)).await;
        assert!((400..500).contains(&status), "{guess}: {status}");
    }
    // With a return code of another login, and with the cookie of another login under this one's name.
    let mut second = world.login_page(&Ask::login()).await;
    let view = other.open_link(&second.same_device_link().await).await.unwrap();
    let others = other.approve(&view, PIN).await.unwrap().unwrap();
    let others_code = others.split("&c=").nth(1).unwrap();
    assert!((400..500).contains(&attacker.follow(&return_url.replace(code_at, others_code)).await.0));
    let mut thief = world.browser();
    let stolen = second.cookies.values().next().unwrap().clone();
    thief.cookies = attacker.cookies.keys().map(|name| (name.clone(), stolen.clone())).collect();
    assert!((400..500).contains(&thief.follow(&return_url).await.0));
    for body in [json!({ "user_id": "gerda-same" }), json!({})] {
        for way in ["user-id", "offline", "cancel"] {
            attacker.ask(Method::POST, way, Some(body.clone())).await;
        }
    }
    assert!(unfinished(&mut attacker).await);
    // No page of it tells the return code.
    for path in ["", "/state", "/frames"] {
        let (_, page) = attacker.get(&format!("/login/{login}{path}")).await;
        assert!(!page.contains(code_at), "{path}");
    }
    world.advance(601).await;
    assert_eq!(attacker.finish().await["error"], "access_denied");
    // Even with the right return code it is too late.
    attacker.follow(&return_url).await;
    assert_eq!(attacker.finish().await["error"], "access_denied");

    // Both together complete it: the other login was not touched, and Gerda's own next one is not either.
    world.advance(1).await;
    let mut own = world.login_page(&Ask::login()).await;
    let view = phone.open_link(&own.same_device_link().await).await.unwrap();
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    let back = phone.approve(&view, PIN).await.unwrap().unwrap();
    assert_eq!(own.follow(&back).await.0, 303);
    assert_eq!(own.signed_in().await["godkend.binding"], "same_device");
}

#[tokio::test]
async fn a45_a_back_channel_request_can_be_neither_read_nor_approved_before_its_number() {
    let world = World::new().await;
    let (_, mut phone) = bench(&world, "inga-ciba", 451).await;
    let (_, other) = bench(&world, "jens-ciba", 452).await;
    let (bank, reply) = Bank::ciba(&world, &Ask::login(), "inga-ciba").await;
    let (number, request) = (reply["number"].as_str().unwrap(), reply["auth_req_id"].as_str().unwrap());
    let godkend_core::Outcome::Waiting { requests, .. } = phone.ok(Command::Poll { identity: None, wait: 0 }).await
    else {
        panic!()
    };
    assert_eq!((requests.len(), requests[0].locked), (1, true));
    let id = requests[0].id;
    // The list holds an id and a time, and nothing of what is asked.
    let listed = phone.sent("poll").reply.clone().unwrap();
    let told = String::from_utf8_lossy(&listed);
    assert!(!told.contains("netbank") && !told.contains("Netbank"), "{told}");
    // By its id: as a push, as a scan, as a link, whoever asks.
    for phone in [&phone, &other] {
        for (how, refusal) in [
            (FetchHow::Pushed { id }, Code::TransactionUnknown),
            (FetchHow::Scanned { session: id, frame: 1, code: Fixed([0; 16]) }, Code::QrUnknown),
            (FetchHow::Linked { session: id, secret: Secret([0; 32]) }, Code::LinkInvalid),
        ] {
            let body = phone.sign(&fetch(phone, how.clone()));
            assert_eq!(phone.refusal("challenge", body).await, Some(refusal), "{how:?}");
        }
    }
    assert!(phone.run(Command::Open { identity: None, id }, None).await.0.unwrap().is_err());
    // The right number in a stranger's phone, and wrong ones in hers: five a minute, and none ends it.
    let typed = |number: &str| FetchHow::Numbered { number: number.to_owned() };
    let body = other.sign(&fetch(&other, typed(number)));
    assert_eq!(other.refusal("challenge", body).await, Some(Code::NumberWrong));
    for guess in 0..6 {
        let guess = format!("{:08}", (number.parse::<u32>().unwrap() + 1 + guess) % 100_000_000);
        let refusal = phone.refusal("challenge", phone.sign(&fetch(&phone, typed(&guess)))).await;
        assert!(refusal == Some(Code::NumberWrong) || refusal == Some(Code::Throttled), "{refusal:?}");
    }
    let body = phone.sign(&fetch(&phone, typed(number)));
    assert_eq!(phone.refusal("challenge", body).await, Some(Code::Throttled), "the sixth in a minute");
    // A stranger's phone cannot refuse it either.
    let refuse = |phone: &godkend_tests::Bench| {
        phone.sign(&RefuseLocked {
            device: phone.device(),
            transaction: id,
            decision: Decision::ReportFraud,
            nonce: Fixed([3; 32]),
        })
    };
    assert_eq!(other.refusal("refuse", refuse(&other)).await, Some(Code::TransactionUnknown));
    let (status, pending) = bank.ciba_token(request).await;
    assert_eq!((status, pending["error"].as_str()), (400, Some("authorization_pending")));
    // Nothing is lost: a minute later its number opens it, whole.
    world.advance(61).await;
    let command = Command::TypeNumber { identity: None, number: number.to_owned() };
    let godkend_core::Outcome::Request(view) = phone.ok(command).await else { panic!() };
    assert_eq!((view.text.as_deref(), view.binding), (Some("Log på Netbank"), Binding::TypedNumber));
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.ok(crate::approval::approve(&view, with_pin(PIN))).await;
    assert_eq!(bank.ciba_token(request).await.0, 200);
}
