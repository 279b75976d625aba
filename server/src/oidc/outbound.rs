//! What the server itself sends to relying parties: to registered addresses, to public hosts, and never where an answer
//! points. A name that resolves to this machine or its network would make the server a way into it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::Url;

use crate::config::Config;

/// For a whole request, its answer's head included.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client for requests to relying parties.
pub struct Outbound {
    http: reqwest::Client,
    test: bool,
}

/// Why something was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// The address may not be reached.
    Forbidden,
    /// Nobody answered in time.
    Unreachable,
    /// The answer was not in the 200s.
    Status(u16),
}

impl Outbound {
    /// A client as the configuration wants it.
    ///
    /// # Errors
    /// A sentence: its authorities cannot be read, or the system has none.
    pub fn new(config: &Config) -> Result<Self, String> {
        let test = config.server.test_environment;
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .dns_resolver(PublicOnly { test })
            .user_agent("godkend");
        let authorities = &config.oidc.notification_authorities;
        if !authorities.as_os_str().is_empty() {
            let file = config.beside_file(authorities);
            let unreadable = |error: &dyn core::fmt::Display| format!("{}: {error}", file.display());
            let pem = std::fs::read(&file).map_err(|error| unreadable(&error))?;
            let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unreadable(&error))?;
            builder = builder.tls_certs_merge(found);
        }
        Ok(Self { http: builder.build().map_err(|error| error.to_string())?, test })
    }

    /// Posts to an address.
    ///
    /// # Errors
    /// [`NotSent`].
    pub async fn post(
        &self,
        address: &str,
        prepare: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder + Send,
    ) -> Result<(), NotSent> {
        let url = Url::parse(address).map_err(|_| NotSent::Forbidden)?;
        // Addresses that are numbers are resolved by nobody.
        let number = match url.host() {
            Some(url::Host::Ipv4(number)) => Some(IpAddr::V4(number)),
            Some(url::Host::Ipv6(number)) => Some(IpAddr::V6(number)),
            _ => None,
        };
        let plain = url.scheme() != "https";
        if number.is_some_and(|number| !self.test && !is_public(number)) || (plain && !self.test) {
            return Err(NotSent::Forbidden);
        }
        let answer = prepare(self.http.post(url)).send().await.map_err(|_| NotSent::Unreachable)?;
        // The body is not read: nothing that it could say matters.
        if answer.status().is_success() { Ok(()) } else { Err(NotSent::Status(answer.status().as_u16())) }
    }
}

/// Resolves names to public addresses only, at each connection anew: what a name meant at its registration does not count.
pub(crate) struct PublicOnly {
    /// Any address will do.
    pub(crate) test: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let test = self.test;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| test || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no public address".into());
            }
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}

/// Whether an address belongs to a host of the internet, and not to this machine, its network or a special purpose (the
/// IANA registries of RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || matches!((a, b, c), (0, _, _) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18..=19, _))
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Only global unicast; and of it nothing that leads to an IPv4 address by itself, or is for documentation.
    let global = (0x2000..=0x3fff).contains(&a);
    let special = matches!((a, b), (0x2001, 0..0x0200 | 0x0db8) | (0x2002 | 0x3fff, _));
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_internet_are_public() {
        for public in ["1.1.1.1", "193.163.102.23", "223.255.255.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_not_resolved() {
        let resolve = |test| async move {
            let name: Name = "localhost".parse().unwrap();
            PublicOnly { test }.resolve(name).await.map(|found| found.count())
        };
        assert!(resolve(false).await.is_err());
        assert!(resolve(true).await.unwrap() > 0);
    }

    #[tokio::test]
    async fn numbers_and_plain_http_are_refused_before_anything_is_sent() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let outbound = Outbound::new(&Config::default()).unwrap();
        for address in
            ["https://127.0.0.1/x", "https://[::1]/x", "https://169.254.169.254/latest", "http://example.dk/", "x"]
        {
            assert_eq!(outbound.post(address, |request| request).await, Err(NotSent::Forbidden), "{address}");
        }
        // By its name the same place is not found.
        assert_eq!(outbound.post("https://localhost/x", |request| request).await, Err(NotSent::Unreachable));
    }

    /// A listener that answers each connection with `answer`, then does `then`; counts connections.
    async fn listener(answer: String, endless: bool) -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        use std::sync::atomic::{AtomicUsize, Ordering};

        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, count) = (socket.local_addr().unwrap().port(), std::sync::Arc::new(AtomicUsize::new(0)));
        let seen = count.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = socket.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let answer = answer.replace("{port}", &port.to_string());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(answer.as_bytes()).await;
                    // Until the other end has had enough.
                    while endless && stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
                    if !endless {
                        let _ = stream.read(&mut request).await;
                    }
                });
            }
        });
        (port, count)
    }

    fn outbound(test: bool) -> Outbound {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = Config::default();
        config.server.test_environment = test;
        Outbound::new(&config).unwrap()
    }

    #[tokio::test]
    async fn nothing_reaches_a_listener_of_this_machine() {
        let (port, count) = listener("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), false).await;
        let real = outbound(false);
        let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "127.1", "0"];
        for host in hosts {
            for scheme in ["https", "http"] {
                let address = format!("{scheme}://{host}:{port}/x");
                assert!(real.post(&address, |request| request).await.is_err(), "{address}");
            }
        }
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 0, "not even a connection");
        // The listener is there: a test environment reaches it.
        assert_eq!(outbound(true).post(&format!("http://127.0.0.1:{port}/x"), |request| request).await, Ok(()));
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let moved =
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{port}/inside\r\ncontent-length: 0\r\n\r\n";
        let (port, count) = listener(moved.to_owned(), false).await;
        let answer = outbound(true).post(&format!("http://127.0.0.1:{port}/"), |request| request).await;
        assert_eq!(answer, Err(NotSent::Status(307)));
        assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn neither_an_endless_answer_nor_a_silent_host_holds_the_server() {
        let (port, _) = listener("HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n".to_owned(), true).await;
        assert_eq!(outbound(true).post(&format!("http://127.0.0.1:{port}/"), |request| request).await, Ok(()));
        let (port, _) = listener("HTTP/1.1 200 OK\r\nx: ".to_owned(), true).await;
        let endless_head = outbound(true).post(&format!("http://127.0.0.1:{port}/"), |request| request).await;
        assert_eq!(endless_head, Err(NotSent::Unreachable));
        let (port, _) = listener("HTTP/1.1 ".to_owned(), false).await;
        let silent = outbound(true).post(&format!("http://127.0.0.1:{port}/"), |request| request).await;
        assert_eq!(silent, Err(NotSent::Unreachable), "after PATIENCE");
    }
}
