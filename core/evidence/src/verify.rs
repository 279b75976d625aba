//! Judging a file: a pure function of its bytes and the root.

use godkend_protocol::bytes::{Blob, Fixed, Hash32, PublicKey};
use godkend_protocol::cbor;
use godkend_protocol::checkpoint::{self, Checkpoint};
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::cosignature::WitnessKey;
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, Root};
use godkend_protocol::merkle;
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge, challenge_hash};
use godkend_protocol::types::{Decision, Factor, KeyPurpose};

use crate::entry::{AuditEntry, LoggedKey};
use crate::error::EvidenceError;
use crate::file::{EvidenceFile, Leaf, VERSION};
use crate::shown::{EnrolledWith, Seen, Shown, Witnessed};
use crate::signed::{self, Others};

/// Clocks within one server may differ by so much between two of its acts, in seconds.
const CLOCK_STEP: i64 = 60;

/// Verifies an evidence file under a root.
///
/// # Errors
/// [`EvidenceError`]: the first thing that does not hold; [`EvidenceError::StatementOnly`] for a file that is for
/// [`crate::verify_statement`].
pub fn verify(file: &[u8], root: &Root) -> Result<Shown, EvidenceError> {
    let file: EvidenceFile = cbor::decode(file)?;
    if file.version != VERSION {
        return Err(EvidenceError::Newer);
    }
    let sets = sets(&file.key_sets, root)?;
    let (request, keys_leaf) = match (&file.request, &file.keys, &file.pin) {
        (Some(request), Some(keys), _) => (request, keys),
        (None, None, None) => return Err(EvidenceError::StatementOnly),
        _ => return Err(EvidenceError::Malformed),
    };
    let request: AnswerRequest = cbor::decode(&request.0)?;
    if request.pin.is_some() || request.data.is_some() || !request.new_keys.is_empty() {
        return Err(EvidenceError::Malformed);
    }
    let (challenge, hash) = own_challenge(&request.challenge.0, &sets, root)?;
    let received =
        Received::<Answer>::parse(&request.answer.0, &root.environment).map_err(|_| EvidenceError::Answer)?;
    check_answer(received.claimed(), &challenge, &hash)?;

    let checkpoint = own_checkpoint(&file.checkpoint, &sets, root)?;
    check_consistency(&challenge, &checkpoint, &file.consistency)?;
    let enrolment = entry(keys_leaf, &checkpoint)?;
    let decision = entry(&file.decision, &checkpoint)?;
    let pin = file.pin.as_ref().map(|leaf| entry(leaf, &checkpoint).map(|entry| (leaf.index, entry))).transpose()?;

    let before = file.decision.index;
    let keys =
        enrolled_keys(&enrolment, &challenge).filter(|_| keys_leaf.index < before).ok_or(EvidenceError::Enrolment)?;
    let possession = logged(&keys, KeyPurpose::Possession).ok_or(EvidenceError::Enrolment)?;
    received.check(&possession.public).map_err(|_| EvidenceError::Possession)?;
    let pin = match pin {
        None => None,
        Some((index, entry)) => Some((
            index,
            pin_key(&entry, &challenge).filter(|_| index < before).ok_or(EvidenceError::Enrolment)?,
            entry,
        )),
    };
    check_factor(&received, &request, &keys, pin.as_ref().map(|(_, key, _)| *key))?;
    let of = |key: &LoggedKey| EnrolledWith { index: keys_leaf.index, at: key.enrolled, security: Some(key.security) };
    let factor_key = match (received.claimed().factor, &pin) {
        (Factor::Pin, Some((index, _, AuditEntry::PinEnrolled { at, .. }))) => {
            Some(EnrolledWith { index: *index, at: *at, security: None })
        }
        (Factor::Biometric, _) => logged(&keys, KeyPurpose::Biometric).map(of),
        _ => None,
    };
    let transcript = match &enrolment {
        AuditEntry::DeviceEnrolled { transcript, .. } => Some(*transcript),
        _ => None,
    };
    let signed = Signed { possession: of(possession), factor_key, transcript, hash };
    let answer_hash = payload_hash(&received);
    shown(root, challenge, received.claimed(), decision, (signed, answer_hash), seen(&checkpoint, before))
}

/// Verifies that a witness has seen the log that an evidence file or statement is of, with the decision in it. The proof
/// leads from the smaller of the two checkpoints to the larger; it is empty where they are equally large.
///
/// # Errors
/// [`EvidenceError`]; the file itself is for [`verify`].
pub fn witnessed(
    file: &[u8],
    root: &Root,
    note: &str,
    witness: &WitnessKey,
    proof: &[Hash32],
) -> Result<Witnessed, EvidenceError> {
    let file: EvidenceFile = cbor::decode(file)?;
    let sets = sets(&file.key_sets, root)?;
    let own = own_checkpoint(&file.checkpoint, &sets, root)?;
    let unverified = checkpoint::parse(note.as_bytes()).map_err(|_| EvidenceError::Witness)?;
    let time = witness.verify(&unverified).map_err(|_| EvidenceError::Witness)?;
    let theirs = signed::open(note, &sets, root, Others::Ignored).map_err(|_| EvidenceError::Checkpoint)?;
    let (old, new) = if theirs.size < own.size { (&theirs, &own) } else { (&own, &theirs) };
    merkle::verify_consistency(old.size, new.size, &old.root, &new.root, &hashes(proof))
        .map_err(|_| EvidenceError::NotWitnessed)?;
    if theirs.epoch != own.epoch || theirs.size <= file.decision.index {
        return Err(EvidenceError::NotWitnessed);
    }
    Ok(Witnessed { witness: witness.name.clone(), time, size: theirs.size })
}

/// All sets must be the root's; their expiry is judged at the time of what they have signed.
pub(crate) fn sets(blobs: &[Blob], root: &Root) -> Result<Vec<KeySet>, EvidenceError> {
    let sets = signed::key_sets(blobs, root).map_err(|_| EvidenceError::KeySet)?;
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

/// The checkpoint, every line of which must be a known key's.
pub(crate) fn own_checkpoint(note: &str, sets: &[KeySet], root: &Root) -> Result<Checkpoint, EvidenceError> {
    signed::open(note, sets, root, Others::Refused).map_err(|_| EvidenceError::Checkpoint)
}

pub(crate) fn seen(checkpoint: &Checkpoint, index: u64) -> Seen {
    let Checkpoint { epoch, size, root, time, .. } = checkpoint;
    Seen { epoch: *epoch, index, size: *size, root: Fixed(*root), time: *time }
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
pub(crate) fn entry(leaf: &Leaf, checkpoint: &Checkpoint) -> Result<AuditEntry, EvidenceError> {
    let hash = merkle::salted_leaf(&leaf.salt.0, &leaf.entry.0);
    merkle::verify_inclusion(&hash, leaf.index, checkpoint.size, &hashes(&leaf.proof), &checkpoint.root)
        .map_err(|_| EvidenceError::NotInLog)?;
    serde_json::from_slice(&leaf.entry.0).map_err(|_| EvidenceError::Newer)
}

fn hashes(proof: &[Hash32]) -> Vec<merkle::Hash> {
    proof.iter().map(|hash| hash.0).collect()
}

/// The keys that an entry enrols for the challenge's device.
#[must_use]
pub fn enrolled_keys(entry: &AuditEntry, challenge: &Challenge) -> Option<Vec<LoggedKey>> {
    match entry {
        AuditEntry::DeviceEnrolled { device, account, keys, .. }
        | AuditEntry::KeysChanged { device, account, keys, .. } => {
            (*device == challenge.device && *account == challenge.account).then(|| keys.clone())
        }
        _ => None,
    }
}

/// The PIN's key that an entry enrols for the challenge's device.
#[must_use]
pub fn pin_key(entry: &AuditEntry, challenge: &Challenge) -> Option<PublicKey> {
    match entry {
        AuditEntry::PinEnrolled { device, account, key, .. } => {
            (*device == challenge.device && *account == challenge.account).then_some(*key)
        }
        _ => None,
    }
}

/// The key of this purpose.
#[must_use]
pub fn key(keys: &[LoggedKey], purpose: KeyPurpose) -> Option<PublicKey> {
    logged(keys, purpose).map(|key| key.public)
}

fn logged(keys: &[LoggedKey], purpose: KeyPurpose) -> Option<&LoggedKey> {
    keys.iter().find(|key| key.purpose == purpose)
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

/// What was signed by whom.
struct Signed {
    possession: EnrolledWith,
    factor_key: Option<EnrolledWith>,
    transcript: Option<Hash32>,
    /// The challenge's.
    hash: Hash32,
}

fn shown(
    root: &Root,
    challenge: Challenge,
    answer: &Answer,
    entry: AuditEntry,
    (signed, answer_hash): (Signed, Hash32),
    log: Seen,
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
        means,
        challenge: Some(named),
        answer: Some(answered),
        at,
        ..
    } = entry
    else {
        return Err(EvidenceError::Decision);
    };
    let same = (transaction, account, device)
        == (challenge.transaction, Some(challenge.account), Some(challenge.device))
        && (action, binding) == (challenge.action, challenge.binding)
        && relying_party == challenge.relying_party.id
        && (decision, factor) == (answer.decision, answer.factor)
        && (named, answered) == (signed.hash, answer_hash)
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
        place: challenge.place,
        browser: challenge.browser,
        level_asked: challenge.level,
        asked: (challenge.issued, challenge.expires),
        decision,
        factor,
        binding,
        level,
        means,
        at,
        challenge: signed.hash,
        answer: answer_hash,
        possession: signed.possession,
        factor_key: signed.factor_key,
        transcript: signed.transcript,
        log,
    })
}
