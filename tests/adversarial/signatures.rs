//! Signatures with the other s, points that are none, and signatures moved to where they were not made for.

use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::software_keys::SoftwareKeys;
use godkend_core::{Approval, Command, Failure, Outcome, Pin, ServerFailure};
use godkend_protocol::bytes::{Blob, Fixed, Id, PublicKey, Secret, Signature};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, SignedMessage, Unsigned};
use godkend_protocol::messages::activation::{EnrolProof, SealedEnrol};
use godkend_protocol::messages::approval::{Answer, AnswerRequest};
use godkend_protocol::messages::offline::OfflineChallenge;
use godkend_protocol::messages::pin::{PinEnrol, PinEnrolRequest, PinRegister, PinStart, PinStartRequest};
use godkend_protocol::types::{ALG_ES256, Attestation, Decision, DeviceKey, Factor, KeyPurpose};
use godkend_protocol::{cbor, crypto};
use godkend_tests::bench::{Bench, Held, Tap, sign_with};
use godkend_tests::forge::{Forge, Handed, Insider, other_s, parts, with_signature};
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

fn high(cose: &[u8]) -> Vec<u8> {
    with_signature(cose, &other_s(&parts(cose).2))
}

#[tokio::test]
async fn a03_a_signature_with_the_higher_s_is_refused_wherever_a_phone_signs() {
    let world = World::new().await;
    let citizen = world.citizen("high-s").await;
    // In an enrolment: the proof, and the PIN key's signature.
    let (activation, link) = world.hand_out(&citizen, "link").await;
    let mut bench = Bench::new(&world, 1);
    let forge = Forge::open(&bench, Handed::parse(&link)).await.unwrap();
    let key = Secret([7; 32]);
    let environment = bench.environment().to_owned();
    let forged = forge
        .seal_with(&Forge::core(&key), |transcript| high(&sign_with(&EnrolProof { transcript }, &environment, &key)));
    assert_eq!(refusal(bench.post(SealedEnrol::PATH, forged.body).await), Code::SignatureInvalid);
    let Outcome::Digits { digits, .. } = bench.ok(Command::Activate { text: link, environment: None }).await else {
        panic!()
    };
    world.digits(&activation, &digits).await;
    let held = bench.hold(Command::ChoosePin { identity: None, pin: pin() }, PinEnrolRequest::PATH).await;
    let honest: PinEnrolRequest = cbor::decode(&held.request.body).unwrap();
    for bent in [
        PinEnrolRequest { pin_signature: other_s(&honest.pin_signature), ..honest.clone() },
        PinEnrolRequest { enrol: Blob(high(&honest.enrol.0)), ..honest.clone() },
    ] {
        assert_eq!(refusal(bench.post(PinEnrolRequest::PATH, cbor::encode(&bent)).await), Code::SignatureInvalid);
    }
    assert!(bench.release(held).await.is_ok());

    // Each request of an active phone; the honest one goes through right after.
    for (command, path) in [
        (Command::Overview { identity: None }, "overview"),
        (Command::Poll { identity: None, wait: 0 }, "poll/open"),
        (Command::SetLockedPush { identity: None, on: true, with: with_pin(PIN) }, "manage"),
    ] {
        let held = bench.hold(command, path).await;
        let bent = high(&held.request.body);
        assert_eq!(refusal(bench.post(path, bent).await), Code::SignatureInvalid, "{path}");
        bench.release(held).await.unwrap();
    }
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    for with in [with_pin(PIN), Approval::Biometric] {
        let mut page = world.login_page(&Ask::login()).await;
        let text = page.qr().await;
        let held = bench.hold(Command::Scan { identity: None, text: text.clone() }, "challenge").await;
        assert_eq!(refusal(bench.post("challenge", high(&held.request.body)).await), Code::SignatureInvalid);
        let Outcome::Request(view) = bench.release(held).await.unwrap() else { panic!() };
        let biometric = matches!(with, Approval::Biometric);
        let approve = Command::Approve { request: view.id, with, remember_browser: false };
        if !biometric {
            let held = bench.hold(approve.clone(), PinStartRequest::PATH).await;
            let honest: PinStartRequest = cbor::decode(&held.request.body).unwrap();
            let bent = PinStartRequest { start: Blob(high(&honest.start.0)), ..honest };
            assert_eq!(refusal(bench.post(held.request.path, cbor::encode(&bent)).await), Code::SignatureInvalid);
            bench.input(godkend_core::Input::Cancel(held.ticket));
        }
        let held = bench.hold(approve, AnswerRequest::PATH).await;
        let honest: AnswerRequest = cbor::decode(&held.request.body).unwrap();
        let bent = AnswerRequest { answer: Blob(high(&honest.answer.0)), ..honest.clone() };
        assert_eq!(refusal(bench.post(held.request.path, cbor::encode(&bent)).await), Code::SignatureInvalid);
        if biometric {
            let factor = honest.factor_signature.map(|signature| other_s(&signature));
            let bent = AnswerRequest { factor_signature: factor, ..honest };
            assert_eq!(refusal(bench.post(held.request.path, cbor::encode(&bent)).await), Code::SignatureInvalid);
        }
        bench.release(held).await.unwrap();
        page.signed_in().await;
    }
    // The PIN key's signature: the right PIN beside it clears the tries, and approves nothing.
    let (mut page, view) = bench.scan(&world).await;
    let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    let held = bench.hold(approve, AnswerRequest::PATH).await;
    let mut bent: AnswerRequest = cbor::decode(&held.request.body).unwrap();
    bent.factor_signature = bent.factor_signature.map(|signature| other_s(&signature));
    assert_eq!(refusal(bench.post(AnswerRequest::PATH, cbor::encode(&bent)).await), Code::SignatureInvalid);
    assert_eq!(page.state().await["finish"], serde_json::Value::Null);
    assert!(bench.release(held).await.is_err(), "that try is over");
    let text = page.qr().await;
    let Outcome::Request(view) = bench.ok(Command::Scan { identity: None, text }).await else { panic!() };
    bench.ok(Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }).await;
    page.signed_in().await;
}

/// A key store as phones have them: which of the two s it gives is chance; this one always gives the one that no server
/// takes.
struct HighS(Arc<SoftwareKeys>);

#[async_trait]
impl HardwareKeys for HighS {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        self.0.create(alias, policy).await
    }
    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        let signature = self.0.sign(alias, message, prompt).await?;
        Ok(if crypto::is_low_s(&signature) { other_s(&signature) } else { signature })
    }
    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        self.0.derive(alias, input).await
    }
    async fn agree(&self, alias: KeyAlias, at: PublicKey, ask: Option<String>) -> Result<SecretBytes32, KeyFailure> {
        self.0.agree(alias, at, ask).await
    }
    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.0.delete(aliases).await
    }
    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        self.0.aliases().await
    }
}

#[tokio::test]
async fn a03_a_phone_whose_hardware_gives_the_higher_s_is_as_good_as_any() {
    let world = World::new().await;
    let citizen = world.citizen("high-hardware").await;
    let mut bench = Bench::new(&world, 1);
    bench.hardware = Some(Arc::new(HighS(bench.keys.clone())));
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    bench.ok(Command::RotateKeys { identity: None, pin: pin() }).await;
    bench.login(&world, Approval::Biometric).await.unwrap();
    bench.login(&world, with_pin(PIN)).await.unwrap();
}

/// Another valid signature over the same bytes: ECDSA has as many as there are nonces.
fn signed_again<M: SignedMessage>(cose: &[u8], environment: &str, secret: &Secret<32>) -> Vec<u8> {
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let received = Received::<M>::parse(cose, environment).unwrap();
    let public = crypto::p256_public(secret).unwrap();
    let random = ring::rand::SystemRandom::new();
    let pair =
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret.0, &public.0, &random)
            .unwrap();
    let signature = pair.sign(&random, &received.to_be_signed()).unwrap();
    let signature = crypto::normalise_s(&Signature::from_slice(signature.as_ref()).unwrap()).unwrap();
    let again = with_signature(cose, &signature);
    assert_ne!(again, cose);
    again
}

#[tokio::test]
async fn a03_the_same_message_signed_again_is_the_same_message() {
    let world = World::new().await;
    let mut bench = person(&world, "signed-again", 1).await;
    let environment = bench.environment().to_owned();
    let possession = bench.secret(KeyPurpose::Possession);
    let (mut page, view) = bench.scan(&world).await;
    let approve = || Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
    let held = bench.hold(approve(), AnswerRequest::PATH).await;
    // The try under another signature: the same KE2, and no second debit.
    let started = bench.sent(PinStartRequest::PATH).clone();
    let start: PinStartRequest = cbor::decode(&started.body).unwrap();
    for _ in 0..5 {
        let again = signed_again::<PinStart>(&start.start.0, &environment, &possession);
        let again = cbor::encode(&PinStartRequest { start: Blob(again), ..start.clone() });
        assert_eq!(bench.post(PinStartRequest::PATH, again).await.unwrap(), *started.reply.as_ref().unwrap());
    }
    let request = held.request.clone();
    bench.release(held).await.unwrap();
    page.signed_in().await;
    // The answer under another signature: a retry of the one that was taken, and no clone.
    let honest: AnswerRequest = cbor::decode(&request.body).unwrap();
    let taken = bench.sent(AnswerRequest::PATH).reply.clone().unwrap();
    let again = signed_again::<Answer>(&honest.answer.0, &environment, &possession);
    let again = cbor::encode(&AnswerRequest { answer: Blob(again), ..honest });
    assert_eq!(bench.post(AnswerRequest::PATH, again).await.unwrap(), taken);
    bench.login(&world, with_pin(PIN)).await.unwrap();
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
            let algorithm = if purpose == KeyPurpose::Offline { -25 } else { ALG_ES256 };
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
                bench.tap = Some(Tap::reply(move |sent, reply| {
                    use godkend_protocol::messages::pin::{PinRegistered, PinStarted};
                    match (sent, reply) {
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
                    }
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
    let godkend_protocol::formats::link::Link::Offline(link) =
        godkend_protocol::formats::link::Link::parse(&text).unwrap()
    else {
        panic!()
    };
    let good = crypto::p256_public(&Secret([7; 32])).unwrap();
    for (why, point) in bad_points(&good) {
        let bent = insider.resign::<OfflineChallenge>(&link.challenge.0, |challenge| challenge.ephemeral = point);
        let text = godkend_protocol::formats::link::Link::Offline(godkend_protocol::formats::link::OfflineLink {
            challenge: Blob(bent),
        })
        .to_text();
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

/// Signs an answer of one's own as far as a thief of the phone's lasting keys can.
fn forged(bench: &Bench, honest: &AnswerRequest, change: impl FnOnce(&mut Answer)) -> AnswerRequest {
    AnswerRequest { answer: Blob(bench.resign::<Answer>(&honest.answer.0, change)), ..honest.clone() }
}

fn by(bench: &Bench, answer: &AnswerRequest, role: Role, key: KeyPurpose) -> Option<Signature> {
    let received = Received::<Answer>::parse(&answer.answer.0, bench.environment()).unwrap();
    let unsigned = Unsigned::new(received.claimed(), bench.environment(), None);
    crypto::p256_sign(&bench.secret(key), &unsigned.to_be_signed_as(role))
}

async fn answered(bench: &Bench, answer: &AnswerRequest) -> Code {
    refusal(bench.post(AnswerRequest::PATH, cbor::encode(answer)).await)
}

#[tokio::test]
async fn a41_a_refusal_is_never_turned_into_an_approval() {
    let world = World::new().await;
    let mut bench = person(&world, "denied-anna", 1).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    for report in [false, true] {
        let (mut page, view) = bench.scan(&world).await;
        let command =
            if report { Command::ReportFraud { request: view.id } } else { Command::Deny { request: view.id } };
        let held = bench.hold(command, AnswerRequest::PATH).await;
        let honest: AnswerRequest = cbor::decode(&held.request.body).unwrap();
        // On the way, without any key: the decision's byte in the payload.
        let (_, payload, _) = parts(&honest.answer.0);
        let honest_decision = if report { 3 } else { 2 };
        let at = payload.windows(4).position(|window| window == [5, honest_decision, 6, 0]).unwrap();
        let mut bent = honest.clone();
        let start = bent.answer.0.windows(payload.len()).position(|window| window == payload).unwrap();
        bent.answer.0[start + at + 1] = 1;
        assert_eq!(answered(&bench, &bent).await, Code::SignatureInvalid);
        // With the possession key, as software that took over the phone has it, but neither PIN nor finger.
        let approve = |answer: &mut Answer| answer.decision = Decision::Approve;
        assert_eq!(answered(&bench, &forged(&bench, &honest, approve)).await, Code::FactorRefused);
        for factor in [Factor::Pin, Factor::Biometric] {
            let labelled = forged(&bench, &honest, |answer| {
                approve(answer);
                answer.factor = factor;
            });
            assert_eq!(answered(&bench, &labelled).await, Code::Malformed, "{factor:?} without its parts");
            let role = if factor == Factor::Pin { Role::Pin } else { Role::Biometric };
            for role in [role, Role::Possession, Role::NewKey] {
                let factor_signature = by(&bench, &labelled, role, KeyPurpose::Possession);
                let signed = AnswerRequest { factor_signature, ..labelled.clone() };
                let code = answered(&bench, &signed).await;
                assert!(matches!(code, Code::Malformed | Code::SignatureInvalid), "{factor:?} {role:?}: {code:?}");
            }
        }
        assert_eq!(page.state().await["finish"], serde_json::Value::Null);
        bench.release(held).await.unwrap();
        assert_ne!(page.finish().await.get("error"), None, "the person's refusal is what counts");
        world.advance(600).await;
    }
    bench.login(&world, Approval::Biometric).await.unwrap();
}

#[tokio::test]
async fn a41_a_pin_is_never_relabelled_as_a_finger_nor_a_finger_as_a_pin() {
    let world = World::new().await;
    let mut bench = person(&world, "relabelled-bo", 1).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    let (mut page, view) = bench.scan(&world).await;
    let approve = |with| Command::Approve { request: view.id, with, remember_browser: false };
    let held: Held = bench.hold(approve(with_pin(PIN)), AnswerRequest::PATH).await;
    let by_pin: AnswerRequest = cbor::decode(&held.request.body).unwrap();
    // The PIN's proof under the label of a finger, with the PIN's signature or with none of it.
    let label = |answer: &mut Answer| answer.factor = Factor::Biometric;
    let relabelled = forged(&bench, &by_pin, label);
    assert_eq!(answered(&bench, &relabelled).await, Code::Malformed, "a finger has no PIN's proof");
    let without = AnswerRequest { pin: None, ..relabelled };
    assert_eq!(answered(&bench, &without).await, Code::SignatureInvalid, "the PIN key signs for no finger");
    let possession =
        AnswerRequest { factor_signature: by(&bench, &without, Role::Biometric, KeyPurpose::Possession), ..without };
    assert_eq!(answered(&bench, &possession).await, Code::SignatureInvalid);
    // As it was sent, it is taken for what it is.
    bench.release(held).await.unwrap();
    page.signed_in().await;

    let (mut page, view) = bench.scan(&world).await;
    let approve = Command::Approve { request: view.id, with: Approval::Biometric, remember_browser: false };
    let held = bench.hold(approve, AnswerRequest::PATH).await;
    let by_finger: AnswerRequest = cbor::decode(&held.request.body).unwrap();
    let relabelled = forged(&bench, &by_finger, |answer| answer.factor = Factor::Pin);
    assert_eq!(answered(&bench, &relabelled).await, Code::Malformed, "a PIN without its proof");
    // With the proof of the login before: that try is closed.
    let old = AnswerRequest { pin: by_pin.pin.clone(), ..relabelled.clone() };
    assert_eq!(answered(&bench, &old).await, Code::PinExchangeClosed);
    let old = AnswerRequest { factor_signature: by_pin.factor_signature, ..old };
    assert_eq!(answered(&bench, &old).await, Code::PinExchangeClosed);
    // The finger's signature in the role of the PIN.
    let role = AnswerRequest { factor_signature: by(&bench, &relabelled, Role::Pin, KeyPurpose::Biometric), ..old };
    assert_eq!(answered(&bench, &role).await, Code::PinExchangeClosed);
    bench.release(held).await.unwrap();
    page.signed_in().await;
}

/// What a device signs names its type: an overview asked for is no block.
#[tokio::test]
async fn a41_a_signature_is_good_for_its_own_type_of_message_alone() {
    let world = World::new().await;
    let mut bench = person(&world, "moved-carla", 1).await;
    bench.login(&world, with_pin(PIN)).await.unwrap();
    bench.ok(Command::Overview { identity: None }).await;
    bench.ok(Command::Poll { identity: None, wait: 0 }).await;
    // Type numbers and paths of all that a device signs bare.
    let bare = [
        ("activation/status", 5_u8),
        ("activation/digits", 6),
        ("pin/register", 7),
        ("pin/reset", 10),
        ("poll/open", 12),
        ("challenge", 13),
        ("manage", 14),
        ("refuse", 18),
        ("overview", 19),
        ("block", 20),
    ];
    let sent: Vec<_> = bare
        .iter()
        .filter_map(|(path, _)| bench.traffic.iter().find(|exchange| exchange.path == *path).cloned())
        .collect();
    assert_eq!(sent.len(), 6);
    for exchange in &sent {
        let (_, payload, _) = parts(&exchange.body);
        for (path, kind) in bare.iter().filter(|(path, _)| *path != exchange.path) {
            assert_eq!(
                refusal(bench.post(path, exchange.body.clone()).await),
                Code::Malformed,
                "{} {path}",
                exchange.path
            );
            // With the number that the other path takes, the signature is not over it.
            let mut moved = exchange.body.clone();
            let start = moved.windows(payload.len()).position(|window| window == payload).unwrap();
            assert!(payload[1] < 24);
            moved[start + 1] = *kind;
            let code = refusal(bench.post(path, moved).await);
            let same_shape = matches!((exchange.path, *path), ("overview", "block"));
            assert!(
                code == Code::SignatureInvalid || (!same_shape && code == Code::Malformed),
                "{} as {path}: {code:?}",
                exchange.path
            );
        }
    }
    // A signature in another role: the possession key's for the server, the PIN's or the root's.
    let overview = bench.hold(Command::Overview { identity: None }, "overview").await;
    let (_, payload, _) = parts(&overview.request.body);
    let secret = bench.secret(KeyPurpose::Possession);
    for role in ["challenge", "root", "pin", "biometric", "new-key", ""] {
        let role = format!("godkend/1/{role}");
        let moved = godkend_tests::forge::envelope(&payload, None, role.as_bytes(), |tbs| {
            crypto::p256_sign(&secret, tbs).unwrap()
        });
        assert_eq!(refusal(bench.post("overview", moved).await), Code::SignatureInvalid, "{role}");
    }
    bench.release(overview).await.unwrap();
    // Another device's name over this one's signature.
    let other = person(&world, "moved-dan", 2).await;
    let device: Id = other.machine.identities()[0].device;
    let held = bench.hold(Command::Overview { identity: None }, "overview").await;
    let theirs =
        bench.resign::<godkend_protocol::messages::device::AskOverview>(&held.request.body, |ask| ask.device = device);
    assert_eq!(refusal(bench.post("overview", theirs).await), Code::SignatureInvalid);
    bench.release(held).await.unwrap();
    bench.login(&world, with_pin(PIN)).await.unwrap();
}
