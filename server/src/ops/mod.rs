//! Running the server: secrets, TLS, the listener with its limits, health, metrics, logs and shutdown.
//!
//! Nothing here knows the protocol. This is the program's edge: it reads the clock and the system's randomness where
//! timers, TLS and signatures need them.
pub mod even;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod random;
pub mod redact;
pub mod request;
pub mod secrets;
pub mod serve;
#[cfg(test)]
mod serve_tests;
pub mod shutdown;
pub mod sources;
pub mod tls;
pub mod work;
