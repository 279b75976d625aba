use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::store::suite::run_suite;
use crate::store::{Expect, Put};

const A: Kind = Kind("a");

fn one(id: &[u8], expect: Expect) -> Batch {
    let put = Put { kind: A, id: id.to_vec(), owner: Vec::new(), expires: None, body: vec![1; 100], expect };
    Batch { puts: vec![put], ..Batch::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let instance = AtomicU64::new(u64::MAX - 100);
    run_suite(async |name: &str| -> Arc<dyn Store> {
        let path = folder.path().join(format!("{name}.db"));
        let store = SqliteStore::open(&path, instance.fetch_add(1, Ordering::Relaxed)).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        store
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    SqliteStore::open(&path, 1).await.unwrap().close().await;
    let mut connection = connect(&path).await.unwrap();
    put_meta(&mut connection, SCHEMA_KEY, &99_u64.to_be_bytes()).await.unwrap();
    let refused = SqliteStore::open(&path, 1).await.err();
    let known = u32::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(refused, Some(StoreError::SchemaTooNew { found: 99, known }));
    assert_eq!(meta_u64(&mut connection, SCHEMA_KEY).await.unwrap(), Some(99));
}

#[tokio::test]
async fn something_else_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
    assert!(matches!(SqliteStore::open(&path, 1).await, Err(StoreError::Database(_))));
    assert_eq!(std::fs::read(&path).unwrap(), vec![b'x'; 10_000]);
}

#[cfg(unix)]
#[tokio::test]
async fn all_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("db"), 1).await.unwrap();
    store.commit(one(b"x", Expect::Absent)).await.unwrap();
    let mut files = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "the database, its write-ahead log and its shared memory");
}

#[tokio::test]
async fn a_lock_held_by_another_is_busy_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = SqliteStore::open(&path, 1).await.unwrap();
    let mut other = connect(&path).await.unwrap();
    run(&mut other, "BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(
        store.commit(one(b"x", Expect::Absent)).await,
        Err(CommitError::Unavailable(StoreError::Busy)),
        "the other holds the lock for longer than a caller waits"
    );
    assert_eq!(store.get(A, b"x").await.unwrap(), None);
    run(&mut other, "ROLLBACK").await.unwrap();
    store.commit(one(b"x", Expect::Absent)).await.unwrap();
    store.healthy().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    SqliteStore::open(&path, 1).await.unwrap().close().await;
    let first = connect_writer(&path).unwrap();
    // SQLite itself says SQLITE_FULL past this many pages.
    first.query_row("PRAGMA max_page_count = 20", [], |_| Ok(())).unwrap();
    let cache = Arc::new(Cache::default());
    let jobs = start(Writer::new(path.clone(), first, cache.clone(), 7).unwrap()).unwrap();
    let readers = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let store = SqliteStore { jobs, readers, opened: Instant::now(), cache };
    let mut large = one(b"large", Expect::Absent);
    large.puts[0].body = vec![1; 500_000];
    large.log.push(b"entry".to_vec());
    large.puts.extend(one(b"small", Expect::Absent).puts);
    let result = store.commit(large).await;
    assert!(
        matches!(&result, Err(CommitError::Unavailable(StoreError::Database(e))) if e.contains("full")),
        "{result:?}"
    );
    assert_eq!(store.count(A).await.unwrap(), 0);
    assert!(store.outbox_read(0, 9).await.unwrap().is_empty());
    // The writer goes on with a new connection, which has no such limit.
    store.commit(one(b"small", Expect::Absent)).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let opened = SqliteStore::open(&path, 1).await.unwrap();
    let (jobs, mut queue) = mpsc::channel(1);
    let store =
        Arc::new(SqliteStore { jobs, readers: opened.readers.clone(), opened: opened.opened, cache: Arc::default() });
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(one(b"x", Expect::Any)).await }
    });
    while queue.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.commit(one(b"y", Expect::Any)).await, Err(CommitError::Unavailable(StoreError::Busy)));
    queue.close();
    while queue.recv().await.is_some() {}
    assert_eq!(waiting.await.unwrap(), Err(CommitError::Unavailable(StoreError::Closed)));
}

#[tokio::test]
async fn what_another_program_writes_is_noticed_at_the_next_commit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let store = SqliteStore::open(&path, 1).await.unwrap();
    let version = store.commit(one(b"x", Expect::Absent)).await.unwrap().versions[0];
    assert!(store.get(A, b"x").await.unwrap().is_some());
    let other = connect_writer(&path).unwrap();
    other.execute("DELETE FROM records", []).unwrap();
    let stale = store.commit(one(b"x", Expect::Version(version))).await;
    assert!(matches!(stale, Err(CommitError::Conflict { .. })), "{stale:?}");
    assert_eq!(store.get(A, b"x").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_purged_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("db"), 1).await.unwrap();
    let mut batch = one(b"x", Expect::Absent);
    batch.puts[0].expires = Some(10);
    store.commit(batch).await.unwrap();
    assert!(store.get(A, b"x").await.unwrap().is_some());
    assert_eq!(store.purge_expired(10, &[A], 9).await, Ok(1));
    assert_eq!(store.get(A, b"x").await.unwrap(), None);
}

/// Prints the rate; asserts only that all is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_writers() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("db"), 1).await.unwrap());
    let begin = Instant::now();
    let tasks: Vec<_> = (0..32_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                for step in 0..60_u8 {
                    let batch = Batch { log: vec![vec![n, step]], ..one(&[n, step], Expect::Absent) };
                    store.commit(batch).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    eprintln!("{:.0} commits a second", 1_920.0 / begin.elapsed().as_secs_f64());
    assert_eq!(store.count(A).await.unwrap(), 1_920);
    assert_eq!(store.outbox_read(0, 9_999).await.unwrap().len(), 1_920);
}

#[test]
fn chunks_are_powers_of_two() {
    assert_eq!(chunk_sizes(0).count(), 0);
    assert_eq!(chunk_sizes(203).collect::<Vec<_>>(), [64, 64, 64, 8, 2, 1]);
}
