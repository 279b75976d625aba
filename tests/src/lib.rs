#![doc = include_str!("../README.md")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story that goes wrong ends")]
#![allow(missing_docs, reason = "the names are those of the story")]

pub mod bank;
pub mod bench;
pub mod browser;
pub mod chip;
pub mod forge;
pub mod phone;
pub mod vendor;
pub mod world;

pub use bank::Ask;
pub use bench::Bench;
pub use browser::Browser;
pub use phone::Phone;
pub use world::World;
