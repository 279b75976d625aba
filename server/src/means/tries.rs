//! Who has tried how often. A failure is counted before the try is evaluated, so that a try that is given up half-way
//! counts as well; a success clears the counter that it fell on.

use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;

use super::records::TryCount;
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::policy::Tries;
use crate::records::Entry;

const DAY: i64 = 86_400;

/// What a try falls on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counter<'a> {
    /// A browser that the person has signed in with before.
    OwnBrowser(&'a Id),
    /// All other browsers of the world together.
    Strangers,
    /// Whoever has proved a possession that cannot be guessed.
    Proved,
    /// One address, among the strangers.
    Address(&'a str),
}

impl Counter<'_> {
    /// The counter of an account, which may not exist.
    pub(super) fn key(&self, account: &Id) -> Hash32 {
        let (name, detail): (&str, &[u8]) = match self {
            Self::OwnBrowser(browser) => ("own", &browser.0),
            Self::Strangers => ("strangers", &[]),
            Self::Proved => ("proved", &[]),
            Self::Address(address) => ("address", address.as_bytes()),
        };
        crypto::labelled_hash("godkend/1/means-tries", &[&account.0, name.as_bytes(), detail])
    }
}

/// Reads a counter; new where there is none.
pub(super) async fn read(app: &App, key: Hash32) -> Result<Entry<TryCount>, ApiError> {
    let known = docs::get::<TryCount>(&*app.store, &key.0).await?;
    Ok(known.unwrap_or(Entry { doc: TryCount { key, failures: 0, last: 0 }, version: None }))
}

/// Counts a try, or says how long to wait.
pub(super) fn debit(count: &mut TryCount, counter: Counter<'_>, tries: &Tries, now: i64) -> Result<(), ApiError> {
    let seconds = match counter {
        Counter::Address(_) => day_left(count, tries.one_address, now),
        Counter::OwnBrowser(_) => left(count, tries.in_a_row, &tries.own_browser_waits, now),
        Counter::Strangers => left(count, tries.in_a_row, &tries.stranger_waits, now),
        Counter::Proved => left(count, tries.in_a_row, &tries.proved_waits, now),
    };
    if let Some(seconds) = seconds {
        return Err(ApiError::wait(Code::MeansWaiting, seconds));
    }
    count.failures = count.failures.saturating_add(1);
    count.last = now;
    Ok(())
}

/// Whether this try was the last before a wait: then the person is told.
pub(super) fn is_last(count: &TryCount, tries: &Tries) -> bool {
    count.failures.is_multiple_of(tries.in_a_row.max(1))
}

/// Seconds left of the wait after a full round of failures.
fn left(count: &mut TryCount, in_a_row: u32, waits: &[u32], now: i64) -> Option<u32> {
    let in_a_row = in_a_row.max(1);
    let rounds = count.failures / in_a_row;
    let at = usize::try_from(rounds).ok()?.checked_sub(1)?;
    let wait = i64::from(waits.get(at).or(waits.last()).copied()?);
    // A clock that was set back makes no wait longer than it is.
    let gone = now.saturating_sub(count.last).max(0);
    if count.failures.is_multiple_of(in_a_row) && gone < wait {
        return Some(u32::try_from(wait - gone).unwrap_or(u32::MAX));
    }
    // After the wait and a quiet day the counter begins anew: no faster way than waiting to guess, and none is shut for good.
    if gone >= wait.saturating_add(DAY) {
        count.failures = 0;
    }
    None
}

/// Seconds left of the day after so many failures.
fn day_left(count: &mut TryCount, most: u32, now: i64) -> Option<u32> {
    let gone = now.saturating_sub(count.last).max(0);
    if gone >= DAY {
        count.failures = 0;
    }
    (count.failures >= most).then(|| u32::try_from(DAY - gone).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    fn tries() -> Tries {
        crate::policy::Policy::parse(crate::policy::DEFAULT).unwrap().tries
    }

    fn fail(count: &mut TryCount, counter: Counter<'_>, now: i64) -> Result<(), u32> {
        debit(count, counter, &tries(), now).map_err(|error| {
            assert_eq!(error.code, Code::MeansWaiting);
            error.retry_after.unwrap()
        })
    }

    fn fresh() -> TryCount {
        TryCount { key: Fixed([0; 32]), failures: 0, last: 0 }
    }

    #[test]
    fn waits_grow_and_end() {
        let mut count = fresh();
        let mut now = 1_000_000;
        for wait in [900, 3_600, 86_400, 86_400] {
            for _ in 0..5 {
                assert_eq!(fail(&mut count, Counter::Strangers, now), Ok(()));
            }
            assert!(is_last(&count, &tries()));
            assert_eq!(fail(&mut count, Counter::Strangers, now), Err(wait));
            assert_eq!(fail(&mut count, Counter::Strangers, now - 50), Err(wait), "a clock that is set back");
            now += i64::from(wait);
        }
        assert_eq!(count.failures, 20);
        now += 86_400;
        assert_eq!(fail(&mut count, Counter::Strangers, now), Ok(()));
        assert_eq!(count.failures, 1, "after a quiet day it begins anew");
    }

    #[test]
    fn one_address_cannot_use_up_what_all_strangers_have() {
        let mut count = fresh();
        for _ in 0..3 {
            assert_eq!(fail(&mut count, Counter::Address("10.0.0.1"), 5_000), Ok(()));
        }
        assert_eq!(fail(&mut count, Counter::Address("10.0.0.1"), 5_000), Err(86_400));
        assert_eq!(fail(&mut count, Counter::Address("10.0.0.1"), 5_000 + 86_399), Err(1));
        assert_eq!(fail(&mut count, Counter::Address("10.0.0.1"), 5_000 + 86_400), Ok(()));
        assert!(tries().one_address < tries().in_a_row);
    }

    #[test]
    fn counters_are_their_own() {
        let (a, b) = (Fixed([1; 16]), Fixed([2; 16]));
        let keys = [
            Counter::Strangers.key(&a),
            Counter::Strangers.key(&b),
            Counter::Proved.key(&a),
            Counter::OwnBrowser(&a).key(&a),
            Counter::OwnBrowser(&b).key(&a),
            Counter::Address("1").key(&a),
            Counter::Address("2").key(&a),
        ];
        let set: std::collections::BTreeSet<_> = keys.iter().map(|key| key.0).collect();
        assert_eq!(set.len(), keys.len());
    }
}
