//! Root keys and the key sets that they sign. Trust starts at a root in the app, never at a QR code.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::bytes::{Blob, Hash32, PublicKey, Signature};
use crate::cbor;
use crate::cose::{self, CoseError, KeyId, Received, Role, SignedMessage, Unsigned};
use crate::crypto;
use crate::suite::{PqSigner, pq_verify};
use crate::types::Suite;

/// A root of trust, as an app carries it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Root {
    /// The environment it speaks for: lower-case letters, digits and hyphens, at most 32.
    #[n(1)]
    pub environment: String,
    /// Where the environment's server is: an `https` URL without a path.
    #[n(2)]
    pub url: String,
    /// The ES256 key.
    #[n(3)]
    pub key: PublicKey,
    /// The ML-DSA-65 key (1952 bytes), for environments that enable suite 2.
    #[n(4)]
    pub pq_key: Option<Blob>,
}

impl Root {
    /// What an activation link names.
    #[must_use]
    pub fn fingerprint(&self) -> Hash32 {
        let pq = self.pq_key.as_ref().map_or(&[][..], |key| &key.0);
        crypto::labelled_hash("godkend/1/root", &[self.environment.as_bytes(), &self.key.0, pq])
    }
}

/// The server's HPKE key of one suite.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct HpkePublic {
    /// The suite.
    #[n(1)]
    pub suite: Suite,
    /// The key.
    #[n(2)]
    pub public: Blob,
}

/// The server's keys for a time. Numbered: an app keeps the newest and never goes back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct KeySet {
    /// Rises with each set.
    #[n(1)]
    pub number: u64,
    /// Unix seconds.
    #[n(2)]
    pub issued: i64,
    /// Unix seconds; an app refuses the set from here on.
    #[n(3)]
    pub expires: i64,
    /// SHA-256 of the SubjectPublicKeyInfo of each TLS key that may answer.
    #[n(4)]
    pub tls_pins: Vec<Hash32>,
    /// Keys that sign offers, challenges and replies.
    #[n(5)]
    pub challenge_keys: Vec<PublicKey>,
    /// Keys that sign the log's checkpoints.
    #[n(6)]
    pub log_keys: Vec<PublicKey>,
    /// Keys that activations are sealed to.
    #[n(7)]
    pub hpke_keys: Vec<HpkePublic>,
    /// The suites that the server speaks.
    #[n(8)]
    pub suites: Vec<Suite>,
    /// The ML-DSA-65 key of the log's second signature (suite 2).
    #[n(9)]
    pub log_pq_key: Option<Blob>,
}

impl SignedMessage for KeySet {
    const TYPE: u16 = 1;
    const SIGNER: Role = Role::Root;
}

impl KeySet {
    /// The challenge key with this short name.
    #[must_use]
    pub fn challenge_key(&self, id: KeyId) -> Option<&PublicKey> {
        self.challenge_keys.iter().find(|key| cose::key_id(key) == id)
    }

    /// Parses a message of the server's and verifies it under the key that it names.
    ///
    /// # Errors
    /// [`CoseError`]; a key that the set does not hold is a bad signature.
    pub fn open<M: SignedMessage>(&self, bytes: &[u8], environment: &str) -> Result<Received<M>, CoseError> {
        let received = Received::<M>::parse(bytes, environment)?;
        let key = received.key_id().and_then(|id| self.challenge_key(id)).ok_or(CoseError::BadSignature)?;
        received.check(key)?;
        Ok(received)
    }
}

/// A key set with its signatures, as the server hands it to anyone.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct SignedKeySet {
    /// The COSE message.
    #[n(1)]
    pub cose: Blob,
    /// ML-DSA-65 over the same `Sig_structure`, where the root has such a key.
    #[n(2)]
    pub pq_signature: Option<Blob>,
}

/// Why a key set was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not a key set, or not signed by the root.
    #[error(transparent)]
    Cose(#[from] CoseError),
    /// The root has a post-quantum key and its signature is missing or wrong.
    #[error("the post-quantum signature is missing or not valid")]
    PqSignature,
    /// Past its end.
    #[error("the key set has expired")]
    Expired,
    /// Older than one already seen.
    #[error("the key set is older than one already seen")]
    Older,
    /// Holds no usable keys.
    #[error("the key set lacks keys")]
    Incomplete,
}

impl SignedKeySet {
    /// Signs a set, on the machine that holds the root.
    #[must_use]
    pub fn sign(
        set: &KeySet,
        environment: &str,
        public: &PublicKey,
        sign: impl FnOnce(&[u8]) -> Option<Signature>,
        pq: Option<&PqSigner>,
    ) -> Option<Self> {
        let unsigned = Unsigned::new(set, environment, None);
        let tbs = unsigned.to_be_signed();
        let pq_signature = match pq {
            Some(key) => Some(key.sign(&tbs)?),
            None => None,
        };
        let cose = unsigned.assemble(&sign(&tbs)?, public).ok()?;
        Some(Self { cose: Blob(cose), pq_signature })
    }

    /// Verifies a set under a root; `least` is the number of the newest set seen so far.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn verify(bytes: &[u8], root: &Root, least: u64, now: i64) -> Result<KeySet, KeySetError> {
        let signed: Self = cbor::decode(bytes).map_err(CoseError::from)?;
        let received = Received::<KeySet>::parse(&signed.cose.0, &root.environment)?;
        received.check(&root.key)?;
        if let Some(pq) = &root.pq_key {
            let tbs = received.to_be_signed();
            let good = signed.pq_signature.as_ref().is_some_and(|signature| pq_verify(&pq.0, &tbs, &signature.0));
            if !good {
                return Err(KeySetError::PqSignature);
            }
        }
        let set = received.verify(&root.key)?;
        if set.number < least {
            return Err(KeySetError::Older);
        }
        if now >= set.expires {
            return Err(KeySetError::Expired);
        }
        let whole = !set.challenge_keys.is_empty()
            && !set.log_keys.is_empty()
            && !set.suites.is_empty()
            && set.suites.iter().all(|suite| set.hpke_keys.iter().any(|key| key.suite == *suite));
        if whole { Ok(set) } else { Err(KeySetError::Incomplete) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Secret;
    use crate::suite::HpkeKey;

    const NOW: i64 = 1_790_000_000;

    fn secret(seed: &str) -> Secret<32> {
        crypto::p256_from_seed(seed.as_bytes(), "test")
    }

    fn public(seed: &str) -> PublicKey {
        crypto::p256_public(&secret(seed)).unwrap()
    }

    fn root(pq: Option<&PqSigner>) -> Root {
        Root {
            environment: "test".to_owned(),
            url: "https://godkend.example".to_owned(),
            key: public("root"),
            pq_key: pq.map(PqSigner::public),
        }
    }

    fn set() -> KeySet {
        KeySet {
            number: 5,
            issued: NOW,
            expires: NOW + 60,
            tls_pins: vec![crypto::sha256(&[b"pin"])],
            challenge_keys: vec![public("challenge")],
            log_keys: vec![public("log")],
            hpke_keys: vec![HpkePublic {
                suite: Suite::P256,
                public: HpkeKey::from_seed(Suite::P256, &Secret([1; 32])).public().clone(),
            }],
            suites: vec![Suite::P256],
            log_pq_key: None,
        }
    }

    fn sign(set: &KeySet, root: &str, environment: &str, pq: Option<&PqSigner>) -> SignedKeySet {
        SignedKeySet::sign(set, environment, &public(root), |tbs| crypto::p256_sign(&secret(root), tbs), pq).unwrap()
    }

    fn verify(signed: &SignedKeySet, root: &Root) -> Result<KeySet, KeySetError> {
        SignedKeySet::verify(&cbor::encode(signed), root, 5, NOW)
    }

    #[test]
    fn a_good_set_is_taken_and_no_other() {
        let good = cbor::encode(&sign(&set(), "root", "test", None));
        let root = root(None);
        assert_eq!(SignedKeySet::verify(&good, &root, 0, NOW), Ok(set()));
        assert_eq!(SignedKeySet::verify(&good, &root, 5, NOW + 59), Ok(set()), "the same number again");
        assert_eq!(SignedKeySet::verify(&good, &root, 6, NOW), Err(KeySetError::Older));
        assert_eq!(SignedKeySet::verify(&good, &root, 5, NOW + 60), Err(KeySetError::Expired));
        assert_eq!(SignedKeySet::verify(&good, &root, 5, i64::MAX), Err(KeySetError::Expired));
        let bad = Err(KeySetError::Cose(CoseError::BadSignature));
        assert_eq!(verify(&sign(&set(), "another root", "test", None), &root), bad);
        assert_eq!(
            verify(&sign(&set(), "root", "prod", None), &root),
            Err(KeySetError::Cose(CoseError::WrongEnvironment))
        );
        for bit in 0..good.len() * 8 {
            let mut changed = good.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(SignedKeySet::verify(&changed, &root, 5, NOW).is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(SignedKeySet::verify(&good[..length], &root, 5, NOW).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_set_that_lacks_keys_is_refused() {
        let incomplete: [fn(&mut KeySet); 4] = [
            |set| set.challenge_keys.clear(),
            |set| set.log_keys.clear(),
            |set| set.suites.clear(),
            |set| set.suites.push(Suite::Hybrid),
        ];
        for change in incomplete {
            let mut set = set();
            change(&mut set);
            assert_eq!(verify(&sign(&set, "root", "test", None), &root(None)), Err(KeySetError::Incomplete));
        }
    }

    #[test]
    fn a_root_with_a_post_quantum_key_needs_both_signatures() {
        let (pq, other) = (PqSigner::from_seed(&Secret([1; 32])), PqSigner::from_seed(&Secret([2; 32])));
        let root = root(Some(&pq));
        assert_eq!(verify(&sign(&set(), "root", "test", Some(&pq)), &root), Ok(set()));
        let refused = Err(KeySetError::PqSignature);
        assert_eq!(verify(&sign(&set(), "root", "test", None), &root), refused, "missing");
        assert_eq!(verify(&sign(&set(), "root", "test", Some(&other)), &root), refused, "another key's");
        let mut cut = sign(&set(), "root", "test", Some(&pq));
        cut.pq_signature.as_mut().unwrap().0.pop();
        assert_eq!(verify(&cut, &root), refused, "cut");
        let mut newer = set();
        newer.number = 6;
        let mixed = SignedKeySet {
            cose: sign(&newer, "root", "test", None).cose,
            pq_signature: sign(&set(), "root", "test", Some(&pq)).pq_signature,
        };
        assert_eq!(verify(&mixed, &root), refused, "of another set");
        let stranger = sign(&set(), "another root", "test", Some(&pq));
        assert_eq!(verify(&stranger, &root), Err(KeySetError::Cose(CoseError::BadSignature)), "without the first");
        // An app of suite 1 takes a set that carries more than it needs.
        assert!(verify(&sign(&set(), "root", "test", Some(&pq)), &super::tests::root(None)).is_ok());
    }

    /// Key sets of a later version carry extension keys; both signatures are over the received bytes.
    #[test]
    fn extensions_of_a_later_version_are_signed_and_ignored() {
        struct Later;
        impl<C> Encode<C> for Later {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                let mut body = cbor::encode(&set());
                body[0] += 1;
                body.extend_from_slice(&[0x18, 64, 1]);
                e.writer_mut().write_all(&body).map_err(minicbor::encode::Error::write)
            }
        }
        impl<'b, C> Decode<'b, C> for Later {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                d.skip().map(|()| Self)
            }
        }
        impl SignedMessage for Later {
            const TYPE: u16 = 1;
            const SIGNER: Role = Role::Root;
        }
        let pq = PqSigner::from_seed(&Secret([1; 32]));
        let unsigned = Unsigned::new(&Later, "test", None);
        let tbs = unsigned.to_be_signed();
        let signature = crypto::p256_sign(&secret("root"), &tbs).unwrap();
        let signed = SignedKeySet {
            cose: Blob(unsigned.assemble(&signature, &public("root")).unwrap()),
            pq_signature: pq.sign(&tbs),
        };
        assert_eq!(verify(&signed, &root(None)), Ok(set()));
        assert_eq!(verify(&signed, &root(Some(&pq))), Ok(set()));
    }

    #[test]
    fn a_server_message_is_opened_by_the_key_that_it_names() {
        use crate::messages::pin::PinResetOffer;
        let offer = PinResetOffer {
            id: crate::bytes::Fixed([1; 16]),
            device: crate::bytes::Fixed([2; 16]),
            open_hash: crate::bytes::Fixed([3; 32]),
            nonce: crate::bytes::Fixed([4; 32]),
            finish_before: NOW,
        };
        let cose = |signer: &str, named: Option<&str>| {
            let unsigned = Unsigned::new(&offer, "test", named.map(|name| cose::key_id(&public(name))));
            let signature = crypto::p256_sign(&secret(signer), &unsigned.to_be_signed()).unwrap();
            unsigned.assemble(&signature, &public(signer)).unwrap()
        };
        let opened =
            |bytes: &[u8]| set().open::<PinResetOffer>(bytes, "test").map(|received| received.claimed().clone());
        assert_eq!(opened(&cose("challenge", Some("challenge"))), Ok(offer.clone()));
        for (signer, named) in [
            ("challenge", None),
            ("challenge", Some("log")),
            ("log", Some("log")),
            ("log", Some("challenge")),
            ("stranger", Some("stranger")),
        ] {
            assert_eq!(opened(&cose(signer, named)), Err(CoseError::BadSignature), "{signer} {named:?}");
        }
    }
}
