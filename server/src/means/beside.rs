//! A chip beside the app: it signs on the page first, for this login, its browser and what is asked; the phone's approval of
//! the same request completes the login, at the level that the policy gives for both.
//!
//! The page learns nothing from the chip's half: whatever is wrong with it (an unknown user id, no chip, another's, a copy),
//! it is answered alike, with the same work and the same writes, and no phone can complete the request. Nothing in it can be
//! guessed, so no tries are counted.

use godkend_protocol::bytes::{Blob, Hash32, Id};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::types::Level;

use super::attempt::{self, First};
use super::records::Chip;
use super::{CHIP, challenge, chip, context};
use crate::app::App;
use crate::approval;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::policy::APP;
use crate::records::{ChipHalf, Entry, Transaction};

/// Whether a combination is this one.
#[must_use]
pub fn is(means: &[String]) -> bool {
    means.len() == 2 && [APP, CHIP].iter().all(|name| means.iter().any(|own| own == name))
}

/// Takes the chip's half; the same again changes nothing, another takes its place. `first` has no message of OPAQUE's.
///
/// # Errors
/// [`Code::Malformed`]; [`Code::LevelUnreachable`] where the combination is not offered; [`Code::Throttled`];
/// [`Code::TransactionTaken`] once a phone has opened the request.
pub async fn start(app: &App, id: &Id, session: &Hash32, first: &First<'_>) -> Result<(), ApiError> {
    if !first.ke1.is_empty() || first.proofs.len() != 1 {
        return Err(Code::Malformed.into());
    }
    let proofs = serde_json::to_vec(first.proofs).map_err(|_| Code::Malformed)?;
    let folded = approval::fold(first.user_id);
    let hash =
        crypto::labelled_hash("godkend/1/chip-half", &[folded.as_bytes(), first.combination.as_bytes(), &proofs]);
    let open = attempt::open(app, id, session).await?;
    if open.doc.chip.as_ref().is_some_and(|half| half.start == hash) {
        return Ok(());
    }
    let offered = attempt::offered(app, &open.doc);
    let combination = offered.into_iter().find(|combination| combination.name() == first.combination);
    let combination = combination.filter(|combination| is(&combination.means)).ok_or(Code::LevelUnreachable)?;
    app.throttle.take("means", first.source, app.config.means.tries_per_source_minute, app.clock.now_ms())?;
    retry(|| async {
        let now = app.now();
        let mut transaction = attempt::open(app, id, session).await?;
        approval::check_seal(app, &transaction.doc)?;
        app.log.well()?;
        let (account, is_known) = approval::name(app, &folded).await?;
        let challenge = challenge(&context(app, &transaction.doc, session), &[]);
        let judged = attempt::judge(app, &transaction.doc, account, first, combination, challenge, now).await?;
        let held = docs::get::<Chip>(&*app.store, &Chip::id_of(&account).0).await?;
        let right = held.filter(|_| judged.right && is_known);
        let mut changes = Changes::new();
        let fillers = attempt::fillers(app, id, now).await?;
        for filler in fillers.iter().take(usize::from(judged.used.is_none())) {
            changes.update(filler);
        }
        changes.append(judged.changes);
        let (item, next) = judged.used.unzip();
        changes.log(&AuditEntry::MeansTried { counters: Vec::new(), item, next, at: now });
        transaction.doc.chip = Some(ChipHalf {
            start: hash,
            account: right.as_ref().map(|_| account),
            credential: right.map_or_else(Blob::default, |chip| chip.doc.credential),
        });
        // A code without a network is one person's answer alone.
        transaction.doc.offline = None;
        changes.update(&transaction);
        changes.commit(&*app.store).await?;
        app.log.wake();
        app.wake.all(*id);
        Ok(())
    })
    .await
}

/// Takes the chip's half away again, whatever it was: the app alone may answer then.
///
/// # Errors
/// As [`start`].
pub async fn forget(app: &App, id: &Id, session: &Hash32) -> Result<(), ApiError> {
    retry(|| async {
        let mut transaction = attempt::open(app, id, session).await?;
        if transaction.doc.chip.take().is_none() {
            return Ok(());
        }
        let mut changes = Changes::new();
        changes.update(&transaction);
        changes.commit(&*app.store).await?;
        app.wake.all(*id);
        Ok(())
    })
    .await
}

/// What a chip's half adds to a phone's answer.
pub(crate) struct Beside {
    /// What the chip is worth now.
    pub(crate) worth: Level,
    /// It, as it was read: to be unchanged at the commit.
    pub(crate) chip: Entry<Chip>,
}

/// The chip's half of a request, for a phone of this account; none where the request has none.
///
/// # Errors
/// [`Code::MeansWrong`] where it was not this person's chip, or that is lost, replaced or frozen since: nobody completes it.
pub(crate) async fn of(app: &App, transaction: &Transaction, account: &Id) -> Result<Option<Beside>, ApiError> {
    let Some(half) = &transaction.chip else { return Ok(None) };
    let held = docs::get::<Chip>(&*app.store, &Chip::id_of(account).0).await?;
    let chip = held.filter(|chip| half.account == Some(*account) && half.credential == chip.doc.credential);
    let chip = chip.ok_or(Code::MeansWrong)?;
    let worth = chip::standing(app, &chip.doc).ok_or(Code::MeansWrong)?;
    Ok(Some(Beside { worth, chip }))
}
