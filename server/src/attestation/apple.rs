//! Apple App Attest (developer.apple.com, "Validating apps that connect to your server" and "Attestation object
//! validation guide").

use minicbor::decode::Decoder;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::asn1_rs::{Any, Class, FromDer, Tag, oid};
use x509_parser::certificate::X509Certificate;

use super::AttestationError;
use super::chain::{self, Leniency, TrustAnchor};

/// Real objects have about 6 KiB, most of it the receipt.
const MAX_OBJECT_BYTES: usize = 64 * 1024;
/// Real assertions have about 130 bytes.
const MAX_ASSERTION_BYTES: usize = 4 * 1024;

/// Which builds of which app are accepted.
#[derive(Debug, Clone, Copy)]
pub struct AppAttestExpectation<'a> {
    /// App ids (team id, full stop, bundle id) accepted.
    pub app_ids: &'a [String],
    /// Whether attestations of development builds are accepted beside those of production.
    pub allow_development: bool,
}

/// Apple's attestation environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// App Store, TestFlight and enterprise builds.
    Production,
    /// Builds from a developer's machine.
    Development,
}

/// What an accepted attestation object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppleFacts {
    /// The App Attest key, an uncompressed SEC1 point on P-256. Keep it: it verifies assertions.
    pub public_key: [u8; 65],
    /// The app id that made it.
    pub app_id: String,
    /// The environment that attested it.
    pub environment: Environment,
    /// Apple's receipt for a later fraud assessment, as received.
    pub receipt: Option<Vec<u8>>,
    /// The counter to start from, always 0.
    pub counter: u32,
}

/// Apple's App Attest root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppleRoot(TrustAnchor);

impl AppleRoot {
    /// Apple App Attestation Root CA.
    ///
    /// # Errors
    /// Never, as the tests show; the certificate is part of the program.
    pub fn apple() -> Result<Self, AttestationError> {
        Self::from_pem(include_str!("roots/apple-app-attest.pem"))
    }

    /// A root from a PEM text, for tests.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] if it is not exactly one certificate.
    pub fn from_pem(text: &str) -> Result<Self, AttestationError> {
        let mut anchors = TrustAnchor::from_pem(text)?;
        match (anchors.pop(), anchors.pop()) {
            (Some(anchor), None) => Ok(Self(anchor)),
            _ => Err(AttestationError::Malformed("more than one Apple root")),
        }
    }
}

/// SHA-256 of an app id, as authenticator data carries it.
#[must_use]
pub fn app_id_hash(app_id: &str) -> [u8; 32] {
    sha256(&[app_id.as_bytes()])
}

/// Verifies an attestation object (CBOR) for the key `key_id` at `now_unix` (seconds). `client_data_hash` is what the
/// app gave to `attestKey`.
///
/// # Errors
/// The first of Apple's steps that fails; nothing of a refused attestation may be used.
pub fn verify_app_attest(
    object: &[u8],
    key_id: &[u8],
    client_data_hash: &[u8; 32],
    expect: &AppAttestExpectation<'_>,
    root: &AppleRoot,
    now_unix: i64,
) -> Result<AppleFacts, AttestationError> {
    if object.len() > MAX_OBJECT_BYTES {
        return Err(AttestationError::TooLarge);
    }
    let object = Object::parse(object)?;
    let path = chain::parse(object.certificates.iter().copied())?;
    let leaf = path.first().ok_or(AttestationError::Malformed("no certificate"))?;
    if !path.last().is_some_and(|top| root.0.issued(top)) {
        return Err(AttestationError::UntrustedRoot);
    }
    chain::verify(&path, &root.0, now_unix, Leniency::default())?;

    let nonce = sha256(&[object.authenticator_data, client_data_hash]);
    if certified_nonce(leaf)? != nonce {
        return Err(AttestationError::WrongChallenge);
    }
    let public_key = chain::p256_public_key(leaf)?;
    if sha256(&[&public_key]) != key_id {
        return Err(AttestationError::WrongKey);
    }
    let data = AuthenticatorData::parse(object.authenticator_data)?;
    let app_id = expect
        .app_ids
        .iter()
        .find(|app_id| app_id_hash(app_id) == *data.app_id_hash)
        .ok_or(AttestationError::WrongApp)?;
    if data.counter != 0 {
        return Err(AttestationError::CounterReused);
    }
    let (environment, credential_id) = data.credential()?;
    if environment == Environment::Development && !expect.allow_development {
        return Err(AttestationError::WrongEnvironment);
    }
    if credential_id != key_id {
        return Err(AttestationError::WrongKey);
    }
    Ok(AppleFacts {
        public_key,
        app_id: app_id.clone(),
        environment,
        receipt: object.receipt.map(<[u8]>::to_vec),
        counter: 0,
    })
}

/// Verifies an assertion (CBOR) by an enrolled App Attest key and returns the new counter, which must be stored.
/// `client_data_hash` is the hash of the transcript that names the keys vouched for.
///
/// # Errors
/// [`AttestationError::BadAssertion`] if it covers something else, [`AttestationError::WrongApp`],
/// [`AttestationError::CounterReused`].
pub fn verify_app_attest_assertion(
    assertion: &[u8],
    client_data_hash: &[u8; 32],
    public_key: &[u8; 65],
    app_id_hash: &[u8; 32],
    last_counter: u32,
) -> Result<u32, AttestationError> {
    if assertion.len() > MAX_ASSERTION_BYTES {
        return Err(AttestationError::TooLarge);
    }
    let [signature, authenticator_data] = byte_strings(assertion, ["signature", "authenticatorData"])?;
    let nonce = sha256(&[authenticator_data, client_data_hash]);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key)
        .verify(&nonce, signature)
        .map_err(|_| AttestationError::BadAssertion)?;
    let data = AuthenticatorData::parse(authenticator_data)?;
    if data.app_id_hash != app_id_hash {
        return Err(AttestationError::WrongApp);
    }
    if data.counter <= last_counter {
        return Err(AttestationError::CounterReused);
    }
    Ok(data.counter)
}

/// The CBOR attestation object: `{fmt: "apple-appattest", attStmt: {x5c: [leaf, intermediate], receipt}, authData}`.
struct Object<'a> {
    certificates: Vec<&'a [u8]>,
    receipt: Option<&'a [u8]>,
    authenticator_data: &'a [u8],
}

/// The certificates, leaf first, and the receipt.
type Statement<'a> = (Vec<&'a [u8]>, Option<&'a [u8]>);

impl<'a> Object<'a> {
    fn parse(cbor: &'a [u8]) -> Result<Self, AttestationError> {
        let mut decoder = Decoder::new(cbor);
        let (mut format, mut statement, mut data) = (None, None, None);
        for _ in 0..map(&mut decoder)? {
            match decoder.str().map_err(cbor_error)? {
                "fmt" => set(&mut format, decoder.str().map_err(cbor_error)?)?,
                "attStmt" => set(&mut statement, Self::statement(&mut decoder)?)?,
                "authData" => set(&mut data, decoder.bytes().map_err(cbor_error)?)?,
                _ => return Err(CBOR),
            }
        }
        end(&decoder, cbor)?;
        if format != Some("apple-appattest") {
            return Err(AttestationError::Malformed("not an App Attest object"));
        }
        let (certificates, receipt) = statement.ok_or(CBOR)?;
        Ok(Self { certificates, receipt, authenticator_data: data.ok_or(CBOR)? })
    }

    fn statement(decoder: &mut Decoder<'a>) -> Result<Statement<'a>, AttestationError> {
        let (mut certificates, mut receipt) = (None, None);
        for _ in 0..map(decoder)? {
            match decoder.str().map_err(cbor_error)? {
                "x5c" => {
                    let count = decoder.array().map_err(cbor_error)?.ok_or(CBOR)?;
                    let mut list = Vec::new();
                    for _ in 0..count {
                        list.push(decoder.bytes().map_err(cbor_error)?);
                    }
                    set(&mut certificates, list)?;
                }
                "receipt" => set(&mut receipt, decoder.bytes().map_err(cbor_error)?)?,
                _ => return Err(CBOR),
            }
        }
        Ok((certificates.ok_or(CBOR)?, receipt))
    }
}

/// WebAuthn's authenticator data (section 6.1), as Apple uses it.
struct AuthenticatorData<'a> {
    app_id_hash: &'a [u8; 32],
    counter: u32,
    rest: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, AttestationError> {
        let (app_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(DATA)?;
        let (_flags, rest) = rest.split_first().ok_or(DATA)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(DATA)?;
        Ok(Self { app_id_hash, counter: u32::from_be_bytes(*counter), rest })
    }

    /// The environment (`aaguid`) and the credential id.
    fn credential(&self) -> Result<(Environment, &'a [u8]), AttestationError> {
        let (aaguid, rest) = self.rest.split_first_chunk::<16>().ok_or(DATA)?;
        let environment = match aaguid {
            b"appattest\0\0\0\0\0\0\0" => Environment::Production,
            b"appattestdevelop" => Environment::Development,
            _ => return Err(AttestationError::WrongEnvironment),
        };
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(DATA)?;
        let id = rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(DATA)?;
        Ok((environment, id))
    }
}

/// The nonce in the leaf's extension 1.2.840.113635.100.8.2: `SEQUENCE { [1] EXPLICIT OCTET STRING }`.
fn certified_nonce<'a>(leaf: &'a X509Certificate<'_>) -> Result<&'a [u8], AttestationError> {
    let extension = leaf
        .get_extension_unique(&oid!(1.2.840.113635.100.8.2))
        .map_err(|_| AttestationError::ForgedAttestation)?
        .ok_or(AttestationError::NoAttestation)?;
    let sequence = only(extension.value, Class::Universal, Tag::Sequence)?;
    let explicit = only(sequence, Class::ContextSpecific, Tag(1))?;
    only(explicit, Class::Universal, Tag::OctetString)
}

fn only(der: &[u8], class: Class, tag: Tag) -> Result<&[u8], AttestationError> {
    match Any::from_der(der) {
        Ok(([], any)) if any.class() == class && any.tag() == tag => Ok(any.data),
        _ => Err(AttestationError::Malformed("the nonce extension")),
    }
}

/// A CBOR map of exactly the named byte strings.
fn byte_strings<'a, const N: usize>(cbor: &'a [u8], names: [&str; N]) -> Result<[&'a [u8]; N], AttestationError> {
    let mut decoder = Decoder::new(cbor);
    let mut values = [None; N];
    for _ in 0..map(&mut decoder)? {
        let name = decoder.str().map_err(cbor_error)?;
        let slot =
            names.iter().zip(&mut values).find_map(|(known, slot)| (*known == name).then_some(slot)).ok_or(CBOR)?;
        set(slot, decoder.bytes().map_err(cbor_error)?)?;
    }
    end(&decoder, cbor)?;
    let mut found = [&[][..]; N];
    for (found, value) in found.iter_mut().zip(values) {
        *found = value.ok_or(CBOR)?;
    }
    Ok(found)
}

const CBOR: AttestationError = AttestationError::Malformed("not the CBOR that App Attest writes");
const DATA: AttestationError = AttestationError::Malformed("the authenticator data is too short");

fn cbor_error(_: minicbor::decode::Error) -> AttestationError {
    CBOR
}

fn map(decoder: &mut Decoder<'_>) -> Result<u64, AttestationError> {
    decoder.map().map_err(cbor_error)?.ok_or(CBOR)
}

/// Fills a slot once: a key must not stand twice.
fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), AttestationError> {
    if slot.replace(value).is_some() { Err(CBOR) } else { Ok(()) }
}

fn end(decoder: &Decoder<'_>, cbor: &[u8]) -> Result<(), AttestationError> {
    if decoder.position() == cbor.len() { Ok(()) } else { Err(CBOR) }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = [0; 32];
    // SHA-256 always has 32 bytes, so both slices are equally long.
    hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    hash
}
