//! Typed user ids: eight digits on one screen that are typed on the phone. Unknown user ids behave alike.

use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::digits;
use godkend_protocol::types::Binding;
use serde::{Deserialize, Serialize};

use super::transaction::{OpenNumber, check_open, check_session, close, drop_open, id_of, put_open, read};
use crate::app::App;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::records::{Account, Addressed, AddressedBy, Document, Entry, Transaction, UserIdIndex};
use crate::store::Kind;

/// What a page shows after a user id was typed, known or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressedView {
    /// The number to type in the app, eight digits.
    pub number: String,
    /// Unix seconds.
    pub expires: i64,
}

/// One of the locked requests that may wait for a source and a user id.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LockedSlot {
    key: Hash32,
    number: u32,
    transaction: Id,
    expires: i64,
}

impl LockedSlot {
    fn id(key: &Hash32, number: u32) -> Vec<u8> {
        [key.0.as_slice(), &number.to_be_bytes()].concat()
    }
}

impl Document for LockedSlot {
    const KIND: Kind = Kind("locked_slot");
    fn id(&self) -> Vec<u8> {
        Self::id(&self.key, self.number)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// Addresses a page's transaction to a typed user id: shows a number, pushes locked.
///
/// # Errors
/// [`Code::LevelUnreachable`] where a typed number cannot reach the level; [`Code::Throttled`] for a source that has to
/// wait, or has a request waiting for this person already; [`Code::TransactionTaken`] once a phone has opened it.
pub async fn address(
    app: &App,
    id: &Id,
    browser_session: Option<&Hash32>,
    user_id: &str,
) -> Result<AddressedView, ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_session(&entry.doc, browser_session)?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        if let Some(view) = addressed_already(app, &entry.doc, user_id).await? {
            return Ok(view);
        }
        let mut changes = Changes::new();
        drop_open(app, &mut changes, &entry.doc).await?;
        let notify = lock(app, &mut changes, &mut entry, user_id, AddressedBy::UserId).await?;
        changes.update(&entry);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.tell(notify);
        let number = entry.doc.number.clone().unwrap_or_default();
        Ok(AddressedView { number, expires: entry.doc.expires })
    })
    .await
}

/// Begins a back channel's transaction.
pub(super) async fn begin_ciba(
    app: &App,
    transaction: Transaction,
    user_id: &str,
) -> Result<Entry<Transaction>, ApiError> {
    retry(|| async {
        let mut entry = Entry { doc: transaction.clone(), version: None };
        let mut changes = Changes::new();
        let notify = lock(app, &mut changes, &mut entry, user_id, AddressedBy::Ciba).await?;
        changes.insert(&entry.doc);
        let versions = changes.commit(&*app.store).await?.versions;
        app.log.wake();
        app.tell(notify);
        Ok(Entry { doc: entry.doc, version: versions.last().copied() })
    })
    .await
}

/// Draws a number that none of the account's open transactions has. A race for it is a conflict at the commit.
pub(super) async fn free_number(app: &App, account: &Id) -> Result<String, ApiError> {
    loop {
        let number = digits::random_number(&mut app.rng());
        if app.store.get(OpenNumber::KIND, &OpenNumber::key(account, &number)).await?.is_none() {
            return Ok(number);
        }
    }
}

/// The account's open transaction with this number.
pub(super) async fn find(app: &App, account: &Id, typed: &str) -> Result<Id, ApiError> {
    let number = digits::parse(typed).ok_or(Code::NumberWrong)?;
    let found = docs::get::<OpenNumber>(&*app.store, &OpenNumber::key(account, &number)).await?;
    match found {
        Some(found) if app.now() < found.doc.expires => Ok(found.doc.transaction),
        _ => Err(Code::NumberWrong.into()),
    }
}

/// What a page is shown that names a user id again: the same, or that it has to begin anew for another one.
async fn addressed_already(
    app: &App,
    transaction: &Transaction,
    user_id: &str,
) -> Result<Option<AddressedView>, ApiError> {
    let same = match transaction.addressed.as_ref() {
        None => return Ok(None),
        Some(Addressed { by: AddressedBy::UserId, .. }) => {
            let key = slot_key(transaction, &fold(user_id));
            let mut same = false;
            for number in 0..app.config.approval.locked_waiting.max(1) {
                let slot = docs::get::<LockedSlot>(&*app.store, &LockedSlot::id(&key, number)).await?;
                same |= slot.is_some_and(|slot| slot.doc.transaction == transaction.id);
            }
            same
        }
        // A remembered browser whose own person types the user id has a number already.
        Some(Addressed { account, by: AddressedBy::Browser(_) }) => {
            let (named, _) = name(app, &fold(user_id)).await?;
            if *account != Some(named) {
                return Ok(None);
            }
            true
        }
        Some(_) => false,
    };
    match (same, &transaction.number) {
        (true, Some(number)) => Ok(Some(AddressedView { number: number.clone(), expires: transaction.expires })),
        _ => Err(Code::OperationRefused.into()),
    }
}

pub(crate) fn fold(user_id: &str) -> String {
    user_id.trim().to_lowercase()
}

/// The account that a folded user id names, and whether it may be pushed to. One that is unknown names an account that
/// does not exist, so that every step is the same.
pub(crate) async fn name(app: &App, folded: &str) -> Result<(Id, bool), ApiError> {
    let stranger = id_of(&crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/stranger", folded.as_bytes()]));
    // No user id is longer than 48 characters, and the store takes no longer ids than 512 bytes.
    let short = if (1..=256).contains(&folded.len()) { folded.as_bytes() } else { b"?" };
    let index = docs::get::<UserIdIndex>(&*app.store, short).await?;
    let named = index.map_or(stranger, |index| index.doc.account);
    let account = docs::get::<Account>(&*app.store, &named.0).await?;
    Ok((named, account.is_some_and(|account| !account.doc.blocked)))
}

/// Keeps the place of a request that was given more time.
pub(super) async fn keep_slot(app: &App, changes: &mut Changes, transaction: &Transaction) -> Result<(), ApiError> {
    let Some(key) = &transaction.slot else { return Ok(()) };
    for number in 0..app.config.approval.locked_waiting.max(1) {
        let held = docs::get::<LockedSlot>(&*app.store, &LockedSlot::id(key, number)).await?;
        if let Some(mut held) = held.filter(|held| held.doc.transaction == transaction.id) {
            held.doc.expires = transaction.expires;
            changes.update(&held);
        }
    }
    Ok(())
}

fn slot_key(transaction: &Transaction, folded: &str) -> Hash32 {
    crypto::labelled_hash("godkend/1/locked", &[transaction.source.as_bytes(), folded.as_bytes()])
}

/// Addresses and locks; says whom to wake.
async fn lock(
    app: &App,
    changes: &mut Changes,
    entry: &mut Entry<Transaction>,
    user_id: &str,
    by: AddressedBy,
) -> Result<Id, ApiError> {
    let now = app.now();
    // What it depends on is known to whoever asks: it tells nothing about the person.
    if entry.doc.level > Binding::TypedNumber.cap() {
        return Err(Code::LevelUnreachable.into());
    }
    app.throttle.may_start(&entry.doc.source, app.clock.now_ms())?;
    let folded = fold(user_id);
    let (named, known) = name(app, &folded).await?;
    take_slot(app, changes, &entry.doc, &folded, now).await?;
    entry.doc.slot = Some(slot_key(&entry.doc, &folded));
    entry.doc.number = Some(free_number(app, &named).await?);
    entry.doc.addressed = Some(Addressed { account: known.then_some(named), by });
    entry.doc.nobody = (!known).then_some(named);
    // A person who wants no locked pushes is not listed for one (see `poll`), and the number still opens it.
    put_open(changes, &entry.doc, named, true);
    Ok(named)
}

/// Takes one of the places for requests that wait locked for this source and user id.
async fn take_slot(
    app: &App,
    changes: &mut Changes,
    transaction: &Transaction,
    folded: &str,
    now: i64,
) -> Result<(), ApiError> {
    let key = slot_key(transaction, folded);
    let mut wait = i64::MAX;
    for number in 0..app.config.approval.locked_waiting.max(1) {
        let slot = LockedSlot { key, number, transaction: transaction.id, expires: transaction.expires };
        let Some(mut held) = docs::get::<LockedSlot>(&*app.store, &LockedSlot::id(&key, number)).await? else {
            changes.insert(&slot);
            return Ok(());
        };
        if held.doc.transaction != transaction.id && now < held.doc.expires {
            let waiting = docs::get::<Transaction>(&*app.store, &held.doc.transaction.0).await?;
            if let Some(mut waiting) = waiting.filter(|waiting| check_open(&waiting.doc, now).is_ok()) {
                let own =
                    transaction.browser_session.is_some() && waiting.doc.browser_session == transaction.browser_session;
                if !own || waiting.doc.taken.is_some() {
                    wait = wait.min(held.doc.expires.saturating_sub(now));
                    continue;
                }
                // The same browser began anew: its earlier request gives way.
                close(app, changes, &mut waiting, now).await?;
            }
        }
        held.doc = slot;
        changes.update(&held);
        return Ok(());
    }
    Err(ApiError::wait(Code::Throttled, u32::try_from(wait).unwrap_or(180).max(1)))
}
