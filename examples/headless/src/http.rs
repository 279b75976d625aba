//! HTTPS to an environment's server from outside the phone: relying party, browser and desk. The root vouches for the
//! server here too, so no certificate authority is asked.

use std::sync::Arc;
use std::time::Duration;

use godkend_client::{Root, pin_of};
use godkend_protocol::bytes::Hash32;
use godkend_protocol::keyset::SignedKeySet;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::clock;
use crate::problem::Problem;

/// Above the 25 seconds that the server may hold a poll.
const TIMEOUT: Duration = Duration::from_secs(40);

/// A client that talks to the root's server and to nobody else. It follows no redirects.
///
/// # Errors
/// [`Problem::NoNetwork`], and [`Problem::Untrusted`] if the key set is not the root's.
pub(crate) async fn client(root: &Root) -> Result<reqwest::Client, Problem> {
    if root.url.starts_with("http://") {
        return build(None);
    }
    let url = format!("{}/phone/v1/keys", root.url.trim_end_matches('/'));
    let response = build(Some(None))?.get(url).send().await.map_err(|error| network(&root.url, &error))?;
    let bytes = response.bytes().await.map_err(|error| network(&root.url, &error))?;
    // Fetched from anyone, believed because the root has signed it.
    let set = SignedKeySet::verify(&bytes, root, 0, clock::unix()).map_err(|e| Problem::Untrusted(e.to_string()))?;
    build(Some(Some(set.tls_pins)))
}

/// What an error of the HTTP library's means.
pub(crate) fn network(url: &str, error: &reqwest::Error) -> Problem {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let nested = cause.downcast_ref::<std::io::Error>().and_then(|e| e.get_ref()?.downcast_ref::<Error>());
        if cause.downcast_ref::<Error>().or(nested).is_some_and(|tls| matches!(tls, Error::InvalidCertificate(_))) {
            return Problem::Untrusted("the TLS key is not pinned".to_owned());
        }
        source = cause.source();
    }
    Problem::NoNetwork(url.to_owned())
}

fn build(accept: Option<Option<Vec<Hash32>>>) -> Result<reqwest::Client, Problem> {
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("Godkend-headless/", env!("CARGO_PKG_VERSION")));
    if let Some(pins) = accept {
        let tls = configuration(pins).map_err(|e| Problem::Untrusted(e.to_string()))?;
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(|e| Problem::Untrusted(e.to_string()))
}

fn configuration(pins: Option<Vec<Hash32>>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier { pins, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts pinned keys; without pins anyone, for what the root signs.
#[derive(Debug)]
struct Verifier {
    pins: Option<Vec<Hash32>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = pin_of(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.pins.as_ref().is_none_or(|pins| pins.contains(&pin)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
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
