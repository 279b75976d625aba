//! A person's devices: the overview on the phone, and every way to block or remove one.

mod block;
mod overview;

pub use block::{BlockedDevice, block, block_by_code, remove, remove_for_good, unblock};
pub(crate) use overview::lines;

use godkend_protocol::messages::device::{AskOverview, BlockSelf};

use crate::phone::{PhoneRouter, route};

/// The phone's requests about devices.
pub fn routes() -> PhoneRouter {
    let router = route(PhoneRouter::new(), AskOverview::PATH, overview::handle);
    route(router, BlockSelf::PATH, block::handle)
}
