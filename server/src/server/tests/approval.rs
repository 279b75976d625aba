use godkend_protocol::bytes::{Blob, Fixed, Hash32, Secret, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::formats::link::Link;
use godkend_protocol::messages::approval::*;
use godkend_protocol::opaque;
use godkend_protocol::types::*;

use super::phone::{Phone, Refused};
use super::*;
use crate::approval::{self, NewTransaction, Start, State};
use crate::docs;
use crate::records::Device;

pub(super) const PIN: &str = "120486";

/// What the phone keeps between answers.
#[derive(Clone)]
pub(super) struct Step(pub(super) u64, pub(super) Secret<16>);

impl Step {
    pub(super) async fn first(stage: &Stage, phone: &Phone<'_>) -> Self {
        let device = docs::get::<Device>(&*stage.running.app.store, &phone.device.0).await.unwrap().unwrap().doc;
        Self(device.ratchet_count, device.ratchet)
    }
}

pub(super) fn new(level: Level, session: Hash32, start: Start) -> NewTransaction {
    NewTransaction {
        relying_party: RelyingParty { id: "bank".into(), name: "Banken".into() },
        action: Action::LogOn,
        text: Some("Log på Netbank".into()),
        payment: None,
        level,
        browser_session: Some(session),
        place: Some("Aarhus".into()),
        browser: Some("Firefox".into()),
        source: "10.0.0.1".into(),
        may_remember: true,
        start,
    }
}

pub(super) async fn fetch(phone: &Phone<'_>, how: FetchHow) -> Result<Fetched, Refused> {
    let nonce = random(&mut tls::system_random());
    let fetch = Fetch { device: phone.device, nonce, how, log: None, app_version: "1.0.0".into() };
    Ok(cbor::decode(&phone.post(Fetch::PATH, phone.sign(&fetch)).await?).unwrap())
}

pub(super) async fn manage(phone: &Phone<'_>, operation: Operation) -> Result<Fetched, Refused> {
    let nonce = random(&mut tls::system_random());
    let manage = Manage { device: phone.device, nonce, operation, log: None, app_version: "1.0.0".into() };
    Ok(cbor::decode(&phone.post(Manage::PATH, phone.sign(&manage)).await?).unwrap())
}

/// The whole answer, ready to send.
pub(super) async fn answer(
    phone: &mut Phone<'_>,
    step: &Step,
    fetched: &Fetched,
    decision: Decision,
) -> Result<Vec<u8>, Refused> {
    answer_with(phone, step, fetched, decision, None, &[]).await
}

/// [`answer`], with an operation's data and the new keys that sign it.
pub(super) async fn answer_with(
    phone: &mut Phone<'_>,
    step: &Step,
    fetched: &Fetched,
    decision: Decision,
    data: Option<OperationData>,
    keys: &[(KeyPurpose, Secret<32>)],
) -> Result<Vec<u8>, Refused> {
    let received = Received::<Challenge>::parse(&fetched.challenge.0, "test").unwrap();
    let hash = challenge_hash(received.payload());
    let approve = decision == Decision::Approve;
    let answer = Answer {
        device: phone.device,
        challenge: hash,
        decision,
        factor: if approve { Factor::Pin } else { Factor::None },
        remember_browser: approve && received.claimed().may_remember,
        ratchet_hash: ratchet_hash(&step.1),
        ratchet_count: step.0,
        log: received.claimed().log,
        operation: data.as_ref().map(OperationData::hash),
    };
    let (mut pin, mut factor_signature) = (None, None);
    if approve {
        let typed = phone.pin.clone();
        let (request, trying) = phone.start_request(&typed, &(fetched.challenge.0.clone(), hash));
        let started = phone.start(request).await?;
        let proved = trying.finish(&mut tls::system_random(), &started.ke2.0, &hash).unwrap();
        let key = opaque::pin_key(&proved.export_key);
        let tbs = Unsigned::new(&answer, "test", None).to_be_signed_as(Role::Pin);
        factor_signature = crypto::p256_sign(&key, &tbs);
        pin = Some(PinProof { exchange: started.exchange, ke3: proved.ke3 });
    }
    let tbs = Unsigned::new(&answer, "test", None).to_be_signed_as(Role::NewKey);
    let sign = |(purpose, key): &(KeyPurpose, Secret<32>)| NewKeySignature {
        purpose: *purpose,
        signature: crypto::p256_sign(key, &tbs).unwrap(),
    };
    let new_keys = keys.iter().map(sign).collect();
    let answer = Blob(phone.sign(&answer));
    let challenge = fetched.challenge.clone();
    Ok(cbor::encode(&AnswerRequest { answer, challenge, factor_signature, pin, data, new_keys }))
}

pub(super) async fn send(
    stage: &Stage,
    phone: &Phone<'_>,
    step: &mut Step,
    request: &[u8],
) -> Result<AnswerReply, Refused> {
    let bytes = phone.post(AnswerRequest::PATH, request.to_vec()).await?;
    // A retry is the same bytes and gets the same reply.
    assert_eq!(phone.post(AnswerRequest::PATH, request.to_vec()).await.unwrap(), bytes);
    let reply = stage.running.app.keys.open_own::<AnswerReply>(&bytes).unwrap().claimed().clone();
    assert_eq!(reply.ratchet_count, step.0 + 1);
    *step = Step(reply.ratchet_count, reply.ratchet.clone());
    Ok(reply)
}

/// A phone that has finished its activation.
pub(super) async fn active<'a>(stage: &'a Stage, citizen: &str) -> (Phone<'a>, Step) {
    active_as(stage, citizen, 1).await
}

/// [`active`], with keys of its own.
pub(super) async fn active_as<'a>(stage: &'a Stage, citizen: &str, seed: u8) -> (Phone<'a>, Step) {
    let mut phone = stage.enrolled_as(citizen, seed).await;
    let mut step = Step::first(stage, &phone).await;
    let fetched = manage(&phone, Operation::FinishEnrolment).await.unwrap();
    assert_eq!(manage(&phone, Operation::RotateKeys).await.unwrap_err().0, Code::DeviceNotActive);
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    let reply = send(stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(reply.active_from, None);
    (phone, step)
}

pub(super) fn scanned(app: &App, transaction: &crate::records::Transaction) -> FetchHow {
    let frames = approval::frames(app, transaction, app.clock.now_ms());
    let Ok(Link::Login(frame)) = Link::parse(&frames[0]) else { panic!("{frames:?}") };
    FetchHow::Scanned { session: frame.session, frame: frame.frame, code: frame.code }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanned_login_is_approved_once_and_leaves_evidence() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active(&stage, &citizen).await;
    let session: Hash32 = Fixed([6; 32]);
    let begun = approval::begin(&app, new(Level::Substantial, session, Start::Page)).await.unwrap();
    let id = begun.transaction.doc.id;
    let fetched = fetch(&phone, scanned(&app, &begun.transaction.doc)).await.unwrap();
    assert_eq!(approval::collect(&app, &id, Some(&session)).await.unwrap_err().code, Code::OperationRefused);
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    let old = step.clone();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(approval::wait(&app, &id, State::Waiting, 0).await.unwrap().state, State::Approved);
    assert!(approval::collect(&app, &id, Some(&Fixed([7; 32]))).await.is_err());
    let granted = approval::collect(&app, &id, Some(&session)).await.unwrap();
    assert_eq!((granted.level, granted.binding), (Level::Substantial, Binding::ScannedQr));
    let again = approval::collect(&app, &id, Some(&session)).await.unwrap_err();
    assert_eq!(again.code, Code::TransactionFinished);

    let evidence = loop {
        match crate::evidence::export(&app, &id).await {
            Ok(file) => break file,
            Err(error) if error.code == Code::Unavailable => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await
            }
            Err(error) => panic!("{error}"),
        }
    };
    let shown = crate::evidence::verify(&evidence, &stage.running.root).unwrap();
    assert_eq!((shown.device, shown.uuid, shown.factor), (phone.device, granted.account.uuid.clone(), Factor::Pin));

    // The remembered browser: pushed whole, its cookie rotated; an old one revokes it.
    let cookie = granted.new_browser_cookie.unwrap();
    let start = |cookie: &approval::BrowserCookie| Start::Browser { cookie: cookie.clone() };
    let begun = approval::begin(&app, new(Level::Substantial, session, start(&cookie))).await.unwrap();
    let rotated = begun.browser_cookie.clone().unwrap();
    let pushed = fetch(&phone, FetchHow::Pushed { id: begun.transaction.doc.id }).await.unwrap();
    // A second tab that sends the old one at the same time: a plain page, and the browser stays.
    let tab = approval::begin(&app, new(Level::Substantial, session, start(&cookie))).await.unwrap();
    assert!(!tab.forget_cookie && tab.browser_cookie.is_none() && tab.transaction.doc.addressed.is_none());
    assert!(fetch(&phone, FetchHow::Pushed { id: tab.transaction.doc.id }).await.is_err());
    stage.advance(11).await;
    let replayed = approval::begin(&app, new(Level::Substantial, session, start(&cookie))).await.unwrap();
    assert!(replayed.forget_cookie && replayed.transaction.doc.addressed.is_none());
    let revoked = approval::begin(&app, new(Level::Substantial, session, start(&rotated))).await.unwrap();
    assert!(revoked.forget_cookie && revoked.browser_cookie.is_none());
    let late = answer(&mut phone, &step, &pushed, Decision::Approve).await.unwrap();
    assert_eq!(send(&stage, &phone, &mut step, &late).await.unwrap_err().0, Code::BrowserUnknown);

    // An old store answers: frozen, and so is the phone.
    let begun = approval::begin(&app, new(Level::Substantial, session, Start::Page)).await.unwrap();
    let fetched = fetch(&phone, scanned(&app, &begun.transaction.doc)).await.unwrap();
    // The replay of what was accepted before freezes nobody.
    let mut stale = old.clone();
    assert_eq!(phone.post(AnswerRequest::PATH, request).await.map(|_| ()), Ok(()));
    let clone = answer(&mut phone, &stale, &fetched, Decision::Deny).await.unwrap();
    assert_eq!(send(&stage, &phone, &mut stale, &clone).await.unwrap_err().0, Code::DeviceFrozen);
    assert_eq!(fetch(&phone, scanned(&app, &begun.transaction.doc)).await.unwrap_err().0, Code::DeviceFrozen);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_overtaken_by_a_report_hears_that_the_request_is_over() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let (mut phone, mut step) = active(&stage, &stage.citizen("anna.s").await).await;
    let session: Hash32 = Fixed([6; 32]);
    let begun = approval::begin(&app, new(Level::Substantial, session, Start::Page)).await.unwrap().transaction.doc;
    let fetched = fetch(&phone, scanned(&app, &begun)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    let cookie = approval::collect(&app, &begun.id, Some(&session)).await.unwrap().new_browser_cookie.unwrap();

    let start = Start::Browser { cookie };
    let read = approval::begin(&app, new(Level::Substantial, session, start)).await.unwrap().transaction.doc;
    let found =
        async || approval::browser_of(&app, &read, Binding::RememberedBrowser).await.map_err(|error| error.code);
    assert!(found().await.unwrap().is_some());
    let fetched = fetch(&phone, FetchHow::Pushed { id: read.id }).await.unwrap();
    let report = answer(&mut phone, &step, &fetched, Decision::ReportFraud).await.unwrap();
    send(&stage, &phone, &mut step, &report).await.unwrap();
    // As it was read before the report, with the browser that the report has forgotten.
    assert_eq!(found().await.unwrap_err(), Code::TransactionFinished);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_opens_its_own_request_and_unknown_people_look_alike() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active(&stage, &citizen).await;
    let session: Hash32 = Fixed([6; 32]);
    let begin =
        async || approval::begin(&app, new(Level::Substantial, session, Start::Page)).await.unwrap().transaction.doc;
    let (known, unknown) = (begin().await, begin().await);
    let to_known = approval::address(&app, &known.id, Some(&session), "Anna.S").await.unwrap();
    let to_unknown = approval::address(&app, &unknown.id, Some(&session), "nobody").await.unwrap();
    assert_eq!((to_known.number.len(), to_unknown.number.len()), (8, 8));
    let numbered = |number: &str| FetchHow::Numbered { number: number.to_owned() };
    assert_eq!(fetch(&phone, numbered(&to_unknown.number)).await.unwrap_err().0, Code::NumberWrong);
    assert!(fetch(&phone, FetchHow::Pushed { id: known.id }).await.is_err());
    let fetched = fetch(&phone, numbered(&to_known.number)).await.unwrap();
    let high = approval::begin(&app, new(Level::High, session, Start::Page)).await.unwrap().transaction.doc;
    let refused = approval::address(&app, &high.id, Some(&session), "anna.s").await.unwrap_err();
    assert_eq!(refused.code, Code::LevelUnreachable);

    // Approve and refuse race over one challenge: one outcome.
    let approve = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    let deny = answer(&mut phone, &step, &fetched, Decision::Deny).await.unwrap();
    let (a, b) =
        tokio::join!(phone.post(AnswerRequest::PATH, approve.clone()), phone.post(AnswerRequest::PATH, deny.clone()));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
    let state = approval::wait(&app, &known.id, State::Waiting, 0).await.unwrap().state;
    assert_eq!(state, if a.is_ok() { State::Approved } else { State::Denied });
    send(&stage, &phone, &mut step, if a.is_ok() { &approve } else { &deny }).await.unwrap();

    // A right PIN too late approves nothing and clears the failures.
    let late = begin().await;
    let fetched = fetch(&phone, scanned(&app, &late)).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    stage.advance(181).await;
    assert_eq!(send(&stage, &phone, &mut step, &request).await.unwrap_err().0, Code::TransactionExpired);
    let device = docs::get::<Device>(&*app.store, &phone.device.0).await.unwrap().unwrap().doc;
    assert_eq!(device.pin.unwrap().debits, 0);
    stage.running.stop().await;
}
