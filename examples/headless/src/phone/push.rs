//! Wake-ups: the push address of this phone, and what a wake-up leads to.

use godkend_core::{Command, Failure, Outcome, PushWish};
use godkend_protocol::bytes::{Blob, PublicKey, Secret};
use godkend_protocol::messages::push::PushAddress;

use super::Phone;
use crate::args::PushArgs;
use crate::exit::Exit;
use crate::json::Report;
use crate::problem::Problem;

/// Gives the server an address, takes it back, or asks.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn push(phone: &Phone, args: PushArgs) -> Result<Exit, Problem> {
    let wish = wish(args).ok_or(Failure::NotACode)?;
    let Outcome::Push(state) = phone.run(Command::Push { identity: phone.person, wish }).await? else {
        return Err(Failure::NotNow.into());
    };
    let web_push = state.web_push.map(|key| key.to_base64());
    phone.out.report(&Report::Push { registered: state.registered, fcm: state.fcm, apns: state.apns, web_push });
    Ok(Exit::Done)
}

/// What waits for the person whose handle this is; without one, for the only person on this phone.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn woken(phone: &Phone, handle: &str) -> Result<Exit, Problem> {
    let identity = phone.client.woken(handle).or(phone.person);
    match phone.run(Command::Poll { identity, wait: 0 }).await? {
        Outcome::Waiting { requests, policy } => {
            phone.out.report(&Report::of_waiting(&requests, Some(policy)));
            Ok(Exit::Done)
        }
        _ => Err(Failure::NotNow.into()),
    }
}

fn wish(args: PushArgs) -> Option<PushWish> {
    let address = match args {
        PushArgs { remove: true, .. } => return Some(PushWish::Remove),
        PushArgs { fcm: Some(token), .. } => PushAddress::Fcm { token },
        PushArgs { apns: Some(token), sandbox, .. } => {
            PushAddress::Apns { token: Blob(hex::decode(token).ok()?), sandbox }
        }
        PushArgs { web_push: Some(endpoint), key: Some(key), auth: Some(auth), .. } => PushAddress::WebPush {
            endpoint,
            key: PublicKey::from_base64(key.trim_end_matches('='))?,
            auth: Secret::from_base64(auth.trim_end_matches('='))?,
        },
        _ => return Some(PushWish::Ask),
    };
    address.is_well_formed().then_some(PushWish::Set(address))
}
