//! A phone that can be held at any step: before each operation of its keys and each write of its state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use godkend_client::keys::{
    CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, KeyReply, KeyRequest, SecretBytes32,
};
use godkend_client::state::{StateStore, StoreError};
use godkend_protocol::bytes::{PublicKey, Signature};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use zeroize::Zeroizing;

/// Nobody is held.
const OPEN: u64 = u64::MAX;

/// The phone's side.
pub(crate) struct Gate {
    /// Steps until it closes.
    left: AtomicU64,
    reached: UnboundedSender<()>,
    go: Mutex<Receiver<()>>,
}

/// The keeper's side.
pub(crate) struct Keeper {
    gate: Arc<Gate>,
    reached: UnboundedReceiver<()>,
    go: Sender<()>,
}

impl Keeper {
    pub(crate) fn new() -> Self {
        let (reached, hear) = unbounded_channel();
        let (go, wait) = channel();
        let gate = Arc::new(Gate { left: AtomicU64::new(OPEN), reached, go: Mutex::new(wait) });
        Self { gate, reached: hear, go }
    }

    pub(crate) fn gate(&self) -> Arc<Gate> {
        self.gate.clone()
    }

    /// Holds the phone after so many steps.
    pub(crate) fn hold_after(&self, steps: u64) {
        self.gate.left.store(steps, Ordering::SeqCst);
    }

    /// Returns when the phone is held.
    pub(crate) async fn held(&mut self) {
        self.reached.recv().await.unwrap();
    }

    /// Lets it go on.
    pub(crate) fn let_go(&self) {
        self.go.send(()).unwrap();
    }

    /// Whether it was never held since [`Self::hold_after`]; it is not any more.
    pub(crate) fn open(&self) -> bool {
        self.gate.left.swap(OPEN, Ordering::SeqCst) != OPEN
    }
}

impl Gate {
    /// A step. Held, it blocks its thread.
    fn pass(&self) {
        let step = |left: u64| (left != OPEN).then(|| left.checked_sub(1).unwrap_or(OPEN));
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step) == Ok(0) {
            self.reached.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
    }
}

/// Keys or a store behind a gate.
pub(crate) struct Gated<T> {
    inner: Arc<T>,
    gate: Arc<Gate>,
}

impl<T> Gated<T> {
    pub(crate) const fn new(inner: Arc<T>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<T: StateStore> StateStore for Gated<T> {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.inner.load()
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        self.gate.pass();
        self.inner.save(blob)
    }
}

#[async_trait]
impl<T: HardwareKeys> HardwareKeys for Gated<T> {
    async fn handle(&self, request: KeyRequest) -> Result<KeyReply, KeyFailure> {
        tokio::task::block_in_place(|| self.gate.pass());
        self.inner.handle(request).await
    }

    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        self.inner.create(alias, policy).await
    }

    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        self.inner.sign(alias, message, prompt).await
    }

    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        self.inner.derive(alias, input).await
    }

    async fn agree(
        &self,
        alias: KeyAlias,
        point: PublicKey,
        prompt: Option<String>,
    ) -> Result<SecretBytes32, KeyFailure> {
        self.inner.agree(alias, point, prompt).await
    }

    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.inner.delete(aliases).await
    }

    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        self.inner.aliases().await
    }
}
