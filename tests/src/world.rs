//! A server with its desk.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use godkend_protocol::keyset::Root;
use godkend_protocol::types::Suite;
use godkend_server::app::App;
use godkend_server::config::{Config, Severity};
use godkend_server::keys::{InitOptions, init};
use godkend_server::means::Means;
use godkend_server::server::{Running, StartError, StartOptions, start_on};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bank::Ask;
use crate::browser::Browser;
use crate::phone::Phone;

/// The client secret of every relying party in these stories.
pub const CLIENT_SECRET: &str = "a secret of thirty-two bytes or more, for tests";

/// A server, its files and its desk.
pub struct World {
    pub dir: TempDir,
    pub root: Root,
    pub url: String,
    token: String,
    software_keys_high: bool,
    listener: Option<std::net::TcpListener>,
    running: Option<Running>,
    http: reqwest::Client,
}

/// Somebody at the desk.
#[derive(Clone, Debug)]
pub struct Citizen {
    pub id: String,
}

/// A copy of a database.
pub struct Database([(Option<Vec<u8>>, PathBuf); 3]);

impl World {
    /// A test environment with the bank `netbank` and the public body `borger`.
    pub async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// The same, with other options or another configuration.
    pub async fn with(options: impl FnOnce(&mut InitOptions), change: impl FnOnce(&mut String)) -> Self {
        let mut world = Self::prepared(options, change);
        world.start().await;
        world
    }

    /// One that knows more means than the project's own.
    pub async fn with_means(more: Vec<Arc<dyn Means>>, change: impl FnOnce(&mut String)) -> Self {
        let mut world = Self::prepared(|_| {}, change);
        world.start_with(StartOptions { more_means: more, ..StartOptions::default() }).await;
        world
    }

    /// Why such a server does not start.
    pub async fn refused(more: Vec<Arc<dyn Means>>, change: impl FnOnce(&mut String)) -> String {
        let mut world = Self::prepared(|_| {}, change);
        let options = StartOptions { more_means: more, ..StartOptions::default() };
        world.try_start(options).await.err().map(|error| error.to_string()).expect("it starts")
    }

    fn prepared(options: impl FnOnce(&mut InitOptions), change: impl FnOnce(&mut String)) -> Self {
        // Two servers in one test process must not meet on a port: the operating system gives one, and it is kept in
        // the configuration so that a restarted server is found where it was.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut wanted = InitOptions::test(dir.path(), address);
        options(&mut wanted);
        let created = init(&wanted, unix_now(), &mut rng()).unwrap();
        let mut text = std::fs::read_to_string(&created.config).unwrap();
        text.push_str(&relying_parties());
        change(&mut text);
        std::fs::write(&created.config, text).unwrap();
        let token = std::fs::read_to_string(&created.token_file).unwrap().trim().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("https://localhost:{}", address.port());
        Self {
            dir,
            root: created.root,
            url,
            token,
            software_keys_high: true,
            listener: Some(listener),
            running: None,
            http,
        }
    }

    fn config_file(&self) -> PathBuf {
        self.dir.path().join("godkend.toml")
    }

    /// What a start would find wrong with the configuration and this added to it.
    pub fn refuses_configuration(&self, added: &str) -> Vec<String> {
        let file = self.dir.path().join("changed.toml");
        std::fs::write(&file, std::fs::read_to_string(self.config_file()).unwrap() + added).unwrap();
        let findings = Config::load(&file, std::iter::empty()).unwrap().check().into_iter();
        findings.filter(|found| found.severity == Severity::Error).map(|found| found.to_string()).collect()
    }

    /// Changes a line of the configuration file, for the next start.
    pub fn configure(&self, line: &str, instead: &str) {
        let text = std::fs::read_to_string(self.config_file()).unwrap();
        assert!(text.contains(line), "no {line} in the configuration");
        std::fs::write(self.config_file(), text.replacen(line, instead, 1)).unwrap();
    }

    /// The configuration, as its file has it.
    pub fn config(&self) -> Config {
        Config::load(&self.config_file(), std::iter::empty()).unwrap()
    }

    /// Where the server keeps its database, log and secrets.
    pub fn data(&self) -> PathBuf {
        self.config().data_dir()
    }

    /// Starts the server again after [`Self::stop`].
    pub async fn start(&mut self) {
        self.start_with(StartOptions::default()).await;
    }

    /// Starts it as an operator does after database and log were lost.
    pub async fn start_new_epoch(&mut self) {
        self.start_with(StartOptions { new_epoch: true, ..StartOptions::default() }).await;
    }

    /// Starts it with software keys for what they are, as a real one does.
    pub async fn start_strict(&mut self) {
        self.software_keys_high = false;
        self.start().await;
    }

    async fn start_with(&mut self, options: StartOptions) {
        self.running = Some(self.try_start(options).await.unwrap());
    }

    async fn try_start(&mut self, options: StartOptions) -> Result<Running, StartError> {
        // Software keys count as High, so that every level can be told of.
        // The limits on a source are for strangers; all of these stories happen at one address.
        let environment = [
            ("GODKEND_APPROVAL_SOFTWARE_KEYS_HIGH", if self.software_keys_high { "true" } else { "false" }),
            ("GODKEND_LIMITS_LOGINS_PER_SOURCE_MINUTE", "100000"),
            ("GODKEND_LIMITS_REQUESTS_PER_SOURCE_MINUTE", "0"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(&self.config_file(), environment.into_iter()).unwrap();
        let listener = match self.listener.take() {
            Some(listener) => tokio::net::TcpListener::from_std(listener).unwrap(),
            None => tokio::net::TcpListener::bind(config.server.listen).await.unwrap(),
        };
        start_on(config, listener, options).await
    }

    /// Stops the server as SIGTERM does.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// The database's files as they are; to be taken while the server stands still.
    pub fn database(&self) -> Database {
        assert!(self.running.is_none(), "a live database is not copied");
        let files = ["godkend.sqlite", "godkend.sqlite-wal", "godkend.sqlite-shm"].map(|name| self.data().join(name));
        Database(files.map(|file| (std::fs::read(&file).ok(), file)))
    }

    /// Puts a copy of the database back, beside the log as it is.
    pub fn put_back(&self, copy: &Database) {
        assert!(self.running.is_none(), "a live database is not replaced");
        for (content, file) in &copy.0 {
            let _ = std::fs::remove_file(file);
            if let Some(content) = content {
                std::fs::write(file, content).unwrap();
            }
        }
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// The server itself, for what no interface of it tells.
    pub fn app(&self) -> &App {
        &self.running.as_ref().expect("it is stopped").app
    }

    /// The desk's bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where the desk's interface is.
    pub fn desk_url(&self) -> String {
        match self.running.as_ref().and_then(|running| running.admin_addr) {
            Some(address) => format!("https://localhost:{}", address.port()),
            None => self.url.clone(),
        }
    }

    /// The evidence of a transaction, as a desk exports it.
    pub async fn evidence(&self, transaction: &str) -> Vec<u8> {
        let url = format!("{}/admin/v1/evidence/{transaction}", self.desk_url());
        let response = self.http.get(url).bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    /// The metrics, as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        let address = self.running.as_ref().unwrap().metrics_addr.unwrap();
        self.http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap()
    }

    /// Any bytes to any address, as a stranger sends them; status and answer.
    pub async fn post_bytes(&self, url: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = self.http.post(url).header("content-type", "application/cbor").body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    /// One request to the desk's interface.
    pub async fn desk(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request =
            self.http.request(method, format!("{}/admin/v1/{path}", self.desk_url())).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn desk_ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, reply) = self.desk(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {reply}");
        reply
    }

    /// A person whose identity was proofed at High.
    pub async fn citizen(&self, user_id: &str) -> Citizen {
        self.citizen_at(user_id, "high").await
    }

    pub async fn citizen_at(&self, user_id: &str, level: &str) -> Citizen {
        let body = json!({
            "name": format!("{user_id} Testesen"), "user_id": user_id, "date_of_birth": "1985-03-17",
            "cpr": "1703850003", "identity_level": level,
        });
        let reply = self.desk_ok(Method::POST, "citizens", Some(body)).await;
        Citizen { id: reply["id"].as_str().unwrap().to_owned() }
    }

    /// A test identity whose outcome is fixed.
    pub async fn magic(&self, user_id: &str, outcome: &str) -> Citizen {
        let body = json!({
            "name": "Magic Testesen", "user_id": user_id, "date_of_birth": "1990-01-01",
            "identity_level": "high", "magic": outcome,
        });
        let reply = self.desk_ok(Method::POST, "citizens", Some(body)).await;
        Citizen { id: reply["id"].as_str().unwrap().to_owned() }
    }

    /// Hands out an activation: its id, and the text of its link or code.
    pub async fn hand_out(&self, citizen: &Citizen, form: &str) -> (String, String) {
        let path = format!("citizens/{}/activations", citizen.id);
        let reply = self.desk_ok(Method::POST, &path, Some(json!({ "form": form, "by": "test desk" }))).await;
        let text = reply["text"].as_str().expect("a link or a code");
        (reply["id"].as_str().unwrap().to_owned(), text.to_owned())
    }

    /// Types the phone's digits at the desk.
    pub async fn digits(&self, activation: &str, digits: &str) -> (u16, Value) {
        self.desk(Method::POST, &format!("activations/{activation}/digits"), Some(json!({ "digits": digits }))).await
    }

    /// Moves the server's clock.
    pub async fn advance(&self, seconds: i64) {
        self.desk_ok(Method::POST, "clock", Some(json!({ "advance_seconds": seconds }))).await;
    }

    /// Moves the server's clock to the beginning of its next day (UTC), so that no story runs over the end of one.
    pub async fn next_day(&self) {
        let (_, clock) = self.desk(Method::GET, "clock", None).await;
        let now = clock["now"].as_i64().unwrap_or_else(|| panic!("no time: {clock}"));
        self.advance(86_400 - now.rem_euclid(86_400)).await;
    }

    /// What the server's history of a person says, newest last.
    pub async fn history(&self, citizen: &Citizen) -> Vec<String> {
        let reply = self.desk_ok(Method::GET, &format!("citizens/{}/history", citizen.id), None).await;
        reply["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    pub async fn devices(&self, citizen: &Citizen) -> Vec<Value> {
        let reply = self.desk_ok(Method::GET, &format!("citizens/{}/devices", citizen.id), None).await;
        reply["devices"].as_array().unwrap().clone()
    }

    /// A new phone with software keys.
    pub async fn phone(&self) -> Phone {
        Phone::new(self.root.clone(), vec![Suite::P256]).await
    }

    /// A citizen with a phone whose PIN is 139 074 and has approved once.
    pub async fn person(&self, user_id: &str) -> (Citizen, Phone) {
        let citizen = self.citizen(user_id).await;
        let phone = self.phone().await;
        phone.activate(self, &citizen, crate::phone::PIN).await;
        (citizen, phone)
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser {
        Browser::new(self)
    }

    /// A browser on the login page of a request.
    pub async fn login_page(&self, ask: &Ask) -> Browser {
        let mut browser = self.browser();
        browser.open(self, ask).await;
        browser
    }
}

fn relying_parties() -> String {
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
    ["netbank", "borger"]
        .map(|id| {
            format!(
                "\n[[relying_party]]\nclient_id = \"{id}\"\nclient_secret_sha256 = \"{hash}\"\nname = \"{id}\"\n\
                 redirect_uris = [\"https://{id}.example/callback\"]\nciba = true\ncpr = \"{}\"\n",
                if id == "borger" { "claim" } else { "none" }
            )
        })
        .concat()
}

pub fn rng() -> impl rand_core::CryptoRng {
    godkend_server::ops::random::system()
}

pub fn unix_now() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "a test's edge")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Any free port of this machine.
pub fn loopback() -> std::net::SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
