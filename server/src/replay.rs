//! What a server does at its start, before it answers anyone, when its database is older than its log: debits, blocks,
//! removals, decided transactions, ratchets and keys are brought up to date from the log, and what the log cannot bring
//! back (a PIN's record, a remembered browser's cookie, a device that the database never saw, an approval that a relying
//! party may have fetched, a client whose registration has changed) is void.
//!
//! When log and database were both lost, the log begins a new epoch: pending work is void, every PIN has one try,
//! nothing but a PIN approves until it was right, remembered browsers are forgotten, and devices, PINs and blocks are
//! entered anew.
//!
//! Both are idempotent: killed in the midst, the next start does them again.

mod epoch;
mod fold;

use std::sync::atomic::Ordering;

use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::log::AheadEntry;
use crate::oidc::records::{AccessToken, AuthorizationCode};
use crate::oidc::session::{self, Session};
use crate::records::{Document, Entry, Transaction};
use fold::Fold;

/// Where the database keeps the log's size at its last restore (8 bytes, big-endian).
const RESTORED_KEY: &str = "replay.restored";
/// Documents in one commit: with their log entries within a batch's limits.
const PER_COMMIT: usize = 16;
/// Documents in one page of a scan.
const PAGE: u32 = 256;

/// What a replay did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Replayed {
    /// Entries of the log that the database did not know.
    pub entries: u64,
    /// Of those, the ones that were erased or are of a newer version: an operator should look.
    pub unreadable: u64,
    /// Documents that changed.
    pub documents: u64,
    /// The database was fitted to a new epoch.
    pub new_epoch: bool,
}

/// Brings the database up to the log. To be called after the log was opened and before anything is served.
///
/// # Errors
/// [`ApiError`] if the store cannot take it: do not serve.
pub async fn run(app: &App, ahead: &[AheadEntry]) -> Result<Replayed, ApiError> {
    let mut replayed = Replayed { new_epoch: epoch::fit(app).await?, ..Replayed::default() };
    let mut fold = Fold::default();
    for entry in ahead {
        replayed.entries += 1;
        match entry.entry.as_deref().map(serde_json::from_slice::<AuditEntry>) {
            Some(Ok(entry)) => fold.apply(app, entry).await?,
            Some(Err(_)) | None => replayed.unreadable += 1,
        }
    }
    replayed.documents = fold.write(app).await?;
    if replayed.entries > 0 {
        replayed.documents += void_grants(app).await?;
    }
    app.restored_at.store(restored_at(app, replayed.entries > 0).await?, Ordering::Relaxed);
    if replayed.entries > 0 {
        let Replayed { entries, unreadable, documents, .. } = replayed;
        tracing::warn!(entries, unreadable, documents, "the database was older than the log and was brought up to it");
    }
    Ok(replayed)
}

/// What was on its way to a relying party when the database was copied may have arrived since, and what a login gave may have
/// been ended since (logged out, or disputed), which is in no log: it is void, and the person signs in again. Says how many
/// documents changed.
async fn void_grants(app: &App) -> Result<u64, ApiError> {
    let mut changed = 0;
    each::<Transaction>(app, |transaction, _| {
        if transaction.outcome.is_none() || transaction.collected {
            return Fit::Keep;
        }
        transaction.collected = true;
        changed += 1;
        Fit::Write
    })
    .await?;
    let mut void = || {
        changed += 1;
        Fit::Delete
    };
    each::<AuthorizationCode>(app, |_, _| void()).await?;
    each::<AccessToken>(app, |_, _| void()).await?;
    let mut sessions = Vec::new();
    each::<Session>(app, |session, _| {
        sessions.push(session.secret);
        Fit::Keep
    })
    .await?;
    for secret in sessions {
        // Those who share it are told as at any other end; twice does no harm.
        if let Some(session) = docs::get::<Session>(&*app.store, &secret.0).await? {
            let mut changes = Changes::new();
            session::end(app, &mut changes, session, None).await?;
            changes.commit(&*app.store).await?;
            changed += 1;
        }
    }
    Ok(changed)
}

/// The log's size at the last restore, which is now if `now` says so.
async fn restored_at(app: &App, now: bool) -> Result<u64, ApiError> {
    if now {
        let size = app.log.log().size();
        app.store.meta_put(RESTORED_KEY, &size.to_be_bytes()).await?;
        return Ok(size);
    }
    let stored = app.store.meta_get(RESTORED_KEY).await?;
    Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// What becomes of a document.
enum Fit {
    Keep,
    Write,
    Delete,
}

/// Goes through all documents of a kind.
async fn each<D: Document>(app: &App, mut fit: impl FnMut(&mut D, &mut Changes) -> Fit + Send) -> Result<(), ApiError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = app.store.scan(D::KIND, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for chunk in page.chunks(PER_COMMIT) {
            let mut changes = Changes::new();
            for record in chunk {
                let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(D::KIND.0))?;
                let mut entry = Entry { doc, version: Some(record.version) };
                match fit(&mut entry.doc, &mut changes) {
                    Fit::Keep => {}
                    Fit::Write => {
                        changes.update(&entry);
                    }
                    Fit::Delete => {
                        changes.delete(&entry);
                    }
                }
            }
            changes.commit(&*app.store).await?;
        }
    }
}
