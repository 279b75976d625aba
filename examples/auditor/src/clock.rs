//! The one place where this program reads the clock.
#![allow(clippy::disallowed_methods, reason = "a binary's edge: everything below gets the time as an argument")]

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix seconds.
pub(crate) fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
