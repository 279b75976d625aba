//! RFC 9807, the P-256 vectors C.1.5, C.1.6 (real) and C.2.3 (fake), through opaque-ke's public API.

use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialFinalization, CredentialRequest, CredentialResponse, Identifiers, RegistrationRequest,
    RegistrationResponse, RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
    key_exchange::tripledh::TripleDh, ksf::Identity,
};
use p256_013::NistP256;
use serde_json::Value;

use crate::{Replay, Tally, bytes, cases, optional_bytes, text, vectors};

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = NistP256;
    type KeyExchange = TripleDh<NistP256, <NistP256 as voprf::CipherSuite>::Hash>;
    type Ksf = Identity;
}

#[test]
fn rfc_9807_real() {
    let file = vectors("opaque.json");
    let tally = Tally::new("OPAQUE P-256, real");
    for case in cases(&file).iter().filter(|c| text(c, "kind") == "real") {
        let names = Names::of(case);
        let setup = setup(case, "server_public_key");
        register(case, &setup, &names);
        login(case, &setup, &names);
        tally.accepted();
    }
    tally.at_least(2, 0);
}

#[test]
fn rfc_9807_fake() {
    let file = vectors("opaque.json");
    let tally = Tally::new("OPAQUE P-256, fake");
    for case in cases(&file).iter().filter(|c| text(c, "kind") == "fake") {
        let names = Names::of(case);
        let setup = setup(case, "client_public_key");
        let context = bytes(case, "context");
        let mut rng = server_randomness(case, &bytes(case, "masking_key"));
        let answer = ServerLogin::<Suite>::start(
            &mut rng,
            &setup,
            None,
            CredentialRequest::deserialize(&bytes(case, "KE1")).unwrap(),
            &bytes(case, "credential_identifier"),
            ServerLoginParameters { context: Some(&context), identifiers: names.borrow() },
        )
        .unwrap();
        assert!(rng.is_used_up());
        assert_eq!(answer.message.serialize().as_slice(), bytes(case, "KE2"), "{}", text(case, "section"));
        tally.accepted();
    }
    tally.at_least(1, 0);
}

/// Adversarial cases 1 and 42 at the primitive: every flipped byte of KE2 and KE3, and another context, is refused.
#[test]
fn changed_messages_are_refused() {
    let file = vectors("opaque.json");
    let case = &cases(&file)[0];
    let tally = Tally::new("OPAQUE P-256, changed messages");
    let names = Names::of(case);
    let password = bytes(case, "password");
    let context = bytes(case, "context");
    let finish = |ke2: &[u8], context: &[u8]| {
        let started = ClientLogin::<Suite>::start(&mut client_randomness(case), &password).unwrap();
        let answer = CredentialResponse::deserialize(ke2).ok()?;
        let parameters = ClientLoginFinishParameters::new(Some(context), names.borrow(), None);
        started.state.finish(&mut Replay::new(&[]), &password, answer, parameters).ok()
    };
    let ke2 = bytes(case, "KE2");
    assert!(finish(&ke2, &context).is_some());
    assert!(finish(&ke2, b"another context").is_none());
    for at in 0..ke2.len() {
        let mut changed = ke2.clone();
        changed[at] ^= 1;
        assert!(finish(&changed, &context).is_none(), "byte {at} of KE2");
        tally.refused();
    }
    for length in 0..ke2.len() {
        assert!(CredentialResponse::<Suite>::deserialize(&ke2[..length]).is_err(), "KE2 cut to {length}");
        tally.refused();
    }

    let setup = setup(case, "server_public_key");
    let (_, state) = server_start(case, &setup, &names);
    let ke3 = bytes(case, "KE3");
    for at in 0..ke3.len() {
        let mut changed = ke3.clone();
        changed[at] ^= 1;
        let message = CredentialFinalization::deserialize(&changed).unwrap();
        assert!(state.clone().finish(message, ServerLoginParameters::default()).is_err(), "byte {at} of KE3");
        tally.refused();
    }
    tally.at_least(0, 550);
}

/// Adversarial case 4: no first message with a point off the curve or at infinity reaches the server's key.
#[test]
fn bad_points_are_refused() {
    let file = vectors("opaque.json");
    let ke1 = bytes(&cases(&file)[0], "KE1");
    assert!(CredentialRequest::<Suite>::deserialize(&ke1).is_ok());
    // About half of all x have no point.
    let off_curve = (0..=255_u8)
        .map(|x| [&[2][..], &[0; 31], &[x]].concat())
        .find(|p| p256_013::PublicKey::from_sec1_bytes(p).is_err())
        .unwrap();
    for at in [0, 65] {
        for point in [vec![0; 33], off_curve.clone()] {
            let mut changed = ke1.clone();
            changed[at..at + 33].copy_from_slice(&point);
            assert!(CredentialRequest::<Suite>::deserialize(&changed).is_err(), "point at {at}");
        }
    }
    assert!(RegistrationRequest::<Suite>::deserialize(&off_curve).is_err());
    assert!(RegistrationRequest::<Suite>::deserialize(&[0; 33]).is_err());
}

fn register(case: &Value, setup: &ServerSetup<Suite>, names: &Names) {
    let password = bytes(case, "password");
    let mut rng = Replay::new(&[&bytes(case, "blind_registration"), &bytes(case, "envelope_nonce")]);
    let started = ClientRegistration::<Suite>::start(&mut rng, &password).unwrap();
    assert_eq!(started.message.serialize().as_slice(), bytes(case, "registration_request"));

    let request = RegistrationRequest::deserialize(&bytes(case, "registration_request")).unwrap();
    let answered = ServerRegistration::start(setup, request, &bytes(case, "credential_identifier")).unwrap();
    assert_eq!(answered.message.serialize().as_slice(), bytes(case, "registration_response"));

    let response = RegistrationResponse::deserialize(&bytes(case, "registration_response")).unwrap();
    let parameters = ClientRegistrationFinishParameters::new(names.borrow(), None);
    let finished = started.state.finish(&mut rng, &password, response, parameters).unwrap();
    assert!(rng.is_used_up());
    assert_eq!(finished.message.serialize().as_slice(), bytes(case, "registration_upload"));
    assert_eq!(finished.export_key.as_slice(), bytes(case, "export_key"));
}

fn login(case: &Value, setup: &ServerSetup<Suite>, names: &Names) {
    let context = bytes(case, "context");
    let password = bytes(case, "password");
    let mut rng = client_randomness(case);
    let started = ClientLogin::<Suite>::start(&mut rng, &password).unwrap();
    assert!(rng.is_used_up());
    assert_eq!(started.message.serialize().as_slice(), bytes(case, "KE1"));

    let (ke2, state) = server_start(case, setup, names);
    assert_eq!(ke2, bytes(case, "KE2"));

    let parameters = ClientLoginFinishParameters::new(Some(&context), names.borrow(), None);
    let answer = CredentialResponse::deserialize(&ke2).unwrap();
    let finished = started.state.finish(&mut Replay::new(&[]), &password, answer, parameters).unwrap();
    assert_eq!(finished.message.serialize().as_slice(), bytes(case, "KE3"));
    assert_eq!(finished.session_key.as_slice(), bytes(case, "session_key"));
    assert_eq!(finished.export_key.as_slice(), bytes(case, "export_key"));

    let message = CredentialFinalization::deserialize(&bytes(case, "KE3")).unwrap();
    let parameters = ServerLoginParameters { context: Some(&context), identifiers: names.borrow() };
    assert_eq!(state.finish(message, parameters).unwrap().session_key.as_slice(), bytes(case, "session_key"));
}

fn server_start(case: &Value, setup: &ServerSetup<Suite>, names: &Names) -> (Vec<u8>, ServerLogin<Suite>) {
    let context = bytes(case, "context");
    let upload = RegistrationUpload::deserialize(&bytes(case, "registration_upload")).unwrap();
    let mut rng = server_randomness(case, &[0; 32]);
    let started = ServerLogin::start(
        &mut rng,
        setup,
        Some(ServerRegistration::finish(upload)),
        CredentialRequest::deserialize(&bytes(case, "KE1")).unwrap(),
        &bytes(case, "credential_identifier"),
        ServerLoginParameters { context: Some(&context), identifiers: names.borrow() },
    )
    .unwrap();
    assert!(rng.is_used_up());
    (started.message.serialize().to_vec(), started.state)
}

fn client_randomness(case: &Value) -> Replay {
    Replay::new(&[&bytes(case, "blind_login"), &bytes(case, "client_keyshare_seed"), &bytes(case, "client_nonce")])
}

/// The server always draws the masking key of a fake record first, so that a real one takes as long.
fn server_randomness(case: &Value, fake_masking_key: &[u8]) -> Replay {
    Replay::new(&[
        fake_masking_key,
        &bytes(case, "masking_nonce"),
        &bytes(case, "server_keyshare_seed"),
        &bytes(case, "server_nonce"),
    ])
}

/// The server's lasting secrets; `fake_key` names the public key that unknown users get.
fn setup(case: &Value, fake_key: &str) -> ServerSetup<Suite> {
    let parts = [bytes(case, "oprf_seed"), bytes(case, "server_private_key"), bytes(case, fake_key)].concat();
    let setup = ServerSetup::<Suite>::deserialize(&parts).unwrap();
    assert_eq!(setup.keypair().public().serialize().as_slice(), bytes(case, "server_public_key"));
    setup
}

struct Names {
    client: Option<Vec<u8>>,
    server: Option<Vec<u8>>,
}

impl Names {
    fn of(case: &Value) -> Self {
        Self { client: optional_bytes(case, "client_identity"), server: optional_bytes(case, "server_identity") }
    }

    fn borrow(&self) -> Identifiers<'_> {
        Identifiers { client: self.client.as_deref(), server: self.server.as_deref() }
    }
}
