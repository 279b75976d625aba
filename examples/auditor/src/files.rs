//! Files, read whole and written durably.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use godkend_protocol::keyset::Root;

/// The largest file that is read, in bytes.
const MOST: u64 = 16 * 1024 * 1024;

/// Why a file is not usable.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub(crate) struct FileError {
    path: PathBuf,
    reason: String,
}

pub(crate) fn error(path: &Path, reason: impl ToString) -> FileError {
    FileError { path: path.to_owned(), reason: reason.to_string() }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|reason| error(path, reason))?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|reason| error(path, reason))?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|len| len <= MOST);
    if fits { Ok(bytes) } else { Err(error(path, "the file is too large")) }
}

pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read(path)?).map_err(|_| error(path, "the file is no text"))
}

pub(crate) fn read_root(path: &Path) -> Result<Root, FileError> {
    serde_json::from_slice(&read(path)?).map_err(|reason| error(path, reason))
}

/// Writes a new file; one that is there stays as it is.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, mode);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|reason| error(path, reason))?;
    sync_folder(path)
}

/// Replaces a file as a whole: whoever reads, and whoever comes after a kill, finds the old one or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    set_mode(&mut options, 0o644);
    let written = options.open(&new).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| std::fs::rename(&new, path)).map_err(|reason| error(path, reason))?;
    sync_folder(path)
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: u32) {}

fn sync_folder(path: &Path) -> Result<(), FileError> {
    // Windows cannot flush a folder, and does not need to.
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|reason| error(folder, reason))
}
