//! Generators without chance: a stream from a seed, and the replay of recorded bytes.

use std::convert::Infallible;

use godkend_protocol::crypto;
use rand_core::{TryCryptoRng, TryRng};

/// The concatenation of SHA-256("godkend test stream" || seed || counter), counter 0, 1, 2 … as 8 bytes, big-endian.
/// Keeps what each call drew.
pub struct Stream {
    seed: String,
    counter: u64,
    left: Vec<u8>,
    pub drawn: Vec<Vec<u8>>,
}

impl Stream {
    pub fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), counter: 0, left: Vec::new(), drawn: Vec::new() }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        while self.left.len() < to.len() {
            let block = crypto::sha256(&[b"godkend test stream", self.seed.as_bytes(), &self.counter.to_be_bytes()]);
            self.left.extend_from_slice(&block.0);
            self.counter += 1;
        }
        let rest = self.left.split_off(to.len());
        to.copy_from_slice(&self.left);
        self.left = rest;
        self.drawn.push(to.to_vec());
        Ok(())
    }
}

impl TryCryptoRng for Stream {}

/// Gives recorded draws again, each as long as it was asked for then.
pub struct Replay(std::collections::VecDeque<Vec<u8>>);

impl Replay {
    pub fn new(draws: Vec<Vec<u8>>) -> Self {
        Self(draws.into())
    }

    pub fn assert_used_up(&self) {
        assert!(self.0.is_empty(), "{} recorded draws were not used", self.0.len());
    }
}

impl TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let draw = self.0.pop_front().expect("more randomness than was recorded");
        assert_eq!(draw.len(), to.len(), "randomness in other portions than was recorded");
        to.copy_from_slice(&draw);
        Ok(())
    }
}

impl TryCryptoRng for Replay {}
