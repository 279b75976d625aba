//! The PIN on the server: its tries, its registration and its proof. The server never sees a PIN.
//!
//! A try is debited durably together with its exchange, and answered only then. A valid KE3 clears the debits.

mod change;
mod handlers;
mod record;

pub use change::{KINDS, note_change};
pub use handlers::routes;
pub use record::{check_enrol, credential, prove};

use godkend_protocol::codes::Code;
use godkend_protocol::messages::pin::PinStatus;

use crate::config;
use crate::error::ApiError;
use crate::records::PinRecord;

/// What is left of a PIN's tries at `now` (Unix seconds).
#[must_use]
pub fn status(record: &PinRecord, config: &config::Pin, now: i64) -> PinStatus {
    let per_round = config.tries_per_round.max(1);
    let waits = u32::try_from(config.waits_seconds.len()).unwrap_or(u32::MAX - 1);
    let (round, in_round) = (record.debits / per_round, record.debits % per_round);
    if round > waits {
        return PinStatus { tries_left: 0, wait: 0, rounds_left: 0, dead: true };
    }
    let wait = if in_round == 0 && round > 0 {
        let index = usize::try_from(round - 1).unwrap_or(usize::MAX);
        let whole = config.waits_seconds.get(index).copied().unwrap_or(0);
        let whole = i64::try_from(whole).unwrap_or(i64::MAX);
        // A clock that was set back never makes it longer than the whole wait.
        let left = record.last_debit.saturating_add(whole).saturating_sub(now).clamp(0, whole);
        u32::try_from(left).unwrap_or(u32::MAX)
    } else {
        0
    };
    PinStatus { tries_left: per_round - in_round, wait, rounds_left: waits - round, dead: false }
}

/// Takes one try at `now` (Unix seconds) and says what is left if it fails.
///
/// # Errors
/// [`Code::PinDead`], or [`Code::PinWaiting`] with the seconds left; nothing has changed then.
pub fn debit(record: &mut PinRecord, config: &config::Pin, now: i64) -> Result<PinStatus, ApiError> {
    let before = status(record, config, now);
    if before.dead {
        return Err(Code::PinDead.into());
    }
    if before.wait > 0 {
        return Err(ApiError::wait(Code::PinWaiting, before.wait));
    }
    record.debits = record.debits.saturating_add(1);
    record.last_debit = now;
    Ok(status(record, config, now))
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Blob, Fixed};

    use super::*;

    fn record() -> PinRecord {
        PinRecord {
            seed: 1,
            credential: Fixed([1; 16]),
            record: Blob(vec![]),
            key: Fixed([4; 65]),
            debits: 0,
            last_debit: 0,
            exchange: None,
            last_exchange: 0,
            enrolled: 0,
        }
    }

    #[test]
    fn three_rounds_of_three_then_dead() {
        let (config, mut record) = (config::Pin::default(), record());
        let mut now = 1_000;
        let mut seen = Vec::new();
        for _ in 0..9 {
            let left = debit(&mut record, &config, now).unwrap();
            seen.push((left.tries_left, left.wait, left.rounds_left, left.dead));
            if left.wait > 0 {
                assert_eq!(debit(&mut record, &config, now + 1), Err(ApiError::wait(Code::PinWaiting, left.wait - 1)));
                assert_eq!(debit(&mut record, &config, now - 86_400), Err(ApiError::wait(Code::PinWaiting, left.wait)));
            }
            now += i64::from(left.wait);
        }
        let expected = [
            (2, 0, 2, false),
            (1, 0, 2, false),
            (3, 60, 1, false),
            (2, 0, 1, false),
            (1, 0, 1, false),
            (3, 3600, 0, false),
            (2, 0, 0, false),
            (1, 0, 0, false),
            (0, 0, 0, true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(debit(&mut record, &config, now + 1_000_000), Err(Code::PinDead.into()));
        assert_eq!(record.debits, 9);
    }

    #[test]
    fn a_refused_try_changes_nothing() {
        let (config, mut record) = (config::Pin::default(), record());
        for _ in 0..3 {
            debit(&mut record, &config, 50).unwrap();
        }
        assert!(debit(&mut record, &config, 109).is_err());
        assert_eq!((record.debits, record.last_debit), (3, 50));
        debit(&mut record, &config, 110).unwrap();
        assert_eq!((record.debits, record.last_debit), (4, 110));
    }
}
