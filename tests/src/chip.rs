//! A chip of the tests' own: that in software of `examples/chip`, honest or bent, and makers who vouch for it.

use core::ops::{Deref, DerefMut};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_chip::ChipError;
pub use godkend_chip::{PRESENT, VERIFIED};
use godkend_protocol::bytes::Fixed;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::Value;

/// A chip with one key, that answers or ends the test.
pub struct Chip(godkend_chip::Chip);

/// Who vouches for a chip's make.
pub struct Maker {
    root: KeyPair,
    params: CertificateParams,
    /// The root's certificate.
    pub pem: String,
    /// The make that the batch's certificate names.
    pub model: [u8; 16],
}

impl Maker {
    pub fn new(name: &str) -> Self {
        let root = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2060, 1, 1));
        let pem = params.self_signed(&root).unwrap().pem();
        Self { root, params, pem, model: [0x11; 16] }
    }

    /// The batch's certificate and key (section 8.2.1).
    fn batch(&self) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        for (kind, value) in [
            (DnType::CountryName, "DK"),
            (DnType::OrganizationName, "Chipmageren"),
            (DnType::OrganizationalUnitName, "Authenticator Attestation"),
            (DnType::CommonName, "Batch 7"),
        ] {
            params.distinguished_name.push(kind, value);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2060, 1, 1));
        // id-fido-gen-ce-aaguid: an octet string in the extension's own.
        let named = [&[0x04, 16][..], &self.model].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 45724, 1, 1, 4], named));
        let issuer = Issuer::from_params(&self.params, &self.root);
        (params.signed_by(&key, &issuer).unwrap().der().to_vec(), key.serialize_der())
    }
}

impl godkend_chip::Maker for Maker {
    fn model(&self) -> [u8; 16] {
        self.model
    }

    fn vouch(&self, signed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), ChipError> {
        let (certificate, key) = self.batch();
        let rng = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key, &rng).unwrap();
        Ok((certificate, key.sign(&rng, signed).unwrap().as_ref().to_vec()))
    }
}

impl Chip {
    /// A new chip for the pages of `url`.
    pub fn new(url: &str) -> Self {
        Self(godkend_chip::Chip::new(url, "localhost").unwrap())
    }

    /// A copy with the same key, as a thief of its memory makes one.
    pub fn copied(&self) -> Self {
        Self(self.0.copied().unwrap())
    }

    /// Answers a page's question for a new key, vouched for by a maker or by nobody.
    pub fn register(&mut self, options: &Value, maker: Option<&Maker>) -> Value {
        self.0.register(options, maker.map(|maker| -> &dyn godkend_chip::Maker { maker })).unwrap()
    }

    /// Signs a challenge.
    pub fn sign(&mut self, challenge: &[u8]) -> Value {
        self.0.sign(challenge).unwrap()
    }
}

impl Deref for Chip {
    type Target = godkend_chip::Chip;

    fn deref(&self) -> &godkend_chip::Chip {
        &self.0
    }
}

impl DerefMut for Chip {
    fn deref_mut(&mut self) -> &mut godkend_chip::Chip {
        &mut self.0
    }
}

/// An assertion with the other of the two signatures that are right: s in place of the order less s.
pub fn other_s(assertion: &Value) -> Value {
    let der = URL_SAFE_NO_PAD.decode(assertion["response"]["signature"].as_str().unwrap()).unwrap();
    // SEQUENCE of two INTEGERs, each shorter than 128 bytes.
    let r = &der[4..4 + usize::from(der[3])];
    let s = &der[6 + r.len()..];
    let mut raw = [0; 64];
    for (number, into) in [(r, 0), (s, 32)] {
        let plain = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        raw[into + 32 - plain.len()..into + 32].copy_from_slice(plain);
    }
    let raw = crate::forge::other_s(&Fixed(raw));
    let integer = |number: &[u8]| {
        let plain = &number[number.iter().take_while(|byte| **byte == 0).count()..];
        let sign: &[u8] = if plain[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(sign.len() + plain.len()).unwrap();
        [&[2, length], sign, plain].concat()
    };
    let body = [integer(&raw.0[..32]), integer(&raw.0[32..])].concat();
    let mut other = assertion.clone();
    other["response"]["signature"] = text(&[&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()).into();
    other
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
