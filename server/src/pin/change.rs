//! Which challenges a PIN may be changed in: those that the server has issued for a change that is still open.
//!
//! A challenge is stateless, so a phone could name one of an earlier change and register in it again: the function that
//! its old PIN's record was made with. Free registrations would then test that PIN.

use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::Fetched;
use godkend_protocol::types::Operation;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::approval::challenge;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::{Document, Transaction};
use crate::store::Kind;

/// The kinds of record of this module that expire, for purging.
pub const KINDS: &[Kind] = &[PinChange::KIND];

/// A challenge that was issued for a change of PIN.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PinChange {
    device: Id,
    challenge: Hash32,
    transaction: Id,
    /// Unix seconds: the challenge's own.
    expires: i64,
}

impl PinChange {
    fn key(device: &Id, challenge: &Hash32) -> Vec<u8> {
        [device.0.as_slice(), &challenge.0].concat()
    }
}

impl Document for PinChange {
    const KIND: Kind = Kind("pin_change");
    fn id(&self) -> Vec<u8> {
        Self::key(&self.device, &self.challenge)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// Notes the challenge of a change of PIN before a phone gets it. `fetched` is the encoded [`Fetched`].
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn note_change(app: &App, fetched: &[u8]) -> Result<(), ApiError> {
    let fetched: Fetched = cbor::decode(fetched)?;
    let own = challenge::open(app, &fetched.challenge.0)?;
    let (device, transaction, expires) = (own.challenge.device, own.challenge.transaction, own.challenge.expires);
    let mut changes = Changes::new();
    changes.insert(&PinChange { device, challenge: own.hash, transaction, expires });
    match changes.commit(&*app.store).await {
        // The same bytes, issued twice within a second: it is there.
        Err(error) if !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}

/// Demands that a challenge was issued to this device for a change of PIN that is still open.
///
/// # Errors
/// [`Code::ChallengeInvalid`].
pub(super) async fn check_change(app: &App, device: &Id, challenge: &Hash32) -> Result<(), ApiError> {
    let now = app.now();
    let noted = docs::get::<PinChange>(&*app.store, &PinChange::key(device, challenge)).await?;
    let noted = noted.filter(|noted| now < noted.doc.expires).ok_or(Code::ChallengeInvalid)?;
    let transaction = docs::get::<Transaction>(&*app.store, &noted.doc.transaction.0).await?;
    let open = |transaction: &Transaction| {
        transaction.outcome.is_none()
            && now < transaction.expires
            && transaction.operation == Some(Operation::ChangePin)
            && transaction.taken.as_ref().is_some_and(|taken| taken.device == *device)
    };
    if transaction.is_some_and(|entry| open(&entry.doc)) { Ok(()) } else { Err(Code::ChallengeInvalid.into()) }
}
