//! A monotonic clock that goes on while the phone sleeps, so that a request is never shown for longer than it lives.

use godkend_client::clock::{Clock, SystemClock};
use godkend_core::Now;

/// Counts in sleep: `CLOCK_BOOTTIME` on Android and Linux, Apple's `CLOCK_MONOTONIC`.
pub(crate) struct PhoneClock(SystemClock);

impl PhoneClock {
    pub(crate) fn start() -> Self {
        Self(SystemClock::start())
    }
}

impl Clock for PhoneClock {
    fn now(&self) -> Now {
        let now = self.0.now();
        Now { monotonic_ms: since_boot().unwrap_or(now.monotonic_ms), ..now }
    }
}

#[cfg(unix)]
fn since_boot() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanoseconds = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000)
}

#[cfg(not(unix))]
fn since_boot() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_and_knows_the_year() {
        let clock = PhoneClock::start();
        let first = clock.now();
        let second = clock.now();
        assert!(second.monotonic_ms >= first.monotonic_ms);
        assert!(first.wall > 1_700_000_000, "the wall clock says {}", first.wall);
    }
}
