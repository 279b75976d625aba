//! `godkend-server` as a process: started, killed, stopped and started again on the same files.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use godkend_protocol::keyset::Root;
use tempfile::TempDir;

/// How long a process may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(90);
const STEP: Duration = Duration::from_millis(10);

/// The secret of every relying party here.
pub(crate) const CLIENT_SECRET: &str = "a secret of thirty-two bytes or more, for tests";

/// An environment and, while it runs, its server.
pub(crate) struct Server {
    /// Owns the folder where it is a temporary one, and what the server says.
    own: TempDir,
    place: Place,
    pub(crate) url: String,
    pub(crate) root: Root,
    pub(crate) token: String,
    child: Option<Child>,
    http: reqwest::Client,
    variables: Vec<(String, String)>,
}

/// Where an environment is, and how its processes are started there.
#[derive(Clone)]
pub(crate) struct Place {
    /// As this process sees it.
    pub(crate) folder: PathBuf,
    /// As the server's process sees it.
    pub(crate) inside: PathBuf,
    /// What stands before the program on the command line.
    pub(crate) before: Vec<String>,
}

impl Server {
    /// A new environment in a temporary folder.
    pub(crate) fn new() -> Self {
        Self::after(Vec::new())
    }

    /// The same, whose processes are started by another program.
    pub(crate) fn after(before: Vec<String>) -> Self {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().join("environment");
        Self::in_place(own, Place { inside: folder.clone(), folder, before })
    }

    /// A new environment in a folder that somebody else removes.
    pub(crate) fn at(place: Place) -> Self {
        Self::in_place(tempfile::tempdir().unwrap(), place)
    }

    fn in_place(own: TempDir, place: Place) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let mut init = place.binary();
        init.args(["init", "--test", "--url", &url, "--listen", &format!("127.0.0.1:{port}"), "--dir"]);
        let made = init.arg(&place.inside).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let config = place.folder.join("godkend.toml");
        let mut text = std::fs::read_to_string(&config).unwrap();
        text.push_str(&relying_party());
        std::fs::write(&config, text).unwrap();
        let root = serde_json::from_slice(&std::fs::read(place.folder.join("data/root.json")).unwrap()).unwrap();
        let token = std::fs::read_to_string(place.folder.join("data/secrets/admin.token")).unwrap().trim().to_owned();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
        // Everything here comes from one address, and software keys stand for hardware.
        let variables = [
            ("METRICS_LISTEN", ""),
            ("APPROVAL_SOFTWARE_KEYS_HIGH", "true"),
            ("APPROVAL_LOCKED_WAITING", "10000"),
            ("APPROVAL_LONG_POLL_SECONDS", "1"),
            ("OIDC_CIBA_INTERVAL_SECONDS", "1"),
            ("APPROVAL_NUMBERS_PER_MINUTE", "10000"),
            ("LIMITS_LOGINS_PER_SOURCE_MINUTE", "100000"),
            ("LIMITS_REQUESTS_PER_SOURCE_MINUTE", "0"),
            ("LIMITS_SHUTDOWN_SECONDS", "5"),
        ];
        let mut server = Self { own, place, url, root, token, child: None, http, variables: Vec::new() };
        for (name, value) in variables {
            server.set(name, value);
        }
        server
    }

    /// A setting, from the next start on: `SECTION_KEY` and its value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let name = format!("GODKEND_{name}");
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
    }

    /// The environment's folder, as this process sees it.
    pub(crate) fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn config(&self) -> PathBuf {
        self.place.inside.join("godkend.toml")
    }

    /// A command of the operator's on this environment.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Output {
        let mut command = self.place.binary();
        command.args(arguments).arg("--config").arg(self.config()).envs(self.variables.iter().cloned());
        command.output().unwrap()
    }

    /// Starts the process and does not wait for it.
    pub(crate) fn spawn(&mut self, arguments: &[&str]) {
        assert!(self.child.is_none());
        let complaints = File::options().create(true).append(true).open(self.own.path().join("server.err")).unwrap();
        let mut command = self.place.binary();
        command.arg("serve").arg("--config").arg(self.config()).args(arguments);
        command.envs(self.variables.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
        self.child = Some(command.spawn().unwrap());
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        if let Err(said) = self.try_start(&[]).await {
            panic!("the server did not start: {said}");
        }
    }

    /// Starts it; an error is what it said when it ended instead.
    pub(crate) async fn try_start(&mut self, arguments: &[&str]) -> Result<(), String> {
        // Somebody else may have the port for a moment.
        for _ in 0..20 {
            self.spawn(arguments);
            match self.ready().await {
                Err(said) if said.contains("cannot listen on") => tokio::time::sleep(PATIENCE / 300).await,
                done => return done,
            }
        }
        Err("its port is taken".to_owned())
    }

    async fn ready(&mut self) -> Result<(), String> {
        let mark = self.complaints().len();
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if self.get("ready").await == Some(200) {
                return Ok(());
            }
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.child = None;
                let all = self.complaints();
                return Err(all.get(mark.saturating_sub(2000)..).unwrap_or(&all).to_owned());
            }
            tokio::time::sleep(STEP).await;
        }
        Err(format!("it is never ready: {}", self.complaints()))
    }

    /// The status of an answer; none without one.
    pub(crate) async fn get(&self, path: &str) -> Option<u16> {
        let request = self.http.get(format!("{}/{path}", self.url)).timeout(Duration::from_secs(20));
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    /// Everything that it wrote to standard error, of all its lives.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(self.own.path().join("server.err")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Whether the process is there.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGKILL as soon as the database's log has changed: what was committed is kept, and nobody was told yet. After a
    /// moment without a change, SIGKILL all the same.
    pub(crate) async fn kill_at_commit(&mut self) {
        let wal = self.data().join("godkend.sqlite-wal");
        let look = move || std::fs::metadata(&wal).ok().map(|file| (file.len(), file.modified().unwrap()));
        let changed = tokio::task::spawn_blocking(move || {
            let before = look();
            for _ in 0..3_000 {
                if look() != before {
                    return;
                }
                std::thread::sleep(Duration::from_micros(20));
            }
        });
        changed.await.unwrap();
        self.kill();
    }

    /// SIGTERM, and its end, which is a good one.
    pub(crate) async fn stop(&mut self) {
        let status = self.terminated().await;
        assert!(status.success(), "{status}: {}", self.complaints());
    }

    async fn terminated(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(STEP).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        panic!("it does not end: {}", self.complaints());
    }

    /// `log verify`: everything that it says, if it is content.
    pub(crate) fn verified_log(&self) -> String {
        let verified = self.operator(&["log", "verify"]);
        assert!(verified.status.success(), "{}", said(&verified));
        said(&verified)
    }

    /// Sets a soft limit of the running process: an option of `prlimit`, such as `--nofile=20:`.
    pub(crate) fn limit(&self, option: &str) {
        let limited = Command::new("prlimit").args(["--pid", &self.pid().to_string(), option]).output().unwrap();
        assert!(limited.status.success(), "{}", said(&limited));
    }

    /// Until it is ready, without a restart.
    pub(crate) async fn recovers(&mut self) {
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            assert!(self.lives(), "it has died: {}", self.complaints());
            if self.get("ready").await == Some(200) {
                return;
            }
            tokio::time::sleep(STEP).await;
        }
        panic!("it does not recover: {}", self.complaints());
    }

    /// Memory in use, in KiB (`VmRSS`).
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let all = self.complaints();
            let lines: Vec<_> = all.lines().collect();
            let last = lines[lines.len().saturating_sub(30)..].join("\n");
            eprintln!("what the server said last:\n{last}");
        }
    }
}

impl Place {
    /// The server's own program, without the tester's surroundings.
    fn binary(&self) -> Command {
        let mut words: Vec<&str> = self.before.iter().map(String::as_str).collect();
        words.push(env!("CARGO_BIN_EXE_ordeal-server"));
        let mut command = clean(Command::new(words[0]));
        command.args(&words[1..]);
        command
    }
}

/// A command that inherits no setting.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("GODKEND_")) {
            command.env_remove(name);
        }
    }
    command
}

/// What a process said.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn relying_party() -> String {
    let hash = hex::encode(ring::digest::digest(&ring::digest::SHA256, CLIENT_SECRET.as_bytes()));
    format!(
        "\n[[relying_party]]\nclient_id = \"netbank\"\nclient_secret_sha256 = \"{hash}\"\nname = \"Netbank\"\n\
         redirect_uris = [\"https://netbank.example/callback\"]\nciba = true\n"
    )
}

pub(crate) fn unix_now() -> i64 {
    #[allow(clippy::disallowed_methods, reason = "a test's edge")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
