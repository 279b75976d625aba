//! What the log says of a decision that no key of a phone has signed.

use godkend_protocol::cbor;
use godkend_protocol::keyset::Root;

use crate::entry::AuditEntry;
use crate::error::EvidenceError;
use crate::file::{EvidenceFile, VERSION};
use crate::shown::Stated;
use crate::verify::{entry, own_checkpoint, seen, sets};

/// Verifies a file without a phone's signatures: what the server wrote into the log, and that it stands there. Evidence
/// whose signatures were taken out is refused, for its entry names them.
///
/// # Errors
/// [`EvidenceError`]: the first thing that does not hold; [`EvidenceError::Malformed`] for evidence.
pub fn verify_statement(file: &[u8], root: &Root) -> Result<Stated, EvidenceError> {
    let file: EvidenceFile = cbor::decode(file)?;
    if file.version != VERSION {
        return Err(EvidenceError::Newer);
    }
    let signed = file.request.is_some() || file.keys.is_some() || file.pin.is_some();
    if signed || !file.consistency.is_empty() {
        return Err(EvidenceError::Malformed);
    }
    let sets = sets(&file.key_sets, root)?;
    let checkpoint = own_checkpoint(&file.checkpoint, &sets, root)?;
    let AuditEntry::Decided {
        transaction,
        account,
        uuid,
        device,
        action,
        relying_party,
        decision,
        factor,
        binding,
        level,
        means,
        challenge: None,
        answer: None,
        at,
        ..
    } = entry(&file.decision, &checkpoint)?
    else {
        return Err(EvidenceError::Decision);
    };
    Ok(Stated {
        environment: root.environment.clone(),
        transaction,
        uuid,
        account,
        device,
        relying_party,
        action,
        decision,
        factor,
        binding,
        level,
        means,
        at,
        log: seen(&checkpoint, file.decision.index),
    })
}
