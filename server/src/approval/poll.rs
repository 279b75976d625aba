//! What waits for a phone: ids and nothing else, on a ten-minute token that `possession` opened.
//!
//! The token is stateless: device, expiry and a MAC under a key from outside the database, so that any node takes it.

use std::sync::Arc;
use std::time::Duration;

use godkend_protocol::bytes::{Id, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::crypto;
use godkend_protocol::messages::approval::{Pending, PendingItem, Poll, PollOpen, PollOpened};
use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::Binding;

use super::transaction::{Open, check_open};
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::phone::{Call, reply, request, version};
use crate::records::{Account, AddressedBy, Device, Transaction};

/// The most open requests that one poll looks at. Whole pushes sort first.
const MOST: u32 = 64;
/// How often a poll that nobody wakes looks again: for what expires, and for other nodes' commits.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Handles a [`PollOpen`].
pub(super) async fn open(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = request::signed::<PollOpen>(&app, &call.bytes, |open| open.device).await?;
    version::check(&app.config.app, &caller.message.app_version, app.now())?;
    version::note(&app, &caller.device.doc, &caller.message.app_version).await?;
    let life = u32::try_from(app.config.approval.poll_token_seconds).unwrap_or(600);
    let token = token(&key(&app), &caller.device.doc.id, app.now().saturating_add(i64::from(life)));
    let policy = version::policy(&app.config.app, &caller.message.app_version, app.now());
    Ok(reply(&PollOpened { token, expires_in: life, policy }))
}

/// Handles a [`Poll`].
pub(super) async fn poll(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let poll: Poll = cbor::decode(&call.bytes)?;
    let device = device_of(&key(&app), &poll.token, app.now()).ok_or(Code::PollExpired)?;
    let longest = u64::from(poll.wait).min(app.config.approval.long_poll_seconds);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(longest);
    let mut stopping = app.stopping.clone();
    let account = active(&app, &device).await?.account;
    let notify = app.wake.on(account);
    let _open = (poll.wait > 0).then(|| app.push.polls(device, &poll.known));
    loop {
        let mut notified = std::pin::pin!(notify.notified());
        notified.as_mut().enable();
        let items = waiting(&app, &device).await?;
        let same = items.iter().map(|item| &item.id).eq(&poll.known);
        if !same || tokio::time::Instant::now() >= deadline || stopping.now() {
            return Ok(reply(&Pending { items }));
        }
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + LOOK_AGAIN)) => {}
            () = stopping.wait() => {}
        }
    }
}

/// What waits for this device, in ascending order of id: whole pushes, and one locked request at most.
pub(crate) async fn waiting(app: &App, device: &Id) -> Result<Vec<PendingItem>, ApiError> {
    let device = active(app, device).await?;
    let account = docs::get::<Account>(&*app.store, &device.account.0).await?.ok_or(Code::DeviceUnknown)?.doc;
    if account.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    let now = app.now();
    let mut items = Vec::new();
    let mut oldest_locked: Option<(i64, PendingItem)> = None;
    let locked_pushes = app.config.approval.locked_pushes && account.locked_push;
    for open in docs::list::<Open>(&*app.store, &account.id.0, MOST).await? {
        if now >= open.doc.expires.saturating_add(super::transaction::lifetime(app)) {
            continue;
        }
        let Some(entry) = docs::get::<Transaction>(&*app.store, &open.doc.transaction.0).await? else { continue };
        let transaction = entry.doc;
        let Some(locked) = listed(&transaction, &device.id, &account.id, locked_pushes, now) else { continue };
        let left = u32::try_from(transaction.expires.saturating_sub(now)).unwrap_or(0);
        let item = PendingItem { id: transaction.id, locked, expires_in: left };
        if !locked {
            items.push(item);
        } else if oldest_locked.is_none_or(|(created, _)| transaction.created < created) {
            oldest_locked = Some((transaction.created, item));
        }
    }
    // One notice per person, however many strangers type the user id; the typed number picks.
    items.extend(oldest_locked.map(|(_, item)| item));
    items.sort_by_key(|item| item.id);
    Ok(items)
}

/// Whether a transaction waits for this device, and if so, whether locked.
fn listed(transaction: &Transaction, device: &Id, account: &Id, locked_pushes: bool, now: i64) -> Option<bool> {
    check_open(transaction, now).ok()?;
    if let Some(taken) = &transaction.taken {
        // A device's own wishes are known to it, and answered at once.
        return (taken.device == *device && taken.binding != Binding::Device).then_some(false);
    }
    let addressed = transaction.addressed.as_ref().filter(|addressed| addressed.account == Some(*account))?;
    match &addressed.by {
        AddressedBy::Browser(_) => Some(transaction.level > Binding::RememberedBrowser.cap()),
        AddressedBy::UserId | AddressedBy::Ciba => locked_pushes.then_some(true),
        AddressedBy::Device(_) => None,
        AddressedBy::Notice(to) => (to == device).then_some(false),
    }
}

/// The device, if it may be told anything.
async fn active(app: &App, id: &Id) -> Result<Device, ApiError> {
    let mut device = docs::get::<Device>(&*app.store, &id.0).await?.ok_or(Code::DeviceUnknown)?.doc;
    if device.state == DeviceState::Enrolling {
        device.state = crate::activation::state_now(app, &device).await?;
    }
    match device.state {
        DeviceState::Active => Ok(device),
        DeviceState::Enrolling => Err(Code::DeviceNotActive.into()),
        DeviceState::Blocked => Err(Code::DeviceBlocked.into()),
        DeviceState::Frozen => Err(Code::DeviceFrozen.into()),
        DeviceState::Removed => Err(Code::DeviceRemoved.into()),
    }
}

fn key(app: &App) -> Secret<32> {
    crypto::hkdf_sha256(&app.keys.pairwise.0, &[b"godkend/1/poll-token"])
}

/// Device (16), expiry (4), and the first 12 bytes of the MAC over both.
fn token(key: &Secret<32>, device: &Id, expires: i64) -> Secret<32> {
    let mut token = Secret([0; 32]);
    let expires = u32::try_from(expires).unwrap_or(u32::MAX);
    token.0[..16].copy_from_slice(&device.0);
    token.0[16..20].copy_from_slice(&expires.to_be_bytes());
    let mac = crypto::hmac_sha256(&key.0, &[&token.0[..20]]);
    token.0[20..].copy_from_slice(&mac.0[..12]);
    token
}

fn device_of(key: &Secret<32>, given: &Secret<32>, now: i64) -> Option<Id> {
    let device = Id::from_slice(given.0.get(..16)?)?;
    let expires = i64::from(u32::from_be_bytes(given.0.get(16..20)?.try_into().ok()?));
    (token(key, &device, expires) == *given && now < expires).then_some(device)
}

#[cfg(test)]
mod tests {
    use godkend_protocol::bytes::Fixed;
    use godkend_protocol::types::Level;

    use super::super::testing::transaction;
    use super::*;
    use crate::records::{Addressed, Taken};

    const PHONE: Id = Fixed([1; 16]);
    const OTHER: Id = Fixed([2; 16]);
    const ACCOUNT: Id = Fixed([3; 16]);

    #[test]
    fn a_token_names_its_device_until_it_expires() {
        let key = Secret([5; 32]);
        let good = token(&key, &PHONE, 1_000);
        assert_eq!(device_of(&key, &good, 999), Some(PHONE));
        assert_eq!(device_of(&key, &good, 1_000), None);
        assert_eq!(device_of(&Secret([6; 32]), &good, 999), None);
        for byte in 0..32 {
            let mut changed = good.clone();
            changed.0[byte] ^= 1;
            assert_eq!(device_of(&key, &changed, 999), None, "{byte}");
        }
    }

    #[test]
    fn a_phone_is_told_of_what_is_its_own() {
        let listed = |transaction: &Transaction| listed(transaction, &PHONE, &ACCOUNT, true, 1_000);
        let by = |by| {
            let mut transaction = transaction();
            transaction.addressed = Some(Addressed { account: Some(ACCOUNT), by });
            transaction
        };
        assert_eq!(listed(&transaction()), None);
        assert_eq!(listed(&by(AddressedBy::UserId)), Some(true));
        assert_eq!(super::listed(&by(AddressedBy::UserId), &PHONE, &ACCOUNT, false, 1_000), None);
        let mut browser = by(AddressedBy::Browser(OTHER));
        assert_eq!(listed(&browser), Some(false));
        assert_eq!(super::listed(&browser, &PHONE, &OTHER, true, 1_000), None);
        browser.level = Level::High;
        assert_eq!(listed(&browser), Some(true));
        browser.taken = Some(Taken { device: PHONE, binding: Binding::RememberedBrowserAndNumber });
        assert_eq!(listed(&browser), Some(false));
        browser.taken = Some(Taken { device: OTHER, binding: Binding::TypedNumber });
        assert_eq!(listed(&browser), None);
        assert_eq!(listed(&by(AddressedBy::Notice(PHONE))), Some(false));
        for strange in [AddressedBy::Notice(OTHER), AddressedBy::Device(OTHER), AddressedBy::Device(PHONE)] {
            assert_eq!(listed(&by(strange)), None);
        }
        let mut over = by(AddressedBy::UserId);
        over.expires = 1_000;
        assert_eq!(listed(&over), None);
    }
}
