//! The other side of the screen: a relying party, and the browser that it sends.

pub(crate) mod browser;
pub(crate) mod commands;
pub(crate) mod openid;
pub(crate) mod token;
