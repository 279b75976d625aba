//! What a person changes: each by the function that a phone or a desk uses for it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::json;

use super::caller::{Caller, No, Reply, id, read};
use crate::app::App;
use crate::means::orders::{self, Ordered};
use crate::means::{chip, desk, password};
use crate::records::{Account, Device};
use crate::{approval, device, docs, identity};

/// Why, in history and log.
const WHY: &str = "self_service";
/// By whom.
const BY: &str = "self";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A phone of the caller's; another person's is as unknown as one that is not there.
async fn own_phone(app: &App, caller: &Caller, text: &str) -> Result<Id, No> {
    let device = docs::get::<Device>(&*app.store, &id(text)?.0).await?;
    let own = device.filter(|device| device.doc.account == *caller.account());
    Ok(own.ok_or(Code::DeviceUnknown)?.doc.id)
}

/// `POST /citizen/v1/phones/{id}/block`. Only a desk opens it again.
pub(super) async fn block_phone(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Reply {
    let Nothing {} = read(&body)?;
    let blocked = device::block(&app, &own_phone(&app, &caller, &text).await?, WHY).await?;
    Ok(caller.answer(json!({ "id": blocked.device, "model": blocked.model })))
}

/// `POST /citizen/v1/phones/{id}/remove`; also stops one that still waits.
pub(super) async fn remove_phone(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Reply {
    let Nothing {} = read(&body)?;
    let phone = own_phone(&app, &caller, &text).await?;
    caller.fresh(&app)?;
    device::remove_for_good(&app, &phone, WHY).await?;
    Ok(caller.answer(json!({ "id": phone })))
}

/// `POST /citizen/v1/browsers/{id}/forget`.
pub(super) async fn forget_browser(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Reply {
    let Nothing {} = read(&body)?;
    let browser = id(&text)?;
    approval::forget_browser(&app, caller.account(), &browser).await?;
    Ok(caller.answer(json!({ "id": browser })))
}

/// `POST /citizen/v1/display/lost`.
pub(super) async fn display_lost(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    desk::lose(&app, caller.account(), BY).await?;
    Ok(caller.answer(json!({})))
}

/// `POST /citizen/v1/password/open`: a code with which a new password is chosen on the server's page.
pub(super) async fn open_password(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    caller.fresh(&app)?;
    let account = docs::get::<Account>(&*app.store, &caller.account().0).await?.ok_or(Code::NotFound)?;
    let code = password::hand_out(&app, &account, BY).await?;
    Ok(caller.answer(json!({ "code": code.to_text(), "expires_in": password::CODE_SECONDS })))
}

/// `POST /citizen/v1/password/remove`.
pub(super) async fn remove_password(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    caller.fresh(&app)?;
    password::remove(&app, caller.account(), BY).await?;
    Ok(caller.answer(json!({})))
}

/// `POST /citizen/v1/chip/open`: a code with which a chip is registered on the server's page. The chip carries no more than
/// the login that it was asked for with.
pub(super) async fn open_chip(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    caller.fresh(&app)?;
    let account = docs::get::<Account>(&*app.store, &caller.account().0).await?.ok_or(Code::NotFound)?;
    let code = chip::hand_out(&app, &account, BY, caller.0.token.grant.level).await?;
    Ok(caller.answer(json!({ "code": code.to_text(), "expires_in": chip::CODE_SECONDS })))
}

/// `POST /citizen/v1/chip/lost`: it signs in nowhere from now on.
pub(super) async fn chip_lost(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    chip::remove(&app, caller.account(), BY, true).await?;
    Ok(caller.answer(json!({})))
}

/// `POST /citizen/v1/chip/remove`.
pub(super) async fn remove_chip(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    caller.fresh(&app)?;
    chip::remove(&app, caller.account(), BY, false).await?;
    Ok(caller.answer(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserId {
    user_id: String,
}

/// `POST /citizen/v1/user-id` with `{"user_id"}`.
pub(super) async fn user_id(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let UserId { user_id } = read(&body)?;
    caller.fresh(&app)?;
    identity::change_user_id(&app, caller.account(), user_id.trim()).await?;
    Ok(caller.answer(json!({ "user_id": user_id.trim() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    locked_push: Option<bool>,
    hide_names: Option<bool>,
    tell_uses: Option<bool>,
}

/// `POST /citizen/v1/settings` with `{"locked_push"?, "hide_names"?, "tell_uses"?}`.
pub(super) async fn settings(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Settings { locked_push, hide_names, tell_uses } = read(&body)?;
    caller.fresh(&app)?;
    if let Some(on) = locked_push {
        identity::set_locked_push(&app, caller.account(), on).await?;
    }
    if let Some(hide) = hide_names {
        identity::hide_names(&app, caller.account(), hide).await?;
    }
    if let Some(on) = tell_uses {
        identity::set_tell_uses(&app, caller.account(), on).await?;
    }
    Ok(caller.answer(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    what: Ordered,
}

/// `POST /citizen/v1/orders` with `{"what": "display" | "talking_display" | "chip"}`.
pub(super) async fn order(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Wanted { what } = read(&body)?;
    caller.fresh(&app)?;
    let order = orders::order(&app, caller.account(), what).await?;
    Ok(caller.answer(json!({ "id": order.id, "what": order.what, "state": order.state, "at": order.at })))
}

/// `POST /citizen/v1/orders/{id}/cancel`.
pub(super) async fn cancel_order(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Reply {
    let Nothing {} = read(&body)?;
    orders::cancel(&app, caller.account(), &id(&text)?).await?;
    Ok(caller.answer(json!({})))
}

/// `POST /citizen/v1/block`: the whole identity. Only a desk opens it again; this token opens nothing any more.
pub(super) async fn block_everything(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    identity::set_blocked(&app, caller.account(), true, BY).await?;
    Ok(caller.answer(json!({ "blocked": true })))
}

/// `POST /citizen/v1/logout`: the token is forgotten.
pub(super) async fn logout(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let Nothing {} = read(&body)?;
    caller.0.end(&app).await?;
    Ok(caller.answer(json!({})))
}
