use std::path::Path;

use godkend_protocol::bytes::{Fixed, Hash32, Id, Secret, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::Link;
use godkend_protocol::formats::offline_code;
use godkend_protocol::messages::approval::{
    FetchHow, Pending, Poll, PollOpen, PollOpened, RefuseLocked, challenge_hash,
};
use godkend_protocol::messages::offline::OfflineChallenge;
use godkend_protocol::types::{Binding, Decision, Level};

use super::approval::{PIN, active, answer, fetch, new, scanned, send};
use super::approval_offline::offline_key;
use super::*;
use crate::approval::{self, Start, State};
use crate::docs;
use crate::records::{Device, Transaction};

const SESSION: Hash32 = Fixed([6; 32]);

async fn page(app: &App) -> Transaction {
    approval::begin(app, new(Level::Substantial, SESSION, Start::Page)).await.unwrap().transaction.doc
}

async fn device(app: &App, id: &Id) -> Device {
    docs::get::<Device>(&*app.store, &id.0).await.unwrap().unwrap().doc
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_needs_its_return_and_a_report_blocks_the_source() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active(&stage, &citizen).await;

    let begun = page(&app).await;
    let Ok(Link::SameDevice(link)) = Link::parse(&approval::same_device_link(&app, &begun).unwrap()) else { panic!() };
    let linked = |secret| FetchHow::Linked { session: begun.id, secret };
    assert_eq!(fetch(&phone, linked(Secret([0; 32]))).await.unwrap_err().0, Code::LinkInvalid);
    let fetched = fetch(&phone, linked(link.secret)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    let reply = send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(approval::collect(&app, &begun.id, Some(&SESSION)).await.unwrap_err().code, Code::OperationRefused);
    let url = reply.return_url.unwrap();
    let code = Secret::from_base64(url.rsplit_once("c=").unwrap().1).unwrap();
    let complete = async |code: &Secret<16>, session: &Hash32| {
        approval::complete_same_device(&app, &begun.id, code, Some(session)).await.map_err(|error| error.code)
    };
    assert_eq!(complete(&Secret([0; 16]), &SESSION).await, Err(Code::LinkInvalid));
    assert_eq!(complete(&code, &Fixed([7; 32])).await, Err(Code::LinkInvalid));
    assert_eq!(complete(&code, &SESSION).await, Ok(()));
    approval::collect(&app, &begun.id, Some(&SESSION)).await.unwrap();

    // A locked request is listed by its id alone, and reported by it.
    let begun = page(&app).await;
    approval::address(&app, &begun.id, Some(&SESSION), "anna.s").await.unwrap();
    let nonce = random(&mut tls::system_random());
    let open = PollOpen { device: phone.device, nonce, app_version: "1.0.0".into() };
    let opened: PollOpened = cbor::decode(&phone.post(PollOpen::PATH, phone.sign(&open)).await.unwrap()).unwrap();
    let poll = cbor::encode(&Poll { token: opened.token, known: vec![], wait: 1 });
    let pending: Pending = cbor::decode(&phone.post(Poll::PATH, poll).await.unwrap()).unwrap();
    assert_eq!(pending.items.iter().map(|item| (item.id, item.locked)).collect::<Vec<_>>(), [(begun.id, true)]);
    // Another browser of the same source has to wait; the same browser may begin anew.
    let other =
        approval::begin(&app, new(Level::Substantial, Fixed([9; 32]), Start::Page)).await.unwrap().transaction.doc;
    let waits = approval::address(&app, &other.id, Some(&Fixed([9; 32])), "anna.s").await.unwrap_err();
    assert_eq!(waits.code, Code::Throttled);
    let refuse = RefuseLocked { device: phone.device, transaction: begun.id, decision: Decision::ReportFraud, nonce };
    phone.post(RefuseLocked::PATH, phone.sign(&refuse)).await.unwrap();
    phone.post(RefuseLocked::PATH, phone.sign(&refuse)).await.unwrap();
    assert_eq!(approval::view(&read(&app, &begun.id).await, app.now()).state, State::Reported);
    let blocked = approval::address(&app, &other.id, Some(&Fixed([9; 32])), "anna.s").await.unwrap_err();
    assert_eq!(blocked.code, Code::Throttled);
    // The citizen's own scan works at once.
    let own = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &own)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    stage.running.stop().await;
}

async fn read(app: &App, id: &Id) -> Transaction {
    docs::get::<Transaction>(&*app.store, &id.0).await.unwrap().unwrap().doc
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_code_has_three_tries_once() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (phone, _) = active(&stage, &citizen).await;
    let secret = crypto::p256_from_seed(b"offline", "test");
    offline_key(&app, &phone.device, &secret).await;

    let right = async || {
        let begun = page(&app).await;
        assert_eq!(approval::offline_challenge(&app, &begun.id).await.unwrap_err().code, Code::OperationRefused);
        approval::address(&app, &begun.id, Some(&SESSION), "anna.s").await.unwrap();
        let text = approval::offline_challenge(&app, &begun.id).await.unwrap();
        let Ok(Link::Offline(link)) = Link::parse(&text) else { panic!("{text}") };
        let received = app.keys.open_own::<OfflineChallenge>(&link.challenge.0).unwrap();
        let hash = challenge_hash(received.payload());
        let agreed = crypto::ecdh(&secret, &received.claimed().ephemeral).unwrap();
        (begun.id, offline_code::code(&offline_code::key(&agreed, &hash), &hash))
    };
    let type_in = async |id: &Id, code: &str| {
        approval::offline_code(&app, id, Some(&SESSION), code).await.map_err(|error| (error.code, error.tries_left))
    };
    let (id, code) = right().await;
    assert_eq!(type_in(&id, &code).await, Ok(()));
    assert_eq!(type_in(&id, &code).await, Err((Code::TransactionFinished, None)));
    let granted = approval::collect(&app, &id, Some(&SESSION)).await.unwrap();
    assert_eq!((granted.level, granted.binding), (Level::Substantial, Binding::Offline));
    let (second, other) = right().await;
    for left in [2, 1, 0] {
        assert_eq!(type_in(&second, &code).await, Err((Code::OfflineCodeWrong, Some(left))));
    }
    assert_eq!(type_in(&second, &other).await, Err((Code::TransactionExpired, None)));
    stage.running.stop().await;
}

fn copy(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let with = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        if with(from).exists() {
            std::fs::copy(with(from), with(to)).unwrap();
        } else if with(to).exists() {
            std::fs::remove_file(with(to)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_brought_up_to_the_log_and_without_it_begins_anew() {
    let stage = Stage::new(false).await;
    let citizen = stage.citizen("anna.s").await;
    let (id, first) = {
        let (phone, step) = active(&stage, &citizen).await;
        (phone.device, step)
    };
    let (begun, cancelled) = (page(&stage.running.app).await, page(&stage.running.app).await);
    let database = stage.running.app.config.in_data_dir(&stage.running.app.config.database.path);
    let log = stage.running.app.config.data_dir().join(LOG_DIR);
    let old = stage.dir.path().join("old.sqlite");
    let Stage { dir, config, running, .. } = stage;
    let addr = running.addr;
    running.stop().await;
    copy(&database, &old);

    // What the old database will not know: an approval, a try, and a request that its browser gave up.
    let stage = Stage::open(dir, config, TcpListener::bind(addr).await.unwrap()).await;
    let mut phone = again(&stage, id);
    let mut step = first.clone();
    let fetched = fetch(&phone, scanned(&stage.running.app, &begun)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    let challenge = phone.challenge(180);
    let (wrong, _) = phone.start_request("111222", &challenge);
    phone.start(wrong).await.unwrap();
    // Of a page that nobody was named on, the log would hold nothing.
    approval::address(&stage.running.app, &cancelled.id, Some(&SESSION), "anna.s").await.unwrap();
    approval::cancel(&stage.running.app, &cancelled.id, Some(&SESSION)).await.unwrap();
    let Stage { dir, config, running, .. } = stage;
    running.stop().await;
    copy(&old, &database);

    let stage = Stage::open(dir, config, TcpListener::bind(addr).await.unwrap()).await;
    let app = stage.running.app.clone();
    let device_now = device(&app, &id).await;
    assert_eq!((device_now.ratchet_count, device_now.ratchet.clone()), (step.0, step.1.clone()));
    assert_eq!(device_now.pin.unwrap().debits, 1);
    let decided = read(&app, &begun.id).await;
    assert!(decided.outcome.is_some() && decided.collected);
    let refused = fetch(&again(&stage, id), scanned_as(&app, &cancelled)).await.unwrap_err();
    assert_eq!(refused.0, Code::TransactionExpired);
    // The phone whose reply was lost gets its ratchet still, and nobody is frozen.
    let mut waiting = first.clone();
    let phone = again(&stage, id);
    assert_eq!(send(&stage, &phone, &mut waiting, &request).await.unwrap().ratchet, step.1);

    // The log is lost too: a new epoch, one try, and the phone that is ahead goes on after its PIN.
    let Stage { dir, config, running, .. } = stage;
    running.stop().await;
    copy(&old, &database);
    std::fs::remove_dir_all(&log).unwrap();
    let loaded = Config::load(&config, std::iter::empty()).unwrap();
    let listener = TcpListener::bind(addr).await.unwrap();
    // Epochs are Unix seconds, and each is above the last.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let options = StartOptions { new_epoch: true, ..StartOptions::default() };
    let running = start_on(loaded, listener, options).await.unwrap();
    assert_eq!(device(&running.app, &id).await.pin.unwrap().debits, 8);
    running.stop().await;
    let stage = Stage::open(dir, config, TcpListener::bind(addr).await.unwrap()).await;
    let app = stage.running.app.clone();
    let mut phone = again(&stage, id);
    let own = page(&app).await;
    let fetched = fetch(&phone, scanned(&app, &own)).await.unwrap();
    let deny = answer(&mut phone, &step, &fetched, Decision::Deny).await.unwrap();
    assert_eq!(send(&stage, &phone, &mut step, &deny).await.unwrap_err().0, Code::PinNeeded);
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(device(&app, &id).await.pin.unwrap().debits, 0);
    stage.running.stop().await;
}

/// A frame of a request as it was before it ended.
fn scanned_as(app: &App, transaction: &Transaction) -> FetchHow {
    assert!(transaction.expires > app.now(), "it would have waited still");
    scanned(app, transaction)
}

/// The same phone before another server.
fn again(stage: &Stage, device: Id) -> Phone<'_> {
    let mut phone = Phone::new(stage, 1);
    phone.device = device;
    for _ in 0..10 {
        let challenge = phone.challenge(1);
        // Only its exchange numbers rise.
        drop(phone.start_request(PIN, &challenge));
    }
    phone
}
