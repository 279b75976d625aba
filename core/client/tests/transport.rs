//! The transport against real TLS servers on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use godkend_client::pin_of;
use godkend_client::transport::{Transport, TransportError, TransportOptions};
use godkend_protocol::bytes::Hash32;
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::ErrorReply;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Seen = Arc<Mutex<Vec<(Method, String, Version, Vec<u8>)>>>;

struct Server {
    address: SocketAddr,
    pin: Hash32,
    seen: Seen,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn https(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

/// A TLS server with a certificate of its own making; `versions` as rustls names them.
async fn serve(versions: &'static [&'static rustls::SupportedProtocolVersion], alpn: &[&[u8]]) -> Server {
    // A name that fits nobody: the pin alone decides.
    let certified = rcgen::generate_simple_self_signed(["elsewhere.example".to_owned()]).unwrap();
    let pin = pin_of(certified.cert.der()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    run(Some(TlsAcceptor::from(Arc::new(config))), pin).await
}

async fn run(tls: Option<TlsAcceptor>, pin: Hash32) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, connections) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (tls, log) = (tls.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| respond(request, Arc::clone(&log)));
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                match tls {
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                    None => {
                        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                    }
                }
            });
        }
    });
    Server { address, pin, seen, connections }
}

async fn respond(request: Request<Incoming>, log: Seen) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().to_owned();
    log.lock().unwrap().push((parts.method, path.clone(), parts.version, body.to_vec()));
    let cbor = |status: u16, body: Vec<u8>| {
        Response::builder().status(status).header("content-type", "application/cbor").body(body.into()).unwrap()
    };
    let html = |status: u16| {
        let builder = Response::builder().status(status).header("content-type", "text/html").header("retry-after", "9");
        builder.body("<h1>proxy</h1>".into()).unwrap()
    };
    Ok(match path.as_str() {
        "/phone/v1/keys" => cbor(200, b"the key set".to_vec()),
        "/phone/v1/poll" => cbor(200, body.to_vec()),
        "/phone/v1/pin/start" => {
            let reply = ErrorReply { code: "pin_waiting".to_owned(), retry_after: Some(60), tries_left: Some(3) };
            cbor(429, cbor::encode(&reply))
        }
        "/phone/v1/manage" => cbor(
            409,
            cbor::encode(&ErrorReply { code: "from_tomorrow".to_owned(), retry_after: None, tries_left: None }),
        ),
        "/phone/v1/garbled" => cbor(400, vec![0xff, 0x00]),
        "/phone/v1/largest" => cbor(200, vec![1; cbor::MAX_MESSAGE]),
        "/phone/v1/huge" => cbor(200, vec![1; cbor::MAX_MESSAGE + 1]),
        "/phone/v1/gateway" => html(502),
        "/phone/v1/portal" => html(200),
        "/phone/v1/moved" => {
            Response::builder().status(307).header("location", "/phone/v1/poll").body(Bytes::new().into()).unwrap()
        }
        "/phone/v1/slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            cbor(200, vec![])
        }
        _ => html(404),
    })
}

/// A transport and the pins to post with.
struct Pinned(Transport, Vec<Hash32>);

impl Pinned {
    async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, TransportError> {
        self.0.post_pinned(&self.1, path, body, 0).await
    }

    fn to(server: &Server, pins: &[Hash32]) -> Self {
        Self(transport(&server.https()), pins.to_vec())
    }

    fn plain(url: &str) -> Self {
        Self(transport(url), Vec::new())
    }
}

fn transport(url: &str) -> Transport {
    let mut options = TransportOptions::default();
    options.answer_timeout = Duration::from_secs(2);
    Transport::new(url, options).unwrap()
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

#[tokio::test]
async fn the_pinned_key_is_talked_to_over_both_versions_of_tls_and_http() {
    const ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
    for (versions, alpn, http) in [
        (BOTH, &[b"h2".as_slice(), b"http/1.1"][..], Version::HTTP_2),
        (BOTH, &[b"http/1.1".as_slice()][..], Version::HTTP_11),
        (ONLY_12, &[b"h2".as_slice()][..], Version::HTTP_2),
    ] {
        let server = serve(versions, alpn).await;
        let transport = Pinned::to(&server, &[Hash32::from_slice(&[1; 32]).unwrap(), server.pin]);
        assert_eq!(transport.post("poll", b"question".to_vec()).await.unwrap(), b"question");
        let seen = server.seen.lock().unwrap().clone();
        assert_eq!(seen, [(Method::POST, "/phone/v1/poll".to_owned(), http, b"question".to_vec())]);
    }
}

#[tokio::test]
async fn another_key_is_refused_before_a_byte_of_the_message_is_sent() {
    let (right, wrong) = (serve(BOTH, &[b"h2"]).await, serve(BOTH, &[b"h2"]).await);
    let transport = Pinned::to(&wrong, &[right.pin]);
    assert_eq!(transport.post("poll", vec![1]).await, Err(TransportError::WrongServer));
    assert_eq!(wrong.connections.load(Ordering::SeqCst), 1);
    assert!(wrong.seen.lock().unwrap().is_empty());
}

/// Shows somebody's certificate and signs with a key of its own.
#[derive(Debug)]
struct Thief(Arc<rustls::sign::CertifiedKey>);

impl rustls::server::ResolvesServerCert for Thief {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn the_pinned_certificate_without_its_key_is_refused() {
    for version in BOTH {
        let stolen = rcgen::generate_simple_self_signed(["id.example".to_owned()]).unwrap();
        let own = rcgen::KeyPair::generate().unwrap();
        let own = rustls_pki_types::PrivateKeyDer::Pkcs8(own.serialize_der().into());
        let own = rustls::crypto::ring::sign::any_supported_type(&own).unwrap();
        let thief = Thief(Arc::new(rustls::sign::CertifiedKey::new(vec![stolen.cert.der().clone()], own)));
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[*version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(thief));
        let pin = pin_of(stolen.cert.der()).unwrap();
        let server = run(Some(TlsAcceptor::from(Arc::new(config))), pin).await;
        let transport = Pinned::to(&server, &[pin]);
        assert_eq!(transport.post("poll", vec![1]).await, Err(TransportError::NoNetwork));
        assert!(transport.0.key_set().await.is_err());
        assert!(server.seen.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn only_the_key_set_is_fetched_from_an_unknown_key() {
    let server = serve(BOTH, &[b"h2"]).await;
    // An empty list pins nothing, and opens nothing.
    let transport = Pinned::to(&server, &[]);
    assert_eq!(transport.post("poll", vec![1]).await, Err(TransportError::NotPinned));
    assert_eq!(transport.0.key_set().await.unwrap(), b"the key set");
    assert_eq!(transport.post("poll", vec![1]).await, Err(TransportError::NotPinned));
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].0, seen[0].1.as_str()), (&Method::GET, "/phone/v1/keys"));
}

#[tokio::test]
async fn new_pins_end_what_the_old_ones_opened() {
    let server = serve(BOTH, &[b"h2"]).await;
    let mut transport = Pinned::to(&server, &[server.pin]);
    transport.post("poll", vec![1]).await.unwrap();
    transport.1 = vec![Hash32::from_slice(&[1; 32]).unwrap()];
    // Neither the open connection nor a resumed session carries it over.
    assert_eq!(transport.post("poll", vec![1]).await, Err(TransportError::WrongServer));
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn answers_and_refusals_are_told_apart() {
    let server = serve(BOTH, &[b"h2"]).await;
    let transport = Pinned::to(&server, &[server.pin]);
    let post = |path: &'static str| transport.post(path, vec![1]);
    let Err(TransportError::Refused(refusal)) = post("pin/start").await else { panic!("not refused") };
    assert_eq!(refusal.known(), Some(Code::PinWaiting));
    assert_eq!((refusal.retry_after, refusal.tries_left), (Some(60), Some(3)));
    let Err(TransportError::Refused(refusal)) = post("manage").await else { panic!("not refused") };
    assert_eq!((refusal.known(), refusal.code.as_str()), (None, "from_tomorrow"));
    assert_eq!(post("garbled").await, Err(TransportError::BadAnswer));
    assert_eq!(post("portal").await, Err(TransportError::BadAnswer));
    assert_eq!(post("moved").await, Err(TransportError::BadAnswer));
    assert_eq!(post("nowhere").await, Err(TransportError::BadAnswer));
    assert_eq!(post("gateway").await, Err(TransportError::Unavailable { retry_after: Some(9) }));
    assert_eq!(post("largest").await.unwrap().len(), cbor::MAX_MESSAGE);
    assert_eq!(post("huge").await, Err(TransportError::TooLarge));
    let sent = server.seen.lock().unwrap().len();
    assert_eq!(transport.post("poll", vec![1; cbor::MAX_MESSAGE + 1]).await, Err(TransportError::TooLarge));
    assert_eq!(transport.post("../admin", vec![1]).await, Err(TransportError::BadUrl));
    assert_eq!(server.seen.lock().unwrap().len(), sent);
}

#[tokio::test]
async fn no_server_a_dead_one_and_a_slow_one_are_no_network() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let refused = Pinned::plain(&url).post("poll", vec![1]).await.unwrap_err();
    assert_eq!(refused, TransportError::NoNetwork);
    assert!(refused.is_transient());

    let hangs_up = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", hangs_up.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            drop(hangs_up.accept().await);
        }
    });
    assert_eq!(Pinned::plain(&url).post("poll", vec![1]).await, Err(TransportError::NoNetwork));

    let server = run(None, Hash32::from_slice(&[0; 32]).unwrap()).await;
    let slow = Pinned::plain(&format!("http://{}", server.address));
    assert_eq!(slow.post("slow", vec![1]).await, Err(TransportError::NoNetwork));
    assert_eq!(slow.post("poll", vec![2]).await.unwrap(), [2]);
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    for url in [
        "http://localhost:80",
        "http://127.0.0.1",
        "http://[::1]:8080/",
        "https://id.example",
        "https://id.example:444/",
    ] {
        assert!(Transport::new(url, TransportOptions::default()).is_ok(), "{url}");
    }
    for url in [
        "http://id.example",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://10.0.0.1",
        "https://id.example/path",
        "https://id.example/?a=b",
        "https://user@id.example",
        "https://user:word@id.example",
        "ftp://localhost",
        "id.example",
        "",
    ] {
        let refused = Transport::new(url, TransportOptions::default()).map(drop);
        assert_eq!(refused, Err(TransportError::BadUrl), "{url}");
    }
}
