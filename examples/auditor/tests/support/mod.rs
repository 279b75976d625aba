//! The auditor's program as a process, and the log of a world as an operator with all keys can handle it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use godkend_core::Approval;
use godkend_tests::phone::PIN;
use godkend_tests::{Ask, Phone, World};
use serde_json::Value;

/// What came of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    /// The one object of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:#?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// An alarm with its record, if it has one.
    #[track_caller]
    pub(crate) fn alarm(&self, name: &str) -> Option<PathBuf> {
        let alarm = self.json();
        assert_eq!((&alarm["type"], &alarm["alarm"]), (&"alarm".into(), &name.into()), "{self:#?}");
        assert_eq!(alarm["exit_code"], self.code);
        alarm["record"].as_str().map(PathBuf::from)
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_godkend-auditor"));
    command.env_remove("GODKEND_LANGUAGE").stdin(Stdio::null());
    command
}

/// Runs to its end, beside the runtime that serves.
pub(crate) async fn auditor(words: &[&str]) -> Ended {
    let mut command = command();
    command.args(words);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The public root of a world.
pub(crate) fn root(world: &World) -> String {
    path(&world.data().join("root.json"))
}

pub(crate) fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A login by somebody with the PIN; its transaction.
pub(crate) async fn login(world: &World, phone: &Phone, ask: &Ask, approval: Option<Approval>) -> String {
    let mut browser = world.login_page(ask).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    match approval {
        None => {
            phone.approve(&view, PIN).await.unwrap();
        }
        Some(approval) => {
            phone.approve_with(&view, approval, false).await.unwrap();
        }
    }
    browser.signed_in().await["mitid.transaction_id"].as_str().unwrap().to_owned()
}

/// The server's newest checkpoint, as anybody gets it.
pub(crate) async fn checkpoint(world: &World) -> String {
    let (status, text) = get(world, "/log/v1/checkpoint").await;
    assert_eq!(status, 200);
    text
}

pub(crate) async fn get(world: &World, path: &str) -> (u16, String) {
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let response = http.get(format!("{}{path}", world.url)).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The size of the server's log under its newest checkpoint.
pub(crate) async fn size(world: &World) -> u64 {
    checkpoint(world).await.lines().nth(1).unwrap().parse().unwrap()
}

/// One more entry in the log: a citizen at the desk.
pub(crate) async fn entry(world: &World, name: &str) {
    let before = size(world).await;
    world.citizen(name).await;
    while size(world).await == before {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Database and log, copied while the server is stopped.
pub(crate) fn copy(world: &World) -> tempfile::TempDir {
    closed(&world.data());
    let copy = tempfile::tempdir().unwrap();
    copy_state(&world.data(), copy.path());
    copy
}

/// Waits until a stopped server's database is closed to its last connection, which takes the write-ahead log away.
fn closed(data: &Path) {
    for _ in 0..500 {
        if !state_of(data).iter().any(|name| name.ends_with("-wal")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the database is still open");
}

/// An older copy put back: an operator rolls everything back, with all keys in hand.
pub(crate) fn put_back(world: &World, copy: &tempfile::TempDir) {
    closed(&world.data());
    for name in state_of(&world.data()) {
        let path = world.data().join(name);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    copy_state(copy.path(), &world.data());
}

fn state_of(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name == "log" || name.starts_with("godkend.sqlite")).collect()
}

fn copy_state(from: &Path, to: &Path) {
    for name in state_of(from) {
        if name != "log" {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
            continue;
        }
        std::fs::create_dir_all(to.join("log")).unwrap();
        for file in std::fs::read_dir(from.join("log")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join("log").join(file.file_name())).unwrap();
        }
    }
}

/// A witness with its folder.
pub(crate) struct Witness {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) key: String,
    root: String,
}

impl Witness {
    pub(crate) async fn new(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = path(&folder.path().join("state"));
        let made =
            auditor(&["witness", "init", "--state", &state, "--name", "tilsyn.example/w1", "--json"]).await.ends(0);
        let key = made.json()["key"].as_str().unwrap().to_owned();
        Self { folder, key, root: root(world) }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    pub(crate) fn state(&self) -> String {
        path(&self.folder.path().join("state"))
    }

    /// One look.
    pub(crate) async fn look(&self) -> Ended {
        self.look_with(&[]).await
    }

    pub(crate) async fn look_with(&self, more: &[&str]) -> Ended {
        let state = self.state();
        let words = ["witness", "--once", "--json", "--root", &self.root, "--state", &state];
        auditor(&[&words[..], more].concat()).await
    }

    /// What `witness proof` says of a record.
    pub(crate) async fn proof(&self, record: &Path) -> Ended {
        auditor(&["witness", "proof", &path(record), "--root", &self.root, "--json"]).await
    }

    /// What `witness check` says of a cosigned checkpoint.
    pub(crate) async fn check(&self, file: &Path) -> Ended {
        let (file, set) = (path(file), path(&self.file("keyset.cbor")));
        let words = ["witness", "check", &file, "--root", &self.root, "--key-set", &set, "--witness-key", &self.key];
        auditor(&[&words[..], &["--json"]].concat()).await
    }
}

/// Until nothing more is on its way into the log.
pub(crate) async fn settled(world: &World) {
    let mut before = 0;
    loop {
        // Longer than the sequencer sleeps between two looks at its outbox.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        let now = size(world).await;
        if now == before {
            return;
        }
        before = now;
    }
}
