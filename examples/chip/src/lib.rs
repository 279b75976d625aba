#![doc = include_str!("../README.md")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The user was present.
pub const PRESENT: u8 = 0x01;
/// The user was verified.
pub const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// Why a chip gives no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChipError {
    /// The system has no randomness, or took no key.
    #[error("no key can be made or used")]
    Key,
    /// What a page asks is not `PublicKeyCredentialCreationOptions`.
    #[error("the page's question cannot be read")]
    Question,
}

/// Who vouches for a chip's make: the batch's certificate (DER), its key's signature over the attestation, and the model.
pub trait Maker {
    /// The make (AAGUID).
    fn model(&self) -> [u8; 16];

    /// Certificate and signature (DER) over these bytes (section 8.2).
    ///
    /// # Errors
    /// [`ChipError::Key`].
    fn vouch(&self, signed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), ChipError>;
}

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

impl Chip {
    /// A new chip for the pages of an origin, with its relying party's id. Its credential is named after the origin.
    ///
    /// # Errors
    /// [`ChipError::Key`].
    pub fn new(origin: &str, relying_party: &str) -> Result<Self, ChipError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let pkcs8 = pkcs8.map_err(|_| ChipError::Key)?.as_ref().to_vec();
        Ok(Self {
            key: pair(&pkcs8)?,
            pkcs8,
            credential: digest(&SHA256, origin.as_bytes()).as_ref().to_vec(),
            handle: Vec::new(),
            flags: PRESENT | VERIFIED,
            counter: 0,
            counts: true,
            origin: origin.to_owned(),
            relying_party: relying_party.to_owned(),
        })
    }

    /// A copy with the same key, as a thief of its memory makes one.
    ///
    /// # Errors
    /// [`ChipError::Key`].
    pub fn copied(&self) -> Result<Self, ChipError> {
        Ok(Self {
            key: pair(&self.pkcs8)?,
            pkcs8: self.pkcs8.clone(),
            credential: self.credential.clone(),
            handle: self.handle.clone(),
            origin: self.origin.clone(),
            relying_party: self.relying_party.clone(),
            ..*self
        })
    }

    /// Answers a page's question for a new key, vouched for by a maker or by nobody.
    ///
    /// # Errors
    /// [`ChipError`].
    pub fn register(&mut self, options: &Value, maker: Option<&dyn Maker>) -> Result<Value, ChipError> {
        let text_of = |value: &Value| value.as_str().map(str::to_owned).ok_or(ChipError::Question);
        self.handle = URL_SAFE_NO_PAD.decode(text_of(&options["user"]["id"])?).map_err(|_| ChipError::Question)?;
        let client = self.client_data("webauthn.create", &text_of(&options["challenge"])?);
        let model = maker.map_or([0; 16], Maker::model);
        let length = u16::try_from(self.credential.len()).map_err(|_| ChipError::Question)?;
        let mut data = self.data(ATTESTED);
        data.extend([&model[..], &length.to_be_bytes(), &self.credential].concat());
        data.extend(cose(self.key.public_key().as_ref())?);
        let vouched = maker.map(|maker| maker.vouch(&signed(&data, &client))).transpose()?;
        let object = attestation(&data, vouched.as_ref()).map_err(|_| ChipError::Question)?;
        Ok(self.told(json!({ "clientDataJSON": text(&client), "attestationObject": text(&object) })))
    }

    /// Signs a challenge.
    ///
    /// # Errors
    /// [`ChipError::Key`].
    pub fn sign(&mut self, challenge: &[u8]) -> Result<Value, ChipError> {
        self.counter = self.counter.wrapping_add(u32::from(self.counts));
        let client = self.client_data("webauthn.get", &text(challenge));
        let data = self.data(0);
        let signature = self.key.sign(&SystemRandom::new(), &signed(&data, &client)).map_err(|_| ChipError::Key)?;
        Ok(self.told(json!({
            "clientDataJSON": text(&client), "authenticatorData": text(&data), "signature": text(signature.as_ref()),
            "userHandle": text(&self.handle),
        })))
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

fn pair(pkcs8: &[u8]) -> Result<EcdsaKeyPair, ChipError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8, &SystemRandom::new()).map_err(|_| ChipError::Key)
}

fn signed(data: &[u8], client: &[u8]) -> Vec<u8> {
    [data, digest(&SHA256, client).as_ref()].concat()
}

type Encoded<T> = Result<T, minicbor::encode::Error<core::convert::Infallible>>;

/// The attestation object (section 6.5.4).
fn attestation(data: &[u8], vouched: Option<&(Vec<u8>, Vec<u8>)>) -> Encoded<Vec<u8>> {
    let mut cbor = minicbor::Encoder::new(Vec::new());
    cbor.map(3)?.str("fmt")?;
    match vouched {
        None => {
            cbor.str("none")?.str("attStmt")?.map(0)?;
        }
        Some((certificate, signature)) => {
            cbor.str("packed")?.str("attStmt")?.map(3)?;
            cbor.str("alg")?.i32(-7)?.str("sig")?.bytes(signature)?;
            cbor.str("x5c")?.array(1)?.bytes(certificate)?;
        }
    }
    cbor.str("authData")?.bytes(data)?;
    Ok(cbor.into_writer())
}

/// A public key on P-256 (RFC 9052, section 7).
fn cose(point: &[u8]) -> Result<Vec<u8>, ChipError> {
    let (x, y) = point.get(1..).and_then(|both| both.split_at_checked(32)).ok_or(ChipError::Key)?;
    let encode = || -> Encoded<Vec<u8>> {
        let mut cbor = minicbor::Encoder::new(Vec::new());
        cbor.map(5)?.i32(1)?.i32(2)?.i32(3)?.i32(-7)?;
        cbor.i32(-1)?.i32(1)?.i32(-2)?.bytes(x)?;
        cbor.i32(-3)?.bytes(y)?;
        Ok(cbor.into_writer())
    };
    encode().map_err(|_| ChipError::Key)
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
