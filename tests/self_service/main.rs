//! The citizen's own site over real HTTP, before a real server: what a person does on it, and what others try.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]

mod actions;
mod new_phone;
mod older;
mod scene;
mod strangers;
mod uses;
