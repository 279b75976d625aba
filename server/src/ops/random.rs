//! Randomness from the operating system, for the program's edge.
#[cfg(not(fuzzing))]
use std::time::Duration;

#[cfg(not(fuzzing))]
use ring::rand::SecureRandom as _;

// `tests/fuzz` alone sets this, to run a found input again. No such build may ever serve anyone.
#[cfg(all(fuzzing, not(debug_assertions)))]
compile_error!("a build for fuzzing has no secrets: build it with debug assertions, and for nothing else");

/// The operating system's generator, for creating secrets at the program's edge.
#[must_use]
#[cfg(not(fuzzing))]
pub fn system() -> impl rand_core::CryptoRng {
    SystemRandom(ring::rand::SystemRandom::new())
}

/// Under the fuzzer: a count, hashed.
#[must_use]
#[cfg(fuzzing)]
pub fn system() -> impl rand_core::CryptoRng {
    repeatable::Repeatable
}

/// Numbers that come again in every run.
#[cfg(fuzzing)]
pub mod repeatable {
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNT: AtomicU64 = AtomicU64::new(0);

    /// Goes on at a count: another one, another sequence.
    pub fn go_on_at(count: u64) {
        COUNT.store(count, Ordering::SeqCst);
    }

    pub(super) struct Repeatable;

    impl rand_core::TryRng for Repeatable {
        type Error = core::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
            for chunk in bytes.chunks_mut(32) {
                let count = COUNT.fetch_add(1, Ordering::SeqCst);
                let block = godkend_protocol::crypto::sha256(&[b"fuzzing", &count.to_be_bytes()]);
                chunk.copy_from_slice(&block.0[..chunk.len()]);
            }
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Repeatable {}
}

#[cfg(not(fuzzing))]
struct SystemRandom(ring::rand::SystemRandom);

#[cfg(not(fuzzing))]
impl rand_core::TryRng for SystemRandom {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        // A system without randomness cannot make keys: wait for it rather than go on without.
        while self.0.fill(bytes).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

#[cfg(not(fuzzing))]
impl rand_core::TryCryptoRng for SystemRandom {}
