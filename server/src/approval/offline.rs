//! Offline approval: a signed QR code for an account, and eight digits typed into the browser. Three tries, once.

use godkend_protocol::bytes::{Blob, Hash32, Id, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::link::{Link, OfflineLink};
use godkend_protocol::formats::{digits, offline_code as format};
use godkend_protocol::messages::approval::challenge_hash;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::messages::offline::{OfflineChallenge, account_hint};
use godkend_protocol::types::{Binding, Decision, Factor, KeyPurpose, Level};

use super::transaction::{check_open, check_session, read};
use super::{level, settle};
use crate::activation::state_now;
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::phone::request;
use crate::records::{Account, Device, Entry, OfflineState, Outcome, Transaction};

/// Tries of an offline code.
const TRIES: u32 = 3;
/// Devices of one account that are looked at.
const MOST_DEVICES: u32 = 64;

/// The text of an addressed transaction's offline QR code; asked again, the same.
///
/// # Errors
/// [`Code::OperationRefused`] before a user id was typed, [`Code::LevelUnreachable`] above what a code can reach,
/// [`Code::TransactionTaken`] once a phone has opened it.
pub async fn offline_challenge(app: &App, id: &Id) -> Result<String, ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        if let Some(offline) = &entry.doc.offline {
            return Ok(link(offline.challenge.clone()));
        }
        if entry.doc.level > Binding::Offline.cap() {
            return Err(Code::LevelUnreachable.into());
        }
        let addressed = entry.doc.addressed.as_ref().ok_or(Code::OperationRefused)?;
        let mut rng = app.rng();
        // For an unknown user id, a code that no phone takes for its own.
        let account = addressed.account.unwrap_or_else(|| random(&mut rng));
        let ephemeral = crypto::p256_from_seed(&Secret::<32>::random(&mut rng).0, "godkend/1/offline-ephemeral");
        let public = crypto::p256_public(&ephemeral).ok_or(Code::Internal)?;
        let transaction = &entry.doc;
        let challenge = OfflineChallenge {
            transaction: *id,
            account_hint: account_hint(&account, id),
            relying_party: transaction.relying_party.clone(),
            action: transaction.action,
            text: transaction.text.clone(),
            payment: transaction.payment.clone(),
            level: transaction.level,
            ephemeral: public,
            place: transaction.place.clone(),
            browser: transaction.browser.clone(),
            issued: now,
            expires: transaction.expires,
        };
        let challenge = Blob(app.keys.sign_challenge(&challenge));
        let text = link(challenge.clone());
        entry.doc.offline = Some(OfflineState { ephemeral, challenge, tries_left: TRIES });
        let mut changes = Changes::new();
        changes.update(&entry);
        changes.commit(&*app.store).await?;
        Ok(text)
    })
    .await
}

/// Judges a typed code against every active phone of the account. A wrong one costs a try; after the third the
/// transaction is over.
///
/// # Errors
/// [`Code::OfflineCodeWrong`] with the tries left; [`Code::TransactionUnknown`] for another browser session.
pub async fn offline_code(app: &App, id: &Id, browser_session: Option<&Hash32>, code: &str) -> Result<(), ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_session(&entry.doc, browser_session)?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        let Some(offline) = entry.doc.offline.as_mut() else { return Err(Code::OperationRefused.into()) };
        // Not eight digits: a slip that no phone shows, and no try.
        let Some(typed) = digits::parse(code) else {
            return Err(ApiError::tries(Code::OfflineCodeWrong, offline.tries_left));
        };
        if offline.tries_left == 0 {
            return Err(ApiError::tries(Code::OfflineCodeWrong, 0));
        }
        offline.tries_left -= 1;
        let offline = offline.clone();
        let account = match entry.doc.addressed.as_ref().and_then(|addressed| addressed.account) {
            Some(account) => docs::get::<Account>(&*app.store, &account.0).await?,
            None => None,
        };
        match find(app, account.as_ref(), &offline, &typed).await? {
            Some((device, account)) => approve(app, entry, device, account, now).await,
            None => wrong(app, entry, account.as_ref(), offline.tries_left, now).await,
        }
    })
    .await
}

async fn wrong(
    app: &App,
    mut entry: Entry<Transaction>,
    account: Option<&Entry<Account>>,
    left: u32,
    now: i64,
) -> Result<(), ApiError> {
    let mut changes = Changes::new();
    if left == 0 {
        entry.doc.expires = now;
    }
    changes.update(&entry).log(&AuditEntry::OfflineTried { transaction: entry.doc.id, left, at: now });
    if let Some(account) = account {
        let relying_party = Some(entry.doc.relying_party.name.clone());
        let details = serde_json::json!({ "tries_left": left, "place": entry.doc.place });
        history::add(
            &mut changes,
            app,
            account.doc.id,
            "offline_wrong",
            About { device: None, relying_party, details },
        );
    }
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(entry.doc.id);
    Err(ApiError::tries(Code::OfflineCodeWrong, left))
}

async fn approve(
    app: &App,
    mut entry: Entry<Transaction>,
    device: Entry<Device>,
    account: &Entry<Account>,
    now: i64,
) -> Result<(), ApiError> {
    // The code shows the possession of the phone and, before it, a biometric match.
    let authenticator = level::authenticator(app, &device.doc, Factor::Biometric).unwrap_or(Level::Low);
    let level = authenticator.min(account.doc.identity_level).min(Binding::Offline.cap());
    if level < entry.doc.level {
        return Err(Code::LevelUnreachable.into());
    }
    let outcome = Outcome {
        decision: Decision::Approve,
        account: Some(account.doc.id),
        device: Some(device.doc.id),
        factor: Factor::Biometric,
        binding: Binding::Offline,
        level: Some(level),
        authenticator_level: Some(authenticator),
        at: now,
        remember_browser: false,
        evidence: None,
    };
    let mut changes = Changes::new();
    settle::settle(app, &mut changes, &mut entry, Some(&account.doc), outcome, None).await?;
    changes.unchanged(&device).unchanged(account);
    changes.commit(&*app.store).await?;
    settle::told(app, &entry.doc);
    Ok(())
}

/// The active phone whose code it is.
async fn find<'a>(
    app: &App,
    account: Option<&'a Entry<Account>>,
    offline: &OfflineState,
    typed: &str,
) -> Result<Option<(Entry<Device>, &'a Entry<Account>)>, ApiError> {
    let Some(account) = account.filter(|account| !account.doc.blocked) else { return Ok(None) };
    let received = app.keys.open_own::<OfflineChallenge>(&offline.challenge.0).map_err(|_| Code::Internal)?;
    let hash = challenge_hash(received.payload());
    let mut found = None;
    for device in docs::list::<Device>(&*app.store, &account.doc.id.0, MOST_DEVICES).await? {
        // In a new epoch the PIN comes first, and a code is no PIN.
        let active = state_now(app, &device.doc).await? == DeviceState::Active;
        if !active || device.doc.epoch != app.log.epoch() {
            continue;
        }
        let Some(key) = request::key(&device.doc, KeyPurpose::Offline) else { continue };
        let Some(agreed) = crypto::ecdh(&offline.ephemeral, &key) else { continue };
        if crypto::same(format::code(&format::key(&agreed, &hash), &hash).as_bytes(), typed.as_bytes()) {
            found = Some((device, account));
        }
    }
    Ok(found)
}

fn link(challenge: Blob) -> String {
    Link::Offline(OfflineLink { challenge }).to_text()
}
