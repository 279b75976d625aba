//! Making a file, on the server that holds the transaction and the log.

use godkend_protocol::bytes::{Blob, Fixed, Id};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::cose::{Received, Role};
use godkend_protocol::keyset::{KeySet, SignedKeySet};
use godkend_protocol::messages::approval::{Answer, AnswerRequest, Challenge};
use godkend_protocol::types::{Factor, KeyPurpose};

use super::verify::{enrolled_keys, key, pin_key};
use super::{EvidenceFile, Leaf, VERSION};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs;
use crate::error::ApiError;
use crate::log::{Log, LogError};
use crate::records::Transaction;

/// Exports the evidence of a transaction's decision. Reads through the whole log: seconds for a million entries.
///
/// # Errors
/// [`Code::NotFound`] for a transaction without evidence (unknown, undecided, refused unopened, offline, or older than
/// it is kept); [`Code::Unavailable`] while its entry is not in the log yet.
pub async fn export(app: &App, id: &Id) -> Result<Vec<u8>, ApiError> {
    let transaction = docs::get::<Transaction>(&*app.store, &id.0).await?.ok_or(Code::NotFound)?.doc;
    let outcome = transaction.outcome.ok_or(Code::NotFound)?;
    let (_, request) = outcome.evidence.ok_or(Code::NotFound)?;
    let earlier = earlier_key_sets(app).await;
    let (log, transaction) = (app.log.log().clone(), *id);
    let own = (app.keys.key_set.clone(), app.keys.environment.clone());
    let packed = tokio::task::spawn_blocking(move || {
        let mut sets = vec![own.0];
        sets.extend(earlier);
        pack(&log, &sets, &own.1, &transaction, &request)
    });
    let packed = packed.await.map_err(|_| Code::Internal)?.map_err(|error| {
        tracing::error!(%error, "the log cannot be read");
        ApiError::from(Code::Internal)
    })?;
    packed.ok_or_else(|| ApiError::wait(Code::Unavailable, 1))
}

/// Packs a file from the log, the root's key sets (the current one first) and the stored request. `None` while the log
/// does not have all that it needs.
///
/// # Errors
/// [`LogError`] if the log cannot be read.
pub fn pack(
    log: &Log,
    key_sets: &[Vec<u8>],
    environment: &str,
    transaction: &Id,
    stored: &Blob,
) -> Result<Option<Vec<u8>>, LogError> {
    let Ok(request) = cbor::decode::<AnswerRequest>(&stored.0) else { return Ok(None) };
    // New keys' signatures tell nothing without the keys, which stand in the log.
    let request = AnswerRequest { pin: None, data: None, new_keys: Vec::new(), ..request };
    let parsed = (
        Received::<Answer>::parse(&request.answer.0, environment),
        Received::<Challenge>::parse(&request.challenge.0, environment),
    );
    let (Ok(answer), Ok(challenge)) = parsed else { return Ok(None) };
    let Some(places) = find(log, transaction, &answer, challenge.claimed(), &request)? else { return Ok(None) };
    let checkpoint = log.checkpoint();
    let size = checkpoint.checkpoint.size;
    let leaf = |index: u64| -> Result<Option<Leaf>, LogError> {
        let Some(content) = log.read(index)?.content else { return Ok(None) };
        let proof = log.inclusion(index, size)?.into_iter().map(Fixed).collect();
        Ok(Some(Leaf { index, salt: Fixed(content.salt), entry: Blob(content.entry), proof }))
    };
    let (Some(keys), Some(decision)) = (leaf(places.keys)?, leaf(places.decision)?) else { return Ok(None) };
    let pin = places.pin.map(leaf).transpose()?.flatten();
    let seen = challenge.claimed().log;
    let consistency = if u64::from(seen.epoch) == log.epoch() && seen.size <= size {
        log.consistency(seen.size, size)?.into_iter().map(Fixed).collect()
    } else {
        Vec::new()
    };
    let (current, earlier) = key_sets.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
    let needed = current.is_some_and(|current| !signed(current, environment, &request.challenge));
    let other = earlier.iter().find(|bytes| needed && signed(bytes, environment, &request.challenge));
    let file = EvidenceFile {
        version: VERSION,
        key_sets: current.into_iter().chain(other).map(|bytes| Blob(bytes.clone())).collect(),
        request: Blob(cbor::encode(&request)),
        keys,
        pin,
        decision,
        checkpoint: checkpoint.note.clone(),
        consistency,
    };
    Ok(Some(cbor::encode(&file)))
}

struct Places {
    keys: u64,
    pin: Option<u64>,
    decision: u64,
}

/// The decision's entry, and the last ones before it that enrolled the keys which signed the answer.
fn find(
    log: &Log,
    transaction: &Id,
    answer: &Received<Answer>,
    challenge: &Challenge,
    request: &AnswerRequest,
) -> Result<Option<Places>, LogError> {
    let names = [transaction.to_base64(), challenge.device.to_base64()];
    let named = |bytes: &[u8]| {
        std::str::from_utf8(bytes).is_ok_and(|text| names.iter().any(|name| text.contains(name.as_str())))
    };
    let signature = request.factor_signature.as_ref();
    let (mut keys, mut pin) = (None, None);
    for entry in log.iter_from(0) {
        let entry = entry?;
        let Some(content) = entry.content.filter(|content| named(&content.entry)) else { continue };
        let Ok(logged) = serde_json::from_slice::<AuditEntry>(&content.entry) else { continue };
        if let AuditEntry::Decided { transaction: decided, .. } = &logged
            && decided == transaction
        {
            let whole = answer.claimed().factor != Factor::Pin || pin.is_some();
            return Ok(keys.filter(|_| whole).map(|keys| Places { keys, pin, decision: entry.index }));
        }
        if let Some(enrolled) = enrolled_keys(&logged, challenge) {
            let signs = key(&enrolled, KeyPurpose::Possession).is_some_and(|key| answer.check(&key).is_ok());
            keys = if signs { Some(entry.index) } else { keys };
        }
        if let (Factor::Pin, Some(key), Some(signature)) =
            (answer.claimed().factor, pin_key(&logged, challenge), signature)
            && answer.check_as(Role::Pin, &key, signature).is_ok()
        {
            pin = Some(entry.index);
        }
    }
    Ok(None)
}

/// Whether a key set holds the key that signed a challenge.
fn signed(key_set: &[u8], environment: &str, challenge: &Blob) -> bool {
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
