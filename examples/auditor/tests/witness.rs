//! A witness beside a real server whose operator has all keys and cheats.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that goes wrong ends")]
#![allow(missing_docs)]

mod support;

use std::path::Path;

use godkend_server::config::Config;
use godkend_server::log::LogError;
use godkend_server::server::{StartError, StartOptions, start_on};
use godkend_tests::World;
use support::{Witness, auditor, checkpoint, command, copy, entry, get, path, put_back, root, size};

/// A log of so many entries.
async fn log_of(entries: usize) -> World {
    let world = World::new().await;
    for number in 0..entries {
        entry(&world, &format!("citizen-{number}")).await;
    }
    world
}

/// Starts a stopped world's server as an operator does; what it says against it.
async fn refusal(world: &World, options: StartOptions) -> Option<String> {
    loop {
        let config = Config::load(&world.dir.path().join("godkend.toml"), std::iter::empty()).unwrap();
        // Any port: nobody calls, and the world's own may have been given to somebody else while it stood still.
        let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        match start_on(config, listener, options.clone()).await {
            Ok(running) => {
                running.stop().await;
                return None;
            }
            // A process that another test starts holds this one's lock from its fork to its exec.
            Err(StartError::Log(LogError::Locked)) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            Err(error @ (StartError::Log(_) | StartError::Witness(_))) => return Some(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_follows_a_growing_log_and_cosigns_it() {
    let world = log_of(2).await;
    let witness = Witness::new(&world).await;
    for _ in 0..2 {
        let seen = witness.look().await.ends(0).json();
        assert_eq!((&seen["type"], &seen["size"]), (&"witnessed".into(), &2.into()));
    }
    entry(&world, "citizen-next").await;
    let published = path(&witness.folder.path().join("public"));
    assert_eq!(witness.look_with(&["--publish", &published]).await.ends(0).json()["size"], 3);
    for file in [witness.file("checkpoint"), Path::new(&published).to_owned()] {
        let said = witness.check(&file).await.ends(0).json();
        assert_eq!((&said["size"], &said["witness"]), (&3.into(), &"tilsyn.example/w1".into()));
        // A byte of the note, of the log's line, of the witness's line.
        let bytes = std::fs::read(&file).unwrap();
        for place in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let other = witness.folder.path().join("changed");
            std::fs::write(&other, changed).unwrap();
            let said = witness.check(&other).await;
            assert!(said.code == 3 || said.code == 1, "byte {place}: {said:#?}");
        }
    }
    // Another witness's key, and another environment's root.
    let (other, elsewhere) = (Witness::new(&world).await, World::new().await);
    let (file, set) = (path(&witness.file("checkpoint")), path(&witness.file("keyset.cbor")));
    for (root, key) in [(root(&world), &other.key), (root(&elsewhere), &witness.key)] {
        let words = ["witness", "check", &file, "--root", &root, "--key-set", &set, "--witness-key", key];
        auditor(&words).await.ends(3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_endpoints_are_bounded_and_refuse_politely() {
    let world = log_of(3).await;
    let note = checkpoint(&world).await;
    assert!(note.starts_with("godkend/test/") && note.contains("\n3\n"), "{note}");
    for (query, status) in [
        ("from=1&to=3", 200),
        ("from=0&to=0", 200),
        ("from=3&to=3", 200),
        ("from=0&to=4", 404),
        ("from=2&to=18446744073709551615", 404),
        ("from=3&to=1", 400),
        ("from=-1&to=3", 400),
        ("from=x&to=3", 400),
        ("from=1", 400),
        ("", 400),
    ] {
        let (said, body) = get(&world, &format!("/log/v1/consistency?{query}")).await;
        assert_eq!(said, status, "{query}: {body}");
        assert!(body.len() < 4096 && body.starts_with('{'), "{query}: {body}");
    }
}

/// What the log was is signed; an operator who has all keys, and puts an entry away, another in its place, or one in
/// between, signs a log that does not continue it.
#[tokio::test(flavor = "multi_thread")]
async fn a46_a_log_with_an_entry_removed_changed_or_inserted_fails_against_an_older_checkpoint() {
    // (entries that stay, entries written in place of the others): of five that the witness saw.
    for (kept, written, alarm) in [
        // The last is removed and nothing written: fewer entries.
        (4, 0, "shrunk"),
        // The last is changed: as many entries, and others.
        (4, 1, "forked"),
        // The last is removed, the log goes on: more entries, and the fifth is another.
        (4, 4, "rewritten"),
        // An entry is inserted before the last two; all but it are made again.
        (3, 3, "rewritten"),
        // From the beginning on.
        (1, 7, "rewritten"),
    ] {
        let mut world = log_of(kept).await;
        world.stop().await;
        let older = copy(&world);
        world.start().await;
        for number in kept..5 {
            entry(&world, &format!("citizen-{number}")).await;
        }
        let witness = Witness::new(&world).await;
        assert_eq!(witness.look().await.ends(0).json()["size"], 5);
        world.stop().await;
        put_back(&world, &older);
        // The server itself finds nothing wrong: database and log are of one time.
        world.start().await;
        for number in 0..written {
            entry(&world, &format!("other-{number}")).await;
        }
        let seen = witness.look().await;
        let record = seen.alarm(alarm).unwrap();
        assert_eq!(
            seen.code,
            match alarm {
                "shrunk" => 22,
                "forked" => 23,
                _ => 24,
            }
        );
        // Nothing of it was cosigned, and the next look says the same.
        assert_eq!(witness.check(&witness.file("checkpoint")).await.ends(0).json()["size"], 5);
        assert_eq!(witness.look().await.alarm(alarm), Some(record.clone()));
        let proof = witness.proof(&record).await;
        if alarm == "shrunk" {
            // The older checkpoint is shown again as it was: the operator has signed nothing false yet.
            assert_eq!(proof.ends(6).json()["proven"]["convicts"], false);
        } else {
            let proven = proof.ends(0).json();
            assert_eq!((&proven["proven"]["noticed"], &proven["proven"]["convicts"]), (&alarm.into(), &true.into()));
        }
        // A record is worth what its signatures are.
        let text = std::fs::read_to_string(&record).unwrap();
        let forged = witness.folder.path().join("forged.json");
        for (from, to) in [("\\n5\\n", "\\n6\\n"), (alarm, "epoch_changed"), ("\"version\": 1", "\"version\": 2")] {
            assert!(text.contains(from), "{from}: {text}");
            std::fs::write(&forged, text.replacen(from, to, 1)).unwrap();
            assert_eq!(witness.proof(&forged).await.ends(3).json()["holds"], false, "{from}");
        }
    }
}

/// Sizes that are a power of two have a proof that leaves the older root out.
#[tokio::test(flavor = "multi_thread")]
async fn a46_a_rewritten_log_of_four_entries_is_proven_too() {
    let mut world = log_of(3).await;
    world.stop().await;
    let older = copy(&world);
    world.start().await;
    entry(&world, "citizen-four").await;
    let witness = Witness::new(&world).await;
    witness.look().await.ends(0);
    world.stop().await;
    put_back(&world, &older);
    world.start().await;
    for number in 0..3 {
        entry(&world, &format!("other-{number}")).await;
    }
    let seen = witness.look().await.ends(24);
    let proven = witness.proof(&seen.alarm("rewritten").unwrap()).await.ends(0).json();
    assert_eq!(proven["proven"]["convicts"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_knows_its_witness_refuses_a_log_that_was_put_back() {
    let mut world = log_of(2).await;
    let witness = Witness::new(&world).await;
    let public = witness.folder.path().join("public");
    let publish = path(&public);
    world.stop().await;
    let older = copy(&world);
    let config = world.dir.path().join("godkend.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let known = format!("witnesses = [\"{} {publish}\"]", witness.key);
    assert!(text.contains("witnesses = []"));
    std::fs::write(&config, text.replace("witnesses = []", &known)).unwrap();
    // Before the witness has looked there is no file: nobody could tell an older log.
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("tilsyn.example/w1") && said.contains("cannot be read"), "{said}");
    std::fs::write(&config, &text).unwrap();
    world.start().await;
    entry(&world, "citizen-later").await;
    witness.look_with(&["--publish", &publish]).await.ends(0);
    world.stop().await;
    std::fs::write(&config, text.replace("witnesses = []", &known)).unwrap();
    assert_eq!(refusal(&world, StartOptions::default()).await, None, "the log that it saw");
    let newer = copy(&world);

    put_back(&world, &older);
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("tilsyn.example/w1 has cosigned 3 log entries") && said.contains("the log has 2"), "{said}");
    // All of it gone.
    put_back(&world, &tempfile::tempdir().unwrap());
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("has cosigned 3 log entries") && said.contains("the log has 0"), "{said}");
    // Another history of the same length, made while nobody asked the witness.
    put_back(&world, &older);
    std::fs::write(&config, &text).unwrap();
    world.start().await;
    entry(&world, "citizen-other").await;
    world.stop().await;
    std::fs::write(&config, text.replace("witnesses = []", &known)).unwrap();
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("first 3 entries are not those that the witness"), "{said}");
    // A file that is somebody else's.
    let note = std::fs::read_to_string(&public).unwrap();
    std::fs::write(&public, note.replacen("\n3\n", "\n1\n", 1)).unwrap();
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("is not a checkpoint of this log that the witness"), "{said}");
    std::fs::write(&public, note).unwrap();

    // Lost for good: a new epoch, which the witness calls out until it is told.
    put_back(&world, &older);
    assert_eq!(refusal(&world, StartOptions { new_epoch: true, ..StartOptions::default() }).await, None);
    world.start().await;
    let seen = witness.look().await.ends(26);
    let record = seen.alarm("epoch_changed").unwrap();
    assert_eq!(witness.proof(&record).await.ends(6).json()["proven"]["convicts"], false);
    let epoch = checkpoint(&world).await.lines().next().unwrap().rsplit('/').next().unwrap().to_owned();
    witness.look_with(&["--accept-epoch", "1"]).await.ends(26);
    witness.look_with(&["--accept-epoch", &epoch, "--publish", &publish]).await.ends(0);
    witness.look().await.ends(0);
    world.stop().await;
    assert_eq!(refusal(&world, StartOptions::default()).await, None);
    // The old log comes back under the new one's witness.
    put_back(&world, &newer);
    let said = refusal(&world, StartOptions::default()).await.unwrap();
    assert!(said.contains("it is an older copy"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_news_is_signed_again_and_a_silent_one_is_called_out() {
    let world =
        World::with(|_| {}, |text| *text = text.replace("sign_again_seconds = 3600", "sign_again_seconds = 1")).await;
    entry(&world, "citizen-one").await;
    let witness = Witness::new(&world).await;
    let time = |note: &str| note.lines().nth(3).unwrap()["time ".len()..].parse::<u64>().unwrap();
    let first = checkpoint(&world).await;
    witness.look().await.ends(0);
    let mut later = first.clone();
    while time(&later) <= time(&first) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        later = checkpoint(&world).await;
    }
    assert_eq!(first.lines().take(3).collect::<Vec<_>>(), later.lines().take(3).collect::<Vec<_>>());
    witness.look().await.ends(0);
    let cosigned = std::fs::read_to_string(witness.file("checkpoint")).unwrap();
    assert!(time(&cosigned) > time(&first), "the witness has cosigned the newer signature");

    let silent = log_of(1).await;
    let witness = Witness::new(&silent).await;
    witness.look().await.ends(0);
    let signed = time(&checkpoint(&silent).await);
    while godkend_tests::world::unix_now() <= i64::try_from(signed).unwrap() + 1 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    witness.look_with(&["--stale-after", "1"]).await.ends(25).alarm("stale");
    witness.look_with(&["--stale-after", "1000"]).await.ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_log_that_signs_again_convicts_itself() {
    let change = |text: &mut String| *text = text.replace("sign_again_seconds = 3600", "sign_again_seconds = 1");
    let mut world = World::with(|_| {}, change).await;
    entry(&world, "citizen-one").await;
    world.stop().await;
    let older = copy(&world);
    world.start().await;
    entry(&world, "citizen-two").await;
    let witness = Witness::new(&world).await;
    witness.look().await.ends(0);
    world.stop().await;
    put_back(&world, &older);
    world.start().await;
    let proven = loop {
        let record = witness.look().await.ends(22).alarm("shrunk").unwrap();
        let proof = witness.proof(&record).await;
        if proof.code == 0 {
            break proof.json();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(proven["proven"]["convicts"], true);
    assert_eq!((&proven["proven"]["older"][1], &proven["proven"]["newer"][1]), (&2.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_silence_are_called_out_and_change_nothing() {
    let mut world = log_of(1).await;
    let elsewhere = log_of(4).await;
    let witness = Witness::new(&world).await;
    witness.look().await.ends(0);
    let before = std::fs::read(witness.file("state.json")).unwrap();
    // Another environment's server, whatever it says it is.
    witness.look_with(&["--server", &elsewhere.url]).await.ends(21).alarm("bad_signature");
    world.stop().await;
    witness.look().await.ends(20).alarm("unreachable");
    assert_eq!(std::fs::read(witness.file("state.json")).unwrap(), before);
    // Another environment's root with this witness's folder.
    let other_root = root(&elsewhere);
    let words = ["witness", "--once", "--root", &other_root, "--state", &witness.state(), "--json"];
    auditor(&words).await.ends(1);
    auditor(&["witness", "--once", "--every", "5"]).await.ends(2);
    auditor(&["witness"]).await.ends(2);
    // A key is made once.
    auditor(&["witness", "init", "--state", &witness.state(), "--name", "another"]).await.ends(1);
    auditor(&["witness", "init", "--state", &path(&witness.folder.path().join("b")), "--name", "a b"]).await.ends(1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(witness.file("witness.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_killed_at_any_moment_goes_on_from_what_it_had() {
    let world = log_of(1).await;
    let witness = Witness::new(&world).await;
    witness.look().await.ends(0);
    let mut last = 1;
    for number in 0..12 {
        entry(&world, &format!("citizen-killed-{number}")).await;
        let mut watching = command();
        watching.args(["witness", "--every", "1", "--json", "--root", &root(&world), "--state", &witness.state()]);
        let mut child = watching.stdout(std::process::Stdio::null()).spawn().unwrap();
        // Somewhere between its start and its first look's end.
        tokio::time::sleep(std::time::Duration::from_millis(number * 9)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let shown: u64 = witness.check(&witness.file("checkpoint")).await.ends(0).json()["size"].as_u64().unwrap();
        assert!(shown >= last && shown <= size(&world).await, "{shown}");
        last = shown;
    }
    witness.look().await.ends(0);
    // Between keeping and showing: the next start shows it.
    let shown = std::fs::read(witness.file("checkpoint")).unwrap();
    std::fs::remove_file(witness.file("checkpoint")).unwrap();
    std::fs::write(witness.file("state.json.new"), b"{\"vers").unwrap();
    witness.look().await.ends(0);
    assert_eq!(std::fs::read(witness.file("checkpoint")).unwrap(), shown);
    // Two at once would forget each other's: the second is refused.
    let mut watching = command();
    watching.args(["witness", "--every", "60", "--json", "--root", &root(&world), "--state", &witness.state()]);
    let mut first = watching.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(first.stdout.take().unwrap());
    let line = tokio::task::spawn_blocking(move || {
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        line
    });
    assert!(line.await.unwrap().contains("witnessed"));
    let second = witness.look().await.ends(1);
    assert!(second.out.contains("another process"), "{second:#?}");
    first.kill().unwrap();
    first.wait().unwrap();
    // A state that was tampered with is not gone on from.
    let state = std::fs::read_to_string(witness.file("state.json")).unwrap();
    std::fs::write(witness.file("state.json"), state.replacen("\\n13\\n", "\\n12\\n", 1)).unwrap();
    witness.look().await.ends(1);
}
