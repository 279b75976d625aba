//! Signed tokens that others made: DPoP proofs, client assertions, and our own coming back. ES256 and nothing else (RFC
//! 7515; RFC 8725, section 3.1), so that no header can choose a weaker way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::{Fixed, Hash32, PublicKey, Signature};
use godkend_protocol::crypto;
use serde_json::{Map, Value};

/// The longest token that is looked at, bytes.
const LONGEST: usize = 8192;

/// A token whose signature has not been checked yet.
pub struct Jws<'a> {
    /// The header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
    signed: &'a str,
    signature: Signature,
}

impl<'a> Jws<'a> {
    /// Takes a compact token apart; `None` for another algorithm than ES256, for critical extensions, and for whatever is
    /// malformed.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let object = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Map<String, Value>>(&bytes).ok()
        };
        let (header, claims) = (object(header)?, object(claims)?);
        let plain = header.get("alg").and_then(Value::as_str) == Some("ES256") && !header.contains_key("crit");
        let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?)?;
        plain.then_some(Self { header, claims, signed, signature })
    }

    /// Whether this key signed it. Either of ECDSA's two signatures is good: the tokens of libraries are not normalised.
    #[must_use]
    pub fn verify(&self, key: &PublicKey) -> bool {
        crypto::verify_es256_any_s(key, self.signed.as_bytes(), &self.signature)
    }

    /// A text of the header.
    #[must_use]
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A text of the claims.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A time of the claims in whole Unix seconds; what stands behind a point is cut off (RFC 7519, section 2).
    #[must_use]
    pub fn time(&self, name: &str) -> Option<i64> {
        let value = self.claims.get(name)?;
        value.as_i64().or_else(|| value.to_string().split_once('.')?.0.parse().ok())
    }
}

/// A public P-256 key (RFC 7517; RFC 7518, section 6.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jwk {
    /// The point.
    pub key: PublicKey,
    /// Its name, if it has one.
    pub kid: Option<String>,
}

impl Jwk {
    /// Reads a JWK's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(&serde_json::from_str(text).ok()?)
    }

    /// Reads a JWK; `None` for another kind of key, for a point that is not on the curve, and for one with a private part.
    #[must_use]
    pub fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name)?.as_str();
        if text("kty")? != "EC" || text("crv")? != "P-256" || jwk.contains_key("d") {
            return None;
        }
        if text("alg").is_some_and(|alg| alg != "ES256") || text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let coordinate = |name: &str| Fixed::<32>::from_slice(&URL_SAFE_NO_PAD.decode(text(name)?).ok()?);
        let key = PublicKey::from_slice(&[&[4], &coordinate("x")?.0[..], &coordinate("y")?.0].concat())?;
        crypto::is_valid_point(&key).then(|| Self { key, kid: text("kid").map(str::to_owned) })
    }

    /// Its thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> Hash32 {
        thumbprint(&self.key)
    }
}

/// The thumbprint of a P-256 key (RFC 7638).
#[must_use]
pub fn thumbprint(key: &PublicKey) -> Hash32 {
    let (x, y) = (URL_SAFE_NO_PAD.encode(&key.0[1..33]), URL_SAFE_NO_PAD.encode(&key.0[33..]));
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    crypto::sha256(&[members.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9449, section 4.1, and its thumbprint of section 6.1.
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

    #[test]
    fn the_example_of_rfc_9449_verifies() {
        let proof = Jws::parse(PROOF).unwrap();
        let jwk = Jwk::read(proof.header["jwk"].as_object().unwrap()).unwrap();
        assert!(proof.verify(&jwk.key));
        assert_eq!(jwk.thumbprint().to_base64(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert_eq!((proof.text("htm"), proof.time("iat")), (Some("POST"), Some(1_562_262_616)));
        let forged = PROOF.replacen("eyJqdGkiOiItQndDM", "eyJqdGkiOiItQndDN", 1);
        assert!(!Jws::parse(&forged).unwrap().verify(&jwk.key));
    }

    #[test]
    fn other_algorithms_and_malformed_tokens_are_not_looked_at() {
        let token = |header: &str| {
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            format!("{}.{}.{}", part(header), part("{}"), URL_SAFE_NO_PAD.encode([1; 64]))
        };
        assert!(Jws::parse(&token(r#"{"alg":"ES256"}"#)).is_some());
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":"es256"}"#,
            r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
            r#"{}"#,
            r#"["ES256"]"#,
        ] {
            assert!(Jws::parse(&token(header)).is_none(), "{header}");
        }
        let good = token(r#"{"alg":"ES256"}"#);
        for bad in ["", ".", "..", "a.b.c", &format!("{good}="), &format!("{good}."), &format!(" {good}")] {
            assert!(Jws::parse(bad).is_none(), "{bad}");
        }
        assert!(Jws::parse(&format!("{}.{good}", "e".repeat(LONGEST))).is_none());
    }

    #[test]
    fn only_public_points_of_the_curve_are_keys() {
        let good = r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
        assert!(Jwk::parse(good).is_some());
        for (part, instead) in [
            ("\"EC\"", "\"RSA\""),
            ("P-256", "P-384"),
            ("\"l8t", "\"m8t"),
            ("\"y\":", "\"d\":\"AA\",\"y\":"),
            ("\"y\":", "\"use\":\"enc\",\"y\":"),
            ("\"y\":", "\"alg\":\"ES384\",\"y\":"),
            ("\"x\"", "\"z\""),
        ] {
            assert!(Jwk::parse(&good.replacen(part, instead, 1)).is_none(), "{instead}");
        }
    }
}
