#![doc = include_str!("../README.md")]

pub mod backoff;
pub mod clock;
mod desktop;
mod driver;
pub mod entropy;
pub mod keys;
mod pinning;
pub mod roots;
pub mod software_keys;
pub mod state;
pub mod transport;
mod watch;

pub use desktop::Desktop;
pub use driver::{Client, ClientConfig, OpenError, Surroundings, TransportConfig};
pub use godkend_core as core;
pub use pinning::{Accept, configuration as tls_configuration, pin_of};
pub use roots::{Root, Roots};
pub use watch::Watch;

/// The guide, so that its examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
mod embedding {}
