//! Points of the curve that are none, wherever one is read.

use godkend_core::{Approval, Command, Failure, Outcome, Pin, ServerFailure};
use godkend_protocol::bytes::{Blob, Fixed, PublicKey, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::formats::link::{Link, OfflineLink};
use godkend_protocol::messages::activation::SealedEnrol;
use godkend_protocol::messages::approval::{Answer, AnswerRequest};
use godkend_protocol::messages::offline::OfflineChallenge;
use godkend_protocol::messages::pin::{
    PinEnrol, PinEnrolRequest, PinRegister, PinRegistered, PinStart, PinStartRequest, PinStarted,
};
use godkend_protocol::types::{ALG_ECDH_ES, ALG_ES256, Attestation, DeviceKey, KeyPurpose};
use godkend_protocol::{cbor, crypto};
use godkend_tests::bench::{Bench, Tap, sign_with};
use godkend_tests::forge::{Forge, Handed, Insider};
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, World};

fn refusal<T: std::fmt::Debug>(result: Result<T, ServerFailure>) -> Code {
    match result {
        Err(ServerFailure::Refused(reply)) => reply.code().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn pin() -> Pin {
    Pin::new(PIN).unwrap()
}

async fn person(world: &World, user_id: &str, seed: u64) -> Bench {
    let citizen = world.citizen(user_id).await;
    let mut bench = Bench::new(world, seed);
    bench.activate(world, &citizen, &mut std::iter::empty()).await;
    bench
}

/// Points in the long form that no key has: off the curve, at infinity, beyond the field, of another form.
fn bad_points(good: &PublicKey) -> Vec<(&'static str, PublicKey)> {
    let mut off = *good;
    off.0[64] ^= 1;
    let mut compressed = Fixed([0; 65]);
    compressed.0[0] = 2;
    let mut beyond = Fixed([0xff; 65]);
    beyond.0[0] = 4;
    let mut origin = Fixed([0; 65]);
    origin.0[0] = 4;
    let mut hybrid = *good;
    hybrid.0[0] = 6 + (good.0[64] & 1);
    vec![
        ("off the curve", off),
        ("the identity", Fixed([0; 65])),
        ("nought", origin),
        ("beyond the field", beyond),
        ("compressed", compressed),
        ("hybrid", hybrid),
    ]
}

/// Points in the short form that OPAQUE must refuse. That of x = 5 is off the curve.
fn bad_short_points() -> Vec<(&'static str, [u8; 33])> {
    let x = |tag: u8, x: u8| {
        let mut point = [0; 33];
        (point[0], point[32]) = (tag, x);
        point
    };
    let off = (1..=255).find(|n| !on_curve(x(2, *n))).expect("half of them are not");
    let mut beyond = [0xff; 33];
    beyond[0] = 2;
    vec![
        ("the identity", [0; 33]),
        ("off the curve", x(2, off)),
        ("off the curve, odd", x(3, off)),
        ("a tag of another form", x(4, 5)),
        ("beyond the field", beyond),
    ]
}

fn on_curve(point: [u8; 33]) -> bool {
    p256::PublicKey::from_sec1_bytes(&point).is_ok()
}

#[tokio::test]
async fn a04_points_that_are_none_are_refused_in_enrolments_envelopes_and_new_keys() {
    let world = World::new().await;
    let citizen = world.citizen("bad-points").await;
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let mut bench = Bench::new(&world, 1);
    let key = Secret([7; 32]);
    let forge = Forge::open(&bench, Handed::parse(&link)).await.unwrap();
    let honest = forge.seal(&Forge::core(&key), &key);
    let good = crypto::p256_public(&key).unwrap();
    for (why, point) in bad_points(&good) {
        // HPKE's encapsulated key.
        let mut envelope: SealedEnrol = cbor::decode(&honest.body).unwrap();
        envelope.enc = Blob(point.0.to_vec());
        let code = refusal(bench.post(SealedEnrol::PATH, cbor::encode(&envelope)).await);
        assert_eq!(code, Code::ActivationRefused, "HPKE, {why}");
        // The possession key, and one beside it.
        let mut core = Forge::core(&key);
        core.keys[0].public = point;
        let code = refusal(bench.post(SealedEnrol::PATH, forge.seal(&core, &key).body).await);
        assert!(matches!(code, Code::Malformed | Code::SignatureInvalid), "possession, {why}: {code:?}");
        for purpose in [KeyPurpose::Biometric, KeyPurpose::Offline] {
            let mut core = Forge::core(&key);
            let algorithm = if purpose == KeyPurpose::Offline { ALG_ECDH_ES } else { ALG_ES256 };
            core.keys.push(DeviceKey { purpose, algorithm, public: point, attestation: Attestation::Software });
            let code = refusal(bench.post(SealedEnrol::PATH, forge.seal(&core, &key).body).await);
            assert_eq!(code, Code::Malformed, "{purpose:?}, {why}");
        }
    }
    for cut in [0, 1, 33, 64, 66] {
        let mut envelope: SealedEnrol = cbor::decode(&honest.body).unwrap();
        envelope.enc.0.resize(cut, 4);
        assert_eq!(refusal(bench.post(SealedEnrol::PATH, cbor::encode(&envelope)).await), Code::ActivationRefused);
    }
    let Outcome::Digits { digits, .. } = bench.ok(Command::Activate { text: link, environment: None }).await else {
        panic!("no try was lost: {:?}", bench.last_refusal)
    };
    world.digits(&activation, &digits).await;

    // The PIN key.
    let held = bench.hold(Command::ChoosePin { identity: None, pin: pin() }, PinEnrolRequest::PATH).await;
    let request: PinEnrolRequest = cbor::decode(&held.request.body).unwrap();
    for (why, point) in bad_points(&good) {
        let enrol = bench.resign::<PinEnrol>(&request.enrol.0, |enrol| enrol.pin_key = point);
        let bent = cbor::encode(&PinEnrolRequest { enrol: Blob(enrol), ..request.clone() });
        let code = refusal(bench.post(PinEnrolRequest::PATH, bent).await);
        assert!(matches!(code, Code::Malformed | Code::SignatureInvalid), "PIN key, {why}: {code:?}");
    }
    bench.release(held).await.unwrap();

    // Keys that come later.
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    for (count, (why, point)) in bad_points(&good).into_iter().enumerate() {
        let possession = bench.secret(KeyPurpose::Possession);
        let environment = bench.environment().to_owned();
        let held = bench.hold(Command::RotateKeys { identity: None, pin: pin() }, AnswerRequest::PATH).await;
        let mut request: AnswerRequest = cbor::decode(&held.request.body).unwrap();
        let mut data = request.data.clone().unwrap();
        let place = count % data.keys.len();
        data.keys[place].public = point;
        let mut answer = Received::<Answer>::parse(&request.answer.0, &environment).unwrap().claimed().clone();
        answer.operation = Some(data.hash());
        request.answer = Blob(sign_with(&answer, &environment, &possession));
        request.data = Some(data);
        // The PIN key's signature is over other bytes by now, so a proof of the PIN is all that this spends.
        let code = refusal(bench.post(AnswerRequest::PATH, cbor::encode(&request)).await);
        assert!(matches!(code, Code::Malformed | Code::SignatureInvalid), "rotation, {why}: {code:?}");
        bench.input(godkend_core::Input::Cancel(held.ticket));
        bench.restart();
        world.advance(61).await;
        let _ = bench.run(Command::Resume, None).await;
    }
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

#[tokio::test]
async fn a04_points_that_are_none_are_refused_in_opaque_on_both_sides() {
    let world = World::new().await;
    let mut bench = person(&world, "bad-opaque", 1).await;
    // Registration (a change of the PIN) and a try.
    let change = || Command::ChangePin { identity: None, old: pin(), new: Pin::new("580263").unwrap() };
    let held = bench.hold(change(), PinRegister::PATH).await;
    for (why, point) in bad_short_points() {
        let bent = bench.resign::<PinRegister>(&held.request.body, |message| message.request = Blob(point.to_vec()));
        assert_eq!(refusal(bench.post(PinRegister::PATH, bent).await), Code::Malformed, "registration, {why}");
    }
    bench.input(godkend_core::Input::Cancel(held.ticket));
    let (mut page, view) = bench.scan(&world).await;
    let approve = || Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    let held = bench.hold(approve(), PinStartRequest::PATH).await;
    let honest: PinStartRequest = cbor::decode(&held.request.body).unwrap();
    // KE1: the blinded element first, the client's ephemeral key last.
    for (at, what) in [(0, "blinded element"), (65, "ephemeral key")] {
        for (why, point) in bad_short_points() {
            let start =
                bench.resign::<PinStart>(&honest.start.0, |start| start.ke1.0[at..at + 33].copy_from_slice(&point));
            let bent = cbor::encode(&PinStartRequest { start: Blob(start), ..honest.clone() });
            assert_eq!(refusal(bench.post(PinStartRequest::PATH, bent).await), Code::Malformed, "{what}, {why}");
        }
    }
    // None of them cost a try: the overview still shows them all.
    let Outcome::Overview(overview) = bench.ok(Command::Overview { identity: None }).await else { panic!() };
    assert_eq!(overview.pin.unwrap().tries_left, 3);
    bench.release(held).await.unwrap();
    page.signed_in().await;

    // The other way round: KE2's evaluated element and the server's ephemeral key, and the registration's reply.
    for (path, offsets) in [(PinRegister::PATH, [0, 33]), (PinStartRequest::PATH, [0, 194])] {
        for at in offsets {
            for (why, point) in bad_short_points().into_iter().take(3) {
                bench.tap = Some(Tap::reply(move |sent, reply| match (sent, reply) {
                    (PinRegister::PATH, Ok(bytes)) if path == PinRegister::PATH => {
                        let mut message: PinRegistered = cbor::decode(bytes).unwrap();
                        message.response.0[at..at + 33].copy_from_slice(&point);
                        *bytes = cbor::encode(&message);
                    }
                    (PinStartRequest::PATH, Ok(bytes)) if path == PinStartRequest::PATH => {
                        let mut message: PinStarted = cbor::decode(bytes).unwrap();
                        message.ke2.0[at..at + 33].copy_from_slice(&point);
                        *bytes = cbor::encode(&message);
                    }
                    _ => {}
                }));
                let before = bench.traffic.len();
                let failed = bench.run(change(), None).await.0.unwrap();
                assert!(failed.is_err(), "{path} {at}, {why}");
                let sent = &bench.traffic[before..];
                assert!(sent.iter().all(|exchange| exchange.path != AnswerRequest::PATH), "{path} {at}, {why}");
                bench.tap = None;
                world.advance(61).await;
                bench.login(&world, with_pin(PIN)).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a04_an_offline_challenge_with_a_point_that_is_none_is_refused_by_the_phone() {
    let world = World::new().await;
    let mut bench = person(&world, "bad-offline", 1).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    let insider = Insider::new(&world);
    let mut page = world.login_page(&Ask::login()).await;
    let text = page.offline_qr("bad-offline").await;
    let Link::Offline(link) = Link::parse(&text).unwrap() else { panic!() };
    let good = crypto::p256_public(&Secret([7; 32])).unwrap();
    for (why, point) in bad_points(&good) {
        let bent = insider.resign::<OfflineChallenge>(&link.challenge.0, |challenge| challenge.ephemeral = point);
        let text = Link::Offline(OfflineLink { challenge: Blob(bent) }).to_text();
        let failure = match bench.run(Command::Scan { identity: None, text }, None).await.0.unwrap() {
            Err(failure) => failure,
            Ok(Outcome::Request(view)) => {
                let approve = Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false };
                bench.run(approve, None).await.0.unwrap().expect_err(why)
            }
            Ok(other) => panic!("{why}: {other:?}"),
        };
        assert!(matches!(failure, Failure::Untrusted | Failure::NotSupported), "{why}: {failure:?}");
    }
    let Outcome::Request(view) = bench.ok(Command::Scan { identity: None, text }).await else { panic!() };
    let approve = Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false };
    let Outcome::OfflineCode { code } = bench.ok(approve).await else { panic!() };
    assert_eq!(page.type_offline_code(&code).await.0, 200);
}
