//! The stories of Godkend: a real server on a real SQLite file, real HTTPS, real phones with software keys, and a
//! browser and a bank that speak to it as anybody would.
//!
//! One binary, a module per capability. A test reads as the story that it proves; what makes it run is in
//! this crate's library.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]

mod activation;
mod approval;
mod bad_input;
mod browsers;
mod devices;
mod embedding;
mod log;
mod offline;
mod pin;
mod steps;
mod suites;
