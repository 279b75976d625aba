//! What relying parties are told without asking: that a CIBA request was answered (CIBA Core, section 10.2), and that a
//! session has ended (OpenID Connect Back-Channel Logout 1.0). Durable, tried a few times, then given up.

use core::time::Duration;

use futures_util::StreamExt as _;
use godkend_protocol::bytes::{Blob, Fixed, Id, Secret, random};
use godkend_protocol::crypto;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::outbound::{NotSent, Outbound};
use super::{ciba, claims, client, issuer, jwt, metadata};
use crate::app::App;
use crate::approval::{self, State};
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::{Document, Entry, Transaction};
use crate::store::Kind;

/// Tries of one notification.
const TRIES: u32 = 4;
/// Seconds from one try to the next; doubled three times they are a minute and a quarter in all.
const FIRST_WAIT: i64 = 5;
/// Notifications that are on their way at once.
const AT_ONCE: usize = 16;
/// Notifications read in one go.
const PAGE: u32 = 128;
/// How often the waiting ones are looked at when nobody wakes the sender.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Life of a logout token, seconds.
const LOGOUT_TOKEN: i64 = 120;
/// What the sender waits on; no account or transaction has this name but by a draw of one in 2^128.
const SENDER: Id = Fixed(*b"godkend-notifier");

/// Something that a relying party shall be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// Random.
    pub id: Id,
    /// Whom. The address is the one that is registered when it is sent.
    pub client_id: String,
    /// What.
    pub what: What,
    /// Tries so far.
    pub tries: u32,
    /// Unix seconds: not before.
    pub next: i64,
    /// Unix seconds: given up.
    pub expires: i64,
}

/// What a relying party is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A CIBA request was answered, as soon as it is.
    Ping {
        /// The transaction.
        transaction: Id,
        /// The client's notification token, sealed.
        token: Blob,
    },
    /// A session has ended.
    Logout {
        /// Whose it was.
        account: Id,
        /// The session.
        sid: Id,
    },
}

impl Document for Notification {
    const KIND: Kind = Kind("oidc_notification");
    fn id(&self) -> Vec<u8> {
        self.id.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl Notification {
    fn new(app: &App, client_id: &str, what: What, expires: i64) -> Self {
        let client_id = client_id.to_owned();
        Self { id: random(&mut app.rng()), client_id, what, tries: 0, next: app.now(), expires }
    }

    /// That a session has ended.
    pub(super) fn logout(app: &App, client_id: &str, account: Id, sid: Id) -> Self {
        Self::new(app, client_id, What::Logout { account, sid }, app.now().saturating_add(600))
    }

    /// That a CIBA request will have been answered. The token is the client's secret, which has to be sent back to it as it
    /// is: it lies in the database under a key that does not, one for each transaction.
    pub(super) fn ping(app: &App, transaction: &Transaction, token: &str) -> Self {
        let sealed = crypto::aead_seal(&sealing_key(app, &transaction.id), [0; 12], &[], token.as_bytes());
        let what = What::Ping { transaction: transaction.id, token: Blob(sealed) };
        Self::new(app, &transaction.relying_party.id, what, transaction.expires.saturating_add(600))
    }
}

fn sealing_key(app: &App, transaction: &Id) -> Secret<32> {
    Secret(crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/notification-token\0", &transaction.0]).0)
}

/// Wakes the sender as soon as a transaction has ended. A server that stops meanwhile finds the notification again.
pub(super) fn watch(app: std::sync::Arc<App>, transaction: Id) {
    tokio::spawn(async move {
        let mut known = State::Waiting;
        let mut stopping = app.stopping.clone();
        loop {
            match approval::wait(&app, &transaction, known, app.config.approval.long_poll_seconds).await {
                Ok(view) if matches!(view.state, State::Waiting | State::Opened) => {
                    // A wait that came back for nothing was crowded out by others.
                    let idle = Duration::from_secs(u64::from(view.state == known));
                    known = view.state;
                    tokio::select! {
                        () = tokio::time::sleep(idle) => {}
                        () = stopping.wait() => return,
                    }
                }
                _ => return wake(&app),
            }
        }
    });
}

/// Tells the sender that there is something to send.
pub(crate) fn wake(app: &App) {
    app.wake.all(SENDER);
}

/// Sends until the server stops.
pub async fn run(app: std::sync::Arc<App>) {
    // Made when there is something to send: a machine without authorities serves everything else.
    let mut outbound = None;
    let mut stopping = app.stopping.clone();
    let notify = app.wake.on(SENDER);
    loop {
        let mut notified = std::pin::pin!(notify.notified());
        notified.as_mut().enable();
        if let Err(error) = round(&app, &mut outbound).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "notifications will be tried again");
        }
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stopping.wait() => return,
        }
    }
}

async fn round(app: &App, outbound: &mut Option<Outbound>) -> Result<(), ApiError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = app.store.scan(Notification::KIND, after.as_deref(), PAGE).await?;
        let full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        after = page.last().map(|record| record.id.clone());
        let due: Vec<Entry<Notification>> = page
            .into_iter()
            .filter_map(|record| {
                let doc = serde_json::from_slice::<Notification>(&record.body).ok()?;
                (doc.next <= app.now()).then_some(Entry { doc, version: Some(record.version) })
            })
            .collect();
        if !due.is_empty() {
            let Some(outbound) = client_of(app, outbound) else { return Ok(()) };
            futures_util::stream::iter(due).for_each_concurrent(AT_ONCE, |entry| one(app, outbound, entry)).await;
        }
        if !full || app.stopping.now() {
            return Ok(());
        }
    }
}

/// What sends, made at its first use.
fn client_of<'a>(app: &App, outbound: &'a mut Option<Outbound>) -> Option<&'a Outbound> {
    if outbound.is_none() {
        match Outbound::new(&app.config) {
            Ok(made) => *outbound = Some(made),
            Err(reason) => {
                tracing::error!(reason, "relying parties cannot be notified; see oidc.notification_authorities");
            }
        }
    }
    outbound.as_ref()
}

/// Tries one, and writes down what came of it.
async fn one(app: &App, outbound: &Outbound, mut entry: Entry<Notification>) {
    let mut changes = Changes::new();
    let client_id = entry.doc.client_id.clone();
    match send(app, outbound, &entry.doc).await {
        Ok(Sent::NotYet) => return,
        Ok(Sent::Done | Sent::NobodyToTell) => {
            changes.delete(&entry);
        }
        Err(why) => {
            entry.doc.tries = entry.doc.tries.saturating_add(1);
            if entry.doc.tries >= TRIES || app.now() >= entry.doc.expires {
                tracing::warn!(client_id, ?why, "a relying party could not be notified, and is not tried again");
                changes.delete(&entry);
            } else {
                entry.doc.next = app.now().saturating_add(FIRST_WAIT << entry.doc.tries.min(4));
                changes.update(&entry);
            }
        }
    }
    // One that another round has changed is that round's.
    if let Err(error) = changes.commit(&*app.store).await
        && !error.is_conflict()
    {
        tracing::warn!(client_id, "a notification's outcome could not be written down; it may be sent again");
    }
}

enum Sent {
    Done,
    /// The transaction has not ended.
    NotYet,
    /// The client or its address is not registered any more.
    NobodyToTell,
}

async fn send(app: &App, outbound: &Outbound, notification: &Notification) -> Result<Sent, NotSent> {
    let party = client::find(app, &notification.client_id).await.map_err(|_| NotSent::Unreachable)?;
    let Some(party) = party else { return Ok(Sent::NobodyToTell) };
    match &notification.what {
        What::Ping { transaction, token } => {
            let Some(address) = &party.ciba_notification_uri else { return Ok(Sent::NobodyToTell) };
            let found =
                docs::get::<Transaction>(&*app.store, &transaction.0).await.map_err(|_| NotSent::Unreachable)?;
            let Some(found) = found else { return Ok(Sent::NobodyToTell) };
            if matches!(approval::view(&found.doc, app.now()).state, State::Waiting | State::Opened) {
                return Ok(Sent::NotYet);
            }
            let opened = crypto::aead_open(&sealing_key(app, transaction), [0; 12], &[], &token.0);
            let Some(token) = opened.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                return Ok(Sent::NobodyToTell);
            };
            let body = json!({ "auth_req_id": ciba::request_id(app, transaction) });
            outbound.post(address, |request| request.bearer_auth(&token).json(&body)).await?;
        }
        What::Logout { account, sid } => {
            let Some(address) = &party.backchannel_logout_uri else { return Ok(Sent::NobodyToTell) };
            let claims = json!({
                "iss": issuer(app),
                "aud": party.client_id,
                "sub": claims::subject_of(&app.keys.pairwise, &party, account),
                "sid": sid.to_base64(),
                "iat": app.now(),
                "exp": app.now().saturating_add(LOGOUT_TOKEN),
                "jti": random::<16>(&mut app.rng()).to_base64(),
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            });
            let key = &app.keys.oidc;
            let token = jwt::sign_as(key, &metadata::key_id(key), "logout+jwt", &claims);
            let token = token.map_err(|_| NotSent::Unreachable)?;
            outbound.post(address, |request| request.form(&[("logout_token", &token)])).await?;
        }
    }
    Ok(Sent::Done)
}
