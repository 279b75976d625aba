//! What lies on the disk while the server is dead: a copy of its files, opened with the server's own store and log, and
//! the log folded by a reader that shares nothing with the server's replay.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use godkend_protocol::bytes::{Id, PublicKey};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::Decision;
use godkend_server::audit::AuditEntry;
use godkend_server::config::Config;
use godkend_server::keys::ServerKeys;
use godkend_server::log::{Behind, Opened, Sequencer, SequencerConfig};
use godkend_server::records::{Account, Device, Document, Transaction};
use godkend_server::store::Store;
use godkend_server::store::sqlite::SqliteStore;

use crate::person::Person;
use crate::server::unix_now;

/// The files' content.
pub(crate) struct Truth {
    pub(crate) accounts: BTreeMap<Id, Account>,
    pub(crate) devices: BTreeMap<Id, Device>,
    pub(crate) transactions: BTreeMap<Id, Transaction>,
    pub(crate) entries: Vec<AuditEntry>,
    /// Entries of the log that the database does not know: a replay would have work.
    pub(crate) ahead: usize,
}

/// Copies a folder with everything below it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // Keeps the mode: a secret that others may read is refused.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn all<D: Document>(store: &dyn Store) -> Vec<D> {
    let mut all = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = store.scan(D::KIND, after.as_deref(), 256).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.id.clone());
        all.extend(page.iter().map(|record| serde_json::from_slice::<D>(&record.body).unwrap()));
    }
}

/// Reads an environment whose server is dead.
pub(crate) async fn read(folder: &Path) -> Truth {
    let copied = tempfile::tempdir().unwrap();
    copy(folder, copied.path());
    let config = Config::load(&copied.path().join("godkend.toml"), std::iter::empty()).unwrap();
    let keys = ServerKeys::load(&config, unix_now()).unwrap();
    let store = SqliteStore::open(&config.in_data_dir(&config.database.path), 1).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let settings = SequencerConfig {
        dir: config.data_dir().join("log"),
        environment: config.server.environment.clone(),
        epoch: 1,
        behind: Behind::Refuse,
        signers: keys.checkpoint_signers(),
        earlier: keys.earlier_checkpoint_keys(),
        clock: Arc::new(|| u64::try_from(unix_now()).unwrap()),
        rng: Box::new(godkend_server::ops::random::system()),
        witnessed: Vec::new(),
        sign_again_after: 0,
    };
    let Opened { log, sequencer, entries_ahead, .. } = Sequencer::open(store.clone(), settings).await.unwrap();
    // What waits in the outbox belongs to the log.
    sequencer.run(async {}).await;
    let entries = log.iter_from(0).map(|entry| entry.unwrap().content.unwrap().entry);
    let entries = entries.map(|entry| serde_json::from_slice(&entry).unwrap()).collect();
    let truth = Truth {
        accounts: all::<Account>(&*store).await.into_iter().map(|account| (account.id, account)).collect(),
        devices: all::<Device>(&*store).await.into_iter().map(|device| (device.id, device)).collect(),
        transactions: all::<Transaction>(&*store).await.into_iter().map(|one| (one.id, one)).collect(),
        entries,
        ahead: entries_ahead.len(),
    };
    store.close().await;
    truth
}

/// A device as the log alone tells of it.
#[derive(Default)]
struct Folded {
    state: Option<DeviceState>,
    debits: Option<u32>,
    exchange: u64,
    ratchet: Option<u64>,
    pin: Option<PublicKey>,
}

impl Truth {
    /// Every decision in the log, by transaction.
    pub(crate) fn decisions(&self) -> BTreeMap<Id, Vec<Decision>> {
        let mut decisions = BTreeMap::<Id, Vec<Decision>>::new();
        for entry in &self.entries {
            if let AuditEntry::Decided { transaction, decision, .. } = entry {
                decisions.entry(*transaction).or_default().push(*decision);
            }
        }
        decisions
    }

    /// What does not agree in itself. Empty is well.
    pub(crate) fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.ahead > 0 {
            found.push(format!("the log has {} entries that the database does not know", self.ahead));
        }
        let decisions = self.decisions();
        for (id, decided) in &decisions {
            let outcome = self.transactions.get(id).and_then(|transaction| transaction.outcome.as_ref());
            if decided.len() != 1 || outcome.map(|outcome| outcome.decision) != decided.first().copied() {
                found.push(format!("transaction {}: log {decided:?}, database {outcome:?}", id.to_base64()));
            }
        }
        for (id, transaction) in &self.transactions {
            if transaction.outcome.is_some() && !decisions.contains_key(id) {
                found.push(format!("transaction {} is decided in the database alone", id.to_base64()));
            }
            if transaction.collected && transaction.outcome.is_none() {
                found.push(format!("transaction {} is collected and undecided", id.to_base64()));
            }
        }
        self.devices_disagree(&mut found);
        let mut blocked = BTreeMap::new();
        for entry in &self.entries {
            if let AuditEntry::AccountBlocked { account, blocked: is, .. } = entry {
                blocked.insert(*account, *is);
            }
        }
        for (id, account) in &self.accounts {
            if account.blocked != blocked.get(id).copied().unwrap_or(false) {
                found.push(format!("account {} is blocked in one of both", id.to_base64()));
            }
        }
        found
    }

    /// What does not agree with a person's ledger.
    pub(crate) fn compare(&self, person: &Person, found: &mut Vec<String>) {
        let decisions = self.decisions();
        for (transaction, acknowledged) in &person.acknowledged {
            let logged = decisions.get(&Id::from_base64(transaction).unwrap()).map_or(&[][..], Vec::as_slice);
            let expected: Vec<Decision> = acknowledged.iter().copied().collect();
            if logged != expected {
                found.push(format!("{transaction} was acknowledged as {acknowledged:?}, the log has {logged:?}"));
            }
        }
        let account = Id::from_base64(&person.citizen).unwrap();
        let phones: Vec<_> = self.devices.values().filter(|device| device.account == account).collect();
        for device in &phones {
            let state = device.state;
            if person.blocked && state != DeviceState::Blocked || person.is_usable() && state != DeviceState::Active {
                found.push(format!("{} is {state:?}", person.citizen));
            }
            let debits = device.pin.as_ref().map_or(0, |pin| pin.debits);
            if debits < person.debits.0 || debits > person.debits.1 {
                found.push(format!("{}: {debits} debits, not {:?}", person.citizen, person.debits));
            }
        }
        if person.active && phones.len() != 1 {
            found.push(format!("{} has {} phones", person.citizen, phones.len()));
        }
    }

    fn devices_disagree(&self, found: &mut Vec<String>) {
        let mut folded = BTreeMap::<Id, Folded>::new();
        for entry in &self.entries {
            match entry {
                AuditEntry::DeviceEnrolled { device, .. } => {
                    let twice = folded.insert(*device, Folded::default()).is_some();
                    found.extend(twice.then(|| format!("device {} is enrolled twice", device.to_base64())));
                }
                AuditEntry::DeviceChanged { device, state, .. } => {
                    folded.entry(*device).or_default().state = Some(*state);
                }
                AuditEntry::PinEnrolled { device, key, .. } => {
                    let device = folded.entry(*device).or_default();
                    (device.pin, device.debits) = (Some(*key), Some(0));
                }
                AuditEntry::PinDebited { device, debits, exchange, .. } => {
                    let known = folded.entry(*device).or_default();
                    if *exchange <= known.exchange || *debits != known.debits.unwrap_or(0) + 1 {
                        found.push(format!("device {}: debit {debits} of exchange {exchange}", device.to_base64()));
                    }
                    (known.debits, known.exchange) = (Some(*debits), *exchange);
                }
                AuditEntry::PinCleared { device, .. } => folded.entry(*device).or_default().debits = Some(0),
                AuditEntry::Ratchet { device, count, .. } => {
                    let known = folded.entry(*device).or_default();
                    if known.ratchet.is_some_and(|last| *count != last + 1) {
                        found.push(format!("device {}: ratchet {count} after {:?}", device.to_base64(), known.ratchet));
                    }
                    known.ratchet = Some(*count);
                }
                _ => {}
            }
        }
        for (id, device) in &self.devices {
            let Some(logged) = folded.remove(id) else {
                found.push(format!("device {} is not in the log", id.to_base64()));
                continue;
            };
            let pin = device.pin.as_ref();
            let agree = logged.state.is_none_or(|state| state == device.state)
                && logged.ratchet.is_none_or(|count| count == device.ratchet_count)
                && pin.map(|pin| pin.key) == logged.pin
                && pin.map(|pin| pin.debits) == logged.debits;
            if !agree {
                let Folded { state, debits, ratchet, .. } = logged;
                found.push(format!(
                    "device {}: log {state:?}, {debits:?} debits, ratchet {ratchet:?}; database {:?}, {:?}, {}",
                    id.to_base64(),
                    device.state,
                    pin.map(|pin| pin.debits),
                    device.ratchet_count
                ));
            }
        }
        found.extend(folded.keys().map(|id| format!("device {} is in the log alone", id.to_base64())));
    }
}
