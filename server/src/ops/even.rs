//! Doors that answer at fixed steps of time, so that how long an answer took does not say what was found.
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::MethodRouter;
use tokio::time::{Instant, sleep_until};

/// An answer leaves 20 milliseconds after its request was seen, or 40, or 60: nobody who types waits for it, and what the
/// doors take (one to two milliseconds, tens on a machine that is full) is within one step or two.
pub const STEP: Duration = Duration::from_millis(20);

/// The same door, answering at whole multiples of [`STEP`] after its request was seen, whatever the answer. It waits
/// without work and holds nothing but the connection.
pub fn evenly<S>(door: MethodRouter<S, Infallible>) -> MethodRouter<S, Infallible>
where
    S: Clone + Send + Sync + 'static,
{
    door.layer(middleware::from_fn(async |request: Request, next: Next| -> Response {
        let seen = Instant::now();
        let response = next.run(request).await;
        // Time stands still under a fuzzer, which has none to lose.
        if !cfg!(fuzzing) {
            sleep_until(seen + next_step(seen.elapsed())).await;
        }
        response
    }))
}

/// The first multiple of [`STEP`] that is not before `elapsed`, at least one.
fn next_step(elapsed: Duration) -> Duration {
    let steps = elapsed.as_nanos().div_ceil(STEP.as_nanos()).max(1);
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_waits_for_the_next_step_and_for_one_at_least() {
        for (elapsed_us, steps) in [(0, 1), (1, 1), (19_999, 1), (20_000, 1), (20_001, 2), (59_000, 3), (60_001, 4)] {
            assert_eq!(next_step(Duration::from_micros(elapsed_us)), STEP * steps, "{elapsed_us} us");
        }
    }

    #[tokio::test]
    async fn no_answer_leaves_before_its_step() {
        use axum::body::Body;
        use axum::extract::Path;
        use axum::routing::get;
        use tower::ServiceExt as _;

        let door = get(async |Path(work_ms): Path<u64>| tokio::time::sleep(Duration::from_millis(work_ms)).await);
        let router = axum::Router::new().route("/{work_ms}", evenly(door));
        for (work_ms, earliest_ms) in [(0, 20), (7, 20), (33, 40)] {
            let begun = Instant::now();
            let request = Request::get(format!("/{work_ms}")).body(Body::empty()).unwrap();
            assert!(router.clone().oneshot(request).await.unwrap().status().is_success());
            assert!(begun.elapsed().as_millis() >= earliest_ms, "after {work_ms} ms of work");
        }
    }
}
