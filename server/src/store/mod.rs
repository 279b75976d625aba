//! The document store: records with versions, changed all together or not at all.
//!
//! All domain logic is plain Rust over [`Store`]; a database has to offer these few operations and nothing else, and
//! shows that it does by passing the suite in `suite.rs`. Every decision that must hold under races is a condition in a
//! [`Batch`]: read, decide, commit with the versions that were read, and on [`CommitError::Conflict`] start over.

pub mod counted;
pub mod sqlite;
#[cfg(test)]
pub mod suite;

use async_trait::async_trait;

/// The most operations (checks, puts and deletes) that one batch may hold.
pub const MAX_BATCH_OPERATIONS: usize = 256;
/// The most entries that one batch may put in the outbox.
pub const MAX_BATCH_ENTRIES: usize = 64;
/// The largest record body or outbox entry, in bytes.
pub const MAX_BODY_LEN: usize = 1_048_576;
/// The longest record id or owner, in bytes.
pub const MAX_ID_LEN: usize = 512;

/// What a record is, `device` for one. The set is open: each part of the domain names its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Kind(pub &'static str);

/// The name of a record: its kind and its id within the kind.
pub type Key = (Kind, Vec<u8>);

/// One stored document.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Its name within the kind.
    pub id: Vec<u8>,
    /// Rises with every write in the whole store and is never used twice, not even after a deletion.
    pub version: u64,
    /// Whom it belongs to; records are listed by owner. Empty for nobody.
    pub owner: Vec<u8>,
    /// When it may be purged, in unix seconds. The store has no clock: a record past this time is still read until
    /// [`Store::purge_expired`], and the reader judges it.
    pub expires: Option<i64>,
    /// The document.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("version", &self.version)
            .field("expires", &self.expires)
            .field("body", &"[redacted]")
            .finish_non_exhaustive()
    }
}

/// A condition on a record. All conditions of a batch are judged on the state before the batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// There is no such record.
    Absent,
    /// The record has this version.
    Version(u64),
    /// No condition.
    Any,
}

/// A record to write.
#[derive(Clone)]
pub struct Put {
    /// What it is.
    pub kind: Kind,
    /// Its name within the kind, 1 to [`MAX_ID_LEN`] bytes.
    pub id: Vec<u8>,
    /// Whom it belongs to, up to [`MAX_ID_LEN`] bytes.
    pub owner: Vec<u8>,
    /// When it may be purged, in unix seconds.
    pub expires: Option<i64>,
    /// The document, up to [`MAX_BODY_LEN`] bytes.
    pub body: Vec<u8>,
    /// The condition to write it under.
    pub expect: Expect,
}

/// Changes that happen together or not at all. A record is put or deleted at most once in a batch.
#[derive(Clone, Default)]
pub struct Batch {
    /// Conditions on records that are not written.
    pub checks: Vec<(Kind, Vec<u8>, Expect)>,
    /// Records to write.
    pub puts: Vec<Put>,
    /// Records to delete; with [`Expect::Any`], one that is not there is no error.
    pub deletes: Vec<(Kind, Vec<u8>, Expect)>,
    /// Entries for the audit log, which leave through the outbox in the order of commits.
    pub log: Vec<Vec<u8>>,
}

/// What a commit has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Committed {
    /// The new version of each put, in their order.
    pub versions: Vec<u64>,
    /// The outbox id of each log entry, in their order.
    pub outbox: Vec<OutboxId>,
}

/// Names an outbox entry for ever. The instance is drawn anew at every start of a server, so that ids which an older
/// database hands out again after a restore are still different ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OutboxId {
    /// The random name of the store's instance that took the entry.
    pub instance: u64,
    /// The entry's number: rises with every entry in one database.
    pub sequence: u64,
}

impl OutboxId {
    /// Sixteen bytes: instance and sequence, big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.instance) << 64) | u128::from(self.sequence)).to_be_bytes()
    }

    /// The reverse of [`OutboxId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let (mut instance, mut sequence) = ([0; 8], [0; 8]);
        instance.copy_from_slice(&bytes[..8]);
        sequence.copy_from_slice(&bytes[8..]);
        Self { instance: u64::from_be_bytes(instance), sequence: u64::from_be_bytes(sequence) }
    }
}

/// An entry that waits for the audit log.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its name.
    pub id: OutboxId,
    /// The entry, opaque here.
    pub entry: Vec<u8>,
}

/// Why the store did not answer. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much work is waiting: try again shortly.
    #[error("the store is busy; try again")]
    Busy,
    /// The database failed (disk full, file locked, input or output error): an operator has to look.
    #[error("the database failed: {0}")]
    Database(String),
    /// The database was written by a newer version of this program: use that one.
    #[error("the database has schema {found}, and this program knows up to {known}; use a newer program")]
    SchemaTooNew {
        /// The schema version in the file.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The stored data is not what was written: restore the database.
    #[error("the database holds damaged data: {0}")]
    Damaged(&'static str),
    /// The request breaks a limit of this module; an error of the calling code.
    #[error("the store cannot take this: {0}")]
    Invalid(&'static str),
    /// The store has been closed: the server is stopping.
    #[error("the store is closed")]
    Closed,
}

/// Why a batch changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold, the first of checks, puts and deletes in this order: read again and decide anew.
    #[error("a {} record has changed meanwhile", kind.0)]
    Conflict {
        /// The record's kind.
        kind: Kind,
        /// The record's id.
        id: Vec<u8>,
    },
    /// The store could not do it. After a failure of the disk at the very moment of commit, the batch may
    /// nevertheless be there after a restart; whole, then.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// A document store with compare-and-set. Readers see committed state only, and what a caller has committed.
#[async_trait]
pub trait Store: Send + Sync {
    /// One record.
    async fn get(&self, kind: Kind, id: &[u8]) -> Result<Option<Record>, StoreError>;

    /// Several records as of one moment, in the order of the keys.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError>;

    /// The owner's records of this kind in the order of their ids, from the first one above `after`.
    async fn list(&self, kind: Kind, owner: &[u8], after: Option<&[u8]>, limit: u32)
    -> Result<Vec<Record>, StoreError>;

    /// All records of this kind in the order of their ids, from the first one above `after`.
    async fn scan(&self, kind: Kind, after: Option<&[u8]>, limit: u32) -> Result<Vec<Record>, StoreError>;

    /// The number of records of this kind; walks over all of them.
    async fn count(&self, kind: Kind) -> Result<u64, StoreError>;

    /// All of the batch, durably, or nothing. A caller who stops waiting does not stop the commit.
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError>;

    /// Deletes up to `limit` records of these kinds that expired at `now` (unix seconds) or before; says how many.
    async fn purge_expired(&self, now: i64, kinds: &[Kind], limit: u32) -> Result<u64, StoreError>;

    /// The waiting entries with a sequence above `after`, in the order of commits.
    async fn outbox_read(&self, after: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Forgets the entries up to and including this sequence, and puts `value` at the meta key `key`, both or neither.
    async fn outbox_clear(&self, upto: u64, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// A value of the store's own small table.
    async fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Sets a value of the store's own small table. Keys that begin with `store.` belong to the store.
    async fn meta_put(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Whether a read and a durable write work now.
    async fn healthy(&self) -> Result<(), StoreError>;

    /// Finishes the commits that wait, then refuses further ones.
    async fn close(&self);
}

impl Batch {
    /// Checks the limits of this module.
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        if self.checks.len() + self.puts.len() + self.deletes.len() > MAX_BATCH_OPERATIONS {
            return Err(StoreError::Invalid("too many operations in a batch"));
        }
        if self.log.len() > MAX_BATCH_ENTRIES {
            return Err(StoreError::Invalid("too many log entries in a batch"));
        }
        if self.puts.iter().map(|put| &put.body).chain(&self.log).any(|body| body.len() > MAX_BODY_LEN) {
            return Err(StoreError::Invalid("a body is too long"));
        }
        let mut written = std::collections::HashSet::new();
        let puts = self.puts.iter().map(|put| (put.kind, &put.id));
        for key in puts.chain(self.deletes.iter().map(|(kind, id, _)| (*kind, id))) {
            if !written.insert(key) {
                return Err(StoreError::Invalid("a record is written twice in a batch"));
            }
            if key.1.is_empty() || key.1.len() > MAX_ID_LEN {
                return Err(StoreError::Invalid("an id is empty or too long"));
            }
        }
        if self.puts.iter().any(|put| put.owner.len() > MAX_ID_LEN) {
            return Err(StoreError::Invalid("an owner is too long"));
        }
        Ok(())
    }
}
