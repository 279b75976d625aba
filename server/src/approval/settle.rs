//! The one outcome of a transaction: what every way of deciding writes, and whom it wakes.

use godkend_protocol::bytes::Hash32;
use godkend_protocol::types::Decision;
use serde_json::json;

use super::transaction::drop_open;
use super::uses::{self, Use, What};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::Changes;
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, AddressedBy, Entry, Outcome, Transaction};

/// Writes the outcome into `changes`, with its log entry and history line. The caller commits, then calls [`told`].
pub(crate) async fn settle(
    app: &App,
    changes: &mut Changes,
    entry: &mut Entry<Transaction>,
    account: Option<&Account>,
    outcome: Outcome,
    hashes: Option<(Hash32, Hash32)>,
) -> Result<(), ApiError> {
    drop_open(app, changes, &entry.doc).await?;
    let transaction = &mut entry.doc;
    changes.log(&AuditEntry::Decided {
        transaction: transaction.id,
        account: outcome.account,
        uuid: account.map(|account| account.uuid.clone()),
        device: outcome.device,
        action: transaction.action,
        relying_party: transaction.relying_party.id.clone(),
        decision: outcome.decision,
        factor: outcome.factor,
        binding: outcome.binding,
        level: outcome.level,
        means: outcome.means.clone(),
        challenge: hashes.map(|(challenge, _)| challenge),
        answer: hashes.map(|(_, answer)| answer),
        at: outcome.at,
    });
    if let (Some(account), Some(told)) = (account, &transaction.told) {
        if let (Decision::ReportFraud, Some(device)) = (outcome.decision, outcome.device) {
            uses::line(app, changes, account.id, told, transaction, device);
        }
    } else if let Some(account) = account {
        let mut told = 0;
        if outcome.decision == Decision::Approve && transaction.action.is_relying_party() {
            let (what, by) = (What::of(transaction), outcome.device);
            let used = Use {
                relying_party: &transaction.relying_party.name,
                what,
                page: Some(transaction),
                means: &outcome.means,
                by,
                at: outcome.at,
            };
            told = uses::tell(app, changes, account, &used).await?;
        }
        let event = match outcome.decision {
            Decision::Approve => "approved",
            Decision::Deny => "refused",
            Decision::ReportFraud => "reported",
        };
        let mut details = json!({
            "action": transaction.action.name(),
            "binding": outcome.binding.name(),
            "factor": outcome.factor,
            "means": outcome.means,
            "level": outcome.level.map(|level| level.name()),
            "place": transaction.place,
            "browser": transaction.browser,
            "alert": outcome.decision == Decision::ReportFraud,
        });
        if let Some(details) = details.as_object_mut().filter(|_| told > 0) {
            details.insert("told".to_owned(), json!(told));
        }
        let relying_party = transaction.action.is_relying_party().then(|| transaction.relying_party.name.clone());
        let device = outcome.device;
        history::add(changes, app, account.id, event, About { device, relying_party, details });
    }
    transaction.outcome = Some(outcome);
    changes.update(entry);
    Ok(())
}

/// After the commit: wakes the log, the page and the person's phones, and lets back-off fall on the source.
pub(crate) fn told(app: &App, transaction: &Transaction) {
    app.log.wake();
    app.wake.all(transaction.id);
    let addressed = transaction.addressed.as_ref();
    uses::disputed(app, transaction);
    let by = transaction.outcome.as_ref().and_then(|outcome| outcome.account);
    if let Some(account) = addressed.and_then(|addressed| addressed.account).or(by) {
        app.tell(account);
    }
    let pushed =
        addressed.is_some_and(|addressed| !matches!(addressed.by, AddressedBy::Device(_) | AddressedBy::Notice(_)));
    let now_ms = app.clock.now_ms();
    match transaction.outcome.as_ref().map(|outcome| outcome.decision) {
        // A session that a person says is not theirs, however their phone came to it. Only what reaches people unasked
        // waits: pages with a QR code begin as ever.
        Some(Decision::ReportFraud) if transaction.action.is_relying_party() => {
            app.throttle.reported(&transaction.source, now_ms);
        }
        Some(Decision::Deny) if pushed && transaction.action.is_relying_party() => {
            app.throttle.refused(&transaction.source, now_ms);
        }
        _ => {}
    }
}
