//! Strangers that hold what they get: connections, handshakes, heads, bodies, answers. They get a 4xx or a closed
//! connection, the server's memory stays bounded, and an honest person is served meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream;
use godkend_client::{Accept, tls_configuration};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::person::Person;
use crate::server::Server;
use crate::wire::Wire;

/// What the server may grow by under any of this, in KiB: it holds 100 MB of nobody's.
const GROWTH: u64 = 96 * 1024;
/// A body that nobody wants.
const HUGE: u64 = 100 * 1024 * 1024;
const PIECE: usize = 64 * 1024;
/// How much of it may be on its way before it is refused: buffers of both kernels, and what the server throws away.
const MOST_SENT: u64 = 24 * 1024 * 1024;

/// A connection from another address than everybody else's, so that limits of one source are theirs alone.
async fn stranger(server: &Server) -> Option<TcpStream> {
    let port = server.url.rsplit(':').next().unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0))).unwrap();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.ok()
}

async fn tls(server: &Server, protocol: &str) -> Option<TlsStream<TcpStream>> {
    let mut config = tls_configuration(Accept::Anyone).unwrap();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stranger(server).await?).await.ok()
}

/// Reads to the end; whether it came.
async fn is_closed(mut stream: impl AsyncRead + Unpin) -> bool {
    let mut sink = vec![0; PIECE];
    let end = async { while let Ok(1..) = stream.read(&mut sink).await {} };
    tokio::time::timeout(Duration::from_secs(90), end).await.is_ok()
}

/// Sends a byte now and then, for as long as somebody takes it.
async fn drips(stream: impl AsyncRead + AsyncWrite + Unpin) -> bool {
    let (read, mut write) = tokio::io::split(stream);
    let drip = async {
        while write.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        closed = is_closed(read) => closed,
        () = drip => unreachable!(),
    }
}

#[derive(Clone, Copy, Debug)]
enum Slow {
    Silent,
    HalfHandshake,
    NoHead,
    DrippingHead,
    DrippingBody,
    ChunkedBody,
    HalfPreface,
    NoReader,
}

/// One of them; whether the server has ended it. A stranger that is not even let in is ended, too.
async fn is_ended(server: Arc<Server>, kind: Slow) -> bool {
    let head = match kind {
        Slow::Silent | Slow::HalfHandshake => {
            let Some(mut stream) = stranger(&server).await else { return true };
            if matches!(kind, Slow::HalfHandshake) {
                // The first bytes of a ClientHello of 512.
                let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await;
            }
            return is_closed(stream).await;
        }
        Slow::HalfPreface => {
            let Some(mut stream) = tls(&server, "h2").await else { return true };
            let _ = stream.write_all(b"PRI * HTTP/2.0\r\n").await;
            return is_closed(stream).await;
        }
        Slow::NoHead => "",
        Slow::DrippingHead => "GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ",
        Slow::DrippingBody => "POST /phone/v1/answer HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n",
        Slow::ChunkedBody => {
            "POST /token HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\nea60\r\n"
        }
        Slow::NoReader => "GET /login.js HTTP/1.1\r\nhost: localhost\r\n\r\n",
    };
    let Some(mut stream) = tls(&server, "http/1.1").await else { return true };
    match kind {
        Slow::NoHead => is_closed(stream).await,
        // Asks again and again, and reads nothing.
        Slow::NoReader => {
            let asks = head.repeat(200);
            while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(3), stream.write_all(asks.as_bytes())).await
            {
            }
            true
        }
        _ => {
            let _ = stream.write_all(head.as_bytes()).await;
            drips(stream).await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a36_slow_strangers_are_ended_and_honest_people_served() {
    let mut server = Server::new();
    for (name, value) in [
        ("LIMITS_HANDSHAKE_SECONDS", "3"),
        ("LIMITS_HEADER_SECONDS", "3"),
        ("LIMITS_REQUEST_SECONDS", "6"),
        ("APPROVAL_LONG_POLL_SECONDS", "2"),
        ("LIMITS_IDLE_SECONDS", "5"),
    ] {
        server.set(name, value);
    }
    server.start().await;
    let mut honest = Person::new(&Wire::to(&server), &server.root, "anna-patient").await.unwrap();
    honest.activate().await.unwrap();
    honest.ordinary_login().await.unwrap();
    let before = server.memory();
    let server = Arc::new(server);
    let kinds = [
        Slow::Silent,
        Slow::HalfHandshake,
        Slow::NoHead,
        Slow::DrippingHead,
        Slow::DrippingBody,
        Slow::ChunkedBody,
        Slow::HalfPreface,
        Slow::NoReader,
    ];
    let mut strangers = JoinSet::new();
    for _ in 0..40 {
        for kind in kinds {
            let server = server.clone();
            strangers.spawn(async move { (kind, is_ended(server, kind).await) });
        }
    }
    let mut most = before;
    let mut logins = 0;
    while !strangers.is_empty() {
        honest.ordinary_login().await.unwrap();
        logins += 1;
        most = most.max(server.memory());
        while let Some(ended) = strangers.try_join_next() {
            let (kind, ended) = ended.unwrap();
            assert!(ended, "{kind:?} is held for ever");
        }
    }
    println!("320 slow strangers; {logins} honest logins meanwhile; memory {before} KiB, at most {most}");
    assert!(logins > 3);
    assert!(most < before + GROWTH, "{before} KiB has become {most}");
    let mut server = Arc::into_inner(server).unwrap();
    server.stop().await;
    server.verified_log();
}

const DOORS: [&str; 9] = [
    "phone/v1/answer",
    "phone/v1/activation/open",
    "phone/v1/keys",
    "par",
    "token",
    "authorize",
    "block",
    "login/AAAAAAAAAAAAAAAAAAAAAA/user-id",
    "admin/v1/citizens",
];

/// What came of a huge body: the status, if one was read, and how much of it was taken off the sender's hands.
type Fate = (Option<u16>, u64);

/// By hand over HTTP/1.1, its length told or chunk by chunk.
async fn http1(server: &Server, path: &str, chunked: bool) -> Fate {
    let Some(mut stream) = tls(server, "http/1.1").await else { return (None, 0) };
    let length = if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {HUGE}") };
    let kind = if path.starts_with("phone") { "application/cbor" } else { "application/x-www-form-urlencoded" };
    let head = format!(
        "POST /{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\n{length}\r\n\r\n",
        server.token
    );
    if stream.write_all(head.as_bytes()).await.is_err() {
        return (None, 0);
    }
    let (mut read, mut write) = tokio::io::split(stream);
    let sent = AtomicU64::new(0);
    let mut piece = vec![b'a'; PIECE];
    if chunked {
        piece.splice(0..0, format!("{PIECE:x}\r\n").into_bytes());
        piece.extend_from_slice(b"\r\n");
    }
    let writing = async {
        while sent.load(Ordering::Relaxed) < HUGE && write.write_all(&piece).await.is_ok() {
            sent.fetch_add(u64::try_from(PIECE).unwrap(), Ordering::Relaxed);
        }
    };
    let reading = async {
        let mut answer = Vec::new();
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut some).await {
            answer.extend_from_slice(&some[..count]);
        }
        answer
    };
    let both = async { tokio::join!(writing, reading).1 };
    let answer = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status, sent.into_inner())
}

/// Over HTTP/2, its length told or not.
async fn http2(server: &Server, path: &str, told: bool) -> Fate {
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .local_address(Some(Ipv4Addr::new(127, 0, 0, 2).into()))
        .timeout(Duration::from_secs(60))
        .no_proxy()
        .build()
        .unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let pieces = stream::iter(0..HUGE / u64::try_from(PIECE).unwrap()).map_with(move || {
        counted.fetch_add(u64::try_from(PIECE).unwrap(), Ordering::Relaxed);
        Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(vec![b'a'; PIECE])))
    });
    let mut request = client
        .post(format!("{}/{path}", server.url))
        .bearer_auth(&server.token)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(reqwest::Body::wrap(StreamBody::new(pieces)));
    if told {
        request = request.header("content-length", HUGE);
    }
    let status = request.send().await.ok().map(|response| {
        assert_eq!(response.version(), reqwest::Version::HTTP_2);
        response.status().as_u16()
    });
    (status, sent.load(Ordering::Relaxed))
}

trait MapWith: stream::Stream + Sized {
    fn map_with<T>(self, mut make: impl FnMut() -> T) -> impl stream::Stream<Item = T> {
        futures_util::StreamExt::map(self, move |_| make())
    }
}

impl<S: stream::Stream> MapWith for S {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a36_bodies_of_100_mb_are_refused_and_never_held() {
    let mut server = Server::new();
    server.start().await;
    let mut honest = Person::new(&Wire::to(&server), &server.root, "bo-small").await.unwrap();
    honest.activate().await.unwrap();
    honest.ordinary_login().await.unwrap();
    let before = server.memory();
    let server = Arc::new(server);
    let mut senders = JoinSet::new();
    for path in DOORS {
        for way in 0..4 {
            let server = server.clone();
            senders.spawn(async move {
                let fate = match way {
                    0 => http1(&server, path, false).await,
                    1 => http1(&server, path, true).await,
                    2 => http2(&server, path, true).await,
                    _ => http2(&server, path, false).await,
                };
                (path, way, fate)
            });
        }
    }
    let mut most = before;
    let mut refused = 0;
    while !senders.is_empty() {
        honest.ordinary_login().await.unwrap();
        most = most.max(server.memory());
        while let Some(ended) = senders.try_join_next() {
            let (path, way, (status, sent)) = ended.unwrap();
            assert!(status.is_none_or(|status| (400..500).contains(&status)), "{path} {way}: {status:?}");
            assert!(sent < MOST_SENT, "{path} {way}: {sent} bytes were taken, {status:?}");
            // Told beforehand, it is refused for what it is, whatever the door.
            assert!(way % 2 == 1 || status.is_none_or(|status| status == 413), "{path} {way}: {status:?}");
            refused += u32::from(status == Some(413));
        }
    }
    println!("{refused} of {} told 413; memory {before} KiB, at most {most}", DOORS.len() * 4);
    assert!(refused >= 18, "{refused} heard why");
    assert!(most < before + GROWTH, "{before} KiB has become {most}");
    honest.ordinary_login().await.unwrap();
    let mut server = Arc::into_inner(server).unwrap();
    server.stop().await;
    server.verified_log();
}
