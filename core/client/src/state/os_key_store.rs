//! The operating system's key store: Keychain, Credential Manager, or the secret service on Linux.

use godkend_protocol::bytes::{Id, Secret};
use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::StoreError;

/// What our entries are filed under.
const SERVICE: &str = "godkend";

/// Puts a profile's key into the key store and reads it back.
///
/// [`StoreError::KeyStoreUnavailable`] means that none answers; every other error comes from one that does.
pub(super) fn put(profile: &Id, key: &Secret<32>) -> Result<(), StoreError> {
    let entry = entry(profile)?;
    entry.set_secret(&key.0).map_err(|error| store_error(&error))?;
    if get(profile)? == *key { Ok(()) } else { Err(StoreError::KeyMissing) }
}

/// A profile's key.
pub(super) fn get(profile: &Id) -> Result<Secret<32>, StoreError> {
    let bytes = Zeroizing::new(entry(profile)?.get_secret().map_err(|error| store_error(&error))?);
    Secret::from_slice(&bytes).ok_or(StoreError::Damaged)
}

fn entry(profile: &Id) -> Result<Entry, StoreError> {
    Entry::new(SERVICE, &profile.to_base64()).map_err(|error| store_error(&error))
}

fn store_error(error: &Error) -> StoreError {
    // The platform's own words name services and paths, never secrets.
    tracing::debug!(%error, "the key store refused");
    match error {
        Error::NoStorageAccess(_) => StoreError::KeyStoreLocked,
        Error::NoEntry => StoreError::KeyMissing,
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) | Error::Ambiguous(_) => {
            StoreError::Damaged
        }
        _ => StoreError::KeyStoreUnavailable,
    }
}
