//! What a greedy or slow client meets.
use super::*;

#[tokio::test]
async fn slow_clients_are_cut() {
    let identity = identity();
    let secure = start(limits(), Some(&identity)).await;
    // No handshake at all.
    let silent = cut_after(TcpStream::connect(secure.address).await.unwrap());
    // A handshake for HTTP/2, then nothing.
    let mut config = client_config(identity.spki_sha256, &[&rustls::version::TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(secure.address).await.unwrap();
    let idle_h2 = cut_after(connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap());
    // A head that trickles in.
    let open = start(limits(), None).await;
    let (reader, mut writer) = TcpStream::connect(open.address).await.unwrap().into_split();
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET /hello/a HTTP/1.1\r\n").await.unwrap();
        while writer.write_all(b"x: y\r\n").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    let (silent, idle_h2, dripped) = tokio::join!(silent, idle_h2, cut_after(reader));
    drip.await.unwrap();
    for elapsed in [silent, idle_h2, dripped] {
        assert!(elapsed > Duration::from_millis(500) && elapsed < Duration::from_secs(4), "{elapsed:?}");
    }
    assert!(secure.metrics.render().contains("godkend_tls_handshakes_failed_total 1\n"));
}

#[tokio::test]
async fn an_http2_connection_without_requests_ends() {
    let identity = identity();
    let running = start(limits(), Some(&identity)).await;
    let client = client(identity.spki_sha256, &[&rustls::version::TLS13]);
    let url = format!("https://localhost:{}/slow", running.address.port());
    let open = || running.metrics.render().contains("godkend_connections 1\n");
    client.get(&url).send().await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    assert!(open(), "the connection is kept between requests");
    client.get(&url).send().await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    assert!(open(), "the second request prolonged it");
    sleep(Duration::from_millis(2500)).await;
    assert!(!open(), "it ends");
    assert_eq!(client.get(&url).send().await.unwrap().text().await.unwrap(), "slow");
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_the_connection() {
    let running = start(limits(), None).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (_reader, mut writer) = stream.into_split();
    writer.write_all(get_request("/large").as_bytes()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert!(running.metrics.render().contains("godkend_connections 1\n"));
    sleep(Duration::from_millis(3500)).await;
    assert!(running.metrics.render().contains("godkend_connections 0\n"));
}

#[tokio::test]
async fn a_body_that_trickles_or_a_handler_that_hangs_meets_the_time_limit() {
    let running = start(Limits { request_seconds: 1, ..limits() }, None).await;
    let text = plain(&running, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    let text = plain(&running, &get_request("/forever")).await;
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("request_timeout"), "{text}");
}

#[tokio::test]
async fn large_bodies_are_refused_unread() {
    const SIZE: usize = 100 * 1024 * 1024;
    let identity = identity();
    let running = start(limits(), None).await;
    // Announced: refused before a byte of it was sent.
    let head = format!("POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: {SIZE}\r\n\r\n");
    let text = plain(&running, &head).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("request_too_large"), "{text}");
    // Sent without waiting: the answer still arrives, and only a little is taken off the wire.
    let (mut reader, mut writer) = TcpStream::connect(running.address).await.unwrap().into_split();
    let sender = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'a'; 64 * 1024];
        let mut sent = 0;
        while sent < SIZE && writer.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    });
    let mut start_of = [0; 12];
    reader.read_exact(&mut start_of).await.unwrap();
    assert_eq!(&start_of, b"HTTP/1.1 413");
    let sent = timeout(Duration::from_secs(10), sender).await.unwrap().unwrap();
    // What the socket buffers of both ends hold may have left the client.
    assert!(sent < SIZE / 4, "{sent} bytes were taken");
    // Not announced: cut while reading.
    let chunk = format!("{:x}\r\n{}\r\n", 70_000, "a".repeat(70_000));
    let text =
        plain(&running, &format!("POST /body HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    // Over HTTP/2, and a form's smaller limit.
    let secure = start(limits(), Some(&identity)).await;
    let client = client(identity.spki_sha256, &[&rustls::version::TLS13]);
    let url = |path: &str| format!("https://localhost:{}{path}", secure.address.port());
    for (path, size, status) in
        [("/body", SIZE, 413), ("/body", 65_536, 200), ("/form", 5000, 413), ("/form", 4096, 200)]
    {
        let response =
            client.post(url(path)).version(reqwest::Version::HTTP_2).body(vec![b'a'; size]).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path} {size}");
    }
}

#[tokio::test]
async fn a_client_that_writes_before_it_reads_still_gets_its_refusal() {
    let running = start(limits(), None).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..10 {
        stream.write_all(&[b'a'; 20_000]).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    let text = read_all(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
}

#[tokio::test]
async fn large_heads_are_refused() {
    let running = start(limits(), None).await;
    let text = plain(&running, &format!("GET /hello/a HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(20_000))).await;
    assert!(text.starts_with("HTTP/1.1 431"), "{text}");
}

#[tokio::test]
async fn the_connection_limit_holds_and_recovers() {
    let running = start(Limits { connections: 2, header_seconds: 3, ..limits() }, None).await;
    let first = TcpStream::connect(running.address).await.unwrap();
    let _second = TcpStream::connect(running.address).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let mut third = TcpStream::connect(running.address).await.unwrap();
    third.write_all(get_request("/hello/a").as_bytes()).await.unwrap();
    let mut byte = [0; 1];
    assert!(timeout(Duration::from_millis(400), third.read(&mut byte)).await.is_err(), "served beyond the limit");
    assert!(running.metrics.render().contains("godkend_connections 2\n"));
    drop(first);
    let text = read_all(&mut third).await;
    assert!(text.ends_with("hello"), "{text}");
}

#[tokio::test]
async fn one_source_cannot_take_every_connection() {
    let running = start(Limits { connections_per_source: 2, ..limits() }, None).await;
    let first = TcpStream::connect(running.address).await.unwrap();
    let _second = TcpStream::connect(running.address).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    assert!(cut_after(TcpStream::connect(running.address).await.unwrap()).await < Duration::from_millis(500));
    drop(first);
    sleep(Duration::from_millis(100)).await;
    assert!(plain(&running, &get_request("/hello/a")).await.ends_with("hello"));
    assert!(running.metrics.render().contains("godkend_connections_refused_total 1\n"));
}

#[tokio::test]
async fn a_source_that_asks_too_often_is_told_when_to_return() {
    let running = start(Limits { requests_per_source_minute: 3, ..limits() }, None).await;
    for _ in 0..3 {
        assert!(plain(&running, &get_request("/hello/a")).await.starts_with("HTTP/1.1 200"));
    }
    let text = plain(&running, &get_request("/hello/a")).await;
    assert!(text.starts_with("HTTP/1.1 429") && text.contains("retry-after: 20"), "{text}");
}
