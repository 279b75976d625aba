//! A world to tell stories in.

pub(crate) mod bank;
pub(crate) mod browser;
pub(crate) mod phone;
pub(crate) mod world;

pub(crate) use bank::Ask;
pub(crate) use phone::Phone;
pub(crate) use world::{Citizen, World};

use std::time::Duration;

/// Waits until something is true, at most ten seconds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    for _ in 0..200 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never happened: {what}");
}
