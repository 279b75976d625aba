//! A chip of the tests' own: what a FIDO2 authenticator answers (WebAuthn, level 2, section 6), honest or bent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Fixed;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The user was present.
pub const PRESENT: u8 = 0x01;
/// The user was verified.
pub const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// A chip with one key.
pub struct Chip {
    key: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    credential: Vec<u8>,
    handle: Vec<u8>,
    /// What it says of its user.
    pub flags: u8,
    /// Its counter, one more with each signature.
    pub counter: u32,
    /// Whether it counts.
    pub counts: bool,
    /// The page that it believes to be on.
    pub origin: String,
    /// What it signs for.
    pub relying_party: String,
}

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

impl Chip {
    /// A new chip for the pages of `url`.
    pub fn new(url: &str) -> Self {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        let pkcs8 = pkcs8.as_ref().to_vec();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &rng).unwrap(),
            pkcs8,
            credential: digest(&SHA256, url.as_bytes()).as_ref().to_vec(),
            handle: Vec::new(),
            flags: PRESENT | VERIFIED,
            counter: 0,
            counts: true,
            origin: url.to_owned(),
            relying_party: "localhost".to_owned(),
        }
    }

    /// A copy with the same key, as a thief of its memory makes one.
    pub fn copied(&self) -> Self {
        let rng = SystemRandom::new();
        Self {
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.pkcs8, &rng).unwrap(),
            pkcs8: self.pkcs8.clone(),
            credential: self.credential.clone(),
            handle: self.handle.clone(),
            origin: self.origin.clone(),
            relying_party: self.relying_party.clone(),
            ..*self
        }
    }

    /// Answers a page's question for a new key, vouched for by a maker or by nobody.
    pub fn register(&mut self, options: &Value, maker: Option<&Maker>) -> Value {
        self.handle = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let client = self.client_data("webauthn.create", options["challenge"].as_str().unwrap());
        let model = maker.map_or([0; 16], |maker| maker.model);
        let length = u16::try_from(self.credential.len()).unwrap();
        let mut data = self.data(ATTESTED);
        data.extend([&model[..], &length.to_be_bytes(), &self.credential].concat());
        data.extend(cose(self.key.public_key().as_ref()));
        let mut cbor = minicbor::Encoder::new(Vec::new());
        cbor.map(3).unwrap().str("fmt").unwrap();
        match maker {
            None => {
                cbor.str("none").unwrap().str("attStmt").unwrap().map(0).unwrap();
            }
            Some(maker) => {
                let (certificate, key) = maker.batch();
                let rng = SystemRandom::new();
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key, &rng).unwrap();
                let signature = key.sign(&rng, &signed(&data, &client)).unwrap();
                cbor.str("packed").unwrap().str("attStmt").unwrap().map(3).unwrap();
                cbor.str("alg").unwrap().i32(-7).unwrap().str("sig").unwrap().bytes(signature.as_ref()).unwrap();
                cbor.str("x5c").unwrap().array(1).unwrap().bytes(&certificate).unwrap();
            }
        }
        cbor.str("authData").unwrap().bytes(&data).unwrap();
        let response = json!({ "clientDataJSON": text(&client), "attestationObject": text(cbor.writer()) });
        self.told(response)
    }

    /// Signs a challenge.
    pub fn sign(&mut self, challenge: &[u8]) -> Value {
        self.counter += u32::from(self.counts);
        let client = self.client_data("webauthn.get", &text(challenge));
        let data = self.data(0);
        let signature = self.key.sign(&SystemRandom::new(), &signed(&data, &client)).unwrap();
        let response = json!({
            "clientDataJSON": text(&client), "authenticatorData": text(&data), "signature": text(signature.as_ref()),
            "userHandle": text(&self.handle),
        });
        self.told(response)
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let data = json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        data.to_string().into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let id = digest(&SHA256, self.relying_party.as_bytes());
        [id.as_ref(), &[self.flags | more], &self.counter.to_be_bytes()].concat()
    }

    fn told(&self, response: Value) -> Value {
        let id = text(&self.credential);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response })
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

fn signed(data: &[u8], client: &[u8]) -> Vec<u8> {
    [data, digest(&SHA256, client).as_ref()].concat()
}

/// A public key on P-256 (RFC 9052, section 7).
fn cose(point: &[u8]) -> Vec<u8> {
    let mut cbor = minicbor::Encoder::new(Vec::new());
    cbor.map(5).unwrap().i32(1).unwrap().i32(2).unwrap().i32(3).unwrap().i32(-7).unwrap();
    cbor.i32(-1).unwrap().i32(1).unwrap().i32(-2).unwrap().bytes(&point[1..33]).unwrap();
    cbor.i32(-3).unwrap().bytes(&point[33..]).unwrap();
    cbor.into_writer()
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
