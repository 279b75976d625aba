#![doc = include_str!("../README.md")]

mod clock;
mod config;
mod desktop;
mod error;
mod helpers;
mod history;
mod keys;
mod management;
mod people;
mod phone;
mod push;
mod request;
mod runtime;
mod secret;
mod store;
mod support;
mod watch;

pub use config::{KeySecurity, Language, PhoneConfig, Root, read_roots};
pub use desktop::{Desktop, Touch};
pub use error::{PhoneError, PinTries, WeakPin};
pub use helpers::{app_attest_hash, hash_to_curve, pin_weakness, version};
pub use history::{HistoryEvent, HistoryLine};
pub use keys::{Attestation, CreatedKey, HardwareKeys, KeyConditions, KeyError, KeyKind};
pub use management::{HandedOut, KnownBrowser, KnownPhone, NewPhone, Overview, PhoneStanding};
pub use people::{EnrolmentStage, Person, Standing};
pub use phone::{Phone, erase};
pub use push::{PushAddress, PushServices};
pub use request::{Action, Approved, Binding, Level, Payment, Request, Scanned, Waiting};
pub use runtime::shut_down_library;
pub use secret::SecretBytes;
pub use store::{StateStore, StoreError};
pub use watch::{AppVersion, Connection, Observer, ObserverError, PhoneState};

uniffi::setup_scaffolding!("godkend");
