//! `simulate`: many phones at once, each activated and then logging in, against a server in a process of its own or a
//! given one; beside it the floor (`floor.rs`), in turns, so that both see the same machine.

pub(crate) mod floor;
mod login;
mod means;
mod pool;
pub(crate) mod population;
mod process;
pub(crate) mod way;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use godkend_client::{Root, Roots};
use godkend_core::{Command, Failure, Outcome, Pin};
use tokio::sync::Mutex;
use url::Url;

use self::floor::Work;
use self::login::Citizen;
use self::means::{Means, Person};
use self::pool::{Done, Failures, Said, Steps};
use self::process::{Kind, Process, Used};
use self::way::Way;
use crate::clock::cpu_seconds;
use crate::desk::{Desk, NewCitizen};
use crate::exit::Exit;
use crate::home::{self, RelyingPartyFile, read_relying_party};
use crate::http;
use crate::json::{EmptyRun, FloorRun, LoadRun, Report, Series, ServerUse, Simulation};
use crate::output::Output;
use crate::phone::{Finger, Phone, activate};
use crate::problem::Problem;
use crate::rp::browser::Browser;
use crate::rp::openid::{RelyingParty, random};

/// How much to simulate.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Phones.
    pub(crate) users: u32,
    /// Logins of each, for each number in flight and each factor.
    pub(crate) logins: u32,
    /// At once, one after the other.
    pub(crate) in_flight: Vec<u32>,
    /// The ways, one after the other.
    pub(crate) with: Vec<Way>,
    /// Measure the floor too, in turns with the logins.
    pub(crate) floor: bool,
    /// A first login of each phone that is not measured.
    pub(crate) warm_up: bool,
    /// Another program of this kind to be the server, to compare two versions with the same load.
    pub(crate) server: Option<PathBuf>,
    /// So many further citizens in the database; an empty server beside it then logs in in turns.
    pub(crate) prepare: Option<u32>,
}

/// The PIN of every simulated person.
const PIN: &str = "120486";
/// How often login and floor take turns in one run.
const TURNS: u32 = 4;

/// Runs the simulation against a server of its own, which is removed afterwards.
///
/// # Errors
/// [`Problem`], if it cannot begin; single failures are counted.
pub(crate) async fn with_own_server(options: Options, out: Output) -> Result<Exit, Problem> {
    let folder = tempfile::tempdir().map_err(|e| Problem::file(std::env::temp_dir(), e))?;
    let directory = folder.path().join("server");
    out.progress("Serveren starter ...", "The server starts ...");
    let program = options.server.as_deref();
    if let Some(count) = options.prepare {
        let kind = Kind::Preparing { citizens: count, told: !out.is_json() };
        Process::start(program, &directory, kind).await?.stop().await;
    }
    let site = own_site(program, &directory, &options, out).await?;
    let empty = match options.prepare {
        Some(_) => Some(own_site(program, &folder.path().join("empty"), &options, out).await?),
        None => None,
    };
    let floor = if options.floor {
        let directory = folder.path().join("floor");
        let server = Process::start(None, &directory, Kind::Floor).await?;
        Some(FloorWorld { server, root: only_root(&directory)? })
    } else {
        None
    };
    simulate(options, site, empty, floor, out).await
}

async fn own_site(program: Option<&Path>, directory: &Path, options: &Options, out: Output) -> Result<Site, Problem> {
    let server = Process::start(program, directory, Kind::Plain).await?;
    let root = only_root(directory)?;
    let bank = read_relying_party(&home::relying_party_file(directory))?;
    let desk = Desk::open(&root, &home::token_file(directory)).await?;
    Site::open(options, root, bank, desk, Some(server), out).await
}

/// Runs the simulation against a server that runs already.
///
/// # Errors
/// As [`with_own_server`].
pub(crate) async fn with_given_server(
    options: Options,
    root: &Root,
    bank: RelyingPartyFile,
    desk: Desk,
    out: Output,
) -> Result<Exit, Problem> {
    let site = Site::open(&options, root.clone(), bank, desk, None, out).await?;
    simulate(options, site, None, None, out).await
}

fn only_root(directory: &Path) -> Result<Root, Problem> {
    let roots = Roots::from_files([home::root_file(directory)])?;
    roots.only().cloned().ok_or_else(|| Problem::Embedded("there is no root".to_owned()))
}

/// A server and the people who use it.
struct Site {
    world: Arc<World>,
    server: Option<Process>,
    citizens: Vec<Arc<Citizen>>,
    activated: Done,
}

impl Site {
    /// Activates everybody, and warms up if that is wanted.
    async fn open(
        options: &Options,
        root: Root,
        bank: RelyingPartyFile,
        desk: Desk,
        server: Option<Process>,
        out: Output,
    ) -> Result<Self, Problem> {
        let world = Arc::new(World {
            roots: Roots::new([root.clone()])?,
            root,
            bank,
            desk,
            out,
            // So that a second run against the same server finds no user id taken.
            name: random()?.chars().filter(char::is_ascii_alphanumeric).take(8).collect(),
            with: options.with.clone(),
            failures: Arc::default(),
        });
        // Whoever cannot even reach the server needs no numbers.
        RelyingParty::discover(http::client(&world.root).await?, &world.root.url, world.bank.clone()).await?;
        let most = options.in_flight.iter().copied().max().unwrap_or(1);
        let (activated, citizens) = world.activate_all(options.users, most.min(16)).await;
        let site = Self { world, server, citizens, activated };
        if options.warm_up {
            for with in options.with.iter().copied() {
                site.world.log_in_all(&site.citizens, (most, options.users), with).await;
            }
        }
        Ok(site)
    }

    /// So many logins, and what they took of the server and of this program.
    async fn turn(&self, (in_flight, logins): (u32, u32), with: Way) -> Turn {
        let (before, mine) = (usage(self.server.as_ref()).await, cpu_seconds());
        let done = self.world.log_in_all(&self.citizens, (in_flight, logins), with).await;
        let own = cpu_seconds().zip(mine).map_or(0.0, |(after, before)| after - before);
        let after = usage(self.server.as_ref()).await;
        let used = before.zip(after).map(|(before, after)| ServerUse::of(&before, &after, done.count()));
        Turn { done, used, own }
    }
}

struct Turn {
    done: Done,
    used: Option<ServerUse>,
    /// Processor seconds of this program.
    own: f64,
}

async fn simulate(
    options: Options,
    mut site: Site,
    empty: Option<Site>,
    floor: Option<FloorWorld>,
    out: Output,
) -> Result<Exit, Problem> {
    let cpu = cpu_seconds();
    let (mut all, mut runs) = (Done::default(), Vec::new());
    for with in options.with.iter().copied() {
        for in_flight in options.in_flight.iter().copied() {
            let logins = options.users.saturating_mul(options.logins);
            let beside = Beside { empty: empty.as_ref(), floor: floor.as_ref() };
            let (run, done) = measure(&site, &beside, (in_flight, logins), with).await;
            all.add(done);
            runs.push(run);
        }
    }
    let mut failures = site.world.failures.told();
    failures.extend(empty.iter().flat_map(|empty| empty.world.failures.told()));
    let result = Simulation {
        users: options.users,
        in_flight: options.in_flight.first().copied().unwrap_or(1),
        activations: site.activated.series(),
        logins: all.series(),
        cpu_seconds: cpu.and_then(|before| Some(cpu_seconds()? - before)),
        started_ms: site.server.as_ref().map(|server| server.started_ms),
        runs,
        failures,
    };
    let failed = result.activations.failed + result.logins.failed;
    out.clear();
    out.report(&Report::Simulation(Box::new(result)));
    Ok(if failed == 0 { Exit::Done } else { Exit::Other })
}

/// What takes turns with the logins.
struct Beside<'a> {
    empty: Option<&'a Site>,
    floor: Option<&'a FloorWorld>,
}

async fn measure(site: &Site, beside: &Beside<'_>, (in_flight, logins): (u32, u32), with: Way) -> (LoadRun, Done) {
    let alone = beside.empty.is_none() && beside.floor.is_none();
    let turns = if alone { 1 } else { TURNS.min(logins) };
    let (mut done, mut below, mut empty) = (Done::default(), Below::default(), Done::default());
    let (mut used, mut empty_used, mut own) = (Vec::new(), Vec::new(), 0.0);
    for turn in 0..turns {
        let share = logins / turns + u32::from(turn < logins % turns);
        let part = site.turn((in_flight, share), with).await;
        own += part.own;
        used.extend(part.used);
        done.add(part.done);
        if let Some(other) = beside.empty {
            let part = other.turn((in_flight, share), with).await;
            empty_used.extend(part.used);
            empty.add(part.done);
        }
        if let (Some(floor), Some(used)) = (beside.floor, used.last()) {
            // The chip's signature is checked by another library, which counts nothing.
            let used = ServerUse { verifications: used.verifications + f64::from(u8::from(with.has_chip())), ..*used };
            floor.measure(&mut below, &site.world, site.citizens.len(), (in_flight, share), &used).await;
        }
    }
    let series = done.series();
    let server = ServerUse::mean(&used);
    let run = LoadRun {
        with: with.name().to_owned(),
        in_flight,
        phases: done.phases(),
        generator_cpu_ms: own * 1000.0 / f64::from(series.done.max(1)),
        floor: beside.floor.map(|_| below.run(&series, server.as_ref())),
        empty: beside.empty.map(|_| EmptyRun::of(empty.series(), ServerUse::mean(&empty_used), &series)),
        logins: series,
        server,
    };
    (run, done)
}

impl EmptyRun {
    fn of(logins: Series, server: Option<ServerUse>, full: &Series) -> Self {
        Self {
            p50_ratio: ratio(full.p50_ms, logins.p50_ms),
            p99_ratio: ratio(full.p99_ms, logins.p99_ms),
            logins,
            server,
        }
    }
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 { above / below } else { 0.0 }
}

/// What every simulated person shares.
struct World {
    roots: Roots,
    root: Root,
    bank: RelyingPartyFile,
    desk: Desk,
    out: Output,
    name: String,
    with: Vec<Way>,
    failures: Arc<Failures>,
}

impl World {
    async fn activate_all(self: &Arc<Self>, users: u32, in_flight: u32) -> (Done, Vec<Arc<Citizen>>) {
        let numbers: Vec<Arc<u32>> = (0..users).map(Arc::new).collect();
        let ready = Arc::new(std::sync::Mutex::new(Vec::new()));
        let said = Said { danish: "Aktiverer", english: "Activating" };
        let (world, all) = (self.clone(), ready.clone());
        let done = pool::run(&self.out, &self.failures, said, (in_flight, users), &numbers, move |number| {
            let (world, all) = (world.clone(), all.clone());
            async move {
                let mut steps = Steps::start();
                let citizen = world.activate(*number).await?;
                steps.step("activation");
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(Arc::new(citizen));
                Ok(steps)
            }
        })
        .await;
        let citizens = std::mem::take(&mut *ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        (done, citizens)
    }

    async fn activate(&self, number: u32) -> Result<Citizen, Problem> {
        let user_id = format!("sim-{}-{number}", self.name);
        let new = NewCitizen {
            name: format!("Simuleret {number}"),
            user_id: user_id.clone(),
            born: "1980-01-01".to_owned(),
            cpr: None,
            level: "substantial".to_owned(),
            magic: None,
            tell_uses: false,
        };
        let account = self.desk.create_citizen(&new).await?;
        let handed = self.desk.hand_out(&account.id, false).await?;
        let phone = Phone::in_memory(&self.roots, "Simuleret telefon", Finger::Match, self.out.silent()).await?;
        let command = Command::Activate { text: handed.text.to_string(), environment: None };
        let Outcome::Digits { digits, .. } = phone.run(command).await? else { return Err(Failure::NotNow.into()) };
        self.desk.confirm(&handed.id, &digits).await?;
        activate::await_digits(&phone).await?;
        phone.run(Command::ChoosePin { identity: None, pin: Pin::new(PIN)? }).await?;
        if self.with.contains(&Way::Biometric) {
            phone.run(Command::EnableBiometrics { identity: None, pin: Pin::new(PIN)? }).await?;
        }
        let browser = http::client(&self.root).await?;
        let bank = RelyingParty::discover(http::client(&self.root).await?, &self.root.url, self.bank.clone()).await?;
        let origin = Url::parse(&bank.issuer).map_err(|e| Problem::Untrusted(e.to_string()))?;
        let mut pages = Browser::new(browser, origin.clone(), None)?;
        let person = Person { id: &account.id, user_id: &user_id };
        let means = Means::of(&self.with, &self.desk, &mut pages, &origin, person).await?;
        let citizen = Citizen { user_id, phone, browser: pages, remembered: Mutex::default(), bank, means };
        if self.with.contains(&Way::Remembered) {
            citizen.have_remembered().await?;
        }
        Ok(citizen)
    }

    async fn log_in_all(
        self: &Arc<Self>,
        citizens: &[Arc<Citizen>],
        (in_flight, logins): (u32, u32),
        with: Way,
    ) -> Done {
        let said = Said { danish: "Logger ind", english: "Signing in" };
        pool::run(&self.out, &self.failures, said, (in_flight, logins), citizens, move |citizen| async move {
            citizen.log_in(with).await
        })
        .await
    }
}

async fn usage(server: Option<&Process>) -> Option<Used> {
    server?.used().await
}

/// The floor's server.
struct FloorWorld {
    server: Process,
    root: Root,
}

/// What the floor's turns have shown.
#[derive(Default)]
struct Below {
    done: Done,
    used: Vec<ServerUse>,
    connections: Vec<Arc<FloorCitizen>>,
}

/// The connections of a person: phone, browser and bank.
struct FloorCitizen([reqwest::Client; 3]);

impl FloorWorld {
    /// One turn: so many times what a login took.
    async fn measure(
        &self,
        below: &mut Below,
        world: &World,
        citizens: usize,
        (in_flight, logins): (u32, u32),
        login: &ServerUse,
    ) {
        if below.connections.is_empty() {
            for _ in 0..citizens {
                let client = || http::client(&self.root);
                if let (Ok(a), Ok(b), Ok(c)) = (client().await, client().await, client().await) {
                    below.connections.push(Arc::new(FloorCitizen([a, b, c])));
                }
            }
        }
        let plan = Arc::new(floor::plan(
            rounded(login.requests),
            Work {
                verifications: rounded(login.verifications),
                signatures: rounded(login.signatures),
                opaque_starts: rounded(login.opaque_starts),
                commits: rounded(login.commits),
            },
        ));
        let url = self.root.url.trim_end_matches('/').to_owned();
        let said = Said { danish: "Gulvet", english: "The floor" };
        let before = self.server.used().await;
        let work = move |citizen: Arc<FloorCitizen>| {
            let (plan, url) = (plan.clone(), url.clone());
            async move {
                for (nr, work) in plan.iter().enumerate() {
                    let client = &citizen.0[nr % 3];
                    let response = client.post(format!("{url}{}", work.path())).send().await;
                    let response = response.map_err(|error| http::network(&url, &error))?;
                    if !response.status().is_success() {
                        return Err(Problem::Embedded("the floor failed".to_owned()));
                    }
                    response.bytes().await.map_err(|error| http::network(&url, &error))?;
                }
                let mut steps = Steps::start();
                steps.step("floor");
                Ok(steps)
            }
        };
        let part = pool::run(&world.out, &world.failures, said, (in_flight, logins), &below.connections, work).await;
        let (after, count) = (self.server.used().await, part.count());
        below.used.extend(before.zip(after).map(|(before, after)| ServerUse::of(&before, &after, count)));
        below.done.add(part);
    }
}

impl Below {
    fn run(&mut self, login: &Series, server: Option<&ServerUse>) -> FloorRun {
        let series = self.done.series();
        let used = ServerUse::mean(&self.used);
        FloorRun {
            cpu_ratio: server.zip(used.as_ref()).map_or(0.0, |(login, floor)| ratio(login.cpu_ms, floor.cpu_ms)),
            throughput_ratio: ratio(series.per_second, login.per_second),
            series,
            server: used,
        }
    }
}

impl ServerUse {
    /// Between two looks, for each of so many logins.
    fn of(before: &Used, after: &Used, logins: u32) -> Self {
        let each = |value: f64| value / f64::from(logins.max(1));
        let count = |name: &str| each(f64::from(u32::try_from(after.since(before, name)).unwrap_or(u32::MAX)));
        Self {
            cpu_ms: each((after.cpu - before.cpu) * 1000.0),
            requests: count("requests"),
            signatures: count("signatures"),
            verifications: count("verifications"),
            opaque_starts: count("opaque_starts"),
            commits: count("commits"),
            transactions: count("transactions"),
            log_rounds: count("log_rounds"),
            log_flushes: count("log_flushes"),
            memory_kb: after.memory_kb,
            peak_kb: after.peak_kb,
        }
    }

    /// Of equally long turns.
    fn mean(turns: &[Self]) -> Option<Self> {
        let last = turns.last()?;
        let count = f64::from(u32::try_from(turns.len()).unwrap_or(u32::MAX));
        let mean = |of: fn(&Self) -> f64| turns.iter().map(of).sum::<f64>() / count;
        Some(Self {
            cpu_ms: mean(|used| used.cpu_ms),
            requests: mean(|used| used.requests),
            signatures: mean(|used| used.signatures),
            verifications: mean(|used| used.verifications),
            opaque_starts: mean(|used| used.opaque_starts),
            commits: mean(|used| used.commits),
            transactions: mean(|used| used.transactions),
            log_rounds: mean(|used| used.log_rounds),
            log_flushes: mean(|used| used.log_flushes),
            memory_kb: last.memory_kb,
            peak_kb: last.peak_kb,
        })
    }
}

/// To the nearest whole number.
fn rounded(value: f64) -> u32 {
    format!("{value:.0}").parse().unwrap_or(0)
}
