//! The file, deterministic CBOR.

use godkend_protocol::bytes::{Blob, Fixed, Hash32};
use minicbor::{Decode, Encode};

/// The file's version.
pub const VERSION: u32 = 1;

/// Evidence of a decision; or, without [`Self::request`], [`Self::keys`] and [`Self::pin`], what the log says of one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct EvidenceFile {
    /// [`VERSION`].
    #[n(1)]
    pub version: u32,
    /// The root's signed key sets: the one of the challenge and the one of the checkpoint, which may be the same.
    #[n(2)]
    pub key_sets: Vec<Blob>,
    /// The `AnswerRequest`, with the challenge; without the PIN's proof and the operation's data.
    #[n(3)]
    pub request: Option<Blob>,
    /// The entry that enrolled the device's keys.
    #[n(4)]
    pub keys: Option<Leaf>,
    /// The entry that enrolled the PIN's key, for an approval with the PIN.
    #[n(5)]
    pub pin: Option<Leaf>,
    /// The decision's own entry.
    #[n(6)]
    pub decision: Leaf,
    /// The log's checkpoint, a signed note (C2SP).
    #[n(7)]
    pub checkpoint: String,
    /// From the position that the challenge names to the checkpoint (RFC 9162, section 2.1.4); empty in a statement.
    #[n(8)]
    pub consistency: Vec<Hash32>,
}

/// An entry of the log, with what shows that it stands there.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Leaf {
    /// Its place, from 0.
    #[n(1)]
    pub index: u64,
    /// Its salt.
    #[n(2)]
    pub salt: Fixed<32>,
    /// Its bytes, JSON.
    #[n(3)]
    pub entry: Blob,
    /// The inclusion proof under the checkpoint (RFC 9162, section 2.1.3).
    #[n(4)]
    pub proof: Vec<Hash32>,
}
