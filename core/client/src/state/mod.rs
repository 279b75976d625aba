//! Where a client keeps what must outlive it: one directory per profile, sealed files in it, and a key that wraps
//! them.

mod atomic;
mod error;
mod memory;
#[cfg(feature = "os-key-store")]
mod os_key_store;
mod profile;
mod sealed;
mod wrapping;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use profile::Profile;
pub use sealed::SealedFile;
pub use wrapping::{Method, Passphrase, Wrapping};
use zeroize::Zeroizing;

/// Keeps one blob. Calls block: an async caller makes them on a thread that may.
pub trait StateStore: Send + Sync {
    /// The blob that was saved last; `None` if none ever was.
    ///
    /// # Errors
    /// [`StoreError`]. Anything that is not exactly what was saved is an error, never `None`.
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError>;

    /// Replaces the blob, whole or not at all; it is on the medium when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; the earlier blob is then still there.
    fn save(&self, blob: &[u8]) -> Result<(), StoreError>;
}

impl<S: StateStore + ?Sized> StateStore for std::sync::Arc<S> {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        (**self).load()
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        (**self).save(blob)
    }
}

#[cfg(test)]
mod tests;
