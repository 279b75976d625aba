//! A new phone that the person adds: handed out on their own site, it waits the hour in which the other means may refuse.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::json;

use super::caller::{Caller, No, Reply, id, read};
use crate::activation::{self, Form, by_text, stage_name, stage_now};
use crate::app::App;
use crate::docs::{self, Changes};
use crate::history::{self, About};
use crate::records::{Account, Device, Enrolment, Entry, HandedOutBy};

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    #[default]
    Link,
    Code,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandOut {
    #[serde(default)]
    form: Wanted,
}

/// `POST /citizen/v1/activations` with `{"form": "link" | "code"}`: `{"id", "text", "expires", "waiting_seconds"}`.
///
/// The login must have the level of the identity: a phone reaches what its owner was proofed at, and nobody may get there
/// from less by adding one.
pub(super) async fn hand_out(State(app): State<Arc<App>>, caller: Caller, body: Bytes) -> Reply {
    let HandOut { form } = read(&body)?;
    caller.fresh_at(&app, caller.0.account.identity_level)?;
    activation::check_free(&app, caller.account()).await?;
    let form = match form {
        Wanted::Link => Form::Link,
        Wanted::Code => Form::Code,
    };
    let (app, account) = (&*app, caller.account());
    let (enrolment, handed) = docs::retry(|| async {
        let account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        if account.doc.blocked {
            return Err(Code::IdentityBlocked.into());
        }
        let (enrolment, handed) = activation::hand_out(app, &account.doc, HandedOutBy::SelfService, form);
        let mut changes = Changes::new();
        activation::insert(&mut changes, &enrolment, &handed, app.now());
        let about = About::default().with(json!({ "by": by_text(&enrolment.handed_out_by), "alert": true }));
        history::add(&mut changes, app, account.doc.id, "activation_handed_out", about);
        changes.unchanged(&account);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(account.doc.id);
        Ok((enrolment, handed))
    })
    .await?;
    Ok(caller.answer(json!({
        "id": enrolment.id, "text": handed.text(), "expires": enrolment.expires,
        "waiting_seconds": app.config.activation.waiting_seconds,
    })))
}

/// An activation that the caller has handed out here; another's is as unknown as one that is not there.
async fn own(app: &App, caller: &Caller, text: &str) -> Result<Entry<Enrolment>, No> {
    let found = docs::get::<Enrolment>(&*app.store, &id(text)?.0).await?;
    Ok(found.filter(|entry| is_own(&entry.doc, caller)).ok_or(Code::ActivationUnknown)?)
}

fn is_own(enrolment: &Enrolment, caller: &Caller) -> bool {
    enrolment.account == *caller.account() && enrolment.handed_out_by == HandedOutBy::SelfService
}

/// `GET /citizen/v1/activations/{id}`.
pub(super) async fn show(State(app): State<Arc<App>>, Path(text): Path<String>, caller: Caller) -> Reply {
    let enrolment = own(&app, &caller, &text).await?.doc;
    let device = match enrolment.device {
        Some(device) => docs::get::<Device>(&*app.store, &device.0).await?,
        None => None,
    };
    Ok(caller.answer(json!({
        "id": enrolment.id,
        "stage": stage_name(stage_now(&enrolment, app.now())),
        "model": device.map(|device| device.doc.info.model),
        "place": enrolment.place,
        "digits_left": enrolment.digits_left,
        "expires": enrolment.expires,
        "active_from": enrolment.active_from,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Digits {
    digits: String,
}

/// `POST /citizen/v1/activations/{id}/digits` with `{"digits"}`: the eight that the new phone shows.
pub(super) async fn digits(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Reply {
    let Digits { digits } = read(&body)?;
    let enrolment = own(&app, &caller, &text).await?.doc.id;
    let confirmed = activation::confirm(&app, &enrolment, &digits, |enrolment| is_own(enrolment, &caller)).await?;
    Ok(caller.answer(json!({
        "model": confirmed.model, "place": confirmed.place, "active_from": confirmed.active_from,
    })))
}
