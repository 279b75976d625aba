#![doc = include_str!("../README.md")]

pub mod bytes;
pub mod cbor;
pub mod checkpoint;
pub mod codes;
pub mod cose;
pub mod cosignature;
pub mod crypto;
pub mod formats;
pub mod keyset;
pub mod merkle;
pub mod messages;
pub mod opaque;
pub mod suite;
pub mod tally;
pub mod text;
pub mod types;
