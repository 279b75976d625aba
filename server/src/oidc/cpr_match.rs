//! Whether a CPR number that a person typed at a private relying party is theirs. The relying party never learns the
//! number from here, and must not find it by trying.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use godkend_protocol::bytes::{Hash32, Secret};
use godkend_protocol::crypto;
use godkend_protocol::types::Level;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{self, Access, Refused};
use super::{form, metadata};
use crate::app::App;
use crate::config::Cpr;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::records::{Document, Entry};
use crate::store::Kind;

/// Wrong numbers of one relying party for one person, within [`WINDOW`].
const TRIES: usize = 3;
/// Seconds in which they count. The login must be as recent.
const WINDOW: i64 = 900;

/// The wrong numbers of one relying party for one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Hash of client and account.
    pub of: Hash32,
    /// Unix seconds of each.
    pub wrong: Vec<i64>,
}

impl Document for Tries {
    const KIND: Kind = Kind("oidc_cpr_tries");
    fn id(&self) -> Vec<u8> {
        self.of.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.wrong.iter().max().map_or(0, |last| last.saturating_add(2 * WINDOW)))
    }
}

impl Tries {
    /// Forgets what no longer counts at `now`; seconds to wait if nothing may be tried.
    fn wait(&mut self, now: i64) -> Option<i64> {
        // A clock that was set back makes no wait longer than it ever is.
        self.wrong.retain(|at| (0..WINDOW).contains(&now.saturating_sub(*at)));
        let first = self.wrong.iter().min().filter(|_| self.wrong.len() >= TRIES)?;
        Some(first.saturating_add(WINDOW).saturating_sub(now))
    }

    fn left(&self) -> usize {
        TRIES.saturating_sub(self.wrong.len())
    }
}

/// `POST /cpr-match` with `cpr`: `{"match", "tries_left"}`.
pub(super) async fn handle(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let access = access::check(&app, &headers, "POST", metadata::CPR_MATCH_PATH).await?;
    if access.party.cpr != Cpr::Match {
        let description = "This client may not match CPR numbers.";
        return Err(access.refused(StatusCode::FORBIDDEN, "insufficient_scope", description));
    }
    access.demand(Level::Substantial, WINDOW, app.now())?;
    let malformed = || {
        let description = "cpr must be ten digits, with or without a hyphen after the sixth.";
        access.refused(StatusCode::BAD_REQUEST, "invalid_request", description)
    };
    let params = form(&headers, &body).map_err(|_| malformed())?;
    let typed = params.get("cpr").and_then(read).ok_or_else(malformed)?;
    // Debited before it is compared, so that neither a kill nor a race is a free try.
    let judged = docs::retry(|| async {
        let mut tries = tries(&app, &access).await?;
        if let Some(wait) = tries.doc.wait(app.now()) {
            return Ok(Err(wait));
        }
        let same = access.account.cpr.as_ref().is_some_and(|own| crypto::same(&own.0, &typed.0));
        if !same {
            tries.doc.wrong.push(app.now());
            let mut changes = Changes::new();
            changes.update(&tries);
            changes.commit(&*app.store).await?;
        }
        Ok(Ok((same, tries.doc.left())))
    });
    match judged.await? {
        Ok((same, left)) => Ok(access.answer(Json(json!({ "match": same, "tries_left": left })))),
        Err(wait) => {
            let description = "Three wrong numbers within 15 minutes; the person has to wait.";
            Err(access.refused(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", description).after(wait))
        }
    }
}

async fn tries(app: &App, access: &Access) -> Result<Entry<Tries>, ApiError> {
    let client = access.party.client_id.as_bytes();
    let of = crypto::labelled_hash("godkend/1/cpr-match", &[&access.account.id.0, client]);
    let found = docs::get::<Tries>(&*app.store, &of.0).await?;
    Ok(found.unwrap_or(Entry { doc: Tries { of, wrong: Vec::new() }, version: None }))
}

fn read(text: &str) -> Option<Secret<10>> {
    let bare: zeroize::Zeroizing<Vec<u8>> = match text.split_once('-') {
        Some((date, rest)) if date.len() == 6 => [date, rest].concat().into_bytes().into(),
        Some(_) => return None,
        None => text.as_bytes().to_vec().into(),
    };
    bare.iter().all(u8::is_ascii_digit).then(|| Secret::from_slice(&bare)).flatten()
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;

    use super::*;

    #[test]
    fn three_wrong_ones_wait_for_the_first_to_age() {
        let mut tries = Tries { of: Fixed([1; 32]), wrong: vec![100, 200] };
        assert_eq!((tries.wait(300), tries.left()), (None, 1));
        tries.wrong.push(300);
        assert_eq!((tries.wait(400), tries.left()), (Some(600), 0));
        assert_eq!(tries.wait(999), Some(1));
        assert_eq!((tries.wait(1_000), tries.left()), (None, 1));
        tries.wrong = vec![5_000; 3];
        assert_eq!(tries.wait(1_000), None, "a clock that was set back does not lock for ever");
    }

    #[test]
    fn a_number_is_ten_digits() {
        assert!(read("0101901234").is_some() && read("010190-1234").is_some());
        for bad in ["", "010190123", "01019-01234", "010190-12345", "010190-123", "01019o1234", "010190-1-34"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
