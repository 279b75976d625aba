//! `simulate`: many phones at once, each activated and then logging in, against a server in a process of its own or a
//! given one; beside it the floor (`floor.rs`), in turns, so that both see the same machine.

pub(crate) mod floor;
mod pool;
mod process;

use std::path::Path;
use std::sync::Arc;

use godkend_client::{Root, Roots};
use godkend_core::{Approval, Command, Failure, Outcome, Pin};
use url::Url;

use self::floor::Work;
use self::pool::{Done, Failures, Said, Steps};
use self::process::{Process, Used};
use crate::clock::cpu_seconds;
use crate::desk::{Desk, NewCitizen};
use crate::exit::Exit;
use crate::home::{self, RelyingPartyFile, read_relying_party};
use crate::http;
use crate::json::{FloorRun, LoadRun, Report, ServerUse, Simulation};
use crate::language::Language;
use crate::output::Output;
use crate::phone::decide::With;
use crate::phone::{Finger, Phone, activate};
use crate::problem::Problem;
use crate::rp::browser::{Browser, PageState};
use crate::rp::openid::{Ask, RelyingParty, random};

/// How much to simulate.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Phones.
    pub(crate) users: u32,
    /// Logins of each, for each number in flight and each factor.
    pub(crate) logins: u32,
    /// At once, one after the other.
    pub(crate) in_flight: Vec<u32>,
    /// The factors, one after the other.
    pub(crate) with: Vec<With>,
    /// Measure the floor too, in turns with the logins.
    pub(crate) floor: bool,
    /// A first login of each phone that is not measured.
    pub(crate) warm_up: bool,
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
    let server = Process::start(&directory, false).await?;
    let floor = if options.floor {
        let directory = folder.path().join("floor");
        let floor = Process::start(&directory, true).await?;
        Some(FloorWorld { server: floor, root: only_root(&directory)? })
    } else {
        None
    };
    let root = only_root(&directory)?;
    let bank = read_relying_party(&home::relying_party_file(&directory))?;
    let desk = Desk::open(&root, &home::token_file(&directory)).await?;
    simulate(options, &root, bank, desk, Some(server), floor, out).await
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
    simulate(options, root, bank, desk, None, None, out).await
}

fn only_root(directory: &Path) -> Result<Root, Problem> {
    let roots = Roots::from_files([home::root_file(directory)])?;
    roots.only().cloned().ok_or_else(|| Problem::Embedded("there is no root".to_owned()))
}

async fn simulate(
    options: Options,
    root: &Root,
    bank: RelyingPartyFile,
    desk: Desk,
    server: Option<Process>,
    floor: Option<FloorWorld>,
    out: Output,
) -> Result<Exit, Problem> {
    let cpu = cpu_seconds();
    let world = Arc::new(World {
        roots: Roots::new([root.clone()])?,
        root: root.clone(),
        bank,
        desk,
        out,
        // So that a second run against the same server finds no user id taken.
        name: random()?.chars().filter(char::is_ascii_alphanumeric).take(8).collect(),
        failures: Arc::default(),
    });
    // Whoever cannot even reach the server needs no numbers.
    RelyingParty::discover(http::client(root).await?, &root.url, world.bank.clone()).await?;
    let most = options.in_flight.iter().copied().max().unwrap_or(1);
    let (mut activated, citizens) = world.activate_all(options.users, most).await;
    if options.warm_up {
        for with in options.with.iter().copied() {
            world.log_in_all(&citizens, (most, options.users), with).await;
        }
    }
    let (mut all, mut runs) = (Done::default(), Vec::new());
    for with in options.with.iter().copied() {
        for in_flight in options.in_flight.iter().copied() {
            let logins = options.users.saturating_mul(options.logins);
            let (run, done) =
                world.measure(&citizens, (in_flight, logins), with, server.as_ref(), floor.as_ref()).await;
            all.add(done);
            runs.push(run);
        }
    }
    let result = Simulation {
        users: options.users,
        in_flight: options.in_flight.first().copied().unwrap_or(1),
        activations: activated.series(),
        logins: all.series(),
        cpu_seconds: cpu.and_then(|before| Some(cpu_seconds()? - before)),
        started_ms: server.as_ref().map(|server| server.started_ms),
        runs,
        failures: world.failures.told(),
    };
    let failed = result.activations.failed + result.logins.failed;
    out.clear();
    out.report(&Report::Simulation(Box::new(result)));
    Ok(if failed == 0 { Exit::Done } else { Exit::Other })
}

/// What every simulated person shares.
struct World {
    roots: Roots,
    root: Root,
    bank: RelyingPartyFile,
    desk: Desk,
    out: Output,
    name: String,
    failures: Arc<Failures>,
}

/// A person: a phone, a browser, and a connection of the bank's. All of them keep their connections.
struct Citizen {
    phone: Phone,
    browser: reqwest::Client,
    bank: RelyingParty,
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
        let new = NewCitizen {
            name: format!("Simuleret {number}"),
            user_id: format!("sim-{}-{number}", self.name),
            born: "1980-01-01".to_owned(),
            cpr: None,
            level: "substantial".to_owned(),
            magic: None,
        };
        let citizen = self.desk.create_citizen(&new).await?;
        let handed = self.desk.hand_out(&citizen.id, false).await?;
        let phone = Phone::in_memory(&self.roots, "Simuleret telefon", Finger::Match, self.out.silent()).await?;
        let command = Command::Activate { text: handed.text.to_string(), environment: None };
        let Outcome::Digits { digits, .. } = phone.run(command).await? else { return Err(Failure::NotNow.into()) };
        self.desk.confirm(&handed.id, &digits).await?;
        activate::await_digits(&phone).await?;
        phone.run(Command::ChoosePin { identity: None, pin: Pin::new(PIN)? }).await?;
        let browser = http::client(&self.root).await?;
        let bank = RelyingParty::discover(http::client(&self.root).await?, &self.root.url, self.bank.clone()).await?;
        Ok(Citizen { phone, browser, bank })
    }

    async fn log_in_all(
        self: &Arc<Self>,
        citizens: &[Arc<Citizen>],
        (in_flight, logins): (u32, u32),
        with: With,
    ) -> Done {
        let said = Said { danish: "Logger ind", english: "Signing in" };
        pool::run(&self.out, &self.failures, said, (in_flight, logins), citizens, move |citizen| async move {
            log_in(&citizen, with).await
        })
        .await
    }

    async fn measure(
        self: &Arc<Self>,
        citizens: &[Arc<Citizen>],
        (in_flight, logins): (u32, u32),
        with: With,
        server: Option<&Process>,
        floor: Option<&FloorWorld>,
    ) -> (LoadRun, Done) {
        let turns = if floor.is_some() { TURNS.min(logins) } else { 1 };
        let (mut done, mut below) = (Done::default(), Below::default());
        let (mut used, mut own) = (Vec::new(), 0.0);
        for turn in 0..turns {
            let share = logins / turns + u32::from(turn < logins % turns);
            let (before, mine) = (usage(server).await, cpu_seconds());
            let part = self.log_in_all(citizens, (in_flight, share), with).await;
            own += cpu_seconds().zip(mine).map_or(0.0, |(after, before)| after - before);
            let count = part.count();
            used.extend(before.zip(usage(server).await).map(|(before, after)| ServerUse::of(&before, &after, count)));
            done.add(part);
            if let (Some(floor), Some(used)) = (floor, used.last()) {
                floor.measure(&mut below, self, citizens.len(), (in_flight, share), used).await;
            }
        }
        let series = done.series();
        let server = ServerUse::mean(&used);
        let floor = floor.is_some().then(|| below.run(&series, server.as_ref()));
        let run = LoadRun {
            with: with.name().to_owned(),
            in_flight,
            phases: done.phases(),
            generator_cpu_ms: own * 1000.0 / f64::from(series.done.max(1)),
            logins: series,
            server,
            floor,
        };
        (run, done)
    }
}

async fn usage(server: Option<&Process>) -> Option<Used> {
    server?.used().await
}

/// One login, as the parts of the real thing do it: the bank pushes its request; the browser follows it, loads the
/// page and the moving code, and waits for the phone as the page's script does; the phone scans, shows and approves;
/// the browser goes back, and the bank redeems its code and verifies the ID token.
async fn log_in(citizen: &Citizen, with: With) -> Result<Steps, Problem> {
    let mut steps = Steps::start();
    let started = citizen.bank.start(&Ask::default(), Language::Da).await?;
    steps.step("1 par");
    let origin = Url::parse(&citizen.bank.issuer).map_err(|e| Problem::Untrusted(e.to_string()))?;
    let mut browser = Browser::new(citizen.browser.clone(), origin, None)?;
    let page = browser.open_login(&started.authorize).await?;
    steps.step("2 authorize");
    browser.load(&page).await?;
    steps.step("3 page");
    let text = browser.frames(&page).await?.current().ok_or(Failure::NotACode)?.text.clone();
    steps.step("4 frames");
    let phone = async {
        let Outcome::Request(view) = citizen.phone.run(Command::Scan { identity: None, text }).await? else {
            return Err(Failure::NotNow.into());
        };
        steps.step("5 scan");
        let with = match with {
            With::Pin => Approval::Pin(Pin::new(PIN)?),
            With::Biometric => Approval::Biometric,
        };
        citizen.phone.run(Command::Approve { request: view.id, with, remember_browser: false }).await?;
        steps.step("6 approve");
        Ok::<_, Problem>(())
    };
    let watch = async {
        let mut known = "waiting".to_owned();
        loop {
            let PageState { state, finish, .. } = browser.state(&page, Some(&known), 25).await?;
            match finish {
                Some(finish) => return Ok::<_, Problem>(finish),
                None => known = state,
            }
        }
    };
    let ((), finish) = tokio::try_join!(phone, watch)?;
    steps.step("7 told");
    let back = browser.finish(&finish).await?;
    steps.step("8 finish");
    citizen.bank.finish(&started, &back).await?;
    steps.step("9 token");
    Ok(steps)
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
    fn run(&mut self, login: &crate::json::Series, server: Option<&ServerUse>) -> FloorRun {
        let series = self.done.series();
        let used = ServerUse::mean(&self.used);
        let ratio = |above: f64, below: f64| if below > 0.0 { above / below } else { 0.0 };
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
