//! Limits per source that live in memory: against guessing and load. A person's own tries are never counted here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use godkend_protocol::codes::Code;

use crate::error::ApiError;

/// Buckets remembered at once; beyond it, full ones are forgotten, then the fuller half.
const MOST_BUCKETS: usize = 100_000;
/// One unit of a bucket, so that a millisecond refills `per_minute` of them.
const ONE: u64 = 60_000;
/// The first back-off after a refusal, in milliseconds; it doubles with each, up to [`LONGEST_BACK_OFF_MS`].
const FIRST_BACK_OFF_MS: i64 = 5_000;
/// The longest back-off of a source, in milliseconds: ten minutes.
const LONGEST_BACK_OFF_MS: i64 = 600_000;
/// A source that was not refused for so long starts anew, in milliseconds.
const BACK_OFF_FORGOTTEN_MS: i64 = 3_600_000;

/// Token buckets by name and source, and back-off after refusals.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: Mutex<HashMap<(&'static str, String), Bucket>>,
    refusals: Mutex<HashMap<String, Refusals>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: u64,
    full: u64,
    at_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Refusals {
    count: u32,
    last_ms: i64,
    until_ms: i64,
}

impl Throttle {
    /// Takes one from the bucket `bucket` of `source`, which holds `per_minute` and refills evenly. `now_ms` is in Unix
    /// milliseconds.
    ///
    /// # Errors
    /// [`Code::Throttled`] with the seconds to wait.
    pub fn take(&self, bucket: &'static str, source: &str, per_minute: u32, now_ms: i64) -> Result<(), ApiError> {
        self.look(bucket, source, per_minute, now_ms, true)
    }

    /// Whether [`Self::take`] would succeed, without taking: for what costs only when it turns out wrong.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn check(&self, bucket: &'static str, source: &str, per_minute: u32, now_ms: i64) -> Result<(), ApiError> {
        self.look(bucket, source, per_minute, now_ms, false)
    }

    /// Notes that a person refused or reported what this source started: its next starts wait.
    pub fn refused(&self, source: &str, now_ms: i64) {
        let mut all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_BUCKETS {
            all.retain(|_, refusals| now_ms.saturating_sub(refusals.last_ms) < BACK_OFF_FORGOTTEN_MS);
        }
        let refusals = all.entry(source.to_owned()).or_insert(Refusals { count: 0, last_ms: now_ms, until_ms: now_ms });
        if now_ms.saturating_sub(refusals.last_ms) >= BACK_OFF_FORGOTTEN_MS {
            refusals.count = 0;
        }
        let wait = FIRST_BACK_OFF_MS.saturating_mul(1_i64 << refusals.count.min(7)).min(LONGEST_BACK_OFF_MS);
        refusals.count = refusals.count.saturating_add(1);
        (refusals.last_ms, refusals.until_ms) = (now_ms, now_ms.saturating_add(wait));
    }

    /// Blocks a source for the longest back-off: a person said *this was not me*.
    pub fn reported(&self, source: &str, now_ms: i64) {
        self.refused(source, now_ms);
        let mut all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(refusals) = all.get_mut(source) {
            refusals.until_ms = now_ms.saturating_add(LONGEST_BACK_OFF_MS);
        }
    }

    /// Whether a source may start something that reaches a person.
    ///
    /// # Errors
    /// [`Code::Throttled`] with the seconds to wait.
    pub fn may_start(&self, source: &str, now_ms: i64) -> Result<(), ApiError> {
        let all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(source) {
            // A clock that was set back must not make the wait longer than it ever is.
            Some(refusals) if now_ms < refusals.until_ms && now_ms >= refusals.last_ms => {
                Err(ApiError::wait(Code::Throttled, seconds(refusals.until_ms.saturating_sub(now_ms))))
            }
            _ => Ok(()),
        }
    }

    fn look(
        &self,
        bucket: &'static str,
        source: &str,
        per_minute: u32,
        now_ms: i64,
        take: bool,
    ) -> Result<(), ApiError> {
        let per_minute = u64::from(per_minute.max(1));
        let full = per_minute * ONE;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (bucket, source.to_owned());
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            forget(&mut buckets, now_ms);
        }
        let entry = buckets.entry(key).or_insert(Bucket { level: full, full, at_ms: now_ms });
        let gone = u64::try_from(now_ms.saturating_sub(entry.at_ms)).unwrap_or(0);
        entry.level = entry.level.saturating_add(gone.saturating_mul(per_minute)).min(full);
        entry.at_ms = now_ms;
        if entry.level < ONE {
            let wait_ms = (ONE - entry.level).div_ceil(per_minute);
            return Err(ApiError::wait(Code::Throttled, seconds(i64::try_from(wait_ms).unwrap_or(60_000))));
        }
        if take {
            entry.level -= ONE;
        }
        Ok(())
    }
}

fn forget(buckets: &mut HashMap<(&'static str, String), Bucket>, now_ms: i64) {
    // A minute refills any bucket.
    buckets.retain(|_, bucket| bucket.level < bucket.full && now_ms.saturating_sub(bucket.at_ms) < 60_000);
    if buckets.len() >= MOST_BUCKETS {
        let mut left = MOST_BUCKETS / 2;
        buckets.retain(|_, bucket| {
            let keep = bucket.level < ONE && left > 0;
            left -= usize::from(keep);
            keep
        });
    }
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_for_its_source_alone() {
        let throttle = Throttle::default();
        for _ in 0..5 {
            throttle.take("names", "a", 5, 1_000).unwrap();
        }
        assert_eq!(throttle.take("names", "a", 5, 1_000), Err(ApiError::wait(Code::Throttled, 12)));
        throttle.take("names", "b", 5, 1_000).unwrap();
        throttle.take("codes", "a", 5, 1_000).unwrap();
        throttle.check("names", "a", 5, 13_000).unwrap();
        throttle.take("names", "a", 5, 13_000).unwrap();
        assert!(throttle.take("names", "a", 5, 13_000).is_err());
    }

    #[test]
    fn back_off_doubles_and_ends() {
        let throttle = Throttle::default();
        throttle.may_start("a", 0).unwrap();
        throttle.refused("a", 0);
        assert_eq!(throttle.may_start("a", 0), Err(ApiError::wait(Code::Throttled, 5)));
        throttle.may_start("a", 5_000).unwrap();
        throttle.refused("a", 5_000);
        assert_eq!(throttle.may_start("a", 5_000), Err(ApiError::wait(Code::Throttled, 10)));
        for _ in 0..40 {
            throttle.refused("a", 20_000);
        }
        assert_eq!(throttle.may_start("a", 20_000), Err(ApiError::wait(Code::Throttled, 600)));
        throttle.may_start("b", 20_000).unwrap();
        throttle.reported("c", 0);
        assert_eq!(throttle.may_start("c", 0), Err(ApiError::wait(Code::Throttled, 600)));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..MOST_BUCKETS + 10 {
            throttle.take("names", &number.to_string(), 1, 0).unwrap();
        }
        assert!(throttle.buckets.lock().unwrap().len() <= MOST_BUCKETS);
    }
}
