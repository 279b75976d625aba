//! Disk full, database locked, descriptors and connections exhausted: 503 and no approval, nothing lost, and normal service
//! afterwards without a restart, and with one.

use std::time::Duration;

use sqlx::{Connection as _, SqliteConnection};
use tokio::net::TcpStream;

use crate::dice::Dice;
use crate::person::Person;
use crate::room::Hunger;
use crate::server::Server;
use crate::truth;
use crate::wire::{Trouble, Wire};

/// How often somebody tries before it must have been noticed that nothing can be written.
const DEEDS: usize = 400;

async fn person(server: &Server, user_id: &str) -> Person {
    let mut person = Person::new(&Wire::to(server), &server.root, user_id).await.unwrap();
    person.activate().await.unwrap();
    person
}

/// Everybody goes on as ever, and the files agree with everybody.
async fn all_is_well(server: &mut Server, people: &mut [Person], dice: &mut Dice) {
    server.recovers().await;
    for person in people.iter_mut() {
        person.settle(dice).await.unwrap();
        person.ordinary_login().await.unwrap();
    }
    server.stop().await;
    server.verified_log();
    let truth = truth::read(server.folder()).await;
    let mut found = truth.disagreements();
    people.iter().for_each(|person| truth.compare(person, &mut found));
    assert_eq!(found, Vec::<String>::new());
    server.start().await;
    for person in people.iter_mut() {
        person.settle(dice).await.unwrap();
        person.ordinary_login().await.unwrap();
    }
}

/// People go on until they are told that it does not go.
async fn until_refused(people: &mut [Person], dice: &mut Dice) {
    for person in people.iter_mut() {
        let mut refused = false;
        for _ in 0..DEEDS {
            match person.deed(dice).await {
                Ok(()) => {}
                Err(Trouble::Gone) => {
                    refused = true;
                    break;
                }
                Err(wrong) => panic!("{wrong:?}"),
            }
        }
        assert!(refused, "nobody noticed that nothing can be written");
    }
}

async fn starves(hunger: Hunger, mut server: Server) {
    server.set("PIN_WAITS_SECONDS", "[1, 1]");
    server.start().await;
    let mut dice = Dice::new(35);
    let mut people = [person(&server, "anna-hungry").await, person(&server, "bo-hungry").await];
    people[1].wrong_login().await.unwrap();
    let view = people[0].shown().await.unwrap();
    hunger.begins(&server);
    // Asked and read before, approved when nothing can be kept; the same while others try to get on.
    let pin = people[0].pin();
    let early = people[0].approve(&view, pin, false).await;
    assert!(matches!(early, Ok(()) | Err(Trouble::Gone)), "{early:?}");
    until_refused(&mut people, &mut dice).await;
    hunger.begins(&server);
    assert!(server.lives());
    assert_eq!(server.get("health").await, Some(200), "the process itself is well");
    let mut statuses = vec![server.get("ready").await, Wire::to(&server).par_status().await];
    statuses.retain(|status| *status != Some(503));
    assert!(statuses.is_empty(), "not 503 but {statuses:?}: {}", server.complaints());
    hunger.ends(&mut server);
    all_is_well(&mut server, &mut people, &mut dice).await;

    // Killed while hungry.
    hunger.begins(&server);
    until_refused(&mut people, &mut dice).await;
    server.kill();
    hunger.ends(&mut server);
    server.start().await;
    all_is_well(&mut server, &mut people, &mut dice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_disk_full() {
    let (hunger, server) = Hunger::disk(12 * 1024);
    starves(hunger, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_files_that_cannot_grow() {
    let (hunger, server) = Hunger::file_size();
    starves(hunger, server).await;
}

/// The database has room and the log has none: nothing is approved that only the database would know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_a_log_that_stands_still_approves_nothing() {
    let mut server = Server::new();
    server.start().await;
    let mut dice = Dice::new(36);
    let mut people = [person(&server, "cai-unlogged").await];
    // A folder where the new checkpoint's file should be.
    let obstacle = server.data().join("log/checkpoint.new");
    while std::fs::create_dir(&obstacle).is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::fs::write(obstacle.join("in the way"), b"").unwrap();
    let mut taken = 0;
    let refused = loop {
        match people[0].ordinary_login().await {
            Ok(()) => taken += 1,
            Err(trouble) => break trouble,
        }
        assert!(taken < DEEDS, "approvals go on without a log");
    };
    assert_eq!(refused, Trouble::Gone);
    assert_eq!(server.get("ready").await, Some(503));
    std::fs::remove_dir_all(&obstacle).unwrap();
    all_is_well(&mut server, &mut people, &mut dice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_database_locked_by_another_process() {
    let mut server = Server::new();
    server.set("PIN_WAITS_SECONDS", "[1, 1]");
    server.start().await;
    let mut dice = Dice::new(37);
    let mut people = [person(&server, "dan-locked").await, person(&server, "eva-locked").await];
    people[1].wrong_login().await.unwrap();
    let url = format!("sqlite://{}", server.data().join("godkend.sqlite").display());
    for _ in 0..2 {
        let view = people[0].shown().await.unwrap();
        // Closed before the files are copied: that would take this process's locks on them away (POSIX), and with them
        // the file that tells the next server of the connection.
        let mut other = SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let pin = people[0].pin();
        assert_eq!(people[0].approve(&view, pin, false).await, Err(Trouble::Gone), "approved with the database locked");
        assert_eq!(people[1].wrong_login().await, Err(Trouble::Gone), "begun with the database locked");
        assert_eq!(Wire::to(&server).par_status().await, Some(503));
        assert_eq!(server.get("ready").await, Some(503));
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        all_is_well(&mut server, &mut people, &mut dice).await;
    }
}

/// Far more at once than there are connections to the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_a_crowd_exhausts_the_pool() {
    let mut server = Server::new();
    server.start().await;
    let mut dice = Dice::new(38);
    let mut people = [person(&server, "finn-crowd").await];
    let wire = Wire::to(&server);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..1_500 {
        let wire = wire.clone();
        crowd.spawn(async move { wire.par_status().await });
    }
    let mut served = 0;
    while let Some(status) = crowd.join_next().await {
        let status = status.unwrap();
        assert!(matches!(status, None | Some(201 | 429 | 503)), "{status:?}");
        served += usize::from(status == Some(201));
    }
    println!("{served} of 1500 at once were served");
    assert!(served > 0);
    all_is_well(&mut server, &mut people, &mut dice).await;
}

fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a35_file_descriptors_exhausted() {
    let mut server = Server::new();
    server.start().await;
    let mut dice = Dice::new(39);
    let mut people = [person(&server, "gry-descriptors").await];
    people[0].ordinary_login().await.unwrap();
    let wire = Wire::to(&server);
    wire.devices(&people[0].citizen).await.unwrap();
    server.limit(&format!("--nofile={}:", descriptors(&server) + 4));
    let address = server.url.trim_start_matches("https://").to_owned();
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(TcpStream::connect(&address).await.unwrap());
    }
    // The connection that stood before is served on.
    for _ in 0..5 {
        assert_eq!(wire.devices(&people[0].citizen).await.map(|devices| devices.len()), Ok(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let meanwhile = people[0].ordinary_login().await;
    assert!(matches!(meanwhile, Ok(()) | Err(Trouble::Gone)), "{meanwhile:?}");
    assert!(server.lives());
    assert!(server.complaints().contains("no connection can be accepted"), "they were never exhausted");
    drop(crowd);
    server.limit("--nofile=1024:");
    all_is_well(&mut server, &mut people, &mut dice).await;
}
