//! Signatures with the other s, and signatures moved to where they were not made for.

use std::sync::Arc;

use async_trait::async_trait;
use godkend_client::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::software_keys::SoftwareKeys;
use godkend_core::{Approval, Command, Outcome, Pin, ServerFailure};
use godkend_protocol::bytes::{Blob, Id, PublicKey, Secret, Signature};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, SignedMessage, Unsigned};
use godkend_protocol::messages::activation::{EnrolProof, SealedEnrol};
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, PinProof, challenge_hash};
use godkend_protocol::messages::pin::{PinEnrolRequest, PinStart, PinStartRequest, PinStarted};
use godkend_protocol::types::{Decision, Factor, KeyPurpose};
use godkend_protocol::{cbor, crypto, opaque};
use godkend_tests::bench::{Bench, Held, sign_with};
use godkend_tests::forge::{Forge, Handed, other_s, parts, with_signature};
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::world::rng;
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
    let mut page = world.login_page(&Ask::login()).await;
    let text = page.qr().await;
    for bend in [true, false] {
        let scan = Command::Scan { identity: None, text: text.clone() };
        let Outcome::Request(view) = bench.ok(scan).await else { panic!() };
        let approve = Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false };
        let held = bench.hold(approve, AnswerRequest::PATH).await;
        if bend {
            let mut bent: AnswerRequest = cbor::decode(&held.request.body).unwrap();
            bent.factor_signature = bent.factor_signature.map(|signature| other_s(&signature));
            assert_eq!(refusal(bench.post(AnswerRequest::PATH, cbor::encode(&bent)).await), Code::SignatureInvalid);
            assert_eq!(page.state().await["finish"], serde_json::Value::Null);
        }
        assert_eq!(bench.release(held).await.is_ok(), !bend, "a try that was proved is over");
    }
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

/// The phone's owner has everything out of it, and knows the PIN: its key is the PIN's, and is never a finger.
#[tokio::test]
async fn a41_the_pins_own_key_makes_no_finger() {
    let world = World::new().await;
    let mut bench = person(&world, "relabelled-eva", 1).await;
    bench.ok(Command::EnableBiometrics { identity: None, pin: pin() }).await;
    let (mut page, view) = bench.scan(&world).await;
    let approve = |with| Command::Approve { request: view.id, with, remember_browser: false };
    let held = bench.hold(approve(with_pin(PIN)), PinStartRequest::PATH).await;
    bench.input(godkend_core::Input::Cancel(held.ticket));
    let honest: PinStartRequest = cbor::decode(&held.request.body).unwrap();
    let received = Received::<Challenge>::parse(&honest.challenge.0, bench.environment()).unwrap();
    let (challenge, hash) = (received.claimed().clone(), challenge_hash(received.payload()));
    // A try by hand: the export key, and from it the PIN's key.
    let input = opaque::pin_input(bench.environment(), &challenge.account, &challenge.device, PIN);
    let password = Secret(crypto::hmac_sha256(&bench.secret(KeyPurpose::Pepper).0, &[&input.0]).0);
    let (trying, ke1) = opaque::Trying::start(&mut rng(), password).unwrap();
    let start = Blob(bench.resign::<PinStart>(&honest.start.0, |start| start.ke1 = ke1));
    let request = PinStartRequest { start: start.clone(), challenge: honest.challenge.clone() };
    let started = bench.post(PinStartRequest::PATH, cbor::encode(&request)).await.unwrap();
    let started: PinStarted = cbor::decode(&started).unwrap();
    let proved = trying.finish(&mut rng(), &started.ke2.0, &hash).unwrap();
    let pin_key = opaque::pin_key(&proved.export_key);

    let held = bench.hold(approve(Approval::Biometric), AnswerRequest::PATH).await;
    let finger: AnswerRequest = cbor::decode(&held.request.body).unwrap();
    let received = Received::<Answer>::parse(&finger.answer.0, bench.environment()).unwrap();
    let unsigned = Unsigned::new(received.claimed(), bench.environment(), None);
    for role in [Role::Pin, Role::Biometric] {
        let factor_signature = crypto::p256_sign(&pin_key, &unsigned.to_be_signed_as(role));
        let forged = AnswerRequest { factor_signature, ..finger.clone() };
        assert_eq!(answered(&bench, &forged).await, Code::SignatureInvalid, "{role:?}");
    }
    // The finger's key makes no PIN either, not even beside the PIN's right proof.
    let labelled = forged(&bench, &finger, |answer| answer.factor = Factor::Pin);
    let exchange = Received::<PinStart>::parse(&start.0, bench.environment()).unwrap().claimed().exchange;
    let pin = Some(PinProof { exchange, ke3: proved.ke3 });
    let factor_signature = by(&bench, &labelled, Role::Pin, KeyPurpose::Biometric);
    let refused = answered(&bench, &AnswerRequest { pin, factor_signature, ..labelled }).await;
    assert_eq!(refused, Code::SignatureInvalid);
    assert_eq!(page.state().await["finish"], serde_json::Value::Null);
    bench.release(held).await.unwrap();
    page.signed_in().await;
    bench.login(&world, with_pin(PIN)).await.unwrap();
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
