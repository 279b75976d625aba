//! Google's, Apple's and a UnifiedPush distributor's servers in one: over TLS, with a certificate of its own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What Google calls the service account's access token.
pub(super) const ACCESS: &str = "ya29.access";

/// One request, as it arrived.
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Room {
    seen: UnboundedSender<Seen>,
    script: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    poured: Arc<AtomicU64>,
}

pub(super) struct Gateway {
    pub(super) port: u16,
    pub(super) certificate: String,
    seen: tokio::sync::Mutex<UnboundedReceiver<Seen>>,
    room: Room,
}

impl Gateway {
    pub(super) async fn open() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = unbounded_channel();
        let room = Room { seen: sender, script: Arc::default(), poured: Arc::default() };
        let router = Router::new().fallback(called).with_state(room.clone());
        let door = Door { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        tokio::spawn(async move { axum::serve(door, router).await });
        Self { port, certificate: made.cert.pem(), seen: tokio::sync::Mutex::new(seen), room }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// What `/up/script` answers, one request after the other: status and `Retry-After`.
    pub(super) fn script(&self, answers: &[(u16, &'static str)]) {
        self.room.script.lock().unwrap().extend(answers);
    }

    /// The bytes that `/up/endless` was asked for.
    pub(super) fn poured(&self) -> u64 {
        self.room.poured.load(Ordering::SeqCst)
    }

    /// The next request but those for access tokens. The time only ends a test that has failed.
    pub(super) async fn next(&self) -> Seen {
        loop {
            let seen = self.any().await;
            if seen.path != "/token" {
                return seen;
            }
        }
    }

    pub(super) async fn any(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        tokio::time::timeout(Duration::from_secs(60), seen.recv()).await.expect("nobody called").unwrap()
    }

    /// The paths that were called since.
    pub(super) async fn since(&self) -> Vec<String> {
        let mut seen = self.seen.lock().await;
        std::iter::from_fn(|| seen.try_recv().ok()).map(|seen| seen.path).collect()
    }

    /// Whether nobody has called since.
    pub(super) async fn is_quiet(&self) -> bool {
        self.seen.lock().await.try_recv().is_err()
    }
}

struct Door {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Door {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn called(State(room): State<Room>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap().to_vec();
    let (path, version, headers) = (parts.uri.path().to_owned(), parts.version, parts.headers);
    let echo = body.clone();
    let _ = room.seen.send(Seen { path: path.clone(), version, headers, body });
    let status = |status: u16| StatusCode::from_u16(status).unwrap();
    match path.as_str() {
        "/token" => Json(json!({ "access_token": ACCESS, "expires_in": 3599, "token_type": "Bearer" })).into_response(),
        "/up/hang" => std::future::pending().await,
        "/up/gone" => status(410).into_response(),
        // Repeats all that it was told, as a chatty gateway may.
        "/up/echo" => (status(403), echo).into_response(),
        "/up/redirect" => (status(307), [(header::LOCATION, "/up/elsewhere")]).into_response(),
        "/up/endless" => {
            let chunks = futures_util::stream::repeat_with(move || {
                let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
                room.poured.fetch_add(16 * 1024, Ordering::SeqCst);
                Ok::<_, Infallible>(chunk)
            });
            Response::new(Body::from_stream(futures_util::StreamExt::take(chunks, 100 * 64)))
        }
        "/up/script" => {
            let (next, wait) = room.script.lock().unwrap().pop_front().expect("no answer is left");
            (status(next), [(header::RETRY_AFTER, wait)]).into_response()
        }
        path if path.starts_with("/3/device/ee") => {
            (status(400), Json(json!({ "reason": "BadDeviceToken" }))).into_response()
        }
        path if path.ends_with("messages:send") && String::from_utf8_lossy(&echo).contains("\"void\"") => {
            let details = json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED" }]);
            (status(404), Json(json!({ "error": { "code": 404, "status": "NOT_FOUND", "details": details } })))
                .into_response()
        }
        _ => status(200).into_response(),
    }
}
