//! The whole log is read at each start, for opening looks at its end alone: a short log before the server answers anyone,
//! a long one behind the running server. What a server decides rests on the database and on the log's newest entries, which
//! are verified as they are read; damage further back spoils evidence, and nobody has to wait for it to be looked for.

use std::path::PathBuf;

use super::LOG_DIR;
use crate::config::Config;
use crate::keys::{ServerKeys, checkpoint_verifiers};
use crate::log::{CheckpointVerifier, Log, LogError, verify};

/// A check that a start owes.
pub(super) struct LogCheck {
    dir: PathBuf,
    verifiers: Vec<CheckpointVerifier>,
    is_long: bool,
}

impl LogCheck {
    /// None where the log is given up for a new epoch.
    pub(super) fn of(config: &Config, keys: &ServerKeys, new_epoch: bool) -> Option<Self> {
        if new_epoch {
            return None;
        }
        let dir = config.data_dir().join(LOG_DIR);
        let limit = config.log.checked_before_start_mb.saturating_mul(1_000_000);
        let is_long = crate::log::length(&dir) > limit;
        Some(Self { dir, verifiers: checkpoint_verifiers(&keys.set), is_long })
    }

    /// Whether the server starts before it is done.
    pub(super) const fn is_long(&self) -> bool {
        self.is_long
    }

    /// Returns when all is read.
    ///
    /// # Errors
    /// [`LogError::Damaged`]. Anything else is the opening's to judge, which knows the database.
    pub(super) async fn before_start(&self) -> Result<(), LogError> {
        let (dir, verifiers) = (self.dir.clone(), self.verifiers.clone());
        let verified = tokio::task::spawn_blocking(move || verify(&dir, &verifiers)).await;
        match verified.map_err(|_| LogError::Closed)? {
            Err(damaged @ LogError::Damaged { .. }) => Err(damaged),
            _ => Ok(()),
        }
    }

    /// Reads on a thread of its own, which a server that ends does not wait for. Damage stops the log, and with it every
    /// approval, until somebody has looked.
    pub(super) fn behind(self, log: Log) {
        tracing::info!("the audit log is long and is read behind the running server");
        let reading = move || match verify(&self.dir, &self.verifiers) {
            Ok(report) => tracing::info!(entries = report.size, "the whole audit log is as it was written"),
            Err(damage @ (LogError::Damaged { .. } | LogError::RootMismatch { .. })) => log.condemn(damage),
            Err(error) => tracing::error!(%error, "the audit log could not be read whole; run `log verify`"),
        };
        if let Err(error) = std::thread::Builder::new().name("log check".to_owned()).spawn(reading) {
            tracing::error!(%error, "the audit log is not read whole; run `log verify`");
        }
    }
}
