//! What the audit log says, and the log as the server's handlers see it.
//!
//! Every change of an authorisation is one [`AuditEntry`], committed in the same transaction as the change
//! ([`crate::docs::Changes::log`]). Entries hold what a replay needs ([`crate::replay`]) and what a third party needs to
//! check an approval ([`crate::evidence`]); no PIN, code, CPR number or private key.

use std::sync::Arc;

pub use godkend_evidence::entry::{AuditEntry, LoggedKey};
use godkend_protocol::bytes::{Fixed, Hash32};
use godkend_protocol::codes::Code;
use godkend_protocol::types::LogPosition;

use crate::error::ApiError;
use crate::log::{Log, LogError, SignedCheckpoint};
use crate::records::EnrolledKey;

/// The keys of a device, as the log names them.
#[must_use]
pub fn logged_keys(keys: &[EnrolledKey]) -> Vec<LoggedKey> {
    let logged = |key: &EnrolledKey| LoggedKey {
        purpose: key.purpose,
        public: key.public,
        security: key.security,
        enrolled: key.enrolled,
    };
    keys.iter().map(logged).collect()
}

/// The audit log as handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    log: Log,
}

impl AuditLog {
    /// Around an open log.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self { log }
    }

    /// The log itself, for evidence and witnesses.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Wakes the sequencer; to be called after every commit that had log entries.
    pub fn wake(&self) {
        self.log.wake();
    }

    /// Whether the log takes entries. While it does not, nothing is approved and no try is taken: what only the database
    /// knows would be lost with it.
    ///
    /// # Errors
    /// [`Code::Unavailable`].
    pub fn well(&self) -> Result<(), ApiError> {
        if self.log.trouble().is_none() { Ok(()) } else { Err(ApiError::wait(Code::Unavailable, 1)) }
    }

    /// The epoch, as messages name it.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        epoch(self.log.epoch())
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        self.log.checkpoint()
    }

    /// What a checkpoint says, as messages name it.
    #[must_use]
    pub fn position(checkpoint: &SignedCheckpoint) -> LogPosition {
        LogPosition {
            epoch: epoch(checkpoint.checkpoint.epoch),
            size: checkpoint.checkpoint.size,
            root: Fixed(checkpoint.checkpoint.root),
        }
    }

    /// The proof from a phone's position to a checkpoint; empty at first, in another epoch, or where the phone is ahead
    /// (it judges that itself).
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub fn consistency(&self, from: Option<&LogPosition>, to: &LogPosition) -> Result<Vec<Hash32>, LogError> {
        match from {
            Some(from) if from.epoch == to.epoch && from.size <= to.size => {
                Ok(self.log.consistency(from.size, to.size)?.into_iter().map(Fixed).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

fn epoch(number: u64) -> u32 {
    // Epochs are Unix seconds of their beginning, or small numbers in tests.
    u32::try_from(number).unwrap_or(u32::MAX)
}
