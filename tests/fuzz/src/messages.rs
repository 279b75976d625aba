//! The CBOR validator against another implementation's reading, and every message's decoder and envelope.

use std::sync::OnceLock;

use coset::cbor::value::Value;
use godkend_protocol::bytes::{PublicKey, Secret};
use godkend_protocol::cbor;
use godkend_protocol::cose::{self, Received, Role, SignedMessage, Unsigned};
use godkend_protocol::crypto;

use crate::input::Input;
use crate::mutate;
use crate::shared::generate::{Any, Gen, Mode, Variants};
use crate::shared::messages::{Encoded, Visitor, visit};

const ENVIRONMENT: &str = "test";
/// How deep the validator lets items nest.
const DEPTH: usize = 12;

/// What can be done to one type.
struct Kind {
    check: fn(&[u8]),
    example: fn(Mode, u8) -> Vec<u8>,
    /// Opens an envelope with the key of its role; gives the message's encoding. `None` for unsigned types.
    envelope: Option<Envelope>,
}

struct Envelope {
    sign: fn(Mode, u8) -> Vec<u8>,
    open: fn(&[u8]) -> Option<Vec<u8>>,
}

struct Kinds(Vec<Kind>);

impl Kinds {
    fn add<T: Encoded + Any>(&mut self, envelope: Option<Envelope>) {
        self.0.push(Kind { check: check::<T>, example: example::<T>, envelope });
    }
}

impl Visitor for Kinds {
    fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
        self.add::<T>(Some(Envelope { sign: sign::<T>, open: open::<T> }));
    }
    fn unsigned<T: Encoded + Any>(&mut self) {
        self.add::<T>(None);
    }
    fn part<T: Encoded + Any>(&mut self) {
        self.add::<T>(None);
    }
    fn choice<T: Encoded + Any + Variants>(&mut self) {
        self.add::<T>(None);
    }
}

fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let mut kinds = Kinds(Vec::new());
        visit(&mut kinds);
        kinds.0
    })
}

/// First byte: what is done; second: to which type.
pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (how, kind) = (input.below(6), &kinds()[input.below(kinds().len())]);
    let mode = [Mode::Full, Mode::Least, Mode::Mixed, Mode::Wild][input.below(4)];
    let seed = input.byte();
    match how {
        0 => {
            let bytes = input.rest();
            validator(bytes);
            (kind.check)(bytes);
            envelopes(kind, bytes);
        }
        1 => {
            let bytes = mutate::bytes(&mut input, (kind.example)(mode, seed));
            validator(&bytes);
            (kind.check)(&bytes);
        }
        2 | 3 => {
            if let Some(bytes) = mutate::cbor(&mut input, &(kind.example)(mode, seed)) {
                validator(&bytes);
                (kind.check)(&bytes);
            }
        }
        _ => {
            let Some(envelope) = &kind.envelope else { return };
            let right = signed(kind, mode, seed % 8);
            let changed = if how == 4 {
                mutate::bytes(&mut input, right.clone())
            } else {
                match inside(&mut input, &right) {
                    Some(changed) => changed,
                    None => return,
                }
            };
            envelopes(kind, &changed);
            // Nobody but the key's holder makes another message, nor another spelling of this one.
            assert!((envelope.open)(&right).is_some());
            assert!(changed == right || (envelope.open)(&changed).is_none(), "a changed envelope is taken");
        }
    }
}

fn validator(bytes: &[u8]) {
    let taken = cbor::validate(bytes).is_ok();
    let expected = mutate::tree(bytes).is_some_and(|value| {
        let mut again = Vec::new();
        mutate::depth(&value) <= DEPTH && mutate::spell(&value, &mut again).is_some() && again == bytes
    });
    assert_eq!(taken, expected, "the validator and another reading differ");
}

fn example<T: Encoded + Any>(mode: Mode, seed: u8) -> Vec<u8> {
    cbor::encode(&T::any(&mut Gen::new(mode, &seed.to_string()), ""))
}

fn check<T: Encoded>(bytes: &[u8]) {
    let Ok(value) = cbor::decode::<T>(bytes) else { return };
    let again = cbor::encode(&value);
    assert_eq!(again, without_extensions(bytes), "another spelling is taken");
    assert_eq!(cbor::decode::<T>(&again).as_ref(), Ok(&value));
}

/// What is known of a message: without the keys of its outermost map that later versions may add.
fn without_extensions(bytes: &[u8]) -> Vec<u8> {
    let Some(Value::Map(pairs)) = mutate::tree(bytes) else { return bytes.to_vec() };
    let is_extension = |key: &Value| key.as_integer().is_some_and(|key| i128::from(key) >= 64);
    let known = pairs.into_iter().filter(|(key, _)| !is_extension(key)).collect();
    let mut out = Vec::new();
    mutate::spell(&Value::Map(known), &mut out).unwrap();
    out
}

fn role_key(role: Role) -> &'static (Secret<32>, PublicKey) {
    static KEYS: OnceLock<Vec<(Secret<32>, PublicKey)>> = OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        (0..6_u8)
            .map(|number| {
                let secret = crypto::p256_from_seed(&[number], "fuzz role");
                let public = crypto::p256_public(&secret).unwrap();
                (secret, public)
            })
            .collect()
    });
    &keys[role as usize]
}

fn sign<T: Encoded + Any + SignedMessage>(mode: Mode, seed: u8) -> Vec<u8> {
    let (secret, public) = role_key(T::SIGNER);
    let message = T::any(&mut Gen::new(mode, &seed.to_string()), "");
    let named = (T::SIGNER == Role::Challenge).then(|| cose::key_id(public));
    let unsigned = Unsigned::new(&message, ENVIRONMENT, named);
    let signature = crypto::p256_sign(secret, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, public).unwrap()
}

/// Signing is the dear part: each envelope is made once.
fn signed(kind: &Kind, mode: Mode, seed: u8) -> Vec<u8> {
    type Made = std::collections::HashMap<(usize, u8, u8), Vec<u8>>;
    static MADE: std::sync::Mutex<Option<Made>> = std::sync::Mutex::new(None);
    let sign = kind.envelope.as_ref().unwrap().sign;
    let mut made = MADE.lock().unwrap();
    let key = (sign as usize, mode as u8, seed);
    made.get_or_insert_default().entry(key).or_insert_with(|| sign(mode, seed)).clone()
}

fn open<T: Encoded + SignedMessage>(bytes: &[u8]) -> Option<Vec<u8>> {
    let received = Received::<T>::parse(bytes, ENVIRONMENT).ok()?;
    let claimed = cbor::encode(received.claimed());
    received.verify(&role_key(T::SIGNER).1).ok()?;
    Some(claimed)
}

/// Every reader of envelopes on the same bytes: none panics, and at most the one of the type takes them.
fn envelopes(kind: &Kind, bytes: &[u8]) {
    validator(bytes);
    if let Some(envelope) = &kind.envelope {
        (envelope.open)(bytes);
    }
}

/// Changes the tree of the payload or of the envelope around it.
fn inside(input: &mut Input<'_>, right: &[u8]) -> Option<Vec<u8>> {
    if input.flag() {
        return mutate::cbor(input, right);
    }
    let Some(Value::Array(mut parts)) = mutate::tree(right) else { return None };
    let part = parts.get_mut(if input.flag() { 0 } else { 2 })?;
    let changed = mutate::cbor(input, part.as_bytes()?)?;
    *part = Value::Bytes(changed);
    let mut out = Vec::new();
    mutate::spell(&Value::Array(parts), &mut out)?;
    Some(out)
}
