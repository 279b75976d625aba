//! Every way of changing a log against every older checkpoint, and no honest log convicted.

use godkend_protocol::merkle::consistency_proof;
use proptest::prelude::*;

use super::*;
use crate::proof::{self, Noticed, Record, RecordError, judge};

/// A log's checkpoint at a size.
fn note(leaves: &[[u8; 32]], size: usize, epoch: u64, time: u64) -> String {
    let checkpoint = Checkpoint {
        environment: ENVIRONMENT.to_owned(),
        epoch,
        size: u64::try_from(size).unwrap(),
        root: merkle::root(&leaves[..size]),
        time,
    };
    let (origin, body) = (checkpoint.origin().unwrap(), checkpoint.to_note_body().unwrap());
    let log = Key::new("log");
    let line = NoteSignature {
        key_hash: key_hash(&origin, CheckpointAlgorithm::Es256, &log.1.0),
        signature: log.sign(body.as_bytes()).0.to_vec(),
        name: origin,
    };
    signed_note(&body, &[line])
}

fn prove(leaves: &[[u8; 32]], old: usize, new: usize) -> Vec<Hash32> {
    let nodes = LeafNodes::new(&leaves[..new]);
    let (old, new) = (u64::try_from(old).unwrap(), u64::try_from(new).unwrap());
    let proof = consistency_proof(old, new, |level, nr| Ok::<_, ()>(nodes.node(level, nr).unwrap()));
    proof.unwrap().unwrap().into_iter().map(Fixed).collect()
}

fn record(noticed: Noticed, older: String, newer: String, other: Option<(Hash32, Vec<Hash32>)>) -> Record {
    let (other_root, consistency) = other.map_or((None, vec![]), |(root, proof)| (Some(root), proof));
    let (version, key_sets) = (proof::VERSION, vec![key_set(10_000)]);
    Record { version, noticed, at: 1, key_sets, older, newer, other_root, consistency }
}

fn leaves(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|number| merkle::leaf_hash(&number.to_be_bytes())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Removed, changed or inserted before an older checkpoint's end: the new log cannot be shown to continue it, and its
    /// own proof convicts it.
    #[test]
    fn a46_no_changed_log_continues_an_older_checkpoint(
        old in 1_usize..40, more in 0_usize..20, place in 0_usize..40, way in 0..3,
    ) {
        let honest = leaves(old);
        let place = place % old;
        let mut changed = honest.clone();
        match way {
            0 => { changed.remove(place); }
            1 => changed[place] = merkle::leaf_hash(b"another"),
            _ => changed.insert(place, merkle::leaf_hash(b"another")),
        }
        changed.extend((0..more).map(|number| merkle::leaf_hash(&[b"later", &number.to_be_bytes()[..]].concat())));
        let new = changed.len();
        let older = note(&honest, old, 7, 100);
        let newer = note(&changed, new, 7, 200);
        let other = new.checked_sub(old).filter(|more| *more > 0).map(|_| {
            (Fixed(merkle::root(&changed[..old])), prove(&changed, old, new))
        });
        if let Some((_, proof)) = &other {
            let proof: Vec<_> = proof.iter().map(|hash| hash.0).collect();
            let sizes = (u64::try_from(old).unwrap(), u64::try_from(new).unwrap());
            let continued = merkle::verify_consistency(
                sizes.0, sizes.1, &merkle::root(&honest), &merkle::root(&changed), &proof,
            );
            prop_assert!(continued.is_err());
        }
        let noticed = match new.cmp(&old) {
            std::cmp::Ordering::Less => Noticed::Shrunk,
            std::cmp::Ordering::Equal => Noticed::Forked,
            std::cmp::Ordering::Greater => Noticed::Rewritten,
        };
        let proven = judge(&record(noticed, older, newer, other), &root());
        prop_assert!(proven.is_ok_and(|proven| proven.convicts));
    }

    /// Nobody can be convicted of an honest log, whatever is put beside its checkpoints.
    #[test]
    fn an_honest_log_is_never_convicted(old in 0_usize..40, more in 0_usize..20, at in 0_usize..70, bit in 0_usize..256) {
        let honest = leaves(old + more);
        let (older, newer) = (note(&honest, old, 7, 100), note(&honest, old + more, 7, 200));
        let mut root_hash = merkle::root(&honest[..old]);
        root_hash[bit / 8] ^= 1 << (bit % 8);
        let mut proof = prove(&honest, old, old + more);
        let forged = [
            (Fixed(root_hash), proof.clone()),
            (Fixed(merkle::root(&honest[..old])), proof.clone()),
            (Fixed(root_hash), { if let Some(hash) = proof.get_mut(at) { hash.0[bit / 8] ^= 1; } proof }),
        ];
        for noticed in [Noticed::Shrunk, Noticed::Forked, Noticed::Rewritten, Noticed::EpochChanged] {
            for other in forged.iter().cloned().map(Some).chain([None]) {
                let (older, newer) = (older.clone(), newer.clone());
                let judged = judge(&record(noticed, older, newer, other), &root());
                prop_assert_eq!(judged, Err(RecordError::NoContradiction));
            }
        }
    }
}

#[test]
fn what_is_genuine_need_not_convict() {
    let leaves = leaves(5);
    // An older checkpoint shown again, as it was signed at its time.
    let shown_again = record(Noticed::Shrunk, note(&leaves, 5, 7, 200), note(&leaves, 3, 7, 100), None);
    assert!(!judge(&shown_again, &root()).unwrap().convicts);
    let signed_later = record(Noticed::Shrunk, note(&leaves, 5, 7, 200), note(&leaves, 3, 7, 201), None);
    assert!(judge(&signed_later, &root()).unwrap().convicts);
    let begun_again = record(Noticed::EpochChanged, note(&leaves, 5, 7, 200), note(&leaves, 1, 8, 201), None);
    assert!(!judge(&begun_again, &root()).unwrap().convicts);
    let gone_back = record(Noticed::EpochChanged, note(&leaves, 5, 8, 200), note(&leaves, 5, 7, 201), None);
    assert!(judge(&gone_back, &root()).unwrap().convicts);
    // Two epochs are two logs: nothing in them contradicts.
    for noticed in [Noticed::Shrunk, Noticed::Forked] {
        let two_logs = record(noticed, note(&leaves, 5, 7, 200), note(&leaves, 3, 8, 201), None);
        assert_eq!(judge(&two_logs, &root()), Err(RecordError::NoContradiction));
    }
}

#[test]
fn a_record_is_worth_what_its_signatures_are() {
    let (mine, theirs) = (leaves(5), vec![merkle::leaf_hash(b"x"); 5]);
    let good = record(Noticed::Forked, note(&mine, 5, 7, 200), note(&theirs, 5, 7, 200), None);
    assert!(judge(&good, &root()).unwrap().convicts);
    let bytes = serde_json::to_vec(&good).unwrap();
    assert!(proof::verify(&bytes, &root()).is_ok());
    let other = Root { key: Key::new("other").1, ..root() };
    assert_eq!(judge(&good, &other), Err(RecordError::KeySet));
    let mut unsigned = good.clone();
    unsigned.newer = unsigned.newer.replacen("time 200", "time 201", 1);
    assert_eq!(judge(&unsigned, &root()), Err(RecordError::Checkpoint));
    let mut expired = good.clone();
    expired.key_sets = vec![key_set(150)];
    assert_eq!(judge(&expired, &root()), Err(RecordError::Checkpoint));
    assert_eq!(proof::verify(b"{}", &root()), Err(RecordError::Malformed));
    assert_eq!(proof::verify(&[&bytes[..], b" x"].concat(), &root()), Err(RecordError::Malformed));
    let newer = Record { version: 2, ..good };
    assert_eq!(judge(&newer, &root()), Err(RecordError::Malformed));
}
