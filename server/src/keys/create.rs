//! Creating an environment's keys, and signing new key sets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use godkend_protocol::bytes::{Fixed, Hash32, PublicKey, Secret};
use godkend_protocol::cbor;
use godkend_protocol::formats::link::is_environment;
use godkend_protocol::keyset::{HpkePublic, KeySet, Root, SignedKeySet};
use godkend_protocol::opaque::ServerSecrets;
use godkend_protocol::suite::{HpkeKey, PqSigner};
use godkend_protocol::types::Suite;
use rand_core::CryptoRng;

use super::{HPKE, KeysError, LOG_PQ, PAIRWISE, ROOT, ROOT_KEY, ROOT_PQ, SECRETS, file, numbered, read_root, seed};
use crate::config::{Config, ConfigError};
use crate::ops::secrets::{self, P256Key, SecretError};
use crate::ops::tls::{self, TlsError};

/// Life of a key set, in seconds: a year.
const KEY_SET_LIFE: i64 = 365 * 86_400;
/// Name of the configuration file that `init` writes.
pub(crate) const CONFIG_FILE: &str = "godkend.toml";

/// What `init` makes.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The folder for configuration and data; created if it is missing.
    pub dir: PathBuf,
    /// The environment's name: lower-case letters, digits and hyphens, at most 32.
    pub environment: String,
    /// The https origin that phones and browsers use.
    pub url: String,
    /// Address of the main listener.
    pub listen: SocketAddr,
    /// Address of the metrics listener; none turns it off.
    pub metrics: Option<SocketAddr>,
    /// A test environment: software attestation, a steerable clock and magic identities.
    pub test: bool,
    /// Suite 2 as well: ML-DSA root and log keys, hybrid HPKE.
    pub hybrid: bool,
}

impl InitOptions {
    /// A test environment in `dir` on this machine, listening on `listen` (its port must be chosen).
    #[must_use]
    pub fn test(dir: &Path, listen: SocketAddr) -> Self {
        Self {
            dir: dir.to_owned(),
            environment: "test".to_owned(),
            url: format!("https://localhost:{}", listen.port()),
            listen,
            metrics: None,
            test: true,
            hybrid: false,
        }
    }
}

/// What `keys rotate` makes new besides the challenge key.
#[derive(Clone, Debug, Default)]
pub struct RotateOptions {
    /// A new key for ID tokens; the old one stays published.
    pub oidc: bool,
    /// New OPAQUE secrets for PINs that are chosen from now on.
    pub opaque: bool,
    /// SHA-256 of further TLS keys that may answer (SubjectPublicKeyInfo), of a proxy for one.
    pub extra_pins: Vec<Hash32>,
}

/// What was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// The configuration file.
    pub config: PathBuf,
    /// The public root, for phones and testers.
    pub root_file: PathBuf,
    /// The root.
    pub root: Root,
    /// The file with the administrator's token.
    pub token_file: PathBuf,
    /// The key set's number.
    pub key_set: u64,
}

/// Why nothing was created. Nothing that existed has been changed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// An option cannot be: correct it.
    #[error("{0}")]
    Option(String),
    /// There is an environment already.
    #[error("{0} exists already; it was left as it is")]
    Exists(PathBuf),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration does not load.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl From<SecretError> for InitError {
    fn from(error: SecretError) -> Self {
        Self::Keys(error.into())
    }
}

/// Creates an environment: configuration, all keys, the administrator's token, the signed key set and the public root.
/// `now` is in Unix seconds.
///
/// # Errors
/// [`InitError`]; an environment that exists is never overwritten.
pub fn init(options: &InitOptions, now: i64, rng: &mut dyn CryptoRng) -> Result<Created, InitError> {
    if !is_environment(&options.environment) {
        let sentence = "an environment's name is 1 to 32 lower-case letters, digits and hyphens";
        return Err(InitError::Option(sentence.to_owned()));
    }
    if options.test && options.environment == "production" {
        return Err(InitError::Option("a test environment must not be called production".to_owned()));
    }
    let config_path = options.dir.join(CONFIG_FILE);
    let text = config_text(options);
    let config = Config::parse(&text, options.dir.clone(), std::iter::empty())?;
    let wrong = config.check().into_iter().find(|finding| finding.severity == crate::config::Severity::Error);
    if let Some(finding) = wrong {
        return Err(InitError::Option(finding.to_string()));
    }
    let data = config.data_dir();
    let folder = data.join(SECRETS);
    for path in [&config_path, &data.join(ROOT), &folder.join(ROOT_KEY)] {
        if path.exists() {
            return Err(InitError::Exists(path.clone()));
        }
    }
    secrets::secret_dir(&data)?;
    secrets::secret_dir(&folder)?;
    let root_key = secrets::create_p256(&folder.join(ROOT_KEY), rng)?;
    let root_pq = if options.hybrid {
        secrets::create_seed(&folder.join(LOG_PQ), rng)?;
        Some(PqSigner::from_seed(&Secret(*secrets::create_seed(&folder.join(ROOT_PQ), rng)?)))
    } else {
        None
    };
    secrets::create_seed(&folder.join(HPKE), rng)?;
    secrets::create_seed(&folder.join(PAIRWISE), rng)?;
    secrets::create_p256(&folder.join("log-1.pem"), rng)?;
    secrets::create_p256(&folder.join("oidc-1.pem"), rng)?;
    create_opaque(&folder, 1, rng)?;
    let token_file = config.in_data_dir(&config.admin.token_file);
    secrets::create_admin_token(&token_file, rng)?;
    let root = Root {
        environment: options.environment.clone(),
        url: options.url.clone(),
        key: Fixed(*root_key.public()),
        pq_key: root_pq.as_ref().map(PqSigner::public),
    };
    let root_file = data.join(ROOT);
    let json = serde_json::to_vec_pretty(&root).map_err(|e| file(&root_file, e))?;
    write_public(&root_file, &json)?;
    let suites = if options.hybrid { vec![Suite::P256, Suite::Hybrid] } else { vec![Suite::P256] };
    let signing = Signing { root: &root, key: &root_key, pq: root_pq.as_ref() };
    let key_set = sign_set(&config, &signing, suites, &[], &[], now, rng)?;
    // Last: a folder with a configuration is a whole one.
    write_public(&config_path, text.as_bytes())?;
    Ok(Created { config: config_path, root_file, root, token_file, key_set })
}

/// Signs a new numbered key set with a new challenge key; the old one stays valid beside it until the next rotation.
/// The server uses the new set from its next start. `now` is in Unix seconds.
///
/// # Errors
/// [`InitError`].
pub fn rotate(
    config: &Config,
    options: &RotateOptions,
    now: i64,
    rng: &mut dyn CryptoRng,
) -> Result<KeySet, InitError> {
    let data = config.data_dir();
    let folder = data.join(SECRETS);
    let root = read_root(&data)?;
    let key = secrets::load_p256(&folder.join(ROOT_KEY))?;
    let pq = root.pq_key.as_ref().map(|_| seed(&folder.join(ROOT_PQ))).transpose()?;
    let pq = pq.map(|seed| PqSigner::from_seed(&seed));
    // An expired set is exactly what this replaces, so the old one is judged at its own time.
    let (_, old) = super::newest_key_set(&data, &root, i64::MIN)?;
    let next = |name: &str, ending: &str| {
        let newest = numbered(&folder, name, ending).map(|found| found.last().map_or(0, |(number, _)| *number));
        newest.map(|number| number + 1)
    };
    if options.oidc {
        secrets::create_p256(&folder.join(format!("oidc-{}.pem", next("oidc", "pem")?)), rng)?;
    }
    if options.opaque {
        create_opaque(&folder, next("opaque", "bin")?, rng)?;
    }
    let signing = Signing { root: &root, key: &key, pq: pq.as_ref() };
    let overlap: Vec<PublicKey> = old.challenge_keys.iter().take(1).copied().collect();
    sign_set(config, &signing, old.suites.clone(), &overlap, &options.extra_pins, now, rng)?;
    Ok(super::newest_key_set(&data, &root, now)?.1)
}

struct Signing<'a> {
    root: &'a Root,
    key: &'a P256Key,
    pq: Option<&'a PqSigner>,
}

/// Makes a challenge key and a key set that names it first; returns the set's number.
fn sign_set(
    config: &Config,
    signing: &Signing<'_>,
    suites: Vec<Suite>,
    overlap: &[PublicKey],
    extra_pins: &[Hash32],
    now: i64,
    rng: &mut dyn CryptoRng,
) -> Result<u64, InitError> {
    let data = config.data_dir();
    let folder = data.join(SECRETS);
    let newest = |found: Vec<(u64, PathBuf)>| found.last().map_or(0, |(number, _)| *number);
    let number = newest(numbered(&data, "keyset", "cbor")?) + 1;
    let challenge_number = newest(numbered(&folder, "challenge", "pem")?) + 1;
    let challenge = secrets::create_p256(&folder.join(format!("challenge-{challenge_number}.pem")), rng)?;
    let mut challenge_keys = vec![Fixed(*challenge.public())];
    challenge_keys.extend_from_slice(overlap);
    let mut log_keys = Vec::new();
    for (_, path) in numbered(&folder, "log", "pem")?.into_iter().rev() {
        log_keys.push(Fixed(*secrets::load_p256(&path)?.public()));
    }
    let hpke_seed = seed(&folder.join(HPKE))?;
    let hpke_keys = suites
        .iter()
        .map(|suite| HpkePublic { suite: *suite, public: HpkeKey::from_seed(*suite, &hpke_seed).public().clone() });
    let log_pq_key = if suites.contains(&Suite::Hybrid) {
        Some(PqSigner::from_seed(&seed(&folder.join(LOG_PQ))?).public())
    } else {
        None
    };
    let tls_key = secrets::load_or_create_p256(&folder.join(tls::KEY_FILE), rng)?;
    let identity = tls::identity(config, &tls_key, u64::try_from(now).unwrap_or(0))?;
    let mut tls_pins: Vec<Hash32> = identity.iter().map(|identity| Fixed(identity.spki_sha256)).collect();
    tls_pins.extend_from_slice(extra_pins);
    let set = KeySet {
        number,
        issued: now,
        expires: now.saturating_add(KEY_SET_LIFE),
        tls_pins,
        challenge_keys,
        log_keys,
        hpke_keys: hpke_keys.collect(),
        suites,
        log_pq_key,
    };
    let Root { environment, key, .. } = signing.root;
    let sign = |tbs: &[u8]| signing.key.sign(tbs).ok().map(Fixed);
    let signed = SignedKeySet::sign(&set, environment, key, sign, signing.pq).ok_or(SecretError::Sign)?;
    write_public(&data.join(format!("keyset-{number}.cbor")), &cbor::encode(&signed))?;
    Ok(number)
}

fn create_opaque(folder: &Path, number: u64, rng: &mut dyn CryptoRng) -> Result<(), SecretError> {
    let bytes = ServerSecrets::generate(rng).to_bytes();
    secrets::write_new(&folder.join(format!("opaque-{number}.bin")), &bytes)
}

/// Writes a file that is not secret, whole or not at all, and never over one that exists.
fn write_public(path: &Path, content: &[u8]) -> Result<(), InitError> {
    use std::io::Write as _;
    if path.exists() {
        return Err(InitError::Exists(path.to_owned()));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside)
        .and_then(|mut out| out.write_all(content).and_then(|()| out.sync_all()))
        .and_then(|()| std::fs::hard_link(&beside, path))
        .and_then(|()| std::fs::remove_file(&beside));
    written.map_err(|e| InitError::Keys(file(path, e)))
}

/// The example configuration with this environment's values.
fn config_text(options: &InitOptions) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let metrics = options.metrics.map(|address| address.to_string()).unwrap_or_default();
    let values = [
        ("server", "environment", quoted(&options.environment)),
        ("server", "test_environment", options.test.to_string()),
        ("server", "listen", quoted(&options.listen.to_string())),
        ("server", "public_url", quoted(&options.url)),
        ("metrics", "listen", quoted(&metrics)),
    ];
    let mut section = String::new();
    let mut out = String::new();
    for line in Config::example().lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        }
        let key = line.split_once(" = ").map(|(key, _)| key);
        let value = values.iter().find(|(wanted, name, _)| *wanted == section && key == Some(*name));
        match value {
            Some((_, name, value)) => out.push_str(&format!("{name} = {value}")),
            None if line == "# [attestation]" => out.push_str(attestation_text(options.test)),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

const fn attestation_text(test: bool) -> &'static str {
    if test {
        "[attestation]\n# Keys in software are accepted: test environments only.\nmode = \"software_allowed\""
    } else {
        "[attestation]\n# Keys must be attested by the phone's maker. Name your apps below; the server does not start before.\n\
         mode = \"required\"\n\
         # [attestation.android]\n# packages = [\"dk.example.app\"]\n# signer_digests = [\"<SHA-256 of the signing certificate, hex>\"]\n\
         # [attestation.apple]\n# app_ids = [\"TEAMID1234.dk.example.app\"]"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::ServerKeys;

    const NOW: i64 = 1_800_000_000;

    fn options(dir: &Path, hybrid: bool) -> InitOptions {
        let options = InitOptions::test(dir, "127.0.0.1:18443".parse().unwrap());
        InitOptions { hybrid, ..options }
    }

    fn load(created: &Created) -> (Config, ServerKeys) {
        let config = Config::load(&created.config, std::iter::empty()).unwrap();
        assert_eq!(config.check(), []);
        let keys = ServerKeys::load(&config, NOW).unwrap();
        (config, keys)
    }

    #[test]
    fn a_new_environment_loads_and_is_never_overwritten() {
        for hybrid in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let mut rng = tls::system_random();
            let options = options(&dir.path().join("env"), hybrid);
            let created = init(&options, NOW, &mut rng).unwrap();
            let (_, keys) = load(&created);
            assert_eq!((keys.key_set_number, keys.suites.len()), (1, if hybrid { 2 } else { 1 }));
            assert_eq!(keys.root, created.root);
            assert_eq!(keys.set.tls_pins.len(), 1);
            assert_eq!(keys.checkpoint_signers().len(), keys.suites.len());
            assert!(matches!(init(&options, NOW, &mut rng), Err(InitError::Exists(_))));
            let bytes = std::fs::read(&created.root_file).unwrap();
            let mut other: Root = serde_json::from_slice(&bytes).unwrap();
            other.key = Fixed([4; 65]);
            assert!(SignedKeySet::verify(&keys.key_set, &other, 0, NOW).is_err());
        }
    }

    #[test]
    fn rotation_keeps_the_old_challenge_key_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = tls::system_random();
        let created = init(&options(&dir.path().join("env"), true), NOW, &mut rng).unwrap();
        let (config, first) = load(&created);
        let all = RotateOptions { oidc: true, opaque: true, extra_pins: vec![Fixed([9; 32])] };
        // Also a year later, when the old set has expired.
        let set = rotate(&config, &all, NOW + KEY_SET_LIFE, &mut rng).unwrap();
        assert_eq!(set.number, 2);
        let second = ServerKeys::load(&config, NOW + KEY_SET_LIFE).unwrap();
        assert_ne!(second.challenge.public(), first.challenge.public());
        assert_eq!(second.set.challenge_keys[1].0, *first.challenge.public());
        assert_eq!(second.set.tls_pins, [first.set.tls_pins[0], Fixed([9; 32])]);
        assert_eq!((second.current_seed, second.opaque.len()), (2, 2));
        assert_ne!(second.oidc.public(), first.oidc.public());
        rotate(&config, &RotateOptions::default(), NOW, &mut rng).unwrap();
        let (_, third) = load(&created);
        assert_eq!(third.set.challenge_keys.len(), 2);
        assert_eq!(third.set.challenge_keys[1].0, *second.challenge.public());
        assert!(matches!(
            ServerKeys::load(&config, NOW + 2 * KEY_SET_LIFE),
            Err(KeysError::KeySet(godkend_protocol::keyset::KeySetError::Expired))
        ));
    }

    #[test]
    fn names_that_mislead_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = tls::system_random();
        for environment in ["production", "Test", ""] {
            let options =
                InitOptions { environment: environment.to_owned(), ..options(&dir.path().join("env"), false) };
            assert!(matches!(init(&options, NOW, &mut rng), Err(InitError::Option(_))), "{environment}");
        }
        assert!(!dir.path().join("env").exists());
    }
}
