//! The testers' phone as a process, killed while it approves: one in each round of the sweep.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::person::debits;
use crate::server::{Server, clean};
use crate::wire::{Browser, Done, Finish, Trouble, Wire};

const PIN: &str = "730915";

/// Somebody whose phone is a process for each thing that they do.
pub(crate) struct Commuter {
    home: TempDir,
    root: std::path::PathBuf,
    wire: Wire,
    citizen: String,
    login: Option<Browser>,
    approved: bool,
    pub(crate) approvals: u64,
    pub(crate) kills: u64,
}

/// What came of a process.
struct Ended {
    code: Option<i32>,
    out: String,
}

impl Commuter {
    pub(crate) async fn new(server: &Server, user_id: &str) -> Self {
        let wire = Wire::to(server);
        let citizen = wire.citizen(user_id).await.unwrap();
        let (activation, link) = wire.hand_out(&citizen).await.unwrap();
        let (home, root) = (tempfile::tempdir().unwrap(), server.data().join("root.json"));
        let commuter = Self { home, root, wire, citizen, login: None, approved: false, approvals: 0, kills: 0 };
        let said = commuter.phone(&["activate", "--digits-only"], &[&link], None).await;
        let digits = said.line("digits").unwrap_or_else(|| panic!("{}", said.out));
        commuter.wire.digits(&activation, digits["digits"].as_str().unwrap()).await.unwrap();
        let said = commuter.phone(&["resume"], &[PIN], None).await;
        assert!(said.line("activated").is_some(), "{}", said.out);
        commuter
    }

    /// A process with these answers typed; killed after a while, if it is told.
    async fn phone(&self, words: &[&str], typed: &[&str], kill: Option<Duration>) -> Ended {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_ordeal-phone")));
        command.args(words).arg("--json").env("GODKEND_HOME", self.home.path()).env("GODKEND_ROOT", &self.root);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let text = typed.iter().map(|line| format!("{line}\n")).collect::<String>();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // One that ends before it has read everything is no failure here.
            let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
            if let Some(kill) = kill {
                std::thread::sleep(kill);
                child.kill().unwrap();
            }
            let mut out = String::new();
            child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            Ended { code: child.wait().unwrap().code(), out }
        })
        .await
        .unwrap()
    }

    /// A login by QR, killed after so many milliseconds unless it is over by then.
    pub(crate) async fn commute(&mut self, kill: Option<u64>) -> Done<()> {
        let mut browser = Browser::new(&self.wire);
        browser.open().await?;
        let text = browser.qr().await?;
        (self.login, self.approved) = (Some(browser), false);
        let said = self.phone(&["scan", "--approve"], &[&text, PIN], kill.map(Duration::from_millis)).await;
        self.approved = said.line("approved").is_some();
        self.approvals += u64::from(self.approved);
        self.kills += u64::from(said.code.is_none());
        Ok(())
    }

    /// After everything came back: the phone goes on, and the bank gets once what was approved.
    pub(crate) async fn settle(&mut self) -> Done<()> {
        let resumed = self.phone(&["resume"], &[], None).await;
        if resumed.code != Some(0) {
            return Err(Trouble::wrong(format!("the phone does not go on: {:?} {}", resumed.code, resumed.out)));
        }
        if let Some(mut browser) = self.login.take() {
            match browser.finish().await? {
                Finish::Code(code) => {
                    self.wire.redeem(&code).await?.is(200)?;
                    self.wire.redeem(&code).await?.is(400)?;
                }
                other if self.approved => return Err(Trouble::wrong(format!("approved, and now {other:?}"))),
                _ => {}
            }
        }
        let devices = self.wire.devices(&self.citizen).await?;
        if devices.len() != 1 || devices[0]["state"] != "active" {
            return Err(Trouble::wrong(format!("{devices:?}")));
        }
        // A kill after the try was taken costs it; a right PIN brings it back.
        for _ in 0..10 {
            if debits(&self.wire.devices(&self.citizen).await?[0]["pin"]) < 2 {
                return Ok(());
            }
            self.commute(None).await?;
            if self.approved {
                let mut browser = self.login.take().unwrap();
                if !matches!(browser.finish().await?, Finish::Code(_)) {
                    return Err(Trouble::wrong("an approval without a code"));
                }
            }
        }
        Err(Trouble::wrong("the phone does not come back to its tries"))
    }
}

impl Ended {
    fn line(&self, kind: &str) -> Option<Value> {
        self.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| line["type"] == kind)
    }
}
