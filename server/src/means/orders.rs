//! What a person has asked a desk for: a display or a chip. The desk hands it over, to the person whom it has before it.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::CODE_DISPLAY;
use crate::app::App;
use crate::approval::id_of;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Document, Entry};
use crate::store::Kind;

/// How long an order that is done or given up stays on record, in seconds: 90 days.
const KEPT: i64 = 90 * 86_400;

/// What can be ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordered {
    /// A code display.
    Display,
    /// One that speaks.
    TalkingDisplay,
    /// A chip.
    Chip,
}

impl Ordered {
    /// The policy's name of the means that it is.
    const fn means(self) -> &'static str {
        match self {
            Self::Display | Self::TalkingDisplay => CODE_DISPLAY,
            Self::Chip => "chip",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Display => "display",
            Self::TalkingDisplay => "talking_display",
            Self::Chip => "chip",
        }
    }
}

/// Where an order stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// On the desk's list.
    Open,
    /// Handed over.
    Handed,
    /// Given up by the person.
    Cancelled,
}

/// An order. A person has one of each kind: a second press of a button orders nothing more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Named by person and kind.
    pub id: Id,
    /// Whose.
    pub account: Id,
    /// What.
    pub what: Ordered,
    /// Where it stands.
    pub state: OrderState,
    /// Unix seconds: ordered.
    pub at: i64,
    /// Unix seconds: its last change.
    pub changed: i64,
}

impl Document for Order {
    const KIND: Kind = Kind("means_order");
    fn id(&self) -> Vec<u8> {
        self.id.0.to_vec()
    }
    fn owner(&self) -> Vec<u8> {
        self.account.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        (self.state != OrderState::Open).then(|| self.changed.saturating_add(KEPT))
    }
}

/// Orders something, or says that it is on order already.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn order(app: &App, account: &Id, what: Ordered) -> Result<Order, ApiError> {
    let id = id_of_order(account, what);
    retry(|| async {
        let now = app.now();
        let known = docs::get::<Order>(&*app.store, &id.0).await?;
        if let Some(known) = known.as_ref().filter(|known| known.doc.state == OrderState::Open) {
            return Ok(known.doc.clone());
        }
        let doc = Order { id, account: *account, what, state: OrderState::Open, at: now, changed: now };
        let entry = Entry { doc, version: known.and_then(|known| known.version) };
        write(app, &entry, "ordered", "means_ordered", "self").await?;
        Ok(entry.doc)
    })
    .await
}

/// Gives an order up. One that is not open stays as it is.
///
/// # Errors
/// [`Code::NotFound`], for another person's too.
pub async fn cancel(app: &App, account: &Id, order: &Id) -> Result<(), ApiError> {
    close(app, order, Some(account), OrderState::Cancelled, "order_cancelled", "self").await
}

/// Notes that a desk has handed it over.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn handed(app: &App, order: &Id, by: &str) -> Result<(), ApiError> {
    close(app, order, None, OrderState::Handed, "order_handed", by).await
}

async fn close(
    app: &App,
    order: &Id,
    account: Option<&Id>,
    state: OrderState,
    event: &str,
    by: &str,
) -> Result<(), ApiError> {
    retry(|| async {
        let mut order = docs::get::<Order>(&*app.store, &order.0).await?.ok_or(Code::NotFound)?;
        if account.is_some_and(|account| *account != order.doc.account) {
            return Err(Code::NotFound.into());
        }
        if order.doc.state == OrderState::Open {
            (order.doc.state, order.doc.changed) = (state, app.now());
            write(app, &order, event, event, by).await?;
        }
        Ok(())
    })
    .await
}

async fn write(app: &App, order: &Entry<Order>, state: &str, event: &str, by: &str) -> Result<(), ApiError> {
    let Order { id, account, what, changed, .. } = order.doc;
    let mut changes = Changes::new();
    changes.update(order).log(&AuditEntry::MeansChanged {
        account,
        means: what.means().to_owned(),
        item: id,
        state: state.to_owned(),
        by: by.to_owned(),
        at: changed,
    });
    history::add(&mut changes, app, account, event, About::default().with(json!({ "what": what, "by": by })));
    changes.commit(&*app.store).await?;
    app.log.wake();
    app.wake.all(account);
    Ok(())
}

/// What the log says of an order that an older database has otherwise; nothing for a state that is none of an order's.
pub(crate) async fn restore(
    app: &App,
    account: &Id,
    order: &Id,
    state: &str,
    at: i64,
) -> Result<Option<Entry<Order>>, ApiError> {
    let what = [Ordered::Display, Ordered::TalkingDisplay, Ordered::Chip];
    let what = what.into_iter().find(|what| id_of_order(account, *what) == *order);
    let state = match state {
        "ordered" => OrderState::Open,
        "order_cancelled" => OrderState::Cancelled,
        "order_handed" => OrderState::Handed,
        _ => return Ok(None),
    };
    let Some(what) = what else { return Ok(None) };
    let known = docs::get::<Order>(&*app.store, &order.0).await?;
    let ordered = known.as_ref().map_or(at, |known| known.doc.at);
    let ordered = if state == OrderState::Open { at } else { ordered };
    let doc = Order { id: *order, account: *account, what, state, at: ordered, changed: at };
    Ok(Some(Entry { doc, version: known.and_then(|known| known.version) }))
}

fn id_of_order(account: &Id, what: Ordered) -> Id {
    id_of(&crypto::labelled_hash("godkend/1/order", &[&account.0, what.name().as_bytes()]))
}

/// Whether a state in the log is an order's.
pub(crate) fn is_order(state: &str) -> bool {
    matches!(state, "ordered" | "order_cancelled" | "order_handed")
}

/// A person's orders.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn of(app: &App, account: &Id) -> Result<Vec<Order>, ApiError> {
    let all = docs::list::<Order>(&*app.store, &account.0, 8).await?;
    Ok(all.into_iter().map(|entry| entry.doc).collect())
}
