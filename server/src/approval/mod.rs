//! Approvals: from a relying party's or a device's wish to its one outcome.
//!
//! A browser's login or payment [`begin`]s a transaction; the phone comes to it by scan, link, number or push
//! (`fetch`), or begins its own (`manage`), answers it (`answer`) or refuses it unopened (`refuse`); the page
//! [`wait`]s for and [`collect`]s the outcome. Every step that decides is one conditional commit.

mod answer;
mod browser;
pub mod challenge;
mod decide;
mod fetch;
mod lapse;
mod level;
pub mod magic;
mod manage;
mod notice;
mod number;
mod offline;
mod operations;
mod page;
mod poll;
mod refuse;
mod seal;
mod settle;
#[cfg(test)]
pub(crate) mod testing;
mod transaction;
mod uses;

pub use browser::{BrowserCookie, forget_browser};
#[cfg(test)]
pub(crate) use fetch::browser_of;
pub use lapse::sweep;
pub use number::{AddressedView, address};
pub(crate) use number::{fold, name};
pub(crate) use offline::offline_tries;
pub use offline::{offline_challenge, offline_code};
pub(crate) use operations::reset_of;
pub use page::{
    Granted, Known, RETURN_PATH, State, TransactionView, cancel, collect, collect_into, complete_same_device, extend,
    frames, is_disputed, may_extend, same_device_link, view, wait,
};
pub(crate) use poll::waiting;
pub(crate) use seal::check as check_seal;
pub(crate) use settle::{settle, told};
pub use transaction::{Begun, NewTransaction, Start, begin, begin_beside};
pub(crate) use transaction::{check_open, check_session, id_of, read};
pub(crate) use uses::{Use, What, tell as tell_use};

use godkend_protocol::messages::approval::{AnswerRequest, Fetch, Manage, Poll, PollOpen, RefuseLocked};

use crate::phone::{PhoneRouter, route};
use crate::store::Kind;

/// The kinds of record of this module that expire, for purging; the records of open requests go with [`sweep`].
pub const KINDS: &[Kind] = &[Kind("open_number"), Kind("locked_slot"), Kind("offline_tries")];

/// The phone's requests about approvals.
pub fn routes() -> PhoneRouter {
    let router = route(PhoneRouter::new(), PollOpen::PATH, poll::open);
    let router = route(router, Poll::PATH, poll::poll);
    let router = route(router, Fetch::PATH, fetch::handle);
    let router = route(router, Manage::PATH, manage::handle);
    let router = route(router, AnswerRequest::PATH, answer::handle);
    route(router, RefuseLocked::PATH, refuse::handle)
}
