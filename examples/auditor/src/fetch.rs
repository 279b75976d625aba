//! The server over HTTPS, its key pinned by the key set that the root has signed.

use std::sync::Arc;
use std::time::Duration;

use godkend_evidence::signed::Consistency;
use godkend_protocol::bytes::Hash32;
use godkend_protocol::crypto;
use godkend_protocol::keyset::{KeySet, Root, SignedKeySet};
use reqwest::redirect::Policy;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The longest answer that is read, in bytes.
const MOST: usize = 65_536;
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the server was not heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// No connection, no answer, or a status other than 200.
    #[error("{0}")]
    Network(String),
    /// The key set is not the root's, is older than one seen before, or has expired.
    #[error("the server's key set is refused: {0}")]
    KeySet(String),
}

/// The server's keys, as it gave them.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) bytes: Vec<u8>,
    pub(crate) set: KeySet,
}

/// The server that a key set's pins lead to.
pub(crate) struct Server {
    http: reqwest::Client,
    url: String,
}

/// Fetches the newest key set; `least` is the number of the newest one seen so far, `now` in Unix seconds. Anybody's
/// certificate will do: the answer is signed by the root.
pub(crate) async fn keys(url: &str, root: &Root, least: u64, now: i64) -> Result<Keys, FetchError> {
    let http = client(None)?;
    let bytes = get(&http, &format!("{url}/phone/v1/keys")).await?;
    let set = SignedKeySet::verify(&bytes, root, least, now).map_err(|error| FetchError::KeySet(error.to_string()))?;
    Ok(Keys { bytes, set })
}

impl Server {
    pub(crate) fn pinned(url: &str, set: &KeySet) -> Result<Self, FetchError> {
        Ok(Self { http: client(Some(set.tls_pins.clone()))?, url: url.to_owned() })
    }

    /// The newest checkpoint, a signed note.
    pub(crate) async fn checkpoint(&self) -> Result<String, FetchError> {
        let bytes = get(&self.http, &format!("{}/log/v1/checkpoint", self.url)).await?;
        String::from_utf8(bytes).map_err(|_| FetchError::Network("the checkpoint is no text".to_owned()))
    }

    /// The proof between two sizes; not yet believed.
    pub(crate) async fn consistency(&self, from: u64, to: u64) -> Result<Consistency, FetchError> {
        let bytes = get(&self.http, &format!("{}/log/v1/consistency?from={from}&to={to}", self.url)).await?;
        serde_json::from_slice(&bytes).map_err(|error| FetchError::Network(error.to_string()))
    }
}

async fn get(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, FetchError> {
    let network = |error: reqwest::Error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        FetchError::Network(text)
    };
    let mut response = http.get(url).send().await.map_err(network)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Network(format!("{url} answers {}", response.status())));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST {
            return Err(FetchError::Network(format!("{url} answers with more than {MOST} bytes")));
        }
    }
    Ok(bytes)
}

fn client(pins: Option<Vec<Hash32>>) -> Result<reqwest::Client, FetchError> {
    let failed = |error: &dyn std::fmt::Display| FetchError::Network(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Pinned { pins, algorithms: provider.signature_verification_algorithms };
    let tls = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| failed(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|error| failed(&error))
}

/// Accepts the pinned keys; without pins, any.
#[derive(Debug)]
struct Pinned {
    pins: Option<Vec<Hash32>>,
    algorithms: WebPkiSupportedAlgorithms,
}

fn pin_of(certificate: &[u8]) -> Option<Hash32> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    rest.is_empty().then(|| crypto::sha256(&[certificate.tbs_certificate.subject_pki.raw]))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = pin_of(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match &self.pins {
            Some(pins) if !pins.contains(&pin) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
