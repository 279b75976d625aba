//! Messages of the server's own whose signature it has verified already, when it made it: the very same bytes that come
//! back need no second look. What is forgotten, or was signed by another process, is verified as ever.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use godkend_protocol::crypto::sha256;

/// The most hashes in one of two generations: the challenges of some minutes, in two megabytes.
const MOST: usize = 16_384;

/// SHA-256 of the bytes, signature included.
#[derive(Default)]
pub(super) struct Verified(Mutex<[HashSet<[u8; 32]>; 2]>);

impl Verified {
    /// These bytes were verified.
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *both;
        young.insert(sha256(&[bytes]).0);
        if young.len() >= MOST {
            *old = std::mem::take(young);
        }
    }

    /// Whether these bytes, all of them, were verified.
    pub(super) fn has(&self, bytes: &[u8]) -> bool {
        let hash = sha256(&[bytes]).0;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known.contains(&hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_known_and_only_for_a_while() {
        let verified = Verified::default();
        verified.add(b"message");
        assert!(verified.has(b"message"));
        for other in [&b"messagf"[..], b"messag", b"message\0", b""] {
            assert!(!verified.has(other));
        }
        for number in 0..MOST - 1 {
            verified.add(&number.to_be_bytes());
        }
        assert!(verified.has(b"message"), "the older generation");
        for number in 0..MOST {
            verified.add(&(number + MOST).to_be_bytes());
        }
        assert!(!verified.has(b"message"));
    }
}
