//! Requests that a phone had opened and nobody answered: a line of history each. Their small records go with them.

use godkend_protocol::types::Binding;
use serde_json::json;

use super::transaction::{Open, check_open};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{AddressedBy, Document as _, Entry, Transaction};

/// Goes through the records of open requests once and removes those whose time is over. Returns how many.
///
/// # Errors
/// [`ApiError`] if the store cannot answer; the next sweep goes on.
pub async fn sweep(app: &App) -> Result<u32, ApiError> {
    let mut after: Option<Vec<u8>> = None;
    let mut swept = 0;
    loop {
        let page = app.store.scan(Open::KIND, after.as_deref(), 256).await?;
        let Some(last) = page.last() else { return Ok(swept) };
        after = Some(last.id.clone());
        for record in &page {
            let Ok(doc) = serde_json::from_slice::<Open>(&record.body) else { continue };
            if app.now() >= doc.expires {
                swept += u32::from(lapse(app, &Entry { doc, version: Some(record.version) }).await?);
            }
        }
    }
}

async fn lapse(app: &App, open: &Entry<Open>) -> Result<bool, ApiError> {
    let transaction = docs::get::<Transaction>(&*app.store, &open.doc.transaction.0).await?;
    let mut changes = Changes::new();
    changes.delete(open);
    if let Some(entry) = transaction {
        // A phone that took it gave it more time.
        if check_open(&entry.doc, app.now()).is_ok() {
            return Ok(false);
        }
        if was_open(&entry.doc) {
            changes.unchanged(&entry);
            history::add(&mut changes, app, open.doc.account, "expired", about(&entry.doc));
        }
    }
    match changes.commit(&*app.store).await {
        // Somebody else was at it: the next sweep looks again.
        Err(error) if error.is_conflict() => Ok(false),
        done => done.map(|_| true),
    }
}

/// Whether a phone showed it: taken by one, or pushed whole. What waited locked tells its person nothing.
fn was_open(transaction: &Transaction) -> bool {
    let pushed = transaction.addressed.as_ref().is_some_and(|addressed| {
        matches!(addressed.by, AddressedBy::Browser(_)) && transaction.level <= Binding::RememberedBrowser.cap()
    });
    transaction.outcome.is_none() && transaction.action.is_relying_party() && (transaction.taken.is_some() || pushed)
}

fn about(transaction: &Transaction) -> About {
    About {
        device: transaction.taken.as_ref().map(|taken| taken.device),
        relying_party: Some(transaction.relying_party.name.clone()),
        details: json!({
            "action": transaction.action.name(),
            "binding": transaction.taken.as_ref().map_or(Binding::RememberedBrowser, |taken| taken.binding).name(),
            "place": transaction.place,
            "browser": transaction.browser,
        }),
    }
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;
    use godkend_protocol::types::{Action, Decision, Level};

    use super::super::testing::{outcome, transaction};
    use super::*;
    use crate::records::{Addressed, Taken};

    #[test]
    fn only_what_a_phone_showed_and_nobody_answered_is_told() {
        let mut request = transaction();
        let mut by = |by| {
            request.addressed = Some(Addressed { account: Some(Fixed([3; 16])), by });
            request.clone()
        };
        assert!(!was_open(&by(AddressedBy::UserId)));
        assert!(!was_open(&by(AddressedBy::Notice(Fixed([1; 16])))));
        let mut pushed = by(AddressedBy::Browser(Fixed([9; 16])));
        assert!(was_open(&pushed));
        pushed.level = Level::High;
        assert!(!was_open(&pushed));
        let mut taken = by(AddressedBy::UserId);
        taken.taken = Some(Taken { device: Fixed([1; 16]), binding: Binding::TypedNumber });
        assert!(was_open(&taken));
        taken.outcome = Some(outcome(Decision::Deny, Binding::TypedNumber));
        assert!(!was_open(&taken));
        (taken.outcome, taken.action) = (None, Action::NewDeviceNotice);
        assert!(!was_open(&taken));
    }
}
