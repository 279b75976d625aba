//! Citizens: created after proofing, shown, blocked, and their history.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use godkend_protocol::bytes::random;
use godkend_protocol::codes::Code;
use godkend_protocol::types::{Level, Suite};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, fields, id, read};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes};
use crate::history::{self, About};
use crate::identity;
use crate::records::{Account, Document as _, Entry, Magic, UserIdIndex};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCitizen {
    name: String,
    user_id: String,
    date_of_birth: String,
    cpr: Option<String>,
    #[serde(default = "substantial")]
    identity_level: String,
    magic: Option<Magic>,
    /// The person wants to be told of every use.
    #[serde(default)]
    tell_uses: bool,
    by: Option<String>,
}

fn substantial() -> String {
    "substantial".to_owned()
}

#[derive(Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

impl Page {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, 256)
    }
}

pub(super) async fn create(State(app): State<Arc<App>>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let new: NewCitizen = read(&body)?;
    let now = app.now();
    if new.magic.is_some() && !app.config.server.test_environment {
        return Err(Refusal::field(Code::OperationRefused, "magic"));
    }
    let by = format!("desk:{}", fields::by(new.by)?);
    let level = Level::parse(&new.identity_level).ok_or(Refusal::field(Code::Malformed, "identity_level"))?;
    let mut rng = app.rng();
    let account = Account {
        id: random(&mut rng),
        uuid: uuid_v4(random::<16>(&mut rng).0),
        user_id: fields::user_id(&new.user_id)?,
        name: fields::name(&new.name)?,
        date_of_birth: fields::date_of_birth(&new.date_of_birth, now)?,
        cpr: new.cpr.as_deref().map(fields::cpr).transpose()?,
        identity_level: level,
        blocked: false,
        least_suite: Suite::P256,
        locked_push: true,
        tell_uses: new.tell_uses,
        disputed: Vec::new(),
        created: now,
        magic: new.magic,
    };
    if !identity::is_free(&app, &account.user_id, &account.id).await? {
        return Err(Refusal::field(Code::UserIdTaken, "user_id"));
    }
    let mut changes = Changes::new();
    changes.insert(&account);
    changes.insert(&UserIdIndex { user_id: account.user_id.to_ascii_lowercase(), account: account.id });
    let (id, uuid) = (account.id, account.uuid.clone());
    changes.log(&AuditEntry::AccountCreated { account: id, uuid, level, by: by.clone(), at: now });
    history::add(&mut changes, &app, id, "identity_created", About::default().with(json!({"by": by})));
    if account.tell_uses {
        let (means, state) = (identity::TELL_USES.to_owned(), "on".to_owned());
        changes.log(&AuditEntry::MeansChanged { account: id, means, item: id, state, by, at: now });
        history::add(
            &mut changes,
            &app,
            id,
            "tell_uses_set",
            About::default().with(json!({ "on": true, "alert": false })),
        );
    }
    changes.commit(&*app.store).await.map_err(|error| {
        // The only record that can be there already.
        if error.is_conflict() { Refusal::field(Code::UserIdTaken, "user_id") } else { error.into() }
    })?;
    app.log.wake();
    Ok((StatusCode::CREATED, Json(view(&account))))
}

pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<Page>) -> Result<Json<Value>, Refusal> {
    let after = page.after.as_deref().map(id).transpose()?;
    let after = after.as_ref().map(|id| &id.0[..]);
    let records = app.store.scan(Account::KIND, after, page.limit()).await.map_err(crate::error::ApiError::from)?;
    let mut citizens = Vec::with_capacity(records.len());
    let mut last = None;
    for record in &records {
        let account: Account = serde_json::from_slice(&record.body).map_err(|_| Code::Internal)?;
        last = Some(account.id.to_base64());
        citizens.push(view(&account));
    }
    let full = u32::try_from(records.len()).unwrap_or(u32::MAX) >= page.limit();
    Ok(Json(json!({"citizens": citizens, "next": last.filter(|_| full)})))
}

pub(super) async fn show(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(view(&find(&app, &text).await?.doc)))
}

pub(super) async fn by_user_id(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let folded = text.to_ascii_lowercase();
    if folded.is_empty() || folded.len() > 48 {
        return Err(Code::NotFound.into());
    }
    let index = docs::get::<UserIdIndex>(&*app.store, folded.as_bytes()).await?.ok_or(Code::NotFound)?;
    let account = docs::get::<Account>(&*app.store, &index.doc.account.0).await?.ok_or(Code::NotFound)?;
    Ok(Json(view(&account.doc)))
}

pub(super) async fn block(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    set_blocked(&app, &text, true).await
}

pub(super) async fn unblock(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    set_blocked(&app, &text, false).await
}

pub(super) async fn history(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refusal> {
    let account = find(&app, &text).await?.doc.id;
    let after = page.after.as_deref().map(id).transpose()?;
    let lines = history::page(&app, &account, after.as_ref(), page.limit()).await?;
    let full = u32::try_from(lines.len()).unwrap_or(u32::MAX) >= page.limit();
    let next = lines.last().filter(|_| full).map(|line| line.doc.id);
    let mut lines: Vec<_> = lines.into_iter().map(|line| line.doc).collect();
    if identity::preferences(&app, &account).await?.doc.hide_names {
        lines.iter_mut().for_each(|line| line.relying_party = None);
    }
    Ok(Json(json!({"history": lines, "next": next})))
}

async fn set_blocked(app: &App, text: &str, blocked: bool) -> Result<Json<Value>, Refusal> {
    Ok(Json(view(&identity::set_blocked(app, &id(text)?, blocked, "desk").await?)))
}

pub(super) async fn find(app: &App, text: &str) -> Result<Entry<Account>, Refusal> {
    Ok(docs::get::<Account>(&*app.store, &id(text)?.0).await?.ok_or(Code::NotFound)?)
}

/// What a desk sees: whether there is a CPR number, never the number.
fn view(account: &Account) -> Value {
    json!({
        "id": account.id,
        "uuid": account.uuid,
        "user_id": account.user_id,
        "name": account.name,
        "date_of_birth": account.date_of_birth,
        "has_cpr": account.cpr.is_some(),
        "identity_level": account.identity_level,
        "blocked": account.blocked,
        "created": account.created,
        "magic": account.magic,
    })
}

/// RFC 9562, section 5.4.
fn uuid_v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_uuid_has_its_version() {
        assert_eq!(super::uuid_v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
