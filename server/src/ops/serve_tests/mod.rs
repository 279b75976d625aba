//! The listener under real connections.
mod limits;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::config::Limits;
use crate::ops::health::Readiness;
use crate::ops::logging::tests::Captured;
use crate::ops::metrics::Metrics;
use crate::ops::request::{RequestId, limit_body};
use crate::ops::secrets::P256Key;
use crate::ops::serve::{Serving, serve};
use crate::ops::shutdown::{Shutdown, Stopping};
use crate::ops::sources::Source;
use crate::ops::tls::{self, TlsIdentity};

struct Running {
    address: std::net::SocketAddr,
    shutdown: Shutdown,
    metrics: Metrics,
    server: JoinHandle<bool>,
}

fn limits() -> Limits {
    Limits { header_seconds: 1, handshake_seconds: 1, request_seconds: 5, idle_seconds: 2, ..Limits::default() }
}

fn identity() -> TlsIdentity {
    let key = P256Key::generate(&mut crate::ops::random::system()).unwrap();
    tls::self_made(&key, &["localhost".to_owned()], 1_795_000_000).unwrap()
}

async fn start(limits: Limits, tls: Option<&TlsIdentity>) -> Running {
    let shutdown = Shutdown::new();
    let stopping = Stopping::new(shutdown.receiver());
    let router = Router::new()
        .route("/hello/{name}", get(|| async { "hello" }))
        .route(
            "/slow",
            get(|| async {
                sleep(Duration::from_millis(700)).await;
                "slow"
            }),
        )
        .route("/large", get(|| async { vec![b'a'; 64 * 1024 * 1024] }))
        .route("/forever", get(|| async { std::future::pending::<&str>().await }))
        .route("/panic", get(|| async { if true { panic!("PIN 123456") } else { "" } }))
        .route("/body", post(|body: axum::body::Bytes| async move { body.len().to_string() }))
        .route(
            "/who",
            get(
                |ConnectInfo(peer): ConnectInfo<std::net::SocketAddr>,
                 axum::Extension(Source(source)): axum::Extension<Source>,
                 axum::Extension(RequestId(id)): axum::Extension<RequestId>| async move {
                    format!("{} {source} {}", peer.ip(), id.len())
                },
            ),
        )
        .route(
            "/poll",
            get(|axum::Extension(mut stopping): axum::Extension<Stopping>| async move {
                stopping.wait().await;
                "stopping"
            }),
        )
        .merge(limit_body(Router::new().route("/form", post(|body: String| async move { body })), 4096))
        .merge(Readiness::new().check("database", || async { true }).until(stopping).routes());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = Serving::new(limits, shutdown.receiver());
    serving.tls = tls.map(|identity| identity.config.clone());
    let metrics = serving.metrics.clone();
    Running { address, shutdown, metrics, server: tokio::spawn(serve(listener, router, serving)) }
}

/// Trusts one key, whatever the certificate says, as the phones do.
#[derive(Debug)]
struct Pin([u8; 32]);

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match tls::spki_sha256(leaf) {
            Ok(spki) if spki == self.0 => Ok(ServerCertVerified::assertion()),
            _ => Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let supported = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &supported)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client_config(pin: [u8; 32], versions: &[&'static rustls::SupportedProtocolVersion]) -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pin(pin)))
        .with_no_client_auth()
}

fn client(pin: [u8; 32], versions: &[&'static rustls::SupportedProtocolVersion]) -> reqwest::Client {
    let mut config = client_config(pin, versions);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}

async fn plain(running: &Running, request: &str) -> String {
    ask(running.address, request).await
}

async fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

/// Whether the server ends `stream`, and after how long.
async fn cut_after(mut stream: impl tokio::io::AsyncRead + Unpin) -> Duration {
    let started = Instant::now();
    let mut space = [0; 1024];
    let end = async { while !matches!(stream.read(&mut space).await, Ok(0) | Err(_)) {} };
    timeout(Duration::from_secs(8), end).await.expect("the server keeps the connection");
    started.elapsed()
}

#[tokio::test]
async fn tls_works_with_the_pin_and_fails_with_another() {
    let identity = identity();
    let running = start(limits(), Some(&identity)).await;
    let url = format!("https://localhost:{}/hello/a", running.address.port());
    let both = [&rustls::version::TLS13, &rustls::version::TLS12];
    for version in both {
        let response = client(identity.spki_sha256, &[version]).get(&url).send().await.unwrap();
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        assert_eq!(response.headers()["x-request-id"].len(), 16);
        assert_eq!(response.text().await.unwrap(), "hello");
    }
    let mut wrong = identity.spki_sha256;
    wrong[0] ^= 1;
    assert!(client(wrong, &both).get(&url).send().await.unwrap_err().is_connect());
    // A browser without ALPN speaks HTTP/1.1.
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(identity.spki_sha256, &both)));
    let tcp = TcpStream::connect(running.address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    stream.write_all(get_request("/hello/b").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_tells_polls() {
    let identity = identity();
    for tls in [None, Some(&identity)] {
        let running = start(limits(), tls).await;
        let client = client(identity.spki_sha256, &[&rustls::version::TLS13]);
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = |path: &str| format!("{scheme}://localhost:{}{path}", running.address.port());
        let send = |path: &str| {
            let request = client.get(url(path)).send();
            tokio::spawn(async move { request.await.unwrap().text().await.unwrap() })
        };
        let (slow, poll) = (send("/slow"), send("/poll"));
        sleep(Duration::from_millis(300)).await;
        assert!(!slow.is_finished() && !poll.is_finished());
        running.shutdown.stop();
        assert_eq!(poll.await.unwrap(), "stopping");
        assert_eq!(slow.await.unwrap(), "slow");
        assert!(timeout(Duration::from_secs(3), running.server).await.unwrap().unwrap());
        assert!(TcpStream::connect(running.address).await.is_err());
    }
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let running = start(Limits { shutdown_seconds: 1, ..limits() }, None).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(get_request("/forever").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    running.shutdown.stop();
    assert!(!timeout(Duration::from_secs(4), running.server).await.unwrap().unwrap());
    assert!(started.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_scrape_shows_the_requests_and_nothing_typed() {
    let running = start(limits(), None).await;
    assert!(plain(&running, &get_request("/hello/010190-1234?pin=123456")).await.ends_with("hello"));
    assert!(plain(&running, &get_request("/nowhere/123456")).await.starts_with("HTTP/1.1 404"));
    assert!(plain(&running, &get_request("/panic")).await.starts_with("HTTP/1.1 500"));
    let who = plain(&running, &get_request("/who")).await;
    assert!(who.ends_with("127.0.0.1 127.0.0.1 16"), "{who}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving::new(limits(), running.shutdown.receiver());
    tokio::spawn(serve(listener, running.metrics.routes(), serving));
    let text = ask(address, &get_request("/metrics")).await;
    for line in [
        "godkend_request_duration_seconds_count{route=\"/hello/{name}\",method=\"GET\",status=\"200\"} 1\n",
        "godkend_request_duration_seconds_count{route=\"unmatched\",method=\"GET\",status=\"404\"} 1\n",
        "godkend_request_duration_seconds_count{route=\"/panic\",method=\"GET\",status=\"500\"} 1\n",
        "godkend_requests_in_flight 0\n",
        "godkend_panics_total 1\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("123456") && !text.contains("010190"), "{text}");
}

#[tokio::test]
async fn the_log_names_the_route_and_the_request() {
    let captured = Captured::default();
    let _guard =
        tracing::subscriber::set_default(crate::ops::logging::subscriber(tracing::Level::INFO, captured.clone()));
    let running = start(limits(), None).await;
    let answer = plain(&running, &get_request("/hello/010190-1234?pin=123456")).await;
    let id = answer.split("x-request-id: ").nth(1).unwrap()[..16].to_owned();
    let text = captured.text();
    let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&line["route"], &line["status"]), (&"/hello/{name}".into(), &200.into()), "{text}");
    assert_eq!(line["request_id"], id.as_str());
    for secret in ["010190", "123456", "pin", "127.0.0.1"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let running = start(limits(), None).await;
    assert!(plain(&running, &get_request("/health")).await.contains("{\"status\":\"up\"}"));
    let ready = plain(&running, &get_request("/ready")).await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"database\":true"), "{ready}");
    let failing = Readiness::new().check("database", || async { false }).routes();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, failing, Serving::new(limits(), running.shutdown.receiver())));
    let unready = ask(address, &get_request("/ready")).await;
    assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("\"database\":false"), "{unready}");
}
