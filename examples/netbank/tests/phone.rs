//! The bank's program, the server's and a phone's, each a process of its own; the test is the person's browser, over plain
//! HTTP requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use reqwest::header;
use serde_json::Value;

const SECRET: &str = "of the bank and nobody else";
const PIN: &str = "730915";
/// How long a process may take to say what is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that this test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts one and waits for the line of its output that holds `text`.
    fn start(mut command: Command, text: &str) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let process = Self(child);
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        loop {
            let line =
                lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{command:?} never said {text}: {error}"));
            if line.contains(text) {
                return (process, line);
            }
        }
    }
}

/// `godkend`, built beside this test.
fn godkend_binary() -> PathBuf {
    let netbank = Path::new(env!("CARGO_BIN_EXE_godkend-netbank"));
    let profile = netbank.parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "-q", "-p", "godkend-headless", "--bin", "godkend", "--target-dir"])
        .arg(profile.parent().unwrap());
    // What cargo tells a test of its package would make build scripts that look at it run again.
    for (name, _) in std::env::vars_os() {
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
        if name.to_str().is_some_and(|name| own.iter().any(|prefix| name.starts_with(prefix))) {
            build.env_remove(name);
        }
    }
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success());
    profile.join("godkend")
}

struct World {
    folder: tempfile::TempDir,
    godkend: PathBuf,
}

impl World {
    fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(&self.godkend);
        command.args(line).arg("--json").env("GODKEND_HOME", self.folder.path()).env_remove("DBUS_SESSION_BUS_ADDRESS");
        command
    }

    /// Runs a command with these answers; gives the last line of its result.
    fn run(&self, line: &[&str], typed: &[&str]) -> Value {
        let mut command = self.command(line);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in typed {
            writeln!(input, "{line}").unwrap();
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line:?}: {text}");
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    fn serve(&self) -> (Process, Value) {
        let mut command = self.command(&["serve", "--test", "--listen", "127.0.0.1:0"]);
        // The phone's keys are in software, which is worth Substantial elsewhere.
        command.env("GODKEND_APPROVAL_SOFTWARE_KEYS_HIGH", "true");
        let (process, line) = Process::start(command, "serving");
        (process, serde_json::from_str(&line).unwrap())
    }

    fn server(&self, file: &str) -> PathBuf {
        self.folder.path().join("server").join(file)
    }
}

struct Page {
    status: u16,
    location: Option<String>,
    text: String,
}

impl Page {
    fn json(&self, name: &str) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str::<Value>(&self.text).unwrap()[name].take()
    }
}

/// A browser: cookies by host, and no redirect unless asked.
struct Browser {
    http: reqwest::Client,
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    async fn go(&mut self, request: reqwest::RequestBuilder) -> Page {
        let mut request = request.build().unwrap();
        let url = request.url().clone();
        let host = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let mine = self.cookies.iter().filter(|((owner, _), _)| *owner == host);
        let cookies: Vec<String> = mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let reply = self.http.execute(request).await.unwrap();
        for cookie in reply.headers().get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            let key = (host.clone(), name.to_owned());
            if value.is_empty() || text.contains("Max-Age=0") {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
        let location = reply.headers().get(header::LOCATION);
        let location = location.map(|location| url.join(location.to_str().unwrap()).unwrap().to_string());
        Page { status: reply.status().as_u16(), location, text: reply.text().await.unwrap() }
    }

    async fn get(&mut self, url: &str) -> Page {
        let request = self.http.get(url);
        self.go(request).await
    }

    /// Sends the bank's form; gives the address of the login page.
    async fn ask(&mut self, url: String, form: &str) -> String {
        let request =
            self.http.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned());
        let sent = self.go(request).await;
        let authorize = sent.location.unwrap_or_else(|| panic!("{} {}", sent.status, sent.text));
        self.get(&authorize).await.location.unwrap()
    }

    /// From the login page, once the phone has answered, to the bank's page.
    async fn finish(&mut self, login: &str) -> Page {
        let state = self.get(&format!("{login}/state?wait=0")).await;
        let finish = state.json("finish");
        let finish = finish.as_str().unwrap_or_else(|| panic!("not answered: {}", state.text));
        let finish = url::Url::parse(login).unwrap().join(finish).unwrap();
        let back = self.get(finish.as_str()).await.location.unwrap();
        self.get(&back).await
    }
}

fn payment(amount: &str, payee: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("amount", amount), ("currency", "DKK"), ("payee", payee), ("account", "1234 0001234567")])
        .finish()
}

/// A port for the bank, whose own address must be registered before it starts.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_phone_signs_in_at_the_bank_pays_and_refuses_to_pay() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World { folder: tempfile::tempdir().unwrap(), godkend: godkend_binary() };

    // The server is made, then told of the bank.
    drop(world.serve());
    let url = format!("http://127.0.0.1:{}", free_port());
    let hash = ring::digest::digest(&ring::digest::SHA256, SECRET.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let config = world.server("godkend.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str(&format!(
        "\n[[relying_party]]\nclient_id = \"netbank\"\nclient_secret_sha256 = \"{hash}\"\nredirect_uris = [\"{url}/callback\"]\nname = \"Netbanken\"\nlevels = [\"substantial\", \"high\"]\n"
    ));
    std::fs::write(&config, text).unwrap();
    let (_server, serving) = world.serve();
    let secret = world.folder.path().join("netbank.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let certificate = world.server("data").join(godkend_server::server::CERTIFICATE_FILE);
    let mut bank = Command::new(env!("CARGO_BIN_EXE_godkend-netbank"));
    bank.args([
        "--listen",
        url.strip_prefix("http://").unwrap(),
        "--url",
        &url,
        "--issuer",
        serving["url"].as_str().unwrap(),
    ]);
    bank.arg("--client-secret-file").arg(secret).arg("--ca-file").arg(&certificate);
    let (_bank, _) = Process::start(bank, "listening");

    // The phone.
    let anna =
        ["create-citizen", "--name", "Anna Sørensen", "--user-id", "anna.s", "--born", "1990-05-17", "--level", "high"];
    world.run(&anna, &[]);
    let handed = world.run(&["activation", "anna.s"], &[]);
    let digits = world.run(&["activate", "--digits-only"], &[handed["text"].as_str().unwrap()]);
    world.run(&["confirm-digits"], &[digits["digits"].as_str().unwrap()]);
    world.run(&["resume"], &[PIN]);

    // Signing in, by a user id and a number; the browser is remembered.
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(certificate).unwrap()).unwrap();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_certs_only([certificate]);
    let mut browser = Browser { http: http.build().unwrap(), cookies: BTreeMap::new() };
    assert!(browser.get(&url).await.text.contains("Log på"));
    let login = browser.ask(format!("{url}/login"), "").await;
    assert!(browser.get(&login).await.text.contains("Netbanken"));
    let request = browser
        .http
        .post(format!("{login}/user-id"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(r#"{"user_id":"anna.s"}"#);
    let number = browser.go(request).await.json("number");
    world.run(&["number", "--approve", "--remember"], &[number.as_str().unwrap(), PIN]);
    assert_eq!(browser.finish(&login).await.status, 303);
    let home = browser.get(&url).await.text;
    for part in ["Anna Sørensen", "nsis/Substantial", "typed_number"] {
        assert!(home.contains(part), "{part} in {home}");
    }

    // A payment at level High: pushed to the phone, with the number of the page.
    let login = browser.ask(format!("{url}/pay"), &payment("1.250,50", "Bager <Sørensen>")).await;
    let page = browser.get(&login).await.text;
    assert!(page.contains("1.250,50 DKK") && page.contains("Bager &lt;Sørensen&gt;"), "{page}");
    let state = browser.get(&format!("{login}/state?wait=0")).await;
    assert_eq!(state.json("remembered"), true, "{}", state.text);
    let number = state.json("number");
    let shown = world.run(&["number", "--show"], &[number.as_str().unwrap()]);
    assert_eq!(shown["payment"]["amount_minor"], 125_050);
    assert_eq!(shown["payment"]["payee"], "Bager <Sørensen>");
    assert_eq!((shown["level"].as_str(), shown["action"].as_str()), (Some("High"), Some("APPROVE")));
    // Nothing is paid before it is approved.
    assert!(!browser.get(&url).await.text.contains("class=\"receipt\""));
    world.run(&["number", "--approve"], &[number.as_str().unwrap(), PIN]);
    assert_eq!(browser.finish(&login).await.status, 303);
    let home = browser.get(&url).await.text;
    assert!(home.contains("1250.50 DKK til Bager &lt;Sørensen&gt;, 1234 0001234567"), "{home}");

    // Another, by the moving QR code, is refused: the bank says so and pays nothing.
    let login = browser.ask(format!("{url}/pay"), &payment("9,95", "Ukendt butik")).await;
    let frames = browser.get(&format!("{login}/frames")).await.json("frames");
    let refused = world.run(&["scan", "--deny"], &[frames[0]["text"].as_str().unwrap()]);
    assert_eq!(refused["type"], "refused");
    let page = browser.finish(&login).await;
    assert!(
        page.status == 403 && page.text.contains("id=\"error\"") && page.text.contains("declined"),
        "{}",
        page.text
    );
    let home = browser.get(&url).await.text;
    assert_eq!(home.matches("class=\"receipt\"").count(), 1, "{home}");
    assert!(!home.contains("Ukendt butik"), "{home}");
}
