//! The whole log checked from its first byte, as `log verify` does it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use godkend_protocol::merkle::{Frontier, Hash, leaf_hash};

use super::file::{ENTRIES, INDEX, TREE, header, index_entry, read_checkpoint};
use super::record::{self, HEADER_LEN, Scanned};
use super::{CheckpointVerifier, LogError};

/// What a sound log holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogReport {
    /// The log's environment.
    pub environment: String,
    /// The log's epoch.
    pub epoch: u64,
    /// Entries under the signed checkpoint.
    pub size: u64,
    /// The root hash over them: recomputed, and the checkpoint's.
    pub root: Hash,
    /// When the checkpoint was signed, in unix seconds.
    pub time: u64,
    /// How many of the entries have been erased.
    pub erased: u64,
    /// Whole entries after the checkpoint, which a running server is about to sign for.
    pub unsigned: u64,
    /// Bytes after the last whole entry, which the next start removes.
    pub torn: u64,
    /// Whether `index` and `tree` say the same as the entries; if not, removing both makes the next start rebuild them.
    pub companions: bool,
}

/// Bytes of the log's entries; 0 where there is none.
#[must_use]
pub fn length(dir: &Path) -> u64 {
    std::fs::metadata(dir.join(ENTRIES)).map_or(0, |file| file.len())
}

/// Reads every entry, recomputes the root hash and compares it with the stored checkpoint; may run beside the server.
///
/// # Errors
/// [`LogError::Damaged`] names the first bad entry. [`LogError::RootMismatch`] when each entry is whole and the tree
/// over them is not the one that was signed; [`LogError::Checkpoint`] for a bad checkpoint.
pub fn verify(dir: &Path, verifiers: &[CheckpointVerifier]) -> Result<LogReport, LogError> {
    let signed = read_checkpoint(dir, verifiers)?.ok_or(LogError::CheckpointMissing)?;
    let checkpoint = signed.checkpoint;
    let header = header(dir)?;
    if header.epoch != checkpoint.epoch || header.environment != checkpoint.environment {
        return Err(LogError::NotThisLog("the checkpoint is another log's"));
    }
    let mut source = File::open(dir.join(ENTRIES)).map_err(LogError::io("opening the log"))?;
    let mut end = u64::try_from(HEADER_LEN).map_err(|_| LogError::TooLong)?;
    source.seek(SeekFrom::Start(end)).map_err(LogError::io("reading entries"))?;
    let len = source.metadata().map_err(LogError::io("reading the log's size"))?.len();
    let mut source = BufReader::with_capacity(1 << 20, source);
    let companion = |name| File::open(dir.join(name)).ok().map(|file| BufReader::with_capacity(1 << 20, file));
    let mut companions = companion(INDEX).zip(companion(TREE));
    let mut first_strange = None;
    let mut frontier = Frontier::new();
    let mut root = frontier.root();
    let mut erased = 0;
    loop {
        let index = frontier.size();
        match record::scan_next(&mut source, index)? {
            Scanned::Record(record_len, entry) => {
                let leaf = leaf_hash(&entry.commitment);
                let completed = frontier.push(leaf);
                // Both files are in the order of the entries, and are read as such: a read of its own for each of a
                // country's entries takes minutes.
                let same = companions.as_mut().is_some_and(|(offsets, tree)| {
                    let mut there = next_is(offsets, &index_entry(end, entry.outbox_id));
                    for (_, hash) in &completed {
                        there &= next_is(tree, hash);
                    }
                    there
                });
                end += record_len;
                if index < checkpoint.size {
                    erased += u64::from(entry.content.is_none());
                    if !same && first_strange.is_none() {
                        first_strange = Some(index);
                    }
                }
                if index + 1 == checkpoint.size {
                    root = frontier.root();
                }
            }
            Scanned::End if index < checkpoint.size => {
                return Err(LogError::Damaged { index, reason: "it is missing" });
            }
            Scanned::Broken(reason) if index < checkpoint.size => return Err(LogError::Damaged { index, reason }),
            Scanned::End | Scanned::Broken(_) => break,
        }
    }
    if root != checkpoint.root {
        // The entries are whole and others than those signed for: the tree still tells which came first.
        return Err(match first_strange {
            Some(index) if companions.is_some() => {
                LogError::Damaged { index, reason: "it is not the entry that was signed for" }
            }
            _ => LogError::RootMismatch { size: checkpoint.size },
        });
    }
    Ok(LogReport {
        environment: header.environment,
        epoch: header.epoch,
        size: checkpoint.size,
        root,
        time: checkpoint.time,
        erased,
        unsigned: frontier.size() - checkpoint.size,
        torn: len.saturating_sub(end),
        companions: first_strange.is_none() && companions.is_some(),
    })
}

/// Whether these bytes come next. What is missing or different is not them; what comes after is read from its place.
fn next_is(source: &mut impl Read, expected: &[u8]) -> bool {
    let mut bytes = [0; 32];
    bytes.get_mut(..expected.len()).is_some_and(|bytes| source.read_exact(bytes).is_ok() && bytes == expected)
}
