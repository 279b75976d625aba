//! Magic identities: in a test environment, a transaction that is addressed to one ends by itself as its name says, so
//! that relying parties can test without a phone. Each such outcome is marked in the audit log.

use godkend_protocol::bytes::Id;
use godkend_protocol::types::{Binding, Decision, Factor, Level};
use serde_json::json;

use super::settle;
use super::transaction::{check_open, read};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, AddressedBy, Magic, Outcome, Transaction};

/// Ends a transaction that is addressed to a magic identity; does nothing for any other, and nothing at all outside test
/// environments.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn act(app: &App, id: &Id) -> Result<(), ApiError> {
    if !app.config.server.test_environment {
        return Ok(());
    }
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        let addressed = entry.doc.addressed.as_ref().and_then(|addressed| addressed.account);
        let Some(named) = addressed.or(entry.doc.nobody) else { return Ok(()) };
        // Looked for in vain, too: an unknown user id costs what a known one does.
        let account = docs::get::<Account>(&*app.store, &named.0).await?;
        let Some(account) = account.filter(|_| addressed.is_some()) else { return Ok(()) };
        let Some(magic) = account.doc.magic else { return Ok(()) };
        if check_open(&entry.doc, now).is_err() || entry.doc.taken.is_some() || entry.doc.chip.is_some() {
            return Ok(());
        }
        let mut changes = Changes::new();
        let Some(outcome) = outcome(&entry.doc, &account.doc, magic, now) else {
            if magic == Magic::WrongPin {
                for _ in 0..app.config.pin.tries_per_round {
                    history::add(
                        &mut changes,
                        app,
                        account.doc.id,
                        "pin_wrong",
                        About::default().with(json!({ "test": true })),
                    );
                }
                changes.commit(&*app.store).await?;
            }
            return Ok(());
        };
        let (transaction, at) = (entry.doc.id, outcome.at);
        changes.unchanged(&account);
        settle::settle(app, &mut changes, &mut entry, Some(&account.doc), outcome, None).await?;
        changes.log(&AuditEntry::TestOutcome { transaction, account: account.doc.id, at });
        changes.commit(&*app.store).await?;
        settle::told(app, &entry.doc);
        Ok(())
    })
    .await
}

/// How it ends; `None` if nothing happens. Also a magic identity reaches no level that its binding cannot carry.
fn outcome(transaction: &Transaction, account: &Account, magic: Magic, now: i64) -> Option<Outcome> {
    let decision = match magic {
        Magic::Approves => Decision::Approve,
        Magic::Refuses => Decision::Deny,
        Magic::ReportsFraud => Decision::ReportFraud,
        Magic::NeverAnswers | Magic::WrongPin => return None,
    };
    let binding = match transaction.addressed.as_ref()?.by {
        AddressedBy::UserId | AddressedBy::Ciba => Binding::TypedNumber,
        AddressedBy::Browser(_) => Binding::RememberedBrowser,
        AddressedBy::Device(_) | AddressedBy::Notice(_) => return None,
    };
    let level = account.identity_level.min(binding.cap());
    let approved = decision == Decision::Approve;
    if approved && (level < transaction.level || account.blocked) {
        return None;
    }
    Some(Outcome {
        decision,
        account: Some(account.id),
        device: None,
        factor: if approved { Factor::Pin } else { Factor::None },
        binding,
        level: approved.then_some(level),
        authenticator_level: approved.then_some(Level::High),
        at: now,
        remember_browser: false,
        means: Vec::new(),
        evidence: None,
    })
}
