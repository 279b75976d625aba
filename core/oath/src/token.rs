//! A display as the server knows it: what it counts by, where it stands, and which codes are taken.

use crate::code::{Code, Digits, Hash, Seed, hotp};

/// What moves a display on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moving {
    /// A press of its button (HOTP).
    Counter,
    /// The time (TOTP).
    Time {
        /// Seconds of a step; at least 1.
        step: u32,
    },
}

/// A display.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it shares with the server.
    pub seed: Seed,
    /// The hash.
    pub hash: Hash,
    /// How many digits it shows.
    pub digits: Digits,
    /// What moves it on.
    pub moving: Moving,
}

/// Where the server believes a display to be. Only rises, so that no code is taken twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The lowest counter or time step that is still taken.
    pub next: u64,
    /// Steps that the display's clock is ahead of the server's (RFC 6238, section 6); 0 for HOTP.
    pub drift: i32,
}

/// How far a display may be from where it is believed to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    /// HOTP: codes that may have been shown and not used (RFC 4226, section 7.2).
    pub ahead: u32,
    /// TOTP: steps before and after the expected one (RFC 6238, section 5.2).
    pub around: u32,
    /// HOTP: how far two codes in a row are looked for (RFC 4226, section 7.4).
    pub resynchronise_ahead: u32,
    /// TOTP: steps before and after in which two codes in a row are looked for.
    pub resynchronise_around: u32,
    /// TOTP: the most that a clock may have drifted in all, steps.
    pub most_drift: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Self { ahead: 10, around: 1, resynchronise_ahead: 100, resynchronise_around: 20, most_drift: 120 }
    }
}

impl Token {
    /// The code of a counter or time step.
    #[must_use]
    pub fn code(&self, counter: u64) -> Code {
        hotp(&self.seed, self.hash, self.digits, counter)
    }

    /// The time step at `now`, Unix seconds; `None` for HOTP.
    #[must_use]
    pub fn step_at(&self, now: i64) -> Option<u64> {
        match self.moving {
            Moving::Counter => None,
            Moving::Time { step } => Some(u64::try_from(now).unwrap_or(0) / u64::from(step.max(1))),
        }
    }

    /// Judges a typed code at `now`, Unix seconds: where the display stands after it, or `None` if it is not taken. The
    /// whole window is computed whatever matches, so that the work tells nothing.
    #[must_use]
    pub fn accept(&self, position: &Position, now: i64, windows: &Windows, typed: &str) -> Option<Position> {
        let (from, count) = self.window(position, now, windows.ahead, windows.around);
        let mut found = None;
        for counter in (0..count).map(|more| from.saturating_add(more)) {
            if self.code(counter).is(typed) && counter >= position.next && found.is_none() {
                found = Some(counter);
            }
        }
        self.moved(position, found?, now, windows)
    }

    /// Judges two codes in a row in the wide window (RFC 4226, section 7.4): for a display that was pressed in a pocket,
    /// or whose clock has drifted. Neither is taken again.
    #[must_use]
    pub fn resynchronise(
        &self,
        position: &Position,
        now: i64,
        windows: &Windows,
        first: &str,
        second: &str,
    ) -> Option<Position> {
        let (from, count) = self.window(position, now, windows.resynchronise_ahead, windows.resynchronise_around);
        let mut found = None;
        let mut first_was = false;
        for counter in (0..=count).map(|more| from.saturating_add(more)) {
            let code = self.code(counter);
            if first_was && code.is(second) && counter > position.next && found.is_none() {
                found = Some(counter);
            }
            first_was = code.is(first);
        }
        self.moved(position, found?, now, windows)
    }

    /// The first counter and the number of counters to look at. As many for a display that lags as for any other.
    fn window(&self, position: &Position, now: i64, ahead: u32, around: u32) -> (u64, u64) {
        match self.step_at(now) {
            None => (position.next, u64::from(ahead).saturating_add(1)),
            Some(step) => {
                let expected = step.saturating_add_signed(i64::from(position.drift));
                let around = u64::from(around);
                (expected.saturating_sub(around), around.saturating_mul(2).saturating_add(1))
            }
        }
    }

    fn moved(&self, position: &Position, counter: u64, now: i64, windows: &Windows) -> Option<Position> {
        let next = counter.checked_add(1)?;
        let Some(step) = self.step_at(now) else { return Some(Position { next, drift: position.drift }) };
        let drift = i128::from(counter) - i128::from(step);
        let drift = i32::try_from(drift).ok().filter(|drift| drift.unsigned_abs() <= windows.most_drift)?;
        Some(Position { next, drift })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn token(moving: Moving) -> Token {
        Token { seed: Seed::new(SEED).unwrap(), hash: Hash::Sha1, digits: Digits::SIX, moving }
    }

    fn typed(token: &Token, counter: u64) -> String {
        token.code(counter).expose().to_owned()
    }

    #[test]
    fn a_code_is_taken_once_and_so_are_those_before_it() {
        let token = token(Moving::Counter);
        let (start, windows) = (Position { next: 5, drift: 0 }, Windows::default());
        let accept = |position: &Position, counter| token.accept(position, 0, &windows, &typed(&token, counter));
        let after = accept(&start, 8).unwrap();
        assert_eq!(after.next, 9);
        for counter in [4, 5, 8] {
            assert_eq!(accept(&after, counter), None, "{counter}");
        }
        assert_eq!(accept(&start, 15).map(|p| p.next), Some(16), "the last of the window");
        assert_eq!(accept(&start, 16), None, "beyond it");
        assert_eq!(token.accept(&start, 0, &windows, ""), None);
        assert_eq!(token.accept(&start, 0, &windows, "12345"), None);
    }

    #[test]
    fn two_codes_in_a_row_find_a_display_again() {
        let token = token(Moving::Counter);
        let (start, windows) = (Position { next: 5, drift: 0 }, Windows::default());
        let pair = |a, b| token.resynchronise(&start, 0, &windows, &typed(&token, a), &typed(&token, b));
        assert_eq!(pair(60, 61).map(|p| p.next), Some(62));
        assert_eq!(pair(105, 106).map(|p| p.next), Some(107), "the last of the window");
        for (a, b) in [(60, 60), (61, 60), (60, 62), (106, 107), (4, 5), (2, 3)] {
            assert_eq!(pair(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn a_time_code_lasts_its_steps_and_is_taken_once() {
        let token = token(Moving::Time { step: 30 });
        let (start, windows) = (Position::default(), Windows::default());
        let now = 1_700_000_010;
        let step = token.step_at(now).unwrap();
        let at = |position: &Position, step| token.accept(position, now, &windows, &typed(&token, step));
        assert_eq!(at(&start, step), Some(Position { next: step + 1, drift: 0 }));
        assert_eq!(at(&start, step - 1), Some(Position { next: step, drift: -1 }));
        assert_eq!(at(&start, step + 1), Some(Position { next: step + 2, drift: 1 }));
        assert_eq!((at(&start, step - 2), at(&start, step + 2)), (None, None));
        let after = at(&start, step).unwrap();
        assert_eq!((at(&after, step), at(&after, step - 1)), (None, None), "the same code, and the one before");
        assert!(at(&after, step + 1).is_some());
    }

    #[test]
    fn a_drifting_clock_is_followed_up_to_a_limit() {
        let token = token(Moving::Time { step: 30 });
        let windows = Windows { most_drift: 3, ..Windows::default() };
        let mut position = Position::default();
        let mut now = 1_700_000_010;
        for drift in 1..=3 {
            now += 86_400;
            let shown = typed(&token, token.step_at(now).unwrap() + drift);
            position = token.accept(&position, now, &windows, &shown).unwrap();
            assert_eq!(i64::from(position.drift), i64::try_from(drift).unwrap());
        }
        now += 86_400;
        let shown = typed(&token, token.step_at(now).unwrap() + 4);
        assert_eq!(token.accept(&position, now, &windows, &shown), None);
    }

    #[test]
    fn nothing_overflows_at_the_end_of_counting() {
        let token = token(Moving::Counter);
        let end = Position { next: u64::MAX, drift: 0 };
        assert_eq!(token.accept(&end, i64::MAX, &Windows::default(), &typed(&token, u64::MAX)), None);
        assert_eq!(token.resynchronise(&end, 0, &Windows::default(), "000000", "000000"), None);
        let timed = Token { moving: Moving::Time { step: 0 }, ..token };
        let low = Position { next: 0, drift: i32::MIN };
        assert_eq!(timed.accept(&low, i64::MIN, &Windows::default(), "123456"), None);
    }
}
