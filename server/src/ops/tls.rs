//! The server's own TLS: a key that clients pin, or the operator's certificate.
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::secrets::{self, P256Key, SecretError};
use crate::config::{Config, TlsMode};

pub use super::random::system as system_random;

/// Name of the TLS key's file in the secrets folder.
pub const KEY_FILE: &str = "tls.pem";
/// Life of a certificate that the server makes for itself, days: ten years. Clients pin the key, and a new certificate
/// is made at each start.
const CERTIFICATE_DAYS: u64 = 3652;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key's file: see there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The certificate's file cannot be used: correct `tls.certificate`.
    #[error("{0} does not hold a PEM certificate chain")]
    Certificate(PathBuf),
    /// A name in `server.public_url` cannot stand in a certificate: correct it.
    #[error("no certificate could be made for {0}")]
    Name(String),
    /// The certificate cannot be read, so it cannot be pinned.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// rustls refuses the pair, most often because certificate and key do not belong together.
    #[error("certificate and key do not fit: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What the server shows.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// For [`super::serve::serve`].
    pub config: Arc<ServerConfig>,
    /// The leaf certificate.
    pub certificate: CertificateDer<'static>,
    /// SHA-256 of the leaf's SubjectPublicKeyInfo: what clients pin (RFC 7469, section 2.4).
    pub spki_sha256: [u8; 32],
}

/// Sets up TLS as `[tls]` says; `None` where it is off. `key` is the server's own key, used by `self-made`; `now` is in
/// unix seconds.
///
/// # Errors
/// [`TlsError`].
pub fn identity(config: &Config, key: &P256Key, now: u64) -> Result<Option<TlsIdentity>, TlsError> {
    match config.tls.mode {
        TlsMode::Off => Ok(None),
        TlsMode::SelfMade => {
            let host = config.public_host().unwrap_or_default();
            self_made(key, &names(&host, config.server.listen), now).map(Some)
        }
        TlsMode::Files => {
            let certificate = config.beside_file(&config.tls.certificate);
            from_files(&certificate, &config.beside_file(&config.tls.key)).map(Some)
        }
    }
}

/// A certificate for `names` (host names and IP addresses), signed by its own key, from a day before `now` (unix
/// seconds; phones' clocks differ) for ten years.
///
/// # Errors
/// [`TlsError::Name`], [`TlsError::Rustls`].
pub fn self_made(key: &P256Key, names: &[String], now: u64) -> Result<TlsIdentity, TlsError> {
    let name_error = |_| TlsError::Name(names.join(", "));
    let day = Duration::from_secs(86_400);
    let mut params = rcgen::CertificateParams::new(names.to_vec()).map_err(name_error)?;
    let start = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(now).saturating_sub(day);
    params.not_before = start;
    params.not_after = start + Duration::from_secs(86_400 * CERTIFICATE_DAYS);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Godkend server");
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.insert_extended_key_usage(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let der = PrivatePkcs8KeyDer::from(key.pkcs8());
    let pair =
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256).map_err(name_error)?;
    let certificate = params.self_signed(&pair).map_err(name_error)?.der().clone();
    build(vec![certificate], PrivateKeyDer::Pkcs8(der.clone_key()))
}

/// The operator's PEM chain (leaf first) and key. The key may be readable by its group, as certificate tools do it, but
/// not by everyone.
///
/// # Errors
/// [`TlsError`].
pub fn from_files(certificate: &Path, key: &Path) -> Result<TlsIdentity, TlsError> {
    let bad = || TlsError::Certificate(certificate.to_owned());
    let pem = std::fs::read(certificate).map_err(|_| bad())?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| bad())?;
    if chain.is_empty() {
        return Err(bad());
    }
    let pem = secrets::read(key, 0o007)?;
    let expected = "a PEM private key";
    let key =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| SecretError::Malformed { path: key.to_owned(), expected })?;
    build(chain, key)
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
///
/// # Errors
/// [`TlsError::Unreadable`].
pub fn spki_sha256(certificate: &[u8]) -> Result<[u8; 32], TlsError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| TlsError::Unreadable)?;
    let digest = ring::digest::digest(&ring::digest::SHA256, parsed.tbs_certificate.subject_pki.raw);
    digest.as_ref().try_into().map_err(|_| TlsError::Unreadable)
}

/// Host and listening address, each once, with the loopback's names so that tools on the machine reach it too.
#[must_use]
pub fn names(public_host: &str, listen: SocketAddr) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let ip: IpAddr = listen.ip();
    if !ip.is_unspecified() && !names.contains(&ip.to_string()) {
        names.push(ip.to_string());
    }
    if !public_host.is_empty() && !names.iter().any(|name| name == public_host) {
        names.insert(0, public_host.to_owned());
    }
    names
}

fn build(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsIdentity, TlsError> {
    let certificate = chain.first().cloned().ok_or(TlsError::Unreadable)?;
    let spki_sha256 = spki_sha256(&certificate)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(TlsIdentity { config: Arc::new(config), certificate, spki_sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::random;

    const NOW: u64 = 1_795_000_000;

    #[test]
    fn the_certificate_names_the_hosts_and_the_pin_outlives_it() {
        let key = P256Key::generate(&mut random::system()).unwrap();
        let names = names("id.example.dk", "10.1.2.3:8443".parse().unwrap());
        let first = self_made(&key, &names, NOW).unwrap();
        let second = self_made(&key, &names, NOW + 86_400 * 400).unwrap();
        assert_ne!(first.certificate, second.certificate);
        assert_eq!(first.spki_sha256, second.spki_sha256);
        let (_, parsed) = X509Certificate::from_der(&first.certificate).unwrap();
        let san = format!("{:?}", parsed.subject_alternative_name().unwrap().unwrap().value);
        for name in ["id.example.dk", "localhost", "[10, 1, 2, 3]", "[127, 0, 0, 1]"] {
            assert!(san.contains(name), "{san}");
        }
        let life = parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp();
        assert_eq!(life, 86_400 * 3652);
        parsed.verify_signature(None).unwrap();
    }

    #[test]
    fn files_work_and_must_belong_together() {
        let dir = tempfile::tempdir().unwrap();
        let secrets_dir = dir.path().join("s");
        let key_path = secrets_dir.join("a.pem");
        let key = secrets::create_p256(&key_path, &mut random::system()).unwrap();
        secrets::create_p256(&secrets_dir.join("b.pem"), &mut random::system()).unwrap();
        let made = self_made(&key, &["a.dk".to_owned()], NOW).unwrap();
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &made.certificate)
        );
        let certificate = dir.path().join("cert.pem");
        std::fs::write(&certificate, pem).unwrap();
        let read = from_files(&certificate, &key_path).unwrap();
        assert_eq!(read.spki_sha256, made.spki_sha256);
        assert!(matches!(from_files(&certificate, &secrets_dir.join("b.pem")), Err(TlsError::Rustls(_))));
        assert!(matches!(from_files(&key_path, &key_path), Err(TlsError::Certificate(_))));
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key_path, PermissionsExt::from_mode(0o644)).unwrap();
        let error = from_files(&certificate, &key_path).unwrap_err();
        assert!(matches!(error, TlsError::Secret(SecretError::Readable { .. })));
    }
}
