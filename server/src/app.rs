//! What every handler shares: configuration, store, log, keys, clock and the wake-ups of long polls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use godkend_protocol::bytes::Id;
use tokio::sync::Notify;

use crate::audit::AuditLog;
use crate::config::Config;
use crate::keys::ServerKeys;
use crate::ops::shutdown::Stopping;
use crate::store::Store;

/// The running server's parts. Handlers get it as `State<Arc<App>>`.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The documents.
    pub store: Arc<dyn Store>,
    /// The audit log.
    pub log: AuditLog,
    /// Keys and secrets from outside the database.
    pub keys: ServerKeys,
    /// Which means give which level.
    pub policy: crate::policy::Policy,
    /// The means that are proved on a page.
    pub means: crate::means::Registry,
    /// Judges keys that are enrolled.
    pub attestation: crate::activation::Judge,
    /// The clock.
    pub clock: Clock,
    /// Wake-ups.
    pub wake: Wake,
    /// Wake-ups of phones that do not poll.
    pub push: crate::push::Push,
    /// Limits per source that live in memory: load and guessing, never a person's tries.
    pub throttle: crate::throttle::Throttle,
    /// Told when the server is stopping, so that long polls end early.
    pub stopping: Stopping,
    /// See [`Self::restored`].
    pub restored_at: AtomicU64,
}

impl App {
    /// The environment's name in every signed message.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.config.server.environment
    }

    /// Now, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now_ms().div_euclid(1000)
    }

    /// The log's size when an older database was last put back beside it; 0 if none ever was. The answers of the last
    /// second before that may be in neither, so a phone that has not answered since may be ahead of both.
    #[must_use]
    pub fn restored(&self) -> u64 {
        self.restored_at.load(Ordering::Relaxed)
    }

    /// Something waits for a person from now on: their phones are told, those that poll and those that have to be woken.
    pub fn tell(&self, account: Id) {
        self.wake.all(account);
        self.push.look(account);
    }

    /// The operating system's generator.
    #[must_use]
    pub fn rng(&self) -> impl rand_core::CryptoRng + use<> {
        crate::ops::tls::system_random()
    }
}

/// The wall clock; in a test environment it can be set forward and back.
#[derive(Default)]
pub struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "the one place where the server reads the clock")]
        #[cfg(not(fuzzing))]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        // A found input has to run again as it ran: time stands still but for `advance_ms`.
        #[cfg(fuzzing)]
        let since = std::time::Duration::from_secs(1_790_000_000);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Moves the clock, by milliseconds. The caller has checked that this is a test environment.
    pub fn advance_ms(&self, by: i64) {
        self.offset_ms.fetch_add(by, Ordering::Relaxed);
    }
}

/// Wakes the long polls of an account or a transaction.
#[derive(Default)]
pub struct Wake {
    waiting: Mutex<HashMap<Id, Weak<Notify>>>,
}

impl Wake {
    /// What to wait on. Call `notified()` and enable it before looking at the state, so that no change is missed.
    #[must_use]
    pub fn on(&self, id: Id) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiting.get(&id).and_then(Weak::upgrade) {
            return notify;
        }
        if waiting.len() >= 1024 && waiting.len().is_power_of_two() {
            waiting.retain(|_, notify| notify.strong_count() > 0);
        }
        let notify = Arc::new(Notify::new());
        waiting.insert(id, Arc::downgrade(&notify));
        notify
    }

    /// Wakes all who wait on an account or a transaction.
    pub fn all(&self, id: Id) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiting.get(&id).and_then(Weak::upgrade) {
            notify.notify_waiters();
        }
    }
}
