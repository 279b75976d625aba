//! A relying party's request is sealed when it begins: whoever can write to the database and holds no key cannot have a
//! person shown, or approve, another text, payment or level than what was asked.

use godkend_protocol::bytes::Hash32;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;

use crate::app::App;
use crate::error::ApiError;
use crate::records::Transaction;

/// The seal of what a transaction asks.
pub(super) fn of(app: &App, transaction: &Transaction) -> Hash32 {
    let Transaction { id, relying_party, action, text, payment, level, .. } = transaction;
    // Plain data of this crate, which always serialises; in one order, that of the fields.
    let asked = serde_json::to_vec(&(relying_party, action, text, payment, level)).unwrap_or_default();
    crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/asked", &id.0, &asked])
}

/// Demands that a relying party's transaction asks what it began with.
///
/// # Errors
/// [`Code::Internal`]: nobody but who writes to the database behind the server's back can bring it about.
pub(crate) fn check(app: &App, transaction: &Transaction) -> Result<(), ApiError> {
    let own = transaction.operation.is_some() && !transaction.action.is_relying_party();
    let whole = own || transaction.seal.is_some_and(|seal| crypto::same(&seal.0, &of(app, transaction).0));
    if whole {
        return Ok(());
    }
    tracing::error!(transaction = %transaction.id.to_base64(), "a request in the database is not what was asked");
    Err(Code::Internal.into())
}
