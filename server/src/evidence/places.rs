//! Finding entries in the log. Entries stand nearly in the order of their times, and the database knows the times of a
//! decision and of the keys that signed it: a binary search finds each in some twenty reads. Where that fails (a clock that
//! was set back, keys that were replaced since) the whole log is read.

use godkend_evidence::entry::AuditEntry;
use godkend_evidence::{enrolled_keys, key, pin_key};
use godkend_protocol::bytes::Id;
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge};
use godkend_protocol::types::{Factor, KeyPurpose};
use serde::Deserialize;

use crate::log::{Log, LogError};

/// How far an entry's time may be from its neighbours', in seconds.
const SLACK: i64 = 2;
/// The most entries that are looked at around a time before the whole log is read.
const NEARBY: u64 = 20_000;

/// When the entries were written, as the database has it, in Unix seconds; none where it does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// The decision.
    pub decided: Option<i64>,
    /// The newest of the device's keys that signed.
    pub keys: Option<i64>,
    /// The PIN.
    pub pin: Option<i64>,
}

/// Where the entries stand.
pub(super) struct Places {
    pub(super) keys: u64,
    pub(super) pin: Option<u64>,
    pub(super) decision: u64,
}

/// Who decided, and with what.
pub(super) struct Signed<'a> {
    pub(super) answer: &'a Received<Answer>,
    pub(super) challenge: &'a Challenge,
    pub(super) request: &'a AnswerRequest,
}

impl Signed<'_> {
    /// The entry enrols the device's key that signed the answer, and the biometric one where that did.
    fn enrolled_by(&self, entry: &AuditEntry) -> bool {
        let Some(keys) = enrolled_keys(entry, self.challenge) else { return false };
        let possession = key(&keys, KeyPurpose::Possession).is_some_and(|key| self.answer.check(&key).is_ok());
        let by_factor = |key| {
            let signature = self.request.factor_signature.as_ref();
            signature.is_some_and(|signature| self.answer.check_as(Role::Biometric, &key, signature).is_ok())
        };
        let biometric = self.answer.claimed().factor != Factor::Biometric
            || key(&keys, KeyPurpose::Biometric).is_some_and(by_factor);
        possession && biometric
    }

    fn pin_enrolled_by(&self, entry: &AuditEntry) -> bool {
        let signature = self.request.factor_signature.as_ref().filter(|_| self.by_pin());
        pin_key(entry, self.challenge)
            .zip(signature)
            .is_some_and(|(key, signature)| self.answer.check_as(Role::Pin, &key, signature).is_ok())
    }

    fn by_pin(&self) -> bool {
        self.answer.claimed().factor == Factor::Pin
    }
}

/// The decision's entry.
pub(super) fn decision(log: &Log, transaction: &Id, hints: &Hints) -> Result<Option<u64>, LogError> {
    let name = transaction.to_base64();
    let is = |entry: &AuditEntry| matches!(entry, AuditEntry::Decided { transaction: own, .. } if own == transaction);
    if let Some(at) = hints.decided
        && let Some(index) = near(log, at, &name, is)?
    {
        return Ok(Some(index));
    }
    last(log, &name, log.size(), is)
}

/// The decision's entry, and ones before it that enrolled the keys which signed the answer.
pub(super) fn all(log: &Log, transaction: &Id, signed: &Signed<'_>, hints: &Hints) -> Result<Option<Places>, LogError> {
    let Some(decision) = decision(log, transaction, hints)? else { return Ok(None) };
    let name = signed.challenge.device.to_base64();
    let before = |hint: Option<i64>, is: &dyn Fn(&AuditEntry) -> bool| {
        if let Some(at) = hint
            && let Some(index) = near(log, at, &name, is)?.filter(|index| *index < decision)
        {
            return Ok(Some(index));
        }
        last(log, &name, decision, is)
    };
    let Some(keys) = before(hints.keys, &|entry| signed.enrolled_by(entry))? else { return Ok(None) };
    let pin = if signed.by_pin() { before(hints.pin, &|entry| signed.pin_enrolled_by(entry))? } else { None };
    Ok((pin.is_some() == signed.by_pin()).then_some(Places { keys, pin, decision }))
}

/// The last such entry before `end`, by reading all of them.
fn last(log: &Log, name: &str, end: u64, is: impl Fn(&AuditEntry) -> bool) -> Result<Option<u64>, LogError> {
    let mut found = None;
    for entry in log.iter_from(0) {
        let entry = entry?;
        if entry.index >= end {
            break;
        }
        if entry.content.is_some_and(|content| fits(&content.entry, name, &is)) {
            found = Some(entry.index);
        }
    }
    Ok(found)
}

/// Such an entry among those of about this time.
fn near(log: &Log, at: i64, name: &str, is: impl Fn(&AuditEntry) -> bool) -> Result<Option<u64>, LogError> {
    let size = log.size();
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        // An erased entry has no time: its nearest neighbour that has one speaks for it.
        match time_from(log, middle, high)? {
            Some((index, time)) if time < at.saturating_sub(SLACK) => low = index + 1,
            _ => high = middle,
        }
    }
    for index in (low..size).take(usize::try_from(NEARBY).unwrap_or(usize::MAX)) {
        let Some(content) = log.read(index)?.content else { continue };
        if fits(&content.entry, name, &is) {
            return Ok(Some(index));
        }
        if time_of(&content.entry).is_some_and(|time| time > at.saturating_add(SLACK)) {
            break;
        }
    }
    Ok(None)
}

/// The first entry from `index` on, below `end`, that has a time.
fn time_from(log: &Log, index: u64, end: u64) -> Result<Option<(u64, i64)>, LogError> {
    for index in index..end {
        if let Some(time) = log.read(index)?.content.and_then(|content| time_of(&content.entry)) {
            return Ok(Some((index, time)));
        }
    }
    Ok(None)
}

fn time_of(entry: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Timed {
        at: i64,
    }
    serde_json::from_slice::<Timed>(entry).ok().map(|timed| timed.at)
}

/// Most entries are somebody else's: the name is looked for before anything is parsed.
fn fits(bytes: &[u8], name: &str, is: impl Fn(&AuditEntry) -> bool) -> bool {
    let named = std::str::from_utf8(bytes).is_ok_and(|text| text.contains(name));
    named && serde_json::from_slice::<AuditEntry>(bytes).is_ok_and(|entry| is(&entry))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use godkend_protocol::bytes::{Fixed, Signature};
    use godkend_protocol::checkpoint::CheckpointAlgorithm;
    use godkend_protocol::crypto::{p256_from_seed, p256_public, p256_sign, verify_es256};
    use godkend_protocol::types::{Action, Binding, Decision};

    use super::*;
    use crate::log::{Behind, CheckpointSigner, CheckpointVerifier, Opened, Sequencer, SequencerConfig};
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Batch, Store};

    fn signer() -> CheckpointSigner {
        let secret = p256_from_seed(b"log", "test");
        let public = p256_public(&secret).unwrap();
        let verify = move |body: &[u8], signature: &[u8]| {
            Signature::from_slice(signature).is_some_and(|signature| verify_es256(&public, body, &signature))
        };
        CheckpointSigner {
            verifier: CheckpointVerifier {
                algorithm: CheckpointAlgorithm::Es256,
                public_key: public.0.to_vec(),
                verify: Arc::new(verify),
            },
            sign: Arc::new(move |body| Ok(p256_sign(&secret, body).unwrap().0.to_vec())),
        }
    }

    fn decided(transaction: u32, at: i64) -> AuditEntry {
        AuditEntry::Decided {
            transaction: id(transaction),
            account: None,
            uuid: None,
            device: None,
            action: Action::LogOn,
            relying_party: "bank".to_owned(),
            decision: Decision::Deny,
            factor: Factor::None,
            binding: Binding::TypedNumber,
            level: None,
            means: Vec::new(),
            challenge: None,
            answer: None,
            at,
        }
    }

    fn id(number: u32) -> Id {
        let mut id = [7; 16];
        id[12..].copy_from_slice(&number.to_be_bytes());
        Fixed(id)
    }

    /// A log of these entries.
    async fn log_of(dir: &std::path::Path, entries: &[AuditEntry]) -> Log {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir.join("db"), 1).await.unwrap());
        let config = SequencerConfig {
            dir: dir.join("log"),
            environment: "test".to_owned(),
            epoch: 1,
            behind: Behind::Refuse,
            signers: vec![signer()],
            earlier: Vec::new(),
            clock: Arc::new(|| 5),
            rng: Box::new(crate::ops::random::system()),
            witnessed: Vec::new(),
            sign_again_after: 0,
        };
        let Opened { log, sequencer, .. } = Sequencer::open(store.clone(), config).await.unwrap();
        for some in entries.chunks(64) {
            let log = some.iter().map(|entry| serde_json::to_vec(entry).unwrap()).collect();
            store.commit(Batch { log, ..Batch::default() }).await.unwrap();
        }
        sequencer.run(async {}).await;
        log
    }

    fn found(log: &Log, transaction: u32, at: Option<i64>) -> Option<u64> {
        decision(log, &id(transaction), &Hints { decided: at, ..Hints::default() }).unwrap()
    }

    #[tokio::test]
    async fn a_time_leads_to_the_entry_and_a_wrong_one_misleads_nobody() {
        let dir = tempfile::tempdir().unwrap();
        // Three a second; the clock stands still for a while, steps back by a second, and once by an hour.
        let mut entries = Vec::new();
        for number in 0..900_u32 {
            let second = i64::from(number / 3);
            let at = match number {
                300..=400 => 10_100,
                500 => 10_000 + second - 1,
                600 => 10_000 + second - 3_600,
                _ => 10_000 + second,
            };
            entries.push(decided(number, at));
        }
        let log = log_of(dir.path(), &entries).await;
        for erased in [1, 449, 450, 451, 899] {
            log.erase(erased).unwrap();
        }
        for (place, entry) in (0..).zip(&entries) {
            let AuditEntry::Decided { at, .. } = entry else { panic!() };
            let number = u32::try_from(place).unwrap();
            let there = (![1, 449, 450, 451, 899].contains(&number)).then_some(place);
            assert_eq!(found(&log, number, Some(*at)), there, "entry {place}");
        }
        for wrong in [Some(0), Some(10_150), Some(i64::MAX), Some(i64::MIN), None] {
            assert_eq!(found(&log, 700, wrong), Some(700), "{wrong:?}");
            assert_eq!(found(&log, 5_000, wrong), None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn an_entry_is_found_without_reading_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let entries: Vec<_> = (0..4_000_u32).map(|number| decided(number, 10_000 + i64::from(number))).collect();
        let log = log_of(dir.path(), &entries).await;
        // Whoever reads an entry that is damaged fails: half of the others are.
        let file = dir.path().join("log/entries");
        let mut bytes = std::fs::read(&file).unwrap();
        let third = bytes.len() / 3;
        for place in (third + 4_000..third + third / 2).step_by(50) {
            bytes[place] ^= 0xff;
        }
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(found(&log, 3_500, Some(13_500)), Some(3_500));
        let reading_all = decision(&log, &id(3_500), &Hints::default());
        assert!(reading_all.is_err(), "the damage is there: {reading_all:?}");
    }
}
