//! Counts what a store is asked, for the metrics: reads and writes by kind of work. Nothing of what they hold.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Batch, CommitError, Committed, Key, Kind, OutboxEntry, Record, Store, StoreError};
use crate::ops::metrics::{Counter, Metrics};

/// A store that counts, and otherwise is the one inside.
pub struct Counted {
    inner: Arc<dyn Store>,
    get: Counter,
    list: Counter,
    scan: Counter,
    commit: Counter,
    put: Counter,
    delete: Counter,
    check: Counter,
    log_entry: Counter,
}

impl Counted {
    /// Counts in `metrics`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, metrics: &Metrics) -> Self {
        let asked = |operation| {
            metrics.counter("godkend_store_requests_total", "Requests to the store.", &[("operation", operation)])
        };
        let written = |operation| {
            let help = "What commits were to write or to check, also where a condition did not hold.";
            metrics.counter("godkend_store_changes_total", help, &[("operation", operation)])
        };
        Self {
            inner,
            get: asked("get"),
            list: asked("list"),
            scan: asked("scan"),
            commit: asked("commit"),
            put: written("put"),
            delete: written("delete"),
            check: written("check"),
            log_entry: written("log_entry"),
        }
    }
}

fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, kind: Kind, id: &[u8]) -> Result<Option<Record>, StoreError> {
        self.get.add(1);
        self.inner.get(kind, id).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.get.add(number(keys.len()));
        self.inner.get_many(keys).await
    }

    async fn list(
        &self,
        kind: Kind,
        owner: &[u8],
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        self.list.add(1);
        self.inner.list(kind, owner, after, limit).await
    }

    async fn scan(&self, kind: Kind, after: Option<&[u8]>, limit: u32) -> Result<Vec<Record>, StoreError> {
        self.scan.add(1);
        self.inner.scan(kind, after, limit).await
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.scan.add(1);
        self.inner.count(kind).await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.commit.add(1);
        self.put.add(number(batch.puts.len()));
        self.delete.add(number(batch.deletes.len()));
        self.check.add(number(batch.checks.len()));
        self.log_entry.add(number(batch.log.len()));
        self.inner.commit(batch).await
    }

    async fn purge_expired(&self, now: i64, kinds: &[Kind], limit: u32) -> Result<u64, StoreError> {
        self.inner.purge_expired(now, kinds, limit).await
    }

    async fn outbox_read(&self, after: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        self.inner.outbox_read(after, limit).await
    }

    async fn outbox_clear(&self, upto: u64, key: &str, value: &[u8]) -> Result<(), StoreError> {
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
