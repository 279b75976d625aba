//! `/health`: the process runs. `/ready`: it can serve.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::shutdown::Stopping;

/// Time for all checks together; a check that takes longer has failed.
const CHECK_TIME: Duration = Duration::from_secs(3);

type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What must hold before a load balancer sends anyone here.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    stopping: Option<Stopping>,
}

impl std::fmt::Debug for Readiness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

impl Readiness {
    /// Nothing to check yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. Its name is shown to anyone who asks; it says nothing about why it fails.
    #[must_use]
    pub fn check<F>(mut self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self
    }

    /// Not ready from the moment the server stops.
    #[must_use]
    pub fn until(mut self, stopping: Stopping) -> Self {
        self.stopping = Some(stopping);
        self
    }

    /// `GET /health` and `GET /ready`, for the main listener.
    pub fn routes(self) -> Router {
        let readiness = Arc::new(self);
        Router::new()
            .route("/health", get(|| async { Json(json!({"status": "up"})) }))
            .route("/ready", get(move || async move { readiness.answer().await }))
    }

    async fn answer(&self) -> (StatusCode, Json<serde_json::Value>) {
        let mut results = serde_json::Map::new();
        let mut ready = true;
        let until = tokio::time::Instant::now() + CHECK_TIME;
        for (name, check) in &self.checks {
            let holds = tokio::time::timeout_at(until, check()).await.unwrap_or(false);
            ready &= holds;
            results.insert((*name).to_owned(), holds.into());
        }
        if self.stopping.as_ref().is_some_and(Stopping::now) {
            ready = false;
            results.insert("running".to_owned(), false.into());
        }
        let (code, status) =
            if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
        (code, Json(json!({"status": status, "checks": results})))
    }
}
