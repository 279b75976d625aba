//! Where an app keeps the state: one blob, sealed before it leaves this library.

use std::sync::Arc;

use godkend_client::entropy::Entropy;
use godkend_client::keys::{HardwareKeys as _, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::state as port;
use godkend_core::Failure;
use godkend_protocol::bytes::{self, Secret};
use godkend_protocol::crypto;
use godkend_protocol::types::{KeyPurpose, SecurityLevel};
use zeroize::Zeroizing;

use crate::error::PhoneError;
use crate::keys::Hardware;

/// Why a store did not load or save.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, uniffi::Error)]
pub enum StoreError {
    /// The medium failed or is full.
    #[error("failed: {detail}")]
    Failed {
        /// For the developer's log, in English.
        detail: String,
    },
    /// What is there is not what was saved last.
    #[error("damaged")]
    Damaged,
    /// The key that the store itself wraps its file with is gone, as after a restored backup.
    #[error("the store's key is missing")]
    KeyMissing,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for StoreError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { detail: error.reason }
    }
}

/// Keeps one blob of some kilobytes. It is sealed already (AES-256-GCM, under a key that the phone's hardware derives),
/// so any file will do; keep it out of backups all the same, since it opens on this phone only.
///
/// Called on a thread that may block, one call at a time, without a lock held that any other call takes.
#[uniffi::export(rust, foreign)]
pub trait StateStore: Send + Sync {
    /// The blob that was saved last; none if none ever was.
    fn load(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// Replaces the blob, whole or not at all; it is on the medium when this returns.
    fn save(&self, blob: Vec<u8>) -> Result<(), StoreError>;
}

/// The app's store, with the seal.
pub(crate) struct SealedStore {
    store: Arc<dyn StateStore>,
    key: Secret<32>,
    entropy: Entropy,
}

impl SealedStore {
    /// Finds the sealing key in the hardware, or makes one for a store that is empty.
    pub(crate) async fn open(
        store: Arc<dyn StateStore>,
        keys: &Hardware,
        security: SecurityLevel,
        entropy: Entropy,
    ) -> Result<Self, PhoneError> {
        let alias = || KeyAlias(SEAL_ALIAS.to_owned());
        let input = || SecretBytes32(crypto::sha256(&[b"godkend/state-seal/1"]).0);
        let derived = match keys.derive(alias(), input()).await {
            Err(KeyFailure::Missing) if load(&store).await?.is_none() => {
                let policy = KeyPolicy {
                    purpose: KeyPurpose::Pepper,
                    security,
                    biometric: false,
                    // The state is also saved while the phone is locked: a poll in the background.
                    unlocked: false,
                    attestation_challenge: None,
                };
                keys.create(alias(), policy).await.map_err(Failure::from)?;
                keys.derive(alias(), input()).await.map_err(Failure::from)?
            }
            other => other.map_err(Failure::from)?,
        };
        Ok(Self { store, key: crypto::hkdf_sha256(&derived.0, &[b"godkend/state-seal"]), entropy })
    }
}

impl port::StateStore for SealedStore {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, port::StoreError> {
        let Some(blob) = self.store.load().map_err(to_client)?.filter(|blob| !blob.is_empty()) else {
            return Ok(None);
        };
        let rest = blob.strip_prefix(&MAGIC).ok_or(port::StoreError::Damaged)?;
        let (&version, rest) = rest.split_first().ok_or(port::StoreError::Damaged)?;
        if version > VERSION {
            return Err(port::StoreError::Newer);
        }
        let (nonce, sealed) = rest.split_first_chunk::<12>().ok_or(port::StoreError::Damaged)?;
        let state = crypto::aead_open(&self.key, *nonce, &header(), sealed).ok_or(port::StoreError::Damaged)?;
        Ok(Some(Zeroizing::new(state)))
    }

    fn save(&self, state: &[u8]) -> Result<(), port::StoreError> {
        // Random: 2^32 saves before two nonces meet with a probability of 2^-32 (SP 800-38D, section 8.3).
        let nonce = self.entropy.with(bytes::random::<12>).0;
        let sealed = crypto::aead_seal(&self.key, nonce, &header(), state);
        self.store.save([header().as_slice(), &nonce, &sealed].concat()).map_err(to_client)
    }
}

/// Removes every key and the state: the way to a new activation when nothing else helps.
pub(crate) async fn erase(keys: &Hardware, store: Arc<dyn StateStore>) -> Result<(), PhoneError> {
    // The state first: without it the keys are of no use, and the other way round it could not even be opened.
    let saved = tokio::task::spawn_blocking(move || store.save(Vec::new())).await;
    saved.map_err(|_| PhoneError::Storage)?.map_err(|error| PhoneError::from(to_client(error)))?;
    let aliases = keys.aliases().await.map_err(Failure::from)?;
    let ours = aliases.into_iter().filter(|alias| alias.0.starts_with("godkend.")).collect();
    Ok(keys.delete(ours).await.map_err(Failure::from)?)
}

async fn load(store: &Arc<dyn StateStore>) -> Result<Option<Vec<u8>>, PhoneError> {
    let store = Arc::clone(store);
    let loaded = tokio::task::spawn_blocking(move || store.load()).await.map_err(|_| PhoneError::Storage)?;
    let loaded = loaded.map_err(|error| PhoneError::from(to_client(error)))?;
    Ok(loaded.filter(|blob| !blob.is_empty()))
}

fn to_client(error: StoreError) -> port::StoreError {
    match error {
        StoreError::Failed { detail } => {
            let source = std::io::Error::other(detail);
            port::StoreError::Io { path: "the app's store".into(), source }
        }
        StoreError::Damaged => port::StoreError::Damaged,
        StoreError::KeyMissing => port::StoreError::KeyMissing,
    }
}

fn header() -> Vec<u8> {
    [&MAGIC[..], &[VERSION]].concat()
}

/// One for the phone, not for a person: no activation makes or removes it.
const SEAL_ALIAS: &str = "godkend.state.seal";
const MAGIC: [u8; 4] = *b"GKFS";
const VERSION: u8 = 1;
