//! A relying party that trusts nothing but the signature.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::world::{CLIENT_SECRET, World};

/// What a relying party asks for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub client: &'static str,
    pub level: &'static str,
    pub text: Option<&'static str>,
    pub payment: Option<Value>,
    pub language: Option<&'static str>,
}

impl Ask {
    /// A login at the bank, at Substantial.
    pub fn login() -> Self {
        Self { client: "netbank", level: "Substantial", text: Some("Log på Netbank"), payment: None, language: None }
    }

    pub fn at(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    pub fn from(mut self, client: &'static str) -> Self {
        self.client = client;
        self
    }

    /// A payment.
    pub fn payment(amount: &str, payee: &str) -> Self {
        let payment = json!({ "type": "godkend_payment", "amount": amount, "currency": "DKK", "payee": payee });
        Self { text: None, payment: Some(payment), level: "High", ..Self::login() }
    }

    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client.to_owned()),
            ("redirect_uri", format!("https://{}.example/callback", self.client)),
            ("scope", "openid".to_owned()),
            ("state", "the state".to_owned()),
            ("nonce", "the nonce".to_owned()),
            ("acr_values", format!("https://data.gov.dk/concept/core/nsis/{}", self.level)),
            ("code_challenge_method", "S256".to_owned()),
            ("code_challenge", challenge(VERIFIER)),
        ];
        if let Some(text) = self.text {
            let encoded = STANDARD.encode(text);
            parameters.push(("idp_params", json!({ "reference_text": encoded }).to_string()));
        }
        if let Some(payment) = &self.payment {
            parameters.push(("authorization_details", json!([payment]).to_string()));
        }
        parameters.extend(self.language.map(|language| ("ui_locales", language.to_owned())));
        parameters
    }
}

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-long";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

/// The claims of a token whose signature, issuer, audience and nonce were right.
pub type Claims = Value;

/// One login, seen from the bank.
pub struct Bank {
    http: reqwest::Client,
    url: String,
    client: &'static str,
    pub authorize_url: String,
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap()
}

impl Bank {
    /// Pushes an authorization request.
    pub async fn push(world: &World, ask: &Ask) -> Self {
        let bank = Self { http: http(), url: world.url.clone(), client: ask.client, authorize_url: String::new() };
        let (status, reply) = bank.post("par", &ask.parameters()).await;
        assert_eq!(status, 201, "{reply}");
        let uri = reply["request_uri"].as_str().unwrap();
        let mut url = reqwest::Url::parse(&format!("{}/authorize", world.url)).unwrap();
        url.query_pairs_mut().append_pair("client_id", ask.client).append_pair("request_uri", uri);
        Self { authorize_url: url.into(), ..bank }
    }

    /// Starts a login without a browser; the reply of the CIBA endpoint.
    pub async fn ciba(world: &World, ask: &Ask, user_id: &str) -> (Self, Value) {
        let bank = Self { http: http(), url: world.url.clone(), client: ask.client, authorize_url: String::new() };
        let (status, reply) = bank.ciba_again(ask, user_id).await;
        assert_eq!(status, 200, "{reply}");
        (bank, reply)
    }

    /// One request to the CIBA endpoint.
    pub async fn ciba_again(&self, ask: &Ask, user_id: &str) -> (u16, Value) {
        let mut parameters: Vec<_> = ask
            .parameters()
            .into_iter()
            .filter(|(name, _)| ["scope", "acr_values", "idp_params", "authorization_details"].contains(name))
            .collect();
        parameters.push(("login_hint", user_id.to_owned()));
        self.post("ciba", &parameters).await
    }

    /// Polls the token endpoint once.
    pub async fn ciba_token(&self, auth_req_id: &str) -> (u16, Value) {
        let grant = "urn:openid:params:grant-type:ciba".to_owned();
        self.post("token", &[("grant_type", grant), ("auth_req_id", auth_req_id.to_owned())]).await
    }

    /// Redeems the code of a finished login and verifies the token.
    pub async fn redeem(&self, answer: &BTreeMap<String, String>) -> Result<Claims, String> {
        if answer.get("state").map(String::as_str) != Some("the state") {
            return Err("another state".to_owned());
        }
        if answer.get("iss") != Some(&self.url) {
            return Err("another issuer".to_owned());
        }
        let code = answer.get("code").ok_or_else(|| format!("{answer:?}"))?;
        let (status, reply) = self.redeem_code(code).await;
        if status != 200 {
            return Err(reply.to_string());
        }
        let claims = self.verify(reply["id_token"].as_str().ok_or("no token")?).await?;
        if claims["nonce"] == "the nonce" { Ok(claims) } else { Err("another nonce".to_owned()) }
    }

    pub async fn redeem_code(&self, code: &str) -> (u16, Value) {
        let form = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", format!("https://{}.example/callback", self.client)),
            ("code_verifier", VERIFIER.to_owned()),
        ];
        self.post("token", &form).await
    }

    /// Verifies an ID token under the published keys.
    pub async fn verify(&self, token: &str) -> Result<Claims, String> {
        let keys: Value = self.http.get(format!("{}/jwks", self.url)).send().await.unwrap().json().await.unwrap();
        let (signed, signature) = token.rsplit_once('.').ok_or("not a token")?;
        let (head, body) = signed.split_once('.').ok_or("not a token")?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|error| error.to_string());
        let head: Value = serde_json::from_slice(&decode(head)?).map_err(|error| error.to_string())?;
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]).ok_or("no key")?;
        if head["alg"] != "ES256" || key["crv"] != "P-256" {
            return Err("another algorithm".to_owned());
        }
        let mut point = vec![4];
        point.extend(decode(key["x"].as_str().unwrap())?);
        point.extend(decode(key["y"].as_str().unwrap())?);
        ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &decode(signature)?)
            .map_err(|_| "the signature is wrong")?;
        let claims: Value = serde_json::from_slice(&decode(body)?).map_err(|error| error.to_string())?;
        if claims["iss"] == self.url.as_str() && claims["aud"] == self.client {
            Ok(claims)
        } else {
            Err(format!("for somebody else: {claims}"))
        }
    }

    /// One request to an endpoint, with the client's secret.
    pub async fn post(&self, path: &str, form: &[(&str, String)]) -> (u16, Value) {
        let response = self
            .http
            .post(format!("{}/{path}", self.url))
            .basic_auth(self.client, Some(percent(CLIENT_SECRET)))
            .form(form)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// Client secrets are form-encoded before they are Base64-encoded (RFC 6749, section 2.3.1).
fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
