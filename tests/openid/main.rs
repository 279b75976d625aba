//! The OpenID provider from outside: what relying parties rely on, and what attackers, careless clients and the negative
//! cases of the OpenID conformance suite try. Real HTTPS, real database; people are test identities with fixed outcomes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]

mod ciba;
mod citizen;
mod clients;
mod codes;
mod cpr;
mod disputes;
mod dpop;
mod introspection;
mod keys;
mod letter;
mod page;
mod payments;
mod requests;
mod rp;
mod sessions;
mod step_up;
mod told;
