//! A profile: one directory, used by one process at a time, whose files one key wraps.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use godkend_protocol::bytes::{self, Fixed, Id, Secret};
use godkend_protocol::crypto;

use super::wrapping::{self, Method, Passphrase, Wrapping};
use super::{SealedFile, StoreError, atomic};
use crate::entropy::Entropy;

/// An open profile. Its lock lasts as long as it and its files do.
#[derive(Clone)]
pub struct Profile(Arc<Inner>);

pub(super) struct Inner {
    pub(super) directory: PathBuf,
    pub(super) id: Id,
    pub(super) method: Method,
    pub(super) key: Secret<32>,
    pub(super) entropy: Entropy,
    /// Released when dropped.
    _lock: File,
}

impl Profile {
    /// Opens the profile in `directory`, or makes one. Blocks; a key store may even ask the person.
    ///
    /// An existing profile is opened with the method that it was made with, or not at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(directory: impl AsRef<Path>, wrapping: &Wrapping, entropy: Entropy) -> Result<Self, StoreError> {
        let directory = directory.as_ref();
        atomic::create_directory(directory)?;
        let lock = atomic::lock(&directory.join(LOCK))?;
        let header = directory.join(HEADER);
        let (header, key) = match atomic::read(&header, HEADER_LENGTH)? {
            Some(bytes) => open_existing(directory, &bytes, wrapping)?,
            None if holds_anything(directory)? => return Err(StoreError::Damaged),
            None => {
                let (made, key) = make(directory, wrapping, &entropy)?;
                // Last: a profile without it has sealed nothing yet, and may be made again.
                atomic::write(&header, &made.seal(&key))?;
                (made, key)
            }
        };
        let Header { method, id, .. } = header;
        Ok(Self(Arc::new(Inner { directory: directory.to_owned(), id, method, key, entropy, _lock: lock })))
    }

    /// One of the profile's sealed files; `name` is a lower-case word and binds the content.
    #[must_use]
    pub fn file(&self, name: &'static str) -> SealedFile {
        SealedFile::new(Arc::clone(&self.0), name)
    }

    /// How the profile's key is kept.
    #[must_use]
    pub fn method(&self) -> Method {
        self.0.method
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").field("directory", &self.0.directory).field("method", &self.0.method).finish()
    }
}

const LOCK: &str = "lock";
const HEADER: &str = "profile";
const KEY_FILE: &str = "wrapping.key";
const MAGIC: [u8; 4] = *b"GKPR";
const VERSION: u8 = 1;
/// Magic, version, method, id, salt, MAC.
const HEADER_LENGTH: u64 = 4 + 1 + 1 + 16 + 16 + 32;

/// What a profile knows of itself; in the clear, under a MAC of its key.
struct Header {
    method: Method,
    id: Id,
    /// Of the passphrase; zeros with the other methods.
    salt: Fixed<16>,
}

impl Header {
    fn body(&self) -> Vec<u8> {
        [&MAGIC[..], &[VERSION, self.method.byte()], &self.id.0, &self.salt.0].concat()
    }

    fn mac(&self, key: &Secret<32>) -> Fixed<32> {
        let mac_key: Secret<32> = crypto::hkdf_sha256(&key.0, &[b"godkend/profile-mac"]);
        crypto::hmac_sha256(&mac_key.0, &[&self.body()])
    }

    fn seal(&self, key: &Secret<32>) -> Vec<u8> {
        [self.body(), self.mac(key).0.to_vec()].concat()
    }

    fn parse(bytes: &[u8]) -> Result<(Self, Fixed<32>), StoreError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(StoreError::Damaged)?;
        let (&[version, method], rest) = rest.split_first_chunk().ok_or(StoreError::Damaged)?;
        if version > VERSION {
            return Err(StoreError::Newer);
        }
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(StoreError::Damaged)?;
        let (salt, mac) = rest.split_first_chunk::<16>().ok_or(StoreError::Damaged)?;
        let method = Method::from_byte(method).filter(|_| version == VERSION).ok_or(StoreError::Damaged)?;
        let mac = Fixed::from_slice(mac).ok_or(StoreError::Damaged)?;
        Ok((Self { method, id: Fixed(*id), salt: Fixed(*salt) }, mac))
    }
}

fn open_existing(directory: &Path, bytes: &[u8], asked: &Wrapping) -> Result<(Header, Secret<32>), StoreError> {
    let (header, mac) = Header::parse(bytes)?;
    if !asked.admits(header.method) {
        return Err(StoreError::OtherMethod { recorded: header.method.name() });
    }
    let key = match header.method {
        Method::OsKeyStore => from_key_store(&header.id)?,
        Method::KeyFile => {
            let bytes = atomic::read(&directory.join(KEY_FILE), 32)?.ok_or(StoreError::KeyMissing)?;
            Secret::from_slice(&bytes).ok_or(StoreError::Damaged)?
        }
        Method::Passphrase => {
            let passphrase = asked.passphrase().ok_or(StoreError::PassphraseNeeded)?;
            wrapping::stretch(passphrase, &header.id, &header.salt)
        }
    };
    if crypto::same(&header.mac(&key).0, &mac.0) {
        return Ok((header, key));
    }
    // A wrong passphrase and a changed header look the same; the first is by far the likelier.
    Err(if header.method == Method::Passphrase { StoreError::PassphraseWrong } else { StoreError::Damaged })
}

fn make(directory: &Path, wrapping: &Wrapping, entropy: &Entropy) -> Result<(Header, Secret<32>), StoreError> {
    let none = Fixed([0; 16]);
    let (id, salt, key) = entropy.with(|rng| (bytes::random(rng), bytes::random::<16>(rng), Secret::<32>::random(rng)));
    let passphrase = |passphrase: &Passphrase| {
        if !passphrase.is_long_enough() {
            return Err(StoreError::PassphraseTooShort);
        }
        Ok((Header { method: Method::Passphrase, id, salt }, wrapping::stretch(passphrase, &id, &salt)))
    };
    let key_file = |key: Secret<32>| {
        atomic::write(&directory.join(KEY_FILE), &key.0)?;
        Ok((Header { method: Method::KeyFile, id, salt: none }, key))
    };
    match wrapping {
        Wrapping::KeyFile => key_file(key),
        Wrapping::Passphrase(given) => passphrase(given),
        Wrapping::OsKeyStore | Wrapping::Automatic | Wrapping::AutomaticOr(_) => match into_key_store(&id, &key) {
            Ok(()) => Ok((Header { method: Method::OsKeyStore, id, salt: none }, key)),
            // Only where none answers: one that is locked is to be unlocked.
            Err(StoreError::KeyStoreUnavailable) => match wrapping {
                Wrapping::AutomaticOr(given) => passphrase(given),
                Wrapping::Automatic => key_file(key),
                _ => Err(StoreError::KeyStoreUnavailable),
            },
            Err(error) => Err(error),
        },
    }
}

#[cfg(feature = "os-key-store")]
use super::os_key_store::{get as from_key_store, put as into_key_store};

#[cfg(not(feature = "os-key-store"))]
fn from_key_store(_: &Id) -> Result<Secret<32>, StoreError> {
    Err(StoreError::KeyStoreUnavailable)
}

#[cfg(not(feature = "os-key-store"))]
fn into_key_store(_: &Id, _: &Secret<32>) -> Result<(), StoreError> {
    Err(StoreError::KeyStoreUnavailable)
}

/// Whether the directory holds sealed files.
fn holds_anything(directory: &Path) -> Result<bool, StoreError> {
    for entry in std::fs::read_dir(directory).map_err(StoreError::io(directory))? {
        let entry = entry.map_err(StoreError::io(directory))?;
        if Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == super::sealed::EXTENSION) {
            return Ok(true);
        }
    }
    Ok(false)
}
