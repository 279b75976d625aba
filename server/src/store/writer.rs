//! The task that writes: it takes whatever batches wait, judges them in memory against the versions it reads once,
//! and writes what is left of them in one transaction with a handful of statements.
//!
//! A batch whose conditions fail has touched nothing but memory, so no savepoint is needed. Nobody is answered before
//! the commit, also not those with a conflict: it may be one with a batch of the same transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{VERSION_KEY, chunk_sizes, connect, failed, meta_u64, numbered_keys, put_meta, run, signed, unsigned};
use crate::ops::work;
use crate::store::{Batch, CommitError, Committed, Expect, Key, Kind, OutboxId, StoreError};

/// The most jobs in one transaction.
const GROUP: usize = 256;
/// A job that has waited longer is answered [`StoreError::Busy`] and not begun.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) since: Instant,
}

pub(super) enum Job {
    Batch { batch: Batch, answer: oneshot::Sender<Result<Committed, CommitError>> },
    Purge { now: i64, kinds: Vec<Kind>, limit: u32, answer: oneshot::Sender<Result<u64, StoreError>> },
    Meta { clear: Option<u64>, key: String, value: Vec<u8>, answer: oneshot::Sender<Result<(), StoreError>> },
    Close { answer: oneshot::Sender<()> },
}

pub(super) struct Writer {
    path: PathBuf,
    /// None after a failure: the next group opens a new one.
    connection: Option<SqliteConnection>,
    instance: u64,
    version: u64,
    sequence: u64,
}

/// What a group leaves to write: the last state of each record.
#[derive(Default)]
struct Pending {
    /// None: deleted.
    records: BTreeMap<Key, Option<Written>>,
    outbox: Vec<(u64, Vec<u8>)>,
}

struct Written {
    version: u64,
    owner: Vec<u8>,
    expires: Option<i64>,
    body: Vec<u8>,
}

/// What a job is answered once the transaction is durable.
enum Outcome {
    Batch(Result<Committed, CommitError>),
    Count(u64),
    Done,
}

impl Writer {
    pub(super) async fn new(path: PathBuf, connection: SqliteConnection, instance: u64) -> Result<Self, StoreError> {
        let mut writer = Self { path, connection: None, instance, version: 0, sequence: 0 };
        writer.adopt(connection).await?;
        Ok(writer)
    }

    /// Works until all senders are gone or one asks to close.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        let mut waiting = Vec::with_capacity(GROUP);
        let mut closing = None;
        while closing.is_none() && queue.recv_many(&mut waiting, GROUP).await > 0 {
            let now = Instant::now();
            let mut group = Vec::with_capacity(waiting.len());
            for queued in waiting.drain(..) {
                match queued.job {
                    // What came after it is dropped, which its caller sees as closed.
                    Job::Close { answer } => {
                        closing = Some(answer);
                        break;
                    }
                    job if now.duration_since(queued.since) > PATIENCE => refuse(job, &StoreError::Busy),
                    job => group.push(job),
                }
            }
            if !group.is_empty() {
                self.serve(group).await;
            }
        }
        queue.close();
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the database failed");
        }
        if let Some(answer) = closing {
            let _ = answer.send(());
        }
    }

    /// Takes up a connection and where its database stands.
    async fn adopt(&mut self, mut connection: SqliteConnection) -> Result<(), StoreError> {
        let version = meta_u64(&mut connection, VERSION_KEY).await?.unwrap_or(0);
        let row = sqlx::query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        self.version = self.version.max(version);
        self.sequence = self.sequence.max(unsigned(row.try_get(0).map_err(failed)?)?);
        self.connection = Some(connection);
        Ok(())
    }

    async fn serve(&mut self, mut group: Vec<Job>) {
        match self.transact(&mut group).await {
            Ok(outcomes) => group.into_iter().zip(outcomes).for_each(|(job, outcome)| answer(job, outcome)),
            Err(error) => {
                tracing::error!(%error, jobs = group.len(), "a transaction failed and was rolled back");
                group.into_iter().for_each(|job| refuse(job, &error));
            }
        }
    }

    /// One transaction. A connection on which anything failed is not used again: closing it rolls back.
    async fn transact(&mut self, group: &mut [Job]) -> Result<Vec<Outcome>, StoreError> {
        if self.connection.is_none() {
            let connection = connect(&self.path).await?;
            self.adopt(connection).await?;
        }
        let mut connection = self.connection.take().ok_or(StoreError::Closed)?;
        run(&mut connection, "BEGIN IMMEDIATE").await?;
        let mut versions = load_versions(&mut connection, group).await?;
        let mut pending = Pending::default();
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group.iter_mut() {
            outcomes.push(match job {
                Job::Batch { batch, .. } => {
                    Outcome::Batch(self.judge(std::mem::take(batch), &mut versions, &mut pending))
                }
                _ => Outcome::Done,
            });
        }
        self.flush(&mut connection, pending).await?;
        // After the batches, so that what they have prolonged is not purged.
        for (job, outcome) in group.iter().zip(&mut outcomes) {
            match job {
                Job::Purge { now, kinds, limit, .. } => {
                    *outcome = Outcome::Count(purge(&mut connection, *now, kinds, *limit).await?);
                }
                Job::Meta { clear, key, value, .. } => {
                    if let Some(upto) = clear {
                        let delete = sqlx::query("DELETE FROM outbox WHERE sequence <= ?").bind(signed(*upto));
                        delete.execute(&mut connection).await.map_err(failed)?;
                    }
                    put_meta(&mut connection, key, value).await?;
                }
                Job::Batch { .. } | Job::Close { .. } => {}
            }
        }
        run(&mut connection, "COMMIT").await?;
        self.connection = Some(connection);
        work::TRANSACTIONS.add(1);
        work::COMMITS.add(count_batches(&outcomes));
        Ok(outcomes)
    }

    /// Checks all conditions of a batch; if they hold, changes `versions` and `pending` as the batch says.
    fn judge(
        &mut self,
        batch: Batch,
        versions: &mut HashMap<Key, u64>,
        pending: &mut Pending,
    ) -> Result<Committed, CommitError> {
        for (kind, id, expect) in conditions(&batch) {
            let found = match expect {
                Expect::Any => continue,
                Expect::Absent | Expect::Version(_) => versions.get(&(kind, id.to_vec())),
            };
            let holds = match expect {
                Expect::Version(expected) => found == Some(&expected),
                _ => found.is_none(),
            };
            if !holds {
                return Err(CommitError::Conflict { kind, id: id.to_vec() });
            }
        }
        let mut committed = Committed::default();
        for put in batch.puts {
            self.version += 1;
            committed.versions.push(self.version);
            let key = (put.kind, put.id);
            versions.insert(key.clone(), self.version);
            let written = Written { version: self.version, owner: put.owner, expires: put.expires, body: put.body };
            pending.records.insert(key, Some(written));
        }
        for (kind, id, _) in batch.deletes {
            let key = (kind, id);
            versions.remove(&key);
            pending.records.insert(key, None);
        }
        for entry in batch.log {
            self.sequence += 1;
            committed.outbox.push(OutboxId { instance: self.instance, sequence: self.sequence });
            pending.outbox.push((self.sequence, entry));
        }
        Ok(committed)
    }

    async fn flush(&self, connection: &mut SqliteConnection, pending: Pending) -> Result<(), StoreError> {
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        for (key, written) in &pending.records {
            match written {
                Some(written) => puts.push((key, written)),
                None => deletes.push(key),
            }
        }
        if !puts.is_empty() {
            put_meta(connection, VERSION_KEY, &self.version.to_be_bytes()).await?;
        }
        let mut rest = puts.as_slice();
        for size in chunk_sizes(rest.len()) {
            let (chunk, after) = rest.split_at(size);
            rest = after;
            let sql = format!(
                "INSERT INTO records (kind, id, version, owner, expires, body) VALUES {} ON CONFLICT (kind, id) DO \
                 UPDATE SET version = excluded.version, owner = excluded.owner, expires = excluded.expires, \
                 body = excluded.body",
                repeated("(?,?,?,?,?,?)", ",", size)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for ((kind, id), written) in chunk {
                query = query.bind(kind.0).bind(id).bind(signed(written.version)).bind(&written.owner);
                query = query.bind(written.expires).bind(&written.body);
            }
            query.execute(&mut *connection).await.map_err(failed)?;
        }
        let mut rest = deletes.as_slice();
        for size in chunk_sizes(rest.len()) {
            let (chunk, after) = rest.split_at(size);
            rest = after;
            let sql = format!("DELETE FROM records WHERE {}", repeated("(kind = ? AND id = ?)", " OR ", size));
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (kind, id) in chunk {
                query = query.bind(kind.0).bind(id);
            }
            query.execute(&mut *connection).await.map_err(failed)?;
        }
        let instance = i64::from_be_bytes(self.instance.to_be_bytes());
        let mut rest = pending.outbox.as_slice();
        for size in chunk_sizes(rest.len()) {
            let (chunk, after) = rest.split_at(size);
            rest = after;
            let values = repeated("(?,?,?)", ",", size);
            let sql = format!("INSERT INTO outbox (sequence, instance, entry) VALUES {values}");
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (sequence, entry) in chunk {
                query = query.bind(signed(*sequence)).bind(instance).bind(entry);
            }
            query.execute(&mut *connection).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// The versions of all records that the group has a condition on; those that are missing do not exist.
async fn load_versions(connection: &mut SqliteConnection, group: &[Job]) -> Result<HashMap<Key, u64>, StoreError> {
    let mut keys = BTreeSet::new();
    for job in group {
        if let Job::Batch { batch, .. } = job {
            let judged = conditions(batch).filter(|(_, _, expect)| *expect != Expect::Any);
            keys.extend(judged.map(|(kind, id, _)| (kind, id)));
        }
    }
    let keys: Vec<(Kind, &[u8])> = keys.into_iter().collect();
    let mut versions = HashMap::new();
    let mut rest = keys.as_slice();
    for size in chunk_sizes(keys.len()) {
        let (chunk, after) = rest.split_at(size);
        rest = after;
        let sql = format!(
            "SELECT k.column1 AS nr, r.version FROM (VALUES {}) k \
             CROSS JOIN records r ON r.kind = k.column2 AND r.id = k.column3",
            numbered_keys(size)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (kind, id) in chunk {
            query = query.bind(kind.0).bind(*id);
        }
        for row in query.fetch_all(&mut *connection).await.map_err(failed)? {
            let nr = usize::try_from(row.try_get::<i64, _>("nr").map_err(failed)?).unwrap_or(usize::MAX);
            let version = unsigned(row.try_get("version").map_err(failed)?)?;
            if let Some((kind, id)) = chunk.get(nr) {
                versions.insert((*kind, id.to_vec()), version);
            }
        }
    }
    Ok(versions)
}

async fn purge(connection: &mut SqliteConnection, now: i64, kinds: &[Kind], limit: u32) -> Result<u64, StoreError> {
    let mut purged = 0;
    for kind in kinds {
        let left = u64::from(limit).saturating_sub(purged);
        let sql = "DELETE FROM records WHERE kind = ?1 AND id IN \
                   (SELECT id FROM records WHERE kind = ?1 AND expires <= ?2 ORDER BY expires LIMIT ?3)";
        let query = sqlx::query(sql).bind(kind.0).bind(now).bind(signed(left));
        purged += query.execute(&mut *connection).await.map_err(failed)?.rows_affected();
    }
    Ok(purged)
}

/// The batches that were committed.
fn count_batches(outcomes: &[Outcome]) -> u64 {
    let committed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Batch(Ok(_)))).count();
    u64::try_from(committed).unwrap_or(u64::MAX)
}

/// All conditions of a batch in the order in which they are judged.
fn conditions(batch: &Batch) -> impl Iterator<Item = (Kind, &[u8], Expect)> {
    let checks = batch.checks.iter().map(|(kind, id, expect)| (*kind, id.as_slice(), *expect));
    let puts = batch.puts.iter().map(|put| (put.kind, put.id.as_slice(), put.expect));
    checks.chain(puts).chain(batch.deletes.iter().map(|(kind, id, expect)| (*kind, id.as_slice(), *expect)))
}

fn repeated(item: &str, separator: &str, count: usize) -> String {
    vec![item; count].join(separator)
}

/// A caller who has stopped waiting misses the answer; nothing else.
fn answer(job: Job, outcome: Outcome) {
    match (job, outcome) {
        (Job::Batch { answer, .. }, Outcome::Batch(result)) => drop(answer.send(result)),
        (Job::Purge { answer, .. }, Outcome::Count(count)) => drop(answer.send(Ok(count))),
        (Job::Meta { answer, .. }, Outcome::Done) => drop(answer.send(Ok(()))),
        (job, _) => refuse(job, &StoreError::Closed),
    }
}

fn refuse(job: Job, error: &StoreError) {
    match job {
        Job::Batch { answer, .. } => drop(answer.send(Err(CommitError::Unavailable(error.clone())))),
        Job::Purge { answer, .. } => drop(answer.send(Err(error.clone()))),
        Job::Meta { answer, .. } => drop(answer.send(Err(error.clone()))),
        Job::Close { answer } => drop(answer.send(())),
    }
}
