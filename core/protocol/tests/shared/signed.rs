//! Every signed message under fixed keys.

use godkend_protocol::bytes::Secret;
use godkend_protocol::cose::{self, Received, Role, SignedMessage, Unsigned};
use godkend_protocol::{cbor, crypto};
use serde_json::{Value, json};

use super::compute::{bytes, secret, text};
use super::generate::{Any, Variants};
use super::messages::{self, Encoded, Visitor};

pub const ENVIRONMENT: &str = "test";

pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Root => "root",
        Role::Challenge => "challenge",
        Role::Possession => "possession",
        Role::Biometric => "biometric",
        Role::Pin => "pin",
        Role::NewKey => "new-key",
    }
}

pub const ROLES: [Role; 6] = [Role::Root, Role::Challenge, Role::Possession, Role::Biometric, Role::Pin, Role::NewKey];

fn role(name: &str) -> Role {
    ROLES.into_iter().find(|role| role_name(*role) == name).unwrap_or_else(|| panic!("no role {name}"))
}

/// The test key of a role.
pub fn private_key(role: Role) -> Secret<32> {
    crypto::p256_from_seed(role_name(role).as_bytes(), "godkend test key")
}

/// The other keys that sign the same payload.
const fn countersigners(kind: u16) -> &'static [Role] {
    match kind {
        8 => &[Role::Pin],
        16 => &[Role::Pin, Role::Biometric, Role::NewKey],
        _ => &[],
    }
}

/// `T`, signed by the test key of its role; the server's keys are named.
pub fn sign<T: SignedMessage>(message: &T, environment: &str) -> Vec<u8> {
    let private = private_key(T::SIGNER);
    let public = crypto::p256_public(&private).unwrap();
    let named = (T::SIGNER == Role::Challenge).then(|| cose::key_id(&public));
    let unsigned = Unsigned::new(message, environment, named);
    let signature = crypto::p256_sign(&private, &unsigned.to_be_signed()).unwrap();
    unsigned.assemble(&signature, &public).unwrap()
}

/// The inputs of all cases.
pub fn inputs() -> Vec<(String, Value)> {
    struct Inputs(Vec<(String, Value)>);
    impl Visitor for Inputs {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            for (case, value) in messages::examples::<T>().into_iter().take(2) {
                let keys: Vec<_> = std::iter::once(T::SIGNER)
                    .chain(countersigners(T::TYPE).iter().copied())
                    .map(|role| json!({"role": role_name(role), "private_key": hex::encode(private_key(role).0)}))
                    .collect();
                let input = json!({
                    "message": messages::name::<T>(), "type": T::TYPE, "version": 1, "environment": ENVIRONMENT,
                    "body": hex::encode(cbor::encode(&value)), "keys": keys,
                    "names_key": T::SIGNER == Role::Challenge,
                });
                self.0.push((format!("{}, {case}", messages::name::<T>()), input));
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    let mut all = Inputs(Vec::new());
    messages::visit(&mut all);
    all.0
}

/// The output of one case.
pub fn output(input: &Value) -> Value {
    struct Output<'a>(&'a Value, Option<Value>);
    impl Visitor for Output<'_> {
        fn signed<T: Encoded + Any + SignedMessage>(&mut self) {
            if self.0["type"] == T::TYPE {
                assert_eq!(self.0["message"], messages::name::<T>());
                self.1 = Some(one::<T>(self.0));
            }
        }
        fn unsigned<T: Encoded + Any>(&mut self) {}
        fn part<T: Encoded + Any>(&mut self) {}
        fn choice<T: Encoded + Any + Variants>(&mut self) {}
    }
    let mut output = Output(input, None);
    messages::visit(&mut output);
    output.1.unwrap_or_else(|| panic!("no message has the type {}", input["type"]))
}

fn one<T: Encoded + SignedMessage>(i: &Value) -> Value {
    let message: T = cbor::decode(&bytes(i, "body")).unwrap();
    let keys = i["keys"].as_array().unwrap();
    let signer = role(text(&keys[0], "role"));
    assert_eq!(signer, T::SIGNER);
    let private = secret(&keys[0], "private_key");
    let public = crypto::p256_public(&private).unwrap();
    let id = i["names_key"].as_bool().unwrap().then(|| cose::key_id(&public));
    let unsigned = Unsigned::new(&message, text(i, "environment"), id);
    let tbs = unsigned.to_be_signed();
    let signature = crypto::p256_sign(&private, &tbs).unwrap();
    let counter: Vec<_> = keys[1..]
        .iter()
        .map(|key| {
            let tbs = unsigned.to_be_signed_as(role(text(key, "role")));
            let private = secret(key, "private_key");
            let signature = crypto::p256_sign(&private, &tbs).unwrap();
            json!({
                "role": text(key, "role"), "to_be_signed": hex::encode(tbs),
                "public_key": hex::encode(crypto::p256_public(&private).unwrap().0),
                "signature": hex::encode(signature.0),
            })
        })
        .collect();
    let cose = unsigned.assemble(&signature, &public).unwrap();
    let received = Received::<T>::parse(&cose, text(i, "environment")).unwrap();
    assert_eq!(received.claimed(), &message);
    for (line, key) in counter.iter().zip(&keys[1..]) {
        let public = crypto::p256_public(&secret(key, "private_key")).unwrap();
        let signature = super::compute::fixed(line, "signature");
        received.check_as(role(text(key, "role")), &public, &signature).unwrap();
    }
    received.check(&public).unwrap();
    json!({
        "public_key": hex::encode(public.0), "key_id": id.map(|id| hex::encode(id.0)),
        "payload": hex::encode(received.payload()), "to_be_signed": hex::encode(tbs),
        "signature": hex::encode(signature.0), "cose": hex::encode(cose), "countersignatures": counter,
    })
}
