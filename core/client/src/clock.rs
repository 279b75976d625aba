//! Where the machine's time comes from.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use godkend_core::Now;

/// Tells the time before each step of the machine. A phone's shell brings one whose monotonic part counts in sleep
/// (Android: `elapsedRealtime`, iOS: `mach_continuous_time`).
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Now;
}

/// The computer's clocks. Where the monotonic one stands still in sleep, a request may look alive for longer on the
/// screen; the server, which judges, is not moved by it.
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock that counts from now.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the edge of a program: everything below is handed the time")]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the edge of a program: everything below is handed the time")]
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now {
            wall: i64::try_from(wall).unwrap_or(i64::MAX),
            monotonic_ms: u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl fmt::Debug for SystemClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemClock")
    }
}
