//! Damaged, hostile and misplaced messages: each is refused, none panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod shared;

use std::collections::BTreeMap;

use coset::{CborSerializable as _, CoseSign1Builder, HeaderBuilder, iana};
use godkend_protocol::bytes::{Blob, PublicKey, Secret, Signature};
use godkend_protocol::cbor::{self, CborError};
use godkend_protocol::cose::{self, CoseError, Received, Role, SignedMessage, Unsigned};
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::{ActivationOpen, transcript};
use godkend_protocol::messages::approval::{Answer, PollOpen};
use godkend_protocol::messages::device::{AskOverview, BlockSelf};
use godkend_protocol::messages::pin::PinEnrol;
use godkend_protocol::types::Suite;
use proptest::prelude::*;
use serde_json::Value;
use shared::compute::{bytes, fixed, text};
use shared::generate::{Any, Gen, Mode, Variants};
use shared::messages::{self, Encoded, Visitor};
use shared::signed::{self, ENVIRONMENT, ROLES, private_key, role_name};

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/../../tests/vectors/v1/{file}", env!("CARGO_MANIFEST_DIR"));
    let content: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = content["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn public_key(role: Role) -> PublicKey {
    crypto::p256_public(&private_key(role)).unwrap()
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        (bit, changed)
    })
}

/// Every cut and every flipped bit of every message vector.
#[test]
fn damaged_messages() {
    struct Damage {
        vectors: BTreeMap<String, Vec<Vec<u8>>>,
        cuts: usize,
        refused: usize,
        other: usize,
    }
    impl Damage {
        fn check<T: Encoded>(&mut self) {
            for vector in self.vectors.remove(messages::name::<T>()).unwrap() {
                for length in 0..vector.len() {
                    assert!(cbor::decode::<T>(&vector[..length]).is_err(), "{} cut", messages::name::<T>());
                    self.cuts += 1;
                }
                let right: T = cbor::decode(&vector).unwrap();
                for (bit, changed) in flipped(&vector) {
                    match cbor::decode::<T>(&changed) {
                        Err(_) => self.refused += 1,
                        Ok(value) => {
                            let name = messages::name::<T>();
                            assert!(cbor::encode(&value) == changed, "{name}, bit {bit}: another spelling is taken");
                            assert!(value != right, "{name}, bit {bit}: the change is lost");
                            self.other += 1;
                        }
                    }
                }
            }
        }
    }
    impl Visitor for Damage {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            self.check::<T>();
        }
        fn unsigned<T: Encoded + Any>(&mut self) {
            self.check::<T>();
        }
        fn part<T: Encoded + Any>(&mut self) {
            self.check::<T>();
        }
        fn choice<T: Encoded + Any + Variants>(&mut self) {
            self.check::<T>();
        }
    }
    let mut vectors: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for case in cases("messages.json") {
        vectors.entry(text(&case, "message").to_owned()).or_default().push(bytes(&case, "cbor"));
    }
    let mut damage = Damage { vectors, cuts: 0, refused: 0, other: 0 };
    messages::visit(&mut damage);
    assert!(damage.vectors.is_empty(), "vectors of types that nobody checks: {:?}", damage.vectors.keys());
    println!(
        "{} cuts refused; of the flipped bits {} refused, {} another message",
        damage.cuts, damage.refused, damage.other
    );
    assert!(damage.cuts > 10_000 && damage.refused > 10_000);
}

/// Every cut and every flipped bit of every signed vector.
#[test]
fn damaged_signed_messages() {
    struct Damage {
        vectors: BTreeMap<u64, Vec<(Vec<u8>, PublicKey)>>,
        refused: usize,
    }
    impl Visitor for Damage {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            let vectors = self.vectors.remove(&u64::from(T::TYPE)).unwrap();
            for (vector, public) in vectors {
                cose::open::<T>(&vector, ENVIRONMENT, &public).unwrap();
                for length in 0..vector.len() {
                    assert!(Received::<T>::parse(&vector[..length], ENVIRONMENT).is_err());
                }
                for (bit, changed) in flipped(&vector) {
                    let name = messages::name::<T>();
                    assert!(cose::open::<T>(&changed, ENVIRONMENT, &public).is_err(), "{name}, bit {bit}");
                    self.refused += 1;
                }
                for tail in [&[0][..], &[0xf6], &[0xff], &vector] {
                    assert!(Received::<T>::parse(&[&vector[..], tail].concat(), ENVIRONMENT).is_err());
                }
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    let mut vectors: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for case in cases("signed.json") {
        let (cose, public) = (bytes(&case["output"], "cose"), fixed(&case["output"], "public_key"));
        vectors.entry(case["input"]["type"].as_u64().unwrap()).or_default().push((cose, public));
    }
    let mut damage = Damage { vectors, refused: 0 };
    messages::visit(&mut damage);
    assert!(damage.vectors.is_empty());
    println!("{} flipped bits refused", damage.refused);
    assert!(damage.refused > 50_000);
}

/// No message is taken for one of another type, environment, version or signer.
#[test]
fn misplaced_messages() {
    struct All(Vec<(u16, Vec<u8>)>);
    impl Visitor for All {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            let value = T::any(&mut Gen::new(Mode::Full, "misplaced"), "");
            self.0.push((T::TYPE, signed::sign(&value, ENVIRONMENT)));
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    struct Check<'a>(&'a [(u16, Vec<u8>)], usize);
    impl Visitor for Check<'_> {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            for (kind, cose) in self.0 {
                let opened = cose::open::<T>(cose, ENVIRONMENT, &public_key(T::SIGNER));
                if *kind == T::TYPE {
                    opened.unwrap();
                    for role in ROLES.into_iter().filter(|role| *role != T::SIGNER) {
                        let stranger = cose::open::<T>(cose, ENVIRONMENT, &public_key(role));
                        assert_eq!(stranger.unwrap_err(), CoseError::BadSignature);
                    }
                    for environment in ["", "tes", "test2", "Test", "prod"] {
                        let other = Received::<T>::parse(cose, environment);
                        assert_eq!(other.unwrap_err(), CoseError::WrongEnvironment);
                    }
                } else {
                    assert_eq!(opened.unwrap_err(), CoseError::WrongType, "{kind} as {}", T::TYPE);
                }
                self.1 += 1;
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    let mut all = All(Vec::new());
    messages::visit(&mut all);
    let mut check = Check(&all.0, 0);
    messages::visit(&mut check);
    assert_eq!(check.1, 22 * 22);
    // Two messages of one shape, so that nothing but the number tells them apart.
    let (ask, block) = (AskOverview::TYPE, BlockSelf::TYPE);
    let body = |kind: u16| all.0.iter().find(|(n, _)| *n == kind).unwrap().1.clone();
    assert_eq!(Received::<BlockSelf>::parse(&body(ask), ENVIRONMENT).unwrap_err(), CoseError::WrongType);
    assert_eq!(Received::<AskOverview>::parse(&body(block), ENVIRONMENT).unwrap_err(), CoseError::WrongType);
}

/// What one role signed is worth nothing as another role's word, even under the same key.
#[test]
fn a_signature_is_for_one_role() {
    fn check<T: Encoded + Any + SignedMessage>() {
        let key = Secret([7; 32]);
        let public = crypto::p256_public(&key).unwrap();
        let message = T::any(&mut Gen::new(Mode::Full, "roles"), "");
        let unsigned = Unsigned::new(&message, ENVIRONMENT, None);
        for by in ROLES {
            let signature = crypto::p256_sign(&key, &unsigned.to_be_signed_as(by)).unwrap();
            let whole = unsigned.clone().assemble(&signature, &public);
            assert_eq!(whole.is_ok(), by == T::SIGNER, "signed as {}", role_name(by));
            let own = crypto::p256_sign(&key, &unsigned.to_be_signed()).unwrap();
            let cose = unsigned.clone().assemble(&own, &public).unwrap();
            let received = Received::<T>::parse(&cose, ENVIRONMENT).unwrap();
            for claimed in ROLES {
                let checked = received.check_as(claimed, &public, &signature);
                assert_eq!(checked.is_ok(), claimed == by, "{} for {}", role_name(by), role_name(claimed));
            }
        }
    }
    check::<Answer>();
    check::<PinEnrol>();
    check::<AskOverview>();
}

#[test]
fn signatures_have_one_form() {
    let key = private_key(Role::Possession);
    let public = public_key(Role::Possession);
    let message = PollOpen::any(&mut Gen::new(Mode::Full, "high"), "");
    let unsigned = Unsigned::new(&message, ENVIRONMENT, None);
    let low = crypto::p256_sign(&key, &unsigned.to_be_signed()).unwrap();
    let parsed = p256::ecdsa::Signature::from_slice(&low.0).unwrap();
    let (r, s) = (parsed.r(), parsed.s());
    let negated = -*s.as_ref();
    let high = p256::ecdsa::Signature::from_scalars(r.to_bytes(), negated.to_bytes()).unwrap();
    let high = Signature::from_slice(&high.to_bytes()).unwrap();
    assert_ne!(high, low);

    // A key store may give either; what is sent has the lower.
    let sent = unsigned.clone().assemble(&high, &public).unwrap();
    assert_eq!(sent, unsigned.clone().assemble(&low, &public).unwrap());
    assert_eq!(cose::open::<PollOpen>(&sent, ENVIRONMENT, &public), Ok(message));
    // The other one is refused on arrival.
    let at = sent.len() - 64;
    assert_eq!(sent[at..], low.0);
    let changed = [&sent[..at], &high.0].concat();
    let received = Received::<PollOpen>::parse(&changed, ENVIRONMENT).unwrap();
    assert_eq!(received.check(&public), Err(CoseError::BadSignature));
    let good = Received::<PollOpen>::parse(&sent, ENVIRONMENT).unwrap();
    assert_eq!(good.check_as(Role::Possession, &public, &high), Err(CoseError::BadSignature));
    assert_eq!(good.check_as(Role::Possession, &public, &low), Ok(()));
    // Nothing is sent that the enrolled key did not sign.
    assert_eq!(unsigned.clone().assemble(&low, &public_key(Role::Pin)), Err(CoseError::BadSignature));
    for empty in [[0; 64], [0xff; 64]] {
        assert_eq!(
            unsigned.clone().assemble(&Signature::from_slice(&empty).unwrap(), &public),
            Err(CoseError::BadSignature)
        );
    }
}

/// A `COSE_Sign1` made by hand, signed by the possession key over whatever payload it is given.
struct Handmade {
    payload: Vec<u8>,
    header: HeaderBuilder,
    unprotected: HeaderBuilder,
}

impl Handmade {
    fn new(kind: u16, version: u32, body: &[u8]) -> Self {
        let mut payload = Vec::new();
        let mut e = minicbor::Encoder::new(&mut payload);
        e.array(4).unwrap().u16(kind).unwrap().u32(version).unwrap().str(ENVIRONMENT).unwrap();
        payload.extend_from_slice(body);
        let header = HeaderBuilder::new().algorithm(iana::Algorithm::ES256);
        Self { payload, header, unprotected: HeaderBuilder::new() }
    }

    fn sign(self) -> Vec<u8> {
        CoseSign1Builder::new()
            .protected(self.header.build())
            .unprotected(self.unprotected.build())
            .payload(self.payload)
            .create_signature(b"godkend/1/possession", |tbs| {
                crypto::p256_sign(&private_key(Role::Possession), tbs).unwrap().0.to_vec()
            })
            .build()
            .to_vec()
            .unwrap()
    }
}

fn poll_open() -> (PollOpen, Vec<u8>) {
    let message = PollOpen::any(&mut Gen::new(Mode::Full, "by hand"), "");
    let body = cbor::encode(&message);
    (message, body)
}

fn open_poll(bytes: &[u8]) -> Result<PollOpen, CoseError> {
    cose::open(bytes, ENVIRONMENT, &public_key(Role::Possession))
}

const MALFORMED: CoseError = CoseError::Cbor(CborError::Malformed);

#[test]
fn envelopes_have_one_form() {
    let (message, body) = poll_open();
    let good = Handmade::new(PollOpen::TYPE, 1, &body).sign();
    assert_eq!(good, signed::sign(&message, ENVIRONMENT), "as another library makes it");
    assert_eq!(open_poll(&good), Ok(message.clone()));

    for version in [0, 2, u32::MAX] {
        assert_eq!(open_poll(&Handmade::new(PollOpen::TYPE, version, &body).sign()), Err(CoseError::WrongVersion));
    }
    assert_eq!(open_poll(&Handmade::new(0, 1, &body).sign()), Err(CoseError::WrongType));
    assert_eq!(open_poll(&Handmade::new(PollOpen::TYPE + 1, 1, &body).sign()), Err(CoseError::WrongType));

    let made = |change: &dyn Fn(Handmade) -> Handmade| change(Handmade::new(PollOpen::TYPE, 1, &body)).sign();
    let header = |change: fn(HeaderBuilder) -> HeaderBuilder| {
        made(&move |h| Handmade { header: change(HeaderBuilder::new().algorithm(iana::Algorithm::ES256)), ..h })
    };
    let unprotected = |change: fn(HeaderBuilder) -> HeaderBuilder| {
        made(&move |h| Handmade { unprotected: change(h.unprotected), ..h })
    };
    for (what, bytes) in [
        ("another algorithm", header(|_| HeaderBuilder::new().algorithm(iana::Algorithm::ES384))),
        ("no algorithm", header(|_| HeaderBuilder::new())),
        ("EdDSA", header(|_| HeaderBuilder::new().algorithm(iana::Algorithm::EdDSA))),
        ("a content type", header(|h| h.content_format(iana::CoapContentFormat::Cbor))),
        ("a critical header", header(|h| h.add_critical(iana::HeaderParameter::Alg))),
        ("an unknown header", header(|h| h.value(4711, coset::cbor::value::Value::Bool(true)))),
        ("a short key id", header(|h| h.key_id(vec![1; 7]))),
        ("a long key id", header(|h| h.key_id(vec![1; 9]))),
        ("a key id where no key is named", header(|h| h.key_id(vec![1; 8]))),
        ("an unprotected algorithm", unprotected(|h| h.algorithm(iana::Algorithm::ES256))),
        ("an unprotected key id", unprotected(|h| h.key_id(vec![1; 8]))),
        ("an unprotected header", unprotected(|h| h.value(4711, coset::cbor::value::Value::Bool(true)))),
        ("a tag", [&[0xd2], &good[..]].concat()),
        ("a trailing byte", [&good[..], &[0]].concat()),
        (
            "a payload with a trailing item",
            made(&|mut h| {
                h.payload.push(0);
                h
            }),
        ),
        (
            "a longer payload array",
            made(&|mut h| {
                h.payload[0] = 0x85;
                h.payload.push(0);
                h
            }),
        ),
        (
            "a shorter payload array",
            made(&|mut h| {
                h.payload = [&[0x83], &h.payload[1..h.payload.len() - body.len()]].concat();
                h
            }),
        ),
        ("an empty payload", made(&|h| Handmade { payload: Vec::new(), ..h })),
        ("a number for the environment", made(&|h| Handmade { payload: vec![0x84, 12, 1, 1, 0xa0], ..h })),
        ("a type in two bytes", made(&|h| Handmade { payload: [&[0x84, 0x18, 12], &h.payload[2..]].concat(), ..h })),
    ] {
        assert_eq!(open_poll(&bytes), Err(MALFORMED), "{what}");
    }
    // Detached, and with a signature of another length.
    let sign1 = coset::CoseSign1::from_slice(&good).unwrap();
    let mut detached = sign1.clone();
    detached.payload = None;
    assert_eq!(open_poll(&detached.to_vec().unwrap()), Err(MALFORMED));
    for length in [0, 63, 65, 128] {
        let mut other = sign1.clone();
        other.signature.resize(length, 1);
        assert_eq!(open_poll(&other.to_vec().unwrap()), Err(CoseError::BadSignature), "{length} bytes");
    }
    assert_eq!(open_poll(&vec![0; cbor::MAX_MESSAGE + 1]), Err(CborError::TooLarge.into()));
}

#[test]
fn extensions_are_signed_and_ignored_and_others_are_refused() {
    let (message, body) = poll_open();
    let with = |items: &[u8]| {
        let mut extended = body.clone();
        extended[0] += 1;
        extended.extend_from_slice(items);
        Handmade::new(PollOpen::TYPE, 1, &extended).sign()
    };
    let extended = with(&[0x18, 64, 0x19, 0x12, 0x34]);
    assert_eq!(open_poll(&extended), Ok(message.clone()), "ignored");
    let at = extended.windows(3).position(|w| w == [0x19, 0x12, 0x34]).unwrap() + 2;
    let mut changed = extended.clone();
    changed[at] ^= 1;
    assert_eq!(open_poll(&changed), Err(CoseError::BadSignature), "and signed");
    let received = Received::<PollOpen>::parse(&extended, ENVIRONMENT).unwrap();
    assert!(received.payload().windows(3).any(|w| w == [0x19, 0x12, 0x34]), "the hash of a payload covers it");

    assert_eq!(open_poll(&with(&[0x1b, 0, 0, 0, 1, 0, 0, 0, 0, 0xf4])), Ok(message), "a large key");
    for negative in [&[0x20, 1][..], &[0x38, 99, 1], &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]] {
        assert_eq!(open_poll(&with(negative)), Err(CborError::UpdateNeeded.into()));
    }
    for unknown in [&[0x06, 1][..], &[0x17, 1], &[0x18, 63, 1], &[0x05, 1], &[0x61, b'a', 1], &[0x18, 64, 0xf9, 0, 0]] {
        assert_eq!(open_poll(&with(unknown)), Err(MALFORMED), "{unknown:02x?}");
    }
}

/// The list that the app offered is in what both sides sign: whoever strips it changes every hash.
#[test]
fn an_offered_suite_cannot_be_stripped() {
    let open = |suites: &[Suite]| {
        let mut open = ActivationOpen::any(&mut Gen::new(Mode::Full, "suites"), "");
        open.suites = suites.to_vec();
        cbor::encode(&open)
    };
    let (full, stripped) = (open(&[Suite::P256, Suite::Hybrid]), open(&[Suite::P256]));
    assert_ne!(crypto::sha256(&[&full]), crypto::sha256(&[&stripped]), "the offer names the hash of the opening");
    assert_ne!(transcript(&full, b"offer", b"core"), transcript(&stripped, b"offer", b"core"));
    assert_ne!(transcript(&full, b"offer", b"core"), transcript(&full, b"offeR", b"core"));
    assert_ne!(transcript(&full, b"offer", b"core"), transcript(&full, b"offerc", b"ore"), "parts keep their borders");
    // A suite that nobody knows is no message of this version.
    let unknown = [&full[..full.len() - 1], &[3]].concat();
    assert_eq!(cbor::decode::<ActivationOpen>(&unknown), Err(CborError::Malformed));
}

/// Every type, with anything that it can hold, comes back from its bytes; signed ones from their envelope too.
struct RoundTrip(String);

impl RoundTrip {
    fn check<T: Encoded + Any>(&self) -> T {
        let value = T::any(&mut Gen::new(Mode::Wild, &self.0), "");
        let encoded = cbor::encode(&value);
        cbor::validate(&encoded)
            .unwrap_or_else(|e| panic!("{}: {e}: {}", messages::name::<T>(), hex::encode(&encoded)));
        let decoded: T = cbor::decode(&encoded).unwrap_or_else(|e| panic!("{}: {e}", messages::name::<T>()));
        assert!(decoded == value, "{}", messages::name::<T>());
        assert_eq!(cbor::encode(&decoded), encoded);
        value
    }
}

impl Visitor for RoundTrip {
    fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
        let value = self.check::<T>();
        let unsigned = Unsigned::new(&value, ENVIRONMENT, None);
        let blob = Blob(unsigned.to_be_signed());
        // The payload is the last part of what is signed.
        assert!(blob.0.ends_with(&cbor::encode(&value)));
    }
    fn unsigned<T: Encoded + Any>(&mut self) {
        self.check::<T>();
    }
    fn part<T: Encoded + Any>(&mut self) {
        self.check::<T>();
    }
    fn choice<T: Encoded + Any + Variants>(&mut self) {
        self.check::<T>();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_back_from_its_bytes(seed in any::<u64>()) {
        messages::visit(&mut RoundTrip(seed.to_string()));
    }

    /// Whatever is taken is the one encoding of what it was read as.
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200), seed in any::<u64>()) {
        struct Feed(Vec<u8>);
        impl Feed {
            fn check<T: Encoded>(&self) {
                if let Ok(value) = cbor::decode::<T>(&self.0) {
                    // Extension keys are the one thing that is not read back.
                    assert!(cbor::encode(&value).len() <= self.0.len());
                }
            }
        }
        impl Visitor for Feed {
            fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
                self.check::<T>();
                assert!(Received::<T>::parse(&self.0, ENVIRONMENT).is_err());
            }
            fn unsigned<T: Encoded + Any>(&mut self) {
                self.check::<T>();
            }
            fn part<T: Encoded + Any>(&mut self) {
                self.check::<T>();
            }
            fn choice<T: Encoded + Any + Variants>(&mut self) {
                self.check::<T>();
            }
        }
        messages::visit(&mut Feed(bytes.clone()));
        // And with the beginning of a real message.
        let real = cbor::encode(&Answer::any(&mut Gen::new(Mode::Mixed, &seed.to_string()), ""));
        let keep = usize::try_from(seed % 200).unwrap().min(real.len());
        messages::visit(&mut Feed([&real[..keep], &bytes].concat()));
    }
}
