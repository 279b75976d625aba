//! Wake-ups: where a phone can be woken, and what wakes it.
//!
//! A wake-up carries the handle that the phone chose and nothing else; the phone then asks what waits, as it does without
//! any. So nothing here decides anything: a wake-up that is lost, late or doubled costs a look. Who waits is looked up in
//! the background, after the commit that made it wait: a login for a user id that nobody has takes the same way and the
//! same time, and ends at an account without phones.

mod apns;
mod fcm;
mod gateways;
mod http;
mod register;
mod told;
mod web_push;
mod worker;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use godkend_protocol::bytes::{Hash32, Id, Secret};
use godkend_protocol::messages::push::{PushAddress, PushRegister};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::config::Config;
use crate::ops::metrics::{Counter, Metrics};
use crate::ops::secrets::SecretError;
use crate::phone::{PhoneRouter, route};

pub use self::gateways::Gateways;
pub(crate) use self::worker::run;

/// Accounts that wait to be looked at; more are dropped, and counted.
const MOST_PENDING: usize = 10_000;
/// Phones whose polls are followed.
const MOST_FOLLOWED: usize = 100_000;

/// The phone's request about its push address.
pub fn routes() -> PhoneRouter {
    route(PhoneRouter::new(), PushRegister::PATH, register::handle)
}

/// A device's last change of its push address; stays when the address is gone, so that no earlier one counts again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registered {
    /// The change's number.
    pub number: u64,
    /// SHA-256 of its payload: a retry is told from another change.
    pub change: Hash32,
    /// Where to wake the device; none if it took its address back, or lost it.
    #[serde(default)]
    pub target: Option<Target>,
}

/// Where to wake a device, and with what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// What a wake-up carries.
    pub handle: Secret<16>,
    /// Where it goes.
    pub address: PushAddress,
}

/// Forgets where a device can be woken: it is blocked, removed, or its gateway does not know it. The caller commits.
pub fn forget(registered: &mut Option<Registered>) {
    if let Some(registered) = registered {
        registered.target = None;
    }
}

/// Why wake-ups cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// A key file: see there.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// Another file.
    #[error("push.{setting}: {file}: {reason}")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// No HTTPS client, for want of authorities for one.
    #[error("no wake-ups can be sent: {0}")]
    Client(String),
}

/// What is due to be sent, and to whom it could be.
pub struct Push {
    gateways: Gateways,
    pending: Mutex<BTreeSet<Id>>,
    wake: Notify,
    polls: Mutex<HashMap<Id, Polls>>,
    dropped: Counter,
    metrics: Metrics,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Push")
    }
}

/// A phone's long polls.
#[derive(Default)]
struct Polls {
    open: u32,
    known: Vec<Id>,
}

/// What a phone that polls has been told already.
#[derive(Default)]
struct Polling {
    open: bool,
    known: Vec<Id>,
}

impl Push {
    /// As the configuration has it.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn new(config: &Config, metrics: &Metrics) -> Result<Self, PushError> {
        Ok(Self {
            gateways: Gateways::new(config)?,
            pending: Mutex::default(),
            wake: Notify::new(),
            polls: Mutex::default(),
            dropped: outcome(metrics, "any", "dropped"),
            metrics: metrics.clone(),
        })
    }

    /// What can be sent.
    #[must_use]
    pub const fn gateways(&self) -> &Gateways {
        &self.gateways
    }

    /// Something waits for a person, or for nobody: an account that does not exist is looked at like any other.
    pub fn look(&self, account: Id) {
        if !self.gateways.any() {
            return;
        }
        let mut pending = lock(&self.pending);
        if pending.len() >= MOST_PENDING && !pending.contains(&account) {
            self.dropped.add(1);
            return;
        }
        pending.insert(account);
        drop(pending);
        self.wake.notify_one();
    }

    /// A long poll of a phone that knows of these requests. It lasts as long as what is returned.
    pub fn polls(&self, device: Id, known: &[Id]) -> Option<OpenPoll<'_>> {
        if !self.gateways.any() {
            return None;
        }
        let mut polls = lock(&self.polls);
        if polls.len() >= MOST_FOLLOWED && !polls.contains_key(&device) {
            polls.retain(|_, polls| polls.open > 0);
            if polls.len() >= MOST_FOLLOWED {
                return None;
            }
        }
        let entry = polls.entry(device).or_default();
        entry.open = entry.open.saturating_add(1);
        entry.known = known.to_vec();
        Some(OpenPoll { push: self, device })
    }

    fn polling(&self, device: &Id) -> Polling {
        lock(&self.polls)
            .get(device)
            .map(|polls| Polling { open: polls.open > 0, known: polls.known.clone() })
            .unwrap_or_default()
    }

    fn take_pending(&self) -> BTreeSet<Id> {
        std::mem::take(&mut *lock(&self.pending))
    }

    fn count(&self, service: &'static str, what: &'static str) {
        outcome(&self.metrics, service, what).add(1);
    }
}

/// A long poll that is being answered.
pub struct OpenPoll<'a> {
    push: &'a Push,
    device: Id,
}

impl Drop for OpenPoll<'_> {
    fn drop(&mut self) {
        if let Some(polls) = lock(&self.push.polls).get_mut(&self.device) {
            polls.open = polls.open.saturating_sub(1);
        }
    }
}

fn outcome(metrics: &Metrics, service: &'static str, outcome: &'static str) -> Counter {
    let about = "Wake-ups by service and what became of them.";
    metrics.counter("godkend_push_total", about, &[("service", service), ("outcome", outcome)])
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
