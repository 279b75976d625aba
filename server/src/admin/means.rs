//! Passwords, code displays and chips at the desk.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use godkend_oath::pskc::{Reading, Unlock};
use godkend_protocol::codes::Code;
use godkend_protocol::types::Level;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Refusal, citizens, fields, read};
use crate::app::App;
use crate::docs;
use crate::means::desk::{self, ImportError};
use crate::means::records::Password;
use crate::means::{chip, password};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    /// The PSKC file, Base64.
    container: String,
    /// The pre-shared key, hexadecimal.
    key: Option<String>,
    passphrase: Option<String>,
    #[serde(default)]
    signature_checked: bool,
    #[serde(default)]
    talks: bool,
}

/// `POST /admin/v1/displays`: takes a delivery of displays in.
pub(super) async fn import(State(app): State<Arc<App>>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let wanted: Container = read(&body)?;
    let plain: String = wanted.container.chars().filter(|c| !c.is_whitespace()).collect();
    let container = STANDARD.decode(plain).map_err(|_| Refusal::field(Code::Malformed, "container"))?;
    let container = Zeroizing::new(container);
    let passphrase = wanted.passphrase.map(Zeroizing::new);
    let key = wanted.key.map(Zeroizing::new).map(|key| hex::decode(key.trim()).map(Zeroizing::new)).transpose();
    let key = key.map_err(|_| Refusal::field(Code::Malformed, "key"))?;
    let unlock = match (&key, &passphrase) {
        (None, None) => Unlock::Plain,
        (Some(key), None) => Unlock::PreShared(key),
        (None, Some(passphrase)) => Unlock::Passphrase(passphrase),
        (Some(_), Some(_)) => return Err(Refusal::field(Code::Malformed, "passphrase")),
    };
    let reading = Reading { unlock, signature_checked: wanted.signature_checked };
    match desk::import(&app, &container, &reading, wanted.talks).await {
        Ok(done) => Ok((StatusCode::CREATED, Json(json!(done)))),
        Err(ImportError::Api(error)) => Err(error.into()),
        // The reason is a sentence about the file; it holds nothing of it.
        Err(ImportError::Container(error)) => {
            let body = json!({
                "error": Code::Malformed.as_str(), "field": "container", "reason": error.to_string(),
                "message_da": Code::Malformed.danish(), "message_en": Code::Malformed.english(),
            });
            Ok((StatusCode::BAD_REQUEST, Json(body)))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    #[serde(default)]
    manufacturer: String,
    serial: String,
    #[serde(default)]
    replace: bool,
    battery_until: Option<i64>,
    by: Option<String>,
}

/// `POST /admin/v1/citizens/{id}/display`: hands a display from stock to a citizen.
pub(super) async fn assign(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let wanted: Assign = read(&body)?;
    let by = fields::clerk(wanted.by)?;
    let citizen = citizens::find(&app, &text).await?;
    let display = desk::by_serial(&app, &wanted.manufacturer, &wanted.serial).await?;
    desk::assign(&app, &citizen, &display.doc.id, wanted.replace, wanted.battery_until, &by).await?;
    Ok((StatusCode::CREATED, Json(json!({ "serial": display.doc.serial }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: Option<String>,
}

/// `POST /admin/v1/citizens/{id}/display/lost`.
pub(super) async fn lost(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let By { by } = read(&body)?;
    let by = fields::clerk(by)?;
    let citizen = citizens::find(&app, &text).await?;
    desk::lose(&app, &citizen.doc.id, &by).await?;
    Ok(Json(json!({ "id": text })))
}

/// `POST /admin/v1/citizens/{id}/password`: a code with which the citizen chooses a password, after proofing.
pub(super) async fn open_password(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let By { by } = read(&body)?;
    let by = fields::clerk(by)?;
    let citizen = citizens::find(&app, &text).await?;
    if citizen.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    let code = password::hand_out(&app, &citizen, &by).await?;
    Ok((StatusCode::CREATED, Json(json!({ "code": code.to_text(), "expires_in": password::CODE_SECONDS }))))
}

/// `POST /admin/v1/citizens/{id}/password/remove`.
pub(super) async fn remove_password(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let By { by } = read(&body)?;
    let by = fields::clerk(by)?;
    let citizen = citizens::find(&app, &text).await?;
    password::remove(&app, &citizen.doc.id, &by).await?;
    Ok(Json(json!({ "id": text })))
}

/// `POST /admin/v1/citizens/{id}/chip`: a code with which the citizen registers a chip, after proofing.
pub(super) async fn open_chip(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let By { by } = read(&body)?;
    let by = fields::clerk(by)?;
    let citizen = citizens::find(&app, &text).await?;
    if citizen.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    // Whoever has proofed the person stands for any level; the identity's own is looked at when the chip is used.
    let code = chip::hand_out(&app, &citizen, &by, Level::High).await?;
    Ok((StatusCode::CREATED, Json(json!({ "code": code.to_text(), "expires_in": chip::CODE_SECONDS }))))
}

/// `POST /admin/v1/citizens/{id}/chip/lost`.
pub(super) async fn lost_chip(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    end_chip(&app, text, &body, true).await
}

/// `POST /admin/v1/citizens/{id}/chip/remove`.
pub(super) async fn remove_chip(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    end_chip(&app, text, &body, false).await
}

async fn end_chip(app: &App, text: String, body: &[u8], lost: bool) -> Result<Json<Value>, Refusal> {
    let By { by } = read(body)?;
    let by = fields::clerk(by)?;
    let citizen = citizens::find(app, &text).await?;
    chip::remove(app, &citizen.doc.id, &by, lost).await?;
    Ok(Json(json!({ "id": text })))
}

/// `GET /admin/v1/citizens/{id}/means`: what a citizen has beside the app.
pub(super) async fn list(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let account = citizens::find(&app, &text).await?.doc.id;
    let password = docs::get::<Password>(&*app.store, &account.0).await?;
    Ok(Json(json!({
        "password": password.map(|password| json!({ "set": password.doc.set })),
        "displays": desk::shown(&app, &account).await?,
        "chip": chip::shown(&app, &account).await?,
    })))
}
