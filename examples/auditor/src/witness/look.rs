//! One look at the log.

use godkend_evidence::proof::{self, Noticed, Record};
use godkend_evidence::signed::{self, Consistency, Others};
use godkend_protocol::bytes::Blob;
use godkend_protocol::checkpoint::{self, Checkpoint};
use godkend_protocol::cosignature::Cosigner;
use godkend_protocol::keyset::Root;

use super::state::{Believed, State};
use crate::exit::Alarm;
use crate::fetch::{self, FetchError, Keys, Server};

/// What one look brought.
pub(super) enum Seen {
    /// The log is what it was, or continues it: to be kept, then shown.
    Good(State, Checkpoint),
    /// Something to call out.
    Bad { alarm: Alarm, why: String, record: Option<Box<Record>> },
}

/// What a look is made with.
pub(super) struct Looking<'a> {
    pub(super) root: &'a Root,
    pub(super) url: &'a str,
    pub(super) cosigner: &'a Cosigner,
    pub(super) accept_epoch: Option<u64>,
    pub(super) stale_after: u64,
    /// Unix seconds.
    pub(super) now: u64,
}

impl Looking<'_> {
    /// Fetches the newest checkpoint and judges it beside the one that was last believed.
    pub(super) async fn look(&self, believed: Option<&Believed>) -> Seen {
        match self.seen(believed).await {
            Ok(seen) => seen,
            Err(FetchError::Network(why)) => Seen::Bad { alarm: Alarm::Unreachable, why, record: None },
            Err(FetchError::KeySet(why)) => Seen::Bad { alarm: Alarm::BadSignature, why, record: None },
        }
    }

    async fn seen(&self, believed: Option<&Believed>) -> Result<Seen, FetchError> {
        let least = believed.map_or(0, |believed| believed.set.number);
        let now = i64::try_from(self.now).unwrap_or(i64::MAX);
        let keys = fetch::keys(self.url, self.root, least, now).await?;
        let server = Server::pinned(self.url, &keys.set)?;
        let note = server.checkpoint().await?;
        let newer = match signed::open(&note, std::slice::from_ref(&keys.set), self.root, Others::Ignored) {
            Ok(newer) => newer,
            Err(error) => {
                return Ok(Seen::Bad { alarm: Alarm::BadSignature, why: error.to_string(), record: None });
            }
        };
        let Some(believed) = believed else { return Ok(self.good(&note, newer, &keys, None)) };
        let older = &believed.checkpoint;
        if newer.epoch != older.epoch {
            if self.accept_epoch == Some(newer.epoch) && newer.epoch > older.epoch {
                return Ok(self.good(&note, newer, &keys, None));
            }
            let why = format!("epoch {} after epoch {}", newer.epoch, older.epoch);
            return Ok(self.bad(Noticed::EpochChanged, why, (believed, &note, &keys), None));
        }
        if newer.size < older.size {
            let why = format!("{} entries after {}", newer.size, older.size);
            return Ok(self.bad(Noticed::Shrunk, why, (believed, &note, &keys), None));
        }
        if newer.size == older.size {
            if newer.root != older.root {
                let why = format!("two histories of {} entries", newer.size);
                return Ok(self.bad(Noticed::Forked, why, (believed, &note, &keys), None));
            }
            return Ok(self.good(&note, newer, &keys, Some(believed)));
        }
        let proof = match server.consistency(older.size, newer.size).await {
            Ok(proof) if (proof.from, proof.to) == (older.size, newer.size) => proof,
            Ok(_) => return Ok(self.unproven(&newer, "the server answers with a proof of other sizes")),
            Err(error) => return Ok(self.unproven(&newer, &error.to_string())),
        };
        if !proof.holds_for(&newer) {
            return Ok(self.unproven(&newer, "the server's proof does not lead to its own checkpoint"));
        }
        if proof.from_root.0 != older.root {
            let why = format!("the first {} of now {} entries are others", older.size, newer.size);
            return Ok(self.bad(Noticed::Rewritten, why, (believed, &note, &keys), Some(proof)));
        }
        Ok(self.good(&note, newer, &keys, Some(believed)))
    }

    fn good(&self, note: &str, newer: Checkpoint, keys: &Keys, before: Option<&Believed>) -> Seen {
        // What the server shows again tells nothing new: it is kept as it was cosigned.
        let news =
            before.is_none_or(|before| newer.time > before.checkpoint.time || newer.size > before.checkpoint.size);
        let news_at = if news { self.now } else { before.map_or(self.now, |before| before.state.news_at) };
        let signed_at = before.filter(|_| !news).map_or(newer.time, |before| before.checkpoint.time);
        let silent = self.now.saturating_sub(news_at).max(self.now.saturating_sub(signed_at));
        if silent > self.stale_after {
            let why = format!("nothing newer was signed for {silent} seconds");
            return Seen::Bad { alarm: Alarm::Stale, why, record: None };
        }
        match before {
            Some(before) if !news => Seen::Good(before.state.clone(), before.checkpoint.clone()),
            _ => match self.cosigned(note) {
                Some(note) => Seen::Good(State::new(note, Blob(keys.bytes.clone()), news_at), newer),
                None => Seen::Bad { alarm: Alarm::BadSignature, why: "the note is malformed".to_owned(), record: None },
            },
        }
    }

    /// The log's own lines and the witness's, and nobody else's.
    fn cosigned(&self, note: &str) -> Option<String> {
        let unverified = checkpoint::parse(note.as_bytes()).ok()?;
        let origin = unverified.checkpoint.origin().ok()?;
        let mut lines = unverified.signatures;
        lines.retain(|line| line.name == origin);
        lines.push(self.cosigner.sign(&unverified.body, self.now));
        Some(checkpoint::signed_note(std::str::from_utf8(&unverified.body).ok()?, &lines))
    }

    fn unproven(&self, newer: &Checkpoint, why: &str) -> Seen {
        let why = format!("no proof that {} entries continue what was seen: {why}", newer.size);
        Seen::Bad { alarm: Alarm::Unproven, why, record: None }
    }

    fn bad(
        &self,
        noticed: Noticed,
        why: String,
        (before, note, keys): (&Believed, &str, &Keys),
        other: Option<Consistency>,
    ) -> Seen {
        let (other_root, consistency) = other.map_or((None, Vec::new()), |other| (Some(other.from_root), other.proof));
        let mut key_sets = vec![before.state.key_set.clone()];
        if before.state.key_set.0 != keys.bytes {
            key_sets.push(Blob(keys.bytes.clone()));
        }
        let record = Record {
            version: proof::VERSION,
            noticed,
            at: self.now,
            key_sets,
            older: before.state.note.clone(),
            newer: note.to_owned(),
            other_root,
            consistency,
        };
        Seen::Bad { alarm: noticed.into(), why, record: Some(Box::new(record)) }
    }
}
