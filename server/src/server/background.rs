//! What the server does by itself: purging what has expired, and settling enrolments and requests whose time has come.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::records::{CodeIndex, Document as _, Enrolment, Transaction};
use crate::store::Kind;

/// Between two sweeps of enrolments. Readers judge by time themselves; the sweep makes it durable.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Sweeps between two purges: a minute.
const PURGE_EVERY: u32 = 6;
/// Records purged in one commit.
const PURGED_AT_ONCE: u32 = 256;

pub(super) async fn run(app: Arc<App>) {
    let notifications = tokio::spawn(crate::oidc::notify::run(app.clone()));
    let wake_ups = tokio::spawn(crate::push::run(app.clone()));
    sweeps(&app).await;
    // They end at the same signal.
    let _ = notifications.await;
    let _ = wake_ups.await;
}

async fn sweeps(app: &Arc<App>) {
    let mut stopping = app.stopping.clone();
    let mut round = 0_u32;
    loop {
        if let Err(error) = crate::activation::sweep(app).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the sweep of enrolments will be tried again");
        }
        if let Err(error) = crate::approval::sweep(app).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the sweep of requests will be tried again");
        }
        // The first purge comes after the first sweep, which may still need what has expired.
        if round.is_multiple_of(PURGE_EVERY) {
            purge(app).await;
        }
        round = round.wrapping_add(1);
        tokio::select! {
            () = stopping.wait() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}

async fn purge(app: &App) {
    let mut kinds: Vec<Kind> = vec![Enrolment::KIND, CodeIndex::KIND, Transaction::KIND];
    kinds.extend_from_slice(crate::approval::KINDS);
    kinds.extend_from_slice(crate::oidc::KINDS);
    kinds.extend_from_slice(crate::pin::KINDS);
    kinds.extend_from_slice(crate::means::KINDS);
    kinds.extend_from_slice(crate::identity::KINDS);
    loop {
        match app.store.purge_expired(app.now(), &kinds, PURGED_AT_ONCE).await {
            Ok(count) if count >= u64::from(PURGED_AT_ONCE) && !app.stopping.now() => {}
            Ok(_) => return,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "expired records could not be purged");
                return;
            }
        }
    }
}
