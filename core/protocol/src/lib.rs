//! What the phone and the server share: messages, deterministic CBOR, COSE signatures, cryptographic suites and the
//! formats of codes and links. No I/O, no clock, no ambient randomness.
//!
//! `docs/protocol.md` describes the same in words, completely enough for a second implementation.

pub mod bytes;
pub mod cbor;
pub mod checkpoint;
pub mod codes;
pub mod cose;
pub mod crypto;
pub mod formats;
pub mod keyset;
pub mod merkle;
pub mod messages;
pub mod opaque;
pub mod suite;
pub mod text;
pub mod types;
