//! What the client sends: forms in its own name, and tokens, with a proof of its key where they are bound to one.

use core::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderValue, Method, Response, StatusCode};
use openidconnect::{AccessToken, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Provider, ProviderError};
use crate::Clock;
use crate::dpop::{self, Key};

/// The answer's nonce (RFC 9449, section 8).
const NONCE_HEADER: &str = "dpop-nonce";

/// The key that this client's tokens are bound to. Lost with the process, and the tokens with it.
#[derive(Clone)]
pub(super) struct Bound {
    key: Arc<Key>,
    clock: Clock,
    /// What the identity server wants in the next proof.
    nonce: Arc<Mutex<Option<String>>>,
}

impl Bound {
    pub(super) fn new(clock: Clock) -> Result<Self, ProviderError> {
        let key = Key::generate().ok_or_else(|| ProviderError::Settings("no randomness for a key".to_owned()))?;
        Ok(Self { key: Arc::new(key), clock, nonce: Arc::default() })
    }

    fn proof(&self, method: &str, url: &str, token: Option<&AccessToken>) -> Result<HeaderValue, ProviderError> {
        let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let token = token.map(|token| token.secret().as_str());
        let proof = self.key.proof(&dpop::Request { method, url, token }, nonce.as_deref(), (self.clock)());
        let header = proof.and_then(|proof| HeaderValue::from_str(&proof).ok());
        header.ok_or_else(|| ProviderError::Settings("the key does not sign".to_owned()))
    }

    fn learn(&self, answer: &HttpResponse) {
        if let Some(nonce) = answer.headers().get(NONCE_HEADER).and_then(|nonce| nonce.to_str().ok()) {
            *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.to_owned());
        }
    }
}

impl Provider {
    /// Posts a form in the client's own name.
    pub(super) async fn post<T: DeserializeOwned>(&self, to: &Url, form: String) -> Result<T, ProviderError> {
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
            #[serde(default)]
            error_description: String,
        }
        let content = "application/x-www-form-urlencoded";
        let mut request = self.http.post(to.clone()).header("content-type", content).body(form);
        if let Some(secret) = &self.settings.client_secret {
            // Both halves are form-encoded (RFC 6749, section 2.3.1).
            let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encoded(&self.settings.client_id), Some(encoded(secret)));
        }
        let reply = request.send().await.map_err(|error| unreachable(&error))?;
        let status = reply.status();
        let body = reply.bytes().await.map_err(|error| unreachable(&error))?;
        let unusable = |error: serde_json::Error| ProviderError::Unusable(error.to_string());
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(unusable);
        }
        let refusal = serde_json::from_slice::<Refusal>(&body).map_err(unusable)?;
        Err(ProviderError::Refused { error: refusal.error, description: refusal.error_description })
    }

    /// Asks a resource of this client's own, with a token: as `Bearer`, or as `DPoP` with a proof.
    ///
    /// # Errors
    /// [`ProviderError::Unreachable`].
    pub async fn open(&self, url: &str, token: &AccessToken) -> Result<reqwest::Response, ProviderError> {
        let request = self.http.get(url);
        let request = match &self.bound {
            None => request.bearer_auth(token.secret()),
            Some(bound) => request
                .header("authorization", format!("DPoP {}", token.secret()))
                .header(dpop::HEADER, bound.proof("GET", url, Some(token))?),
        };
        request.send().await.map_err(|error| unreachable(&error))
    }

    /// What the crate sends, through this client.
    pub(super) fn transport(&self) -> impl Fn(HttpRequest) -> Sending + Send + Sync + 'static {
        let (http, bound) = (self.http.clone(), self.bound.clone());
        move |request| Box::pin(send(http.clone(), bound.clone(), request))
    }
}

type Sending = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send>>;

async fn send(
    http: reqwest::Client,
    bound: Option<Bound>,
    request: HttpRequest,
) -> Result<HttpResponse, ProviderError> {
    // The crate posts for tokens alone.
    let Some(bound) = bound.filter(|_| request.method() == Method::POST) else { return once(&http, request).await };
    let proven = || -> Result<HttpRequest, ProviderError> {
        let proof = bound.proof("POST", &request.uri().to_string(), None)?;
        let mut request = request.clone();
        request.headers_mut().insert(dpop::HEADER, proof);
        Ok(request)
    };
    let answer = once(&http, proven()?).await?;
    bound.learn(&answer);
    if !wants_nonce(&answer) {
        return Ok(answer);
    }
    // Once: a server that is never content is told of as it is.
    let answer = once(&http, proven()?).await?;
    bound.learn(&answer);
    Ok(answer)
}

fn wants_nonce(answer: &HttpResponse) -> bool {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    answer.status() == StatusCode::BAD_REQUEST
        && serde_json::from_slice::<Refusal>(answer.body()).is_ok_and(|refusal| refusal.error == "use_dpop_nonce")
}

async fn once(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
    let request = reqwest::Request::try_from(request).map_err(|error| unreachable(&error))?;
    let reply = http.execute(request).await.map_err(|error| unreachable(&error))?;
    let mut response = Response::builder().status(reply.status());
    if let Some(headers) = response.headers_mut() {
        headers.clone_from(reply.headers());
    }
    let body = reply.bytes().await.map_err(|error| unreachable(&error))?;
    response.body(body.to_vec()).map_err(|error| ProviderError::Unusable(error.to_string()))
}

/// Without the address, whose query may hold secrets; with the cause, which is what helps.
fn unreachable(error: &reqwest::Error) -> ProviderError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    ProviderError::Unreachable(cause.to_string())
}
