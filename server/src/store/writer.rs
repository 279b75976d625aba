//! The thread that writes: it takes whatever batches wait, judges them in memory against the versions that it knows
//! or reads once, and writes what is left of them in one transaction.
//!
//! A batch whose conditions fail has touched nothing but memory, so no savepoint is needed. Nobody is answered before
//! the commit, also not those with a conflict: it may be one with a batch of the same transaction.
//!
//! A thread and `rusqlite`, not a task and `sqlx`: a statement costs a tenth (docs/adr/0010).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::cache::Cache;
use super::{VERSION_KEY, broken, connect_writer, signed, unsigned};
use crate::ops::work;
use crate::store::{Batch, CommitError, Committed, Expect, Key, Kind, OutboxId, Record, StoreError};

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
    connection: Option<Connection>,
    cache: Arc<Cache>,
    /// SQLite's number for what other connections have written.
    others: i64,
    instance: u64,
    version: u64,
    sequence: u64,
}

/// What a group leaves to write: the last state of each record.
#[derive(Default)]
struct Pending {
    /// None: deleted.
    records: BTreeMap<Key, Option<Arc<Record>>>,
    outbox: Vec<(u64, Vec<u8>)>,
}

/// What a job is answered once the transaction is durable.
enum Outcome {
    Batch(Result<Committed, CommitError>),
    Count(u64),
    Done,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        cache: Arc<Cache>,
        instance: u64,
    ) -> Result<Self, StoreError> {
        let mut writer = Self { path, connection: None, cache, others: 0, instance, version: 0, sequence: 0 };
        writer.adopt(connection)?;
        Ok(writer)
    }

    /// Works until all senders are gone or one asks to close.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Queued>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = queue.blocking_recv()
        {
            let now = Instant::now();
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(queued) = next {
                match queued.job {
                    // What came after it is dropped, which its caller sees as closed.
                    Job::Close { answer } => {
                        closing = Some(answer);
                        break;
                    }
                    job if now.duration_since(queued.since) > PATIENCE => refuse(job, &StoreError::Busy),
                    job => group.push(job),
                }
                next = if group.len() < GROUP { queue.try_recv().ok() } else { None };
            }
            if !group.is_empty() {
                self.serve(group);
            }
        }
        queue.close();
        if let Some(connection) = self.connection.take()
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(error = %broken(error), "closing the database failed");
        }
        if let Some(answer) = closing {
            let _ = answer.send(());
        }
    }

    /// Takes up a connection and where its database stands.
    fn adopt(&mut self, connection: Connection) -> Result<(), StoreError> {
        let version = meta_u64(&connection, VERSION_KEY)?.unwrap_or(0);
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'";
        let sequence: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(broken)?;
        self.others = data_version(&connection)?;
        self.version = self.version.max(version);
        self.sequence = self.sequence.max(unsigned(sequence)?);
        self.connection = Some(connection);
        Ok(())
    }

    fn serve(&mut self, mut group: Vec<Job>) {
        match self.transact(&mut group) {
            Ok(outcomes) => group.into_iter().zip(outcomes).for_each(|(job, outcome)| answer(job, outcome)),
            Err(error) => {
                // After a failure at the very moment of commit, what was to be written may be there.
                self.cache.clear();
                tracing::error!(%error, jobs = group.len(), "a transaction failed and was rolled back");
                group.into_iter().for_each(|job| refuse(job, &error));
            }
        }
    }

    /// One transaction. A connection on which anything failed is not used again: closing it rolls back.
    fn transact(&mut self, group: &mut [Job]) -> Result<Vec<Outcome>, StoreError> {
        if self.connection.is_none() {
            let connection = connect_writer(&self.path)?;
            self.adopt(connection)?;
        }
        let connection = self.connection.take().ok_or(StoreError::Closed)?;
        run(&connection, "BEGIN IMMEDIATE")?;
        let others = data_version(&connection)?;
        if others != self.others {
            tracing::warn!("another program has written to the database");
            self.cache.clear();
            self.others = others;
        }
        let mut versions = self.load_versions(&connection, group)?;
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
        self.flush(&connection, &pending)?;
        // After the batches, so that what they have prolonged is not purged.
        for (job, outcome) in group.iter().zip(&mut outcomes) {
            match job {
                Job::Purge { now, kinds, limit, .. } => {
                    *outcome = Outcome::Count(purge(&connection, *now, kinds, *limit, &mut pending)?);
                }
                Job::Meta { clear, key, value, .. } => {
                    if let Some(upto) = clear {
                        execute(&connection, "DELETE FROM outbox WHERE sequence <= ?", params![signed(*upto)])?;
                    }
                    put_meta(&connection, key, value)?;
                }
                Job::Batch { .. } | Job::Close { .. } => {}
            }
        }
        run(&connection, "COMMIT")?;
        self.connection = Some(connection);
        self.cache.committed(pending.records);
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
            let written = Record {
                kind: key.0,
                id: key.1.clone(),
                version: self.version,
                owner: put.owner,
                expires: put.expires,
                body: put.body,
            };
            pending.records.insert(key, Some(Arc::new(written)));
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

    fn flush(&self, connection: &Connection, pending: &Pending) -> Result<(), StoreError> {
        if pending.records.values().any(Option::is_some) {
            put_meta(connection, VERSION_KEY, &self.version.to_be_bytes())?;
        }
        for ((kind, id), record) in &pending.records {
            match record {
                // Neither index changes, so no page of theirs is written.
                Some(record) if self.is_in_place(record) => execute(
                    connection,
                    "UPDATE records SET version = ?, body = ? WHERE kind = ? AND id = ?",
                    params![signed(record.version), record.body, kind.0, id],
                )?,
                Some(record) => execute(
                    connection,
                    "INSERT INTO records (kind, id, version, owner, expires, body) VALUES (?, ?, ?, ?, ?, ?) \
                     ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, owner = excluded.owner, \
                     expires = excluded.expires, body = excluded.body",
                    params![kind.0, id, signed(record.version), record.owner, record.expires, record.body],
                )?,
                None => execute(connection, "DELETE FROM records WHERE kind = ? AND id = ?", params![kind.0, id])?,
            };
        }
        let instance = i64::from_be_bytes(self.instance.to_be_bytes());
        for (sequence, entry) in &pending.outbox {
            let sql = "INSERT INTO outbox (sequence, instance, entry) VALUES (?, ?, ?)";
            execute(connection, sql, params![signed(*sequence), instance, entry])?;
        }
        Ok(())
    }

    /// Whether the record is known to be there with the same owner and expiry.
    fn is_in_place(&self, record: &Record) -> bool {
        let before = self.cache.get(record.kind, &record.id).flatten();
        before.is_some_and(|before| before.owner == record.owner && before.expires == record.expires)
    }

    /// The versions of all records that the group has a condition on; those that are missing do not exist.
    fn load_versions(&self, connection: &Connection, group: &[Job]) -> Result<HashMap<Key, u64>, StoreError> {
        let (mut versions, mut asked) = (HashMap::new(), HashSet::new());
        let sql = "SELECT version FROM records WHERE kind = ? AND id = ?";
        let mut statement = connection.prepare_cached(sql).map_err(broken)?;
        for job in group {
            let Job::Batch { batch, .. } = job else { continue };
            for (kind, id, _) in conditions(batch).filter(|(_, _, expect)| *expect != Expect::Any) {
                if !asked.insert((kind, id)) {
                    continue;
                }
                let version = match self.cache.get(kind, id) {
                    Some(known) => known.map(|record| record.version),
                    None => {
                        let found = statement.query_row(params![kind.0, id], |row| row.get::<_, i64>(0));
                        found.optional().map_err(broken)?.map(unsigned).transpose()?
                    }
                };
                if let Some(version) = version {
                    versions.insert((kind, id.to_vec()), version);
                }
            }
        }
        Ok(versions)
    }
}

/// Deletes what has expired; `pending` learns what.
fn purge(
    connection: &Connection,
    now: i64,
    kinds: &[Kind],
    limit: u32,
    pending: &mut Pending,
) -> Result<u64, StoreError> {
    let mut purged = 0;
    for kind in kinds {
        let left = u64::from(limit).saturating_sub(purged);
        let sql = "DELETE FROM records WHERE kind = ?1 AND id IN \
                   (SELECT id FROM records WHERE kind = ?1 AND expires <= ?2 ORDER BY expires LIMIT ?3) RETURNING id";
        let mut statement = connection.prepare_cached(sql).map_err(broken)?;
        let ids = statement.query_map(params![kind.0, now, signed(left)], |row| row.get::<_, Vec<u8>>(0));
        for id in ids.map_err(broken)? {
            pending.records.insert((*kind, id.map_err(broken)?), None);
            purged += 1;
        }
    }
    Ok(purged)
}

fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    execute(connection, sql, [])
}

fn execute(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map(|_| ()).map_err(broken)
}

fn put_meta(connection: &Connection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    execute(connection, sql, params![key, value])
}

fn meta_u64(connection: &Connection, key: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?").map_err(broken)?;
    let value: Option<Vec<u8>> = statement.query_row([key], |row| row.get(0)).optional().map_err(broken)?;
    let number = |value: Vec<u8>| value.try_into().map(u64::from_be_bytes);
    value.map(number).transpose().map_err(|_| StoreError::Damaged("a number in the meta table"))
}

/// Changes when another connection has written.
fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("PRAGMA data_version").map_err(broken)?;
    statement.query_row([], |row| row.get(0)).map_err(broken)
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
