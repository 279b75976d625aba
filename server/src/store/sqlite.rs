//! The store on one SQLite file: nothing to install.
//!
//! WAL with `synchronous=FULL`. One thread owns the only writing connection and commits many callers' batches in one
//! transaction (see `writer.rs`); a few connections read beside it what is not known from memory (see `cache.rs`).

#[path = "cache.rs"]
mod cache;
#[path = "writer.rs"]
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::cache::Cache;
use self::writer::{Job, Queued, Writer};
use super::{Batch, CommitError, Committed, Key, Kind, OutboxEntry, OutboxId, Record, Store, StoreError};

/// The schema, step by step; a step is never changed once released, only followed by another.
const MIGRATIONS: &[&str] = &[include_str!("001_documents.sql")];
/// Jobs that may wait for the writer; the next one is answered [`StoreError::Busy`].
const QUEUE: usize = 1_024;
/// Connections that read.
const READERS: u32 = 4;
/// How long a read waits for a connection, and SQLite for a lock.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most keys that one statement looks up.
const CHUNK: usize = 64;
const SCHEMA_KEY: &str = "store.schema";
const VERSION_KEY: &str = "store.version";
const HEALTH_KEY: &str = "store.health";

/// A [`Store`] on one SQLite file. Dropping it without [`Store::close`] loses no commit that was answered.
pub struct SqliteStore {
    jobs: mpsc::Sender<Queued>,
    readers: SqlitePool,
    opened: Instant,
    cache: Arc<Cache>,
}

impl SqliteStore {
    /// Opens the database, creating it with mode 0600 where there is none, and brings its schema up to date.
    /// `instance` is a random number, a new one at every start (see [`OutboxId`]). Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`] for a newer program's database, [`StoreError::Database`] when it cannot be opened.
    pub async fn open(path: &Path, instance: u64) -> Result<Self, StoreError> {
        let path = path.to_owned();
        create_private(&path)?;
        let mut connection = connect(&path).await?;
        migrate(&mut connection).await?;
        connection.close().await.map_err(failed)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .busy_timeout(PATIENCE)
            .pragma("query_only", "ON")
            .pragma("mmap_size", "268435456");
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_with(options)
            .await
            .map_err(failed)?;
        let cache = Arc::new(Cache::default());
        let writer = Writer::new(path.clone(), connect_writer(&path)?, cache.clone(), instance)?;
        Ok(Self { jobs: start(writer)?, readers, opened: Instant::now(), cache })
    }

    /// One record, from memory or from the database.
    async fn find(&self, kind: Kind, id: &[u8]) -> Result<Option<Arc<Record>>, StoreError> {
        if let Some(known) = self.cache.get(kind, id) {
            return Ok(known);
        }
        let moment = self.cache.moment();
        let row = sqlx::query("SELECT id, version, owner, expires, body FROM records WHERE kind = ? AND id = ?")
            .bind(kind.0)
            .bind(id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        let found = row.map(|row| record(kind, &row)).transpose()?.map(Arc::new);
        self.cache.fill(moment, kind, id, found.clone());
        Ok(found)
    }

    async fn submit<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let (answer, wait) = oneshot::channel();
        self.jobs.try_send(Queued { job: job(answer), since: Instant::now() }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        wait.await.map_err(|_| StoreError::Closed)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, kind: Kind, id: &[u8]) -> Result<Option<Record>, StoreError> {
        Ok(self.find(kind, id).await?.map(|found| Record::clone(&found)))
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        if let Some(known) = self.cache.get_many(keys) {
            return Ok(known.into_iter().map(|found| found.map(|found| Record::clone(&found))).collect());
        }
        let mut records = vec![None; keys.len()];
        // One read transaction: all chunks see the same moment.
        let mut read = self.readers.begin().await.map_err(failed)?;
        let mut first = 0;
        for size in chunk_sizes(keys.len()) {
            let chunk = &keys[first..first + size];
            let sql = format!(
                "SELECT k.column1 AS nr, r.id, r.version, r.owner, r.expires, r.body FROM (VALUES {}) k \
                 CROSS JOIN records r ON r.kind = k.column2 AND r.id = k.column3",
                numbered_keys(size)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (kind, id) in chunk {
                query = query.bind(kind.0).bind(id);
            }
            for row in query.fetch_all(&mut *read).await.map_err(failed)? {
                let nr = usize::try_from(row.try_get::<i64, _>("nr").map_err(failed)?).unwrap_or(usize::MAX);
                if let (Some((kind, _)), Some(slot)) = (chunk.get(nr), records.get_mut(first + nr)) {
                    *slot = Some(record(*kind, &row)?);
                }
            }
            first += size;
        }
        read.rollback().await.map_err(failed)?;
        Ok(records)
    }

    async fn list(
        &self,
        kind: Kind,
        owner: &[u8],
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, version, owner, expires, body FROM records INDEXED BY records_owner \
             WHERE kind = ? AND owner = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(kind.0)
        .bind(owner)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| record(kind, row)).collect()
    }

    async fn scan(&self, kind: Kind, after: Option<&[u8]>, limit: u32) -> Result<Vec<Record>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, version, owner, expires, body FROM records WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(kind.0)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter().map(|row| record(kind, row)).collect()
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM records WHERE kind = ?")
            .bind(kind.0)
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        unsigned(row.try_get(0).map_err(failed)?)
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        batch.validate()?;
        self.submit(|answer| Job::Batch { batch, answer }).await?
    }

    async fn purge_expired(&self, now: i64, kinds: &[Kind], limit: u32) -> Result<u64, StoreError> {
        let kinds = kinds.to_vec();
        self.submit(|answer| Job::Purge { now, kinds, limit, answer }).await?
    }

    async fn outbox_read(&self, after: u64, limit: u32) -> Result<Vec<OutboxEntry>, StoreError> {
        let rows =
            sqlx::query("SELECT sequence, instance, entry FROM outbox WHERE sequence > ? ORDER BY sequence LIMIT ?")
                .bind(signed(after))
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(failed)?;
        let entry = |row: &SqliteRow| {
            let instance: i64 = row.try_get("instance").map_err(failed)?;
            let sequence = unsigned(row.try_get("sequence").map_err(failed)?)?;
            Ok(OutboxEntry {
                id: OutboxId { instance: u64::from_be_bytes(instance.to_be_bytes()), sequence },
                entry: row.try_get("entry").map_err(failed)?,
            })
        };
        rows.iter().map(entry).collect()
    }

    async fn outbox_clear(&self, upto: u64, key: &str, value: &[u8]) -> Result<(), StoreError> {
        own_key(key)?;
        let (key, value) = (key.to_owned(), value.to_vec());
        self.submit(|answer| Job::Meta { clear: Some(upto), key, value, answer }).await?
    }

    async fn meta_get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.map(|row| row.try_get("value").map_err(failed)).transpose()
    }

    async fn meta_put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        own_key(key)?;
        let (key, value) = (key.to_owned(), value.to_vec());
        self.submit(|answer| Job::Meta { clear: None, key, value, answer }).await?
    }

    async fn healthy(&self) -> Result<(), StoreError> {
        self.meta_get(SCHEMA_KEY).await?.ok_or(StoreError::Damaged("the schema version is missing"))?;
        // SQLite writes nothing where nothing changes. Once a second is enough, however often somebody asks.
        let value = self.opened.elapsed().as_secs().to_be_bytes().to_vec();
        let job = |answer| Job::Meta { clear: None, key: HEALTH_KEY.to_owned(), value, answer };
        self.submit(job).await?
    }

    async fn close(&self) {
        // An error says that it is closed already.
        let (answer, wait) = oneshot::channel();
        if self.jobs.send(Queued { job: Job::Close { answer }, since: Instant::now() }).await.is_ok() {
            let _ = wait.await;
        }
        self.readers.close().await;
    }
}

/// SQLite gives its companion files the mode of the database file.
fn create_private(path: &PathBuf) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options.open(path).and_then(|file| {
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.sync_all()
    });
    opened.map_err(|e| StoreError::Database(e.to_string()))
}

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE);
    sqlx::ConnectOptions::connect(&options).await.map_err(failed)
}

/// The connection of the writer; the database is there already.
fn connect_writer(path: &Path) -> Result<rusqlite::Connection, StoreError> {
    use rusqlite::OpenFlags;
    // Not thread-safe by itself: one thread has it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(broken)?;
    connection.busy_timeout(PATIENCE).map_err(broken)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(broken)?;
    if mode != "wal" {
        return Err(StoreError::Database(format!("the journal mode is {mode}")));
    }
    // The log is folded into the database every 32 MB and not every 4: the same few pages are written again and again.
    // Pages that are still in the log are kept in memory (64 MB), so that they are not read back from it.
    let settings = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 8192; PRAGMA cache_size = -65536";
    connection.execute_batch(settings).map_err(broken)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Starts the writer's thread.
fn start(writer: Writer) -> Result<mpsc::Sender<Queued>, StoreError> {
    let (jobs, queue) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new().name("database".to_owned());
    thread.spawn(move || writer.run(queue)).map_err(|e| StoreError::Database(e.to_string()))?;
    Ok(jobs)
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).map_err(|_| StoreError::Damaged("migrations"))?;
    run(connection, "BEGIN IMMEDIATE").await?;
    let result = migrate_inside(connection, known).await;
    run(connection, if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    result
}

async fn migrate_inside(connection: &mut SqliteConnection, known: u32) -> Result<(), StoreError> {
    run(
        connection,
        "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    )
    .await?;
    let found = match meta_u64(connection, SCHEMA_KEY).await? {
        Some(found) => u32::try_from(found).map_err(|_| StoreError::Damaged("the schema version"))?,
        None => 0,
    };
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (step, sql) in (1_u32..).zip(MIGRATIONS) {
        if step > found {
            sqlx::raw_sql(*sql).execute(&mut *connection).await.map_err(failed)?;
        }
    }
    if found < known {
        put_meta(connection, SCHEMA_KEY, &u64::from(known).to_be_bytes()).await?;
    }
    Ok(())
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await.map(|_| ()).map_err(failed)
}

async fn put_meta(connection: &mut SqliteConnection, key: &str, value: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    sqlx::query(sql).bind(key).bind(value).execute(connection).await.map(|_| ()).map_err(failed)
}

async fn meta_u64(connection: &mut SqliteConnection, key: &str) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query("SELECT value FROM meta WHERE key = ?").bind(key).fetch_optional(connection).await;
    let Some(row) = row.map_err(failed)? else { return Ok(None) };
    let value: Vec<u8> = row.try_get("value").map_err(failed)?;
    let bytes = value.try_into().map_err(|_| StoreError::Damaged("a number in the meta table"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

fn record(kind: Kind, row: &SqliteRow) -> Result<Record, StoreError> {
    Ok(Record {
        kind,
        id: row.try_get("id").map_err(failed)?,
        version: unsigned(row.try_get("version").map_err(failed)?)?,
        owner: row.try_get("owner").map_err(failed)?,
        expires: row.try_get("expires").map_err(failed)?,
        body: row.try_get("body").map_err(failed)?,
    })
}

/// `(0,?,?),(1,?,?),...`: keys to look up, with their numbers.
fn numbered_keys(count: usize) -> String {
    let keys: Vec<String> = (0..count).map(|nr| format!("({nr},?,?)")).collect();
    keys.join(",")
}

/// Splits a number of rows into powers of two up to [`CHUNK`], so that few different statements are prepared.
fn chunk_sizes(count: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    std::iter::from_fn(move || {
        let size = CHUNK.min(1 << left.checked_ilog2()?);
        left -= size;
        Some(size)
    })
}

fn own_key(key: &str) -> Result<(), StoreError> {
    if key.starts_with("store.") { Err(StoreError::Invalid("this meta key belongs to the store")) } else { Ok(()) }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged("a negative number"))
}

/// [`failed`], of the writer. The message is SQLite's, without the statement.
fn broken(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Database(error.to_string()),
    }
}

/// No bound value is part of these errors.
fn failed(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::PoolTimedOut => StoreError::Busy,
        sqlx::Error::PoolClosed => StoreError::Closed,
        sqlx::Error::Database(database) => {
            // The low byte of an extended code; 5 is SQLITE_BUSY, 6 SQLITE_LOCKED.
            let code = database.code().and_then(|code| code.parse::<u32>().ok());
            if matches!(code.map(|code| code & 0xff), Some(5 | 6)) {
                StoreError::Busy
            } else {
                StoreError::Database(error.to_string())
            }
        }
        _ => StoreError::Database(error.to_string()),
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
