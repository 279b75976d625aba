//! One login, from the bank's side: begun, approved or not, and collected once.

use std::time::Duration;

use godkend_protocol::types::Decision;

use crate::wire::{Browser, Done, Finish, Trouble, Wire};

/// One login at the bank.
pub(crate) struct Login {
    /// Empty where only the phone knows it.
    pub(crate) transaction: String,
    pub(crate) browser: Browser,
    /// Without a browser: `auth_req_id`.
    pub(crate) ciba: Option<String>,
    /// What the phone sent, or was about to.
    pub(crate) wanted: Option<Decision>,
    /// What the server acknowledged to the phone.
    pub(crate) decided: Option<Decision>,
    code: Option<String>,
    /// The bank has asked for the tokens, and may or may not have been answered.
    asked: bool,
    /// The bank has its tokens.
    got: bool,
    /// Nothing more will come of it.
    over: bool,
}

impl Login {
    pub(crate) fn on(browser: Browser) -> Self {
        Self {
            transaction: browser.transaction().to_owned(),
            browser,
            ciba: None,
            wanted: None,
            decided: None,
            code: None,
            asked: false,
            got: false,
            over: false,
        }
    }

    /// The bank's side of the end. Says whether it got its tokens now.
    pub(crate) async fn collect(&mut self, wire: &Wire) -> Done<bool> {
        if self.over {
            return Ok(false);
        }
        if let Some(auth_req_id) = self.ciba.clone() {
            return self.collect_ciba(wire, &auth_req_id).await;
        }
        if self.got {
            return self.collected_once(wire).await.map(|()| false);
        }
        let code = match &self.code {
            Some(code) => code.clone(),
            None => match (self.browser.finish().await?, self.decided) {
                (Finish::Code(code), Some(Decision::Approve)) => code,
                (Finish::Code(code), None) if self.wanted == Some(Decision::Approve) => code,
                (Finish::Declined, Some(Decision::Deny)) => {
                    self.over = true;
                    return Ok(false);
                }
                (Finish::Declined, None) if self.wanted == Some(Decision::Deny) => {
                    self.over = true;
                    return Ok(false);
                }
                (Finish::Waits, None) => return Ok(false),
                (finish, _) => {
                    let Self { transaction, wanted, decided, .. } = self;
                    return Err(Trouble::wrong(format!("{transaction} {wanted:?} {decided:?} ended as {finish:?}")));
                }
            },
        };
        self.code = Some(code.clone());
        let asked = std::mem::replace(&mut self.asked, true);
        let reply = wire.redeem(&code).await?;
        let tokens = match reply.status {
            200 if reply.body["id_token"].is_string() => true,
            // The answer to the bank's first asking was lost with the server.
            400 if asked && reply.body["error"] == "invalid_grant" => false,
            _ => return Err(Trouble::wrong(format!("{} lost its approval: {reply:?}", self.transaction))),
        };
        self.got = true;
        self.collected_once(wire).await?;
        Ok(tokens)
    }

    /// The same for a login without a browser: a poll of the back channel.
    async fn collect_ciba(&mut self, wire: &Wire, auth_req_id: &str) -> Done<bool> {
        let asked = std::mem::replace(&mut self.asked, true);
        if asked {
            // The interval between two polls.
            tokio::time::sleep(Duration::from_millis(1_100)).await;
        }
        let reply = wire.ciba_token(auth_req_id).await?;
        let error = reply.body["error"].as_str().unwrap_or_default();
        match (reply.status, error) {
            (200, _) if self.wanted == Some(Decision::Approve) && !self.got => {
                self.got = true;
                wire.ciba_token(auth_req_id).await?.is(400)?;
                self.over = true;
                Ok(true)
            }
            // Given out before: the answer to that asking was lost with the server, or came and this is the second.
            (400, "invalid_grant") if asked => {
                self.over = true;
                Ok(false)
            }
            (400, "authorization_pending") if self.decided.is_none() => Ok(false),
            _ => Err(Trouble::wrong(format!("CIBA {:?} {:?} ended as {reply:?}", self.wanted, self.decided))),
        }
    }

    /// Once, and never again.
    async fn collected_once(&mut self, wire: &Wire) -> Done<()> {
        let again = wire.redeem(self.code.as_deref().unwrap_or_default()).await?;
        if again.status != 400 {
            return Err(Trouble::wrong(format!("{} collected twice: {again:?}", self.transaction)));
        }
        self.over = true;
        Ok(())
    }
}
