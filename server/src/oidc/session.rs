//! Sessions in a browser: what relying parties that share logins share, and what ends together. Without a group there is no
//! single sign-on: each login is approved on its own (docs/adr/0011-single-sign-on.md).

use godkend_protocol::bytes::{Hash32, Id, Secret, random};
use godkend_protocol::crypto;
use godkend_protocol::types::Action;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::hint;
use super::notify::{self, Notification};
use super::records::{Ask, Grant};
use crate::app::App;
use crate::approval::{self, Use, What};
use crate::config::RelyingParty;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, Document, Entry};
use crate::store::Kind;

/// The most relying parties in one session.
const MOST_MEMBERS: u32 = 32;
/// The most sessions of a person that are looked for; nobody signs in so often in half an hour.
const MOST_SESSIONS: u32 = 256;

/// A browser in which somebody has signed in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Hash of the browser's cookie.
    pub secret: Hash32,
    /// Who may share it; none for a relying party alone, which only wants to hear of its end.
    pub group: Option<String>,
    /// The login.
    pub grant: Grant,
    /// Unix seconds.
    pub expires: i64,
}

/// One relying party in a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// `sid`, this relying party's own name of the session.
    pub sid: Id,
    /// The session.
    pub session: Hash32,
    /// The relying party.
    pub client_id: String,
    /// Unix seconds.
    pub expires: i64,
}

impl Document for Session {
    const KIND: Kind = Kind("oidc_session");
    fn id(&self) -> Vec<u8> {
        self.secret.0.to_vec()
    }
    fn owner(&self) -> Vec<u8> {
        self.grant.account.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl Document for Member {
    const KIND: Kind = Kind("oidc_member");
    fn id(&self) -> Vec<u8> {
        self.sid.0.to_vec()
    }
    fn owner(&self) -> Vec<u8> {
        self.session.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// The hash of a session's cookie.
#[must_use]
pub fn cookie_hash(secret: &Secret<32>) -> Hash32 {
    crypto::labelled_hash("godkend/1/oidc-session", &[&secret.0])
}

/// Begins the session of a login, if the relying party has a use for one, and names it in the grant. `earlier` is the
/// cookie of the browser's session so far, which ends. Returns the new cookie, where there is one.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn begin(
    app: &App,
    changes: &mut Changes,
    party: &RelyingParty,
    grant: &mut Grant,
    earlier: Option<&Hash32>,
) -> Result<Option<Secret<32>>, ApiError> {
    if party.single_sign_on.is_none() && party.backchannel_logout_uri.is_none() {
        return Ok(None);
    }
    let mut rng = app.rng();
    let secret = Secret::<32>::random(&mut rng);
    let session = cookie_hash(&secret);
    let lifetime = i64::try_from(app.config.oidc.session_seconds).unwrap_or(1800);
    let expires = app.now().saturating_add(lifetime);
    let mut members = Vec::new();
    let earlier = match earlier {
        Some(hash) => docs::get::<Session>(&*app.store, &hash.0).await?,
        None => None,
    };
    if let Some(earlier) = earlier {
        if earlier.doc.grant.account == grant.account {
            // The same person, anew: who shared the login before goes on sharing this one.
            members = docs::list::<Member>(&*app.store, &earlier.doc.secret.0, MOST_MEMBERS).await?;
            changes.delete(&earlier);
        } else {
            end(app, changes, earlier, None).await?;
        }
    }
    let own = members.iter().position(|member| member.doc.client_id == party.client_id);
    let sid = own.map_or_else(|| random(&mut rng), |at| members[at].doc.sid);
    if own.is_none() {
        changes.insert(&Member { sid, session, client_id: party.client_id.clone(), expires });
    }
    for mut member in members {
        (member.doc.session, member.doc.expires) = (session, expires);
        changes.update(&member);
    }
    grant.sid = Some(sid);
    changes.insert(&Session { secret: session, group: party.single_sign_on.clone(), grant: grant.clone(), expires });
    Ok(party.single_sign_on.is_some().then_some(secret))
}

/// The login of this browser's session, if the relying party may share it and it is good enough for what is asked: a plain
/// login at a level that was reached, recent enough, by the person that is meant. Anything to be read and approved is never
/// shared. What has to be written is added to `changes`.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn share(
    app: &App,
    changes: &mut Changes,
    cookie: &Hash32,
    party: &RelyingParty,
    ask: &Ask,
) -> Result<Option<Grant>, ApiError> {
    let now = app.now();
    let Some(group) = &party.single_sign_on else { return Ok(None) };
    let plain = ask.action == Action::LogOn && ask.text.is_none() && ask.payment.is_none();
    let Some(session) = docs::get::<Session>(&*app.store, &cookie.0).await?.filter(|_| plain) else { return Ok(None) };
    let mut grant = session.doc.grant.clone();
    let good = session.doc.group.as_ref() == Some(group)
        && now < session.doc.expires
        && grant.level >= ask.level
        && hint::is_recent(ask, &grant, now);
    if !good {
        return Ok(None);
    }
    let account = docs::get::<Account>(&*app.store, &grant.account.0).await?;
    let Some(account) =
        account.filter(|account| !account.doc.blocked && hint::is_wanted(app, party, ask, &account.doc))
    else {
        return Ok(None);
    };
    let members = docs::list::<Member>(&*app.store, &session.doc.secret.0, MOST_MEMBERS).await?;
    let full = members.len() >= usize::try_from(MOST_MEMBERS).unwrap_or(usize::MAX);
    let sid = match members.iter().find(|member| member.doc.client_id == party.client_id) {
        Some(member) => member.doc.sid,
        None if full => return Ok(None),
        None => {
            let (sid, expires) = (random(&mut app.rng()), session.doc.expires);
            let client_id = party.client_id.clone();
            changes.insert(&Member { sid, session: session.doc.secret, client_id, expires });
            sid
        }
    };
    grant.sid = Some(sid);
    changes.unchanged(&session).unchanged(&account);
    let used = Use { relying_party: &party.name, what: What::Shared, page: None, means: &[], by: None, at: now };
    let told = approval::tell_use(app, changes, &account.doc, &used).await?;
    let about = About { relying_party: Some(party.name.clone()), ..About::default() };
    let about = if told == 0 { about } else { about.with(json!({ "told": told })) };
    history::add(changes, app, account.doc.id, "login_shared", about);
    Ok(Some(grant))
}

/// The session that a relying party knows as `sid`.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn of_member(app: &App, client_id: &str, sid: &Id) -> Result<Option<Entry<Session>>, ApiError> {
    let member = docs::get::<Member>(&*app.store, &sid.0).await?;
    match member.filter(|member| member.doc.client_id == client_id) {
        Some(member) => docs::get::<Session>(&*app.store, &member.doc.session.0).await,
        None => Ok(None),
    }
}

/// A person's sessions.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn all_of(app: &App, account: &Id) -> Result<Vec<Entry<Session>>, ApiError> {
    docs::list::<Session>(&*app.store, &account.0, MOST_SESSIONS).await
}

/// Ends every session of a person, each in a commit of its own, and wakes the sender.
///
/// # Errors
/// [`ApiError`] if the store cannot answer: some may have ended.
pub async fn end_all(app: &App, account: &Id) -> Result<(), ApiError> {
    for session in all_of(app, account).await? {
        let secret = session.doc.secret;
        docs::retry(|| async move {
            let mut changes = Changes::new();
            if let Some(session) = docs::get::<Session>(&*app.store, &secret.0).await? {
                end(app, &mut changes, session, None).await?;
                changes.commit(&*app.store).await?;
            }
            Ok::<_, ApiError>(())
        })
        .await?;
    }
    notify::wake(app);
    Ok(())
}

/// Ends a session: each relying party in it is told, but the one that knows already. The caller commits, then wakes the
/// sender.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn end(
    app: &App,
    changes: &mut Changes,
    session: Entry<Session>,
    knows: Option<&str>,
) -> Result<(), ApiError> {
    for member in docs::list::<Member>(&*app.store, &session.doc.secret.0, MOST_MEMBERS).await? {
        changes.delete(&member);
        let Member { client_id, sid, .. } = &member.doc;
        if knows != Some(client_id.as_str()) {
            changes.insert(&Notification::logout(app, client_id, session.doc.grant.account, *sid));
        }
    }
    changes.delete(&session);
    Ok(())
}
