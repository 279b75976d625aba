//! What the log's newer entries do to the documents of an older database.

use std::collections::BTreeMap;

use godkend_protocol::bytes::{Blob, Hash32, Id};
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::messages::approval::AnswerReply;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::{Factor, VersionPolicy};

use super::PER_COMMIT;
use crate::app::App;
use crate::approval;
use crate::audit::{AuditEntry, LoggedKey};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::identity;
use crate::oidc::records::RegisteredClient;
use crate::records::{
    Account, Browser, Device, Document, EnrolledKey, Enrolment, Entry, OfflineTries, Outcome, Transaction,
};

/// The documents that the entries touch, read once and written at the end.
#[derive(Default)]
pub(super) struct Fold {
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
    pub(super) async fn apply(&mut self, app: &App, entry: AuditEntry) -> Result<(), ApiError> {
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

    pub(super) async fn write(&self, app: &App) -> Result<u64, ApiError> {
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

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Fixed, Secret};
    use godkend_protocol::types::{KeyPurpose, SecurityLevel};

    use super::*;
    use crate::approval::testing::device;
    use crate::audit::logged_keys;

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
}
