//! Of what each phone was woken for, so that it is woken once for each request, and not more than once in a while.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use godkend_protocol::bytes::Id;
use tokio::time::Instant;

use super::Polling;

/// A phone that polls is told by its poll; only if it does not come back with what it was told is it woken.
const GRACE: Duration = Duration::from_secs(5);
/// What is kept of a phone that nothing waits for.
const KEPT: Duration = Duration::from_secs(600);
/// Phones that are remembered; beyond it, those that nothing waits for are forgotten early.
const MOST: usize = 100_000;

/// What to do about a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// Nothing.
    Rest,
    /// Wake it now.
    Wake,
    /// Look at its person again then.
    LookAt(Instant),
}

/// All phones.
pub(super) struct Told {
    apart: Duration,
    phones: HashMap<Id, Phone>,
}

#[derive(Default)]
struct Phone {
    ids: BTreeSet<Id>,
    woken: Option<Instant>,
    seen: Option<Instant>,
}

impl Told {
    /// Two wake-ups of a phone are at least `apart`.
    pub(super) fn new(apart: Duration) -> Self {
        Self { apart, phones: HashMap::new() }
    }

    /// These requests wait for a phone. If the answer is [`Next::Wake`], it counts as woken for them.
    pub(super) fn judge(&mut self, device: Id, waiting: &[Id], polling: &Polling, now: Instant) -> Next {
        if self.phones.len() >= MOST {
            let apart = self.apart;
            self.phones.retain(|_, phone| !phone.is_idle(now, apart));
        }
        let phone = self.phones.entry(device).or_default();
        phone.ids.retain(|id| waiting.contains(id));
        phone.ids.extend(polling.known.iter().filter(|id| waiting.contains(id)));
        if waiting.iter().all(|id| phone.ids.contains(id)) {
            phone.seen = None;
            return Next::Rest;
        }
        let seen = *phone.seen.get_or_insert(now);
        let mut from = phone.woken.map_or(now, |woken| woken + self.apart);
        if polling.open {
            from = from.max(seen + GRACE);
        }
        if now < from {
            return Next::LookAt(from);
        }
        phone.ids.extend(waiting);
        (phone.woken, phone.seen) = (Some(now), None);
        Next::Wake
    }

    /// Forgets phones that nothing has waited for in a while.
    pub(super) fn tidy(&mut self, now: Instant) {
        self.phones.retain(|_, phone| !phone.is_idle(now, KEPT));
    }
}

impl Phone {
    fn is_idle(&self, now: Instant, kept: Duration) -> bool {
        self.seen.is_none() && self.woken.is_none_or(|woken| now.duration_since(woken) >= kept)
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    const PHONE: Id = Fixed([1; 16]);
    const A: Id = Fixed([2; 16]);
    const B: Id = Fixed([3; 16]);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_phone_is_woken_once_for_each_request_and_not_too_often() {
        let (start, away) = (Instant::now(), Polling::default());
        let mut told = Told::new(5 * SECOND);
        assert_eq!(told.judge(PHONE, &[], &away, start), Next::Rest);
        assert_eq!(told.judge(PHONE, &[A], &away, start), Next::Wake);
        assert_eq!(told.judge(PHONE, &[A], &away, start + 60 * SECOND), Next::Rest, "it was woken for it");
        let mut told = Told::new(5 * SECOND);
        assert_eq!(told.judge(PHONE, &[A], &away, start), Next::Wake);
        assert_eq!(told.judge(PHONE, &[A, B], &away, start + SECOND), Next::LookAt(start + 5 * SECOND));
        assert_eq!(told.judge(PHONE, &[A, B], &away, start + 5 * SECOND), Next::Wake);
        assert_eq!(told.judge(B, &[A, B], &away, start + 5 * SECOND), Next::Wake, "another phone");
    }

    #[tokio::test]
    async fn a_phone_that_polls_is_woken_only_if_it_does_not_come_back_knowing() {
        let start = Instant::now();
        let (fresh, knows) = (Polling { open: true, known: vec![] }, Polling { open: true, known: vec![A] });
        let mut told = Told::new(5 * SECOND);
        assert_eq!(told.judge(PHONE, &[A], &fresh, start), Next::LookAt(start + GRACE));
        assert_eq!(told.judge(PHONE, &[A], &knows, start + GRACE), Next::Rest);
        let mut told = Told::new(5 * SECOND);
        assert_eq!(told.judge(PHONE, &[A], &fresh, start), Next::LookAt(start + GRACE));
        assert_eq!(told.judge(PHONE, &[A], &fresh, start + GRACE), Next::Wake, "its poll may be a dead connection");
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten() {
        let (start, away) = (Instant::now(), Polling::default());
        let mut told = Told::new(5 * SECOND);
        assert_eq!(told.judge(PHONE, &[A], &away, start), Next::Wake);
        told.tidy(start + KEPT - SECOND);
        assert_eq!(told.phones.len(), 1);
        told.tidy(start + KEPT);
        assert_eq!(told.phones.len(), 0);
    }
}
