//! Authorisation codes.

use godkend_protocol::bytes::{Id, Secret};
use godkend_protocol::crypto;

use super::records::{AuthorizationCode, AuthorizationRequest, Grant, secret_hash};

/// The code of a login. It is computed, not drawn: a browser that asks again because the redirect was lost gets the
/// same one, and the database holds only its hash.
#[must_use]
pub fn of_transaction(key: &Secret<32>, transaction: &Id) -> String {
    crypto::hmac_sha256(&key.0, &[b"godkend/1/authorization-code\0", &transaction.0]).to_base64()
}

/// The record that redeems `code`.
#[must_use]
pub fn record(code: &str, request: AuthorizationRequest, grant: Grant, now: i64, lifetime: u64) -> AuthorizationCode {
    let expires = now.saturating_add(i64::try_from(lifetime).unwrap_or(60));
    AuthorizationCode { hash: secret_hash(code), request, grant, expires, redeemed: None }
}
