//! What somebody makes by hand who has read the protocol: enrolments around an activation's secret, and messages under
//! the server's own keys.

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id, Secret, Signature};
use godkend_protocol::cbor;
use godkend_protocol::cose::{KeyId, Received, SignedMessage, Unsigned, key_id};
use godkend_protocol::crypto::{self, normalise_s};
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::link::Link;
use godkend_protocol::messages::activation::{
    ActivationOffer, ActivationOpen, Enrol, EnrolCore, EnrolProof, EnrolReply, SealedEnrol, SealedReply, mac_key,
    transcript,
};
use godkend_protocol::suite::{self, Psk, ReplyKey};
use godkend_protocol::types::{ALG_ES256, Attestation, DeviceInfo, DeviceKey, KeyPurpose, SecurityLevel, Suite};
use godkend_server::ops::secrets::{P256Key, load_p256};
use minicbor::Encoder;

use crate::bench::{Bench, sign_with};
use crate::world::{World, rng};

/// The server's challenge key, as a thief of its secrets folder has it.
pub struct Insider {
    key: P256Key,
    environment: String,
}

impl Insider {
    /// The newest challenge key.
    pub fn new(world: &World) -> Self {
        let number = (1..).take_while(|number| Self::path(world, *number).exists()).last().unwrap();
        Self::with_key(world, number)
    }

    /// The challenge key of this number; keys are numbered from 1.
    pub fn with_key(world: &World, number: u32) -> Self {
        let key = load_p256(&Self::path(world, number)).unwrap();
        Self { key, environment: world.root.environment.clone() }
    }

    fn path(world: &World, number: u32) -> std::path::PathBuf {
        world.data().join("secrets").join(format!("challenge-{number}.pem"))
    }

    /// Signs any message of the server's.
    pub fn sign<M: SignedMessage>(&self, message: &M) -> Vec<u8> {
        let public = Fixed(*self.key.public());
        let unsigned = Unsigned::new(message, &self.environment, Some(key_id(&public)));
        let signature = Fixed(self.key.sign(&unsigned.to_be_signed()).unwrap());
        unsigned.assemble(&signature, &public).unwrap()
    }

    /// Signs any payload whatever.
    pub fn sign_payload(&self, payload: &[u8]) -> Vec<u8> {
        let id = key_id(&Fixed(*self.key.public()));
        envelope(payload, Some(id), b"godkend/1/challenge", |tbs| Fixed(self.key.sign(tbs).unwrap()))
    }

    /// Changes a message that the server signed, and signs it again.
    pub fn resign<M: SignedMessage + Clone>(&self, cose: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
        let mut message = Received::<M>::parse(cose, &self.environment).unwrap().claimed().clone();
        change(&mut message);
        self.sign(&message)
    }
}

/// A COSE_Sign1 around any payload, by hand (RFC 9052, section 4.2).
pub fn envelope(payload: &[u8], key_id: Option<KeyId>, role: &[u8], sign: impl FnOnce(&[u8]) -> Signature) -> Vec<u8> {
    let mut protected = Encoder::new(Vec::new());
    protected.map(1 + u64::from(key_id.is_some())).unwrap().u8(1).unwrap().i8(-7).unwrap();
    if let Some(id) = key_id {
        protected.u8(4).unwrap().bytes(&id.0).unwrap();
    }
    let protected = protected.into_writer();
    let mut tbs = Encoder::new(Vec::new());
    tbs.array(4).unwrap().str("Signature1").unwrap().bytes(&protected).unwrap().bytes(role).unwrap();
    tbs.bytes(payload).unwrap();
    let signature = normalise_s(&sign(&tbs.into_writer())).unwrap();
    let mut cose = Encoder::new(Vec::new());
    cose.array(4).unwrap().bytes(&protected).unwrap().map(0).unwrap();
    cose.bytes(payload).unwrap().bytes(&signature.0).unwrap();
    cose.into_writer()
}

/// Any payload under a phone's possession key.
pub fn possess(payload: &[u8], possession: &Secret<32>) -> Vec<u8> {
    envelope(payload, None, b"godkend/1/possession", |tbs| crypto::p256_sign(possession, tbs).unwrap())
}

/// The parts of a COSE_Sign1: protected header, payload, signature.
pub fn parts(cose: &[u8]) -> (Vec<u8>, Vec<u8>, Signature) {
    let mut d = minicbor::Decoder::new(cose);
    assert_eq!(d.array().unwrap(), Some(4));
    let protected = d.bytes().unwrap().to_vec();
    d.skip().unwrap();
    let payload = d.bytes().unwrap().to_vec();
    (protected, payload, Signature::from_slice(d.bytes().unwrap()).unwrap())
}

/// The same message with another signature in its place.
pub fn with_signature(cose: &[u8], signature: &Signature) -> Vec<u8> {
    let mut other = cose.to_vec();
    let start = other.len() - 64;
    other[start..].copy_from_slice(&signature.0);
    other
}

/// The other signature that ECDSA has for the same message: s for n - s.
pub fn other_s(signature: &Signature) -> Signature {
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut out = *signature;
    let mut borrow = 0_i16;
    for place in (0..32).rev() {
        let digit = i16::from(N[place]) - i16::from(signature.0[32 + place]) - borrow;
        borrow = i16::from(digit < 0);
        out.0[32 + place] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}

/// An activation's secret.
#[derive(Clone)]
pub enum Handed {
    Link(Id, Secret<32>),
    Code(ActivationCode),
}

impl Handed {
    /// Reads what the desk handed out.
    pub fn parse(text: &str) -> Self {
        match Link::parse(text) {
            Ok(Link::Activation(link)) => Self::Link(link.id, link.secret),
            _ => Self::Code(ActivationCode::parse(text).unwrap()),
        }
    }

    pub fn open(&self, suites: &[Suite]) -> Vec<u8> {
        let (id, name) = match self {
            Self::Link(id, _) => (Some(*id), None),
            Self::Code(code) => (None, Some(code.name)),
        };
        cbor::encode(&ActivationOpen { app_version: "1.0.0".to_owned(), id, name, suites: suites.to_vec() })
    }
}

/// An enrolment whose offer has come.
#[derive(Clone)]
pub struct Forge {
    pub handed: Handed,
    pub open: Vec<u8>,
    pub offer: Vec<u8>,
    pub claimed: ActivationOffer,
    payload: Vec<u8>,
    environment: String,
}

/// What is sent, and how its reply is read.
pub struct Forged {
    pub body: Vec<u8>,
    pub reply_key: ReplyKey,
    pub transcript: Hash32,
}

impl Forge {
    /// Opens an activation; the server's refusal, if it refuses.
    pub async fn open(bench: &Bench, handed: Handed) -> Result<Self, godkend_core::ServerFailure> {
        let open = handed.open(&[Suite::P256]);
        let offer = bench.post(ActivationOpen::PATH, open.clone()).await?;
        let received = Received::<ActivationOffer>::parse(&offer, bench.environment()).unwrap();
        let (claimed, payload) = (received.claimed().clone(), received.payload().to_vec());
        Ok(Self { handed, open, offer, claimed, payload, environment: bench.environment().to_owned() })
    }

    /// A phone with this one key.
    pub fn core(possession: &Secret<32>) -> EnrolCore {
        EnrolCore {
            nonce: godkend_protocol::bytes::random(&mut rng()),
            keys: vec![DeviceKey {
                purpose: KeyPurpose::Possession,
                algorithm: ALG_ES256,
                public: crypto::p256_public(possession).unwrap(),
                attestation: Attestation::Software,
            }],
            info: DeviceInfo {
                model: "Forged phone".to_owned(),
                platform: "Linux".to_owned(),
                app_version: "1.0.0".to_owned(),
                language: "en".to_owned(),
            },
            pepper_security: SecurityLevel::Software,
            block_code_hash: godkend_protocol::bytes::random(&mut rng()),
        }
    }

    /// Seals an enrolment as a phone does, proved by this key.
    pub fn seal(&self, core: &EnrolCore, possession: &Secret<32>) -> Forged {
        self.seal_with(core, |transcript| sign_with(&EnrolProof { transcript }, &self.environment, possession))
    }

    /// The same, with a proof of the caller's own.
    pub fn seal_with(&self, core: &EnrolCore, proof: impl FnOnce(Hash32) -> Vec<u8>) -> Forged {
        let core = cbor::encode(core);
        let transcript = transcript(&self.open, &self.payload, &core);
        let (key, psk) = match &self.handed {
            Handed::Link(id, secret) => (mac_key(&secret.0, id), Some(Psk { secret, id })),
            Handed::Code(code) => (mac_key(&code.secret.0, &self.claimed.id), None),
        };
        let enrol = cbor::encode(&Enrol {
            open: Blob(self.open.clone()),
            core: Blob(core),
            mac: crypto::hmac_sha256(&key.0, &[&transcript.0]),
            proof: Blob(proof(transcript)),
        });
        let public = &self.claimed.hpke_key.0;
        let (sealed, reply_key) =
            suite::seal(self.claimed.suite, &mut rng(), public, psk, &self.offer, &enrol).unwrap();
        let request = SealedEnrol { offer: Blob(self.offer.clone()), enc: sealed.enc, ciphertext: sealed.ciphertext };
        Forged { body: cbor::encode(&request), reply_key, transcript }
    }
}

impl Forged {
    /// What the server said.
    pub fn read(&self, reply: &[u8], environment: &str) -> EnrolReply {
        let sealed: SealedReply = cbor::decode(reply).unwrap();
        let opened = self.reply_key.open(&sealed.ciphertext.0).unwrap();
        Received::<EnrolReply>::parse(&opened, environment).unwrap().claimed().clone()
    }
}
