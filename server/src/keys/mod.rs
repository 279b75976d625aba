//! The server's keys, as they lie beside the database: in `secrets/` of the data folder, one file each (mode 0600),
//! and what the root has signed about them, `keyset-<number>.cbor`. `root.json` is public.
//!
//! Numbered files are never overwritten; the newest key set says which of them are in use. The root key itself is
//! needed for [`init`] and [`rotate`] only and may be kept elsewhere between them.

mod create;
mod verified;

pub use create::{Created, InitError, InitOptions, RotateOptions, init, rotate};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use godkend_protocol::bytes::{Fixed, PublicKey, Secret, Signature};
use godkend_protocol::checkpoint::CheckpointAlgorithm;
use godkend_protocol::cose::{self, CoseError, KeyId, Received, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, KeySetError, Root, SignedKeySet};
use godkend_protocol::opaque::ServerSecrets;
use godkend_protocol::suite::{HpkeKey, PqSigner, pq_verify};
use godkend_protocol::types::Suite;

use self::verified::Verified;
use crate::config::Config;
use crate::log::{CheckpointSigner, CheckpointVerifier};
use crate::ops::secrets::{self, P256Key, SecretError};

/// Why the server has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A secret file: see there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A public file is missing or cannot be read: run `init`, or restore it from its backup.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key set is not the root's, or has expired: run `keys rotate`.
    #[error("the key set cannot be used ({0}); sign a new one with `keys rotate`")]
    KeySet(#[from] KeySetError),
    /// The key set names a key that is not here: restore the secrets folder.
    #[error("the key set names a {0} key that is not in the secrets folder")]
    Absent(&'static str),
    /// The configuration names another environment than the root: use the environment's own configuration.
    #[error("the configuration is for the environment {config}, the keys are for {keys}")]
    Environment {
        /// The configuration's.
        config: String,
        /// The keys'.
        keys: String,
    },
}

/// The keys of a running server. Prints no secret.
pub struct ServerKeys {
    /// The environment's name in every signed message.
    pub environment: String,
    /// Signs offers, challenges and replies.
    pub challenge: P256Key,
    /// Signs the log's checkpoints.
    pub log: Arc<P256Key>,
    /// The checkpoints' second signature (suite 2).
    pub log_pq: Option<Arc<PqSigner>>,
    /// What activations are sealed to.
    pub hpke: Vec<(Suite, HpkeKey)>,
    /// OPAQUE's secrets by their number, which PIN records name.
    pub opaque: BTreeMap<u32, ServerSecrets>,
    /// The number for new records.
    pub current_seed: u32,
    /// The signed key set's bytes, as phones get them.
    pub key_set: Vec<u8>,
    /// What they say.
    pub set: KeySet,
    /// The key set's number.
    pub key_set_number: u64,
    /// The suites that the server speaks.
    pub suites: Vec<Suite>,
    /// The public root.
    pub root: Root,
    /// Signs ID tokens.
    pub oidc: P256Key,
    /// Those before it that are still published, newest first: what they signed may still live.
    pub oidc_previous: Vec<P256Key>,
    /// Keys the pairwise `sub`.
    pub pairwise: Secret<32>,
    challenge_id: KeyId,
    verified: Verified,
}

impl std::fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKeys")
            .field("environment", &self.environment)
            .field("key_set_number", &self.key_set_number)
            .finish_non_exhaustive()
    }
}

impl ServerKeys {
    /// Loads all keys; `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn load(config: &Config, now: i64) -> Result<Self, KeysError> {
        let data = config.data_dir();
        let root = read_root(&data)?;
        if root.environment != config.server.environment {
            let config = config.server.environment.clone();
            return Err(KeysError::Environment { config, keys: root.environment });
        }
        let (key_set, set) = newest_key_set(&data, &root, now)?;
        let folder = data.join(SECRETS);
        let challenge = named_key(&folder, "challenge", set.challenge_keys.first())?;
        let log = named_key(&folder, "log", set.log_keys.first())?;
        let log_pq = match &set.log_pq_key {
            None => None,
            Some(public) => {
                let signer = PqSigner::from_seed(&seed(&folder.join(LOG_PQ))?);
                Some(Arc::new(if signer.public() == *public { signer } else { return Err(KeysError::Absent("log")) }))
            }
        };
        let hpke_seed = seed(&folder.join(HPKE))?;
        let mut hpke = Vec::new();
        for suite in &set.suites {
            let key = HpkeKey::from_seed(*suite, &hpke_seed);
            if !set.hpke_keys.iter().any(|public| public.suite == *suite && public.public == *key.public()) {
                return Err(KeysError::Absent("HPKE"));
            }
            hpke.push((*suite, key));
        }
        let mut opaque = BTreeMap::new();
        for (number, path) in numbered(&folder, "opaque", "bin")? {
            let malformed = || SecretError::Malformed { path: path.clone(), expected: "OPAQUE secrets" };
            let number = u32::try_from(number).map_err(|_| malformed())?;
            let bytes = secrets::read(&path, 0o077)?;
            opaque.insert(number, ServerSecrets::from_bytes(&bytes).map_err(|_| malformed())?);
        }
        let current_seed = *opaque.keys().next_back().ok_or(KeysError::Absent("OPAQUE"))?;
        let (newest, oidc_previous) = token_keys(&folder, now)?;
        Ok(Self {
            environment: root.environment.clone(),
            challenge_id: cose::key_id(&Fixed(*challenge.public())),
            verified: Verified::default(),
            challenge,
            log: Arc::new(log),
            log_pq,
            hpke,
            opaque,
            current_seed,
            key_set,
            key_set_number: set.number,
            suites: set.suites.clone(),
            set,
            root,
            oidc: newest,
            oidc_previous,
            pairwise: seed(&folder.join(PAIRWISE))?,
        })
    }

    /// The short name of the challenge key.
    #[must_use]
    pub const fn challenge_key_id(&self) -> KeyId {
        self.challenge_id
    }

    /// Signs a message of the server's with the challenge key.
    #[must_use]
    pub fn sign_challenge<M: SignedMessage>(&self, message: &M) -> Vec<u8> {
        let unsigned = Unsigned::new(message, &self.environment, Some(self.challenge_id));
        let signed = self
            .challenge
            .sign(&unsigned.to_be_signed())
            .ok()
            .and_then(|signature| unsigned.assemble(&Fixed(signature), &Fixed(*self.challenge.public())).ok());
        // Only a machine without randomness comes here; every phone refuses an empty message.
        let Some(signed) = signed else {
            tracing::error!("no signature could be made");
            return Vec::new();
        };
        // `assemble` has verified it.
        self.verified.add(&signed);
        signed
    }

    /// Opens a message that a challenge key of the current key set has signed: the server's own, come back.
    ///
    /// # Errors
    /// [`CoseError`].
    pub fn open_own<M: SignedMessage>(&self, bytes: &[u8]) -> Result<Received<M>, CoseError> {
        if self.verified.has(bytes) {
            return Received::parse(bytes, &self.environment);
        }
        self.set.open(bytes, &self.environment)
    }

    /// The HPKE key of a suite, if the server speaks it.
    #[must_use]
    pub fn hpke(&self, suite: Suite) -> Option<&HpkeKey> {
        self.hpke.iter().find(|(own, _)| *own == suite).map(|(_, key)| key)
    }

    /// What signs the log's checkpoints.
    #[must_use]
    pub fn checkpoint_signers(&self) -> Vec<CheckpointSigner> {
        let key = self.log.clone();
        let mut signers = vec![CheckpointSigner {
            verifier: es256_verifier(&Fixed(*self.log.public())),
            sign: Arc::new(move |body| key.sign(body).map(|s| s.to_vec()).map_err(|e| e.to_string())),
        }];
        if let Some(pq) = self.log_pq.clone() {
            let verifier = pq_verifier(&pq.public().0);
            let sign = move |body: &[u8]| pq.sign(body).map(|s| s.0).ok_or_else(|| "ML-DSA did not sign".to_owned());
            signers.push(CheckpointSigner { verifier, sign: Arc::new(sign) });
        }
        signers
    }

    /// Earlier keys of the log that the key set still names.
    #[must_use]
    pub fn earlier_checkpoint_keys(&self) -> Vec<CheckpointVerifier> {
        self.set.log_keys.iter().skip(1).map(es256_verifier).collect()
    }
}

/// Checks checkpoints under the keys that a key set names.
#[must_use]
pub fn checkpoint_verifiers(set: &KeySet) -> Vec<CheckpointVerifier> {
    let es256 = set.log_keys.iter().map(es256_verifier);
    es256.chain(set.log_pq_key.iter().map(|key| pq_verifier(&key.0))).collect()
}

/// The public root of a data folder.
///
/// # Errors
/// [`KeysError::File`].
pub fn read_root(data: &Path) -> Result<Root, KeysError> {
    let path = data.join(ROOT);
    let bytes = std::fs::read(&path).map_err(|e| file(&path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| file(&path, e))
}

/// The newest key set of a data folder: its bytes and what they say. `now` is in Unix seconds.
///
/// # Errors
/// [`KeysError::File`] and [`KeysError::KeySet`].
pub fn newest_key_set(data: &Path, root: &Root, now: i64) -> Result<(Vec<u8>, KeySet), KeysError> {
    let Some((number, path)) = numbered(data, "keyset", "cbor")?.pop() else {
        return Err(file(&data.join("keyset-1.cbor"), "there is no key set; run `init`"));
    };
    let bytes = std::fs::read(&path).map_err(|e| file(&path, e))?;
    let set = SignedKeySet::verify(&bytes, root, number, now)?;
    Ok((bytes, set))
}

/// Folder of the secrets in the data folder.
const SECRETS: &str = "secrets";
/// The public root, in the data folder.
pub const ROOT: &str = "root.json";
const ROOT_KEY: &str = "root.pem";
const ROOT_PQ: &str = "root-pq.seed";
const LOG_PQ: &str = "log-pq.seed";
const HPKE: &str = "hpke.seed";
const PAIRWISE: &str = "pairwise.seed";

fn es256_verifier(public: &PublicKey) -> CheckpointVerifier {
    let key = *public;
    CheckpointVerifier {
        algorithm: CheckpointAlgorithm::Es256,
        public_key: public.0.to_vec(),
        verify: Arc::new(move |body, signature| {
            Signature::from_slice(signature).is_some_and(|signature| crypto::verify_es256(&key, body, &signature))
        }),
    }
}

fn pq_verifier(public: &[u8]) -> CheckpointVerifier {
    let key = public.to_vec();
    CheckpointVerifier {
        algorithm: CheckpointAlgorithm::MlDsa65,
        public_key: key.clone(),
        verify: Arc::new(move |body, signature| pq_verify(&key, body, signature)),
    }
}

fn seed(path: &Path) -> Result<Secret<32>, SecretError> {
    Ok(Secret(*secrets::load_seed(path)?))
}

/// What signs ID tokens, and what did so before and is still published: until a day after its successor came, which is
/// longer than any token and any relying party's copy of the key set lives.
fn token_keys(folder: &Path, now: i64) -> Result<(P256Key, Vec<P256Key>), KeysError> {
    let mut files = numbered(folder, "oidc", "pem")?.into_iter().rev();
    let (_, newest) = files.next().ok_or(KeysError::Absent("OpenID Connect"))?;
    let mut successor = newest.clone();
    let mut previous = Vec::new();
    for (_, path) in files {
        let came = std::fs::metadata(&successor).and_then(|about| about.modified()).map_err(|e| file(&successor, e))?;
        let came = came.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if now.saturating_sub(i64::try_from(came).unwrap_or(i64::MAX)) >= PUBLISHED_AFTER {
            break;
        }
        previous.push(secrets::load_p256(&path)?);
        successor = path;
    }
    Ok((secrets::load_p256(&newest)?, previous))
}

/// How long a key for ID tokens is published after its successor came, seconds.
const PUBLISHED_AFTER: i64 = 86_400;

/// The numbered key whose public half is `public`.
fn named_key(folder: &Path, name: &'static str, public: Option<&PublicKey>) -> Result<P256Key, KeysError> {
    for (_, path) in numbered(folder, name, "pem")?.into_iter().rev() {
        let key = secrets::load_p256(&path)?;
        if public.is_some_and(|public| public.0 == *key.public()) {
            return Ok(key);
        }
    }
    Err(KeysError::Absent(name))
}

/// The files `<name>-<number>.<ending>` of a folder, in the order of their numbers.
fn numbered(folder: &Path, name: &str, ending: &str) -> Result<Vec<(u64, PathBuf)>, KeysError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| file(folder, e))? {
        let path = entry.map_err(|e| file(folder, e))?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(|text| {
            text.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(ending)?.strip_suffix('.')?.parse().ok()
        });
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

fn file(path: &Path, reason: impl ToString) -> KeysError {
    KeysError::File { path: path.to_owned(), reason: reason.to_string() }
}
