//! What happens around every request: an id, its source, limits, a time limit, faults, metrics and one log line.
//!
//! The log line holds method, route template, status and duration: no path, query, header, address or body.
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::FutureExt as _;
use http_body_util::Limited;
use ring::rand::SecureRandom as _;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::metrics::{Event, Metrics};
use super::shutdown::Stopping;
use super::sources::{Rate, Source, client_address};

/// Request extension and response header `x-request-id`: 16 hex digits that name a request in the logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) struct Around {
    pub(super) body_bytes: usize,
    pub(super) time: Duration,
    /// `None` where there is no limit.
    pub(super) rate: Option<Rate>,
    pub(super) trusted_proxies: Vec<IpAddr>,
    pub(super) metrics: Metrics,
    pub(super) stopping: Stopping,
    pub(super) started: Instant,
    pub(super) random: ring::rand::SystemRandom,
}

/// A smaller body limit for the routes in `router`: early on `Content-Length`, and while reading.
pub fn limit_body(router: Router, bytes: usize) -> Router {
    router.layer(DefaultBodyLimit::max(bytes)).layer(middleware::from_fn(
        move |request: Request, next: Next| async move {
            match within(request, bytes) {
                Ok(request) => next.run(request).await,
                Err(refusal) => *refusal,
            }
        },
    ))
}

pub(super) fn wrap(router: Router, around: Arc<Around>) -> Router {
    router.layer(DefaultBodyLimit::max(around.body_bytes)).layer(middleware::from_fn_with_state(around, handle))
}

async fn handle(State(around): State<Arc<Around>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = new_id(&around.random);
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let span = tracing::info_span!("request", request_id = id.as_str());
    let _running = Running::new(&around.metrics);

    let mut response = match admit(&around, &mut request, started) {
        Err(refusal) => *refusal,
        Ok(()) => {
            request.extensions_mut().insert(RequestId(id.clone()));
            match within(request, around.body_bytes) {
                Err(refusal) => *refusal,
                Ok(request) => run(&around, request, next).instrument(span.clone()).await,
            }
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    let (status, duration) = (response.status().as_u16(), started.elapsed());
    around.metrics.request(route, method, status, duration);
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(method, route, status, duration_ms, "request"));
    response
}

/// Finds the source, counts the request against its rate, and tells handlers about both.
fn admit(around: &Around, request: &mut Request, now: Instant) -> Result<(), Box<Response>> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    if let Some(peer) = peer {
        let source = Source::of(client_address(peer, request.headers(), &around.trusted_proxies));
        request.extensions_mut().insert(source);
        let now_ms = u64::try_from(now.duration_since(around.started).as_millis()).unwrap_or(u64::MAX);
        if let Some(Err(seconds)) = around.rate.as_ref().map(|rate| rate.take(source, now_ms)) {
            around.metrics.event(Event::SourceThrottled);
            let mut refusal =
                refuse(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests; try again later.");
            refusal.headers_mut().insert(RETRY_AFTER, seconds.into());
            return Err(Box::new(refusal));
        }
    }
    request.extensions_mut().insert(around.stopping.clone());
    Ok(())
}

async fn run(around: &Around, request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(around.time, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            around.metrics.panicked();
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "A fault in the server; nothing was decided.")
        }
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long; send it again."),
    }
}

fn within(request: Request, bytes: usize) -> Result<Request, Box<Response>> {
    let announced = declared_length(request.headers());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bytes)) {
        let refusal = refuse(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", "The request's body is too large.");
        return Err(Box::new(refusal));
    }
    Ok(request.map(|body| Body::new(Limited::new(body, bytes))))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Response {
    let body = serde_json::json!({"error": error, "error_description": description}).to_string();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn new_id(random: &ring::rand::SystemRandom) -> String {
    let mut bytes = [0; 8];
    // Without randomness the id is zero: it names less well, and nothing rests on it.
    let _ = random.fill(&mut bytes);
    hex::encode(bytes)
}

/// Methods that clients make up share one label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

struct Running<'a>(&'a Metrics);

impl<'a> Running<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.in_flight(1);
        Self(metrics)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.in_flight(-1);
    }
}
