//! A relying party's own door, where the server tells it things.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Path, headers and body.
pub(crate) type Call = (String, HeaderMap, String);

#[derive(Clone)]
struct Door {
    calls: UnboundedSender<Call>,
    status: Arc<AtomicU16>,
}

pub(crate) struct Told {
    pub(crate) url: String,
    calls: Mutex<UnboundedReceiver<Call>>,
    status: Arc<AtomicU16>,
}

impl Told {
    pub(crate) async fn listen() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let router = Router::new().fallback(called).with_state(Door { calls: sender, status: status.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, calls: Mutex::new(calls), status }
    }

    /// The same over TLS, with a certificate that this made itself: the door, and the certificate as PEM.
    pub(crate) async fn listen_tls() -> (Self, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (sender, calls) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever does not trust the certificate hangs up before saying anything.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = sender.send(one_call(&mut stream).await);
                }
            }
        });
        (Self { url, calls: Mutex::new(calls), status: Arc::default() }, made.cert.pem())
    }

    /// What every later call is answered with; a redirect points to another path here.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next call. The time is only there so that a broken server ends the test.
    pub(crate) async fn next(&self) -> Call {
        let mut calls = self.calls.lock().await;
        tokio::time::timeout(Duration::from_secs(60), calls.recv()).await.expect("nobody called").unwrap()
    }

    /// Whether nobody calls for longer than the server's sender sleeps.
    pub(crate) async fn quiet(&self) -> bool {
        let mut calls = self.calls.lock().await;
        tokio::time::timeout(Duration::from_secs(6), calls.recv()).await.is_err()
    }
}

/// Reads one request and answers it.
async fn one_call<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Call {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = |head: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(": "));
            let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            lengths.next().map_or(0, |(_, value)| value.parse::<usize>().unwrap())
        };
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= length(head)
        {
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            stream.shutdown().await.unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return (path, HeaderMap::new(), body.to_owned());
        }
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap_or(0);
        if read == 0 {
            return (String::new(), HeaderMap::new(), text);
        }
        bytes.extend_from_slice(&part[..read]);
    }
}

async fn called(State(door): State<Door>, uri: Uri, headers: HeaderMap, body: String) -> impl IntoResponse {
    let _ = door.calls.send((uri.path().to_owned(), headers, body));
    let status = StatusCode::from_u16(door.status.load(Ordering::SeqCst)).unwrap();
    (status, [(header::LOCATION, "/elsewhere")], "")
}
