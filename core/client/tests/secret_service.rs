//! The real secret service: gnome-keyring under a session bus of its own.
//!
//! The test starts this very program again, inside and outside of that bus: a process has one key store for life.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(all(target_os = "linux", feature = "os-key-store"))]

use std::path::Path;
use std::process::Command;

use godkend_client::entropy::Entropy;
use godkend_client::state::{Method, Passphrase, Profile, StateStore as _, StoreError, Wrapping};

const PHASE: &str = "GODKEND_TEST_PHASE";
const HOME: &str = "GODKEND_TEST_HOME";

#[test]
fn the_secret_service_keeps_the_key_and_nothing_takes_its_place() {
    if let (Ok(phase), Ok(home)) = (std::env::var(PHASE), std::env::var(HOME)) {
        return play(&phase, Path::new(&home));
    }
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        let found =
            Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
        if !found {
            assert!(std::env::var_os("CI").is_none(), "{program} is missing: install dbus and gnome-keyring");
            println!("NOT TESTED: {program} is missing; install dbus and gnome-keyring");
            return;
        }
    }
    let home = tempfile::tempdir().unwrap();
    for (phase, daemon, bus) in [
        ("create", Daemon::Unlocked, true),
        ("reopen", Daemon::Unlocked, true),
        ("without a bus", Daemon::None, false),
        ("nobody on the bus", Daemon::None, true),
        ("locked", Daemon::Locked, true),
        ("key deleted", Daemon::Unlocked, true),
    ] {
        let run = run(home.path(), phase, daemon, bus);
        let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success() && out.contains("1 passed"), "phase {phase:?}:\n{out}\n{err}");
    }
}

/// The secret service of a phase.
#[derive(Clone, Copy)]
enum Daemon {
    None,
    Unlocked,
    Locked,
}

/// Runs one phase in a process of its own.
fn run(home: &Path, phase: &str, daemon: Daemon, bus: bool) -> std::process::Output {
    let me = std::env::current_exe().unwrap();
    let test = format!("'{}' --nocapture --test-threads=1", me.display());
    let start = match daemon {
        Daemon::Unlocked => "printf 'login' | gnome-keyring-daemon --foreground --unlock --components=secrets",
        Daemon::Locked => "gnome-keyring-daemon --foreground --components=secrets",
        Daemon::None => "",
    };
    let ready = "for i in $(seq 100); do
            dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
                string:org.freedesktop.secrets 2>/dev/null | grep -q 'boolean true' && break
            sleep 0.1
        done";
    let script = match daemon {
        Daemon::None => test,
        _ => format!("{start} >/dev/null 2>&1 &\n{ready}\n{test}; rc=$?; kill $! 2>/dev/null; exit $rc"),
    };
    let mut command = if bus { Command::new("dbus-run-session") } else { Command::new("sh") };
    if bus {
        // A bus that starts nobody by itself: only the daemon that we start answers.
        let config = home.join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:tmpdir={}</listen><auth>EXTERNAL</auth><policy \
             context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow \
             own=\"*\"/></policy></busconfig>",
            home.display()
        );
        std::fs::write(&config, text).unwrap();
        command.arg(format!("--config-file={}", config.display())).args(["--", "sh"]);
    } else {
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/nobody", home.display()));
    }
    command
        .args(["-c", &script])
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_RUNTIME_DIR", home)
        .env(PHASE, phase)
        .env(HOME, home)
        .output()
        .unwrap()
}

fn play(phase: &str, home: &Path) {
    let directory = home.join("profile");
    let open = |wrapping: &Wrapping| Profile::open(&directory, wrapping, Entropy::system());
    match phase {
        "create" => {
            let profile = open(&Wrapping::Automatic).unwrap();
            assert_eq!(profile.method(), Method::OsKeyStore);
            profile.file("state").save(b"kept").unwrap();
            assert!(!directory.join("wrapping.key").exists());
        }
        "reopen" => {
            for wrapping in [Wrapping::Automatic, Wrapping::OsKeyStore] {
                let profile = open(&wrapping).unwrap();
                assert_eq!(profile.file("state").load().unwrap().unwrap().as_slice(), b"kept");
            }
        }
        "without a bus" | "nobody on the bus" => {
            // The existing profile stays closed, whatever else is offered.
            let passphrase = Passphrase::new("en lang adgangssætning".to_owned());
            for wrapping in [Wrapping::Automatic, Wrapping::AutomaticOr(passphrase.clone()), Wrapping::OsKeyStore] {
                let refused = open(&wrapping);
                assert!(matches!(refused, Err(StoreError::KeyStoreUnavailable)), "{refused:?}");
            }
            assert!(!directory.join("wrapping.key").exists());
            // A new one falls back, and remembers it.
            let fallback = |name: &str, wrapping: &Wrapping| {
                let fresh = home.join(format!("{phase} {name}"));
                Profile::open(&fresh, wrapping, Entropy::system()).map(|profile| profile.method())
            };
            assert_eq!(fallback("a", &Wrapping::Automatic).unwrap(), Method::KeyFile);
            assert_eq!(fallback("b", &Wrapping::AutomaticOr(passphrase)).unwrap(), Method::Passphrase);
            assert!(matches!(fallback("c", &Wrapping::OsKeyStore), Err(StoreError::KeyStoreUnavailable)));
        }
        "locked" => {
            // A key store that is locked does answer: nothing takes its place.
            let passphrase = Passphrase::new("en lang adgangssætning".to_owned());
            for wrapping in [Wrapping::Automatic, Wrapping::AutomaticOr(passphrase), Wrapping::OsKeyStore] {
                let refused = open(&wrapping);
                assert!(matches!(refused, Err(StoreError::KeyStoreLocked)), "{refused:?}");
                let fresh = Profile::open(home.join("fresh"), &wrapping, Entropy::system());
                assert!(matches!(fresh, Err(StoreError::KeyStoreLocked)), "{fresh:?}");
            }
        }
        "key deleted" => {
            // The keyring is there and unlocked, but it is another one.
            let data = home.join("data/keyrings");
            assert!(data.exists(), "the daemon kept its keyring elsewhere");
            // What fell back stays as it was made, now that a key store answers.
            let fresh = home.join("without a bus a");
            let profile = Profile::open(&fresh, &Wrapping::Automatic, Entropy::system()).unwrap();
            assert_eq!(profile.method(), Method::KeyFile);
            delete_all();
            let missing = open(&Wrapping::Automatic);
            assert!(matches!(missing, Err(StoreError::KeyMissing)), "{missing:?}");
        }
        other => panic!("no phase {other}"),
    }
}

/// Deletes the profile's entry as a person would in the key store's own program.
fn delete_all() {
    let header = std::fs::read(Path::new(&std::env::var(HOME).unwrap()).join("profile/profile")).unwrap();
    let id = godkend_protocol::bytes::Id::from_slice(&header[6..22]).unwrap();
    keyring::Entry::new("godkend", &id.to_base64()).unwrap().delete_credential().unwrap();
}
