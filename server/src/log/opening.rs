//! The log's files opened, or created, and compared with what the database knows; and checkpoints signed.

use std::cmp::Ordering;
use std::path::Path;

use godkend_protocol::checkpoint::{self, Checkpoint, NoteSignature};
use godkend_protocol::merkle::{Hash, root_at};

use super::file::{CHECKPOINT, LogFile, archive, header};
use super::record::Header;
use super::{Behind, CheckpointSigner, CheckpointVerifier, Clock, LogError, SignedCheckpoint, Witnessed, believe};

/// What the database knows of the log, kept in its meta table: epoch (8), size (8), root (32).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: u64,
    pub(super) size: u64,
    pub(super) root: Hash,
}

/// What others know of the log, and a start compares it with.
pub(super) struct Known {
    /// What the database knows.
    pub(super) position: Option<Position>,
    /// What witnesses have cosigned.
    pub(super) witnessed: Vec<Witnessed>,
}

/// What a checkpoint takes.
pub(super) struct Signing {
    pub(super) environment: String,
    pub(super) signers: Vec<CheckpointSigner>,
    pub(super) verifiers: Vec<CheckpointVerifier>,
    pub(super) clock: Clock,
    /// Seconds; 0 for never.
    pub(super) sign_again_after: u64,
}

/// Opens or creates the log; its newest checkpoint; whether it was created; the first entry the database may not know.
pub(super) fn open_files(
    dir: &Path,
    signing: &Signing,
    epoch: u64,
    behind: Behind,
    known: Known,
) -> Result<(LogFile, SignedCheckpoint, bool, u64), LogError> {
    let opened = open_existing(dir, signing, &known);
    let (file, signed, created, start) = match opened {
        Ok(Some((file, signed, start))) => (file, signed, false, start),
        // A first start; what else the folder holds would be in its way.
        Ok(None) => {
            if dir.join(CHECKPOINT).exists() && behind == Behind::Refuse {
                return Err(LogError::CheckpointMissing);
            }
            (create(dir, signing, epoch)?, None, true, 0)
        }
        Err(LogError::Behind { database_epoch: known, .. } | LogError::BehindWitness { epoch: known, .. })
            if behind == Behind::NewEpoch =>
        {
            let mut last = known;
            if LogFile::exists(dir) {
                last = last.max(header(dir)?.epoch);
            }
            if epoch <= last {
                return Err(LogError::EpochTooLow { last });
            }
            if LogFile::exists(dir) {
                archive(dir, header(dir)?.epoch)?;
            }
            (create(dir, signing, epoch)?, None, true, 0)
        }
        Err(error) => return Err(error),
    };
    let signed = match signed {
        Some(signed) if signed.checkpoint.size == file.size() => signed,
        _ => signing.sign(&file)?,
    };
    Ok((file, signed, created, start))
}

type Existing = (LogFile, Option<SignedCheckpoint>, u64);

fn open_existing(dir: &Path, signing: &Signing, known: &Known) -> Result<Option<Existing>, LogError> {
    let behind = |known: Position| LogError::Behind { database_epoch: known.epoch, database_size: known.size };
    let position = known.position;
    if !LogFile::exists(dir) {
        let lost = known.witnessed.iter().find(|witnessed| witnessed.size > 0);
        return match (position, lost) {
            (Some(position), _) => Err(behind(position)),
            (None, Some(witnessed)) => Err(witnessed.ahead_of(0)),
            (None, None) => Ok(None),
        };
    }
    let (file, signed) = LogFile::open(dir, &signing.environment, &signing.verifiers)?;
    let start = match position {
        Some(known) if known.epoch > file.epoch() => return Err(behind(known)),
        Some(known) if known.epoch == file.epoch() => {
            if known.size > file.size() {
                return Err(behind(known));
            }
            let reader = file.reader();
            if root_at(known.size, |level, nr| reader.node(level, nr))? != known.root {
                return Err(LogError::Forked { size: known.size });
            }
            known.size
        }
        // Of an earlier epoch, or of none: it knows nothing of this log.
        _ => 0,
    };
    for witnessed in &known.witnessed {
        witnessed.begins(&file)?;
    }
    Ok(Some((file, signed, start)))
}

fn create(dir: &Path, signing: &Signing, epoch: u64) -> Result<LogFile, LogError> {
    LogFile::create(dir, Header { epoch, environment: signing.environment.clone() })
}

impl Witnessed {
    /// Whether the log begins with what the witness has cosigned; an epoch that the witness does not know yet does.
    fn begins(&self, file: &LogFile) -> Result<(), LogError> {
        match self.epoch.cmp(&file.epoch()) {
            Ordering::Less => {
                tracing::warn!(witness = self.witness, epoch = self.epoch, "a witness has not gone over to this epoch");
                return Ok(());
            }
            Ordering::Greater => return Err(self.ahead_of(0)),
            Ordering::Equal => {}
        }
        if self.size > file.size() {
            return Err(self.ahead_of(file.size()));
        }
        let reader = file.reader();
        if root_at(self.size, |level, nr| reader.node(level, nr))? != self.root {
            return Err(LogError::ForkedFromWitness { witness: self.witness.clone(), size: self.size });
        }
        Ok(())
    }

    fn ahead_of(&self, own: u64) -> LogError {
        LogError::BehindWitness { witness: self.witness.clone(), epoch: self.epoch, size: self.size, own }
    }
}

impl Signing {
    /// Whether a checkpoint is so old that the same state is to be signed again.
    pub(super) fn is_old(&self, checkpoint: &Checkpoint) -> bool {
        self.sign_again_after > 0 && (self.clock)() >= checkpoint.time.saturating_add(self.sign_again_after)
    }

    /// Signs the log as it is and replaces the checkpoint file.
    pub(super) fn sign(&self, file: &LogFile) -> Result<SignedCheckpoint, LogError> {
        let checkpoint = Checkpoint {
            environment: self.environment.clone(),
            epoch: file.epoch(),
            size: file.size(),
            root: file.root(),
            time: (self.clock)(),
        };
        let (origin, body) = (checkpoint.origin()?, checkpoint.to_note_body()?);
        let mut signatures = Vec::new();
        for signer in &self.signers {
            let signature = (signer.sign)(body.as_bytes()).map_err(LogError::Signing)?;
            signatures.push(NoteSignature {
                name: origin.clone(),
                key_hash: signer.verifier.key_hash(&origin),
                signature,
            });
        }
        let note = checkpoint::signed_note(&body, &signatures);
        believe(checkpoint::parse(note.as_bytes())?, &self.verifiers)
            .map_err(|_| LogError::Signing("the signature does not fit the public key".to_owned()))?;
        file.write_checkpoint(&note)?;
        Ok(SignedCheckpoint { note, checkpoint })
    }
}

impl Position {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.epoch.to_be_bytes().as_slice(), &self.size.to_be_bytes(), &self.root].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, LogError> {
        let number = |from: usize| bytes.get(from..from + 8)?.try_into().ok().map(u64::from_be_bytes);
        let root = bytes.get(16..).and_then(|root| root.try_into().ok());
        match (number(0), number(8), root) {
            (Some(epoch), Some(size), Some(root)) => Ok(Self { epoch, size, root }),
            _ => Err(LogError::NotThisLog("the database's position in it is damaged")),
        }
    }
}
