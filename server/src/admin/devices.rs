//! A citizen's devices at the desk.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::{Refusal, citizens, id};
use crate::activation::{all_of, state_now};
use crate::app::App;
use crate::records::Device;

pub(super) async fn list(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let account = citizens::find(&app, &text).await?.doc.id;
    let mut devices = Vec::new();
    for entry in all_of::<Device>(&app, &account).await? {
        let device = entry.doc;
        let state = state_now(&app, &device).await?;
        let pin = device.pin.as_ref().map(|pin| crate::pin::status(pin, &app.config.pin, app.now()));
        devices.push(json!({
            "id": device.id,
            "model": device.info.model,
            "platform": device.info.platform,
            "app_version": device.info.app_version,
            "state": state,
            "enrolled": device.enrolled,
            "last_used": device.last_used,
            "security": device.security,
            "suite": device.suite,
            "keys": device.keys.iter().map(|key| key.purpose).collect::<Vec<_>>(),
            "pin": pin,
        }));
    }
    Ok(Json(json!({"devices": devices})))
}

pub(super) async fn block(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let blocked = crate::device::block(&app, &id(&text)?, "desk").await?;
    Ok(Json(json!({"id": blocked.device, "model": blocked.model})))
}

pub(super) async fn unblock(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    crate::device::unblock(&app, &id(&text)?).await?;
    Ok(Json(json!({"id": text})))
}

pub(super) async fn remove(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    crate::device::remove_for_good(&app, &id(&text)?, "desk").await?;
    Ok(Json(json!({"id": text})))
}
