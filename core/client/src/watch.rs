//! Long polling: what waits for a person, told when it changes.

use std::time::Duration;

use godkend_core::{Command, Failure, IdentityId, Outcome, WaitingRequest};
use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;

use crate::backoff::Backoff;
use crate::driver::Client;

/// Watches what waits. Made by [`Client::watch`]; drop it to stop.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    identity: Option<IdentityId>,
    told: Vec<(Id, bool)>,
    backoff: Backoff,
}

impl Watch {
    pub(crate) fn new(client: Client, identity: Option<IdentityId>) -> Self {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        Self { client, identity, told: Vec::new(), backoff }
    }

    /// Waits until the list differs from the one told last (at first: from an empty one), and tells it. Passing
    /// failures are waited out, however long; dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Failure`], where waiting does not help; [`Failure::Cancelled`] once the client is closed.
    pub async fn next(&mut self) -> Result<Vec<WaitingRequest>, Failure> {
        // At first without a wait: somebody else may have heard of the news that this watch has not told.
        let mut wait = 0;
        loop {
            match self.client.run(Command::Poll { identity: self.identity, wait }).await {
                Ok(Outcome::Waiting { requests, .. }) => {
                    self.backoff.reset();
                    wait = LONGEST_POLL;
                    let list: Vec<_> = requests.iter().map(|request| (request.id, request.locked)).collect();
                    if list != self.told {
                        self.told = list;
                        return Ok(requests);
                    }
                }
                // A poll has no other outcome.
                Ok(_) => return Err(Failure::NotNow),
                Err(failure) if is_passing(&failure) => {
                    let wait = self.client.backoff(&mut self.backoff, &failure);
                    tokio::time::sleep(wait).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// The longest that the server holds a poll, in seconds.
const LONGEST_POLL: u32 = 25;

fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::NoNetwork => true,
        Failure::Refused { code, .. } => {
            matches!(code, Code::Unavailable | Code::Throttled | Code::Internal | Code::Conflict)
        }
        _ => false,
    }
}
