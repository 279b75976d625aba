//! Garbage from a stranger who knows every public identifier, at every door; then the people whose names they were go on.

use godkend_core::{Command, Outcome};
use godkend_protocol::bytes::{Blob, Fixed, Secret};
use godkend_protocol::cbor;
use godkend_protocol::cose::SignedMessage;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::Link;
use godkend_protocol::messages::activation::{EnrolmentStatus, Stage, TypedDigits};
use godkend_protocol::messages::approval::{
    Answer, AnswerRequest, Fetch, FetchHow, Fetched, Manage, PinProof, Poll, PollOpen, RefuseLocked,
};
use godkend_protocol::messages::device::{AskOverview, BlockSelf};
use godkend_protocol::messages::pin::{
    PinContext, PinEnrol, PinEnrolRequest, PinRegister, PinResetOpen, PinStart, PinStartRequest,
};
use godkend_protocol::messages::push::{PushChange, PushRegister};
use godkend_protocol::types::{Decision, Factor, LogPosition, Operation};
use reqwest::Method;
use serde_json::json;

use godkend_tests::bank::Bank;
use godkend_tests::bench::sign_with;
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, Bench, World};

use crate::approval::{approve, bench};

/// Messages in the victim's name, signed with a key of the attacker's own.
fn messages(
    victim: &Bench,
    transaction: godkend_protocol::bytes::Id,
    challenge: &Blob,
) -> Vec<(&'static str, Vec<u8>)> {
    let key = crypto::p256_from_seed(&[13; 32], "a key of the attacker's own");
    fn signed<M: SignedMessage>(message: &M, key: &Secret<32>) -> Vec<u8> {
        sign_with(message, "test", key)
    }
    let device = victim.device();
    let (nonce, app_version) = (Fixed([5; 32]), "1.0.0".to_owned());
    let hash = Fixed([6; 32]);
    let log = LogPosition { epoch: 1, size: 1, root: hash };
    let answer = |decision, factor, count| Answer {
        device,
        challenge: hash,
        decision,
        factor,
        remember_browser: false,
        ratchet_hash: hash,
        ratchet_count: count,
        log,
        operation: None,
    };
    let mut all = vec![
        ("poll/open", signed(&PollOpen { device, nonce, app_version: app_version.clone() }, &key)),
        ("poll", cbor::encode(&Poll { token: Secret([0; 32]), known: vec![transaction], wait: 0 })),
        ("overview", signed(&AskOverview { device, nonce }, &key)),
        ("block", signed(&BlockSelf { device, nonce }, &key)),
        ("push", signed(&PushRegister { device, nonce, number: u64::MAX, change: Some(PushChange::Remove) }, &key)),
        ("pin/reset", signed(&PinResetOpen { device, nonce, app_version: app_version.clone() }, &key)),
        (
            "activation/status",
            signed(&EnrolmentStatus { device, enrolment: transaction, nonce, known: Stage::Digits, wait: 0 }, &key),
        ),
        (
            "activation/digits",
            signed(&TypedDigits { device, activation: transaction, digits: "00000000".to_owned(), nonce }, &key),
        ),
    ];
    for how in [
        FetchHow::Pushed { id: transaction },
        FetchHow::Scanned { session: transaction, frame: 1, code: Fixed([1; 16]) },
        FetchHow::Linked { session: transaction, secret: Secret([1; 32]) },
        FetchHow::Numbered { number: "12345678".to_owned() },
    ] {
        let fetch = Fetch { device, nonce, how, log: None, app_version: app_version.clone() };
        all.push(("challenge", signed(&fetch, &key)));
    }
    for operation in [Operation::ChangePin, Operation::RotateKeys, Operation::RemoveDevice { device }] {
        let manage = Manage { device, nonce, operation, log: None, app_version: app_version.clone() };
        all.push(("manage", signed(&manage, &key)));
    }
    for decision in [Decision::Approve, Decision::Deny, Decision::ReportFraud] {
        all.push(("refuse", signed(&RefuseLocked { device, transaction, decision, nonce }, &key)));
        for (factor, count) in [(Factor::None, 0), (Factor::Pin, 1), (Factor::Biometric, u64::MAX)] {
            let request = AnswerRequest {
                answer: Blob(signed(&answer(decision, factor, count), &key)),
                challenge: challenge.clone(),
                factor_signature: (factor != Factor::None).then_some(Fixed([9; 64])),
                pin: (factor == Factor::Pin).then(|| PinProof { exchange: 1, ke3: Blob(vec![0; 32]) }),
                data: None,
                new_keys: vec![],
            };
            all.push(("answer", cbor::encode(&request)));
        }
    }
    for context in [PinContext::Change { challenge: hash }, PinContext::Enrolment { id: transaction, transcript: hash }]
    {
        let register = PinRegister { device, context, request: Blob(vec![2; 33]), nonce };
        all.push(("pin/register", signed(&register, &key)));
        let enrol = PinEnrol {
            device,
            context,
            seed: 1,
            upload: Blob(vec![0; 129]),
            pin_key: crypto::p256_public(&key).unwrap(),
        };
        let request = PinEnrolRequest { enrol: Blob(signed(&enrol, &key)), pin_signature: Fixed([9; 64]) };
        all.push(("pin/enrol", cbor::encode(&request)));
    }
    for exchange in [1, 2, 1000, u64::MAX] {
        let start = PinStart { device, challenge: hash, exchange, ke1: Blob(vec![2; 98]) };
        let request = PinStartRequest { start: Blob(signed(&start, &key)), challenge: challenge.clone() };
        all.push(("pin/start", cbor::encode(&request)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a54_garbage_in_somebodys_name_takes_no_try_ends_nothing_and_blocks_nobody() {
    let world = World::new().await;
    let (citizen, mut phone) = bench(&world, "anna-storm", 54).await;
    // What is open: a login that her phone shows, one over the back channel, an activation as a link, one as a code, and
    // one that a phone has taken and whose digits nobody has typed yet.
    let (mut browser, view) = phone.scan(&world).await;
    let fetched: Fetched = cbor::decode(phone.sent("challenge").reply.as_ref().unwrap()).unwrap();
    let (bank, back) = Bank::ciba(&world, &Ask::login(), "anna-storm").await;
    let newcomer = world.citizen("bo-storm").await;
    let (_, link) = world.hand_out(&newcomer, "link").await;
    let (taken, text) = world.hand_out(&world.citizen("cy-storm").await, "link").await;
    let enrolling = world.phone().await;
    let (identity, digits) = enrolling.begin_activation(&text).await.unwrap();
    let before = (world.devices(&citizen).await, world.history(&citizen).await);

    // The phone's API: her device in every message, garbage in every byte.
    let transaction = view.transaction;
    let list = phone.ok(Command::Poll { identity: None, wait: 0 }).await;
    let Outcome::Waiting { requests, .. } = list else { panic!() };
    let attacker = Bench::new(&world, 5454);
    let ids = requests.iter().map(|item| item.id).chain([transaction, phone.device()]);
    for id in ids {
        for (path, body) in messages(&phone, id, &fetched.challenge) {
            for body in [body.clone(), body[..body.len() - 1].to_vec(), [body.clone(), vec![0]].concat()] {
                let refusal = attacker.refusal(path, body).await;
                assert!(refusal.is_some(), "{path} took what a stranger signed");
            }
        }
    }
    // Her activation's id with other secrets: the link's tries are not the stranger's to spend.
    let Link::Activation(good) = Link::parse(&link).unwrap() else { panic!() };
    for number in 0..8 {
        let mut wrong = good.clone();
        wrong.secret = Secret([number; 32]);
        let mut stranger = Bench::new(&world, 6000 + u64::from(number));
        let command = Command::Activate { text: Link::Activation(wrong).to_text(), environment: None };
        assert!(stranger.run(command, None).await.0.unwrap().is_err());
    }
    // The pages, without their cookies; and the desk without its token.
    let login = browser.login().to_owned();
    let mut stranger = world.browser();
    for path in ["", "/state", "/frames", "/finish"] {
        assert_eq!(stranger.get(&format!("/login/{login}{path}")).await.0, 404, "{path}");
    }
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    for (path, body) in [
        ("cancel", json!({})),
        ("user-id", json!({ "user_id": "anna-storm" })),
        ("offline", json!({ "user_id": "anna-storm" })),
        ("offline-code", json!({ "code": "12345678" })),
    ] {
        let url = format!("{}/login/{login}/{path}", world.url);
        assert_eq!(http.post(url).json(&body).send().await.unwrap().status().as_u16(), 404, "{path}");
    }
    let device = phone.device().to_base64();
    for path in [
        format!("devices/{device}/block"),
        format!("devices/{device}/remove"),
        format!("devices/{device}/pin-reset"),
        format!("citizens/{}/block", citizen.id),
        format!("activations/{taken}/digits"),
        "clock".to_owned(),
    ] {
        let url = format!("{}/admin/v1/{path}", world.url);
        let status = http.post(url).bearer_auth("guess").json(&json!({ "digits": "1" })).send().await.unwrap().status();
        assert_eq!(status.as_u16(), 401, "{path}");
    }
    // The relying party's endpoints without its secret.
    for (path, name) in [("token", "code"), ("ciba", "login_hint"), ("par", "scope")] {
        let request = back["auth_req_id"].as_str().unwrap();
        let form =
            [("grant_type", "urn:openid:params:grant-type:ciba"), ("auth_req_id", request), (name, "anna-storm")];
        let url = format!("{}/{path}", world.url);
        let response = http.post(url).basic_auth("netbank", Some("guess")).form(&form).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{path}");
    }
    for code in ["000000-000000-000000", &device, &login] {
        stranger.submit("/block", &[("code", code)]).await;
    }
    world.desk(Method::GET, &format!("citizens/{}", citizen.id), None).await;

    // Nothing has changed for anybody: same devices, same history, same tries.
    assert_eq!((world.devices(&citizen).await, world.history(&citizen).await), before);
    let (status, pending) = bank.ciba_token(back["auth_req_id"].as_str().unwrap()).await;
    assert_eq!((status, pending["error"].as_str()), (400, Some("authorization_pending")));
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.ok(approve(&view, with_pin(PIN))).await;
    browser.signed_in().await;
    let command = Command::TypeNumber { identity: None, number: back["number"].as_str().unwrap().to_owned() };
    let Outcome::Request(view) = phone.ok(command).await else { panic!() };
    assert_eq!(view.pin.as_ref().unwrap().tries_left, 3);
    phone.ok(approve(&view, with_pin(PIN))).await;
    world.advance(10).await;
    assert_eq!(bank.ciba_token(back["auth_req_id"].as_str().unwrap()).await.0, 200);
    assert_eq!(world.digits(&taken, &digits).await.0, 200);
    enrolling.choose_pin(identity, PIN).await.unwrap();
    let fresh = world.phone().await;
    let (_, digits) = fresh.begin_activation(&link).await.unwrap();
    assert_eq!(digits.len(), 8);
}
