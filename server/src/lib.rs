//! The identity server: activations, approvals, OpenID Connect and the audit log.

pub mod activation;
pub mod admin;
pub mod app;
pub mod approval;
pub mod attestation;
pub mod audit;
pub mod cli;
pub mod config;
pub mod device;
pub mod docs;
pub mod error;
pub mod evidence;
pub mod history;
pub mod keys;
pub mod log;
pub mod oidc;
pub mod ops;
pub mod phone;
pub mod pin;
pub mod records;
pub mod replay;
pub mod server;
pub mod store;
pub mod throttle;
pub mod web;
