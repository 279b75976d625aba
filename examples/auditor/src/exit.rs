//! What a process ends with. Codes are never given a new meaning.

use godkend_evidence::proof::Noticed;
use serde::Serialize;

/// All is well.
pub(crate) const WELL: u8 = 0;
/// A file cannot be read or written, or the witness's own folder is not usable.
pub(crate) const FAILED: u8 = 1;
/// The evidence, checkpoint or record does not hold. (2 is a wrong command line.)
pub(crate) const REFUSED: u8 = 3;
/// The file needs a newer program.
pub(crate) const NEWER: u8 = 4;
/// The file holds, and no phone has signed the decision: the server alone says so.
pub(crate) const STATEMENT: u8 = 5;
/// The record is genuine, and convicts nobody by itself.
pub(crate) const NO_CONVICTION: u8 = 6;

/// What a witness calls out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Alarm {
    /// The server cannot be reached, or does not answer as a server of Godkend does.
    Unreachable,
    /// What the server shows is not signed under the pinned root.
    BadSignature,
    /// Fewer entries than before.
    Shrunk,
    /// The same number of entries, and others.
    Forked,
    /// More entries, and the first are others.
    Rewritten,
    /// No new checkpoint for too long.
    Stale,
    /// Another epoch.
    EpochChanged,
    /// The server gives no proof that the newer log continues the older.
    Unproven,
}

impl Alarm {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::Unreachable,
        Self::BadSignature,
        Self::Shrunk,
        Self::Forked,
        Self::Rewritten,
        Self::Stale,
        Self::EpochChanged,
        Self::Unproven,
    ];

    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Unreachable => 20,
            Self::BadSignature => 21,
            Self::Shrunk => 22,
            Self::Forked => 23,
            Self::Rewritten => 24,
            Self::Stale => 25,
            Self::EpochChanged => 26,
            Self::Unproven => 27,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::BadSignature => "bad_signature",
            Self::Shrunk => "shrunk",
            Self::Forked => "forked",
            Self::Rewritten => "rewritten",
            Self::Stale => "stale",
            Self::EpochChanged => "epoch_changed",
            Self::Unproven => "unproven",
        }
    }
}

impl From<Noticed> for Alarm {
    fn from(noticed: Noticed) -> Self {
        match noticed {
            Noticed::Shrunk => Self::Shrunk,
            Noticed::Forked => Self::Forked,
            Noticed::Rewritten => Self::Rewritten,
            Noticed::EpochChanged => Self::EpochChanged,
        }
    }
}
