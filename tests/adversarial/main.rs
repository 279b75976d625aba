//! The adversarial list: what the system must survive, a test per number, through the outermost door that an attacker
//! has. `docs/adversarial.md` says of each what happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]

mod activation;
mod approval;
mod attestation;
mod bindings;
mod blocking;
mod browsers;
mod chip;
mod desk;
mod encoding;
mod listed;
mod means;
mod messages;
mod offline;
mod phone;
mod pin;
mod points;
mod races;
mod signatures;
mod storms;
mod strangers;
mod texts;
mod trust;
