//! The one place where this program reads the clock.
#![allow(clippy::disallowed_methods, reason = "a binary's edge: everything below gets the time as an argument")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix seconds.
pub(crate) fn unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A stopwatch.
#[derive(Clone, Copy)]
pub(crate) struct Watch(Instant);

impl Watch {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Since its start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Processor seconds that this process has used so far, by the kernel's count; `None` where there is no `/proc`.
pub(crate) fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of("self")
}

/// As [`cpu_seconds`], of the process with this number.
pub(crate) fn cpu_seconds_of(process: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces: fields are counted from behind it. 14 and 15 of proc_pid_stat(5).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    // USER_HZ is 100 on every Linux architecture that Rust's standard library supports.
    Some(f64::from(ticks(11)? + ticks(12)?) / 100.0)
}
