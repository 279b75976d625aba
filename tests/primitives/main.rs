//! Published vectors for every primitive, through the very crates that the project uses.
//!
//! Two sources: the Wycheproof sets (edge cases and attacks) and the vectors that the RFCs print, kept as JSON in
//! `vectors/rfc`. A test that ran no case fails: each one prints how many it ran.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::as_conversions)]

mod agreement;
mod cbor;
mod cose;
mod hpke;
mod mac_and_aead;
mod oath;
mod opaque;
mod oprf;
mod post_quantum;
mod signatures;

use std::{cell::Cell, convert::Infallible};

use serde_json::Value;

/// One file of `vectors/rfc`.
fn vectors(name: &str) -> Value {
    let path = format!("{}/vectors/rfc/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The `cases` of a vector file; never empty.
fn cases(file: &Value) -> &[Value] {
    let cases = file["cases"].as_array().expect("a list of cases");
    assert!(!cases.is_empty(), "a vector file without cases");
    cases
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("no text field {field}"))
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(case, field)).unwrap_or_else(|e| panic!("{field}: {e}"))
}

fn optional_bytes(case: &Value, field: &str) -> Option<Vec<u8>> {
    case.get(field).map(|_| bytes(case, field))
}

fn number(case: &Value, field: &str) -> u64 {
    case[field].as_u64().unwrap_or_else(|| panic!("no number field {field}"))
}

/// Counts the cases of one test, tells them apart by outcome, and refuses to pass on none.
struct Tally {
    name: &'static str,
    accepted: Cell<usize>,
    refused: Cell<usize>,
}

impl Tally {
    fn new(name: &'static str) -> Self {
        Self { name, accepted: Cell::new(0), refused: Cell::new(0) }
    }

    fn accepted(&self) {
        self.accepted.set(self.accepted.get() + 1);
    }

    fn refused(&self) {
        self.refused.set(self.refused.get() + 1);
    }

    /// At least `accepted` and `refused` cases ran: what the set held when the test was written.
    fn at_least(self, accepted: usize, refused: usize) {
        println!("{}: {} accepted, {} refused", self.name, self.accepted.get(), self.refused.get());
        assert!(self.accepted.get() >= accepted, "{}: only {} accepted", self.name, self.accepted.get());
        assert!(self.refused.get() >= refused, "{}: only {} refused", self.name, self.refused.get());
        assert!(self.accepted.get() + self.refused.get() > 0, "{}: nothing ran", self.name);
    }
}

/// A generator that replays given bytes, in order, and panics when they run out.
struct Replay {
    bytes: Vec<u8>,
    at: usize,
}

impl Replay {
    fn new(parts: &[&[u8]]) -> Self {
        Self { bytes: parts.concat(), at: 0 }
    }

    fn take(&mut self, out: &mut [u8]) {
        let end = self.at + out.len();
        assert!(end <= self.bytes.len(), "the replayed generator ran out: {end} of {}", self.bytes.len());
        out.copy_from_slice(&self.bytes[self.at..end]);
        self.at = end;
    }

    fn is_used_up(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl rand_core::TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.take(&mut word);
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.take(&mut word);
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.take(out);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Replay {}

// The generation of rand_core that opaque-ke and voprf are built on.
impl rand_core_06::RngCore for Replay {
    fn next_u32(&mut self) -> u32 {
        let mut word = [0; 4];
        self.take(&mut word);
        u32::from_le_bytes(word)
    }

    fn next_u64(&mut self) -> u64 {
        let mut word = [0; 8];
        self.take(&mut word);
        u64::from_le_bytes(word)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.take(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.take(out);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Replay {}
