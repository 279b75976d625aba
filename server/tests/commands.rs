//! The server's own commands, run as an operator runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn godkend_server(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_godkend-server"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    godkend_server(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running server that is ended with its test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a test environment in `dir`; the path of its configuration.
fn init(dir: &Path, port: u16) -> String {
    let (address, url) = (format!("127.0.0.1:{port}"), format!("https://localhost:{port}"));
    let folder = dir.to_str().unwrap();
    let made = run(&["init", "--test", "--dir", folder, "--listen", &address, "--url", &url]);
    assert!(made.status.success(), "{}", said(&made));
    format!("{folder}/godkend.toml")
}

fn serve(config: &str) -> Served {
    let child = godkend_server(&["serve", "--config", config])
        .env("GODKEND_METRICS_LISTEN", "")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let served = Served(child);
    for _ in 0..200 {
        if run(&["desk", "--config", config, "list"]).status.success() {
            return served;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the server never answered");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn from_an_empty_folder_to_a_log_that_verifies_and_one_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let config = init(dir.path(), free_port());
    let again = run(&["init", "--test", "--dir", dir.path().to_str().unwrap()]);
    assert!(!again.status.success() && said(&again).contains("exists already"), "{}", said(&again));
    let checked = run(&["check", "--config", &config]);
    assert!(checked.status.success(), "{}", said(&checked));

    let served = serve(&config);
    for user_id in ["anna-desk", "bo-desk"] {
        let desk = ["desk", "--config", &config, "create"];
        let person = ["--name", "Anna Andersen", "--user-id", user_id, "--born", "1990-05-17"];
        let created = run(&[&desk[..], &person[..]].concat());
        assert!(created.status.success(), "{}", said(&created));
    }
    let handed = run(&["desk", "--config", &config, "activate", "anna-desk"]);
    assert!(said(&handed).contains("godkend://activate/1?"), "{}", said(&handed));
    let unknown = run(&["desk", "--config", &config, "show", "nobody-here"]);
    assert!(!unknown.status.success(), "{}", said(&unknown));
    std::thread::sleep(Duration::from_secs(1));
    drop(served);

    let verified = run(&["log", "verify", "--config", &config]);
    assert!(verified.status.success(), "{}", said(&verified));
    assert!(said(&verified).contains("entries         3"), "{}", said(&verified));
    // One byte of one entry, changed on the disk.
    let entries = dir.path().join("data/log/entries");
    let mut bytes = std::fs::read(&entries).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entries, bytes).unwrap();
    let verified = run(&["log", "verify", "--config", &config]);
    assert!(!verified.status.success(), "{}", said(&verified));
}

#[test]
fn wrong_input_ends_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let config = init(dir.path(), free_port());
    let file = dir.path().join("evidence");
    std::fs::write(&file, b"no evidence").unwrap();
    let root = dir.path().join("data/root.json");
    let refused = run(&["evidence", "verify", file.to_str().unwrap(), "--root", root.to_str().unwrap()]);
    assert!(!refused.status.success(), "{}", said(&refused));
    for (wrong, setting) in [("[pin]\ntries_per_round = 0\n", "pin.tries_per_round"), ("[nothing]\na = 1\n", "nothing")]
    {
        let text = std::fs::read_to_string(&config).unwrap();
        let broken = dir.path().join("broken.toml");
        std::fs::write(&broken, format!("{wrong}\n{}", text.replace("[pin]", "[pin_before]"))).unwrap();
        let checked = run(&["check", "--config", broken.to_str().unwrap()]);
        assert!(!checked.status.success() && said(&checked).contains(setting), "{}", said(&checked));
    }
    for arguments in [&["check", "--config", "/nowhere/godkend.toml"][..], &["keys"], &["nonsense"], &[]] {
        let ended = run(arguments);
        assert!(!ended.status.success() && said(&ended).len() > 20, "{arguments:?}: {}", said(&ended));
    }
}

/// A delivery of one display, its seed under a passphrase or plain.
const DELIVERY: &str = r#"<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage>
    <DeviceInfo><Manufacturer>Godkend</Manufacturer><SerialNo>1001</SerialNo></DeviceInfo>
    <Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp"><AlgorithmParameters>
    <ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters><Data><Secret>
    <PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data></Key></KeyPackage></KeyContainer>"#;

#[test]
fn a_desk_hands_out_every_means_and_takes_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = init(dir.path(), free_port());
    let _served = serve(&config);
    let desk = |arguments: &[&str]| run(&[&["desk", "--config", &config], arguments].concat());
    let done = |arguments: &[&str]| -> serde_json::Value {
        let output = desk(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let refused = |arguments: &[&str], why: &str| {
        let output = desk(arguments);
        assert!(!output.status.success() && said(&output).contains(why), "{arguments:?}: {}", said(&output));
    };
    done(&["create", "--name", "Anna Andersen", "--user-id", "anna-desk", "--born", "1990-05-17"]);
    let none = done(&["means", "anna-desk"]);
    assert_eq!(none, serde_json::json!({ "password": null, "displays": [], "chip": null }));

    let file = dir.path().join("delivery.xml");
    std::fs::write(&file, "no container").unwrap();
    refused(&["import-displays", file.to_str().unwrap()], "malformed (container)");
    std::fs::write(&file, DELIVERY).unwrap();
    let imported = done(&["import-displays", file.to_str().unwrap(), "--talks"]);
    assert_eq!(imported["imported"], 1);
    refused(&["display", "anna-desk", "1001"], "display_unknown");
    done(&["display", "anna-desk", "1001", "--manufacturer", "Godkend", "--battery-until", "1924905600"]);
    let shown = done(&["means", "anna-desk"]);
    let display = &shown["displays"][0];
    assert_eq!(
        (&display["serial"], &display["state"], &display["talks"]),
        (&"1001".into(), &"active".into(), &true.into())
    );
    assert_eq!(display["battery_until"], 1_924_905_600);
    done(&["lost-display", "anna-desk", "--by", "bodil"]);
    assert_eq!(done(&["means", "anna-desk"])["displays"][0]["state"], "lost");
    refused(&["lost-display", "anna-desk"], "display_unknown");

    for means in ["password", "chip"] {
        let opened = done(&[means, "anna-desk", "--by", "bodil"]);
        assert_eq!(opened["code"].as_str().map(str::len), Some(20), "{opened}");
        refused(&[&format!("remove-{means}"), "anna-desk"], "not_found");
    }
    refused(&["lost-chip", "anna-desk"], "not_found");
    assert_eq!(done(&["orders"]), serde_json::json!({ "orders": [] }));
    refused(&["handed", "AAAAAAAAAAAAAAAAAAAAAA"], "not_found");
    let history = done(&["history", "anna-desk"]);
    let by = |event: &str| {
        let lines = history["history"].as_array().unwrap();
        lines.iter().find(|line| line["event"] == event).map(|line| line["details"]["by"].clone())
    };
    for event in ["display_lost", "password_opened", "chip_opened"] {
        assert_eq!(by(event), Some("desk:bodil".into()), "{event}: {history}");
    }
    let history = history.to_string();
    for event in ["display_assigned", "display_lost", "password_opened", "chip_opened"] {
        assert!(history.contains(event), "{event}: {history}");
    }
}

/// What stands on standard input is a key or a passphrase, and no part of a command line.
#[test]
fn a_delivery_under_a_key_is_opened_with_what_stands_on_standard_input() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let config = init(dir.path(), free_port());
    let _served = serve(&config);
    // RFC 6030, figure 6: AES-128-CBC and HMAC-SHA1.
    let file = dir.path().join("delivery.xml");
    std::fs::write(&file, include_str!("../../core/oath/tests/figures/figure-6.xml")).unwrap();
    let import = |line: &str| {
        let mut child = godkend_server(&["desk", "--config", &config, "import-displays", file.to_str().unwrap()])
            .arg("--key-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let wrong = import("00000000000000000000000000000000\n");
    assert!(!wrong.status.success(), "{}", said(&wrong));
    let right = import("12345678901234567890123456789012\n");
    // The RFC's key shows eight digits: opened, looked at, and refused for that.
    assert!(right.status.success() && said(&right).contains("six digits"), "{}", said(&right));
}
