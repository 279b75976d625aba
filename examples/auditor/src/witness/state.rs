//! What a witness keeps, in one folder.
//!
//! | file | holds |
//! |---|---|
//! | `witness.key` | name and Ed25519 seed; mode 0600 |
//! | `state.json` | the newest checkpoint that was checked, its cosignature, and the key set; replaced as a whole |
//! | `checkpoint`, `keyset.cbor` | the same, for others to fetch; made again from `state.json` after a kill |
//! | `alarm-*.json` | records of what was noticed |
//! | `lock` | held by the process that watches |

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use godkend_evidence::proof::Record;
use godkend_evidence::signed::{self, Others};
use godkend_protocol::bytes::{Blob, Secret};
use godkend_protocol::checkpoint::{self, Checkpoint};
use godkend_protocol::cosignature::Cosigner;
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, Root};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::exit::Alarm;
use crate::files::{self, FileError};

const VERSION: u32 = 1;
const KEY: &str = "witness.key";
const STATE: &str = "state.json";
const CHECKPOINT: &str = "checkpoint";
const KEY_SET: &str = "keyset.cbor";

/// The key's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    name: String,
    seed: Secret<32>,
}

/// What was last believed and cosigned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// The checkpoint with the witness's line.
    pub(super) note: String,
    /// The signed key set that it was verified under.
    pub(super) key_set: Blob,
    /// When a checkpoint with a newer time was first seen, by this machine's clock.
    pub(super) news_at: u64,
}

impl State {
    pub(super) const fn new(note: String, key_set: Blob, news_at: u64) -> Self {
        Self { version: VERSION, note, key_set, news_at }
    }
}

/// What was believed, read back.
pub(super) struct Believed {
    pub(super) state: State,
    pub(super) checkpoint: Checkpoint,
    pub(super) set: KeySet,
}

/// The folder, held by this process.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Makes a folder with a new key.
pub(super) fn init(path: &Path, name: &str) -> Result<Cosigner, FileError> {
    let mut seed = Secret([0; 32]);
    SystemRandom::new().fill(&mut seed.0).map_err(|_| files::error(path, "the system gives no random bytes"))?;
    let cosigner = Cosigner::from_seed(name, &seed).ok_or_else(|| {
        files::error(path, "a witness's name has 1 to 128 bytes, no white space, no control characters and no +")
    })?;
    std::fs::create_dir_all(path).map_err(|reason| files::error(path, reason))?;
    let key = KeyFile { name: name.to_owned(), seed };
    let bytes = zeroize::Zeroizing::new(serde_json::to_vec(&key).map_err(|reason| files::error(path, reason))?);
    files::create(&path.join(KEY), &bytes, 0o600)?;
    Ok(cosigner)
}

/// The folder's key.
pub(super) fn cosigner(path: &Path) -> Result<Cosigner, FileError> {
    let file = path.join(KEY);
    let bytes = zeroize::Zeroizing::new(files::read(&file)?);
    let key: KeyFile = serde_json::from_slice(&bytes).map_err(|_| files::error(&file, "this is no witness's key"))?;
    Cosigner::from_seed(&key.name, &key.seed).ok_or_else(|| files::error(&file, "this is no witness's key"))
}

impl Folder {
    /// Takes the folder; another process that watches keeps it.
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let file = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let lock = lock.map_err(|reason| files::error(&file, reason))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(files::error(path, "another process watches with this folder")),
            Err(TryLockError::Error(reason)) => Err(files::error(&file, reason)),
        }
    }

    /// What was believed; verified again, for a disk may lie.
    pub(super) fn load(&self, root: &Root, own: &Cosigner) -> Result<Option<Believed>, FileError> {
        let path = self.path.join(STATE);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = || files::error(&path, "this is not this witness's state under this root, or it is damaged");
        let state: State = serde_json::from_slice(&files::read(&path)?).map_err(|_| damaged())?;
        let sets = signed::key_sets(std::slice::from_ref(&state.key_set), root).map_err(|_| damaged())?;
        let unverified = checkpoint::parse(state.note.as_bytes()).map_err(|_| damaged())?;
        own.witness().verify(&unverified).map_err(|_| damaged())?;
        let checkpoint = signed::open(&state.note, &sets, root, Others::Ignored).map_err(|_| damaged())?;
        let set = sets.into_iter().next().filter(|_| state.version == VERSION).ok_or_else(damaged)?;
        Ok(Some(Believed { state, checkpoint, set }))
    }

    /// Keeps what was believed, durably. Nothing is shown to others before this returns.
    pub(super) fn keep(&self, state: &State) -> Result<(), FileError> {
        let path = self.path.join(STATE);
        let bytes = serde_json::to_vec_pretty(state).map_err(|reason| files::error(&path, reason))?;
        files::replace(&path, &bytes)
    }

    /// Shows it to others, where it is not shown yet.
    pub(super) fn publish(&self, state: &State, beside: Option<&Path>) -> Result<(), FileError> {
        let own =
            [(self.path.join(KEY_SET), &state.key_set.0[..]), (self.path.join(CHECKPOINT), state.note.as_bytes())];
        let other = beside.map(|path| (path.to_owned(), state.note.as_bytes()));
        for (path, bytes) in own.into_iter().chain(other) {
            if !std::fs::read(&path).is_ok_and(|there| there == bytes) {
                files::replace(&path, bytes)?;
            }
        }
        Ok(())
    }

    /// Sets an epoch's last state aside, for ever.
    pub(super) fn archive(&self, believed: &Believed) -> Result<(), FileError> {
        let path = self.path.join(format!("epoch-{}.json", believed.checkpoint.epoch));
        let bytes = serde_json::to_vec_pretty(&believed.state).map_err(|reason| files::error(&path, reason))?;
        files::replace(&path, &bytes)
    }

    /// Keeps a record, named by what it holds: the same is kept once.
    pub(super) fn record(&self, alarm: Alarm, record: &Record) -> Result<PathBuf, FileError> {
        let named = crypto::sha256(&[record.older.as_bytes(), record.newer.as_bytes()]).to_base64();
        let short: String = named.chars().take(12).collect();
        let path = self.path.join(format!("alarm-{}-{short}.json", alarm.name()));
        if !path.exists() {
            let bytes = serde_json::to_vec_pretty(record).map_err(|reason| files::error(&path, reason))?;
            files::replace(&path, &bytes)?;
        }
        Ok(path)
    }
}
