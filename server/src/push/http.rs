//! HTTPS towards gateways: no redirects, no proxies, a time for everything, and no more of an answer than is looked at.

use core::time::Duration;
use std::path::Path;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder};
use zeroize::Zeroizing;

use super::PushError;
use crate::config::Config;

/// For a whole exchange with a gateway.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of an answer, bytes; an access token is the longest that is of use.
const MOST_READ: usize = 16 * 1024;

/// What a gateway answered.
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The seconds of `Retry-After`, where it has seconds.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of its body; may repeat what was sent to it.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A client that trusts the system's authorities and those of `push.authorities`.
pub(super) fn client(config: &Config, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, PushError> {
    // The library panics without one; where the program that embeds the server has installed one, that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .https_only(true)
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE / 2)
        .pool_idle_timeout(Duration::from_secs(300))
        .user_agent("godkend");
    let authorities = &config.push.authorities;
    if !authorities.as_os_str().is_empty() {
        let file = config.beside_file(authorities);
        let pem = std::fs::read(&file).map_err(|error| unreadable(&file, &error))?;
        let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(&file, &error))?;
        builder = builder.tls_certs_merge(found);
    }
    more(builder).build().map_err(|error| PushError::Client(error.to_string()))
}

fn unreadable(file: &Path, error: &dyn core::fmt::Display) -> PushError {
    PushError::File { setting: "authorities", file: file.display().to_string(), reason: error.to_string() }
}

/// Sends a request; `None` if there was no answer.
pub(super) async fn exchange(request: RequestBuilder) -> Option<Answer> {
    // The error names the address, and so the token: it is not looked at.
    let mut response = request.send().await.ok()?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    let mut body = Zeroizing::new(Vec::new());
    // An answer of which the rest is missing is an answer all the same: its status counts.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MOST_READ.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= MOST_READ {
            break;
        }
    }
    Some(Answer { status, retry_after, body })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
