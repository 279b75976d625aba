//! What citizens have ordered on their own site, for the desk to hand over.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, fields, id, read};
use crate::app::App;
use crate::error::ApiError;
use crate::means::orders::{self, Order, OrderState};
use crate::records::Document as _;

#[derive(Deserialize)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /admin/v1/orders`: those that are open; a page may hold fewer than `limit`, and none, and still have a `next`.
pub(super) async fn list(State(app): State<Arc<App>>, Query(page): Query<Page>) -> Result<Json<Value>, Refusal> {
    let limit = page.limit.unwrap_or(100).clamp(1, 256);
    let after = page.after.as_deref().map(id).transpose()?;
    let after = after.as_ref().map(|id| &id.0[..]);
    let records = app.store.scan(Order::KIND, after, limit).await.map_err(ApiError::from)?;
    let full = u32::try_from(records.len()).unwrap_or(u32::MAX) >= limit;
    let (mut open, mut last) = (Vec::new(), None);
    for record in &records {
        let order: Order = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged("means_order"))?;
        last = Some(order.id);
        if order.state == OrderState::Open {
            open.push(json!({ "id": order.id, "citizen": order.account, "what": order.what, "at": order.at }));
        }
    }
    Ok(Json(json!({ "orders": open, "next": last.filter(|_| full) })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: Option<String>,
}

/// `POST /admin/v1/orders/{id}/handed`.
pub(super) async fn handed(
    State(app): State<Arc<App>>,
    Path(text): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let By { by } = read(&body)?;
    orders::handed(&app, &id(&text)?, &fields::clerk(by)?).await?;
    Ok(Json(json!({ "id": text })))
}
