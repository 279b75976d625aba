//! Files that do not belong together: an older database beside the living log, both lost, an empty database, a damaged or
//! shortened log.

use std::path::{Path, PathBuf};

use godkend_core::{Approval, Command, Failure};
use godkend_protocol::codes::Code;
use godkend_protocol::types::Decision;
use reqwest::Method;
use serde_json::json;

use crate::dice::Dice;
use crate::person::{Person, debits};
use crate::server::Server;
use crate::truth;
use crate::wire::{Browser, Finish, Wire};

async fn person(server: &Server, user_id: &str) -> Person {
    let mut person = Person::new(&Wire::to(server), &server.root, user_id).await.unwrap();
    person.activate().await.unwrap();
    person
}

fn is_database(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_str().unwrap().starts_with("godkend.sqlite"))
}

type Files = Vec<(PathBuf, Vec<u8>)>;

fn database(data: &Path) -> Files {
    let paths = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| is_database(path)).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn remove_database(data: &Path) {
    database(data).iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
}

fn put_back(data: &Path, files: &Files) {
    remove_database(data);
    files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
}

/// Kills a few starts before one is let through.
async fn start_through_kills(server: &mut Server, dice: &mut Dice) {
    for _ in 0..6 {
        server.spawn(&[]);
        tokio::time::sleep(std::time::Duration::from_millis(dice.below(150))).await;
        server.kill();
    }
    server.start().await;
}

async fn refusal(person: &mut Person, with: Approval) -> Option<Code> {
    let mut browser = Browser::new(&person.wire);
    browser.open().await.unwrap();
    let text = browser.qr().await.unwrap();
    let view = match person.client.run(Command::Scan { identity: None, text }).await {
        Ok(godkend_core::Outcome::Request(view)) => view,
        Err(Failure::Refused { code, .. }) => return Some(code),
        other => panic!("{other:?}"),
    };
    match person.client.run(Command::Approve { request: view.id, with, remember_browser: false }).await {
        Ok(_) => None,
        // The challenge does not offer it.
        Err(Failure::NotSupported) => Some(Code::FactorRefused),
        Err(Failure::Refused { code, .. }) => Some(code),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_an_older_database_beside_the_living_log() {
    let mut server = Server::new();
    server.start().await;
    let mut dice = Dice::new(20);
    let wire = Wire::to(&server);
    let mut honest = person(&server, "honest").await;
    let mut sinner = person(&server, "sinner").await;
    let mut blocked = person(&server, "blocked").await;
    let removed = person(&server, "removed").await;
    let mut changer = person(&server, "changer").await;
    // Shown before the copy, answered after it.
    let approves = honest.shown().await.unwrap();
    // Approved before the copy, and fetched by the bank after it; and a code issued before it, redeemed after it.
    let mut collected = person(&server, "collected").await;
    let mut pages = Vec::new();
    for _ in 0..2 {
        let view = collected.shown().await.unwrap();
        let pin = collected.pin();
        collected.approve(&view, pin, false).await.unwrap();
        pages.push(collected.page());
    }
    let Ok(Finish::Code(code)) = pages[1].finish().await else { panic!("no code") };
    server.stop().await;
    let older = database(&server.data());
    server.start().await;
    let Ok(Finish::Code(other)) = pages[0].finish().await else { panic!("no code") };
    for code in [&code, &other] {
        wire.redeem(code).await.unwrap().is(200).unwrap();
    }
    let pin = honest.pin();
    honest.approve(&approves, pin, false).await.unwrap();
    let mut page = honest.page();
    honest.collect_last().await.unwrap();
    for _ in 0..3 {
        honest.ordinary_login().await.unwrap();
    }
    sinner.wrong_login().await.unwrap();
    sinner.wrong_login().await.unwrap();
    blocked.block().await.unwrap();
    let device = wire.devices(&removed.citizen).await.unwrap()[0]["id"].as_str().unwrap().to_owned();
    wire.desk(Method::POST, &format!("devices/{device}/remove"), Some(json!({}))).await.unwrap().is(200).unwrap();
    changer.change_pin(&mut dice).await.unwrap();
    server.stop().await;

    put_back(&server.data(), &older);
    start_through_kills(&mut server, &mut dice).await;
    assert!(server.complaints().contains("the database was older than the log"), "{}", server.complaints());
    // No try is refilled, and the honest person's are whole.
    let tries = |devices: Vec<serde_json::Value>| debits(&devices[0]["pin"]);
    assert_eq!(tries(wire.devices(&sinner.citizen).await.unwrap()), 2);
    assert_eq!(tries(wire.devices(&honest.citizen).await.unwrap()), 0);
    // No phone is revived.
    let pin = blocked.pin();
    assert_eq!(refusal(&mut blocked, pin).await, Some(Code::DeviceBlocked));
    assert_eq!(wire.devices(&removed.citizen).await.unwrap()[0]["state"], "removed");
    // No transaction is open again: not for the phone, and not for the bank.
    let (transaction, _) = honest.acknowledged[0].clone();
    assert_eq!(page.transaction(), transaction);
    let ended = page.finish().await;
    assert!(!matches!(ended, Ok(Finish::Code(_))), "collected again: {ended:?}");
    for page in &mut pages {
        if let Ok(Finish::Code(code)) = page.finish().await {
            wire.redeem(&code).await.unwrap().is(400).unwrap();
        }
    }
    for code in [&code, &other] {
        wire.redeem(code).await.unwrap().is(400).unwrap();
    }
    // A PIN that the copy does not have is void, and the old one is not valid again.
    let pin = changer.pin();
    assert_eq!(refusal(&mut changer, pin).await, Some(Code::PinMissing));
    // Nobody is frozen: honest phones go on, with the ratchet that they have.
    honest.settle(&mut dice).await.unwrap();
    honest.ordinary_login().await.unwrap();
    sinner.settle(&mut dice).await.unwrap();
    sinner.ordinary_login().await.unwrap();
    server.stop().await;
    server.verified_log();
    let decided = truth::read(server.folder()).await.decisions();
    for (transaction, decision) in honest.acknowledged.iter().chain(&sinner.acknowledged) {
        let logged = decided.get(&godkend_protocol::bytes::Id::from_base64(transaction).unwrap());
        assert_eq!(logged.cloned().unwrap_or_default(), decision.iter().copied().collect::<Vec<Decision>>());
    }
}

/// An answer that was acknowledged, and that neither the copy of the database nor the log has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_the_last_second_that_the_log_never_saw_stops_no_honest_phone() {
    let mut server = Server::new();
    server.start().await;
    let mut honest = person(&server, "ahead").await;
    honest.biometrics_on().await.unwrap();
    let mut other = person(&server, "beside").await;
    server.stop().await;
    let older = database(&server.data());
    server.start().await;
    other.ordinary_login().await.unwrap();
    server.stop().await;
    let log = tempfile::tempdir().unwrap();
    truth::copy(&server.data().join("log"), log.path());
    server.start().await;
    honest.ordinary_login().await.unwrap();
    server.kill();
    put_back(&server.data(), &older);
    std::fs::remove_dir_all(server.data().join("log")).unwrap();
    truth::copy(log.path(), &server.data().join("log"));
    server.start().await;
    // The phone is one answer ahead of everything that the server has: only its PIN carries it on.
    assert_eq!(refusal(&mut honest, Approval::Biometric).await, Some(Code::PinNeeded));
    let pin = honest.pin();
    assert_eq!(refusal(&mut honest, pin).await, None);
    assert_eq!(refusal(&mut honest, Approval::Biometric).await, None);
    other.ordinary_login().await.unwrap();
    // And the next start knows of the restore: a phone that comes later is no worse off.
    server.kill();
    server.start().await;
    assert_eq!(refusal(&mut honest, Approval::Biometric).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_both_lost_is_a_new_epoch_with_one_try() {
    let mut server = Server::new();
    server.start().await;
    let wire = Wire::to(&server);
    let mut honest = person(&server, "epoch-honest").await;
    honest.biometrics_on().await.unwrap();
    let mut sinner = person(&server, "epoch-sinner").await;
    let mut blocked = person(&server, "epoch-blocked").await;
    server.stop().await;
    let older = database(&server.data());
    server.start().await;
    blocked.block().await.unwrap();
    let pending = honest.shown().await.unwrap();
    honest.ordinary_login().await.unwrap();
    server.kill();
    put_back(&server.data(), &older);
    std::fs::remove_dir_all(server.data().join("log")).unwrap();
    let refused = server.try_start(&[]).await.unwrap_err();
    assert!(refused.contains("the log has fewer"), "{refused}");
    server.try_start(&["--new-epoch"]).await.unwrap();
    let devices = wire.devices(&honest.citizen).await.unwrap();
    assert_eq!(debits(&devices[0]["pin"]), 8, "one try: {devices:?}");
    assert_eq!(refusal(&mut honest, Approval::Biometric).await, Some(Code::FactorRefused), "no finger before the PIN");
    // What was under way is void.
    let pin = honest.pin();
    assert!(honest.approve(&pending, pin, false).await.is_err());
    // Killed and started as ever, it is the same epoch, and the one try is still one.
    server.kill();
    server.start().await;
    let devices = wire.devices(&sinner.citizen).await.unwrap();
    assert_eq!(debits(&devices[0]["pin"]), 8, "{devices:?}");
    sinner.wrong_login().await.unwrap();
    let pin = sinner.pin();
    assert_eq!(refusal(&mut sinner, pin).await, Some(Code::PinDead));
    // Ahead of the server, the honest phone goes on with its PIN; then everything is as before.
    let pin = honest.pin();
    assert_eq!(refusal(&mut honest, pin).await, None);
    assert_eq!(refusal(&mut honest, Approval::Biometric).await, None);
    // A block that only the lost log knew is entered anew, as the operators' guide says.
    blocked.block().await.unwrap();
    let pin = blocked.pin();
    assert_eq!(refusal(&mut blocked, pin).await, Some(Code::DeviceBlocked));
    server.stop().await;
    server.verified_log();
}

/// What an operator's hand or a bad disk may do to the files, and the sentence that the start refuses with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_files_that_do_not_belong_together_are_refused_with_a_sentence() {
    let mut server = Server::new();
    server.start().await;
    let mut honest = person(&server, "sentence").await;
    honest.ordinary_login().await.unwrap();
    server.stop().await;
    let data = server.data();
    let (whole, good) = (tempfile::tempdir().unwrap(), database(&data));
    let log = data.join("log");
    truth::copy(&log, whole.path());
    let restore = || {
        std::fs::remove_dir_all(&log).unwrap();
        truth::copy(whole.path(), &log);
    };
    let entries = log.join("entries");
    let cut = |bytes: u64| {
        let file = std::fs::File::options().write(true).open(&entries).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    };
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let damages: [(&str, &dyn Fn(), &str); 6] = [
        ("its tail is cut off", &|| cut(2_000), "is damaged"),
        ("its last record is torn", &|| cut(1), "is damaged"),
        ("one byte of it is another", &|| flip(&entries), "is damaged"),
        ("one byte of its checkpoint is another", &|| flip(&log.join("checkpoint")), "checkpoint"),
        ("its entries are gone", &|| std::fs::remove_file(&entries).unwrap(), "fewer"),
        ("the database is empty", &|| remove_database(&data), "the database is empty"),
    ];
    for (what, damage, sentence) in damages {
        damage();
        let said = server.try_start(&[]).await.expect_err(what);
        assert!(said.contains(sentence) && !said.contains("panicked"), "{what}: {said}");
        restore();
        put_back(&data, &good);
    }
    // What the checkpoint does not cover may be torn: it was acknowledged by nobody but the database.
    std::io::Write::write_all(&mut std::fs::File::options().append(true).open(&entries).unwrap(), &[7; 30]).unwrap();
    server.start().await;
    honest.settle(&mut Dice::new(1)).await.unwrap();
    honest.ordinary_login().await.unwrap();
    server.stop().await;
    server.verified_log();
}

/// A country's log is not read before the server answers, but behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a20_a_long_log_is_read_behind_the_server_and_damage_stops_every_approval() {
    let mut server = Server::new();
    server.start().await;
    let mut honest = person(&server, "behind").await;
    honest.ordinary_login().await.unwrap();
    server.stop().await;
    let entries = server.data().join("log/entries");
    let good = std::fs::read(&entries).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    std::fs::write(&entries, &bad).unwrap();
    server.set("LOG_CHECKED_BEFORE_START_MB", "0");
    server.spawn(&[]);
    let found = async {
        while server.get("ready").await != Some(503) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), found).await.expect("the damage is not found");
    assert!(server.complaints().contains("is damaged"), "{}", server.complaints());
    assert!(honest.ordinary_login().await.is_err(), "approved beside a damaged log");
    // It does not heal by itself.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(server.get("ready").await, Some(503));
    server.stop().await;
    std::fs::write(&entries, &good).unwrap();
    server.start().await;
    honest.settle(&mut Dice::new(2)).await.unwrap();
    honest.ordinary_login().await.unwrap();
    server.stop().await;
    assert!(server.complaints().contains("the whole audit log is as it was written"), "{}", server.complaints());
    server.verified_log();
}

/// A ledger is of use only if it can find something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_look_at_the_files_finds_what_does_not_agree() {
    let mut server = Server::new();
    server.start().await;
    let mut honest = person(&server, "found").await;
    server.stop().await;
    let older = database(&server.data());
    server.start().await;
    honest.ordinary_login().await.unwrap();
    honest.wrong_login().await.unwrap();
    server.stop().await;
    let look = async |person: &Person| {
        let truth = truth::read(server.folder()).await;
        let mut found = truth.disagreements();
        truth.compare(person, &mut found);
        found
    };
    assert_eq!(look(&honest).await, Vec::<String>::new());
    honest.debits = (2, 2);
    assert_eq!(look(&honest).await.len(), 1, "a debit is missing");
    honest.debits = (1, 1);
    honest.acknowledged[0].1 = Some(Decision::Deny);
    assert_eq!(look(&honest).await.len(), 1, "another decision");
    honest.acknowledged[0].1 = Some(Decision::Approve);
    put_back(&server.data(), &older);
    let found = look(&honest).await;
    assert!(found.len() >= 3, "an older database: {found:?}");
}
