//! How often this process has done what is dear: for measurements, which divide it by the work that was done.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Tally(AtomicU64);

/// ES256 signatures that were verified, good or bad.
pub static VERIFICATIONS: Tally = Tally::new();
/// OPAQUE tries that a server has started.
pub static OPAQUE_STARTS: Tally = Tally::new();

impl Tally {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
