//! After a kill: what was open is brought to its end, and the ledger with it.

use std::time::Duration;

use godkend_core::{Command, Failure, HistoryEvent, IdentityStanding, Outcome};
use godkend_protocol::codes::Code;
use godkend_protocol::messages::activation::Stage;
use godkend_protocol::types::Decision;
use serde_json::Value;

use super::{Arrival, Person, trouble};
use crate::dice::Dice;
use crate::wire::{Browser, Done, Trouble};

impl Person {
    /// After the server came back: everything that was open is brought to its end, and the ledger with it.
    pub(crate) async fn settle(&mut self, dice: &mut Dice) -> Done<()> {
        if dice.once_in(3) {
            self.reopen().await;
        }
        match self.client.run(Command::Resume).await {
            Ok(Outcome::Resumed { open: 0, .. }) => {}
            other => return Err(Trouble::wrong(format!("resume: {other:?}"))),
        }
        if !self.active {
            match self.client.identities().first().map(|view| view.standing) {
                // Cut off before the digits were shown, or before the server had heard of the phone.
                None => return Ok(()),
                Some(IdentityStanding::Enrolling(_))
                    if matches!(self.arrival, Arrival::Done) && !self.digits_typed() =>
                {
                    return Ok(());
                }
                Some(IdentityStanding::Active) => self.active = true,
                Some(_) => self.arrive().await?,
            }
        }
        if self.block_asked && !self.blocked {
            self.block().await?;
        }
        self.hear_of_the_last();
        if self.blocked {
            return Ok(());
        }
        for login in &mut self.logins {
            let known = login.decided.is_some();
            let tokens = login.collect(&self.wire).await?;
            self.counts.tokens += u64::from(tokens);
            if tokens && !known {
                self.counts.cut_taken += 1;
            }
        }
        // Nothing is in flight any more: what waits now waits in vain.
        self.logins.clear();
        self.count_tries().await?;
        if self.pin_perhaps.is_some() || dice.once_in(4) {
            self.prove_pin().await?;
        }
        Ok(())
    }

    /// Whether the desk has taken the digits, as far as the phone can tell.
    fn digits_typed(&self) -> bool {
        self.client
            .identities()
            .first()
            .is_some_and(|view| !matches!(view.standing, IdentityStanding::Enrolling(Stage::Digits)))
    }

    /// An answer that was resent and taken is an acknowledged one.
    fn hear_of_the_last(&mut self) {
        let line = self.last_line();
        let Some(login) = self.logins.last() else { return };
        if login.decided.is_some() || login.wanted.is_none() {
            return;
        }
        self.counts.cut += 1;
        if line == self.line {
            return;
        }
        match line.map(|line| line.event) {
            Some(HistoryEvent::Approved) => self.acknowledge(Decision::Approve),
            Some(HistoryEvent::Denied) => self.acknowledge(Decision::Deny),
            _ => return,
        }
        self.counts.cut_taken += 1;
        self.debits = (0, self.debits.1);
    }

    /// The tries that the desk sees are within the ledger's bounds; from now on they are known exactly.
    async fn count_tries(&mut self) -> Done<()> {
        let devices = self.wire.devices(&self.citizen).await?;
        let [device] = devices.as_slice() else { return Err(Trouble::wrong(format!("{devices:?}"))) };
        if device["state"] != "active" {
            return Err(Trouble::wrong(format!("an honest phone is {device}")));
        }
        let debits = debits(&device["pin"]);
        if debits < self.debits.0 || debits > self.debits.1 {
            return Err(Trouble::wrong(format!("{debits} debits, not {:?}: {device}", self.debits)));
        }
        self.debits = (debits, debits);
        Ok(())
    }

    /// One PIN works: the one that was acknowledged last, or one of the two of a change that was cut off.
    async fn prove_pin(&mut self) -> Done<()> {
        for _ in 0..40 {
            let Some(view) = self.scan(Browser::new(&self.wire)).await? else { continue };
            self.answering(Decision::Approve);
            let with = self.pin();
            match self.client.run(Command::Approve { request: view.id, with, remember_browser: false }).await {
                Ok(_) => {
                    self.acknowledge(Decision::Approve);
                    (self.debits, self.pin_perhaps) = ((0, 0), None);
                    self.collect_last().await?;
                    self.logins.pop();
                    return Ok(());
                }
                Err(Failure::Refused { code: Code::PinWaiting, .. }) => {
                    self.logins.pop();
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(Failure::WrongPin(_)) => {
                    self.logins.pop();
                    let Some(other) = self.pin_perhaps.take() else {
                        return Err(Trouble::wrong("neither PIN works"));
                    };
                    self.pin = other;
                }
                Err(failure) => return Err(trouble("the PIN afterwards", &failure)),
            }
        }
        Err(Trouble::wrong("the PIN's wait never ends"))
    }
}

/// Debits since the last right PIN, from what is left of three rounds of three.
pub(crate) fn debits(pin: &Value) -> u32 {
    let number = |name: &str| u32::try_from(pin[name].as_u64().unwrap()).unwrap();
    if pin["dead"] == true { 9 } else { (2 - number("rounds_left")) * 3 + 3 - number("tries_left") }
}
