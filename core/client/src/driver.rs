//! The client: a machine, its store, its keys and its server, and a task for each command.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use godkend_core::{
    Authenticator, Command, Config, Effect, EffectKind, Failure, HistoryLine, IdentityId, IdentityView, Input, Outcome,
    Reply, Request, ServerFailure, StateError, Ticket,
};
use godkend_protocol::bytes::Fixed;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::ErrorReply;
use godkend_protocol::messages::activation::TypedDigits;
use tokio::sync::{Mutex as AsyncMutex, RwLock, oneshot, watch};
use zeroize::Zeroizing;

use crate::backoff::Backoff;
use crate::clock::{Clock, SystemClock};
use crate::entropy::Entropy;
use crate::keys::{HardwareKeys, KeyFailure, KeyReply, KeyRequest};
use crate::state::{StateStore, StoreError};
use crate::transport::{Transport, TransportError, TransportOptions};
use crate::watch::Watch;

/// What a client is made of.
#[derive(Clone)]
pub struct ClientConfig {
    /// Roots, what the phone says about itself, suites, and the protection of its keys.
    pub core: Config,
    /// Where the state is kept; [`crate::state::SealedFile`] on a desktop.
    pub store: Arc<dyn StateStore>,
    /// The key store; [`crate::software_keys::SoftwareKeys`] on a desktop.
    pub keys: Arc<dyn HardwareKeys>,
    /// Timeouts and retries.
    pub transport: TransportConfig,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("core", &self.core)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// How patiently a message is sent. A retry is the same bytes, which the server answers the same.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Timeouts and proxies.
    pub options: TransportOptions,
    /// How often the same bytes are sent again after a passing failure.
    pub retries: u32,
    /// No retry begins later than this after the first try.
    pub patience: Duration,
    /// The longest `retry_after` that is waited out; a longer one is the person's to know.
    pub longest_wait: Duration,
    /// The ceiling of the first back-off.
    pub first_backoff: Duration,
    /// The ceiling of the last.
    pub most_backoff: Duration,
}

impl Default for TransportConfig {
    /// Three retries within 20 seconds, waits of at most 5, ceilings from 250 milliseconds to 4 seconds.
    fn default() -> Self {
        Self {
            options: TransportOptions::default(),
            retries: 3,
            patience: Duration::from_secs(20),
            longest_wait: Duration::from_secs(5),
            first_backoff: Duration::from_millis(250),
            most_backoff: Duration::from_secs(4),
        }
    }
}

/// What a client takes from its surroundings; a test brings its own.
#[derive(Clone)]
pub struct Surroundings {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Entropy,
}

impl Default for Surroundings {
    /// The computer's clocks and the operating system's randomness.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::start()), entropy: Entropy::system() }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Surroundings")
    }
}

/// Why a client did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it held is no state.
    #[error(transparent)]
    State(#[from] StateError),
}

impl OpenError {
    /// What a Danish reader is told.
    #[must_use]
    pub const fn danish(&self) -> &'static str {
        match self {
            Self::Store(error) => error.danish(),
            Self::State(StateError::Damaged) => "De gemte data er beskadiget. Aktivér appen igen.",
            Self::State(StateError::Newer) => "De gemte data er skrevet af en nyere version. Opdatér appen.",
        }
    }
}

/// A phone that runs. Clones are the same phone; any number of threads may use it at once.
///
/// Must be used inside a tokio runtime. The profile stays taken until the last clone is dropped.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    machine: Mutex<Authenticator>,
    store: Arc<dyn StateStore>,
    /// The sequence that was stored last; held while a save runs.
    stored: Arc<Mutex<u64>>,
    keys: Arc<dyn HardwareKeys>,
    transports: Mutex<BTreeMap<String, Arc<Transport>>>,
    config: TransportConfig,
    surroundings: Surroundings,
    /// Commands that change something, one at a time, in the order in which they came.
    changing: AsyncMutex<()>,
    /// Held for reading by every running command.
    running: Arc<RwLock<()>>,
    closing: watch::Sender<bool>,
}

impl Client {
    /// Loads the store and starts the machine; sends nothing. Run [`Command::Resume`] next.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(config: ClientConfig) -> Result<Self, OpenError> {
        Self::open_in(config, Surroundings::default()).await
    }

    /// [`Self::open`] with a clock and randomness of the caller's.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open_in(config: ClientConfig, surroundings: Surroundings) -> Result<Self, OpenError> {
        let ClientConfig { core, store, keys, transport } = config;
        let from = Arc::clone(&store);
        let stored =
            join(tokio::task::spawn_blocking(move || from.load())).await.unwrap_or(Err(StoreError::Stopped))?;
        let machine = Authenticator::new(core, stored.as_deref().map(Vec::as_slice))?;
        Ok(Self(Arc::new(Inner {
            machine: Mutex::new(machine),
            store,
            stored: Arc::default(),
            keys,
            transports: Mutex::default(),
            config: transport,
            surroundings,
            changing: AsyncMutex::default(),
            running: Arc::default(),
            closing: watch::Sender::new(false),
        })))
    }

    /// Runs a command to its end. Dropping the future cancels it at its next wait; what the server may have taken by
    /// then is settled by the identity's next command, or by [`Command::Resume`].
    ///
    /// Commands that change something run one after the other, so that many threads never meet [`Failure::Busy`].
    ///
    /// # Errors
    /// [`Failure`]; [`Failure::Cancelled`] also once the client is closed.
    pub async fn run(&self, command: Command) -> Result<Outcome, Failure> {
        // Dropped with this future.
        let (_wanted, unwanted) = oneshot::channel::<()>();
        let inner = Arc::clone(&self.0);
        // In a task of its own: a save is always finished and its result heard, even if nobody waits any more.
        join(tokio::spawn(async move { inner.command(command, unwanted).await }))
            .await
            .unwrap_or(Err(Failure::Cancelled))
    }

    /// Watches what waits for a person.
    #[must_use]
    pub fn watch(&self, identity: Option<IdentityId>) -> Watch {
        Watch::new(self.clone(), identity)
    }

    /// The people on this phone.
    #[must_use]
    pub fn identities(&self) -> Vec<IdentityView> {
        self.0.machine().identities()
    }

    /// A person's history on this phone, oldest first.
    ///
    /// # Errors
    /// [`Failure::NoIdentity`].
    pub fn history(&self, identity: Option<IdentityId>) -> Result<Vec<HistoryLine>, Failure> {
        self.0.machine().history(identity)
    }

    /// The digits that a person is to type where the activation was handed out, while they are wanted.
    ///
    /// # Errors
    /// [`Failure::NoIdentity`].
    pub fn digits(&self, identity: Option<IdentityId>) -> Result<Option<String>, Failure> {
        self.0.machine().digits(identity)
    }

    /// Whether an activation was sent and its reply is not there yet: [`Command::Resume`] fetches it.
    #[must_use]
    pub fn activation_pending(&self) -> bool {
        self.0.machine().activation_pending()
    }

    /// Whom a wake-up is for, by the handle that it carried ([`Command::Push`]). Poll next, whoever it is.
    #[must_use]
    pub fn woken(&self, handle: &str) -> Option<IdentityId> {
        self.0.machine().woken(handle)
    }

    /// Ends polls, waits for the other running commands, and takes no new ones.
    pub async fn close(&self) {
        self.0.closing.send_replace(true);
        drop(self.0.running.write().await);
    }

    pub(crate) fn backoff(&self, backoff: &mut Backoff, failure: &Failure) -> Duration {
        let retry_after = match failure {
            Failure::Refused { retry_after, .. } => *retry_after,
            _ => None,
        };
        self.0.surroundings.entropy.with(|rng| backoff.after_failure(rng, retry_after))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Inner {
    fn machine(&self) -> MutexGuard<'_, Authenticator> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn input(&self, input: Input) -> Option<Effect> {
        let now = self.surroundings.clock.now();
        let mut machine = self.machine();
        self.surroundings.entropy.with(|rng| machine.handle(now, rng, input))
    }

    async fn command(&self, command: Command, unwanted: oneshot::Receiver<()>) -> Result<Outcome, Failure> {
        let _running = self.running.read().await;
        let mut stop = Stop { unwanted, closing: is_waiting(&command).then(|| self.closing.subscribe()) };
        if *self.closing.borrow() {
            return Err(Failure::Cancelled);
        }
        let _changing = if is_changing(&command) {
            Some(stop.or(self.changing.lock()).await.ok_or(Failure::Cancelled)?)
        } else {
            None
        };
        let mut effect = self.input(Input::Command(command));
        let mut running = Running { inner: self, ticket: None };
        while let Some(Effect { ticket, kind }) = effect {
            running.ticket = Some(ticket);
            let reply = match kind {
                EffectKind::Done(result) => {
                    running.ticket = None;
                    return result;
                }
                EffectKind::Persist { bytes, sequence } => {
                    Some(Reply::Persisted(self.persist(Zeroizing::new(bytes), sequence).await))
                }
                EffectKind::Key(request) => stop.or(self.key(request)).await.map(Reply::Key),
                EffectKind::Send(request) => stop.or(self.send(&request)).await.map(Reply::Server),
            };
            effect = self.input(match reply {
                Some(reply) => Input::Reply(ticket, reply),
                None => Input::Cancel(ticket),
            });
        }
        Err(Failure::Cancelled)
    }

    /// One key operation; a failure without a reason is tried once more.
    async fn key(&self, request: KeyRequest) -> Result<KeyReply, KeyFailure> {
        match self.keys.handle(request.clone()).await {
            Err(KeyFailure::Failed) => self.keys.handle(request).await,
            other => other,
        }
    }

    /// Saves a state, unless a later one is saved already.
    async fn persist(&self, bytes: Zeroizing<Vec<u8>>, sequence: u64) -> bool {
        let (store, stored) = (Arc::clone(&self.store), Arc::clone(&self.stored));
        let save = move || {
            let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
            if sequence > *stored {
                store.save(&bytes)?;
                *stored = sequence;
            }
            Ok::<(), StoreError>(())
        };
        match join(tokio::task::spawn_blocking(save)).await {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::error!(%error, "the state could not be saved");
                false
            }
            None => false,
        }
    }

    /// Sends a message, and the same bytes again after passing failures.
    async fn send(&self, request: &Request) -> Result<Vec<u8>, ServerFailure> {
        let started = self.surroundings.clock.now().monotonic_ms;
        let mut backoff = Backoff::new(self.config.first_backoff, self.config.most_backoff);
        loop {
            let error = match self.send_once(request).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let elapsed = self.surroundings.clock.now().monotonic_ms.saturating_sub(started);
            let wait = self.surroundings.entropy.with(|rng| backoff.after_failure(rng, error.retry_after()));
            let again = is_repeatable(request.path)
                && is_passing(&error, self.config.longest_wait)
                && backoff.failures() <= self.config.retries
                && Duration::from_millis(elapsed) + wait <= self.config.patience;
            tracing::debug!(path = request.path, %error, again, "no answer");
            if !again {
                return Err(server_failure(error));
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Vec<u8>, TransportError> {
        let transport = self.transport(&request.url)?;
        if request.path == "keys" {
            return transport.key_set().await;
        }
        let pins: Vec<_> = request.tls_pins.iter().copied().map(Fixed).collect();
        transport.post_pinned(&pins, request.path, request.body.clone(), request.wait).await
    }

    fn transport(&self, url: &str) -> Result<Arc<Transport>, TransportError> {
        let mut transports = self.transports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = transports.get(url) {
            return Ok(Arc::clone(transport));
        }
        let transport = Arc::new(Transport::new(url, self.config.options.clone())?);
        transports.insert(url.to_owned(), Arc::clone(&transport));
        Ok(transport)
    }
}

/// When to give up waiting.
struct Stop {
    /// Ends when the caller has dropped the command's future.
    unwanted: oneshot::Receiver<()>,
    /// For commands that only wait: the client closes.
    closing: Option<watch::Receiver<bool>>,
}

impl Stop {
    /// What the future gives, or `None` if it is no longer wanted.
    async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let closing = async {
            match &mut self.closing {
                // An error means that the client is gone, and its commands with it.
                Some(closing) => drop(closing.wait_for(|closing| *closing).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = &mut self.unwanted => None,
            () = closing => None,
            done = work => Some(done),
        }
    }
}

/// Takes a command's flow out of the machine should its task die on the way, as by a panic in a shell's key store.
struct Running<'a> {
    inner: &'a Inner,
    ticket: Option<Ticket>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.inner.input(Input::Cancel(ticket));
        }
    }
}

/// The result of a task; `None` if the runtime shuts down. A panic goes on in the caller.
async fn join<T>(task: tokio::task::JoinHandle<T>) -> Option<T> {
    match task.await {
        Ok(result) => Some(result),
        Err(error) => {
            if let Ok(panic) = error.try_into_panic() {
                std::panic::resume_unwind(panic);
            }
            None
        }
    }
}

/// Whether a command takes an identity for itself in the machine.
fn is_changing(command: &Command) -> bool {
    match command {
        Command::Scan { text, .. } | Command::OpenLink { text, .. } => {
            text.trim_start().starts_with("godkend://activate")
        }
        Command::Enrolment { .. }
        | Command::Poll { .. }
        | Command::Open { .. }
        | Command::TypeNumber { .. }
        | Command::RefuseLocked { .. }
        | Command::Overview { .. }
        | Command::BlockCodeNoted { .. } => false,
        _ => true,
    }
}

/// Whether a command only waits for news, so that closing need not wait for it.
const fn is_waiting(command: &Command) -> bool {
    matches!(command, Command::Poll { .. } | Command::Enrolment { .. })
}

/// Whether the same bytes may be sent twice without asking: typed digits cost a try each time.
fn is_repeatable(path: &str) -> bool {
    path != TypedDigits::PATH
}

/// Whether a failure is likely to pass within the time that a person waits.
fn is_passing(error: &TransportError, longest: Duration) -> bool {
    let short = error.retry_after().is_none_or(|wait| Duration::from_secs(wait.into()) <= longest);
    match error {
        TransportError::NoNetwork => true,
        TransportError::Unavailable { .. } => short,
        TransportError::Refused(refusal) => match refusal.known() {
            Some(Code::Unavailable) => short,
            Some(Code::Throttled) => short && refusal.retry_after.is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// The failure as the machine hears it.
fn server_failure(error: TransportError) -> ServerFailure {
    match error {
        TransportError::NoNetwork => ServerFailure::Network,
        TransportError::Unavailable { retry_after } => {
            let code = Code::Unavailable.as_str().to_owned();
            ServerFailure::Refused(ErrorReply { code, retry_after, tries_left: None })
        }
        TransportError::WrongServer | TransportError::NotPinned => ServerFailure::Pin,
        TransportError::Refused(refusal) => ServerFailure::Refused(refusal.to_reply()),
        TransportError::BadAnswer | TransportError::TooLarge | TransportError::BadUrl => ServerFailure::Garbled,
    }
}
