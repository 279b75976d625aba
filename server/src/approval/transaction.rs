//! The beginning of a transaction that a relying party asks for, and the small records that find open ones.

use godkend_protocol::bytes::{Fixed, Hash32, Id, Secret, random};
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::RelyingParty;
use godkend_protocol::text;
use godkend_protocol::types::{Action, Binding, Level, Payment};
use serde::{Deserialize, Serialize};

use super::browser::{self, BrowserCookie};
use super::{number, seal};
use crate::app::App;
use crate::audit::AuditEntry;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::records::{Addressed, AddressedBy, Document, Entry, Transaction};
use crate::store::Kind;

/// What a relying party asks for.
#[derive(Clone, Debug)]
pub struct NewTransaction {
    /// Who asks.
    pub relying_party: RelyingParty,
    /// What an approval does; one of the relying party's own actions.
    pub action: Action,
    /// The reference text.
    pub text: Option<String>,
    /// The payment.
    pub payment: Option<Payment>,
    /// The level that is needed.
    pub level: Level,
    /// Hash of the browser's session cookie; none for CIBA.
    pub browser_session: Option<Hash32>,
    /// Where the browser seems to be.
    pub place: Option<String>,
    /// What the browser says it is.
    pub browser: Option<String>,
    /// What back-off falls on: an address, or the client of a back channel.
    pub source: String,
    /// The page offers to remember the browser.
    pub may_remember: bool,
    /// How it begins.
    pub start: Start,
}

/// How a transaction begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// A page with a moving QR code and a same-device link; nobody is addressed yet.
    Page,
    /// A page in a remembered browser: pushed whole. With a cookie that is void it is a [`Start::Page`].
    Browser {
        /// The cookie, as the browser sent it.
        cookie: BrowserCookie,
    },
    /// A back channel that names the person: pushed locked, opened by the number.
    Ciba {
        /// The user id.
        user_id: String,
    },
}

/// A transaction that has begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The transaction.
    pub transaction: Entry<Transaction>,
    /// The remembered browser's cookie from now on; the old one is void and revokes the browser if it is seen again.
    pub browser_cookie: Option<BrowserCookie>,
    /// The cookie that was sent is of no use: delete it.
    pub forget_cookie: bool,
}

/// Finds the open transactions of an account: whole pushes sort before locked ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Open {
    /// The transaction.
    pub(super) transaction: Id,
    /// Whose it is; for an unknown user id, an account that does not exist.
    pub(super) account: Id,
    /// Waits for its number.
    pub(super) locked: bool,
    /// The number, unique among the account's open ones.
    pub(super) number: Option<String>,
    /// Unix seconds.
    pub(super) expires: i64,
}

/// Finds an account's open transaction by its number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpenNumber {
    /// The account.
    pub(super) account: Id,
    /// Eight digits.
    pub(super) number: String,
    /// The transaction.
    pub(super) transaction: Id,
    /// Unix seconds.
    pub(super) expires: i64,
}

impl Open {
    /// Its record's id.
    pub(super) fn key(account: &Id, locked: bool, transaction: &Id) -> Vec<u8> {
        [account.0.as_slice(), &[u8::from(locked)], &transaction.0].concat()
    }
}

impl OpenNumber {
    /// Its record's id.
    pub(super) fn key(account: &Id, number: &str) -> Vec<u8> {
        [account.0.as_slice(), number.as_bytes()].concat()
    }
}

impl Document for Open {
    const KIND: Kind = Kind("open");
    fn id(&self) -> Vec<u8> {
        Self::key(&self.account, self.locked, &self.transaction)
    }
    fn owner(&self) -> Vec<u8> {
        self.account.0.to_vec()
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl Document for OpenNumber {
    const KIND: Kind = Kind("open_number");
    fn id(&self) -> Vec<u8> {
        Self::key(&self.account, &self.number)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// Begins a transaction.
///
/// # Errors
/// [`Code::TextRefused`] for a text, name or payment that must not be shown; [`Code::LevelUnreachable`] where no phone
/// could reach the level this way; [`Code::Throttled`] for a source that has to wait.
pub async fn begin(app: &App, new: NewTransaction) -> Result<Begun, ApiError> {
    begin_beside(app, new, &Changes::new(), &|_, _| {}).await
}

/// [`begin`], in one commit with other changes: `changes`, whose conditions must hold, and what `beside` adds for the
/// new transaction. Not for [`Start::Ciba`], which commits by itself.
///
/// # Errors
/// As [`begin`]; and [`ApiError::conflict`] if a condition of `changes` does not hold.
pub async fn begin_beside(
    app: &App,
    new: NewTransaction,
    changes: &Changes,
    beside: &(dyn Fn(&Transaction, &mut Changes) + Sync),
) -> Result<Begun, ApiError> {
    let with = With { changes, beside };
    check_texts(&new)?;
    if !new.action.is_relying_party() {
        return Err(Code::Malformed.into());
    }
    app.throttle.take("login", &new.source, app.config.limits.logins_per_source_minute, app.clock.now_ms())?;
    match &new.start {
        Start::Page => page(app, &new, &with).await,
        // A source that was refused reaches nobody unasked; the cookie stays good for later.
        Start::Browser { .. } if app.throttle.may_start(&new.source, app.clock.now_ms()).is_err() => {
            page(app, &new, &with).await
        }
        Start::Browser { cookie } => retry(|| from_browser(app, &new, cookie, &with)).await,
        Start::Ciba { user_id } => {
            let transaction = fresh(app, &new, false);
            let transaction = number::begin_ciba(app, transaction, user_id).await?;
            Ok(Begun { transaction, browser_cookie: None, forget_cookie: false })
        }
    }
}

/// What is committed together with a transaction's beginning.
struct With<'a> {
    changes: &'a Changes,
    beside: &'a (dyn Fn(&Transaction, &mut Changes) + Sync),
}

async fn page(app: &App, new: &NewTransaction, with: &With<'_>) -> Result<Begun, ApiError> {
    let transaction = fresh(app, new, true);
    let mut changes = with.changes.clone();
    (with.beside)(&transaction, &mut changes);
    changes.insert(&transaction);
    let version = changes.commit(&*app.store).await?.versions.last().copied();
    Ok(Begun { transaction: Entry { doc: transaction, version }, browser_cookie: None, forget_cookie: false })
}

async fn from_browser(
    app: &App,
    new: &NewTransaction,
    cookie: &BrowserCookie,
    with: &With<'_>,
) -> Result<Begun, ApiError> {
    let now = app.now();
    let mut changes = Changes::new();
    let known = match browser::use_cookie(app, &mut changes, cookie, now).await? {
        browser::Used::Good { browser, account, cookie } => Some((browser, account, cookie)),
        browser::Used::Void => None,
        // The cookie that took its place is on its way to this browser: nothing is pushed, and nothing is forgotten.
        browser::Used::Overtaken => return page(app, new, with).await,
        browser::Used::Replayed => {
            // The revocation holds, whatever becomes of this login.
            std::mem::take(&mut changes).commit(&*app.store).await?;
            app.log.wake();
            None
        }
    };
    let Some((browser, account, cookie)) = known else {
        return Ok(Begun { forget_cookie: true, ..page(app, new, with).await? });
    };
    changes.append(with.changes.clone());
    let mut transaction = fresh(app, new, true);
    let addressed = Addressed { account: Some(account.doc.id), by: AddressedBy::Browser(browser) };
    transaction.addressed = Some(addressed);
    let number = number::free_number(app, &account.doc.id).await?;
    transaction.number = Some(number.clone());
    // Cookie and number together reach High; the cookie alone does not.
    let locked = new.level > Binding::RememberedBrowser.cap();
    put_open(&mut changes, &transaction, account.doc.id, locked);
    (with.beside)(&transaction, &mut changes);
    changes.unchanged(&account).insert(&transaction);
    let versions = changes.commit(&*app.store).await?.versions;
    app.log.wake();
    app.tell(account.doc.id);
    let transaction = Entry { doc: transaction, version: versions.last().copied() };
    Ok(Begun { transaction, browser_cookie: Some(cookie), forget_cookie: false })
}

/// A new transaction that addresses nobody yet; with what a page shows if `page`.
pub(super) fn fresh(app: &App, new: &NewTransaction, page: bool) -> Transaction {
    let (now, mut rng) = (app.now(), app.rng());
    let name = |text: &String| text::tame(text, text::MAX_NAME);
    let mut transaction = Transaction {
        id: random(&mut rng),
        created: now,
        expires: now.saturating_add(lifetime(app)),
        relying_party: new.relying_party.clone(),
        action: new.action,
        text: new.text.clone(),
        payment: new.payment.clone(),
        operation: None,
        level: new.level,
        seal: None,
        browser_session: new.browser_session,
        place: new.place.as_ref().map(name),
        browser: new.browser.as_ref().map(name),
        source: new.source.clone(),
        may_remember: new.may_remember && new.browser_session.is_some(),
        qr_secret: page.then(|| Secret::random(&mut rng)),
        link_secret: page.then(|| Secret::random(&mut rng)),
        return_code: None,
        returned: false,
        number: None,
        addressed: None,
        nobody: None,
        taken: None,
        shown: false,
        offline: None,
        chip: None,
        outcome: None,
        collected: false,
        oidc: None,
        extended: 0,
        slot: None,
        told: None,
    };
    transaction.seal = Some(seal::of(app, &transaction));
    transaction
}

/// Adds the records that find an addressed transaction. `account` may be one that does not exist.
pub(super) fn put_open(changes: &mut Changes, transaction: &Transaction, account: Id, locked: bool) {
    let (id, expires) = (transaction.id, transaction.expires);
    changes.insert(&Open { transaction: id, account, locked, number: transaction.number.clone(), expires });
    if let Some(number) = transaction.number.clone() {
        changes.insert(&OpenNumber { account, number, transaction: id, expires });
    }
}

/// Gives the records that find an addressed transaction its new end.
pub(super) async fn keep_open(app: &App, changes: &mut Changes, transaction: &Transaction) -> Result<(), ApiError> {
    let addressed = transaction.addressed.as_ref().and_then(|addressed| addressed.account);
    let Some(account) = addressed.or(transaction.nobody) else { return Ok(()) };
    for locked in [false, true] {
        let key = Open::key(&account, locked, &transaction.id);
        if let Some(mut open) = docs::get::<Open>(&*app.store, &key).await? {
            open.doc.expires = transaction.expires;
            changes.update(&open);
        }
    }
    if let Some(number) = &transaction.number
        && let Some(mut found) = docs::get::<OpenNumber>(&*app.store, &OpenNumber::key(&account, number)).await?
        && found.doc.transaction == transaction.id
    {
        found.doc.expires = transaction.expires;
        changes.update(&found);
    }
    Ok(())
}

/// Removes the records that find a transaction.
pub(super) async fn drop_open(app: &App, changes: &mut Changes, transaction: &Transaction) -> Result<(), ApiError> {
    let addressed = transaction.addressed.as_ref().and_then(|addressed| addressed.account);
    let Some(account) = addressed.or(transaction.nobody) else { return Ok(()) };
    for locked in [false, true] {
        if let Some(open) = docs::get::<Open>(&*app.store, &Open::key(&account, locked, &transaction.id)).await? {
            changes.delete(&open);
        }
    }
    if let Some(number) = &transaction.number
        && let Some(found) = docs::get::<OpenNumber>(&*app.store, &OpenNumber::key(&account, number)).await?
        && found.doc.transaction == transaction.id
    {
        changes.delete(&found);
    }
    Ok(())
}

/// Ends a transaction that has no outcome: nobody refused anything, and nothing can be approved any more, after a replay
/// of the log neither if it had reached a person. The caller commits.
pub(super) async fn close(
    app: &App,
    changes: &mut Changes,
    entry: &mut Entry<Transaction>,
    now: i64,
) -> Result<(), ApiError> {
    drop_open(app, changes, &entry.doc).await?;
    entry.doc.expires = now;
    changes.update(entry);
    if concerns_somebody(&entry.doc) {
        changes.log(&AuditEntry::Closed { transaction: entry.doc.id, at: now });
    }
    Ok(())
}

/// Whether a transaction has reached a person, or would have if its user id were somebody's: every phone sees the log's
/// size, which must not tell the one from the other. Of pages that name nobody the log holds nothing.
fn concerns_somebody(transaction: &Transaction) -> bool {
    transaction.taken.is_some() || transaction.addressed.is_some()
}

/// Reads a transaction.
pub(crate) async fn read(app: &App, id: &Id) -> Result<Entry<Transaction>, ApiError> {
    docs::get(&*app.store, &id.0).await?.ok_or_else(|| Code::TransactionUnknown.into())
}

/// Demands that a transaction still waits for its outcome.
pub(crate) fn check_open(transaction: &Transaction, now: i64) -> Result<(), ApiError> {
    if transaction.outcome.is_some() {
        return Err(Code::TransactionFinished.into());
    }
    if now >= transaction.expires {
        return Err(Code::TransactionExpired.into());
    }
    Ok(())
}

/// Demands the browser session that a transaction began in.
pub(crate) fn check_session(transaction: &Transaction, session: Option<&Hash32>) -> Result<(), ApiError> {
    let same = match (&transaction.browser_session, session) {
        (Some(own), Some(given)) => crypto::same(&own.0, &given.0),
        (None, None) => true,
        _ => false,
    };
    if same { Ok(()) } else { Err(Code::TransactionUnknown.into()) }
}

/// Life of a challenge and of an unclaimed transaction, in seconds.
pub(super) fn lifetime(app: &App) -> i64 {
    let most = godkend_protocol::messages::approval::MAX_LIFETIME;
    i64::try_from(app.config.approval.lifetime_seconds).unwrap_or(most).clamp(1, most)
}

/// A name that a hash gives.
pub(crate) fn id_of(hash: &Hash32) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&hash.0[..16]);
    Fixed(id)
}

fn check_texts(new: &NewTransaction) -> Result<(), ApiError> {
    let good = text::check(&new.relying_party.name, text::MAX_NAME).is_ok()
        && new.text.as_ref().is_none_or(|text| text::check(text, text::MAX_REFERENCE_TEXT).is_ok())
        && new.payment.as_ref().is_none_or(is_payment);
    if good { Ok(()) } else { Err(Code::TextRefused.into()) }
}

fn is_payment(payment: &Payment) -> bool {
    payment.currency.len() == 3
        && payment.currency.bytes().all(|letter| letter.is_ascii_uppercase())
        && payment.amount_minor > 0
        && text::check(&payment.payee, text::MAX_NAME).is_ok()
        && payment.account.as_ref().is_none_or(|account| text::check(account, text::MAX_NAME).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_shown_safely_or_refused() {
        let good = Payment {
            amount_minor: 125_000,
            currency: "DKK".to_owned(),
            payee: "Bager Sørensen".to_owned(),
            account: Some("1234 0001234567".to_owned()),
        };
        assert!(is_payment(&good));
        for bad in [
            Payment { currency: "kr.".to_owned(), ..good.clone() },
            Payment { currency: "DKKK".to_owned(), ..good.clone() },
            Payment { amount_minor: 0, ..good.clone() },
            Payment { payee: "Bager\u{202E}".to_owned(), ..good.clone() },
            Payment { payee: "x".repeat(65), ..good.clone() },
            Payment { account: Some(" ".to_owned()), ..good.clone() },
        ] {
            assert!(!is_payment(&bad), "{bad:?}");
        }
    }

    #[test]
    fn a_strangers_page_leaves_nothing_in_the_log() {
        let mut request = super::super::testing::transaction();
        assert!(!concerns_somebody(&request));
        request.addressed = Some(Addressed { account: None, by: AddressedBy::UserId });
        assert!(concerns_somebody(&request), "as for a known one");
        request.addressed = Some(Addressed { account: Some(Fixed([3; 16])), by: AddressedBy::UserId });
        assert!(concerns_somebody(&request));
        request.addressed = None;
        request.taken = Some(crate::records::Taken { device: Fixed([1; 16]), binding: Binding::ScannedQr });
        assert!(concerns_somebody(&request));
    }

    #[test]
    fn whole_pushes_sort_before_locked_ones() {
        let (account, high, low) = (Fixed([1; 16]), Fixed([255; 16]), Fixed([0; 16]));
        assert!(Open::key(&account, false, &high) < Open::key(&account, true, &low));
    }
}
