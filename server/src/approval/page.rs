//! What the page or the back channel that began a transaction sees of it.

use std::sync::Arc;
use std::time::Duration;

use godkend_protocol::bytes::{Hash32, Id, Secret};
use godkend_protocol::codes::Code;
use godkend_protocol::formats::link::{Link, LoginFrame, SameDeviceLink};
use godkend_protocol::formats::qr_frame;
use godkend_protocol::types::{Action, Binding, Decision, Factor, Level};
use serde::{Deserialize, Serialize};

use super::browser::{self, BrowserCookie};
use super::transaction::{check_open, check_session, close, keep_open, lifetime, read};
use super::{number, settle};
use crate::app::App;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::records::{Account, Outcome, Transaction};

/// Path of the page that completes a same-device login, under the server's public URL; `t` is the transaction, `c` the
/// return code, both Base64url.
pub const RETURN_PATH: &str = "/login/return";
/// How long an approval waits to be collected, in seconds.
const COLLECT_WITHIN: i64 = 600;
/// How often a wait that nobody wakes looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often a person may ask for more time (WCAG 2.2, 2.2.1, asks for ten times at least).
const MOST_EXTENSIONS: u8 = 10;
/// Waits of one transaction that are held at once: a person's tabs. More are answered at once.
const MOST_WAITS: usize = 4;

/// Where a transaction stands, as its page may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has opened it.
    Waiting,
    /// A phone has opened it, or shows what was pushed to it whole; or a same-device approval waits for its return code.
    Opened,
    /// Approved: collect it.
    Approved,
    /// Refused, or given up.
    Denied,
    /// Refused: this was not me.
    Reported,
    /// Too late.
    Expired,
}

/// What a page that waits has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The state.
    pub state: State,
    /// [`TransactionView::needs_return`]; `None` takes what it is when the wait begins.
    pub needs_return: Option<bool>,
}

impl From<State> for Known {
    fn from(state: State) -> Self {
        Self { state, needs_return: None }
    }
}

/// A transaction as its page sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TransactionView {
    /// Where it stands.
    pub state: State,
    /// The number to type in the app, if there is one and it still opens something.
    pub number: Option<String>,
    /// A same-device approval waits for [`complete_same_device`].
    pub needs_return: bool,
    /// Tries left with an offline code, once one is shown.
    pub offline_tries: Option<u32>,
    /// Unix seconds.
    pub expires: i64,
}

/// What a relying party is told of an approval, once.
#[derive(Clone, Debug)]
pub struct Granted {
    /// Whose approval it is.
    pub account: Account,
    /// The level: the lowest of identity, authenticator and binding.
    pub level: Level,
    /// The authenticator's own level.
    pub authenticator_level: Level,
    /// What proved the person.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The policy's names of the means that were proved, where it was not a phone alone.
    pub means: Vec<String>,
    /// Unix seconds of the approval.
    pub at: i64,
    /// The cookie of a browser that is remembered from now on.
    pub new_browser_cookie: Option<BrowserCookie>,
}

/// How a transaction looks at `now`, Unix seconds.
#[must_use]
pub fn view(transaction: &Transaction, now: i64) -> TransactionView {
    let needs_return = needs_return(transaction);
    let state = match &transaction.outcome {
        Some(Outcome { decision: Decision::Approve, at, .. }) => {
            if now >= at.saturating_add(COLLECT_WITHIN) {
                State::Expired
            } else if needs_return {
                State::Opened
            } else {
                State::Approved
            }
        }
        Some(Outcome { decision: Decision::Deny, .. }) => State::Denied,
        Some(Outcome { decision: Decision::ReportFraud, .. }) => State::Reported,
        None if now >= transaction.expires => State::Expired,
        None if transaction.taken.is_some() || transaction.shown => State::Opened,
        None => State::Waiting,
    };
    TransactionView {
        state,
        number: transaction.number.clone().filter(|_| state == State::Waiting),
        needs_return,
        offline_tries: transaction.offline.as_ref().map(|offline| offline.tries_left),
        expires: transaction.expires,
    }
}

/// Waits until a transaction's state or its `needs_return` is another than known, at most `seconds`; not at all while
/// four other waits for it are held.
///
/// # Errors
/// [`Code::TransactionUnknown`].
pub async fn wait(app: &App, id: &Id, known: impl Into<Known>, seconds: u64) -> Result<TransactionView, ApiError> {
    let Known { state, mut needs_return } = known.into();
    let longest = seconds.min(app.config.approval.long_poll_seconds);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(longest);
    let mut stopping = app.stopping.clone();
    let notify = app.wake.on(*id);
    // Only waits for this transaction hold it, each once.
    let crowded = Arc::strong_count(&notify) > MOST_WAITS;
    loop {
        let mut notified = std::pin::pin!(notify.notified());
        notified.as_mut().enable();
        let view = view(&read(app, id).await?.doc, app.now());
        let changed = view.state != state || view.needs_return != *needs_return.get_or_insert(view.needs_return);
        if changed || crowded || tokio::time::Instant::now() >= deadline || stopping.now() {
            return Ok(view);
        }
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + LOOK_AGAIN)) => {}
            () = stopping.wait() => {}
        }
    }
}

/// Hands an approval to the relying party, once. `browser_session` is the hash of the session cookie that the
/// transaction began with.
///
/// # Errors
/// [`Code::TransactionUnknown`] for another session; [`Code::TransactionFinished`] if it was collected, refused or
/// disputed; [`Code::TransactionExpired`]; [`Code::OperationRefused`] while it still waits; [`Code::IdentityBlocked`].
pub async fn collect(app: &App, id: &Id, browser_session: Option<&Hash32>) -> Result<Granted, ApiError> {
    retry(|| async {
        let mut changes = Changes::new();
        let granted = collect_into(app, &mut changes, id, browser_session).await?;
        changes.commit(&*app.store).await?;
        app.log.wake();
        Ok(granted)
    })
    .await
}

/// [`collect`] as a part of the caller's commit, who wakes the log afterwards and begins anew after a conflict.
///
/// # Errors
/// As [`collect`].
pub async fn collect_into(
    app: &App,
    changes: &mut Changes,
    id: &Id,
    browser_session: Option<&Hash32>,
) -> Result<Granted, ApiError> {
    let now = app.now();
    let mut entry = read(app, id).await?;
    check_session(&entry.doc, browser_session)?;
    let Some(outcome) = entry.doc.outcome.clone() else {
        check_open(&entry.doc, now)?;
        return Err(Code::OperationRefused.into());
    };
    if outcome.decision != Decision::Approve || entry.doc.collected {
        return Err(Code::TransactionFinished.into());
    }
    match view(&entry.doc, now).state {
        State::Approved => {}
        State::Expired => return Err(Code::TransactionExpired.into()),
        _ => return Err(Code::OperationRefused.into()),
    }
    let (Some(account), Some(level), Some(authenticator_level)) =
        (outcome.account, outcome.level, outcome.authenticator_level)
    else {
        return Err(Code::Internal.into());
    };
    let account = docs::get::<Account>(&*app.store, &account.0).await?.ok_or(Code::Internal)?;
    if account.doc.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    if account.doc.disputes(outcome.at) {
        return Err(Code::TransactionFinished.into());
    }
    let remember = outcome.remember_browser && entry.doc.may_remember && entry.doc.action == Action::LogOn;
    let new_browser_cookie =
        remember.then(|| browser::remember(app, changes, account.doc.id, entry.doc.browser.as_deref(), now));
    entry.doc.collected = true;
    changes.unchanged(&account).update(&entry);
    let Outcome { factor, binding, means, at, .. } = outcome;
    let account = account.doc;
    Ok(Granted { account, level, authenticator_level, factor, binding, means, at, new_browser_cookie })
}

/// Whether a transaction was approved, and its person has since said that it was not them: [`collect`] gives nothing.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub async fn is_disputed(app: &App, transaction: &Transaction) -> Result<bool, ApiError> {
    let Some(Outcome { decision: Decision::Approve, account: Some(account), at, .. }) = &transaction.outcome else {
        return Ok(false);
    };
    let account = docs::get::<Account>(&*app.store, &account.0).await?;
    Ok(account.is_some_and(|account| account.doc.disputes(*at)))
}

/// Gives a transaction up: the person left the page, or the relying party withdrew it.
///
/// # Errors
/// [`Code::TransactionUnknown`] for another session; [`Code::TransactionFinished`] if it has its outcome.
pub async fn cancel(app: &App, id: &Id, browser_session: Option<&Hash32>) -> Result<(), ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_session(&entry.doc, browser_session)?;
        match check_open(&entry.doc, now) {
            Err(error) if error.code == Code::TransactionExpired => return Ok(()),
            open => open?,
        }
        let mut changes = Changes::new();
        close(app, &mut changes, &mut entry, now).await?;
        changes.commit(&*app.store).await?;
        settle::told(app, &entry.doc);
        Ok(())
    })
    .await
}

/// Whether [`extend`] would give more time.
#[must_use]
pub fn may_extend(transaction: &Transaction, now: i64) -> bool {
    transaction.extended < MOST_EXTENSIONS && view(transaction, now).state == State::Waiting
}

/// Gives the person before the page the whole time again. Once a phone has opened the request its challenge has an end of
/// its own, which nobody moves.
///
/// # Errors
/// [`Code::TransactionUnknown`] for another session; [`Code::TransactionFinished`]; [`Code::TransactionExpired`];
/// [`Code::TransactionTaken`] once a phone has opened it; [`Code::OperationRefused`] after ten times.
pub async fn extend(app: &App, id: &Id, browser_session: Option<&Hash32>) -> Result<(), ApiError> {
    retry(|| async {
        let now = app.now();
        let mut entry = read(app, id).await?;
        check_session(&entry.doc, browser_session)?;
        check_open(&entry.doc, now)?;
        if entry.doc.taken.is_some() {
            return Err(Code::TransactionTaken.into());
        }
        if !may_extend(&entry.doc, now) {
            return Err(Code::OperationRefused.into());
        }
        entry.doc.extended = entry.doc.extended.saturating_add(1);
        entry.doc.expires = now.saturating_add(lifetime(app));
        let mut changes = Changes::new();
        keep_open(app, &mut changes, &entry.doc).await?;
        number::keep_slot(app, &mut changes, &entry.doc).await?;
        changes.update(&entry);
        changes.commit(&*app.store).await?;
        app.wake.all(*id);
        Ok(())
    })
    .await
}

/// The texts of the moving QR code's frames: the current second's and a few ahead. None once a phone has opened it.
#[must_use]
pub fn frames(app: &App, transaction: &Transaction, now_ms: i64) -> Vec<String> {
    let open = check_open(transaction, now_ms.div_euclid(1000)).is_ok() && transaction.taken.is_none();
    let Some(secret) = transaction.qr_secret.as_ref().filter(|_| open) else { return Vec::new() };
    let first = u64::try_from(now_ms.div_euclid(1000)).unwrap_or(0);
    (first..=first.saturating_add(u64::from(app.config.approval.qr_frames_ahead)))
        .map(|frame| {
            let code = qr_frame::code(secret, &transaction.id, frame);
            let environment = app.environment().to_owned();
            Link::Login(LoginFrame { environment, session: transaction.id, frame, code }).to_text()
        })
        .collect()
}

/// The link that opens the app on the page's own device. A secret of that page.
#[must_use]
pub fn same_device_link(app: &App, transaction: &Transaction) -> Option<String> {
    let secret = transaction.link_secret.clone()?;
    let environment = app.environment().to_owned();
    Some(Link::SameDevice(SameDeviceLink { environment, session: transaction.id, secret }).to_text())
}

/// Completes a same-device login: the return code that the app's answer got, in the browser that began it.
///
/// # Errors
/// [`Code::LinkInvalid`] for another code, browser or kind of login.
pub async fn complete_same_device(
    app: &App,
    id: &Id,
    return_code: &Secret<16>,
    browser_session: Option<&Hash32>,
) -> Result<(), ApiError> {
    retry(|| async {
        let invalid = |error: ApiError| match error.code {
            Code::TransactionUnknown => Code::LinkInvalid.into(),
            _ => error,
        };
        let mut entry = read(app, id).await.map_err(invalid)?;
        check_session(&entry.doc, browser_session).map_err(invalid)?;
        if entry.doc.return_code.as_ref() != Some(return_code) {
            return Err(Code::LinkInvalid.into());
        }
        if entry.doc.returned {
            return Ok(());
        }
        entry.doc.returned = true;
        let mut changes = Changes::new();
        changes.update(&entry);
        changes.commit(&*app.store).await?;
        app.wake.all(*id);
        Ok(())
    })
    .await
}

/// Where the app sends the browser of the same device, with the return code.
pub(super) fn return_url(app: &App, transaction: &Transaction) -> Option<String> {
    let code = transaction.return_code.as_ref()?;
    let base = app.config.server.public_url.trim_end_matches('/');
    Some(format!("{base}{RETURN_PATH}?t={}&c={}", transaction.id.to_base64(), code.to_base64()))
}

fn needs_return(transaction: &Transaction) -> bool {
    let approved = transaction
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.decision == Decision::Approve && outcome.binding == Binding::SameDevice);
    approved && !transaction.returned
}

#[cfg(test)]
mod tests {
    use super::super::testing::{outcome, transaction};
    use super::*;

    #[test]
    fn a_same_device_approval_completes_with_its_return_only() {
        let mut transaction = transaction();
        assert_eq!(view(&transaction, 1_000).state, State::Waiting);
        assert_eq!(view(&transaction, transaction.expires).state, State::Expired);
        transaction.outcome = Some(outcome(Decision::Approve, Binding::SameDevice));
        assert_eq!(view(&transaction, 1_000).state, State::Opened);
        assert!(view(&transaction, 1_000).needs_return);
        assert_eq!(view(&transaction, 1_000 + COLLECT_WITHIN).state, State::Expired, "a page does not wait for ever");
        transaction.returned = true;
        assert_eq!(view(&transaction, 1_000).state, State::Approved);
        assert_eq!(view(&transaction, 1_000 + COLLECT_WITHIN).state, State::Expired);
        transaction.outcome = Some(outcome(Decision::ReportFraud, Binding::SameDevice));
        assert_eq!(view(&transaction, 1_000).state, State::Reported);
    }
}
