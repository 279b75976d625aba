//! What the app shows when nothing is asked of it: the state, and word that it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use godkend_client::Client;
use godkend_client::backoff::Backoff;
use godkend_client::clock::Clock;
use godkend_client::entropy::Entropy;
use godkend_core::{Command, Failure, IdentityId, IdentityStanding, Outcome};
use godkend_protocol::codes::Code;
use godkend_protocol::types::VersionPolicy;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::error::PhoneError;
use crate::people::Person;
use crate::request::{Waiting, seconds_between};

/// What the server says about the app's version.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum AppVersion {
    /// Good.
    Current,
    /// A newer one is recommended.
    UpdateRecommended,
    /// A newer one is required from this instant on.
    UpdateRequiredFrom {
        /// Unix seconds.
        at: i64,
    },
    /// This version is refused.
    Refused,
}

impl From<VersionPolicy> for AppVersion {
    fn from(policy: VersionPolicy) -> Self {
        match policy {
            VersionPolicy::Current => Self::Current,
            VersionPolicy::Recommended => Self::UpdateRecommended,
            VersionPolicy::RequiredFrom { at } => Self::UpdateRequiredFrom { at },
        }
    }
}

/// How the last look for requests went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, uniffi::Enum)]
pub enum Connection {
    /// None yet.
    Unknown,
    /// The server answered.
    Online,
    /// No connection.
    Offline,
    /// What answered is not the right server.
    Untrusted,
    /// This phone's date is wrong.
    ClockWrong,
}

/// What the app shows when nothing is asked of it.
#[derive(Clone, PartialEq, Eq, Debug, uniffi::Record)]
pub struct PhoneState {
    /// The people on this phone.
    pub people: Vec<Person>,
    /// What waits, as the last look found it.
    pub waiting: Vec<Waiting>,
    /// How that look went.
    pub connection: Connection,
    /// What the server says about the app's version.
    pub app_version: AppVersion,
    /// An activation was sent and its reply is not there yet: `settle` fetches it.
    pub activation_pending: bool,
}

/// An observer threw. It is told of the next change all the same.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
pub enum ObserverError {
    /// It threw.
    #[error("failed: {detail}")]
    Failed {
        /// For the developer's log.
        detail: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for ObserverError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { detail: error.reason }
    }
}

/// Told that something has changed.
#[uniffi::export(foreign)]
pub trait Observer: Send + Sync {
    /// `Phone.state` differs from what it was. Called on a thread of the library's, one call at a time; several changes
    /// may come as one call. Any method of the phone may be called from here.
    fn changed(&self) -> Result<(), ObserverError>;
}

/// What the polls have found.
struct Found {
    /// By person: the requests, each with the instant of its end on the monotonic clock.
    waiting: BTreeMap<u32, Vec<(Waiting, u64)>>,
    connection: Connection,
    app_version: AppVersion,
}

/// The state that calls and polls share.
pub(crate) struct Board {
    client: Client,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    found: Mutex<Found>,
    told: watch::Sender<PhoneState>,
}

impl Board {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, entropy: Entropy) -> Self {
        let found =
            Found { waiting: BTreeMap::new(), connection: Connection::Unknown, app_version: AppVersion::Current };
        let state = state_of(&client, &found, 0);
        Self { client, clock, entropy, found: Mutex::new(found), told: watch::Sender::new(state) }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().monotonic_ms
    }

    pub(crate) fn state(&self) -> PhoneState {
        let now = self.now_ms();
        state_of(&self.client, &self.found(), now)
    }

    /// Looks again, and tells the observer if anything but the countdown has changed.
    pub(crate) fn look(&self) {
        let state = self.state();
        self.told.send_if_modified(|told| {
            let changed = !is_same(told, &state);
            *told = state;
            changed
        });
    }

    /// One poll of a person's.
    pub(crate) async fn poll(&self, person: IdentityId, wait: u32) -> Result<Vec<Waiting>, Failure> {
        let polled = self.client.run(Command::Poll { identity: Some(person), wait }).await;
        let now = self.now_ms();
        let result = {
            let mut found = self.found();
            match polled {
                Ok(Outcome::Waiting { requests, policy }) => {
                    found.connection = Connection::Online;
                    found.app_version = policy.into();
                    let waiting: Vec<_> = requests.iter().map(|request| Waiting::new(person.0, request)).collect();
                    let ends = waiting.iter().map(|one| (one.clone(), now + u64::from(one.seconds_left) * 1000));
                    found.waiting.insert(person.0, ends.collect());
                    Ok(waiting)
                }
                Ok(_) => Err(Failure::NotNow),
                Err(failure) => {
                    match &failure {
                        Failure::NoNetwork => found.connection = Connection::Offline,
                        Failure::Untrusted => found.connection = Connection::Untrusted,
                        Failure::ClockWrong => found.connection = Connection::ClockWrong,
                        Failure::UpdateNeeded => found.app_version = AppVersion::Refused,
                        Failure::Refused { .. } => found.connection = Connection::Online,
                        _ => {}
                    }
                    Err(failure)
                }
            }
        };
        self.look();
        result
    }

    /// The people who can have requests.
    pub(crate) fn active(&self) -> Vec<IdentityId> {
        let active = |standing| matches!(standing, IdentityStanding::Active | IdentityStanding::ResettingPin(_));
        self.client.identities().into_iter().filter(|view| active(view.standing)).map(|view| view.id).collect()
    }

    /// A request was answered: it waits no more, whatever the next poll says.
    pub(crate) fn answered(&self, id: &str) {
        for waiting in self.found().waiting.values_mut() {
            waiting.retain(|(one, _)| one.id != id);
        }
        self.look();
    }

    /// Settles what a kill left open, then polls for every active person until dropped.
    async fn watch(self: Arc<Self>) {
        let mut changes = self.told.subscribe();
        let mut polls: JoinSet<()> = JoinSet::new();
        let mut polled: BTreeMap<u32, AbortHandle> = BTreeMap::new();
        let settling = Arc::clone(&self);
        polls.spawn(async move { settling.settle_patiently().await });
        loop {
            let active: BTreeSet<u32> = self.active().into_iter().map(|person| person.0).collect();
            polled.retain(|person, poll| {
                active.contains(person) || {
                    poll.abort();
                    false
                }
            });
            for person in active {
                polled.entry(person).or_insert_with(|| {
                    let board = Arc::clone(&self);
                    polls.spawn(async move { board.poll_patiently(IdentityId(person)).await })
                });
            }
            self.found().waiting.retain(|person, _| polled.contains_key(person));
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                // A poll that ended by itself is not begun again until somebody becomes active anew.
                Some(_) = polls.join_next() => {}
            }
        }
    }

    async fn settle_patiently(&self) {
        let mut backoff = backoff();
        while let Err(Failure::NoNetwork) | Ok(Outcome::Resumed { open: 1.., .. }) =
            self.client.run(Command::Resume).await
        {
            self.look();
            tokio::time::sleep(self.pause(&mut backoff, None)).await;
        }
        self.look();
    }

    async fn poll_patiently(&self, person: IdentityId) {
        let mut backoff = backoff();
        // The first at once: what waits already is shown without a wait.
        let mut wait = 0;
        loop {
            match self.poll(person, wait).await {
                Ok(_) => {
                    wait = LONGEST_POLL;
                    backoff.reset();
                }
                Err(failure) if is_final(&failure) => return,
                Err(failure) => {
                    wait = 0;
                    let asked = match failure {
                        Failure::Refused { retry_after, .. } => retry_after,
                        _ => None,
                    };
                    tokio::time::sleep(self.pause(&mut backoff, asked)).await;
                }
            }
        }
    }

    fn pause(&self, backoff: &mut Backoff, asked: Option<u32>) -> Duration {
        self.entropy.with(|rng| backoff.after_failure(rng, asked))
    }
}

/// Tells the observer of changes, one call at a time, on a thread that may block.
async fn tell(mut changes: watch::Receiver<PhoneState>, observer: Arc<dyn Observer>) {
    while changes.changed().await.is_ok() {
        let observer = Arc::clone(&observer);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || observer.changed()).await {
            tracing::warn!(%error, "the observer threw");
        }
    }
}

/// Watches until it is dropped.
pub(crate) struct Watching(JoinSet<()>);

impl Watching {
    /// Starts to watch.
    ///
    /// # Errors
    /// Without a runtime, as [`crate::runtime::handle`] says.
    pub(crate) fn start(board: &Arc<Board>, observer: Arc<dyn Observer>) -> Result<Self, PhoneError> {
        let runtime = crate::runtime::handle()?;
        let mut tasks = JoinSet::new();
        // Subscribed first: nothing that the watcher finds may go unheard.
        tasks.spawn_on(tell(board.told.subscribe(), observer), &runtime);
        tasks.spawn_on(Arc::clone(board).watch(), &runtime);
        Ok(Self(tasks))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort_all();
    }
}

fn state_of(client: &Client, found: &Found, now_ms: u64) -> PhoneState {
    let alive = found.waiting.values().flatten().filter(|(_, end)| *end > now_ms);
    PhoneState {
        people: client.identities().into_iter().map(Person::from).collect(),
        waiting: alive
            .map(|(one, end)| Waiting { seconds_left: seconds_between(now_ms, *end), ..one.clone() })
            .collect(),
        connection: found.connection,
        app_version: found.app_version,
        activation_pending: client.activation_pending(),
    }
}

/// Whether two states differ in the countdown at most.
fn is_same(a: &PhoneState, b: &PhoneState) -> bool {
    let still = |state: &PhoneState| {
        let waiting = state.waiting.iter().map(|one| Waiting { seconds_left: 0, ..one.clone() }).collect();
        PhoneState { waiting, ..state.clone() }
    };
    still(a) == still(b)
}

/// Whether asking again does not help.
fn is_final(failure: &Failure) -> bool {
    match failure {
        Failure::NoNetwork | Failure::Untrusted | Failure::ClockWrong => false,
        Failure::Refused { code, .. } => {
            !matches!(code, Code::Unavailable | Code::Throttled | Code::Internal | Code::Conflict)
        }
        _ => true,
    }
}

/// The longest that the server holds a poll, in seconds.
const LONGEST_POLL: u32 = 25;

/// Up to a minute, drawn at random: after an outage a million phones come back spread out.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(60))
}
