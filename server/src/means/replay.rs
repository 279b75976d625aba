//! What the log knows of passwords, displays, chips, orders and tries, and an older database does not: no try comes back, no code is taken
//! twice, what was lost or replaced stays so.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use godkend_protocol::bytes::{Hash32, Id};

use super::orders::{self, Order};
use super::records::{Chip, ChipCode, Display, DisplayState, Password, PasswordCode, TryCount};
use super::{CHIP, CODE_DISPLAY, PASSWORD, display, tries};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::Entry;

/// Documents in one commit.
const PER_COMMIT: usize = 16;

/// The documents that the entries touch, read once and written at the end.
#[derive(Default)]
pub(crate) struct Fold {
    displays: BTreeMap<Id, Entry<Display>>,
    counters: BTreeMap<Hash32, Entry<TryCount>>,
    passwords: BTreeMap<Id, ()>,
    orders: BTreeMap<Id, Entry<Order>>,
    chips: BTreeMap<Id, Entry<Chip>>,
    /// People whose chip is another since, or none: whatever the database has is void.
    chipless: BTreeMap<Id, ()>,
}

impl Fold {
    pub(crate) async fn apply(&mut self, app: &App, entry: AuditEntry) -> Result<(), ApiError> {
        match entry {
            // The record that belongs to it is lost with the newer state: a new one has to be chosen.
            // Before the means of the same name: an order of a chip is not a chip.
            AuditEntry::MeansChanged { account, item, state, at, .. } if orders::is_order(&state) => {
                if let Some(order) = orders::restore(app, &account, &item, &state, at).await? {
                    self.orders.insert(item, order);
                }
            }
            AuditEntry::MeansChanged { account, means, .. } if means == PASSWORD => {
                self.passwords.insert(account, ());
            }
            AuditEntry::MeansChanged { account, means, item, state, at, .. } if means == CODE_DISPLAY => {
                if let Some(display) = self.display(app, item).await? {
                    changed(app, display, account, &state, at);
                }
            }
            AuditEntry::MeansChanged { account, means, item, state, .. } if means == CHIP => {
                if state != "frozen" {
                    self.chipless.insert(account, ());
                } else if let Some(chip) = self.chip(app, item).await? {
                    chip.frozen = true;
                }
            }
            AuditEntry::MeansTried { counters, item, next, at } => {
                for (key, failures) in counters {
                    let count = self.counter(app, key).await?;
                    (count.failures, count.last) = (failures, at);
                }
                if let (Some(item), Some(next)) = (item, next)
                    && let Some(display) = self.display(app, item).await?
                {
                    display.next = display.next.max(next);
                } else if let (Some(item), Some(next)) = (item, next)
                    && let Some(chip) = self.chip(app, item).await?
                {
                    let last = u32::try_from(next.saturating_sub(1)).unwrap_or(u32::MAX);
                    chip.counter = chip.counter.max(last);
                }
            }
            AuditEntry::MeansCleared { counter, .. } => self.counter(app, counter).await?.failures = 0,
            _ => {}
        }
        Ok(())
    }

    async fn display(&mut self, app: &App, id: Id) -> Result<Option<&mut Display>, ApiError> {
        if !self.displays.contains_key(&id)
            && let Some(known) = docs::get::<Display>(&*app.store, &id.0).await?
        {
            self.displays.insert(id, known);
        }
        Ok(self.displays.get_mut(&id).map(|entry| &mut entry.doc))
    }

    async fn chip(&mut self, app: &App, id: Id) -> Result<Option<&mut Chip>, ApiError> {
        if !self.chips.contains_key(&id)
            && let Some(known) = docs::get::<Chip>(&*app.store, &id.0).await?
        {
            self.chips.insert(id, known);
        }
        Ok(self.chips.get_mut(&id).map(|entry| &mut entry.doc))
    }

    async fn counter(&mut self, app: &App, key: Hash32) -> Result<&mut TryCount, ApiError> {
        let slot = match self.counters.entry(key) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(tries::read(app, key).await?),
        };
        Ok(&mut slot.doc)
    }

    /// Writes; says how many documents changed.
    pub(crate) async fn write(&self, app: &App) -> Result<u64, ApiError> {
        let mut written = 0;
        let displays: Vec<_> = self.displays.values().collect();
        for chunk in displays.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for entry in chunk {
                changes.update(entry);
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        let counters: Vec<_> = self.counters.values().collect();
        for chunk in counters.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for entry in chunk {
                changes.update(entry);
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        for order in self.orders.values() {
            let mut changes = Changes::new();
            changes.update(order);
            changes.commit(&*app.store).await?;
            written += 1;
        }
        for entry in self.chips.values().filter(|entry| !self.chipless.contains_key(&entry.doc.account)) {
            let mut changes = Changes::new();
            changes.update(entry);
            changes.commit(&*app.store).await?;
            written += 1;
        }
        for account in self.chipless.keys() {
            let mut changes = Changes::new();
            if let Some(chip) = docs::get::<Chip>(&*app.store, &Chip::id_of(account).0).await? {
                changes.delete(&chip);
                written += 1;
            }
            for code in docs::list::<ChipCode>(&*app.store, &account.0, 16).await? {
                changes.delete(&code);
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        for account in self.passwords.keys() {
            let mut changes = Changes::new();
            if let Some(password) = docs::get::<Password>(&*app.store, &account.0).await? {
                changes.delete(&password);
                written += 1;
            }
            // A code that was used since must not be used again.
            for code in docs::list::<PasswordCode>(&*app.store, &account.0, 16).await? {
                changes.delete(&code);
                written += 1;
            }
            changes.commit(&*app.store).await?;
        }
        Ok(written)
    }
}

fn changed(app: &App, display: &mut Display, account: Id, state: &str, at: i64) {
    match state {
        "assigned" if display.state == DisplayState::Stock => {
            // The seed is sealed to its holder.
            if let Some(seed) = display::open(app, &display.id, None, &display.seed) {
                display.seed = display::seal(app, &display.id, Some(&account), &seed);
                (display.account, display.assigned) = (Some(account), Some(at));
                display.state = DisplayState::Active;
            }
        }
        "lost" => display.state = DisplayState::Lost,
        "replaced" => display.state = DisplayState::Replaced,
        _ => {}
    }
}
