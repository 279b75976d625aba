//! Notices of use, for those who turned them on: every login and approval in a person's name is told to their phones at once,
//! each by a request of the server's own. The phone that approved knows already. "This was not me" disputes the use: it ends
//! every shared login of the person and what every login since that use has given (tokens, codes, approvals that nobody has
//! fetched), forgets the browser that was used and lets back-off fall on its source. Whatever else a phone answers puts the
//! notice away. Nothing of a use waits for an answer.

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
use crate::means::{CHIP, CODE_DISPLAY, PASSWORD};
use crate::oidc::{notify, session};
use crate::policy::APP;
use crate::records::{Account, Addressed, AddressedBy, Browser, Device, Disputed, Entry, Told, Transaction};

/// How long a notice of use waits for its phone, in seconds: a day. The history keeps it for longer.
const SECONDS: i64 = 86_400;
/// Open notices of use of one phone; the oldest makes room.
const MOST: usize = 8;
/// The most open requests of a person that are looked through.
const MOST_OPEN: u32 = 64;
/// Seconds after which nothing of a login opens anything any more: tokens, codes and sessions are shorter.
const LONGEST: i64 = 86_400;
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
    /// The policy's names of the means that were proved; none where a phone answered alone, or nothing was asked for.
    pub(crate) means: &'a [String],
    /// The phone that did it.
    pub(crate) by: Option<Id>,
    /// Unix seconds of the approval that it rests on, or an earlier instant.
    pub(crate) at: i64,
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
    notice.told = Some(Told { relying_party: used.relying_party.to_owned(), browser, at: used.at });
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

/// What a phone's answer to a notice of use does; nothing for any other transaction. Says whether it wrote the account. The
/// caller commits, then calls [`disputed`].
pub(super) async fn answered(
    app: &App,
    changes: &mut Changes,
    transaction: &Transaction,
    account: &mut Entry<Account>,
    decision: Decision,
    now: i64,
) -> Result<bool, ApiError> {
    let Some(told) = transaction.told.as_ref().filter(|_| decision == Decision::ReportFraud) else { return Ok(false) };
    if let Some(id) = told.browser
        && let Some(used) = docs::get::<Browser>(&*app.store, &id.0).await?
        && used.doc.account == account.doc.id
    {
        browser::revoke(app, changes, &used, "reported", now);
    }
    for session in session::all_of(app, &account.doc.id).await? {
        session::end(app, changes, session, None).await?;
    }
    // Not only this use's: whoever could do it once may have done it since at places that the person has not looked at yet.
    // A visit from before it goes on, so that what was used can be blocked there.
    let disputed = &mut account.doc.disputed;
    disputed.retain(|earlier| now.saturating_sub(earlier.until) <= LONGEST);
    disputed.push(Disputed { from: told.at, until: now });
    changes.update(account);
    Ok(true)
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

/// What the phone shows, in its language: what was used, for what, and the question.
fn sentence(used: &Use<'_>, language: &str) -> String {
    let name = text::tame(used.relying_party, NAME);
    let english = language == "en";
    let (means, several) = means(used.means, english);
    if english {
        let were = if several { "were" } else { "was" };
        let what = match used.what {
            What::LogOn => format!("Your {means} {were} used to log on to {name}."),
            What::Shared => format!("There was a log-on to {name} without a new approval."),
            What::Approval => format!("Your {means} {were} used to approve at {name}."),
            What::Payment => format!("Your {means} {were} used to approve a payment at {name}."),
            What::Silence => "Notices of use were turned off.".to_owned(),
        };
        format!("{what} Was it you?")
    } else {
        let what = match used.what {
            What::LogOn => format!("Din {means} blev brugt til at logge på hos {name}."),
            What::Shared => format!("Der blev logget på hos {name} uden ny godkendelse."),
            What::Approval => format!("Din {means} blev brugt til at godkende hos {name}."),
            What::Payment => format!("Din {means} blev brugt til at godkende en betaling hos {name}."),
            What::Silence => "Beskeder om brug blev slået fra.".to_owned(),
        };
        format!("{what} Var det dig?")
    }
}

/// The means as people call them, without the first *your*; whether they are several. A phone that answered alone has none.
fn means(used: &[String], english: bool) -> (String, bool) {
    let name = |means: &str| match (means, english) {
        (PASSWORD, false) => "adgangskode",
        (PASSWORD, true) => "password",
        (CODE_DISPLAY, false) => "kodeviser",
        (CODE_DISPLAY, true) => "code display",
        (CHIP, _) => "chip",
        (APP, _) => "app",
        (_, false) => "identitet",
        (_, true) => "identity",
    };
    let names: Vec<&str> = match used {
        [] => vec![name(APP)],
        used => used.iter().map(|means| name(means)).collect(),
    };
    (names.join(if english { " and " } else { " og din " }), names.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_fits_on_a_phone_whatever_the_name_and_the_means() {
        let long = "Æ".repeat(text::MAX_NAME);
        let combinations = crate::policy::Policy::parse(crate::policy::DEFAULT).unwrap().combination;
        let mut all: Vec<Vec<String>> = combinations.into_iter().map(|combination| combination.means).collect();
        all.extend([vec![], vec!["something else".to_owned()]]);
        for what in [What::LogOn, What::Shared, What::Approval, What::Payment, What::Silence] {
            for language in ["da", "en", "kl"] {
                for (relying_party, means) in [long.as_str(), "Banken", ""]
                    .into_iter()
                    .zip(all.iter().cycle())
                    .chain(all.iter().map(|means| (long.as_str(), means)))
                {
                    let sentence = sentence(&Use { relying_party, what, page: None, means, by: None, at: 0 }, language);
                    assert!(text::check(&sentence, text::MAX_REFERENCE_TEXT).is_ok(), "{sentence}");
                }
            }
        }
    }

    #[test]
    fn a_notice_names_what_was_used() {
        let means = [PASSWORD.to_owned(), CODE_DISPLAY.to_owned()];
        let used = |means| Use { relying_party: "Banken", what: What::LogOn, page: None, means, by: None, at: 0 };
        for (means, language, expected) in [
            (&means[..], "da", "Din adgangskode og din kodeviser blev brugt til at logge på hos Banken. Var det dig?"),
            (&means[..], "en", "Your password and code display were used to log on to Banken. Was it you?"),
            (&means[..1], "en", "Your password was used to log on to Banken. Was it you?"),
            (&[], "da", "Din app blev brugt til at logge på hos Banken. Var det dig?"),
        ] {
            assert_eq!(sentence(&used(means), language), expected);
        }
    }
}
