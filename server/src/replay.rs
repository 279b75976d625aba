//! What a server does at its start, before it answers anyone, when its database is older than its log: debits, blocks,
//! removals, decided transactions, ratchets and keys are brought up to date from the log, and what the log cannot bring
//! back (a PIN's record, a remembered browser's cookie, a device that the database never saw, an approval that a relying
//! party may have fetched, a client whose registration has changed) is void.
//!
//! When log and database were both lost, the log begins a new epoch: pending work is void, every PIN has one try,
//! nothing but a PIN approves until it was right, remembered browsers are forgotten, and devices, PINs and blocks are
//! entered anew.
//!
//! Both are idempotent: killed in the midst, the next start does them again.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use godkend_protocol::bytes::{Blob, Fixed, Hash32, Id};
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::AnswerReply;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Factor, VersionPolicy};

use crate::app::App;
use crate::approval;
use crate::audit::{AuditEntry, LoggedKey, logged_keys};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::identity;
use crate::log::AheadEntry;
use crate::oidc::records::{AuthorizationCode, RegisteredClient};
use crate::records::{
    Account, Browser, Device, Document, EnrolledKey, Enrolment, Entry, OfflineTries, Outcome, Transaction,
};

/// Where the database keeps the epoch that it has been fitted to (4 bytes, big-endian).
const EPOCH_KEY: &str = "replay.epoch";
/// Where the database keeps the log's size at its last restore (8 bytes, big-endian).
const RESTORED_KEY: &str = "replay.restored";
/// Documents in one commit: with their log entries within a batch's limits.
const PER_COMMIT: usize = 16;
/// Documents in one page of a scan.
const PAGE: u32 = 256;

/// What a replay did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// Entries of the log that the database did not know.
    pub entries: u64,
    /// Of those, the ones that were erased or are of a newer version: an operator should look.
    pub unreadable: u64,
    /// Documents that changed.
    pub documents: u64,
    /// The database was fitted to a new epoch.
    pub new_epoch: bool,
}

/// Brings the database up to the log. To be called after the log was opened and before anything is served.
///
/// # Errors
/// [`ApiError`] if the store cannot take it: do not serve.
pub async fn run(app: &App, ahead: &[AheadEntry]) -> Result<Replayed, ApiError> {
    let mut replayed = Replayed { new_epoch: fit_epoch(app).await?, ..Replayed::default() };
    let mut fold = Fold::default();
    for entry in ahead {
        replayed.entries += 1;
        match entry.entry.as_deref().map(serde_json::from_slice::<AuditEntry>) {
            Some(Ok(entry)) => fold.apply(app, entry).await?,
            Some(Err(_)) | None => replayed.unreadable += 1,
        }
    }
    replayed.documents = fold.write(app).await?;
    if replayed.entries > 0 {
        replayed.documents += void_grants(app).await?;
    }
    app.restored_at.store(restored_at(app, replayed.entries > 0).await?, Ordering::Relaxed);
    if replayed.entries > 0 {
        let Replayed { entries, unreadable, documents, .. } = replayed;
        tracing::warn!(entries, unreadable, documents, "the database was older than the log and was brought up to it");
    }
    Ok(replayed)
}

/// What was on its way to a relying party when the database was copied may have arrived since, which is in no log: it is
/// void, and the person signs in again. Says how many documents changed.
async fn void_grants(app: &App) -> Result<u64, ApiError> {
    let mut changed = 0;
    each::<Transaction>(app, |transaction, _| {
        if transaction.outcome.is_none() || transaction.collected {
            return Fit::Keep;
        }
        transaction.collected = true;
        changed += 1;
        Fit::Write
    })
    .await?;
    each::<AuthorizationCode>(app, |_, _| {
        changed += 1;
        Fit::Delete
    })
    .await?;
    Ok(changed)
}

/// The log's size at the last restore, which is now if `now` says so.
async fn restored_at(app: &App, now: bool) -> Result<u64, ApiError> {
    if now {
        let size = app.log.log().size();
        app.store.meta_put(RESTORED_KEY, &size.to_be_bytes()).await?;
        return Ok(size);
    }
    let stored = app.store.meta_get(RESTORED_KEY).await?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// The documents that the entries touch, read once and written at the end.
#[derive(Default)]
struct Fold {
    accounts: Touched<Account>,
    devices: Touched<Device>,
    enrolments: Touched<Enrolment>,
    transactions: Touched<Transaction>,
    browsers: Touched<Browser>,
    offline: BTreeMap<Id, Entry<OfflineTries>>,
    means: crate::means::replay::Fold,
    own: identity::replay::Fold,
    /// Clients by their names, with the hash of their newest registration.
    clients: BTreeMap<String, Option<Hash32>>,
}

/// `None` for one that the database does not have.
struct Touched<D>(BTreeMap<Id, Option<Entry<D>>>);

impl<D> Default for Touched<D> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<D: Document> Touched<D> {
    async fn get(&mut self, app: &App, id: Id) -> Result<Option<&mut D>, ApiError> {
        use std::collections::btree_map::Entry as Slot;
        let slot = match self.0.entry(id) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(docs::get::<D>(&*app.store, &id.0).await?),
        };
        Ok(slot.as_mut().map(|entry| &mut entry.doc))
    }

    async fn write(&self, app: &App, delete: bool) -> Result<u64, ApiError> {
        let entries: Vec<_> = self.0.values().flatten().collect();
        let mut written = 0;
        for chunk in entries.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for entry in chunk {
                if delete {
                    changes.delete(entry)
                } else {
                    changes.update(entry)
                };
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        Ok(written)
    }
}

impl Fold {
    async fn apply(&mut self, app: &App, entry: AuditEntry) -> Result<(), ApiError> {
        match entry {
            AuditEntry::AccountBlocked { account, blocked, .. } => {
                if let Some(account) = self.accounts.get(app, account).await? {
                    account.blocked = blocked;
                }
            }
            AuditEntry::AccountChanged { account, least_suite, locked_push, .. } => {
                if let Some(account) = self.accounts.get(app, account).await? {
                    account.least_suite = account.least_suite.max(least_suite);
                    account.locked_push = locked_push;
                }
            }
            AuditEntry::EnrolmentSpent { enrolment, tries_left, digits_left, void, .. } => {
                if let Some(enrolment) = self.enrolments.get(app, enrolment).await? {
                    enrolment.tries_left = enrolment.tries_left.min(tries_left);
                    enrolment.digits_left = enrolment.digits_left.min(digits_left);
                    if void {
                        enrolment.stage = Some(Stage::Void);
                        enrolment.pin = None;
                    }
                }
            }
            AuditEntry::DeviceEnrolled { device, enrolment, keys, .. } => {
                let known = self.devices.get(app, device).await?.map(|device| device.keys = restored(&keys)).is_some();
                // Somebody took it, and the device is lost: it must not be taken twice.
                if !known && let Some(enrolment) = self.enrolments.get(app, enrolment).await? {
                    enrolment.stage = Some(Stage::Void);
                }
            }
            AuditEntry::Decided { transaction, .. } => self.decided(app, transaction, &entry).await?,
            AuditEntry::Closed { transaction, at } => {
                if let Some(transaction) = self.transactions.get(app, transaction).await? {
                    on_closed(transaction, at);
                }
            }
            AuditEntry::ResetPinTried { enrolment, device, debits, exchange, at } => {
                let reset = self.enrolments.get(app, enrolment).await?.and_then(|reset| reset.pin.as_mut());
                if let Some(pin) = reset {
                    (pin.debits, pin.last_debit, pin.exchange) = (debits, at, None);
                    pin.last_exchange = pin.last_exchange.max(exchange);
                }
                if let Some(pin) = self.devices.get(app, device).await?.and_then(|device| device.pin.as_mut()) {
                    pin.last_exchange = pin.last_exchange.max(exchange);
                }
            }
            AuditEntry::OfflineTried { transaction, left, account, wrong, at } => {
                if let Some(offline) = self.transactions.get(app, transaction).await?.and_then(|t| t.offline.as_mut()) {
                    offline.tries_left = offline.tries_left.min(left);
                }
                if let Some(account) = account {
                    self.offline_tried(app, account, wrong, at).await?;
                }
            }
            // The cookie that belongs to the newer state is lost with it.
            AuditEntry::BrowserRotated { browser, .. } | AuditEntry::BrowserRevoked { browser, .. } => {
                self.browsers.get(app, browser).await?;
            }
            AuditEntry::PinEnrolled { device, .. }
            | AuditEntry::KeysChanged { device, .. }
            | AuditEntry::DeviceChanged { device, .. }
            | AuditEntry::PinDebited { device, .. }
            | AuditEntry::PinCleared { device, .. }
            | AuditEntry::Ratchet { device, .. } => {
                if let Some(device) = self.devices.get(app, device).await? {
                    on_device(device, &entry, |reply| app.keys.sign_challenge(reply));
                }
            }
            AuditEntry::MeansChanged { account, ref means, ref state, .. } if means == identity::TELL_USES => {
                if let Some(account) = self.accounts.get(app, account).await? {
                    account.tell_uses = state == "on";
                }
            }
            AuditEntry::MeansChanged { account, ref means, ref state, .. } if means == identity::HIDE_NAMES => {
                self.own.hide_names(account, state == "on");
            }
            AuditEntry::UserIdChanged { account, user_id, .. } => {
                if let Some(known) = self.accounts.get(app, account).await? {
                    self.own.user_id(app, known, &user_id);
                }
            }
            AuditEntry::MeansChanged { .. } | AuditEntry::MeansTried { .. } | AuditEntry::MeansCleared { .. } => {
                self.means.apply(app, entry).await?;
            }
            AuditEntry::ClientChanged { client, registration, .. } => {
                self.clients.insert(client, registration);
            }
            // What they brought is not in the database, and nobody can use it.
            AuditEntry::AccountCreated { .. }
            | AuditEntry::EnrolmentOpened { .. }
            | AuditEntry::BrowserRemembered { .. }
            | AuditEntry::TestOutcome { .. }
            | AuditEntry::NoticeRefused { .. }
            | AuditEntry::EpochBegan { .. } => {}
        }
        Ok(())
    }

    async fn decided(&mut self, app: &App, transaction: Id, entry: &AuditEntry) -> Result<(), ApiError> {
        let AuditEntry::Decided { device, factor, .. } = entry else { return Ok(()) };
        if let (Some(device), Factor::Pin) = (device, factor)
            && let Some(device) = self.devices.get(app, *device).await?
        {
            device.epoch = app.log.epoch();
        }
        if let Some(transaction) = self.transactions.get(app, transaction).await? {
            on_transaction(transaction, entry);
        }
        Ok(())
    }

    /// The day's count is entered whether the database had begun one or not.
    async fn offline_tried(&mut self, app: &App, account: Id, wrong: u32, at: i64) -> Result<(), ApiError> {
        use std::collections::btree_map::Entry as Slot;
        let entry = match self.offline.entry(account) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(approval::offline_tries(app, account).await?),
        };
        entry.doc.note(wrong, at);
        Ok(())
    }

    async fn write(&self, app: &App) -> Result<u64, ApiError> {
        // What finds an account before the account: killed between, the next start sees the old user id still.
        let mut written = self.own.write(app).await?;
        written += self.accounts.write(app, false).await?;
        let offline: Vec<_> = self.offline.values().collect();
        for chunk in offline.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for entry in chunk {
                changes.update(entry);
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        written += self.means.write(app).await?;
        written += self.write_clients(app).await?;
        written += self.devices.write(app, false).await?;
        written += self.enrolments.write(app, false).await?;
        written += self.transactions.write(app, false).await?;
        // A browser is touched only to be forgotten.
        Ok(written + self.browsers.write(app, true).await?)
    }

    /// A client that is not as it was registered last may have a secret or an address that was withdrawn since: it is
    /// closed until a desk registers it again.
    async fn write_clients(&self, app: &App) -> Result<u64, ApiError> {
        let mut written = 0;
        for (client, newest) in &self.clients {
            let known = docs::get::<RegisteredClient>(&*app.store, client.as_bytes()).await?;
            let Some(known) = known.filter(|known| Some(known.doc.hash()) != *newest) else { continue };
            let mut changes = Changes::new();
            changes.delete(&known);
            changes.commit(&*app.store).await?;
            tracing::warn!(client, "the client's registration is older than the log says; register it again");
            written += 1;
        }
        Ok(written)
    }
}

/// What an entry does to a device. `sign` makes the reply anew that a phone may still be waiting for.
fn on_device(device: &mut Device, entry: &AuditEntry, sign: impl FnOnce(&AnswerReply) -> Vec<u8>) {
    match entry {
        // The record itself is not in the log: a new PIN has to be chosen.
        AuditEntry::PinEnrolled { key, .. } if device.pin.as_ref().is_some_and(|pin| pin.key != *key) => {
            device.pin = None;
        }
        AuditEntry::KeysChanged { keys, .. } => {
            device.keys = restored(keys);
        }
        AuditEntry::DeviceChanged { state, .. } => {
            device.state = *state;
            if *state == DeviceState::Removed {
                crate::device::remove(device);
            }
            if matches!(state, DeviceState::Blocked | DeviceState::Frozen) {
                crate::push::forget(&mut device.push);
            }
        }
        AuditEntry::PinDebited { debits, exchange, at, .. } => {
            if let Some(pin) = &mut device.pin {
                (pin.debits, pin.last_debit, pin.exchange) = (*debits, *at, None);
                pin.last_exchange = pin.last_exchange.max(*exchange);
            }
        }
        AuditEntry::PinCleared { exchange, .. } => {
            if let Some(pin) = &mut device.pin {
                (pin.debits, pin.exchange) = (0, None);
                pin.last_exchange = pin.last_exchange.max(*exchange);
            }
        }
        AuditEntry::Ratchet { count, ratchet, answer, at, .. } => {
            device.ratchet_count = *count;
            device.ratchet = ratchet.clone();
            device.last_used = answer.map(|_| *at).or(device.last_used);
            device.last_answer = answer.map(|answer| {
                let reply = AnswerReply {
                    answer,
                    ratchet: ratchet.clone(),
                    ratchet_count: *count,
                    return_url: None,
                    activation: None,
                    active_from: None,
                    policy: VersionPolicy::Current,
                };
                (answer, Blob(sign(&reply)))
            });
        }
        _ => {}
    }
}

/// What an end without an outcome does to a transaction.
fn on_closed(transaction: &mut Transaction, at: i64) {
    if transaction.outcome.is_none() {
        transaction.expires = transaction.expires.min(at);
    }
}

/// What a decision does to a transaction: it has its outcome, and nobody is told of it a second time.
fn on_transaction(transaction: &mut Transaction, entry: &AuditEntry) {
    let AuditEntry::Decided { account, device, decision, factor, binding, level, means, at, .. } = entry else {
        return;
    };
    if transaction.outcome.is_some() {
        return;
    }
    transaction.collected = true;
    transaction.outcome = Some(Outcome {
        decision: *decision,
        account: *account,
        device: *device,
        factor: *factor,
        binding: *binding,
        level: *level,
        authenticator_level: *level,
        at: *at,
        remember_browser: false,
        means: means.clone(),
        evidence: None,
    });
}

fn restored(keys: &[LoggedKey]) -> Vec<EnrolledKey> {
    keys.iter()
        .map(|key| EnrolledKey {
            purpose: key.purpose,
            public: key.public,
            security: key.security,
            enrolled: key.enrolled,
            counter: None,
        })
        .collect()
}

/// Does what a new epoch asks for, if the database was not fitted to this one yet; says whether.
async fn fit_epoch(app: &App) -> Result<bool, ApiError> {
    let epoch = app.log.epoch();
    let fitted = app.store.meta_get(EPOCH_KEY).await?;
    if fitted.as_deref() == Some(epoch.to_be_bytes().as_slice()) {
        return Ok(false);
    }
    // The very first start has nobody to protect.
    let first = app.store.scan(Account::KIND, None, 1).await?.is_empty();
    if !first {
        tracing::warn!(epoch, "a new epoch of the log begins: pending work is void, every PIN has one try");
        let now = app.now();
        let mut changes = Changes::new();
        changes.log(&AuditEntry::EpochBegan { epoch, at: now });
        changes.commit(&*app.store).await?;
        let most = most_debits(app);
        each::<Device>(app, |device, changes| fit_device(device, most, now, changes)).await?;
        each::<Account>(app, |account, changes| {
            if account.blocked {
                let by = "epoch".to_owned();
                changes.log(&AuditEntry::AccountBlocked { account: account.id, blocked: true, by, at: now });
            }
            Fit::Keep
        })
        .await?;
        each::<Enrolment>(app, |enrolment, _| match enrolment.stage {
            Some(Stage::Active | Stage::Void) => Fit::Keep,
            _ => {
                enrolment.stage = Some(Stage::Void);
                enrolment.pin = None;
                Fit::Write
            }
        })
        .await?;
        each::<Transaction>(app, |transaction, _| {
            if transaction.outcome.is_some() || transaction.expires <= now {
                return Fit::Keep;
            }
            transaction.expires = now;
            Fit::Write
        })
        .await?;
        void_grants(app).await?;
        each::<Browser>(app, |browser, changes| {
            let (browser, account) = (browser.id, browser.account);
            changes.log(&AuditEntry::BrowserRevoked { browser, account, why: "replay".to_owned(), at: now });
            Fit::Delete
        })
        .await?;
    }
    app.store.meta_put(EPOCH_KEY, &epoch.to_be_bytes()).await?;
    Ok(!first)
}

/// What becomes of a document.
enum Fit {
    Keep,
    Write,
    Delete,
}

/// Goes through all documents of a kind.
async fn each<D: Document>(app: &App, mut fit: impl FnMut(&mut D, &mut Changes) -> Fit + Send) -> Result<(), ApiError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = app.store.scan(D::KIND, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for chunk in page.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for record in chunk {
                let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(D::KIND.0))?;
                let mut entry = Entry { doc, version: Some(record.version) };
                match fit(&mut entry.doc, &mut changes) {
                    Fit::Keep => {}
                    Fit::Write => {
                        changes.update(&entry);
                    }
                    Fit::Delete => {
                        changes.delete(&entry);
                    }
                }
            }
            changes.commit(&*app.store).await?;
        }
    }
}

/// A device in a new epoch: one try for its PIN, and its keys, PIN and state entered anew. That its epoch is an older one
/// asks for the PIN first.
fn fit_device(device: &mut Device, most_debits: u32, now: i64, changes: &mut Changes) -> Fit {
    let (id, account) = (device.id, device.account);
    changes.log(&AuditEntry::DeviceEnrolled {
        device: id,
        account,
        // None of the new log's activations.
        enrolment: Fixed([0; 16]),
        transcript: device.transcript,
        keys: logged_keys(&device.keys),
        suite: device.suite,
        at: now,
    });
    let (state, why) = (device.state, "epoch".to_owned());
    changes.log(&AuditEntry::DeviceChanged { device: id, account, state, why, at: now });
    let Some(pin) = &mut device.pin else { return Fit::Keep };
    pin.exchange = None;
    pin.enrolled = now;
    if pin.debits < most_debits {
        (pin.debits, pin.last_debit) = (most_debits, now);
    }
    let record = crypto::sha256(&[&pin.record.0]);
    changes.log(&AuditEntry::PinEnrolled { device: id, account, key: pin.key, record, at: now });
    changes.log(&AuditEntry::PinDebited { device: id, debits: pin.debits, exchange: pin.last_exchange, at: now });
    Fit::Write
}

/// The debits that leave one try.
fn most_debits(app: &App) -> u32 {
    let rounds = u32::try_from(app.config.pin.waits_seconds.len()).unwrap_or(2).saturating_add(1);
    app.config.pin.tries_per_round.max(1).saturating_mul(rounds).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Secret;
    use godkend_protocol::types::{KeyPurpose, SecurityLevel};

    use super::*;
    use crate::approval::testing::device;

    fn after(device: &Device, entry: AuditEntry) -> Device {
        let mut device = device.clone();
        on_device(&mut device, &entry, |_| vec![1]);
        device
    }

    #[test]
    fn tries_are_not_refilled_and_a_proof_still_clears() {
        let device = device();
        let id = device.id;
        let debited = after(&device, AuditEntry::PinDebited { device: id, debits: 4, exchange: 9, at: 50 });
        let pin = debited.pin.clone().unwrap();
        assert_eq!((pin.debits, pin.last_debit, pin.last_exchange), (4, 50, 9));
        let cleared = after(&debited, AuditEntry::PinCleared { device: id, exchange: 9, at: 60 }).pin.unwrap();
        assert_eq!((cleared.debits, cleared.last_exchange), (0, 9));
    }

    #[test]
    fn a_replaced_pin_is_void_and_its_own_entry_is_not() {
        let device = device();
        let (id, account, record) = (device.id, device.account, Fixed([0; 32]));
        let entry = |key| AuditEntry::PinEnrolled { device: id, account, key, record, at: 1 };
        let own = device.pin.as_ref().unwrap().key;
        assert!(after(&device, entry(own)).pin.is_some());
        assert!(after(&device, entry(Fixed([9; 65]))).pin.is_none());
    }

    #[test]
    fn a_removed_device_stays_removed_and_keys_are_the_newest() {
        let device = device();
        let (id, account) = (device.id, device.account);
        let state = DeviceState::Removed;
        let removed = after(&device, AuditEntry::DeviceChanged { device: id, account, state, why: "x".into(), at: 1 });
        assert_eq!((removed.state, removed.pin.is_none()), (DeviceState::Removed, true));
        let key = LoggedKey {
            purpose: KeyPurpose::Possession,
            public: Fixed([9; 65]),
            security: SecurityLevel::Dedicated,
            enrolled: 3,
        };
        let entry = AuditEntry::KeysChanged { device: id, account, keys: vec![key.clone()], transaction: id, at: 1 };
        assert_eq!(logged_keys(&after(&device, entry).keys), [key]);
    }

    #[test]
    fn a_phone_gets_the_ratchet_that_it_waits_for() {
        let device = device();
        let (ratchet, answer) = (Secret([9; 16]), Some(Fixed([5; 32])));
        let entry = AuditEntry::Ratchet { device: device.id, count: 8, ratchet: ratchet.clone(), answer, at: 77 };
        let stepped = after(&device, entry);
        assert_eq!((stepped.ratchet_count, stepped.ratchet, stepped.last_used), (8, ratchet, Some(77)));
        assert_eq!(stepped.last_answer, Some((Fixed([5; 32]), Blob(vec![1]))));
    }

    #[test]
    fn a_decided_transaction_is_over_and_told_to_nobody() {
        let mut transaction = crate::approval::testing::transaction();
        let entry = AuditEntry::Decided {
            transaction: transaction.id,
            account: None,
            uuid: None,
            device: None,
            action: transaction.action,
            relying_party: "bank".to_owned(),
            decision: godkend_protocol::types::Decision::Approve,
            factor: Factor::Pin,
            binding: godkend_protocol::types::Binding::ScannedQr,
            level: None,
            means: Vec::new(),
            challenge: None,
            answer: None,
            at: 1_000,
        };
        on_transaction(&mut transaction, &entry);
        assert!(transaction.collected && transaction.outcome.is_some());
    }

    #[test]
    fn a_closed_transaction_stays_closed() {
        let mut transaction = crate::approval::testing::transaction();
        on_closed(&mut transaction, 950);
        assert_eq!((transaction.expires, transaction.outcome.is_none()), (950, true));
        on_closed(&mut transaction, 2_000);
        assert_eq!(transaction.expires, 950);
    }

    #[test]
    fn in_a_new_epoch_a_pin_has_one_try() {
        let mut fitted = device();
        let mut changes = Changes::new();
        assert!(matches!(fit_device(&mut fitted, 8, 100, &mut changes), Fit::Write));
        let pin = fitted.pin.unwrap();
        let left = crate::pin::status(&pin, &crate::config::Pin::default(), 100);
        assert_eq!((left.tries_left, left.wait, left.rounds_left, left.dead), (1, 0, 0, false));
    }
}
