use godkend_protocol::bytes::{Fixed, Hash32, Id, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::Link;
use godkend_protocol::formats::offline_code;
use godkend_protocol::messages::approval::challenge_hash;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::offline::OfflineChallenge;
use godkend_protocol::types::{KeyPurpose, Level, SecurityLevel};

use super::approval::{active, new};
use super::*;
use crate::approval::{self, Start};
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::log::AheadEntry;
use crate::records::{Device, Document as _, EnrolledKey, EnrolmentDue, HistoryLine, OfflineTries, Transaction};

const SESSION: Hash32 = Fixed([6; 32]);

/// Gives a phone an offline key.
pub(super) async fn offline_key(app: &App, device: &Id, secret: &Secret<32>) {
    let mut entry = docs::get::<Device>(&*app.store, &device.0).await.unwrap().unwrap();
    for (purpose, secret) in
        [(KeyPurpose::Offline, secret), (KeyPurpose::Biometric, &crypto::p256_from_seed(b"b", "b"))]
    {
        let public = crypto::p256_public(secret).unwrap();
        let security = SecurityLevel::Software;
        entry.doc.keys.push(EnrolledKey { purpose, public, security, enrolled: 0, counter: None });
    }
    let mut changes = Changes::new();
    changes.update(&entry);
    changes.commit(&*app.store).await.unwrap();
}

/// A page of a source of its own, and the code of a phone with this key.
async fn asked(app: &App, source: &str, user_id: &str, secret: &Secret<32>) -> (Id, String) {
    let wish = approval::NewTransaction { source: source.into(), ..new(Level::Substantial, SESSION, Start::Page) };
    let id = approval::begin(app, wish).await.unwrap().transaction.doc.id;
    approval::address(app, &id, Some(&SESSION), user_id).await.unwrap();
    let text = approval::offline_challenge(app, &id).await.unwrap();
    let Ok(Link::Offline(link)) = Link::parse(&text) else { panic!("{text}") };
    let received = app.keys.open_own::<OfflineChallenge>(&link.challenge.0).unwrap();
    let hash = challenge_hash(received.payload());
    let agreed = crypto::ecdh(secret, &received.claimed().ephemeral).unwrap();
    (id, offline_code::code(&offline_code::key(&agreed, &hash), &hash))
}

async fn type_in(app: &App, id: &Id, code: &str) -> Result<(), (Code, Option<u32>)> {
    approval::offline_code(app, id, Some(&SESSION), code).await.map_err(|error| (error.code, error.tries_left))
}

fn other_than(code: &str) -> &'static str {
    if code == "00000000" { "11111111" } else { "00000000" }
}

async fn count(app: &App, account: &Id, event: &str) -> usize {
    let lines = docs::list::<HistoryLine>(&*app.store, &account.0, 256).await.unwrap();
    lines.iter().filter(|line| line.doc.event == event).count()
}

/// Entries in the log, once all that is written has come there.
async fn logged(app: &App) -> u64 {
    app.log.wake();
    while !app.store.outbox_read(0, 1).await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    app.log.checkpoint().checkpoint.size
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_wrong_offline_codes_a_day_and_the_source_waits() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (phone, _) = active(&stage, &citizen).await;
    let secret = crypto::p256_from_seed(b"offline", "test");
    offline_key(&app, &phone.device, &secret).await;
    let account = docs::get::<Device>(&*app.store, &phone.device.0).await.unwrap().unwrap().doc.account;
    // Early in a day, so that no test runs over its end.
    stage.advance(86_400 - app.now().rem_euclid(86_400)).await;

    for (number, tries) in [(0, 3), (1, 3), (2, 3), (3, 1)] {
        let source = format!("10.0.1.{number}");
        let (id, right) = asked(&app, &source, "anna.s", &secret).await;
        for left in (3 - tries..3).rev() {
            assert_eq!(type_in(&app, &id, other_than(&right)).await, Err((Code::OfflineCodeWrong, Some(left))));
        }
        assert_eq!(app.throttle.may_start(&source, app.clock.now_ms()).is_err(), tries == 3, "{number}");
        let lines = usize::try_from(number).unwrap() + 1;
        assert_eq!(count(&app, &account, "offline_wrong").await, lines, "one line for each request");
        if tries == 1 {
            // The tenth: the right one is a wrong one now.
            assert_eq!(type_in(&app, &id, &right).await, Err((Code::OfflineCodeWrong, Some(1))));
        }
    }
    let size = logged(&app).await;
    let (id, right) = asked(&app, "10.0.1.9", "anna.s", &secret).await;
    assert_eq!(type_in(&app, &id, &right).await, Err((Code::OfflineCodeWrong, Some(2))));
    assert_eq!(count(&app, &account, "offline_paused").await, 1);
    assert_eq!(count(&app, &account, "offline_wrong").await, 4);
    assert_eq!(logged(&app).await, size);
    // Nothing else of the phone is affected, and the next day is another.
    assert_eq!(
        docs::get::<Device>(&*app.store, &phone.device.0).await.unwrap().unwrap().doc.state,
        DeviceState::Active
    );
    stage.advance(86_400).await;
    let (id, right) = asked(&app, "10.0.1.10", "anna.s", &secret).await;
    assert_eq!(type_in(&app, &id, &right).await, Ok(()));
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_people_and_phones_without_such_codes_cost_the_same_writes_and_the_log_grows_alike() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    stage.citizen("bobo.s").await;
    let (phone, _) = active(&stage, &citizen).await;
    let secret = crypto::p256_from_seed(b"offline", "test");
    offline_key(&app, &phone.device, &secret).await;
    let mut cost = Vec::new();
    for (number, user_id) in ["anna.s", "bobo.s", "nobody.s"].into_iter().enumerate() {
        let (id, right) = asked(&app, &format!("10.0.2.{number}"), user_id, &secret).await;
        let size = logged(&app).await;
        // Versions count the writes of the whole store.
        let version = async || docs::get::<Transaction>(&*app.store, &id.0).await.unwrap().unwrap().version.unwrap();
        let before = version().await;
        for left in [2, 1, 0] {
            assert_eq!(type_in(&app, &id, other_than(&right)).await, Err((Code::OfflineCodeWrong, Some(left))));
        }
        let entries = logged(&app).await - size;
        cost.push(version().await - before + entries);
        assert_eq!(entries, 3, "{user_id}: every phone sees the log's size");
        assert!(app.throttle.may_start(&format!("10.0.2.{number}"), app.clock.now_ms()).is_err(), "{user_id}");
    }
    assert!(cost.iter().all(|writes| *writes == cost[0]), "{cost:?}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_gets_the_days_wrong_codes_from_the_log() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let account = Fixed([3; 16]);
    let at = app.now();
    let ahead: Vec<_> = [1, 2]
        .into_iter()
        .map(|wrong| {
            let entry = AuditEntry::OfflineTried {
                transaction: Fixed([8; 16]),
                left: 3 - wrong,
                account: Some(account),
                wrong,
                at,
            };
            AheadEntry { index: u64::from(wrong), entry: Some(serde_json::to_vec(&entry).unwrap()) }
        })
        .collect();
    for _ in 0..2 {
        crate::replay::run(&app, &ahead).await.unwrap();
        let tries = docs::get::<OfflineTries>(&*app.store, &account.0).await.unwrap().unwrap().doc;
        assert_eq!(tries, OfflineTries { account, day: at.div_euclid(86_400), wrong: 2 });
    }
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_found_behind_a_hundred_removed_ones() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (phone, _) = active(&stage, &citizen).await;
    let secret = crypto::p256_from_seed(b"offline", "test");
    offline_key(&app, &phone.device, &secret).await;
    let own = docs::get::<Device>(&*app.store, &phone.device.0).await.unwrap().unwrap().doc;
    let mut changes = Changes::new();
    for number in 0..130 {
        let mut removed = own.clone();
        // Before the phone's own id, in the order of the store.
        removed.id = Fixed([0; 16]);
        removed.id.0[15] = number;
        crate::device::remove(&mut removed);
        changes.insert(&removed);
    }
    changes.commit(&*app.store).await.unwrap();
    assert_eq!(crate::activation::all_of::<Device>(&app, &own.account).await.unwrap().len(), 131);
    let (id, right) = asked(&app, "10.0.3.1", "anna.s", &secret).await;
    assert_eq!(type_in(&app, &id, &right).await, Ok(()));
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_looks_at_what_is_due_and_forgets_it() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    active(&stage, &citizen).await;
    let due = async || app.store.scan(EnrolmentDue::KIND, None, 256).await.unwrap().len();
    // Finished long before its time: one look, and no change.
    assert_eq!(due().await, 1);
    let (_, link) = stage.activation(&citizen, "link").await;
    let mut late = Phone::new(&stage, 2);
    late.enrol(&link).await.unwrap();
    assert_eq!(crate::activation::sweep(&app).await.unwrap(), 0);
    assert_eq!(due().await, 2);
    stage.advance(1_801).await;
    crate::activation::sweep(&app).await.unwrap();
    assert_eq!(due().await, 0);
    let removed = docs::get::<Device>(&*app.store, &late.device.0).await.unwrap().unwrap().doc;
    assert_eq!(removed.state, DeviceState::Removed);
    assert_eq!(count(&app, &removed.account, "activation_expired").await, 1);
    stage.running.stop().await;
}
