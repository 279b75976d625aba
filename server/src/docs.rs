//! Typed access to the document store: read documents, gather changes, commit them together.

use serde::Serialize;

use crate::error::ApiError;
use crate::records::{Document, Entry};
use crate::store::{Batch, CommitError, Committed, Expect, Put, Store};

/// Reads one document.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn get<D: Document>(store: &dyn Store, id: &[u8]) -> Result<Option<Entry<D>>, ApiError> {
    let Some(record) = store.get(D::KIND, id).await? else { return Ok(None) };
    let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(D::KIND.0))?;
    Ok(Some(Entry { doc, version: Some(record.version) }))
}

/// Lists an owner's documents in the order of their ids, at most `limit`.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn list<D: Document>(store: &dyn Store, owner: &[u8], limit: u32) -> Result<Vec<Entry<D>>, ApiError> {
    store
        .list(D::KIND, owner, None, limit)
        .await?
        .into_iter()
        .map(|record| {
            let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(D::KIND.0))?;
            Ok(Entry { doc, version: Some(record.version) })
        })
        .collect()
}

/// Changes that happen together or not at all.
#[derive(Clone, Default)]
pub struct Changes(Batch);

impl Changes {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all changes of another.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.0.checks.extend(other.0.checks);
        self.0.puts.extend(other.0.puts);
        self.0.deletes.extend(other.0.deletes);
        self.0.log.extend(other.0.log);
        self
    }

    /// Adds a new document, on condition that none has its id.
    pub fn insert<D: Document>(&mut self, doc: &D) -> &mut Self {
        self.write(doc, Expect::Absent)
    }

    /// Writes a document back, on condition that it has not changed since it was read.
    pub fn update<D: Document>(&mut self, entry: &Entry<D>) -> &mut Self {
        self.write(&entry.doc, entry.version.map_or(Expect::Absent, Expect::Version))
    }

    /// Demands that a document has not changed since it was read.
    pub fn unchanged<D: Document>(&mut self, entry: &Entry<D>) -> &mut Self {
        self.0.checks.push((D::KIND, entry.doc.id(), entry.version.map_or(Expect::Absent, Expect::Version)));
        self
    }

    /// Removes a document, on condition that it has not changed since it was read.
    pub fn delete<D: Document>(&mut self, entry: &Entry<D>) -> &mut Self {
        self.0.deletes.push((D::KIND, entry.doc.id(), entry.version.map_or(Expect::Any, Expect::Version)));
        self
    }

    /// Adds an entry to the audit log, in the same transaction.
    pub fn log<T: Serialize>(&mut self, entry: &T) -> &mut Self {
        // Log entries are plain data of this crate; they always serialise.
        if let Ok(bytes) = serde_json::to_vec(entry) {
            self.0.log.push(bytes);
        }
        self
    }

    fn write<D: Document>(&mut self, doc: &D, expect: Expect) -> &mut Self {
        if let Ok(body) = serde_json::to_vec(doc) {
            self.0.puts.push(Put {
                kind: D::KIND,
                id: doc.id(),
                owner: doc.owner(),
                expires: doc.expires(),
                body,
                expect,
            });
        }
        self
    }

    /// Commits. A conflict is [`ApiError::conflict`]: read again and decide anew.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn commit(self, store: &dyn Store) -> Result<Committed, ApiError> {
        store.commit(self.0).await.map_err(|error| match error {
            CommitError::Conflict { .. } => ApiError::conflict(),
            CommitError::Unavailable(error) => error.into(),
        })
    }
}

/// How often a decision is taken anew after a conflict.
const ATTEMPTS: usize = 16;

/// Reads, decides and commits again while the commit conflicts with somebody else's; at most 16 times.
///
/// # Errors
/// What the attempt refuses with, or [`ApiError::conflict`].
pub async fn retry<T, F>(mut attempt: impl FnMut() -> F + Send) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>> + Send,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_conflict() => tokio::task::yield_now().await,
            done => return done,
        }
    }
    attempt().await
}
