//! Work done by so many workers at once, and how long each piece took.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::Watch;
use crate::json::{Phase, Series};
use crate::output::Output;
use crate::problem::Problem;

/// How many different failures are told.
const TOLD: usize = 10;

/// What came of a list of work.
#[derive(Default)]
pub(super) struct Done {
    times: Vec<Duration>,
    phases: BTreeMap<&'static str, Vec<Duration>>,
    failed: u32,
    elapsed: Duration,
}

/// The steps of one piece of work and what each took.
pub(super) struct Steps {
    watch: Watch,
    last: Duration,
    steps: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub(super) fn start() -> Self {
        Self { watch: Watch::start(), last: Duration::ZERO, steps: Vec::new() }
    }

    /// What was done since the last step has this name.
    pub(super) fn step(&mut self, name: &'static str) {
        let now = self.watch.elapsed();
        self.steps.push((name, now.saturating_sub(self.last)));
        self.last = now;
    }
}

/// Failures, each told once.
#[derive(Default)]
pub(super) struct Failures(Mutex<Vec<String>>);

impl Failures {
    pub(super) fn note(&self, problem: &Problem, out: &Output) {
        let text = format!("{} [{}]", problem.text(out.language()), problem.code());
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < TOLD && !failures.contains(&text) {
            failures.push(text);
        }
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is said while the work goes on.
#[derive(Clone, Copy)]
pub(super) struct Said {
    pub(super) danish: &'static str,
    pub(super) english: &'static str,
}

/// Calls `work` so often, by so many workers at once, each time with a subject that no other worker has at the time.
pub(super) async fn run<S, F>(
    out: &Output,
    failures: &Arc<Failures>,
    said: Said,
    (in_flight, all): (u32, u32),
    subjects: &[Arc<S>],
    work: impl Fn(Arc<S>) -> F + Clone + Send + Sync + 'static,
) -> Done
where
    S: Send + Sync + 'static,
    F: Future<Output = Result<Steps, Problem>> + Send + 'static,
{
    let free: Arc<Mutex<VecDeque<Arc<S>>>> = Arc::new(Mutex::new(subjects.iter().cloned().collect()));
    let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let watch = Watch::start();
    let mut tasks = JoinSet::new();
    let workers = in_flight.max(1).min(u32::try_from(subjects.len()).unwrap_or(u32::MAX)).min(all);
    for _ in 0..workers {
        let (free, begun, ended, work) = (free.clone(), begun.clone(), ended.clone(), work.clone());
        let (failures, out) = (failures.clone(), *out);
        tasks.spawn(async move {
            let mut own = Done::default();
            while begun.fetch_add(1, Ordering::Relaxed) < all {
                let Some(subject) = free.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { break };
                let each = Watch::start();
                match work(subject.clone()).await {
                    Ok(steps) => {
                        own.times.push(each.elapsed());
                        for (name, time) in steps.steps {
                            own.phases.entry(name).or_default().push(time);
                        }
                    }
                    Err(problem) => {
                        own.failed += 1;
                        failures.note(&problem, &out);
                    }
                }
                ended.fetch_add(1, Ordering::Relaxed);
                free.lock().unwrap_or_else(PoisonError::into_inner).push_back(subject);
            }
            own
        });
    }
    let mut done = Done::default();
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tokio::select! {
            next = tasks.join_next() => match next {
                None => break,
                Some(Ok(own)) => done.add(own),
                Some(Err(_)) => done.failed += 1,
            },
            _ = tick.tick() => {
                let (count, seconds) = (ended.load(Ordering::Relaxed), watch.elapsed().as_secs());
                out.progress(
                    &format!("{} {count} af {all} · {seconds} s", said.danish),
                    &format!("{} {count} of {all} · {seconds} s", said.english),
                );
            }
        }
    }
    out.clear();
    done.elapsed = watch.elapsed();
    done
}

impl Done {
    /// Takes in what another worker, or another part of the same work, has done.
    pub(super) fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        for (name, times) in other.phases {
            self.phases.entry(name).or_default().extend(times);
        }
        self.failed += other.failed;
        self.elapsed += other.elapsed;
    }

    /// How many succeeded.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    /// The numbers of the whole.
    pub(super) fn series(&mut self) -> Series {
        self.times.sort_unstable();
        let seconds = self.elapsed.as_secs_f64();
        let at = |percent| percentile_ms(&self.times, percent);
        Series {
            done: self.count(),
            failed: self.failed,
            seconds,
            per_second: if seconds > 0.0 { f64::from(self.count()) / seconds } else { 0.0 },
            p50_ms: at(50),
            p90_ms: at(90),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }

    /// The numbers of each step.
    pub(super) fn phases(&mut self) -> Vec<Phase> {
        self.phases
            .iter_mut()
            .map(|(name, times)| {
                times.sort_unstable();
                Phase { name: (*name).to_owned(), p50_ms: percentile_ms(times, 50), p99_ms: percentile_ms(times, 99) }
            })
            .collect()
    }
}

/// By nearest rank, of sorted times; milliseconds with two decimals.
fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    let rank = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(rank).map_or(0.0, |time| (time.as_secs_f64() * 100_000.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl Iterator<Item = u64>, failed: u32, elapsed: u64) -> Series {
        let times = times.map(Duration::from_millis).collect();
        Done { times, failed, elapsed: Duration::from_secs(elapsed), ..Done::default() }.series()
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let result = of((1..=200).rev(), 3, 2);
        assert_eq!((result.done, result.failed, result.p50_ms, result.p99_ms), (200, 3, 100.0, 198.0));
        assert_eq!((result.p90_ms, result.max_ms), (180.0, 200.0));
        assert!((result.per_second - 100.0).abs() < 1e-9);
        let none = of(0..0, 0, 0);
        assert_eq!((none.done, none.p50_ms, none.p99_ms), (0, 0.0, 0.0));
        let one = of(7..8, 0, 1);
        assert_eq!((one.p50_ms, one.p99_ms), (7.0, 7.0));
    }

    #[tokio::test]
    async fn no_subject_is_in_two_hands() {
        let out = Output::new(true, crate::language::Language::En);
        let failures = Arc::new(Failures::default());
        let subjects: Vec<Arc<AtomicU32>> = (0..3).map(|_| Arc::default()).collect();
        let said = Said { danish: "", english: "" };
        let done = run(&out, &failures, said, (8, 100), &subjects, |subject: Arc<AtomicU32>| async move {
            assert_eq!(subject.fetch_add(1, Ordering::SeqCst), 0);
            tokio::task::yield_now().await;
            subject.fetch_sub(1, Ordering::SeqCst);
            let mut steps = Steps::start();
            steps.step("one");
            Ok(steps)
        })
        .await;
        assert_eq!((done.count(), done.failed, done.phases["one"].len()), (100, 0, 100));
        assert!(failures.told().is_empty());
    }
}
