//! A device asks for something for itself, and gets its challenge.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::{Manage, RelyingParty};
use godkend_protocol::types::{Binding, Level, Operation};

use super::challenge::{self, Asked};
use super::operations;
use super::transaction::{check_open, id_of, lifetime};
use crate::app::App;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::phone::{Call, request, version};
use crate::records::{Addressed, AddressedBy, Taken, Transaction};

/// Wishes of one device in a minute.
const PER_MINUTE: u32 = 30;

/// Handles a [`Manage`]. The same bytes lead to the same transaction.
pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = request::signed_enrolling::<Manage>(&app, &call.bytes, |manage| manage.device).await?;
    let manage = &caller.message;
    version::check(&app.config.app, &manage.app_version, app.now())?;
    version::note(&app, &caller.device.doc, &manage.app_version).await?;
    let account = &caller.account.doc;
    let device = &operations::proving(&app, &caller.device.doc, &manage.operation).await?;
    app.throttle.take("manage", &device.id.to_base64(), PER_MINUTE, app.clock.now_ms())?;
    operations::check(&app, device, device.state, &manage.operation).await?;
    let id = id_of(&crypto::labelled_hash("godkend/1/manage", &[&caller.payload]));
    let transaction = retry(|| async {
        if let Some(known) = docs::get::<Transaction>(&*app.store, &id.0).await? {
            check_open(&known.doc, app.now())?;
            return Ok(known.doc);
        }
        let mut transaction = own_transaction(&app, id, manage.operation.clone());
        transaction.addressed = Some(Addressed { account: Some(account.id), by: AddressedBy::Device(device.id) });
        transaction.taken = Some(Taken { device: device.id, binding: Binding::Device });
        let mut changes = Changes::new();
        changes.insert(&transaction);
        changes.commit(&*app.store).await?;
        Ok(transaction)
    })
    .await?;
    if transaction.operation.as_ref() != Some(&manage.operation) {
        return Err(Code::Internal.into());
    }
    let asked = Asked { nonce: manage.nonce, log: manage.log.as_ref(), app_version: &manage.app_version, chip: None };
    let fetched = challenge::fetched(&app, &transaction, account, device, Binding::Device, &asked)?;
    if manage.operation == Operation::ChangePin {
        crate::pin::note_change(&app, &fetched).await?;
    }
    Ok(fetched)
}

/// A transaction that no relying party asks for.
pub(super) fn own_transaction(app: &App, id: Id, operation: Operation) -> Transaction {
    let now = app.now();
    Transaction {
        id,
        created: now,
        expires: now.saturating_add(lifetime(app)),
        relying_party: RelyingParty { id: app.environment().to_owned(), name: "Godkend".to_owned() },
        action: operation.action(),
        text: None,
        payment: None,
        operation: Some(operation),
        level: Level::Low,
        seal: None,
        browser_session: None,
        place: None,
        browser: None,
        source: String::new(),
        may_remember: false,
        qr_secret: None,
        link_secret: None,
        return_code: None,
        returned: false,
        number: None,
        addressed: None,
        nobody: None,
        taken: None,
        shown: false,
        offline: None,
        chip: None,
        outcome: None,
        collected: false,
        oidc: None,
        extended: 0,
        slot: None,
        told: None,
    }
}
