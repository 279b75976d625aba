//! Polling, and what a device does to itself.

use godkend_protocol::bytes::{Id, Secret};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::Done;
use godkend_protocol::messages::approval::{Pending, Poll, PollOpen, PollOpened, RefuseLocked};
use godkend_protocol::messages::device::{AskOverview, BlockSelf, DeviceState, Overview};
use godkend_protocol::types::{Decision, VersionPolicy};

use crate::command::{Outcome, WaitingRequest};
use crate::error::Failure;
use crate::flow::Port;
use crate::history::{HistoryEvent, HistoryLine};
use crate::manage;
use crate::state::{IdentityId, IdentityStanding};
use crate::trust::decode_reply;

/// The longest that a poll may be held, in seconds.
const LONGEST_WAIT: u32 = 25;

pub(crate) async fn poll(port: &Port, identity: IdentityId, wait: u32) -> Result<Outcome, Failure> {
    let (mut token, mut policy) = match stored_token(port, identity) {
        Some(token) => (token, VersionPolicy::Current),
        None => open_poll(port, identity).await?,
    };
    let mut again = true;
    loop {
        // What is shown on the screen already need not be told again; a driver that wants a change passes a wait.
        let known = known(port, identity, wait);
        let poll = Poll { token: token.clone(), known, wait: wait.min(LONGEST_WAIT) };
        match port.post_as(identity, Poll::PATH, cbor::encode(&poll), poll.wait).await {
            Ok(reply) => {
                let pending: Pending = decode_reply(&reply)?;
                let requests: Vec<WaitingRequest> = pending
                    .items
                    .iter()
                    .map(|item| WaitingRequest { id: item.id, locked: item.locked, expires_in: item.expires_in })
                    .collect();
                remember(port, identity, &requests);
                return Ok(Outcome::Waiting { requests, policy });
            }
            Err(Failure::Refused { code: Code::PollExpired, .. }) if again => {
                again = false;
                port.shared().poll_tokens.retain(|(of, ..)| *of != identity);
                (token, policy) = open_poll(port, identity).await?;
            }
            Err(other) => return Err(other),
        }
    }
}

fn stored_token(port: &Port, identity: IdentityId) -> Option<Secret<32>> {
    let shared = port.shared();
    let now = shared.now.monotonic_ms;
    shared.poll_tokens.iter().find(|(of, _, until)| *of == identity && now < *until).map(|(_, token, _)| token.clone())
}

async fn open_poll(port: &Port, identity: IdentityId) -> Result<(Secret<32>, VersionPolicy), Failure> {
    let device = port.shared().state.identity(identity)?.device;
    let open = PollOpen { device, nonce: port.random(), app_version: port.config.info.app_version.clone() };
    let started = port.now().monotonic_ms;
    let (message, _) = port.sign(identity, &open).await?;
    let opened: PollOpened = decode_reply(&port.post_as(identity, PollOpen::PATH, message, 0).await?)?;
    let mut shared = port.shared();
    shared.poll_tokens.retain(|(of, ..)| *of != identity);
    let until = started.saturating_add(u64::from(opened.expires_in) * 1000);
    shared.poll_tokens.push((identity, opened.token.clone(), until));
    Ok((opened.token, opened.policy))
}

fn known(port: &Port, identity: IdentityId, wait: u32) -> Vec<Id> {
    if wait == 0 {
        return Vec::new();
    }
    let shared = port.shared();
    let mut known: Vec<Id> = shared.known.iter().filter(|(of, _)| *of == identity).map(|(_, id)| *id).collect();
    known.sort_unstable();
    known
}

fn remember(port: &Port, identity: IdentityId, requests: &[WaitingRequest]) {
    let mut shared = port.shared();
    shared.known.retain(|(of, _)| *of != identity);
    shared.known.extend(requests.iter().map(|request| (identity, request.id)));
}

pub(crate) async fn refuse_locked(
    port: &Port,
    identity: IdentityId,
    transaction: Id,
    fraud: bool,
) -> Result<Outcome, Failure> {
    let device = port.shared().state.identity(identity)?.device;
    let decision = if fraud { Decision::ReportFraud } else { Decision::Deny };
    let refuse = RefuseLocked { device, transaction, decision, nonce: port.random() };
    let (message, _) = port.sign(identity, &refuse).await?;
    let _: Done = decode_reply(&port.post_as(identity, RefuseLocked::PATH, message, 0).await?)?;
    let event = if fraud { HistoryEvent::Reported } else { HistoryEvent::Denied };
    note(port, identity, event)?;
    port.persist().await?;
    Ok(Outcome::Refused)
}

pub(crate) async fn overview(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    let device = port.shared().state.identity(identity)?.device;
    let (message, _) = port.sign(identity, &AskOverview { device, nonce: port.random() }).await?;
    let overview: Overview = decode_reply(&port.post_as(identity, AskOverview::PATH, message, 0).await?)?;
    Ok(Outcome::Overview(Box::new(overview)))
}

pub(crate) async fn block(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let device = port.shared().state.identity(identity)?.device;
    let (message, _) = port.sign(identity, &BlockSelf { device, nonce: port.random() }).await?;
    let _: Done = decode_reply(&port.post_as(identity, BlockSelf::PATH, message, 0).await?)?;
    port.shared().state.identity_mut(identity)?.state = DeviceState::Blocked;
    note(port, identity, HistoryEvent::Blocked)?;
    port.persist().await?;
    Ok(Outcome::Done)
}

pub(crate) async fn block_code_noted(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    port.shared().state.identity_mut(identity)?.block_code = None;
    port.persist().await?;
    Ok(Outcome::Done)
}

/// Takes an identity off this phone. One that is in use is removed at the server first ([`manage::remove_device`]);
/// one whose key is gone, as after a restored backup, can ask the server for nothing any more and goes at once.
pub(crate) async fn forget(port: &Port, identity: IdentityId) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let (in_use, device) = {
        let shared = port.shared();
        let person = shared.state.identity(identity)?;
        let standing = person.standing();
        (matches!(standing, IdentityStanding::Active | IdentityStanding::ResettingPin(_)), person.device)
    };
    // The signature is thrown away: it only shows that the key is there.
    if in_use && can_sign(port, identity, device).await? {
        return Err(Failure::NotNow);
    }
    {
        let mut shared = port.shared();
        let shared = &mut *shared;
        let person = shared.state.identity(identity)?;
        let aliases: Vec<_> = person.keys.iter().map(|key| key.alias.clone()).collect();
        shared.state.orphans.extend(aliases);
        shared.state.identities.retain(|person| person.id != identity);
    }
    port.persist().await?;
    manage::remove_orphans(port).await?;
    Ok(Outcome::Done)
}

async fn can_sign(port: &Port, identity: IdentityId, device: Id) -> Result<bool, Failure> {
    match port.sign(identity, &AskOverview { device, nonce: port.random() }).await {
        Ok(_) => Ok(true),
        Err(Failure::KeyMissing | Failure::KeyInvalidated) => Ok(false),
        Err(other) => Err(other),
    }
}

fn note(port: &Port, identity: IdentityId, event: HistoryEvent) -> Result<(), Failure> {
    let mut shared = port.shared();
    let at = shared.now.wall;
    shared.state.identity_mut(identity)?.note(HistoryLine {
        at,
        event,
        relying_party: None,
        action: None,
        text: None,
        place: None,
        code: None,
    });
    Ok(())
}
