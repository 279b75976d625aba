//! Apple Push Notification service: HTTP/2, with a provider token (ES256) that is signed anew every forty minutes.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use godkend_protocol::bytes::Secret;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::PushError;
use super::gateways::{Sent, judge};
use super::http;
use crate::config::Config;
use crate::ops::secrets::{self, P256Key};

/// Apple takes tokens of 20 to 60 minutes.
const TOKEN_LIFE: Duration = Duration::from_secs(40 * 60);
/// A token that Apple calls expired is signed anew, but not more often than it allows.
const TOKEN_LEAST: Duration = Duration::from_secs(20 * 60);

/// The gateway.
pub(super) struct Apns {
    http: Client,
    url: String,
    sandbox_url: String,
    team: String,
    key_id: String,
    topic: String,
    key: P256Key,
    token: Mutex<Option<(Zeroizing<String>, Instant)>>,
}

impl Apns {
    pub(super) fn new(config: &Config) -> Result<Self, PushError> {
        let push = &config.push;
        Ok(Self {
            http: http::client(config, reqwest::ClientBuilder::http2_prior_knowledge)?,
            url: push.apns_url.clone(),
            sandbox_url: push.apns_sandbox_url.clone(),
            team: push.apns_team.clone(),
            key_id: push.apns_key_id.clone(),
            topic: push.apns_topic.clone(),
            key: secrets::load_p256(&config.beside_file(&push.apns_key))?,
            token: Mutex::new(None),
        })
    }

    pub(super) async fn send(&self, token: &[u8], sandbox: bool, handle: &Secret<16>, now: i64, life: i64) -> Sent {
        let url = if sandbox { &self.sandbox_url } else { &self.url };
        // What a notification says is the app's own text: a wake-up has none, and is the same for everybody but its handle.
        let body = json!({
            "aps": { "alert": { "loc-key": "WAKE" }, "sound": "default" }, "wake": handle.to_base64(),
        });
        for last in [false, true] {
            let Some(provider) = self.provider_token(now).await else { return Sent::Refused(0) };
            let request = self
                .http
                .post(format!("{url}/3/device/{}", hex::encode(token)))
                .bearer_auth(&*provider)
                .header("apns-topic", &self.topic)
                .header("apns-push-type", "alert")
                .header("apns-priority", "10")
                .header("apns-expiration", now.saturating_add(life).to_string())
                .header("apns-collapse-id", "wake")
                .json(&body);
            let Some(answer) = http::exchange(request).await else { return Sent::Later(None) };
            let reason = reason(&answer.body);
            if reason.as_deref() == Some("ExpiredProviderToken") && !last && self.sign_anew().await {
                continue;
            }
            return match (answer.status, reason.as_deref()) {
                (400, Some("BadDeviceToken" | "DeviceTokenNotForTopic")) => Sent::Gone,
                // Of a path, that is of the settings.
                (404, _) => Sent::Refused(404),
                _ => judge(&answer),
            };
        }
        Sent::Refused(403)
    }

    async fn provider_token(&self, now: i64) -> Option<Zeroizing<String>> {
        let mut known = self.token.lock().await;
        if let Some((token, since)) = &*known
            && since.elapsed() < TOKEN_LIFE
        {
            return Some(token.clone());
        }
        let header = json!({ "alg": "ES256", "kid": self.key_id });
        let claims = json!({ "iss": self.team, "iat": now });
        let token = Zeroizing::new(sign_es256(&self.key, &header, &claims)?);
        *known = Some((token.clone(), Instant::now()));
        Some(token)
    }

    async fn sign_anew(&self) -> bool {
        let mut known = self.token.lock().await;
        let old = known.as_ref().is_none_or(|(_, since)| since.elapsed() >= TOKEN_LEAST);
        if old {
            *known = None;
        }
        old
    }
}

fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("reason")?.as_str().map(str::to_owned)
}

/// A compact JWS (RFC 7515) with ES256.
pub(super) fn sign_es256(key: &P256Key, header: &Value, claims: &Value) -> Option<String> {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(message.as_bytes()).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
