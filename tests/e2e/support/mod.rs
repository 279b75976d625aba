//! A world to tell stories in.

pub(crate) mod bank;
pub(crate) mod browser;
pub(crate) mod phone;
pub(crate) mod world;

pub(crate) use bank::Ask;
pub(crate) use phone::Phone;
pub(crate) use world::World;
