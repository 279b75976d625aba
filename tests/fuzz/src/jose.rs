//! What relying parties sign: compact tokens (RFC 7515), keys (RFC 7517) and proofs of a key (RFC 9449), right ones bent
//! before and after they were signed.

use std::sync::OnceLock;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::PublicKey;
use godkend_server::oidc::dpop;
use godkend_server::oidc::jws::{Jwk, Jws, thumbprint};
use godkend_server::ops::secrets::P256Key;
use serde_json::{Map, Value, json};

use crate::host::{self, Host};
use crate::input::{self, Input};
use crate::mutate;
use crate::server_input::bend;

const PATH: &str = "/token";

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(5) {
        0 => any_text(&input.text()),
        1 => key(&mut input),
        2 => token(&mut input),
        _ => proof(&mut input),
    }
}

/// A server that lives as long as the process, for its issuer and its nonces.
fn host() -> &'static Host {
    static HOST: OnceLock<(tempfile::TempDir, Host)> = OnceLock::new();
    let (_, host) = HOST.get_or_init(|| {
        let folder = host::copy();
        let host = host::runtime().block_on(Host::open(folder.path(), 0));
        (folder, host)
    });
    host
}

fn keys() -> &'static [P256Key; 2] {
    static KEYS: OnceLock<[P256Key; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [(); 2].map(|()| P256Key::generate(&mut godkend_server::ops::random::system()).unwrap()))
}

fn public(key: &P256Key) -> PublicKey {
    PublicKey::from_slice(key.public()).unwrap()
}

fn jwk(key: &P256Key) -> Value {
    let point = key.public();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({ "kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..]) })
}

fn sign(key: &P256Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn any_text(text: &str) {
    if let Some(token) = Jws::parse(text) {
        assert!(!token.verify(&public(&keys()[0])), "nobody signed this");
    }
    let _ = Jwk::parse(text);
}

/// What is read as a key is one, and only one way.
fn key(input: &mut Input<'_>) {
    let mut value = jwk(&keys()[0]);
    for (name, text) in [("kid", "k"), ("alg", "ES256"), ("use", "sig")] {
        if input.flag() {
            value[name] = json!(text);
        }
    }
    for _ in 0..input.below(3) {
        bend(input, &mut value);
    }
    let text = value.to_string();
    let Some(read) = Jwk::parse(&text) else { return };
    let has = |name: &str, expected: &str| value[name].as_str() == Some(expected);
    assert!(has("kty", "EC") && has("crv", "P-256") && value.get("d").is_none(), "{text}");
    assert!(value.get("alg").and_then(Value::as_str).is_none_or(|alg| alg == "ES256"), "{text}");
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    assert!(has("x", &part(&read.key.0[1..33])) && has("y", &part(&read.key.0[33..])), "{text}");
    assert_eq!(read.thumbprint(), thumbprint(&read.key));
}

/// A changed token says nothing else in its signer's name.
fn token(input: &mut Input<'_>) {
    let [own, other] = keys();
    let mut header = json!({ "alg": "ES256", "kid": "k" });
    let mut claims = json!({ "iss": "netbank", "sub": "netbank", "exp": input.number(), "jti": "1" });
    for _ in 0..input.below(3) {
        let part = if input.flag() { &mut header } else { &mut claims };
        bend(input, part);
    }
    let right = sign(own, &header, &claims);
    if let Some(parsed) = Jws::parse(&right) {
        let object = |value: &Value| value.as_object().cloned();
        assert_eq!((Some(parsed.header.clone()), Some(parsed.claims.clone())), (object(&header), object(&claims)));
        assert_eq!((&header["alg"], header.get("crit")), (&json!("ES256"), None), "{header}");
        assert!(parsed.verify(&public(own)) && !parsed.verify(&public(other)));
        let _ = (parsed.time("exp"), parsed.text("iss"), parsed.header_text("kid"));
    }
    let changed = input::text(&mutate::bytes(input, right.clone().into_bytes()));
    if let Some(parsed) = Jws::parse(&changed)
        && parsed.verify(&public(own))
    {
        let signed = |text: &str| text.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(signed(&changed), signed(&right), "a changed token verifies");
    }
}

/// A proof is taken exactly for its method, address, time and nonce.
fn proof(input: &mut Input<'_>) {
    let host = host();
    let judge = |text: &str, token: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers.insert("dpop", HeaderValue::from_str(text).ok()?);
        Some(host::runtime().block_on(dpop::proof(&host.app, &headers, "POST", PATH, token)))
    };
    let now = host.app.now();
    let nonce = {
        // A proof without one is answered with it.
        let claims = json!({ "htm": "POST", "htu": address(host), "iat": now, "jti": "first" });
        let bare = sign(&keys()[0], &json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&keys()[0]) }), &claims);
        judge(&bare, None).unwrap().unwrap_err().dpop_nonce.unwrap()
    };
    let with = input.flag().then_some("an access token");
    let ath = URL_SAFE_NO_PAD.encode(godkend_protocol::crypto::sha256(&[b"an access token"]).0);
    let mut header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&keys()[0]) });
    let mut claims = json!({ "htm": "POST", "htu": address(host), "iat": now, "jti": "a name", "nonce": nonce });
    if input.flag() {
        claims["ath"] = json!(ath);
    }
    for _ in 0..input.below(4) {
        match input.below(8) {
            0 => set(&mut header, "/jwk", "d", json!("AA")),
            1 => set(&mut claims, "", "iat", json!(now.saturating_add(i64::from(input.word()) - 32_768))),
            2 => set(&mut claims, "", "htu", json!(format!("{}{}", address(host), input.text()))),
            3 | 4 => bend(input, &mut header),
            _ => bend(input, &mut claims),
        }
    }
    let mut text = sign(&keys()[usize::from(input.rarely(8))], &header, &claims);
    if input.rarely(4) {
        text = input::text(&mutate::bytes(input, text.into_bytes()));
    }
    let Some(Ok(Some(taken))) = judge(&text, with) else { return };
    // What was taken is what it says, whatever was changed on the way.
    let parts: Vec<Map<String, Value>> = text
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    let (header, claims) = (&parts[0], &parts[1]);
    let jwk = Jwk::read(header["jwk"].as_object().unwrap()).expect("a key that is none");
    assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
    assert_eq!((&claims["htm"], &claims["nonce"]), (&json!("POST"), &json!(nonce)));
    assert!((Jws::parse(&text).unwrap().time("iat").unwrap() - now).abs() <= 61, "{claims:?}");
    let htu = url::Url::parse(claims["htu"].as_str().unwrap()).unwrap();
    assert_eq!(format!("{}{}", htu.origin().ascii_serialization(), htu.path()), address(host));
    assert!(with.is_none() || claims["ath"] == json!(ath), "bound to no token");
    assert!(
        matches!(claims["jti"].as_str().unwrap().len(), 1..=128)
            && !header["jwk"].as_object().unwrap().contains_key("d")
    );
    assert_eq!(taken.jkt, jwk.thumbprint());
}

/// Sets a member where the object is still one.
fn set(value: &mut Value, at: &str, name: &str, member: Value) {
    if let Some(object) = value.pointer_mut(at).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), member);
    }
}

fn address(host: &Host) -> String {
    let public = url::Url::parse(&host.app.config.server.public_url).unwrap();
    format!("{}{PATH}", public.origin().ascii_serialization())
}
