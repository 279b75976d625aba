//! Web Push (RFC 8030): encrypted for its subscriber (RFC 8291), signed by this server (RFC 8292), sent to listed hosts.
//!
//! The endpoint is the phone's word, and so a stranger's: it leads to listed hosts only, over https, to their listed port,
//! never to this machine or its network, and never on to where an answer points.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::{PublicKey, Secret};
use godkend_protocol::crypto;
use reqwest::Client;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::json;
use url::Url;

use super::PushError;
use super::apns::sign_es256;
use super::gateways::{Sent, judge};
use super::http;
use crate::config::Config;
use crate::oidc::outbound::{PublicOnly, is_public};
use crate::ops::secrets::{self, P256Key};

/// Life of a signature, seconds; RFC 8292 allows a day.
const SIGNATURE: i64 = 12 * 3600;
/// Record size of the encrypted content: more than it ever has, so that there is one record.
const RECORD: u32 = 4096;

/// All Web Push services that may be sent to.
pub(super) struct WebPush {
    http: Client,
    hosts: Vec<String>,
    contact: String,
    key: P256Key,
    private: bool,
}

impl WebPush {
    pub(super) fn new(config: &Config) -> Result<Self, PushError> {
        let push = &config.push;
        let private = push.web_push_private;
        Ok(Self {
            http: http::client(config, |builder| builder.dns_resolver(PublicOnly { test: private }))?,
            hosts: push.web_push_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            contact: push.web_push_contact.clone(),
            key: secrets::load_p256(&config.beside_file(&push.web_push_key))?,
            private,
        })
    }

    pub(super) fn public(&self) -> &[u8; 65] {
        self.key.public()
    }

    /// The endpoint, if it may be sent to.
    pub(super) fn allowed(&self, endpoint: &str) -> Option<Url> {
        allowed(&self.hosts, self.private, endpoint)
    }

    pub(super) async fn send(
        &self,
        endpoint: &str,
        key: &PublicKey,
        auth: &Secret<16>,
        handle: &Secret<16>,
        now: i64,
        life: i64,
    ) -> Sent {
        // The list may be shorter than when the endpoint was registered.
        let Some(url) = self.allowed(endpoint) else { return Sent::Gone };
        let (ephemeral, salt) = fresh();
        let Some(body) = encrypt(key, auth, &ephemeral, salt, handle.to_base64().as_bytes()) else {
            return Sent::Gone;
        };
        let claims = json!({
            "aud": url.origin().ascii_serialization(), "exp": now.saturating_add(SIGNATURE), "sub": self.contact,
        });
        let Some(token) = sign_es256(&self.key, &json!({ "typ": "JWT", "alg": "ES256" }), &claims) else {
            return Sent::Refused(0);
        };
        let public = URL_SAFE_NO_PAD.encode(self.key.public());
        let request = self
            .http
            .post(url)
            .header("authorization", format!("vapid t={token}, k={public}"))
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("ttl", life.to_string())
            .header("urgency", "high")
            .header("topic", "wake")
            .body(body);
        http::exchange(request).await.map_or(Sent::Later(None), |answer| judge(&answer))
    }
}

/// Whether an endpoint leads to a listed host: `host` is its port 443, `host:port` that port, `*.host` any name below it,
/// `*` any public host.
fn allowed(hosts: &[String], private: bool, endpoint: &str) -> Option<Url> {
    let url = Url::parse(endpoint).ok().filter(|url| url.scheme() == "https" && url.username().is_empty())?;
    let host = url.host_str()?.to_ascii_lowercase();
    let number = match url.host()? {
        url::Host::Ipv4(number) => Some(std::net::IpAddr::V4(number)),
        url::Host::Ipv6(number) => Some(std::net::IpAddr::V6(number)),
        url::Host::Domain(_) => None,
    };
    if number.is_some_and(|number| !private && !is_public(number)) {
        return None;
    }
    let at = match url.port_or_known_default()? {
        443 => host,
        port => format!("{host}:{port}"),
    };
    let listed = |rule: &String| match rule.strip_prefix('*') {
        Some("") => url.port_or_known_default() == Some(443),
        Some(below) => below.starts_with('.') && at.len() > below.len() && at.ends_with(below),
        None => *rule == at,
    };
    hosts.iter().any(listed).then_some(url)
}

/// A private key and a salt for one message.
fn fresh() -> (Secret<32>, [u8; 16]) {
    let mut rng = crate::ops::random::system();
    let seed = Secret::<32>::random(&mut rng);
    (crypto::p256_from_seed(&seed.0, "godkend/1/web-push"), Secret::<16>::random(&mut rng).0)
}

/// The body (RFC 8188, one record) that only the subscriber can read (RFC 8291, section 3.4).
fn encrypt(
    subscriber: &PublicKey,
    auth: &Secret<16>,
    ephemeral: &Secret<32>,
    salt: [u8; 16],
    content: &[u8],
) -> Option<Vec<u8>> {
    let own = crypto::p256_public(ephemeral)?;
    let shared = crypto::ecdh(ephemeral, subscriber)?;
    let prk_key = Secret(crypto::hmac_sha256(&auth.0, &[&shared.0]).0);
    let ikm = Secret(crypto::hmac_sha256(&prk_key.0, &[b"WebPush: info\0", &subscriber.0, &own.0, &[1]]).0);
    let prk = Secret(crypto::hmac_sha256(&salt, &[&ikm.0]).0);
    let key = Secret(crypto::hmac_sha256(&prk.0, &[b"Content-Encoding: aes128gcm\0\x01"]).0);
    let nonce = crypto::hmac_sha256(&prk.0, &[b"Content-Encoding: nonce\0\x01"]).0;
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.0.get(..16)?).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(nonce.get(..12)?).ok()?;
    // The last record ends in 2.
    let mut record = [content, &[2]].concat();
    sealing.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    Some([&salt[..], &RECORD.to_be_bytes(), &[65], &own.0, &record[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    #[test]
    fn the_rfcs_example_is_encrypted_as_it_says() {
        let subscriber = PublicKey::from_slice(&bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        ))
        .unwrap();
        let auth = Secret::from_slice(&bytes("BTBZMqHH6r4Tts7J_aSIgg")).unwrap();
        let ephemeral = Secret::from_slice(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let body = encrypt(&subscriber, &auth, &ephemeral, salt, b"When I grow up, I want to be a watermelon").unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz\
                        AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(body), expected);
    }

    #[test]
    fn endpoints_lead_to_listed_hosts_only() {
        let list = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
        let listed = list(&["push.example", "ntfy.example:8443", "*.push.test"]);
        let may = |endpoint: &str| allowed(&listed, false, endpoint).is_some();
        for good in [
            "https://push.example/a?b",
            "https://PUSH.example:443/a",
            "https://ntfy.example:8443/a",
            "https://eu.push.test/a",
        ] {
            assert!(may(good), "{good}");
        }
        for bad in [
            "http://push.example/a",
            "https://push.example:444/a",
            "https://ntfy.example/a",
            "https://push.test/a",
            "https://evilpush.test/a",
            "https://push.example.evil/a",
            "https://push.example@evil.example/a",
            "https://evil.example/push.example",
            "https://push.example./a",
            "https://127.0.0.1/a",
            "nothing",
        ] {
            assert!(!may(bad), "{bad}");
        }
        let any = list(&["*"]);
        assert!(allowed(&any, false, "https://push.example/a").is_some());
        for inside in [
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "https://169.254.169.254/latest",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://push.example:8443/a",
        ] {
            assert!(allowed(&any, false, inside).is_none(), "{inside}");
        }
        assert!(allowed(&list(&["127.0.0.1:8443"]), true, "https://127.0.0.1:8443/a").is_some());
        assert!(allowed(&list(&["127.0.0.1:8443"]), false, "https://127.0.0.1:8443/a").is_none());
    }
}
