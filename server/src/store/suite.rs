//! What every store must do, whichever database it stands on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Batch, CommitError, Committed, Expect, Kind, OutboxId, Put, Store, StoreError};

const A: Kind = Kind("suite-a");
const B: Kind = Kind("suite-b");

/// Runs the suite. `open` opens the database of that name, creating an empty one where there is none; the suite opens
/// some of them again and again.
pub async fn run_suite(open: impl AsyncFn(&str) -> Arc<dyn Store>) {
    conditions(&*open("conditions").await).await;
    versions_are_never_reused(&*open("versions").await).await;
    a_failed_batch_writes_nothing(&*open("atomicity").await).await;
    limits(&*open("limits").await).await;
    races(open("races").await).await;
    creation_race(open("creation").await).await;
    transfers(open("transfers").await).await;
    listing(&*open("listing").await).await;
    many(&*open("many").await).await;
    expiry(&*open("expiry").await).await;
    outbox(open("outbox").await).await;
    meta(&*open("meta").await).await;
    persistence(open).await;
}

fn put(kind: Kind, id: &[u8], body: &[u8], expect: Expect) -> Put {
    Put { kind, id: id.to_vec(), owner: Vec::new(), expires: None, body: body.to_vec(), expect }
}

fn puts(puts: Vec<Put>) -> Batch {
    Batch { puts, ..Batch::default() }
}

async fn write(store: &dyn Store, kind: Kind, id: &[u8], body: &[u8], expect: Expect) -> Result<u64, CommitError> {
    store.commit(puts(vec![put(kind, id, body, expect)])).await.map(|done| done.versions[0])
}

fn conflict(id: &[u8]) -> CommitError {
    CommitError::Conflict { kind: A, id: id.to_vec() }
}

async fn conditions(store: &dyn Store) {
    assert_eq!(store.get(A, b"x").await.unwrap(), None);
    assert_eq!(write(store, A, b"x", b"0", Expect::Version(1)).await, Err(conflict(b"x")));
    let first = write(store, A, b"x", b"1", Expect::Absent).await.unwrap();
    assert_eq!(write(store, A, b"x", b"2", Expect::Absent).await, Err(conflict(b"x")));
    let read = store.get(A, b"x").await.unwrap().unwrap();
    assert_eq!((read.version, read.body.as_slice(), read.kind, read.id.as_slice()), (first, &b"1"[..], A, &b"x"[..]));
    assert_eq!(store.get(B, b"x").await.unwrap(), None, "kinds are apart");
    let second = write(store, A, b"x", b"3", Expect::Version(first)).await.unwrap();
    assert!(second > first);
    assert_eq!(write(store, A, b"x", b"4", Expect::Version(first)).await, Err(conflict(b"x")));
    let third = write(store, A, b"x", b"5", Expect::Any).await.unwrap();
    let check = |expect| Batch { checks: vec![(A, b"x".to_vec(), expect)], ..Batch::default() };
    assert_eq!(store.commit(check(Expect::Version(third))).await, Ok(Committed::default()));
    assert_eq!(store.commit(check(Expect::Any)).await, Ok(Committed::default()));
    assert_eq!(store.commit(check(Expect::Absent)).await, Err(conflict(b"x")));
    assert_eq!(store.commit(check(Expect::Version(second))).await, Err(conflict(b"x")));
    let delete = |expect| Batch { deletes: vec![(A, b"x".to_vec(), expect)], ..Batch::default() };
    assert_eq!(store.commit(delete(Expect::Version(second))).await, Err(conflict(b"x")));
    assert_eq!(store.get(A, b"x").await.unwrap().unwrap().body, b"5");
    store.commit(delete(Expect::Version(third))).await.unwrap();
    assert_eq!(store.get(A, b"x").await.unwrap(), None);
    store.commit(delete(Expect::Any)).await.unwrap();
    store.commit(check(Expect::Absent)).await.unwrap();
    // Conditions are judged on the state before the batch: a put does not spoil the check beside it.
    let mut both = puts(vec![put(A, b"y", b"1", Expect::Absent)]);
    both.checks.push((A, b"y".to_vec(), Expect::Absent));
    store.commit(both).await.unwrap();
}

async fn versions_are_never_reused(store: &dyn Store) {
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let version = write(store, A, b"x", b"", Expect::Absent).await.unwrap();
        assert!(seen.last().is_none_or(|last| *last < version), "a deleted record's version came back");
        seen.insert(version);
        let delete = Batch { deletes: vec![(A, b"x".to_vec(), Expect::Version(version))], ..Batch::default() };
        store.commit(delete).await.unwrap();
    }
}

async fn a_failed_batch_writes_nothing(store: &dyn Store) {
    write(store, A, b"there", b"1", Expect::Absent).await.unwrap();
    for broken in ["check", "put", "delete"] {
        let mut batch = puts(vec![put(A, b"new", b"1", Expect::Absent), put(B, b"new", b"1", Expect::Any)]);
        batch.deletes.push((A, b"there".to_vec(), Expect::Any));
        batch.log.push(b"entry".to_vec());
        match broken {
            "check" => batch.checks.push((A, b"missing".to_vec(), Expect::Version(1))),
            "put" => batch.puts.push(put(A, b"missing", b"", Expect::Version(1))),
            _ => batch.deletes.push((A, b"missing".to_vec(), Expect::Version(1))),
        }
        assert_eq!(store.commit(batch).await, Err(conflict(b"missing")), "{broken}");
        assert_eq!(store.get(A, b"new").await.unwrap(), None);
        assert_eq!(store.count(B).await.unwrap(), 0);
        assert_eq!(store.get(A, b"there").await.unwrap().unwrap().body, b"1");
        assert!(store.outbox_read(0, 10).await.unwrap().is_empty());
    }
}

async fn limits(store: &dyn Store) {
    let refused =
        |batch| async { matches!(store.commit(batch).await, Err(CommitError::Unavailable(StoreError::Invalid(_)))) };
    assert!(refused(puts(vec![put(A, b"x", b"", Expect::Any), put(A, b"x", b"", Expect::Any)])).await);
    let mut batch = puts(vec![put(A, b"x", b"", Expect::Any)]);
    batch.deletes.push((A, b"x".to_vec(), Expect::Any));
    assert!(refused(batch).await);
    assert!(refused(puts(vec![put(A, b"", b"", Expect::Any)])).await);
    assert!(refused(puts(vec![put(A, &[1; super::MAX_ID_LEN + 1], b"", Expect::Any)])).await);
    assert!(refused(puts(vec![put(A, b"x", &vec![0; super::MAX_BODY_LEN + 1], Expect::Any)])).await);
    let crowd = |n: usize| puts((0..n).map(|i| put(A, &i.to_be_bytes(), b"", Expect::Any)).collect());
    assert!(refused(crowd(super::MAX_BATCH_OPERATIONS + 1)).await);
    assert_eq!(store.count(A).await.unwrap(), 0);
    store.commit(crowd(super::MAX_BATCH_OPERATIONS)).await.unwrap();
    assert_eq!(store.count(A).await.unwrap(), u64::try_from(super::MAX_BATCH_OPERATIONS).unwrap());
    write(store, B, &[1; super::MAX_ID_LEN], &vec![7; super::MAX_BODY_LEN], Expect::Absent).await.unwrap();
    assert_eq!(store.get(B, &[1; super::MAX_ID_LEN]).await.unwrap().unwrap().body.len(), super::MAX_BODY_LEN);
}

/// Fifty tasks increment one record.
async fn races(store: Arc<dyn Store>) {
    write(&*store, A, b"n", &0_u64.to_be_bytes(), Expect::Absent).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let read = store.get(A, b"n").await.unwrap().unwrap();
                    let n = u64::from_be_bytes(read.body.try_into().unwrap()) + 1;
                    let mut batch = puts(vec![put(A, b"n", &n.to_be_bytes(), Expect::Version(read.version))]);
                    batch.log.push(n.to_be_bytes().to_vec());
                    match store.commit(batch).await {
                        Ok(_) => return n,
                        Err(CommitError::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for task in tasks {
        assert!(seen.insert(task.await.unwrap()), "two tasks made the same step");
    }
    assert_eq!(store.get(A, b"n").await.unwrap().unwrap().body, 50_u64.to_be_bytes());
    let logged: Vec<_> = store.outbox_read(0, 100).await.unwrap().into_iter().map(|entry| entry.entry).collect();
    assert_eq!(logged, (1..=50_u64).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>(), "commit order");
}

/// Of many who create one record, exactly one does.
async fn creation_race(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..32_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { write(&*store, A, b"one", &[n], Expect::Absent).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += u32::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
}

/// Thirty-two writers move amounts between eight records; readers never see a sum that is off.
async fn transfers(store: Arc<dyn Store>) {
    let key = |n: u8| (A, vec![b'k', n]);
    let start = (0..8).map(|n| put(A, &key(n).1, &100_i64.to_be_bytes(), Expect::Absent)).collect();
    store.commit(puts(start)).await.unwrap();
    let amount = |body: &[u8]| i64::from_be_bytes(body.try_into().unwrap());
    let writers: Vec<_> = (0..32_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                for step in 0..10_u8 {
                    let (from, to) = ((n + step) % 8, (n + 3 * step + 1) % 8);
                    if from == to {
                        continue;
                    }
                    loop {
                        let read = store.get_many(&[key(from), key(to)]).await.unwrap();
                        let [Some(a), Some(b)] = read.as_slice() else { panic!("a record is gone") };
                        let batch = puts(vec![
                            put(A, &a.id, &(amount(&a.body) - 7).to_be_bytes(), Expect::Version(a.version)),
                            put(A, &b.id, &(amount(&b.body) + 7).to_be_bytes(), Expect::Version(b.version)),
                        ]);
                        match store.commit(batch).await {
                            Ok(_) => break,
                            Err(CommitError::Conflict { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
            })
        })
        .collect();
    let keys: Vec<_> = (0..8).map(key).collect();
    let sum = |records: &[super::Record]| records.iter().map(|record| amount(&record.body)).sum::<i64>();
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let many: Vec<_> = store.get_many(&keys).await.unwrap().into_iter().flatten().collect();
        assert_eq!(sum(&many), 800, "half a batch was seen");
        assert_eq!(sum(&store.scan(A, None, 10).await.unwrap()), 800, "half a batch was seen");
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(sum(&store.scan(A, None, 10).await.unwrap()), 800);
}

async fn listing(store: &dyn Store) {
    let ids: [&[u8]; 6] = [b"b", b"a", b"\x00", b"\xff", b"ab", b"a\x00"];
    let mut all = Vec::new();
    for (owner, kind) in [(b"o1", A), (b"o2", A), (b"o1", B)] {
        all.extend(ids.iter().map(|id| {
            let id = [owner.as_slice(), id].concat();
            Put { owner: owner.to_vec(), ..put(kind, &id, b"v", Expect::Absent) }
        }));
    }
    store.commit(puts(all)).await.unwrap();
    let sorted: Vec<Vec<u8>> = ids.iter().collect::<BTreeSet<_>>().iter().map(|id| [b"o1", **id].concat()).collect();
    let names = |records: Vec<super::Record>| records.into_iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(names(store.list(A, b"o1", None, 100).await.unwrap()), sorted);
    assert_eq!(names(store.list(A, b"o1", Some(&sorted[1]), 2).await.unwrap()), sorted[2..4]);
    assert_eq!(names(store.list(A, b"o1", Some(&sorted[5]), 2).await.unwrap()), Vec::<Vec<u8>>::new());
    assert_eq!(names(store.list(A, b"nobody", None, 9).await.unwrap()), Vec::<Vec<u8>>::new());
    assert_eq!(store.scan(A, None, 100).await.unwrap().len(), 12);
    assert_eq!(names(store.scan(A, Some(&sorted[4]), 1).await.unwrap()), sorted[5..]);
    assert_eq!((store.count(A).await.unwrap(), store.count(B).await.unwrap()), (12, 6));
    // A record that changes hands leaves the old owner's list.
    let moved = Put { owner: b"o3".to_vec(), ..put(A, &sorted[0], b"w", Expect::Any) };
    store.commit(puts(vec![moved])).await.unwrap();
    assert_eq!(names(store.list(A, b"o1", None, 100).await.unwrap()), sorted[1..]);
    assert_eq!(names(store.list(A, b"o3", None, 100).await.unwrap()), sorted[..1]);
}

async fn many(store: &dyn Store) {
    let id = |n: u16| n.to_be_bytes().to_vec();
    let all = (0..200).map(|n| put(A, &id(n), &id(n), Expect::Absent)).collect();
    let done = store.commit(puts(all)).await.unwrap();
    let keys: Vec<_> = (0..300_u16).rev().map(|n| (if n % 3 == 0 { B } else { A }, id(n))).collect();
    let read = store.get_many(&keys).await.unwrap();
    assert_eq!(read.len(), keys.len());
    for ((kind, name), record) in keys.iter().zip(read) {
        let n = u16::from_be_bytes(name.as_slice().try_into().unwrap());
        assert_eq!(record.is_some(), *kind == A && n < 200, "{n}");
        if let Some(record) = record {
            assert_eq!((&record.body, record.version), (name, done.versions[usize::from(n)]));
        }
    }
    assert_eq!(store.get_many(&[]).await.unwrap(), []);
    assert_eq!(store.get_many(&[(A, id(1)), (A, id(1))]).await.unwrap().iter().flatten().count(), 2);
    let deletes = (0..200).map(|n| (A, id(n), Expect::Version(done.versions[usize::from(n)]))).collect();
    store.commit(Batch { deletes, ..Batch::default() }).await.unwrap();
    assert_eq!(store.count(A).await.unwrap(), 0);
}

async fn expiry(store: &dyn Store) {
    let timed = |kind, id: &[u8], expires| Put { expires, ..put(kind, id, b"", Expect::Any) };
    let all = vec![
        timed(A, b"1", Some(10)),
        timed(A, b"2", Some(11)),
        timed(A, b"3", None),
        timed(A, b"4", Some(-5)),
        timed(B, b"5", Some(10)),
    ];
    store.commit(puts(all)).await.unwrap();
    assert_eq!(store.get(A, b"4").await.unwrap().unwrap().expires, Some(-5), "read until purged");
    assert_eq!(store.purge_expired(-6, &[A, B], 100).await.unwrap(), 0);
    assert_eq!(store.purge_expired(10, &[A], 1).await.unwrap(), 1);
    assert_eq!(store.get(A, b"4").await.unwrap(), None, "the longest expired goes first");
    assert_eq!(store.purge_expired(10, &[A], 100).await.unwrap(), 1);
    assert_eq!(store.count(B).await.unwrap(), 1);
    assert_eq!(store.purge_expired(1_000, &[B, A], 100).await.unwrap(), 2);
    assert_eq!(store.get(A, b"3").await.unwrap().unwrap().expires, None);
    assert_eq!(store.count(A).await.unwrap(), 1);
}

async fn outbox(store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..32_u8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let log = vec![vec![n, 0], vec![n, 1]];
                let batch = Batch { log, ..puts(vec![put(A, &[n], b"", Expect::Absent)]) };
                let done = store.commit(batch).await.unwrap();
                (done.versions[0], done.outbox)
            })
        })
        .collect();
    let mut commits = Vec::new();
    for task in tasks {
        commits.push(task.await.unwrap());
    }
    commits.sort();
    let expected: Vec<OutboxId> = commits.into_iter().flat_map(|(_, ids)| ids).collect();
    let read = store.outbox_read(0, 1_000).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.id).collect::<Vec<_>>(), expected, "outbox order is commit order");
    assert!(read.is_sorted_by(|a, b| a.id.sequence < b.id.sequence));
    assert!(read.chunks(2).all(|pair| pair[0].entry[0] == pair[1].entry[0] && pair[1].entry[1] == 1));
    let middle = read[9].id.sequence;
    assert!(store.outbox_read(middle, 5).await.unwrap() == read[10..15]);
    store.outbox_clear(middle, "position", b"ten").await.unwrap();
    assert!(store.outbox_read(0, 1_000).await.unwrap() == read[10..]);
    assert_eq!(store.meta_get("position").await.unwrap().unwrap(), b"ten");
    let last = read[63].id;
    store.outbox_clear(last.sequence, "position", b"all").await.unwrap();
    assert!(store.outbox_read(0, 1).await.unwrap().is_empty());
    let next = store.commit(Batch { log: vec![b"x".to_vec()], ..Batch::default() }).await.unwrap();
    assert!(next.outbox[0].sequence > last.sequence, "a sequence number came back");
    assert_eq!(OutboxId::from_bytes(last.to_bytes()), last);
}

async fn meta(store: &dyn Store) {
    assert_eq!(store.meta_get("k").await.unwrap(), None);
    store.meta_put("k", b"1").await.unwrap();
    store.meta_put("k", b"").await.unwrap();
    assert_eq!(store.meta_get("k").await.unwrap().unwrap(), b"");
    assert!(matches!(store.meta_put("store.schema", b"").await, Err(StoreError::Invalid(_))));
    store.healthy().await.unwrap();
}

async fn persistence(open: impl AsyncFn(&str) -> Arc<dyn Store>) {
    let name = "persistence";
    let mut last = OutboxId { instance: 0, sequence: 0 };
    let mut version = 0;
    for round in 0..4_u8 {
        let store = open(name).await;
        assert_eq!(store.count(A).await.unwrap(), u64::from(round));
        assert_eq!(store.meta_get("round").await.unwrap().map_or(0, |value| value[0]), round);
        let mut batch = puts(vec![put(A, &[round], b"body", Expect::Absent)]);
        batch.log.push(vec![round]);
        let done = store.commit(batch).await.unwrap();
        assert!(done.outbox[0].sequence > last.sequence && done.versions[0] > version);
        assert_ne!(done.outbox[0].instance, last.instance, "each opening has its own name");
        last = done.outbox[0];
        store.outbox_clear(last.sequence, "round", &[round + 1]).await.unwrap();
        // The highest version goes: it must not come back with the next opening.
        let more = write(&*store, B, b"x", b"", Expect::Absent).await.unwrap();
        store
            .commit(Batch { deletes: vec![(B, b"x".to_vec(), Expect::Version(more))], ..Batch::default() })
            .await
            .unwrap();
        version = more;
        if round % 2 == 0 {
            store.close().await;
            assert_eq!(store.commit(Batch::default()).await, Err(CommitError::Unavailable(StoreError::Closed)));
            assert!(store.get(A, b"x").await.is_err());
        }
    }
}
