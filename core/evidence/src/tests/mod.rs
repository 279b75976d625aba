use godkend_protocol::bytes::{Secret, Signature};
use godkend_protocol::checkpoint::{CheckpointAlgorithm, NoteSignature, key_hash, signed_note};
use godkend_protocol::cose::{SignedMessage, Unsigned, key_id};
use godkend_protocol::crypto::{p256_from_seed, p256_public, p256_sign};
use godkend_protocol::keyset::HpkePublic;
use godkend_protocol::merkle::{LeafNodes, inclusion_proof, salted_leaf};
use godkend_protocol::messages::approval::{RelyingParty, ratchet_hash};
use godkend_protocol::suite::PqSigner;
use godkend_protocol::types::{LogPosition, SecurityLevel, Suite};

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, PublicKey};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, Checkpoint};
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, Root, SignedKeySet};
use godkend_protocol::merkle;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, challenge_hash};
use godkend_protocol::types::{Action, Binding, Decision, Factor, KeyPurpose, Level};

use crate::entry::{AuditEntry, LoggedKey};
use crate::{EvidenceError, EvidenceFile, Leaf, Shown, VERSION, verify, verify_statement};

const ENVIRONMENT: &str = "test";
const ACCOUNT: Id = Fixed([3; 16]);
const DEVICE: Id = Fixed([1; 16]);
const TRANSACTION: Id = Fixed([8; 16]);

struct Key(Secret<32>, PublicKey);

impl Key {
    fn new(name: &str) -> Self {
        let secret = p256_from_seed(name.as_bytes(), "test");
        let public = p256_public(&secret).unwrap();
        Self(secret, public)
    }

    fn sign(&self, bytes: &[u8]) -> Signature {
        p256_sign(&self.0, bytes).unwrap()
    }

    fn cose<M: SignedMessage>(&self, message: &M, named: bool) -> Blob {
        let unsigned = Unsigned::new(message, ENVIRONMENT, named.then(|| key_id(&self.1)));
        let signature = self.sign(&unsigned.to_be_signed());
        Blob(unsigned.assemble(&signature, &self.1).unwrap())
    }
}

fn root() -> Root {
    Root {
        environment: ENVIRONMENT.to_owned(),
        url: "https://localhost".to_owned(),
        key: Key::new("root").1,
        pq_key: None,
    }
}

fn pq(seed: u8) -> PqSigner {
    PqSigner::from_seed(&Secret([seed; 32]))
}

fn key_set(expires: i64) -> Blob {
    key_set_with(expires, None)
}

/// With the root's and the log's post-quantum keys.
fn key_set_with(expires: i64, pq: Option<(&PqSigner, &PqSigner)>) -> Blob {
    let set = KeySet {
        number: 1,
        issued: 0,
        expires,
        tls_pins: vec![],
        challenge_keys: vec![Key::new("challenge").1],
        log_keys: vec![Key::new("log").1],
        hpke_keys: vec![HpkePublic { suite: Suite::P256, public: Blob(vec![4; 65]) }],
        suites: vec![Suite::P256],
        log_pq_key: pq.map(|(_, log)| log.public()),
    };
    let root = Key::new("root");
    let signed =
        SignedKeySet::sign(&set, ENVIRONMENT, &root.1, |tbs| Some(root.sign(tbs)), pq.map(|(root, _)| root)).unwrap();
    Blob(cbor::encode(&signed))
}

fn challenge() -> Challenge {
    Challenge {
        relying_party: RelyingParty { id: "bank".to_owned(), name: "Banken".to_owned() },
        text: Some("Betal 100 kr. til Bager Sørensen".to_owned()),
        log: LogPosition { epoch: 7, size: 0, root: Fixed(merkle::empty_root()) },
        transaction: TRANSACTION,
        account: ACCOUNT,
        device: DEVICE,
        action: Action::LogOn,
        payment: None,
        operation: None,
        level: Level::Substantial,
        factors: vec![Factor::Pin],
        browser_session: None,
        binding: Binding::ScannedQr,
        place: None,
        browser: None,
        new_browser: false,
        may_remember: false,
        nonce: Fixed([5; 32]),
        issued: 1_000,
        expires: 1_180,
    }
}

/// The log's entries: the keys, the PIN, the decision; in this order unless a test changes it.
fn entries(challenge_hash: Hash32, answer: Hash32) -> Vec<AuditEntry> {
    let key = |purpose, name| LoggedKey {
        purpose,
        public: Key::new(name).1,
        security: SecurityLevel::Software,
        enrolled: 10,
    };
    vec![
        AuditEntry::DeviceEnrolled {
            device: DEVICE,
            account: ACCOUNT,
            enrolment: Fixed([2; 16]),
            transcript: Fixed([0; 32]),
            keys: vec![key(KeyPurpose::Possession, "possession")],
            suite: Suite::P256,
            at: 10,
        },
        AuditEntry::PinEnrolled {
            device: DEVICE,
            account: ACCOUNT,
            key: Key::new("pin").1,
            record: Fixed([0; 32]),
            at: 11,
        },
        AuditEntry::Decided {
            transaction: TRANSACTION,
            account: Some(ACCOUNT),
            uuid: Some("b7f0".to_owned()),
            device: Some(DEVICE),
            action: Action::LogOn,
            relying_party: "bank".to_owned(),
            decision: Decision::Approve,
            factor: Factor::Pin,
            binding: Binding::ScannedQr,
            level: Some(Level::Substantial),
            means: Vec::new(),
            challenge: Some(challenge_hash),
            answer: Some(answer),
            at: 1_005,
        },
    ]
}

/// A file whose log holds the entries in this order; `order` names keys, PIN and decision.
fn file(order: [usize; 3]) -> EvidenceFile {
    let challenge = Key::new("challenge").cose(&challenge(), true);
    let received = Received::<Challenge>::parse(&challenge.0, ENVIRONMENT).unwrap();
    let hash = challenge_hash(received.payload());
    let answer = Answer {
        device: DEVICE,
        challenge: hash,
        decision: Decision::Approve,
        factor: Factor::Pin,
        remember_browser: false,
        ratchet_hash: ratchet_hash(&Secret([7; 16])),
        ratchet_count: 7,
        log: received.claimed().log,
        operation: None,
    };
    let unsigned = Unsigned::new(&answer, ENVIRONMENT, None);
    let factor_signature = Some(Key::new("pin").sign(&unsigned.to_be_signed_as(Role::Pin)));
    let answer = Key::new("possession").cose(&answer, false);
    let payload = crypto::sha256(&[Received::<Answer>::parse(&answer.0, ENVIRONMENT).unwrap().payload()]);
    let request = AnswerRequest { answer, challenge, factor_signature, pin: None, data: None, new_keys: vec![] };

    let logged = entries(hash, payload);
    let logged: Vec<_> = order.iter().map(|place| serde_json::to_vec(&logged[*place]).unwrap()).collect();
    let leaves: Vec<_> = logged.iter().map(|entry| salted_leaf(&[9; 32], entry)).collect();
    let nodes = LeafNodes::new(&leaves);
    let size = 3;
    let leaf = |which: usize| {
        let index = u64::try_from(order.iter().position(|place| *place == which).unwrap()).unwrap();
        let proof = inclusion_proof(index, size, |level, nr| Ok::<_, ()>(nodes.node(level, nr).unwrap()));
        Leaf {
            index,
            salt: Fixed([9; 32]),
            entry: Blob(logged[usize::try_from(index).unwrap()].clone()),
            proof: proof.unwrap().unwrap().into_iter().map(Fixed).collect(),
        }
    };
    let checkpoint =
        Checkpoint { environment: ENVIRONMENT.to_owned(), epoch: 7, size, root: merkle::root(&leaves), time: 1_010 };
    let (origin, body) = (checkpoint.origin().unwrap(), checkpoint.to_note_body().unwrap());
    let log = Key::new("log");
    let line = NoteSignature {
        key_hash: key_hash(&origin, CheckpointAlgorithm::Es256, &log.1.0),
        signature: log.sign(body.as_bytes()).0.to_vec(),
        name: origin,
    };
    EvidenceFile {
        version: VERSION,
        key_sets: vec![key_set(10_000)],
        request: Some(Blob(cbor::encode(&request))),
        keys: Some(leaf(0)),
        pin: Some(leaf(1)),
        decision: leaf(2),
        checkpoint: signed_note(&body, &[line]),
        consistency: vec![],
    }
}

fn judge(file: &EvidenceFile) -> Result<Shown, EvidenceError> {
    verify(&cbor::encode(file), &root())
}

#[test]
fn whole_evidence_says_what_was_shown_to_whom_and_when() {
    let shown = judge(&file([0, 1, 2])).unwrap();
    assert_eq!(shown.text.as_deref(), Some("Betal 100 kr. til Bager Sørensen"));
    assert_eq!((shown.uuid.as_str(), shown.device, shown.factor, shown.at), ("b7f0", DEVICE, Factor::Pin, 1_005));
    assert_eq!(shown.level, Some(Level::Substantial));
    assert_eq!((shown.log.epoch, shown.log.index, shown.log.size, shown.log.time), (7, 2, 3, 1_010));
    assert_eq!((shown.possession.index, shown.factor_key.unwrap().index), (0, 1));
    let text = judge(&file([0, 1, 2])).unwrap().to_string();
    assert!(text.contains("approved with the PIN") && text.contains("entry 2 of 3"), "{text}");
}

#[test]
fn every_changed_byte_fails() {
    let bytes = cbor::encode(&file([0, 1, 2]));
    assert!(verify(&bytes, &root()).is_ok());
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(verify(&changed, &root()).is_err(), "byte {place} of {}", bytes.len());
    }
    for end in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(verify(&bytes[..end], &root()).is_err());
    }
}

#[test]
fn keys_enrolled_afterwards_fail() {
    assert_eq!(judge(&file([1, 2, 0])), Err(EvidenceError::Enrolment));
    assert_eq!(judge(&file([0, 2, 1])), Err(EvidenceError::Enrolment));
}

#[test]
fn another_root_or_an_expired_key_set_fails() {
    let bytes = cbor::encode(&file([0, 1, 2]));
    let other = Root { key: Key::new("other").1, ..root() };
    assert_eq!(verify(&bytes, &other), Err(EvidenceError::KeySet));
    let elsewhere = Root { environment: "prod".to_owned(), ..root() };
    assert_eq!(verify(&bytes, &elsewhere), Err(EvidenceError::KeySet));
    let mut expired = file([0, 1, 2]);
    expired.key_sets = vec![key_set(1_000)];
    assert_eq!(judge(&expired), Err(EvidenceError::Challenge));
}

#[test]
fn under_a_post_quantum_root_the_checkpoint_has_both_lines() {
    let (root_pq, log_pq) = (pq(1), pq(2));
    let root = Root { pq_key: Some(root_pq.public()), ..root() };
    let mut file = file([0, 1, 2]);
    file.key_sets = vec![key_set_with(10_000, Some((&root_pq, &log_pq)))];
    let judge = |file: &EvidenceFile| verify(&cbor::encode(file), &root).map(|shown| shown.at);
    assert_eq!(judge(&file), Err(EvidenceError::Checkpoint));
    let classic = checkpoint::parse(file.checkpoint.as_bytes()).unwrap();
    let (origin, body) = (classic.checkpoint.origin().unwrap(), classic.checkpoint.to_note_body().unwrap());
    let line = |signer: &PqSigner, key: &PqSigner| NoteSignature {
        key_hash: key_hash(&origin, CheckpointAlgorithm::MlDsa65, &key.public().0),
        signature: signer.sign(body.as_bytes()).unwrap().0,
        name: origin.clone(),
    };
    let mut with = |lines: &[NoteSignature]| {
        file.checkpoint = signed_note(&body, lines);
        judge(&file)
    };
    let es256 = classic.signatures[0].clone();
    assert_eq!(with(&[es256.clone(), line(&log_pq, &log_pq)]), Ok(1_005));
    assert_eq!(with(&[line(&log_pq, &log_pq)]), Err(EvidenceError::Checkpoint), "ES256 is missing");
    assert_eq!(with(&[es256.clone(), line(&root_pq, &log_pq)]), Err(EvidenceError::Checkpoint), "forged");
    assert_eq!(with(&[es256, line(&root_pq, &root_pq)]), Err(EvidenceError::Checkpoint), "another key");
}

#[test]
fn parts_that_do_not_belong_fail() {
    let mut unpinned = file([0, 1, 2]);
    unpinned.pin = None;
    assert_eq!(judge(&unpinned), Err(EvidenceError::Malformed));
    let mut swapped = file([0, 1, 2]);
    let keys = swapped.keys.take().unwrap();
    swapped.keys = Some(std::mem::replace(&mut swapped.decision, keys));
    assert_eq!(judge(&swapped), Err(EvidenceError::Enrolment));
    let mut consistent = file([0, 1, 2]);
    consistent.consistency = vec![Fixed([0; 32])];
    assert_eq!(judge(&consistent), Err(EvidenceError::NotInLog));
    let mut newer = file([0, 1, 2]);
    newer.version = 2;
    assert_eq!(judge(&newer), Err(EvidenceError::Newer));
}

/// A decision without signatures: refused unopened, or an offline code.
fn statement(challenge: Option<Hash32>, answer: Option<Hash32>) -> EvidenceFile {
    let mut file = file([0, 1, 2]);
    let entry = entries(Fixed([0; 32]), Fixed([0; 32])).pop().unwrap();
    let AuditEntry::Decided { transaction, account, uuid, device, action, relying_party, decision, at, .. } = entry
    else {
        panic!()
    };
    let entry = AuditEntry::Decided {
        transaction,
        account,
        uuid,
        device,
        action,
        relying_party,
        decision,
        factor: Factor::Biometric,
        binding: Binding::Offline,
        level: Some(Level::Substantial),
        means: Vec::new(),
        challenge,
        answer,
        at,
    };
    let entry = serde_json::to_vec(&entry).unwrap();
    let checkpoint = Checkpoint {
        environment: ENVIRONMENT.to_owned(),
        epoch: 7,
        size: 1,
        root: salted_leaf(&[9; 32], &entry),
        time: 1_010,
    };
    let (origin, body) = (checkpoint.origin().unwrap(), checkpoint.to_note_body().unwrap());
    let log = Key::new("log");
    let line = NoteSignature {
        key_hash: key_hash(&origin, CheckpointAlgorithm::Es256, &log.1.0),
        signature: log.sign(body.as_bytes()).0.to_vec(),
        name: origin,
    };
    file.decision = Leaf { index: 0, salt: Fixed([9; 32]), entry: Blob(entry), proof: vec![] };
    file.checkpoint = signed_note(&body, &[line]);
    (file.request, file.keys, file.pin) = (None, None, None);
    file
}

#[test]
fn what_no_phone_has_signed_is_a_statement_and_never_evidence() {
    let bytes = cbor::encode(&statement(None, None));
    assert_eq!(verify(&bytes, &root()), Err(EvidenceError::StatementOnly));
    let stated = verify_statement(&bytes, &root()).unwrap();
    assert_eq!((stated.transaction, stated.binding, stated.at), (TRANSACTION, Binding::Offline, 1_005));
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(verify_statement(&changed, &root()).is_err(), "byte {place}");
    }
    // Evidence with its signatures taken out.
    let stripped = cbor::encode(&statement(Some(Fixed([1; 32])), Some(Fixed([2; 32]))));
    assert_eq!(verify_statement(&stripped, &root()), Err(EvidenceError::Decision));
    let whole = cbor::encode(&file([0, 1, 2]));
    assert_eq!(verify_statement(&whole, &root()), Err(EvidenceError::Malformed));
    let mut half = file([0, 1, 2]);
    half.request = None;
    assert_eq!(judge(&half), Err(EvidenceError::Malformed));
}

mod contradictions;
