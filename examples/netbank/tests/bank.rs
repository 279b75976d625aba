//! The bank against a real identity server, over TLS with the server's own certificate. A magic identity is the phone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that goes wrong ends, and reads the clock"
)]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::path::Path;

use godkend_netbank::{Bank, Settings};
use godkend_protocol::bytes::random;
use godkend_protocol::types::{Level, Suite};
use godkend_server::config::{Config, Level as ConfigLevel, RelyingParty};
use godkend_server::docs::Changes;
use godkend_server::keys::{InitOptions, init};
use godkend_server::ops::tls::system_random;
use godkend_server::records::{Account, Magic, UserIdIndex};
use godkend_server::server::{CERTIFICATE_FILE, Running, StartOptions, start_on};
use reqwest::header;

const SECRET: &str = "a secret: of the bank";

/// A browser: cookies by host, and no redirect unless asked.
struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

struct Page {
    status: u16,
    location: Option<String>,
    text: String,
}

impl Browser {
    fn new(certificate: &[u8]) -> Self {
        let certificate = reqwest::Certificate::from_pem(certificate).unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([certificate])
            .build()
            .unwrap();
        Self { http, cookies: BTreeMap::new() }
    }

    async fn go(&mut self, request: reqwest::RequestBuilder) -> Page {
        let (http, request) = request.build_split();
        let mut request = request.unwrap();
        let url = request.url().clone();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let mine = self.cookies.iter().filter(|((owner, _), _)| *owner == host);
        let cookies: Vec<String> = mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let reply = http.execute(request).await.unwrap();
        for cookie in reply.headers().get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert((host.clone(), name.to_owned()), value.to_owned());
        }
        let location = reply
            .headers()
            .get(header::LOCATION)
            .map(|location| url.join(location.to_str().unwrap()).unwrap().to_string());
        Page { status: reply.status().as_u16(), location, text: reply.text().await.unwrap() }
    }

    async fn get(&mut self, url: &str) -> Page {
        let request = self.http.get(url);
        self.go(request).await
    }
}

async fn server(dir: &Path, back: &str) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let created = init(&InitOptions::test(dir, address), i64::try_from(now).unwrap(), &mut system_random()).unwrap();
    let mut config = Config::load(&created.config, std::iter::empty()).unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, SECRET.as_bytes());
    config.relying_party = vec![RelyingParty {
        client_id: "netbank".to_owned(),
        client_secret_sha256: Some(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()),
        redirect_uris: vec![format!("{back}/callback")],
        name: "Netbanken".to_owned(),
        levels: vec![ConfigLevel::Substantial, ConfigLevel::High],
        ..RelyingParty::default()
    }];
    let server = start_on(config, listener, StartOptions::default()).await.unwrap();
    for (user_id, magic) in [("approves", Magic::Approves), ("refuses", Magic::Refuses)] {
        let account = Account {
            id: random(&mut system_random()),
            uuid: user_id.to_owned(),
            user_id: user_id.to_owned(),
            name: "Søren <Test>".to_owned(),
            date_of_birth: "1990-01-31".to_owned(),
            cpr: None,
            identity_level: Level::High,
            blocked: false,
            least_suite: Suite::P256,
            locked_push: true,
            tell_uses: false,
            disputed: Vec::new(),
            created: 0,
            magic: Some(magic),
        };
        let mut changes = Changes::new();
        changes.insert(&account).insert(&UserIdIndex { user_id: user_id.to_owned(), account: account.id });
        changes.commit(&*server.app.store).await.unwrap();
    }
    server
}

/// From the bank's button to the bank's page, as this user; what the address was that led back.
async fn log_in(browser: &mut Browser, bank: &str, user_id: &str) -> (String, Page) {
    let request = browser.http.post(format!("{bank}/login"));
    let sent = browser.go(request).await;
    let authorize = sent.location.unwrap_or_else(|| panic!("{}", sent.text));
    assert!(authorize.contains("request_uri=") && !authorize.contains("nonce"), "{authorize}");
    let login = browser.get(&authorize).await.location.unwrap();
    assert!(browser.get(&login).await.text.contains("Log på Netbanken"));
    let body = format!(r#"{{"user_id":"{user_id}"}}"#);
    let request =
        browser.http.post(format!("{login}/user-id")).header(header::CONTENT_TYPE, "application/json").body(body);
    let numbered = browser.go(request).await;
    assert_eq!(numbered.status, 200, "{}", numbered.text);
    let back = browser.get(&format!("{login}/finish")).await.location.unwrap();
    let page = browser.get(&back).await;
    (back, page)
}

#[tokio::test]
async fn a_customer_signs_in_and_a_refusal_signs_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = server(dir.path(), &url).await;
    let certificate = std::fs::read(server.app.config.data_dir().join(CERTIFICATE_FILE)).unwrap();
    let settings = Settings {
        url: url.clone(),
        issuer: server.url.clone(),
        client_id: "netbank".to_owned(),
        client_secret: Some(SECRET.to_owned()),
        certificate: Some(certificate.clone()),
        dpop: false,
    };
    let bank = Bank::new(settings.clone()).unwrap();
    tokio::spawn(bank.serve(listener));

    let mut browser = Browser::new(&certificate);
    let (back, signed_in) = log_in(&mut browser, &url, "approves").await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
    let home = browser.get(&url).await.text;
    for part in ["Søren &lt;Test&gt;", "nsis/Substantial", "typed_number"] {
        assert!(home.contains(part), "{part} in {home}");
    }
    // The same answer again, and in another browser, signs nobody in.
    assert_eq!(browser.get(&back).await.status, 403);
    assert_eq!(Browser::new(&certificate).get(&back).await.status, 403);

    // A payment asks for High, bound to amount and payee; the page shows them.
    let form = "amount=1.250,50&currency=DKK&payee=Bager+S%C3%B8rensen&account=1234+0001234567";
    let request = browser
        .http
        .post(format!("{url}/pay"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let sent = browser.go(request).await;
    let login = browser.get(&sent.location.unwrap()).await.location.unwrap();
    let page = browser.get(&login).await.text;
    assert!(page.contains("1.250,50 DKK") && page.contains("Bager Sørensen"), "{page}");
    // A typed number cannot carry High.
    let request = browser
        .http
        .post(format!("{login}/user-id"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(r#"{"user_id":"approves"}"#);
    let unreachable = browser.go(request).await;
    assert!(unreachable.status == 403 && unreachable.text.contains("level_unreachable"), "{}", unreachable.text);

    // A wrong secret is refused by the server and told.
    let wrong = Bank::new(Settings { client_secret: Some("wrong".to_owned()), ..settings }).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(wrong.serve(listener));
    let request = browser.http.post(format!("{other}/login"));
    let told = browser.go(request).await;
    assert!(told.status == 502 && told.text.contains("invalid_client"), "{}", told.text);

    // Last, for a refusal lets its source wait.
    let mut browser = Browser::new(&certificate);
    let (_, refused) = log_in(&mut browser, &url, "refuses").await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("The person declined."));
    assert!(browser.get(&url).await.text.contains("Log på"));
    server.stop().await;
}
