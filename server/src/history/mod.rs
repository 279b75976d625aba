//! A citizen's own part of what happened: one line for each login, refusal, failed try, block and new device.

use godkend_protocol::bytes::{Fixed, Id};

use crate::app::App;
use crate::docs::Changes;
use crate::error::ApiError;
use crate::records::{Document as _, Entry, HistoryLine};

/// What a line names besides its event.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The device, if one was involved.
    pub device: Option<Id>,
    /// The relying party's name, if one was involved.
    pub relying_party: Option<String>,
    /// What else may be shown: place, browser, action, binding.
    pub details: serde_json::Value,
}

impl About {
    /// A line about a device.
    #[must_use]
    pub fn device(device: Id) -> Self {
        Self { device: Some(device), ..Self::default() }
    }

    /// Adds details, a JSON object.
    #[must_use]
    pub fn with(self, details: serde_json::Value) -> Self {
        Self { details, ..self }
    }
}

/// Adds a line for `account` to changes that are about to be committed. `event` is a stable name.
pub fn add(changes: &mut Changes, app: &App, account: Id, event: &str, about: About) {
    let _ = add_named(changes, app, account, event, about);
}

/// [`add`]; returns the line's id, for one that will be written over.
pub(crate) fn add_named(changes: &mut Changes, app: &App, account: Id, event: &str, about: About) -> Id {
    let now_ms = app.clock.now_ms();
    let id = line_id(now_ms, &mut app.rng());
    let About { device, relying_party, details } = about;
    let at = now_ms.div_euclid(1000);
    changes.insert(&HistoryLine { id, account, at, event: event.to_owned(), device, relying_party, details });
    id
}

/// The newest lines of `account` first, at most `limit` (256 at most), from the first one older than `after`.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn page(
    app: &App,
    account: &Id,
    after: Option<&Id>,
    limit: u32,
) -> Result<Vec<Entry<HistoryLine>>, ApiError> {
    let after = after.map(|id| &id.0[..]);
    app.store
        .list(HistoryLine::KIND, &account.0, after, limit.clamp(1, 256))
        .await?
        .into_iter()
        .map(|record| {
            let doc = serde_json::from_slice(&record.body).map_err(|_| ApiError::damaged(HistoryLine::KIND.0))?;
            Ok(Entry { doc, version: Some(record.version) })
        })
        .collect()
}

/// Time counted backwards, then random: in the order of ids, the newest line is first.
fn line_id(now_ms: i64, rng: &mut dyn rand_core::CryptoRng) -> Id {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    let back = u64::MAX - u64::try_from(now_ms).unwrap_or(0);
    id[..8].copy_from_slice(&back.to_be_bytes());
    Fixed(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_lines_come_first() {
        let mut rng = crate::ops::tls::system_random();
        let ids: Vec<Id> = [3, 2_000, 1_700_000_000_000].iter().map(|at| line_id(*at, &mut rng)).collect();
        assert!(ids[0] > ids[1] && ids[1] > ids[2]);
        assert_ne!(line_id(5, &mut rng), line_id(5, &mut rng));
    }
}
