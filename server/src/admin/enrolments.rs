//! Activations and PIN resets at the desk: handed out, looked at, and the digits of the phone typed in.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, citizens, fields, id, read};
use crate::activation::{self, Form, stage_now};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::records::{Device, Enrolment, HandedOutBy};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandOut {
    #[serde(default)]
    form: WantedForm,
    by: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum WantedForm {
    #[default]
    Link,
    Code,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digits {
    digits: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: Option<String>,
}

pub(super) async fn hand_out(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let HandOut { form, by } = read(&body)?;
    let by = fields::by(by)?;
    let account = citizens::find(&app, &text).await?.doc;
    if account.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    activation::check_free(&app, &account.id).await?;
    let form = match form {
        WantedForm::Link => Form::Link,
        WantedForm::Code => Form::Code,
    };
    let (app, account, by) = (&app, &account, &by);
    let (enrolment, handed) = docs::retry(|| async move {
        let (enrolment, handed) = activation::hand_out(app, account, HandedOutBy::Desk(by.clone()), form);
        let mut changes = Changes::new();
        activation::insert(&mut changes, &enrolment, &handed, app.now());
        changes.commit(&*app.store).await?;
        Ok((enrolment, handed))
    })
    .await?;
    app.log.wake();
    let kind = if form == Form::Link { "link" } else { "code" };
    let body = json!({"id": enrolment.id, "form": kind, "text": handed.text(), "expires": enrolment.expires});
    Ok((StatusCode::CREATED, Json(body)))
}

pub(super) async fn show(State(app): State<Arc<App>>, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let enrolment = docs::get::<Enrolment>(&*app.store, &id(&text)?.0).await?.ok_or(Code::NotFound)?.doc;
    let device = match enrolment.device {
        Some(device) => docs::get::<Device>(&*app.store, &device.0).await?,
        None => None,
    };
    let stage = activation::stage_name(stage_now(&enrolment, app.now()));
    Ok(Json(json!({
        "id": enrolment.id,
        "citizen": enrolment.account,
        "kind": enrolment.kind,
        "stage": stage,
        "device": enrolment.device,
        "model": device.as_ref().map(|device| device.doc.info.model.clone()),
        "platform": device.as_ref().map(|device| device.doc.info.platform.clone()),
        "place": enrolment.place,
        "tries_left": enrolment.tries_left,
        "digits_left": enrolment.digits_left,
        "expires": enrolment.expires,
        "finish_before": enrolment.finish_before,
        "active_from": enrolment.active_from,
        "handed_out_by": activation::by_text(&enrolment.handed_out_by),
    })))
}

/// A desk types the digits of what a desk handed out; a move's belong to the old phone.
pub(super) async fn digits(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let Digits { digits } = read(&body)?;
    let by_desk = |enrolment: &Enrolment| matches!(enrolment.handed_out_by, HandedOutBy::Desk(_));
    let confirmed = activation::confirm(&app, &id(&text)?, &digits, by_desk).await?;
    Ok(Json(json!({
        "device": confirmed.device,
        "model": confirmed.model,
        "place": confirmed.place,
        "active_from": confirmed.active_from,
    })))
}

pub(super) async fn pin_reset(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let By { by } = read(&body)?;
    let reset = activation::open_reset(&app, &id(&text)?, &fields::by(by)?).await?;
    Ok((StatusCode::CREATED, Json(json!({"id": reset.id, "device": reset.device, "expires": reset.expires}))))
}
