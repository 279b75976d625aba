//! Certificate chains: parsing, signatures, names, constraints and validity (RFC 5280, section 6.1, as far as
//! attestation chains follow it).

use x509_parser::asn1_rs::oid;
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256,
    OID_SIG_ECDSA_WITH_SHA384, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::AttestationError;

/// Real chains have at most six certificates.
const MAX_CERTIFICATES: usize = 10;
/// Real certificates stay under 8 KiB, those with post-quantum keys too.
const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// A trusted root: its name and its key. Its other fields, validity too, do not matter, because vendors reissue the
/// same root key with new dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TrustAnchor {
    subject: Vec<u8>,
    public_key_info: Vec<u8>,
}

impl TrustAnchor {
    /// Reads every certificate of a PEM text (RFC 7468).
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] if there is none or one does not parse.
    pub(super) fn from_pem(text: &str) -> Result<Vec<Self>, AttestationError> {
        let mut anchors = Vec::new();
        for pem in Pem::iter_from_buffer(text.as_bytes()) {
            let pem = pem.map_err(|_| AttestationError::Malformed("root is not PEM"))?;
            anchors.push(Self::from_der(&pem.contents)?);
        }
        if anchors.is_empty() {
            return Err(AttestationError::Malformed("no root in the PEM text"));
        }
        Ok(anchors)
    }

    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] if it does not parse.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, AttestationError> {
        let certificate = parse_one(der)?;
        Ok(Self {
            subject: certificate.subject().as_raw().to_vec(),
            public_key_info: certificate.public_key().raw.to_vec(),
        })
    }

    /// Whether `certificate` is this root, whatever its dates: the key decides.
    pub(super) fn is(&self, certificate: &X509Certificate<'_>) -> bool {
        certificate.public_key().raw == self.public_key_info && certificate.subject().as_raw() == self.subject
    }

    /// Whether `certificate` names this root as its issuer.
    pub(super) fn issued(&self, certificate: &X509Certificate<'_>) -> bool {
        certificate.issuer().as_raw() == self.subject
    }
}

/// Parses a chain, leaf first.
pub(super) fn parse<'a>(
    chain: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<Vec<X509Certificate<'a>>, AttestationError> {
    if chain.len() > MAX_CERTIFICATES {
        return Err(AttestationError::TooLarge);
    }
    chain.map(parse_one).collect()
}

fn parse_one(der: &[u8]) -> Result<X509Certificate<'_>, AttestationError> {
    if der.len() > MAX_CERTIFICATE_BYTES {
        return Err(AttestationError::TooLarge);
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(AttestationError::Malformed("bytes after a certificate")),
        Err(_) => Err(AttestationError::Malformed("not an X.509 certificate")),
    }
}

/// Where a chain may depart from RFC 5280; by default nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Leniency {
    /// The leaf's dates do not count.
    pub(super) leaf_dates: bool,
    /// The issuers may have run out.
    pub(super) expired_issuers: bool,
    /// The leaf's issuer need not be marked as an authority.
    pub(super) unmarked_issuer: bool,
}

/// Verifies `path` (leaf first, without the root) up to `anchor` at `now_unix` (seconds).
pub(super) fn verify(
    path: &[X509Certificate<'_>],
    anchor: &TrustAnchor,
    now_unix: i64,
    lenient: Leniency,
) -> Result<(), AttestationError> {
    let (_, anchor_key) =
        SubjectPublicKeyInfo::from_der(&anchor.public_key_info).map_err(|_| AttestationError::UntrustedRoot)?;
    if path.is_empty() {
        return Err(AttestationError::UntrustedRoot);
    }
    for (index, certificate) in path.iter().enumerate() {
        let (issuer_name, issuer_key) = match path.get(index.saturating_add(1)) {
            Some(issuer) => (issuer.subject().as_raw(), issuer.public_key()),
            None => (anchor.subject.as_slice(), &anchor_key),
        };
        if certificate.issuer().as_raw() != issuer_name
            || !has_strong_signature(certificate)
            || certificate.verify_signature(Some(issuer_key)).is_err()
            || !respects_constraints(certificate, index, lenient)
        {
            return Err(AttestationError::BrokenChain(index));
        }
        let dates = certificate.validity();
        let early = now_unix < dates.not_before.timestamp();
        let late = now_unix > dates.not_after.timestamp();
        let refused = match index {
            0 => (early || late) && !lenient.leaf_dates,
            _ => early || (late && !lenient.expired_issuers),
        };
        if refused {
            return Err(AttestationError::NotValidNow(index));
        }
    }
    Ok(())
}

/// No SHA-1, and the algorithm that was signed is the one that is named.
fn has_strong_signature(certificate: &X509Certificate<'_>) -> bool {
    let algorithm = &certificate.signature_algorithm;
    *algorithm == certificate.tbs_certificate.signature
        && [
            OID_SIG_ECDSA_WITH_SHA256,
            OID_SIG_ECDSA_WITH_SHA384,
            OID_PKCS1_SHA256WITHRSA,
            OID_PKCS1_SHA384WITHRSA,
            OID_PKCS1_SHA512WITHRSA,
        ]
        .contains(&algorithm.algorithm)
}

/// Basic constraints and key usage of an issuer (RFC 5280, sections 4.2.1.3 and 4.2.1.9), and no critical extension
/// that this code does not know. `index` 0 is the leaf.
fn respects_constraints(certificate: &X509Certificate<'_>, index: usize, lenient: Leniency) -> bool {
    let known = certificate.extensions().iter().all(|extension| {
        !extension.critical
            || extension.oid == OID_X509_EXT_BASIC_CONSTRAINTS
            || extension.oid == OID_X509_EXT_KEY_USAGE
    });
    let (Ok(constraints), Ok(usage)) = (certificate.basic_constraints(), certificate.key_usage()) else {
        return false;
    };
    let Some(below) = index.checked_sub(1) else {
        return known;
    };
    if index == 1 && lenient.unmarked_issuer {
        return known;
    }
    let may_issue = constraints.is_some_and(|constraints| {
        constraints.value.ca
            && constraints
                .value
                .path_len_constraint
                .is_none_or(|most| usize::try_from(most).is_ok_and(|most| below <= most))
    });
    known && may_issue && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

/// The public key as an uncompressed SEC1 point if it is a valid one on P-256.
pub(super) fn p256_public_key(certificate: &X509Certificate<'_>) -> Result<[u8; 65], AttestationError> {
    let info = certificate.public_key();
    let curve = info.algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
    if info.algorithm.algorithm != oid!(1.2.840.10045.2.1) || curve != Some(oid!(1.2.840.10045.3.1.7)) {
        return Err(AttestationError::WrongAlgorithm);
    }
    let point: [u8; 65] =
        info.subject_public_key.data.as_ref().try_into().map_err(|_| AttestationError::WrongAlgorithm)?;
    if point[0] != 4 || p256::PublicKey::from_sec1_bytes(&point).is_err() {
        return Err(AttestationError::WrongAlgorithm);
    }
    Ok(point)
}

/// The serial number in lower-case hexadecimal without leading zeros, as revocation lists write it.
pub(super) fn serial_hex(certificate: &X509Certificate<'_>) -> String {
    super::revocation::normal_serial(&hex::encode(certificate.raw_serial()))
}
