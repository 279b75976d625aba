//! HTTPS to one environment's server: pinned keys, CBOR both ways, bounded in size and time.

use std::error::Error as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use godkend_protocol::bytes::Hash32;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::{CONTENT_TYPE, ErrorReply};
use reqwest::header::{ACCEPT, CONTENT_TYPE as CONTENT_TYPE_HEADER, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::{CertificateError, Error as TlsError};

use crate::pinning::{Accept, configuration};

/// How a transport behaves; the defaults suit a phone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Until the whole answer is there, beside the time that the server may hold it.
    pub answer_timeout: Duration,
    /// Until the whole answer is there, in any case. Above the 25 seconds that a server may hold a poll.
    pub request_timeout: Duration,
    /// Use the proxies that the environment names. TLS goes through them end to end.
    pub system_proxy: bool,
}

impl Default for TransportOptions {
    /// 10, 15 and 35 seconds, no proxy.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(35),
            system_proxy: false,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke: whether the server got the message is not known. Send the same bytes again.
    #[error("the server cannot be reached; check the network and try again")]
    NoNetwork,
    /// The server, or what stands before it, cannot answer now. Send the same bytes again.
    #[error("the service cannot answer right now; try again shortly")]
    Unavailable {
        /// Seconds to wait, where it says so.
        retry_after: Option<u32>,
    },
    /// Somebody else answered, or the server has new TLS keys: fetch the key set again; if that does not help, this
    /// network interferes.
    #[error("the server's key is not one that the root has signed; use another network")]
    WrongServer,
    /// The key set pins no key.
    #[error("the key set names no key that this server may have; fetch it again")]
    NotPinned,
    /// The server refused.
    #[error("the server refused: {}", .0.code)]
    Refused(Refusal),
    /// The answer is not of this protocol.
    #[error("the answer is not of this protocol; update the app or use another network")]
    BadAnswer,
    /// The message or the answer is larger than 65,536 bytes.
    #[error("the message is larger than 65,536 bytes")]
    TooLarge,
    /// Not an address that this transport uses.
    #[error("the address must be https without a path (http only to this machine)")]
    BadUrl,
}

impl TransportError {
    /// Whether sending the same bytes again can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoNetwork | Self::Unavailable { .. } => true,
            Self::Refused(refusal) => refusal.known() == Some(Code::Unavailable),
            _ => false,
        }
    }

    /// Seconds that the server asks to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Unavailable { retry_after } | Self::Refused(Refusal { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// What the server refused, and what is left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The stable code, as sent.
    pub code: String,
    /// Seconds until it is worth trying again.
    pub retry_after: Option<u32>,
    /// Tries left, where they are counted.
    pub tries_left: Option<u32>,
}

impl Refusal {
    /// The code, if this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<Code> {
        Code::parse(&self.code)
    }

    /// The refusal as the core reads it.
    #[must_use]
    pub fn to_reply(&self) -> ErrorReply {
        ErrorReply { code: self.code.clone(), retry_after: self.retry_after, tries_left: self.tries_left }
    }
}

impl From<ErrorReply> for Refusal {
    fn from(ErrorReply { code, retry_after, tries_left }: ErrorReply) -> Self {
        Self { code, retry_after, tries_left }
    }
}

/// A connection to one server.
#[derive(Debug)]
pub struct Transport {
    base: Url,
    options: TransportOptions,
    /// For the key set alone: any certificate will do, the answer is signed by a root.
    bootstrap: Client,
    /// For everything else: the pins and what talks to their keys.
    pinned: Mutex<Option<(Vec<Hash32>, Client)>>,
}

impl Transport {
    /// A transport to `url`: `https://host[:port]`, or `http` to this machine.
    ///
    /// # Errors
    /// [`TransportError::BadUrl`].
    pub fn new(url: &str, options: TransportOptions) -> Result<Self, TransportError> {
        let base = base_url(url)?;
        let bootstrap = client(Accept::Anyone, &options)?;
        Ok(Self { base, options, bootstrap, pinned: Mutex::default() })
    }

    /// Fetches the signed key set. It is worth nothing until it is verified under a root.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn key_set(&self) -> Result<Vec<u8>, TransportError> {
        let request = self.bootstrap.get(self.address("keys")?).header(ACCEPT, CONTENT_TYPE);
        answer(request.timeout(self.timeout(0)).send().await.map_err(|error| network(&error))?).await
    }

    /// Posts a message to `/phone/v1/<path>`, to a server whose TLS key is one of `pins`, and returns the answer's
    /// bytes. The server may hold the answer for `wait` seconds.
    ///
    /// Other pins than the last time drop the open connections and their resumable sessions. Plain http has no pins.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn post_pinned(
        &self,
        pins: &[Hash32],
        path: &str,
        body: Vec<u8>,
        wait: u32,
    ) -> Result<Vec<u8>, TransportError> {
        if body.len() > cbor::MAX_MESSAGE {
            return Err(TransportError::TooLarge);
        }
        let request = self
            .pinned(pins)?
            .post(self.address(path)?)
            .header(CONTENT_TYPE_HEADER, CONTENT_TYPE)
            .header(ACCEPT, CONTENT_TYPE)
            .timeout(self.timeout(wait))
            .body(body);
        answer(request.send().await.map_err(|error| network(&error))?).await
    }

    fn pinned(&self, pins: &[Hash32]) -> Result<Client, TransportError> {
        if self.base.scheme() == "http" {
            return Ok(self.bootstrap.clone());
        }
        if pins.is_empty() {
            return Err(TransportError::NotPinned);
        }
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = pinned.as_ref()
            && known == pins
        {
            return Ok(client.clone());
        }
        let client = client(Accept::Pinned(pins.to_vec()), &self.options)?;
        *pinned = Some((pins.to_vec(), client.clone()));
        Ok(client)
    }

    fn timeout(&self, wait: u32) -> Duration {
        (self.options.answer_timeout + Duration::from_secs(wait.into())).min(self.options.request_timeout)
    }

    fn address(&self, path: &str) -> Result<Url, TransportError> {
        // Paths come from the protocol's constants; anything that could leave the prefix is a mistake.
        let plain = path.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'/' | b'-'));
        if !plain || path.is_empty() || path.starts_with('/') {
            return Err(TransportError::BadUrl);
        }
        self.base.join(&format!("/phone/v1/{path}")).map_err(|_| TransportError::BadUrl)
    }
}

/// Checks an environment's address.
pub(crate) fn base_url(url: &str) -> Result<Url, TransportError> {
    let url = Url::parse(url).map_err(|_| TransportError::BadUrl)?;
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.scheme() {
        "https" if bare && url.has_host() => Ok(url),
        "http" if bare && loopback => Ok(url),
        _ => Err(TransportError::BadUrl),
    }
}

fn client(accept: Accept, options: &TransportOptions) -> Result<Client, TransportError> {
    // Fails only if the provider lacked a protocol version, which the ring provider does not.
    let tls = configuration(accept).map_err(|_| TransportError::WrongServer)?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(options.connect_timeout)
        .timeout(options.request_timeout)
        .redirect(redirect::Policy::none())
        .referer(false);
    let builder = if options.system_proxy { builder } else { builder.no_proxy() };
    builder.build().map_err(|_| TransportError::BadUrl)
}

async fn answer(mut response: Response) -> Result<Vec<u8>, TransportError> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let ours = response.headers().get(CONTENT_TYPE_HEADER).is_some_and(|value| value == CONTENT_TYPE);
    if !ours {
        // A proxy or load balancer speaks, not the server.
        return Err(match status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                TransportError::Unavailable { retry_after }
            }
            StatusCode::TOO_MANY_REQUESTS => TransportError::Unavailable { retry_after },
            StatusCode::PAYLOAD_TOO_LARGE => TransportError::TooLarge,
            _ => TransportError::BadAnswer,
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| network(&error))? {
        if body.len() + chunk.len() > cbor::MAX_MESSAGE {
            return Err(TransportError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    if status == StatusCode::OK {
        return Ok(body);
    }
    let reply: ErrorReply = cbor::decode(&body).map_err(|_| TransportError::BadAnswer)?;
    Err(TransportError::Refused(reply.into()))
}

/// What an error of the HTTP library's means: a wrong key, or no network.
fn network(error: &reqwest::Error) -> TransportError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(tls) = tls_error(cause) {
            return match tls {
                TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
                    TransportError::WrongServer
                }
                // A handshake that fails otherwise is interference or a fault on the way.
                _ => TransportError::NoNetwork,
            };
        }
        source = cause.source();
    }
    if error.is_builder() { TransportError::BadUrl } else { TransportError::NoNetwork }
}

fn tls_error<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a TlsError> {
    if let Some(error) = cause.downcast_ref::<TlsError>() {
        return Some(error);
    }
    // An I/O error's `source` skips the error that it wraps, and it may wrap another of its kind.
    tls_error(cause.downcast_ref::<std::io::Error>()?.get_ref()?)
}
