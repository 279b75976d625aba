//! How long to wait before the same bytes are sent again.

use std::time::Duration;

use rand_core::CryptoRng;

/// Exponential back-off with full jitter: a uniform draw from zero to a ceiling that doubles. After an outage a
/// million phones come back spread out, not in waves.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Default for Backoff {
    /// From 500 milliseconds to 30 seconds.
    fn default() -> Self {
        Self::new(Duration::from_millis(500), Duration::from_secs(30))
    }
}

impl Backoff {
    /// A back-off whose ceiling starts at `first` and stops growing at `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// How long to wait after one more failure. What the server asks for (`retry_after`, in seconds) is waited out in
    /// full, and the draw comes on top.
    pub fn after_failure(&mut self, rng: &mut dyn CryptoRng, retry_after: Option<u32>) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX);
        let ceiling = self.first.saturating_mul(doubled).min(self.most);
        self.failures = self.failures.saturating_add(1);
        // 32 random bits as a fraction: fine enough for any ceiling here.
        let fraction = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
        Duration::from_secs(retry_after.unwrap_or(0).into()) + ceiling.mul_f64(fraction)
    }

    /// Something worked: the next failure starts from the beginning.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::tests::Seeded;

    #[test]
    fn the_ceiling_doubles_up_to_the_most_and_draws_fill_the_range() {
        let entropy = Seeded::entropy(1);
        let ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(Duration::from_millis);
        let mut largest = [Duration::ZERO; 8];
        let mut smallest = [Duration::MAX; 8];
        for _ in 0..400 {
            let mut backoff = Backoff::default();
            for (at, ceiling) in ceilings.iter().enumerate() {
                let wait = entropy.with(|rng| backoff.after_failure(rng, None));
                assert!(wait < *ceiling);
                largest[at] = largest[at].max(wait);
                smallest[at] = smallest[at].min(wait);
            }
        }
        for at in 0..8 {
            assert!(largest[at] > ceilings[at].mul_f64(0.9), "draw {at} does not fill its range");
            assert!(smallest[at] < ceilings[at].mul_f64(0.1), "draw {at} is not full jitter");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_waited_out() {
        let entropy = Seeded::entropy(2);
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            let wait = entropy.with(|rng| backoff.after_failure(rng, Some(7)));
            assert!(wait >= Duration::from_secs(7) && wait < Duration::from_secs(37));
        }
        assert_eq!(backoff.failures(), 100);
        backoff.reset();
        assert!(entropy.with(|rng| backoff.after_failure(rng, None)) < Duration::from_millis(500));
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let entropy = Seeded::entropy(3);
        let mut backoff = Backoff::new(Duration::from_secs(u64::MAX / 2), Duration::from_secs(1));
        backoff.failures = u32::MAX;
        assert!(entropy.with(|rng| backoff.after_failure(rng, None)) < Duration::from_secs(1));
    }
}
