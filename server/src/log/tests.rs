use std::fs;
use std::sync::atomic::Ordering;

use godkend_protocol::checkpoint::parse;
use godkend_protocol::merkle::{root, salted_leaf, verify_consistency, verify_inclusion};

use super::file::{CHECKPOINT, ENTRIES, INDEX, TREE};
use super::fixture::{Place, ahead, commit, copy_dir, flip, rounds, texts, written};
use super::record::{HEAD_LEN, HEADER_LEN};
use super::*;
use crate::store::Store;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_sequenced_in_order_with_proofs() {
    let place = Place::new();
    let store = place.store().await;
    let Opened { log, sequencer, entries_ahead, created } = place.open(&store).await.unwrap();
    assert!(created && entries_ahead.is_empty());
    assert_eq!((log.size(), log.epoch()), (0, 7));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(sequencer.run(async { drop(stopped.await) }));
    let mut checkpoints = vec![log.checkpoint()];
    let mut ids = Vec::new();
    for n in 0..40 {
        let names: Vec<String> = (0..=n % 3).map(|part| format!("entry {n}.{part}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        ids.extend(commit(&store, &names).await);
        let index = log.sequenced(*ids.last().unwrap()).await.unwrap();
        assert_eq!(index + 1, u64::try_from(ids.len()).unwrap());
        // Reading beside the sequencer.
        assert_eq!(log.read(index).unwrap().outbox_id, *ids.last().unwrap());
        checkpoints.push(log.checkpoint());
    }
    let size = log.size();
    let leaf = |entry: &LogEntry| {
        let content = entry.content.as_ref().unwrap();
        salted_leaf(&content.salt, &content.entry)
    };
    let leaves: Vec<_> = log.iter_from(0).map(|entry| leaf(&entry.unwrap())).collect();
    assert_eq!(root(&leaves), log.checkpoint().checkpoint.root);
    for (index, id) in (0_u64..).zip(&ids) {
        assert_eq!(log.find(*id).unwrap(), Some(index));
        let proof = log.inclusion(index, size).unwrap();
        let leaf = &leaves[usize::try_from(index).unwrap()];
        verify_inclusion(leaf, index, size, &proof, &log.checkpoint().checkpoint.root).unwrap();
    }
    for signed in &checkpoints {
        let old = believe(parse(signed.note.as_bytes()).unwrap(), &[place.verifier()]).unwrap();
        let proof = log.consistency(old.size, size).unwrap();
        verify_consistency(old.size, size, &old.root, &log.checkpoint().checkpoint.root, &proof).unwrap();
    }
    assert_eq!(log.inclusion(size, size), Err(LogError::OutOfRange));
    assert_eq!(log.inclusion(0, size + 1), Err(LogError::OutOfRange));
    assert_eq!(log.consistency(1, size + 1), Err(LogError::OutOfRange));
    assert_eq!(log.read(size).err(), Some(LogError::OutOfRange));
    assert_eq!(log.find(OutboxId { instance: 5, sequence: 1 }).unwrap(), None);
    // What is committed before the stop is in the log after it.
    let late = commit(&store, &["late"]).await[0];
    stop.send(()).unwrap();
    task.await.unwrap();
    assert_eq!(log.find(late).unwrap(), Some(size));
    assert_eq!(log.sequenced(OutboxId { sequence: late.sequence + 1, ..late }).await, Err(LogError::Closed));
    assert!(store.outbox_read(0, 1).await.unwrap().is_empty());
    let report = place.verify().unwrap();
    assert_eq!((report.size, report.unsigned, report.torn, report.companions), (size + 1, 0, 0, true));
    assert_eq!(report.root, log.checkpoint().checkpoint.root);
}

#[tokio::test]
async fn a_restart_keeps_the_root_and_finds_old_ids() {
    let place = Place::new();
    let mut ids = Vec::new();
    let mut last = None;
    for round in 0..4 {
        let store = place.store().await;
        let mut opened = place.open(&store).await.unwrap();
        assert!(opened.entries_ahead.is_empty(), "round {round}");
        if let Some(last) = last {
            assert_eq!(opened.log.checkpoint(), last);
        }
        ids.extend(commit(&store, &["a", "b", "c"]).await);
        rounds(&mut opened.sequencer).await;
        for (index, id) in (0_u64..).zip(&ids) {
            assert_eq!(opened.log.find(*id).unwrap(), Some(index));
        }
        assert_eq!(place.open(&store).await.err(), Some(LogError::Locked), "one writer at a time");
        last = Some(opened.log.checkpoint());
        store.close().await;
    }
}

/// Every state that a kill can leave between the first byte of an append and the clearing of the outbox.
#[tokio::test]
async fn a_kill_at_any_point_loses_and_doubles_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let (before, after) = (place.folder.path().join("before"), place.folder.path().join("after"));
    {
        let mut opened = place.open(&store).await.unwrap();
        commit(&store, &["one", "two", "three"]).await;
        rounds(&mut opened.sequencer).await;
        copy_dir(&place.log_dir(), &before);
        commit(&store, &["four", "five", "six"]).await;
        store.kill.store(true, Ordering::Relaxed);
        assert_eq!(opened.sequencer.round().await, Err(LogError::Store(StoreError::Busy)));
        copy_dir(&place.log_dir(), &after);
    }
    let (short, full) = (fs::read(before.join(ENTRIES)).unwrap(), fs::read(after.join(ENTRIES)).unwrap());
    let mut states = Vec::new();
    for cut in (short.len()..full.len()).step_by(5).chain([full.len()]) {
        states.push((full[..cut].to_vec(), &before, &before, &before));
        states.push((full[..cut].to_vec(), &after, &after, &before));
        // A hole instead of a short file, as some file systems leave it.
        let mut hole = full[..cut].to_vec();
        hole.resize(full.len(), 0);
        states.push((hole, &before, &before, &before));
    }
    for (index, tree) in [(&before, &before), (&after, &before), (&before, &after), (&after, &after)] {
        states.push((full.clone(), index, tree, &before));
        states.push((full.clone(), index, tree, &after));
    }
    let nowhere = place.folder.path().join("nowhere");
    states.push((full.clone(), &nowhere, &after, &after));
    states.push((full.clone(), &after, &nowhere, &before));
    let dir = place.log_dir();
    for (nr, (entries, index, tree, checkpoint)) in states.into_iter().enumerate() {
        copy_dir(checkpoint, &dir);
        fs::write(dir.join(ENTRIES), entries).unwrap();
        for (name, from) in [(INDEX, index), (TREE, tree)] {
            let _ = fs::remove_file(dir.join(name));
            let _ = fs::copy(from.join(name), dir.join(name));
        }
        // Torn companion files too.
        if nr % 3 == 1
            && let Ok(bytes) = fs::read(dir.join(TREE))
        {
            fs::write(dir.join(TREE), &bytes[..bytes.len() - 9]).unwrap();
        }
        let mut opened = place.open(&store).await.unwrap();
        assert_eq!(ahead(&opened), [], "state {nr}: what waits in the outbox is in the database");
        assert!(opened.sequencer.round().await.is_err());
        assert_eq!(texts(&opened.log), ["one", "two", "three", "four", "five", "six"], "state {nr}");
        let report = place.verify().unwrap();
        assert_eq!((report.size, report.unsigned, report.torn, report.companions), (6, 0, 0, true), "state {nr}");
    }
    store.kill.store(false, Ordering::Relaxed);
    let mut opened = place.open(&store).await.unwrap();
    rounds(&mut opened.sequencer).await;
    assert_eq!(opened.log.size(), 6);
    assert!(store.outbox_read(0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn failures_while_running_lose_and_double_nothing() {
    let place = Place::new();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    commit(&store, &["one"]).await;
    place.sign_fails.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert!(matches!(opened.sequencer.round().await, Err(LogError::Signing(_))));
        assert_eq!(opened.log.size(), 0, "nothing is shown without a signature");
    }
    commit(&store, &["two"]).await;
    place.sign_fails.store(false, Ordering::Relaxed);
    store.kill.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        assert!(opened.sequencer.round().await.is_err());
        commit(&store, &["more"]).await;
    }
    // The checkpoint's folder is gone for a moment: the files are opened again afterwards.
    let aside = place.folder.path().join("aside");
    fs::rename(place.log_dir(), &aside).unwrap();
    assert!(matches!(opened.sequencer.round().await, Err(LogError::Io { .. })));
    fs::rename(&aside, place.log_dir()).unwrap();
    store.kill.store(false, Ordering::Relaxed);
    rounds(&mut opened.sequencer).await;
    assert_eq!(texts(&opened.log), ["one", "two", "more", "more"]);
    assert_eq!(place.verify().unwrap().size, 4);
    drop(opened);
    assert_eq!(ahead(&place.open(&store).await.unwrap()), []);
}

#[tokio::test]
async fn every_changed_byte_is_noticed_and_its_entry_named() {
    let place = written(&["first", "second", "a third and longer entry", ""]).await;
    let (dir, clean) = (place.log_dir(), place.folder.path().join("clean"));
    copy_dir(&dir, &clean);
    let mut ends = vec![HEADER_LEN];
    for len in [5, 6, 24, 0] {
        ends.push(ends.last().unwrap() + HEAD_LEN + 32 + len);
    }
    assert_eq!(fs::metadata(dir.join(ENTRIES)).unwrap().len(), u64::try_from(*ends.last().unwrap()).unwrap());
    for at in 0..*ends.last().unwrap() {
        flip(&dir.join(ENTRIES), at);
        let result = place.verify();
        match ends.iter().rposition(|end| at >= *end) {
            None => assert!(matches!(result, Err(LogError::NotThisLog(_))), "byte {at}: {result:?}"),
            Some(nr) => {
                let named =
                    matches!(&result, Err(LogError::Damaged { index, .. }) if *index == u64::try_from(nr).unwrap());
                assert!(named, "byte {at} is in entry {nr}: {result:?}");
            }
        }
        flip(&dir.join(ENTRIES), at);
    }
    let checkpoint = dir.join(CHECKPOINT);
    for at in 0..fs::metadata(&checkpoint).unwrap().len() {
        flip(&checkpoint, usize::try_from(at).unwrap());
        assert!(matches!(place.verify(), Err(LogError::Checkpoint(_))), "byte {at} of the checkpoint");
        flip(&checkpoint, usize::try_from(at).unwrap());
    }
    for name in [INDEX, TREE] {
        for at in 0..fs::metadata(dir.join(name)).unwrap().len() {
            flip(&dir.join(name), usize::try_from(at).unwrap());
            assert!(!place.verify().unwrap().companions, "byte {at} of {name}");
            flip(&dir.join(name), usize::try_from(at).unwrap());
        }
    }
    assert!(place.verify().unwrap().companions, "all is as it was");
    let store = place.store().await;
    for (nr, begin) in ends[..4].iter().enumerate() {
        // A start that has to read everything refuses as well.
        copy_dir(&clean, &dir);
        fs::remove_file(dir.join(INDEX)).unwrap();
        flip(&dir.join(ENTRIES), begin + HEAD_LEN + 3);
        let refused = place.open(&store).await.err();
        assert!(matches!(refused, Some(LogError::Damaged { index, .. }) if index == u64::try_from(nr).unwrap()));
    }
    for missing in [ENTRIES, CHECKPOINT] {
        copy_dir(&clean, &dir);
        fs::remove_file(dir.join(missing)).unwrap();
        assert!(place.open(&store).await.is_err(), "without {missing}");
        assert!(place.verify().is_err(), "without {missing}");
    }
    // The last entry removed, cleanly.
    copy_dir(&clean, &dir);
    let bytes = fs::read(dir.join(ENTRIES)).unwrap();
    fs::write(dir.join(ENTRIES), &bytes[..ends[3]]).unwrap();
    assert!(matches!(place.open(&store).await.err(), Some(LogError::Damaged { index: 3, .. })));
    assert!(matches!(place.verify(), Err(LogError::Damaged { index: 3, .. })));
    // The middle one removed; two exchanged.
    fs::write(dir.join(ENTRIES), [&bytes[..ends[1]], &bytes[ends[2]..]].concat()).unwrap();
    assert!(matches!(place.verify(), Err(LogError::Damaged { index: 1, .. })));
    let exchanged = [&bytes[..ends[0]], &bytes[ends[1]..ends[2]], &bytes[ends[0]..ends[1]], &bytes[ends[2]..]].concat();
    fs::write(dir.join(ENTRIES), exchanged).unwrap();
    assert!(matches!(place.verify(), Err(LogError::Damaged { index: 0, .. })));
}

/// Somebody who knows the format writes an entry anew, with all its checksums, and even the companion files.
#[tokio::test]
async fn a_well_made_forgery_is_noticed() {
    let place = written(&["first", "second", "third"]).await;
    let dir = place.log_dir();
    let entries = dir.join(ENTRIES);
    let mut bytes = fs::read(&entries).unwrap();
    let id = OutboxId::from_bytes(bytes[HEADER_LEN + 5..HEADER_LEN + 21].try_into().unwrap());
    let (forged, _) = record::encode(0, id, &[9; 32], b"f1rst").unwrap();
    bytes[HEADER_LEN..HEADER_LEN + forged.len()].copy_from_slice(&forged);
    fs::write(&entries, bytes).unwrap();
    assert!(matches!(place.verify(), Err(LogError::Damaged { index: 0, .. })));
    let store = place.store().await;
    let opened = place.open(&store).await.unwrap();
    assert!(matches!(opened.log.read(0), Err(LogError::Damaged { index: 0, .. })), "reading compares with the tree");
    assert!(opened.log.read(1).is_ok());
    drop(opened);
    fs::remove_file(dir.join(TREE)).unwrap();
    fs::remove_file(dir.join(INDEX)).unwrap();
    assert_eq!(place.verify(), Err(LogError::RootMismatch { size: 3 }));
    assert_eq!(place.open(&store).await.err(), Some(LogError::RootMismatch { size: 3 }));
}

#[tokio::test]
async fn broken_companions_are_rebuilt() {
    let place = written(&["a", "b", "c", "d", "e"]).await;
    let root = place.verify().unwrap().root;
    for name in [INDEX, TREE] {
        // Of the tree, the last leaf and the peaks are looked at when opening; of the index, the last entry's place.
        let last = usize::try_from(fs::metadata(place.log_dir().join(name)).unwrap().len()).unwrap() - 20;
        flip(&place.log_dir().join(name), last);
        assert!(!place.verify().unwrap().companions);
        let store = place.store().await;
        let opened = place.open(&store).await.unwrap();
        assert_eq!(opened.log.checkpoint().checkpoint.root, root);
        assert_eq!(texts(&opened.log), ["a", "b", "c", "d", "e"]);
        assert!(place.verify().unwrap().companions);
    }
}

#[tokio::test]
async fn an_older_database_is_told_what_it_missed() {
    let place = Place::new();
    let old = place.folder.path().join("old");
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    commit(&store, &["one", "two"]).await;
    rounds(&mut opened.sequencer).await;
    // The copy is taken while two commits wait for the log: it knows these itself.
    commit(&store, &["three", "four"]).await;
    store.close().await;
    fs::copy(place.database(), &old).unwrap();
    drop(opened);
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    let lost = commit(&store, &["five", "six"]).await;
    rounds(&mut opened.sequencer).await;
    assert_eq!(texts(&opened.log), ["one", "two", "three", "four", "five", "six"]);
    drop(opened);
    store.close().await;

    fs::copy(&old, place.database()).unwrap();
    let store = place.store().await;
    // Killed before it runs: the same again.
    let opened = place.open(&store).await.unwrap();
    assert_eq!(ahead(&opened), [(4, "five".to_owned()), (5, "six".to_owned())]);
    drop(opened);
    let mut opened = place.open(&store).await.unwrap();
    assert_eq!(ahead(&opened).len(), 2);
    let new = commit(&store, &["seven", "eight"]).await;
    assert!(new.iter().all(|id| !lost.contains(id)), "the ids of lost commits do not come back");
    assert_eq!(new[0].sequence, lost[0].sequence, "although the old database counts them again");
    rounds(&mut opened.sequencer).await;
    assert_eq!(texts(&opened.log)[4..], ["five", "six", "seven", "eight"]);
    assert_eq!(opened.log.find(new[1]).unwrap(), Some(7));
    assert_eq!(opened.log.find(lost[1]).unwrap(), Some(5));
    drop(opened);
    assert_eq!(ahead(&place.open(&store).await.unwrap()), []);
    store.close().await;

    // The database is gone altogether: everything is ahead.
    for name in ["db", "db-wal", "db-shm"] {
        let _ = fs::remove_file(place.folder.path().join(name));
    }
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    assert_eq!(opened.entries_ahead.len(), 8);
    assert!(!opened.created);
    rounds(&mut opened.sequencer).await;
    drop(opened);
    assert_eq!(ahead(&place.open(&store).await.unwrap()), []);
}

/// More entries wait in the older database's outbox than one round clears, all of them in the log already; killed
/// after the first round, the rest must still be known as duplicates.
#[tokio::test]
async fn duplicates_are_known_beyond_one_round() {
    let place = Place::new();
    let old = place.folder.path().join("old");
    let store = place.store().await;
    drop(place.open(&store).await.unwrap());
    for _ in 0..10 {
        commit(&store, &["x"; 60]).await;
    }
    store.close().await;
    fs::copy(place.database(), &old).unwrap();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    rounds(&mut opened.sequencer).await;
    assert_eq!(opened.log.size(), 600);
    drop(opened);
    store.close().await;
    fs::copy(&old, place.database()).unwrap();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    assert_eq!(ahead(&opened), []);
    assert!(opened.sequencer.round().await.unwrap() > 0);
    assert_eq!(store.outbox_read(0, 999).await.unwrap().len(), 88);
    drop(opened);
    let mut opened = place.open(&store).await.unwrap();
    rounds(&mut opened.sequencer).await;
    assert_eq!(opened.log.size(), 600);
    assert_eq!(ahead(&opened), []);
}

#[tokio::test]
async fn a_lost_or_older_or_foreign_log_is_refused_until_a_new_epoch() {
    let place = written(&["one", "two"]).await;
    let (dir, clean) = (place.log_dir(), place.folder.path().join("clean"));
    copy_dir(&dir, &clean);
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    commit(&store, &["three"]).await;
    rounds(&mut opened.sequencer).await;
    drop(opened);
    let behind = LogError::Behind { database_epoch: 7, database_size: 3 };
    copy_dir(&clean, &dir);
    assert_eq!(place.open(&store).await.err(), Some(behind.clone()), "an older log");
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(place.open(&store).await.err(), Some(behind), "no log");
    // Another server's log of the same environment, epoch and size.
    let other = written(&["one", "two", "3"]).await;
    copy_dir(&other.log_dir(), &dir);
    let foreign = LogError::Checkpoint(CheckpointError::Signature);
    assert_eq!(place.open(&store).await.err(), Some(foreign));
    copy_dir(&clean, &dir);
    let renewed = |epoch| SequencerConfig { behind: Behind::NewEpoch, epoch, ..place.config() };
    assert_eq!(Sequencer::open(store.clone(), renewed(7)).await.err(), Some(LogError::EpochTooLow { last: 7 }));
    let mut opened = Sequencer::open(store.clone(), renewed(8)).await.unwrap();
    assert!(opened.created && opened.entries_ahead.is_empty());
    assert_eq!((opened.log.epoch(), opened.log.size()), (8, 0));
    assert!(dir.join("epoch-7").join(ENTRIES).exists(), "the old one is kept");
    commit(&store, &["anew"]).await;
    rounds(&mut opened.sequencer).await;
    drop(opened);
    let opened = place.open(&store).await.unwrap();
    assert_eq!((texts(&opened.log), opened.log.epoch()), (vec!["anew".to_owned()], 8));
    assert!(opened.entries_ahead.is_empty());
}

#[tokio::test]
async fn a_log_with_other_entries_is_forked() {
    let place = written(&["one", "two"]).await;
    let kept = place.folder.path().join("kept");
    fs::copy(place.database(), &kept).unwrap();
    // The same key, folder and size; other salts.
    fs::remove_file(place.database()).unwrap();
    fs::remove_dir_all(place.log_dir()).unwrap();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    commit(&store, &["one", "two"]).await;
    rounds(&mut opened.sequencer).await;
    drop(opened);
    store.close().await;
    fs::copy(&kept, place.database()).unwrap();
    let store = place.store().await;
    assert_eq!(place.open(&store).await.err(), Some(LogError::Forked { size: 2 }));
    let elsewhere = SequencerConfig { environment: "live".to_owned(), ..place.config() };
    assert!(matches!(Sequencer::open(store, elsewhere).await.err(), Some(LogError::NotThisLog(_))));
}

#[tokio::test]
async fn an_erased_entry_leaves_its_proof() {
    let place = written(&["one", "a secret that must go", "three"]).await;
    let store = place.store().await;
    let opened = place.open(&store).await.unwrap();
    let before = opened.log.read(1).unwrap();
    let content = before.content.clone().unwrap();
    opened.log.erase(1).unwrap();
    opened.log.erase(1).unwrap();
    assert_eq!(opened.log.erase(3), Err(LogError::OutOfRange));
    drop(opened);
    let mut opened = place.open(&store).await.unwrap();
    let after = opened.log.read(1).unwrap();
    assert!(after.content.is_none() && after.commitment == before.commitment);
    let bytes = fs::read(place.log_dir().join(ENTRIES)).unwrap();
    for gone in [content.entry.as_slice(), &content.salt] {
        assert!(!bytes.windows(gone.len()).any(|window| window == gone));
    }
    let signed = opened.log.checkpoint();
    let leaf = salted_leaf(&content.salt, &content.entry);
    verify_inclusion(&leaf, 1, 3, &opened.log.inclusion(1, 3).unwrap(), &signed.checkpoint.root).unwrap();
    commit(&store, &["four"]).await;
    rounds(&mut opened.sequencer).await;
    drop(opened);
    for name in [INDEX, TREE] {
        fs::remove_file(place.log_dir().join(name)).unwrap();
    }
    drop(place.open(&store).await.unwrap());
    let report = place.verify().unwrap();
    assert_eq!((report.size, report.erased, report.companions), (4, 1, true));
}

/// The recovery of a log of some size from its companions, and from nothing, leads to the same.
#[tokio::test]
async fn a_larger_log() {
    let place = Place::new();
    let store = place.store().await;
    let mut opened = place.open(&store).await.unwrap();
    for n in 0..50 {
        let names: Vec<String> = (0..64).map(|part| format!("entry {n} {part} {}", "x".repeat(400))).collect();
        commit(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    rounds(&mut opened.sequencer).await;
    let signed = opened.log.checkpoint();
    assert_eq!(signed.checkpoint.size, 3_200);
    drop(opened);
    for rebuild in [false, true] {
        if rebuild {
            fs::remove_file(place.log_dir().join(INDEX)).unwrap();
        }
        let opened = place.open(&store).await.unwrap();
        assert_eq!(opened.log.checkpoint(), signed);
        for index in (0..3_200).step_by(97) {
            let entry = opened.log.read(index).unwrap();
            let leaf = godkend_protocol::merkle::leaf_hash(&entry.commitment);
            let proof = opened.log.inclusion(index, 3_200).unwrap();
            verify_inclusion(&leaf, index, 3_200, &proof, &signed.checkpoint.root).unwrap();
        }
    }
    assert!(place.verify().unwrap().companions);
}
