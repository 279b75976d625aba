//! TLS by pin: the root-signed key set names the keys that may answer, and no certificate authority has a say.

use std::sync::Arc;

use godkend_protocol::bytes::Hash32;
use godkend_protocol::crypto;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// SHA-256 of a certificate's SubjectPublicKeyInfo (DER), as a key set pins it; `None` for what is no certificate.
#[must_use]
pub fn pin_of(certificate: &[u8]) -> Option<Hash32> {
    // Read by what reads it again to verify the handshake's signature: there are not two opinions on where the key is.
    let certificate = CertificateDer::from(certificate);
    let certificate = ParsedCertificate::try_from(&certificate).ok()?;
    Some(crypto::sha256(&[&certificate.subject_public_key_info()]))
}

/// Whose certificate is accepted. In every case the handshake's signature proves the certificate's key.
#[derive(Clone, Debug)]
pub enum Accept {
    /// Anyone's: for what is signed by a root anyway.
    Anyone,
    /// These keys'. Names and dates in the certificate do not matter: the key set has an environment and an end.
    Pinned(Vec<Hash32>),
}

/// A client configuration: TLS 1.3, or 1.2 where the other side has no better; HTTP/2, or 1.1.
///
/// # Errors
/// [`Error`] if the provider offers none of these, which it does.
pub fn configuration(accept: Accept) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier { accept, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Verifier {
    accept: Accept,
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
        match &self.accept {
            Accept::Anyone => Ok(ServerCertVerified::assertion()),
            Accept::Pinned(pins) if pins.contains(&pin) => Ok(ServerCertVerified::assertion()),
            Accept::Pinned(_) => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
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
