//! What the vectors' generator and the tests share: reproducible randomness, generated messages, and the function that
//! computes each vector's output from its input.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "compiled into several tests, none of which uses all of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    reason = "test code: a failure is a panic"
)]

pub mod activation;
pub mod compute;
pub mod diagnostic;
pub mod generate;
pub mod messages;
pub mod random;
pub mod signed;
