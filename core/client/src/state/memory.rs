//! A store without a disk.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use super::{StateStore, StoreError};

/// Keeps the blob for as long as the process lives: for load tests and short scripts.
#[derive(Default)]
pub struct MemoryStore {
    blob: Mutex<Option<Zeroizing<Vec<u8>>>>,
    full: AtomicBool,
}

impl MemoryStore {
    /// From now on every save fails as on a full disk.
    pub fn fail_from_now_on(&self) {
        self.full.store(true, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore([redacted])")
    }
}

impl StateStore for MemoryStore {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        Ok(self.blob.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        if self.full.load(Ordering::SeqCst) {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(StoreError::Io { path: "memory".into(), source });
        }
        *self.blob.lock().unwrap_or_else(PoisonError::into_inner) = Some(Zeroizing::new(blob.to_vec()));
        Ok(())
    }
}
