//! The real server without a socket: its routes are called, on a real SQLite file and a real log.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_core::{Command, Outcome, Pin, ServerFailure};
use godkend_protocol::cbor;
use godkend_protocol::keyset::Root;
use godkend_protocol::messages::{CONTENT_TYPE, ErrorReply};
use godkend_server::app::{App, Clock};
use godkend_server::config::Config;
use godkend_server::keys::{InitOptions, init};
use godkend_server::log::{CheckpointVerifier, LogEntry};
use godkend_server::ops::sources::Source;
use godkend_server::server::{StartOptions, assemble};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::handset::{Handset, Saved};

/// The secret of the relying party `netbank`.
pub(crate) const CLIENT_SECRET: &str = "a secret of thirty-two bytes or more, for tests";
/// The PIN of everyone.
pub(crate) const PIN: &str = "139074";
/// Another one.
pub(crate) const OTHER_PIN: &str = "580263";

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A running server.
pub(crate) struct Host {
    pub(crate) app: Arc<App>,
    router: Router,
    stop: watch::Sender<bool>,
    last: oneshot::Sender<()>,
    sequencing: JoinHandle<()>,
    pub(crate) token: String,
}

impl Host {
    /// Starts on a folder, `ahead_ms` after the beginning.
    pub(crate) async fn open(dir: &Path, ahead_ms: i64) -> Self {
        let overrides = [
            ("GODKEND_APPROVAL_SOFTWARE_KEYS_HIGH", "true"),
            ("GODKEND_LIMITS_REQUESTS_PER_SOURCE_MINUTE", "0"),
            // Nobody waits: a held poll answers at once.
            ("GODKEND_APPROVAL_LONG_POLL_SECONDS", "0"),
        ];
        let overrides = overrides.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(&dir.join("godkend.toml"), overrides.into_iter()).unwrap();
        let token = std::fs::read_to_string(config.in_data_dir(&config.admin.token_file)).unwrap().trim().to_owned();
        let clock = Clock::default();
        clock.advance_ms(ahead_ms);
        let stop = watch::Sender::new(false);
        let made = assemble(config, clock, stop.subscribe(), StartOptions::default()).await.unwrap();
        let (last, stopped) = oneshot::channel();
        let sequencing = tokio::spawn(made.sequencer.run(async move {
            let _ = stopped.await;
        }));
        Self { app: made.app, router: made.routes.merge(made.admin), stop, last, sequencing, token }
    }

    /// Ends as after SIGTERM.
    pub(crate) async fn close(self) {
        self.stop.send_replace(true);
        let _ = self.last.send(());
        self.sequencing.await.unwrap();
        self.app.store.close().await;
    }

    pub(crate) async fn call(&self, method: Method, path: &str, headers: &[(&str, String)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        // What no HTTP library would read as a request never reaches the routes.
        let Ok(mut request) = request.body(Body::from(body)) else {
            return Answer { status: 400, headers: HeaderMap::new(), body: Vec::new() };
        };
        request.extensions_mut().insert(Source(std::net::Ipv4Addr::LOCALHOST.into()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn phone(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ServerFailure> {
        let method = if path == "keys" { Method::GET } else { Method::POST };
        let headers = [("content-type", CONTENT_TYPE.to_owned())];
        let answer = self.call(method, &format!("/phone/v1/{path}"), &headers, body).await;
        read_phone(answer)
    }

    pub(crate) async fn desk(&self, method: Method, path: &str, body: Value) -> Answer {
        let headers =
            [("authorization", format!("Bearer {}", self.token)), ("content-type", "application/json".to_owned())];
        let body = if method == Method::GET { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
        self.call(method, &format!("/admin/v1/{path}"), &headers, body).await
    }
}

pub(crate) fn read_phone(answer: Answer) -> Result<Vec<u8>, ServerFailure> {
    if answer.status == 200 {
        return Ok(answer.body);
    }
    match cbor::decode::<ErrorReply>(&answer.body) {
        Ok(refusal) => Err(ServerFailure::Refused(refusal)),
        Err(_) => Err(ServerFailure::Garbled),
    }
}

/// The files of a server with people, and their phones; made once in a process.
pub(crate) struct Template {
    dir: TempDir,
    pub(crate) root: Root,
    /// Their ids at the desk.
    pub(crate) citizens: Vec<String>,
    /// Two phones of the first person, one of the second; then one that has only just been enrolled.
    pub(crate) phones: Vec<Saved>,
    /// An evidence file.
    pub(crate) evidence: Vec<u8>,
    /// Stored documents, by [`crate::server_input::KINDS`].
    pub(crate) documents: Vec<Vec<Vec<u8>>>,
    pub(crate) verifiers: Vec<CheckpointVerifier>,
    /// The log's entries, and the folder they are in.
    pub(crate) log: Vec<LogEntry>,
    pub(crate) log_folder: PathBuf,
}

/// User ids in the order of [`Template::citizens`]; the last is a magic one.
pub(crate) const USERS: [&str; 3] = ["alice", "bobby", "magic-approve"];

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
}

/// A folder in memory where there is one: thousands of servers are made and thrown away.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && tempfile::tempfile_in(memory).is_ok() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

pub(crate) fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| runtime().block_on(make()))
}

async fn make() -> Template {
    let dir = folder();
    let listen = (std::net::Ipv4Addr::LOCALHOST, 8443).into();
    let now = Clock::default().now_ms() / 1000;
    let created =
        init(&InitOptions::test(dir.path(), listen), now, &mut godkend_server::ops::random::system()).unwrap();
    let hash = hex::encode(godkend_protocol::crypto::sha256(&[CLIENT_SECRET.as_bytes()]).0);
    let mut text = std::fs::read_to_string(&created.config).unwrap();
    text.push_str(&format!(
        "\n[[relying_party]]\nclient_id = \"netbank\"\nclient_secret_sha256 = \"{hash}\"\nname = \"Netbank\"\n\
         redirect_uris = [\"https://netbank.example/callback\"]\nciba = true\ncpr = \"claim\"\n\
         \n[[relying_party]]\nclient_id = \"shop\"\nname = \"Shop\"\n\
         redirect_uris = [\"https://shop.example/callback\"]\ncpr = \"none\"\n"
    ));
    std::fs::write(&created.config, text).unwrap();
    let host = Host::open(dir.path(), 0).await;
    let mut citizens = Vec::new();
    for (user_id, magic) in USERS.iter().zip([None, None, Some("approves")]) {
        let mut body = json!({
            "name": "Test Testesen", "user_id": user_id, "date_of_birth": "1985-03-17", "cpr": "1703850003",
            "identity_level": "high",
        });
        if let Some(magic) = magic {
            body["magic"] = magic.into();
        }
        let answer = host.desk(Method::POST, "citizens", body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        citizens.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    let mut phones = Vec::new();
    let mut evidence = Vec::new();
    for (number, (citizen, active)) in [(0, true), (0, true), (1, true), (1, false)].into_iter().enumerate() {
        let mut phone = Handset::new(created.root.clone(), Saved::default(), &format!("template {number}"));
        activate(&host, &mut phone, &citizens[citizen], active).await;
        if number == 0 {
            evidence = approve(&host, &mut phone).await;
        }
        phones.push(phone.saved);
    }
    let mut documents = Vec::new();
    for kind in crate::server_input::KINDS {
        documents.push(host.app.store.scan(*kind, None, 32).await.unwrap().into_iter().map(|r| r.body).collect());
    }
    let verifiers = godkend_server::keys::checkpoint_verifiers(&host.app.keys.set);
    let log = (0..host.app.log.log().size()).map(|index| host.app.log.log().read(index).unwrap()).collect();
    let log_folder = host.app.config.data_dir().join(godkend_server::server::LOG_DIR);
    host.close().await;
    Template { dir, root: created.root, citizens, phones, evidence, documents, verifiers, log, log_folder }
}

/// One login from beginning to end; its evidence.
async fn approve(host: &Host, phone: &mut Handset) -> Vec<u8> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("scope", "openid"), ("login_hint", USERS[0])])
        .finish();
    let headers = [basic(), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    let begun = host.call(Method::POST, "/ciba", &headers, form.into_bytes()).await.json();
    let number = begun["number"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let shown = drive(host, phone, Command::TypeNumber { identity: None, number }).await;
    let Ok(Outcome::Request(view)) = shown else { panic!("{shown:?}") };
    let with = godkend_core::Approval::Pin(Pin::new(PIN).unwrap());
    drive(host, phone, Command::Approve { request: view.id, with, remember_browser: false }).await.unwrap();
    let path = format!("evidence/{}", view.transaction.to_base64());
    // The log takes a decision in within the second.
    for _ in 0..200 {
        let answer = host.desk(Method::GET, &path, Value::Null).await;
        if answer.status == 200 {
            return answer.body;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no evidence");
}

/// How `netbank` shows its secret (RFC 6749, section 2.3.1).
pub(crate) fn basic() -> (&'static str, String) {
    let secret: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    ("authorization", format!("Basic {}", STANDARD.encode(format!("netbank:{secret}"))))
}

async fn activate(host: &Host, phone: &mut Handset, citizen: &str, whole: bool) {
    let handed =
        host.desk(Method::POST, &format!("citizens/{citizen}/activations"), json!({"form": "link"})).await.json();
    let text = handed["text"].as_str().unwrap().to_owned();
    let outcome = drive(host, phone, Command::Activate { text, environment: None }).await;
    let Ok(Outcome::Digits { digits, .. }) = outcome else { panic!("{outcome:?}") };
    if !whole {
        return;
    }
    let path = format!("activations/{}/digits", handed["id"].as_str().unwrap());
    let typed = host.desk(Method::POST, &path, json!({"digits": digits})).await;
    assert_eq!(typed.status, 200, "{}", typed.json());
    let pin = Pin::new(PIN).unwrap();
    drive(host, phone, Command::ChoosePin { identity: None, pin }).await.unwrap();
    let pin = Pin::new(PIN).unwrap();
    drive(host, phone, Command::EnableBiometrics { identity: None, pin }).await.unwrap();
}

/// Runs a command against the server, to its end.
pub(crate) async fn drive(
    host: &Host,
    phone: &mut Handset,
    command: Command,
) -> Result<Outcome, godkend_core::Failure> {
    use godkend_core::{EffectKind, Input, Reply};
    let mut effect = phone.begin(command);
    loop {
        let reply = match effect.kind {
            EffectKind::Done(result) => return result,
            EffectKind::Key(request) => {
                let Handset { saved, rng, .. } = phone;
                Reply::Key(saved.keys.handle(rng, request))
            }
            EffectKind::Persist { bytes, sequence } => {
                phone.persist(bytes, sequence);
                Reply::Persisted(true)
            }
            EffectKind::Send(request) => Reply::Server(host.phone(request.path, request.body).await),
        };
        effect = phone.input(Input::Reply(effect.ticket, reply)).expect("a running command has a next effect");
    }
}

/// The template's files in a folder of their own.
pub(crate) fn copy() -> TempDir {
    let to = folder();
    copy_folder(template().dir.path(), to.path());
    to
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
            std::fs::set_permissions(&target, entry.metadata().unwrap().permissions()).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
