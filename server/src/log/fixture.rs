//! A server's folder for the tests of the log: real database, real files, real key.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use godkend_protocol::checkpoint::CheckpointAlgorithm;
use rand_core::{TryCryptoRng, TryRng};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use tempfile::TempDir;

use super::file::{CHECKPOINT, ENTRIES, INDEX, TREE};
use super::*;
use crate::store::sqlite::SqliteStore;
use crate::store::{Batch, CommitError, Committed, Key, Kind, OutboxEntry, Record, Store};

struct SystemRng;

impl TryRng for SystemRng {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("salts are drawn as bytes")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("salts are drawn as bytes")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        SystemRandom::new().fill(bytes).unwrap();
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

/// A real store whose clearing of the outbox can be made to fail, which is a kill just before it.
pub(super) struct Killable {
    inner: SqliteStore,
    pub(super) kill: AtomicBool,
}

#[async_trait]
impl Store for Killable {
    async fn get(&self, kind: Kind, id: &[u8]) -> Result<Option<Record>, StoreError> {
        self.inner.get(kind, id).await
    }
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.inner.get_many(keys).await
    }
    async fn list(
        &self,
        kind: Kind,
        owner: &[u8],
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        self.inner.list(kind, owner, after, limit).await
    }
    async fn scan(&self, kind: Kind, after: Option<&[u8]>, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.inner.scan(kind, after, limit).await
    }
    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.inner.count(kind).await
    }
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.inner.commit(batch).await
    }
    async fn purge_expired(&self, now: i64, kinds: &[Kind], limit: u32) -> Result<u64, StoreError> {
        self.inner.purge_expired(now, kinds, limit).await
    }
    async fn outbox_read(&self, after: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        self.inner.outbox_read(after, limit).await
    }
    async fn outbox_clear(&self, upto: u64, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if self.kill.load(Ordering::Relaxed) {
            return Err(StoreError::Busy);
        }
        self.inner.outbox_clear(upto, key, value).await
    }
    async fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.meta_get(key).await
    }
    async fn meta_put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.inner.meta_put(key, value).await
    }
    async fn healthy(&self) -> Result<(), StoreError> {
        self.inner.healthy().await
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A server's folder: database, log and key.
pub(super) struct Place {
    pub(super) folder: TempDir,
    key: Arc<EcdsaKeyPair>,
    pub(super) sign_fails: Arc<AtomicBool>,
    instance: AtomicU64,
}

impl Place {
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: Arc::new(key),
            sign_fails: Arc::new(AtomicBool::new(false)),
            instance: AtomicU64::new(1 << 63),
        }
    }

    pub(super) fn log_dir(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    pub(super) async fn store(&self) -> Arc<Killable> {
        let instance = self.instance.fetch_add(0x1234_5678_9abc, Ordering::Relaxed);
        let inner = SqliteStore::open(&self.database(), instance).await.unwrap();
        Arc::new(Killable { inner, kill: AtomicBool::new(false) })
    }

    pub(super) fn verifier(&self) -> CheckpointVerifier {
        let public_key = self.key.public_key().as_ref().to_vec();
        let point = public_key.clone();
        let verify = move |body: &[u8], signature: &[u8]| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).verify(body, signature).is_ok()
        };
        CheckpointVerifier { algorithm: CheckpointAlgorithm::Es256, public_key, verify: Arc::new(verify) }
    }

    pub(super) fn config(&self) -> SequencerConfig {
        let (key, fails) = (self.key.clone(), self.sign_fails.clone());
        let sign = move |body: &[u8]| {
            if fails.load(Ordering::Relaxed) {
                return Err("the key is away".to_owned());
            }
            Ok(key.sign(&SystemRandom::new(), body).unwrap().as_ref().to_vec())
        };
        SequencerConfig {
            dir: self.log_dir(),
            environment: "test".to_owned(),
            epoch: 7,
            behind: Behind::Refuse,
            signers: vec![CheckpointSigner { verifier: self.verifier(), sign: Arc::new(sign) }],
            earlier: Vec::new(),
            clock: Arc::new(|| 1_790_000_000),
            witnessed: Vec::new(),
            sign_again_after: 0,
            rng: Box::new(SystemRng),
        }
    }

    pub(super) async fn open(&self, store: &Arc<Killable>) -> Result<Opened, LogError> {
        Sequencer::open(store.clone(), self.config()).await
    }

    pub(super) fn verify(&self) -> Result<LogReport, LogError> {
        verify(&self.log_dir(), &[self.verifier()])
    }
}

pub(super) async fn commit(store: &Arc<Killable>, entries: &[&str]) -> Vec<OutboxId> {
    let log = entries.iter().map(|entry| entry.as_bytes().to_vec()).collect();
    store.commit(Batch { log, ..Batch::default() }).await.unwrap().outbox
}

pub(super) async fn rounds(sequencer: &mut Sequencer) {
    while sequencer.round().await.unwrap() > 0 {}
}

/// A log of these entries, closed again.
pub(super) async fn written(entries: &[&str]) -> Place {
    let place = Place::new();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    assert!(opened.created);
    commit(&store, entries).await;
    rounds(&mut opened.sequencer).await;
    store.close().await;
    place
}

pub(super) fn texts(log: &Log) -> Vec<String> {
    let text = |entry: LogEntry| String::from_utf8(entry.content.unwrap().entry).unwrap();
    log.iter_from(0).map(|entry| text(entry.unwrap())).collect()
}

pub(super) fn ahead(opened: &Opened) -> Vec<(u64, String)> {
    let text = |entry: &AheadEntry| (entry.index, String::from_utf8(entry.entry.clone().unwrap()).unwrap());
    opened.entries_ahead.iter().map(text).collect()
}

pub(super) fn copy_dir(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for name in [ENTRIES, INDEX, TREE, CHECKPOINT] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}
