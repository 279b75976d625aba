//! The PIN: tries, proofs, dumps.
