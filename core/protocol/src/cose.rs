//! Signed messages: `COSE_Sign1` (RFC 9052, section 4.2) with ES256, domain-separated by role, type, version and
//! environment.
//!
//! The payload is the CBOR array `[type, version, environment, body]`; `body` is the message's map. The external
//! data names the signer's role, so that what one key signed cannot be passed off as signed by another. What is
//! signed and verified is the received bytes, never a re-encoding of them.

use coset::{CborSerializable as _, CoseSign1, CoseSign1Builder, HeaderBuilder, iana};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::bytes::{Fixed, PublicKey, Signature};
use crate::cbor::{self, CborError};
use crate::crypto;
use crate::types::VERSION;

/// Who signs. A key has one role, and a role has its own message types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The root key: key sets.
    Root,
    /// The server's challenge key: offers, challenges, replies.
    Challenge,
    /// A device's possession key: requests and answers.
    Possession,
    /// A device's biometric key: answers.
    Biometric,
    /// A device's PIN key: PIN records and answers.
    Pin,
    /// A device's offline key never signs; a new key of any other purpose countersigns what enrols it.
    NewKey,
}

impl Role {
    const fn external_data(self) -> &'static [u8] {
        match self {
            Self::Root => b"godkend/1/root",
            Self::Challenge => b"godkend/1/challenge",
            Self::Possession => b"godkend/1/possession",
            Self::Biometric => b"godkend/1/biometric",
            Self::Pin => b"godkend/1/pin",
            Self::NewKey => b"godkend/1/new-key",
        }
    }
}

/// A message that is signed.
pub trait SignedMessage: Encode<()> + for<'b> Decode<'b, ()> {
    /// Its number in the payload.
    const TYPE: u16;
    /// Whose signature makes it valid.
    const SIGNER: Role;
}

/// Why a signed message was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CoseError {
    /// Not deterministic CBOR of the expected shape.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// Another type of message.
    #[error("another type of message")]
    WrongType,
    /// A version that this code does not speak.
    #[error("another version of the protocol")]
    WrongVersion,
    /// Made for another environment.
    #[error("made for another environment")]
    WrongEnvironment,
    /// The signature does not verify under the expected key, or is not in its one form.
    #[error("the signature is not valid")]
    BadSignature,
}

/// The short name of a server key: the first 8 bytes of the hash of its point.
pub type KeyId = Fixed<8>;

/// [`KeyId`] of a public key.
#[must_use]
pub fn key_id(public: &PublicKey) -> KeyId {
    let hash = crypto::sha256(&[b"godkend/1/kid", &public.0]);
    let mut id = [0; 8];
    id.copy_from_slice(&hash.0[..8]);
    Fixed(id)
}

/// A message on its way to a key: sign [`Unsigned::to_be_signed`], then [`Unsigned::assemble`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    payload: Vec<u8>,
    key_id: Option<KeyId>,
    role: Role,
}

impl Unsigned {
    /// Prepares a message for the key of its own role.
    #[must_use]
    pub fn new<M: SignedMessage>(message: &M, environment: &str, key_id: Option<KeyId>) -> Self {
        let mut payload = Vec::with_capacity(256);
        let mut e = Encoder::new(&mut payload);
        let body = cbor::encode(message);
        let head =
            e.array(4).and_then(|e| e.u16(M::TYPE)).and_then(|e| e.u32(VERSION)).and_then(|e| e.str(environment));
        debug_assert!(head.is_ok());
        payload.extend_from_slice(&body);
        Self { payload, key_id, role: M::SIGNER }
    }

    /// The `Sig_structure` (RFC 9052, section 4.4): the bytes that the key signs.
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        self.to_be_signed_as(self.role)
    }

    /// The `Sig_structure` for a second signature over the same payload, by another role.
    #[must_use]
    pub fn to_be_signed_as(&self, role: Role) -> Vec<u8> {
        self.builder().tbs_data(role.external_data())
    }

    /// The finished message. The signature is normalised to its lower `s`; one that does not verify is refused here,
    /// before it is sent.
    ///
    /// # Errors
    /// [`CoseError::BadSignature`].
    pub fn assemble(self, signature: &Signature, public: &PublicKey) -> Result<Vec<u8>, CoseError> {
        let signature = checked_signature(&self.to_be_signed(), signature, public)?;
        let mut cose = self.builder();
        cose.signature = signature.0.to_vec();
        cose.to_vec().map_err(|_| CoseError::BadSignature)
    }

    fn builder(&self) -> CoseSign1 {
        let mut header = HeaderBuilder::new().algorithm(iana::Algorithm::ES256);
        if let Some(id) = self.key_id {
            header = header.key_id(id.0.to_vec());
        }
        CoseSign1Builder::new().protected(header.build()).payload(self.payload.clone()).build()
    }
}

/// Normalises a signature that a key store made, and checks it against the enrolled key.
///
/// # Errors
/// [`CoseError::BadSignature`].
pub fn checked_signature(tbs: &[u8], signature: &Signature, public: &PublicKey) -> Result<Signature, CoseError> {
    let signature = crypto::normalise_s(signature).ok_or(CoseError::BadSignature)?;
    if crypto::verify_es256(public, tbs, &signature) { Ok(signature) } else { Err(CoseError::BadSignature) }
}

/// A signed message that has been decoded but not verified: enough to find the key to verify it with.
#[derive(Clone, Debug)]
pub struct Received<M> {
    message: M,
    cose: CoseSign1,
    key_id: Option<KeyId>,
}

impl<M: SignedMessage> Received<M> {
    /// Decodes strictly, and checks type, version and environment.
    ///
    /// # Errors
    /// [`CoseError`], all but [`CoseError::BadSignature`].
    pub fn parse(bytes: &[u8], environment: &str) -> Result<Self, CoseError> {
        const BAD: CoseError = CoseError::Cbor(CborError::Malformed);
        if bytes.len() > cbor::MAX_MESSAGE {
            return Err(CborError::TooLarge.into());
        }
        cbor::validate(bytes)?;
        let cose = CoseSign1::from_slice(bytes).map_err(|_| BAD)?;
        let key_id = match cose.protected.header.key_id.as_slice() {
            [] => None,
            id => Some(KeyId::from_slice(id).ok_or(BAD)?),
        };
        let payload = cose.payload.as_deref().ok_or(BAD)?;
        cbor::validate(payload)?;
        let (message, kind) = Self::body(payload, environment)?;
        if kind != M::TYPE {
            return Err(CoseError::WrongType);
        }
        let message = message?;
        // The envelope has one form too: what we would have assembled from its parts.
        let mut again = Unsigned { payload: payload.to_vec(), key_id, role: M::SIGNER }.builder();
        again.signature.clone_from(&cose.signature);
        // Only the server's messages name their key; one that names none is opened by no key.
        let misnamed = key_id.is_some() && M::SIGNER != Role::Challenge;
        if misnamed || again.to_vec().map_err(|_| BAD)? != bytes {
            return Err(BAD);
        }
        Ok(Self { message, cose, key_id })
    }

    #[allow(clippy::type_complexity, reason = "two results of one pass, unpacked at once by the only caller")]
    fn body(payload: &[u8], environment: &str) -> Result<(Result<M, CborError>, u16), CoseError> {
        const BAD: CoseError = CoseError::Cbor(CborError::Malformed);
        let mut d = Decoder::new(payload);
        if d.array().map_err(|_| BAD)? != Some(4) {
            return Err(BAD);
        }
        let kind = d.u16().map_err(|_| BAD)?;
        let version = d.u32().map_err(|_| BAD)?;
        if version != VERSION {
            return Err(CoseError::WrongVersion);
        }
        if d.str().map_err(|_| BAD)? != environment {
            return Err(CoseError::WrongEnvironment);
        }
        if kind != M::TYPE {
            return Err(CoseError::WrongType);
        }
        Ok((cbor::decode(payload.get(d.position()..).ok_or(BAD)?), kind))
    }

    /// The message as claimed; trust it only after [`Self::verify`].
    #[must_use]
    pub const fn claimed(&self) -> &M {
        &self.message
    }

    /// The key that a server's message names.
    #[must_use]
    pub const fn key_id(&self) -> Option<KeyId> {
        self.key_id
    }

    /// The payload's bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.cose.payload.as_deref().unwrap_or_default()
    }

    /// The received bytes that the message's own role signed (`Sig_structure`).
    #[must_use]
    pub fn to_be_signed(&self) -> Vec<u8> {
        self.cose.tbs_data(M::SIGNER.external_data())
    }

    /// Verifies the signature of the message's own role.
    ///
    /// # Errors
    /// [`CoseError::BadSignature`].
    pub fn verify(self, public: &PublicKey) -> Result<M, CoseError> {
        self.check(public)?;
        Ok(self.message)
    }

    /// [`Self::verify`], keeping the message.
    ///
    /// # Errors
    /// [`CoseError::BadSignature`].
    pub fn check(&self, public: &PublicKey) -> Result<(), CoseError> {
        let signature = Signature::from_slice(&self.cose.signature).ok_or(CoseError::BadSignature)?;
        let tbs = self.cose.tbs_data(M::SIGNER.external_data());
        if crypto::verify_es256(public, &tbs, &signature) { Ok(()) } else { Err(CoseError::BadSignature) }
    }

    /// Verifies a second signature over the same payload, by another role.
    ///
    /// # Errors
    /// [`CoseError::BadSignature`].
    pub fn check_as(&self, role: Role, public: &PublicKey, signature: &Signature) -> Result<(), CoseError> {
        let tbs = self.cose.tbs_data(role.external_data());
        if crypto::verify_es256(public, &tbs, signature) { Ok(()) } else { Err(CoseError::BadSignature) }
    }
}

/// Parses and verifies in one step, where the key is known beforehand.
///
/// # Errors
/// [`CoseError`].
pub fn open<M: SignedMessage>(bytes: &[u8], environment: &str, public: &PublicKey) -> Result<M, CoseError> {
    Received::parse(bytes, environment)?.verify(public)
}
