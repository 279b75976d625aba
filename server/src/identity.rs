//! What belongs to an identity as a whole: its user id, whether it is blocked, and what its owner prefers. Below both the
//! desk ([`crate::admin`]) and the citizen's own site ([`crate::citizen`]).

pub(crate) mod replay;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::app::App;
use crate::approval::{self, Use, What};
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::oidc::session;
use crate::records::{Account, Document, Entry, UserIdIndex};
use crate::store::Kind;

/// How long a user id that somebody has left is given to nobody else, in seconds: a year. Relying parties and habits
/// remember it longer than a day.
const LEFT_FOR: i64 = 365 * 86_400;
/// User ids that one person may leave within [`LEFT_FOR`].
const MOST_LEFT: u32 = 5;

/// The log's name of the setting that hides relying parties' names from a desk.
pub(crate) const HIDE_NAMES: &str = "hide_names";
/// The log's name of the setting that tells every use.
pub(crate) const TELL_USES: &str = "tell_uses";

/// The kinds that expire, for purging.
pub const KINDS: &[Kind] = &[LeftUserId::KIND];

/// A user id that somebody had until they chose another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftUserId {
    /// Lower case.
    pub user_id: String,
    /// Whose it was, who alone may take it back.
    pub account: Id,
    /// Unix seconds.
    pub expires: i64,
}

impl Document for LeftUserId {
    const KIND: Kind = Kind("user_id_left");
    fn id(&self) -> Vec<u8> {
        self.user_id.as_bytes().to_vec()
    }
    fn owner(&self) -> Vec<u8> {
        self.account.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// What a person prefers; as the defaults have it until they say otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Preferences {
    /// Whose.
    pub account: Id,
    /// A desk that looks at the person's history does not see which relying parties asked.
    #[serde(default)]
    pub hide_names: bool,
}

impl Document for Preferences {
    const KIND: Kind = Kind("preferences");
    fn id(&self) -> Vec<u8> {
        self.account.0.to_vec()
    }
    fn owner(&self) -> Vec<u8> {
        self.account.0.to_vec()
    }
}

/// Whether a text can be a user id: 5 to 48 letters, digits, full stops, underscores and hyphens; never what looks like a
/// CPR number.
#[must_use]
pub fn is_user_id(text: &str) -> bool {
    let fits = (5..=48).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let bare: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let like_cpr = bare.len() == 10 && bare.bytes().all(|b| b.is_ascii_digit());
    fits && !like_cpr
}

/// Whether `account` may have this user id, as far as those who left it are concerned.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn is_free(app: &App, user_id: &str, account: &Id) -> Result<bool, ApiError> {
    let left = docs::get::<LeftUserId>(&*app.store, user_id.to_ascii_lowercase().as_bytes()).await?;
    Ok(left.is_none_or(|left| left.doc.account == *account || app.now() >= left.doc.expires))
}

/// Blocks a whole identity, or opens it again, and ends its shared logins; `by` says who, as the log has it.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn set_blocked(app: &App, account: &Id, blocked: bool, by: &str) -> Result<Account, ApiError> {
    let done = docs::retry(|| async move {
        let mut account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        if account.doc.blocked == blocked {
            return Ok(account.doc);
        }
        account.doc.blocked = blocked;
        let (id, by, at) = (account.doc.id, by.to_owned(), app.now());
        let mut changes = Changes::new();
        let about = About::default().with(json!({ "by": by }));
        changes.update(&account).log(&AuditEntry::AccountBlocked { account: id, blocked, by, at });
        let event = if blocked { "identity_blocked" } else { "identity_unblocked" };
        history::add(&mut changes, app, id, event, about);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(account.doc)
    });
    let account = done.await?;
    // A blocked person shares no login while this is done; that none comes back is why it is done again at the end.
    session::end_all(app, &account.id).await?;
    Ok(account)
}

/// Gives a person another user id. The old one is good for nothing from then on, and for nobody else for a year.
///
/// # Errors
/// [`Code::Malformed`], [`Code::UserIdTaken`]; [`Code::Throttled`] for a person who has left too many.
pub async fn change_user_id(app: &App, account: &Id, user_id: &str) -> Result<(), ApiError> {
    if !is_user_id(user_id) {
        return Err(Code::Malformed.into());
    }
    docs::retry(|| async move {
        let mut account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        let (id, at) = (account.doc.id, app.now());
        if account.doc.user_id == user_id {
            return Ok(());
        }
        let (old, new) = (account.doc.user_id.to_ascii_lowercase(), user_id.to_ascii_lowercase());
        let mut changes = Changes::new();
        if old != new {
            let known = docs::get::<UserIdIndex>(&*app.store, new.as_bytes()).await?;
            if known.is_some() || !is_free(app, &new, &id).await? {
                return Err(Code::UserIdTaken.into());
            }
            let left = docs::list::<LeftUserId>(&*app.store, &id.0, MOST_LEFT).await?;
            let back = left.into_iter().filter(|left| at < left.doc.expires).collect::<Vec<_>>();
            let returns = back.iter().find(|left| left.doc.user_id == new);
            if returns.is_none() && u32::try_from(back.len()).unwrap_or(MOST_LEFT) >= MOST_LEFT {
                return Err(ApiError::wait(Code::Throttled, 86_400));
            }
            let index = docs::get::<UserIdIndex>(&*app.store, old.as_bytes()).await?;
            let index = index.ok_or_else(|| ApiError::damaged("user_id"))?;
            // One that is over, and not purged yet, may be anybody's.
            if let Some(own) = docs::get::<LeftUserId>(&*app.store, new.as_bytes()).await? {
                changes.delete(&own);
            }
            changes.delete(&index).insert(&UserIdIndex { user_id: new, account: id });
            changes.insert(&LeftUserId { user_id: old, account: id, expires: at.saturating_add(LEFT_FOR) });
        }
        user_id.clone_into(&mut account.doc.user_id);
        let sealed = replay::seal(app, &id, user_id);
        changes.update(&account).log(&AuditEntry::UserIdChanged {
            account: id,
            user_id: sealed,
            by: "self".to_owned(),
            at,
        });
        let about = About::default().with(json!({ "by": "self", "alert": true }));
        history::add(&mut changes, app, id, "user_id_changed", about);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(())
    })
    .await
}

/// What a person prefers.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn preferences(app: &App, account: &Id) -> Result<Entry<Preferences>, ApiError> {
    let known = docs::get::<Preferences>(&*app.store, &account.0).await?;
    Ok(known.unwrap_or(Entry { doc: Preferences { account: *account, hide_names: false }, version: None }))
}

/// Whether a desk sees the names of relying parties in the person's history.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn hide_names(app: &App, account: &Id, hide: bool) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let mut known = preferences(app, account).await?;
        if known.doc.hide_names == hide {
            return Ok(());
        }
        known.doc.hide_names = hide;
        let mut changes = Changes::new();
        changes.update(&known).log(&AuditEntry::MeansChanged {
            account: *account,
            means: HIDE_NAMES.to_owned(),
            item: *account,
            state: if hide { "on" } else { "off" }.to_owned(),
            by: "self".to_owned(),
            at: app.now(),
        });
        history::add(&mut changes, app, *account, "names_hidden_set", About::default().with(json!({ "on": hide })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        Ok(())
    })
    .await
}

/// Whether every use is told to the person's phones. That it is turned off is told to them a last time.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn set_tell_uses(app: &App, account: &Id, on: bool) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let mut account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        let (id, at) = (account.doc.id, app.now());
        if account.doc.tell_uses == on {
            return Ok(());
        }
        let mut changes = Changes::new();
        // What turned them off may be a visit of any age.
        let last = Use { relying_party: "", what: What::Silence, page: None, means: &[], by: None, at: 0 };
        approval::tell_use(app, &mut changes, &account.doc, &last).await?;
        account.doc.tell_uses = on;
        changes.update(&account).log(&AuditEntry::MeansChanged {
            account: id,
            means: TELL_USES.to_owned(),
            item: id,
            state: if on { "on" } else { "off" }.to_owned(),
            by: "self".to_owned(),
            at,
        });
        history::add(&mut changes, app, id, "tell_uses_set", About::default().with(json!({ "on": on, "alert": !on })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(())
    })
    .await
}

/// Whether a typed user id may push, locked, to the person's phones.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn set_locked_push(app: &App, account: &Id, on: bool) -> Result<(), ApiError> {
    docs::retry(|| async move {
        let mut account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        if account.doc.locked_push == on {
            return Ok(());
        }
        account.doc.locked_push = on;
        let (id, least_suite) = (account.doc.id, account.doc.least_suite);
        let mut changes = Changes::new();
        changes.update(&account).log(&AuditEntry::AccountChanged {
            account: id,
            least_suite,
            locked_push: on,
            at: app.now(),
        });
        history::add(&mut changes, app, id, "locked_push_set", About::default().with(json!({ "on": on })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        Ok(())
    })
    .await
}
