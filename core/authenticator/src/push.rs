//! Wake-ups: the push address that the server has of this phone, and the handle by which one is told whom it is for.

use godkend_protocol::bytes::Secret;
use godkend_protocol::messages::push::{PushAddress, PushChange, PushRegister, PushState};

use crate::command::{Outcome, PushWish};
use crate::error::Failure;
use crate::flow::Port;
use crate::state::{IdentityId, LocalPush, State};
use crate::trust::decode_reply;

/// Registers, takes back, or asks. A handle is stored before it is sent, so that no wake-up comes before it is known; the one
/// before it is kept, for the server may not have heard of the new one.
pub(crate) async fn push(port: &Port, identity: IdentityId, wish: PushWish) -> Result<Outcome, Failure> {
    let _busy = port.lock(Some(identity))?;
    let device = port.shared().state.identity(identity)?.device;
    let (number, change) = match wish {
        PushWish::Ask => (0, None),
        PushWish::Set(address) if !address.is_well_formed() => return Err(Failure::NotSupported),
        PushWish::Set(address) => change(port, identity, Some(address))?,
        PushWish::Remove => change(port, identity, None)?,
    };
    if change.is_some() {
        port.persist().await?;
    }
    let register = PushRegister { device, nonce: port.random(), number, change };
    let (message, _) = port.sign(identity, &register).await?;
    let state: PushState = decode_reply(&port.post_as(identity, PushRegister::PATH, message, 0).await?)?;
    Ok(Outcome::Push(state))
}

fn change(
    port: &Port,
    identity: IdentityId,
    address: Option<PushAddress>,
) -> Result<(u64, Option<PushChange>), Failure> {
    let fresh = Secret(port.random().0);
    let mut shared = port.shared();
    let known = &mut shared.state.identity_mut(identity)?.push;
    let old = known.clone().unwrap_or(LocalPush { number: 0, handle: None, previous: None });
    let number = old.number.checked_add(1).ok_or(Failure::NotSupported)?;
    let (handle, change) = match address {
        Some(address) => (Some(fresh.clone()), PushChange::Set { handle: fresh, address }),
        None => (None, PushChange::Remove),
    };
    *known = Some(LocalPush { number, handle, previous: old.handle.or(old.previous) });
    Ok((number, Some(change)))
}

/// Whose handle it is that a wake-up carried.
pub(crate) fn woken(state: &State, handle: &str) -> Option<IdentityId> {
    let handle = Secret::<16>::from_base64(handle)?;
    let is_his = |push: &LocalPush| push.handle.as_ref() == Some(&handle) || push.previous.as_ref() == Some(&handle);
    state.identities.iter().find(|identity| identity.push.as_ref().is_some_and(is_his)).map(|identity| identity.id)
}
