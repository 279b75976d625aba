//! Requests and answers: replays, swaps, changes on the way.

use std::sync::{Arc, Mutex};

use godkend_core::{Approval, Command, Failure, Outcome, RequestView};
use godkend_protocol::bytes::{Blob, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, Fetched, challenge_hash};
use godkend_protocol::types::{Factor, KeyPurpose, Level};

use godkend_tests::bank::Bank;
use godkend_tests::bench::{Tap, sign_with};
use godkend_tests::phone::with_pin;
use godkend_tests::world::Citizen;
use godkend_tests::{Ask, Bench, Browser, World};

/// A person whose phone is on the bench, with biometrics.
pub(crate) async fn bench(world: &World, user_id: &str, seed: u64) -> (Citizen, Bench) {
    let citizen = world.citizen(user_id).await;
    let mut bench = Bench::new(world, seed);
    bench.activate(world, &citizen, &mut std::iter::empty()).await;
    let pin = godkend_core::Pin::new(bench.pin).unwrap();
    bench.ok(Command::EnableBiometrics { identity: None, pin }).await;
    (citizen, bench)
}

pub(crate) fn approve(view: &RequestView, with: Approval) -> Command {
    Command::Approve { request: view.id, with, remember_browser: false }
}

pub(crate) fn answer_of(body: &[u8]) -> (AnswerRequest, Answer) {
    let request: AnswerRequest = cbor::decode(body).unwrap();
    let answer = Received::<Answer>::parse(&request.answer.0, "test").unwrap().claimed().clone();
    (request, answer)
}

/// An answer of somebody's who has the phone's keys: signed by `possession`, and by `biometric` for an approval.
pub(crate) fn forged(bench: &Bench, answer: &Answer, challenge: &Blob) -> Vec<u8> {
    let factor_signature = (answer.factor == Factor::Biometric).then(|| {
        let unsigned = Unsigned::new(answer, bench.environment(), None);
        let tbs = unsigned.to_be_signed_as(Role::Biometric);
        crypto::p256_sign(&bench.secret(KeyPurpose::Biometric), &tbs).unwrap()
    });
    let (answer, challenge) = (Blob(bench.sign(answer)), challenge.clone());
    cbor::encode(&AnswerRequest { answer, challenge, factor_signature, pin: None, data: None, new_keys: vec![] })
}

pub(crate) async fn unfinished(browser: &mut Browser) -> bool {
    browser.state().await["finish"].is_null()
}

#[tokio::test]
async fn a11_a_replayed_answer_from_the_same_and_from_another_device_changes_nothing() {
    let world = World::new().await;
    let (citizen, mut phone) = bench(&world, "anna-replay", 11).await;
    let (_, thief) = bench(&world, "bent-replay", 12).await;
    let (mut browser, view) = phone.scan(&world).await;
    phone.ok(approve(&view, Approval::Biometric)).await;
    let sent = phone.sent("answer").clone();
    let claims = browser.signed_in().await;
    let decided = |lines: &[String]| lines.iter().filter(|line| *line == "approved").count();
    let before = decided(&world.history(&citizen).await);

    // The same bytes again, from anywhere: the same reply, and nothing happens twice.
    for _ in 0..3 {
        assert_eq!(phone.post("answer", sent.body.clone()).await, sent.reply);
        assert_eq!(thief.post("answer", sent.body.clone()).await, sent.reply);
    }
    assert_eq!(decided(&world.history(&citizen).await), before);
    let again = browser.finish().await;
    assert!(browser.bank().redeem(&again).await.is_err(), "the code is redeemed already");
    assert!(claims["sub"].is_string());

    // Another device cannot make it its own: neither with the challenge of the first nor in its name.
    let (request, answer) = answer_of(&sent.body);
    let own = Answer { device: thief.device(), ..answer.clone() };
    assert_eq!(thief.refusal("answer", forged(&thief, &own, &request.challenge)).await, Some(Code::ChallengeInvalid));
    let his = forged(&thief, &answer, &request.challenge);
    assert_eq!(thief.refusal("answer", his).await, Some(Code::SignatureInvalid));

    // After the next answer the old bytes are old: refused, and no sign of a clone.
    phone.login(&world, Approval::Biometric).await.unwrap();
    assert_eq!(thief.refusal("answer", sent.body.clone()).await, Some(Code::AnswerOutOfStep));
    // A new transaction is not touched by them either.
    let (mut browser, view) = phone.scan(&world).await;
    assert_eq!(thief.refusal("answer", sent.body).await, Some(Code::AnswerOutOfStep));
    assert!(unfinished(&mut browser).await);
    phone.ok(approve(&view, with_pin(phone.pin))).await;
    browser.signed_in().await;
}

#[tokio::test]
async fn a12_an_answer_for_one_transaction_is_none_for_another() {
    let world = World::new().await;
    let (_, mut phone) = bench(&world, "carl-swap", 21).await;
    let (mut paid, first) = phone.scan(&world).await;
    let mut bank = world.login_page(&Ask::payment("9999.00", "Somebody else").at("Substantial")).await;
    let scan = Command::Scan { identity: None, text: bank.qr().await };
    let Outcome::Request(second) = phone.ok(scan).await else { panic!() };
    let fetched: Fetched = cbor::decode(phone.sent("challenge").reply.as_ref().unwrap()).unwrap();
    let other = fetched.challenge;
    let body = phone.until(approve(&first, Approval::Biometric), "answer").await;
    let (request, answer) = answer_of(&body);

    // The answer to A beside the challenge of B.
    let swapped = AnswerRequest { challenge: other.clone(), ..request.clone() };
    assert_eq!(phone.refusal("answer", cbor::encode(&swapped)).await, Some(Code::ChallengeInvalid));
    // Signed anew for B by a thief who has `possession` and A's factor signature.
    let received = Received::<Challenge>::parse(&other.0, "test").unwrap();
    let for_b = Answer { challenge: challenge_hash(received.payload()), ..answer.clone() };
    let moved = AnswerRequest { answer: Blob(phone.sign(&for_b)), challenge: other.clone(), ..request.clone() };
    assert_eq!(phone.refusal("answer", cbor::encode(&moved)).await, Some(Code::SignatureInvalid));
    assert!(unfinished(&mut paid).await && unfinished(&mut bank).await);

    // The honest answer goes through afterwards, to A alone.
    assert!(phone.post("answer", body).await.is_ok());
    paid.signed_in().await;
    assert!(unfinished(&mut bank).await);
    assert_eq!(second.payment.unwrap().amount_minor, 999_900);
    phone.resume().await;
    phone.login(&world, with_pin(phone.pin)).await.unwrap();
}

type Change = fn(&mut Challenge);

#[tokio::test]
async fn a13_a_request_changed_on_the_way_is_never_shown() {
    let world = World::new().await;
    let (_, mut phone) = bench(&world, "dina-changed", 31).await;
    let changes: [(&str, Change); 8] = [
        ("text", |challenge| challenge.text = Some("Log på Netbank ".to_owned())),
        ("amount", |challenge| challenge.payment.as_mut().unwrap().amount_minor -= 1),
        ("currency", |challenge| challenge.payment.as_mut().unwrap().currency = "EUR".to_owned()),
        ("payee", |challenge| challenge.payment.as_mut().unwrap().payee = "Bager Sørense".to_owned()),
        ("relying party", |challenge| challenge.relying_party.name = "Netbank".to_owned()),
        ("client", |challenge| challenge.relying_party.id = "borger".to_owned()),
        ("level", |challenge| challenge.level = Level::Low),
        ("place", |challenge| challenge.place = None),
    ];
    let attacker = crypto::p256_from_seed(&[66; 32], "a key of the attacker's own");
    for (what, change) in changes {
        for resigned in [false, true] {
            let mut browser = world.login_page(&Ask::payment("1250.00", "Bager Sørensen").at("Substantial")).await;
            let scan = Command::Scan { identity: None, text: browser.qr().await };
            let (attacker, before) = (attacker.clone(), Arc::new(Mutex::new(None)));
            let kept = before.clone();
            phone.tap = Some(Tap::reply(move |path, reply| {
                let ("challenge", Ok(bytes)) = (path, reply) else { return };
                *kept.lock().unwrap() = Some(bytes.clone());
                let mut fetched: Fetched = cbor::decode(bytes).unwrap();
                fetched.challenge = Blob(changed(&fetched.challenge.0, change, resigned.then_some(&attacker)));
                *bytes = cbor::encode(&fetched);
            }));
            let shown = phone.run(scan.clone(), None).await.0.unwrap();
            assert_eq!(shown.unwrap_err(), Failure::Untrusted, "{what}, signed anew: {resigned}");
            assert!(before.lock().unwrap().is_some(), "the attack took place");
            phone.tap = None;
            // The transaction waits on; the same phone sees what the bank asked, and approves that.
            let Outcome::Request(view) = phone.ok(scan).await else { panic!() };
            let payment = view.payment.clone().unwrap();
            assert_eq!((payment.amount_minor, payment.payee.as_str()), (125_000, "Bager Sørensen"));
            phone.ok(approve(&view, Approval::Biometric)).await;
            browser.signed_in().await;
        }
    }
}

/// The challenge with another content, under the old signature or a new one of the attacker's.
fn changed(cose: &[u8], change: Change, key: Option<&Secret<32>>) -> Vec<u8> {
    let received = Received::<Challenge>::parse(cose, "test").unwrap();
    let (payload, mut challenge) = (received.payload().to_vec(), received.claimed().clone());
    change(&mut challenge);
    let signed = sign_with(&challenge, "test", key.unwrap_or(&Secret([7; 32])));
    if key.is_some() {
        return signed;
    }
    // The payload alone takes the place of the old one; header and signature stay the server's.
    let new = Received::<Challenge>::parse(&signed, "test").unwrap().payload().to_vec();
    assert_ne!(new, payload);
    let at = cose.windows(payload.len()).position(|window| window == payload).unwrap();
    let header = if payload.len() < 256 { 2 } else { 3 };
    let head = &cose[..at - header];
    let length = match u8::try_from(new.len()) {
        Ok(length) => vec![0x58, length],
        Err(_) => [vec![0x59], u16::try_from(new.len()).unwrap().to_be_bytes().to_vec()].concat(),
    };
    [head, &length, &new, &cose[at + payload.len()..]].concat()
}

#[tokio::test]
async fn a13_a_relying_party_or_a_browser_changes_nothing_after_the_push() {
    let world = World::new().await;
    let (_, phone) = world.person("egon-pushed").await;
    let bank = Bank::push(&world, &Ask::login()).await;
    // What comes with the browser beside the request_uri does not count.
    let extra = [
        ("idp_params", "{\"reference_text\":\"RnJh\"}"),
        (
            "authorization_details",
            "[{\"type\":\"godkend_payment\",\"amount\":\"1.00\",\"currency\":\"DKK\",\"payee\":\"X\"}]",
        ),
        ("acr_values", "https://data.gov.dk/concept/core/nsis/Low"),
        ("redirect_uri", "https://evil.example/callback"),
    ];
    let mut url = reqwest::Url::parse(&bank.authorize_url).unwrap();
    url.query_pairs_mut().extend_pairs(extra);
    let mut browser = world.browser();
    browser.authorize(bank, url.as_str()).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.text.as_deref(), Some("Log på Netbank"));
    assert!(view.payment.is_none());
    assert_eq!(view.level, Level::Substantial);
    // Used up: the same request_uri begins no second login, with whatever text.
    let again = world.browser().get(&url.as_str()[world.url.len()..]).await;
    assert!((400..500).contains(&again.0), "{}", again.0);
    // Another client's push is not this client's.
    let mine = Bank::push(&world, &Ask::login()).await;
    let other = mine.authorize_url.replace("client_id=netbank", "client_id=borger");
    let (status, page) = world.browser().get(&other[world.url.len()..]).await;
    assert!((400..500).contains(&status), "{status} {page}");
    // The honest one goes on.
    let mut browser = world.browser();
    let url = mine.authorize_url.clone();
    browser.authorize(mine, &url).await.unwrap();
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.text.as_deref(), Some("Log på Netbank"));
    phone.approve(&view, godkend_tests::phone::PIN).await.unwrap();
    browser.signed_in().await;
}
