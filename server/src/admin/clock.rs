//! The clock of a test environment. Elsewhere there is no such thing.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use godkend_protocol::codes::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, read};
use crate::app::App;

/// The furthest that one request moves the clock, in seconds: ten years.
const FURTHEST: i64 = 10 * 365 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

pub(super) async fn advance(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    if !app.config.server.test_environment {
        return Err(Code::NotFound.into());
    }
    let Advance { advance_seconds } = read(&body)?;
    if !(-FURTHEST..=FURTHEST).contains(&advance_seconds) {
        return Err(Refusal::field(Code::Malformed, "advance_seconds"));
    }
    app.clock.advance_ms(advance_seconds.saturating_mul(1000));
    crate::activation::sweep(&app).await?;
    Ok(Json(json!({"now": app.now()})))
}

pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Json<Value>, Refusal> {
    if app.config.server.test_environment { Ok(Json(json!({"now": app.now()}))) } else { Err(Code::NotFound.into()) }
}
