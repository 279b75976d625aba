//! How a command runs without I/O: a coroutine that asks for one effect at a time.
//!
//! A flow is an `async fn` over a [`Port`]. Each `await` on the port is one [`Effect`]; [`Flow::step`] hands the reply
//! back and runs on to the next. No executor, no thread, no waker: between two steps a flow is plain data, and
//! dropping it is what a kill does.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use godkend_protocol::bytes::Secret;
use godkend_protocol::crypto;

use crate::command::Outcome;
use crate::error::{Failure, ServerFailure};
use crate::keys::{KeyFailure, KeyReply, KeyRequest};
use crate::machine::Config;
use crate::request::Shown;
use crate::state::{IdentityId, State};

/// The time, as the driver reads it before each input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Unix seconds. May be wrong by days; nothing is approved or lost by it.
    pub wall: i64,
    /// Milliseconds of a clock that never goes back and keeps counting in sleep.
    pub monotonic_ms: u64,
}

/// Names a running command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// What a driver has to do for a command. It answers each with one [`Reply`], but for [`EffectKind::Done`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effect {
    /// The command.
    pub ticket: Ticket,
    /// What.
    pub kind: EffectKind,
}

/// See [`Effect`]. Its debug form names the kind and shows no content: states and requests hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub enum EffectKind {
    /// A key operation. → [`Reply::Key`]
    Key(KeyRequest),
    /// A request to the server. → [`Reply::Server`]
    Send(Request),
    /// Store these bytes durably, in place of the earlier ones. A lower sequence than one already stored is stale:
    /// skip it and reply as if stored. → [`Reply::Persisted`]
    Persist {
        /// The state; secret.
        bytes: Vec<u8>,
        /// Rises with each.
        sequence: u64,
    },
    /// The command has ended.
    Done(Result<Outcome, Failure>),
}

impl std::fmt::Debug for EffectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(request) => request.fmt(f),
            Self::Send(request) => request.fmt(f),
            Self::Persist { sequence, .. } => write!(f, "Persist({sequence}, [redacted])"),
            Self::Done(result) => result.fmt(f),
        }
    }
}

/// A request to a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The server's URL, from the root.
    pub url: String,
    /// `keys` is a GET; all else is posted to `/phone/v1/<path>`.
    pub path: &'static str,
    /// CBOR.
    pub body: Vec<u8>,
    /// SHA-256 pins of the TLS keys that may answer; empty for `keys`, whose answer the root signs, and for plain http.
    pub tls_pins: Vec<[u8; 32]>,
    /// Seconds that the server may hold the answer.
    pub wait: u32,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({}, {} bytes)", self.path, self.body.len())
    }
}

/// What came of an effect. Its debug form shows no content.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`EffectKind::Key`].
    Key(Result<KeyReply, KeyFailure>),
    /// To [`EffectKind::Send`]: the body of a successful answer.
    Server(Result<Vec<u8>, ServerFailure>),
    /// To [`EffectKind::Persist`]: whether the bytes are durable.
    Persisted(bool),
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(result) => write!(f, "Key({})", if result.is_ok() { "done" } else { "failed" }),
            Self::Server(Ok(body)) => write!(f, "Server({} bytes)", body.len()),
            Self::Server(Err(failure)) => write!(f, "Server({failure:?})"),
            Self::Persisted(done) => write!(f, "Persisted({done})"),
        }
    }
}

/// What the flows of one machine share.
pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) shown: Vec<Shown>,
    pub(crate) poll_tokens: Vec<(IdentityId, Secret<32>, u64)>,
    /// Waiting requests that the driver has been told of.
    pub(crate) known: Vec<(IdentityId, godkend_protocol::bytes::Id)>,
    pub(crate) now: Now,
    pub(crate) sequence: u64,
    pub(crate) next_request: u64,
    /// Identities that a changing command is at work on.
    pub(crate) busy: BTreeSet<Option<IdentityId>>,
    /// A failed save: what is in memory may be ahead of what is stored, so nothing goes on.
    pub(crate) poisoned: bool,
    pub(crate) rng: Pool,
}

struct Slot {
    want: Option<EffectKind>,
    got: Option<Reply>,
}

/// A flow's way out.
#[derive(Clone)]
pub(crate) struct Port {
    slot: Arc<Mutex<Slot>>,
    shared: Arc<Mutex<Shared>>,
    pub(crate) config: Arc<Config>,
}

impl Port {
    pub(crate) fn new(shared: Arc<Mutex<Shared>>, config: Arc<Config>) -> Self {
        Self { slot: Arc::new(Mutex::new(Slot { want: None, got: None })), shared, config }
    }

    /// The shared data; never held across an `await`.
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One key operation.
    pub(crate) async fn key(&self, request: KeyRequest) -> Result<KeyReply, Failure> {
        match self.ask(EffectKind::Key(request)).await {
            Reply::Key(result) => result.map_err(Failure::from),
            _ => Err(Failure::NotSupported),
        }
    }

    /// One request.
    pub(crate) async fn send(&self, request: Request) -> Result<Vec<u8>, ServerFailure> {
        match self.ask(EffectKind::Send(request)).await {
            Reply::Server(result) => result,
            _ => Err(ServerFailure::Garbled),
        }
    }

    /// Stores the state as it is now. Whatever must survive a kill is persisted before it is sent.
    pub(crate) async fn persist(&self) -> Result<(), Failure> {
        let want = {
            let mut shared = self.shared();
            if shared.poisoned {
                return Err(Failure::Storage);
            }
            shared.sequence += 1;
            EffectKind::Persist { bytes: shared.state.to_bytes(), sequence: shared.sequence }
        };
        if self.ask(want).await == Reply::Persisted(true) {
            return Ok(());
        }
        self.shared().poisoned = true;
        Err(Failure::Storage)
    }

    async fn ask(&self, want: EffectKind) -> Reply {
        let mut want = Some(want);
        poll_fn(move |_| {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(want) = want.take() {
                slot.want = Some(want);
                return Poll::Pending;
            }
            slot.got.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Takes an identity (or, with `None`, the making of a new one) for a changing command.
    pub(crate) fn lock(&self, identity: Option<IdentityId>) -> Result<Busy, Failure> {
        if self.shared().busy.insert(identity) {
            Ok(Busy { shared: Arc::clone(&self.shared), identity })
        } else {
            Err(Failure::Busy)
        }
    }

    pub(crate) fn now(&self) -> Now {
        self.shared().now
    }

    /// Fresh random bytes.
    pub(crate) fn random<const N: usize>(&self) -> godkend_protocol::bytes::Fixed<N> {
        godkend_protocol::bytes::random(&mut self.shared().rng)
    }

    /// Runs something that needs a generator.
    pub(crate) fn with_rng<T>(&self, run: impl FnOnce(&mut dyn rand_core::CryptoRng) -> T) -> T {
        run(&mut self.shared().rng)
    }
}

/// Releases an identity when the flow ends, however it ends.
pub(crate) struct Busy {
    shared: Arc<Mutex<Shared>>,
    identity: Option<IdentityId>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).busy.remove(&self.identity);
    }
}

/// A running command.
pub(crate) struct Flow {
    port: Port,
    future: Pin<Box<dyn Future<Output = Result<Outcome, Failure>> + Send>>,
}

impl Flow {
    pub(crate) fn new(port: Port, future: impl Future<Output = Result<Outcome, Failure>> + Send + 'static) -> Self {
        Self { port, future: Box::pin(future) }
    }

    /// Runs to the next effect.
    pub(crate) fn step(&mut self, reply: Option<Reply>) -> EffectKind {
        if let Some(reply) = reply {
            self.port.slot.lock().unwrap_or_else(PoisonError::into_inner).got = Some(reply);
        }
        match self.future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => EffectKind::Done(result),
            Poll::Pending => {
                let want = self.port.slot.lock().unwrap_or_else(PoisonError::into_inner).want.take();
                // A flow waits on nothing but its port, so there always is a wish.
                want.unwrap_or(EffectKind::Done(Err(Failure::Cancelled)))
            }
        }
    }
}

/// Randomness between two inputs: HMAC-SHA-256 in counter mode, rekeyed with fresh bytes from the caller's generator
/// at every input. Keeps [`rand_core::CryptoRng`] out of the flows' lifetimes and the machine reproducible.
pub(crate) struct Pool {
    key: Secret<32>,
    counter: u64,
}

impl Pool {
    pub(crate) const fn new() -> Self {
        Self { key: Secret([0; 32]), counter: 0 }
    }

    pub(crate) fn refresh(&mut self, rng: &mut dyn rand_core::CryptoRng) {
        let mut fresh = Secret([0; 32]);
        rng.fill_bytes(&mut fresh.0);
        self.key = Secret(crypto::hmac_sha256(&self.key.0, &[b"refresh", &fresh.0]).0);
        self.counter = 0;
    }
}

impl rand_core::TryRng for Pool {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in dest.chunks_mut(32) {
            self.counter += 1;
            let block = Secret(crypto::hmac_sha256(&self.key.0, &[b"block", &self.counter.to_be_bytes()]).0);
            for (to, from) in chunk.iter_mut().zip(block.0.iter()) {
                *to = *from;
            }
        }
        // What was given out cannot be recomputed from what is kept.
        self.key = Secret(crypto::hmac_sha256(&self.key.0, &[b"ratchet", &self.counter.to_be_bytes()]).0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Pool {}
