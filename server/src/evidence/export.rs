//! Making a file, on the server that holds the transaction and the log.

use std::sync::Arc;
use std::time::Duration;

use godkend_evidence::{EvidenceFile, Leaf, VERSION};
use godkend_protocol::bytes::{Blob, Fixed, Id};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::Received;
use godkend_protocol::keyset::{KeySet, SignedKeySet};
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge};
use godkend_protocol::types::{Factor, KeyPurpose};

use super::Hints;
use super::places::{self, Signed};
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::log::{Log, LogError};
use crate::records::{Device, Outcome, Transaction};

/// How often a decision is looked for that is not in the log yet.
const ATTEMPTS: u32 = 3;
/// How long a new checkpoint is waited for between two of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// Exports the evidence of a transaction's decision; where no key of a phone signed it (refused unopened, offline), a
/// statement of what stands in the log.
///
/// # Errors
/// [`Code::NotFound`] for a transaction without a decision (unknown, undecided, or older than it is kept);
/// [`Code::Unavailable`] where its entry does not come into the log within some seconds.
pub async fn export(app: &App, id: &Id) -> Result<Vec<u8>, ApiError> {
    let transaction = docs::get::<Transaction>(&*app.store, &id.0).await?.ok_or(Code::NotFound)?.doc;
    let outcome = transaction.outcome.ok_or(Code::NotFound)?;
    let device = match &outcome.device {
        Some(device) => docs::get::<Device>(&*app.store, &device.0).await?.map(|entry| entry.doc),
        None => None,
    };
    let hints = hints(&outcome, device.as_ref());
    let request = outcome.evidence.map(|(_, request)| request);
    let earlier = earlier_key_sets(app).await;
    let mut sets = vec![app.keys.key_set.clone()];
    sets.extend(earlier);
    let packing = Arc::new((app.log.log().clone(), sets, app.keys.environment.clone(), *id, request, hints));
    let mut news = packing.0.subscribe();
    for _ in 0..ATTEMPTS {
        news.mark_unchanged();
        let own = packing.clone();
        let packed = tokio::task::spawn_blocking(move || {
            let (log, sets, environment, transaction, request, hints) = &*own;
            pack(log, sets, environment, transaction, request.as_ref(), hints)
        });
        let packed = packed.await.map_err(|_| Code::Internal)?.map_err(|error| {
            tracing::error!(%error, "the log cannot be read");
            ApiError::from(Code::Internal)
        })?;
        if let Some(file) = packed {
            return Ok(file);
        }
        // A decision of just now is on its way into the log.
        let _ = tokio::time::timeout(PATIENCE, news.changed()).await;
    }
    Err(ApiError::wait(Code::Unavailable, 1))
}

fn hints(outcome: &Outcome, device: Option<&Device>) -> Hints {
    let enrolled = |purpose| {
        let keys = device.into_iter().flat_map(|device| &device.keys);
        keys.filter(|key| key.purpose == purpose).map(|key| key.enrolled).max()
    };
    let biometric = match outcome.factor {
        Factor::Biometric => enrolled(KeyPurpose::Biometric),
        Factor::Pin | Factor::None => None,
    };
    Hints {
        decided: Some(outcome.at),
        keys: enrolled(KeyPurpose::Possession).max(biometric),
        pin: device.and_then(|device| device.pin.as_ref()).map(|pin| pin.enrolled),
    }
}

/// Packs a file from the log, the root's key sets (the current one first) and the stored request, if there is one. `None`
/// while the log does not have all that it needs.
///
/// # Errors
/// [`LogError`] if the log cannot be read.
pub fn pack(
    log: &Log,
    key_sets: &[Vec<u8>],
    environment: &str,
    transaction: &Id,
    stored: Option<&Blob>,
    hints: &Hints,
) -> Result<Option<Vec<u8>>, LogError> {
    let checkpoint = log.checkpoint();
    let size = checkpoint.checkpoint.size;
    let leaf = |index: u64| -> Result<Option<Leaf>, LogError> {
        // One that came after the checkpoint was taken is for the next try.
        if index >= size {
            return Ok(None);
        }
        let Some(content) = log.read(index)?.content else { return Ok(None) };
        let proof = log.inclusion(index, size)?.into_iter().map(Fixed).collect();
        Ok(Some(Leaf { index, salt: Fixed(content.salt), entry: Blob(content.entry), proof }))
    };
    let (current, earlier) = key_sets.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let blob = |bytes: &Vec<u8>| Blob(bytes.clone());
    let Some(stored) = stored else {
        let Some(index) = places::decision(log, transaction, hints)? else { return Ok(None) };
        let Some(decision) = leaf(index)? else { return Ok(None) };
        let file = EvidenceFile {
            version: VERSION,
            key_sets: current.into_iter().map(blob).collect(),
            request: None,
            keys: None,
            pin: None,
            decision,
            checkpoint: checkpoint.note.clone(),
            consistency: Vec::new(),
        };
        return Ok(Some(cbor::encode(&file)));
    };
    let Ok(request) = cbor::decode::<AnswerRequest>(&stored.0) else { return Ok(None) };
    // New keys' signatures tell nothing without the keys, which stand in the log.
    let request = AnswerRequest { pin: None, data: None, new_keys: Vec::new(), ..request };
    let parsed = (
        Received::<Answer>::parse(&request.answer.0, environment),
        Received::<Challenge>::parse(&request.challenge.0, environment),
    );
    let (Ok(answer), Ok(challenge)) = parsed else { return Ok(None) };
    let signed = Signed { answer: &answer, challenge: challenge.claimed(), request: &request };
    let Some(places) = places::all(log, transaction, &signed, hints)? else { return Ok(None) };
    let (Some(keys), Some(decision)) = (leaf(places.keys)?, leaf(places.decision)?) else { return Ok(None) };
    let pin = places.pin.map(leaf).transpose()?.flatten();
    let seen = challenge.claimed().log;
    let consistency = if u64::from(seen.epoch) == log.epoch() && seen.size <= size {
        log.consistency(seen.size, size)?.into_iter().map(Fixed).collect()
    } else {
        Vec::new()
    };
    let needed = current.is_some_and(|current| !signed_by(current, environment, &request.challenge));
    let other = earlier.iter().find(|bytes| needed && signed_by(bytes, environment, &request.challenge));
    let file = EvidenceFile {
        version: VERSION,
        key_sets: current.into_iter().chain(other).map(blob).collect(),
        request: Some(Blob(cbor::encode(&request))),
        keys: Some(keys),
        pin,
        decision,
        checkpoint: checkpoint.note.clone(),
        consistency,
    };
    Ok(Some(cbor::encode(&file)))
}

/// Whether a key set holds the key that signed a challenge.
fn signed_by(key_set: &[u8], environment: &str, challenge: &Blob) -> bool {
    let own = || {
        let signed: SignedKeySet = cbor::decode(key_set).ok()?;
        let set = Received::<KeySet>::parse(&signed.cose.0, environment).ok()?;
        set.claimed().open::<Challenge>(&challenge.0, environment).ok()
    };
    own().is_some()
}

/// Earlier key sets beside the current one, for challenges from before a rotation.
async fn earlier_key_sets(app: &App) -> Vec<Vec<u8>> {
    let (data, current) = (app.config.data_dir(), app.keys.key_set.clone());
    let read = move || {
        let mut sets = Vec::new();
        for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("keyset-") && name.ends_with(".cbor") {
                sets.extend(std::fs::read(entry.path()).ok().filter(|bytes| *bytes != current));
            }
        }
        sets
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
