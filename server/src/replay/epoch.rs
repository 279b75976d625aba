//! What a new epoch of the log asks of a database whose log was lost.

use godkend_protocol::bytes::Fixed;
use godkend_protocol::crypto;
use godkend_protocol::messages::activation::Stage;

use super::{Fit, each, void_grants};
use crate::app::App;
use crate::audit::{AuditEntry, logged_keys};
use crate::docs::Changes;
use crate::error::ApiError;
use crate::records::{Account, Browser, Device, Document as _, Enrolment, Transaction};

/// Where the database keeps the epoch that it has been fitted to (4 bytes, big-endian).
const EPOCH_KEY: &str = "replay.epoch";

/// Does what a new epoch asks for, if the database was not fitted to this one yet; says whether.
pub(super) async fn fit(app: &App) -> Result<bool, ApiError> {
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
    use super::*;
    use crate::approval::testing::device;

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
