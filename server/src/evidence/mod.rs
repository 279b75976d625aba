//! Evidence of one decision, for a third party that has the file and the root and nothing else.
//!
//! The file (deterministic CBOR) holds the answer as received with the challenge in it, the log entries that enrolled the
//! keys and that of the decision itself with their inclusion proofs, the newest checkpoint with a consistency proof from
//! the one that the phone saw, and the root's key sets. [`verify`] checks all of it, down to the last byte.

mod export;
mod verify;

pub use export::{export, pack};
pub use verify::{EvidenceError, Shown, verify};

use godkend_protocol::bytes::{Blob, Fixed, Hash32};
use minicbor::{Decode, Encode};

/// The file's version.
const VERSION: u32 = 1;

/// The file.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
struct EvidenceFile {
    /// [`VERSION`].
    #[n(1)]
    version: u32,
    /// The root's signed key sets: the one of the challenge and the one of the checkpoint, which may be the same.
    #[n(2)]
    key_sets: Vec<Blob>,
    /// The `AnswerRequest`, with the challenge; without the PIN's proof and the operation's data.
    #[n(3)]
    request: Blob,
    /// The entry that enrolled the device's keys.
    #[n(4)]
    keys: Leaf,
    /// The entry that enrolled the PIN's key, for an approval with the PIN.
    #[n(5)]
    pin: Option<Leaf>,
    /// The decision's own entry.
    #[n(6)]
    decision: Leaf,
    /// The log's checkpoint, a signed note (C2SP).
    #[n(7)]
    checkpoint: String,
    /// From the position that the challenge names to the checkpoint (RFC 9162, section 2.1.4).
    #[n(8)]
    consistency: Vec<Hash32>,
}

/// An entry of the log, with what shows that it stands there.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
struct Leaf {
    /// Its place, from 0.
    #[n(1)]
    index: u64,
    /// Its salt.
    #[n(2)]
    salt: Fixed<32>,
    /// Its bytes, JSON.
    #[n(3)]
    entry: Blob,
    /// The inclusion proof under the checkpoint (RFC 9162, section 2.1.3).
    #[n(4)]
    proof: Vec<Hash32>,
}
