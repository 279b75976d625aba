//! Two checkpoints of one log that cannot both be true: what a witness keeps, and anybody verifies.

use godkend_protocol::bytes::{Blob, Hash32};
use godkend_protocol::checkpoint::Checkpoint;
use godkend_protocol::keyset::Root;
use godkend_protocol::merkle;
use serde::{Deserialize, Serialize};

use crate::signed::{self, Others};

/// The record's version.
pub const VERSION: u32 = 1;

/// What was noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noticed {
    /// The log has signed fewer entries than before, in the same epoch.
    Shrunk,
    /// The log has signed two histories of one length.
    Forked,
    /// The log's history is longer, and does not begin with the one that it signed before.
    Rewritten,
    /// The log began again, in another epoch.
    EpochChanged,
}

/// A record: JSON, byte strings in Base64url without padding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// What was noticed.
    pub noticed: Noticed,
    /// When, in Unix seconds, by the clock of whoever noticed; nothing proves it.
    pub at: u64,
    /// The root's signed key sets that the checkpoints need.
    pub key_sets: Vec<Blob>,
    /// The checkpoint that was seen first, a signed note.
    pub older: String,
    /// The one that was seen after it.
    pub newer: String,
    /// With [`Noticed::Rewritten`]: the root hash of the newer log's first entries, as many as the older has.
    pub other_root: Option<Hash32>,
    /// With [`Noticed::Rewritten`]: the proof from `other_root` to the newer checkpoint (RFC 9162, section 2.1.4).
    pub consistency: Vec<Hash32>,
}

/// What a record proves.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Proven {
    /// What was noticed.
    pub noticed: Noticed,
    /// Whether the log's own signatures convict it. A restored backup shows an older checkpoint and has signed nothing
    /// false; a new epoch may have been announced.
    pub convicts: bool,
    /// Environment.
    pub environment: String,
    /// The older checkpoint: epoch, size, time.
    pub older: (u64, u64, u64),
    /// The newer one.
    pub newer: (u64, u64, u64),
}

/// Why a record proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Not such a record.
    #[error("the file is not a record of a witness, or is damaged")]
    Malformed,
    /// A key set is not signed by this root.
    #[error("a key set is not signed by this root")]
    KeySet,
    /// A checkpoint is not signed by the log's key.
    #[error("a checkpoint is not signed by the log's key")]
    Checkpoint,
    /// The two checkpoints do not show what the record says.
    #[error("the two checkpoints do not contradict each other in this way")]
    NoContradiction,
}

impl RecordError {
    /// A stable name, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::KeySet => "key_set_refused",
            Self::Checkpoint => "checkpoint_refused",
            Self::NoContradiction => "no_contradiction",
        }
    }
}

/// Reads and verifies a record under a root.
///
/// # Errors
/// [`RecordError`].
pub fn verify(bytes: &[u8], root: &Root) -> Result<Proven, RecordError> {
    let record: Record = serde_json::from_slice(bytes).map_err(|_| RecordError::Malformed)?;
    judge(&record, root)
}

/// Verifies a record under a root.
///
/// # Errors
/// [`RecordError`].
pub fn judge(record: &Record, root: &Root) -> Result<Proven, RecordError> {
    if record.version != VERSION {
        return Err(RecordError::Malformed);
    }
    let sets = signed::key_sets(&record.key_sets, root).map_err(|_| RecordError::KeySet)?;
    let open = |note| signed::open(note, &sets, root, Others::Ignored).map_err(|_| RecordError::Checkpoint);
    let (older, newer) = (open(&record.older)?, open(&record.newer)?);
    let same_epoch = older.epoch == newer.epoch;
    let bare = record.other_root.is_none() && record.consistency.is_empty();
    let (holds, convicts) = match record.noticed {
        Noticed::Shrunk => (bare && same_epoch && newer.size < older.size, newer.time > older.time),
        Noticed::Forked => (bare && same_epoch && newer.size == older.size && newer.root != older.root, true),
        Noticed::Rewritten => (same_epoch && rewritten(record, &older, &newer), true),
        Noticed::EpochChanged => (bare && !same_epoch, newer.epoch < older.epoch && newer.time > older.time),
    };
    if !holds {
        return Err(RecordError::NoContradiction);
    }
    let state = |checkpoint: &Checkpoint| (checkpoint.epoch, checkpoint.size, checkpoint.time);
    Ok(Proven {
        noticed: record.noticed,
        convicts,
        environment: root.environment.clone(),
        older: state(&older),
        newer: state(&newer),
    })
}

/// The newer tree commits to one root hash of its first entries; here is that hash, and it is not the one signed before.
fn rewritten(record: &Record, older: &Checkpoint, newer: &Checkpoint) -> bool {
    let Some(other) = record.other_root.filter(|other| other.0 != older.root) else { return false };
    let proof: Vec<_> = record.consistency.iter().map(|hash| hash.0).collect();
    older.size < newer.size && merkle::verify_consistency(older.size, newer.size, &other.0, &newer.root, &proof).is_ok()
}
