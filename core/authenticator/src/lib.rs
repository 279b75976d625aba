#![doc = include_str!("../README.md")]

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
mod push;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod trust;

pub use command::{Approval, Command, HandedActivation, KeyStatus, Outcome, Pin, PushWish, WaitingRequest};
pub use error::{Failure, ServerFailure};
pub use flow::{Effect, EffectKind, Now, Reply, Request, Ticket};
pub use history::{HistoryEvent, HistoryLine};
pub use keys::{CreatedKey, KeyAlias, KeyFailure, KeyPolicy, KeyReply, KeyRequest, SecretBytes32};
pub use machine::{Authenticator, Config, Input};
pub use request::{RequestId, RequestView};
pub use state::{IdentityId, IdentityStanding, IdentityView, StateError};
