//! How a person comes by a chip and loses it again: a code from a desk or the app's approval, a touch, and the end.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::types::Level;
use serde_json::{Value, json};

use super::super::code::{CODE_SECONDS, opened};
use super::super::records::{Chip, ChipCode};
use super::{CHIP, handle, webauthn};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::records::{Account, Entry};

/// Questions to chips under one code.
const MOST_ASKED: u32 = 10;

/// Opens the registration of a chip for a person who was proofed again, or approved it; returns the code, 18 characters. An
/// earlier code is void. The chip will carry `most` at most.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn hand_out(app: &App, account: &Entry<Account>, by: &str, most: Level) -> Result<BlockCode, ApiError> {
    let code = BlockCode::generate(&mut app.rng());
    let id = account.doc.id;
    let mut changes = Changes::new();
    for earlier in docs::list::<ChipCode>(&*app.store, &id.0, 16).await? {
        changes.delete(&earlier);
    }
    let expires = app.now().saturating_add(CODE_SECONDS);
    let by = by.to_owned();
    let opened = ChipCode { hash: code.hash(), account: id, by: by.clone(), most, state: None, asked: 0, expires };
    changes.insert(&opened).unchanged(account);
    history::add(&mut changes, app, id, "chip_opened", About::default().with(json!({ "by": by })));
    changes.commit(&*app.store).await?;
    app.wake.all(id);
    Ok(code)
}

/// The first step: what the page hands to `navigator.credentials.create`, bytes in base64url.
///
/// # Errors
/// [`Code::ChipCodeWrong`], [`Code::Throttled`] for a source that has tried too many.
pub async fn ask(app: &App, code: &str, source: &str) -> Result<Value, ApiError> {
    retry(|| async {
        let (mut opened, account) = opened::<ChipCode>(app, code, source).await?;
        if opened.doc.asked >= MOST_ASKED {
            return Err(Code::ChipCodeWrong.into());
        }
        let (asked, state) = webauthn::ask(app, &handle(app, &account.id), &account.user_id, &account.name)?;
        opened.doc.asked += 1;
        opened.doc.state = Some(state);
        let mut changes = Changes::new();
        changes.update(&opened);
        changes.commit(&*app.store).await?;
        Ok(asked)
    })
    .await
}

/// The second step: the chip's answer. The code is used up, and an earlier chip void.
///
/// # Errors
/// As [`ask`]; [`Code::ChipRefused`] for one that does not answer what was asked, or that the policy does not take.
pub async fn set(app: &App, code: &str, source: &str, answer: &Value) -> Result<(), ApiError> {
    retry(|| async {
        let (mut opened, _) = opened::<ChipCode>(app, code, source).await?;
        app.log.well()?;
        // One answer to each question.
        let state = opened.doc.state.take().ok_or(Code::ChipRefused)?;
        let mut changes = Changes::new();
        let Some(made) = webauthn::made(app, &state, answer)? else {
            changes.update(&opened);
            changes.commit(&*app.store).await?;
            return Err(Code::ChipRefused.into());
        };
        let (id, by, now) = (opened.doc.account, opened.doc.by.clone(), app.now());
        let item = Chip::id_of(&id);
        let known = docs::get::<Chip>(&*app.store, &item.0).await?;
        let event = if known.is_some() { "chip_replaced" } else { "chip_registered" };
        let chip = Chip {
            account: id,
            credential: made.credential,
            key: made.key,
            counter: made.counter,
            synchronised: made.synchronised,
            attested: made.attested,
            model: made.model,
            most: opened.doc.most,
            frozen: false,
            registered: now,
            last_used: None,
        };
        changes.update(&Entry { doc: chip, version: known.and_then(|known| known.version) }).delete(&opened);
        changes.log(&changed(id, item, "set", &by, now));
        history::add(&mut changes, app, id, event, About::default().with(json!({ "by": by, "alert": true })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(id);
        Ok(())
    })
    .await
}

/// Takes a person's chip away, at a desk: because it is lost, or for another reason.
///
/// # Errors
/// [`Code::NotFound`] where there is none.
pub async fn remove(app: &App, account: &Id, by: &str, lost: bool) -> Result<(), ApiError> {
    let (state, event) = if lost { ("lost", "chip_lost") } else { ("removed", "chip_removed") };
    retry(|| async {
        let item = Chip::id_of(account);
        let known = docs::get::<Chip>(&*app.store, &item.0).await?.ok_or(Code::NotFound)?;
        let mut changes = Changes::new();
        changes.delete(&known).log(&changed(*account, item, state, by, app.now()));
        history::add(&mut changes, app, *account, event, About::default().with(json!({ "by": by })));
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(*account);
        Ok(())
    })
    .await
}

fn changed(account: Id, item: Id, state: &str, by: &str, at: i64) -> AuditEntry {
    let (means, state, by) = (CHIP.to_owned(), state.to_owned(), by.to_owned());
    AuditEntry::MeansChanged { account, means, item, state, by, at }
}
