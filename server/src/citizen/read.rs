//! What a person sees of their own: means, history, and all of it as one file.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use godkend_protocol::bytes::Id;
use godkend_protocol::messages::device::DeviceState;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::{Caller, Reply, id};
use crate::activation::{MOST_DEVICES, activation_of, all_of};
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::means::orders;
use crate::means::records::Password;
use crate::means::{chip, desk};
use crate::records::{Device, Entry, HistoryLine};
use crate::{device, history as lines, identity};

/// Lines of history in an export: the newest.
const MOST_EXPORTED: usize = 20_000;

#[derive(Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /citizen/v1/overview`.
pub(super) async fn overview(State(app): State<Arc<App>>, caller: Caller) -> Reply {
    Ok(caller.answer(all_means(&app, &caller).await?))
}

/// `GET /citizen/v1/history?after&limit`.
pub(super) async fn history(State(app): State<Arc<App>>, Query(page): Query<Page>, caller: Caller) -> Reply {
    let limit = page.limit.unwrap_or(50).clamp(1, 256);
    let after = page.after.as_deref().map(id).transpose()?;
    let models = models(&app, caller.account()).await?;
    let found = lines::page(&app, caller.account(), after.as_ref(), limit).await?;
    let full = u32::try_from(found.len()).unwrap_or(u32::MAX) >= limit;
    let next = found.last().filter(|_| full).map(|line| line.doc.id);
    let shown: Vec<Value> = found.into_iter().map(|line| line_of(line, &models)).collect();
    Ok(caller.answer(json!({ "history": shown, "next": next })))
}

/// `GET /citizen/v1/export`: everything that the others show, as a file to keep.
pub(super) async fn export(State(app): State<Arc<App>>, caller: Caller) -> Reply {
    let mut file = all_means(&app, &caller).await?;
    let models = models(&app, caller.account()).await?;
    let mut shown: Vec<Value> = Vec::new();
    let mut after: Option<Id> = None;
    loop {
        let found = lines::page(&app, caller.account(), after.as_ref(), 256).await?;
        after = found.last().map(|line| line.doc.id);
        let whole = found.len() < 256;
        shown.extend(found.into_iter().map(|line| line_of(line, &models)));
        if whole || shown.len() >= MOST_EXPORTED {
            break;
        }
    }
    if let Some(file) = file.as_object_mut() {
        file.insert("exported".to_owned(), json!(app.now()));
        file.insert("uuid".to_owned(), json!(caller.0.account.uuid));
        file.insert("date_of_birth".to_owned(), json!(caller.0.account.date_of_birth));
        file.insert("has_cpr".to_owned(), json!(caller.0.account.cpr.is_some()));
        file.insert("created".to_owned(), json!(caller.0.account.created));
        file.insert("history".to_owned(), json!(shown));
    }
    let mut response = caller.answer(file);
    let name = HeaderValue::from_static("attachment; filename=\"godkend.json\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

async fn all_means(app: &App, caller: &Caller) -> Result<Value, ApiError> {
    let (account, grant) = (&caller.0.account, &caller.0.token.grant);
    let (devices, browsers) = device::lines(app, &account.id).await?;
    let mut phones = Vec::new();
    for line in devices {
        let active_from = if line.state == DeviceState::Enrolling { active_from(app, &line.id).await? } else { None };
        phones.push(json!({
            "id": line.id, "model": line.model, "platform": line.platform, "state": line.state,
            "enrolled": line.enrolled, "last_used": line.last_used, "active_from": active_from,
        }));
    }
    let browser = |line: &godkend_protocol::messages::device::BrowserLine| json!({ "id": line.id, "name": line.name, "remembered": line.remembered, "last_used": line.last_used });
    let order = |order: orders::Order| json!({ "id": order.id, "what": order.what, "state": order.state, "at": order.at, "changed": order.changed });
    let password = docs::get::<Password>(&*app.store, &account.id.0).await?;
    Ok(json!({
        "name": account.name,
        "user_id": account.user_id,
        "identity_level": account.identity_level.name(),
        "login": { "level": grant.level.name(), "at": grant.at },
        "phones": phones,
        "most_phones": MOST_DEVICES,
        "browsers": browsers.iter().map(browser).collect::<Vec<_>>(),
        "password": password.map(|password| json!({ "set": password.doc.set })),
        "displays": desk::shown(app, &account.id).await?,
        "chip": chip::shown(app, &account.id).await?,
        "orders": orders::of(app, &account.id).await?.into_iter().map(order).collect::<Vec<_>>(),
        "settings": {
            "locked_push": account.locked_push,
            "tell_uses": account.tell_uses,
            "hide_names": identity::preferences(app, &account.id).await?.doc.hide_names,
        },
    }))
}

/// When a phone that waits for the person's other means becomes active, in Unix seconds.
async fn active_from(app: &App, device: &Id) -> Result<Option<i64>, ApiError> {
    let Some(device) = docs::get::<Device>(&*app.store, &device.0).await? else { return Ok(None) };
    Ok(activation_of(app, &device.doc).await?.and_then(|enrolment| enrolment.doc.active_from))
}

/// The models of a person's phones, of removed ones too, for the lines that name them.
async fn models(app: &App, account: &Id) -> Result<BTreeMap<Id, String>, ApiError> {
    let all = all_of::<Device>(app, account).await?;
    Ok(all.into_iter().map(|entry| (entry.doc.id, entry.doc.info.model)).collect())
}

fn line_of(line: Entry<HistoryLine>, models: &BTreeMap<Id, String>) -> Value {
    let HistoryLine { id, at, event, device, relying_party, details, .. } = line.doc;
    let model = device.and_then(|device| models.get(&device));
    json!({
        "id": id, "at": at, "event": event, "model": model, "relying_party": relying_party, "details": details,
    })
}
