//! The challenge: stateless. The server signs what it asks, the phone brings the same bytes back.

use godkend_protocol::bytes::{Blob, Hash32, Nonce};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::{Challenge, Fetched, MAX_LIFETIME, challenge_hash};
use godkend_protocol::types::{Action, Binding, Level, LogPosition};

use super::transaction::lifetime;
use super::{level, seal};
use crate::app::App;
use crate::audit::AuditLog;
use crate::error::ApiError;
use crate::phone::{reply, version};
use crate::records::{Account, AddressedBy, Device, Transaction};

/// How far the server's clock may have been set back before its own challenges are from the future, in seconds.
const CLOCK_STEP: i64 = 60;

/// A challenge that this server signed.
#[derive(Clone, Debug)]
pub struct Own {
    /// What it asks.
    pub challenge: Challenge,
    /// Its name.
    pub hash: Hash32,
}

impl Own {
    /// Whether it may still be answered at `now`, Unix seconds of the server's clock.
    ///
    /// # Errors
    /// [`Code::TransactionExpired`].
    pub fn check_time(&self, now: i64) -> Result<(), ApiError> {
        let Challenge { issued, expires, .. } = self.challenge;
        let whole = expires > issued && expires.saturating_sub(issued) <= MAX_LIFETIME;
        if whole && now < expires && now >= issued.saturating_sub(CLOCK_STEP) {
            Ok(())
        } else {
            Err(Code::TransactionExpired.into())
        }
    }
}

/// Opens a challenge that a phone returns: the server's own signature, over exactly these bytes.
///
/// # Errors
/// [`Code::ChallengeInvalid`] for anything else, whatever is wrong with it.
pub fn open(app: &App, bytes: &[u8]) -> Result<Own, ApiError> {
    let received = app.keys.open_own::<Challenge>(bytes).map_err(|_| Code::ChallengeInvalid)?;
    let hash = challenge_hash(received.payload());
    let challenge = received.claimed().clone();
    Ok(Own { challenge, hash })
}

/// What a fetch tells of itself.
pub(super) struct Asked<'a> {
    pub(super) nonce: Nonce,
    pub(super) log: Option<&'a LogPosition>,
    pub(super) app_version: &'a str,
    /// What a chip is worth that has signed on the page.
    pub(super) chip: Option<Level>,
}

/// Signs the challenge of a transaction for a device, and packs it with the log's state.
///
/// # Errors
/// [`Code::LevelUnreachable`] where this device cannot reach the level this way.
pub(super) fn fetched(
    app: &App,
    transaction: &Transaction,
    account: &Account,
    device: &Device,
    binding: Binding,
    asked: &Asked<'_>,
) -> Result<Vec<u8>, ApiError> {
    seal::check(app, transaction)?;
    let Asked { chip, .. } = asked;
    let factors = level::factors(app, account, device, transaction.action, binding, transaction.level, *chip)?;
    let checkpoint = app.log.checkpoint();
    let log = AuditLog::position(&checkpoint);
    let consistency = app.log.consistency(asked.log, &log).map_err(|error| {
        tracing::error!(%error, "the log cannot be read");
        ApiError::wait(Code::Unavailable, 1)
    })?;
    let issued = app.now();
    let challenge = Challenge {
        transaction: transaction.id,
        account: account.id,
        device: device.id,
        relying_party: transaction.relying_party.clone(),
        action: transaction.action,
        text: transaction.text.clone(),
        payment: transaction.payment.clone(),
        operation: transaction.operation.clone(),
        level: transaction.level,
        factors,
        browser_session: transaction.browser_session,
        binding,
        place: transaction.place.clone(),
        browser: transaction.browser.clone(),
        new_browser: is_new_browser(transaction, account),
        may_remember: may_remember(transaction, binding),
        nonce: asked.nonce,
        log,
        issued,
        expires: transaction.expires.min(issued.saturating_add(lifetime(app))),
    };
    let fetched = Fetched {
        challenge: Blob(app.keys.sign_challenge(&challenge)),
        checkpoint: checkpoint.note.clone(),
        consistency,
        policy: version::policy(&app.config.app, asked.app_version, issued),
        pin: device.pin.as_ref().map(|pin| crate::pin::status(pin, &app.config.pin, issued)),
    };
    Ok(reply(&fetched))
}

/// Whether this person has not signed in from this browser before, as far as its cookie tells.
fn is_new_browser(transaction: &Transaction, account: &Account) -> bool {
    let known = transaction.addressed.as_ref().is_some_and(|addressed| {
        matches!(addressed.by, AddressedBy::Browser(_)) && addressed.account == Some(account.id)
    });
    transaction.browser_session.is_some() && !known
}

/// Whether an approval over this binding may have the browser remembered.
pub(super) fn may_remember(transaction: &Transaction, binding: Binding) -> bool {
    transaction.may_remember
        && transaction.action == Action::LogOn
        && matches!(binding, Binding::ScannedQr | Binding::SameDevice | Binding::TypedNumber)
}
