//! Randomness from the operating system, for the program's edge.
use std::time::Duration;

use ring::rand::SecureRandom as _;

/// The operating system's generator, for creating secrets at the program's edge.
#[must_use]
pub fn system() -> impl rand_core::CryptoRng {
    SystemRandom(ring::rand::SystemRandom::new())
}

struct SystemRandom(ring::rand::SystemRandom);

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

impl rand_core::TryCryptoRng for SystemRandom {}
