//! The commands as processes: exit codes, `--json` against the published schema, and what must not happen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod support;

#[path = "commands/demo.rs"]
mod demo;
#[path = "commands/kills.rs"]
mod kills;
#[path = "commands/outcomes.rs"]
mod outcomes;
#[path = "commands/phones.rs"]
mod phones;
#[path = "commands/wrong.rs"]
mod wrong;
