//! Checkpoints of the log under what a root has signed.

use godkend_protocol::bytes::{Blob, Hash32, PublicKey, Signature};
use godkend_protocol::checkpoint::{
    self, Checkpoint, CheckpointAlgorithm, CheckpointError, NoteSignature, UnverifiedCheckpoint,
};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, KeySetError, Root, SignedKeySet};
use godkend_protocol::merkle;
use godkend_protocol::suite::pq_verify;
use serde::{Deserialize, Serialize};

/// What lines beside the log's own a note may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// None.
    Refused,
    /// Anybody's: witnesses', which are judged elsewhere.
    Ignored,
}

/// Verifies key sets, whatever their age; none is no error.
///
/// # Errors
/// [`KeySetError`] of the first that is not the root's.
pub fn key_sets(blobs: &[Blob], root: &Root) -> Result<Vec<KeySet>, KeySetError> {
    blobs.iter().map(|blob| SignedKeySet::verify(&blob.0, root, 0, i64::MIN)).collect()
}

/// Believes a checkpoint when one of the sets, not expired at the checkpoint's time, knows the key of every line under
/// the log's name, each is right and there once, ES256 is among them, and ML-DSA-65 under a root that has such a key.
///
/// # Errors
/// [`CheckpointError`].
pub fn open(note: &str, sets: &[KeySet], root: &Root, others: Others) -> Result<Checkpoint, CheckpointError> {
    let unverified = checkpoint::parse(note.as_bytes())?;
    let good = unverified.checkpoint.environment == root.environment
        && sets.iter().any(|set| holds(&unverified, set, root, others).unwrap_or(false));
    if good { Ok(unverified.checkpoint) } else { Err(CheckpointError::Signature) }
}

fn holds(note: &UnverifiedCheckpoint, set: &KeySet, root: &Root, others: Others) -> Result<bool, CheckpointError> {
    let origin = note.checkpoint.origin()?;
    let (own, strange): (Vec<_>, Vec<_>) = note.signatures.iter().partition(|line| line.name == origin);
    let in_time = i64::try_from(note.checkpoint.time).is_ok_and(|time| time < set.expires);
    if !in_time || (others == Others::Refused && !strange.is_empty()) {
        return Ok(false);
    }
    let (mut classic, mut quantum) = (false, false);
    for (place, line) in own.iter().enumerate() {
        let again = own.iter().take(place).any(|earlier| earlier.key_hash == line.key_hash);
        match verified_by(line, &origin, &note.body, set) {
            Some(CheckpointAlgorithm::Es256) if !again => classic = true,
            Some(CheckpointAlgorithm::MlDsa65) if !again => quantum = true,
            _ => return Ok(false),
        }
    }
    Ok(classic && (quantum || root.pq_key.is_none()))
}

/// The algorithm of the set's key that has signed this line.
fn verified_by(line: &NoteSignature, origin: &str, body: &[u8], set: &KeySet) -> Option<CheckpointAlgorithm> {
    let named = |algorithm, key: &[u8]| checkpoint::key_hash(origin, algorithm, key) == line.key_hash;
    let es256 = |key: &&PublicKey| named(CheckpointAlgorithm::Es256, &key.0);
    if let Some(key) = set.log_keys.iter().find(es256) {
        let signature = Signature::from_slice(&line.signature)?;
        return crypto::verify_es256(key, body, &signature).then_some(CheckpointAlgorithm::Es256);
    }
    let key = set.log_pq_key.as_ref().filter(|key| named(CheckpointAlgorithm::MlDsa65, &key.0))?;
    pq_verify(&key.0, body, &line.signature).then_some(CheckpointAlgorithm::MlDsa65)
}

/// What the server answers to `GET /log/v1/consistency`: the root hashes of two sizes of its log, and the proof between
/// them. Byte strings in Base64url without padding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Consistency {
    /// The smaller size.
    pub from: u64,
    /// The root hash of the first `from` entries, as the log has them now.
    pub from_root: Hash32,
    /// The larger size.
    pub to: u64,
    /// Its root hash.
    pub to_root: Hash32,
    /// RFC 9162, section 2.1.4.
    pub proof: Vec<Hash32>,
}

impl Consistency {
    /// Whether the tree of `newer` begins with `from` entries of the root hash `from_root`, whatever that is.
    #[must_use]
    pub fn holds_for(&self, newer: &Checkpoint) -> bool {
        let proof: Vec<_> = self.proof.iter().map(|hash| hash.0).collect();
        (self.to, self.to_root.0) == (newer.size, newer.root)
            && merkle::verify_consistency(self.from, self.to, &self.from_root.0, &newer.root, &proof).is_ok()
    }
}
