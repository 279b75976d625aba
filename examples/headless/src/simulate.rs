//! `simulate`: many phones at once, each activated and then logging in, against an embedded server or a given one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use godkend_client::{Root, Roots};
use godkend_core::{Approval, Command, Failure, Outcome, Pin};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::Url;

use crate::clock::{Watch, cpu_seconds};
use crate::desk::{Desk, NewCitizen};
use crate::exit::Exit;
use crate::home::RelyingPartyFile;
use crate::http;
use crate::json::{Report, Series, Simulation};
use crate::language::Language;
use crate::output::Output;
use crate::phone::{Finger, Phone, activate};
use crate::problem::Problem;
use crate::rp::browser::Browser;
use crate::rp::openid::{Ask, RelyingParty, random};

/// How much to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Phones.
    pub(crate) users: u32,
    /// Logins of each.
    pub(crate) logins: u32,
    /// At once.
    pub(crate) in_flight: u32,
}

/// The PIN of every simulated person.
const PIN: &str = "120486";
/// How many different failures are told.
const TOLD: usize = 10;

/// Runs the simulation.
///
/// # Errors
/// [`Problem`], if it cannot begin; single failures are counted.
pub(crate) async fn simulate(
    options: Options,
    root: &Root,
    bank: RelyingPartyFile,
    desk: Desk,
    out: Output,
) -> Result<Exit, Problem> {
    let cpu = cpu_seconds();
    let world = Arc::new(World {
        roots: Roots::new([root.clone()])?,
        client: http::client(root).await?,
        party: RelyingParty::discover(http::client(root).await?, &root.url, bank).await?,
        desk,
        out,
        // So that a second run against the same server finds no user id taken.
        name: random()?.chars().filter(char::is_ascii_alphanumeric).take(8).collect(),
        failures: Mutex::default(),
    });
    let users: Vec<u32> = (0..options.users).collect();
    let (activations, phones) =
        run(&world, options.in_flight, "Aktiverer", "Activating", users, |world, number| async move {
            world.activate(number).await
        })
        .await;
    let rounds = (0..options.logins).flat_map(|_| phones.iter().cloned()).collect();
    let (logins, _) = run(&world, options.in_flight, "Logger ind", "Signing in", rounds, |world, phone| async move {
        world.log_in(&phone).await
    })
    .await;
    let failures = world.failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let result = Simulation {
        users: options.users,
        in_flight: options.in_flight,
        activations,
        logins,
        cpu_seconds: cpu.and_then(|before| Some(cpu_seconds()? - before)),
        failures,
    };
    let failed = result.activations.failed + result.logins.failed;
    out.clear();
    out.report(&Report::Simulation(Box::new(result)));
    Ok(if failed == 0 { Exit::Done } else { Exit::Other })
}

/// What every simulated person shares.
struct World {
    roots: Roots,
    client: reqwest::Client,
    party: RelyingParty,
    desk: Desk,
    out: Output,
    name: String,
    failures: Mutex<Vec<String>>,
}

impl World {
    async fn activate(&self, number: u32) -> Result<Arc<Phone>, Problem> {
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
        Ok(Arc::new(phone))
    }

    async fn log_in(&self, phone: &Phone) -> Result<(), Problem> {
        let started = self.party.start(&Ask::default(), Language::Da).await?;
        let origin = Url::parse(&self.party.issuer).map_err(|e| Problem::Untrusted(e.to_string()))?;
        let mut browser = Browser::new(self.client.clone(), origin, None)?;
        let page = browser.open_login(&started.authorize).await?;
        let frames = browser.frames(&page).await?;
        let text = frames.current().ok_or(Failure::NotACode)?.text.clone();
        let Outcome::Request(view) = phone.run(Command::Scan { identity: None, text }).await? else {
            return Err(Failure::NotNow.into());
        };
        let with = Approval::Pin(Pin::new(PIN)?);
        phone.run(Command::Approve { request: view.id, with, remember_browser: false }).await?;
        let state = browser.state(&page, Some("opened"), 25).await?;
        let back = browser.finish(&state.finish.ok_or(Failure::NotNow)?).await?;
        self.party.finish(&started, &back).await?;
        Ok(())
    }
}

/// Works through a list, so many at once; gives the times and what came of each.
async fn run<T, R, F>(
    world: &Arc<World>,
    in_flight: u32,
    danish: &str,
    english: &str,
    items: Vec<T>,
    work: impl Fn(Arc<World>, T) -> F,
) -> (Series, Vec<R>)
where
    R: Send + 'static,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    let all = items.len();
    let permits = Arc::new(Semaphore::new(usize::try_from(in_flight.max(1)).unwrap_or(1)));
    let done = Arc::new(AtomicU32::new(0));
    let watch = Watch::start();
    let mut tasks = JoinSet::new();
    for item in items {
        let (permits, done, future) = (Arc::clone(&permits), Arc::clone(&done), work(Arc::clone(world), item));
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let each = Watch::start();
            let result = future.await;
            done.fetch_add(1, Ordering::Relaxed);
            (each.elapsed(), result)
        });
    }
    let mut times = Vec::with_capacity(all);
    let mut results = Vec::with_capacity(all);
    let mut failed = 0;
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            next = tasks.join_next() => match next {
                None => break,
                Some(Ok((time, Ok(result)))) => {
                    times.push(time);
                    results.push(result);
                }
                Some(Ok((_, Err(problem)))) => {
                    failed += 1;
                    note(world, &problem);
                }
                Some(Err(_)) => failed += 1,
            },
            _ = tick.tick() => {
                let count = done.load(Ordering::Relaxed);
                let seconds = watch.elapsed().as_secs();
                world.out.progress(
                    &format!("{danish} {count} af {all} · {failed} fejl · {seconds} s"),
                    &format!("{english} {count} of {all} · {failed} failed · {seconds} s"),
                );
            }
        }
    }
    world.out.clear();
    (series(&mut times, failed, watch.elapsed()), results)
}

fn note(world: &World, problem: &Problem) {
    let text = format!("{} [{}]", problem.text(world.out.language()), problem.code());
    let mut failures = world.failures.lock().unwrap_or_else(PoisonError::into_inner);
    if failures.len() < TOLD && !failures.contains(&text) {
        failures.push(text);
    }
}

fn series(times: &mut [Duration], failed: u32, whole: Duration) -> Series {
    times.sort_unstable();
    let done = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let seconds = whole.as_secs_f64();
    // Nearest rank.
    let percentile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(rank).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    };
    Series {
        done,
        failed,
        seconds,
        per_second: if seconds > 0.0 { f64::from(done) / seconds } else { 0.0 },
        p50_ms: percentile(50),
        p99_ms: percentile(99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let result = series(&mut times, 3, Duration::from_secs(2));
        assert_eq!((result.done, result.failed, result.p50_ms, result.p99_ms), (200, 3, 100, 198));
        assert!((result.per_second - 100.0).abs() < 1e-9);
        let none = series(&mut [], 0, Duration::ZERO);
        assert_eq!((none.done, none.p50_ms, none.p99_ms), (0, 0, 0));
        let one = series(&mut [Duration::from_millis(7)], 0, Duration::from_secs(1));
        assert_eq!((one.p50_ms, one.p99_ms), (7, 7));
    }
}
