//! Files that are replaced whole or not at all, and that only their owner reads.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::StoreError;

/// Reads a file of at most `limit` bytes; `None` if there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path)(error)),
    };
    private(path, &file)?;
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(StoreError::io(path))?;
    if u64::try_from(read).is_ok_and(|read| read <= limit) { Ok(Some(bytes)) } else { Err(StoreError::Damaged) }
}

/// Replaces a file: a new one beside it (0600), flushed to the medium, renamed over it, the directory flushed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary(path);
    let done = (|| {
        // What a killed process left behind; the profile's lock keeps out a living one.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private_options().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    })();
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done.map_err(StoreError::io(path))
}

/// Creates a directory that only its owner enters (0700), with its parents.
pub(super) fn create_directory(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::io(path))
}

/// Takes a lock that lasts until the file is dropped or its process ends.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_options().create(true).truncate(false).write(true).open(path).map_err(StoreError::io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.parent().unwrap_or(path).to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(StoreError::io(path)(error)),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Refuses a file that others can read.
#[cfg(unix)]
fn private(path: &Path, file: &File) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata().map_err(StoreError::io(path))?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(StoreError::TooOpen { path: path.to_owned() }) }
}

/// Elsewhere the profile's directory is the user's own by default, and files inherit from it.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
fn private(_: &Path, _: &File) -> Result<(), StoreError> {
    Ok(())
}

/// Makes a rename durable.
#[cfg(unix)]
fn sync_directory(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Elsewhere a directory cannot be flushed, and a rename is journalled.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "the same shape as on Unix")]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}
