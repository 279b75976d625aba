//! Notices of use, for those who turned them on: every login and approval in a person's name is told to their phones at once,
//! each by a request of the server's own. The phone that approved knows already. "This was not me" disputes the use: it ends
//! every shared login, forgets the browser that was used and lets back-off fall on its source. Whatever else a phone answers
//! puts the notice away. Nothing of a use waits for an answer.

use godkend_protocol::bytes::Id;
use godkend_protocol::messages::approval::RelyingParty;
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::text;
use godkend_protocol::types::{Action, Decision, Level};
use serde_json::json;

use super::browser;
use super::transaction::{NewTransaction, Open, Start, check_open, close, fresh, put_open};
use crate::activation;
use crate::app::App;
use crate::docs::{self, Changes};
use crate::error::ApiError;
use crate::history::{self, About};
use crate::oidc::{notify, session};
use crate::records::{Account, Addressed, AddressedBy, Browser, Device, Entry, Told, Transaction};

/// How long a notice of use waits for its phone, in seconds: a day. The history keeps it for longer.
const SECONDS: i64 = 86_400;
/// Open notices of use of one phone; the oldest makes room.
const MOST: usize = 8;
/// The most open requests of a person that are looked through.
const MOST_OPEN: u32 = 64;
/// The most of a relying party's name that fits beside the longest sentence.
const NAME: usize = 40;

/// A use that is to be told.
pub(crate) struct Use<'a> {
    /// Who asked.
    pub(crate) relying_party: &'a str,
    /// What was done.
    pub(crate) what: What,
    /// Where, with what, from which source and remembered browser, as far as a page was involved.
    pub(crate) page: Option<&'a Transaction>,
    /// The phone that did it.
    pub(crate) by: Option<Id>,
}

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A login.
    LogOn,
    /// A login that another one was shared with.
    Shared,
    /// Something read and approved.
    Approval,
    /// A payment.
    Payment,
    /// Notices of use were turned off.
    Silence,
}

impl What {
    pub(super) fn of(transaction: &Transaction) -> Self {
        match transaction.action {
            _ if transaction.payment.is_some() => Self::Payment,
            Action::LogOn => Self::LogOn,
            _ => Self::Approval,
        }
    }
}

/// Adds the notices of a use to `changes`, where its person wants them; says to how many phones. The caller commits and
/// wakes the person's phones.
///
/// # Errors
/// [`ApiError`] if the store cannot answer.
pub(crate) async fn tell(
    app: &App,
    changes: &mut Changes,
    account: &Account,
    used: &Use<'_>,
) -> Result<usize, ApiError> {
    if !account.tell_uses {
        return Ok(0);
    }
    let mut told = 0;
    for phone in activation::all_of::<Device>(app, &account.id).await? {
        let active = activation::state_now(app, &phone.doc).await? == DeviceState::Active;
        if active && Some(phone.doc.id) != used.by {
            make_room(app, changes, &account.id, &phone.doc.id).await?;
            let notice = notice(app, account, used, &phone.doc);
            put_open(changes, &notice, account.id, false);
            changes.insert(&notice);
            told += 1;
        }
    }
    Ok(told)
}

fn notice(app: &App, account: &Account, used: &Use<'_>, phone: &Device) -> Transaction {
    let new = NewTransaction {
        relying_party: RelyingParty { id: app.environment().to_owned(), name: "Godkend".to_owned() },
        action: Action::Confirm,
        text: Some(sentence(used, &phone.info.language)),
        payment: None,
        level: Level::Low,
        browser_session: None,
        place: used.page.and_then(|page| page.place.clone()),
        browser: used.page.and_then(|page| page.browser.clone()),
        source: used.page.map_or_else(String::new, |page| page.source.clone()),
        may_remember: false,
        start: Start::Page,
    };
    let mut notice = fresh(app, &new, false);
    notice.expires = notice.created.saturating_add(SECONDS);
    notice.addressed = Some(Addressed { account: Some(account.id), by: AddressedBy::Notice(phone.id) });
    let browser = used.page.and_then(|page| page.addressed.as_ref()).and_then(|addressed| match addressed.by {
        AddressedBy::Browser(browser) => Some(browser),
        _ => None,
    });
    notice.told = Some(Told { relying_party: used.relying_party.to_owned(), browser });
    notice
}

/// Closes the oldest notices of a phone that has too many, so that they never crowd out what waits for an answer.
async fn make_room(app: &App, changes: &mut Changes, account: &Id, phone: &Id) -> Result<(), ApiError> {
    let open = docs::list::<Open>(&*app.store, &account.0, MOST_OPEN).await?;
    if open.len() < MOST {
        return Ok(());
    }
    let mut own: Vec<Entry<Transaction>> = Vec::new();
    for open in open {
        let found = docs::get::<Transaction>(&*app.store, &open.doc.transaction.0).await?;
        let its = |notice: &Transaction| {
            let to = notice.addressed.as_ref().map(|addressed| &addressed.by);
            notice.told.is_some() && to == Some(&AddressedBy::Notice(*phone))
        };
        own.extend(found.filter(|found| its(&found.doc) && check_open(&found.doc, app.now()).is_ok()));
    }
    own.sort_by_key(|notice| notice.doc.created);
    let over = (own.len() + 1).saturating_sub(MOST);
    for mut notice in own.into_iter().take(over) {
        close(app, changes, &mut notice, app.now()).await?;
    }
    Ok(())
}

/// What a phone's answer to a notice of use does; nothing for any other transaction. The caller commits, then calls
/// [`disputed`].
pub(super) async fn answered(
    app: &App,
    changes: &mut Changes,
    transaction: &Transaction,
    decision: Decision,
    now: i64,
) -> Result<(), ApiError> {
    let (Some(told), Some(account)) =
        (&transaction.told, transaction.addressed.as_ref().and_then(|addressed| addressed.account))
    else {
        return Ok(());
    };
    if decision != Decision::ReportFraud {
        return Ok(());
    }
    if let Some(id) = told.browser
        && let Some(used) = docs::get::<Browser>(&*app.store, &id.0).await?
        && used.doc.account == account
    {
        browser::revoke(app, changes, &used, "reported", now);
    }
    for session in session::all_of(app, &account).await? {
        session::end(app, changes, session, None).await?;
    }
    Ok(())
}

/// The line of history of an answered notice: only what was disputed is worth one.
pub(super) fn line(app: &App, changes: &mut Changes, account: Id, told: &Told, transaction: &Transaction, device: Id) {
    let details = json!({ "place": transaction.place, "browser": transaction.browser, "alert": true });
    let relying_party = Some(told.relying_party.clone()).filter(|name| !name.is_empty());
    let about = About { device: Some(device), relying_party, details };
    history::add(changes, app, account, "use_disputed", about);
}

/// After the commit: tells the relying parties whose sessions ended.
pub(super) fn disputed(app: &App, transaction: &Transaction) {
    if transaction.told.is_some() {
        notify::wake(app);
    }
}

/// What the phone shows, in its language.
fn sentence(used: &Use<'_>, language: &str) -> String {
    let name = text::tame(used.relying_party, NAME);
    if language == "en" {
        let what = match used.what {
            What::LogOn => format!("You logged on to {name}."),
            What::Shared => format!("You logged on to {name} without a new approval."),
            What::Approval => format!("You approved something for {name}."),
            What::Payment => format!("You approved a payment for {name}."),
            What::Silence => "Notices of use were turned off.".to_owned(),
        };
        format!("{what} Not you? Report it, and block.")
    } else {
        let what = match used.what {
            What::LogOn => format!("Du loggede på hos {name}."),
            What::Shared => format!("Du loggede på hos {name} uden ny godkendelse."),
            What::Approval => format!("Du godkendte noget for {name}."),
            What::Payment => format!("Du godkendte en betaling for {name}."),
            What::Silence => "Beskeder om brug er slået fra.".to_owned(),
        };
        format!("{what} Ikke dig? Meld det, og spær.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_fits_on_a_phone_whatever_the_name() {
        let long = "Æ".repeat(text::MAX_NAME);
        for what in [What::LogOn, What::Shared, What::Approval, What::Payment, What::Silence] {
            for language in ["da", "en", "kl"] {
                for relying_party in [long.as_str(), "Banken", ""] {
                    let sentence = sentence(&Use { relying_party, what, page: None, by: None }, language);
                    assert!(text::check(&sentence, text::MAX_REFERENCE_TEXT).is_ok(), "{sentence}");
                }
            }
        }
    }
}
