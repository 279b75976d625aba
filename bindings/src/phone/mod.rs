//! The phone: opened, watched, used, shut down.

mod decide;
mod enrol;
mod manage;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use godkend_client::clock::Clock;
use godkend_client::entropy::Entropy;
use godkend_client::{Client, ClientConfig, Surroundings, TransportConfig};
use godkend_core::{Command, Failure, IdentityId, Outcome};
use godkend_protocol::bytes::Id;
use tokio::sync::watch;

use crate::clock::PhoneClock;
use crate::config::PhoneConfig;
use crate::error::PhoneError;
use crate::keys::{Hardware, HardwareKeys};
use crate::runtime::inside;
use crate::secret::SecretBytes;
use crate::store::{self, SealedStore, StateStore};
use crate::support::{self, Facts};
use crate::watch::{Board, Observer, PhoneState, Watching};

/// A phone that approves. Any number of threads may call it at once; calls that change something wait for one another.
///
/// `person` names one of several people on this phone and may be left out while there is one. Every call that waits can
/// be cancelled: by `cancel`, or by cancelling the coroutine or task that awaits it (not in Swift, which has no such
/// way). What the server may have taken by then is settled by the person's next call, by `settle`, or after a restart.
#[derive(uniffi::Object)]
pub struct Phone {
    client: Client,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    config: PhoneConfig,
    /// Sent to end what runs; `true` once it has been shut down.
    stop: watch::Sender<bool>,
    watching: Mutex<Option<Watching>>,
    /// Requests that are shown, each with its end on the monotonic clock.
    ends: Mutex<BTreeMap<u64, u64>>,
    /// For the support code alone.
    last_failure: Mutex<Option<PhoneError>>,
}

#[uniffi::export]
impl Phone {
    /// Opens a phone from its store, or a new one. Sends nothing: `watch` or `settle` next. Keep one for the whole app:
    /// two over one state answer out of turn, which the server takes for a clone.
    #[uniffi::constructor]
    pub async fn open(
        config: PhoneConfig,
        keys: Arc<dyn HardwareKeys>,
        store: Arc<dyn StateStore>,
    ) -> Result<Arc<Self>, PhoneError> {
        let core = config.to_core()?;
        let opened = async move {
            let (keys, entropy) = (Hardware(keys), Entropy::system());
            let store = SealedStore::open(store, &keys, core.security, entropy.clone()).await?;
            let clock: Arc<dyn Clock> = Arc::new(PhoneClock::start());
            let surroundings = Surroundings { clock: Arc::clone(&clock), entropy: entropy.clone() };
            let parts = ClientConfig {
                core,
                store: Arc::new(store),
                keys: Arc::new(keys),
                transport: TransportConfig::default(),
            };
            let client = Client::open_in(parts, surroundings).await?;
            let board = Arc::new(Board::new(client.clone(), Arc::clone(&clock), entropy));
            Ok(Arc::new(Self {
                client,
                board,
                clock,
                config,
                stop: watch::Sender::new(false),
                watching: Mutex::new(None),
                ends: Mutex::default(),
                last_failure: Mutex::new(None),
            }))
        };
        inside(opened).await?
    }

    /// What the app shows when nothing is asked of it. Quick: sends nothing.
    pub fn state(&self) -> PhoneState {
        self.board.state()
    }

    /// Settles what a kill left open, then looks for requests for as long as the app is in the foreground. The observer
    /// is told when `state` has changed. A second call replaces the first's observer.
    pub fn watch(&self, observer: Arc<dyn Observer>) -> Result<(), PhoneError> {
        self.check_running()?;
        let watching = Watching::start(&self.board, observer)?;
        drop(self.watching.lock().unwrap_or_else(PoisonError::into_inner).replace(watching));
        Ok(())
    }

    /// Ends `watch`: the app goes to the background. The observer is not called any more, but for a call under way.
    pub fn unwatch(&self) {
        drop(self.watching.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Brings to its end what a kill or a lost connection left open, and removes orphaned keys. `watch` does so too.
    /// True if nothing is open any more.
    pub async fn settle(&self) -> Result<bool, PhoneError> {
        match self.run(Command::Resume).await? {
            Outcome::Resumed { open, .. } => Ok(open == 0),
            _ => Err(PhoneError::Unexpected),
        }
    }

    /// Ends every call that waits, as `Cancelled`: the person has left the screen. `watch` goes on.
    pub fn cancel(&self) {
        self.stop.send_modify(|_| {});
    }

    /// Cancels what runs, ends `watch`, and waits until everything is saved. Later calls fail with `ShutDown`. Safe
    /// with calls under way; a phone that is killed instead loses nothing either.
    pub async fn shut_down(&self) {
        self.stop.send_replace(true);
        self.unwatch();
        // Without a runtime there is nothing under way that could be closed.
        let _ = inside(self.client.close()).await;
    }

    /// A code to read out to a support desk: facts about this phone and its last failure, nothing about the person.
    pub fn support_code(&self) -> String {
        let last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        support::code(&Facts { config: &self.config, state: &self.state(), last: last.as_ref() })
    }
}

impl Phone {
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    fn check_running(&self) -> Result<(), PhoneError> {
        if *self.stop.borrow() { Err(PhoneError::ShutDown) } else { Ok(()) }
    }

    /// Runs a command until it ends, is cancelled, or the phone is shut down.
    pub(crate) async fn run(&self, command: Command) -> Result<Outcome, PhoneError> {
        self.until_stopped(self.client.run(command)).await
    }

    /// Awaits work of the client's, as [`Self::run`] does.
    async fn until_stopped<T: Send>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, PhoneError> {
        let mut stop = self.stop.subscribe();
        self.check_running()?;
        let work = async {
            tokio::select! {
                biased;
                result = work => result.map_err(PhoneError::from),
                _ = stop.changed() => Err(PhoneError::Cancelled),
            }
        };
        let result = inside(work).await.and_then(|result| result);
        self.board.look();
        result.map_err(|error| {
            let error = if *self.stop.borrow() { PhoneError::ShutDown } else { error };
            *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            error
        })
    }

    fn now_ms(&self) -> u64 {
        self.clock.now().monotonic_ms
    }
}

impl core::fmt::Debug for Phone {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Phone")
    }
}

/// Removes every key and the state of this app's from the phone: the way out when keys are gone or the state is
/// damaged. The phone must not be open. The server is not told; a person activates anew.
#[uniffi::export]
pub async fn erase(keys: Arc<dyn HardwareKeys>, store: Arc<dyn StateStore>) -> Result<(), PhoneError> {
    inside(async move { store::erase(&Hardware(keys), store).await }).await?
}

pub(crate) fn identity(person: Option<u32>) -> Option<IdentityId> {
    person.map(IdentityId)
}

fn id(text: &str) -> Result<Id, PhoneError> {
    Id::from_base64(text).ok_or(PhoneError::NotACode)
}

fn typed_pin(pin: &SecretBytes) -> Result<godkend_core::Pin, PhoneError> {
    let text = std::str::from_utf8(pin.as_bytes()).unwrap_or_default();
    Ok(godkend_core::Pin::new(text)?)
}
