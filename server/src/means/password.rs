//! The password: OPAQUE in the browser (RFC 9807), so that the server never sees it, and stores what nobody can search
//! without the secrets outside the database. It is chosen with a one-time code that a desk hands out after proofing.

use godkend_protocol::bytes::{Blob, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::opaque::{self, REGISTRATION_REQUEST_LEN, Registering};
use serde_json::json;

pub use super::code::CODE_SECONDS;
use super::records::{Password, PasswordCode};
use super::{PASSWORD, code::opened};
use crate::app::App;
use crate::approval::id_of;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, Entry};

/// Registrations of one code: each computes what a try computes, and costs none.
const MOST_REGISTRATIONS: u32 = 5;

/// Opens a new password for a person who was proofed again; returns the code, 18 characters. An earlier code is void.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn hand_out(app: &App, account: &Entry<Account>, by: &str) -> Result<BlockCode, ApiError> {
    let code = BlockCode::generate(&mut app.rng());
    let id = account.doc.id;
    let mut changes = Changes::new();
    for earlier in docs::list::<PasswordCode>(&*app.store, &id.0, 16).await? {
        changes.delete(&earlier);
    }
    let expires = app.now().saturating_add(CODE_SECONDS);
    let by = by.to_owned();
    changes.insert(&PasswordCode { hash: code.hash(), account: id, by: by.clone(), registrations: 0, expires });
    changes.unchanged(account);
    history::add(&mut changes, app, id, "password_opened", About::default().with(json!({ "by": by })));
    changes.commit(&*app.store).await?;
    app.wake.all(id);
    Ok(code)
}

/// The first step of choosing a password: OPAQUE's registration response.
///
/// # Errors
/// [`Code::PasswordCodeWrong`], [`Code::Throttled`] for a source that has tried too many, [`Code::Malformed`].
pub async fn register(app: &App, code: &str, source: &str, request: &[u8]) -> Result<Blob, ApiError> {
    if request.len() != REGISTRATION_REQUEST_LEN {
        return Err(Code::Malformed.into());
    }
    retry(|| async {
        let (mut opened, _) = opened::<PasswordCode>(app, code, source).await?;
        if opened.doc.registrations >= MOST_REGISTRATIONS {
            return Err(Code::PasswordCodeWrong.into());
        }
        opened.doc.registrations += 1;
        let secrets = app.keys.opaque.get(&app.keys.current_seed).ok_or(Code::Internal)?;
        let response = secrets.register(request, &credential(app, &opened.doc.account)).map_err(|_| Code::Malformed)?;
        let mut changes = Changes::new();
        changes.update(&opened);
        changes.commit(&*app.store).await?;
        Ok(response)
    })
    .await
}

/// The second step: stores the record. The code is used up, and an earlier password void.
///
/// # Errors
/// As [`register`].
pub async fn set(app: &App, code: &str, source: &str, upload: &[u8]) -> Result<(), ApiError> {
    let record = opaque::finish_registration(upload).map_err(|_| Code::Malformed)?;
    retry(|| async {
        let (opened, _) = opened::<PasswordCode>(app, code, source).await?;
        app.log.well()?;
        let (id, by, now) = (opened.doc.account, opened.doc.by.clone(), app.now());
        let known = docs::get::<Password>(&*app.store, &id.0).await?;
        let new = Password { account: id, seed: app.keys.current_seed, record: record.clone(), set: now };
        let event = if known.is_some() { "password_changed" } else { "password_set" };
        let mut changes = Changes::new();
        changes.update(&Entry { doc: new, version: known.and_then(|known| known.version) }).delete(&opened);
        let (means, state) = (PASSWORD.to_owned(), "set".to_owned());
        changes.log(&AuditEntry::MeansChanged { account: id, means, item: id, state, by: by.clone(), at: now });
        history::add(&mut changes, app, id, event, About::default().with(json!({ "by": by, "alert": true })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(())
    })
    .await
}

/// Takes a person's password away, at a desk.
///
/// # Errors
/// [`Code::NotFound`] where there is none.
pub async fn remove(app: &App, account: &Id, by: &str) -> Result<(), ApiError> {
    retry(|| async {
        let known = docs::get::<Password>(&*app.store, &account.0).await?.ok_or(Code::NotFound)?;
        let (means, state, by, at) = (PASSWORD.to_owned(), "removed".to_owned(), by.to_owned(), app.now());
        let mut changes = Changes::new();
        changes.delete(&known);
        changes.log(&AuditEntry::MeansChanged { account: *account, means, item: *account, state, by: by.clone(), at });
        history::add(&mut changes, app, *account, "password_removed", About::default().with(json!({ "by": by })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        Ok(())
    })
    .await
}

/// OPAQUE's credential identifier. The same for all of a person's passwords, and there for a person who does not exist: it
/// must not change when somebody registers. A registration can therefore evaluate what a try evaluates; whoever may
/// register may as well replace the password.
pub(super) fn credential(app: &App, account: &Id) -> Id {
    id_of(&crypto::hmac_sha256(&app.keys.pairwise.0, &[b"godkend/1/password", &account.0]))
}

/// A record that no password opens, made once in a server's life: what is used for who does not exist, has no password, or
/// gave a wrong code.
pub(super) fn nobodys(app: &App) -> Result<Blob, ApiError> {
    if let Some(made) = app.means.nobody.get() {
        return Ok(made.clone());
    }
    let mut rng = app.rng();
    let failed = |_| ApiError::from(Code::Internal);
    let secrets = app.keys.opaque.get(&app.keys.current_seed).ok_or(Code::Internal)?;
    let secret = godkend_protocol::bytes::Secret::random(&mut rng);
    let (client, request) = Registering::start(&mut rng, secret).map_err(failed)?;
    let response = secrets.register(&request.0, &godkend_protocol::bytes::random(&mut rng)).map_err(failed)?;
    let upload = client.finish(&mut rng, &response.0).map_err(failed)?.upload;
    let record = opaque::finish_registration(&upload.0).map_err(failed)?;
    Ok(app.means.nobody.get_or_init(|| record).clone())
}
