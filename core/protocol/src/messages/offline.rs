//! Offline approval: a signed challenge in a QR code, and eight digits typed back.

use minicbor::{Decode, Encode};

use super::approval::RelyingParty;
use super::number;
use crate::bytes::{Hash32, Id, PublicKey};
use crate::cose::{Role, SignedMessage};
use crate::types::{Action, Level, Payment};

/// A challenge for an account whose phone has no network. No nonce of the app's, so capped below High; three tries,
/// once.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct OfflineChallenge {
    /// The transaction.
    #[n(3)]
    pub transaction: Id,
    /// [`account_hint`]: a stranger who scans it learns no account.
    #[n(4)]
    pub account_hint: Hash32,
    /// Who asks.
    #[n(5)]
    pub relying_party: RelyingParty,
    /// What an approval does.
    #[n(6)]
    pub action: Action,
    /// The reference text.
    #[n(7)]
    pub text: Option<String>,
    /// The payment, where it is one.
    #[n(8)]
    pub payment: Option<Payment>,
    /// The level that was asked for.
    #[n(9)]
    pub level: Level,
    /// The server's ephemeral P-256 key.
    #[n(10)]
    pub ephemeral: PublicKey,
    /// Where the browser seems to be.
    #[n(11)]
    pub place: Option<String>,
    /// Which browser and system it says it is.
    #[n(12)]
    pub browser: Option<String>,
    /// Unix seconds.
    #[n(13)]
    pub issued: i64,
    /// Unix seconds.
    #[n(14)]
    pub expires: i64,
}

impl SignedMessage for OfflineChallenge {
    const TYPE: u16 = number::OFFLINE_CHALLENGE;
    const SIGNER: Role = Role::Challenge;
}

/// Names an account to its own phones only.
#[must_use]
pub fn account_hint(account: &Id, transaction: &Id) -> Hash32 {
    crate::crypto::labelled_hash("godkend/1/account-hint", &[&account.0, &transaction.0])
}
