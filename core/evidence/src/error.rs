//! Why a file shows nothing.

use godkend_protocol::cbor::CborError;

/// Why a file shows nothing: the first thing that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Not such a file: get it again from where it came.
    #[error("the file is not an evidence file, or is damaged")]
    Malformed,
    /// Made by a later version: use that program.
    #[error("the file needs a newer program")]
    Newer,
    /// Another root's, or forged: a key set is not signed by this root.
    #[error("a key set is not signed by this root")]
    KeySet,
    /// The challenge was not signed by the server, or after its keys had expired.
    #[error("the challenge is not signed by the server's key")]
    Challenge,
    /// The answer is not that device's, or not to this challenge.
    #[error("the answer does not belong to the challenge")]
    Answer,
    /// The device's key has not signed the answer.
    #[error("the answer is not signed by the enrolled key of the device")]
    Possession,
    /// The factor's key has not signed the answer.
    #[error("the answer is not signed by the enrolled key of the factor")]
    Factor,
    /// A key was enrolled after the decision, or for another device.
    #[error("a key was not enrolled for this device before the decision")]
    Enrolment,
    /// The checkpoint is not signed by the log's key.
    #[error("the checkpoint is not signed by the log's key")]
    Checkpoint,
    /// An entry does not stand in the log.
    #[error("an entry does not stand in the log")]
    NotInLog,
    /// The log's entry tells of another decision.
    #[error("the log's entry does not tell of this decision")]
    Decision,
    /// No key of a phone has signed: see [`crate::verify_statement`].
    #[error("no phone has signed this decision: the file only shows what the server wrote into the log")]
    StatementOnly,
    /// The witness has not cosigned this checkpoint.
    #[error("the checkpoint is not cosigned by this witness")]
    Witness,
    /// The witness saw a log that is not the one of the evidence, or before the decision stood in it.
    #[error("the log that the witness saw does not hold this evidence")]
    NotWitnessed,
}

impl EvidenceError {
    /// A stable name, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Newer => "update_needed",
            Self::KeySet => "key_set_refused",
            Self::Challenge => "challenge_refused",
            Self::Answer => "answer_refused",
            Self::Possession => "possession_refused",
            Self::Factor => "factor_refused",
            Self::Enrolment => "not_enrolled_before",
            Self::Checkpoint => "checkpoint_refused",
            Self::NotInLog => "not_in_log",
            Self::Decision => "decision_refused",
            Self::StatementOnly => "statement_only",
            Self::Witness => "witness_refused",
            Self::NotWitnessed => "not_witnessed",
        }
    }

    /// All of them, for those who translate.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::Newer,
        Self::KeySet,
        Self::Challenge,
        Self::Answer,
        Self::Possession,
        Self::Factor,
        Self::Enrolment,
        Self::Checkpoint,
        Self::NotInLog,
        Self::Decision,
        Self::StatementOnly,
        Self::Witness,
        Self::NotWitnessed,
    ];
}

impl From<CborError> for EvidenceError {
    fn from(error: CborError) -> Self {
        match error {
            CborError::UpdateNeeded => Self::Newer,
            CborError::Malformed | CborError::TooLarge => Self::Malformed,
        }
    }
}
