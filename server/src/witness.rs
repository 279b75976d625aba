//! Witnesses of the log: what they read from the server, and what a start learns from what they have cosigned.
//!
//! `GET /log/v1/checkpoint` is the newest checkpoint, `GET /log/v1/consistency?from=&to=` the proof between two sizes of
//! it. Both are for anyone: they hold hashes and counts, and no entry.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use godkend_evidence::signed::{self, Consistency, Others};
use godkend_protocol::bytes::Fixed;
use godkend_protocol::checkpoint;
use godkend_protocol::codes::Code;
use godkend_protocol::cosignature::WitnessKey;
use serde::Deserialize;

use crate::admin::Refusal;
use crate::app::App;
use crate::config::Config;
use crate::keys::ServerKeys;
use crate::log::{LogError, Witnessed};

/// Why a witness's file cannot be used. The server does not start: a log that was put back could not be told.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The file is not there, or cannot be read: fetch it from the witness, or take the witness out of `log.witnesses`.
    #[error("the checkpoint of the witness {witness} cannot be read from {path}: {reason}")]
    File {
        /// The witness.
        witness: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not this log's checkpoint, or this witness has not cosigned it: fetch it again.
    #[error("{path} is not a checkpoint of this log that the witness {witness} has cosigned")]
    Signature {
        /// The witness.
        witness: String,
        /// The file.
        path: PathBuf,
    },
}

/// Routes for witnesses and auditors.
pub fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/log/v1/checkpoint", get(newest))
        .route("/log/v1/consistency", get(consistency))
        .with_state(app)
}

async fn newest(State(app): State<Arc<App>>) -> Response {
    let note = app.log.checkpoint().note.clone();
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], note).into_response()
}

#[derive(Deserialize)]
struct Sizes {
    from: u64,
    to: u64,
}

async fn consistency(
    State(app): State<Arc<App>>,
    sizes: Result<Query<Sizes>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Sizes { from, to }) = sizes.map_err(|_| Code::Malformed)?;
    if from > to {
        return Err(Code::Malformed.into());
    }
    let log = app.log.log();
    let read = || {
        Ok::<_, LogError>(Consistency {
            from,
            from_root: Fixed(log.root(from)?),
            to,
            to_root: Fixed(log.root(to)?),
            proof: log.consistency(from, to)?.into_iter().map(Fixed).collect(),
        })
    };
    let answer = read().map_err(|error| match error {
        LogError::OutOfRange => Code::NotFound,
        error => {
            tracing::error!(%error, "the log cannot be read");
            Code::Internal
        }
    })?;
    Ok(([(CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response())
}

/// Reads one item of `log.witnesses`: a verifier key, a space, a path.
#[must_use]
pub fn parse(item: &str) -> Option<(WitnessKey, PathBuf)> {
    let (key, path) = item.split_once(' ')?;
    let path = path.trim();
    (!path.is_empty()).then_some((WitnessKey::parse(key)?, PathBuf::from(path)))
}

/// What the configured witnesses have cosigned.
///
/// # Errors
/// [`WitnessError`].
pub fn cosigned(config: &Config, keys: &ServerKeys) -> Result<Vec<Witnessed>, WitnessError> {
    let mut all = Vec::new();
    // An item that does not read is an error of the configuration already.
    for (key, path) in config.log.witnesses.iter().filter_map(|item| parse(item)) {
        let path = config.beside_file(&path);
        let witness = key.name.clone();
        let read = |path: &PathBuf| {
            let size = std::fs::metadata(path)?.len();
            if size > u64::try_from(checkpoint::MAX_NOTE_LEN).unwrap_or(u64::MAX) {
                return Err(std::io::Error::other("it is too large"));
            }
            std::fs::read_to_string(path)
        };
        let note = match read(&path) {
            Ok(note) => note,
            Err(error) => return Err(WitnessError::File { witness, path, reason: error.to_string() }),
        };
        let cosigned = checkpoint::parse(note.as_bytes()).and_then(|unverified| key.verify(&unverified));
        let signed = signed::open(&note, std::slice::from_ref(&keys.set), &keys.root, Others::Ignored);
        match (cosigned, signed) {
            (Ok(_), Ok(checkpoint)) => {
                all.push(Witnessed { witness, epoch: checkpoint.epoch, size: checkpoint.size, root: checkpoint.root })
            }
            _ => return Err(WitnessError::Signature { witness, path }),
        }
    }
    Ok(all)
}
