//! The log's files in one folder.
//!
//! | file | holds |
//! |---|---|
//! | `entries` | header and records (see [`super::record`]); the log itself |
//! | `index` | per entry its offset in `entries` (8 bytes) and its outbox id (16) |
//! | `tree` | every perfect subtree's hash, in the order in which the leaves complete them |
//! | `checkpoint` | the newest signed checkpoint; replaced as a whole |
//! | `lock` | held by the process that writes |
//!
//! `index` and `tree` can be made from `entries`, and are when they are missing or do not fit the checkpoint.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use godkend_protocol::checkpoint;
use godkend_protocol::merkle::{Frontier, Hash, root_at};

use super::record::{self, HEAD_LEN, HEADER_LEN, Head, Header, Scanned};
use super::{CheckpointVerifier, LogEntry, LogError, SignedCheckpoint, believe};
use crate::ops::work;
use crate::store::OutboxId;

pub(super) const ENTRIES: &str = "entries";
pub(super) const INDEX: &str = "index";
pub(super) const TREE: &str = "tree";
pub(super) const CHECKPOINT: &str = "checkpoint";
const INDEX_LEN: u64 = 24;
const HASH_LEN: u64 = 32;
/// Companion data is written in pieces of about this many bytes.
const FLUSH: usize = 1 << 20;

/// The log opened for writing. After an error from [`LogFile::append`] it must be opened again.
pub(super) struct LogFile {
    dir: PathBuf,
    header: Header,
    reader: Arc<LogReader>,
    frontier: Frontier,
    /// Where the next record goes.
    end: u64,
    _lock: File,
}

/// Reads entries and hashes; safe beside the writer, for what the writer has completed.
pub(super) struct LogReader {
    entries: File,
    index: File,
    tree: File,
    /// Written while an entry is erased in place.
    erasing: RwLock<()>,
}

impl LogFile {
    /// Whether the folder has a log.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join(ENTRIES).exists()
    }

    /// Begins an empty log, which has no checkpoint yet.
    pub(super) fn create(dir: &Path, header: Header) -> Result<Self, LogError> {
        let lock = lock(dir)?;
        if Self::exists(dir) {
            return Err(LogError::NotThisLog("there is a log already"));
        }
        for name in [INDEX, TREE, CHECKPOINT] {
            remove(&dir.join(name))?;
        }
        replace(dir, ENTRIES, &header.encode()?)?;
        Self::recover(dir, lock, &header.environment, None)
    }

    /// Opens a log, repairs what a kill has left, and checks it against its checkpoint.
    pub(super) fn open(
        dir: &Path,
        environment: &str,
        verifiers: &[CheckpointVerifier],
    ) -> Result<(Self, Option<SignedCheckpoint>), LogError> {
        let lock = lock(dir)?;
        let signed = read_checkpoint(dir, verifiers)?;
        let log = Self::recover(dir, lock, environment, signed.as_ref())?;
        if signed.is_none() && log.size() > 0 {
            return Err(LogError::CheckpointMissing);
        }
        Ok((log, signed))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// All entries, also those without a checkpoint yet.
    pub(super) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(super) fn root(&self) -> Hash {
        self.frontier.root()
    }

    pub(super) fn reader(&self) -> Arc<LogReader> {
        self.reader.clone()
    }

    /// Appends entries with their salts, durably.
    pub(super) fn append(&mut self, entries: &[(OutboxId, [u8; 32], Vec<u8>)]) -> Result<(), LogError> {
        let (mut records, mut index, mut tree) = (Vec::new(), Vec::new(), Vec::new());
        let first = self.size();
        let mut frontier = self.frontier.clone();
        for (id, salt, entry) in entries {
            let (bytes, leaf) = record::encode(frontier.size(), *id, salt, entry)?;
            let offset = self.end + to_u64(records.len())?;
            push_companions(&mut index, &mut tree, &mut frontier, offset, *id, leaf);
            records.extend_from_slice(&bytes);
        }
        let doing = "appending entries";
        write_at(&self.reader.entries, &records, self.end).map_err(LogError::io(doing))?;
        self.reader.entries.sync_data().map_err(LogError::io(doing))?;
        write_at(&self.reader.index, &index, first * INDEX_LEN).map_err(LogError::io(doing))?;
        write_at(&self.reader.tree, &tree, nodes_before(first) * HASH_LEN).map_err(LogError::io(doing))?;
        self.reader.index.sync_data().map_err(LogError::io(doing))?;
        self.reader.tree.sync_data().map_err(LogError::io(doing))?;
        work::LOG_FLUSHES.add(3);
        self.end += to_u64(records.len())?;
        self.frontier = frontier;
        Ok(())
    }

    /// Replaces the checkpoint file, durably.
    pub(super) fn write_checkpoint(&self, note: &str) -> Result<(), LogError> {
        replace(&self.dir, CHECKPOINT, note.as_bytes())
    }

    fn recover(dir: &Path, lock: File, environment: &str, signed: Option<&SignedCheckpoint>) -> Result<Self, LogError> {
        let entries = open_file(&dir.join(ENTRIES), false)?;
        let header = read_header(&entries)?;
        if header.environment != environment {
            return Err(LogError::NotThisLog("another environment's"));
        }
        let covered = signed.map_or(0, |signed| signed.checkpoint.size);
        if let Some(SignedCheckpoint { checkpoint, .. }) = signed
            && (checkpoint.epoch != header.epoch || checkpoint.environment != header.environment)
        {
            return Err(LogError::NotThisLog("the checkpoint is another log's"));
        }
        let quick = Recovery::run(dir, &entries, covered, signed, false);
        let recovery = match quick {
            Ok(recovery) => recovery,
            // The companion files may be at fault: make them anew, and judge the entries by themselves.
            Err(_) => Recovery::run(dir, &entries, covered, signed, true)?,
        };
        let Recovery { index, tree, frontier, end } = recovery;
        let len = file_len(&entries)?;
        if len > end {
            tracing::warn!(
                bytes = len - end,
                entries = frontier.size(),
                "a torn entry, not yet signed for, is removed"
            );
            entries.set_len(end).and_then(|()| entries.sync_all()).map_err(LogError::io("removing a torn entry"))?;
        }
        let reader = Arc::new(LogReader { entries, index, tree, erasing: RwLock::new(()) });
        Ok(Self { dir: dir.to_owned(), header, reader, frontier, end, _lock: lock })
    }
}

struct Recovery {
    index: File,
    tree: File,
    frontier: Frontier,
    end: u64,
}

impl Recovery {
    /// Brings the companion files up to the entries, from nothing (`rebuild`) or from where they end.
    fn run(
        dir: &Path,
        entries: &File,
        covered: u64,
        signed: Option<&SignedCheckpoint>,
        rebuild: bool,
    ) -> Result<Self, LogError> {
        // Beside the old ones: a reader goes on with those, and if the log is refused they tell which entry is bad.
        let paths = [INDEX, TREE].map(|name| dir.join(if rebuild { format!("{name}.new") } else { name.to_owned() }));
        if rebuild {
            paths.iter().try_for_each(|path| remove(path))?;
        }
        let [index, tree] = [open_file(&paths[0], true)?, open_file(&paths[1], true)?];
        let known = (file_len(&index)? / INDEX_LEN).min(leaves_of(file_len(&tree)? / HASH_LEN));
        let cut = |size: u64| {
            index.set_len(size * INDEX_LEN)?;
            tree.set_len(nodes_before(size) * HASH_LEN)
        };
        let doing = "repairing the index";
        cut(known).map_err(LogError::io(doing))?;
        let mut frontier = Frontier::from_nodes(known, |level, nr| read_node(&tree, level, nr))?;
        let mut end = to_u64(HEADER_LEN)?;
        if let Some(last) = known.checked_sub(1) {
            let (offset, _) = read_index(&index, last)?;
            let (head, _) = read_record(entries, last, offset)?;
            if read_node(&tree, 0, last)? != head.leaf() {
                return Err(LogError::Damaged { index: last, reason: "it is not what the tree holds" });
            }
            end = offset + to_u64(HEAD_LEN + head.content_len())?;
        }
        let mut source = BufReader::with_capacity(FLUSH, entries);
        source.seek(SeekFrom::Start(end)).map_err(LogError::io("reading entries"))?;
        let (mut new_index, mut new_tree) = (Vec::new(), Vec::new());
        let mut flushed = known;
        loop {
            let at = frontier.size();
            let more = match record::scan_next(&mut source, at)? {
                Scanned::Record(len, entry) => {
                    let leaf = godkend_protocol::merkle::leaf_hash(&entry.commitment);
                    push_companions(&mut new_index, &mut new_tree, &mut frontier, end, entry.outbox_id, leaf);
                    end += len;
                    true
                }
                Scanned::End if at < covered => {
                    return Err(LogError::Damaged { index: at, reason: "it is missing" });
                }
                Scanned::Broken(reason) if at < covered => return Err(LogError::Damaged { index: at, reason }),
                Scanned::End | Scanned::Broken(_) => false,
            };
            if new_tree.len() > FLUSH || !more {
                write_at(&index, &new_index, flushed * INDEX_LEN).map_err(LogError::io(doing))?;
                write_at(&tree, &new_tree, nodes_before(flushed) * HASH_LEN).map_err(LogError::io(doing))?;
                (new_index, new_tree, flushed) = (Vec::new(), Vec::new(), frontier.size());
            }
            if !more {
                break;
            }
        }
        index.sync_data().and_then(|()| tree.sync_data()).map_err(LogError::io(doing))?;
        if let Some(signed) = signed
            && root_at(covered, |level, nr| read_node(&tree, level, nr))? != signed.checkpoint.root
        {
            return Err(LogError::RootMismatch { size: covered });
        }
        if rebuild {
            for (path, name) in paths.iter().zip([INDEX, TREE]) {
                std::fs::rename(path, dir.join(name)).map_err(LogError::io(doing))?;
            }
            sync_dir(dir)?;
        }
        Ok(Self { index, tree, frontier, end })
    }
}

impl LogReader {
    /// The entry at `index`, checked against the tree.
    pub(super) fn read(&self, index: u64) -> Result<LogEntry, LogError> {
        let _guard = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        let (offset, id) = read_index(&self.index, index)?;
        let (head, entry) = read_record(&self.entries, index, offset)?;
        if head.id != id || self.node(0, index)? != head.leaf() {
            return Err(LogError::Damaged { index, reason: "it is not what the tree holds" });
        }
        Ok(entry)
    }

    /// The ids of the first `size` entries, in order, read in large pieces.
    pub(super) fn each_id(&self, size: u64, mut each: impl FnMut(u64, OutboxId)) -> Result<(), LogError> {
        let at_once = to_u64(FLUSH)? / INDEX_LEN;
        let mut first = 0;
        while first < size {
            let count = at_once.min(size - first);
            let mut bytes = vec![0; usize::try_from(count * INDEX_LEN).map_err(|_| LogError::OutOfRange)?];
            read_at(&self.index, &mut bytes, first * INDEX_LEN).map_err(LogError::io("reading the index"))?;
            for (index, entry) in (first..).zip(bytes.chunks_exact(24)) {
                let mut id = [0; 16];
                id.copy_from_slice(&entry[8..]);
                each(index, OutboxId::from_bytes(id));
            }
            first += count;
        }
        Ok(())
    }

    pub(super) fn id(&self, index: u64) -> Result<OutboxId, LogError> {
        Ok(read_index(&self.index, index)?.1)
    }

    /// The hash of a perfect subtree.
    pub(super) fn node(&self, level: u32, index: u64) -> Result<Hash, LogError> {
        read_node(&self.tree, level, index)
    }

    /// Overwrites salt and entry with zeros, durably.
    pub(super) fn erase(&self, index: u64) -> Result<(), LogError> {
        let _guard = self.erasing.write().unwrap_or_else(PoisonError::into_inner);
        let (offset, _) = read_index(&self.index, index)?;
        let (head, _) = read_record(&self.entries, index, offset)?;
        let doing = "erasing an entry";
        write_at(&self.entries, &head.erased_record(index)?, offset).map_err(LogError::io(doing))?;
        self.entries.sync_data().map_err(LogError::io(doing))
    }
}

/// Moves a log out of the way into `epoch-<number>`, the entries first: without them there is no log.
pub(super) fn archive(dir: &Path, epoch: u64) -> Result<(), LogError> {
    let doing = "archiving the last epoch";
    let _lock = lock(dir)?;
    let target = dir.join(format!("epoch-{epoch}"));
    std::fs::create_dir_all(&target).map_err(LogError::io(doing))?;
    for name in [ENTRIES, INDEX, TREE, CHECKPOINT] {
        match std::fs::rename(dir.join(name), target.join(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(LogError::io(doing)(e)),
            _ => {}
        }
    }
    sync_dir(&target)?;
    sync_dir(dir)
}

/// The header of the log in this folder.
pub(super) fn header(dir: &Path) -> Result<Header, LogError> {
    read_header(&File::open(dir.join(ENTRIES)).map_err(LogError::io("opening the log"))?)
}

pub(super) fn read_checkpoint(
    dir: &Path,
    verifiers: &[CheckpointVerifier],
) -> Result<Option<SignedCheckpoint>, LogError> {
    let note = match std::fs::read(dir.join(CHECKPOINT)) {
        Ok(note) => note,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(LogError::io("reading the checkpoint")(e)),
    };
    let checkpoint = believe(checkpoint::parse(&note)?, verifiers)?;
    let note = String::from_utf8(note).map_err(|_| checkpoint::CheckpointError::Malformed)?;
    Ok(Some(SignedCheckpoint { note, checkpoint }))
}

pub(super) fn read_index(index: &File, nr: u64) -> Result<(u64, OutboxId), LogError> {
    let mut bytes = [0; 24];
    read_at(index, &mut bytes, nr * INDEX_LEN).map_err(LogError::io("reading the index"))?;
    let (mut offset, mut id) = ([0; 8], [0; 16]);
    offset.copy_from_slice(&bytes[..8]);
    id.copy_from_slice(&bytes[8..]);
    Ok((u64::from_be_bytes(offset), OutboxId::from_bytes(id)))
}

pub(super) fn read_node(tree: &File, level: u32, nr: u64) -> Result<Hash, LogError> {
    // A subtree stands behind the leaf that completes it, after the lower ones.
    let last_leaf = ((nr + 1) << level) - 1;
    let mut hash = [0; 32];
    let place = nodes_before(last_leaf) + u64::from(level);
    read_at(tree, &mut hash, place * HASH_LEN).map_err(LogError::io("reading the tree"))?;
    Ok(hash)
}

/// How many nodes the tree file has for this many leaves.
pub(super) fn nodes_before(leaves: u64) -> u64 {
    2 * leaves - u64::from(leaves.count_ones())
}

/// How many leaves are complete in this many nodes.
fn leaves_of(nodes: u64) -> u64 {
    let mut leaves = nodes / 2;
    while nodes_before(leaves + 1) <= nodes {
        leaves += 1;
    }
    leaves
}

/// An entry's line in `index`.
pub(super) fn index_entry(offset: u64, id: OutboxId) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[8..].copy_from_slice(&id.to_bytes());
    bytes
}

fn push_companions(
    index: &mut Vec<u8>,
    tree: &mut Vec<u8>,
    frontier: &mut Frontier,
    offset: u64,
    id: OutboxId,
    leaf: Hash,
) {
    index.extend_from_slice(&index_entry(offset, id));
    for (_, hash) in frontier.push(leaf) {
        tree.extend_from_slice(&hash);
    }
}

fn read_record(entries: &File, index: u64, offset: u64) -> Result<(Head, LogEntry), LogError> {
    let damaged = |reason| LogError::Damaged { index, reason };
    let missing = |e: std::io::Error| match e.kind() {
        ErrorKind::UnexpectedEof => damaged("it is missing"),
        _ => LogError::io("reading an entry")(e),
    };
    let mut bytes = [0; HEAD_LEN];
    read_at(entries, &mut bytes, offset).map_err(missing)?;
    let head = Head::decode(index, &bytes).map_err(damaged)?;
    let mut content = vec![0; head.content_len()];
    let start = offset.checked_add(to_u64(HEAD_LEN)?).ok_or_else(|| damaged("its place is out of range"))?;
    read_at(entries, &mut content, start).map_err(missing)?;
    let entry = head.entry(index, &content).map_err(damaged)?;
    Ok((head, entry))
}

fn read_header(entries: &File) -> Result<Header, LogError> {
    let mut bytes = [0; HEADER_LEN];
    read_at(entries, &mut bytes, 0).map_err(|_| LogError::NotThisLog("its first bytes are missing"))?;
    Header::decode(&bytes).ok_or(LogError::NotThisLog("its first bytes are something else"))
}

fn lock(dir: &Path) -> Result<File, LogError> {
    std::fs::create_dir_all(dir).map_err(LogError::io("creating the log's folder"))?;
    let file = open_file(&dir.join("lock"), true)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LogError::Locked),
        Err(TryLockError::Error(e)) => Err(LogError::io("locking the log")(e)),
    }
}

fn open_file(path: &Path, create: bool) -> Result<File, LogError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(LogError::io("opening the log"))
}

/// Writes a file as a whole: a reader, and whoever comes after a kill, sees the old one or the new one.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let doing = "replacing a file of the log";
    let new = dir.join(format!("{name}.new"));
    remove(&new)?;
    let file = open_file(&new, true)?;
    write_at(&file, bytes, 0).and_then(|()| file.sync_all()).map_err(LogError::io(doing))?;
    std::fs::rename(&new, dir.join(name)).map_err(LogError::io(doing))?;
    work::LOG_FLUSHES.add(2);
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> Result<(), LogError> {
    // Windows cannot flush a folder, and does not need to.
    if cfg!(unix) {
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(LogError::io("flushing the log's folder"))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), LogError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(LogError::io("removing a file of the log")(e)),
        _ => Ok(()),
    }
}

fn file_len(file: &File) -> Result<u64, LogError> {
    file.metadata().map(|meta| meta.len()).map_err(LogError::io("reading the log's size"))
}

fn to_u64(len: usize) -> Result<u64, LogError> {
    u64::try_from(len).map_err(|_| LogError::TooLong)
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        offset += u64::try_from(read).unwrap_or_default();
        buffer = &mut buffer[read..];
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        offset += u64::try_from(written).unwrap_or_default();
        bytes = &bytes[written..];
    }
    Ok(())
}
