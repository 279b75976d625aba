//! The audit log: append-only, outside the database, with a Merkle tree over it (RFC 9162) and signed checkpoints
//! (C2SP `tlog-checkpoint`).
//!
//! An entry is written to the store's outbox in the transaction that it tells of. The [`Sequencer`] appends it to the
//! log file, makes it durable, signs and writes a checkpoint, and only then clears the outbox; killed anywhere between,
//! it goes on from what it finds. Each entry is committed to with a random salt, so that entry and salt can be erased
//! while the tree stays ([`Log::erase`]).
//!
//! What an entry means is nothing to this module: entries are opaque bytes.

mod file;
#[cfg(test)]
mod fixture;
mod opening;
mod record;
mod sequencer;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use godkend_protocol::checkpoint::{Checkpoint, CheckpointAlgorithm, CheckpointError, UnverifiedCheckpoint, key_hash};
use godkend_protocol::merkle::Hash;

pub use self::record::MAX_ENTRY_LEN;
pub use self::sequencer::{AheadEntry, Behind, Log, Opened, Sequencer, SequencerConfig};
pub use self::verify::{LogReport, length, verify};
use crate::store::{OutboxId, StoreError};

/// One entry of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place, from 0.
    pub index: u64,
    /// The outbox entry that it came from.
    pub outbox_id: OutboxId,
    /// SHA-256(salt || entry); the leaf hash is SHA-256(0x00 || commitment).
    pub commitment: Hash,
    /// Salt and entry; none once erased.
    pub content: Option<Content>,
}

/// What can be erased of an entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Random, so that the commitment does not betray a guessable entry.
    pub salt: [u8; 32],
    /// The entry's bytes.
    pub entry: Vec<u8>,
}

/// The log's newest signed state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedCheckpoint {
    /// The signed note, as apps, relying parties and witnesses get it.
    pub note: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// What a witness has cosigned of this log: a log that does not begin with it must not be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Witnessed {
    /// The witness's name.
    pub witness: String,
    /// The log's epoch.
    pub epoch: u64,
    /// The number of entries.
    pub size: u64,
    /// The root hash over them.
    pub root: Hash,
}

/// Whether the second bytes are a good signature on the first.
pub type VerifyFn = Arc<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;
/// Signs these bytes; the error is a sentence for the operator.
pub type SignFn = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;
/// Unix seconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Checks one key's signatures on checkpoints.
#[derive(Clone)]
pub struct CheckpointVerifier {
    /// The key's algorithm.
    pub algorithm: CheckpointAlgorithm,
    /// The public key, in the algorithm's form.
    pub public_key: Vec<u8>,
    /// Whether these are (the signed bytes, a good signature on them).
    pub verify: VerifyFn,
}

/// One key that signs checkpoints.
#[derive(Clone)]
pub struct CheckpointSigner {
    /// The public half; what `sign` makes is checked with it before it is used.
    pub verifier: CheckpointVerifier,
    /// Signs these bytes; the error is a sentence for the operator.
    pub sign: SignFn,
}

/// What can go wrong with the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The disk: look at its space, its health and the folder's mode.
    #[error("the log's files failed while {doing}: {reason}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// Another process has the log open.
    #[error("another process has the log open")]
    Locked,
    /// The folder holds something else, or another environment's log.
    #[error("this is not the audit log of this environment: {0}")]
    NotThisLog(&'static str),
    /// An entry is not what was written. Do not start: put back the log's files, or find out who changed them.
    #[error("log entry {index} is damaged: {reason}")]
    Damaged {
        /// The first bad entry.
        index: u64,
        /// What does not fit.
        reason: &'static str,
    },
    /// The entries are whole in themselves, and not the ones that the checkpoint was signed over.
    #[error("the first {size} log entries do not have the root hash of the checkpoint")]
    RootMismatch {
        /// The checkpoint's size.
        size: u64,
    },
    /// The checkpoint file is gone although there are entries, or the other way round.
    #[error("the log's checkpoint and entries do not belong together: one of the files is missing")]
    CheckpointMissing,
    /// The stored checkpoint is malformed or signed by no known key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The database knows of log entries that are not here: the log was lost or put back from an older copy. Put back
    /// the newer log, or begin a new epoch ([`Behind::NewEpoch`]).
    #[error("the database knows {database_size} log entries of epoch {database_epoch}, the log has fewer")]
    Behind {
        /// The epoch that the database knows.
        database_epoch: u64,
        /// The log's size that the database knows.
        database_size: u64,
    },
    /// Log and database agree on the size and not on the entries: they do not belong together.
    #[error("the log's first {size} entries are not those that the database knows")]
    Forked {
        /// The size that the database knows.
        size: u64,
    },
    /// A witness has cosigned more than is here: log and database were put back together from an older copy. Put back the
    /// newer ones, or begin a new epoch ([`Behind::NewEpoch`]).
    #[error(
        "the witness {witness} has cosigned {size} log entries of epoch {epoch}, the log has {own}: it is an older copy"
    )]
    BehindWitness {
        /// The witness's name.
        witness: String,
        /// The epoch that it knows.
        epoch: u64,
        /// The size that it knows.
        size: u64,
        /// The size here; 0 without a log of that epoch.
        own: u64,
    },
    /// The log is not the one that a witness has cosigned: its first entries are others.
    #[error("the log's first {size} entries are not those that the witness {witness} has cosigned")]
    ForkedFromWitness {
        /// The witness's name.
        witness: String,
        /// The size that it knows.
        size: u64,
    },
    /// A new epoch needs a higher number than the last.
    #[error("a new epoch must be above {last}")]
    EpochTooLow {
        /// The highest epoch known.
        last: u64,
    },
    /// There is no such entry, or no such size, under the newest checkpoint.
    #[error("the log has no such entry or size yet")]
    OutOfRange,
    /// The entry is longer than [`MAX_ENTRY_LEN`].
    #[error("the entry is too long for the log")]
    TooLong,
    /// A key did not sign, or signed wrongly.
    #[error("signing the checkpoint failed: {0}")]
    Signing(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sequencer has stopped: the server is stopping.
    #[error("the log is closed")]
    Closed,
}

impl LogError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |e| Self::Io { doing, reason: e.to_string() }
    }
}

impl CheckpointVerifier {
    fn key_hash(&self, origin: &str) -> [u8; 4] {
        key_hash(origin, self.algorithm, &self.public_key)
    }
}

/// Believes a checkpoint when at least one known key has signed it and every line of a known key is right.
pub(crate) fn believe(
    unverified: UnverifiedCheckpoint,
    verifiers: &[CheckpointVerifier],
) -> Result<Checkpoint, CheckpointError> {
    let origin = unverified.checkpoint.origin()?;
    let known: Vec<_> = verifiers.iter().map(|verifier| (verifier.key_hash(&origin), verifier)).collect();
    let mut present: Vec<[u8; 4]> = known.iter().map(|(hash, _)| *hash).collect();
    present.retain(|hash| unverified.signatures.iter().any(|line| line.name == origin && line.key_hash == *hash));
    unverified.verify(&present, |body, hash, signature| {
        known.iter().any(|(known, verifier)| *known == hash && (verifier.verify)(body, signature))
    })
}
