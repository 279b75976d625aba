//! Google's list of revoked attestation keys (`https://android.googleapis.com/attestation/status`).

use std::collections::HashMap;

use serde::Deserialize;

/// Revoked and suspended serial numbers. An entry of any status refuses its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationList {
    serials: HashMap<String, String>,
}

/// A revocation list that cannot be read. Keep the last good one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a revocation list: {0}")]
pub struct RevocationListError(String);

impl RevocationList {
    /// Reads the JSON text `{"entries": {"<serial in hex>": {"status": "REVOKED" | "SUSPENDED", ...}}}`.
    ///
    /// # Errors
    /// [`RevocationListError`] if the text is not of that form; a status that is unknown today still revokes.
    pub fn from_json(text: &str) -> Result<Self, RevocationListError> {
        let file: File = serde_json::from_str(text).map_err(|error| RevocationListError(error.to_string()))?;
        let mut serials = HashMap::with_capacity(file.entries.len());
        for (serial, entry) in file.entries {
            if serial.is_empty() || !serial.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(RevocationListError(format!("serial number {serial:?}")));
            }
            serials.insert(normal_serial(&serial), entry.status);
        }
        Ok(Self { serials })
    }

    /// The status of a serial number (lower-case hexadecimal without leading zeros), if it is listed.
    #[must_use]
    pub fn status(&self, serial: &str) -> Option<&str> {
        self.serials.get(serial).map(String::as_str)
    }

    /// How many serial numbers are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.serials.len()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.serials.is_empty()
    }
}

/// Lower case without leading zeros.
pub(super) fn normal_serial(serial: &str) -> String {
    let short = serial.trim_start_matches('0');
    if short.is_empty() { "0".to_owned() } else { short.to_ascii_lowercase() }
}

#[derive(Deserialize)]
struct File {
    entries: HashMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    status: String,
}
