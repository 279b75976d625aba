//! One sealed file: AES-256-GCM under the profile's key, replaced whole or not at all.
//!
//! `"GKSF" || version || method || profile (16) || nonce (12) || ciphertext and tag`. All that stands before the
//! ciphertext, and the file's name, are additional data: no part of one file passes in another.

use std::path::PathBuf;
use std::sync::Arc;

use godkend_protocol::bytes::{self, Secret};
use godkend_protocol::crypto;
use zeroize::Zeroizing;

use super::profile::Inner;
use super::{StateStore, StoreError, atomic};

/// A profile's sealed file.
#[derive(Clone)]
pub struct SealedFile {
    profile: Arc<Inner>,
    name: &'static str,
    /// Of this file alone, from the profile's.
    key: Secret<32>,
}

impl SealedFile {
    pub(super) fn new(profile: Arc<Inner>, name: &'static str) -> Self {
        let key = crypto::hkdf_sha256(&profile.key.0, &[b"godkend/sealed-file", name.as_bytes()]);
        Self { profile, name, key }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.profile.directory.join(format!("{}.{EXTENSION}", self.name))
    }

    fn prefix(&self) -> Vec<u8> {
        [&MAGIC[..], &[VERSION, self.profile.method.byte()], &self.profile.id.0].concat()
    }
}

impl std::fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SealedFile").field(&self.path()).finish()
    }
}

impl StateStore for SealedFile {
    fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(bytes) = atomic::read(&self.path(), LIMIT)? else { return Ok(None) };
        let rest = bytes.strip_prefix(&MAGIC).ok_or(StoreError::Damaged)?;
        if rest.first().is_some_and(|version| *version > VERSION) {
            return Err(StoreError::Newer);
        }
        let prefix = self.prefix();
        let rest = bytes.strip_prefix(prefix.as_slice()).ok_or(StoreError::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<12>().ok_or(StoreError::Damaged)?;
        let aad = [prefix.as_slice(), self.name.as_bytes()].concat();
        let blob = crypto::aead_open(&self.key, *nonce, &aad, ciphertext).ok_or(StoreError::Damaged)?;
        Ok(Some(Zeroizing::new(blob)))
    }

    fn save(&self, blob: &[u8]) -> Result<(), StoreError> {
        // Random: 2^32 saves before two nonces meet with a probability of 2^-32 (SP 800-38D, section 8.3).
        let nonce = self.profile.entropy.with(bytes::random::<12>).0;
        let prefix = self.prefix();
        let aad = [prefix.as_slice(), self.name.as_bytes()].concat();
        let sealed = crypto::aead_seal(&self.key, nonce, &aad, blob);
        let file = [prefix.as_slice(), &nonce, &sealed].concat();
        if u64::try_from(file.len()).is_ok_and(|length| length <= LIMIT) {
            atomic::write(&self.path(), &file)
        } else {
            Err(StoreError::TooLarge)
        }
    }
}

pub(super) const EXTENSION: &str = "sealed";
const MAGIC: [u8; 4] = *b"GKSF";
const VERSION: u8 = 1;
/// The largest file, in bytes: far above any state, and small enough to read whole.
const LIMIT: u64 = 4 * 1024 * 1024;
