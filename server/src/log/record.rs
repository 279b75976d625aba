//! The bytes of the log's entries file.
//!
//! Header, 96 bytes: `GODKLOG1`, epoch (8), length of the environment's name (1), the name, zeros up to 80, and the
//! first 16 bytes of SHA-256 over those 80.
//!
//! Record: length of the entry (4), state (1: 1 written, 2 erased), outbox id (16), commitment (32), the first 8 bytes
//! of SHA-256 over (index, length, outbox id, commitment), salt (32), entry. Numbers are big-endian. An erased record
//! has zeros for salt and entry. The commitment guards salt and entry; the Merkle tree guards the commitment.

use std::io::Read;

use godkend_protocol::merkle::{Hash, leaf_hash, salted_commitment};
use ring::digest::{SHA256, digest};

use super::{Content, LogEntry, LogError};
use crate::store::OutboxId;

/// The longest entry, in bytes.
pub const MAX_ENTRY_LEN: usize = crate::store::MAX_BODY_LEN;

pub(super) const HEADER_LEN: usize = 96;
/// All of a record but salt and entry.
pub(super) const HEAD_LEN: usize = 61;
const SALT_LEN: usize = 32;
const MAGIC: &[u8; 8] = b"GODKLOG1";
const WRITTEN: u8 = 1;
const ERASED: u8 = 2;

/// What an entries file begins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) environment: String,
}

/// A record before salt and entry.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) len: usize,
    erased: bool,
    pub(super) id: OutboxId,
    pub(super) commitment: Hash,
}

/// What a scan meets.
pub(super) enum Scanned {
    /// A whole record: its length in the file, and what it says.
    Record(u64, LogEntry),
    /// The file ends here, between two records.
    End,
    /// The file ends within the record, or the record is damaged; why.
    Broken(&'static str),
}

impl Header {
    pub(super) fn encode(&self) -> Result<Vec<u8>, LogError> {
        // Refuses an odd environment before it gets into a file.
        godkend_protocol::checkpoint::origin(&self.environment, self.epoch)?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.push(u8::try_from(self.environment.len()).map_err(|_| LogError::NotThisLog("environment"))?);
        bytes.extend_from_slice(self.environment.as_bytes());
        bytes.resize(80, 0);
        let check = digest(&SHA256, &bytes);
        bytes.extend_from_slice(&check.as_ref()[..16]);
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (text, check) = bytes.split_at(80);
        if digest(&SHA256, text).as_ref().get(..16)? != check {
            return None;
        }
        let rest = text.strip_prefix(MAGIC)?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (len, rest) = rest.split_first()?;
        let environment = String::from_utf8(rest.get(..usize::from(*len))?.to_vec()).ok()?;
        Some(Self { epoch: u64::from_be_bytes(*epoch), environment })
    }
}

impl Head {
    pub(super) fn decode(index: u64, bytes: &[u8; HEAD_LEN]) -> Result<Self, &'static str> {
        let (len, rest) = bytes.split_first_chunk::<4>().ok_or("length")?;
        let (state, rest) = rest.split_first().ok_or("state")?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or("outbox id")?;
        let (commitment, check) = rest.split_first_chunk::<32>().ok_or("commitment")?;
        if head_check(index, *len, id, commitment) != check {
            return Err("its length, outbox id or commitment was changed");
        }
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| "its length is out of range")?;
        if len > MAX_ENTRY_LEN {
            return Err("its length is out of range");
        }
        let erased = match *state {
            WRITTEN => false,
            ERASED => true,
            _ => return Err("its state was changed"),
        };
        Ok(Self { len, erased, id: OutboxId::from_bytes(*id), commitment: *commitment })
    }

    pub(super) fn leaf(&self) -> Hash {
        leaf_hash(&self.commitment)
    }

    /// The length of salt and entry.
    pub(super) fn content_len(&self) -> usize {
        SALT_LEN + self.len
    }

    pub(super) fn entry(&self, index: u64, content: &[u8]) -> Result<LogEntry, &'static str> {
        let (salt, entry) = content.split_first_chunk::<SALT_LEN>().ok_or("it is cut short")?;
        let content = if self.erased {
            if content.iter().any(|byte| *byte != 0) {
                return Err("it is marked as erased and is not empty");
            }
            None
        } else if salted_commitment(salt, entry) == self.commitment {
            Some(Content { salt: *salt, entry: entry.to_vec() })
        } else {
            return Err("its salt or its bytes were changed");
        };
        Ok(LogEntry { index, outbox_id: self.id, commitment: self.commitment, content })
    }

    /// The whole record without its content.
    pub(super) fn erased_record(&self, index: u64) -> Result<Vec<u8>, LogError> {
        let mut bytes = head(index, ERASED, self.len, self.id, &self.commitment)?;
        bytes.resize(HEAD_LEN + self.content_len(), 0);
        Ok(bytes)
    }
}

/// A whole new record, and its leaf hash.
pub(super) fn encode(index: u64, id: OutboxId, salt: &[u8; 32], entry: &[u8]) -> Result<(Vec<u8>, Hash), LogError> {
    let commitment = salted_commitment(salt, entry);
    let mut bytes = head(index, WRITTEN, entry.len(), id, &commitment)?;
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(entry);
    Ok((bytes, leaf_hash(&commitment)))
}

/// Reads the next record of a scan.
pub(super) fn scan_next(source: &mut impl Read, index: u64) -> Result<Scanned, LogError> {
    let mut bytes = [0; HEAD_LEN];
    match fill(source, &mut bytes)? {
        0 => return Ok(Scanned::End),
        HEAD_LEN => {}
        _ => return Ok(Scanned::Broken("it is cut short")),
    }
    let head = match Head::decode(index, &bytes) {
        Ok(head) => head,
        Err(reason) => return Ok(Scanned::Broken(reason)),
    };
    let mut content = vec![0; head.content_len()];
    if fill(source, &mut content)? != content.len() {
        return Ok(Scanned::Broken("it is cut short"));
    }
    let len = u64::try_from(HEAD_LEN + content.len()).map_err(|_| LogError::TooLong)?;
    Ok(match head.entry(index, &content) {
        Ok(entry) => Scanned::Record(len, entry),
        Err(reason) => Scanned::Broken(reason),
    })
}

fn head(index: u64, state: u8, len: usize, id: OutboxId, commitment: &Hash) -> Result<Vec<u8>, LogError> {
    if len > MAX_ENTRY_LEN {
        return Err(LogError::TooLong);
    }
    let len = u32::try_from(len).map_err(|_| LogError::TooLong)?.to_be_bytes();
    let id = id.to_bytes();
    let mut bytes = len.to_vec();
    bytes.push(state);
    bytes.extend_from_slice(&id);
    bytes.extend_from_slice(commitment);
    bytes.extend_from_slice(&head_check(index, len, &id, commitment));
    Ok(bytes)
}

fn head_check(index: u64, len: [u8; 4], id: &[u8; 16], commitment: &Hash) -> [u8; 8] {
    let text = [index.to_be_bytes().as_slice(), &len, id, commitment].concat();
    let mut check = [0; 8];
    check.copy_from_slice(&digest(&SHA256, &text).as_ref()[..8]);
    check
}

/// Like `read_exact`, but says how much there was.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, LogError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(LogError::io("reading entries")(e)),
        }
    }
    Ok(filled)
}
