//! A phone made of the protocol's own functions: it keeps no state but what a test needs.

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey, Secret, Signature, random};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::digits;
use godkend_protocol::formats::link::Link;
use godkend_protocol::keyset::{KeySet, SignedKeySet};
use godkend_protocol::messages::activation::*;
use godkend_protocol::messages::approval::{Challenge, RelyingParty, challenge_hash};
use godkend_protocol::messages::pin::*;
use godkend_protocol::messages::{CONTENT_TYPE, ErrorReply};
use godkend_protocol::opaque::{Registering, Trying};
use godkend_protocol::suite::{self, Psk, Sealed};
use godkend_protocol::types::*;

use super::Stage;
use crate::audit::AuditLog;

pub(super) struct Phone<'a> {
    stage: &'a Stage,
    possession: Secret<32>,
    pub(super) device: Id,
    pub(super) enrolment: Id,
    pub(super) transcript: Hash32,
    pub(super) block_code: godkend_protocol::formats::block_code::BlockCode,
    pub(super) exchange: u64,
    /// The PIN that its person types.
    pub(super) pin: String,
}

pub(super) type Refused = (Code, Option<u32>);

/// How an enrolment may go wrong on purpose.
#[derive(Default)]
pub(super) struct Wrong {
    pub(super) secret: bool,
    pub(super) proof: bool,
}

impl<'a> Phone<'a> {
    pub(super) fn new(stage: &'a Stage, seed: u8) -> Self {
        let mut rng = crate::ops::tls::system_random();
        Self {
            stage,
            possession: crypto::p256_from_seed(&[seed], "possession"),
            device: Fixed([0; 16]),
            enrolment: Fixed([0; 16]),
            transcript: Fixed([0; 32]),
            block_code: godkend_protocol::formats::block_code::BlockCode::generate(&mut rng),
            exchange: 0,
            pin: "120486".to_owned(),
        }
    }

    pub(super) fn digits(&self) -> String {
        digits::of_transcript(&self.transcript)
    }

    fn public(&self) -> PublicKey {
        crypto::p256_public(&self.possession).unwrap()
    }

    pub(super) fn sign<M: SignedMessage>(&self, message: &M) -> Vec<u8> {
        sign_with(&self.possession, message)
    }

    pub(super) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Refused> {
        let url = self.stage.url(&format!("/phone/v1/{path}"));
        let answer = self.stage.http.post(url).header("content-type", CONTENT_TYPE).body(body).send().await.unwrap();
        let (good, bytes) = (answer.status().is_success(), answer.bytes().await.unwrap());
        if good {
            return Ok(bytes.to_vec());
        }
        let refusal: ErrorReply = cbor::decode(&bytes).unwrap();
        Err((refusal.code().unwrap(), refusal.tries_left))
    }

    pub(super) async fn keys(&self) -> KeySet {
        let answer = self.stage.http.get(self.stage.url("/phone/v1/keys")).send().await.unwrap();
        SignedKeySet::verify(&answer.bytes().await.unwrap(), &self.stage.running.root, 0, 0).unwrap()
    }

    pub(super) async fn enrol(&mut self, text: &str) -> Result<(), Refused> {
        let (request, reply_key, set) = self.prepare(text, &Wrong::default()).await?;
        let answer = self.post(SealedEnrol::PATH, request.clone()).await?;
        self.take(&request, &answer, &reply_key, &set);
        Ok(())
    }

    /// Everything up to the sealed request.
    pub(super) async fn prepare(
        &self,
        text: &str,
        wrong: &Wrong,
    ) -> Result<(Vec<u8>, suite::ReplyKey, KeySet), Refused> {
        let mut rng = crate::ops::tls::system_random();
        let set = self.keys().await;
        let (id, name, mut secret) = match Link::parse(text) {
            Ok(Link::Activation(link)) => (Some(link.id), None, link.secret.0.to_vec()),
            _ => {
                let code = ActivationCode::parse(text).unwrap();
                (None, Some(code.name), code.secret.0.to_vec())
            }
        };
        if wrong.secret {
            secret[3] ^= 1;
        }
        let open = ActivationOpen { app_version: "1.0.0".into(), id, name, suites: vec![Suite::P256, Suite::Hybrid] };
        let open = cbor::encode(&open);
        let offer_bytes = self.post(ActivationOpen::PATH, open.clone()).await?;
        let received = set.open::<ActivationOffer>(&offer_bytes, "test").unwrap();
        let offer = received.claimed();
        assert_eq!(offer.open_hash, crypto::sha256(&[&open]));
        let core = cbor::encode(&EnrolCore {
            nonce: random(&mut rng),
            keys: vec![DeviceKey {
                purpose: KeyPurpose::Possession,
                algorithm: ALG_ES256,
                public: self.public(),
                attestation: Attestation::Software,
            }],
            info: DeviceInfo {
                model: "Pixel\u{202e} 9".into(),
                platform: "Android 16".into(),
                app_version: "1.0.0".into(),
                language: "da".into(),
            },
            pepper_security: SecurityLevel::Software,
            block_code_hash: self.block_code.hash(),
        });
        let transcript = transcript(&open, received.payload(), &core);
        let mac = crypto::hmac_sha256(&mac_key(&secret, &offer.id).0, &[&transcript.0]);
        let key = if wrong.proof { crypto::p256_from_seed(&[99], "x") } else { self.possession.clone() };
        let proof = Blob(sign_with(&key, &EnrolProof { transcript }));
        let enrol = cbor::encode(&Enrol { open: Blob(open), core: Blob(core), mac, proof });
        let link_secret = Secret::<32>::from_slice(&secret);
        let psk = link_secret.as_ref().map(|secret| Psk { secret, id: &offer.id });
        let (Sealed { enc, ciphertext }, reply_key) =
            suite::seal(offer.suite, &mut rng, &offer.hpke_key.0, psk, &offer_bytes, &enrol).unwrap();
        Ok((cbor::encode(&SealedEnrol { offer: Blob(offer_bytes), enc, ciphertext }), reply_key, set))
    }

    pub(super) fn take(&mut self, request: &[u8], answer: &[u8], reply_key: &suite::ReplyKey, set: &KeySet) {
        let sent: SealedEnrol = cbor::decode(request).unwrap();
        self.enrolment = set.open::<ActivationOffer>(&sent.offer.0, "test").unwrap().claimed().id;
        let sealed: SealedReply = cbor::decode(answer).unwrap();
        let signed = reply_key.open(&sealed.ciphertext.0).unwrap();
        let reply = set.open::<EnrolReply>(&signed, "test").unwrap();
        let reply = reply.claimed();
        assert_eq!(reply.identity_name, "Anna Sørensen");
        self.device = reply.device;
        self.transcript = full_transcript(&reply.transcript, &reply.nonce);
    }

    pub(super) async fn status(&self, known: Stage_, wait: u32) -> Result<Stage_, Refused> {
        let nonce = random(&mut crate::ops::tls::system_random());
        let ask = EnrolmentStatus { device: self.device, enrolment: self.enrolment, nonce, known, wait };
        let answer = self.post(EnrolmentStatus::PATH, self.sign(&ask)).await?;
        Ok(cbor::decode::<StageReply>(&answer).unwrap().stage)
    }

    /// Asks for a PIN reset: the request and its answer.
    pub(super) async fn open_reset(&self) -> Result<(Vec<u8>, Vec<u8>), Refused> {
        let nonce = random(&mut crate::ops::tls::system_random());
        let open = PinResetOpen { device: self.device, nonce, app_version: "1.0.0".into() };
        let request = self.sign(&open);
        let answer = self.post(PinResetOpen::PATH, request.clone()).await?;
        Ok((request, answer))
    }

    pub(super) fn take_reset(&mut self, (request, answer): &(Vec<u8>, Vec<u8>)) {
        let open = Received::<PinResetOpen>::parse(request, "test").unwrap();
        let offer = self.stage.running.app.keys.open_own::<PinResetOffer>(answer).unwrap();
        self.enrolment = offer.claimed().id;
        self.transcript = reset_transcript(open.payload(), offer.payload());
    }

    pub(super) fn context(&self) -> PinContext {
        PinContext::Enrolment { id: self.enrolment, transcript: self.transcript }
    }

    pub(super) async fn register(&self, context: PinContext, request: Blob) -> Result<PinRegistered, Refused> {
        let nonce = random(&mut crate::ops::tls::system_random());
        let ask = PinRegister { device: self.device, context, request, nonce };
        Ok(cbor::decode(&self.post(PinRegister::PATH, self.sign(&ask)).await?).unwrap())
    }

    pub(super) async fn choose_pin(&mut self, pin: &str) -> Result<(), Refused> {
        let request = self.pin_request(pin).await?;
        self.post(PinEnrolRequest::PATH, request.clone()).await?;
        // A retry is the same bytes and gets the same reply.
        self.post(PinEnrolRequest::PATH, request).await?;
        pin.clone_into(&mut self.pin);
        Ok(())
    }

    pub(super) async fn pin_request(&mut self, pin: &str) -> Result<Vec<u8>, Refused> {
        let mut rng = crate::ops::tls::system_random();
        let context = self.context();
        let (registering, request) = Registering::start(&mut rng, self.peppered(pin)).unwrap();
        let registered = self.register(context, request).await?;
        let done = registering.finish(&mut rng, &registered.response.0).unwrap();
        let pin_key = godkend_protocol::opaque::pin_key(&done.export_key);
        let public = crypto::p256_public(&pin_key).unwrap();
        let enrol =
            PinEnrol { device: self.device, context, seed: registered.seed, upload: done.upload, pin_key: public };
        let unsigned = Unsigned::new(&enrol, "test", None);
        let pin_signature = crypto::p256_sign(&pin_key, &unsigned.to_be_signed_as(Role::Pin)).unwrap();
        Ok(cbor::encode(&PinEnrolRequest { enrol: Blob(self.sign(&enrol)), pin_signature }))
    }

    /// A challenge as the server would sign it for this phone.
    pub(super) fn challenge(&self, lifetime: i64) -> (Vec<u8>, Hash32) {
        self.challenge_for(lifetime, None)
    }

    pub(super) fn challenge_for(&self, lifetime: i64, operation: Option<Operation>) -> (Vec<u8>, Hash32) {
        let app = &self.stage.running.app;
        let mut rng = crate::ops::tls::system_random();
        let challenge = Challenge {
            transaction: random(&mut rng),
            account: Fixed([0; 16]),
            device: self.device,
            relying_party: RelyingParty { id: "bank".into(), name: "Banken".into() },
            action: Action::LogOn,
            text: None,
            payment: None,
            operation,
            level: Level::Substantial,
            factors: vec![Factor::Pin],
            browser_session: None,
            binding: Binding::Device,
            place: None,
            browser: None,
            new_browser: false,
            may_remember: false,
            nonce: random(&mut rng),
            log: AuditLog::position(&app.log.checkpoint()),
            issued: app.now(),
            expires: app.now() + lifetime,
        };
        let bytes = app.keys.sign_challenge(&challenge);
        let received = Received::<Challenge>::parse(&bytes, "test").unwrap();
        let hash = challenge_hash(received.payload());
        (bytes, hash)
    }

    /// KE1 for a challenge: the request, and what ends the try.
    pub(super) fn start_request(&mut self, pin: &str, challenge: &(Vec<u8>, Hash32)) -> (Vec<u8>, Trying) {
        let mut rng = crate::ops::tls::system_random();
        let (trying, ke1) = Trying::start(&mut rng, self.peppered(pin)).unwrap();
        self.exchange += 1;
        let start = PinStart { device: self.device, challenge: challenge.1, exchange: self.exchange, ke1 };
        let start = Blob(self.sign(&start));
        (cbor::encode(&PinStartRequest { start, challenge: Blob(challenge.0.clone()) }), trying)
    }

    pub(super) async fn start(&self, request: Vec<u8>) -> Result<PinStarted, Refused> {
        Ok(cbor::decode(&self.post(PinStartRequest::PATH, request).await?).unwrap())
    }

    fn peppered(&self, pin: &str) -> Secret<32> {
        // Stands for the pepper's hardware: any function that only this phone can compute.
        Secret(crypto::hmac_sha256(&self.possession.0, &[&self.device.0, pin.as_bytes()]).0)
    }
}

pub(super) type Stage_ = godkend_protocol::messages::activation::Stage;

fn sign_with<M: SignedMessage>(key: &Secret<32>, message: &M) -> Vec<u8> {
    let unsigned = Unsigned::new(message, "test", None);
    let signature: Signature = crypto::p256_sign(key, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &crypto::p256_public(key).unwrap()).unwrap()
}
