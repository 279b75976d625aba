//! Killed and starved: the server and the testers' phone as processes of their own, ended at moments that nobody chose, on
//! files that are full, locked or older than they should be. `docs/ordeal.md` says what must hold and how to run more.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod clients;
mod dice;
mod flood;
mod gate;
mod login;
mod older;
mod person;
mod room;
mod secrets;
mod server;
mod starved;
mod steps;
mod sweep;
mod truth;
mod wire;
