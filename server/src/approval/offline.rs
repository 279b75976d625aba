//! Offline approval: a signed QR code for an account, and eight digits typed into the browser. Three tries, once.
//!
//! Nobody but the page has a part in it, so that guesses have limits of their own: a transaction whose tries are spent
//! counts as a refusal at its source, and an account has so many wrong codes in a day, after which its codes count as
//! wrong until the next. Known and unknown people cost the same work and the same writes.

use godkend_protocol::bytes::{Blob, Hash32, Id, PublicKey, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::{Link, OfflineLink};
use godkend_protocol::formats::{digits, offline_code as format};
use godkend_protocol::messages::approval::challenge_hash;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::offline::{OfflineChallenge, account_hint};
use godkend_protocol::types::{Binding, Decision, Factor, KeyPurpose, Level};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::transaction::{check_open, check_session, read};
use super::{level, seal, settle};
use crate::activation::{MOST_DEVICES, all_of, state_now};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::request;
use crate::records::{Account, Device, Document, Entry, HistoryLine, OfflineState, OfflineTries, Outcome, Transaction};
use crate::store::Kind;

/// Tries of an offline code.
const TRIES: u32 = 3;
/// Wrong offline codes of one account in a day (UTC), after which none is taken until the next.
const WRONG_A_DAY: u32 = 10;
/// Records beside transaction, count and log that a wrong code writes at most: history, and history again at the day's
/// last one.
const WRITES: u8 = 2;
const DAY: i64 = 86_400;

/// Written where a known person's wrong code writes something and an unknown one's has nothing to write. There are few:
/// they are shared by all transactions whose id begins alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Filler {
    shard: u8,
    number: u8,
    at: i64,
}

impl Document for Filler {
    const KIND: Kind = Kind("offline_filler");
    fn id(&self) -> Vec<u8> {
        vec![self.shard, self.number]
    }
}

impl OfflineTries {
    /// Notes that the day of `at` (Unix seconds) had so many wrong ones.
    pub(crate) fn note(&mut self, wrong: u32, at: i64) {
        let day = at.div_euclid(DAY);
        if day > self.day {
            (self.day, self.wrong) = (day, wrong);
        } else if day == self.day {
            self.wrong = self.wrong.max(wrong);
        }
    }

    /// Counts one more; a clock that was set back begins no new day.
    fn count(&mut self, now: i64) {
        let day = now.div_euclid(DAY);
        if day > self.day {
            (self.day, self.wrong) = (day, 0);
        }
        self.wrong = self.wrong.saturating_add(1);
    }

    fn spent(&self, now: i64) -> bool {
        now.div_euclid(DAY) <= self.day && self.wrong >= WRONG_A_DAY
    }
}

/// An account's wrong codes, to be written back; new where it has none.
pub(crate) async fn offline_tries(app: &App, account: Id) -> Result<Entry<OfflineTries>, ApiError> {
    let known = docs::get::<OfflineTries>(&*app.store, &account.0).await?;
    Ok(known.unwrap_or(Entry { doc: OfflineTries { account, day: 0, wrong: 0 }, version: None }))
}

/// The text of an addressed transaction's offline QR code; asked again, the same.
///
/// # Errors
/// [`Code::OperationRefused`] before a user id was typed, [`Code::LevelUnreachable`] above what a code can reach,
/// [`Code::TransactionTaken`] once a phone has opened it.
pub async fn offline_challenge(app: &App, id: &Id) -> Result<String, ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        // A chip has signed: a phone completes that, or nobody.
        if entry.doc.chip.is_some() {
            return Err(Code::OperationRefused.into());
        }
        if let Some(offline) = &entry.doc.offline {
            return Ok(link(offline.challenge.clone()));
        }
        if entry.doc.level > Binding::Offline.cap() {
            return Err(Code::LevelUnreachable.into());
        }
        let addressed = entry.doc.addressed.as_ref().ok_or(Code::OperationRefused)?;
        seal::check(app, &entry.doc)?;
        let mut rng = app.rng();
        // For an unknown user id, a code that no phone takes for its own.
        let account = addressed.account.unwrap_or_else(|| random(&mut rng));
        let ephemeral = crypto::p256_from_seed(&Secret::<32>::random(&mut rng).0, "godkend/1/offline-ephemeral");
        let public = crypto::p256_public(&ephemeral).ok_or(Code::Internal)?;
        let transaction = &entry.doc;
        let challenge = OfflineChallenge {
            transaction: *id,
            account_hint: account_hint(&account, id),
            relying_party: transaction.relying_party.clone(),
            action: transaction.action,
            text: transaction.text.clone(),
            payment: transaction.payment.clone(),
            level: transaction.level,
            ephemeral: public,
            place: transaction.place.clone(),
            browser: transaction.browser.clone(),
            issued: now,
            expires: transaction.expires,
        };
        let challenge = Blob(app.keys.sign_challenge(&challenge));
        let text = link(challenge.clone());
        entry.doc.offline = Some(OfflineState { ephemeral, challenge, tries_left: TRIES, line: None });
        let mut changes = Changes::new();
        changes.update(&entry);
        changes.commit(&*app.store).await?;
        Ok(text)
    })
    .await
}

/// Judges a typed code against every active phone of the account. A wrong one costs a try; after the third the
/// transaction is over and its source waits. After the account's tenth wrong one in a day, every code is a wrong one.
///
/// # Errors
/// [`Code::OfflineCodeWrong`] with the tries left; [`Code::TransactionUnknown`] for another browser session.
pub async fn offline_code(app: &App, id: &Id, browser_session: Option<&Hash32>, code: &str) -> Result<(), ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_session(&entry.doc, browser_session)?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        let Some(offline) = entry.doc.offline.as_mut() else { return Err(Code::OperationRefused.into()) };
        // Not eight digits: a slip that no phone shows, and no try.
        let Some(typed) = digits::parse(code) else {
            return Err(ApiError::tries(Code::OfflineCodeWrong, offline.tries_left));
        };
        if offline.tries_left == 0 {
            return Err(ApiError::tries(Code::OfflineCodeWrong, 0));
        }
        offline.tries_left -= 1;
        let offline = offline.clone();
        let addressed = entry.doc.addressed.as_ref().and_then(|addressed| addressed.account);
        let named = addressed.or(entry.doc.nobody).unwrap_or(*id);
        let account = docs::get::<Account>(&*app.store, &named.0).await?;
        let tries = offline_tries(app, named).await?;
        let device = find(app, &named, account.as_ref(), &offline, &typed).await?;
        match (device, &account) {
            (Some(device), Some(account)) if !tries.doc.spent(now) => {
                let mut changes = Changes::new();
                changes.unchanged(&tries);
                approve(app, changes, entry, device, account, now).await
            }
            _ => wrong(app, Wrong { entry, account, tries, left: offline.tries_left, now }).await,
        }
    })
    .await
}

/// A wrong code, and whose it was.
struct Wrong {
    entry: Entry<Transaction>,
    account: Option<Entry<Account>>,
    tries: Entry<OfflineTries>,
    left: u32,
    now: i64,
}

async fn wrong(app: &App, wrong: Wrong) -> Result<(), ApiError> {
    let Wrong { mut entry, account, mut tries, left, now } = wrong;
    let mut changes = Changes::new();
    if left == 0 {
        entry.doc.expires = now;
    }
    let spent_before = tries.doc.spent(now);
    tries.doc.count(now);
    // On a day whose codes are spent nothing more is to be told: strangers decide how many there are.
    let counts = !spent_before;
    if counts {
        // Whoever was meant, or nobody: every phone sees how the log grows.
        let (transaction, account, wrong) = (entry.doc.id, Some(tries.doc.account), tries.doc.wrong);
        changes.log(&AuditEntry::OfflineTried { transaction, left, account, wrong, at: now });
    }
    let line = told_line(app, &entry.doc).await?;
    let mut fillers = fillers(app, entry.doc.id.0[0], now).await?;
    if let Some(account) = account.as_ref().map(|account| account.doc.id).filter(|_| counts) {
        tell(app, &mut changes, &mut entry.doc, account, left, line);
        fillers.pop();
        if tries.doc.spent(now) {
            let details = json!({ "wrong": tries.doc.wrong, "place": entry.doc.place, "alert": true });
            let about = About { relying_party: Some(entry.doc.relying_party.name.clone()), details, device: None };
            history::add(&mut changes, app, account, "offline_paused", about);
            fillers.pop();
        }
    }
    for filler in &fillers {
        changes.update(filler);
    }
    changes.update(&entry).update(&tries);
    changes.commit(&*app.store).await?;
    if left == 0 {
        // Nobody sees it who could refuse: all tries wrong is as good as a refusal, of known and unknown people alike.
        app.throttle.refused(&entry.doc.source, app.clock.now_ms());
    }
    app.log.wake();
    app.wake.all(entry.doc.id);
    app.wake.all(tries.doc.account);
    Err(ApiError::tries(Code::OfflineCodeWrong, left))
}

/// The line of history of a transaction's earlier wrong codes. Looked for where there is none, too.
async fn told_line(app: &App, transaction: &Transaction) -> Result<Option<Entry<HistoryLine>>, ApiError> {
    let line = transaction.offline.as_ref().and_then(|offline| offline.line);
    docs::get::<HistoryLine>(&*app.store, &line.unwrap_or(transaction.id).0).await
}

/// What is written instead of a known person's lines of history.
async fn fillers(app: &App, shard: u8, at: i64) -> Result<Vec<Entry<Filler>>, ApiError> {
    let mut fillers = Vec::new();
    for number in 0..WRITES {
        let filler = Filler { shard, number, at };
        let known = docs::get::<Filler>(&*app.store, &filler.id()).await?;
        fillers.push(Entry { doc: filler, version: known.and_then(|known| known.version) });
    }
    Ok(fillers)
}

/// One line of history for all wrong codes of a transaction.
fn tell(
    app: &App,
    changes: &mut Changes,
    transaction: &mut Transaction,
    account: Id,
    left: u32,
    known: Option<Entry<HistoryLine>>,
) {
    let details = json!({ "tries_left": left, "place": transaction.place });
    if let Some(mut line) = known {
        line.doc.details = details;
        changes.update(&line);
        return;
    }
    let about = About { device: None, relying_party: Some(transaction.relying_party.name.clone()), details };
    let line = history::add_named(changes, app, account, "offline_wrong", about);
    if let Some(offline) = &mut transaction.offline {
        offline.line = Some(line);
    }
}

async fn approve(
    app: &App,
    mut changes: Changes,
    mut entry: Entry<Transaction>,
    device: Entry<Device>,
    account: &Entry<Account>,
    now: i64,
) -> Result<(), ApiError> {
    // The code shows the possession of the phone and, before it, a biometric match.
    let authenticator = level::offline(app, &device.doc).unwrap_or(Level::Low);
    let level = authenticator.min(account.doc.identity_level).min(Binding::Offline.cap());
    if level < entry.doc.level {
        return Err(Code::LevelUnreachable.into());
    }
    let outcome = Outcome {
        decision: Decision::Approve,
        account: Some(account.doc.id),
        device: Some(device.doc.id),
        factor: Factor::Biometric,
        binding: Binding::Offline,
        level: Some(level),
        authenticator_level: Some(authenticator),
        at: now,
        remember_browser: false,
        means: Vec::new(),
        evidence: None,
    };
    settle::settle(app, &mut changes, &mut entry, Some(&account.doc), outcome, None).await?;
    changes.unchanged(&device).unchanged(account);
    changes.commit(&*app.store).await?;
    settle::told(app, &entry.doc);
    Ok(())
}

/// Looks for the phone whose code it is. `named` may be an account that does not exist: the work is the same.
async fn find(
    app: &App,
    named: &Id,
    account: Option<&Entry<Account>>,
    offline: &OfflineState,
    typed: &str,
) -> Result<Option<Entry<Device>>, ApiError> {
    let received = app.keys.open_own::<OfflineChallenge>(&offline.challenge.0).map_err(|_| Code::Internal)?;
    let hash = challenge_hash(received.payload());
    let is_typed = |public: &PublicKey| {
        let agreed = crypto::ecdh(&offline.ephemeral, public);
        agreed.is_some_and(|agreed| {
            crypto::same(format::code(&format::key(&agreed, &hash), &hash).as_bytes(), typed.as_bytes())
        })
    };
    let mut found = None;
    let mut compared = 0;
    for device in all_of::<Device>(app, named).await? {
        // In a new epoch the PIN comes first, and a code is no PIN.
        let active = state_now(app, &device.doc).await? == DeviceState::Active;
        if !active || device.doc.epoch != app.log.epoch() {
            continue;
        }
        let Some(key) = request::key(&device.doc, KeyPurpose::Offline) else { continue };
        compared += 1;
        if is_typed(&key) {
            found = Some(device);
        }
    }
    for _ in compared..MOST_DEVICES {
        std::hint::black_box(is_typed(&received.claimed().ephemeral));
    }
    if account.is_none_or(|account| account.doc.blocked) {
        found = None;
    }
    Ok(found)
}

fn link(challenge: Blob) -> String {
    Link::Offline(OfflineLink { challenge }).to_text()
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    #[test]
    fn ten_wrong_ones_last_until_the_next_day() {
        let mut tries = OfflineTries { account: Fixed([3; 16]), day: 0, wrong: 0 };
        let noon = 20_000 * DAY + DAY / 2;
        for _ in 0..WRONG_A_DAY {
            assert!(!tries.spent(noon));
            tries.count(noon);
        }
        assert!(tries.spent(noon) && tries.spent(20_001 * DAY - 1) && !tries.spent(20_001 * DAY));
        // A clock that is set back gives none back.
        assert!(tries.spent(noon - DAY));
        tries.count(20_001 * DAY);
        assert_eq!((tries.day, tries.wrong), (20_001, 1));
    }

    #[test]
    fn a_replayed_count_only_rises_within_its_day() {
        let mut tries = OfflineTries { account: Fixed([3; 16]), day: 20_000, wrong: 4 };
        for (wrong, at, expected) in [
            (2, 20_000 * DAY, (20_000, 4)),
            (7, 20_000 * DAY, (20_000, 7)),
            (9, 19_999 * DAY, (20_000, 7)),
            (1, 20_001 * DAY, (20_001, 1)),
            (1, 20_001 * DAY, (20_001, 1)),
        ] {
            tries.note(wrong, at);
            assert_eq!((tries.day, tries.wrong), expected);
        }
    }
}
