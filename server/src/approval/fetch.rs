//! How a phone comes to a challenge. A push claims nothing; a scan, link or number belongs to the first device.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::formats::qr_frame;
use godkend_protocol::messages::approval::{Fetch, FetchHow};
use godkend_protocol::types::Binding;

use super::challenge::{self, Asked};
use super::transaction::{check_open, drop_open, lifetime, put_open, read};
use super::{level, number};
use crate::app::App;
use crate::docs::{self, Changes, retry};
use crate::error::ApiError;
use crate::means::beside;
use crate::phone::{Call, request, version};
use crate::records::{Addressed, AddressedBy, Browser, Entry, Taken, Transaction};

/// Handles a [`Fetch`].
pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = request::signed::<Fetch>(&app, &call.bytes, |fetch| fetch.device).await?;
    let fetch = &caller.message;
    version::check(&app.config.app, &fetch.app_version, app.now())?;
    version::note(&app, &caller.device.doc, &fetch.app_version).await?;
    let transaction_id = find(&app, &caller.account.doc.id, fetch).await?;
    let (device, account) = (&caller.device.doc, &caller.account.doc);
    let (transaction, binding, chip) = retry(|| async {
        let now = app.now();
        let mut entry = match (&fetch.how, read(&app, &transaction_id).await) {
            (FetchHow::Scanned { .. }, Err(error)) if error.code == Code::TransactionUnknown => {
                return Err(Code::QrUnknown.into());
            }
            (FetchHow::Linked { .. }, Err(error)) if error.code == Code::TransactionUnknown => {
                return Err(Code::LinkInvalid.into());
            }
            (_, read) => read?,
        };
        let validity_ms = i64::try_from(app.config.approval.qr_valid_seconds).unwrap_or(3).saturating_mul(1000);
        prove(&entry.doc, &fetch.how, &device.id, app.clock.now_ms(), validity_ms)?;
        check_open(&entry.doc, now)?;
        let claimed = claim(&entry.doc, &fetch.how, &device.id, &account.id)?;
        // Where a chip has signed, nobody answers but its owner.
        let chip = beside::of(&app, &entry.doc, &account.id).await?.map(|beside| beside.worth);
        let binding = match claimed {
            Claim::Pushed(binding) => {
                show(&app, &mut entry, binding).await?;
                binding
            }
            Claim::Takes(binding) => {
                // Refused here, nothing is claimed: another phone of the person may reach the level.
                level::factors(&app, account, device, entry.doc.action, binding, entry.doc.level, chip)?;
                take(&app, &mut entry, Taken { device: device.id, binding }, account.id, now).await?;
                binding
            }
        };
        check_browser(&app, &entry.doc, binding).await?;
        Ok((entry.doc, binding, chip))
    })
    .await?;
    let asked = Asked { nonce: fetch.nonce, log: fetch.log.as_ref(), app_version: &fetch.app_version, chip };
    challenge::fetched(&app, &transaction, account, device, binding, &asked)
}

/// How a transaction is bound for this device, as it stands: what a challenge names and an answer must still find.
///
/// # Errors
/// [`Code::TransactionTaken`] if it belongs to another device, [`Code::TransactionUnknown`] if it was never this one's.
pub(super) fn binding_of(transaction: &Transaction, device: &Id, account: &Id) -> Result<Binding, ApiError> {
    match (&transaction.taken, &transaction.addressed) {
        (Some(taken), _) if taken.device == *device => Ok(taken.binding),
        (Some(_), _) => Err(Code::TransactionTaken.into()),
        (None, Some(Addressed { account: Some(own), by })) if own == account => match by {
            AddressedBy::Browser(_) if transaction.level <= Binding::RememberedBrowser.cap() => {
                Ok(Binding::RememberedBrowser)
            }
            AddressedBy::Notice(to) if to == device => Ok(Binding::Device),
            _ => Err(Code::TransactionUnknown.into()),
        },
        _ => Err(Code::TransactionUnknown.into()),
    }
}

/// Demands that the browser whose cookie binds a transaction is remembered still.
pub(super) async fn check_browser(app: &App, transaction: &Transaction, binding: Binding) -> Result<(), ApiError> {
    browser_of(app, transaction, binding).await.map(|_| ())
}

/// The remembered browser that a binding rests on, if it rests on one.
///
/// # Errors
/// [`Code::BrowserUnknown`] if it is remembered no longer, [`Code::TransactionFinished`] if the request has ended since
/// it was read.
pub(crate) async fn browser_of(
    app: &App,
    transaction: &Transaction,
    binding: Binding,
) -> Result<Option<Entry<Browser>>, ApiError> {
    if !matches!(binding, Binding::RememberedBrowser | Binding::RememberedBrowserAndNumber) {
        return Ok(None);
    }
    let Some(Addressed { by: AddressedBy::Browser(browser), account }) = &transaction.addressed else {
        return Err(Code::BrowserUnknown.into());
    };
    let entry = docs::get::<Browser>(&*app.store, &browser.0).await?;
    let Some(entry) = entry.filter(|entry| Some(entry.doc.account) == *account) else {
        // Another phone's report ends the request and forgets the browser in one commit: the end is the reason then.
        let is_over = read(app, &transaction.id).await?.doc.outcome.is_some();
        return Err(if is_over { Code::TransactionFinished } else { Code::BrowserUnknown }.into());
    };
    Ok(Some(entry))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    /// Nothing to claim: every phone of the person has its own challenge, or this one has claimed it before.
    Pushed(Binding),
    /// Belongs to this device from now on.
    Takes(Binding),
}

async fn find(app: &App, account: &Id, fetch: &Fetch) -> Result<Id, ApiError> {
    match &fetch.how {
        FetchHow::Pushed { id } => Ok(*id),
        FetchHow::Scanned { session, .. } | FetchHow::Linked { session, .. } => Ok(*session),
        FetchHow::Numbered { number } => {
            let device = fetch.device.to_base64();
            app.throttle.take("number", &device, app.config.approval.numbers_per_minute, app.clock.now_ms())?;
            number::find(app, account, number).await
        }
    }
}

/// Checks the frame or the link's secret.
fn prove(
    transaction: &Transaction,
    how: &FetchHow,
    device: &Id,
    now_ms: i64,
    validity_ms: i64,
) -> Result<(), ApiError> {
    match how {
        FetchHow::Scanned { session, frame, code } => {
            let secret = transaction.qr_secret.as_ref().ok_or(Code::QrUnknown)?;
            if !crypto::same(&qr_frame::code(secret, session, *frame).0, &code.0) {
                return Err(Code::QrUnknown.into());
            }
            // A retry after a lost reply: this phone has shown a fresh frame before.
            let taken = Taken { device: *device, binding: Binding::ScannedQr };
            if transaction.taken.as_ref() == Some(&taken) || qr_frame::is_fresh(*frame, now_ms, validity_ms) {
                Ok(())
            } else {
                Err(Code::QrStale.into())
            }
        }
        FetchHow::Linked { secret, .. } => match &transaction.link_secret {
            Some(own) if own == secret => Ok(()),
            _ => Err(Code::LinkInvalid.into()),
        },
        FetchHow::Pushed { .. } | FetchHow::Numbered { .. } => Ok(()),
    }
}

/// What a fetch claims.
fn claim(transaction: &Transaction, how: &FetchHow, device: &Id, account: &Id) -> Result<Claim, ApiError> {
    if let FetchHow::Pushed { .. } = how {
        return binding_of(transaction, device, account).map(Claim::Pushed);
    }
    let binding = match (how, &transaction.addressed) {
        (FetchHow::Scanned { .. }, _) => Binding::ScannedQr,
        (FetchHow::Linked { .. }, _) => Binding::SameDevice,
        (_, Some(Addressed { account: Some(own), by })) if own == account => match by {
            AddressedBy::UserId | AddressedBy::Ciba => Binding::TypedNumber,
            AddressedBy::Browser(_) => Binding::RememberedBrowserAndNumber,
            AddressedBy::Device(_) | AddressedBy::Notice(_) => return Err(Code::NumberWrong.into()),
        },
        _ => return Err(Code::NumberWrong.into()),
    };
    match &transaction.taken {
        Some(taken) if taken.device != *device => Err(Code::TransactionTaken.into()),
        // The weaker way never takes the place of the one that was claimed: it stays as it is.
        Some(taken) if taken.binding == binding || taken.binding.cap() >= binding.cap() => {
            Ok(Claim::Pushed(taken.binding))
        }
        _ => Ok(Claim::Takes(binding)),
    }
}

/// Lets the page say that a phone has the request. Its cookie binds it to the person already: nobody else learns of it.
async fn show(app: &App, entry: &mut Entry<Transaction>, binding: Binding) -> Result<(), ApiError> {
    if binding != Binding::RememberedBrowser || entry.doc.shown {
        return Ok(());
    }
    entry.doc.shown = true;
    let mut changes = Changes::new();
    changes.update(entry);
    changes.commit(&*app.store).await?;
    app.wake.all(entry.doc.id);
    Ok(())
}

/// Gives the transaction to the device, in one conditional commit.
async fn take(app: &App, entry: &mut Entry<Transaction>, taken: Taken, account: Id, now: i64) -> Result<(), ApiError> {
    let mut changes = Changes::new();
    let addressed = entry.doc.addressed.as_ref().and_then(|addressed| addressed.account);
    let first = entry.doc.taken.is_none();
    let device = taken.device;
    entry.doc.taken = Some(taken);
    if first {
        entry.doc.expires = now.saturating_add(lifetime(app));
    }
    if addressed != Some(account) {
        // Whoever stands before the screen takes it over; who was addressed waits for nothing any more.
        drop_open(app, &mut changes, &entry.doc).await?;
        (entry.doc.number, entry.doc.nobody) = (None, None);
        entry.doc.addressed = Some(Addressed { account: Some(account), by: AddressedBy::Device(device) });
        put_open(&mut changes, &entry.doc, account, false);
    }
    changes.update(entry);
    changes.commit(&*app.store).await?;
    for id in addressed.into_iter().chain([account, entry.doc.id]) {
        app.wake.all(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::{Fixed, Secret};
    use godkend_protocol::types::Level;

    use super::super::testing::transaction;
    use super::*;

    const PHONE: Id = Fixed([1; 16]);
    const OTHER: Id = Fixed([2; 16]);
    const ACCOUNT: Id = Fixed([3; 16]);

    fn addressed(by: AddressedBy) -> Transaction {
        let mut transaction = transaction();
        transaction.addressed = Some(Addressed { account: Some(ACCOUNT), by });
        transaction
    }

    fn scanned(transaction: &Transaction, frame: u64) -> FetchHow {
        let secret = transaction.qr_secret.as_ref().unwrap();
        FetchHow::Scanned { session: transaction.id, frame, code: qr_frame::code(secret, &transaction.id, frame) }
    }

    #[test]
    fn a_frame_is_good_for_three_seconds_and_its_session() {
        let mut transaction = transaction();
        let how = scanned(&transaction, 1_000);
        let judge = |transaction: &Transaction, now_ms| prove(transaction, &how, &PHONE, now_ms, 3_000);
        assert_eq!(judge(&transaction, 1_000_000), Ok(()));
        assert_eq!(judge(&transaction, 1_001_000), Ok(()));
        assert_eq!(judge(&transaction, 1_003_000), Ok(()));
        assert_eq!(judge(&transaction, 1_003_001), Err(Code::QrStale.into()));
        assert_eq!(judge(&transaction, 998_999), Err(Code::QrStale.into()));
        transaction.taken = Some(Taken { device: PHONE, binding: Binding::ScannedQr });
        assert_eq!(judge(&transaction, 1_100_000), Ok(()));
        assert_eq!(prove(&transaction, &how, &OTHER, 1_100_000, 3_000), Err(Code::QrStale.into()));
        transaction.qr_secret = Some(Secret([99; 32]));
        assert_eq!(judge(&transaction, 1_000_000), Err(Code::QrUnknown.into()));
    }

    #[test]
    fn a_link_needs_its_secret() {
        let transaction = transaction();
        let link = |secret| FetchHow::Linked { session: transaction.id, secret };
        let secret = transaction.link_secret.clone().unwrap();
        assert_eq!(prove(&transaction, &link(secret), &PHONE, 0, 3_000), Ok(()));
        assert_eq!(prove(&transaction, &link(Secret([0; 32])), &PHONE, 0, 3_000), Err(Code::LinkInvalid.into()));
    }

    #[test]
    fn the_first_device_keeps_what_it_scanned() {
        let mut transaction = transaction();
        let how = scanned(&transaction, 1);
        assert_eq!(claim(&transaction, &how, &PHONE, &ACCOUNT), Ok(Claim::Takes(Binding::ScannedQr)));
        transaction.taken = Some(Taken { device: PHONE, binding: Binding::ScannedQr });
        assert_eq!(claim(&transaction, &how, &PHONE, &ACCOUNT), Ok(Claim::Pushed(Binding::ScannedQr)));
        assert_eq!(claim(&transaction, &how, &OTHER, &ACCOUNT), Err(Code::TransactionTaken.into()));
        let push = FetchHow::Pushed { id: transaction.id };
        assert_eq!(claim(&transaction, &push, &PHONE, &ACCOUNT), Ok(Claim::Pushed(Binding::ScannedQr)));
        assert_eq!(claim(&transaction, &push, &OTHER, &ACCOUNT), Err(Code::TransactionTaken.into()));
    }

    #[test]
    fn a_push_shows_only_what_was_pushed_whole() {
        let push = FetchHow::Pushed { id: transaction().id };
        let pushed = |transaction: &Transaction| claim(transaction, &push, &PHONE, &ACCOUNT);
        let browser = AddressedBy::Browser(Fixed([9; 16]));
        assert_eq!(pushed(&addressed(browser.clone())), Ok(Claim::Pushed(Binding::RememberedBrowser)));
        for by in [AddressedBy::UserId, AddressedBy::Ciba] {
            assert_eq!(pushed(&addressed(by)), Err(Code::TransactionUnknown.into()));
        }
        let mut high = addressed(browser);
        high.level = Level::High;
        assert_eq!(pushed(&high), Err(Code::TransactionUnknown.into()));
        assert_eq!(pushed(&transaction()), Err(Code::TransactionUnknown.into()));
        assert_eq!(claim(&high, &push, &PHONE, &Fixed([4; 16])), Err(Code::TransactionUnknown.into()));
        // A notice belongs to the device that it is for.
        assert_eq!(pushed(&addressed(AddressedBy::Notice(PHONE))), Ok(Claim::Pushed(Binding::Device)));
        for by in [AddressedBy::Notice(OTHER), AddressedBy::Device(OTHER), AddressedBy::Device(PHONE)] {
            assert_eq!(pushed(&addressed(by)), Err(Code::TransactionUnknown.into()));
        }
    }

    #[test]
    fn a_number_opens_the_own_account_only_and_adds_to_the_cookie() {
        let number = FetchHow::Numbered { number: "12345678".to_owned() };
        let typed = |transaction: &Transaction, account| claim(transaction, &number, &PHONE, account);
        assert_eq!(typed(&addressed(AddressedBy::UserId), &ACCOUNT), Ok(Claim::Takes(Binding::TypedNumber)));
        assert_eq!(typed(&addressed(AddressedBy::UserId), &OTHER), Err(Code::NumberWrong.into()));
        let browser = addressed(AddressedBy::Browser(Fixed([9; 16])));
        assert_eq!(typed(&browser, &ACCOUNT), Ok(Claim::Takes(Binding::RememberedBrowserAndNumber)));
        let mut taken = browser;
        taken.taken = Some(Taken { device: PHONE, binding: Binding::TypedNumber });
        let how = scanned(&taken, 1);
        assert_eq!(claim(&taken, &how, &PHONE, &ACCOUNT), Ok(Claim::Takes(Binding::ScannedQr)));
        taken.taken = Some(Taken { device: PHONE, binding: Binding::SameDevice });
        assert_eq!(typed(&taken, &ACCOUNT), Ok(Claim::Pushed(Binding::SameDevice)));
    }
}
