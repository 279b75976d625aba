//! Documents as they were last committed, so that a login does not read the same few again and again.
//!
//! Exact, because this process is the only one that writes: the writer puts in what it has committed before it answers
//! anybody. A reader may fill in what it has read only if nothing was committed since it began. Should another program
//! have written (the writer sees it at its next transaction), everything is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Key, Kind, Record};

/// The most bytes of documents that are kept, about: what is asked for again stays.
const MOST_BYTES: usize = 48 << 20;
/// What an entry takes beside its id, owner and body.
const OVERHEAD: usize = 200;

/// `None`: there is no such record.
type Known = Option<Arc<Record>>;

#[derive(Default)]
pub(super) struct Cache(RwLock<Inner>);

/// Two generations: what is asked for again moves to the young one; when that is full, the old one is forgotten.
#[derive(Default)]
struct Inner {
    young: Generation,
    old: Generation,
    /// Rises with every change.
    changes: u64,
}

#[derive(Default)]
struct Generation {
    records: HashMap<Kind, HashMap<Vec<u8>, Known>>,
    bytes: usize,
}

/// When a reader began.
#[derive(Clone, Copy)]
pub(super) struct Moment(u64);

impl Cache {
    /// What is known of a record; `None` if nothing is.
    pub(super) fn get(&self, kind: Kind, id: &[u8]) -> Option<Known> {
        {
            let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = inner.young.get(kind, id) {
                return Some(known.clone());
            }
            inner.old.get(kind, id)?;
        }
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = inner.old.remove(kind, id)?;
        inner.put(kind, id.to_vec(), known.clone());
        Some(known)
    }

    /// What is known of several, as of one moment; `None` if anything of it is not known.
    pub(super) fn get_many(&self, keys: &[Key]) -> Option<Vec<Known>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|(kind, id)| inner.young.get(*kind, id).or_else(|| inner.old.get(*kind, id)).cloned()).collect()
    }

    /// To be called before the database is read.
    pub(super) fn moment(&self) -> Moment {
        Moment(self.0.read().unwrap_or_else(PoisonError::into_inner).changes)
    }

    /// Puts in what was read since `moment`, unless anything has been committed meanwhile.
    pub(super) fn fill(&self, moment: Moment, kind: Kind, id: &[u8], known: Known) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if inner.changes == moment.0 {
            inner.put(kind, id.to_vec(), known);
        }
    }

    /// Puts in what has been committed, all at once.
    pub(super) fn committed(&self, records: impl IntoIterator<Item = (Key, Known)>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.changes += 1;
        for ((kind, id), known) in records {
            inner.old.remove(kind, &id);
            inner.put(kind, id, known);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changes = inner.changes + 1;
        *inner = Inner { changes, ..Inner::default() };
    }
}

impl Inner {
    fn put(&mut self, kind: Kind, id: Vec<u8>, known: Known) {
        self.young.put(kind, id, known);
        if self.young.bytes > MOST_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

impl Generation {
    fn get(&self, kind: Kind, id: &[u8]) -> Option<&Known> {
        self.records.get(&kind)?.get(id)
    }

    fn put(&mut self, kind: Kind, id: Vec<u8>, known: Known) {
        self.bytes += size(&id, &known);
        let len = id.len();
        if let Some(before) = self.records.entry(kind).or_default().insert(id, known) {
            self.bytes -= len + size(&[], &before);
        }
    }

    fn remove(&mut self, kind: Kind, id: &[u8]) -> Option<Known> {
        let known = self.records.get_mut(&kind)?.remove(id)?;
        self.bytes -= size(id, &known);
        Some(known)
    }
}

fn size(id: &[u8], known: &Known) -> usize {
    OVERHEAD + id.len() + known.as_ref().map_or(0, |record| record.id.len() + record.owner.len() + record.body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Kind = Kind("a");

    fn record(id: &[u8], version: u64, len: usize) -> Known {
        let (id, owner) = (id.to_vec(), Vec::new());
        Some(Arc::new(Record { kind: A, id, version, owner, expires: None, body: vec![0; len] }))
    }

    fn version(cache: &Cache, id: &[u8]) -> Option<Option<u64>> {
        cache.get(A, id).map(|known| known.map(|record| record.version))
    }

    #[test]
    fn a_late_reader_fills_in_nothing() {
        let cache = Cache::default();
        let before = cache.moment();
        cache.committed([((A, b"x".to_vec()), record(b"x", 2, 0))]);
        cache.fill(before, A, b"x", record(b"x", 1, 0));
        cache.fill(before, A, b"y", None);
        assert_eq!((version(&cache, b"x"), version(&cache, b"y")), (Some(Some(2)), None));
        cache.fill(cache.moment(), A, b"y", None);
        assert_eq!(version(&cache, b"y"), Some(None));
        let before = cache.moment();
        cache.clear();
        cache.fill(before, A, b"x", record(b"x", 1, 0));
        assert_eq!(version(&cache, b"x"), None);
    }

    #[test]
    fn a_deletion_is_known() {
        let cache = Cache::default();
        cache.committed([((A, b"x".to_vec()), record(b"x", 1, 10))]);
        cache.committed([((A, b"x".to_vec()), None)]);
        assert_eq!(version(&cache, b"x"), Some(None));
        assert_eq!(cache.get_many(&[(A, b"x".to_vec())]).map(|all| all.len()), Some(1));
        assert!(cache.get_many(&[(A, b"x".to_vec()), (A, b"z".to_vec())]).is_none());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let cache = Cache::default();
        let len = MOST_BYTES / 100;
        cache.committed([((A, b"kept".to_vec()), record(b"kept", 1, 10))]);
        for nr in 0..1_000_u32 {
            let id = nr.to_be_bytes();
            cache.committed([((A, id.to_vec()), record(&id, 7, len))]);
            assert_eq!(version(&cache, b"kept"), Some(Some(1)), "{nr}");
            let inner = cache.0.read().unwrap();
            let bytes = inner.young.bytes + inner.old.bytes;
            assert!(bytes <= MOST_BYTES + len + 1_000, "{bytes}");
            let counted: usize = [&inner.young, &inner.old]
                .iter()
                .flat_map(|generation| generation.records.values().flatten())
                .map(|(id, known)| size(id, known))
                .sum();
            assert_eq!(bytes, counted);
        }
        assert_eq!(version(&cache, &0_u32.to_be_bytes()), None);
    }
}
