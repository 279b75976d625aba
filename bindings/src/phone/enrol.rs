//! Activation and a new PIN.

use godkend_core::{Command, Failure, Outcome};
use godkend_protocol::messages::activation::Stage;

use super::{Phone, identity, typed_pin};
use crate::error::PhoneError;
use crate::people::EnrolmentStage;
use crate::secret::SecretBytes;

#[uniffi::export]
impl Phone {
    /// Activates by the text of a link or QR code, or by a typed 4x5 code. Gives the new person: show `digits` next.
    /// `environment` names the root of a typed code where the app trusts several.
    #[uniffi::method(default(environment = None))]
    pub async fn activate(&self, text: String, environment: Option<String>) -> Result<u32, PhoneError> {
        let outcome = self.run(Command::Activate { text, environment }).await?;
        enrolling(&outcome)
    }

    /// The eight digits that the person types where the activation was handed out, while they are wanted.
    #[uniffi::method(default(person = None))]
    pub fn digits(&self, person: Option<u32>) -> Option<String> {
        self.client.digits(identity(person)).ok().flatten()
    }

    /// Waits until the digits have been typed, for as long as it takes, and tells the stage that follows.
    #[uniffi::method(default(person = None))]
    pub async fn await_digits(&self, person: Option<u32>) -> Result<EnrolmentStage, PhoneError> {
        let identity = identity(person);
        let waiting = async {
            let mut wait = 0;
            loop {
                match self.client.run(Command::Enrolment { identity, wait }).await {
                    Ok(Outcome::Stage(Stage::Digits)) => wait = LONGEST_WAIT,
                    Ok(Outcome::Stage(stage)) => return Ok(EnrolmentStage::from(stage)),
                    Ok(_) => return Err(Failure::NotNow),
                    Err(failure) => return Err(failure),
                }
            }
        };
        self.until_stopped(waiting).await
    }

    /// Asks the server once where the enrolment stands.
    #[uniffi::method(default(person = None))]
    pub async fn enrolment(&self, person: Option<u32>) -> Result<EnrolmentStage, PhoneError> {
        let outcome = self.run(Command::Enrolment { identity: identity(person), wait: 0 }).await?;
        stage(&outcome)
    }

    /// Chooses a PIN, six ASCII digits, and ends the enrolment with a first approval.
    #[uniffi::method(default(person = None))]
    pub async fn choose_pin(&self, pin: SecretBytes, person: Option<u32>) -> Result<EnrolmentStage, PhoneError> {
        let pin = typed_pin(&pin)?;
        let outcome = self.run(Command::ChoosePin { identity: identity(person), pin }).await?;
        stage(&outcome)
    }

    /// Begins the new PIN that a desk has opened after proofing again: `digits`, `awaitDigits`, `choosePin` follow.
    #[uniffi::method(default(person = None))]
    pub async fn reset_pin(&self, person: Option<u32>) -> Result<u32, PhoneError> {
        let outcome = self.run(Command::ResetPin { identity: identity(person) }).await?;
        enrolling(&outcome)
    }

    /// The code that blocks this phone from any browser, until it has been written down. Show it once.
    #[uniffi::method(default(person = None))]
    pub fn block_code(&self, person: Option<u32>) -> Option<String> {
        let people = self.client.identities();
        let person = match person {
            Some(id) => people.into_iter().find(|view| view.id.0 == id),
            None => people.into_iter().find(|view| view.block_code.is_some()),
        };
        person.and_then(|view| view.block_code)
    }

    /// The person has written the block code down: forget it.
    #[uniffi::method(default(person = None))]
    pub async fn block_code_noted(&self, person: Option<u32>) -> Result<(), PhoneError> {
        self.run(Command::BlockCodeNoted { identity: identity(person) }).await.map(drop)
    }
}

fn enrolling(outcome: &Outcome) -> Result<u32, PhoneError> {
    match outcome {
        Outcome::Digits { identity, .. } => Ok(identity.0),
        _ => Err(PhoneError::Unexpected),
    }
}

fn stage(outcome: &Outcome) -> Result<EnrolmentStage, PhoneError> {
    match outcome {
        Outcome::Stage(stage) => Ok((*stage).into()),
        _ => Err(PhoneError::Unexpected),
    }
}

/// The longest that the server holds the question, in seconds.
const LONGEST_WAIT: u32 = 25;
