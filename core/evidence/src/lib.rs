#![doc = include_str!("../README.md")]

pub mod entry;
mod error;
mod file;
pub mod proof;
mod shown;
pub mod signed;
mod statement;
#[cfg(test)]
mod tests;
mod verify;

pub use error::EvidenceError;
pub use file::{EvidenceFile, Leaf, VERSION};
pub use shown::{EnrolledWith, Seen, Shown, Stated, Witnessed};
pub use statement::verify_statement;
pub use verify::{enrolled_keys, key, pin_key, verify, witnessed};
