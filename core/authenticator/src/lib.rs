//! The authenticator: a phone as a state machine without I/O.
//!
//! [`Authenticator::handle`] takes the time, randomness and one [`Input`], and gives [`Effect`]s: a request to send, a
//! key operation, a state to store. Whoever drives it performs each effect and hands the [`Reply`] back; a
//! [`Command`] ends with [`EffectKind::Done`]. Nothing here reads a clock, opens a socket or keeps a private key.
//!
//! A kill between any two steps loses at most the try of a PIN: what must survive is in the persisted state before it
//! is sent, and [`Command::Resume`] settles it.

mod activation;
mod answer;
mod command;
mod device;
mod error;
mod flow;
mod history;
mod keys;
mod machine;
mod manage;
mod offline;
mod pin;
mod request;
mod state;
mod trust;

pub use command::{Approval, Command, HandedActivation, KeyStatus, Outcome, Pin, WaitingRequest};
pub use error::{Failure, ServerFailure};
pub use flow::{Effect, EffectKind, Now, Reply, Request, Ticket};
pub use history::{HistoryEvent, HistoryLine};
pub use keys::{CreatedKey, KeyAlias, KeyFailure, KeyPolicy, KeyReply, KeyRequest, SecretBytes32};
pub use machine::{Authenticator, Config, Input};
pub use request::{RequestId, RequestView};
pub use state::{IdentityId, IdentityStanding, IdentityView, StateError};
