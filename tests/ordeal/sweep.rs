//! The kill sweep: load, a kill nobody chose, a look at the files, a restart that may be killed too, and everybody goes on.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clients::Commuter;
use crate::dice::{self, Dice};
use crate::person::{Counts, Person};
use crate::server::Server;
use crate::truth;
use crate::wire::{Trouble, Wire};

/// Rounds on one environment, so that files stay as small as those of a short life.
const ROUNDS_PER_WORLD: u64 = 25;
const PEOPLE: u64 = 6;
/// The server dies within so many milliseconds of load.
const LONGEST_LOAD: u64 = 1_200;
/// The phone that is a process dies within so many milliseconds of its start.
const LONGEST_COMMUTE: u64 = 450;
/// A start is killed within so many milliseconds.
const LONGEST_START: u64 = 250;

fn rounds() -> u64 {
    std::env::var("GODKEND_ORDEAL_ROUNDS").map_or(50, |text| text.parse().expect("GODKEND_ORDEAL_ROUNDS"))
}

#[derive(Default)]
struct Kills {
    under_load: u64,
    at_start: u64,
    terminated: u64,
    of_phones: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_and_nothing_doubled() {
    let seed = dice::seed();
    let mut dice = Dice::new(seed);
    #[allow(clippy::disallowed_methods, reason = "a record says how long it took")]
    let (rounds, began) = (rounds(), Instant::now());
    let (mut counts, mut kills, mut entries) = (Counts::default(), Kills::default(), 0);
    let mut done = 0;
    while done < rounds {
        let some = ROUNDS_PER_WORLD.min(rounds - done);
        let mut world = World::new(dice.split()).await;
        for round in done..done + some {
            if let Err(wrong) = world.round(&mut kills).await {
                panic!("round {round} of seed {seed}: {wrong}");
            }
        }
        done += some;
        counts.add(world.counts());
        counts.approvals += world.commuter.approvals;
        kills.of_phones += world.commuter.kills;
        entries += world.end().await;
        let seconds = began.elapsed().as_secs();
        let Kills { under_load, at_start, terminated, of_phones } = kills;
        println!(
            "{done} rounds in {seconds} s: {under_load} kills under load, {at_start} during a start, \
             {terminated} SIGTERM, {of_phones} phones killed; {entries} log entries; {counts:?}"
        );
    }
    assert!(counts.approvals > done && counts.wrong_pins > done / 2, "there was no load: {counts:?}");
}

/// An environment and its people.
struct World {
    server: Server,
    dice: Dice,
    people: Vec<Person>,
    /// Those whose phones were blocked: they are looked at and do nothing.
    retired: Vec<Person>,
    commuter: Commuter,
    names: u64,
}

impl World {
    async fn new(dice: Dice) -> Self {
        let mut server = Server::new();
        server.set("PIN_WAITS_SECONDS", "[1, 1]");
        server.start().await;
        let commuter = Commuter::new(&server, "commuter").await;
        let mut world = Self { server, dice, people: Vec::new(), retired: Vec::new(), commuter, names: 0 };
        for _ in 0..PEOPLE {
            let mut person = world.somebody().await.unwrap();
            person.activate().await.unwrap();
            world.people.push(person);
        }
        world
    }

    async fn somebody(&mut self) -> Result<Person, Trouble> {
        self.names += 1;
        Person::new(&Wire::to(&self.server), &self.server.root, &format!("person-{}", self.names)).await
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.people.iter().chain(&self.retired).for_each(|person| counts.add(person.counts));
        counts
    }

    async fn round(&mut self, kills: &mut Kills) -> Result<(), String> {
        let newcomer = if self.dice.once_in(2) { self.somebody().await.ok() } else { None };
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for person in self.people.drain(..).chain(newcomer) {
            tasks.spawn(live(person, self.dice.split(), stopped.clone()));
        }
        let load = Duration::from_millis(self.dice.below(LONGEST_LOAD));
        // The phone that is a process dies in two rounds of three, before the server or after it.
        let dies = (!self.dice.once_in(3)).then(|| self.dice.below(LONGEST_COMMUTE));
        let server = &mut self.server;
        let way = self.dice.below(8);
        let end = async {
            tokio::time::sleep(load).await;
            match way {
                0 => server.stop().await,
                1..4 => server.kill_at_commit().await,
                _ => server.kill(),
            }
        };
        let (commuted, ()) = tokio::join!(self.commuter.commute(dies), end);
        match way {
            0 => kills.terminated += 1,
            _ => kills.under_load += 1,
        }
        stop.send_replace(true);
        let mut complaints = Vec::new();
        if let Err(Trouble::Wrong(what)) = commuted {
            complaints.push(format!("commuter: {what}"));
        }
        while let Some(ended) = tasks.join_next().await {
            let (person, complaint) = ended.unwrap();
            complaints.extend(complaint);
            self.people.push(person);
        }
        complaints.extend(self.look().await);
        if !complaints.is_empty() {
            return Err(complaints.join("\n"));
        }
        self.restart(kills).await;
        self.server.verified_log();
        self.settle().await
    }

    /// The files, while nobody writes them.
    async fn look(&self) -> Vec<String> {
        let truth = truth::read(self.server.folder()).await;
        let mut found = truth.disagreements();
        self.people.iter().chain(&self.retired).for_each(|person| truth.compare(person, &mut found));
        found
    }

    /// A start that may itself be killed, once or twice.
    async fn restart(&mut self, kills: &mut Kills) {
        while self.dice.once_in(3) {
            self.server.spawn(&[]);
            tokio::time::sleep(Duration::from_millis(self.dice.below(LONGEST_START))).await;
            self.server.kill();
            kills.at_start += 1;
        }
        self.server.start().await;
    }

    /// Everybody resumes, and the bank comes for what is its.
    async fn settle(&mut self) -> Result<(), String> {
        let mut tasks = JoinSet::new();
        for mut person in self.people.drain(..) {
            let mut dice = self.dice.split();
            tasks.spawn(async move {
                let settled = person.settle(&mut dice).await;
                (person, settled)
            });
        }
        let mut wrong = Vec::new();
        if let Err(trouble) = self.commuter.settle().await {
            wrong.push(format!("commuter: {trouble:?}"));
        }
        while let Some(ended) = tasks.join_next().await {
            let (person, settled) = ended.unwrap();
            if let Err(trouble) = settled {
                wrong.push(format!("{}: {trouble:?}", person.citizen));
            }
            if person.is_usable() {
                self.people.push(person);
            } else if person.blocked {
                self.retired.push(person);
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// A last stop and a last look; how long the log has become.
    async fn end(mut self) -> usize {
        self.server.stop().await;
        assert_eq!(self.look().await, Vec::<String>::new());
        truth::read(self.server.folder()).await.entries.len()
    }
}

/// Lives until the server is gone.
async fn live(mut person: Person, mut dice: Dice, stopped: watch::Receiver<bool>) -> (Person, Option<String>) {
    let mut first = !person.active;
    while !*stopped.borrow() {
        let done = if first {
            person.activate().await
        } else if dice.once_in(60) {
            person.block().await
        } else {
            person.deed(&mut dice).await
        };
        match done {
            Ok(()) if !person.is_usable() => break,
            Ok(()) => first = false,
            Err(Trouble::Gone) => break,
            Err(Trouble::Wrong(what)) => {
                let who = person.citizen.clone();
                return (person, Some(format!("{who}: {what}")));
            }
        }
    }
    (person, None)
}
