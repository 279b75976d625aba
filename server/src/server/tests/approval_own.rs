use godkend_protocol::bytes::{Id, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::messages::activation::TypedDigits;
use godkend_protocol::messages::approval::{FetchHow, OperationData};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{ALG_ES256, Attestation, Decision, DeviceKey, KeyPurpose, Operation};

use super::approval::{Step, active, answer, answer_with, fetch, manage, send};
use super::*;
use crate::docs;
use crate::records::Device;

fn key(purpose: KeyPurpose, secret: &Secret<32>) -> DeviceKey {
    let public = crypto::p256_public(secret).unwrap();
    DeviceKey { purpose, algorithm: ALG_ES256, public, attestation: Attestation::Software }
}

async fn device(app: &App, id: &Id) -> Device {
    docs::get::<Device>(&*app.store, &id.0).await.unwrap().unwrap().doc
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_added_rotated_and_removed_in_one_step() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut phone, mut step) = active(&stage, &citizen).await;
    let finger = crypto::p256_from_seed(b"finger", "test");
    let add = Operation::AddKeys { purposes: vec![KeyPurpose::Biometric] };
    let data = OperationData { keys: vec![key(KeyPurpose::Biometric, &finger)], pin: None };

    // A key that does not sign for itself is not enrolled, and the right PIN is not held against anyone.
    let fetched = manage(&phone, add.clone()).await.unwrap();
    let other = crypto::p256_from_seed(b"other", "test");
    let forged = [(KeyPurpose::Biometric, other)];
    let request =
        answer_with(&mut phone, &step, &fetched, Decision::Approve, Some(data.clone()), &forged).await.unwrap();
    assert_eq!(send(&stage, &phone, &mut step, &request).await.unwrap_err().0, Code::SignatureInvalid);
    assert_eq!(device(&app, &phone.device).await.pin.unwrap().debits, 0);

    let signing = [(KeyPurpose::Biometric, finger)];
    let request = answer_with(&mut phone, &step, &fetched, Decision::Approve, Some(data), &signing).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(device(&app, &phone.device).await.keys.len(), 2);
    let remove = Operation::RemoveKeys { purposes: vec![KeyPurpose::Biometric] };
    let fetched = manage(&phone, remove.clone()).await.unwrap();
    let request = answer(&mut phone, &step, &fetched, Decision::Approve).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(manage(&phone, remove).await.unwrap_err().0, Code::OperationRefused);

    // Rotation: the retry, signed by the key that is gone, gets its reply; then only the new key speaks.
    let fresh = crypto::p256_from_seed(&[2], "possession");
    let data = OperationData { keys: vec![key(KeyPurpose::Possession, &fresh)], pin: None };
    let fetched = manage(&phone, Operation::RotateKeys).await.unwrap();
    let signing = [(KeyPurpose::Possession, fresh)];
    let request = answer_with(&mut phone, &step, &fetched, Decision::Approve, Some(data), &signing).await.unwrap();
    send(&stage, &phone, &mut step, &request).await.unwrap();
    assert_eq!(manage(&phone, Operation::RotateKeys).await.unwrap_err().0, Code::SignatureInvalid);
    let mut rotated = super::phone::Phone::new(&stage, 2);
    rotated.device = phone.device;
    let off = manage(&rotated, Operation::SetLockedPush { on: false }).await.unwrap();
    let request = answer(&mut rotated, &step, &off, Decision::Deny).await.unwrap();
    send(&stage, &rotated, &mut step, &request).await.unwrap();
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_phone_waits_and_the_old_one_stops_it() {
    let stage = Stage::new(false).await;
    let app = stage.running.app.clone();
    let citizen = stage.citizen("anna.s").await;
    let (mut old, mut step) = active(&stage, &citizen).await;
    let fetched = manage(&old, Operation::MoveDevice { keep: false }).await.unwrap();
    let request = answer(&mut old, &step, &fetched, Decision::Approve).await.unwrap();
    let handed = send(&stage, &old, &mut step, &request).await.unwrap().activation.unwrap();
    let link = Link::Activation(ActivationLink {
        environment: "test".into(),
        id: handed.id,
        secret: handed.secret,
        root: stage.running.root.fingerprint(),
        expires: handed.expires,
    });
    let mut fresh = super::phone::Phone::new(&stage, 3);
    fresh.enrol(&link.to_text()).await.unwrap();
    let nonce = random(&mut tls::system_random());
    let typed = TypedDigits { device: old.device, activation: handed.id, digits: fresh.digits(), nonce };
    old.post(TypedDigits::PATH, old.sign(&typed)).await.unwrap();
    fresh.choose_pin("120486").await.unwrap();
    let mut first = Step::first(&stage, &fresh).await;
    let fetched = manage(&fresh, Operation::FinishEnrolment).await.unwrap();
    let request = answer(&mut fresh, &first, &fetched, Decision::Approve).await.unwrap();
    let reply = send(&stage, &fresh, &mut first, &request).await.unwrap();
    assert!(reply.active_from.is_some_and(|from| from > app.now()));
    assert_eq!(manage(&fresh, Operation::RotateKeys).await.unwrap_err().0, Code::DeviceNotActive);

    let account = device(&app, &old.device).await.account;
    let notice = docs::list::<crate::records::Transaction>(&*app.store, &account.0, 64).await.unwrap();
    let notice =
        notice.into_iter().find(|entry| matches!(entry.doc.operation, Some(Operation::NewDeviceNotice { .. })));
    let id = notice.unwrap().doc.id;
    assert!(fetch(&fresh, FetchHow::Pushed { id }).await.is_err());
    let pushed = fetch(&old, FetchHow::Pushed { id }).await.unwrap();
    let request = answer(&mut old, &step, &pushed, Decision::Deny).await.unwrap();
    send(&stage, &old, &mut step, &request).await.unwrap();
    assert_eq!(device(&app, &fresh.device).await.state, DeviceState::Removed);
    stage.advance(4_000).await;
    assert_eq!(manage(&fresh, Operation::RotateKeys).await.unwrap_err().0, Code::DeviceRemoved);
    assert_eq!(manage(&old, Operation::RotateKeys).await.map(|fetched| fetched.pin.is_some()), Ok(true));
    stage.running.stop().await;
}
