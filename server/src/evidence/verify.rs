//! Judging a file: a pure function of its bytes and the root.

use std::fmt;

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey};
use godkend_protocol::cbor::{self, CborError};
use godkend_protocol::checkpoint::{self, Checkpoint, CheckpointAlgorithm};
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, Root, SignedKeySet};
use godkend_protocol::merkle;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, challenge_hash};
use godkend_protocol::types::{Action, Binding, Decision, Factor, KeyPurpose, Level, Payment};
use serde::Serialize;

use super::{EvidenceFile, Leaf, VERSION};
use crate::audit::{AuditEntry, LoggedKey};
use crate::keys::checkpoint_verifiers;
use crate::log::{CheckpointVerifier, believe};

/// Clocks within one server may differ by so much between two of its acts, in seconds.
const CLOCK_STEP: i64 = 60;

/// What a file shows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The environment.
    pub environment: String,
    /// The transaction.
    pub transaction: Id,
    /// The person: `mitid.uuid`.
    pub uuid: String,
    /// The account.
    pub account: Id,
    /// The device.
    pub device: Id,
    /// Who asked: identifier and name, as shown.
    pub relying_party: (String, String),
    /// What it was about.
    pub action: Action,
    /// The text, as shown.
    pub text: Option<String>,
    /// The payment, as shown.
    pub payment: Option<Payment>,
    /// What was decided.
    pub decision: Decision,
    /// With what.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The level that was reached.
    pub level: Option<Level>,
    /// Unix seconds.
    pub at: i64,
    /// The log's epoch, the decision's place, and the size of the log that it was shown in.
    pub log: (u64, u64, u64),
}

/// Why a file shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not such a file: get it again from where it came.
    #[error("the file is not an evidence file, or is damaged")]
    Malformed,
    /// Made by a later version: use that program.
    #[error("the file needs a newer program")]
    Newer,
    /// Another root's, or forged: a key set is not signed by this root.
    #[error("a key set is not signed by this root")]
    KeySet,
    /// The challenge was not signed by the server, or after its keys had expired.
    #[error("the challenge is not signed by the server's key")]
    Challenge,
    /// The answer is not that device's, or not to this challenge.
    #[error("the answer does not belong to the challenge")]
    Answer,
    /// The device's key has not signed the answer.
    #[error("the answer is not signed by the enrolled key of the device")]
    Possession,
    /// The factor's key has not signed the answer.
    #[error("the answer is not signed by the enrolled key of the factor")]
    Factor,
    /// A key was enrolled after the decision, or for another device.
    #[error("a key was not enrolled for this device before the decision")]
    Enrolment,
    /// The checkpoint is not signed by the log's key.
    #[error("the checkpoint is not signed by the log's key")]
    Checkpoint,
    /// An entry does not stand in the log.
    #[error("an entry does not stand in the log")]
    NotInLog,
    /// The log's entry tells of another decision.
    #[error("the log's entry does not tell of this decision")]
    Decision,
}

impl From<CborError> for EvidenceError {
    fn from(error: CborError) -> Self {
        match error {
            CborError::UpdateNeeded => Self::Newer,
            CborError::Malformed | CborError::TooLarge => Self::Malformed,
        }
    }
}

/// Verifies an evidence file under a root.
///
/// # Errors
/// [`EvidenceError`]: the first thing that does not hold.
pub fn verify(file: &[u8], root: &Root) -> Result<Shown, EvidenceError> {
    let file: EvidenceFile = cbor::decode(file)?;
    if file.version != VERSION {
        return Err(EvidenceError::Newer);
    }
    let sets = key_sets(&file.key_sets, root)?;
    let request: AnswerRequest = cbor::decode(&file.request.0)?;
    if request.pin.is_some() || request.data.is_some() || !request.new_keys.is_empty() {
        return Err(EvidenceError::Malformed);
    }
    let (challenge, hash) = own_challenge(&request.challenge.0, &sets, root)?;
    let received =
        Received::<Answer>::parse(&request.answer.0, &root.environment).map_err(|_| EvidenceError::Answer)?;
    check_answer(received.claimed(), &challenge, &hash)?;

    let checkpoint = own_checkpoint(&file.checkpoint, &sets, root)?;
    check_consistency(&challenge, &checkpoint, &file.consistency)?;
    let keys = entry(&file.keys, &checkpoint)?;
    let decision = entry(&file.decision, &checkpoint)?;
    let pin = file.pin.as_ref().map(|leaf| entry(leaf, &checkpoint).map(|entry| (leaf.index, entry))).transpose()?;

    let before = file.decision.index;
    let keys = enrolled_keys(&keys, &challenge).filter(|_| file.keys.index < before).ok_or(EvidenceError::Enrolment)?;
    let possession = key(&keys, KeyPurpose::Possession).ok_or(EvidenceError::Enrolment)?;
    received.check(&possession).map_err(|_| EvidenceError::Possession)?;
    let pin = match pin {
        None => None,
        Some((index, entry)) => {
            Some(pin_key(&entry, &challenge).filter(|_| index < before).ok_or(EvidenceError::Enrolment)?)
        }
    };
    check_factor(&received, &request, &keys, pin)?;
    shown(root, challenge, received.claimed(), decision, &hash, &payload_hash(&received), (&checkpoint, before))
}

/// All sets must be the root's; their expiry is judged at the time of what they have signed.
fn key_sets(blobs: &[Blob], root: &Root) -> Result<Vec<KeySet>, EvidenceError> {
    let open = |blob: &Blob| SignedKeySet::verify(&blob.0, root, 0, i64::MIN).map_err(|_| EvidenceError::KeySet);
    let sets: Vec<_> = blobs.iter().map(open).collect::<Result<_, _>>()?;
    if sets.is_empty() { Err(EvidenceError::KeySet) } else { Ok(sets) }
}

fn own_challenge(bytes: &[u8], sets: &[KeySet], root: &Root) -> Result<(Challenge, Hash32), EvidenceError> {
    let opened = sets.iter().find_map(|set| {
        let received = set.open::<Challenge>(bytes, &root.environment).ok()?;
        (received.claimed().issued < set.expires).then_some(received)
    });
    let received = opened.ok_or(EvidenceError::Challenge)?;
    Ok((received.claimed().clone(), challenge_hash(received.payload())))
}

fn check_answer(answer: &Answer, challenge: &Challenge, hash: &Hash32) -> Result<(), EvidenceError> {
    let factor = match answer.decision {
        Decision::Approve => answer.factor != Factor::None && challenge.factors.contains(&answer.factor),
        Decision::Deny | Decision::ReportFraud => answer.factor == Factor::None,
    };
    let belongs = answer.challenge == *hash && answer.device == challenge.device && factor;
    if belongs { Ok(()) } else { Err(EvidenceError::Answer) }
}

/// The checkpoint, every line of which must be a known key's: ES256 always, and ML-DSA-65 under a root that has a
/// post-quantum key.
fn own_checkpoint(note: &str, sets: &[KeySet], root: &Root) -> Result<Checkpoint, EvidenceError> {
    let parse = || checkpoint::parse(note.as_bytes()).map_err(|_| EvidenceError::Checkpoint);
    let origin = parse()?.checkpoint.origin().map_err(|_| EvidenceError::Checkpoint)?;
    sets.iter()
        .find_map(|set| {
            let verifiers = checkpoint_verifiers(set);
            let known =
                |verifier: &CheckpointVerifier| checkpoint::key_hash(&origin, verifier.algorithm, &verifier.public_key);
            let known: Vec<_> = verifiers.iter().map(known).collect();
            let unverified = parse().ok()?;
            let all_known = unverified.signatures.iter().all(|line| known.contains(&line.key_hash));
            let signed = |algorithm| {
                let own = verifiers.iter().zip(&known).filter(|(verifier, _)| verifier.algorithm == algorithm);
                let lines = &unverified.signatures;
                own.into_iter().any(|(_, hash)| lines.iter().any(|line| line.name == origin && line.key_hash == *hash))
            };
            let whole =
                signed(CheckpointAlgorithm::Es256) && (root.pq_key.is_none() || signed(CheckpointAlgorithm::MlDsa65));
            let checkpoint = believe(unverified, &verifiers).ok()?;
            let in_time = i64::try_from(checkpoint.time).is_ok_and(|time| time < set.expires);
            (all_known && whole && in_time && checkpoint.environment == root.environment).then_some(checkpoint)
        })
        .ok_or(EvidenceError::Checkpoint)
}

/// The log that the phone saw is a beginning of this one.
fn check_consistency(challenge: &Challenge, checkpoint: &Checkpoint, proof: &[Hash32]) -> Result<(), EvidenceError> {
    let (old, proof) = (&challenge.log, hashes(proof));
    if u64::from(old.epoch) != checkpoint.epoch {
        return Err(EvidenceError::NotInLog);
    }
    merkle::verify_consistency(old.size, checkpoint.size, &old.root.0, &checkpoint.root, &proof)
        .map_err(|_| EvidenceError::NotInLog)
}

/// An entry that stands in the log.
fn entry(leaf: &Leaf, checkpoint: &Checkpoint) -> Result<AuditEntry, EvidenceError> {
    let hash = merkle::salted_leaf(&leaf.salt.0, &leaf.entry.0);
    merkle::verify_inclusion(&hash, leaf.index, checkpoint.size, &hashes(&leaf.proof), &checkpoint.root)
        .map_err(|_| EvidenceError::NotInLog)?;
    serde_json::from_slice(&leaf.entry.0).map_err(|_| EvidenceError::Newer)
}

fn hashes(proof: &[Hash32]) -> Vec<merkle::Hash> {
    proof.iter().map(|hash| hash.0).collect()
}

/// The keys that an entry enrols for the challenge's device.
pub(super) fn enrolled_keys(entry: &AuditEntry, challenge: &Challenge) -> Option<Vec<LoggedKey>> {
    match entry {
        AuditEntry::DeviceEnrolled { device, account, keys, .. }
        | AuditEntry::KeysChanged { device, account, keys, .. } => {
            (*device == challenge.device && *account == challenge.account).then(|| keys.clone())
        }
        _ => None,
    }
}

/// The PIN's key that an entry enrols for the challenge's device.
pub(super) fn pin_key(entry: &AuditEntry, challenge: &Challenge) -> Option<PublicKey> {
    match entry {
        AuditEntry::PinEnrolled { device, account, key, .. } => {
            (*device == challenge.device && *account == challenge.account).then_some(*key)
        }
        _ => None,
    }
}

pub(super) fn key(keys: &[LoggedKey], purpose: KeyPurpose) -> Option<PublicKey> {
    keys.iter().find(|key| key.purpose == purpose).map(|key| key.public)
}

fn check_factor(
    received: &Received<Answer>,
    request: &AnswerRequest,
    keys: &[LoggedKey],
    pin: Option<PublicKey>,
) -> Result<(), EvidenceError> {
    let factor = received.claimed().factor;
    if pin.is_some() != (factor == Factor::Pin) {
        return Err(EvidenceError::Malformed);
    }
    let (role, key) = match factor {
        Factor::None if request.factor_signature.is_none() => return Ok(()),
        Factor::None => return Err(EvidenceError::Malformed),
        Factor::Pin => (Role::Pin, pin),
        Factor::Biometric => (Role::Biometric, key(keys, KeyPurpose::Biometric)),
    };
    let signature = request.factor_signature.as_ref().ok_or(EvidenceError::Factor)?;
    received.check_as(role, &key.ok_or(EvidenceError::Enrolment)?, signature).map_err(|_| EvidenceError::Factor)
}

fn payload_hash(received: &Received<Answer>) -> Hash32 {
    crypto::sha256(&[received.payload()])
}

fn shown(
    root: &Root,
    challenge: Challenge,
    answer: &Answer,
    entry: AuditEntry,
    hash: &Hash32,
    answer_hash: &Hash32,
    (checkpoint, index): (&Checkpoint, u64),
) -> Result<Shown, EvidenceError> {
    let AuditEntry::Decided {
        transaction,
        account,
        uuid: Some(uuid),
        device,
        action,
        relying_party,
        decision,
        factor,
        binding,
        level,
        challenge: Some(named),
        answer: Some(answered),
        at,
    } = entry
    else {
        return Err(EvidenceError::Decision);
    };
    let same = (transaction, account, device)
        == (challenge.transaction, Some(challenge.account), Some(challenge.device))
        && (action, binding) == (challenge.action, challenge.binding)
        && relying_party == challenge.relying_party.id
        && (decision, factor) == (answer.decision, answer.factor)
        && (named, answered) == (*hash, *answer_hash)
        && level.is_some() == (decision == Decision::Approve)
        && level.is_none_or(|level| level >= challenge.level && level <= binding.cap());
    let in_time = at >= challenge.issued.saturating_sub(CLOCK_STEP) && at < challenge.expires;
    if !same || !in_time {
        return Err(EvidenceError::Decision);
    }
    Ok(Shown {
        environment: root.environment.clone(),
        transaction,
        uuid,
        account: challenge.account,
        device: challenge.device,
        relying_party: (challenge.relying_party.id, challenge.relying_party.name),
        action,
        text: challenge.text,
        payment: challenge.payment,
        decision,
        factor,
        binding,
        level,
        at,
        log: (checkpoint.epoch, index, checkpoint.size),
    })
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decided = match self.decision {
            Decision::Approve => "approved",
            Decision::Deny => "refused",
            Decision::ReportFraud => "reported as fraud",
        };
        let factor = match self.factor {
            Factor::None => "no factor",
            Factor::Pin => "the PIN",
            Factor::Biometric => "biometrics",
        };
        let (epoch, index, size) = self.log;
        writeln!(f, "Environment:   {}", self.environment)?;
        writeln!(f, "Transaction:   {}", self.transaction.to_base64())?;
        writeln!(f, "Asked by:      {} ({})", self.relying_party.1, self.relying_party.0)?;
        writeln!(f, "Action:        {}", self.action.name())?;
        if let Some(text) = &self.text {
            writeln!(f, "Text shown:    {text}")?;
        }
        if let Some(payment) = &self.payment {
            let account = payment.account.as_deref().map(|account| format!(", account {account}")).unwrap_or_default();
            let (amount, currency, payee) = (payment.amount_minor, &payment.currency, &payment.payee);
            writeln!(f, "Payment shown: {amount} minor units of {currency} to {payee}{account}")?;
        }
        writeln!(f, "Decision:      {decided} with {factor}, at Unix second {}", self.at)?;
        writeln!(f, "Person:        {} (device {})", self.uuid, self.device.to_base64())?;
        writeln!(f, "Binding:       {}", self.binding.name())?;
        writeln!(f, "Level:         {}", self.level.map_or("none", Level::name))?;
        write!(f, "Log:           entry {index} of {size}, epoch {epoch}; the keys were enrolled before it")
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
