//! What the log knows of a person's user id and settings, and an older database does not: the user id is the one that they
//! chose last, and the ones before stay theirs for a year.

use std::collections::BTreeMap;

use godkend_protocol::bytes::{Blob, Id, Secret};
use godkend_protocol::crypto;

use super::{LEFT_FOR, LeftUserId, is_user_id, preferences};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::{Account, Entry, UserIdIndex};

/// Seals a user id for the log, which holds nothing that a reader could call a person by.
pub(super) fn seal(app: &App, account: &Id, user_id: &str) -> Blob {
    use rand_core::Rng as _;
    let mut nonce = [0; 12];
    app.rng().fill_bytes(&mut nonce);
    let sealed = crypto::aead_seal(&key(app), nonce, &account.0, user_id.as_bytes());
    Blob([nonce.as_slice(), &sealed].concat())
}

/// Opens [`seal`]; `None` for another account's, and under other keys.
fn open(app: &App, account: &Id, sealed: &Blob) -> Option<String> {
    let (nonce, body) = sealed.0.split_at_checked(12)?;
    let text = crypto::aead_open(&key(app), nonce.try_into().ok()?, &account.0, body)?;
    String::from_utf8(text).ok().filter(|text| is_user_id(text))
}

fn key(app: &App) -> Secret<32> {
    crypto::hkdf_sha256(&app.keys.pairwise.0, &[b"godkend/1/user-id-log"])
}

/// What the entries change, written at the end.
#[derive(Default)]
pub(crate) struct Fold {
    hidden: BTreeMap<Id, bool>,
    /// Account, and its user ids before and after, in lower case; in the log's order.
    renamed: Vec<(Id, String, String)>,
}

impl Fold {
    /// The setting that hides relying parties' names from a desk.
    pub(crate) fn hide_names(&mut self, account: Id, hide: bool) {
        self.hidden.insert(account, hide);
    }

    /// The account has another user id since.
    pub(crate) fn user_id(&mut self, app: &App, account: &mut Account, sealed: &Blob) {
        let Some(new) = open(app, &account.id, sealed) else {
            tracing::error!("a user id in the log cannot be read: the older one goes on working");
            return;
        };
        let (old, folded) = (account.user_id.to_ascii_lowercase(), new.to_ascii_lowercase());
        if old != folded {
            self.renamed.push((account.id, old, folded));
        }
        account.user_id = new;
    }

    /// Writes; says how many documents changed.
    pub(crate) async fn write(&self, app: &App) -> Result<u64, ApiError> {
        let mut written = 0;
        for (account, old, new) in &self.renamed {
            let mut changes = Changes::new();
            let known = docs::get::<UserIdIndex>(&*app.store, old.as_bytes()).await?;
            if let Some(known) = known.filter(|known| known.doc.account == *account) {
                changes.delete(&known);
            }
            if let Some(left) = docs::get::<LeftUserId>(&*app.store, new.as_bytes()).await? {
                changes.delete(&left);
            }
            let index = docs::get::<UserIdIndex>(&*app.store, new.as_bytes()).await?;
            let version = index.and_then(|index| index.version);
            changes.update(&Entry { doc: UserIdIndex { user_id: new.clone(), account: *account }, version });
            let left = docs::get::<LeftUserId>(&*app.store, old.as_bytes()).await?;
            let version = left.and_then(|left| left.version);
            let expires = app.now().saturating_add(LEFT_FOR);
            changes.update(&Entry { doc: LeftUserId { user_id: old.clone(), account: *account, expires }, version });
            changes.commit(&*app.store).await?;
            written += 2;
        }
        for (account, hide) in &self.hidden {
            let mut known = preferences(app, account).await?;
            known.doc.hide_names = *hide;
            let mut changes = Changes::new();
            changes.update(&known);
            changes.commit(&*app.store).await?;
            written += 1;
        }
        Ok(written)
    }
}
