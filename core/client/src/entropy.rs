//! One source of randomness, shared by everything of a client.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::{CryptoRng, Infallible, TryCryptoRng, TryRng};
use ring::rand::{SecureRandom as _, SystemRandom};

/// A random source that a key store, a state file and a driver share. A test gives a seeded one and every run is the
/// same; a program takes [`Entropy::system`].
#[derive(Clone)]
pub struct Entropy(Arc<Mutex<Box<dyn CryptoRng + Send>>>);

impl Entropy {
    /// Shares a given source.
    #[must_use]
    pub fn new(rng: impl CryptoRng + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(rng))))
    }

    /// The operating system's source.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemRng(SystemRandom::new()))
    }

    /// Lends the source. Do not call it again from inside.
    pub fn with<R>(&self, draw: impl FnOnce(&mut dyn CryptoRng) -> R) -> R {
        // A panic in another thread leaves a generator no less random.
        draw(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// The operating system's generator, through `ring`.
struct SystemRng(SystemRandom);

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        if self.0.fill(out).is_err() {
            // Without randomness every key and nonce would be worthless: nothing may go on.
            std::process::abort();
        }
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

#[cfg(test)]
pub(crate) mod tests {
    use rand_core::{Infallible, TryCryptoRng, TryRng};

    use super::Entropy;

    /// A generator whose output a test can repeat: SHA-256 of seed and counter.
    pub(crate) struct Seeded(pub(crate) u64, u64);

    impl Seeded {
        pub(crate) fn entropy(seed: u64) -> Entropy {
            Entropy::new(Self(seed, 0))
        }
    }

    impl TryRng for Seeded {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            for chunk in out.chunks_mut(32) {
                self.1 += 1;
                let hash = godkend_protocol::crypto::sha256(&[&self.0.to_be_bytes(), &self.1.to_be_bytes()]);
                chunk.copy_from_slice(&hash.0[..chunk.len()]);
            }
            Ok(())
        }
    }

    impl TryCryptoRng for Seeded {}

    #[test]
    fn the_systems_source_does_not_repeat_itself() {
        let system = Entropy::system();
        let draw = || {
            let mut bytes = [0_u8; 32];
            system.with(|rng| rng.fill_bytes(&mut bytes));
            bytes
        };
        assert_ne!(draw(), draw());
    }
}
