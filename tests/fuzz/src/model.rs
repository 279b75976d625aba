//! A server in the protocol's own words, fast and under one's thumb: it answers anything as a right server would, and
//! remembers what it has signed. It keeps no limits: what a phone does is looked at, not what a server allows.

use std::collections::HashMap;

use godkend_core::{Request, ServerFailure};
use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, Secret, Signature};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, Checkpoint, CheckpointAlgorithm, NoteSignature};
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{self, Received, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::formats::link::{ActivationLink, Link};
use godkend_protocol::keyset::{HpkePublic, KeySet, Root, SignedKeySet};
use godkend_protocol::merkle;
use godkend_protocol::messages::activation::*;
use godkend_protocol::messages::approval::*;
use godkend_protocol::messages::device::{AskOverview, BlockSelf, Overview};
use godkend_protocol::messages::offline::{OfflineChallenge, account_hint};
use godkend_protocol::messages::pin::*;
use godkend_protocol::messages::push::{PushChange, PushRegister, PushState};
use godkend_protocol::messages::{Done, ErrorReply};
use godkend_protocol::opaque::{self, ServerSecrets};
use godkend_protocol::suite::{HpkeKey, Psk, Sealed};
use godkend_protocol::types::*;

use crate::input::Input;
use crate::shared::random::Stream;

pub(crate) const ENVIRONMENT: &str = "test";
const WALL: i64 = 1_790_000_000;
const ACCOUNT: Id = Fixed([0xac; 16]);
const SECRET: Secret<32> = Secret([0x5e; 32]);

/// The server's keys, and what it knows of the one device at hand.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) device: Id,
    /// OPAQUE records by credential; the newest is in use.
    record: Option<Blob>,
    pending: HashMap<Vec<u8>, Id>,
    credential: Id,
    ratchet_count: u64,
    size: u64,
    serial: u8,
    enrolling: bool,
    /// The phone's state was made up: what it sends may be anything.
    pub(crate) tampered: bool,
    /// What it has signed: challenge hash to challenge.
    pub(crate) challenges: HashMap<Hash32, Challenge>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            device: Fixed([0xde; 16]),
            record: None,
            pending: HashMap::new(),
            credential: Fixed([0; 16]),
            ratchet_count: 0,
            size: 1,
            serial: 0,
            enrolling: true,
            tampered: false,
            challenges: HashMap::new(),
        }
    }
}

struct Lasting {
    root: Secret<32>,
    challenge: Secret<32>,
    log: Secret<32>,
    hpke: HpkeKey,
    opaque: ServerSecrets,
    key_set: Vec<u8>,
    public: Root,
    leaves: Vec<merkle::Hash>,
}

fn lasting() -> &'static Lasting {
    static LASTING: std::sync::OnceLock<Lasting> = std::sync::OnceLock::new();
    LASTING.get_or_init(|| {
        let key = |name: &str| crypto::p256_from_seed(name.as_bytes(), "fuzz model");
        let (root, challenge, log) = (key("root"), key("challenge"), key("log"));
        let hpke = HpkeKey::from_seed(Suite::P256, &Secret([4; 32]));
        let public = Root {
            environment: ENVIRONMENT.to_owned(),
            url: "https://id.example".to_owned(),
            key: crypto::p256_public(&root).unwrap(),
            pq_key: None,
        };
        let set = KeySet {
            number: 1,
            issued: WALL - 10 * 86_400,
            expires: WALL + 100 * 86_400,
            tls_pins: vec![Fixed([9; 32])],
            challenge_keys: vec![crypto::p256_public(&challenge).unwrap()],
            log_keys: vec![crypto::p256_public(&log).unwrap()],
            hpke_keys: vec![HpkePublic { suite: Suite::P256, public: hpke.public().clone() }],
            suites: vec![Suite::P256],
            log_pq_key: None,
        };
        let sign = |tbs: &[u8]| crypto::p256_sign(&root, tbs);
        let key_set = cbor::encode(&SignedKeySet::sign(&set, ENVIRONMENT, &public.key, sign, None).unwrap());
        let opaque = ServerSecrets::generate(&mut Stream::new("opaque"));
        let leaves = (0..64_u8).map(|number| merkle::leaf_hash(&[number])).collect();
        Lasting { root: root.clone(), challenge, log, hpke, opaque, key_set, public, leaves }
    })
}

pub(crate) fn root() -> Root {
    lasting().public.clone()
}

pub(crate) fn activation_link(serial: u8) -> String {
    Link::Activation(ActivationLink {
        environment: ENVIRONMENT.to_owned(),
        id: Fixed([serial; 16]),
        secret: SECRET,
        root: root().fingerprint(),
        expires: WALL + 600,
    })
    .to_text()
}

pub(crate) fn signed<M: SignedMessage>(message: &M) -> Vec<u8> {
    let key = &lasting().challenge;
    let public = crypto::p256_public(key).unwrap();
    let unsigned = Unsigned::new(message, ENVIRONMENT, Some(cose::key_id(&public)));
    let signature = crypto::p256_sign(key, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &public).unwrap()
}

fn refused(code: Code) -> ServerFailure {
    ServerFailure::Refused(ErrorReply { code: code.as_str().to_owned(), retry_after: None, tries_left: None })
}

impl Model {
    /// What the core sends can be read, unless its state was made up.
    fn read<T, E>(&self, read: Result<T, E>) -> Result<T, ServerFailure> {
        read.map_err(|_| {
            assert!(self.tampered, "the core sends what cannot be read");
            refused(Code::Malformed)
        })
    }

    fn claimed<M: SignedMessage + Clone>(&self, bytes: &[u8]) -> Result<(M, Vec<u8>), ServerFailure> {
        let received = self.read(Received::<M>::parse(bytes, ENVIRONMENT))?;
        Ok((received.claimed().clone(), received.payload().to_vec()))
    }

    /// The right reply to a request of the core's; `input` chooses what a server may choose.
    pub(crate) fn answer(&mut self, input: &mut Input<'_>, request: &Request) -> Result<Vec<u8>, ServerFailure> {
        let body = request.body.as_slice();
        let mut rng = Stream::new(&format!("model {}", self.serial));
        self.serial = self.serial.wrapping_add(1);
        Ok(match request.path {
            "keys" => lasting().key_set.clone(),
            ActivationOpen::PATH => {
                let open: ActivationOpen = self.read(cbor::decode(body))?;
                signed(&ActivationOffer {
                    id: open.id.unwrap_or(Fixed([1; 16])),
                    open_hash: crypto::sha256(&[body]),
                    suite: Suite::P256,
                    hpke_key: lasting().hpke.public().clone(),
                    nonce: Fixed([3; 32]),
                    issued: WALL,
                    security: SecurityLevel::Software,
                    key_set: 1,
                })
            }
            SealedEnrol::PATH => return self.enrol(body),
            EnrolmentStatus::PATH => {
                self.claimed::<EnrolmentStatus>(body)?;
                let stage = match (self.enrolling, &self.record) {
                    (false, _) => Stage::Active,
                    (true, None) => Stage::ChoosePin,
                    (true, Some(_)) => Stage::Finish,
                };
                cbor::encode(&StageReply { stage })
            }
            PinRegister::PATH => {
                let (register, _) = self.claimed::<PinRegister>(body)?;
                let credential: Id = Fixed(Secret::<16>::random(&mut rng).0);
                self.pending.insert(cbor::encode(&register.context), credential);
                let Ok(response) = lasting().opaque.register(&register.request.0, &credential) else {
                    return Err(refused(Code::Malformed));
                };
                cbor::encode(&PinRegistered { seed: 1, response })
            }
            PinEnrolRequest::PATH => {
                let request: PinEnrolRequest = self.read(cbor::decode(body))?;
                self.take_record(&request)?;
                cbor::encode(&Done {})
            }
            PinStartRequest::PATH => return self.start_pin(&mut rng, body),
            Fetch::PATH => {
                let (fetch, _) = self.claimed::<Fetch>(body)?;
                let transaction = match fetch.how {
                    FetchHow::Pushed { id } => id,
                    FetchHow::Scanned { session, .. } | FetchHow::Linked { session, .. } => session,
                    FetchHow::Numbered { .. } => Fixed([self.serial; 16]),
                };
                self.fetched(input, fetch.device, fetch.nonce, fetch.log, transaction, None)
            }
            Manage::PATH => {
                let (manage, _) = self.claimed::<Manage>(body)?;
                let transaction = Fixed([self.serial | 0x80; 16]);
                self.fetched(input, manage.device, manage.nonce, manage.log, transaction, Some(manage.operation))
            }
            AnswerRequest::PATH => return self.take_answer(body),
            PollOpen::PATH => {
                self.claimed::<PollOpen>(body)?;
                let expires_in = input.number() as u32;
                cbor::encode(&PollOpened { token: Secret([5; 32]), expires_in, policy: VersionPolicy::Current })
            }
            Poll::PATH => {
                let _: Poll = self.read(cbor::decode(body))?;
                if input.rarely(8) {
                    return Err(refused(Code::PollExpired));
                }
                let item =
                    |serial: u8| PendingItem { id: Fixed([serial; 16]), locked: serial & 1 == 1, expires_in: 60 };
                cbor::encode(&Pending { items: (0..input.below(4) as u8).map(item).collect() })
            }
            RefuseLocked::PATH => {
                self.claimed::<RefuseLocked>(body)?;
                cbor::encode(&Done {})
            }
            BlockSelf::PATH => {
                self.claimed::<BlockSelf>(body)?;
                cbor::encode(&Done {})
            }
            PushRegister::PATH => {
                let (register, _) = self.claimed::<PushRegister>(body)?;
                let registered = matches!(register.change, Some(PushChange::Set { .. }));
                cbor::encode(&PushState { registered, fcm: true, apns: false, web_push: None })
            }
            AskOverview::PATH => {
                self.claimed::<AskOverview>(body)?;
                cbor::encode(&Overview { devices: Vec::new(), browsers: Vec::new(), locked_push: true, pin: None })
            }
            TypedDigits::PATH => {
                self.claimed::<TypedDigits>(body)?;
                cbor::encode(&DigitsReply { model: "Phone".to_owned(), place: None, active_from: None })
            }
            PinResetOpen::PATH => {
                let (open, payload) = self.claimed::<PinResetOpen>(body)?;
                self.enrolling = true;
                self.record = None;
                signed(&PinResetOffer {
                    id: Fixed([0x2e; 16]),
                    device: open.device,
                    open_hash: crypto::sha256(&[&payload]),
                    nonce: Fixed([8; 32]),
                    finish_before: WALL + 1800,
                })
            }
            other => panic!("the core asks for {other}, which no server has"),
        })
    }

    fn enrol(&mut self, body: &[u8]) -> Result<Vec<u8>, ServerFailure> {
        let request: SealedEnrol = self.read(cbor::decode(body))?;
        let (offer, offer_payload) = self.claimed::<ActivationOffer>(&request.offer.0)?;
        let sealed = Sealed { enc: request.enc, ciphertext: request.ciphertext };
        let psk = Psk { secret: &SECRET, id: &offer.id };
        let opened = lasting()
            .hpke
            .open(Some(psk), &request.offer.0, &sealed)
            .or_else(|_| lasting().hpke.open(None, &request.offer.0, &sealed));
        let Ok((plain, reply_key)) = opened else { return Err(refused(Code::ActivationRefused)) };
        let enrol: Enrol = self.read(cbor::decode(&plain))?;
        let core: EnrolCore = self.read(cbor::decode(&enrol.core.0))?;
        let transcript = transcript(&enrol.open.0, &offer_payload, &enrol.core.0);
        let possession = core.keys.iter().find(|key| key.purpose == KeyPurpose::Possession);
        let possession = self.read(possession.ok_or(()))?.public;
        self.read(cose::open::<EnrolProof>(&enrol.proof.0, ENVIRONMENT, &possession))?;
        self.enrolling = true;
        self.record = None;
        self.ratchet_count = 0;
        let reply = EnrolReply {
            transcript,
            nonce: Fixed([2; 32]),
            account: ACCOUNT,
            device: self.device,
            identity_name: "Åse Lind".to_owned(),
            ratchet: Secret([1; 16]),
            finish_before: WALL + 1800,
        };
        Ok(cbor::encode(&SealedReply { ciphertext: Blob(reply_key.seal(&signed(&reply))) }))
    }

    fn take_record(&mut self, request: &PinEnrolRequest) -> Result<(), ServerFailure> {
        let (enrol, _) = self.claimed::<PinEnrol>(&request.enrol.0)?;
        if let (Ok(record), Some(credential)) =
            (opaque::finish_registration(&enrol.upload.0), self.pending.get(&cbor::encode(&enrol.context)))
        {
            self.record = Some(record);
            self.credential = *credential;
        }
        Ok(())
    }

    fn start_pin(&self, rng: &mut Stream, body: &[u8]) -> Result<Vec<u8>, ServerFailure> {
        let request: PinStartRequest = self.read(cbor::decode(body))?;
        let (start, _) = self.claimed::<PinStart>(&request.start.0)?;
        let Some(record) = &self.record else { return Err(refused(Code::PinMissing)) };
        let started = lasting().opaque.start_try(rng, &record.0, &start.ke1.0, &self.credential, &start.challenge);
        let Ok(started) = started else { return Err(refused(Code::Malformed)) };
        let if_wrong = PinStatus { tries_left: 2, wait: 0, rounds_left: 2, dead: false };
        Ok(cbor::encode(&PinStarted { exchange: start.exchange, ke2: started.ke2, if_wrong }))
    }

    fn log(&mut self, input: &mut Input<'_>, from: Option<LogPosition>) -> (String, LogPosition, Vec<Hash32>) {
        self.size = (self.size + input.below(3) as u64).min(lasting().leaves.len() as u64);
        let size = self.size as usize;
        let root = merkle::root(&lasting().leaves[..size]);
        let checkpoint = Checkpoint {
            environment: ENVIRONMENT.to_owned(),
            epoch: 1,
            size: self.size,
            root,
            time: u64::try_from(WALL).unwrap(),
        };
        let (name, body) = (checkpoint.origin().unwrap(), checkpoint.to_note_body().unwrap());
        let public = crypto::p256_public(&lasting().log).unwrap();
        let Fixed(signature): Signature = crypto::p256_sign(&lasting().log, body.as_bytes()).unwrap();
        let key_hash = checkpoint::key_hash(&name, CheckpointAlgorithm::Es256, &public.0);
        let line = NoteSignature { key_hash, name, signature: signature.to_vec() };
        let nodes = merkle::LeafNodes::new(&lasting().leaves);
        let proof = from
            .and_then(|from| {
                merkle::consistency_proof(from.size, self.size, |level, at| nodes.node(level, at)).ok().flatten()
            })
            .unwrap_or_default();
        let position = LogPosition { epoch: 1, size: self.size, root: Fixed(root) };
        (checkpoint::signed_note(&body, &[line]), position, proof.into_iter().map(Fixed).collect())
    }

    fn fetched(
        &mut self,
        input: &mut Input<'_>,
        device: Id,
        nonce: Hash32,
        from: Option<LogPosition>,
        transaction: Id,
        operation: Option<Operation>,
    ) -> Vec<u8> {
        let (checkpoint, log, consistency) = self.log(input, from);
        let issued = if input.rarely(8) { input.number() as i64 } else { WALL };
        let expires = if input.rarely(8) { input.number() as i64 } else { issued.saturating_add(180) };
        let text = (operation.is_none() && input.flag())
            .then(|| if input.rarely(4) { input.text() } else { "Log på Netbank".to_owned() });
        let payment = (operation.is_none() && input.rarely(4)).then(|| Payment {
            amount_minor: input.number(),
            currency: "DKK".to_owned(),
            payee: if input.flag() { "Bager Sørensen".to_owned() } else { input.text() },
            account: None,
        });
        let action = match &operation {
            Some(operation) if !input.rarely(16) => operation.action(),
            _ => *input.pick(&[Action::LogOn, Action::Approve, Action::Sign]),
        };
        let challenge = Challenge {
            transaction,
            account: if input.rarely(16) { Fixed([1; 16]) } else { ACCOUNT },
            device,
            relying_party: RelyingParty { id: "bank".to_owned(), name: "Bank".to_owned() },
            action,
            text,
            payment,
            operation,
            level: Level::Substantial,
            factors: vec![Factor::Pin, Factor::Biometric],
            browser_session: None,
            binding: Binding::RememberedBrowser,
            place: None,
            browser: None,
            new_browser: input.flag(),
            may_remember: input.flag(),
            nonce: if input.rarely(16) { Fixed([0; 32]) } else { nonce },
            log,
            issued,
            expires,
        };
        let bytes = signed(&challenge);
        let payload = Received::<Challenge>::parse(&bytes, ENVIRONMENT).unwrap().payload().to_vec();
        self.challenges.insert(challenge_hash(&payload), challenge);
        cbor::encode(&Fetched {
            challenge: Blob(bytes),
            checkpoint,
            consistency,
            policy: VersionPolicy::Current,
            pin: None,
        })
    }

    fn take_answer(&mut self, body: &[u8]) -> Result<Vec<u8>, ServerFailure> {
        let request: AnswerRequest = self.read(cbor::decode(body))?;
        let (answer, payload) = self.claimed::<Answer>(&request.answer.0)?;
        if answer.decision == Decision::Approve {
            self.enrolling = false;
            if let Some(record) = request.data.as_ref().and_then(|data| data.pin.as_ref()) {
                self.take_record(record)?;
            }
        }
        self.ratchet_count = answer.ratchet_count.wrapping_add(1);
        let moving = self.challenges.get(&answer.challenge).and_then(|challenge| challenge.operation.as_ref());
        let moving = matches!(moving, Some(Operation::MoveDevice { .. })) && answer.decision == Decision::Approve;
        Ok(signed(&AnswerReply {
            answer: crypto::sha256(&[&payload]),
            ratchet: Secret([6; 16]),
            ratchet_count: self.ratchet_count,
            return_url: None,
            activation: moving.then(|| HandedOut { id: Fixed([4; 16]), secret: SECRET, expires: WALL + 180 }),
            active_from: None,
            policy: VersionPolicy::Current,
        }))
    }

    /// An offline challenge as a link.
    pub(crate) fn offline(input: &mut Input<'_>) -> (String, OfflineChallenge) {
        let transaction = Fixed([input.byte(); 16]);
        let challenge = OfflineChallenge {
            transaction,
            account_hint: account_hint(&ACCOUNT, &transaction),
            relying_party: RelyingParty { id: "bank".to_owned(), name: "Bank".to_owned() },
            action: Action::LogOn,
            text: input.flag().then(|| input.text()),
            payment: None,
            level: Level::Substantial,
            ephemeral: crypto::p256_public(&Secret([9; 32])).unwrap(),
            place: None,
            browser: None,
            issued: WALL,
            expires: WALL + 180,
        };
        let link = godkend_protocol::formats::link::OfflineLink { challenge: Blob(signed(&challenge)) };
        (Link::Offline(link).to_text(), challenge)
    }

    /// A key set under the root, of any number and life.
    pub(crate) fn key_set(input: &mut Input<'_>) -> Vec<u8> {
        let lasting = lasting();
        let mut set = SignedKeySet::verify(&lasting.key_set, &lasting.public, 0, WALL).unwrap();
        set.number = input.number();
        set.issued = input.number() as i64;
        set.expires = input.number() as i64;
        if input.rarely(4) {
            set.tls_pins.clear();
        }
        let sign = |tbs: &[u8]| crypto::p256_sign(&lasting.root, tbs);
        cbor::encode(&SignedKeySet::sign(&set, ENVIRONMENT, &lasting.public.key, sign, None).unwrap())
    }
}
