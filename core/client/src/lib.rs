//! Drives the authenticator over HTTPS, stores its state and keeps its keys.
//!
//! [`Client`] is a phone that runs: [`Client::run`] for what a person wants, [`Client::watch`] for what waits. A shell brings its phone's hardware as [`keys::HardwareKeys`]; desktops and testers take
//! [`software_keys::SoftwareKeys`]. State lies in a [`state::Profile`].

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
