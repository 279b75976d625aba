//! The listener: accepts connections within limits and serves HTTP/1.1 and HTTP/2 on them.
//!
//! What a client can hold, and for how long: a place in the backlog; the TLS handshake (`limits.handshake_seconds`); a
//! request's head (`header_seconds`); its body and answer (`request_seconds`, `body_bytes`); an HTTP/2 connection
//! without requests, or an answer it does not take (`idle_seconds`); connections in all and for its source.
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::metrics::Metrics;
use super::request::{self, Around};
use super::shutdown::Stopping;
use super::sources::{Rate, Source};
use crate::config::Limits;

/// Pause after a failed accept (no file descriptors left, mostly), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time between an HTTP/2 connection's notice of its end and the end.
const FAREWELL: Duration = Duration::from_secs(1);
/// HTTP/2 pings: a peer that is gone is noticed within both together.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_WAIT: Duration = Duration::from_secs(10);
/// How much of an unread body is thrown away at the end of a connection, and for how long, so that the client reads
/// its answer before the connection is reset.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Debug, Clone)]
pub struct Serving {
    /// From [`super::tls::TlsIdentity`]; `None` serves plain HTTP/1.1.
    pub tls: Option<Arc<ServerConfig>>,
    /// `[limits]`.
    pub limits: Limits,
    /// `server.trusted_proxies`.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where requests and connections are counted.
    pub metrics: Metrics,
    /// From [`super::shutdown::Shutdown::receiver`].
    pub stop: watch::Receiver<bool>,
}

impl Serving {
    /// Plain HTTP within `limits`, until `stop`; set the other fields as needed.
    #[must_use]
    pub fn new(limits: Limits, stop: watch::Receiver<bool>) -> Self {
        Self { tls: None, limits, trusted_proxies: Vec::new(), metrics: Metrics::new(), stop }
    }
}

/// Serves `router` on `listener` until told to stop, then lets running requests finish within
/// `limits.shutdown_seconds`. Returns whether all did.
///
/// Every request carries the extensions `ConnectInfo<SocketAddr>` (the connection's peer), [`Source`] (what limits are
/// counted by), [`super::request::RequestId`] and [`Stopping`].
pub async fn serve(listener: TcpListener, router: Router, serving: Serving) -> bool {
    let Serving { tls, limits, trusted_proxies, metrics, stop } = serving;
    let mut stopping = Stopping::new(stop);
    let per_minute = limits.requests_per_source_minute;
    let around = Around {
        body_bytes: limits.body_bytes,
        time: Duration::from_secs(limits.request_seconds),
        rate: (per_minute > 0).then(|| Rate::new(per_minute)),
        trusted_proxies: trusted_proxies.clone(),
        metrics: metrics.clone(),
        stopping: stopping.clone(),
        started: Instant::now(),
        random: ring::rand::SystemRandom::new(),
    };
    let shared = Arc::new(Shared {
        router: request::wrap(router, Arc::new(around)),
        builder: builder(&limits),
        tls: tls.map(TlsAcceptor::from),
        open: Mutex::new(HashMap::new()),
        limits,
        metrics,
    });
    let permits = Arc::new(Semaphore::new(shared.limits.connections.min(Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    loop {
        // The permit comes first: without one, connections wait in the backlog and cost nothing here.
        let permit = tokio::select! {
            () = stopping.wait() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stopping.wait() => break,
            accepted = listener.accept() => accepted,
        };
        while tasks.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client gave up between its knock and our opening.
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted, pausing");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let proxy = trusted_proxies.iter().any(|ip| ip.to_canonical() == peer.ip().to_canonical());
        let Some(place) = Place::take(&shared, peer.ip(), proxy) else {
            shared.metrics.connection_refused();
            continue;
        };
        let (shared, stopping) = (shared.clone(), stopping.clone());
        tasks.spawn(async move {
            connection(&shared, stream, peer, stopping).await;
            drop((permit, place));
        });
    }
    drop(listener);
    let finish = async { while tasks.join_next().await.is_some() {} };
    let finished = timeout(Duration::from_secs(shared.limits.shutdown_seconds), finish).await.is_ok();
    if !finished {
        tracing::warn!(count = tasks.len(), "connections were cut at shutdown");
        tasks.shutdown().await;
    }
    finished
}

struct Shared {
    router: Router,
    builder: auto::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    open: Mutex<HashMap<Source, usize>>,
    limits: Limits,
    metrics: Metrics,
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let header = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds))
        // hyper's least is 8 KiB.
        .max_buf_size(limits.header_bytes.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT)
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(header)
        .max_send_buf_size(64 * 1024);
    builder
}

async fn connection(shared: &Shared, stream: TcpStream, peer: SocketAddr, stopping: Stopping) {
    // Answers are small and waited for; without it they may lag, nothing worse.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = &shared.tls else {
        return drive(shared, stream, false, peer, stopping).await;
    };
    let time = Duration::from_secs(shared.limits.handshake_seconds);
    match timeout(time, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            drive(shared, stream, h2, peer, stopping).await;
        }
        Ok(Err(_)) | Err(_) => shared.metrics.handshake_failed(),
    }
}

/// ALPN alone decides the version (RFC 9113, section 3.2): guessing it from the first bytes would wait for them.
async fn drive<S>(shared: &Shared, stream: S, h2: bool, peer: SocketAddr, mut stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::new());
    let service = {
        let (router, activity) = (shared.router.clone(), activity.clone());
        service_fn(move |request: hyper::Request<Incoming>| {
            let router = router.clone();
            let busy = Busy::new(&activity);
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                let response = router.oneshot(request).await;
                drop(busy);
                response
            }
        })
    };
    let builder = shared.builder.clone();
    let builder = if h2 { builder.http2_only() } else { builder.http1_only() };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Lingering::new(stream)), service));
    let (mut told, mut leaving) = (false, false);
    let mut check_at = Instant::now() + Duration::from_secs(shared.limits.header_seconds);
    loop {
        tokio::select! {
            // Errors here are the client's: it went away, spoke nonsense or was too slow.
            _ = connection.as_mut() => return,
            () = stopping.wait(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(check_at) => match activity.idle_until(&shared.limits) {
                Some(until) if until > Instant::now() => (check_at, leaving) = (until, false),
                None => (check_at, leaving) = (Instant::now() + FAREWELL, false),
                Some(_) if leaving => return,
                Some(_) => {
                    (leaving, told) = (true, true);
                    connection.as_mut().graceful_shutdown();
                    check_at = Instant::now() + FAREWELL;
                }
            },
        }
    }
}

/// Whether requests run on a connection, and since when none does.
struct Activity(Mutex<(usize, Instant, bool)>);

impl Activity {
    fn new() -> Self {
        Self(Mutex::new((0, Instant::now(), false)))
    }

    fn change(&self, begins: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (running, since, served) = &mut *state;
        *running = if begins { *running + 1 } else { running.saturating_sub(1) };
        *since = Instant::now();
        *served = true;
    }

    /// When the connection is to end unless a request comes; `None` while one runs.
    fn idle_until(&self, limits: &Limits) -> Option<Instant> {
        let (running, since, served) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = if served { limits.idle_seconds } else { limits.header_seconds };
        (running == 0).then(|| since + Duration::from_secs(seconds))
    }
}

struct Busy(Arc<Activity>);

impl Busy {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.change(true);
        Self(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(false);
    }
}

/// One of the connections that a source may have.
struct Place {
    shared: Arc<Shared>,
    source: Source,
}

impl Place {
    fn take(shared: &Arc<Shared>, ip: IpAddr, proxy: bool) -> Option<Self> {
        let source = Source::of(ip);
        let most = shared.limits.connections_per_source;
        let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(source).or_insert(0);
        if most > 0 && !proxy && *count >= most {
            return None;
        }
        *count += 1;
        shared.metrics.connections(1);
        Some(Self { shared: shared.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.metrics.connections(-1);
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.source);
            }
        }
    }
}

/// A stream whose closing throws away, for a moment, what the client still sends.
struct Lingering<S> {
    stream: S,
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Lingering<S> {
    fn new(stream: S) -> Self {
        Self { stream, closing: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let (timer, left) = this.closing.get_or_insert_with(|| (Box::pin(sleep(LINGER)), LINGER_BYTES));
        let mut space = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buf) {
                Poll::Pending => return timer.as_mut().poll(cx).map(Ok),
                Poll::Ready(Ok(())) if !buf.filled().is_empty() && *left > 0 => {
                    *left = left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
