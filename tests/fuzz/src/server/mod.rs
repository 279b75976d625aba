//! The whole server: people at phones, pages, a bank and a desk, and a stranger on the wire, in any order. What is sent
//! is also lost, repeated, changed and reordered; the server is stopped and started, on its database or an older one.

mod faults;
mod outside;
mod phones;
mod promises;

use std::collections::{HashMap, HashSet};

use godkend_core::{Effect, RequestView};
use godkend_protocol::bytes::{Id, PublicKey};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::Decision;
use godkend_server::records::Transaction;
use tempfile::TempDir;

use crate::handset::{Handset, Saved};
use crate::host::{self, Host, template};
use crate::input::Input;

/// The most steps of one input.
const STEPS: usize = 80;

pub(crate) fn run(data: &[u8]) {
    // Made before the count of the generator begins, so that a first input runs as it would as a thousandth; and far
    // from where that one began, so that nothing gets the name of what is there.
    let _ = template();
    #[cfg(fuzzing)]
    godkend_server::ops::random::repeatable::go_on_at(1 << 40);
    host::runtime().block_on(async {
        let mut scene = Scene::new().await;
        // What the template's people did on their way here is not for this scene to judge.
        scene.outcomes.extend(scene.all::<Transaction>().await.iter().filter_map(|transaction| {
            let outcome = transaction.outcome.as_ref()?;
            Some((transaction.id, (outcome.decision, outcome.account, outcome.device)))
        }));
        let mut input = Input::new(data);
        for _ in 0..STEPS {
            if input.is_empty() {
                break;
            }
            scene.step(&mut input).await;
            scene.check().await;
        }
        scene.host.take().unwrap().close().await;
    });
}

/// A phone, what its person has been shown and has done.
struct Person {
    phone: Handset,
    shown: Vec<RequestView>,
    digits: String,
    /// Transactions that the person has approved, and refused.
    approved: HashSet<Id>,
    refused: HashSet<Id>,
    /// Wishes of the phone's own, each approved by being made.
    wishes: u32,
    wishes_done: u32,
    /// The store was put back or copied.
    tampered: bool,
    earlier: Option<Saved>,
}

impl Person {
    fn new(saved: Saved, seed: &str) -> Self {
        Self {
            phone: Handset::new(template().root.clone(), saved, seed),
            shown: Vec::new(),
            digits: "12345678".to_owned(),
            approved: HashSet::new(),
            refused: HashSet::new(),
            wishes: 0,
            wishes_done: 0,
            tampered: false,
            earlier: None,
        }
    }

    fn devices(&self) -> Vec<Id> {
        self.phone.machine().identities().iter().map(|view| view.device).collect()
    }

    fn device(&self) -> Option<Id> {
        self.devices().first().copied()
    }

    fn owns(&self, device: Id) -> bool {
        self.devices().contains(&device)
    }
}

#[derive(Default)]
struct Page {
    login: String,
    cookies: HashMap<String, String>,
    answer: String,
}

/// What the store said of a device when last looked at.
struct Seen {
    state: DeviceState,
    pin: Option<(PublicKey, u32)>,
    /// Times that the debits went down.
    cleared: u32,
}

struct Scene {
    dir: TempDir,
    older: Option<TempDir>,
    host: Option<Host>,
    ahead_ms: i64,
    people: Vec<Person>,
    /// Effects that are asked for and not performed.
    flows: Vec<(usize, Effect)>,
    /// Links, codes, numbers and QR texts that were handed to somebody.
    texts: Vec<String>,
    numbers: Vec<String>,
    activations: Vec<String>,
    requests: Vec<String>,
    waiting: Vec<Id>,
    pages: Vec<Page>,
    /// Everything that a phone has sent.
    sent: Vec<(&'static str, Vec<u8>)>,
    outcomes: HashMap<Id, (Decision, Option<Id>, Option<Id>)>,
    devices: HashMap<Id, Seen>,
    /// Right proofs of a PIN that left a phone, by device and exchange.
    proofs: HashSet<(Id, u64)>,
    restored: bool,
}

impl Scene {
    async fn new() -> Self {
        let dir = host::copy();
        let host = Host::open(dir.path(), 0).await;
        let mut people: Vec<_> = template()
            .phones
            .iter()
            .enumerate()
            .map(|(number, saved)| Person::new(saved.clone(), &format!("phone {number}")))
            .collect();
        people.push(Person::new(Saved::default(), "phone new"));
        Self {
            dir,
            older: None,
            host: Some(host),
            ahead_ms: 0,
            people,
            flows: Vec::new(),
            texts: Vec::new(),
            numbers: Vec::new(),
            activations: Vec::new(),
            requests: Vec::new(),
            waiting: Vec::new(),
            pages: Vec::new(),
            sent: Vec::new(),
            outcomes: HashMap::new(),
            devices: HashMap::new(),
            proofs: HashSet::new(),
            restored: false,
        }
    }

    fn host(&self) -> &Host {
        self.host.as_ref().unwrap()
    }

    async fn step(&mut self, input: &mut Input<'_>) {
        match input.below(24) {
            0..=5 => {
                self.command(input).await;
            }
            6..=8 => self.one_effect(input).await,
            9 => {
                while !self.flows.is_empty() {
                    self.perform(input, 0, 0).await;
                }
            }
            10 | 11 => self.bank(input).await,
            12..=14 => self.page(input).await,
            15 => self.desk(input).await,
            16 => self.digits(input).await,
            17 => self.pass_time(input).await,
            18 => self.replay(input).await,
            19 => self.raw(input).await,
            20 => self.restart(input).await,
            21 => self.kill(input),
            22 => self.token(input).await,
            _ => self.everyday(input).await,
        }
    }
}
