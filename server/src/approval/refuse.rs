//! Refusing or reporting a request by its id, without opening it.

use std::sync::Arc;

use godkend_protocol::codes::Code;
use godkend_protocol::messages::Done;
use godkend_protocol::messages::approval::RefuseLocked;
use godkend_protocol::types::{Binding, Decision, Factor};

use super::transaction::{check_open, read};
use super::{browser, fetch, notice, settle, uses};
use crate::app::App;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::phone::{Call, reply, request};
use crate::records::{Account, AddressedBy, Outcome, Transaction};

/// Handles a [`RefuseLocked`]. A retry finds its own refusal and gets the same reply.
pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = request::signed::<RefuseLocked>(&app, &call.bytes, |refuse| refuse.device).await?;
    let (device, account, refuse) = (&caller.device.doc, &caller.account.doc, &caller.message);
    if refuse.decision == Decision::Approve {
        return Err(Code::Malformed.into());
    }
    retry(|| async {
        let now = app.now();
        let mut entry = read(&app, &refuse.transaction).await?;
        let addressed = entry.doc.addressed.as_ref().filter(|addressed| addressed.account == Some(account.id));
        let others = |by: &AddressedBy| matches!(by, AddressedBy::Notice(to) if *to != device.id);
        if addressed.is_none_or(|addressed| others(&addressed.by)) {
            return Err(Code::TransactionUnknown.into());
        }
        let own = |outcome: &Outcome| outcome.device == Some(device.id) && outcome.decision == refuse.decision;
        if entry.doc.outcome.as_ref().is_some_and(own) {
            return Ok(());
        }
        check_open(&entry.doc, now)?;
        if entry.doc.taken.as_ref().is_some_and(|taken| taken.device != device.id) {
            return Err(Code::TransactionTaken.into());
        }
        let outcome = Outcome {
            decision: refuse.decision,
            account: Some(account.id),
            device: Some(device.id),
            factor: Factor::None,
            binding: unopened(&entry.doc),
            level: None,
            authenticator_level: None,
            at: now,
            remember_browser: false,
            means: Vec::new(),
            evidence: None,
        };
        let mut changes = Changes::new();
        notice::refused(&app, &mut changes, &entry.doc, refuse.decision, now).await?;
        let mut account = docs::get::<Account>(&*app.store, &account.id.0).await?.ok_or(Code::DeviceUnknown)?;
        uses::answered(&app, &mut changes, &entry.doc, &mut account, refuse.decision, now).await?;
        if refuse.decision == Decision::ReportFraud
            && let Ok(Some(browser)) = fetch::browser_of(&app, &entry.doc, outcome.binding).await
        {
            browser::revoke(&app, &mut changes, &browser, "reported", now);
        }
        settle::settle(&app, &mut changes, &mut entry, Some(&account.doc), outcome, None).await?;
        changes.unchanged(&caller.device);
        changes.commit(&*app.store).await?;
        settle::told(&app, &entry.doc);
        Ok(())
    })
    .await?;
    Ok(reply(&Done {}))
}

/// How a request would have been bound that nobody opened.
fn unopened(transaction: &Transaction) -> Binding {
    match (&transaction.taken, transaction.addressed.as_ref().map(|addressed| &addressed.by)) {
        (Some(taken), _) => taken.binding,
        (None, Some(AddressedBy::Browser(_))) => Binding::RememberedBrowser,
        (None, Some(AddressedBy::Device(_) | AddressedBy::Notice(_))) => Binding::Device,
        (None, _) => Binding::TypedNumber,
    }
}
