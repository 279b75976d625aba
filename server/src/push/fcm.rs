//! Firebase Cloud Messaging, HTTP v1: a service account's assertion (RFC 7523) buys an access token that sends for an hour.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Secret;
use reqwest::Client;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::PushError;
use super::gateways::{Sent, judge};
use super::http;
use crate::config::Config;
use crate::ops::secrets;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Life of an assertion, seconds; the longest that Google takes.
const ASSERTION: i64 = 3600;
/// An access token is fetched anew so long before its end.
const MARGIN: Duration = Duration::from_secs(60);

/// The gateway.
pub(super) struct Fcm {
    http: Client,
    url: String,
    account: String,
    key_id: String,
    token_uri: String,
    key: RsaKeyPair,
    access: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

/// The file that Google hands out for a service account.
#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
    expires_in: u64,
}

impl Fcm {
    pub(super) fn new(config: &Config) -> Result<Self, PushError> {
        let push = &config.push;
        let file = config.beside_file(&push.fcm_key);
        let wrong = |reason: &str| PushError::File {
            setting: "fcm_key",
            file: file.display().to_string(),
            reason: reason.to_owned(),
        };
        let bytes = secrets::read(&file, 0o077)?;
        let account: ServiceAccount =
            serde_json::from_slice(&bytes).map_err(|_| wrong("not a service account's key in JSON"))?;
        if !account.token_uri.starts_with("https://") {
            return Err(wrong("its token_uri is no https address"));
        }
        let pem = Zeroizing::new(account.private_key);
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .ok()
            .and_then(|der| RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok())
            .ok_or_else(|| wrong("its private_key is no RSA key of 2048 bits or more as PKCS#8 PEM"))?;
        Ok(Self {
            http: http::client(config, |builder| builder)?,
            url: format!("{}/v1/projects/{}/messages:send", push.fcm_url, push.fcm_project),
            account: account.client_email,
            key_id: account.private_key_id,
            token_uri: account.token_uri,
            key,
            access: Mutex::new(None),
        })
    }

    pub(super) async fn send(&self, token: &str, handle: &Secret<16>, now: i64, life: i64) -> Sent {
        for last in [false, true] {
            let Some(access) = self.access(now).await else { return Sent::Later(None) };
            let message = json!({ "message": {
                "token": token,
                "data": { "wake": handle.to_base64() },
                "android": { "priority": "HIGH", "ttl": format!("{life}s"), "collapse_key": "wake" },
            }});
            let request = self.http.post(&self.url).bearer_auth(&*access).json(&message);
            let Some(answer) = http::exchange(request).await else { return Sent::Later(None) };
            // An access token may end early: one new one.
            if answer.status == 401 && !last {
                *self.access.lock().await = None;
                continue;
            }
            return match (answer.status, fcm_error(&answer.body).as_deref()) {
                // 404 says as much when the project is not the service account's; only with its word is it the phone's.
                (404, Some("UNREGISTERED")) | (403, Some("SENDER_ID_MISMATCH")) => Sent::Gone,
                (404, _) => Sent::Refused(404),
                _ => judge(&answer),
            };
        }
        Sent::Refused(401)
    }

    /// The access token, fetched by one caller for all.
    async fn access(&self, now: i64) -> Option<Zeroizing<String>> {
        let mut known = self.access.lock().await;
        if let Some((token, until)) = &*known
            && Instant::now() < *until
        {
            return Some(token.clone());
        }
        let assertion = self.assertion(now)?;
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let answer = http::exchange(self.http.post(&self.token_uri).form(&form)).await?;
        if answer.status != 200 {
            tracing::warn!(kind = "fcm", status = answer.status, "no access token for wake-ups; see push.fcm_key");
            return None;
        }
        let access: Access = serde_json::from_slice(&answer.body).ok()?;
        let life = Duration::from_secs(access.expires_in.min(3600)).saturating_sub(MARGIN);
        let token = Zeroizing::new(access.access_token);
        *known = Some((token.clone(), Instant::now() + life));
        Some(token)
    }

    fn assertion(&self, now: i64) -> Option<Zeroizing<String>> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.account, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now.saturating_add(ASSERTION),
        });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
        Some(Zeroizing::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// The `errorCode` of an `FcmError` among the details of a refusal.
fn fcm_error(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let details = body.get("error")?.get("details")?.as_array()?;
    details.iter().find_map(|detail| detail.get("errorCode")?.as_str().map(str::to_owned))
}
