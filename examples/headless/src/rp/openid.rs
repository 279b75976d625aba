//! What a relying party says to the provider: discovery, PAR (RFC 9126), the code flow with PKCE, and CIBA.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::browser::{refusal, server_problem};
use super::token::{self, Claims, Expected};
use crate::clock;
use crate::home::RelyingPartyFile;
use crate::http;
use crate::language::Language;
use crate::problem::Problem;
use crate::secret::SecretText;

/// How far two clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// What the person is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// `LOG_ON` where left out, or `APPROVE` for a payment.
    pub(crate) action: Option<String>,
    /// The reference text.
    pub(crate) text: Option<String>,
    /// The level: `low`, `substantial` or `high`.
    pub(crate) level: Option<String>,
    /// The payment.
    pub(crate) payment: Option<WantedPayment>,
}

/// A payment as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct WantedPayment {
    /// `1250.00`.
    pub(crate) amount: String,
    /// ISO 4217.
    pub(crate) currency: String,
    /// Shown.
    pub(crate) payee: String,
    /// Shown.
    pub(crate) account: Option<String>,
}

/// A relying party at one provider.
pub(crate) struct RelyingParty {
    client: reqwest::Client,
    file: RelyingPartyFile,
    /// The provider's origin.
    pub(crate) issuer: String,
    provider: Provider,
    keys: Value,
    leeway: i64,
}

/// A login on its way.
pub(crate) struct Started {
    /// Where to send the browser.
    pub(crate) authorize: Url,
    state: String,
    nonce: String,
    verifier: Zeroizing<String>,
}

/// A CIBA request on its way.
#[derive(Deserialize)]
pub(crate) struct Backchannel {
    auth_req_id: SecretText,
    /// Seconds.
    pub(crate) expires_in: u64,
    interval: u64,
    /// The person types it into the app.
    pub(crate) number: String,
}

/// The provider's endpoints, of those that are used here.
#[derive(Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    pushed_authorization_request_endpoint: String,
    backchannel_authentication_endpoint: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<SecretText>,
}

impl RelyingParty {
    /// Reads the provider's description and keys.
    ///
    /// # Errors
    /// [`Problem::NoNetwork`], and [`Problem::Untrusted`] for a description of somebody else.
    pub(crate) async fn discover(client: reqwest::Client, url: &str, file: RelyingPartyFile) -> Result<Self, Problem> {
        let issuer = url.trim_end_matches('/').to_owned();
        let address = format!("{issuer}/.well-known/openid-configuration");
        let provider: Provider = read(client.get(address), &issuer).await?;
        if provider.issuer != issuer {
            return Err(Problem::Untrusted("the issuer is another".to_owned()));
        }
        let keys = read(client.get(&provider.jwks_uri), &issuer).await?;
        Ok(Self { client, file, issuer, provider, keys, leeway: LEEWAY })
    }

    /// Accepts a provider whose clock is so many seconds away: a test environment's can be set.
    pub(crate) fn with_leeway(self, seconds: u32) -> Self {
        Self { leeway: seconds.into(), ..self }
    }

    /// Pushes an authorisation request.
    ///
    /// # Errors
    /// [`Problem::OpenId`] and [`Problem::NoNetwork`].
    pub(crate) async fn start(&self, ask: &Ask, language: Language) -> Result<Started, Problem> {
        #[derive(Deserialize)]
        struct Pushed {
            request_uri: String,
        }
        let (state, nonce) = (random()?.to_string(), random()?.to_string());
        let verifier = random()?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut form = parameters(ask, language);
        for (name, value) in [
            ("response_type", "code"),
            ("redirect_uri", &self.file.redirect_uri),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            form.push((name, value.to_owned()));
        }
        let pushed: Pushed = self.post(&self.provider.pushed_authorization_request_endpoint, &form).await?;
        let query = [("client_id", self.file.client_id.as_str()), ("request_uri", &pushed.request_uri)];
        let authorize = Url::parse_with_params(&self.provider.authorization_endpoint, query)
            .map_err(|_| Problem::Untrusted("the authorisation endpoint is no address".to_owned()))?;
        Ok(Started { authorize, state, nonce, verifier })
    }

    /// Takes the browser back and redeems its code.
    ///
    /// # Errors
    /// [`Problem::OpenId`] for a refusal, [`Problem::Token`] for an answer that does not hold.
    pub(crate) async fn finish(&self, started: &Started, back: &Url) -> Result<Claims, Problem> {
        let find =
            |wanted: &str| back.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        if find("state").as_deref() != Some(started.state.as_str()) {
            return Err(Problem::Token("the browser came back with another state".to_owned()));
        }
        if find("iss").as_deref() != Some(self.issuer.as_str()) {
            return Err(Problem::Token("the answer is from another issuer".to_owned()));
        }
        if let Some(problem) = refusal(back) {
            return Err(problem);
        }
        let code = find("code").ok_or_else(|| Problem::Token("there is no code in the answer".to_owned()))?;
        let form = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", self.file.redirect_uri.clone()),
            ("code_verifier", started.verifier.to_string()),
        ];
        let tokens = self.post(&self.provider.token_endpoint, &form).await?;
        self.verify(&tokens, Some(&started.nonce))
    }

    /// Asks without a browser (CIBA).
    ///
    /// # Errors
    /// [`Problem::OpenId`] and [`Problem::NoNetwork`].
    pub(crate) async fn start_backchannel(
        &self,
        ask: &Ask,
        user_id: &str,
        language: Language,
    ) -> Result<Backchannel, Problem> {
        let mut form = parameters(ask, language);
        form.push(("login_hint", user_id.to_owned()));
        self.post(&self.provider.backchannel_authentication_endpoint, &form).await
    }

    /// Polls until the person has answered. `waiting` is called before each poll.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub(crate) async fn finish_backchannel(
        &self,
        request: &Backchannel,
        mut waiting: impl FnMut(u64),
    ) -> Result<Claims, Problem> {
        let watch = clock::Watch::start();
        let mut interval = request.interval.max(1);
        loop {
            waiting(request.expires_in.saturating_sub(watch.elapsed().as_secs()));
            let before = watch.elapsed();
            let form = [
                ("grant_type", "urn:openid:params:grant-type:ciba".to_owned()),
                ("auth_req_id", request.auth_req_id.to_string()),
            ];
            match self.post::<Tokens>(&self.provider.token_endpoint, &form).await {
                Ok(tokens) => return self.verify(&tokens, None),
                Err(Problem::OpenId { error, .. }) if error == "authorization_pending" => {}
                // CIBA Core, section 11.
                Err(Problem::OpenId { error, .. }) if error == "slow_down" => interval += 5,
                Err(problem) => return Err(problem),
            }
            // The interval runs from a poll's beginning, and the server holds polls for longer than that.
            let took = (watch.elapsed().saturating_sub(before)).as_millis();
            let rest = u128::from(interval * 1000).saturating_sub(took);
            tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(rest).unwrap_or(0))).await;
        }
    }

    fn verify(&self, tokens: &Tokens, nonce: Option<&str>) -> Result<Claims, Problem> {
        token::verify(
            &tokens.id_token,
            &Expected {
                issuer: &self.issuer,
                client_id: &self.file.client_id,
                nonce,
                access_token: tokens.access_token.as_deref(),
                keys: &self.keys,
                now: clock::unix(),
                leeway: self.leeway,
            },
        )
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, url: &str, form: &[(&str, String)]) -> Result<T, Problem> {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // RFC 6749, section 2.3.1: both halves are form-encoded first.
        let pair = Zeroizing::new(format!("{}:{}", encode(&self.file.client_id), encode(&self.file.client_secret)));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut value = reqwest::header::HeaderValue::from_str(&basic).map_err(|_| {
            Problem::usage("Klientens hemmelighed kan ikke sendes.", "The client's secret cannot be sent.")
        })?;
        value.set_sensitive(true);
        read(self.client.post(url).header(reqwest::header::AUTHORIZATION, value).form(form), &self.issuer).await
    }
}

async fn read<T: serde::de::DeserializeOwned>(request: reqwest::RequestBuilder, issuer: &str) -> Result<T, Problem> {
    let response = request.send().await.map_err(|error| http::network(issuer, &error))?;
    let status = response.status();
    let body = response.bytes().await.map_err(|error| http::network(issuer, &error))?;
    let odd =
        || Problem::Untrusted(format!("the provider answered with HTTP {} and no JSON of its own", status.as_u16()));
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| odd());
    }
    Err(server_problem(&body).unwrap_or_else(odd))
}

/// What both flows send.
fn parameters(ask: &Ask, language: Language) -> Vec<(&'static str, String)> {
    let mut form = vec![("scope", "openid".to_owned()), ("language", language.tag().to_owned())];
    let mut idp = serde_json::Map::new();
    if let Some(text) = &ask.text {
        idp.insert("reference_text".to_owned(), json!(STANDARD.encode(text)));
    }
    if let Some(action) = &ask.action {
        idp.insert("action_text".to_owned(), json!(action));
    }
    if !idp.is_empty() {
        form.push(("idp_params", Value::Object(idp).to_string()));
    }
    if let Some(level) = &ask.level {
        form.push(("acr_values", level.clone()));
    }
    if let Some(payment) = &ask.payment {
        let mut details = json!({
            "type": "godkend_payment",
            "amount": payment.amount,
            "currency": payment.currency,
            "payee": payment.payee,
        });
        if let (Some(account), Some(map)) = (&payment.account, details.as_object_mut()) {
            map.insert("account".to_owned(), json!(account));
        }
        form.push(("authorization_details", json!([details]).to_string()));
    }
    form
}

/// 32 random bytes as text: 43 characters, which is also what a PKCE verifier needs.
pub(crate) fn random() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(&mut *bytes).map_err(|_| Problem::Embedded("there is no randomness".to_owned()))?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_sent_as_the_provider_reads_it() {
        let ask = Ask {
            text: Some("Faktura 17 æ".to_owned()),
            payment: Some(WantedPayment {
                amount: "1250.00".to_owned(),
                currency: "DKK".to_owned(),
                payee: "Elselskabet".to_owned(),
                account: None,
            }),
            level: Some("high".to_owned()),
            action: None,
        };
        let form = parameters(&ask, Language::En);
        let find = |wanted: &str| form.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(find("scope"), Some("openid"));
        assert_eq!(find("language"), Some("en"));
        assert_eq!(find("acr_values"), Some("high"));
        let idp: Value = serde_json::from_str(find("idp_params").unwrap()).unwrap();
        let text = STANDARD.decode(idp["reference_text"].as_str().unwrap()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "Faktura 17 æ");
        let details: Value = serde_json::from_str(find("authorization_details").unwrap()).unwrap();
        assert_eq!(
            details,
            json!([{"type": "godkend_payment", "amount": "1250.00", "currency": "DKK", "payee": "Elselskabet"}])
        );
        assert!(parameters(&Ask::default(), Language::Da).iter().all(|(name, _)| *name != "idp_params"));
    }
}
