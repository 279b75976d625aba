//! The browser's side of the password: what one may choose ([`rules`]), and OPAQUE (RFC 9807) on P-256 with Argon2id over
//! it ([`exchange`]). The server never sees the password, neither when it is chosen nor when it is used.
//!
//! Built for `wasm32-unknown-unknown` it is the file that the login page loads; `build-wasm` makes it.

#[cfg(target_arch = "wasm32")]
mod browser;
pub mod exchange;
pub mod rules;
