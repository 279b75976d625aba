use godkend_protocol::bytes::{Id, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::{FetchHow, Pending, Poll, PollOpen, PollOpened, RefuseLocked};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Decision, Level, Operation, VersionPolicy};
use serde_json::json;

use super::approval::{Step, active, active_as, answer, fetch, manage, new, scanned, send};
use super::phone::Refused;
use super::*;
use crate::approval::{self, Start};
use crate::docs;
use crate::records::{Device, Enrolment, HistoryLine, Transaction};

async fn device(app: &App, id: &Id) -> Device {
    docs::get::<Device>(&*app.store, &id.0).await.unwrap().unwrap().doc
}

async fn open_poll(phone: &Phone<'_>, app_version: &str) -> Result<PollOpened, Refused> {
    let nonce = random(&mut tls::system_random());
    let open = PollOpen { device: phone.device, nonce, app_version: app_version.into() };
    Ok(cbor::decode(&phone.post(PollOpen::PATH, phone.sign(&open)).await?).unwrap())
}

/// What waits for a phone: ids.
async fn waiting(phone: &Phone<'_>) -> Vec<Id> {
    let token = open_poll(phone, "1.0.0").await.unwrap().token;
    let poll = cbor::encode(&Poll { token, known: vec![], wait: 0 });
    let pending: Pending = cbor::decode(&phone.post(Poll::PATH, poll).await.unwrap()).unwrap();
    pending.items.iter().map(|item| item.id).collect()
}

async fn events(app: &App, account: &Id) -> Vec<String> {
    let lines = docs::list::<HistoryLine>(&*app.store, &account.0, 256).await.unwrap();
    lines.into_iter().map(|line| line.doc.event).collect()
}

async fn count(app: &App, account: &Id, event: &str) -> usize {
    events(app, account).await.iter().filter(|name| *name == event).count()
}

async fn page(app: &App) -> Transaction {
    let session = godkend_protocol::bytes::Fixed([6; 32]);
    approval::begin(app, new(Level::Substantial, session, Start::Page)).await.unwrap().transaction.doc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_no_phone_can_have_is_refused_and_changes_nothing() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active(&stage, &citizen).await;
    let begun = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &begun)).await.unwrap();
    for decision in [Decision::Approve, Decision::Deny] {
        let mut invented = Step(step.0 + 1_000, step.1.clone());
        let request = answer(&mut phone, &invented, &fetched, decision).await.unwrap();
        let before = device(&app, &phone.device).await;
        assert_eq!(send(&stage, &phone, &mut invented, &request).await.unwrap_err().0, Code::AnswerOutOfStep);
        let after = device(&app, &phone.device).await;
        assert_eq!(serde_json::to_value(&before).unwrap(), serde_json::to_value(&after).unwrap());
    }
    // The phone itself goes on.
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_phone_is_told_and_a_refusal_alerts_but_blocks_nobody() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut first, mut step) = active_as(&stage, &citizen, 1).await;
    assert_eq!(waiting(&first).await, [], "nobody else is to be told");
    let (second, _) = active_as(&stage, &citizen, 2).await;
    // Acknowledged on the one phone that there was.
    let [told] = waiting(&first).await[..] else { panic!() };
    let fetched = fetch(&first, FetchHow::Pushed { id: told }).await.unwrap();
    let request = answer(&mut first, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &first, &mut step, &request).await.unwrap();
    assert_eq!(waiting(&first).await, []);

    let (third, _) = active_as(&stage, &citizen, 3).await;
    let [on_first] = waiting(&first).await[..] else { panic!() };
    let [on_second] = waiting(&second).await[..] else { panic!() };
    assert_ne!(on_first, on_second);
    assert_eq!(waiting(&third).await, []);
    // A notice is its own phone's: another neither sees nor answers it.
    for (phone, other) in [(&first, on_second), (&third, on_first)] {
        assert_eq!(fetch(phone, FetchHow::Pushed { id: other }).await.unwrap_err().0, Code::TransactionUnknown);
        let nonce = random(&mut tls::system_random());
        let refuse = RefuseLocked { device: phone.device, transaction: other, decision: Decision::Deny, nonce };
        let refused = phone.post(RefuseLocked::PATH, phone.sign(&refuse)).await;
        assert_eq!(refused.unwrap_err().0, Code::TransactionUnknown);
    }
    // A thief's acknowledgement on one phone silences no other.
    let fetched = fetch(&first, FetchHow::Pushed { id: on_first }).await.unwrap();
    let text = crate::approval::challenge::open(&app, &fetched.challenge.0).unwrap().challenge.text.unwrap();
    assert!(text.starts_with("Pixel 9: er aktiveret ved en skranke."), "{text}");
    let request = answer(&mut first, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &first, &mut step, &request).await.unwrap();
    assert_eq!(waiting(&second).await, [on_second]);
    assert_eq!(device(&app, &third.device).await.state, DeviceState::Active);
    let nonce = random(&mut tls::system_random());
    let refuse = RefuseLocked { device: second.device, transaction: on_second, decision: Decision::ReportFraud, nonce };
    second.post(RefuseLocked::PATH, second.sign(&refuse)).await.unwrap();
    second.post(RefuseLocked::PATH, second.sign(&refuse)).await.unwrap();
    // A thief may hold the phone that refuses: the one that the desk has activated stays as it is.
    let account = device(&app, &third.device).await.account;
    assert!(open_poll(&third, "1.0.0").await.is_ok());
    assert_eq!(count(&app, &account, "device_blocked").await, 0);
    assert_eq!(count(&app, &account, "notice_refused").await, 1);
    let lines = docs::list::<HistoryLine>(&*app.store, &account.0, 256).await.unwrap();
    let line = lines.into_iter().find(|line| line.doc.event == "notice_refused").unwrap().doc;
    assert_eq!(
        (line.device, &line.details["alert"], &line.details["reported"]),
        (Some(third.device), &json!(true), &json!(true))
    );
    for phone in [&first, &second, &third] {
        assert_eq!(device(&app, &phone.device).await.state, DeviceState::Active);
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_what_is_active_silences_no_other_phone() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut first, mut step) = active_as(&stage, &citizen, 1).await;
    let (second, _) = active_as(&stage, &citizen, 2).await;
    let (third, _) = active_as(&stage, &citizen, 3).await;
    let [older, newer] = waiting(&first).await[..] else { panic!() };
    let [on_second] = waiting(&second).await[..] else { panic!() };
    for notice in [older, newer] {
        let about = docs::get::<Transaction>(&*app.store, &notice.0).await.unwrap().unwrap().doc.operation;
        let Some(Operation::NewDeviceNotice { activation }) = about else { panic!() };
        let enrolment = docs::get::<Enrolment>(&*app.store, &activation.0).await.unwrap().unwrap().doc;
        if enrolment.device == Some(third.device) {
            let fetched = fetch(&first, FetchHow::Pushed { id: notice }).await.unwrap();
            let request = answer(&mut first, &step, &fetched, Decision::Deny).await.unwrap();
            send(&stage, &first, &mut step, &request).await.unwrap();
        }
    }
    assert_eq!(device(&app, &third.device).await.state, DeviceState::Active);
    assert_eq!(waiting(&second).await, [on_second]);
    assert_eq!(waiting(&first).await.len(), 1, "the one about the second phone");
    stage.running.stop().await;
}

/// A PIN reset up to its new PIN.
async fn reset(stage: &Stage, phone: &mut Phone<'_>, pin: &str) {
    let device = phone.device.to_base64();
    let (status, reset) = stage.desk(&format!("devices/{device}/pin-reset"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{reset}");
    let request = phone.open_reset().await.unwrap();
    phone.take_reset(&request);
    let path = format!("activations/{}/digits", reset["id"].as_str().unwrap());
    stage.desk(&path, json!({"digits": phone.digits()})).await;
    phone.choose_pin(pin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_is_not_finished_leaves_the_old_pin_and_a_finished_one_is_told() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active_as(&stage, &citizen, 1).await;
    let (other, _) = active_as(&stage, &citizen, 2).await;
    let old = device(&app, &phone.device).await.pin.unwrap().key;

    reset(&stage, &mut phone, "220587").await;
    assert_eq!(device(&app, &phone.device).await.pin.unwrap().key, old);
    // A wrong try of the new PIN is the new PIN's.
    let fetched = manage(&phone, Operation::FinishEnrolment).await.unwrap();
    phone.pin = "999111".to_owned();
    let own = crate::approval::challenge::open(&app, &fetched.challenge.0).unwrap();
    let (wrong, _) = phone.start_request("999111", &(fetched.challenge.0.clone(), own.hash));
    assert_eq!(phone.start(wrong).await.unwrap().if_wrong.tries_left, 2);
    assert_eq!(device(&app, &phone.device).await.pin.unwrap().debits, 0);
    // Void after half an hour: the old PIN approves as ever.
    stage.advance(1_801).await;
    phone.pin = "120486".to_owned();
    assert_eq!(manage(&phone, Operation::FinishEnrolment).await.unwrap_err().0, Code::OperationRefused);
    let begun = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &begun)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(waiting(&other).await, [], "nothing happened that anyone should be told of");

    // The old PIN serves until the new one has finished; then it alone does.
    reset(&stage, &mut phone, "220587").await;
    phone.pin = "120486".to_owned();
    let between = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &between)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    phone.pin = "220587".to_owned();
    let fetched = manage(&phone, Operation::FinishEnrolment).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    let new = device(&app, &phone.device).await.pin.unwrap();
    assert!(new.key != old && new.debits == 0 && new.exchange.is_none());
    let begun = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &begun)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();

    // The other phone is told, and refuses: that alerts, and the new PIN goes on.
    let [told] = waiting(&other).await[..] else { panic!() };
    let fetched = fetch(&other, FetchHow::Pushed { id: told }).await.unwrap();
    let text = crate::approval::challenge::open(&app, &fetched.challenge.0).unwrap().challenge.text.unwrap();
    assert!(text.contains("ny PIN-kode"), "{text}");
    let nonce = random(&mut tls::system_random());
    let refuse = RefuseLocked { device: other.device, transaction: told, decision: Decision::Deny, nonce };
    other.post(RefuseLocked::PATH, other.sign(&refuse)).await.unwrap();
    let own = device(&app, &phone.device).await;
    assert_eq!((own.state, own.pin.unwrap().key), (DeviceState::Active, new.key));
    assert_eq!(count(&app, &own.account, "notice_refused").await, 1);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lapsed_requests_and_unproved_tries_stand_in_the_history() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, _) = active(&stage, &citizen).await;
    let account = device(&app, &phone.device).await.account;
    let (opened, _unopened) = (page(&app).await, page(&app).await);
    let fetched = fetch(&phone, scanned(&app, &opened)).await.unwrap();
    let own = crate::approval::challenge::open(&app, &fetched.challenge.0).unwrap();
    let challenge = (fetched.challenge.0.clone(), own.hash);
    for (tries, expected) in [(1, 0), (2, 1), (3, 2)] {
        let (wrong, _) = phone.start_request("999111", &challenge);
        phone.start(wrong).await.unwrap();
        assert_eq!(count(&app, &account, "pin_wrong").await, expected, "try {tries}");
    }
    approval::sweep(&app).await.unwrap();
    assert_eq!(count(&app, &account, "expired").await, 0);
    stage.advance(181).await;
    for _ in 0..2 {
        approval::sweep(&app).await.unwrap();
        assert_eq!(count(&app, &account, "expired").await, 1);
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_app_is_told_and_then_refused_at_every_first_message() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let id = {
        let (mut phone, mut step) = active(&stage, &citizen).await;
        assert_eq!(open_poll(&phone, "1.0.0").await.unwrap().policy, VersionPolicy::Current);
        assert_eq!(open_poll(&phone, "one").await.unwrap_err().0, Code::Malformed);
        let fetched = manage(&phone, Operation::SetLockedPush { on: false }).await.unwrap();
        assert_eq!(fetched.policy, VersionPolicy::Current);
        let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
        let reply = send(&stage, &phone, &mut step, &request).await.unwrap();
        assert_eq!(reply.policy, VersionPolicy::Current);
        phone.device
    };
    let mut text = std::fs::read_to_string(&stage.config).unwrap();
    let at = format!("\"{}\"", stage.running.app.now() + 1_000);
    for (key, value) in [
        ("recommended", "\"3.0.0\""),
        ("required", "\"2.0.0\""),
        ("required_from", &at),
        ("refused_below", "\"1.0.0\""),
    ] {
        assert_eq!(text.matches(&format!("\n{key} = \"\"")).count(), 1, "{key}");
        text = text.replace(&format!("\n{key} = \"\""), &format!("\n{key} = {value}"));
    }
    std::fs::write(&stage.config, text).unwrap();
    let from = stage.running.app.now() + 1_000;
    let stage = stage.restart().await;
    let mut phone = Phone::new(&stage, 1);
    phone.device = id;
    assert_eq!(open_poll(&phone, "3.0.0").await.unwrap().policy, VersionPolicy::Current);
    // An answer names no version: the one that the phone named last counts.
    assert_eq!(device(&stage.running.app, &id).await.info.app_version, "3.0.0");
    assert_eq!(open_poll(&phone, "2.9.9").await.unwrap().policy, VersionPolicy::Recommended);
    let told = open_poll(&phone, "1.0.0").await.unwrap().policy;
    assert!(matches!(told, VersionPolicy::RequiredFrom { at } if (at - from).abs() <= 1), "{told:?}");
    assert_eq!(open_poll(&phone, "0.9.9").await.unwrap_err().0, Code::UpdateNeeded);
    stage.advance(1_002).await;
    let (_, link) = stage.activation(&citizen, "link").await;
    let refused = Phone::new(&stage, 5).prepare(&link, &super::phone::Wrong::default()).await;
    assert_eq!(refused.unwrap_err().0, Code::UpdateNeeded);
    assert_eq!(open_poll(&phone, "1.0.0").await.unwrap_err().0, Code::UpdateNeeded);
    assert_eq!(manage(&phone, Operation::RotateKeys).await.unwrap_err().0, Code::UpdateNeeded);
    let begun = page(&stage.running.app).await;
    let scan = scanned(&stage.running.app, &begun);
    assert_eq!(fetch(&phone, scan).await.unwrap_err().0, Code::UpdateNeeded);
    assert_eq!(phone.open_reset().await.unwrap_err().0, Code::UpdateNeeded);
    assert!(open_poll(&phone, "2.0.0").await.is_ok());
    stage.running.stop().await;
}
