//! Evidence of one decision, for a third party that has the file and the root and nothing else.
//!
//! The file (deterministic CBOR) holds the answer as received with the challenge in it, the log entries that enrolled the
//! keys and that of the decision itself with their inclusion proofs, the newest checkpoint with a consistency proof from
//! the one that the phone saw, and the root's key sets. A decision that no key of a phone has signed (refused unopened,
//! offline) gives a statement: its entry and that it stands in the log. `godkend-evidence` verifies both; here they are
//! made.

mod export;
mod places;

pub use export::{export, pack};
pub use godkend_evidence::{EvidenceError, Shown, Stated, verify, verify_statement};
pub use places::Hints;
