//! What a file shows.

use std::fmt;

use godkend_protocol::bytes::{Hash32, Id};
use godkend_protocol::text::visible;
use godkend_protocol::types::{Action, Binding, Decision, Factor, Level, Payment, SecurityLevel};
use serde::Serialize;

/// What evidence of a decision shows. Times are Unix seconds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Shown {
    /// The environment.
    pub environment: String,
    /// The transaction.
    pub transaction: Id,
    /// The person: `mitid.uuid`.
    pub uuid: String,
    /// The account.
    pub account: Id,
    /// The device.
    pub device: Id,
    /// Who asked: identifier and name, as shown.
    pub relying_party: (String, String),
    /// What it was about.
    pub action: Action,
    /// The text, as shown.
    pub text: Option<String>,
    /// The payment, as shown.
    pub payment: Option<Payment>,
    /// Where the browser seemed to be, as shown.
    pub place: Option<String>,
    /// Which browser it said it was, as shown.
    pub browser: Option<String>,
    /// The level that was asked for.
    pub level_asked: Level,
    /// When the server signed the request, and until when it could be answered.
    pub asked: (i64, i64),
    /// What was decided.
    pub decision: Decision,
    /// With what.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The level that was reached.
    pub level: Option<Level>,
    /// What proved the person where it was not a phone alone, by the policy's names. The server's word, in the log.
    pub means: Vec<String>,
    /// When it was decided.
    pub at: i64,
    /// The hash that names the challenge.
    pub challenge: Hash32,
    /// SHA-256 of the answer's payload.
    pub answer: Hash32,
    /// The device's key.
    pub possession: EnrolledWith,
    /// The factor's key.
    pub factor_key: Option<EnrolledWith>,
    /// The hash of the activation's transcript, where the device's keys are those of its activation.
    pub transcript: Option<Hash32>,
    /// Where it stands in the log.
    pub log: Seen,
}

/// A key that signed, and where the log enrols it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EnrolledWith {
    /// The entry's place.
    pub index: u64,
    /// When.
    pub at: i64,
    /// How it is protected, as attested; the PIN's key has no attestation.
    pub security: Option<SecurityLevel>,
}

/// Where a decision stands in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Seen {
    /// The log's epoch.
    pub epoch: u64,
    /// The decision's place, from 0.
    pub index: u64,
    /// The size of the log that it was shown in.
    pub size: u64,
    /// Its root hash.
    pub root: Hash32,
    /// When the log's key signed that.
    pub time: u64,
}

/// What the log says of a decision that no key of a phone has signed. The server alone vouches for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Stated {
    /// The environment.
    pub environment: String,
    /// The transaction.
    pub transaction: Id,
    /// The person: `mitid.uuid`; none where nobody was known.
    pub uuid: Option<String>,
    /// The account.
    pub account: Option<Id>,
    /// The device.
    pub device: Option<Id>,
    /// Who asked: the identifier. The text that was shown does not stand in the log.
    pub relying_party: String,
    /// What it was about.
    pub action: Action,
    /// What was decided.
    pub decision: Decision,
    /// With what.
    pub factor: Factor,
    /// How the browser was bound.
    pub binding: Binding,
    /// The level that was reached.
    pub level: Option<Level>,
    /// What proved the person where it was not a phone alone, by the policy's names. The server's word, in the log.
    pub means: Vec<String>,
    /// When.
    pub at: i64,
    /// Where it stands in the log.
    pub log: Seen,
}

/// That a witness saw the same log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Witnessed {
    /// The witness's name.
    pub witness: String,
    /// When it cosigned: the decision stood in the log before that.
    pub time: u64,
    /// The size of the log that it cosigned.
    pub size: u64,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decided = match self.decision {
            Decision::Approve => "approved",
            Decision::Deny => "refused",
            Decision::ReportFraud => "reported as fraud",
        };
        let factor = match self.factor {
            Factor::None => "no factor",
            Factor::Pin => "the PIN",
            Factor::Biometric => "biometrics",
        };
        let Seen { epoch, index, size, .. } = self.log;
        writeln!(f, "Environment:   {}", self.environment)?;
        writeln!(f, "Transaction:   {}", self.transaction.to_base64())?;
        writeln!(f, "Asked by:      {} ({})", visible(&self.relying_party.1), visible(&self.relying_party.0))?;
        writeln!(f, "Action:        {}", self.action.name())?;
        if let Some(text) = &self.text {
            writeln!(f, "Text shown:    {}", visible(text))?;
        }
        if let Some(payment) = &self.payment {
            let account = payment.account.as_deref().map(|account| format!(", account {}", visible(account)));
            let (amount, currency) = (payment.amount_minor, visible(&payment.currency));
            let (payee, account) = (visible(&payment.payee), account.unwrap_or_default());
            writeln!(f, "Payment shown: {amount} minor units of {currency} to {payee}{account}")?;
        }
        writeln!(f, "Decision:      {decided} with {factor}, at Unix second {}", self.at)?;
        writeln!(f, "Person:        {} (device {})", visible(&self.uuid), self.device.to_base64())?;
        writeln!(f, "Binding:       {}", self.binding.name())?;
        writeln!(f, "Level:         {}", self.level.map_or("none", Level::name))?;
        if !self.means.is_empty() {
            writeln!(f, "Means:         {}", visible(&self.means.join(" + ")))?;
        }
        write!(f, "Log:           entry {index} of {size}, epoch {epoch}; the keys were enrolled before it")
    }
}
