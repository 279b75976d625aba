//! Activation: from a link or a typed code to a phone that is in use; and a new PIN after proofing again.

use std::path::Path;

use godkend_core::{Command, IdentityStanding, Outcome};
use godkend_protocol::messages::activation::Stage;

use super::Phone;
use crate::ask;
use crate::exit::Exit;
use crate::json::{Person, Report};
use crate::problem::Problem;
use crate::qr;

/// Where the link or code comes from, and how far to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options<'a> {
    /// A picture of the QR code.
    pub(crate) picture: Option<&'a Path>,
    /// The environment of a typed code.
    pub(crate) environment: Option<String>,
    /// Ends once the digits are shown; `resume` goes on.
    pub(crate) digits_only: bool,
}

/// Activates.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn activate(phone: &Phone, options: &Options<'_>) -> Result<Exit, Problem> {
    let text = match options.picture {
        Some(path) => qr::read_picture(path)?.into(),
        None => ask::secret(&phone.out, "Aktiveringslink eller -kode", "Activation link or code").await?,
    };
    phone.out.progress("Telefonen laver nøgler ...", "The phone makes its keys ...");
    let command = Command::Activate { text: text.to_string(), environment: options.environment.clone() };
    let outcome = phone.run(command).await?;
    phone.out.clear();
    enrol(phone, outcome, options.digits_only).await
}

/// Asks for the PIN reset that a desk has opened.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn reset_pin(phone: &Phone, digits_only: bool) -> Result<Exit, Problem> {
    let outcome = phone.run(Command::ResetPin { identity: phone.person }).await?;
    enrol(phone, outcome, digits_only).await
}

/// Goes on with whatever was begun.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn resume(phone: &Phone) -> Result<Exit, Problem> {
    if let Outcome::Resumed { open, .. } = phone.run(Command::Resume).await?
        && open > 0
    {
        phone.out.report(&Report::Done { what: "open" });
        return Ok(Exit::Network);
    }
    let enrolling = |standing| matches!(standing, IdentityStanding::Enrolling(_) | IdentityStanding::ResettingPin(_));
    let person = phone
        .client
        .identities()
        .into_iter()
        .find(|person| phone.person.is_none_or(|wanted| wanted == person.id) && enrolling(person.standing));
    match person {
        Some(person) => finish(&Phone { person: Some(person.id), ..phone.again() }).await,
        None => {
            phone.out.report(&Report::Done { what: "resumed" });
            Ok(Exit::Done)
        }
    }
}

/// Shows the digits and goes on from there.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn enrol(phone: &Phone, outcome: Outcome, digits_only: bool) -> Result<Exit, Problem> {
    let Outcome::Digits { identity, digits } = outcome else {
        return Err(godkend_core::Failure::NotNow.into());
    };
    phone.out.report(&Report::Digits { person: identity.0, digits });
    if digits_only {
        return Ok(Exit::Done);
    }
    finish(&Phone { person: Some(identity), ..phone.again() }).await
}

/// Waits for the digits, takes a PIN, and says that the phone is ready.
async fn finish(phone: &Phone) -> Result<Exit, Problem> {
    let stage = await_digits(phone).await?;
    let stage = match stage {
        Stage::ChoosePin | Stage::Finish => choose_pin(phone).await?,
        other => other,
    };
    phone.out.report(&Report::of_stage(stage));
    match stage {
        Stage::Void => Ok(Exit::Expired),
        _ => {
            let view = phone.identity()?;
            phone.out.report(&Report::Activated { person: Person::of(&view), block_code: view.block_code.clone() });
            Ok(Exit::Done)
        }
    }
}

/// Until the digits have been typed.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn await_digits(phone: &Phone) -> Result<Stage, Problem> {
    let mut wait = 0;
    loop {
        match phone.run(Command::Enrolment { identity: phone.person, wait }).await? {
            Outcome::Stage(Stage::Digits) => {
                phone
                    .out
                    .progress("Venter på, at tallene bliver skrevet ind ...", "Waiting for the digits to be typed ...");
                wait = 25;
            }
            Outcome::Stage(stage) => {
                phone.out.clear();
                return Ok(stage);
            }
            _ => return Err(godkend_core::Failure::NotNow.into()),
        }
    }
}

async fn choose_pin(phone: &Phone) -> Result<Stage, Problem> {
    loop {
        let pin = ask::new_pin(&phone.out).await?;
        phone.out.progress("PIN-koden bliver registreret ...", "The PIN is being registered ...");
        match phone.client.run(Command::ChoosePin { identity: phone.person, pin }).await {
            Ok(Outcome::Stage(stage)) => {
                phone.out.clear();
                return Ok(stage);
            }
            Ok(_) => return Err(godkend_core::Failure::NotNow.into()),
            Err(failure @ godkend_core::Failure::WeakPin(_)) if ask::is_terminal() => {
                phone.out.say(&failure.danish(), &failure.english());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}
