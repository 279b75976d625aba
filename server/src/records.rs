//! What the server remembers, as typed documents.
//!
//! Each type is one [`Kind`] of record; its body is JSON. An [`Entry`] pairs a document with the version that it was
//! read at, so that every change is conditional: read, decide, commit, and on a conflict start over.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::Kind;

/// A document type.
pub trait Document: Serialize + DeserializeOwned + Send + Sync {
    /// Its kind.
    const KIND: Kind;
    /// Its id within the kind.
    fn id(&self) -> Vec<u8>;
    /// Whom it belongs to: an account's id, or nobody.
    fn owner(&self) -> Vec<u8> {
        Vec::new()
    }
    /// When it may be purged (Unix seconds).
    fn expires(&self) -> Option<i64> {
        None
    }
}

/// A document and the version that it was read at; `None` for one that is new.
#[derive(Clone, Debug)]
pub struct Entry<D> {
    /// The document.
    pub doc: D,
    /// Its version in the store.
    pub version: Option<u64>,
}

macro_rules! document {
    ($type:ty, $kind:literal, |$doc:ident| $id:expr, owner $owner:expr, expires $expires:expr) => {
        impl Document for $type {
            const KIND: Kind = Kind($kind);
            fn id(&self) -> Vec<u8> {
                let $doc = self;
                $id
            }
            fn owner(&self) -> Vec<u8> {
                let $doc = self;
                let _ = $doc;
                $owner
            }
            fn expires(&self) -> Option<i64> {
                let $doc = self;
                let _ = $doc;
                $expires
            }
        }
    };
}

// After the macro, which they use.
mod citizen;
mod device;
mod enrolment;
mod transaction;

pub use citizen::{Account, Browser, Disputed, HistoryLine, Magic, UserIdIndex};
pub use device::{AppAttest, BlockCodeIndex, Device, EnrolledKey, Exchange, PinRecord};
pub use enrolment::{CodeIndex, Enrolment, EnrolmentDue, EnrolmentKind, HandedOutBy};
pub use transaction::{
    Addressed, AddressedBy, ChipHalf, OfflineState, OfflineTries, Outcome, TRANSACTION_KEPT, Taken, Told, Transaction,
    UNDECIDED_KEPT,
};
