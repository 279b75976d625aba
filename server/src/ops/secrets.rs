//! Secret files: signing keys, seeds and the administrator's token.
//!
//! A secret is a file of mode 0600 in a folder of mode 0700. It is written beside its name, flushed and then linked to
//! it, so that a crash leaves the whole secret or none, and one that exists is never overwritten. One that a group or
//! others can read is refused: it may already be known.
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::EncodePrivateKey as _;
use rand_core::CryptoRng;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// Largest secret file that is read, bytes.
const LARGEST: u64 = 16 * 1024;

/// Why a secret is not there. No variant holds a byte of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none: create it, or restore it from its backup.
    #[error("there is no secret at {0}")]
    Missing(PathBuf),
    /// There is one already, which stays: move it away on purpose if it must be replaced.
    #[error("there is already a secret at {0}; it was left as it is")]
    Exists(PathBuf),
    /// Others can read it: replace it, or correct the mode if it never left this machine.
    #[error("{path} has mode {mode:04o}; a secret must be readable by its owner alone ({wanted:04o})")]
    Readable {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The bits it should have.
        wanted: u32,
    },
    /// Its content is not what it should be: restore it from its backup.
    #[error("{path} does not hold {expected}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
    },
    /// The system refuses.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A signature could not be made: the system's random source failed.
    #[error("no signature could be made")]
    Sign,
}

/// A P-256 signing key, parsed once. Prints `[redacted]`.
pub struct P256Key {
    pair: EcdsaKeyPair,
    public: [u8; 65],
    pkcs8: Zeroizing<Vec<u8>>,
    random: ring::rand::SystemRandom,
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key([redacted])")
    }
}

impl P256Key {
    /// A new key that is stored nowhere.
    ///
    /// # Errors
    /// [`SecretError::Malformed`] if the two libraries disagree about its encoding, which would be a fault.
    pub fn generate(rng: &mut dyn CryptoRng) -> Result<Self, SecretError> {
        let malformed = || SecretError::Malformed { path: PathBuf::new(), expected: "a P-256 key" };
        let der = p256::SecretKey::generate_from_rng(rng).to_pkcs8_der().map_err(|_| malformed())?;
        Self::from_pkcs8(der.as_bytes()).ok_or_else(malformed)
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let random = ring::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some(Self { pair, public, pkcs8: Zeroizing::new(der.to_vec()), random })
    }

    /// The public point, uncompressed (SEC 1, section 2.3.3).
    #[must_use]
    pub fn public(&self) -> &[u8; 65] {
        &self.public
    }

    /// `ring`'s key.
    #[must_use]
    pub fn ring(&self) -> &EcdsaKeyPair {
        &self.pair
    }

    /// The private key as PKCS#8, for TLS and JWT libraries.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// An ES256 signature over `message`: r and s, 32 bytes each, with the low s.
    ///
    /// # Errors
    /// [`SecretError::Sign`].
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], SecretError> {
        super::work::SIGNATURES.add(1);
        let raw = self.pair.sign(&self.random, message).map_err(|_| SecretError::Sign)?;
        let signature = p256::ecdsa::Signature::from_slice(raw.as_ref()).map_err(|_| SecretError::Sign)?;
        Ok(signature.normalize_s().to_bytes().into())
    }
}

/// The administrator's bearer token. Prints `[redacted]`.
pub struct AdminToken(Zeroizing<String>);

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken([redacted])")
    }
}

impl AdminToken {
    /// Whether `presented` is the token, in a time that tells nothing about it.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        bool::from(digest(&self.0).as_ref().ct_eq(digest(presented).as_ref()))
    }

    /// The token itself, for a client in the same program.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Creates a folder of mode 0700, with its parents, or checks the one that exists.
///
/// # Errors
/// [`SecretError::Readable`] for a folder that others may enter, [`SecretError::Io`].
pub fn secret_dir(path: &Path) -> Result<(), SecretError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| io(path, source))?;
    let mode = std::fs::metadata(path).map_err(|source| io(path, source))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Readable { path: path.to_owned(), mode, wanted: 0o700 });
    }
    Ok(())
}

/// Creates a P-256 key at `path` as PKCS#8 PEM (RFC 5958, RFC 7468).
///
/// # Errors
/// [`SecretError::Exists`], [`SecretError::Readable`] for its folder, [`SecretError::Io`].
pub fn create_p256(path: &Path, rng: &mut dyn CryptoRng) -> Result<P256Key, SecretError> {
    let key = P256Key::generate(rng)?;
    let body = Zeroizing::new(STANDARD.encode(&*key.pkcs8));
    let mut pem = Zeroizing::new(String::with_capacity(body.len() + 128));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()) {
        pem.push_str(line);
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    write_new(path, pem.as_bytes())?;
    Ok(key)
}

/// Loads the P-256 key at `path`.
///
/// # Errors
/// [`SecretError::Missing`], [`SecretError::Readable`], [`SecretError::Malformed`], [`SecretError::Io`].
pub fn load_p256(path: &Path) -> Result<P256Key, SecretError> {
    let pem = read(path, 0o077)?;
    let malformed = || SecretError::Malformed { path: path.to_owned(), expected: "a P-256 key as PKCS#8 PEM" };
    let mut der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| malformed())?;
    let key = P256Key::from_pkcs8(der.secret_pkcs8_der()).ok_or_else(malformed);
    der.zeroize();
    key
}

/// [`load_p256`], or [`create_p256`] where there is none.
///
/// # Errors
/// Theirs.
pub fn load_or_create_p256(path: &Path, rng: &mut dyn CryptoRng) -> Result<P256Key, SecretError> {
    match load_p256(path) {
        Err(SecretError::Missing(_)) => create_p256(path, rng),
        other => other,
    }
}

/// Creates 32 random bytes at `path`.
///
/// # Errors
/// As [`create_p256`].
pub fn create_seed(path: &Path, rng: &mut dyn CryptoRng) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *seed);
    write_new(path, &*seed)?;
    Ok(seed)
}

/// Loads the 32 bytes at `path`.
///
/// # Errors
/// As [`load_p256`].
pub fn load_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, SecretError> {
    let bytes = read(path, 0o077)?;
    let mut seed = Zeroizing::new([0; 32]);
    if bytes.len() != seed.len() {
        return Err(SecretError::Malformed { path: path.to_owned(), expected: "32 bytes" });
    }
    seed.copy_from_slice(&bytes);
    Ok(seed)
}

/// Creates the administrator's token at `path`: 32 random bytes in base64url.
///
/// # Errors
/// As [`create_p256`].
pub fn create_admin_token(path: &Path, rng: &mut dyn CryptoRng) -> Result<AdminToken, SecretError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes));
    write_new(path, format!("{}\n", *token).as_bytes())?;
    Ok(AdminToken(token))
}

/// Loads the administrator's token at `path`: one line of at least 32 printable ASCII characters.
///
/// # Errors
/// As [`load_p256`].
pub fn load_admin_token(path: &Path) -> Result<AdminToken, SecretError> {
    let bytes = read(path, 0o077)?;
    let token = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if token.len() < 32 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        let expected = "a token of at least 32 printable characters on one line";
        return Err(SecretError::Malformed { path: path.to_owned(), expected });
    }
    Ok(AdminToken(Zeroizing::new(token.to_owned())))
}

/// Reads a secret, refusing any of the `forbidden` permission bits; the open file is judged, not its name.
pub(crate) fn read(path: &Path, forbidden: u32) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let file = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(SecretError::Missing(path.to_owned()));
        }
        other => other.map_err(|source| io(path, source))?,
    };
    let meta = file.metadata().map_err(|source| io(path, source))?;
    let mode = meta.mode() & 0o7777;
    if mode & forbidden != 0 {
        return Err(SecretError::Readable { path: path.to_owned(), mode, wanted: 0o700 & mode & !forbidden });
    }
    if !meta.is_file() || meta.len() > LARGEST {
        return Err(SecretError::Malformed { path: path.to_owned(), expected: "a secret, which is a small file" });
    }
    // Room for the whole file, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 64));
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|source| io(path, source))?;
    Ok(bytes)
}

pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), SecretError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    secret_dir(parent)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = parent.join(name);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        // A link, unlike a rename, never replaces what is there.
        std::fs::hard_link(&beside, path)
    })();
    let removed = std::fs::remove_file(&beside);
    match written {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(SecretError::Exists(path.to_owned())),
        other => other.and(removed).and_then(|()| File::open(parent)?.sync_all()).map_err(|source| io(path, source)),
    }
}

fn io(path: &Path, source: std::io::Error) -> SecretError {
    SecretError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let secrets = dir.path().join("secrets");
        (dir, secrets)
    }

    fn rng() -> impl CryptoRng {
        crate::ops::random::system()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_survives_its_file_and_signs_with_low_s() {
        let (_dir, secrets) = folder();
        let path = secrets.join("id.pem");
        let made = create_p256(&path, &mut rng()).unwrap();
        let loaded = load_p256(&path).unwrap();
        assert_eq!(made.public(), loaded.public());
        assert_eq!((mode(&path), mode(&secrets)), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(&secrets).unwrap().count(), 1);
        for number in 0..32u8 {
            let signature = loaded.sign(&[number]).unwrap();
            let parsed = p256::ecdsa::Signature::from_slice(&signature).unwrap();
            assert_eq!(parsed, parsed.normalize_s());
            ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, made.public())
                .verify(&[number], &signature)
                .unwrap();
        }
        assert_eq!(format!("{loaded:?}"), "P256Key([redacted])");
    }

    #[test]
    fn nothing_is_overwritten() {
        let (_dir, secrets) = folder();
        let path = secrets.join("seed");
        let seed = create_seed(&path, &mut rng()).unwrap();
        assert!(matches!(create_seed(&path, &mut rng()), Err(SecretError::Exists(_))));
        assert!(matches!(create_p256(&path, &mut rng()), Err(SecretError::Exists(_))));
        assert_eq!(load_seed(&path).unwrap(), seed);
        assert_eq!(std::fs::read_dir(&secrets).unwrap().count(), 1);
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let (_dir, secrets) = folder();
        let path = secrets.join("seed");
        create_seed(&path, &mut rng()).unwrap();
        for open in [0o640, 0o604, 0o620, 0o644] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(open)).unwrap();
            assert!(matches!(load_seed(&path), Err(SecretError::Readable { mode, .. }) if mode == open));
        }
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
        load_seed(&path).unwrap();
        std::fs::set_permissions(&secrets, PermissionsExt::from_mode(0o750)).unwrap();
        assert!(matches!(create_seed(&secrets.join("b"), &mut rng()), Err(SecretError::Readable { .. })));
    }

    #[test]
    fn missing_and_damaged_are_told_apart() {
        let (_dir, secrets) = folder();
        let path = secrets.join("x");
        assert!(matches!(load_p256(&path), Err(SecretError::Missing(_))));
        create_seed(&path, &mut rng()).unwrap();
        assert!(matches!(load_p256(&path), Err(SecretError::Malformed { .. })));
        assert!(matches!(load_admin_token(&path), Err(SecretError::Malformed { .. })));
        let key = secrets.join("k");
        load_or_create_p256(&key, &mut rng()).unwrap();
        assert!(matches!(load_seed(&key), Err(SecretError::Malformed { .. })));
        assert_eq!(load_or_create_p256(&key, &mut rng()).unwrap().public(), load_p256(&key).unwrap().public());
    }

    #[test]
    fn the_admin_token_matches_itself_alone() {
        let (_dir, secrets) = folder();
        let path = secrets.join("admin.token");
        create_admin_token(&path, &mut rng()).unwrap();
        let token = load_admin_token(&path).unwrap();
        assert_eq!(token.expose().len(), 43);
        assert!(token.matches(token.expose()));
        assert!(!token.matches("") && !token.matches(&token.expose()[1..]));
        assert_eq!(format!("{token:?}"), "AdminToken([redacted])");
    }
}
