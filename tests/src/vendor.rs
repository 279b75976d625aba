//! Makers of phones, under roots of a test's own: what Google's and Apple's attestations look like, honest or bent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use godkend_client::keys::{CreatedKey, HardwareKeys, KeyAlias, KeyFailure, KeyPolicy, SecretBytes32};
use godkend_client::software_keys::SoftwareKeys;
use godkend_protocol::bytes::{Blob, Hash32, PublicKey, Signature};
use godkend_protocol::crypto::sha256;
use godkend_protocol::messages::activation::assertion_hash;
use godkend_protocol::types::{Attestation, KeyPurpose, SecurityLevel};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PublicKeyData, SerialNumber,
    SignatureAlgorithm, SigningKey, date_time_ymd,
};

pub const PACKAGE: &str = "dk.godkend.app";
pub const SIGNER: [u8; 32] = [0x51; 32];
pub const APP_ID: &str = "TEAM123456.dk.godkend.app";
/// The serial number of the certificate that issues phones' keys, as revocation lists write it.
pub const BATCH_SERIAL: &str = "abcdef";

type Attest = dyn FnMut(&KeyPolicy, &PublicKey) -> Attestation + Send;

/// Keys in software that a maker vouches for as if they were in hardware.
pub struct AttestedKeys {
    pub keys: Arc<SoftwareKeys>,
    attest: Mutex<Box<Attest>>,
    /// What was attested last, and over what.
    pub asked: Mutex<Vec<KeyPolicy>>,
}

impl AttestedKeys {
    pub fn new(
        keys: Arc<SoftwareKeys>,
        attest: impl FnMut(&KeyPolicy, &PublicKey) -> Attestation + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { keys, attest: Mutex::new(Box::new(attest)), asked: Mutex::default() })
    }

    /// Attests otherwise from now on.
    pub fn attest(&self, attest: impl FnMut(&KeyPolicy, &PublicKey) -> Attestation + Send + 'static) {
        *self.attest.lock().unwrap() = Box::new(attest);
    }
}

#[async_trait]
impl HardwareKeys for AttestedKeys {
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure> {
        let soft = KeyPolicy { security: SecurityLevel::Software, ..policy.clone() };
        let made = self.keys.create(alias, soft).await?;
        self.asked.lock().unwrap().push(policy.clone());
        let attestation = match &made.public {
            Some(public) => (self.attest.lock().unwrap())(&policy, public),
            None => Attestation::Software,
        };
        Ok(CreatedKey { public: made.public, attestation, security: policy.security })
    }

    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure> {
        self.keys.sign(alias, message, prompt).await
    }

    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure> {
        self.keys.derive(alias, input).await
    }

    async fn agree(
        &self,
        alias: KeyAlias,
        point: PublicKey,
        prompt: Option<String>,
    ) -> Result<SecretBytes32, KeyFailure> {
        self.keys.agree(alias, point, prompt).await
    }

    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure> {
        self.keys.delete(aliases).await
    }

    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure> {
        self.keys.aliases().await
    }
}

/// What an Android phone says of one key; a test bends it.
#[derive(Clone, Debug)]
pub struct Described {
    /// 0 software, 1 TEE, 2 StrongBox.
    pub level: u64,
    pub challenge: Vec<u8>,
    pub purposes: Vec<u64>,
    pub origin: u64,
    pub no_auth_required: bool,
    pub user_auth_type: Option<u64>,
    pub auth_timeout: Option<u64>,
    pub unlocked_device_required: bool,
    pub locked: bool,
    pub boot_state: u64,
    pub package: &'static str,
    pub signer: [u8; 32],
}

impl Described {
    /// What an honest phone says of a key made under this policy.
    pub fn honest(policy: &KeyPolicy) -> Self {
        let challenge = policy.attestation_challenge.map(|challenge| challenge.0.to_vec()).unwrap_or_default();
        Self {
            level: 1,
            challenge,
            purposes: vec![if policy.purpose == KeyPurpose::Offline { 6 } else { 2 }],
            origin: 0,
            no_auth_required: !policy.biometric,
            user_auth_type: policy.biometric.then_some(2),
            auth_timeout: None,
            unlocked_device_required: policy.unlocked,
            locked: true,
            boot_state: 0,
            package: PACKAGE,
            signer: SIGNER,
        }
    }

    /// The `KeyDescription` in DER.
    fn extension(&self) -> Vec<u8> {
        let packages = set(&[sequence(&[octets(self.package.as_bytes()), integer(41)])]);
        let app = sequence(&[packages, set(&[octets(&self.signer)])]);
        let purposes: Vec<_> = self.purposes.iter().map(|purpose| integer(*purpose)).collect();
        let mut key = vec![
            explicit(1, &set(&purposes)),
            explicit(2, &integer(3)),
            explicit(3, &integer(256)),
            explicit(10, &integer(1)),
        ];
        key.extend(self.no_auth_required.then(|| explicit(503, &tlv(&[5], &[]))));
        key.extend(self.user_auth_type.map(|kind| explicit(504, &integer(kind))));
        key.extend(self.auth_timeout.map(|seconds| explicit(505, &integer(seconds))));
        key.extend(self.unlocked_device_required.then(|| explicit(509, &tlv(&[5], &[]))));
        key.push(explicit(702, &integer(self.origin)));
        let locked = tlv(&[1], if self.locked { &[0xff] } else { &[0] });
        let root = [octets(&[0xb0; 32]), locked, tlv(&[10], &magnitude(self.boot_state)), octets(&[0xee; 32])];
        key.push(explicit(704, &sequence(&root)));
        key.push(explicit(705, &integer(160_000)));
        key.push(explicit(706, &integer(202_605)));
        let app = explicit(709, &octets(&app));
        let (software, hardware) =
            if self.level == 0 { ([key.concat(), app].concat(), vec![]) } else { (app, key.concat()) };
        let level = tlv(&[10], &magnitude(self.level));
        sequence(&[
            integer(300),
            level.clone(),
            integer(300),
            level,
            octets(&self.challenge),
            octets(&[]),
            tlv(&[0x30], &software),
            tlv(&[0x30], &hardware),
        ])
    }

    fn leaf(&self) -> CertificateParams {
        let mut params = params("Android Keystore Key", 1);
        let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 1, 17];
        params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, self.extension())];
        params
    }
}

/// Somebody who issues certificates.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Authority {
    fn root(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = authority(name, 1);
        let certificate = params.self_signed(&key).unwrap();
        Self { params, key, certificate }
    }

    fn issue(&self, params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        Self { params, key, certificate }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    fn leaf(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Vec<u8> {
        params.signed_by(key, &self.issuer()).unwrap().der().to_vec()
    }

    fn der(&self) -> Vec<u8> {
        self.certificate.der().to_vec()
    }
}

/// A maker of Android phones whose keys are provisioned in the factory.
pub struct Android {
    root: Authority,
    intermediate: Authority,
    batch: Authority,
}

impl Default for Android {
    fn default() -> Self {
        Self::whose_batch(|_| {})
    }
}

impl Android {
    /// Whose present batch of phones was certified from and until then, in Unix seconds.
    pub fn valid(from: u64, until: u64) -> Self {
        let moment = |seconds| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        Self::whose_batch(|batch| (batch.not_before, batch.not_after) = (moment(from), moment(until)))
    }

    fn whose_batch(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Authority::root("Test Attestation Root");
        let serial = || DnType::CustomDnType(vec![2, 5, 4, 5]);
        let mut top = authority("TEE", 2);
        top.distinguished_name.push(serial(), "0123456789");
        let intermediate = root.issue(top, KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
        let mut batch = authority("TEE batch", u64::from_str_radix(BATCH_SERIAL, 16).unwrap());
        batch.distinguished_name.push(serial(), "abcdef");
        change(&mut batch);
        let batch = intermediate.issue(batch, p256());
        Self { root, intermediate, batch }
    }

    pub fn root_pem(&self) -> String {
        self.root.certificate.pem()
    }

    /// The chain of a key of which the phone says this.
    pub fn attest(&self, said: &Described, public: &PublicKey) -> Attestation {
        chain(vec![self.batch.leaf(&said.leaf(), &Point(*public)), self.batch.der(), self.intermediate.der()], self)
    }

    /// An honest phone's key, of which the phone says `honest`, has signed a further certificate for the key `public`
    /// with an attestation of its owner's invention.
    pub fn extended(&self, honest: &Described, invented: Option<&Described>, public: &PublicKey) -> Attestation {
        let middle = self.batch.issue(honest.leaf(), p256());
        let further = invented.map_or_else(|| params("Android Keystore Key", 1), Described::leaf);
        let leaf = middle.leaf(&further, &Point(*public));
        chain(vec![leaf, middle.der(), self.batch.der(), self.intermediate.der()], self)
    }

    /// A chain whose leaf says two things.
    pub fn twice(&self, first: &Described, second: &Described, public: &PublicKey) -> Attestation {
        let mut leaf = first.leaf();
        leaf.custom_extensions.extend(second.leaf().custom_extensions);
        chain(vec![self.batch.leaf(&leaf, &Point(*public)), self.batch.der(), self.intermediate.der()], self)
    }
}

fn chain(mut chain: Vec<Vec<u8>>, maker: &Android) -> Attestation {
    chain.push(maker.root.der());
    Attestation::Android { chain: chain.into_iter().map(Blob).collect() }
}

/// Apple, and one of its phones' App Attest keys.
pub struct Apple {
    root: Authority,
    intermediate: Authority,
}

/// What an App Attest object and its assertion say; a test bends it.
#[derive(Clone, Debug)]
pub struct Claim {
    pub app_id: &'static str,
    pub first_counter: u32,
    pub development: bool,
    pub challenge: Hash32,
    pub key_id: Option<Vec<u8>>,
}

impl Default for Apple {
    fn default() -> Self {
        let root = Authority::root("Test App Attestation Root CA");
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let intermediate = root.issue(authority("Test App Attestation CA 1", 2), key);
        Self { root, intermediate }
    }
}

impl Apple {
    pub fn root_pem(&self) -> String {
        self.root.certificate.pem()
    }

    /// The attestation object of an App Attest key.
    pub fn object(&self, claim: &Claim, key: &KeyPair) -> Vec<u8> {
        let id = claim.key_id.clone().unwrap_or_else(|| key_id(key));
        let kind: &[u8; 16] = if claim.development { b"appattestdevelop" } else { b"appattest\0\0\0\0\0\0\0" };
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let data = [&authenticator_data(claim.app_id, claim.first_counter)[..], kind, &length, &id].concat();
        let nonce = sha256(&[&data, &claim.challenge.0]);
        let mut leaf = params("credential", 1);
        let content = sequence(&[explicit(1, &octets(&nonce.0))]);
        let oid = [1, 2, 840, 113_635, 100, 8, 2];
        leaf.custom_extensions = vec![CustomExtension::from_oid_content(&oid, content)];
        let leaf = self.intermediate.leaf(&leaf, key);
        let mut cbor = minicbor::Encoder::new(Vec::new());
        cbor.map(3).unwrap().str("fmt").unwrap().str("apple-appattest").unwrap();
        cbor.str("attStmt").unwrap().map(2).unwrap().str("x5c").unwrap().array(2).unwrap();
        cbor.bytes(&leaf).unwrap().bytes(&self.intermediate.der()).unwrap();
        cbor.str("receipt").unwrap().bytes(b"receipt").unwrap();
        cbor.str("authData").unwrap().bytes(&data).unwrap();
        cbor.into_writer()
    }
}

pub fn key_id(key: &KeyPair) -> Vec<u8> {
    sha256(&[key.public_key_raw()]).0.to_vec()
}

/// An App Attest key's assertion that a key belongs to the app, made under this policy.
pub fn assertion(key: &KeyPair, app_id: &str, counter: u32, challenge: &Hash32, public: &PublicKey) -> Vec<u8> {
    let data = authenticator_data(app_id, counter);
    let signature = SigningKey::sign(key, &sha256(&[&data, &assertion_hash(challenge, public).0]).0).unwrap();
    let mut cbor = minicbor::Encoder::new(Vec::new());
    cbor.map(2).unwrap().str("signature").unwrap().bytes(&signature).unwrap();
    cbor.str("authenticatorData").unwrap().bytes(&data).unwrap();
    cbor.into_writer()
}

fn authenticator_data(app_id: &str, counter: u32) -> Vec<u8> {
    [&sha256(&[app_id.as_bytes()]).0[..], &[0x40], &counter.to_be_bytes()].concat()
}

/// A key pair of which the private half may be anywhere.
struct Point(PublicKey);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

pub fn p256() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn authority(name: &str, serial: u64) -> CertificateParams {
    let mut params = params(name, serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn params(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2048, 1, 1);
    params.serial_number = Some(SerialNumber::from(serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

/// One DER value: tag bytes, length, content.
fn tlv(tag: &[u8], content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = tag.to_vec();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x30], &parts.concat())
}

fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(&[0x31], &parts.concat())
}

fn octets(content: &[u8]) -> Vec<u8> {
    tlv(&[0x04], content)
}

fn integer(value: u64) -> Vec<u8> {
    tlv(&[0x02], &magnitude(value))
}

/// `[number] EXPLICIT value`.
fn explicit(number: u32, value: &[u8]) -> Vec<u8> {
    let low = |shift: u32| u8::try_from((number >> shift) & 0x7f).unwrap();
    let tag = match number {
        0..31 => vec![0xa0 | low(0)],
        31..128 => vec![0xbf, low(0)],
        _ => vec![0xbf, 0x80 | low(7), low(0)],
    };
    tlv(&tag, value)
}

fn magnitude(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    let mut out = bytes[start..].to_vec();
    if out[0] & 0x80 != 0 {
        out.insert(0, 0);
    }
    out
}
