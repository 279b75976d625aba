//! Tokens that only the holder of a key can use (DPoP, RFC 9449): a client's proofs, and what a resource demands of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json};
use url::Url;

/// The request's proof.
pub const HEADER: &str = "dpop";
/// How far a proof's clock may be from the resource's, seconds.
const SKEW: i64 = 60;

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `htm`.
    pub method: &'a str,
    /// `htu`: query and fragment do not count.
    pub url: &'a str,
    /// The access token beside the proof.
    pub token: Option<&'a str>,
}

/// A client's key, P-256.
pub struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Key {
    /// A new one; none where the system has no randomness.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).ok()?;
        Some(Self { pair, random })
    }

    /// A proof for one request (RFC 9449, section 4.2); none where the system has no randomness.
    #[must_use]
    pub fn proof(&self, request: &Request<'_>, nonce: Option<&str>, now: i64) -> Option<String> {
        let mut name = [0; 16];
        self.random.fill(&mut name).ok()?;
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode(name), "htm": request.method, "htu": bare(request.url)?.as_str(), "iat": now,
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(token) = request.token {
            claims["ath"] = json!(hash(token));
        }
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(point.get(1..33)?), URL_SAFE_NO_PAD.encode(point.get(33..)?));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A proof that is good for its request, but for its being the first of its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The key's thumbprint (RFC 7638).
    pub jkt: String,
    name: String,
    issued: i64,
}

/// Checks a proof (RFC 9449, section 4.3); `None` whatever is wrong with it.
#[must_use]
pub fn check(text: &str, request: &Request<'_>, now: i64) -> Option<Proof> {
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let object = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (object(header)?, object(claims)?);
    let told = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let jwk = header.get("jwk")?;
    let plain = told(&header, "typ")? == "dpop+jwt" && told(&header, "alg")? == "ES256" && header.get("crit").is_none();
    if !plain || told(jwk, "kty")? != "EC" || told(jwk, "crv")? != "P-256" || jwk.get("d").is_some() {
        return None;
    }
    let (x, y) = (told(jwk, "x")?, told(jwk, "y")?);
    let point = [vec![4], URL_SAFE_NO_PAD.decode(&x).ok()?, URL_SAFE_NO_PAD.decode(&y).ok()?].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let issued = claims.get("iat")?.as_i64()?;
    let name = told(&claims, "jti").filter(|name| (1..=128).contains(&name.len()))?;
    let fits = told(&claims, "htm")? == request.method
        && bare(&told(&claims, "htu")?)? == bare(request.url)?
        && told(&claims, "ath") == request.token.map(hash)
        && now.saturating_sub(issued).abs() <= SKEW;
    let jkt = hash(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
    fits.then_some(Proof { jkt, name, issued })
}

/// The proofs that a resource has seen, in memory, for as long as they would be taken.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<(String, String), i64>>);

impl Seen {
    /// Whether the proof was not seen before; from now on it was.
    pub fn first(&self, proof: Proof, now: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, issued| now.saturating_sub(*issued) <= SKEW);
        seen.insert((proof.jkt, proof.name), proof.issued).is_none()
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// An address without query and fragment.
fn bare(url: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000;
    const REQUEST: Request<'_> = Request { method: "GET", url: "https://a.dk/letter", token: Some("t") };

    #[test]
    fn a_proof_is_for_its_request_its_token_and_its_time() {
        let key = Key::generate().unwrap();
        let proof = key.proof(&REQUEST, Some("n"), NOW).unwrap();
        let good = check(&proof, &REQUEST, NOW).unwrap();
        assert_eq!(check(&proof, &Request { url: "HTTPS://A.dk:443/letter?x#y", ..REQUEST }, NOW + 60), Some(good));
        for (request, now) in [
            (Request { method: "POST", ..REQUEST }, NOW),
            (Request { url: "https://a.dk/letters", ..REQUEST }, NOW),
            (Request { url: "https://b.dk/letter", ..REQUEST }, NOW),
            (Request { token: Some("T"), ..REQUEST }, NOW),
            (Request { token: None, ..REQUEST }, NOW),
            (REQUEST, NOW + 61),
            (REQUEST, NOW - 61),
        ] {
            assert_eq!(check(&proof, &request, now), None, "{request:?} {now}");
        }
    }

    #[test]
    fn another_keys_signature_or_header_is_no_proof() {
        let (mine, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let proof = mine.proof(&REQUEST, None, NOW).unwrap();
        let parts: Vec<&str> = proof.split('.').collect();
        let strange = other.proof(&REQUEST, None, NOW).unwrap();
        let theirs: Vec<&str> = strange.split('.').collect();
        assert_eq!(check(&format!("{}.{}.{}", parts[0], parts[1], theirs[2]), &REQUEST, NOW), None);
        assert_eq!(check(&format!("{}.{}.{}", theirs[0], parts[1], parts[2]), &REQUEST, NOW), None);
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
        // Signed as they stand: what is wrong is what the header says.
        for (name, value) in [("typ", json!("JWT")), ("alg", json!("none")), ("crit", json!(["x"]))] {
            let mut header = header.clone();
            header[name] = value;
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), parts[1]);
            let signature = mine.pair.sign(&mine.random, signed.as_bytes()).unwrap();
            let proof = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(check(&proof, &REQUEST, NOW), None, "{name}");
        }
        for broken in ["", ".", "..", "a.b.c", &proof[..proof.len() - 2]] {
            assert_eq!(check(broken, &REQUEST, NOW), None, "{broken}");
        }
        let good = check(&proof, &REQUEST, NOW).unwrap();
        assert_ne!(Some(good.jkt), check(&strange, &REQUEST, NOW).map(|proof| proof.jkt));
    }

    #[test]
    fn a_proof_is_taken_once_and_forgotten_when_it_is_too_old_anyway() {
        let key = Key::generate().unwrap();
        let proof = |now| check(&key.proof(&REQUEST, None, now).unwrap(), &REQUEST, now).unwrap();
        let (seen, one) = (Seen::default(), proof(NOW));
        assert!(seen.first(one.clone(), NOW) && !seen.first(one, NOW + 60));
        assert!(seen.first(proof(NOW), NOW + 60), "another of the same second");
        assert!(seen.first(proof(NOW + 200), NOW + 200));
        assert_eq!(seen.0.lock().unwrap().len(), 1);
    }
}
