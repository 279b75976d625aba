//! Processes of `godkend`, as a person at a terminal starts them. Nothing here measures time: output is waited for, and a
//! process that says nothing for [`PATIENCE`] has failed.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod schema;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long a process may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The PIN of everybody here.
pub(crate) const PIN: &str = "730915";

/// A folder for phones and server, and the server where one runs.
pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Option<Terminal>,
}

impl World {
    /// No server.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: None }
    }

    /// A new test environment with its server.
    pub(crate) fn serving() -> Self {
        let mut world = Self::empty();
        world.serve();
        world
    }

    /// The same server again, after [`Self::kill_server`].
    pub(crate) fn serve(&mut self) {
        let mut server = self.godkend("serve --test --listen 127.0.0.1:0 --json").start();
        server.wait_for("\"type\":\"serving\"");
        self.server = Some(server);
    }

    /// The server's process.
    pub(crate) fn server(&mut self) -> &mut Terminal {
        self.server.as_mut().unwrap()
    }

    /// Ends the server at once.
    pub(crate) fn kill_server(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// The folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command; words in single quotes stay together.
    pub(crate) fn godkend(&self, line: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_godkend"));
        command.args(words(line)).current_dir(self.folder.path()).env("GODKEND_HOME", self.folder.path());
        clean(&mut command);
        Run { command, input: String::new() }
    }

    /// A citizen with a phone in `profile`, by the desk's own commands; gives what `activated` said.
    pub(crate) fn activated(&self, user_id: &str, profile: &str) -> Value {
        let create = format!("create-citizen --name Anna --user-id {user_id} --born 1990-05-17 --json");
        self.godkend(&create).end().ends(0);
        let handed = self.godkend(&format!("activation {user_id} --json")).end().ends(0).one("activation");
        self.activate(profile, handed["text"].as_str().unwrap(), handed["id"].as_str().unwrap())
    }

    /// A phone, with what a desk handed out.
    pub(crate) fn activate(&self, profile: &str, text: &str, id: &str) -> Value {
        let digits = self.godkend(&format!("-p {profile} activate --digits-only --json")).typing(&[text]).end().ends(0);
        let digits = digits.one("digits")["digits"].as_str().unwrap().to_owned();
        self.godkend(&format!("confirm-digits --json -- {id}")).typing(&[&digits]).end().ends(0);
        self.godkend(&format!("-p {profile} resume --json")).typing(&[PIN]).end().ends(0).one("activated")
    }

    /// A bank that waits, and the number that its page shows.
    pub(crate) fn login_by_number(&self, user_id: &str) -> (Terminal, String) {
        let mut bank = self.godkend(&format!("request-login --number --user-id {user_id} --json")).start();
        let number = bank.json("login_started")["number"].as_str().unwrap().to_owned();
        (bank, number)
    }
}

/// Nothing of the tester's own surroundings reaches a test.
fn clean(command: &mut Command) {
    for name in ["GODKEND_DIR", "GODKEND_ROOT", "GODKEND_PROFILE", "GODKEND_LANGUAGE", "DBUS_SESSION_BUS_ADDRESS"] {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
}

/// A command that has not begun.
pub(crate) struct Run {
    command: Command,
    input: String,
}

impl Run {
    /// Answers, one line each; input ends after them.
    pub(crate) fn typing(mut self, lines: &[&str]) -> Self {
        for line in lines {
            self.input.push_str(line);
            self.input.push('\n');
        }
        self
    }

    /// With a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// In the background, at a terminal.
    pub(crate) fn start(mut self) -> Terminal {
        let mut terminal = Terminal::start(&mut self.command);
        if !self.input.is_empty() {
            terminal.type_text(&self.input);
        }
        terminal
    }

    /// To its end.
    pub(crate) fn end(mut self) -> Ended {
        let line = format!("{:?}", self.command);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        // One that ends before it has read everything is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = thread::spawn(move || read_all(&mut out));
        let err = thread::spawn(move || read_all(&mut err));
        let status = wait(&mut child, &line);
        Ended { line, code: code(status), out: out.join().unwrap(), err: err.join().unwrap() }
    }
}

fn read_all(from: &mut impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// A process's end, bounded.
fn wait(child: &mut Child, line: &str) -> ExitStatus {
    for _ in 0..PATIENCE.as_millis() / 10 {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    panic!("{line} does not end");
}

/// As a shell reports it.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap()
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ended {
    line: String,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        self
    }

    /// Every line of `--json`, each of them as the published schema has it, and nothing beside.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.err, "", "{self:#?}");
        self.out.lines().map(schema::checked).collect()
    }

    /// The only line of this type.
    #[track_caller]
    pub(crate) fn one(&self, kind: &str) -> Value {
        let mut found = self.lines();
        found.retain(|line| line["type"] == kind);
        assert_eq!(found.len(), 1, "{kind}: {self:#?}");
        found.remove(0)
    }

    /// An error with this code in `--json`, and its exit code.
    #[track_caller]
    pub(crate) fn fails(self, exit: i32, code: &str) -> Self {
        let ended = self.ends(exit);
        let error = ended.one("error");
        assert_eq!(
            (error["code"].as_str(), error["exit_code"].as_i64()),
            (Some(code), Some(i64::from(exit))),
            "{ended:#?}"
        );
        ended
    }
}

/// A process that runs, with what it has said so far.
pub(crate) struct Terminal {
    line: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    /// Everything said and not yet taken.
    pub(crate) said: String,
}

impl Terminal {
    /// Starts a command; standard output and error are one stream, as in a terminal.
    pub(crate) fn start(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        let (mut reader, writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap();
        // The parent's ends of the pipe go, so that the reader sees the child's end.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Self { line, child, input, output, bytes: Vec::new(), said: String::new() }
    }

    /// Types a line.
    pub(crate) fn types(&mut self, text: &str) {
        self.type_text(&format!("{text}\n"));
    }

    fn type_text(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// More output; `false` at its end.
    #[track_caller]
    pub(crate) fn more(&mut self) -> bool {
        match self.output.recv_timeout(PATIENCE) {
            Ok(bytes) => {
                self.bytes.extend(bytes);
                // A character may be cut in half.
                let good = match std::str::from_utf8(&self.bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let rest = self.bytes.split_off(good);
                self.said.push_str(&String::from_utf8(std::mem::replace(&mut self.bytes, rest)).unwrap());
                true
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => false,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("{} is silent after: {}", self.line, self.said),
        }
    }

    /// Takes everything up to and with `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.said.find(text) {
                let rest = self.said.split_off(at + text.len());
                return std::mem::replace(&mut self.said, rest);
            }
            assert!(self.more(), "{} ended without {text:?}: {}", self.line, self.said);
        }
    }

    /// The next line of `--json` of this type.
    #[track_caller]
    pub(crate) fn json(&mut self, kind: &str) -> Value {
        loop {
            let line = self.wait_for("\n");
            let value = schema::checked(&line);
            if value["type"] == kind {
                return value;
            }
            assert_ne!(value["type"], "error", "{}", self.line);
        }
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Until it ends by itself; input stays open, as at a terminal.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (i32, String) {
        let (code, said) = self.reach_end();
        (code, said)
    }

    /// As [`Self::ends`], by reference.
    #[track_caller]
    pub(crate) fn reach_end(&mut self) -> (i32, String) {
        while self.more() {}
        let status = wait(&mut self.child, &self.line);
        (code(status), std::mem::take(&mut self.said))
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only what this test has started.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Splits at spaces; quotes of both kinds keep a word together.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Every file below a folder, with its content.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                all.push((path, bytes));
            }
        }
    }
    all.sort();
    all
}
