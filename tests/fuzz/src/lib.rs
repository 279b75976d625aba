//! Fuzz targets: every parser that reads outside bytes, and the state machines of both sides.
//!
//! Each target is a function of bytes that panics when a promise is broken. `tests/fuzz/run` drives them with libFuzzer;
//! `cargo test` replays the committed corpus through the same functions. See `docs/fuzzing.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    reason = "a target tells of a broken promise by a panic"
)]

mod attestation;
mod client;
mod codes;
mod der;
mod handset;
mod host;
mod input;
mod jose;
mod messages;
mod model;
mod mutate;
mod phone;
mod proofs;
mod server;
mod server_input;
#[allow(dead_code, unreachable_pub, reason = "the protocol's own test library, shared as files")]
mod shared;

/// A target: panics if a promise is broken.
pub type Target = fn(&[u8]);

/// A target's name, its function and what it looks at.
pub const TARGETS: &[(&str, Target)] = &[
    ("messages", messages::run),
    ("proofs", proofs::run),
    ("codes", codes::run),
    ("attestation", attestation::run),
    ("server_input", server_input::run),
    ("jose", jose::run),
    ("client", client::run),
    ("phone", phone::run),
    ("server", server::run),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(other, _)| *other == name).map(|(_, target)| *target)
}

/// The names of all targets.
pub fn names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(name, _)| *name)
}
